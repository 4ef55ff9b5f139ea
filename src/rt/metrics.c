/* What a runtime tells of itself: a tick ten times a second looks at its counts, and at how late it is itself. Nothing
 * is counted where fibers run. The tick keeps no loop alive, and there is none with a simulated clock. */
#include "base/metric.h"
#include "rt/rt.h"
#include "rt/watch.h"

#include <covet/lane.h>
#include <stdlib.h>
#include <time.h>

enum { TICK_MS = CV__TICK_MS };

static const double delay_bounds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10};

struct lane_gauges {
    cv_gauge *queued, *threads, *busy;
};

struct cv__rt_metrics {
    uv_timer_t timer; /* closed with the loop */
    uint64_t due_ms;
    cv_histogram *delay;
    cv_counter *cpu;
    cv_gauge *fibers, *stacks_in_use, *stacks_pooled, *stack_bytes;
    struct lane_gauges lanes[CV__LANES];
};

static void look_at_lanes(struct cv_runtime *rt, struct cv__rt_metrics *m)
{
    cv__lane_stats stats[CV__LANES];
    cv__lanes_stats(rt, stats);
    for (size_t i = 0; i < CV__LANES; i++) {
        cv_gauge_set(m->lanes[i].queued, (int64_t)stats[i].queued);
        cv_gauge_set(m->lanes[i].threads, (int64_t)stats[i].threads);
        cv_gauge_set(m->lanes[i].busy, (int64_t)stats[i].busy);
    }
}

static void look(struct cv_runtime *rt, struct cv__rt_metrics *m)
{
    cv_gauge_set(m->fibers, (int64_t)rt->alive);
    cv_gauge_set(m->stacks_in_use, (int64_t)rt->handles);
    cv_gauge_set(m->stacks_pooled, (int64_t)rt->pooled);
    cv_gauge_set(m->stack_bytes, (int64_t)((rt->handles + rt->pooled) * rt->stack_bytes));
    look_at_lanes(rt, m);
}

static void count_cpu_time(struct cv__rt_metrics *m)
{
    struct timespec used;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0)
        cv_counter_raise(m->cpu, (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec);
}

static void on_tick(uv_timer_t *timer);

static void arm(struct cv_runtime *rt, struct cv__rt_metrics *m)
{
    m->due_ms = uv_now(&rt->loop) + TICK_MS;
    uv_timer_start(&m->timer, on_tick, TICK_MS, 0);
}

/* The timer fires when the loop's clock, in whole milliseconds, has come to `due_ms`: never before that instant. */
static void on_tick(uv_timer_t *timer)
{
    struct cv_runtime *rt = timer->data;
    struct cv__rt_metrics *m = rt->metrics;
    uint64_t now_ns = uv_hrtime();
    atomic_store_explicit(&rt->tick_ns, (int64_t)now_ns, memory_order_relaxed);
    cv__histogram_observe_alone(m->delay, (double)(int64_t)(now_ns - m->due_ms * 1000000) / 1e9);
    count_cpu_time(m);
    look(rt, m);
    cv_list_each (at, &rt->ticks) {
        cv__tick *tick = cv_list_entry(at, cv__tick, link);
        tick->fn(tick);
    }
    arm(rt, m);
}

static void register_lanes(cv_metrics *metrics, struct cv__rt_metrics *m)
{
    static const char *const labels[CV__LANES] = {[CV_LANE_NAMES] = "lane=\"names\"",
                                                  [CV_LANE_FILES] = "lane=\"files\"",
                                                  [CV_LANE_CPU] = "lane=\"cpu\"",
                                                  [CV_LANE_DATABASE] = "lane=\"database\""};
    for (size_t i = 0; i < CV__LANES; i++)
        m->lanes[i] = (struct lane_gauges){
            .queued = cv_gauge_get(metrics, "covet_lane_queued", "Jobs that wait for a thread of the lane.", labels[i]),
            .threads = cv_gauge_get(metrics, "covet_lane_threads", "Threads that the lane has made.", labels[i]),
            .busy = cv_gauge_get(metrics, "covet_lane_busy", "Threads of the lane that work.", labels[i]),
        };
}

static void register_all(cv_metrics *metrics, struct cv__rt_metrics *m)
{
    m->delay = cv_histogram_get(metrics, "covet_loop_delay_seconds", "How late a timer of 100 ms fires.", NULL,
                                delay_bounds, sizeof delay_bounds / sizeof delay_bounds[0]);
    m->cpu = cv_counter_get_seconds(metrics, "covet_loop_cpu_seconds_total",
                                    "Processor time of the threads that run loops.", NULL);
    m->fibers = cv_gauge_get(metrics, "covet_fibers", "Fibers alive.", NULL);
    const char *help = "Stacks of fibers, in use and kept for the next ones.";
    m->stacks_in_use = cv_gauge_get(metrics, "covet_fiber_stacks", help, "state=\"in_use\"");
    m->stacks_pooled = cv_gauge_get(metrics, "covet_fiber_stacks", help, "state=\"pooled\"");
    m->stack_bytes = cv_gauge_get(metrics, "covet_fiber_stack_bytes",
                                  "Address space of all stacks; they take memory as deep as they were used.", NULL);
    register_lanes(metrics, m);
}

void cv__tick_add(const cv_ctx *cx, cv__tick *tick)
{
    cv_list_push_back(&cx->runtime->ticks, &tick->link);
}

void cv__tick_remove(cv__tick *tick)
{
    if (tick->fn)
        cv_list_remove(&tick->link);
}

void cv__rt_metrics_begin(struct cv_runtime *rt)
{
    cv_metrics *metrics = rt->main.cx.metrics;
    struct cv__rt_metrics *m = metrics ? calloc(1, sizeof *m) : NULL;
    if (!m)
        return;
    rt->metrics = m;
    rt->watchdog_counter = cv_counter_get(metrics, "covet_fiber_held_loop_total",
                                          "Times a fiber held the loop longer than the watchdog allows.", NULL);
    register_all(metrics, m);
    uv_timer_init(&rt->loop, &m->timer);
    uv_unref((uv_handle_t *)&m->timer);
    m->timer.data = rt;
    atomic_store_explicit(&rt->tick_ns, (int64_t)uv_hrtime(), memory_order_relaxed);
    if (!rt->simulated)
        arm(rt, m);
}

void cv__rt_metrics_end(struct cv_runtime *rt)
{
    if (rt->metrics)
        look(rt, rt->metrics);
    free(rt->metrics);
    rt->metrics = NULL;
}
