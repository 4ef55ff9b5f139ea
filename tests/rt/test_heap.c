/* What the process keeps of the memory that it frees. */
#include "test.h"

#include <covet/runtime.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCKS = 1000, BLOCK_BYTES = 2048 };

/* Whether the system has memory back after some MiB were made and freed, in blocks as libpq makes them. */
static bool gives_back(void)
{
    static void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++)
        assert_non_null(blocks[i] = malloc(BLOCK_BYTES));
    const char *full = sbrk(0);
    for (size_t i = BLOCKS; i > 0; i--)
        free(blocks[i - 1]);
    return (const char *)sbrk(0) < full;
}

static void settings_from_outside_are_left_alone(void **state)
{
    (void)state;
    bool gave_back = gives_back();
    assert_int_equal(setenv("MALLOC_TRIM_THRESHOLD_", "131072", 1), 0);
    cv_tune_heap();
    assert_int_equal(unsetenv("MALLOC_TRIM_THRESHOLD_"), 0);
    assert_int_equal(gives_back(), gave_back);
}

static void a_tuned_heap_keeps_some_mebibytes(void **state)
{
    (void)state;
    cv_tune_heap();
    assert_false(gives_back());
    assert_false(gives_back());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_from_outside_are_left_alone),
        cmocka_unit_test(a_tuned_heap_keeps_some_mebibytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
