/* Waiting for what another fiber, thread, process or server does: by looking again and again, with one limit for all of
 * it. The limit is generous, since machines are busy; who reaches it fails, and says what was waited for. */
#ifndef COVET_TESTS_SUPPORT_AWAIT_H
#define COVET_TESTS_SUPPORT_AWAIT_H

#include "test.h"

#include <covet/fiber.h>
#include <time.h>

/** Nothing takes this long unless it is broken. */
enum { TEST_PATIENCE_MS = 60000 };

/* The machine's time: a context's may be simulated. */
static inline int64_t test_await_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void test_await_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

#define TEST_AWAIT_(condition, pause, in_vain)                                                                         \
    do {                                                                                                               \
        int64_t test_limit_ms_ = test_await_now_ms() + TEST_PATIENCE_MS;                                               \
        while (!(condition)) {                                                                                         \
            if (test_await_now_ms() > test_limit_ms_)                                                                  \
                in_vain;                                                                                               \
            pause;                                                                                                     \
        }                                                                                                              \
    } while (0)

#define TEST_IN_VAIN_(text) fail_msg("waited %d s in vain for %s", TEST_PATIENCE_MS / 1000, text)

/** Wait until `condition` holds, looking each millisecond of the context's time, while the loop runs. */
#define await_that(cx, condition) TEST_AWAIT_(condition, assert_ok(cx, cv_sleep_ms(cx, 1)), TEST_IN_VAIN_(#condition))
/** The same, looking at each turn of the loop: for what a millisecond is too long for, or must not pass at all. */
#define await_turns(cx, condition) TEST_AWAIT_(condition, assert_ok(cx, cv_yield(cx)), TEST_IN_VAIN_(#condition))
/** The same without a loop: whoever calls it is blocked. */
#define await_blocked(condition) TEST_AWAIT_(condition, test_await_pause(), TEST_IN_VAIN_(#condition))
/** The same for a thread that is not the test's, which cannot fail it: it goes on when the limit is reached, and the
 *  test sees that by its own means. */
#define hold_until(condition) TEST_AWAIT_(condition, test_await_pause(), break)

#endif
