/* The life of a fiber, from the pool and back to it. */
#include "rt/rt.h"

#include "base/arena.h"
#include <assert.h>

/* How many ended fibers keep their stacks for the next ones. */
#ifdef CV__TSAN
enum { POOL_LIMIT = 256 };
#else
enum { POOL_LIMIT = 1024 };
#endif

/* Of the arena, what comes with the fiber. */
enum { ARENA_BYTES = 4096 };

static void run_function(struct cv_fiber *fiber)
{
    fiber->start = cv_arena_save(fiber->cx.arena);
    fiber->result = fiber->fn(&fiber->cx, fiber->arg);
    cv_arena_rewind(fiber->cx.arena, fiber->start);
}

static void fiber_entry(void *arg)
{
    struct cv_fiber *fiber = arg;
    struct cv_runtime *rt = fiber->cx.runtime;
    cv__annotate_arrive(&fiber->stack.annotation, &rt->main.stack.annotation, true);
    fiber->begun = true;
    run_function(fiber);
    fiber->state = CV__FIBER_ENDED;
    rt->alive--;
    cv__suspend_last(rt, fiber);
}

/* A fiber lies above its own stack, and the beginning of its arena beside it: of a thousand fibers that take turns,
 * each then touches one or two pages instead of five. */
typedef struct head {
    struct cv_fiber fiber;
    _Alignas(16) char arena[ARENA_BYTES];
} head;

static struct cv_fiber *make_fiber(struct cv_runtime *rt)
{
    cv__stack stack;
    if (cv__stack_map(&stack, rt->stack_bytes, sizeof(head), rt->made) < 0)
        return NULL;
    rt->made++;
    head *at = (head *)(void *)stack.top;
    struct cv_fiber *fiber = &at->fiber;
    fiber->stack = stack;
    cv__ctx_init(&fiber->cx, cv__arena_place(at->arena, sizeof at->arena, rt->arena_limit_bytes));
    cv_list_init(&fiber->queue);
    cv_list_init(&fiber->all);
    return fiber;
}

static void free_fiber(struct cv_fiber *fiber)
{
    cv__stack stack = fiber->stack;
    cv__ctx_done(&fiber->cx);
    cv__stack_unmap(&stack);
}

static struct cv_fiber *take_fiber(struct cv_runtime *rt)
{
    cv_link *pooled = cv_list_pop_front(&rt->pool);
    if (!pooled)
        return make_fiber(rt);
    rt->pooled--;
    return cv_list_entry(pooled, struct cv_fiber, queue);
}

void cv__fiber_release(struct cv_runtime *rt, struct cv_fiber *fiber)
{
    assert(fiber->state == CV__FIBER_ENDED);
    cv_list_remove(&fiber->all);
    rt->handles--;
    fiber->state = CV__FIBER_POOLED;
    if (rt->pooled == POOL_LIMIT) {
        free_fiber(fiber);
        return;
    }
    cv__ctx_recycle(&fiber->cx);
    cv_list_push_front(&rt->pool, &fiber->queue);
    rt->pooled++;
}

void cv__pool_free(struct cv_runtime *rt)
{
    cv_link *pooled;
    while ((pooled = cv_list_pop_front(&rt->pool)))
        free_fiber(cv_list_entry(pooled, struct cv_fiber, queue));
}

/* A fiber from the pool with its context, in no queue. */
static struct cv_fiber *prepare(cv_ctx *cx, const char *name, cv_fiber_fn *fn, void *arg)
{
    struct cv_runtime *rt = cx->runtime;
    if (rt->handles >= rt->max_fibers) {
        cv_fail(cx, CV_E_LIMIT, "could not start fiber \"%s\": all %zu are in use", name, rt->max_fibers);
        return NULL;
    }
    struct cv_fiber *fiber = take_fiber(rt);
    if (!fiber) {
        cv_fail(cx, CV_E_NOMEM, "could not start fiber \"%s\": no memory for its stack", name);
        return NULL;
    }
    cv__ctx_inherit(&fiber->cx, cx);
    fiber->cx.runtime = rt;
    fiber->cx.fiber = fiber;
    fiber->name = name;
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->id = ++rt->spawned;
    fiber->born_ms = (int64_t)uv_now(&rt->loop);
    fiber->describe = NULL;
    fiber->begun = false;
    fiber->cancel = rt->closing ? CV__CANCEL_REQUESTED : CV__CANCEL_NONE;
    fiber->detached = true;
    fiber->joiner = NULL;
    fiber->leaving = NULL;
    fiber->shield_until_ns = 0;
    cv__frame_init(&fiber->frame, fiber->stack.low, fiber->stack.top, fiber_entry, fiber);
    cv_list_push_back(&rt->fibers, &fiber->all);
    rt->handles++;
    rt->alive++;
    return fiber;
}

int cv_spawn(cv_ctx *cx, const char *name, cv_fiber_fn *fn, void *arg, cv_fiber **ret_fiber)
{
    struct cv_runtime *rt = cx->runtime;
    if (!rt || !pthread_equal(rt->thread, pthread_self()))
        return cv_fail(cx, CV_E_CONTEXT, "cannot start fiber \"%s\": %s", name,
                       rt ? "this is not the runtime's thread" : "the context has no runtime");
    struct cv_fiber *fiber = prepare(cx, name, fn, arg);
    if (!fiber)
        return cx->error_code;
    fiber->detached = ret_fiber == NULL;
    cv__make_ready(rt, fiber);
    if (ret_fiber)
        *ret_fiber = fiber;
    return 0;
}

int cv__run_now(cv_ctx *main, const char *name, cv_fiber_fn *fn, void *arg)
{
    struct cv_runtime *rt = main->runtime;
    struct cv_fiber *fiber = prepare(main, name, fn, arg);
    if (!fiber)
        return main->error_code;
    if (rt->current || !rt->in_loop) {
        cv__make_ready(rt, fiber);
        return 0;
    }
    fiber->state = CV__FIBER_READY;
    cv__mark_turn(rt);
    cv__run_fiber(rt, fiber);
    return 0;
}

void cv__fiber_renew(cv_ctx *cx)
{
    struct cv_fiber *fiber = cx->fiber;
    struct cv_runtime *rt = cx->runtime;
    cv__ctx_recycle(cx);
    cv__ctx_inherit(cx, &rt->main.cx);
    cx->fiber = fiber;
    fiber->start = cv_arena_save(cx->arena);
    fiber->shield_until_ns = 0;
    if (fiber->cancel == CV__CANCEL_DELIVERED)
        fiber->cancel = CV__CANCEL_REQUESTED;
}

void cv__fiber_on_leave(cv_ctx *cx, void (*fn)(void *arg), void *arg)
{
    cx->fiber->leaving = fn;
    cx->fiber->leaving_arg = arg;
}

static void end_detached(struct cv_runtime *rt, struct cv_fiber *fiber)
{
    bool is_obedient = fiber->result == CV_E_CANCELLED && fiber->cancel != CV__CANCEL_NONE;
    if (fiber->result < 0 && !is_obedient) {
        CV_LOG_ERROR(fiber->cx.log, "fiber failed", CV_F("fiber", fiber->name),
                     CV_F("code", cv_error_name(fiber->result)));
        if (cv_error_last(&fiber->cx))
            cv_log_error(fiber->cx.log, CV_LOG_ERROR, "fiber failed", cv_error_last(&fiber->cx));
    }
    cv__fiber_release(rt, fiber);
}

void cv__fiber_ended(struct cv_runtime *rt, struct cv_fiber *fiber)
{
    if (fiber->detached)
        end_detached(rt, fiber);
    else if (fiber->joiner)
        cv__wake(fiber->joiner, 0);
}

/* The wait for it failed. Without `ret_joined` nobody will ask for its result. A call from the wrong place leaves the
 * fiber as it is. */
static int leave_join(cv_ctx *cx, struct cv_fiber *fiber, bool *ret_joined, int code)
{
    if (ret_joined)
        *ret_joined = false;
    if (code == CV_E_CONTEXT)
        return code;
    fiber->joiner = NULL;
    if (ret_joined)
        return code;
    if (fiber->state == CV__FIBER_ENDED)
        end_detached(cx->runtime, fiber);
    else
        fiber->detached = true;
    return code;
}

static int take_result(cv_ctx *cx, struct cv_fiber *fiber)
{
    int result = fiber->result;
    if (result < 0 && cv_error_last(&fiber->cx))
        cv_error_copy(cx, &fiber->cx);
    else if (result < 0)
        cv_fail(cx, result, "fiber \"%s\" failed: %s", fiber->name, cv_error_text(result));
    cv__fiber_release(cx->runtime, fiber);
    return result;
}

int cv_join(cv_ctx *cx, cv_fiber *fiber, bool *ret_joined)
{
    int rc = cv__wait_check(cx, "wait for a fiber");
    if (rc < 0)
        return leave_join(cx, fiber, ret_joined, rc);
    if (fiber->joiner || fiber->detached)
        cv__die("fiber \"%s\" is joined twice", fiber->name);
    if (fiber->state != CV__FIBER_ENDED) {
        cv__waiter waiter;
        cv__waiter_init(cx, &waiter);
        waiter.what = "wait for a fiber";
        fiber->joiner = &waiter;
        rc = cv__wait(cx, &waiter);
        if (rc < 0)
            return leave_join(cx, fiber, ret_joined, rc);
    }
    if (ret_joined)
        *ret_joined = true;
    return take_result(cx, fiber);
}

void cv_cancel(cv_fiber *fiber)
{
    if (fiber->cancel != CV__CANCEL_NONE || fiber->state == CV__FIBER_ENDED)
        return;
    fiber->cancel = CV__CANCEL_REQUESTED;
    if (fiber->shield_until_ns == 0)
        cv__interrupt(fiber, CV_E_CANCELLED);
}

bool cv_is_cancelled(const cv_ctx *cx)
{
    return cx->fiber && cx->fiber->cancel != CV__CANCEL_NONE;
}

static int yield_to(cv_ctx *cx, bool background)
{
    CV_TRY(cv__wait_check(cx, "give way"));
    struct cv_runtime *rt = cx->runtime;
    struct cv_fiber *self = cx->fiber;
    if (!self) {
        rt->main.state = CV__FIBER_READY;
        cv__kick(rt);
        cv__run_loop(rt, UV_RUN_NOWAIT);
        rt->main.state = CV__FIBER_RUNNING;
        return 0;
    }
    self->state = CV__FIBER_READY;
    cv_list_push_back(background ? &rt->background : &rt->ready, &self->queue);
    cv__suspend(rt, self);
    return 0;
}

int cv_yield(cv_ctx *cx)
{
    return yield_to(cx, false);
}

int cv_yield_background(cv_ctx *cx)
{
    return yield_to(cx, true);
}

int cv_sleep_ms(cv_ctx *cx, int64_t ms)
{
    if (ms <= 0)
        return cv_yield(cx);
    CV_TRY(cv__wait_check(cx, "sleep"));
    struct cv_fiber *self = cv__self(cx);
    int64_t until_ns = cv__after_ms(cv__clock_now_ns(cx->runtime), ms);
    if (cv__wait_limit_ns(cx, self) < until_ns)
        return cv_fail(cx, CV_E_TIMEOUT, "could not sleep: the deadline comes first");
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "sleep";
    int early = 0;
    cv__park(self, &waiter, until_ns, true, &early);
    return early == CV_E_TIMEOUT ? 0 : cv__wait_failed(cx, self, early, "sleep");
}

const char *cv_fiber_name(const cv_ctx *cx)
{
    return cx->fiber ? cx->fiber->name : "main";
}

void cv__fiber_tell(cv_ctx *cx, const char *name, void (*describe)(const void *arg, char *text, size_t size),
                    const void *arg)
{
    if (!cx->fiber)
        return;
    struct cv_runtime *rt = cx->runtime;
    if (name) {
        cx->fiber->name = name;
        atomic_store_explicit(&rt->holder, name, memory_order_relaxed);
    }
    atomic_store_explicit(&rt->runs, atomic_load_explicit(&rt->runs, memory_order_relaxed) + 1, memory_order_relaxed);
    cx->fiber->describe = describe;
    cx->fiber->describe_arg = arg;
}

size_t cv_fiber_count(const cv_ctx *cx)
{
    return cx->runtime ? cx->runtime->alive : 0;
}
