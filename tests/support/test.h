/* What every test file includes: cmocka with its preamble, and a few assertions of our own. */
#ifndef COVET_TESTS_SUPPORT_TEST_H
#define COVET_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <covet/ctx.h>
#include <covet/str.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** What ThreadSanitizer cannot do is skipped there: threads after a fork, more than some 7,000 fibers. */
#if defined(__SANITIZE_THREAD__)
#define TEST_UNDER_TSAN 1
#else
#define TEST_UNDER_TSAN 0
#endif

/** The call must succeed; otherwise the story of the error is printed. */
#define assert_ok(cx, expr)                                                                                            \
    do {                                                                                                               \
        int test_rc_ = (expr);                                                                                         \
        if (test_rc_ < 0) {                                                                                            \
            const cv_error *test_error_ = cv_error_last(cx);                                                           \
            fail_msg("%s: %s: %s", #expr, cv_error_name(test_rc_), test_error_ ? test_error_->message : "no story");   \
        }                                                                                                              \
    } while (0)

/** The call must fail with this code and a message that contains `part`; the error is cleared. */
#define assert_fails(cx, expr, error_code, part)                                                                       \
    do {                                                                                                               \
        int test_rc_ = (expr);                                                                                         \
        if (test_rc_ != (error_code))                                                                                  \
            fail_msg("%s: got %s, expected %s", #expr, cv_error_name(test_rc_), cv_error_name(error_code));            \
        const cv_error *test_error_ = cv_error_last(cx);                                                               \
        if (!test_error_)                                                                                              \
            fail_msg("%s: no story", #expr);                                                                           \
        else if (!strstr(test_error_->message, (part)))                                                                \
            fail_msg("%s: message \"%s\" does not contain \"%s\"", #expr, test_error_->message, (part));               \
        cv_error_clear(cx);                                                                                            \
    } while (0)

#endif
