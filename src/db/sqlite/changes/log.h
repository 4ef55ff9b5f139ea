/* The log of committed changes from the inside: for capture.c, which fills it, and changes.c, which reads it. */
#ifndef COVET_SRC_DB_SQLITE_CHANGES_LOG_H
#define COVET_SRC_DB_SQLITE_CHANGES_LOG_H

#include "db/sqlite/changes/changes.h"
#include "rt/wait.h"
#include "sql/dialect.h"

/** A table as it was when a row was captured; its texts lie behind it. */
typedef struct cv__sqlite_table {
    size_t refs, column_count;
    const char *name;
    const cv_change_column *columns;
    const cv__column_type *types;
} cv__sqlite_table;

cv__sqlite_table *cv__sqlite_table_ref(cv__sqlite_table *table);
/** NULL allowed. */
void cv__sqlite_table_unref(cv__sqlite_table *table);

/** An event: values as they are stored, first those before the change, then those after it, then what they point to. */
struct cv__sqlite_captured {
    cv_change_kind kind;
    size_t bytes;
    cv__sqlite_table *table; /* NULL: a schema change of no known table */
    const char *statement;   /* of a schema change */
    size_t old_count, new_count;
    cv_value values[];
};

void cv__sqlite_captured_free(cv__sqlite_captured *event);

/** A transaction. */
typedef struct cv__sqlite_logged {
    cv_link link;
    size_t refs; /* the log, and each reader that stands in it */
    uint64_t number;
    cv_time committed_at;
    size_t count, bytes;
    cv__sqlite_captured **events;
} cv__sqlite_logged;

void cv__sqlite_logged_unref(cv__sqlite_logged *logged);

/** Whoever keeps the log from being forgotten. */
typedef struct cv__sqlite_place {
    cv_link link;
    char *name;            /* NULL: that of a reader without a name */
    uint64_t acknowledged; /* everything up to this number may be forgotten */
    size_t bound;          /* of the log's bytes, as its reader asked */
    bool in_use;
    cv__waiter *waiter; /* of its reader */
} cv__sqlite_place;

struct cv__sqlite_log {
    size_t refs;       /* the database, and each reader */
    uint64_t instance; /* tells the positions of this log from those of others */
    uint64_t last;     /* number of the last transaction; the first is 1 */
    uint64_t gone;     /* everything up to this number is gone */
    cv_link logged;
    size_t bytes;
    cv_link places;
    cv_link tables; /* see capture.c */
};

void cv__sqlite_log_unref(cv__sqlite_log *log);

/** A committed transaction, or NULL for one that could not be kept: all before it is of no use then. */
void cv__sqlite_log_append(cv__sqlite_log *log, cv__sqlite_logged *logged);

/** Forget what every place has acknowledged, and what is beyond the bound. */
void cv__sqlite_log_trim(cv__sqlite_log *log);

/** Forget the tables that were described: the schema may have changed. */
void cv__sqlite_log_forget_tables(cv__sqlite_log *log);

#endif
