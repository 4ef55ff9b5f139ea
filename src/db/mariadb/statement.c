/* Statements: prepared once per text and connection, run with binary results. */
#include "db/mariadb/rows.h"
#include "db/mariadb/session.h"
#include "db/mariadb/wire.h"

#include <assert.h>
#include <errmsg.h>
#include <mysqld_error.h>
#include <stdlib.h>

/* --- their life --- */

void cv__my_prepared_free(void *arg, cv__cached_statement *entry)
{
    cv__my_conn *conn = arg;
    cv__my_prepared *p = (cv__my_prepared *)(void *)entry;
    cv_list_push_back(&conn->stale, &p->link);
}

void cv__my_prepared_forget(cv__my_conn *conn, cv__my_prepared *p)
{
    cv__statement_cache_remove(&conn->statements, &p->cached);
    if (p->cached.in_use == 0)
        cv__my_prepared_free(conn, &p->cached);
}

void cv__my_prepared_leave(cv__my_conn *conn, cv__my_prepared *p)
{
    p->cached.in_use--;
    if (p->cached.in_use == 0 && !p->cached.cached)
        cv__my_prepared_free(conn, &p->cached);
}

int cv__my_close_stale(cv_ctx *cx, cv__my_conn *conn)
{
    while (!cv_list_is_empty(&conn->stale)) {
        cv__my_prepared *p = cv_list_entry(conn->stale.next, cv__my_prepared, link);
        cv_list_remove(&p->link);
        int rc = cv__my_close_statement(cx, conn, p->handle);
        free(p);
        CV_TRY(rc);
    }
    return 0;
}

void cv__my_drop_statements(cv__my_conn *conn)
{
    cv__statement_cache_done(&conn->statements);
    cv_list_each (at, &conn->stale) {
        cv__my_prepared *p = cv_list_entry(at, cv__my_prepared, link);
        cv_list_remove(at);
        (void)mysql_stmt_close(p->handle);
        free(p);
    }
}

static bool writes(cv_str sql)
{
    return cv__my_begins_with(sql, "INSERT") || cv__my_begins_with(sql, "UPDATE") ||
           cv__my_begins_with(sql, "DELETE") || cv__my_begins_with(sql, "REPLACE");
}

/* Called by Connector/C, on its stack. */
static void take_cell(void *arg, unsigned int column, unsigned char **row)
{
    cv__my_prepared *p = arg;
    cv__my_cursor_take(p->taker, p->handle, column, row);
}

static cv__my_prepared *prepared_new(cv__my_conn *conn, cv_str sql, uint64_t hash)
{
    cv__my_prepared *p = calloc(1, sizeof *p + sql.len + 1);
    if (!p)
        return NULL;
    p->handle = mysql_stmt_init(conn->my);
    if (!p->handle) {
        free(p);
        return NULL;
    }
    memcpy(p->sql, sql.ptr, sql.len);
    p->cached.sql = cv_str_make(p->sql, sql.len);
    p->cached.hash = hash;
    p->touches_session = cv__my_touches_session(sql);
    p->writes = writes(sql);
    (void)mysql_stmt_attr_set(p->handle, STMT_ATTR_CB_USER_DATA, p);
    (void)mysql_stmt_attr_set(p->handle, STMT_ATTR_CB_RESULT, (const void *)(uintptr_t)take_cell);
    return p;
}

/* --- preparing --- */

static int fail_too_many(cv_ctx *cx)
{
    int rc = cv_fail(cx, CV_E_LIMIT, "could not prepare a statement: the server keeps no more of them");
    cv_error_hint(cx, "raise the server's max_prepared_stmt_count, or lower statement_cache of the database");
    return rc;
}

/* The server has a limit for all connections together: then those that this one does not use now are given up. */
static int prepare(cv_ctx *cx, cv__my_conn *conn, cv__my_prepared *p)
{
    int rc = cv__my_prepare(cx, conn, p->handle, p->cached.sql);
    if (rc == 0 || conn->base.broken || mysql_stmt_errno(p->handle) != ER_MAX_PREPARED_STMT_COUNT_REACHED)
        return rc;
    cv__statement_cache_clear(&conn->statements);
    if (cv_list_is_empty(&conn->stale))
        return fail_too_many(cx);
    cv_error_clear(cx);
    CV_TRY(cv__my_close_stale(cx, conn));
    rc = cv__my_prepare(cx, conn, p->handle, p->cached.sql);
    return rc < 0 && mysql_stmt_errno(p->handle) == ER_MAX_PREPARED_STMT_COUNT_REACHED ? fail_too_many(cx) : rc;
}

/* The prepared statement, with one user more. */
static int need(cv_ctx *cx, cv__my_conn *conn, const cv__statement *statement, cv__my_prepared **ret_prepared)
{
    uint64_t hash = statement->hash ? statement->hash : cv_hash(statement->sql.ptr, statement->sql.len);
    conn->statements.now_ns = cv__loop_now_ns(cx);
    cv__my_prepared *p = statement->uncached ? NULL
                                             : (cv__my_prepared *)(void *)cv__statement_cache_get(&conn->statements,
                                                                                                  statement->sql, hash);
    if (!p) {
        p = prepared_new(conn, statement->sql, hash);
        if (!p)
            return cv_fail(cx, CV_E_NOMEM, "no memory for a prepared statement");
        int rc = prepare(cx, conn, p);
        if (rc < 0) {
            cv__my_prepared_free(conn, &p->cached);
            return rc;
        }
        if (!statement->uncached)
            cv__statement_cache_put(&conn->statements, &p->cached);
    }
    p->cached.in_use++;
    *ret_prepared = p;
    return 0;
}

/* --- running --- */

static int bind_values(cv_ctx *cx, cv__my_prepared *p, const cv__my_params *params)
{
    size_t wanted = mysql_stmt_param_count(p->handle);
    if (wanted != params->count)
        return cv_fail(cx, CV_E_SQL, "the statement has %zu placeholders but %zu values were given", wanted,
                       params->count);
    if (wanted > 0 && mysql_stmt_bind_param(p->handle, params->binds))
        return cv_fail(cx, CV_E_INTERNAL, "cannot bind the values: %s", mysql_stmt_error(p->handle));
    return 0;
}

/* Its columns are others than when it was prepared: it has run, but nobody can read its rows. */
static int fail_changed(cv_ctx *cx, cv__my_conn *conn, cv__my_prepared *p, bool *ret_again)
{
    CV_TRY(cv__my_free_result(cx, conn, p->handle));
    *ret_again = !p->writes;
    return cv_fail(cx, CV_E_STATE, "the table has got other columns: the statement has run, its rows are lost");
}

/* The server tells the key alone: its column, when it has one, is asked for. Keeps the context's error. */
static void find_column(cv_ctx *cx, cv__my_conn *conn)
{
    const cv_error *error = cv_error_last(cx);
    MYSQL_RES *rows = NULL;
    if (!error || error->code != CV_E_UNIQUE || !error->table || !error->constraint || strchr(error->table, '\'') ||
        strchr(error->constraint, '\''))
        return;
    char *sql = cv_sprintf(cx,
                           "SELECT column_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND "
                           "table_name = '%s' AND index_name = '%s' LIMIT 2",
                           error->table, error->constraint);
    cv_error *first = cv_error_take(cx);
    char column[256] = "";
    if (sql && cv__my_query(cx, conn, cv_str_of(sql), &rows) == 0 && rows && mysql_num_rows(rows) == 1)
        snprintf(column, sizeof column, "%s", mysql_fetch_row(rows)[0]);
    mysql_free_result(rows);
    cv_error_put_back(cx, first);
    if (column[0])
        cv_error_place(cx, NULL, NULL, column, NULL);
}

/* Run it once; `*ret_again` tells that it has not run, and prepared anew it may. */
static int attempt(cv_ctx *cx, cv__my_conn *conn, const cv__my_params *params, cv__my_prepared *p, bool *ret_again)
{
    *ret_again = false;
    CV_TRY(bind_values(cx, p, params));
    conn->touched |= p->touches_session;
    int rc = cv__my_execute_statement(cx, conn, p->handle);
    if (rc == 0 || conn->base.broken)
        return rc;
    unsigned number = mysql_stmt_errno(p->handle);
    if (number == CR_NEW_STMT_METADATA) {
        cv_error_clear(cx);
        return fail_changed(cx, conn, p, ret_again);
    }
    *ret_again = cv__my_is_outdated(number);
    if (rc == CV_E_UNIQUE)
        find_column(cx, conn);
    return rc;
}

static int run(cv_ctx *cx, cv__my_conn *conn, const cv__statement *statement, const cv__my_params *params,
               cv__my_prepared **ret_prepared)
{
    for (int tries = 0;; tries++) {
        bool again = false;
        cv__my_prepared *p = NULL;
        CV_TRY(need(cx, conn, statement, &p));
        int rc = attempt(cx, conn, params, p, &again);
        if (rc == 0) {
            *ret_prepared = p;
            return 0;
        }
        if (again)
            cv__statement_cache_remove(&conn->statements, &p->cached);
        cv__my_prepared_leave(conn, p);
        if (!again || tries > 0)
            return rc;
        cv_error_clear(cx);
        CV_TRY(cv__my_close_stale(cx, conn));
    }
}

static bool cannot_be_prepared(const cv_ctx *cx, const cv__my_conn *conn)
{
    const cv_error *error = cv_error_last(cx);
    return !conn->base.broken && error && error->code == CV_E_UNSUPPORTED && mysql_errno(conn->my) == ER_UNSUPPORTED_PS;
}

/* The few statements that cannot be prepared go as texts; what rows they have is dropped. */
static int run_as_text(cv_ctx *cx, cv__my_conn *conn, cv_str sql, cv_result *ret_result)
{
    MYSQL_RES *rows;
    cv_error_clear(cx);
    CV_TRY(cv__my_query(cx, conn, sql, &rows));
    conn->touched |= cv__my_touches_session(sql);
    mysql_free_result(rows);
    *ret_result = (cv_result){0};
    return 0;
}

/* Room for what is sent besides the values. */
enum { PACKET_HEAD_BYTES = 1024 };

static int check_size(cv_ctx *cx, const cv__my_conn *conn, size_t bytes)
{
    if (bytes + PACKET_HEAD_BYTES <= conn->max_packet_bytes || conn->max_packet_bytes == 0)
        return 0;
    int rc = cv_fail(cx, CV_E_LIMIT, "the statement and its values have %zu bytes, and the server takes %llu", bytes,
                     (unsigned long long)conn->max_packet_bytes);
    cv_error_hint(cx, "raise the server's max_allowed_packet, which may be 1 GiB, or send less at once");
    return rc;
}

static int run_bound(cv_ctx *cx, cv__my_conn *conn, const cv__statement *statement, cv__my_prepared **ret_prepared)
{
    cv__my_params params;
    CV_TRY(cv__my_params_make(cx, statement->params, statement->param_count, &params));
    CV_TRY(check_size(cx, conn, params.bytes > statement->sql.len ? params.bytes : statement->sql.len));
    conn->swollen |= params.bytes + statement->sql.len > CV__MY_SWOLLEN_BYTES;
    return run(cx, conn, statement, &params, ret_prepared);
}

static int check_statement(cv_ctx *cx, const cv__my_conn *conn, cv_str sql)
{
    if (cv__my_is_empty(sql))
        return cv_fail(cx, CV_E_SQL, "the statement is empty");
    if (!conn->base.in_transaction || !cv__my_commits(sql))
        return 0;
    int rc = cv_fail(cx, CV_E_IN_TRANSACTION, "the statement would commit the transaction that it is in");
    cv_error_hint(cx,
                  "MariaDB changes its schema outside of transactions only: run the statement outside of the block");
    return rc;
}

int cv__my_execute(cv_ctx *cx, cv__conn *base, const cv__statement *statement, cv_result *ret_result,
                   cv__cursor **ret_cursor)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    cv__my_prepared *p = NULL;
    int rc = 0;
    *ret_cursor = NULL;
    CV_TRY(check_statement(cx, conn, statement->sql));
    CV_TRY(cv__my_make_ready(cx, conn));
    CV_TRY(cv__my_send_pending(cx, conn));
    CV_SCOPE(cx)
    {
        rc = run_bound(cx, conn, statement, &p);
    }
    if (rc < 0)
        return cannot_be_prepared(cx, conn) ? run_as_text(cx, conn, statement->sql, ret_result) : rc;
    assert(p); /* it has run */
    if (mysql_field_count(conn->my) > 0)
        return cv__my_cursor_open(cx, conn, p, statement, ret_cursor);
    rc = cv__my_finish_results(cx, conn, p, ret_result);
    cv__my_prepared_leave(conn, p);
    return rc;
}

int cv__my_finish_results(cv_ctx *cx, cv__my_conn *conn, cv__my_prepared *p, cv_result *ret_result)
{
    int rc;
    while ((rc = cv__my_next_result(cx, conn, p->handle)) > 0)
        if (mysql_field_count(conn->my) > 0)
            CV_TRY(cv__my_free_result(cx, conn, p->handle));
    CV_TRY(rc);
    unsigned long long affected = mysql_stmt_affected_rows(p->handle);
    *ret_result = (cv_result){0};
    if (p->writes && affected != ~0ULL)
        ret_result->affected = (int64_t)affected;
    if (p->writes)
        ret_result->last_insert_id = (int64_t)mysql_stmt_insert_id(p->handle);
    return 0;
}
