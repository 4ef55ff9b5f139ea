#include "rt/rt.h"

#include <assert.h>

/* How long a wait of a cancelled fiber may last: it is cleaning up. */
enum { GRACE_MS = 50 };

void cv__waiter_init(cv_ctx *cx, cv__waiter *waiter)
{
    *waiter = (cv__waiter){.cx = cx};
    cv_list_init(&waiter->link);
}

/* The fiber that may suspend with this context here and now; NULL, with a story, when none may. */
static struct cv_fiber *allowed(cv_ctx *cx, const char *what)
{
    struct cv_runtime *rt = cx->runtime;
    if (!rt)
        cv_fail(cx, CV_E_CONTEXT, "cannot %s: the context has no runtime", what);
    else if (!pthread_equal(rt->thread, pthread_self()))
        cv_fail(cx, CV_E_CONTEXT, "cannot %s: this is not the runtime's thread", what);
    else if (cx->fiber != rt->current)
        cv_fail(cx, CV_E_CONTEXT, "cannot %s: the context belongs to \"%s\", not to what runs now", what,
                cv_fiber_name(cx));
    else if (!cx->fiber && rt->in_loop)
        cv_fail(cx, CV_E_CONTEXT, "cannot %s: this is a callback of the loop; spawn a fiber", what);
    else
        return cv__self(cx);
    return NULL;
}

bool cv__may_wait(cv_ctx *cx, const char *what)
{
    return allowed(cx, what) != NULL;
}

static bool is_cancel_due(const struct cv_fiber *self)
{
    return self->cancel == CV__CANCEL_REQUESTED && self->shield_until_ns == 0;
}

int cv__wait_failed(cv_ctx *cx, struct cv_fiber *self, int code, const char *what)
{
    switch (code) {
    case CV_E_CANCELLED:
        self->cancel = CV__CANCEL_DELIVERED;
        return cv_fail(cx, code, "could not %s: the fiber was cancelled", what);
    case CV_E_TIMEOUT:
        return cv_fail(cx, code, "could not %s: the deadline has passed", what);
    default:
        return cv_fail(cx, code, "cannot %s: nothing is left that could end the wait", what);
    }
}

static int check(cv_ctx *cx, struct cv_fiber *self, const char *what)
{
    if (is_cancel_due(self))
        return cv__wait_failed(cx, self, CV_E_CANCELLED, what);
    if (cx->deadline_ns != INT64_MAX && cv__clock_now_ns(cx->runtime) >= cx->deadline_ns)
        return cv__wait_failed(cx, self, CV_E_TIMEOUT, what);
    return 0;
}

int cv__wait_check(cv_ctx *cx, const char *what)
{
    struct cv_fiber *self = allowed(cx, what);
    return self ? check(cx, self, what) : CV_E_CONTEXT;
}

int64_t cv__wait_limit_ns(const cv_ctx *cx, const struct cv_fiber *self)
{
    int64_t limit_ns = cx->deadline_ns;
    if (self->cancel == CV__CANCEL_DELIVERED && self->shield_until_ns == 0) {
        int64_t grace_ns = cv__after_ms(cv__clock_now_ns(cx->runtime), GRACE_MS);
        limit_ns = grace_ns < limit_ns ? grace_ns : limit_ns;
    }
    return limit_ns;
}

static void run_loop_while_parked(struct cv_runtime *rt, const cv__waiter *waiter)
{
    while (waiter->parked) {
        if (cv__can_go_on(rt))
            cv__run_loop(rt, UV_RUN_ONCE);
        else
            cv__interrupt(&rt->main, CV_E_DEADLOCK_SELF);
    }
}

bool cv__park(struct cv_fiber *self, cv__waiter *waiter, int64_t until_ns, bool interruptible, int *ret_early)
{
    struct cv_runtime *rt = waiter->cx->runtime;
    self->state = CV__FIBER_WAITING;
    self->waiting = waiter;
    self->interrupt = 0;
    self->interruptible = interruptible;
    self->since_ms = (int64_t)uv_now(&rt->loop);
    waiter->parked = true;
    if (until_ns != INT64_MAX)
        cv__clock_arm(rt, self, until_ns);
    if (self == &rt->main)
        run_loop_while_parked(rt, waiter);
    else
        cv__suspend(rt, self);
    cv__timers_remove(&rt->timers, &self->timer);
    self->state = CV__FIBER_RUNNING;
    self->waiting = NULL;
    *ret_early = self->interrupt;
    return waiter->woken;
}

int cv__wait(cv_ctx *cx, cv__waiter *waiter)
{
    const char *what = waiter->what ? waiter->what : "wait";
    struct cv_fiber *self = allowed(cx, what);
    if (!self) {
        cv_list_remove(&waiter->link);
        return CV_E_CONTEXT;
    }
    if (waiter->woken)
        return waiter->result;
    int early = check(cx, self, what);
    if (early < 0) {
        cv_list_remove(&waiter->link);
        return early;
    }
    if (cv__park(self, waiter, cv__wait_limit_ns(cx, self), true, &early))
        return waiter->result;
    return cv__wait_failed(cx, self, early, what);
}

int cv__wait_uninterruptible(cv_ctx *cx, cv__waiter *waiter)
{
    const char *what = waiter->what ? waiter->what : "wait";
    struct cv_fiber *self = allowed(cx, what);
    if (!self) {
        cv_list_remove(&waiter->link);
        return CV_E_CONTEXT;
    }
    int early = 0;
    if (waiter->woken || cv__park(self, waiter, INT64_MAX, false, &early))
        return waiter->result;
    return cv__wait_failed(cx, self, early, what);
}

void cv__wake(cv__waiter *waiter, int result)
{
    if (waiter->woken)
        return;
    waiter->woken = true;
    waiter->result = result;
    cv_list_remove(&waiter->link);
    if (!waiter->parked)
        return;
    waiter->parked = false;
    struct cv_runtime *rt = waiter->cx->runtime;
    assert(pthread_equal(rt->thread, pthread_self()));
    cv__make_ready(rt, cv__self(waiter->cx));
}

void cv__waiter_fetch(const cv__waiter *waiter)
{
    const struct cv_fiber *fiber = cv_list_entry(waiter->cx, struct cv_fiber, cx); /* without a look into it */
    __builtin_prefetch(&fiber->cx.runtime, 1);
    __builtin_prefetch(&fiber->queue, 1);
    __builtin_prefetch(&fiber->state, 1);
}

void cv__interrupt(struct cv_fiber *fiber, int code)
{
    cv__waiter *waiter = fiber->waiting;
    if (fiber->state != CV__FIBER_WAITING || !(fiber->interruptible || code == CV_E_DEADLOCK_SELF))
        return;
    cv_list_remove(&waiter->link);
    waiter->parked = false;
    fiber->interrupt = code;
    cv__make_ready(waiter->cx->runtime, fiber);
}

uv_loop_t *cv__loop(const cv_ctx *cx)
{
    return cx->runtime ? &cx->runtime->loop : NULL;
}

cv_ctx *cv__main_ctx(const cv_ctx *cx)
{
    return &cx->runtime->main.cx;
}
