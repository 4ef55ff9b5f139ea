/* The life of a runtime. */
#include "base/arena.h"
#include "rt/guard.h"
#include "rt/rt.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_ARENA_BYTES ((size_t)64 << 20)
#define DEFAULT_STACK_BYTES ((size_t)256 << 10)
#define LEAST_STACK_BYTES   ((size_t)16 << 10)
#define SIMULATED_START_NS  ((int64_t)1000000000) /* not 0: an instant of 0 means none in places */

enum { DEFAULT_MAX_FIBERS = 10000, DEFAULT_WATCHDOG_MS = 100, END_MS = 5000 };

#ifdef CV__TSAN
enum { MOST_FIBERS = 7000 }; /* TSan holds 8,128 threads and fibers */
#else
enum { MOST_FIBERS = 10000000 };
#endif

static int take_options(struct cv_runtime *rt, const cv_runtime_options *options)
{
    rt->arena_limit_bytes = options->arena_limit_bytes ? options->arena_limit_bytes : DEFAULT_ARENA_BYTES;
    rt->stack_bytes = options->stack_bytes ? options->stack_bytes : DEFAULT_STACK_BYTES;
    rt->max_fibers = options->max_fibers ? options->max_fibers : DEFAULT_MAX_FIBERS;
    if (rt->max_fibers > MOST_FIBERS)
        rt->max_fibers = MOST_FIBERS;
    if (rt->stack_bytes < LEAST_STACK_BYTES || rt->stack_bytes > SIZE_MAX / 4)
        return CV_E_INVALID;
    rt->simulated = options->simulated_clock;
    rt->simulated_ns = SIMULATED_START_NS;
    int64_t watchdog_ms = options->watchdog_ms ? options->watchdog_ms : DEFAULT_WATCHDOG_MS;
    rt->watchdog_ns = watchdog_ms < 0 ? 0 : cv__after_ms(0, watchdog_ms);
    return 0;
}

/* libuv closes descriptors by a system call of its own, which TSan does not see: the next loop that gets the same
 * number, in another thread, would write to what the first still owns. */
#ifdef CV__TSAN
static pthread_mutex_t loops_mutex = PTHREAD_MUTEX_INITIALIZER;
#define ORDERED(call)                                                                                                  \
    __extension__({                                                                                                    \
        pthread_mutex_lock(&loops_mutex);                                                                              \
        int ordered_rc_ = (call);                                                                                      \
        pthread_mutex_unlock(&loops_mutex);                                                                            \
        ordered_rc_;                                                                                                   \
    })
#else
#define ORDERED(call) (call)
#endif

static int make_loop(struct cv_runtime *rt)
{
    int rc = ORDERED(uv_loop_init(&rt->loop));
    if (rc < 0)
        return rc == UV_ENOMEM ? CV_E_NOMEM : CV_E_SYSTEM;
    rt->main.born_ms = rt->main.since_ms = (int64_t)uv_now(&rt->loop);
    uv_check_init(&rt->loop, &rt->check);
    uv_idle_init(&rt->loop, &rt->idle);
    uv_timer_init(&rt->loop, &rt->timer);
    uv_timer_init(&rt->loop, &rt->end_timer);
    rt->loop.data = rt->check.data = rt->idle.data = rt->timer.data = rt->end_timer.data = rt;
    uv_check_start(&rt->check, cv__turn);
    uv_unref((uv_handle_t *)&rt->check);
    return 0;
}

static int make_main(struct cv_runtime *rt, const cv_runtime_options *options)
{
    cv_arena *arena = cv_arena_new(rt->arena_limit_bytes);
    if (!arena)
        return CV_E_NOMEM;
    cv__ctx_init(&rt->main.cx, arena);
    rt->main.cx.runtime = rt;
    rt->main.cx.log = options->log;
    rt->main.cx.metrics = options->metrics;
    rt->main.name = "main";
    rt->main.state = CV__FIBER_RUNNING;
    rt->main.begun = true;
    cv__annotate_begin(&rt->main.stack.annotation, NULL, 0);
    return 0;
}

static int set_up(struct cv_runtime *rt, const cv_runtime_options *options)
{
    CV_TRY(take_options(rt, options));
    CV_TRY(make_main(rt, options));
    int rc = make_loop(rt);
    if (rc < 0)
        cv__ctx_done(&rt->main.cx);
    else
        cv__rt_metrics_begin(rt);
    return rc;
}

int cv_runtime_new(const cv_runtime_options *options, cv_ctx **ret_main)
{
    static const cv_runtime_options defaults;
    struct cv_runtime *rt = calloc(1, sizeof *rt);
    if (!rt)
        return CV_E_NOMEM;
    rt->thread = pthread_self();
    rt->thread_id = gettid();
    rt->armed_ns = INT64_MAX;
    cv_list_init(&rt->ready);
    cv_list_init(&rt->background);
    cv_list_init(&rt->turn_ends);
    cv_list_init(&rt->due_ends);
    cv_list_init(&rt->fibers);
    cv_list_init(&rt->pool);
    cv_list_init(&rt->ticks);
    int rc = set_up(rt, options ? options : &defaults);
    if (rc < 0) {
        free(rt);
        return rc;
    }
    cv__guard_begin(rt);
    *ret_main = &rt->main.cx;
    return 0;
}

int cv_runtime_run(cv_ctx *main)
{
    struct cv_runtime *rt = main->runtime;
    if (!rt || main->fiber || !pthread_equal(rt->thread, pthread_self()) || rt->current || rt->in_loop)
        return cv_fail(main, CV_E_CONTEXT, "cannot run the loop: only the main context can");
    rt->running = true;
    int rc = 0;
    while (rc == 0 && rt->alive > 0 && !rt->stop_asked) {
        if (cv__can_go_on(rt))
            cv__run_loop(rt, UV_RUN_ONCE);
        else
            rc = cv_fail(main, CV_E_DEADLOCK_SELF, "cannot go on: %zu fibers wait and nothing is left to wake one",
                         rt->alive);
    }
    rt->running = rt->stop_asked = false;
    return rc;
}

void cv_runtime_stop(cv_ctx *cx)
{
    struct cv_runtime *rt = cx->runtime;
    if (!rt || !rt->running)
        return;
    rt->stop_asked = true;
    uv_stop(&rt->loop);
}

static void on_end_timer(uv_timer_t *timer)
{
    struct cv_runtime *rt = timer->data;
    rt->end_timer_fired = true;
}

static void name_survivors(struct cv_runtime *rt)
{
    cv_list_each (at, &rt->fibers) {
        const struct cv_fiber *fiber = cv_list_entry(at, struct cv_fiber, all);
        if (fiber->state != CV__FIBER_ENDED)
            fprintf(stderr, "covet: fiber \"%s\" did not end\n", fiber->name);
    }
    cv__die("the runtime cannot be freed: %zu fibers did not end within %d s of being cancelled", rt->alive,
            END_MS / 1000);
}

static void end_fibers(struct cv_runtime *rt)
{
    rt->closing = true;
    cv_list_each (at, &rt->fibers)
        cv_cancel(cv_list_entry(at, struct cv_fiber, all));
    uv_update_time(&rt->loop);
    uv_timer_start(&rt->end_timer, on_end_timer, END_MS, 0);
    while (rt->alive > 0 && !rt->end_timer_fired)
        cv__run_loop(rt, UV_RUN_ONCE);
    if (rt->alive > 0)
        name_survivors(rt);
    cv_list_each (at, &rt->fibers) /* ended and never joined */
        cv__fiber_release(rt, cv_list_entry(at, struct cv_fiber, all));
}

static void close_stray_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_loop(struct cv_runtime *rt)
{
    cv__signals_close(rt);
    uv_walk(&rt->loop, close_stray_handle, NULL);
    cv__run_loop(rt, UV_RUN_DEFAULT);
    int rc = ORDERED(uv_loop_close(&rt->loop));
    assert(rc == 0);
    (void)rc;
}

void cv_runtime_free(cv_ctx *main)
{
    if (!main)
        return;
    struct cv_runtime *rt = main->runtime;
    if (main->fiber || !pthread_equal(rt->thread, pthread_self()) || rt->current || rt->in_loop)
        cv__die("a runtime can be freed by its main context only");
    uint64_t until_ns = uv_hrtime() + (uint64_t)END_MS * 1000000;
    end_fibers(rt);
    cv__arena_reset(main->arena); /* its clean-ups may wait: the loop is still there */
    cv__lanes_close(rt, until_ns);
    close_loop(rt);
    cv__guard_end(rt);
    cv__rt_metrics_end(rt);
    cv__pool_free(rt);
    cv__ctx_done(&rt->main.cx);
    free(rt);
}
