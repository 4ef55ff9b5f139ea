/* Change streams of SQLite: a log in memory of what was committed through one `cv_db`.
 *
 *     pre-update hook -> capture of the connection -> (commit) -> log of the database -> readers
 *
 * Rows are captured only while somebody has a place in the log: a reader, or a name whose reader is closed. A place
 * keeps everything behind what it has acknowledged, until the log's bound is passed; then the oldest goes, and whoever
 * had not come so far is told of the gap. Everything lives on the runtime's thread. */
#ifndef COVET_SRC_DB_SQLITE_CHANGES_CHANGES_H
#define COVET_SRC_DB_SQLITE_CHANGES_CHANGES_H

#include "db/changes.h"
#include <sqlite3.h>

typedef struct cv__sqlite_conn cv__sqlite_conn;
typedef struct cv__sqlite_log cv__sqlite_log;

/** NULL without memory. */
cv__sqlite_log *cv__sqlite_log_new(void);
/** The database is gone; readers that are open keep the memory. NULL allowed. */
void cv__sqlite_log_close(cv__sqlite_log *log);

/** Whether anybody has a place. */
bool cv__sqlite_log_is_wanted(const cv__sqlite_log *log);

typedef struct cv__sqlite_captured cv__sqlite_captured;

/** What a connection has captured of its present transaction. All zero at first. */
typedef struct cv__sqlite_capture {
    cv__sqlite_captured **events;
    size_t count, capacity, bytes;
    bool lost; /* not everything could be kept */
} cv__sqlite_capture;

/** In the pre-update hook: keep the row that is about to change. */
void cv__sqlite_capture_row(cv__sqlite_conn *conn, int op, const char *table);

/** After a statement that may have changed the schema, which has run. */
void cv__sqlite_capture_schema(cv__sqlite_conn *conn, cv_str sql);

/** Everything behind the first `count` events was undone. */
void cv__sqlite_capture_undo(cv__sqlite_conn *conn, size_t count);

/** The transaction is committed: it becomes the last of the log. */
void cv__sqlite_capture_committed(cv__sqlite_conn *conn);

/** Free what it holds. */
void cv__sqlite_capture_done(cv__sqlite_capture *capture);

extern const cv__changes_driver cv__changes_sqlite;

#endif
