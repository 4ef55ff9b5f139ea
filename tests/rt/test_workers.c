/* Workers: their threads, how they start and stop, and how all of them are asked. */
#include "await.h"
#include "rt_test.h"

#include <assert.h>
#include <covet/sync.h>
#include <covet/workers.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

enum { MOST = 8 };

/* What the workers of a test did; each writes its own places. */
struct trace {
    pthread_t threads[MOST];
    cv_ctx *mains[MOST];
    bool blocks_term[MOST];
    atomic_int started, stopped, asked, disposed;
    int fail_at; /* worker whose start fails; 0: none */
    int (*slow_start)(cv_ctx *main, size_t index);
    atomic_bool gate; /* fibers that hold a loop go on when it is open */
    atomic_bool held;
};

static int set_up(void **state)
{
    cv_ctx *cx = NULL;
    int rc = cv_runtime_new(NULL, &cx);
    *state = cx;
    return rc;
}

static int on_start(cv_ctx *main, size_t index, void *arg)
{
    struct trace *trace = arg;
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    trace->blocks_term[index] = sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGSEGV);
    trace->threads[index] = pthread_self();
    trace->mains[index] = main;
    trace->started++;
    if (trace->slow_start)
        CV_TRY(trace->slow_start(main, index));
    if (trace->fail_at && (size_t)trace->fail_at == index)
        return cv_fail(main, CV_E_REFUSED, "worker %zu has no mind to", index);
    return 0;
}

static void on_stop(cv_ctx *main, size_t index, void *arg)
{
    struct trace *trace = arg;
    assert(trace->mains[index] == main);
    trace->stopped++;
}

static cv_workers_options options_of(struct trace *trace, size_t count)
{
    return (cv_workers_options){.count = count, .start = on_start, .stop = on_stop, .arg = trace};
}

static cv_workers *start(cv_ctx *cx, struct trace *trace, size_t count)
{
    cv_workers *workers = NULL;
    cv_workers_options options = options_of(trace, count);
    assert_ok(cx, cv_workers_start(cx, &options, &workers));
    return workers;
}

/* ---- life ---- */

static void each_worker_has_a_thread_and_a_runtime_of_its_own(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 3);
    assert_int_equal(cv_workers_count(workers), 3);
    assert_int_equal(trace.started, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_false(pthread_equal(trace.threads[i], pthread_self()));
        assert_ptr_not_equal(trace.mains[i], cx);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(trace.mains[i], trace.mains[j]);
    }
    cv_workers_stop(cx, workers);
    assert_int_equal(trace.stopped, 3);
    cv_workers_stop(cx, NULL);
}

static void signals_are_left_to_the_starter(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 2);
    cv_workers_stop(cx, workers);
    assert_true(trace.blocks_term[0] && trace.blocks_term[1]);
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_false(sigismember(&mask, SIGTERM));
}

static void without_a_count_there_is_one_a_core(void **state)
{
    cv_ctx *cx = *state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 0);
    assert_int_equal(cv_workers_count(workers), 1);
    cv_workers_stop(cx, workers);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

static void too_many_workers_are_refused(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers;
    cv_workers_options options = options_of(&trace, 257);
    assert_fails(cx, cv_workers_start(cx, &options, &workers), CV_E_LIMIT, "at most 256");
}

static void one_that_fails_stops_all_and_is_told(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {.fail_at = 1};
    cv_workers *workers = NULL;
    cv_workers_options options = options_of(&trace, 3);
    assert_fails(cx, cv_workers_start(cx, &options, &workers), CV_E_REFUSED, "worker 1 has no mind to");
    assert_null(workers);
    assert_int_equal(trace.started, 3);
    assert_int_equal(trace.stopped, 3);
}

static int fail_without_story(cv_ctx *main, size_t index)
{
    (void)main;
    return index == 0 ? CV_E_BUSY : 0;
}

static void failure_without_a_story_names_the_worker(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {.slow_start = fail_without_story};
    cv_workers *workers;
    cv_workers_options options = options_of(&trace, 2);
    assert_fails(cx, cv_workers_start(cx, &options, &workers), CV_E_BUSY, "worker 0 did not start");
}

static void runtime_that_cannot_be_made_is_told(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers;
    cv_workers_options options = options_of(&trace, 2);
    options.runtime.stack_bytes = 1;
    assert_fails(cx, cv_workers_start(cx, &options, &workers), CV_E_INVALID, "could not start worker 0");
    assert_int_equal(trace.started, 0);
}

static int sleep_long(cv_ctx *main, size_t index)
{
    return index == 1 ? cv_sleep_ms(main, INT64_C(3600) * 1000) : 0;
}

static void waits_of_a_start_end_with_the_deadline(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {.slow_start = sleep_long};
    cv_workers *workers;
    cv_workers_options options = options_of(&trace, 2);
    CV_WITHIN(cx, 50)
    {
        assert_fails(cx, cv_workers_start(cx, &options, &workers), CV_E_TIMEOUT, "deadline");
    }
    assert_int_equal(trace.stopped, 2);
}

static atomic_bool released, came_back;

static int hang(cv_ctx *main, size_t index)
{
    (void)main;
    (void)index;
    hold_until(released);
    return 0;
}

static void note_return(cv_ctx *main, size_t index, void *arg)
{
    (void)main;
    (void)index;
    (void)arg;
    came_back = true;
}

static void worker_that_does_not_come_back_is_named_and_left_behind(void **state)
{
    cv_ctx *cx = *state;
    static struct trace trace;
    trace = (struct trace){.slow_start = hang};
    cv_workers *workers;
    cv_workers_options options = options_of(&trace, 1);
    options.stop = note_return;
    CV_WITHIN(cx, 1)
    {
        assert_fails(cx, cv_workers_start(cx, &options, &workers), CV_E_TIMEOUT, "worker 0 did not start in time");
    }
    assert_false(came_back);
    released = true;
    await_blocked(came_back);
}

static int start_forever(cv_ctx *cx, void *arg)
{
    cv_workers_options options = options_of(arg, 1);
    cv_workers *workers;
    return cv_workers_start(cx, &options, &workers);
}

static atomic_bool may_start;

static int sleep_until_allowed(cv_ctx *main, size_t index)
{
    (void)index;
    while (!may_start)
        CV_TRY(cv_sleep_ms(main, 1));
    return 0;
}

static void start_can_be_cancelled(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {.slow_start = sleep_until_allowed};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "starter", start_forever, &trace, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fiber);
    may_start = true;
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_CANCELLED, "start the workers");
    assert_int_equal(trace.stopped, trace.started);
}

static void waiting_workers_do_not_hide_a_deadlock(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 1);
    cv_cond never;
    cv_cond_init(&never);
    assert_fails(cx, cv_cond_wait(cx, &never, NULL), CV_E_DEADLOCK_SELF, "");
    cv_workers_stop(cx, workers);
}

static void metrics_are_each_workers_own(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 2);
    assert_ptr_not_equal(cv_workers_metrics(workers, 0), cv_workers_metrics(workers, 1));
    cv_buf text;
    cv_buf_init(&text, 0);
    cv_metrics_expose(cv_workers_metrics(workers, 1), &text);
    assert_non_null(strstr(text.data, "covet_fibers"));
    cv_buf_done(&text);
    cv_workers_stop(cx, workers);
}

/* ---- asking all ---- */

static int ask(cv_ctx *cx, size_t index, void *arg)
{
    struct trace *trace = arg;
    assert(pthread_equal(pthread_self(), trace->threads[index]));
    CV_TRY(cv_sleep_ms(cx, 1));
    trace->asked++;
    return 0;
}

static void dispose(void *arg)
{
    ((struct trace *)arg)->disposed++;
}

static void all_workers_are_asked_in_their_threads(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 3);
    for (int round = 1; round <= 100; round++) {
        assert_ok(cx, cv_workers_each(cx, workers, ask, &trace, dispose));
        assert_int_equal(trace.asked, 3 * round);
        assert_int_equal(trace.disposed, round);
    }
    assert_ok(cx, cv_workers_each(cx, workers, ask, &trace, NULL));
    assert_int_equal(trace.disposed, 100);
    cv_workers_stop(cx, workers);
}

static int ask_and_fail(cv_ctx *cx, size_t index, void *arg)
{
    CV_TRY(ask(cx, index, arg));
    return index == 2 ? cv_fail(cx, CV_E_RANGE, "worker %zu cannot count", index) : 0;
}

static void failure_of_one_is_returned_when_all_have_answered(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 3);
    assert_fails(cx, cv_workers_each(cx, workers, ask_and_fail, &trace, dispose), CV_E_RANGE, "worker 2 cannot count");
    assert_int_equal(trace.asked, 3);
    assert_int_equal(trace.disposed, 1);
    cv_workers_stop(cx, workers);
}

static int hold_loop(cv_ctx *cx, void *arg)
{
    struct trace *trace = arg;
    (void)cx;
    trace->held = true;
    hold_until(trace->gate);
    return 0;
}

static int hold_first(cv_ctx *cx, size_t index, void *arg)
{
    return index == 0 ? cv_spawn(cx, "greedy", hold_loop, arg, NULL) : 0;
}

static void silent_worker_is_named_with_the_fiber_that_holds_its_loop(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 2);
    assert_ok(cx, cv_workers_each(cx, workers, hold_first, &trace, NULL));
    await_blocked(trace.held);
    CV_WITHIN(cx, 30)
    {
        assert_fails(cx, cv_workers_each(cx, workers, ask, &trace, dispose), CV_E_TIMEOUT,
                     "worker 0 did not answer in time: the fiber \"greedy\" holds its loop");
    }
    assert_int_equal(trace.disposed, 0);
    trace.gate = true;
    assert_ok(cx, cv_workers_each(cx, workers, ask, &trace, NULL));
    await_turns(cx, trace.disposed > 0);
    cv_workers_stop(cx, workers);
    assert_int_equal(trace.disposed, 1);
}

static int sleep_at_worker(cv_ctx *cx, size_t index, void *arg)
{
    (void)index;
    (void)arg;
    return cv_sleep_ms(cx, INT64_C(3600) * 1000);
}

static void deadline_of_the_caller_holds_for_the_workers(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 2);
    CV_WITHIN(cx, 10000)
    {
        assert_fails(cx, cv_workers_each(cx, workers, sleep_at_worker, &trace, dispose), CV_E_TIMEOUT,
                     "the deadline comes first");
    }
    assert_int_equal(trace.disposed, 1);
    cv_workers_stop(cx, workers);
}

static int wait_at_worker(cv_ctx *cx, size_t index, void *arg)
{
    (void)index;
    (void)arg;
    cv_cond never;
    cv_cond_init(&never);
    return cv_cond_wait(cx, &never, NULL);
}

static void stop_ends_what_still_runs_in_the_workers(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 2);
    CV_WITHIN(cx, 5)
    {
        int rc = cv_workers_each(cx, workers, wait_at_worker, &trace, dispose);
        assert_int_equal(rc, CV_E_TIMEOUT);
        cv_error_clear(cx);
    }
    cv_workers_stop(cx, workers);
    assert_int_equal(trace.disposed, 1);
}

struct inner {
    struct trace *trace;
    cv_workers *workers;
};

static int ask_from_worker(cv_ctx *cx, size_t index, void *arg)
{
    struct inner *inner = arg;
    return index == 1 ? cv_workers_each(cx, inner->workers, ask, inner->trace, dispose) : 0;
}

static void worker_can_ask_all(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 3);
    struct inner inner = {&trace, workers};
    assert_ok(cx, cv_workers_each(cx, workers, ask_from_worker, &inner, NULL));
    assert_int_equal(trace.asked, 3);
    assert_int_equal(trace.disposed, 1);
    cv_workers_stop(cx, workers);
}

static void *ask_from_elsewhere(void *arg)
{
    struct inner *inner = arg;
    cv_ctx *cx = NULL;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    assert_fails(cx, cv_workers_each(cx, inner->workers, ask, inner->trace, dispose), CV_E_CONTEXT, "another runtime");
    cv_runtime_free(cx);
    return NULL;
}

static void others_cannot_ask(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = start(cx, &trace, 1);
    struct inner inner = {&trace, workers};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ask_from_elsewhere, &inner), 0);
    pthread_join(thread, NULL);
    assert_int_equal(trace.disposed, 1);
    assert_int_equal(trace.asked, 0);
    cv_workers_stop(cx, workers);
}

static int take_last_fiber(cv_ctx *cx, size_t index, void *arg)
{
    (void)index;
    cv_workers *workers = arg;
    return cv_workers_each(cx, workers, wait_at_worker, NULL, NULL);
}

static void worker_without_a_fiber_left_is_told(void **state)
{
    cv_ctx *cx = *state;
    struct trace trace = {0};
    cv_workers *workers = NULL;
    cv_workers_options options = options_of(&trace, 1);
    options.runtime.max_fibers = 1;
    assert_ok(cx, cv_workers_start(cx, &options, &workers));
    assert_fails(cx, cv_workers_each(cx, workers, take_last_fiber, workers, NULL), CV_E_LIMIT,
                 "worker 0 could not be asked");
    cv_workers_stop(cx, workers);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_runtime)
    const struct CMUnitTest tests[] = {
        CASE(each_worker_has_a_thread_and_a_runtime_of_its_own),
        CASE(signals_are_left_to_the_starter),
        CASE(without_a_count_there_is_one_a_core),
        CASE(too_many_workers_are_refused),
        CASE(one_that_fails_stops_all_and_is_told),
        CASE(failure_without_a_story_names_the_worker),
        CASE(runtime_that_cannot_be_made_is_told),
        CASE(waits_of_a_start_end_with_the_deadline),
        CASE(worker_that_does_not_come_back_is_named_and_left_behind),
        CASE(start_can_be_cancelled),
        runtime_test(waiting_workers_do_not_hide_a_deadlock),
        CASE(metrics_are_each_workers_own),
        CASE(all_workers_are_asked_in_their_threads),
        CASE(failure_of_one_is_returned_when_all_have_answered),
        CASE(silent_worker_is_named_with_the_fiber_that_holds_its_loop),
        CASE(deadline_of_the_caller_holds_for_the_workers),
        CASE(stop_ends_what_still_runs_in_the_workers),
        CASE(worker_can_ask_all),
        CASE(others_cannot_ask),
        CASE(worker_without_a_fiber_left_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
