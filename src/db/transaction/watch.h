/* Which transactions are open on a database, for how long, and what becomes of those that outlast their deadline.
 *
 * A transaction is watched from its first statement to its end. One timer a database fires when the first of them is
 * due: it has been open too long, it has been idle inside too long (each is told once, in the log and the metrics), or
 * its deadline passed a while ago and its fiber has not come back, because it waits for something that no deadline
 * ends. Then the transaction is taken from it: rolled back by another fiber, its connection given back; what the fiber
 * asks of it later fails with CV_E_TX_ABORTED. A statement under way is left to the driver, which has the deadline,
 * too. */
#ifndef COVET_SRC_DB_TRANSACTION_WATCH_H
#define COVET_SRC_DB_TRANSACTION_WATCH_H

#include "rt/wait.h"
#include <covet/metric.h>
#include <covet/transaction.h>

struct cv_tx;

enum { CV__TX_SQL_BYTES = 120 };

/* Of a database. */
typedef struct cv__tx_watch {
    cv_ctx *main;
    cv_link open; /* of cv__watched, the oldest first */
    cv__timer timer;
    int64_t long_ns, idle_ns; /* INT64_MAX: never */
    /* metrics; NULL without a registry */
    cv_counter *outcomes[CV_TX_UNKNOWN + 1];
    cv_counter *savepoints, *too_long, *too_idle, *expired, *retries_refused;
    cv_gauge *gauge;
    cv_histogram *duration;
} cv__tx_watch;

/* Of a transaction, in its root. All zero: not watched. */
typedef struct cv__watched {
    cv_link link;
    cv_ctx *cx; /* the owner's */
    int64_t began_ns, active_ns;
    int64_t deadline_ns;
    unsigned busy; /* calls on the connection under way */
    unsigned statements;
    bool told_long, told_idle, expired;
    char sql[CV__TX_SQL_BYTES]; /* the beginning of the last statement */
} cv__watched;

void cv__tx_watch_init(cv_ctx *cx, cv__tx_watch *watch, const cv_db_options *options);
void cv__tx_watch_done(cv__tx_watch *watch);

/** The transaction has begun; it is over. No effect when it is over already, or was never begun. */
void cv__tx_watch_add(cv_ctx *cx, struct cv_tx *root);
void cv__tx_watch_remove(struct cv_tx *root, cv_tx_outcome outcome);

/** Around each call on the connection of a transaction: it may suspend, and nobody else may use it then. */
void cv__tx_work_begin(struct cv_tx *root);
void cv__tx_work_end(const cv_ctx *cx, struct cv_tx *root);

/** Note the statement that comes. */
void cv__tx_note_sql(struct cv_tx *root, cv_str sql);

#endif
