/* Cancellation: where it arrives, once, and what cleaning up may still do. */
#include "child.h"
#include "rt_test.h"

#include <covet/sync.h>

struct probe {
    int first, second, third;
    int64_t took_ms;
    bool was_cancelled;
    cv_fiber *other;
};

static int sleep_twice(cv_ctx *cx, void *arg)
{
    struct probe *probe = arg;
    probe->first = cv_sleep_ms(cx, 1000);
    cv_error_clear(cx);
    probe->was_cancelled = cv_is_cancelled(cx);
    probe->second = cv_sleep_ms(cx, 10);
    cv_error_clear(cx);
    return 0;
}

static void a_sleeper_is_cancelled_once(void **state)
{
    cv_ctx *cx = *state;
    struct probe probe = {0};
    cv_fiber *fiber;
    int64_t start_ns = cv_now_ns(cx);
    assert_ok(cx, cv_spawn(cx, "sleeper", sleep_twice, &probe, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fiber);
    cv_cancel(fiber);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(probe.first, CV_E_CANCELLED);
    assert_int_equal(probe.second, 0);
    assert_true(probe.was_cancelled);
    assert_int_equal(ms_since(cx, start_ns), 10);
}

static void a_fiber_cancelled_before_it_runs_learns_at_its_first_wait(void **state)
{
    cv_ctx *cx = *state;
    struct probe probe = {0};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "sleeper", sleep_twice, &probe, &fiber));
    cv_cancel(fiber);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(probe.first, CV_E_CANCELLED);
}

static int wait_long_after_cancel(cv_ctx *cx, void *arg)
{
    struct probe *probe = arg;
    cv_semaphore never;
    cv_semaphore_init(&never, 0);
    probe->first = cv_sleep_ms(cx, 1000);
    cv_error_clear(cx);
    int64_t start_ns = cv_now_ns(cx);
    probe->second = cv_semaphore_acquire(cx, &never);
    probe->took_ms = ms_since(cx, start_ns);
    cv_error_clear(cx);
    probe->third = cv_sleep_ms(cx, 60);
    cv_error_clear(cx);
    return 0;
}

static void cleaning_up_may_wait_50_ms_at_a_time(void **state)
{
    cv_ctx *cx = *state;
    struct probe probe = {0};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "sleeper", wait_long_after_cancel, &probe, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fiber);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(probe.second, CV_E_TIMEOUT);
    assert_int_equal(probe.took_ms, 50);
    assert_int_equal(probe.third, CV_E_TIMEOUT); /* known beforehand */
}

static int shielded_work(cv_ctx *cx, void *arg)
{
    struct probe *probe = arg;
    CV_SHIELD(cx, 200)
    {
        probe->first = cv_sleep_ms(cx, 150);
        probe->was_cancelled = cv_is_cancelled(cx);
    }
    probe->second = cv_yield(cx);
    return 0;
}

static void a_shield_holds_a_cancellation_off(void **state)
{
    cv_ctx *cx = *state;
    struct probe probe = {0};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "shielded", shielded_work, &probe, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fiber);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(probe.first, 0);
    assert_true(probe.was_cancelled);
    assert_int_equal(probe.second, CV_E_CANCELLED);
}

static int clean_up_in_shield(cv_ctx *cx, void *arg)
{
    struct probe *probe = arg;
    probe->first = cv_sleep_ms(cx, 1000);
    cv_error_clear(cx);
    int64_t start_ns = cv_now_ns(cx);
    CV_SHIELD(cx, 80)
    {
        probe->second = cv_sleep_ms(cx, 70);
        CV_SHIELD(cx, 500) /* no longer than the outer one */
        {
            cv_semaphore never;
            cv_semaphore_init(&never, 0);
            probe->third = cv_semaphore_acquire(cx, &never);
            cv_error_clear(cx);
        }
    }
    probe->took_ms = ms_since(cx, start_ns);
    return 0;
}

static void a_shield_gives_cleaning_up_its_budget(void **state)
{
    cv_ctx *cx = *state;
    struct probe probe = {0};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "cleaner", clean_up_in_shield, &probe, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fiber);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(probe.first, CV_E_CANCELLED);
    assert_int_equal(probe.second, 0);
    assert_int_equal(probe.third, CV_E_TIMEOUT);
    assert_int_equal(probe.took_ms, 80);
}

static int join_other(cv_ctx *cx, void *arg)
{
    struct probe *probe = arg;
    bool joined = true;
    probe->first = cv_join(cx, probe->other, &joined);
    probe->second = joined;
    return probe->first;
}

static int sleep_briefly(cv_ctx *cx, void *arg)
{
    CV_TRY(cv_sleep_ms(cx, 20));
    ++*(int *)arg;
    return 7;
}

static void a_cancelled_join_leaves_the_fiber_to_be_joined_again(void **state)
{
    cv_ctx *cx = *state;
    struct probe probe = {0};
    int done = 0;
    cv_fiber *joiner;
    assert_ok(cx, cv_spawn(cx, "slow", sleep_briefly, &done, &probe.other));
    assert_ok(cx, cv_spawn(cx, "joiner", join_other, &probe, &joiner));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(joiner);
    assert_fails(cx, cv_join(cx, joiner, NULL), CV_E_CANCELLED, "could not wait for a fiber: the fiber was cancelled");
    assert_false(probe.second);
    assert_int_equal(cv_join(cx, probe.other, NULL), 7);
    assert_int_equal(done, 1);
}

static int join_and_forget(cv_ctx *cx, void *arg)
{
    return cv_join(cx, ((struct probe *)arg)->other, NULL);
}

static void a_cancelled_join_without_a_flag_detaches(void **state)
{
    cv_ctx *cx = *state;
    struct probe probe = {0};
    int done = 0;
    cv_fiber *joiner;
    assert_ok(cx, cv_spawn(cx, "slow", sleep_briefly, &done, &probe.other));
    assert_ok(cx, cv_spawn(cx, "joiner", join_and_forget, &probe, &joiner));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(joiner);
    assert_fails(cx, cv_join(cx, joiner, NULL), CV_E_CANCELLED, "wait for a fiber");
    assert_ok(cx, cv_runtime_run(cx));
    assert_int_equal(done, 1);
}

static int never_yield(cv_ctx *cx, void *arg)
{
    (void)cx;
    return *(int *)arg;
}

static void an_expired_join_of_an_ended_fiber_still_frees_it(void **state)
{
    cv_ctx *cx = *state;
    int value = 3;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "quick", never_yield, &value, &fiber));
    assert_ok(cx, cv_yield(cx));
    CV_WITHIN(cx, 0)
    {
        assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_TIMEOUT, "the deadline has passed");
    }
}

static void cancelling_a_fiber_that_ended_has_no_effect(void **state)
{
    cv_ctx *cx = *state;
    int value = 5;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "quick", never_yield, &value, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fiber);
    assert_int_equal(cv_join(cx, fiber, NULL), 5);
}

static void join_twice(void *arg)
{
    cv_ctx *cx = arg;
    struct probe probe = {0};
    cv_fiber *joiner;
    int done = 0;
    if (cv_spawn(cx, "slow", sleep_briefly, &done, &probe.other) < 0 ||
        cv_spawn(cx, "joiner", join_other, &probe, &joiner) < 0 || cv_yield(cx) < 0)
        return;
    (void)cv_join(cx, probe.other, NULL);
}

static void joining_twice_aborts(void **state)
{
    assert_child_aborts(join_twice, *state, "fiber \"slow\" is joined twice");
}

static int cancel_itself(cv_ctx *cx, void *arg)
{
    cv_cancel(*(cv_fiber **)arg);
    return cv_yield(cx);
}

static void a_fiber_may_cancel_itself(void **state)
{
    cv_ctx *cx = *state;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "quitter", cancel_itself, &fiber, &fiber));
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_CANCELLED, "could not give way");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(a_sleeper_is_cancelled_once),
        runtime_test(a_fiber_cancelled_before_it_runs_learns_at_its_first_wait),
        runtime_test(cleaning_up_may_wait_50_ms_at_a_time),
        runtime_test(a_shield_holds_a_cancellation_off),
        runtime_test(a_shield_gives_cleaning_up_its_budget),
        runtime_test(a_cancelled_join_leaves_the_fiber_to_be_joined_again),
        runtime_test(a_cancelled_join_without_a_flag_detaches),
        runtime_test(an_expired_join_of_an_ended_fiber_still_frees_it),
        runtime_test(cancelling_a_fiber_that_ended_has_no_effect),
        runtime_test(joining_twice_aborts),
        runtime_test(a_fiber_may_cancel_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
