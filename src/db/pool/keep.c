/* What happens to a pool with time: connections that were idle or open for too long are closed, `min` are kept open,
 * loans that last too long are told, and a connect is tried again. A timer is set only while there is something to
 * come; with the real clock it keeps no loop alive. */
#include "db/pool/pool.h"

#include "base/ctx.h"
#include <covet/log.h>
#include <covet/runtime.h>
#include <stdlib.h>

static void keep(cv__pool *pool);

/* ---- the timer ---- */

static void on_tick(uv_timer_t *tick)
{
    keep(tick->data);
}

static void on_sim_tick(cv__timer *timer)
{
    keep(cv_list_entry(timer, cv__pool, sim_tick));
}

static void on_tick_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Without memory the pool does without being looked after until the next time. */
static bool have_tick(cv__pool *pool)
{
    if (pool->tick)
        return true;
    pool->tick = malloc(sizeof *pool->tick);
    if (!pool->tick)
        return false;
    uv_timer_init(cv__loop(pool->main), pool->tick);
    uv_unref((uv_handle_t *)pool->tick);
    pool->tick->data = pool;
    return true;
}

static void set_timer(cv__pool *pool, int64_t at_ns)
{
    int64_t in_ms = (at_ns - cv_now_ns(pool->main) + 999999) / 1000000;
    if (cv__clock_is_simulated(pool->main)) {
        pool->sim_tick.fire = on_sim_tick;
        cv__timer_start(pool->main, &pool->sim_tick, at_ns);
    } else if (have_tick(pool)) {
        uv_update_time(cv__loop(pool->main));
        uv_timer_start(pool->tick, on_tick, in_ms > 0 ? (uint64_t)in_ms : 0, 0);
    } else {
        return;
    }
    pool->keep_at_ns = at_ns;
}

void cv__pool_keep_by(cv__pool *pool, int64_t at_ns)
{
    if (at_ns < pool->keep_at_ns && !pool->closed)
        set_timer(pool, at_ns);
}

void cv__pool_keep_stop(cv__pool *pool)
{
    pool->keep_at_ns = INT64_MAX;
    cv__timer_stop(pool->main, &pool->sim_tick);
    if (pool->tick)
        uv_close((uv_handle_t *)pool->tick, on_tick_closed);
    pool->tick = NULL;
}

/* ---- the work ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Close those that are old, and the least recently used ones that were idle for too long; returns when to look again.
 */
static int64_t close_old(cv__pool *pool, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX, timeout_ns = pool->options.idle_timeout_ms * 1000000;
    for (cv_link *at = pool->idle.prev, *before; at != &pool->idle; at = before) {
        before = at->prev;
        cv__conn *conn = cv_list_entry(at, cv__conn, link);
        bool spare = timeout_ns > 0 && pool->open > pool->min;
        if (now_ns < conn->expires_ns && !(spare && now_ns >= conn->idle_since_ns + timeout_ns)) {
            next_ns = earlier(next_ns, conn->expires_ns);
            if (spare)
                next_ns = earlier(next_ns, conn->idle_since_ns + timeout_ns);
            continue;
        }
        cv__pool_leaves_idle(pool, conn);
        cv__pool_discard(pool, conn);
    }
    return next_ns;
}

static void keep(cv__pool *pool)
{
    pool->keep_at_ns = INT64_MAX;
    int64_t now_ns = cv_now_ns(pool->main);
    int64_t next_ns = earlier(close_old(pool, now_ns), cv__pool_look_at_loans(pool, now_ns));
    if (next_ns != INT64_MAX)
        cv__pool_keep_by(pool, next_ns);
    pool->warming = pool->warmed && pool->open < pool->min;
    cv__pool_grow(pool);
}
