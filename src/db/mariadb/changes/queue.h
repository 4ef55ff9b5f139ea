/* What the thread that reads the log hands to the loop: blocks in the order of the log, bounded in bytes.
 *
 * The thread waits for room, the loop never. The one who puts into an empty queue posts a message; the loop then takes
 * all blocks at once. Both ends hold a reference. The queue also has what cuts the thread's connections off, so that
 * the loop can stop it. */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_QUEUE_H
#define COVET_SRC_DB_MARIADB_CHANGES_QUEUE_H

#include "db/mariadb/changes/position.h"
#include "db/mariadb/changes/table.h"
#include "db/mariadb/cutoff.h"
#include "rt/mailbox.h"
#include "rt/wait.h"
#include <pthread.h>
#include <stdatomic.h>

typedef enum cv__binlog_block_kind {
    CV__BLOCK_STARTED,   /* `text` is the position from which the server tells now */
    CV__BLOCK_ROWS,      /* `event` and `table` */
    CV__BLOCK_STATEMENT, /* `change`, `schema`, `name`, `text` (the statement), `table` where it could be described */
    CV__BLOCK_COMMIT,    /* `text` is the position behind it */
    CV__BLOCK_FAILED,    /* it is over: `code`, `text` (the message), `schema` (the detail), `name` (the hint) */
} cv__binlog_block_kind;

typedef struct cv__binlog_block {
    cv_link link;
    cv__binlog_block_kind kind;
    size_t bytes; /* of the queue's room */
    cv__gtid gtid;
    uint32_t seconds;
    cv_change_kind change;
    int code;
    cv__binlog_event event; /* its body is a part of this block */
    cv__binlog_table *table;
    const char *schema, *name, *text; /* parts of this block; or NULL */
    char data[];
} cv__binlog_block;

/** Texts are copied, NULL allowed; `body` too. NULL without memory. */
cv__binlog_block *cv__binlog_block_new(cv__binlog_block_kind kind, const char *schema, const char *name, cv_str text);
cv__binlog_block *cv__binlog_block_rows(const cv__binlog_event *event, cv__binlog_table *table);
void cv__binlog_block_free(cv__binlog_block *block);

enum { CV__BINLOG_CONNECTIONS = 2 };

typedef struct cv__binlog_queue {
    atomic_int references;
    pthread_mutex_t mutex;
    pthread_cond_t room; /* there is some, or it is over */
    cv_link blocks;
    size_t bytes, limit;
    bool stopped, posted;
    cv__my_cutoff cutoffs[CV__BINLOG_CONNECTIONS]; /* of the thread's connections */
    cv__mailbox *mailbox;
    cv__message message;
    cv__waiter *waiter; /* of the loop */
} cv__binlog_queue;

/** Made on the loop's thread, with one reference. CV_E_NOMEM, CV_E_SYSTEM. */
CV_CHECKED int cv__binlog_queue_new(cv_ctx *cx, size_t limit, cv__binlog_queue **ret_queue);
cv__binlog_queue *cv__binlog_queue_ref(cv__binlog_queue *queue);
void cv__binlog_queue_unref(cv__binlog_queue *queue);

/* --- by the thread --- */

/** Put a block at the end, waiting for room; it belongs to the queue, and is freed when that was stopped. False: it was
 *  stopped, or the block is NULL. */
bool cv__binlog_queue_put(cv__binlog_queue *queue, cv__binlog_block *block);
/** Wait until it is stopped, at most for so long. Whether it was. */
bool cv__binlog_queue_wait_stop(cv__binlog_queue *queue, int64_t ms);
bool cv__binlog_queue_is_stopped(cv__binlog_queue *queue);

/* --- by the loop --- */

/** Move all blocks to the end of `blocks`, waiting for at least one. Suspends. */
CV_CHECKED int cv__binlog_queue_take(cv_ctx *cx, cv__binlog_queue *queue, cv_link *blocks);
/** Wake the fiber that waits in take, which fails with the code. */
void cv__binlog_queue_interrupt(cv__binlog_queue *queue, int code);
/** Nothing is wanted any more: cut the connections off, wake the thread, close the mailbox. Once. Does not wait. */
void cv__binlog_queue_stop(cv__binlog_queue *queue);

#endif
