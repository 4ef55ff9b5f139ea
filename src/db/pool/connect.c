/* Making and checking connections.
 *
 * Nobody who waits connects: fibers of the pool do, and what they make goes to the first in line, or, when nobody waits
 * any more, to the idle ones; they make no further one then. A failure is told to those who waited already when the try
 * began, unless a connection is open that may come back to them. After a failure the next try waits a little, longer
 * each time (full jitter). */
#include "db/pool/pool.h"

#include "base/ctx.h"
#include <covet/fiber.h>
#include <covet/log.h>
#include <covet/runtime.h>
#include <stdlib.h>

enum { FIRST_PAUSE_MS = 10, LONGEST_PAUSE_MS = 1000, LIFETIME_JITTER_PERCENT = 10 };

/* A fiber that connects, while it does. */
typedef struct connector {
    cv_link link; /* in pool->connectors */
    cv_ctx *cx;
} connector;

static int64_t random_below(cv__pool *pool, int64_t limit)
{
    uint64_t x = pool->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    pool->random = x;
    return limit > 0 ? (int64_t)(x % (uint64_t)limit) : 0;
}

/* ---- success and failure ---- */

static int64_t choose_end_of_life(cv__pool *pool, int64_t now_ns)
{
    int64_t lifetime_ms = pool->options.max_lifetime_ms;
    if (lifetime_ms <= 0)
        return INT64_MAX;
    int64_t jitter_ms = random_below(pool, lifetime_ms * LIFETIME_JITTER_PERCENT / 100 + 1);
    return now_ns + (lifetime_ms - jitter_ms) * 1000000;
}

void cv__pool_adopt(cv__pool *pool, cv__conn *conn)
{
    int64_t now_ns = cv_now_ns(pool->main);
    conn->pool = pool;
    conn->role = pool->role;
    conn->epoch = pool->epoch;
    conn->generation = pool->generation;
    conn->expires_ns = choose_end_of_life(pool, now_ns);
    conn->idle_since_ns = now_ns;
    conn->borrows = 0;
    conn->borrower = NULL;
    cv_list_init(&conn->link);
}

static void note_success(cv__pool *pool, int64_t took_ns)
{
    pool->opened_total++;
    pool->failed_in_a_row = 0;
    pool->retry_at_ns = 0;
    cv__pool_note_made(pool, took_ns);
    (void)cv__breaker_note(&pool->breaker, cv_now_ns(pool->main), true, NULL);
}

static void note_in_breaker(cv__pool *pool, int64_t now_ns, const char *reason)
{
    if (!cv__breaker_note(&pool->breaker, now_ns, false, reason))
        return;
    CV_LOG_ERROR(pool->main->log, "connections fail: the server is left alone", CV_F("pool", (const char *)pool->name),
                 CV_F("for_ms", pool->options.breaker_open_ms), CV_F("reason", reason));
}

static void note_failure(cv__pool *pool, const cv_ctx *cx, int code)
{
    const cv_error *error = cv_error_last(cx);
    int64_t now_ns = cv_now_ns(cx);
    snprintf(pool->last_error, sizeof pool->last_error, "%s", error ? error->message : cv_error_text(code));
    pool->last_error_ns = now_ns;
    pool->connect_failures_total++;
    cv__pool_slot *slot = cv__pool_slot_now(pool, now_ns);
    if (slot)
        slot->failures++;
    unsigned doublings = pool->failed_in_a_row < 8 ? pool->failed_in_a_row : 8;
    int64_t pause_ms = FIRST_PAUSE_MS << doublings;
    pause_ms = pause_ms < LONGEST_PAUSE_MS ? pause_ms : LONGEST_PAUSE_MS;
    pool->failed_in_a_row++;
    pool->warming = false;
    pool->retry_at_ns = now_ns + random_below(pool, pause_ms * 1000000);
    note_in_breaker(pool, now_ns, pool->last_error);
}

/* Whether a connection is open that those who wait may get, beside the place of the one that failed. */
static bool others_may_come_back(const cv__pool *pool)
{
    return pool->open > pool->connecting + 1;
}

/* ---- the fiber ---- */

/* One connection, in a place that is counted already. */
static int connect_one(cv_ctx *cx, cv__pool *pool)
{
    int64_t began_ns = cv_now_ns(cx);
    cv__conn *conn = NULL;
    int rc = pool->driver->connect(cx, pool->shared, pool->role, &conn);
    pool->connecting--;
    if (rc == 0) {
        cv__pool_adopt(pool, conn);
        note_success(pool, cv_now_ns(cx) - began_ns);
        cv__pool_put(pool, conn, conn->idle_since_ns);
        return 0;
    }
    if (rc == CV_E_CANCELLED)
        cv__breaker_take_back(&pool->breaker);
    else
        note_failure(pool, cx, rc);
    if (!others_may_come_back(pool))
        cv__pool_fail_waiters(pool, rc, cx, began_ns);
    return rc;
}

static bool begin_another(cv__pool *pool);

static int connect_fiber(cv_ctx *cx, void *arg)
{
    cv__pool *pool = arg;
    connector self = {.cx = cx};
    cv_list_push_back(&pool->connectors, &self.link);
    if (pool->closed)
        cv_cancel(cx->fiber);
    int rc = connect_one(cx, pool);
    while (rc == 0 && begin_another(pool)) {
        CV_SCOPE(cx)
        {
            rc = connect_one(cx, pool);
        }
    }
    cv_list_remove(&self.link);
    if (rc < 0)
        cv__pool_give_up_place(pool);
    else
        cv__pool_check_drained(pool);
    return 0;
}

void cv__pool_stop_connecting(cv__pool *pool)
{
    cv_list_each (at, &pool->connectors) {
        cv_cancel(cv_list_entry(at, connector, link)->cx->fiber);
    }
}

/* ---- when ---- */

/* Take a place for one more connect, when one is wanted and allowed. */
static bool begin_another(cv__pool *pool)
{
    pool->warming = pool->warming && pool->open < pool->min;
    bool wanted = pool->waiting > pool->connecting || pool->warming;
    if (!wanted || pool->closed || pool->suspended || pool->connecting >= CV__POOL_GROW)
        return false;
    int64_t now_ns = cv_now_ns(pool->main);
    if (now_ns < pool->retry_at_ns) {
        cv__pool_keep_by(pool, pool->retry_at_ns);
        return false;
    }
    if (pool->open >= pool->max || !cv__breaker_allows(&pool->breaker, now_ns))
        return false;
    if (!cv__pool_take_place(pool, pool->waiting > pool->connecting)) {
        cv__breaker_take_back(&pool->breaker);
        return false;
    }
    pool->connecting++;
    return true;
}

void cv__pool_grow(cv__pool *pool)
{
    while (begin_another(pool)) {
        if (cv__pool_spawn(pool, "pool connect", connect_fiber, pool) == 0)
            continue;
        pool->connecting--;
        cv__breaker_take_back(&pool->breaker);
        cv__pool_drop_place(pool);
        return;
    }
}

void cv__pool_connect_in_place(cv__pool *pool)
{
    bool allowed = cv__breaker_allows(&pool->breaker, cv_now_ns(pool->main));
    pool->connecting++;
    if (allowed && cv__pool_spawn(pool, "pool connect", connect_fiber, pool) == 0)
        return;
    pool->connecting--;
    if (allowed)
        cv__breaker_take_back(&pool->breaker);
    cv__pool_give_up_place(pool);
}

void cv__pool_warm(cv__pool *pool)
{
    pool->warmed = pool->warming = true;
    cv__pool_grow(pool);
}

/* ---- checking ---- */

/* A server that goes away takes all connections along: the breaker counts that once. */
void cv__pool_suspect(cv__pool *pool, const cv__conn *lost, const char *reason)
{
    if (lost->generation != pool->generation)
        return;
    pool->generation++;
    note_in_breaker(pool, cv_now_ns(pool->main), reason);
}

/* The connection is of no use. */
static int drop(cv_ctx *cx, cv__pool *pool, cv__conn *conn)
{
    bool closed = pool->closed;
    cv__pool_discard(pool, conn);
    return closed ? cv_fail(cx, CV_E_CLOSED, "the database was closed") : 0;
}

/* No answer, or none in time: those that were idle beside it will do no better. */
static int ask(cv_ctx *cx, cv__pool *pool, cv__conn *conn)
{
    cv_error *first = cv_error_take(cx);
    int rc = 0;
    CV_WITHIN(cx, pool->options.validate_timeout_ms)
    {
        rc = pool->driver->ping(cx, conn);
    }
    if (rc == 0) {
        conn->generation = pool->generation;
        cv_error_put_back(cx, first);
        return 1;
    }
    conn->broken = true;
    cv__pool_suspect(pool, conn, "an idle connection did not answer");
    cv__pool_drop_idle(pool, true);
    bool given_up = rc == CV_E_CANCELLED || cv__deadline_left_ms(cx) == 0;
    if (!given_up)
        cv_error_clear(cx);
    cv_error_put_back(cx, given_up && !first ? NULL : first);
    int dropped = drop(cx, pool, conn);
    return given_up ? rc : dropped;
}

int cv__pool_check(cv_ctx *cx, cv__pool *pool, cv__conn *conn, int64_t now_ns)
{
    const cv__driver *driver = pool->driver;
    bool suspect = conn->generation != pool->generation;
    int64_t idle_ns = now_ns - conn->idle_since_ns;
    if (cv__pool_trusts(pool, conn, now_ns))
        return 1;
    if (now_ns >= conn->expires_ns)
        return drop(cx, pool, conn);
    if (driver->is_alive && !driver->is_alive(conn)) {
        cv__pool_suspect(pool, conn, "the server closed an idle connection");
        return drop(cx, pool, conn);
    }
    bool rested = pool->options.validate_after_ms >= 0 && idle_ns >= pool->options.validate_after_ms * 1000000;
    return driver->ping && (suspect || rested) ? ask(cx, pool, conn) : 1;
}
