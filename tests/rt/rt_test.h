/* What the tests of the runtime share: a runtime for each case, and a note of what happened in which order. */
#ifndef COVET_TESTS_RT_TEST_H
#define COVET_TESTS_RT_TEST_H

#include "test.h"

#include <covet/fiber.h>
#include <covet/runtime.h>

/* A history: a short text, one letter or word an event. */
struct history {
    char text[512];
    size_t length;
};

static inline void note(struct history *history, const char *event)
{
    int length = snprintf(history->text + history->length, sizeof history->text - history->length, "%s", event);
    history->length += (size_t)length;
}

/* A fresh runtime with a simulated clock; the state is its main context. */
static inline int set_up_runtime(void **state)
{
    cv_ctx *cx = NULL;
    int rc = cv_runtime_new(&(cv_runtime_options){.simulated_clock = true}, &cx);
    *state = cx;
    return rc;
}

static inline int tear_down_runtime(void **state)
{
    cv_runtime_free(*state);
    return 0;
}

#define runtime_test(name) cmocka_unit_test_setup_teardown(name, set_up_runtime, tear_down_runtime)

static inline int64_t ms_since(const cv_ctx *cx, int64_t start_ns)
{
    return (cv_now_ns(cx) - start_ns) / 1000000;
}

#endif
