/* The counting semaphore. */
#include "rt_test.h"

#include <covet/sync.h>

struct waiter {
    struct history *history;
    cv_semaphore *semaphore;
    const char *word;
};

static int acquire(cv_ctx *cx, void *arg)
{
    struct waiter *waiter = arg;
    CV_TRY(cv_semaphore_acquire(cx, waiter->semaphore));
    note(waiter->history, waiter->word);
    return 0;
}

static void permits_are_counted(void **state)
{
    cv_ctx *cx = *state;
    cv_semaphore semaphore;
    cv_semaphore_init(&semaphore, 2);
    assert_ok(cx, cv_semaphore_acquire(cx, &semaphore));
    assert_true(cv_semaphore_try_acquire(&semaphore));
    assert_false(cv_semaphore_try_acquire(&semaphore));
    cv_semaphore_release(&semaphore);
    assert_true(cv_semaphore_try_acquire(&semaphore));
    cv_semaphore_done(&semaphore);
}

static void released_permits_go_to_waiters_in_order_and_nobody_overtakes(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv_semaphore semaphore;
    cv_semaphore_init(&semaphore, 0);
    struct waiter waiters[] = {{&history, &semaphore, "a"}, {&history, &semaphore, "b"}, {&history, &semaphore, "c"}};
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "waiter", acquire, &waiters[i], NULL));
    assert_ok(cx, cv_yield(cx));
    cv_semaphore_release(&semaphore);
    assert_false(cv_semaphore_try_acquire(&semaphore)); /* it is a's, though a has not run yet */
    cv_semaphore_release(&semaphore);
    cv_semaphore_release(&semaphore);
    assert_ok(cx, cv_runtime_run(cx));
    assert_string_equal(history.text, "abc");
}

static void a_waiter_cancelled_while_queued_hands_the_permit_on(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv_semaphore semaphore;
    cv_semaphore_init(&semaphore, 0);
    struct waiter waiters[] = {{&history, &semaphore, "a"}, {&history, &semaphore, "b"}};
    cv_fiber *fibers[2];
    for (int i = 0; i < 2; i++)
        assert_ok(cx, cv_spawn(cx, "waiter", acquire, &waiters[i], &fibers[i]));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fibers[0]); /* it has not run since: the permit must not go to it */
    cv_semaphore_release(&semaphore);
    assert_fails(cx, cv_join(cx, fibers[0], NULL), CV_E_CANCELLED, "could not acquire the semaphore");
    assert_ok(cx, cv_join(cx, fibers[1], NULL));
    assert_string_equal(history.text, "b");
    assert_int_equal(semaphore.permits, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(permits_are_counted),
        runtime_test(released_permits_go_to_waiters_in_order_and_nobody_overtakes),
        runtime_test(a_waiter_cancelled_while_queued_hands_the_permit_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
