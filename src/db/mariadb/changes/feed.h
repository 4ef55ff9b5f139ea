/* The thread that reads the binary log: it asks the server as a replica does, and hands on what concerns rows.
 *
 *     connect -> check the settings -> start behind a position -> fetch ... fetch -> lost -> pause -> connect
 *
 * Two connections: one becomes the stream of the log, the other (control) asks for descriptions of tables and holds the
 * lock of the reader's name. It ends when its queue is stopped, which cuts both off, or when an error is final, which
 * it puts into the queue. */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_FEED_H
#define COVET_SRC_DB_MARIADB_CHANGES_FEED_H

#include "db/mariadb/changes/queue.h"
#include "db/mariadb/mariadb.h"

typedef struct cv__binlog_start {
    const char *name;     /* of the reader; NULL: none */
    const char *position; /* NULL: from now */
    int64_t heartbeat_ms;
} cv__binlog_start;

/** Start the thread; it keeps what it needs. Its first block is CV__BLOCK_STARTED, or CV__BLOCK_FAILED. CV_E_NOMEM,
 *  CV_E_SYSTEM. Does not suspend. */
CV_CHECKED int cv__binlog_feed_start(cv_ctx *cx, cv__my_shared *shared, const cv__binlog_start *start,
                                     cv__binlog_queue *queue);

#endif
