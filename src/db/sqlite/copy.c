/* Bulk into SQLite: one prepared INSERT, run row by row in the transaction of the connection. */
#include "db/copy/copy.h"
#include "db/sqlite/sqlite.h"

#include <math.h>
#include <stdlib.h>

typedef struct sqlite_copy {
    cv__copy_in head;
    cv__sqlite_conn *conn;
    cv__sqlite_statement *insert;
    int64_t rows;
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

static int make_insert(cv_ctx *cx, const cv__copy_target *target, cv_str *ret_sql)
{
    cv_buf sql;
    cv_buf_init_arena(&sql, cv_ctx_arena(cx), 0);
    cv_buf_add_text(&sql, "INSERT INTO ");
    cv_buf_add_str(&sql, target->table);
    for (size_t i = 0; i < target->count; i++) {
        cv_buf_add_text(&sql, i ? ", " : " (");
        cv__add_identifier(&sql, cv_str_of(target->columns[i].name));
    }
    for (size_t i = 0; i < target->count; i++)
        cv_buf_add_text(&sql, i ? ", ?" : ") VALUES (?");
    cv_buf_add_char(&sql, ')');
    *ret_sql = cv_buf_str(&sql);
    return sql.error ? fail_memory(cx) : 0;
}

static int begin(cv_ctx *cx, cv__conn *head, const cv__copy_target *target, cv__copy_in **ret_copy)
{
    sqlite_copy *copy = calloc(1, sizeof *copy);
    cv_str sql;
    if (!copy)
        return fail_memory(cx);
    copy->head = (cv__copy_in){.target = target, .column = CV__COPY_NO_COLUMN};
    copy->conn = cv__sqlite_conn_of(head);
    int rc = make_insert(cx, target, &sql);
    if (rc == 0)
        rc = cv__sqlite_statement_get(cx, copy->conn, sql, 0, false, &copy->insert);
    if (rc < 0) {
        free(copy);
        return rc;
    }
    cv__sqlite_turn_leave(copy->conn);
    copy->conn->slice_began_ns = 0;
    *ret_copy = &copy->head;
    return 0;
}

/* ---- rows ---- */

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

static int bind_row(cv_ctx *cx, sqlite_copy *copy, const cv_value *values)
{
    sqlite3_stmt *handle = copy->insert->handle;
    for (size_t i = 0; i < copy->head.target->count; i++) {
        int rc = check(&values[i]);
        if (rc < 0) {
            copy->head.column = (int)i;
            return rc;
        }
        rc = cv__sqlite_bind_value(handle, (int)i + 1, &values[i]);
        if (rc != SQLITE_OK)
            return cv__sqlite_fail(cx, copy->conn, rc, "bind a value");
        copy->head.bytes += (int64_t)cv__copy_value_bytes(&values[i]);
    }
    return 0;
}

static int step(cv_ctx *cx, sqlite_copy *copy)
{
    cv__sqlite_conn *conn = copy->conn;
    cv__sqlite_mark mark = cv__sqlite_record_mark(conn);
    copy->insert->running = true;
    cv__sqlite_enter(cx, conn);
    int rc = sqlite3_step(copy->insert->handle);
    cv__sqlite_leave(conn);
    cv__sqlite_record_statement(cx, conn, mark, rc == SQLITE_DONE ? copy->insert->cached.sql : (cv_str){"", 0});
    int code = rc == SQLITE_DONE ? 0 : cv__sqlite_fail(cx, conn, rc, "insert the row");
    sqlite3_reset(copy->insert->handle);
    copy->insert->running = false;
    return code;
}

static int row(cv_ctx *cx, cv__copy_in *head, const cv_value *values)
{
    sqlite_copy *copy = copy_of(head);
    copy->rows++;
    CV_TRY(bind_row(cx, copy, values));
    int rc = step(cx, copy);
    if (rc < 0) {
        head->row = copy->rows;
        copy->conn->head.in_transaction = sqlite3_get_autocommit(copy->conn->db) == 0;
    }
    return rc;
}

static int end(cv_ctx *cx, cv__copy_in *head)
{
    (void)cx, (void)head;
    return 0;
}

static void done(cv_ctx *cx, cv__copy_in *head)
{
    (void)cx;
    sqlite_copy *copy = copy_of(head);
    sqlite3_clear_bindings(copy->insert->handle); /* they were views */
    cv__sqlite_statement_put(copy->conn, copy->insert);
    free(copy);
}

const cv__copy_driver cv__copy_sqlite = {.describe = describe, .begin = begin, .row = row, .end = end, .done = done};
