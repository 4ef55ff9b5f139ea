/* Forty times a second each watched runtime is looked at. It is held
 *
 *     - by a fiber, when the same run of a fiber is seen again and again (`runs`, `holder`), or
 *     - by whatever it be, when its tick (metrics.c) does not come.
 *
 * A thread that had no processor meanwhile is told from one that holds its loop by its time of processor, and, where it
 * has used none, by its state: a call that blocks sleeps, a thread that waits for a processor does not. Of the time in
 * which the watchdog itself did not get to run, only what the thread used of a processor counts. */
#include "rt/watchdog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <covet/fiber.h>
#include <covet/lane.h>

#define NS_PER_MS INT64_C(1000000)

enum { LOOK_MS = 25, BLIND_MS = 75, STACK_MS = 50, SHOWN_FRAMES = 16, MAX_STACK_BYTES = 8 * 1024 };

/* An instant, and what the thread had used of a processor then. */
struct mark {
    int64_t at_ns, cpu_ns;
};

struct one {
    cv__watched watched;
    uint64_t runs;
    int64_t tick_ns;
    struct mark run, tick; /* when the present run was first seen; when the last tick was */

    bool is_held, is_told, by_run;
    const char *holder;
    int64_t since_ns, found_ns;
};

struct cv__watchdog {
    uv_timer_t timer;
    cv_ctx *main;
    pthread_mutex_t *mutex;
    int64_t last_look_ns;
    size_t count;
    struct one items[];
};

/* ---- telling ---- */

/* What a fiber needs to tell it; it frees it. */
struct report {
    size_t index;
    const char *holder;
    int64_t held_ms;
    cv__stack_trace trace;
    cv_buf stack;
};

/* The innermost first: "read_all app.c:7 < import app.c:30". */
static int name_frames(void *arg)
{
    struct report *report = arg;
    cv__symbols *symbols = cv__symbols_open();
    size_t count = report->trace.count < SHOWN_FRAMES ? report->trace.count : SHOWN_FRAMES;
    for (size_t i = 0; i < count; i++) {
        if (i)
            cv_buf_add_text(&report->stack, " < ");
        cv__symbols_write(symbols, report->trace.frames[i], &report->stack);
    }
    cv__symbols_close(symbols);
    return 0;
}

static int tell_held(cv_ctx *cx, void *arg)
{
    struct report *report = arg;
    cv_buf_init(&report->stack, MAX_STACK_BYTES);
    int rc = report->trace.count ? cv_offload(cx, CV_LANE_CPU, name_frames, report, NULL) : 0;
    CV_LOG_WARN(cx->log, "loop held", CV_F("worker", (int64_t)report->index), CV_F("by", report->holder),
                CV_F("ms", report->held_ms), CV_F("stack", cv_buf_str(&report->stack)));
    cv_buf_done(&report->stack);
    free(report);
    return rc;
}

static void tell(const cv__watchdog *dog, const struct one *one, int64_t now_ns)
{
    struct report *report = calloc(1, sizeof *report);
    cv_error *pending = cv_error_take(dog->main);
    if (report) {
        report->index = (size_t)(one - dog->items);
        report->holder = one->holder;
        report->held_ms = (now_ns - one->since_ns) / NS_PER_MS;
        if (atomic_load_explicit(&one->watched.capture->state, memory_order_acquire) == CV__CAPTURE_DONE)
            report->trace = one->watched.capture->trace;
    }
    if (!report || cv_spawn(dog->main, "watchdog", tell_held, report, NULL) < 0)
        free(report);
    cv_error_clear(dog->main);
    cv_error_put_back(dog->main, pending);
}

static void tell_free(const cv__watchdog *dog, const struct one *one, int64_t now_ns)
{
    CV_LOG_WARN(dog->main->log, "loop free again", CV_F("worker", (int64_t)(one - dog->items)), CV_F("by", one->holder),
                CV_F("ms", (now_ns - one->since_ns) / NS_PER_MS));
}

/* ---- looking ---- */

static int64_t cpu_time_ns(pthread_t thread)
{
    clockid_t clock;
    struct timespec used;
    if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* proc(5): the letter behind the name; '\0' when it cannot be read. */
static char thread_state(pid_t id)
{
    char path[64], text[128];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)id);
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' ? end[2] : '\0';
}

/* On a crowded machine a thread may get a small part of a processor; who used up the limit itself holds the loop. */
static bool has_worked(const struct mark *mark, struct mark now, int64_t limit_ns)
{
    int64_t used_ns = now.cpu_ns - mark->cpu_ns;
    return used_ns >= limit_ns || used_ns * 4 >= now.at_ns - mark->at_ns;
}

/* Since which mark the loop is held; NULL when it is not. */
static const struct mark *find_hold(const struct one *one, const struct cv_runtime *rt, const char *holder,
                                    struct mark now)
{
    int64_t limit_ns = rt->watchdog_ns, tick_limit_ns = limit_ns + CV__TICK_MS * NS_PER_MS;
    bool same_run = holder && now.at_ns - one->run.at_ns >= limit_ns;
    bool no_tick = one->tick_ns && now.at_ns - one->tick.at_ns >= tick_limit_ns;
    if (same_run && has_worked(&one->run, now, limit_ns))
        return &one->run;
    if (no_tick && has_worked(&one->tick, now, tick_limit_ns))
        return same_run ? &one->run : &one->tick;
    char state = same_run ? thread_state(rt->thread_id) : '\0';
    return state == 'S' || state == 'D' ? &one->run : NULL;
}

static void note_changes(struct one *one, const struct cv_runtime *rt, const char *holder, struct mark now)
{
    uint64_t runs = atomic_load_explicit(&rt->runs, memory_order_relaxed);
    int64_t tick_ns = atomic_load_explicit(&rt->tick_ns, memory_order_relaxed);
    if (!holder || runs != one->runs)
        one->run = now;
    if (tick_ns != one->tick_ns)
        one->tick = now;
    one->runs = runs;
    one->tick_ns = tick_ns;
}

static void begin_hold(struct one *one, const struct cv_runtime *rt, const char *holder, const struct mark *since,
                       struct mark now)
{
    one->is_held = true;
    one->is_told = false;
    one->by_run = since == &one->run;
    one->since_ns = since->at_ns;
    one->found_ns = now.at_ns;
    if (one->by_run)
        one->holder = holder;
    else
        one->holder = holder ? "several fibers in turn" : "a callback of the loop";
    cv__capture_ask(rt->thread, one->watched.capture);
}

/* It is over when the run has changed, or the tick has come: then its mark is a new one. */
static void follow_hold(const cv__watchdog *dog, struct one *one, int64_t now_ns)
{
    bool is_over = (one->by_run ? one->run.at_ns : one->tick.at_ns) != one->since_ns;
    bool has_stack = atomic_load_explicit(&one->watched.capture->state, memory_order_acquire) == CV__CAPTURE_DONE;
    if (!one->is_told && (has_stack || is_over || now_ns - one->found_ns >= STACK_MS * NS_PER_MS)) {
        one->is_told = true;
        tell(dog, one, now_ns);
    }
    if (!is_over)
        return;
    one->is_held = false;
    tell_free(dog, one, now_ns);
}

/* The same run goes on, but as if it had begun as late as its time of processor allows; how long the tick is late, and
 * by whom, cannot be said. */
static void forget_what_was_unseen(struct one *one, struct mark now)
{
    one->run.at_ns = now.at_ns - (now.cpu_ns - one->run.cpu_ns);
    one->tick = now;
}

static void look_at(const cv__watchdog *dog, struct one *one, const struct cv_runtime *rt, bool was_blind,
                    struct mark now)
{
    const char *holder = atomic_load_explicit(&rt->holder, memory_order_relaxed);
    note_changes(one, rt, holder, now);
    if (one->is_held) {
        follow_hold(dog, one, now.at_ns);
        return;
    }
    if (was_blind)
        forget_what_was_unseen(one, now);
    const struct mark *since = find_hold(one, rt, holder, now);
    if (since)
        begin_hold(one, rt, holder, since, now);
}

/* A runtime that does not stand any more holds nothing. */
static void look_for(const cv__watchdog *dog, struct one *one, bool was_blind, int64_t now_ns)
{
    const struct cv_runtime *rt = *one->watched.runtime;
    if (!rt || !rt->watchdog_ns) {
        one->is_held = false;
        return;
    }
    look_at(dog, one, rt, was_blind, (struct mark){now_ns, cpu_time_ns(rt->thread)});
}

static void on_timer(uv_timer_t *timer)
{
    cv__watchdog *dog = timer->data;
    int64_t now_ns = (int64_t)uv_hrtime();
    bool was_blind = now_ns - dog->last_look_ns > BLIND_MS * NS_PER_MS;
    dog->last_look_ns = now_ns;
    pthread_mutex_lock(dog->mutex);
    for (size_t i = 0; i < dog->count; i++)
        look_for(dog, &dog->items[i], was_blind, now_ns);
    pthread_mutex_unlock(dog->mutex);
}

/* ---- life ---- */

cv__watchdog *cv__watchdog_new(cv_ctx *cx, pthread_mutex_t *mutex, const cv__watched *watched, size_t count)
{
    cv__watchdog *dog = calloc(1, sizeof *dog + count * sizeof dog->items[0]);
    if (!dog)
        return NULL;
    dog->main = cv__main_ctx(cx);
    dog->mutex = mutex; /* last_look_ns is 0: the first look is a blind one */
    dog->count = count;
    for (size_t i = 0; i < count; i++)
        dog->items[i].watched = watched[i];
    uv_timer_init(cv__loop(cx), &dog->timer);
    uv_unref((uv_handle_t *)&dog->timer);
    dog->timer.data = dog;
    uv_timer_start(&dog->timer, on_timer, LOOK_MS, LOOK_MS);
    return dog;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void cv__watchdog_free(cv__watchdog *watchdog)
{
    if (watchdog)
        uv_close((uv_handle_t *)&watchdog->timer, on_closed);
}

int64_t cv__watchdog_held_ms(const cv__watchdog *watchdog, size_t *ret_index, const char **ret_holder)
{
    int64_t longest_ms = 0, now_ns = (int64_t)uv_hrtime();
    for (size_t i = 0; watchdog && i < watchdog->count; i++) {
        const struct one *one = &watchdog->items[i];
        int64_t held_ms = one->is_held ? (now_ns - one->since_ns) / NS_PER_MS : 0;
        if (held_ms <= longest_ms)
            continue;
        longest_ms = held_ms;
        if (ret_index)
            *ret_index = i;
        if (ret_holder)
            *ret_holder = one->holder;
    }
    return longest_ms;
}
