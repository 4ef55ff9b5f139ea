/* Watching another thread's loop while it is held. */
#include "await.h"
#include "rt/watchdog.h"
#include "rt_test.h"

#include <pthread.h>
#include <time.h>

/* A runtime on a thread of its own, which does one thing when told to. */
struct other {
    pthread_t thread;
    cv_fiber_fn *fn;
    cv_metrics *metrics;
    pthread_mutex_t mutex;
    struct cv_runtime *runtime; /* while it stands; under the mutex */
    atomic_bool go, stop;
    atomic_int rounds; /* times that `fn` ended */
    cv__capture capture;
};

static int live(cv_ctx *cx, void *arg)
{
    struct other *other = arg;
    while (!atomic_load(&other->stop)) {
        if (atomic_exchange(&other->go, false)) {
            CV_TRY(cv_spawn(cx, "GET /slow", other->fn, other, NULL));
            CV_TRY(cv_yield(cx));
            atomic_fetch_add(&other->rounds, 1);
        }
        CV_TRY(cv_sleep_ms(cx, 5));
    }
    return 0;
}

static void publish(struct other *other, struct cv_runtime *rt)
{
    pthread_mutex_lock(&other->mutex);
    other->runtime = rt;
    pthread_mutex_unlock(&other->mutex);
}

static void *run_thread(void *arg)
{
    struct other *other = arg;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    cv_ctx *cx;
    if (cv_runtime_new(&(cv_runtime_options){.metrics = other->metrics}, &cx) != 0 || !cv__capture_allow())
        abort();
    publish(other, cx->runtime);
    if (cv_spawn(cx, "live", live, other, NULL) < 0 || cv_runtime_run(cx) < 0)
        abort();
    publish(other, NULL);
    cv_runtime_free(cx);
    return NULL;
}

typedef struct world {
    cv_ctx *cx;
    cv_log *log;
    char lines[16384];
    struct other other;
    cv__watchdog *dog;
} world;

static void keep_line(void *arg, cv_str line)
{
    world *w = arg;
    size_t len = strlen(w->lines);
    snprintf(w->lines + len, sizeof w->lines - len, "%.*s", CV_STR_ARG(line));
}

static void begin(world *w, cv_fiber_fn *fn)
{
    memset(w, 0, sizeof *w);
    w->log = cv_log_new(&(cv_log_options){.sink = keep_line, .sink_arg = w});
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.log = w->log}, &w->cx), 0);
    w->other.fn = fn;
    pthread_mutex_init(&w->other.mutex, NULL);
    w->other.metrics = cv_metrics_new();
    assert_int_equal(pthread_create(&w->other.thread, NULL, run_thread, &w->other), 0);
    cv__watched watched = {&w->other.runtime, &w->other.capture};
    w->dog = cv__watchdog_new(w->cx, &w->other.mutex, &watched, 1);
    assert_non_null(w->dog);
}

static void end(world *w)
{
    atomic_store(&w->other.stop, true);
    pthread_join(w->other.thread, NULL);
    cv__watchdog_free(w->dog);
    cv_runtime_free(w->cx);
    cv_log_free(w->log);
    cv_metrics_free(w->other.metrics);
}

static void wait_for_line(world *w, const char *part)
{
    await_that(w->cx, strstr(w->lines, part));
}

static atomic_bool is_free; /* ends what holds the loop */

__attribute__((noinline)) static int spin_until_free(cv_ctx *cx, void *arg)
{
    (void)cx, (void)arg;
    while (!atomic_load_explicit(&is_free, memory_order_relaxed))
        continue;
    return 0;
}

static int block_until_free(cv_ctx *cx, void *arg)
{
    (void)cx, (void)arg;
    hold_until(atomic_load(&is_free));
    return 0;
}

/* TSan delivers a signal only when the thread calls into it. */
static void expect_stack(const char *lines, const char *function)
{
#ifndef CV__TSAN
    if (!strstr(lines, function))
        fail_msg("\"%s\" is not in: %s", function, lines);
#else
    (void)lines, (void)function;
#endif
}

static void hold_and_watch(world *w)
{
    atomic_store(&is_free, false);
    atomic_store(&w->other.go, true);
    wait_for_line(w, "loop held");
    assert_null(strstr(w->lines, "loop free again")); /* it was told while it is held */
    size_t index = 7;
    const char *holder = NULL;
    assert_true(cv__watchdog_held_ms(w->dog, &index, &holder) >= 100);
    assert_int_equal(index, 0);
    assert_string_equal(holder, "GET /slow");
    assert_true(cv__watchdog_held_ms(w->dog, NULL, NULL) >= 100);
    atomic_store(&is_free, true);
    wait_for_line(w, "loop free again");
    assert_int_equal(cv__watchdog_held_ms(w->dog, NULL, NULL), 0);
    assert_non_null(strstr(w->lines, "GET /slow"));
    assert_null(strstr(strstr(w->lines, "loop held") + 1, "loop held")); /* once a hold */
}

static void a_fiber_that_computes_is_named_with_its_stack(void **state)
{
    (void)state;
    static world w;
    begin(&w, spin_until_free);
    hold_and_watch(&w);
    expect_stack(w.lines, "spin_until_free");
    expect_stack(w.lines, "test_watchdog.c:");
    w.lines[0] = '\0';
    hold_and_watch(&w); /* the next hold is told as well */
    end(&w);
}

static void a_fiber_that_blocks_is_named_with_its_stack(void **state)
{
    (void)state;
    static world w;
    begin(&w, block_until_free);
    hold_and_watch(&w);
    expect_stack(w.lines, "block_until_free");
    end(&w);
}

/* As on a machine that has more to do than processors: the watchdog comes by seldom. */
static void a_watchdog_that_comes_by_seldom_sees_who_computes(void **state)
{
    (void)state;
    static world w;
    begin(&w, spin_until_free);
    atomic_store(&is_free, false);
    atomic_store(&w.other.go, true);
    for (int left = 200; left > 0 && !strstr(w.lines, "loop held"); left--) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        assert_ok(w.cx, cv_sleep_ms(w.cx, 1));
    }
    atomic_store(&is_free, true);
    assert_non_null(strstr(w.lines, "loop held"));
    assert_non_null(strstr(w.lines, "GET /slow"));
    end(&w);
}

static void hold_in_callback(uv_timer_t *timer)
{
    (void)timer;
    spin_until_free(NULL, NULL);
    atomic_store(&is_free, false); /* the call above is not the last one */
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static int hold_from_the_loop(cv_ctx *cx, void *arg)
{
    (void)arg;
    uv_timer_t *timer = malloc(sizeof *timer);
    uv_timer_init(cv__loop(cx), timer);
    uv_timer_start(timer, hold_in_callback, 0, 0);
    int rc = cv_sleep_ms(cx, 1);
    uv_close((uv_handle_t *)timer, on_closed);
    return rc;
}

static void a_callback_is_told_by_its_stack(void **state)
{
    (void)state;
    static world w;
    begin(&w, hold_from_the_loop);
    atomic_store(&is_free, false);
    atomic_store(&w.other.go, true);
    wait_for_line(&w, "loop held");
    atomic_store(&is_free, true);
    wait_for_line(&w, "loop free again");
    assert_non_null(strstr(w.lines, "a callback of the loop"));
    expect_stack(w.lines, "hold_in_callback");
    end(&w);
}

static int work_in_short_runs(cv_ctx *cx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        CV_TRY(cv_sleep_ms(cx, 5));
    return 0;
}

static void short_runs_are_not_told(void **state)
{
    (void)state;
    static world w;
    begin(&w, work_in_short_runs);
    atomic_store(&w.other.go, true);
    assert_ok(w.cx, cv_sleep_ms(w.cx, 600));
    if (strstr(w.lines, "loop held"))
        fail_msg("%s", w.lines);
    end(&w);
}

/* ---- the capture alone ---- */

static atomic_bool stop_spinning;

__attribute__((noinline)) static void spin_on_a_thread(void)
{
    while (!atomic_load(&stop_spinning))
        sched_yield();
}

static void *run_spinning(void *arg)
{
    assert_true(cv__capture_allow());
    atomic_store((atomic_bool *)arg, true);
    spin_on_a_thread();
    return NULL;
}

static void a_thread_walks_its_own_stack(void **state)
{
    (void)state;
    static cv__capture capture;
    atomic_bool ready = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_spinning, &ready), 0);
    await_blocked(atomic_load(&ready));
    cv__capture_ask(thread, &capture);
    await_blocked(atomic_load(&capture.state) == CV__CAPTURE_DONE);
    atomic_store(&stop_spinning, true);
    pthread_join(thread, NULL);
    cv_buf out;
    cv_buf_init(&out, 0);
    cv__symbols *symbols = cv__symbols_open();
    for (size_t i = 0; i < capture.trace.count; i++) {
        cv__symbols_write(symbols, capture.trace.frames[i], &out);
        cv_buf_add_char(&out, '\n');
    }
    cv__symbols_close(symbols);
    assert_non_null(strstr(out.data, "spin_on_a_thread "));
    assert_null(strstr(out.data, "on_signal"));
    cv_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_walks_its_own_stack),
        cmocka_unit_test(a_fiber_that_computes_is_named_with_its_stack),
        cmocka_unit_test(a_watchdog_that_comes_by_seldom_sees_who_computes),
        cmocka_unit_test(a_fiber_that_blocks_is_named_with_its_stack),
        cmocka_unit_test(a_callback_is_told_by_its_stack),
        cmocka_unit_test(short_runs_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
