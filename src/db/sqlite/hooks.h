/* Who is told of changes, and what a connection remembers until its transaction ends.
 *
 * The pre-update hook of SQLite sees every row of every table (also WITHOUT ROWID, and rows that REPLACE removes). It
 * is installed on a connection only while somebody watches. Changes are kept by the connection: a failing statement and
 * a savepoint that is rolled back take theirs back, the commit hands them on as one batch, to a fiber that tells the
 * watchers. */
#ifndef COVET_SRC_DB_SQLITE_HOOKS_H
#define COVET_SRC_DB_SQLITE_HOOKS_H

#include <covet/list.h>
#include <covet/sqlite.h>

typedef struct cv__sqlite_conn cv__sqlite_conn;

/** The watchers of one database; shared by its connections, its watches and the fiber that tells them. */
typedef struct cv__sqlite_watches cv__sqlite_watches;

/** NULL without memory. */
cv__sqlite_watches *cv__sqlite_watches_new(void);
/** The database is gone: nobody is told any more. NULL allowed. */
void cv__sqlite_watches_close(cv__sqlite_watches *watches);

/** The changes of the transaction under way. All zero at first. */
typedef struct cv__sqlite_record {
    cv_sqlite_change *changes;
    size_t count, capacity;
    bool incomplete;
    struct cv__sqlite_mark *marks; /* of savepoints, by level */
    size_t mark_count;
    bool installed; /* the hook is */
} cv__sqlite_record;

/** A place in the record, to go back to. */
typedef struct cv__sqlite_mark {
    size_t count, captured; /* changes recorded, and rows captured for change streams */
    int64_t total_changes;
    bool in_transaction;
} cv__sqlite_mark;

/** Before a statement that writes, and after it, whatever its result; `sql` is empty when it has failed. Does not
 *  suspend. */
cv__sqlite_mark cv__sqlite_record_mark(cv__sqlite_conn *conn);
void cv__sqlite_record_statement(cv_ctx *cx, cv__sqlite_conn *conn, cv__sqlite_mark mark, cv_str sql);

/** What was done since is undone. */
void cv__sqlite_record_undo(cv__sqlite_conn *conn, cv__sqlite_mark mark);

/** A savepoint was set, or rolled back to. */
void cv__sqlite_record_savepoint(cv__sqlite_conn *conn, int level);
void cv__sqlite_record_rollback_to(cv__sqlite_conn *conn, int level);

/** The transaction has ended: hand its changes on, or forget them. */
void cv__sqlite_record_committed(cv_ctx *cx, cv__sqlite_conn *conn);
void cv__sqlite_record_forget(cv__sqlite_conn *conn);

/** Free what it holds. */
void cv__sqlite_record_done(cv__sqlite_record *record);

/** See cv_sqlite_on_change and cv_sqlite_on_row. CV_E_NOMEM. */
CV_CHECKED int cv__sqlite_watch_new(cv_ctx *cx, cv__sqlite_watches *watches, cv_sqlite_change_fn *changed,
                                    cv_sqlite_row_fn *row, void *arg, cv_sqlite_watch **ret_watch);

#endif
