/* What a runtime tells of itself. */
#include "rt/rt.h"
#include "rt/watch.h"
#include "rt_test.h"

#include <covet/lane.h>
#include <time.h>

static cv_metrics *metrics;

static int set_up(void **state)
{
    cv_ctx *cx = NULL;
    metrics = cv_metrics_new();
    int rc = cv_runtime_new(&(cv_runtime_options){.metrics = metrics, .stack_bytes = 65536}, &cx);
    *state = cx;
    return rc;
}

static int tear_down(void **state)
{
    cv_runtime_free(*state);
    cv_metrics_free(metrics);
    return 0;
}

static int64_t gauge(const char *name, const char *labels)
{
    return cv_gauge_value(cv_gauge_get(metrics, name, NULL, labels));
}

static cv_histogram *delay(void)
{
    return cv_histogram_get(metrics, "covet_loop_delay_seconds", NULL, NULL, NULL, 0);
}

/* Run the loop until the tick after the present one. */
static void wait_for_tick(cv_ctx *cx)
{
    uint64_t seen = cv_histogram_count(delay());
    for (int left = 1000; cv_histogram_count(delay()) == seen; left--) {
        assert_true(left > 0);
        assert_ok(cx, cv_sleep_ms(cx, 10));
    }
}

static int sleep_long(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_sleep_ms(cx, 60000);
}

static void fibers_and_stacks_are_shown(void **state)
{
    cv_ctx *cx = *state;
    cv_fiber *fibers[3];
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "sleeper", sleep_long, NULL, &fibers[i]));
    wait_for_tick(cx);
    assert_int_equal(gauge("covet_fibers", NULL), 3);
    assert_int_equal(gauge("covet_fiber_stacks", "state=\"in_use\""), 3);
    for (int i = 0; i < 3; i++) {
        cv_cancel(fibers[i]);
        cv_join(cx, fibers[i], NULL);
        cv_error_clear(cx);
    }
    wait_for_tick(cx);
    assert_int_equal(gauge("covet_fibers", NULL), 0);
    assert_int_equal(gauge("covet_fiber_stacks", "state=\"in_use\""), 0);
    assert_int_equal(gauge("covet_fiber_stacks", "state=\"pooled\""), 3);
    assert_int_equal(gauge("covet_fiber_stack_bytes", NULL), 3 * 65536);
}

struct gate {
    pthread_mutex_t mutex;
};

static int pass(void *arg)
{
    struct gate *gate = arg;
    pthread_mutex_lock(&gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    return 0;
}

static int offload(cv_ctx *cx, void *arg)
{
    return cv_offload(cx, CV_LANE_NAMES, pass, arg, NULL);
}

static void lanes_are_shown(void **state)
{
    cv_ctx *cx = *state;
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER};
    cv_fiber *fibers[5];
    pthread_mutex_lock(&gate.mutex);
    for (int i = 0; i < 5; i++)
        assert_ok(cx, cv_spawn(cx, "one", offload, &gate, &fibers[i]));
    wait_for_tick(cx);
    wait_for_tick(cx); /* a thread takes its time to take a job */
    assert_int_equal(gauge("covet_lane_threads", "lane=\"names\""), 2);
    assert_int_equal(gauge("covet_lane_busy", "lane=\"names\""), 2);
    assert_int_equal(gauge("covet_lane_queued", "lane=\"names\""), 3);
    assert_int_equal(gauge("covet_lane_threads", "lane=\"cpu\""), 0);
    pthread_mutex_unlock(&gate.mutex);
    for (int i = 0; i < 5; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    wait_for_tick(cx);
    assert_int_equal(gauge("covet_lane_queued", "lane=\"names\""), 0);
}

static int64_t cpu_time_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static int hold_the_loop(cv_ctx *cx, void *arg)
{
    (void)cx;
    (void)arg;
    for (int64_t until_ns = cpu_time_ns() + 250000000; cpu_time_ns() < until_ns;)
        continue;
    return 0;
}

static double value_of(const char *text, const char *name)
{
    char line[64];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(text, line);
    if (!at)
        fail_msg("no %s in:\n%s", name, text);
    return at ? strtod(at + strlen(line), NULL) : 0;
}

static void a_held_loop_is_late(void **state)
{
    cv_ctx *cx = *state;
    assert_ok(cx, cv_spawn(cx, "hog", hold_the_loop, NULL, NULL));
    wait_for_tick(cx);
    assert_true(cv_histogram_sum(delay()) >= 0.1);
    cv_buf out;
    cv_buf_init(&out, 0);
    cv_metrics_expose(metrics, &out);
    assert_true(value_of(out.data, "covet_loop_cpu_seconds_total") >= 0.25);
    cv_buf_done(&out);
}

static void a_tick_keeps_no_loop_alive(void **state)
{
    cv_ctx *cx = *state;
    assert_ok(cx, cv_runtime_run(cx));
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    assert_int_equal(cv__wait(cx, &waiter), CV_E_DEADLOCK_SELF);
    cv_error_clear(cx);
}

static void a_simulated_clock_has_no_tick(void **state)
{
    (void)state;
    cv_metrics *own = cv_metrics_new();
    cv_ctx *cx;
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.metrics = own, .simulated_clock = true}, &cx), 0);
    assert_ok(cx, cv_sleep_ms(cx, INT64_C(1000) * 60 * 60));
    cv_histogram *h = cv_histogram_get(own, "covet_loop_delay_seconds", NULL, NULL, NULL, 0);
    assert_non_null(h);
    assert_int_equal(cv_histogram_count(h), 0);
    cv_runtime_free(cx);
    cv_metrics_free(own);
}

static void the_process_is_shown(void **state)
{
    (void)state;
    assert_int_equal(cv__process_metrics(metrics), 0);
    cv_buf out;
    cv_buf_init(&out, 0);
    cv_metrics_expose(metrics, &out);
    const char *text = out.data;
    assert_true(value_of(text, "process_cpu_seconds_total") > 0);
    assert_true(value_of(text, "process_resident_memory_bytes") > 100000);
    assert_true(value_of(text, "process_virtual_memory_bytes") > value_of(text, "process_resident_memory_bytes"));
    assert_true(value_of(text, "process_open_fds") >= 3);
    assert_true(value_of(text, "process_max_fds") >= value_of(text, "process_open_fds"));
    assert_true(value_of(text, "process_threads") >= 1);
    double now = (double)time(NULL);
    assert_true(value_of(text, "process_start_time_seconds") <= now + 1);
    assert_true(value_of(text, "process_start_time_seconds") > now - 24 * 60 * 60);
    cv_buf_done(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fibers_and_stacks_are_shown),
        TEST(lanes_are_shown),
        TEST(a_held_loop_is_late),
        TEST(a_tick_keeps_no_loop_alive),
        cmocka_unit_test(a_simulated_clock_has_no_tick),
        TEST(the_process_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
