/* The clocks: the simulated one is exact, the real one never early. */
#include "await.h"
#include "rt_test.h"

#include "rt/wait.h"
#include <covet/sync.h>

enum { SLEEPERS = 1000 };

struct sleeper {
    int64_t ms;
    int64_t woken_ns;
    size_t *next_place;
    size_t place;
};

static int sleep_once(cv_ctx *cx, void *arg)
{
    struct sleeper *sleeper = arg;
    int rc = cv_sleep_ms(cx, sleeper->ms);
    sleeper->woken_ns = cv_now_ns(cx);
    sleeper->place = (*sleeper->next_place)++;
    return rc;
}

static void time_stands_still_while_anything_runs(void **state)
{
    cv_ctx *cx = *state;
    int64_t start_ns = cv_now_ns(cx);
    for (int i = 0; i < 1000; i++)
        assert_ok(cx, cv_yield(cx));
    assert_true(cv_now_ns(cx) == start_ns);
}

static void a_sleep_ends_exactly_on_time(void **state)
{
    cv_ctx *cx = *state;
    int64_t start_ns = cv_now_ns(cx);
    assert_ok(cx, cv_sleep_ms(cx, 3600 * 1000));
    assert_true(cv_now_ns(cx) - start_ns == (int64_t)3600 * 1000000000);
}

/* A fixed sequence that looks random. */
static unsigned scramble(unsigned value)
{
    return value * 1664525u + 1013904223u;
}

static void many_sleepers_wake_in_the_order_of_their_times(void **state)
{
    cv_ctx *cx = *state;
    static struct sleeper sleepers[SLEEPERS];
    size_t next_place = 0;
    unsigned value = 1;
    int64_t start_ns = cv_now_ns(cx);
    for (int i = 0; i < SLEEPERS; i++) {
        value = scramble(value);
        sleepers[i] = (struct sleeper){.ms = 1 + (value >> 16) % 300, .next_place = &next_place};
        assert_ok(cx, cv_spawn(cx, "sleeper", sleep_once, &sleepers[i], NULL));
    }
    assert_ok(cx, cv_runtime_run(cx));
    for (int i = 0; i < SLEEPERS; i++) {
        assert_true(sleepers[i].woken_ns - start_ns == sleepers[i].ms * 1000000);
        for (int j = 0; j < i; j++) {
            bool is_earlier = sleepers[j].ms <= sleepers[i].ms; /* equal times: first in, first out */
            assert_true((sleepers[j].place < sleepers[i].place) == is_earlier);
        }
    }
}

static void timers_of_waits_that_ended_early_leave_the_others_alone(void **state)
{
    cv_ctx *cx = *state;
    static struct sleeper sleepers[SLEEPERS];
    static cv_fiber *fibers[SLEEPERS];
    size_t next_place = 0;
    unsigned value = 7;
    int64_t start_ns = cv_now_ns(cx);
    for (int i = 0; i < SLEEPERS; i++) {
        value = scramble(value);
        sleepers[i] = (struct sleeper){.ms = 1 + (value >> 16) % 300, .next_place = &next_place};
        assert_ok(cx, cv_spawn(cx, "sleeper", sleep_once, &sleepers[i], &fibers[i]));
    }
    assert_ok(cx, cv_sleep_ms(cx, 100));
    for (int i = 0; i < SLEEPERS; i += 2)
        cv_cancel(fibers[i]);
    for (int i = 0; i < SLEEPERS; i++) {
        bool is_cut = i % 2 == 0 && sleepers[i].ms > 100;
        int rc = cv_join(cx, fibers[i], NULL);
        assert_int_equal(rc, is_cut ? CV_E_CANCELLED : 0);
        cv_error_clear(cx);
        assert_true(sleepers[i].woken_ns - start_ns == (is_cut ? 100 : sleepers[i].ms) * 1000000);
    }
}

static int tick(cv_ctx *cx, void *arg)
{
    for (int i = 0; i < 10; i++) {
        CV_TRY(cv_sleep_ms(cx, 7));
        ++*(int *)arg;
    }
    return 0;
}

static void the_main_context_sleeps_beside_fibers(void **state)
{
    cv_ctx *cx = *state;
    int ticks = 0;
    assert_ok(cx, cv_spawn(cx, "ticker", tick, &ticks, NULL));
    assert_ok(cx, cv_sleep_ms(cx, 36));
    assert_int_equal(ticks, 5);
}

static void the_real_clock_is_never_early(void **state)
{
    (void)state;
    cv_ctx *cx;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    for (int i = 0; i < 5; i++) {
        int64_t start_ns = cv_now_ns(cx);
        assert_ok(cx, cv_sleep_ms(cx, 2));
        assert_true(cv_now_ns(cx) - start_ns >= 2000000);
    }
    cv_semaphore never;
    cv_semaphore_init(&never, 0);
    int64_t start_ns = cv_now_ns(cx);
    CV_WITHIN(cx, 3)
    {
        assert_fails(cx, cv_semaphore_acquire(cx, &never), CV_E_TIMEOUT, "deadline");
    }
    assert_true(cv_now_ns(cx) - start_ns >= 3000000);
    cv_runtime_free(cx);
}

static void a_later_timer_does_not_hide_an_earlier_one(void **state)
{
    (void)state;
    cv_ctx *cx;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    size_t next_place = 0;
    struct sleeper sleepers[] = {{.ms = 100000, .next_place = &next_place}, {.ms = 3, .next_place = &next_place}};
    cv_fiber *fibers[2];
    for (int i = 0; i < 2; i++)
        assert_ok(cx, cv_spawn(cx, "sleeper", sleep_once, &sleepers[i], &fibers[i]));
    assert_ok(cx, cv_join(cx, fibers[1], NULL));
    cv_cancel(fibers[0]);
    assert_fails(cx, cv_join(cx, fibers[0], NULL), CV_E_CANCELLED, "could not sleep");
    cv_runtime_free(cx);
}

struct alarm {
    cv__timer timer;
    const cv_ctx *cx;
    int64_t again_ms; /* 0: once */
    int fired;
    int64_t fired_ns;
};

static void fire(cv__timer *timer)
{
    struct alarm *a = (struct alarm *)(void *)timer;
    a->fired++;
    a->fired_ns = cv_now_ns(a->cx);
    if (a->again_ms)
        cv__timer_start(a->cx, timer, a->fired_ns + a->again_ms * 1000000);
}

static struct alarm alarm_of(const cv_ctx *cx)
{
    return (struct alarm){.timer.fire = fire, .cx = cx};
}

static void a_timer_calls_back_on_time_on_the_simulated_clock(void **state)
{
    cv_ctx *cx = *state;
    int64_t start_ns = cv_now_ns(cx);
    struct alarm once = alarm_of(cx), moved = alarm_of(cx), stopped = alarm_of(cx), again = alarm_of(cx);
    again.again_ms = 1000;
    cv__timer_start(cx, &once.timer, start_ns + 10);
    cv__timer_start(cx, &moved.timer, start_ns + 20);
    cv__timer_start(cx, &moved.timer, start_ns + 30000000000);
    cv__timer_start(cx, &stopped.timer, start_ns + 15);
    cv__timer_start(cx, &again.timer, start_ns + 1000000000);
    cv__timer_stop(cx, &stopped.timer);
    assert_int_equal(once.fired, 0);
    assert_ok(cx, cv_sleep_ms(cx, 60000));
    assert_int_equal(once.fired, 1);
    assert_true(once.fired_ns == start_ns + 10);
    assert_int_equal(moved.fired, 1);
    assert_true(moved.fired_ns == start_ns + 30000000000);
    assert_int_equal(stopped.fired, 0);
    assert_in_range(again.fired, 59, 60);
    assert_true(cv__loop_now_ns(cx) == cv_now_ns(cx));
}

static void a_timer_calls_back_on_the_real_clock_and_a_stopped_one_keeps_nobody(void **state)
{
    (void)state;
    cv_ctx *cx;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    int64_t start_ns = cv_now_ns(cx);
    struct alarm soon = alarm_of(cx), late = alarm_of(cx);
    cv__timer_start(cx, &late.timer, start_ns + INT64_C(3600000000000));
    cv__timer_start(cx, &soon.timer, start_ns + 3000000);
    await_turns(cx, soon.fired);
    assert_true(soon.fired_ns >= start_ns + 3000000);
    assert_in_range(cv__loop_now_ns(cx), start_ns - 1000000, cv_now_ns(cx));
    cv__timer_stop(cx, &late.timer);
    cv_cond never;
    cv_cond_init(&never);
    assert_fails(cx, cv_cond_wait(cx, &never, NULL), CV_E_DEADLOCK_SELF, "nothing is left");
    assert_int_equal(late.fired, 0);
    cv_runtime_free(cx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(a_timer_calls_back_on_time_on_the_simulated_clock),
        cmocka_unit_test(a_timer_calls_back_on_the_real_clock_and_a_stopped_one_keeps_nobody),
        runtime_test(time_stands_still_while_anything_runs),
        runtime_test(a_sleep_ends_exactly_on_time),
        runtime_test(many_sleepers_wake_in_the_order_of_their_times),
        runtime_test(timers_of_waits_that_ended_early_leave_the_others_alone),
        runtime_test(the_main_context_sleeps_beside_fibers),
        cmocka_unit_test(the_real_clock_is_never_early),
        cmocka_unit_test(a_later_timer_does_not_hide_an_earlier_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
