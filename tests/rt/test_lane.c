/* Lanes: work off the loop, its bounds, and who frees its argument. */
#include "await.h"
#include "rt_test.h"

#include "rt/wait.h"
#include <covet/lane.h>
#include <pthread.h>
#include <unistd.h>

/* Work that goes on until it is told to end. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool open;
    int inside; /* threads that have come in */
    int disposed;
    int runs;
};

static void init_gate(struct gate *gate, bool open)
{
    memset(gate, 0, sizeof *gate);
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
    gate->open = open;
}

static void open_gate(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

static int pass(void *arg)
{
    struct gate *gate = arg;
    pthread_mutex_lock(&gate->mutex);
    gate->inside++;
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    gate->runs++;
    pthread_mutex_unlock(&gate->mutex);
    return 0;
}

static int gate_inside(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    int inside = gate->inside;
    pthread_mutex_unlock(&gate->mutex);
    return inside;
}

static void await_inside(struct gate *gate, int count)
{
    await_blocked(gate_inside(gate) >= count);
}

static void count_disposed(void *arg)
{
    ((struct gate *)arg)->disposed++;
}

static int return_thread_code(void *arg)
{
    pthread_t *thread = arg;
    *thread = pthread_self();
    return CV_E_RANGE;
}

static void work_runs_on_another_thread_and_its_code_comes_back(void **state)
{
    cv_ctx *cx = *state;
    pthread_t thread = pthread_self();
    assert_int_equal(cv_offload(cx, CV_LANE_CPU, return_thread_code, &thread, NULL), CV_E_RANGE);
    assert_false(pthread_equal(thread, pthread_self()));
}

struct offload {
    struct gate *gate;
    cv_lane lane;
    void (*dispose)(void *arg);
};

static int offload_gate(cv_ctx *cx, void *arg)
{
    struct offload *offload = arg;
    return cv_offload(cx, offload->lane, pass, offload->gate, offload->dispose);
}

static void fibers_run_while_work_is_under_way(void **state)
{
    cv_ctx *cx = *state;
    struct gate gate;
    init_gate(&gate, false);
    struct offload offload = {&gate, CV_LANE_FILES, count_disposed};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "offload", offload_gate, &offload, &fiber));
    for (int i = 0; i < 100; i++)
        assert_ok(cx, cv_yield(cx));
    open_gate(&gate);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(gate.disposed, 1);
}

static void a_flooded_lane_does_not_stop_another(void **state)
{
    cv_ctx *cx = *state;
    struct gate shut, open;
    init_gate(&shut, false);
    init_gate(&open, true);
    struct offload flood = {&shut, CV_LANE_NAMES, NULL};
    for (int i = 0; i < 20; i++)
        assert_ok(cx, cv_spawn(cx, "flood", offload_gate, &flood, NULL));
    assert_ok(cx, cv_yield(cx));
    await_inside(&shut, 2);
    assert_ok(cx, cv_offload(cx, CV_LANE_FILES, pass, &open, NULL));
    assert_ok(cx, cv_offload(cx, CV_LANE_CPU, pass, &open, NULL));
    assert_int_equal(shut.inside, 2); /* no more threads than the lane has */
    open_gate(&shut);
    assert_ok(cx, cv_runtime_run(cx));
    assert_int_equal(shut.runs, 20);
}

static void a_full_queue_refuses(void **state)
{
    cv_ctx *cx = *state;
    struct gate shut;
    init_gate(&shut, false);
    struct offload flood = {&shut, CV_LANE_NAMES, NULL};
    for (int i = 0; i < 2; i++)
        assert_ok(cx, cv_spawn(cx, "working", offload_gate, &flood, NULL));
    assert_ok(cx, cv_yield(cx));
    await_inside(&shut, 2);
    for (int i = 0; i < 1024; i++)
        assert_ok(cx, cv_spawn(cx, "queued", offload_gate, &flood, NULL));
    for (int i = 0; i < 2; i++) /* two turns: a turn runs a limited number of fibers */
        assert_ok(cx, cv_yield(cx));
    assert_fails(cx, cv_offload(cx, CV_LANE_NAMES, pass, &shut, count_disposed), CV_E_BUSY,
                 "could not hand work to the lane \"names\": its queue is full");
    assert_int_equal(shut.disposed, 1);
    open_gate(&shut);
    assert_ok(cx, cv_runtime_run(cx));
    assert_int_equal(shut.runs, 1026);
}

static void cancelled_work_that_has_not_started_is_dropped(void **state)
{
    cv_ctx *cx = *state;
    struct gate shut, dropped;
    init_gate(&shut, false);
    init_gate(&dropped, true);
    struct offload flood = {&shut, CV_LANE_NAMES, NULL}, queued = {&dropped, CV_LANE_NAMES, count_disposed};
    cv_fiber *fiber;
    for (int i = 0; i < 2; i++)
        assert_ok(cx, cv_spawn(cx, "working", offload_gate, &flood, NULL));
    assert_ok(cx, cv_yield(cx));
    await_inside(&shut, 2);
    assert_ok(cx, cv_spawn(cx, "queued", offload_gate, &queued, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fiber);
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_CANCELLED, "could not wait for a lane");
    assert_int_equal(dropped.disposed, 1);
    open_gate(&shut);
    assert_ok(cx, cv_runtime_run(cx));
    assert_int_equal(dropped.runs, 0);
}

static void abandoned_work_under_way_is_disposed_of_when_it_ends(void **state)
{
    cv_ctx *cx = *state;
    struct gate shut;
    init_gate(&shut, false);
    struct offload offload = {&shut, CV_LANE_FILES, count_disposed};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "offload", offload_gate, &offload, &fiber));
    assert_ok(cx, cv_yield(cx));
    await_inside(&shut, 1);
    cv_cancel(fiber);
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_CANCELLED, "could not wait for a lane");
    assert_int_equal(shut.disposed, 0);
    open_gate(&shut);
    await_turns(cx, shut.disposed > 0);
    assert_int_equal(shut.runs, 1);
}

static void without_dispose_the_call_waits_for_work_under_way(void **state)
{
    cv_ctx *cx = *state;
    struct gate shut;
    init_gate(&shut, false);
    struct offload offload = {&shut, CV_LANE_FILES, NULL};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "offload", offload_gate, &offload, &fiber));
    assert_ok(cx, cv_yield(cx));
    await_inside(&shut, 1);
    cv_cancel(fiber);
    for (int i = 0; i < 10; i++)
        assert_ok(cx, cv_yield(cx));
    assert_int_equal(cv_fiber_count(cx), 1);
    open_gate(&shut);
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_CANCELLED, "could not wait for a lane");
    assert_int_equal(shut.runs, 1);
}

static void stop_at_gate(void *arg)
{
    count_disposed(arg);
    open_gate(arg);
}

static int offload_until_stopped(cv_ctx *cx, void *arg)
{
    return cv_offload_stoppable(cx, CV_LANE_FILES, pass, arg, stop_at_gate);
}

static void work_under_way_is_told_to_stop_when_the_wait_ends_early(void **state)
{
    cv_ctx *cx = *state;
    struct gate shut, open;
    init_gate(&shut, false);
    init_gate(&open, true);
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "offload", offload_until_stopped, &shut, &fiber));
    assert_ok(cx, cv_yield(cx));
    await_inside(&shut, 1);
    cv_cancel(fiber);
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_CANCELLED, "could not wait for a lane");
    assert_int_equal(shut.runs, 1);
    assert_int_equal(shut.disposed, 1);
    assert_ok(cx, offload_until_stopped(cx, &open));
    assert_int_equal(open.disposed, 0);
}

struct to_end {
    struct gate *gate;
    int code;
};

static int offload_to_end(cv_ctx *cx, void *arg)
{
    struct to_end *own = arg;
    CV_WITHIN(cx, 0)
    {
        own->code = cv__offload_to_end(cx, CV_LANE_DATABASE, pass, own->gate);
    }
    return 0;
}

static void work_that_cannot_be_left_is_begun_and_ended_beyond_deadline_and_cancellation(void **state)
{
    cv_ctx *cx = *state;
    struct gate gate;
    init_gate(&gate, false);
    struct to_end own = {&gate, 1};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "offload", offload_to_end, &own, &fiber));
    assert_ok(cx, cv_yield(cx));
    await_inside(&gate, 1);
    cv_cancel(fiber);
    for (int i = 0; i < 10; i++)
        assert_ok(cx, cv_yield(cx));
    assert_int_equal(own.code, 1);
    open_gate(&gate);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(own.code, 0);
    assert_int_equal(gate.runs, 1);
}

static void refused_work_is_disposed_of(void **state)
{
    cv_ctx *cx = *state;
    struct gate gate;
    init_gate(&gate, true);
    CV_WITHIN(cx, 0)
    {
        assert_fails(cx, cv_offload(cx, CV_LANE_CPU, pass, &gate, count_disposed), CV_E_TIMEOUT, "deadline");
    }
    assert_int_equal(gate.disposed, 1);
    assert_int_equal(gate.runs, 0);
}

static void the_simulated_clock_stands_still_while_work_is_under_way(void **state)
{
    cv_ctx *cx = *state;
    struct gate gate;
    init_gate(&gate, false);
    struct offload offload = {&gate, CV_LANE_FILES, NULL};
    cv_fiber *fiber;
    int64_t start_ns = cv_now_ns(cx);
    CV_WITHIN(cx, 5) /* would pass at once if the clock jumped */
    {
        assert_ok(cx, cv_spawn(cx, "offload", offload_gate, &offload, &fiber));
        for (int i = 0; i < 50; i++)
            assert_ok(cx, cv_yield(cx));
        open_gate(&gate);
        assert_ok(cx, cv_join(cx, fiber, NULL));
    }
    assert_int_equal(ms_since(cx, start_ns), 0);
}

static void a_runtime_waits_for_abandoned_work_when_it_ends(void **state)
{
    (void)state;
    cv_ctx *cx;
    struct gate gate;
    init_gate(&gate, false);
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    struct offload offload = {&gate, CV_LANE_FILES, count_disposed};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "offload", offload_gate, &offload, &fiber));
    assert_ok(cx, cv_yield(cx));
    await_inside(&gate, 1);
    cv_cancel(fiber);
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_CANCELLED, "lane");
    open_gate(&gate);
    cv_runtime_free(cx);
    assert_int_equal(gate.disposed, 1);
}

static void a_file_is_read_off_the_loop(void **state)
{
    cv_ctx *cx = *state;
    char path[] = "/tmp/covet-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    for (int i = 0; i < 5000; i++)
        fputs("abc", file);
    fclose(file);
    char *data = NULL;
    size_t length = 0;
    assert_ok(cx, cv_file_read(cx, path, 15000, &data, &length));
    assert_int_equal(length, 15000);
    assert_memory_equal(data, "abcabc", 6);
    assert_int_equal(data[length], '\0');
    assert_fails(cx, cv_file_read(cx, path, 14999, &data, &length), CV_E_TOO_LARGE, "more than 14999 bytes");
    unlink(path);
    assert_fails(cx, cv_file_read(cx, path, 100, &data, &length), CV_E_NOT_FOUND, "no such file");
    assert_fails(cx, cv_file_read(cx, "/", 100, &data, &length), CV_E_IO, "not a regular file");
}

static void a_file_of_unknown_size_is_bounded_too(void **state)
{
    cv_ctx *cx = *state;
    char *data = NULL;
    size_t length = 0;
    assert_ok(cx, cv_file_read(cx, "/proc/self/status", 1 << 20, &data, &length));
    assert_true(length > 0 && strstr(data, "Name:"));
    assert_fails(cx, cv_file_read(cx, "/proc/self/status", 10, &data, &length), CV_E_TOO_LARGE, "more than 10 bytes");
    CV_WITHIN(cx, 0)
    {
        assert_fails(cx, cv_file_read(cx, "/proc/self/status", 10, &data, &length), CV_E_TIMEOUT, "could not read");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(work_runs_on_another_thread_and_its_code_comes_back),
        runtime_test(fibers_run_while_work_is_under_way),
        runtime_test(a_flooded_lane_does_not_stop_another),
        runtime_test(a_full_queue_refuses),
        runtime_test(cancelled_work_that_has_not_started_is_dropped),
        runtime_test(abandoned_work_under_way_is_disposed_of_when_it_ends),
        runtime_test(without_dispose_the_call_waits_for_work_under_way),
        runtime_test(work_under_way_is_told_to_stop_when_the_wait_ends_early),
        runtime_test(work_that_cannot_be_left_is_begun_and_ended_beyond_deadline_and_cancellation),
        runtime_test(refused_work_is_disposed_of),
        runtime_test(the_simulated_clock_stands_still_while_work_is_under_way),
        cmocka_unit_test(a_runtime_waits_for_abandoned_work_when_it_ends),
        runtime_test(a_file_is_read_off_the_loop),
        runtime_test(a_file_of_unknown_size_is_bounded_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
