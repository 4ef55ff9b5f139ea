#include "db/pool.h"

#include "rt/wait.h"
#include <covet/fiber.h>
#include <covet/runtime.h>

/* What cleaning a connection may take beyond the context's deadline. */
enum { CLEAN_UP_MS = 50 };

typedef struct pool_waiter {
    cv__waiter wait;
    cv__conn *conn; /* handed over */
    bool may_open;  /* or: a place for a new one, already counted in pool->open */
} pool_waiter;

void cv__pool_init(cv__pool *pool, const cv__driver *driver, void *shared, cv__conn_role role, size_t max,
                   int64_t acquire_timeout_ms)
{
    *pool = (cv__pool){
        .driver = driver, .shared = shared, .role = role, .max = max, .acquire_timeout_ms = acquire_timeout_ms};
    cv_list_init(&pool->idle);
    cv_list_init(&pool->lent);
    cv_list_init(&pool->waiters);
}

static pool_waiter *pop_waiter(cv__pool *pool)
{
    cv_link *link = cv_list_pop_front(&pool->waiters);
    if (!link)
        return NULL;
    pool->waiting--;
    return cv_list_entry(link, pool_waiter, wait.link);
}

static void check_drained(cv__pool *pool)
{
    if (!pool->closed || pool->open > 0 || !pool->drained)
        return;
    void (*drained)(void *) = pool->drained;
    pool->drained = NULL;
    drained(pool->drained_arg);
}

/* A place for a connection became free: the first waiter may make one. The pool may be gone afterwards. */
static void give_up_place(cv__pool *pool)
{
    pool_waiter *waiter = pop_waiter(pool);
    if (waiter) {
        waiter->may_open = true;
        cv__wake(&waiter->wait, 0);
        return;
    }
    pool->open--;
    check_drained(pool);
}

static void discard(cv__pool *pool, cv__conn *conn)
{
    cv_list_remove(&conn->link);
    pool->driver->disconnect(conn);
    pool->closed_total++;
    give_up_place(pool);
}

static int lend(cv_ctx *cx, cv__pool *pool, cv__conn *conn, cv__conn **ret_conn)
{
    conn->borrower = cx;
    conn->borrows = 1;
    pool->acquired_total++;
    *ret_conn = conn;
    return 0;
}

/* Make a connection in a place that is already counted. */
static int open_connection(cv_ctx *cx, cv__pool *pool, cv__conn **ret_conn)
{
    cv__conn *conn = NULL;
    int rc = pool->driver->connect(cx, pool->shared, pool->role, &conn);
    if (rc < 0) {
        give_up_place(pool);
        return rc;
    }
    conn->pool = pool;
    conn->role = pool->role;
    cv_list_init(&conn->link);
    cv_list_push_back(&pool->lent, &conn->link);
    pool->opened_total++;
    if (pool->closed) {
        discard(pool, conn);
        return cv_fail(cx, CV_E_CLOSED, "the database was closed");
    }
    return lend(cx, pool, conn, ret_conn);
}

/* The most recently used connection that is still alive, moved to `lent`; dead ones are dropped on the way. */
static cv__conn *take_idle(cv__pool *pool)
{
    cv_link *link;
    while ((link = cv_list_pop_front(&pool->idle)) != NULL) {
        cv__conn *conn = cv_list_entry(link, cv__conn, link);
        pool->idle_count--;
        if (!pool->driver->is_alive || pool->driver->is_alive(conn)) {
            cv_list_push_back(&pool->lent, &conn->link);
            return conn;
        }
        discard(pool, conn);
    }
    return NULL;
}

static size_t count_lent_to(const cv__pool *pool, const cv_ctx *cx)
{
    size_t count = 0;
    cv_list_each (at, &pool->lent) {
        count += cv_list_entry(at, cv__conn, link)->borrower == cx;
    }
    return count;
}

bool cv__pool_is_lent_to(const cv__pool *pool, const cv_ctx *cx)
{
    return count_lent_to(pool, cx) > 0;
}

static int fail_pool_timeout(cv_ctx *cx, cv__pool *pool)
{
    pool->timeouts_total++;
    cv_fail(cx, CV_E_POOL_TIMEOUT, "could not get a %s within %lld ms",
            pool->role == CV__WRITER ? "connection for writing" : "connection", (long long)pool->acquire_timeout_ms);
    cv_error_detail(cx, "limit %zu, open %zu, idle %zu, waiting %zu, lent %llu times so far", pool->max, pool->open,
                    pool->idle_count, pool->waiting, (unsigned long long)pool->acquired_total);
    cv_error_hint(cx, "keep transactions and open rows short, or raise max_connections or acquire_timeout");
    return CV_E_POOL_TIMEOUT;
}

/* A wait that ends early has taken nothing: cv__wait prefers what was handed over to deadline and cancellation. */
static int wait_in_line(cv_ctx *cx, cv__pool *pool, pool_waiter *waiter)
{
    int64_t former_ns = cv_ctx_set_deadline_ns(cx, cv_now_ns(cx) + pool->acquire_timeout_ms * 1000000);
    cv__waiter_init(cx, &waiter->wait);
    cv_list_push_back(&pool->waiters, &waiter->wait.link);
    pool->waiting++;
    int rc = cv__wait(cx, &waiter->wait);
    cv_ctx_restore_deadline_ns(cx, former_ns);
    if (rc == 0)
        return 0;
    if (rc == CV_E_CLOSED)
        return cv_fail(cx, CV_E_CLOSED, "the database was closed");
    pool->waiting--;
    bool own_limit = rc == CV_E_TIMEOUT && (former_ns == INT64_MAX || cv_now_ns(cx) < former_ns);
    return own_limit ? fail_pool_timeout(cx, pool) : rc;
}

static int wait_for_connection(cv_ctx *cx, cv__pool *pool, cv__conn **ret_conn)
{
    if (count_lent_to(pool, cx) == pool->max) {
        cv_fail(cx, CV_E_DEADLOCK_SELF, "cannot get a connection: this fiber holds all %zu of them", pool->max);
        cv_error_hint(cx, "close rows before opening more, or raise max_connections");
        return CV_E_DEADLOCK_SELF;
    }
    pool_waiter waiter = {0};
    CV_TRY(wait_in_line(cx, pool, &waiter));
    if (waiter.conn)
        return lend(cx, pool, waiter.conn, ret_conn);
    return open_connection(cx, pool, ret_conn);
}

static cv__conn *only_connection_if_mine(const cv__pool *pool, const cv_ctx *cx)
{
    if (pool->max != 1 || cv_list_is_empty(&pool->lent))
        return NULL;
    cv__conn *conn = cv_list_entry(pool->lent.next, cv__conn, link);
    return conn->borrower == cx && !conn->broken ? conn : NULL;
}

int cv__pool_acquire(cv_ctx *cx, cv__pool *pool, cv__conn **ret_conn)
{
    CV_TRY(cv__wait_check(cx, "get a connection"));
    if (pool->closed)
        return cv_fail(cx, CV_E_CLOSED, "the database is closed");
    cv__conn *conn = take_idle(pool);
    if (conn)
        return lend(cx, pool, conn, ret_conn);
    conn = only_connection_if_mine(pool, cx);
    if (conn) {
        conn->borrows++;
        *ret_conn = conn;
        return 0;
    }
    if (pool->open == pool->max)
        return wait_for_connection(cx, pool, ret_conn);
    pool->open++;
    return open_connection(cx, pool, ret_conn);
}

static void make_clean(cv_ctx *cx, cv__conn *conn)
{
    const cv__driver *driver = conn->driver;
    if (conn->broken || (driver->is_clean && driver->is_clean(conn)))
        return;
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, CLEAN_UP_MS)
    {
        if (driver->reset(cx, conn) < 0)
            conn->broken = true;
    }
    if (conn->broken && !first)
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
}

void cv__pool_release(cv_ctx *cx, cv__conn *conn)
{
    cv__pool *pool = conn->pool;
    if (--conn->borrows > 0)
        return;
    conn->borrower = NULL;
    make_clean(cx, conn);
    if (conn->broken || pool->closed) {
        discard(pool, conn);
        return;
    }
    pool_waiter *waiter = pop_waiter(pool);
    if (waiter) {
        waiter->conn = conn;
        conn->borrower = waiter->wait.cx;
        cv__wake(&waiter->wait, 0);
        return;
    }
    cv_list_remove(&conn->link);
    cv_list_push_front(&pool->idle, &conn->link);
    pool->idle_count++;
}

void cv__pool_close(cv__pool *pool, void (*drained)(void *arg), void *arg)
{
    pool->closed = true;
    pool_waiter *waiter;
    while ((waiter = pop_waiter(pool)) != NULL)
        cv__wake(&waiter->wait, CV_E_CLOSED);
    cv_link *link;
    while ((link = cv_list_pop_front(&pool->idle)) != NULL) {
        pool->idle_count--;
        discard(pool, cv_list_entry(link, cv__conn, link));
    }
    pool->drained = drained;
    pool->drained_arg = arg;
    check_drained(pool);
}

cv_pool_stats cv__pool_get_stats(const cv__pool *pool)
{
    return (cv_pool_stats){
        .max = pool->max,
        .open = pool->open,
        .idle = pool->idle_count,
        .borrowed = pool->open - pool->idle_count,
        .waiting = pool->waiting,
        .acquired_total = pool->acquired_total,
        .timeouts_total = pool->timeouts_total,
        .opened_total = pool->opened_total,
        .closed_total = pool->closed_total,
    };
}
