/* The public face of raw SQL. */
#include "db/raw.h"

#include "base/ctx.h"
#include "base/packed.h"

struct cv_rows {
    cv_ctx *cx;
    cv__row_stream stream;
    size_t column_count;
    const char *const *names; /* copies: the cursor's end with it */
    cv_value *cells;
    size_t readable; /* cells of the present row: all of its columns, or none between rows */
};

static int make_statement(cv_ctx *cx, cv_db *db, const char *sql, const cv_value *values, size_t count,
                          cv__statement *ret_statement, cv__raw **ret_raw)
{
    CV_TRY(cv__raw_get(cx, db, sql, ret_raw));
    const cv__raw *raw = *ret_raw;
    if (raw->param_count != count) {
        cv_fail(cx, CV_E_SQL, "the statement has %zu placeholders but %zu values were given", raw->param_count, count);
        cv__raw_put(db, *ret_raw);
        return CV_E_SQL;
    }
    *ret_statement = (cv__statement){
        .sql = raw->sql, .hash = raw->hash, .params = values, .param_count = count, .groupable = raw->groupable};
    return 0;
}

static int copy_value(cv_ctx *cx, cv_value *value)
{
    int rc = cv__value_own(cv_ctx_arena(cx), value);
    return rc < 0 ? cv_fail(cx, rc, "could not copy a value: %s", cv_error_text(rc)) : 0;
}

/* Rows outlive the call, the caller's values need not. */
static int copy_values(cv_ctx *cx, const cv_value **values, size_t count)
{
    cv_value *copy = cv_alloc(cx, count * sizeof *copy);
    if (!copy)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        copy[i] = (*values)[i];
        CV_TRY(copy_value(cx, &copy[i]));
    }
    *values = copy;
    return 0;
}

int cv__sql_exec(cv_ctx *cx, cv_result *ret_result, const char *sql, const cv_value *values, size_t count)
{
    cv_db *db = cv__db_need(cx);
    cv__statement statement;
    cv__raw *raw;
    if (!db)
        return CV_E_NO_DATABASE;
    CV_TRY(make_statement(cx, db, sql, values, count, &statement, &raw));
    int rc = cv__db_run(cx, db, raw->role, &statement, ret_result);
    cv__raw_put(db, raw);
    return rc;
}

static int read_columns(cv_ctx *cx, cv_rows *rows)
{
    const cv__cursor *cursor = rows->stream.cursor;
    if (!cursor)
        return 0;
    rows->column_count = cursor->column_count;
    rows->cells = cv_zalloc(cx, rows->column_count, sizeof *rows->cells);
    const char **names = cv_zalloc(cx, rows->column_count, sizeof *names);
    if (!rows->cells || !names)
        return CV_E_NOMEM;
    for (size_t i = 0; i < rows->column_count; i++) {
        names[i] = cv_strdup(cx, cursor->column_names[i]);
        if (!names[i])
            return CV_E_NOMEM;
    }
    rows->names = names;
    return 0;
}

static void close_at_cleanup(void *arg)
{
    cv_rows *rows = arg;
    cv_rows_close(rows->cx, rows);
}

static int open_rows(cv_ctx *cx, cv_db *db, cv__conn_role role, const cv__statement *statement, cv_rows **ret_rows)
{
    cv_rows *rows = cv_zalloc(cx, 1, sizeof *rows);
    if (!rows)
        return CV_E_NOMEM;
    rows->cx = cx;
    CV_TRY(cv__db_open_rows(cx, db, role, statement, &rows->stream));
    int rc = read_columns(cx, rows);
    if (rc == 0)
        rc = cv_cleanup(cx, close_at_cleanup, rows);
    if (rc < 0) {
        cv_rows_close(cx, rows);
        return rc;
    }
    *ret_rows = rows;
    return 0;
}

int cv__sql_select(cv_ctx *cx, cv_rows **ret_rows, const char *sql, const cv_value *values, size_t count)
{
    return cv_sql_run(cx, sql, values, count, NULL, ret_rows);
}

static int select_rows(cv_ctx *cx, const char *sql, const cv_value *values, size_t count, bool quick,
                       cv_rows **ret_rows)
{
    cv_db *db = cv__db_need(cx);
    cv__statement statement;
    cv__raw *raw;
    if (!db)
        return CV_E_NO_DATABASE;
    CV_TRY(copy_values(cx, &values, count));
    CV_TRY(make_statement(cx, db, sql, values, count, &statement, &raw));
    statement.quick = quick;
    int rc = open_rows(cx, db, raw->role, &statement, ret_rows);
    cv__raw_put(db, raw);
    return rc;
}

int cv__sql_select_quick(cv_ctx *cx, cv_rows **ret_rows, const char *sql, const cv_value *values, size_t count)
{
    return select_rows(cx, sql, values, count, true, ret_rows);
}

int cv_sql_run(cv_ctx *cx, const char *sql, const cv_value *values, size_t count, cv_result *ret_result,
               cv_rows **ret_rows)
{
    if (!ret_rows)
        return cv__sql_exec(cx, ret_result, sql, values, count);
    CV_TRY(select_rows(cx, sql, values, count, false, ret_rows));
    if (ret_result)
        *ret_result = (*ret_rows)->stream.result;
    return 0;
}

int cv__sql_scalar(cv_ctx *cx, cv_value *ret_value, const char *sql, const cv_value *values, size_t count)
{
    cv_rows *rows;
    CV_TRY(cv__sql_select(cx, &rows, sql, values, count));
    int rc = cv_rows_next(cx, rows);
    if (rc > 0) {
        cv_value value = cv_rows_get(rows, 0);
        rc = copy_value(cx, &value);
        if (rc == 0)
            *ret_value = value;
    } else if (rc == 0) {
        rc = cv_fail(cx, CV_E_NOT_FOUND, "the statement returned no row");
    }
    cv_rows_close(cx, rows);
    return rc;
}

int cv_rows_next(cv_ctx *cx, cv_rows *rows)
{
    rows->readable = 0;
    int rc = cv__db_next_row(cx, &rows->stream, rows->cells);
    rows->readable = rc > 0 ? rows->column_count : 0;
    return rc;
}

size_t cv_rows_columns(const cv_rows *rows)
{
    return rows->column_count;
}

const char *cv_rows_name(const cv_rows *rows, size_t column)
{
    return column < rows->column_count ? rows->names[column] : NULL;
}

cv_value cv_rows_get(const cv_rows *rows, size_t column)
{
    return column < rows->readable ? rows->cells[column] : cv_value_null();
}

void cv_rows_close(cv_ctx *cx, cv_rows *rows)
{
    if (!rows)
        return;
    rows->readable = 0;
    cv__db_close_rows(cx, &rows->stream);
}
