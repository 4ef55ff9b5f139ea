/* Loan and return. */
#include "db/pool/pool.h"

#include "base/ctx.h"
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <stdlib.h>

/* When what is missing to `min` is made, after a connection was closed. */
static const int64_t REFILL_NS = 1000000000;

void cv__pool_init(cv_ctx *cx, cv__pool *pool, const cv__driver *driver, void *shared, cv__conn_role role, size_t max,
                   const cv_db_options *options)
{
    *pool = (cv__pool){
        .main = cv__main_ctx(cx),
        .driver = driver,
        .shared = shared,
        .role = role,
        .options = *options,
        .max = max,
        .min = options->min_connections > 0 ? (size_t)options->min_connections : 0,
        .keep_at_ns = INT64_MAX,
        .watches_loans = options->leak_threshold_ms > 0 || options->forced_return_ms > 0,
        .random = ((uint64_t)cv_now_ns(cx) ^ (uintptr_t)pool) | 1,
    };
    cv_list_init(&pool->idle);
    cv_list_init(&pool->lent);
    cv_list_init(&pool->revoked);
    cv_list_init(&pool->waiters);
    cv_list_init(&pool->drainers);
    cv_list_init(&pool->connectors);
    cv__breaker_init(&pool->breaker, options->breaker_window > 0 ? (size_t)options->breaker_window : 0,
                     (size_t)options->breaker_percent, options->breaker_open_ms * 1000000,
                     (size_t)options->breaker_probes);
    snprintf(pool->name, sizeof pool->name, "%s", options->pool_name ? options->pool_name : driver->name);
}

/* ---- places ---- */

void cv__pool_check_drained(cv__pool *pool)
{
    if (!pool->closed || pool->open > 0 || pool->revoked_count > 0 || !pool->drained ||
        !cv_list_is_empty(&pool->connectors))
        return;
    void (*drained)(void *) = pool->drained;
    pool->drained = NULL;
    cv__pool_keep_stop(pool);
    cv__pool_stats_stop(pool);
    if (pool->member.group)
        cv__share_leave(pool);
    drained(pool->drained_arg);
}

bool cv__pool_take_place(cv__pool *pool, bool urgent)
{
    if (pool->open >= pool->max || (pool->member.group && !cv__share_take(pool, urgent)))
        return false;
    pool->open++;
    return true;
}

/* It grows no younger by moving; one that has rested is asked before it is lent. */
static void adopt_former(cv__pool *pool, cv__conn *conn)
{
    int64_t expires_ns = conn->expires_ns, idle_since_ns = conn->idle_since_ns;
    cv__pool_adopt(pool, conn);
    conn->expires_ns = expires_ns;
    if (conn->idle_since_ns - idle_since_ns > CV__POOL_TRUSTED_NS)
        conn->generation = pool->generation - 1;
}

void cv__pool_receive(cv__pool *pool, cv__conn *conn)
{
    pool->open++;
    if (conn) {
        adopt_former(pool, conn);
        cv__pool_put(pool, conn, conn->idle_since_ns);
    } else if (pool->waiting > pool->connecting && !pool->closed) {
        cv__pool_connect_in_place(pool);
    } else {
        cv__pool_give_up_place(pool);
    }
    if (pool->member.group && !pool->closed)
        cv__pool_grow(pool);
}

cv__conn *cv__pool_last_idle(const cv__pool *pool)
{
    return cv_list_is_empty(&pool->idle) ? NULL : cv_list_entry(pool->idle.prev, cv__conn, link);
}

void cv__pool_forget(cv__pool *pool, cv__conn *conn)
{
    if (conn->in_idle)
        cv__pool_leaves_idle(pool, conn);
    cv_list_remove(&conn->link);
    free(conn->stack);
    conn->stack = NULL;
    pool->open--;
}

void cv__pool_drop_place(cv__pool *pool)
{
    pool->open--;
    if (pool->member.group)
        cv__share_give(pool);
}

void cv__pool_give_up_place(cv__pool *pool)
{
    cv__pool_drop_place(pool);
    if (pool->closed) {
        cv__pool_check_drained(pool);
        return;
    }
    if (pool->open < pool->min)
        cv__pool_keep_by(pool, cv_now_ns(pool->main) + REFILL_NS);
    cv__pool_grow(pool);
}

void cv__pool_disconnect(cv__pool *pool, cv__conn *conn)
{
    bool is_former = conn->epoch != pool->epoch;
    free(conn->stack);
    pool->driver->disconnect(conn);
    pool->closed_total++;
    cv__pool_slot *slot = cv__pool_slot_now(pool, cv_now_ns(pool->main));
    if (slot)
        slot->closed++;
    while (is_former && !cv_list_is_empty(&pool->drainers))
        cv__wake(cv_list_entry(pool->drainers.next, cv__waiter, link), 0);
}

void cv__pool_discard(cv__pool *pool, cv__conn *conn)
{
    cv_list_remove(&conn->link);
    cv__pool_disconnect(pool, conn);
    cv__pool_give_up_place(pool);
}

/* The main context may wait in a call of its own: its pending error is not ours. */
int cv__pool_spawn(cv__pool *pool, const char *name, cv_fiber_fn *fn, void *arg)
{
    cv_error *pending = cv_error_take(pool->main);
    int64_t deadline_ns = pool->main->deadline_ns;
    pool->main->deadline_ns = INT64_MAX;
    int rc = cv_spawn(pool->main, name, fn, arg, NULL);
    pool->main->deadline_ns = deadline_ns;
    if (rc < 0)
        cv_error_clear(pool->main);
    cv_error_put_back(pool->main, pending);
    return rc;
}

/* ---- idle connections ---- */

/* The most recently used one, moved to `lent`; NULL when there is none to be had. */
static cv__conn *take_idle(cv__pool *pool)
{
    if (pool->suspended)
        return NULL;
    cv_link *link = cv_list_pop_front(&pool->idle);
    if (!link)
        return NULL;
    cv__conn *conn = cv_list_entry(link, cv__conn, link);
    cv__pool_leaves_idle(pool, conn);
    cv_list_push_back(&pool->lent, link);
    return conn;
}

static bool is_out_of_date(const cv__pool *pool, const cv__conn *conn)
{
    return conn->epoch != pool->epoch || pool->open > pool->max;
}

static void put_idle(cv__pool *pool, cv__conn *conn)
{
    cv_list_remove(&conn->link);
    cv_list_push_front(&pool->idle, &conn->link);
    pool->idle_count++;
    conn->in_idle = true;
    if (pool->keep_at_ns > conn->expires_ns)
        cv__pool_keep_by(pool, conn->expires_ns);
    if (pool->options.idle_timeout_ms > 0 && pool->open > pool->min)
        cv__pool_keep_by(pool, conn->idle_since_ns + pool->options.idle_timeout_ms * 1000000);
}

void cv__pool_put(cv__pool *pool, cv__conn *conn, int64_t now_ns)
{
    conn->idle_since_ns = now_ns;
    if (conn->broken || pool->closed || is_out_of_date(pool, conn) || conn->idle_since_ns >= conn->expires_ns)
        cv__pool_discard(pool, conn);
    else if (cv__share_is_wanted(&pool->member) && cv__share_hand_over(pool, conn))
        cv__pool_grow(pool);
    else if (pool->suspended || !cv__pool_serve(pool, conn))
        put_idle(pool, conn);
}

void cv__pool_drop_idle(cv__pool *pool, bool all)
{
    cv_list_each (at, &pool->idle) {
        cv__conn *conn = cv_list_entry(at, cv__conn, link);
        if (!all && !is_out_of_date(pool, conn))
            continue;
        cv__pool_leaves_idle(pool, conn);
        cv__pool_discard(pool, conn);
    }
}

/* ---- lending ---- */

static int lend(cv_ctx *cx, cv__pool *pool, cv__conn *conn, int64_t since_ns, int64_t now_ns, cv__conn **ret_conn)
{
    conn->borrower = cx;
    conn->borrows = 1;
    conn->lent_since_ns = now_ns;
    conn->sql[0] = '\0';
    pool->acquired_total++;
    cv__pool_note_loan(pool, now_ns, now_ns - since_ns);
    if (pool->watches_loans)
        cv__pool_watch_loan(pool, conn);
    *ret_conn = conn;
    return 0;
}

size_t cv__pool_lent_to(const cv__pool *pool, const cv_ctx *cx)
{
    size_t count = 0;
    cv_list_each (at, &pool->lent) {
        const cv__conn *conn = cv_list_entry(at, cv__conn, link);
        count += conn->borrower == cx && conn->borrows > 0;
    }
    return count;
}

bool cv__pool_is_lent_to(const cv__pool *pool, const cv_ctx *cx)
{
    return cv__pool_lent_to(pool, cx) > 0;
}

static cv__conn *only_connection_if_mine(const cv__pool *pool, const cv_ctx *cx)
{
    if (pool->max != 1 || cv_list_is_empty(&pool->lent))
        return NULL;
    cv__conn *conn = cv_list_entry(pool->lent.next, cv__conn, link);
    return conn->borrower == cx && !conn->broken ? conn : NULL;
}

/* From an idle connection that has to be looked at first, or from the line; until one is fit for use. */
static int find_fit(cv_ctx *cx, cv__pool *pool, cv__conn *conn, int64_t since_ns, cv__conn **ret_conn)
{
    for (bool again = conn != NULL;; again = true) {
        if (!conn)
            CV_TRY(cv__pool_wait(cx, pool, since_ns, again, &conn));
        conn->borrower = cx;
        int fit = cv__pool_check(cx, pool, conn, cv_now_ns(cx));
        if (fit < 0)
            return fit;
        if (fit > 0)
            break;
        conn = take_idle(pool);
    }
    *ret_conn = conn;
    return 0;
}

static int find_in_time(cv_ctx *cx, cv__pool *pool, cv__conn *conn, int64_t since_ns, cv__conn **ret_conn)
{
    int64_t former_ns = cv_ctx_set_deadline_ns(cx, since_ns + pool->options.acquire_timeout_ms * 1000000);
    int rc = find_fit(cx, pool, conn, since_ns, ret_conn);
    bool too_late = rc == CV_E_TIMEOUT && cv__deadline_left_ms(cx) == 0; /* rather than a connect that was */
    cv_ctx_restore_deadline_ns(cx, former_ns);
    if (!too_late)
        return rc;
    if (former_ns == INT64_MAX || cv_now_ns(cx) < former_ns)
        return cv__pool_fail_timeout(cx, pool);
    cv__pool_describe(cx, pool);
    return rc;
}

int cv__pool_acquire(cv_ctx *cx, cv__pool *pool, cv__conn **ret_conn)
{
    CV_TRY(cv__wait_check(cx, "get a connection"));
    if (pool->closed)
        return cv_fail(cx, CV_E_CLOSED, "the database is closed");
    cv__conn *conn = take_idle(pool);
    int64_t now_ns = cv_now_ns(cx);
    if (conn && cv__pool_trusts(pool, conn, now_ns))
        return lend(cx, pool, conn, now_ns, now_ns, ret_conn);
    if (!conn && (conn = only_connection_if_mine(pool, cx)) != NULL) {
        conn->borrows++;
        *ret_conn = conn;
        return 0;
    }
    CV_TRY(find_in_time(cx, pool, conn, now_ns, &conn));
    if (!pool->warmed)
        cv__pool_warm(pool);
    return lend(cx, pool, conn, now_ns, cv_now_ns(cx), ret_conn);
}

/* ---- return ---- */

/* When it is done. */
static int64_t make_clean(cv_ctx *cx, cv__conn *conn, int64_t now_ns)
{
    const cv__driver *driver = conn->driver;
    if (conn->broken || (driver->is_clean && driver->is_clean(conn)))
        return now_ns;
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        if (driver->reset(cx, conn) < 0)
            conn->broken = true;
    }
    if (conn->broken && !first)
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
    return cv_now_ns(cx);
}

void cv__pool_release(cv_ctx *cx, cv__conn *conn)
{
    cv__pool *pool = conn->pool;
    if (--conn->borrows > 0)
        return;
    if (conn->revoked) {
        cv__pool_let_go(pool, conn);
        return;
    }
    int64_t now_ns = cv_now_ns(cx);
    cv__pool_note_return(pool, now_ns, now_ns - conn->lent_since_ns);
    now_ns = make_clean(cx, conn, now_ns);
    conn->borrower = NULL;
    if (conn->lost)
        cv__pool_suspect(pool, conn, "a connection was lost");
    cv__pool_put(pool, conn, now_ns);
}

int cv__conn_check(cv_ctx *cx, const cv__conn *conn)
{
    if (!conn->revoked)
        return 0;
    cv_fail(cx, CV_E_LOAN_REVOKED, "the connection was taken back: it was held for longer than forced_return allows");
    cv_error_hint(cx, "hold connections for a shorter time, or raise forced_return");
    return CV_E_LOAN_REVOKED;
}

/* ---- the end ---- */

void cv__pool_close(cv__pool *pool, void (*drained)(void *arg), void *arg)
{
    pool->closed = true;
    cv__pool_fail_waiters(pool, CV_E_CLOSED, NULL, INT64_MAX);
    cv__pool_stop_connecting(pool);
    cv__pool_drop_idle(pool, true);
    pool->drained = drained;
    pool->drained_arg = arg;
    cv__pool_check_drained(pool);
}

cv_pool_stats cv__pool_get_stats(const cv__pool *pool)
{
    return (cv_pool_stats){
        .max = pool->max,
        .open = pool->open,
        .idle = pool->idle_count,
        .borrowed = pool->open - pool->idle_count - pool->connecting,
        .connecting = pool->connecting,
        .waiting = pool->waiting,
        .acquired_total = pool->acquired_total,
        .timeouts_total = pool->timeouts_total,
        .opened_total = pool->opened_total,
        .closed_total = pool->closed_total,
        .shed_total = pool->shed_total,
        .leaks_total = pool->leaks_total,
        .revoked_total = pool->revoked_total,
        .connect_failures_total = pool->connect_failures_total,
    };
}
