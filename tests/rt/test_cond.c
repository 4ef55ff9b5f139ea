/* The condition. */
#include "rt_test.h"

#include <covet/sync.h>

struct shared {
    cv_mutex mutex;
    cv_cond cond;
    struct history history;
    int items;
};

struct taker {
    struct shared *shared;
    const char *word;
};

static int take(cv_ctx *cx, void *arg)
{
    struct taker *taker = arg;
    struct shared *shared = taker->shared;
    CV_TRY(cv_mutex_lock(cx, &shared->mutex));
    int rc = 0;
    while (rc == 0 && shared->items == 0)
        rc = cv_cond_wait(cx, &shared->cond, &shared->mutex);
    if (rc == 0)
        shared->items--;
    note(&shared->history, rc == 0 ? taker->word : "-");
    cv_mutex_unlock(cx, &shared->mutex); /* aborts unless it is held, after an error too */
    return rc;
}

static void init(struct shared *shared)
{
    memset(shared, 0, sizeof *shared);
    cv_mutex_init(&shared->mutex);
    cv_cond_init(&shared->cond);
}

static void start_takers(cv_ctx *cx, struct taker *takers, cv_fiber **fibers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_ok(cx, cv_spawn(cx, "taker", take, &takers[i], &fibers[i]));
    assert_ok(cx, cv_yield(cx));
}

static void a_signal_wakes_the_first_waiter(void **state)
{
    cv_ctx *cx = *state;
    struct shared shared;
    init(&shared);
    struct taker takers[] = {{&shared, "a"}, {&shared, "b"}};
    cv_fiber *fibers[2];
    start_takers(cx, takers, fibers, 2);
    for (int i = 0; i < 2; i++) {
        shared.items++;
        cv_cond_signal(&shared.cond);
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    }
    assert_string_equal(shared.history.text, "ab");
    cv_cond_done(&shared.cond);
}

static void a_broadcast_wakes_all_but_the_item_goes_once(void **state)
{
    cv_ctx *cx = *state;
    struct shared shared;
    init(&shared);
    struct taker takers[] = {{&shared, "a"}, {&shared, "b"}, {&shared, "c"}};
    cv_fiber *fibers[3];
    start_takers(cx, takers, fibers, 3);
    shared.items = 2;
    cv_cond_broadcast(&shared.cond);
    assert_ok(cx, cv_yield(cx));
    assert_string_equal(shared.history.text, "ab");
    shared.items = 1;
    cv_cond_signal(&shared.cond);
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    assert_string_equal(shared.history.text, "abc");
}

static void a_cancelled_waiter_holds_the_mutex_again_and_loses_no_signal(void **state)
{
    cv_ctx *cx = *state;
    struct shared shared;
    init(&shared);
    struct taker takers[] = {{&shared, "a"}, {&shared, "b"}};
    cv_fiber *fibers[2];
    start_takers(cx, takers, fibers, 2);
    assert_ok(cx, cv_mutex_lock(cx, &shared.mutex)); /* the cancelled one must wait for it */
    cv_cancel(fibers[0]);
    assert_ok(cx, cv_yield(cx));
    assert_string_equal(shared.history.text, "");
    shared.items = 1;
    cv_cond_signal(&shared.cond);
    cv_mutex_unlock(cx, &shared.mutex);
    assert_fails(cx, cv_join(cx, fibers[0], NULL), CV_E_CANCELLED, "could not wait for the condition");
    assert_ok(cx, cv_join(cx, fibers[1], NULL));
    assert_string_equal(shared.history.text, "-b");
}

static void a_wait_without_a_mutex_ends_with_the_deadline(void **state)
{
    cv_ctx *cx = *state;
    cv_cond cond;
    cv_cond_init(&cond);
    CV_WITHIN(cx, 5)
    {
        assert_fails(cx, cv_cond_wait(cx, &cond, NULL), CV_E_TIMEOUT, "could not wait for the condition");
    }
    cv_cond_signal(&cond); /* nobody is left */
    cv_cond_done(&cond);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(a_signal_wakes_the_first_waiter),
        runtime_test(a_broadcast_wakes_all_but_the_item_goes_once),
        runtime_test(a_cancelled_waiter_holds_the_mutex_again_and_loses_no_signal),
        runtime_test(a_wait_without_a_mutex_ends_with_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
