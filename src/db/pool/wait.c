/* The line of those who wait for a connection. */
#include "db/pool/pool.h"

#include "base/ctx.h"
#include <covet/fiber.h>
#include <covet/runtime.h>

typedef struct pool_waiter {
    cv__waiter wait;
    int64_t since_ns; /* of its acquire */
    cv__conn *conn;   /* handed over, or NULL */
} pool_waiter;

static pool_waiter *first_waiter(const cv__pool *pool)
{
    return cv_list_is_empty(&pool->waiters) ? NULL : cv_list_entry(pool->waiters.next, pool_waiter, wait.link);
}

int64_t cv__pool_first_since_ns(const cv__pool *pool)
{
    const pool_waiter *first = first_waiter(pool);
    return first ? first->since_ns : INT64_MAX;
}

static void count_out(cv__pool *pool)
{
    if (--pool->waiting == 0 && pool->member.wants)
        cv__share_content(pool);
}

static void leave_line(cv__pool *pool, pool_waiter *waiter, int code)
{
    count_out(pool);
    cv__wake(&waiter->wait, code);
}

/* ---- serving ---- */

bool cv__pool_serve(cv__pool *pool, cv__conn *conn)
{
    pool_waiter *waiter = first_waiter(pool);
    if (!waiter)
        return false;
    if (conn->link.next == &conn->link)
        cv_list_push_back(&pool->lent, &conn->link);
    conn->borrower = waiter->wait.cx;
    waiter->conn = conn;
    leave_line(pool, waiter, 0);
    return true;
}

void cv__pool_serve_all(cv__pool *pool)
{
    while (!pool->suspended && !cv_list_is_empty(&pool->idle) && pool->waiting > 0) {
        cv__conn *conn = cv_list_entry(pool->idle.next, cv__conn, link);
        cv_list_remove(&conn->link);
        cv__pool_leaves_idle(pool, conn);
        (void)cv__pool_serve(pool, conn);
    }
    cv__pool_grow(pool);
}

void cv__pool_fail_waiters(cv__pool *pool, int code, const cv_ctx *from, int64_t joined_before_ns)
{
    cv_list_each (at, &pool->waiters) {
        pool_waiter *waiter = cv_list_entry(at, pool_waiter, wait.link);
        if (waiter->since_ns > joined_before_ns)
            continue;
        if (from)
            (void)cv_error_copy(waiter->wait.cx, from);
        leave_line(pool, waiter, code);
    }
}

/* ---- what is said to those who get nothing ---- */

static cv__conn *oldest_loan(const cv__pool *pool)
{
    cv__conn *oldest = NULL;
    cv_list_each (at, &pool->lent) {
        cv__conn *conn = cv_list_entry(at, cv__conn, link);
        if (conn->borrower && conn->borrows && (!oldest || conn->lent_since_ns < oldest->lent_since_ns))
            oldest = conn;
    }
    return oldest;
}

static void describe_oldest(const cv__pool *pool, int64_t now_ns, char *text, size_t size)
{
    const cv__conn *oldest = oldest_loan(pool);
    text[0] = '\0';
    if (!oldest)
        return;
    snprintf(text, size, "; the oldest loan is that of fiber \"%s\", for %lld ms%s%s%s",
             cv_fiber_name(oldest->borrower), (long long)(now_ns - oldest->lent_since_ns) / 1000000,
             oldest->sql[0] ? ", last with: " : "", oldest->sql[0] ? oldest->sql : "",
             oldest->stack ? "; its stack is in the log" : "");
}

static void describe_failure(const cv__pool *pool, int64_t now_ns, char *text, size_t size)
{
    text[0] = '\0';
    if (pool->last_error[0])
        snprintf(text, size, "; the last connect failed %lld ms ago: %s",
                 (long long)(now_ns - pool->last_error_ns) / 1000000, pool->last_error);
}

void cv__pool_describe(cv_ctx *cx, const cv__pool *pool)
{
    char oldest[256 + CV__NOTED_SQL_BYTES], failure[CV__POOL_ERROR_BYTES + 64];
    int64_t now_ns = cv_now_ns(cx);
    describe_oldest(pool, now_ns, oldest, sizeof oldest);
    describe_failure(pool, now_ns, failure, sizeof failure);
    cv_error_detail(
        cx, "pool \"%s\"%s: limit %zu, open %zu, idle %zu, connecting %zu, waiting %zu, lent %llu times so far%s%s",
        pool->name, pool->suspended ? " (suspended)" : "", pool->max, pool->open, pool->idle_count, pool->connecting,
        pool->waiting, (unsigned long long)pool->acquired_total, oldest, failure);
}

int cv__pool_fail_timeout(cv_ctx *cx, cv__pool *pool)
{
    pool->timeouts_total++;
    cv__pool_slot *slot = cv__pool_slot_now(pool, cv_now_ns(cx));
    if (slot)
        slot->timeouts++;
    bool none_is_made = pool->connecting > 0 && pool->connecting == pool->open;
    cv_fail(cx, CV_E_POOL_TIMEOUT, "could not get a %s within %lld ms%s",
            pool->role == CV__WRITER ? "connection for writing" : "connection",
            (long long)pool->options.acquire_timeout_ms, none_is_made ? ": the server does not answer" : "");
    cv__pool_describe(cx, pool);
    cv_error_hint(cx, none_is_made
                          ? "is the server stopped or overloaded, or a firewall before it? a slow one needs a longer "
                            "acquire_timeout and connect_timeout"
                          : "keep transactions and open rows short, or raise max_connections or acquire_timeout");
    return CV_E_POOL_TIMEOUT;
}

/* ---- who may join ---- */

/* Whether this fiber holds all that the pool can have: it would wait for itself. */
static int check_self(cv_ctx *cx, const cv__pool *pool)
{
    size_t mine = cv__pool_lent_to(pool, cx);
    if (mine < pool->max)
        return 0;
    cv_fail(cx, CV_E_DEADLOCK_SELF, "cannot get a connection: this fiber holds all %zu of them", pool->max);
    cv__pool_describe(cx, pool);
    cv_error_hint(cx, "close rows before opening more, or raise max_connections");
    return CV_E_DEADLOCK_SELF;
}

/* Nothing can come back, and nothing may be tried. */
static int check_breaker(cv_ctx *cx, cv__pool *pool, int64_t now_ns)
{
    if (pool->open > 0 || cv__breaker_state_at(&pool->breaker, now_ns) != CV__BREAKER_OPEN)
        return 0;
    cv_fail(cx, CV_E_CIRCUIT_OPEN, "could not get a connection: too many connects failed, the next try is in %lld ms",
            (long long)(pool->breaker.until_ns - now_ns + 999999) / 1000000);
    cv_error_detail(cx, "pool \"%s\"; the last failure: %s", pool->name, pool->breaker.reason);
    cv_error_hint(cx,
                  "see whether the server runs and accepts connections; breaker_open says how long it is left alone");
    return CV_E_CIRCUIT_OPEN;
}

/* Controlled delay: overload is when even the first in line has waited too long, all the time, for a while. Then it is
 * better to turn newcomers away at once than to let everybody wait in vain. */
static int check_overload(cv_ctx *cx, cv__pool *pool, int64_t now_ns)
{
    const pool_waiter *first = first_waiter(pool);
    int64_t target_ns = pool->options.shed_target_ms * 1000000;
    if (target_ns <= 0 || !first || now_ns - first->since_ns < target_ns) {
        pool->over_target_since_ns = 0;
        return 0;
    }
    if (!pool->over_target_since_ns)
        pool->over_target_since_ns = now_ns;
    if (now_ns - pool->over_target_since_ns < pool->options.shed_interval_ms * 1000000)
        return 0;
    pool->shed_total++;
    cv__pool_slot *slot = cv__pool_slot_now(pool, now_ns);
    if (slot)
        slot->turned_away++;
    cv_fail(cx, CV_E_OVERLOADED, "could not get a connection: the pool is overloaded");
    cv__pool_describe(cx, pool);
    cv_error_hint(cx, "try again later; the first of %zu in line has waited for %lld ms (shed_target is %lld ms)",
                  pool->waiting, (long long)(now_ns - first->since_ns) / 1000000,
                  (long long)pool->options.shed_target_ms);
    return CV_E_OVERLOADED;
}

/* Whoever is served shows how long the line is. */
static void note_wait(cv__pool *pool, int64_t wait_ns)
{
    if (wait_ns < pool->options.shed_target_ms * 1000000)
        pool->over_target_since_ns = 0;
}

int cv__pool_wait(cv_ctx *cx, cv__pool *pool, int64_t since_ns, bool again, cv__conn **ret_conn)
{
    int64_t now_ns = cv_now_ns(cx);
    CV_TRY(check_self(cx, pool));
    CV_TRY(check_breaker(cx, pool, now_ns));
    if (!again)
        CV_TRY(check_overload(cx, pool, now_ns));
    pool_waiter waiter = {.since_ns = since_ns};
    cv__waiter_init(cx, &waiter.wait);
    waiter.wait.what = "get a connection";
    if (again)
        cv_list_push_front(&pool->waiters, &waiter.wait.link);
    else
        cv_list_push_back(&pool->waiters, &waiter.wait.link);
    pool->waiting++;
    cv__pool_grow(pool);
    int rc = cv__wait(cx, &waiter.wait);
    if (waiter.wait.woken) {
        if (rc == CV_E_CLOSED)
            return cv_fail(cx, CV_E_CLOSED, "the database was closed");
        if (rc == 0)
            note_wait(pool, cv_now_ns(cx) - since_ns);
    } else {
        count_out(pool);
    }
    *ret_conn = waiter.conn;
    return rc;
}
