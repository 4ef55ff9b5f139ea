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

/* With a rollback journal the commit is the end of the journal: when it is deleted, cut or overwritten, but that this
 * lasts could not be made sure, nobody knows. A WAL is not read beyond the last commit that was made sure. */
static bool may_be_committed(const cv__sqlite_conn *conn)
{
    const char *mode = conn->shared->journal_mode;
    if (conn->shared->memory || strcmp(mode, "wal") == 0)
        return false;
    switch (sqlite3_extended_errcode(conn->db)) {
    case SQLITE_IOERR_DELETE:
    case SQLITE_IOERR_DIR_FSYNC:
    case SQLITE_IOERR_TRUNCATE:
        return true;
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_WRITE:
        return strcmp(mode, "delete") != 0;
    default:
        return false;
    }
}

static int fail_commit(cv_ctx *cx, const cv__sqlite_conn *conn, int rc)
{
    if (!may_be_committed(conn))
        return rc;
    cv_fail(cx, CV_E_COMMIT_UNKNOWN, "the disk failed in the last step of the commit");
    cv_error_hint(cx, "look whether the changes are there before making them again");
    return CV_E_COMMIT_UNKNOWN;
}

int cv__sqlite_commit(cv_ctx *cx, cv__conn *head)
{
    int rc = run_cached(cx, head, "COMMIT", "commit the transaction");
    if (rc < 0)
        return fail_commit(cx, cv__sqlite_conn_of(head), rc);
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
