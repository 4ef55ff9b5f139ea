/* Change streams: the rows that were changed in a database, as typed events in the order of the commits.
 *
 *     cv_changes *changes;
 *     CV_TRY(cv_changes_open(cx, db, &(cv_changes_options){.name = "search", .position = stored}, &changes));
 *     for (cv_change c; (rc = cv_changes_next(cx, changes, &c)) == 0;)
 *         if (c.kind == CV_CHANGE_COMMIT)
 *             store(c.position), rc = cv_changes_acknowledge(cx, changes, c.position);
 *         else
 *             index_again(c.table, cv_change_new(&c, "id"));
 *     cv_changes_close(cx, changes);
 *
 * They come from the log of the engine: MariaDB's binary log, PostgreSQL's logical decoding, and, within one process,
 * SQLite's pre-update hook. Only what was committed is told, whole transactions one after the other. Delivery is at
 * least once: whoever goes on at a stored position misses nothing, and may see a transaction again. docs/changes.md
 * has what each engine needs and gives.
 *
 * A reader is used by one fiber at a time. Memory is bounded: who reads slowly makes the server wait, not the queue
 * grow. */
#ifndef COVET_CHANGE_H
#define COVET_CHANGE_H

#include <covet/db.h>

CV_BEGIN_DECLS

/** A reader: a stream that is open. From cv_changes_open to cv_changes_close. */
typedef struct cv_changes cv_changes;

typedef enum cv_change_kind {
    CV_CHANGE_INSERT,
    CV_CHANGE_UPDATE,
    CV_CHANGE_DELETE,
    CV_CHANGE_TRUNCATE, /* all rows of the table are gone at once */
    CV_CHANGE_SCHEMA,   /* the table is another from here on: what is known of its columns comes along */
    CV_CHANGE_COMMIT,   /* the transaction is complete: its position may be stored now */
} cv_change_kind;

/** A column of the table, as far as the log tells it. Lives as long as its event. */
typedef struct cv_change_column {
    const char *name;
    const char *sql_type; /* as the engine calls it; NULL where it does not tell */
    cv_type type;         /* of its values that are not NULL; CV_TYPE_NULL: any (SQLite) */
    bool key;             /* part of the primary key, or of what the engine knows rows by in its log */
} cv_change_column;

/** One event. Everything that it points to is valid until the next call on the reader. */
typedef struct cv_change {
    cv_change_kind kind;
    const char *schema;              /* MariaDB: the database; SQLite: "main"; NULL for a commit */
    const char *table;               /* NULL for a commit, and for a schema change of no known table */
    const cv_change_column *columns; /* in the order of the table; for rows, and schema changes where known */
    size_t column_count;
    const cv_value *old_values; /* column_count: the row before an update or delete; NULL where the engine tells none */
    const cv_value *new_values; /* column_count: the row after an insert or update; NULL for others */
    const bool *old_given;      /* which of them the engine has told, the others are NULL; NULL: all of them */
    const bool *new_given;
    bool complete;              /* every column is told, before and after, where the kind has it */
    const char *statement;      /* of a schema change, where the engine tells it; else NULL */
    cv_time committed_at;       /* UTC, as exact as the engine tells (MariaDB: seconds) */
    const char *transaction_id; /* the engine's name for the transaction */
    const char *position; /* where a reader that has handled this event goes on: behind the last complete transaction */
} cv_change;

/* 0 or NULL takes the default. Everything is copied. */
typedef struct cv_changes_options {
    const char *name;          /* of the reader: 1 to 63 of a-z, 0-9 and _. Its place is kept under it, where the engine
                                  keeps one (PostgreSQL: a replication slot; SQLite: as long as the process has the database
                                  open), and it has one reader at a time. NULL: nothing is kept, nor asked for */
    const char *position;      /* go on behind it; NULL: where the name was acknowledged last, otherwise from now */
    const char *const *tables; /* "books" or "shop.books" (with the schema, in MariaDB the database); none: all */
    size_t table_count;
    size_t queue_bytes;   /* kept ahead of a slow reader, at most: 8 MiB; SQLite: what is not acknowledged, 64 MiB;
                             PostgreSQL keeps nothing ahead, and does not ask for it */
    int64_t heartbeat_ms; /* a server that says nothing for three times as long is given up, and called again: 10,000 */
} cv_changes_options;

/** Open a stream on a database (NULL: that of the context). Without a position "now" is when this returns, at the
 *  latest: nothing that is committed afterwards is missed, and cv_changes_position tells a position at once. NULL
 *  options take the defaults. `*ret_changes` is the caller's, until cv_changes_close. Suspends; not inside an atomic
 *  block (CV_E_IN_TRANSACTION).
 *
 *  CV_E_GAP: changes behind the position are not kept any more, something was missed: read the tables anew, and open
 *  from now before that. CV_E_CONFIG: the server does not write such a log, or cannot for a table; the hint says what
 *  to set. CV_E_LOCKED: another reader has this name. CV_E_PERMISSION: the user may not read the log. CV_E_NOT_FOUND:
 *  there is no such table (PostgreSQL). CV_E_LIMIT: the server has no place for another reader. CV_E_INVALID: a name,
 *  table or position that cannot be one. CV_E_UNSUPPORTED: an engine without change streams, or a pooler in between.
 *  CV_E_NO_DATABASE, CV_E_CLOSED. And what connecting gives. */
CV_API CV_CHECKED int cv_changes_open(cv_ctx *cx, cv_db *db, const cv_changes_options *options,
                                      cv_changes **ret_changes);

/** Wait for the next event; `*ret_change` is set only on success, and what it points to is valid until the next call on
 *  the reader. A lost connection is made again from the place reached, with growing pauses. Suspends until there is
 *  one, the context's deadline passes (CV_E_TIMEOUT) or it is cancelled: the stream can be used afterwards. CV_E_STATE:
 *  another fiber uses the reader. Other errors end it, and come again, with their hint, from every further call: those
 *  of cv_changes_open, CV_E_CLOSED when the database was closed, CV_E_TYPE for a column that cannot be read. */
CV_API CV_CHECKED int cv_changes_next(cv_ctx *cx, cv_changes *changes, cv_change *ret_change);

/** The position behind the last complete transaction that cv_changes_next has come by, whether it had anything of the
 *  tables asked for or not; that of the beginning before. Also of a stream that has ended. Never NULL; valid until the
 *  next call on the reader. Does not suspend. */
CV_API const char *cv_changes_position(const cv_changes *changes);

/** Everything up to a position of this stream was dealt with and need not be told again: the engine may forget it, and
 *  the name goes on here. Where no place is kept (MariaDB, readers without a name) nothing happens; one that lies
 * before what was acknowledged already changes nothing. May suspend. CV_E_INVALID: not a position of this engine, or
 * one that the stream has not come to; the stream can be used afterwards. CV_E_STATE: another fiber uses the reader.
 * What has ended the stream comes here as well. */
CV_API CV_CHECKED int cv_changes_acknowledge(cv_ctx *cx, cv_changes *changes, const char *position);

/** End the stream and free the reader. What is kept for its name stays. NULL is allowed; also after the database was
 *  closed, but before its runtime is freed. Suspends, at most for the moment that clean-up has. */
CV_API void cv_changes_close(cv_ctx *cx, cv_changes *changes);

/** Forget the place kept for a name, and let the engine throw away what it held for it. CV_E_NOT_FOUND: there is none;
 *  CV_E_LOCKED: somebody reads with it; CV_E_INVALID: no name; CV_E_UNSUPPORTED, CV_E_NO_DATABASE, and what connecting
 *  gives. `db` NULL: that of the context. Suspends. */
CV_API CV_CHECKED int cv_changes_drop(cv_ctx *cx, cv_db *db, const char *name);

/** Which of two positions of a database is behind the other: `*ret_order` is less than, equal to or greater than 0 as
 *  `a` is before, the same as or behind `b`. CV_E_INVALID for a text that is none, or for two that cannot be compared
 *  (of different histories). Does not suspend. `db` NULL: that of the context. */
CV_API CV_CHECKED int cv_changes_compare(cv_ctx *cx, cv_db *db, const char *a, const char *b, int *ret_order);

/** "insert", "commit"...; "?" for what is no kind. Static storage. Does not suspend. */
CV_API const char *cv_change_kind_name(cv_change_kind kind);

/** The index of a column by its name, upper and lower case being different; -1 when there is none. Does not suspend. */
CV_API int cv_change_find(const cv_change *change, const char *column);

/** A value after, or before the change, by the column's name: a view, valid as long as the event. NULL where the column
 *  is, or where there is none: no such column, no such row (after a delete, before an insert), or one that was not
 * told. Do not suspend. */
CV_API cv_value cv_change_new(const cv_change *change, const char *column);
CV_API cv_value cv_change_old(const cv_change *change, const char *column);

/** Whether the value of a column, by its index, is another after the change, or may be: for an insert and a delete
 * every column is, and one whose value before is not told counts as changed, unless that after it is not told either.
 * False beyond the last column. Does not suspend. */
CV_API bool cv_change_has_changed(const cv_change *change, size_t column);

CV_END_DECLS

#endif
