/* A pool of connections of one role, of one runtime. Public side: <covet/pool.h>.
 *
 *     place taken --> CONNECTING --> LENT <--> IDLE --> closed, place given up
 *                         |           |
 *                         |           +--> REVOKED (taken back under its borrower: the place is given up at once,
 *                         |                the object lives until the borrower lets go)
 *                         +--> failed, place given up
 *
 * CONNECTING is in no list (a fiber of the pool has it), IDLE is in `idle` (newest use first), LENT in `lent` (the
 * oldest loan first), REVOKED in `revoked`. Whoever finds nothing idle waits in line (`waiters`) for whatever comes
 * first: a connection that is given back, or one that a fiber of the pool has made. Invariants:
 *   1. open = connecting + idle_count + length of lent; open <= max, but for a pool that was made smaller
 *   2. while somebody waits, `idle` is empty (unless the pool is suspended): what comes free goes to the first in line
 *   3. at most CV__POOL_GROW fibers connect for those who wait; none begins while nobody waits and `min` are open
 *   4. a place is given up exactly once, whatever becomes of the connection
 * A waiter that ends early has taken nothing: cv__wait prefers what was handed over to deadline and cancellation.
 *
 * pool.c has loan and return, wait.c the line, connect.c making and checking connections, keep.c what
 * happens with time, leak.c loans that last too long, control.c what operators do, stats.c
 * what is remembered and shown. */
#ifndef COVET_SRC_DB_POOL_POOL_H
#define COVET_SRC_DB_POOL_POOL_H

#include "db/db_driver.h"
#include "db/pool/breaker.h"
#include "db/pool/share.h"
#include "db/pool/stats.h"
#include "rt/wait.h"
#include <string.h>

enum {
    CV__POOL_GROW = 2,             /* connects at the same time */
    CV__POOL_TRUSTED_NS = 1000000, /* a connection that was used so recently is lent without a look at its socket */
    CV__POOL_NAME_BYTES = 128,
    CV__POOL_ERROR_BYTES = 256,
};

typedef struct cv__pool {
    cv_ctx *main; /* of the runtime */
    const cv__driver *driver;
    void *shared;
    cv__conn_role role;
    cv_db_options options; /* complete; its texts are not used */
    char name[CV__POOL_NAME_BYTES];

    size_t max, min;
    bool closed, suspended;
    bool watches_loans;
    void (*drained)(void *arg); /* called once, when the pool is closed and its last connection is gone */
    void *drained_arg;

    cv_link idle, lent, revoked;
    size_t open, idle_count, connecting, revoked_count;
    cv_link drainers;    /* who waits for the connections of earlier epochs to go */
    unsigned epoch;      /* connections of an earlier one are closed when they come back (drain) */
    unsigned generation; /* connections checked in an earlier one are suspect: one was lost since */

    cv__share_member member; /* among the pools of other workers */

    cv_link waiters; /* of pool_waiter, first in first out */
    size_t waiting;
    int64_t over_target_since_ns; /* the first in line has waited longer than shed_target since; 0: it has not */

    cv_link connectors; /* the fibers that connect */
    bool warmed;        /* the first loan was made */
    bool warming;       /* connections are made up to `min` */
    uint64_t random;    /* state of the jitter */
    unsigned failed_in_a_row;
    int64_t retry_at_ns;                   /* no connect before that, after one that failed */
    char last_error[CV__POOL_ERROR_BYTES]; /* of a connect, "" when there was none yet */
    int64_t last_error_ns;
    cv__breaker breaker;

    uv_timer_t *tick;   /* real clock: keeps no loop alive; NULL before its first use */
    cv__timer sim_tick; /* simulated clock */
    int64_t keep_at_ns; /* when keep.c looks next; INT64_MAX: never */

    cv__pool_history *history; /* NULL without memory */
    cv__pool_metrics *metrics; /* NULL without a registry */
    int alert_told;            /* the level that was logged last, */
    int64_t alert_told_ns;     /* and when */
    uint64_t acquired_total, timeouts_total, opened_total, closed_total, shed_total, leaks_total, revoked_total,
        connect_failures_total;
} cv__pool;

/** An empty pool; connections are made when asked for. `shared` is what the driver's connect takes; `options` are
 *  complete, and copied. Does not suspend. */
void cv__pool_init(cv_ctx *cx, cv__pool *pool, const cv__driver *driver, void *shared, cv__conn_role role, size_t max,
                   const cv_db_options *options);

/** Borrow a connection; give it back with cv__pool_release. Waiting is first in, first out, and ends with the context's
 *  deadline, with cancellation, or after the pool's own limit with CV_E_POOL_TIMEOUT. The only connection of a pool may
 * be borrowed again by the context that holds it. CV_E_CLOSED, CV_E_DEADLOCK_SELF, CV_E_OVERLOADED, CV_E_CIRCUIT_OPEN,
 * and, when no connection is there that could come back, all errors of connecting. Suspends. */
CV_CHECKED int cv__pool_acquire(cv_ctx *cx, cv__pool *pool, cv__conn **ret_conn);

/** Whether the context has borrowed a connection of the pool, and how many. */
bool cv__pool_is_lent_to(const cv__pool *pool, const cv_ctx *cx);
size_t cv__pool_lent_to(const cv__pool *pool, const cv_ctx *cx);

/** Give a connection back: made clean for the next borrower, or closed when it is broken or the pool is closed. Keeps
 * the context's error. May suspend, for at most the clean-up budget. */
void cv__pool_release(cv_ctx *cx, cv__conn *conn);

/** Close: idle connections now, lent ones when they come back; waiters fail with CV_E_CLOSED. `drained(arg)` is called
 *  when none is left, perhaps at once. Does not suspend. */
void cv__pool_close(cv__pool *pool, void (*drained)(void *arg), void *arg);

cv_pool_stats cv__pool_get_stats(const cv__pool *pool);

/** 0, or CV_E_LOAN_REVOKED with its story: the connection was taken back from its borrower (forced_return). Before
 *  whatever is done with a borrowed connection. */
CV_CHECKED int cv__conn_check(cv_ctx *cx, const cv__conn *conn);

/** Note what runs on a borrowed connection, for those who ask who holds the pool. Copies the beginning. */
static inline void cv__conn_note_sql(cv__conn *conn, cv_str sql)
{
    size_t len = sql.len < sizeof conn->sql - 1 ? sql.len : sizeof conn->sql - 1;
    if (len)
        memcpy(conn->sql, sql.ptr, len);
    conn->sql[len] = '\0';
}

/* ---- the steps between the files of the pool ---- */

/* pool.c */

/** A connection that nobody holds goes to the first in line, or becomes idle, or is closed when it is of no use. The
 *  pool may be gone afterwards when it was closed. */
void cv__pool_put(cv__pool *pool, cv__conn *conn, int64_t now_ns);
/** Tell that the pool is drained, when it is. It may be gone afterwards. */
void cv__pool_check_drained(cv__pool *pool);
/** Close a connection, in `lent` or in no list, and give up its place. The pool may be gone afterwards. */
void cv__pool_discard(cv__pool *pool, cv__conn *conn);
/** Close the idle connections; with `all` false only those that are older than the pool's present epoch. */
void cv__pool_drop_idle(cv__pool *pool, bool all);
/** Count a place in and out. The pool may be gone after the latter. */
bool cv__pool_take_place(cv__pool *pool, bool urgent);
void cv__pool_give_up_place(cv__pool *pool);
/** The same, and nothing begins because of it. */
void cv__pool_drop_place(cv__pool *pool);

/** A place that another pool has granted, with its connection, or NULL. */
void cv__pool_receive(cv__pool *pool, cv__conn *conn);
/** The idle connection that was used least recently; NULL when there is none. */
cv__conn *cv__pool_last_idle(const cv__pool *pool);
/** A connection, idle or in no list, and its place belong to another pool now. */
void cv__pool_forget(cv__pool *pool, cv__conn *conn);
/** Free a connection that is in no list; its place is another matter. */
void cv__pool_disconnect(cv__pool *pool, cv__conn *conn);
/** Start a detached fiber of the pool: without the deadline of whoever happens to start it. An error has no story. */
CV_CHECKED int cv__pool_spawn(cv__pool *pool, const char *name, cv_fiber_fn *fn, void *arg);

/* wait.c */

/** Wait in line for a connection, which is then in `lent`. `again`: at its head, for one that was served badly. */
CV_CHECKED int cv__pool_wait(cv_ctx *cx, cv__pool *pool, int64_t since_ns, bool again, cv__conn **ret_conn);
/** Hand a connection to the first in line: false when nobody waits. */
bool cv__pool_serve(cv__pool *pool, cv__conn *conn);
/** Since when the first in line waits; INT64_MAX when nobody does. */
int64_t cv__pool_first_since_ns(const cv__pool *pool);
/** End the waits of those who joined the line before the instant. With `from` (may be NULL) they get its error. */
void cv__pool_fail_waiters(cv__pool *pool, int code, const cv_ctx *from, int64_t joined_before_ns);
/** Serve the line from what is idle, and connect for the rest. */
void cv__pool_serve_all(cv__pool *pool);
/** Report that the pool's own limit has passed; and the facts about a pool as the last error's detail. */
int cv__pool_fail_timeout(cv_ctx *cx, cv__pool *pool);
void cv__pool_describe(cv_ctx *cx, const cv__pool *pool);

/* connect.c */

/** Begin to connect where that is wanted: for those who wait, and up to `min` while the pool is warming. */
void cv__pool_grow(cv__pool *pool);
/** Begin to fill up to `min`, until that is reached or a connect fails. */
void cv__pool_warm(cv__pool *pool);
/** Whether an idle connection may be lent: 1; 0 when it was dead and is closed; an error when the context could not
 *  wait for the answer (it is closed then, too). Suspends. */
CV_CHECKED int cv__pool_check(cv_ctx *cx, cv__pool *pool, cv__conn *conn, int64_t now_ns);
/** Count an idle connection that leaves the list. */
static inline void cv__pool_leaves_idle(cv__pool *pool, cv__conn *conn)
{
    pool->idle_count--;
    conn->in_idle = false;
}
/** Whether an idle connection may be lent as it is. */
static inline bool cv__pool_trusts(const cv__pool *pool, const cv__conn *conn, int64_t now_ns)
{
    return now_ns - conn->idle_since_ns < CV__POOL_TRUSTED_NS && conn->generation == pool->generation &&
           now_ns < conn->expires_ns;
}
/** Connect in a place that is counted already; it is given up when that cannot be. */
void cv__pool_connect_in_place(cv__pool *pool);
/** A connection, made or handed over, becomes the pool's; in no list yet. */
void cv__pool_adopt(cv__pool *pool, cv__conn *conn);
/** A connection was lost: idle ones are asked before they are lent. */
void cv__pool_suspect(cv__pool *pool, const cv__conn *lost, const char *reason);
/** End the fibers that connect. */
void cv__pool_stop_connecting(cv__pool *pool);

/* leak.c */

/** A loan begins: note where, when loans are watched. */
void cv__pool_watch_loan(cv__pool *pool, cv__conn *conn);
/** A revoked connection is given back by its borrower. */
void cv__pool_let_go(cv__pool *pool, cv__conn *conn);
/** Tell, and take back, what is due; returns when to look again. */
CV_CHECKED int64_t cv__pool_look_at_loans(cv__pool *pool, int64_t now_ns);

/* keep.c */

/** Have the pool looked after at the instant, at the latest. */
void cv__pool_keep_by(cv__pool *pool, int64_t at_ns);
void cv__pool_keep_stop(cv__pool *pool);

#endif
