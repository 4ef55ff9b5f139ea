/* Watching the changes of a SQLite database. */
#include "db/db.h"
#include "db/sqlite/sqlite.h"

static int watch(cv_ctx *cx, cv_db *db, cv_sqlite_change_fn *changed, cv_sqlite_row_fn *row, void *arg,
                 cv_sqlite_watch **ret_watch)
{
    if (db->driver != &cv__driver_sqlite)
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot watch changes: this is for SQLite, and the database is %s",
                       cv_db_engine(db));
    const cv__sqlite_shared *shared = db->shared;
    return cv__sqlite_watch_new(cx, shared->watches, changed, row, arg, ret_watch);
}

int cv_sqlite_on_change(cv_ctx *cx, cv_db *db, cv_sqlite_change_fn *fn, void *arg, cv_sqlite_watch **ret_watch)
{
    return watch(cx, db, fn, NULL, arg, ret_watch);
}

int cv_sqlite_on_row(cv_ctx *cx, cv_db *db, cv_sqlite_row_fn *fn, void *arg, cv_sqlite_watch **ret_watch)
{
    return watch(cx, db, NULL, fn, arg, ret_watch);
}
