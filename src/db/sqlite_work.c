#include "db/sqlite_work.h"

int cv__sqlite_work_begin(cv_ctx *cx, cv_db *db, cv__conn_role role, const char *what, cv__sqlite_work *ret_work)
{
    if (db->driver != &cv__driver_sqlite)
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot %s: this is for SQLite, and the database is %s", what,
                       cv_db_engine(db));
    if (cv__tx_root(cx, db))
        return cv_fail(cx, CV_E_IN_TRANSACTION, "cannot %s inside a transaction", what);
    const cv__sqlite_shared *shared = db->shared;
    cv__conn *conn;
    bool held = (shared->memory && !shared->named) || role == CV__WRITER;
    if (held)
        CV_TRY(cv__db_hold(cx, db, role, &conn));
    else
        CV_TRY(cv__sqlite_connect(cx, db->shared, role, &conn));
    *ret_work = (cv__sqlite_work){.conn = cv__sqlite_conn_of(conn), .held = held};
    return 0;
}

void cv__sqlite_work_end(cv_ctx *cx, cv__sqlite_work *work)
{
    if (work->held)
        cv__db_let_go(cx, &work->conn->head);
    else
        cv__sqlite_disconnect(&work->conn->head);
}

struct run {
    const char *sql;
    int (*row)(void *arg, sqlite3_stmt *handle);
    void *arg;
    int code; /* of `row` */
};

static int run_statement(struct run *run, sqlite3_stmt *handle)
{
    int rc;
    while ((rc = sqlite3_step(handle)) == SQLITE_ROW && run->code == 0)
        if (run->row)
            run->code = run->row(run->arg, handle);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int run_all(sqlite3 *db, void *arg)
{
    struct run *run = arg;
    const char *rest = run->sql;
    int rc = SQLITE_OK;
    while (*rest && rc == SQLITE_OK && run->code == 0) {
        sqlite3_stmt *handle = NULL;
        rc = sqlite3_prepare_v2(db, rest, -1, &handle, &rest);
        if (handle)
            rc = run_statement(run, handle);
        sqlite3_finalize(handle);
    }
    return rc;
}

int cv__sqlite_work_run(cv_ctx *cx, cv__sqlite_conn *conn, const char *sql, const char *what,
                        int (*row)(void *arg, sqlite3_stmt *handle), void *arg)
{
    struct run run = {.sql = sql, .row = row, .arg = arg};
    int sqlite_code = SQLITE_OK;
    conn->settings_changed = true;
    CV_TRY(cv__sqlite_on_lane(cx, conn, run_all, &run, &sqlite_code));
    if (sqlite_code != SQLITE_OK)
        return cv__sqlite_fail(cx, conn, sqlite_code, what);
    return run.code < 0 ? cv_fail(cx, run.code, "could not %s: %s", what, cv_error_text(run.code)) : 0;
}
