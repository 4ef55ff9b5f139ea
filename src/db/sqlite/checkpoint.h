/* Copying the write-ahead log back into the file, on a thread of the lane for databases.
 *
 * SQLite would do it in the middle of a COMMIT, once the log has 1,000 pages: 100 ms of the loop for 100 MB. Instead
 * the commit notes how long the log is, and a fiber has a thread copy it, on a connection of its own, beside readers
 * and the writer. Checkpoints of one file, of several databases or processes, exclude each other by a lock of the file:
 * who comes second lets it be. */
#ifndef COVET_SRC_DB_SQLITE_CHECKPOINT_H
#define COVET_SRC_DB_SQLITE_CHECKPOINT_H

#include <covet/metric.h>
#include <covet/sqlite.h>
#include <sqlite3.h>
#include <stdatomic.h>

/** The checkpoints of one database; belongs to it and to the fiber that is at work. */
typedef struct cv__sqlite_checkpointer cv__sqlite_checkpointer;

typedef struct cv__sqlite_checkpoint_options {
    const char *path;        /* copied */
    const char *synchronous; /* static storage */
    int64_t pages;           /* so many new pages in the log begin one; 0: never by itself */
    int64_t wal_limit_bytes; /* a log file larger than this is cut off when it is empty */
} cv__sqlite_checkpoint_options;

/** NULL without memory. Metrics go to the registry of the context, if it has one. */
cv__sqlite_checkpointer *cv__sqlite_checkpointer_new(const cv_ctx *cx, const cv__sqlite_checkpoint_options *options);
/** The database is gone. What is under way goes on and ends by itself. NULL allowed. */
void cv__sqlite_checkpointer_close(cv__sqlite_checkpointer *checkpointer);

/** Have the commits of a connection counted, instead of SQLite's own checkpoints; NULL: not any more. */
void cv__sqlite_checkpointer_watch(cv__sqlite_checkpointer *checkpointer, sqlite3 *db);

/** After a call that may have committed: begin a checkpoint when it is time. In a fiber another one is spawned; in the
 *  main context, whose loop may not turn for long, `db` does it here and now. Never fails, does not suspend. */
void cv__sqlite_checkpointer_look(cv_ctx *cx, cv__sqlite_checkpointer *checkpointer, sqlite3 *db);

/** One checkpoint, now; see cv_sqlite_checkpoint. Waits for `busy_ms` at most while others are in the way. Suspends. */
CV_CHECKED int cv__sqlite_checkpointer_run(cv_ctx *cx, cv__sqlite_checkpointer *checkpointer,
                                           cv_sqlite_checkpoint_mode mode, int64_t busy_ms,
                                           cv_sqlite_checkpoint_result *ret_result);

#endif
