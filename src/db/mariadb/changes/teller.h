/* From the events of a binary log to the blocks that the loop is handed: transactions with their rows, and tables by
 * the numbers that the log has for them.
 *
 * It counts what it has handed on of the present transaction, so that after a lost connection that part is passed over.
 * An XA transaction is kept aside from its preparation until it is decided. */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_TELLER_H
#define COVET_SRC_DB_MARIADB_CHANGES_TELLER_H

#include "db/mariadb/changes/branches.h"
#include "db/mariadb/changes/replica.h"

enum { CV__TELLER_TABLES = 4096, CV__XID_BYTES = 6 + 64 + 64 };

typedef struct cv__teller {
    cv__binlog_queue *queue; /* these three outlive it */
    cv__replica *replica;    /* asked for descriptions of tables */
    cv__binlog_failure *failure;
    cv_arena *arena; /* for one event */
    cv_arena_mark empty;
    cv__binlog_position position; /* behind the last complete transaction */
    bool has_advanced;            /* since cv__teller_restart */
    /* the present transaction: */
    bool is_inside;
    cv__binlog_begin begin; /* its xid lies in the next */
    char xid[CV__XID_BYTES];
    uint32_t seconds;
    uint64_t handed, passes; /* events of it that were handed on; those still to be passed over after a reconnect */
    cv__branches branches;
    cv__branch *preparing; /* the present transaction is one */
    /* tables by the number that the present log has for them: */
    size_t table_count;
    struct {
        uint64_t id;
        cv__binlog_table *table;
    } tables[CV__TELLER_TABLES];
} cv__teller;

/** Set it up; the members that outlive it and the position are the caller's to set. CV_E_NOMEM, without a story. */
CV_CHECKED int cv__teller_init(cv__teller *teller);
void cv__teller_done(cv__teller *teller);

/** The log comes from another session from now on: numbers of tables are those of the server's present run. */
void cv__teller_restart(cv__teller *teller);

/** Take an event, and hand on what it says. Waits for room in the queue, and may ask the server: for a thread. */
CV_CHECKED int cv__teller_take(cv__teller *teller, const cv__binlog_event *event);

/** Hand on that the log is told now, from the position on. */
CV_CHECKED int cv__teller_start(cv__teller *teller);

#endif
