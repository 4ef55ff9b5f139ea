/* A pool of connections of one role.
 *
 * A connection is idle (in `idle`, most recently used first), lent (in `lent`) or on the way (counted in `open`, in no
 * list: being connected). Invariants: open <= max; somebody waits only when open == max; while somebody waits, `idle`
 * is empty: what comes free is handed to the first waiter, as a connection or as the right to open one. */
#ifndef COVET_SRC_DB_POOL_H
#define COVET_SRC_DB_POOL_H

#include "db/db_driver.h"

typedef struct cv__pool {
    const cv__driver *driver;
    void *shared;
    cv__conn_role role;
    size_t max;
    int64_t acquire_timeout_ms;
    cv_link idle, lent, waiters;
    size_t open, idle_count, waiting;
    uint64_t acquired_total, timeouts_total, opened_total, closed_total;
    bool closed;
    void (*drained)(void *arg); /* called once, when the pool is closed and its last connection is gone */
    void *drained_arg;
} cv__pool;

/** An empty pool; connections are made when asked for. `shared` is what the driver's connect takes. */
void cv__pool_init(cv__pool *pool, const cv__driver *driver, void *shared, cv__conn_role role, size_t max,
                   int64_t acquire_timeout_ms);

/** Borrow a connection; give it back with cv__pool_release. Waiting is first in, first out, and ends with the context's
 *  deadline, with cancellation, or after the pool's own limit with CV_E_POOL_TIMEOUT. The only connection of a pool may
 * be borrowed again by the context that holds it. CV_E_CLOSED, CV_E_DEADLOCK_SELF, and all errors of connecting.
 * Suspends.
 */
CV_CHECKED int cv__pool_acquire(cv_ctx *cx, cv__pool *pool, cv__conn **ret_conn);

/** Whether the context has borrowed a connection of the pool. */
bool cv__pool_is_lent_to(const cv__pool *pool, const cv_ctx *cx);

/** Give a connection back: made clean for the next borrower, or closed when it is broken or the pool is closed. Keeps
 * the context's error. May suspend, for at most the clean-up budget. */
void cv__pool_release(cv_ctx *cx, cv__conn *conn);

/** Close: idle connections now, lent ones when they come back; waiters fail with CV_E_CLOSED. `drained(arg)` is called
 *  when none is left, perhaps at once. Does not suspend. */
void cv__pool_close(cv__pool *pool, void (*drained)(void *arg), void *arg);

cv_pool_stats cv__pool_get_stats(const cv__pool *pool);

#endif
