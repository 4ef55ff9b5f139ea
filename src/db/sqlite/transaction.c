/* Writing transactions begin with BEGIN IMMEDIATE: a lock taken later, after reading, could only fail. */
#include "db/sqlite/sqlite.h"

#include <stdio.h>

static int run_cached(cv_ctx *cx, cv__conn *head, const char *sql, const char *what)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    cv__sqlite_statement *statement;
    cv__sqlite_turn_leave(conn);
    CV_TRY(cv__sqlite_statement_get(cx, conn, cv_str_of(sql), 0, false, &statement));
    cv__sqlite_enter(cx, conn);
    int rc = sqlite3_step(statement->handle);
    cv__sqlite_leave(conn);
    int failed = rc == SQLITE_DONE ? 0 : cv__sqlite_fail(cx, conn, rc, what);
    cv__sqlite_statement_put(conn, statement);
    head->in_transaction = sqlite3_get_autocommit(conn->db) == 0;
    cv__sqlite_look_at_log(cx, conn);
    return failed;
}

/* On a connection that may write, a read-only transaction is kept from it by a setting. */
static int set_query_only(cv_ctx *cx, cv__sqlite_conn *conn, bool on)
{
    CV_TRY(
        cv__sqlite_run_text(cx, conn, on ? "PRAGMA query_only = 1" : "PRAGMA query_only = 0", "begin a transaction"));
    conn->query_only = on;
    return 0;
}

int cv__sqlite_begin(cv_ctx *cx, cv__conn *head, const cv_tx_options *options)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    if (options->read_only && conn->shared->memory && !conn->shared->named)
        CV_TRY(set_query_only(cx, conn, true));
    return run_cached(cx, head, options->read_only ? "BEGIN" : "BEGIN IMMEDIATE", "begin a transaction");
}

int cv__sqlite_commit(cv_ctx *cx, cv__conn *head)
{
    CV_TRY(run_cached(cx, head, "COMMIT", "commit the transaction"));
    cv__sqlite_record_committed(cx, cv__sqlite_conn_of(head));
    return 0;
}

int cv__sqlite_rollback(cv_ctx *cx, cv__conn *head)
{
    cv__sqlite_record_forget(cv__sqlite_conn_of(head));
    return run_cached(cx, head, "ROLLBACK", "roll back the transaction");
}

static int run_on_savepoint(cv_ctx *cx, cv__conn *head, const char *verb, int level, const char *what)
{
    char sql[64];
    snprintf(sql, sizeof sql, "%s cv_%d", verb, level);
    return run_cached(cx, head, sql, what);
}

int cv__sqlite_savepoint(cv_ctx *cx, cv__conn *head, int level)
{
    CV_TRY(run_on_savepoint(cx, head, "SAVEPOINT", level, "set a savepoint"));
    cv__sqlite_record_savepoint(cv__sqlite_conn_of(head), level);
    return 0;
}

int cv__sqlite_release(cv_ctx *cx, cv__conn *head, int level)
{
    return run_on_savepoint(cx, head, "RELEASE", level, "release a savepoint");
}

int cv__sqlite_rollback_to(cv_ctx *cx, cv__conn *head, int level)
{
    cv__sqlite_record_rollback_to(cv__sqlite_conn_of(head), level);
    return run_on_savepoint(cx, head, "ROLLBACK TO", level, "roll back to a savepoint");
}
