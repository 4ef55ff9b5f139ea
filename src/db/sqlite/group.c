/* Statements that share a transaction: each stands or falls alone (write_lane.h).
 *
 * One INSERT, UPDATE or DELETE that fails is undone by SQLite itself. A savepoint is needed where that is not enough:
 * for a deferred foreign key, whose violation shows at COMMIT only and would take all others with it, and for rows
 * that a statement returns, which may not fit when it has written already. */
#include "db/sqlite/sqlite.h"

/* FkCounter P1 P2: count P2 violations more, of a deferred key when P1 is set. */
static bool is_deferred_check(sqlite3_stmt *explained)
{
    const char *opcode = (const char *)sqlite3_column_text(explained, 1);
    return opcode && strcmp(opcode, "FkCounter") == 0 && sqlite3_column_int(explained, 2) != 0 &&
           sqlite3_column_int(explained, 3) > 0;
}

/* Whether its program, triggers and all, counts violations of deferred foreign keys. */
static int find_deferred_checks(cv_ctx *cx, cv__sqlite_conn *conn, cv_str sql, bool *ret_found)
{
    cv_buf text;
    sqlite3_stmt *explained = NULL;
    *ret_found = false;
    cv_buf_init(&text, 0);
    cv_buf_printf(&text, "EXPLAIN %.*s", CV_STR_ARG(sql));
    if (text.error) {
        cv_buf_done(&text);
        return cv_fail(cx, CV_E_NOMEM, "could not run the statement: out of memory");
    }
    cv__sqlite_enter(cx, conn);
    int rc = sqlite3_prepare_v2(conn->db, text.data, (int)text.len, &explained, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(explained)) == SQLITE_ROW) {
        *ret_found |= is_deferred_check(explained);
        rc = SQLITE_OK;
    }
    cv__sqlite_leave(conn);
    int failed = rc == SQLITE_DONE ? 0 : cv__sqlite_fail(cx, conn, rc, "run the statement");
    sqlite3_finalize(explained);
    cv_buf_done(&text);
    return failed;
}

/* Known as long as SQLite has not prepared the statement anew, which it does when the schema has changed. */
static int learn_whether_deferred(cv_ctx *cx, cv__sqlite_conn *conn, cv__sqlite_statement *statement)
{
    int reprepared = sqlite3_stmt_status(statement->handle, SQLITE_STMTSTATUS_REPREPARE, 0);
    if (statement->is_deferred_known && statement->deferred_reprepared == reprepared)
        return 0;
    CV_TRY(find_deferred_checks(cx, conn, statement->cached.sql, &statement->is_deferred));
    statement->is_deferred_known = true;
    statement->deferred_reprepared = reprepared;
    return 0;
}

static bool violates_deferred(const cv__sqlite_conn *conn)
{
    int count = 0, most = 0;
    return sqlite3_db_status(conn->db, SQLITE_DBSTATUS_DEFERRED_FKS, &count, &most, 0) == SQLITE_OK && count != 0;
}

static int run_to_the_end(cv_ctx *cx, cv__conn *head, const cv__statement *wanted, cv_result *ret_result)
{
    cv__cursor *cursor = NULL;
    CV_TRY(cv__sqlite_execute(cx, head, wanted, ret_result, &cursor));
    cv__sqlite_finish(cx, cursor);
    return 0;
}

static int fail_deferred(cv_ctx *cx)
{
    int rc = cv_fail(cx, CV_E_FOREIGN_KEY, "could not run the statement: FOREIGN KEY constraint failed");
    cv_error_place(cx, "23503", NULL, NULL, NULL);
    return rc;
}

/* Keeps the story of the failure. A savepoint that cannot be undone takes the group with it. */
static void undo(cv_ctx *cx, cv__conn *head, const char *sql)
{
    if (!head->in_transaction)
        return;
    cv_error *first = cv_error_take(cx);
    if (cv__sqlite_run_text(cx, cv__sqlite_conn_of(head), sql, "roll back to a savepoint") < 0)
        (void)!cv__sqlite_rollback(cx, head);
    cv_error_put_back(cx, first);
}

/* What failed by itself SQLite has undone, or kept when it was INSERT OR FAIL: as it would be alone. */
static int run_within_savepoint(cv_ctx *cx, cv__conn *head, const cv__statement *wanted, bool has_rows,
                                cv_result *ret_result)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    CV_TRY(cv__sqlite_run_text(cx, conn, "SAVEPOINT cv_group", "set a savepoint"));
    cv__sqlite_mark mark = cv__sqlite_record_mark(conn);
    int rc = run_to_the_end(cx, head, wanted, ret_result);
    bool violates = violates_deferred(conn);
    if (rc == 0 && !violates)
        return cv__sqlite_run_text(cx, conn, "RELEASE cv_group", "release a savepoint");
    if (rc == 0)
        rc = fail_deferred(cx);
    if (violates || has_rows)
        cv__sqlite_record_undo(conn, mark);
    undo(cx, head, violates || has_rows ? "ROLLBACK TO cv_group; RELEASE cv_group" : "RELEASE cv_group");
    return rc;
}

/* A deferred violation without a savepoint, by `PRAGMA defer_foreign_keys`: nobody's statement can be undone alone. */
static int lose_group(cv_ctx *cx, cv__conn *head)
{
    CV_TRY(cv__sqlite_rollback(cx, head));
    return fail_deferred(cx);
}

int cv__sqlite_run_grouped(cv_ctx *cx, cv__conn *head, const cv__statement *wanted, cv_result *ret_result)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    cv__sqlite_statement *statement;
    CV_TRY(cv__sqlite_statement_get(cx, conn, wanted->sql, wanted->hash, wanted->uncached, &statement));
    int rc = conn->shared->foreign_keys ? learn_whether_deferred(cx, conn, statement) : 0;
    bool is_long = statement->is_long, is_deferred = statement->is_deferred,
         has_rows = statement->cursor.column_count > 0;
    cv__sqlite_statement_put(conn, statement);
    CV_TRY(rc);
    if (is_long)
        return 1;
    if (is_deferred || has_rows)
        return run_within_savepoint(cx, head, wanted, has_rows, ret_result);
    CV_TRY(run_to_the_end(cx, head, wanted, ret_result));
    return violates_deferred(conn) ? lose_group(cx, head) : 0;
}
