/* Bulk into SQLite: rows are collected into a chunk, and one INSERT ... SELECT takes them from there (row_source.c),
 * which spares what a statement costs for each row.
 *
 * SQLite asks for a row when it is its turn: when the statement fails, the one that it has asked for last is to blame.
 * Where it has asked for all of them before (a table with triggers, a foreign key, which it looks at in the end), the
 * rows of the chunk, of which nothing is left, are inserted one by one to find it. */
#include "db/copy/copy.h"
#include "db/sqlite/sqlite.h"

#include <covet/fiber.h>
#include <math.h>
#include <stdlib.h>

/* A statement that may fail in the middle keeps the old state of each page that it changes: few large statements keep
 * less than many small ones. */
enum { CHUNK_ROWS = 5000, CHUNK_VALUES = 32 * 1024, CHUNK_BYTES = 1024 * 1024 };

typedef struct sqlite_copy {
    cv__copy_in head;
    cv__sqlite_conn *conn;
    cv_buf insert;
    /* the chunk: */
    cv_value *values;
    char *texts;
    size_t chunk_rows; /* it has room for so many */
    size_t rows, text_bytes;
    int64_t sent; /* rows before it */
    /* of the statement under way: */
    size_t first; /* row of the chunk */
    size_t asked; /* of how many it has asked for */
} sqlite_copy;

static sqlite_copy *copy_of(cv__copy_in *copy)
{
    return (sqlite_copy *)(void *)copy;
}

static int fail_memory(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_NOMEM, "could not copy: out of memory");
}

/* ---- describe ---- */

static int read_columns(cv_ctx *cx, cv__sqlite_statement *statement, cv__copy_column **ret_columns, size_t *ret_count)
{
    size_t count = statement->cursor.column_count;
    cv__copy_column *columns = cv_zalloc(cx, count, sizeof *columns);
    if (!columns)
        return CV_E_NOMEM;
    CV_TRY(cv__sqlite_statement_types(cx, statement));
    for (size_t i = 0; i < count; i++) {
        columns[i].name = cv_strdup(cx, statement->names[i]);
        columns[i].type = statement->declared[i];
        if (!columns[i].name)
            return CV_E_NOMEM;
    }
    *ret_columns = columns;
    *ret_count = count;
    return 0;
}

/* What was prepared may be of a schema that somebody has changed; running it finds that out. */
static int run_once(cv_ctx *cx, cv__sqlite_conn *conn, cv__sqlite_statement *statement)
{
    cv__sqlite_enter(cx, conn);
    int rc = sqlite3_step(statement->handle);
    cv__sqlite_leave(conn);
    return rc == SQLITE_DONE ? cv__sqlite_statement_refresh(cx, statement)
                             : cv__sqlite_fail(cx, conn, rc, "read the columns of the table");
}

static int describe(cv_ctx *cx, cv__conn *head, cv_str table, cv__copy_column **ret_columns, size_t *ret_count)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    cv__sqlite_statement *statement;
    char *sql = cv_sprintf(cx, "SELECT * FROM %.*s LIMIT 0", CV_STR_ARG(table));
    if (!sql)
        return CV_E_NOMEM;
    CV_TRY(cv__sqlite_statement_get(cx, conn, cv_str_of(sql), 0, true, &statement));
    int rc = run_once(cx, conn, statement);
    if (rc == 0)
        rc = read_columns(cx, statement, ret_columns, ret_count);
    cv__sqlite_statement_put(conn, statement);
    return rc;
}

/* ---- begin ---- */

static int make_insert(cv_ctx *cx, sqlite_copy *c)
{
    cv_buf *sql = &c->insert;
    const cv__copy_target *target = c->head.target;
    cv_buf_add_text(sql, "INSERT INTO ");
    cv__copy_add_target(sql, target);
    for (size_t i = 0; i < target->count; i++)
        cv_buf_printf(sql, i ? ", c%zu" : " SELECT c%zu", i);
    cv_buf_printf(sql, " FROM %s", cv__sqlite_row_source_for(target->count));
    return sql->error ? fail_memory(cx) : 0;
}

static void free_copy(sqlite_copy *c)
{
    cv_buf_done(&c->insert);
    free(c->values);
    free(c->texts);
    free(c);
}

static bool make_room(sqlite_copy *c)
{
    size_t columns = c->head.target->count, rows = CHUNK_VALUES / columns;
    c->chunk_rows = rows > CHUNK_ROWS ? CHUNK_ROWS : rows ? rows : 1;
    c->values = malloc(c->chunk_rows * columns * sizeof *c->values);
    c->texts = malloc(CHUNK_BYTES);
    return c->values && c->texts;
}

static int begin(cv_ctx *cx, cv__conn *conn, const cv__copy_target *target, cv__copy_in **ret_copy)
{
    sqlite_copy *c = calloc(1, sizeof *c);
    if (!c)
        return fail_memory(cx);
    c->head = (cv__copy_in){.target = target, .column = CV__COPY_NO_COLUMN};
    c->conn = cv__sqlite_conn_of(conn);
    cv_buf_init(&c->insert, 0);
    int rc = make_room(c) ? make_insert(cx, c) : fail_memory(cx);
    if (rc < 0) {
        free_copy(c);
        return rc;
    }
    *ret_copy = &c->head;
    return 0;
}

/* ---- inserting ---- */

static int give_row(cv_ctx *cx, void *arg, size_t index, const cv_value **ret_values)
{
    sqlite_copy *c = arg;
    (void)cx;
    c->asked = index + 1;
    *ret_values = c->values + (c->first + index) * c->head.target->count;
    return 0;
}

static int insert_rows(cv_ctx *cx, sqlite_copy *c, size_t first, size_t count)
{
    const cv__row_source source = {
        .row = give_row, .arg = c, .row_count = count, .column_count = c->head.target->count};
    const cv__statement insert = {.sql = cv_buf_str(&c->insert), .rows = &source};
    cv_result result;
    cv__cursor *no_rows;
    c->first = first;
    c->asked = 0;
    return cv__sqlite_execute(cx, &c->conn->head, &insert, &result, &no_rows);
}

/* The chunk was refused when all its rows were read: insert them one by one. 0 when each can be. */
static int find_row(cv_ctx *cx, sqlite_copy *c)
{
    int rc = 0;
    for (size_t row = 0; rc == 0 && row < c->rows; row++) {
        rc = insert_rows(cx, c, row, 1);
        if (rc < 0 && cv__copy_is_about_a_row(rc))
            c->head.row = c->sent + (int64_t)row + 1;
    }
    return rc;
}

/* A statement that fails leaves nothing and has changed no rows, unless the table says otherwise (ON CONFLICT FAIL). */
static bool has_left_nothing(const sqlite_copy *c)
{
    return c->conn->head.in_transaction && sqlite3_changes64(c->conn->db) == 0;
}

static int fail_chunk(cv_ctx *cx, sqlite_copy *c, int code)
{
    if (c->asked == 0 || !cv__copy_is_about_a_row(code))
        return code;
    if (c->asked < c->rows || c->rows == 1) {
        c->head.row = c->sent + (int64_t)c->asked;
        return code;
    }
    if (!has_left_nothing(c))
        return code;
    cv_error *first = cv_error_take(cx);
    int rc = find_row(cx, c);
    if (rc == 0)
        cv_error_put_back(cx, first);
    return rc < 0 ? rc : code;
}

/* Others who want to run do so between two chunks at least: within one SQLite may not have called the handler. */
static int insert_chunk(cv_ctx *cx, sqlite_copy *c)
{
    if (c->rows == 0)
        return 0;
    int rc = insert_rows(cx, c, 0, c->rows);
    if (rc < 0)
        return fail_chunk(cx, c, rc);
    c->sent += (int64_t)c->rows;
    c->rows = c->text_bytes = 0;
    return cv_yield_background(cx);
}

/* ---- rows ---- */

static bool has_text(const cv_value *value)
{
    return value->type == CV_TYPE_TEXT || value->type == CV_TYPE_JSON || value->type == CV_TYPE_BYTES;
}

/* Whether the value can be stored as it is. */
static int check(const cv_value *value)
{
    if (value->type == CV_TYPE_TEXT || value->type == CV_TYPE_JSON)
        return cv_utf8_valid(value->as.text) ? 0 : CV_E_INVALID;
    if (value->type == CV_TYPE_F64)
        return isnan(value->as.f64) ? CV_E_RANGE : 0;
    return value->type == CV_TYPE_DECIMAL || value->type == CV_TYPE_ARRAY || value->type == CV_TYPE_RANGE ? CV_E_TYPE
                                                                                                          : 0;
}

/* And what the texts of the row take. */
static int check_row(sqlite_copy *c, const cv_value *values, size_t *ret_text_bytes)
{
    size_t text_bytes = 0;
    for (size_t i = 0; i < c->head.target->count; i++) {
        int rc = check(&values[i]);
        if (rc < 0) {
            c->head.column = (int)i;
            return rc;
        }
        text_bytes += has_text(&values[i]) ? values[i].as.text.len : 0;
        c->head.bytes += (int64_t)cv__copy_value_bytes(&values[i]);
    }
    *ret_text_bytes = text_bytes;
    return 0;
}

static void keep_text(sqlite_copy *c, cv_str *text)
{
    char *kept = c->texts + c->text_bytes;
    memcpy(kept, text->ptr, text->len);
    c->text_bytes += text->len;
    text->ptr = kept;
}

static void add_row(sqlite_copy *c, const cv_value *values, bool keep_texts)
{
    size_t columns = c->head.target->count;
    cv_value *kept = c->values + c->rows++ * columns;
    memcpy(kept, values, columns * sizeof *kept);
    for (size_t i = 0; keep_texts && i < columns; i++)
        if (has_text(&kept[i]) && kept[i].as.text.len > 0)
            keep_text(c, &kept[i].as.text);
}

/* A row with more text than a chunk holds is inserted at once, from where it is. */
static int row(cv_ctx *cx, cv__copy_in *head, const cv_value *values)
{
    sqlite_copy *c = copy_of(head);
    size_t text_bytes;
    CV_TRY(check_row(c, values, &text_bytes));
    bool is_large = text_bytes > CHUNK_BYTES;
    if (is_large || c->text_bytes + text_bytes > CHUNK_BYTES)
        CV_TRY(insert_chunk(cx, c));
    add_row(c, values, !is_large);
    return is_large || c->rows == c->chunk_rows ? insert_chunk(cx, c) : 0;
}

static int end(cv_ctx *cx, cv__copy_in *head)
{
    return insert_chunk(cx, copy_of(head));
}

static void done(cv_ctx *cx, cv__copy_in *head)
{
    (void)cx;
    free_copy(copy_of(head));
}

const cv__copy_driver cv__copy_sqlite = {.describe = describe, .begin = begin, .row = row, .end = end, .done = done};
