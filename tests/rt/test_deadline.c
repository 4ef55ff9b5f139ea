/* Deadlines: CV_WITHIN, CV_SHIELD and what a wait does when its time is over. */
#include "rt_test.h"

#include <covet/sync.h>

static void a_block_bounds_its_waits_and_restores_the_deadline(void **state)
{
    cv_ctx *cx = *state;
    int64_t start_ns = cv_now_ns(cx);
    cv_semaphore never;
    cv_semaphore_init(&never, 0);
    assert_true(cv_ctx_deadline_ns(cx) == INT64_MAX);
    CV_WITHIN(cx, 250)
    {
        assert_true(cv_ctx_deadline_ns(cx) == start_ns + 250000000);
        assert_fails(cx, cv_semaphore_acquire(cx, &never), CV_E_TIMEOUT,
                     "could not acquire the semaphore: the deadline has passed");
    }
    assert_int_equal(ms_since(cx, start_ns), 250);
    assert_true(cv_ctx_deadline_ns(cx) == INT64_MAX);
}

static void an_inner_block_cannot_extend_the_outer(void **state)
{
    cv_ctx *cx = *state;
    int64_t outer_ns = 0;
    CV_WITHIN(cx, 10)
    {
        outer_ns = cv_ctx_deadline_ns(cx);
        CV_WITHIN(cx, 1000)
        {
            assert_true(cv_ctx_deadline_ns(cx) == outer_ns);
        }
        CV_WITHIN(cx, INT64_MAX)
        {
            assert_true(cv_ctx_deadline_ns(cx) == outer_ns);
        }
    }
}

static int leave_early(cv_ctx *cx)
{
    CV_WITHIN(cx, 5)
    {
        return 1;
    }
    return 0;
}

static void leaving_a_block_early_restores_the_deadline(void **state)
{
    cv_ctx *cx = *state;
    assert_int_equal(leave_early(cx), 1);
    assert_true(cv_ctx_deadline_ns(cx) == INT64_MAX);
}

static void an_expired_deadline_fails_every_wait_at_once(void **state)
{
    cv_ctx *cx = *state;
    cv_semaphore free_one;
    cv_semaphore_init(&free_one, 1);
    int64_t start_ns = cv_now_ns(cx);
    CV_WITHIN(cx, -5)
    {
        assert_fails(cx, cv_yield(cx), CV_E_TIMEOUT, "could not give way");
        assert_fails(cx, cv_sleep_ms(cx, 1), CV_E_TIMEOUT, "could not sleep");
        assert_fails(cx, cv_semaphore_acquire(cx, &free_one), CV_E_TIMEOUT, "the deadline has passed");
    }
    assert_int_equal(ms_since(cx, start_ns), 0);
    assert_int_equal(free_one.permits, 1);
}

static void a_sleep_beyond_the_deadline_fails_at_once(void **state)
{
    cv_ctx *cx = *state;
    int64_t start_ns = cv_now_ns(cx);
    CV_WITHIN(cx, 100)
    {
        assert_ok(cx, cv_sleep_ms(cx, 60));
        assert_fails(cx, cv_sleep_ms(cx, 60), CV_E_TIMEOUT, "the deadline comes first");
        assert_ok(cx, cv_sleep_ms(cx, 40)); /* ends with the deadline, not after it */
    }
    assert_int_equal(ms_since(cx, start_ns), 100);
}

static void a_shield_lets_an_expired_context_wait(void **state)
{
    cv_ctx *cx = *state;
    CV_WITHIN(cx, 0)
    {
        CV_SHIELD(cx, 50)
        {
            assert_ok(cx, cv_sleep_ms(cx, 30));
            assert_fails(cx, cv_sleep_ms(cx, 30), CV_E_TIMEOUT, "deadline");
        }
        assert_fails(cx, cv_yield(cx), CV_E_TIMEOUT, "deadline");
    }
}

static int note_deadline(cv_ctx *cx, void *arg)
{
    *(int64_t *)arg = cv_ctx_deadline_ns(cx);
    return 0;
}

static void a_fiber_inherits_its_spawners_deadline(void **state)
{
    cv_ctx *cx = *state;
    int64_t seen_ns = 0;
    cv_fiber *fiber;
    CV_WITHIN(cx, 70)
    {
        assert_ok(cx, cv_spawn(cx, "heir", note_deadline, &seen_ns, &fiber));
        assert_ok(cx, cv_join(cx, fiber, NULL));
        assert_true(seen_ns == cv_ctx_deadline_ns(cx));
    }
}

struct queued {
    struct history *history;
    cv_semaphore *semaphore;
    const char *word;
    int64_t ms;
};

static int acquire_within(cv_ctx *cx, void *arg)
{
    struct queued *queued = arg;
    int rc = 0;
    CV_WITHIN(cx, queued->ms)
    {
        rc = cv_semaphore_acquire(cx, queued->semaphore);
    }
    cv_error_clear(cx);
    note(queued->history, rc == 0 ? queued->word : rc == CV_E_TIMEOUT ? "-" : "?");
    return 0;
}

static void who_runs_out_of_time_while_queued_loses_nothing_for_the_others(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv_semaphore semaphore;
    cv_semaphore_init(&semaphore, 0);
    struct queued waiters[] = {{&history, &semaphore, "a", 10}, {&history, &semaphore, "b", 1000}};
    for (int i = 0; i < 2; i++)
        assert_ok(cx, cv_spawn(cx, "queued", acquire_within, &waiters[i], NULL));
    assert_ok(cx, cv_sleep_ms(cx, 20));
    cv_semaphore_release(&semaphore);
    assert_ok(cx, cv_runtime_run(cx));
    assert_string_equal(history.text, "-b");
    assert_int_equal(semaphore.permits, 0);
}

static void a_context_without_a_runtime_keeps_deadlines_but_cannot_wait(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    CV_WITHIN(cx, 1000)
    {
        assert_true(cv_ctx_deadline_ns(cx) > cv_now_ns(cx));
        CV_SHIELD(cx, 50)
        {
            assert_fails(cx, cv_sleep_ms(cx, 1), CV_E_CONTEXT, "cannot sleep: the context has no runtime");
        }
    }
    assert_true(cv_ctx_deadline_ns(cx) == INT64_MAX);
    assert_int_equal(cv_fiber_count(cx), 0);
    cv_ctx_free(cx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(a_block_bounds_its_waits_and_restores_the_deadline),
        runtime_test(an_inner_block_cannot_extend_the_outer),
        runtime_test(leaving_a_block_early_restores_the_deadline),
        runtime_test(an_expired_deadline_fails_every_wait_at_once),
        runtime_test(a_sleep_beyond_the_deadline_fails_at_once),
        runtime_test(a_shield_lets_an_expired_context_wait),
        runtime_test(a_fiber_inherits_its_spawners_deadline),
        runtime_test(who_runs_out_of_time_while_queued_loses_nothing_for_the_others),
        cmocka_unit_test(a_context_without_a_runtime_keeps_deadlines_but_cannot_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
