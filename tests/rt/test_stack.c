/* Stacks: running over one ends the process, naming the fiber; backtraces end at the fiber's first frame. */
#include "child.h"
#include "rt_test.h"

#include "rt/annotate.h"

#include <execinfo.h>
#include <limits.h>
#include <sys/mman.h>

static int recurse(volatile int *depth, int left)
{
    volatile char frame[512];
    frame[0] = (char)left;
    ++*depth;
    if (left == 0)
        return frame[0];
    int below = recurse(depth, left - 1);
    return below + frame[0];
}

struct dive {
    int frames;
    volatile int depth;
};

static int dive(cv_ctx *cx, void *arg)
{
    (void)cx;
    struct dive *dive = arg;
    return recurse(&dive->depth, dive->frames) == INT_MIN ? 1 : 0;
}

static void run_dive(void *arg)
{
    cv_ctx *cx;
    if (cv_runtime_new(&(cv_runtime_options){.stack_bytes = 64 << 10}, &cx) == 0 &&
        cv_spawn(cx, "the diver", dive, arg, NULL) == 0 && cv_runtime_run(cx) == 0)
        _exit(0);
    _exit(3);
}

static void running_over_a_stack_names_the_fiber(void **state)
{
    (void)state;
    struct dive endless = {.frames = 10000000};
    char said[8192];
    int status = run_child(run_dive, &endless, said, sizeof said);
    assert_true(WIFSIGNALED(status));
#ifndef CV__ASAN /* it is left to ASan */
    if (!strstr(said, "covet: fiber \"the diver\" ran over its stack"))
        fail_msg("said \"%s\"", said);
#endif
}

static void a_stack_has_the_room_that_was_asked_for(void **state)
{
    (void)state;
    struct dive modest = {.frames = 80};
    char said[8192];
    assert_int_equal(run_child(run_dive, &modest, said, sizeof said), 0);
}

static void fault_elsewhere(void *arg)
{
    cv_ctx *cx;
    if (cv_runtime_new(NULL, &cx) == 0)
        *(volatile int *)arg = 1;
}

static void a_fault_elsewhere_is_not_claimed(void **state)
{
    (void)state;
    char said[8192];
    void *forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(forbidden != MAP_FAILED);
    int status = run_child(fault_elsewhere, forbidden, said, sizeof said);
    munmap(forbidden, 4096);
    assert_true(status != 0);
    assert_null(strstr(said, "ran over its stack"));
}

static int take_backtrace(cv_ctx *cx, void *arg)
{
    (void)cx;
    void *frames[64];
    *(int *)arg = backtrace(frames, 64);
    return 0;
}

static void a_backtrace_ends_at_the_fibers_first_frame(void **state)
{
    cv_ctx *cx = *state;
    int frames = 0;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "traced", take_backtrace, &frames, &fiber));
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_in_range(frames, 2, 12);
}

static int use_much_stack(cv_ctx *cx, void *arg)
{
    volatile int *depth = arg;
    int rc = recurse(depth, 60) == INT_MIN;
    CV_TRY(cv_yield(cx));
    return rc;
}

static void pooled_stacks_are_used_again_and_again(void **state)
{
    cv_ctx *cx = *state;
    volatile int depth = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 20; i++)
            assert_ok(cx, cv_spawn(cx, "round", use_much_stack, (void *)(uintptr_t)&depth, NULL));
        assert_ok(cx, cv_runtime_run(cx));
    }
    assert_int_equal(depth, 20 * 20 * 61);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_over_a_stack_names_the_fiber),
        cmocka_unit_test(a_stack_has_the_room_that_was_asked_for),
        cmocka_unit_test(a_fault_elsewhere_is_not_claimed),
        runtime_test(a_backtrace_ends_at_the_fibers_first_frame),
        runtime_test(pooled_stacks_are_used_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
