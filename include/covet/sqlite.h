/* What SQLite databases need and other engines do on their servers: backup while in use, checks, VACUUM, statistics.
 *
 * All of it works off the loop (CV_LANE_DATABASE), on a connection of its own where it only reads, on the writer where
 * it changes the file; other fibers go on. Every call suspends, obeys the context's deadline and cancellation, and
 * fails with CV_E_UNSUPPORTED on another engine, with CV_E_IN_TRANSACTION inside an atomic block. */
#ifndef COVET_SQLITE_H
#define COVET_SQLITE_H

#include <covet/db.h>

CV_BEGIN_DECLS

typedef struct cv_sqlite_backup_options {
    size_t pages_per_step; /* copied between two looks at deadline and cancellation; 0: 1,024 */
    int64_t pause_ms;      /* after each step, to leave the disk to others; 0: none */
    bool overwrite;        /* replace a file that is there, in one moment; otherwise CV_E_EXISTS */
    bool unchecked;        /* do not run PRAGMA quick_check on the copy */
    /** After each step; `arg` is progress_arg. Must not fail; may suspend. NULL: none. */
    void (*progress)(cv_ctx *cx, void *arg, size_t pages_done, size_t pages_total);
    void *progress_arg;
} cv_sqlite_backup_options;

/** Copy the database, as it is now, into a file while it is in use: readers and writers go on, what they commit later
 * is not part of the copy. The file appears under its name only when it is complete, checked and on the disk; until
 * then, and never after a failure, there is "PATH.HEX.partial" beside it. It has the permissions of the database's file
 *  (0600 for one in memory) and journal mode "delete". Memory: SQLite's page cache. While it runs, the write-ahead log
 *  of the source cannot be emptied. NULL options take the defaults. CV_E_EXISTS, CV_E_DISK_FULL, CV_E_PERMISSION,
 *  CV_E_NOT_FOUND (the folder), CV_E_CORRUPT (the copy did not pass its check). Source: https://sqlite.org/backup.html
 */
CV_API CV_CHECKED int cv_sqlite_backup(cv_ctx *cx, cv_db *db, const char *path,
                                       const cv_sqlite_backup_options *options);

typedef enum cv_sqlite_check {
    CV_SQLITE_CHECK_QUICK, /* the structure of all pages and the types of columns */
    CV_SQLITE_CHECK_FULL,  /* and that indexes agree with their tables, and uniqueness: reads everything twice */
} cv_sqlite_check;

/** Look for damage, and for rows whose foreign keys lead nowhere. `*ret_findings` gets one line a finding, at most 100,
 *  in the context's arena; `*ret_count` 0: all is well. Findings are no error of the call. */
CV_API CV_CHECKED int cv_sqlite_integrity_check(cv_ctx *cx, cv_db *db, cv_sqlite_check check,
                                                const char *const **ret_findings, size_t *ret_count);

/** Write the file anew, without free pages and in order. Needs as much free space again, and the writer for all that
 *  time: readers go on, writers wait. CV_E_LOCKED while another process writes. */
CV_API CV_CHECKED int cv_sqlite_vacuum(cv_ctx *cx, cv_db *db);

/** Bring the query planner's statistics up to date: of the tables that changed much since the last time (PRAGMA
 *  optimize), or with `all` of every table, looking at no more than 1,000 rows of an index. */
CV_API CV_CHECKED int cv_sqlite_analyze(cv_ctx *cx, cv_db *db, bool all);

/** Copying the write-ahead log back into the file happens by itself, on a thread, after each `checkpoint_pages` (an
 *  option of the URL) that commits have added. These ask for more. */
typedef enum cv_sqlite_checkpoint_mode {
    CV_SQLITE_CHECKPOINT_PASSIVE,  /* as much as nobody reads any more; waits for nobody */
    CV_SQLITE_CHECKPOINT_FULL,     /* all of it: waits for readers of old snapshots, and writers wait for it */
    CV_SQLITE_CHECKPOINT_RESTART,  /* and until nobody reads the log, so that the next writer begins it anew */
    CV_SQLITE_CHECKPOINT_TRUNCATE, /* and cut its file to nothing */
} cv_sqlite_checkpoint_mode;

typedef struct cv_sqlite_checkpoint_result {
    int64_t log_pages, done_pages; /* in the log, and how many of them are copied; both 0 after TRUNCATE */
    int64_t wal_bytes;             /* the file of the log, afterwards */
} cv_sqlite_checkpoint_result;

/** Make a checkpoint now, on a thread of CV_LANE_DATABASE; other fibers go on. Modes beyond PASSIVE wait for those in
 *  the way, as long as busy_timeout and the context's deadline allow. `ret_result` may be NULL. Nothing to do, and no
 *  error, in another journal mode and in memory. CV_E_LOCKED: others were in the way, or another checkpoint is under
 *  way. Source: https://sqlite.org/c3ref/wal_checkpoint_v2.html */
CV_API CV_CHECKED int cv_sqlite_checkpoint(cv_ctx *cx, cv_db *db, cv_sqlite_checkpoint_mode mode,
                                           cv_sqlite_checkpoint_result *ret_result);

/** The file now. */
typedef struct cv_sqlite_file {
    int64_t page_bytes, pages, free_pages; /* free_pages is what cv_sqlite_vacuum would give back */
    int64_t wal_bytes;                     /* the write-ahead log; 0 without one */
} cv_sqlite_file;
CV_API CV_CHECKED int cv_sqlite_file_stats(cv_ctx *cx, cv_db *db, cv_sqlite_file *ret_file);

/* ---- who is told of changes ---- */

typedef enum cv_sqlite_op { CV_SQLITE_INSERT, CV_SQLITE_UPDATE, CV_SQLITE_DELETE } cv_sqlite_op;

/** A row that was changed. Rowids are 0 in a table WITHOUT ROWID. */
typedef struct cv_sqlite_change {
    cv_sqlite_op op;
    const char *table; /* valid as long as the watch */
    int64_t rowid;     /* after an insert or update; the one that is gone after a delete */
    int64_t old_rowid; /* before an update that changes it; otherwise the same */
} cv_sqlite_change;

/** What one transaction changed, row by row, in order; a row changed twice is there twice. Writes that shared a commit
 *  come together. */
typedef struct cv_sqlite_changes {
    const cv_sqlite_change *changes; /* valid during the call */
    size_t count;
    bool incomplete; /* there were more: of a transaction, 10,000 are kept, and 1,000 transactions for a slow watcher */
} cv_sqlite_changes;

typedef struct cv_sqlite_watch cv_sqlite_watch;
typedef void cv_sqlite_change_fn(cv_ctx *cx, void *arg, const cv_sqlite_changes *changes);

/** Have `fn` called after each commit that changed rows through this `cv_db`, in the order of the commits, in a fiber
 * of its own: writers do not wait for it, and it may suspend. What was rolled back, in whole, by a savepoint or with a
 *  failing statement, is not reported; nor are changes of other processes, other workers' databases, virtual and
 *  temporary tables. Ended by cv_sqlite_watch_end; does not suspend. CV_E_UNSUPPORTED, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_sqlite_on_change(cv_ctx *cx, cv_db *db, cv_sqlite_change_fn *fn, void *arg,
                                          cv_sqlite_watch **ret_watch);

/** A row that is about to change, inside its transaction. */
typedef struct cv_sqlite_row cv_sqlite_row;
typedef void cv_sqlite_row_fn(void *arg, const cv_sqlite_change *change, const cv_sqlite_row *row);

/** Have `fn` called before each row of an ordinary table is changed through this `cv_db`, also one whose statement or
 *  transaction is undone later. It runs in the middle of the engine's work: it has no context, must not suspend, use
 * the database or take long. Everything that it is given is valid during the call only. Otherwise as
 * cv_sqlite_on_change. Source: https://sqlite.org/c3ref/preupdate_blobwrite.html */
CV_API CV_CHECKED int cv_sqlite_on_row(cv_ctx *cx, cv_db *db, cv_sqlite_row_fn *fn, void *arg,
                                       cv_sqlite_watch **ret_watch);

/** How many columns the table has, and their values as they are stored (as raw SQL gives them): before the change, NULL
 *  for an insert; after it, NULL for a delete. NULL for a column out of range. */
CV_API size_t cv_sqlite_row_columns(const cv_sqlite_row *row);
CV_API cv_value cv_sqlite_row_old(const cv_sqlite_row *row, size_t column);
CV_API cv_value cv_sqlite_row_new(const cv_sqlite_row *row, size_t column);

/** End a watch: nothing is told any more, but a call under way comes to its end. May be called from within it, and
 * before or after the database is closed. NULL allowed. From the runtime's thread; does not suspend. */
CV_API void cv_sqlite_watch_end(cv_sqlite_watch *watch);

CV_END_DECLS

#endif
