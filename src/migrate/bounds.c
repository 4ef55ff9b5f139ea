/* What MariaDB (InnoDB, utf8mb4) cannot have: keys of more than 3,072 bytes and rows of more than 65,535. A unique
 * index of longer values is kept by their hashes, and an ordinary index of one longer column covers its beginning; both
 * are made by the engine itself and need no refusal.
 *
 * https://mariadb.com/kb/en/innodb-limitations/ */
#include "migrate/render.h"

#define LONGEST_VARCHAR 16383 /* longer texts are LONGTEXT */
#define POINTER_BYTES   12    /* what a large value leaves in its row */

static bool is_large(const cv__column_type *type)
{
    switch (type->type) {
    case CV_TYPE_TEXT:
        return !type->max_length || type->max_length > LONGEST_VARCHAR;
    case CV_TYPE_BYTES:
    case CV_TYPE_JSON:
    case CV_TYPE_ARRAY:
    case CV_TYPE_RANGE:
        return true;
    default:
        return false;
    }
}

static size_t value_bytes(const cv__column_type *type)
{
    switch (type->type) {
    case CV_TYPE_TEXT:
        return (size_t)type->max_length * 4;
    case CV_TYPE_BOOL:
        return 1;
    case CV_TYPE_I64:
        return type->bits ? type->bits / 8 : 8;
    case CV_TYPE_DATE:
        return 3;
    case CV_TYPE_UUID:
        return 16;
    case CV_TYPE_DECIMAL:
        return type->digits ? type->digits / 2 + 2 : 32;
    default:
        return 8;
    }
}

/* What a column adds to a key; a large one as much as a key takes at most. */
static size_t key_bytes(const cv__ddl *ddl, const cv__column_type *type)
{
    size_t bytes = is_large(type) ? ddl->max_key_bytes : value_bytes(type);
    return bytes < ddl->max_key_bytes ? bytes : ddl->max_key_bytes;
}

static int fail_key(cv_ctx *cx, const cv__ddl *ddl, const cv__column *column)
{
    cv__fail_at(cx, column->place, "the column \"%s\" is too long for a key on %s", column->name, ddl->dialect->name);
    cv_error_hint(cx, "a key has at most %zu bytes there: give the column a max_length of at most %zu",
                  ddl->max_key_bytes, ddl->max_key_bytes / 4);
    return CV_E_MIGRATION;
}

int cv__ddl_check_column(cv_ctx *cx, const cv__ddl *ddl, const cv__column *column, const cv__check *checks,
                         size_t check_count)
{
    if (!ddl->max_key_bytes)
        return 0;
    bool key = column->primary_key || column->references_table;
    if (key && (is_large(&column->type) || value_bytes(&column->type) > ddl->max_key_bytes))
        return fail_key(cx, ddl, column);
    for (size_t i = 0; column->references_table && column->on_delete == CV_SET_NULL && i < check_count; i++) {
        if (strcmp(checks[i].column, column->name) != 0)
            continue;
        cv__fail_at(cx, column->place, "the column \"%s\" cannot have the check \"%s\" on %s: a key sets it to null",
                    column->name, checks[i].name, ddl->dialect->name);
        cv_error_hint(cx, "leave the check out, or let the key protect or cascade");
        return CV_E_MIGRATION;
    }
    return 0;
}

int cv__ddl_check_table(cv_ctx *cx, const cv__ddl *ddl, const cv__schema_table *table)
{
    size_t row_bytes = table->column_count / 8 + 1;
    if (!ddl->max_row_bytes)
        return 0;
    for (size_t i = 0; i < table->column_count; i++) {
        const cv__column *column = &table->columns[i];
        CV_TRY(cv__ddl_check_column(cx, ddl, column, table->checks, table->check_count));
        row_bytes += is_large(&column->type) ? POINTER_BYTES : value_bytes(&column->type) + 2;
    }
    if (row_bytes <= ddl->max_row_bytes)
        return 0;
    cv__fail_at(cx, table->columns[0].place, "a row of the table \"%s\" may have %zu bytes; %s takes at most %zu",
                table->name, row_bytes, ddl->dialect->name, ddl->max_row_bytes);
    cv_error_hint(cx, "make the longest texts unbounded (\"text\"): those lie outside of the row");
    return CV_E_MIGRATION;
}

int cv__ddl_check_index(cv_ctx *cx, const cv__ddl *ddl, const cv__schema_table *table, const cv__index *index,
                        cv__place place)
{
    size_t bytes = 0;
    if (!ddl->max_key_bytes || index->unique || index->column_count == 1 || !table)
        return 0;
    for (size_t i = 0; i < index->column_count; i++) {
        const cv__column *column = cv__table_column(table, index->columns[i]);
        bytes += column ? key_bytes(ddl, &column->type) : 0;
    }
    if (bytes <= ddl->max_key_bytes)
        return 0;
    cv__fail_at(cx, place, "the index \"%s\" may have keys of %zu bytes; %s takes at most %zu", index->name, bytes,
                ddl->dialect->name, ddl->max_key_bytes);
    cv_error_hint(cx, "shorten its texts (a character may take 4 bytes), or index fewer columns");
    return CV_E_MIGRATION;
}
