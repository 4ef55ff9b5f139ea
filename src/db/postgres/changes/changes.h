/* The parts of a reader of PostgreSQL's log: its place on the server (slot.c), its life (changes.c). */
#ifndef COVET_SRC_DB_POSTGRES_CHANGES_CHANGES_H
#define COVET_SRC_DB_POSTGRES_CHANGES_CHANGES_H

#include "db/postgres/changes/pgoutput.h"
#include "db/postgres/postgres.h"

enum { CV__PG_POSITION_BYTES = 24 };

/** A position in the log: "1A/2B3C4D5E". CV_E_INVALID, without a story. */
CV_CHECKED int cv__pg_position_parse(const char *text, uint64_t *ret_position);
void cv__pg_position_format(uint64_t position, char ret_text[CV__PG_POSITION_BYTES]);

/** A replication slot, where the server keeps a reader's place, and the publication of its tables. */
typedef struct cv__pg_slot {
    const char *name, *publication;
    bool temporary;      /* it ends with its connection */
    const char *copy_of; /* it begins as a copy of this one, which another connection has; or NULL */
    bool made;           /* by this reader or one before: it must be there */
} cv__pg_slot;

/** What the server says before it streams. */
typedef struct cv__pg_log {
    uint64_t start;            /* where it goes on */
    uint64_t confirmed;        /* what was acknowledged before */
    int64_t sender_timeout_ms; /* it gives up a reader that says nothing for so long; 0: never */
} cv__pg_log;

/* --- publication.c --- */

/** See that the server writes a log that can be read, and that the tables are published: the publication is made when
 *  there is none, and tables are added to one of ours. CV_E_CONFIG, CV_E_NOT_FOUND, CV_E_PERMISSION, CV_E_UNSUPPORTED.
 *  Suspends. */
CV_CHECKED int cv__pg_publish(cv_ctx *cx, cv__pg_conn *conn, const cv__pg_slot *slot, const char *const *tables,
                              size_t table_count);

/** Remove a publication, if it was made by cv__pg_publish. Suspends. */
CV_CHECKED int cv__pg_drop_publication(cv_ctx *cx, cv__pg_conn *conn, const char *name);

/* --- slot.c --- */

/** Find the slot, or make it, which waits for transactions that are open now to end; learn the types of the database's
 *  own; and begin to stream behind `position` (0: where the slot was acknowledged last). The connection takes nothing
 *  but messages of the stream afterwards. `former_pid` is the server's process of the reader's connection before, or 0:
 *  should that one still hold the slot, it is ended. CV_E_GAP, CV_E_LOCKED, CV_E_CONFIG, and what the server says.
 *  Suspends. */
CV_CHECKED int cv__pg_slot_start(cv_ctx *cx, cv__pg_conn *conn, cv__pg_slot *slot, uint64_t position, int former_pid,
                                 cv__pgoutput *output, cv__pg_log *ret_log);

/** What an error of the server means for a stream, at its start or later: CV_E_GAP where the log, or the publication by
 *  which it is read, is gone, CV_E_LOCKED where another reader was faster; else `rc` as it is. */
int cv__pg_slot_explain(cv_ctx *cx, const cv__pg_conn *conn, const cv__pg_slot *slot, int rc);

/** Remove slot and publication. CV_E_NOT_FOUND, CV_E_LOCKED. Suspends. */
CV_CHECKED int cv__pg_slot_drop(cv_ctx *cx, cv__pg_conn *conn, const char *name);

#endif
