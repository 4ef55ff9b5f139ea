/* The mutex: exclusion, order, and what leaving early does. */
#include "child.h"
#include "rt_test.h"

#include <covet/sync.h>

struct user {
    struct history *history;
    cv_mutex *mutex;
    const char *word;
    int64_t within_ms;
};

static int use(cv_ctx *cx, void *arg)
{
    struct user *user = arg;
    int rc = 0;
    CV_WITHIN(cx, user->within_ms)
    {
        rc = cv_mutex_lock(cx, user->mutex);
    }
    if (rc < 0) {
        note(user->history, "-");
        return rc;
    }
    note(user->history, user->word);
    rc = cv_sleep_ms(cx, 10);
    note(user->history, user->word);
    cv_mutex_unlock(cx, user->mutex);
    return rc;
}

static void the_mutex_goes_round_in_order(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv_mutex mutex;
    cv_mutex_init(&mutex);
    struct user users[] = {{&history, &mutex, "a", 1000}, {&history, &mutex, "b", 1000}, {&history, &mutex, "c", 1000}};
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "user", use, &users[i], NULL));
    assert_ok(cx, cv_runtime_run(cx));
    assert_string_equal(history.text, "aabbcc");
    cv_mutex_done(&mutex);
}

static void who_is_late_leaves_the_queue(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv_mutex mutex;
    cv_mutex_init(&mutex);
    struct user users[] = {{&history, &mutex, "a", 1000}, {&history, &mutex, "b", 5}, {&history, &mutex, "c", 1000}};
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "user", use, &users[i], NULL));
    assert_ok(cx, cv_runtime_run(cx));
    assert_string_equal(history.text, "a-acc");
}

static void a_cancelled_waiter_hands_its_turn_on(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv_mutex mutex;
    cv_mutex_init(&mutex);
    struct user users[] = {{&history, &mutex, "a", 1000}, {&history, &mutex, "b", 1000}, {&history, &mutex, "c", 1000}};
    cv_fiber *fibers[3];
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "user", use, &users[i], &fibers[i]));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fibers[1]);
    assert_ok(cx, cv_join(cx, fibers[0], NULL));
    assert_fails(cx, cv_join(cx, fibers[1], NULL), CV_E_CANCELLED, "could not lock the mutex");
    assert_ok(cx, cv_join(cx, fibers[2], NULL));
    assert_string_equal(history.text, "a-acc");
}

static void who_was_handed_the_mutex_keeps_it_when_cancelled(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv_mutex mutex;
    cv_mutex_init(&mutex);
    struct user user = {&history, &mutex, "b", 1000};
    cv_fiber *fiber;
    assert_ok(cx, cv_mutex_lock(cx, &mutex));
    assert_ok(cx, cv_spawn(cx, "user", use, &user, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_mutex_unlock(cx, &mutex); /* hands over; the fiber has not run yet */
    assert_false(cv_mutex_try_lock(cx, &mutex));
    cv_cancel(fiber);
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_CANCELLED, "could not sleep");
    assert_string_equal(history.text, "bb");
    assert_true(cv_mutex_try_lock(cx, &mutex));
    cv_mutex_unlock(cx, &mutex);
}

static void locking_twice_is_refused(void **state)
{
    cv_ctx *cx = *state;
    cv_mutex mutex;
    cv_mutex_init(&mutex);
    assert_ok(cx, cv_mutex_lock(cx, &mutex));
    assert_fails(cx, cv_mutex_lock(cx, &mutex), CV_E_DEADLOCK_SELF, "\"main\" holds it already");
    cv_mutex_unlock(cx, &mutex);
}

static void unlock_unheld(void *arg)
{
    cv_mutex mutex;
    cv_mutex_init(&mutex);
    cv_mutex_unlock(arg, &mutex);
}

static void unlocking_what_another_holds_aborts(void **state)
{
    assert_child_aborts(unlock_unheld, *state, "\"main\" unlocked a mutex that it does not hold");
}

static void destroy_with_waiter(void *arg)
{
    cv_ctx *cx = arg;
    struct history history = {0};
    cv_mutex mutex;
    cv_mutex_init(&mutex);
    struct user user = {&history, &mutex, "a", 1000};
    if (!cv_mutex_try_lock(cx, &mutex) || cv_spawn(cx, "user", use, &user, NULL) < 0 || cv_yield(cx) < 0)
        return;
    cv_mutex_done(&mutex);
}

static void destroying_what_somebody_waits_for_aborts(void **state)
{
    assert_child_aborts(destroy_with_waiter, *state, "a mutex cannot be destroyed while somebody waits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(the_mutex_goes_round_in_order),
        runtime_test(who_is_late_leaves_the_queue),
        runtime_test(a_cancelled_waiter_hands_its_turn_on),
        runtime_test(who_was_handed_the_mutex_keeps_it_when_cancelled),
        runtime_test(locking_twice_is_refused),
        runtime_test(unlocking_what_another_holds_aborts),
        runtime_test(destroying_what_somebody_waits_for_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
