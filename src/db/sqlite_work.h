/* Work on a SQLite database off the loop: the connection that a lane's thread may use alone, while the fiber waits. */
#ifndef COVET_SRC_DB_SQLITE_WORK_H
#define COVET_SRC_DB_SQLITE_WORK_H

#include "db/db.h"
#include "db/sqlite/sqlite.h"

typedef struct cv__sqlite_work {
    cv__sqlite_conn *conn;
    bool held; /* of the pool; otherwise of this work alone */
} cv__sqlite_work;

/** Get a connection for reading (one more than the pool has, where it is a file) or for writing (the pool's own, which
 *  keeps other writers out). `what` completes "cannot <what>". CV_E_UNSUPPORTED, CV_E_IN_TRANSACTION, and the errors of
 *  connecting and of borrowing. Suspends. */
CV_CHECKED int cv__sqlite_work_begin(cv_ctx *cx, cv_db *db, cv__conn_role role, const char *what,
                                     cv__sqlite_work *ret_work);
void cv__sqlite_work_end(cv_ctx *cx, cv__sqlite_work *work);

/** Run SQL of our own on the lane, and for each row `row(arg, handle)` there, which returns 0 or a code; `row` may be
 *  NULL. Waits for locks of other processes as the options say. Interrupted at deadline and cancellation. Suspends. */
CV_CHECKED int cv__sqlite_work_run(cv_ctx *cx, cv__sqlite_conn *conn, const char *sql, const char *what,
                                   int (*row)(void *arg, sqlite3_stmt *handle), void *arg);

#endif
