/* The scheduler: which fiber runs when. README.md draws the turn. */
#include "rt/inspect.h"
#include "rt/rt.h"

#include <assert.h>
#include <time.h>

/* How many fibers run in one turn before input and output have their chance again. */
enum { READY_PER_TURN = 1024 };

/* A few nanoseconds a reading, and exact to a tick of the kernel (1 to 10 ms): enough for the watchdog. */
static int64_t coarse_now_ns(void)
{
    struct timespec now;
#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* being active is all it is for */
}

static void set_idle(struct cv_runtime *rt, bool active)
{
    if (active == rt->idle_active)
        return;
    rt->idle_active = active;
    if (active)
        uv_idle_start(&rt->idle, on_idle);
    else
        uv_idle_stop(&rt->idle);
}

void cv__kick(struct cv_runtime *rt)
{
    if (!rt->in_turn) /* the turn looks by itself before it ends */
        set_idle(rt, true);
}

void cv__make_ready(struct cv_runtime *rt, struct cv_fiber *fiber)
{
    assert(fiber->state == CV__FIBER_WAITING || fiber->state == CV__FIBER_RUNNING || fiber->state == CV__FIBER_POOLED);
    fiber->state = CV__FIBER_READY;
    if (fiber != &rt->main)
        cv_list_push_back(&rt->ready, &fiber->queue);
    cv__kick(rt);
}

void cv__answer_inspections(struct cv_runtime *rt, struct cv_fiber *from)
{
    do {
        struct cv_fiber *inspector = rt->inspection->inspector;
        cv__annotate_arrive(&from->stack.annotation, &inspector->stack.annotation, false);
        cv__inspection_answer(rt->inspection);
        cv__annotate_leave(&from->stack.annotation, &inspector->stack.annotation, false);
        cv__switch(&from->frame, &inspector->frame);
    } while (rt->inspection);
}

void cv__suspend_last(struct cv_runtime *rt, struct cv_fiber *fiber)
{
    cv__annotate_leave(&fiber->stack.annotation, &rt->main.stack.annotation, true);
    cv__switch(&fiber->frame, &rt->main.frame);
    __builtin_unreachable();
}

void cv__mark_turn(struct cv_runtime *rt)
{
    if (rt->watchdog_ns)
        rt->turn_mark_ns = coarse_now_ns();
}

static void watch(struct cv_runtime *rt, const struct cv_fiber *fiber)
{
    int64_t now_ns = coarse_now_ns();
    int64_t held_ns = now_ns - rt->turn_mark_ns;
    rt->turn_mark_ns = now_ns;
    if (held_ns < rt->watchdog_ns)
        return;
    cv_counter_add(rt->watchdog_counter, 1);
    CV_LOG_WARN(rt->main.cx.log, "fiber held the loop", CV_F("fiber", fiber->name), CV_F("ms", held_ns / 1000000));
}

CV__ALWAYS_INLINE void run_fiber(struct cv_runtime *rt, struct cv_fiber *fiber)
{
    assert(fiber->state == CV__FIBER_READY);
    fiber->state = CV__FIBER_RUNNING;
    rt->current = fiber;
    atomic_store_explicit(&rt->runs, atomic_load_explicit(&rt->runs, memory_order_relaxed) + 1, memory_order_relaxed);
    atomic_store_explicit(&rt->holder, fiber->name, memory_order_relaxed);
    cv__switch_stacks(rt, &rt->main, fiber);
    rt->current = NULL;
    atomic_store_explicit(&rt->holder, NULL, memory_order_relaxed);
    if (rt->watchdog_ns)
        watch(rt, fiber);
    if (fiber->state == CV__FIBER_ENDED)
        cv__fiber_ended(rt, fiber);
}

void cv__run_fiber(struct cv_runtime *rt, struct cv_fiber *fiber)
{
    run_fiber(rt, fiber);
}

/* Who has waited long finds its stack out of the cache: that of the second in the queue is fetched while the first
 * runs. */
static inline void fetch_second(cv_link *queue)
{
    cv_link *second = queue->next->next;
    if (second != queue)
        cv__frame_fetch(&cv_list_entry(second, struct cv_fiber, queue)->frame);
}

CV__ALWAYS_INLINE void run_first(struct cv_runtime *rt, cv_link *queue)
{
    cv_link *first = cv_list_pop_front(queue);
    if (first)
        run_fiber(rt, cv_list_entry(first, struct cv_fiber, queue));
}

void cv__turn_end_ask(const cv_ctx *cx, cv__turn_end *end)
{
    if (cv_list_is_linked(&end->link))
        return;
    cv_list_push_back(&cx->runtime->turn_ends, &end->link);
    cv__kick(cx->runtime);
}

void cv__turn_end_drop(cv__turn_end *end)
{
    cv_list_remove(&end->link);
}

/* What is asked for meanwhile waits for the next time; what is dropped meanwhile is not called. */
static void run_turn_ends(struct cv_runtime *rt)
{
    cv_link *first;
    while ((first = cv_list_pop_front(&rt->turn_ends)))
        cv_list_push_back(&rt->due_ends, first);
    while ((first = cv_list_pop_front(&rt->due_ends))) {
        cv__turn_end *end = cv_list_entry(first, cv__turn_end, link);
        end->fn(end);
    }
}

/* The main context can run when uv_run is to return to it. */
static bool can_run(const struct cv_runtime *rt)
{
    return !cv_list_is_empty(&rt->ready) || !cv_list_is_empty(&rt->turn_ends) || !cv_list_is_empty(&rt->background) ||
           rt->main.state == CV__FIBER_READY || rt->stop_asked;
}

void cv__turn(uv_check_t *check)
{
    struct cv_runtime *rt = check->data;
    rt->in_turn = true;
    if (!(cv_list_is_empty(&rt->ready) && cv_list_is_empty(&rt->background)))
        cv__mark_turn(rt);
    for (int left = READY_PER_TURN; left > 0 && !cv_list_is_empty(&rt->ready); left--) {
        fetch_second(&rt->ready);
        run_first(rt, &rt->ready);
    }
    run_turn_ends(rt);
    run_first(rt, &rt->background);
    run_turn_ends(rt);
    if (!can_run(rt) && cv__clock_will_jump(rt))
        cv__clock_jump(rt);
    rt->in_turn = false;
    set_idle(rt, can_run(rt) || cv__clock_will_jump(rt));
}

void cv__run_loop(struct cv_runtime *rt, uv_run_mode mode)
{
    rt->in_loop = true;
    uv_run(&rt->loop, mode);
    rt->in_loop = false;
}

bool cv__can_go_on(const struct cv_runtime *rt)
{
    return uv_loop_alive(&rt->loop) != 0;
}
