/* The inside of change streams: what an engine implements, and what it may use.
 *
 * The public functions (changes.c) check their arguments, see that one fiber at a time uses a reader, and keep the
 * database while a call is under way: `shared` is valid in `open`, `next`, `acknowledge` and `drop`, and in nothing
 * that lasts longer than these. */
#ifndef COVET_SRC_DB_CHANGES_H
#define COVET_SRC_DB_CHANGES_H

#include <covet/change.h>
#include <covet/list.h>

enum { CV__CHANGES_QUEUE_BYTES = 8 * 1024 * 1024, CV__CHANGES_HEARTBEAT_MS = 10000, CV__CHANGES_NAME_MAX = 63 };

typedef struct cv__changes_driver cv__changes_driver;

/** An error that outlasts its context, on the heap: all zero is none. */
typedef struct cv__kept_error {
    int code;
    char *message, *hint; /* NULL: none, or there was no memory */
} cv__kept_error;

/** Keep `code`, with message and hint of the context's last error. Once. */
void cv__kept_error_keep(const cv_ctx *cx, cv__kept_error *kept, int code);

/** Fail with it again: returns its code. */
int cv__kept_error_fail(cv_ctx *cx, const cv__kept_error *kept);

void cv__kept_error_done(cv__kept_error *kept);

/** The head of every reader; drivers embed it as their first member, from calloc. Everything but what `open` is said to
 *  set belongs to changes.c. */
struct cv_changes {
    const cv__changes_driver *driver;
    cv_link link;           /* among the readers of the database */
    cv_db *db;              /* NULL: it was closed */
    bool busy;              /* a call is under way */
    cv__kept_error failure; /* what has ended the stream */
    char **tables;          /* those wanted, one block with their texts; NULL: all */
    size_t table_count;
};

struct cv__changes_driver {
    /** `open` is called while the caller holds the database's writer: no transaction that writes is under way. */
    bool holds_writer;

    /** Make a reader, connected and at its place: the server has answered that it will tell from there. Options are
     *  complete (defaults filled in; `name` checked, `tables` are in the head already when `next` runs, but not yet in
     *  `open`). Errors as cv_changes_open; nothing is left behind then. Suspends. */
    int (*open)(cv_ctx *cx, void *shared, const cv_changes_options *options, cv_changes **ret_changes);

    /** The next event that cv__changes_wants. After CV_E_TIMEOUT and CV_E_CANCELLED it may be called again; after
     *  anything else it is not. Suspends. */
    int (*next)(cv_ctx *cx, void *shared, cv_changes *changes, cv_change *ret_change);

    /** See cv_changes_position. Also of a reader that has failed. */
    const char *(*position)(const cv_changes *changes);

    /** Optional. See cv_changes_acknowledge; the position is one that `compare` accepts. */
    int (*acknowledge)(cv_ctx *cx, void *shared, cv_changes *changes, const char *position);

    /** The database is being closed: a call under way ends soon, with CV_E_CLOSED. Does not suspend. */
    void (*interrupt)(cv_changes *changes);

    /** End it and free everything, but the head's own. `shared` may be gone. Within the clean-up budget that the caller
     *  has set, on the way of anything that must not be cut off (CV_SHIELD); may suspend. */
    void (*close)(cv_ctx *cx, cv_changes *changes);

    /** See cv_changes_drop. Optional: without it, no name is ever found. */
    int (*drop)(cv_ctx *cx, void *shared, const char *name);

    /** See cv_changes_compare. Does not suspend. */
    int (*compare)(cv_ctx *cx, const char *a, const char *b, int *ret_order);
};

/** Whether events of a table are asked for; `table` NULL: of any table in the schema (NULL: in any). */
bool cv__changes_wants(const cv_changes *changes, const char *schema, const char *table);

/** All readers of a database that is being closed are told. Does not suspend. */
void cv__changes_end_all(cv_db *db);

#endif
