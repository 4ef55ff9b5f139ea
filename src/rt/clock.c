#include "rt/rt.h"

enum { NS_PER_MS = 1000000 };

int64_t cv__clock_now_ns(const struct cv_runtime *rt)
{
    return rt->simulated ? rt->simulated_ns : (int64_t)uv_hrtime();
}

int64_t cv_now_ns(const cv_ctx *cx)
{
    return cx->runtime ? cv__clock_now_ns(cx->runtime) : (int64_t)uv_hrtime();
}

int64_t cv__after_ms(int64_t now_ns, int64_t ms)
{
    if (ms <= 0)
        return now_ns;
    return ms >= (INT64_MAX - now_ns) / NS_PER_MS ? INT64_MAX : now_ns + ms * NS_PER_MS;
}

int64_t cv__deadline_left_ms(const cv_ctx *cx)
{
    if (cx->deadline_ns == INT64_MAX)
        return INT64_MAX;
    int64_t now_ns = cv_now_ns(cx);
    return cx->deadline_ns <= now_ns ? 0 : (cx->deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
}

/* libuv counts milliseconds of the same clock: rounding up the instant, not the difference, makes the timer exact. */
static void set_timer(struct cv_runtime *rt, int64_t at_ns)
{
    uint64_t at_ms = ((uint64_t)at_ns + NS_PER_MS - 1) / NS_PER_MS;
    uint64_t now_ms = uv_now(&rt->loop);
    rt->armed_ns = at_ns;
    uv_timer_start(&rt->timer, cv__clock_fired, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void arm(struct cv_runtime *rt, cv__timer *timer, int64_t at_ns)
{
    cv__timers_add(&rt->timers, timer, at_ns);
    if (rt->simulated)
        cv__kick(rt);
    else if (at_ns < rt->armed_ns)
        set_timer(rt, at_ns);
}

static void end_wait(cv__timer *timer)
{
    cv__interrupt(cv_list_entry(timer, struct cv_fiber, timer), CV_E_TIMEOUT);
}

void cv__clock_arm(struct cv_runtime *rt, struct cv_fiber *fiber, int64_t at_ns)
{
    fiber->timer.fire = end_wait;
    arm(rt, &fiber->timer, at_ns);
}

static void fire_due(struct cv_runtime *rt, int64_t now_ns)
{
    while (rt->timers.first && rt->timers.first->at_ns <= now_ns) {
        cv__timer *due = rt->timers.first;
        cv__timers_remove(&rt->timers, due);
        due->fire(due);
    }
}

/* A timer that was disarmed leaves rt->timer set: it fires once for nothing, which is cheaper than setting it anew
 * with each wait that ends in time. */
void cv__clock_fired(uv_timer_t *timer)
{
    struct cv_runtime *rt = timer->data;
    rt->armed_ns = INT64_MAX;
    fire_due(rt, cv__clock_now_ns(rt));
    if (rt->timers.first && rt->timers.first->at_ns < rt->armed_ns)
        set_timer(rt, rt->timers.first->at_ns);
}

bool cv__clock_will_jump(const struct cv_runtime *rt)
{
    return rt->simulated && rt->io == 0 && rt->timers.first;
}

void cv__clock_jump(struct cv_runtime *rt)
{
    if (rt->simulated_ns < rt->timers.first->at_ns)
        rt->simulated_ns = rt->timers.first->at_ns;
    fire_due(rt, rt->simulated_ns);
}

void cv__timer_start(const cv_ctx *cx, cv__timer *timer, int64_t at_ns)
{
    cv__timers_remove(&cx->runtime->timers, timer);
    arm(cx->runtime, timer, at_ns);
}

/* The last one takes the loop's timer with it, so that it keeps nobody waiting for nothing. */
void cv__timer_stop(const cv_ctx *cx, cv__timer *timer)
{
    struct cv_runtime *rt = cx->runtime;
    cv__timers_remove(&rt->timers, timer);
    if (rt->timers.first || rt->armed_ns == INT64_MAX)
        return;
    rt->armed_ns = INT64_MAX;
    uv_timer_stop(&rt->timer);
}

int64_t cv__loop_now_ns(const cv_ctx *cx)
{
    const struct cv_runtime *rt = cx->runtime;
    return rt->simulated ? rt->simulated_ns : (int64_t)uv_now(&rt->loop) * NS_PER_MS;
}

bool cv__clock_is_simulated(const cv_ctx *cx)
{
    return cx->runtime->simulated;
}

void cv__io_begin(const cv_ctx *cx)
{
    if (cx->runtime)
        cx->runtime->io++;
}

void cv__io_end(const cv_ctx *cx)
{
    if (!cx->runtime)
        return;
    cx->runtime->io--;
    if (cv__clock_will_jump(cx->runtime))
        cv__kick(cx->runtime);
}
