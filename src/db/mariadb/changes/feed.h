/* The thread that reads the binary log for a reader of changes.
 *
 *     replica.c: a session -> teller.c: events to blocks -> queue.c -> the loop
 *
 * A session that is lost is opened again behind what was told. The thread ends when its queue is stopped, which cuts
 * the connections off, or when an error is final, which it puts into the queue. Nobody waits for it: it frees what it
 * has. */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_FEED_H
#define COVET_SRC_DB_MARIADB_CHANGES_FEED_H

#include "db/mariadb/changes/queue.h"
#include "db/mariadb/mariadb.h"

typedef struct cv__binlog_start {
    const char *name;     /* of the reader; NULL: none */
    const char *position; /* NULL: from now */
    int64_t heartbeat_ms;
} cv__binlog_start;

/** Start the thread; it keeps what it needs. Its first block is CV__BLOCK_STARTED, or CV__BLOCK_FAILED. CV_E_INVALID:
 * the position is none; CV_E_NOMEM, CV_E_SYSTEM. Does not suspend. */
CV_CHECKED int cv__binlog_feed_start(cv_ctx *cx, cv__my_shared *shared, const cv__binlog_start *start,
                                     cv__binlog_queue *queue);

#endif
