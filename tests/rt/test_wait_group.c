/* The wait group. */
#include "child.h"
#include "rt_test.h"

#include <covet/sync.h>

static int work(cv_ctx *cx, void *arg)
{
    int rc = cv_sleep_ms(cx, 10);
    cv_wait_group_finish(arg);
    return rc;
}

static void a_wait_ends_when_everything_is_finished(void **state)
{
    cv_ctx *cx = *state;
    cv_wait_group group;
    cv_wait_group_init(&group);
    assert_ok(cx, cv_wait_group_wait(cx, &group)); /* nothing is pending */
    cv_wait_group_add(&group, 3);
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "work", work, &group, NULL));
    int64_t start_ns = cv_now_ns(cx);
    assert_ok(cx, cv_wait_group_wait(cx, &group));
    assert_int_equal(ms_since(cx, start_ns), 10);
    assert_int_equal(group.pending, 0);
    cv_wait_group_done(&group);
}

static void a_wait_is_bounded(void **state)
{
    cv_ctx *cx = *state;
    cv_wait_group group;
    cv_wait_group_init(&group);
    cv_wait_group_add(&group, 1);
    CV_WITHIN(cx, 5)
    {
        assert_fails(cx, cv_wait_group_wait(cx, &group), CV_E_TIMEOUT, "could not wait for the group");
    }
    cv_wait_group_finish(&group);
    cv_wait_group_done(&group);
}

static void finish_unknown(void *arg)
{
    (void)arg;
    cv_wait_group group;
    cv_wait_group_init(&group);
    cv_wait_group_finish(&group);
}

static void finishing_more_than_was_added_aborts(void **state)
{
    (void)state;
    assert_child_aborts(finish_unknown, NULL, "more is finished than was added");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(a_wait_ends_when_everything_is_finished),
        runtime_test(a_wait_is_bounded),
        cmocka_unit_test(finishing_more_than_was_added_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
