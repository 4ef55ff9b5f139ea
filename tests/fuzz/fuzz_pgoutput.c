/* Whatever a server of PostgreSQL sends as its log: no crash, and what is told as an event holds together: each value
 * is of its column's type or a text, and can be read to its end; what is refused has a story.
 *
 * The input is a byte of choices and messages, each behind its length in two bytes. Lengths are taken as far as the
 * input goes. */
#include "db/postgres/changes/pgoutput.h"

#include "db/postgres/types.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AS_TEXT = 1, OWN_TYPES = 2, ONE_TABLE = 4, FIRST_OWN_TYPE = 16384 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_value(cv_buf *out, const cv_change_column *column, cv_value value, bool given)
{
    must(given || value.type == CV_TYPE_NULL);
    must(value.type == CV_TYPE_NULL || value.type == column->type || value.type == CV_TYPE_TEXT);
    cv_value_describe(out, value);
    must(cv_value_equal(value, value)); /* reads all of it */
}

static void check_row(cv_buf *out, const cv_change *change, const cv_value *values, const bool *given)
{
    bool all = true;
    for (size_t i = 0; values && i < change->column_count; i++) {
        check_value(out, &change->columns[i], values[i], !given || given[i]);
        all = all && (!given || given[i]);
    }
    must(!change->complete || all);
}

static bool has_row_before(const cv_change *change)
{
    return change->kind == CV_CHANGE_UPDATE || change->kind == CV_CHANGE_DELETE;
}

static bool has_row_after(const cv_change *change)
{
    return change->kind == CV_CHANGE_INSERT || change->kind == CV_CHANGE_UPDATE;
}

static void check_event(const cv_change *change)
{
    cv_buf out;
    cv_buf_init(&out, 0);
    must(strcmp(cv_change_kind_name(change->kind), "?") != 0 && change->transaction_id);
    must((change->kind == CV_CHANGE_COMMIT) == !change->table && !change->schema == !change->table);
    must(has_row_before(change) == (change->old_values != NULL));
    must(has_row_after(change) == (change->new_values != NULL));
    for (size_t i = 0; i < change->column_count; i++) {
        must(cv_change_find(change, change->columns[i].name) >= 0);
        (void)cv_change_has_changed(change, i);
    }
    check_row(&out, change, change->old_values, change->old_given);
    check_row(&out, change, change->new_values, change->new_given);
    must(!out.error);
    cv_buf_done(&out);
}

static void read_message(cv_ctx *cx, cv__pgoutput *output, const cv_changes *changes, cv_str message)
{
    cv_change change;
    CV_SCOPE(cx)
    {
        int rc = cv__pgoutput_read(cx, output, changes, message, &change);
        for (; rc == CV__PGOUTPUT_EVENT; rc = cv__pgoutput_more(output, &change))
            check_event(&change);
        must(rc == 0 || cv_error_last(cx));
        cv_error_clear(cx);
    }
}

/* A copy of exactly its size, so that a read beyond its end is seen. */
static void read_copy(cv_ctx *cx, cv__pgoutput *output, const cv_changes *changes, const uint8_t *at, size_t len)
{
    char *message = malloc(len ? len : 1);
    must(message != NULL);
    memcpy(message, at, len);
    read_message(cx, output, changes, cv_str_make(message, len));
    free(message);
}

static void add_types(cv__pgoutput *output)
{
    must(cv__pgoutput_add_type(output, FIRST_OWN_TYPE, CV__PG_TEXT, "mood") == 0);
    must(cv__pgoutput_add_type(output, FIRST_OWN_TYPE + 1, FIRST_OWN_TYPE + 2, "small") == 0);
    must(cv__pgoutput_add_type(output, FIRST_OWN_TYPE + 2, FIRST_OWN_TYPE + 1, "circle of domains") == 0);
    must(cv__pgoutput_add_type(output, FIRST_OWN_TYPE + 3, 0, "shape") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char table[] = "public.books";
    char *tables[] = {table};
    cv_ctx *cx = cv_ctx_new(0);
    cv__pgoutput *output = cv__pgoutput_new();
    const uint8_t *end = data + size;
    must(cx && output);
    uint8_t choices = size > 0 ? *data++ : 0;
    cv_changes changes = {.tables = tables, .table_count = choices & ONE_TABLE ? 1 : 0};
    if (choices & AS_TEXT)
        cv__pgoutput_use_text(output);
    if (choices & OWN_TYPES)
        add_types(output);
    while (end - data >= 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        data += 2;
        len = len < (size_t)(end - data) ? len : (size_t)(end - data);
        read_copy(cx, output, &changes, data, len);
        data += len;
    }
    cv__pgoutput_free(output);
    cv_ctx_free(cx);
    return 0;
}
