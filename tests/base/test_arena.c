/* Arenas: allocation, growth, limits, marks, cleanups, reuse. */
#include "base/arena.h"
#include "test.h"

#include <covet/arena.h>

/* Impossible sizes are asked for on purpose: the address sanitizer is to answer NULL, as malloc does. */
CV_API const char *__asan_default_options(void); /* found by the sanitizer at run time */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static int set_up(void **state)
{
    *state = cv_arena_new(0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    cv_arena_free(*state);
    return 0;
}

static void a_new_arena_takes_nothing(void **state)
{
    cv_arena_stats stats = cv_arena_get_stats(*state);
    assert_int_equal(stats.used_bytes, 0);
    assert_int_equal(stats.reserved_bytes, 0);
    assert_int_equal(stats.limit_bytes, 64 << 20);
    cv_arena_free(NULL);
}

static void allocations_are_aligned_and_apart(void **state)
{
    cv_arena *arena = *state;
    static const size_t sizes[] = {1, 0, 7, 16, 17, 100, 5000, 3, 200000, 1};
    char *ptrs[10];
    for (size_t i = 0; i < 10; i++) {
        ptrs[i] = cv_arena_alloc(arena, sizes[i]);
        assert_non_null(ptrs[i]);
        assert_int_equal((uintptr_t)ptrs[i] % 16, 0);
        memset(ptrs[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(ptrs[i][j], i + 1);
    assert_true(cv_arena_get_stats(arena).used_bytes >= 205000);
}

static void nothing_is_a_valid_pointer(void **state)
{
    void *first = cv_arena_alloc(*state, 0), *second = cv_arena_alloc(*state, 0);
    assert_non_null(first);
    assert_ptr_not_equal(first, second);
}

static void zeroed_memory_is_zero_even_when_reused(void **state)
{
    cv_arena *arena = *state;
    cv_arena_mark mark = cv_arena_save(arena);
    char *dirty = cv_arena_alloc(arena, 300);
    memset(dirty, 'x', 300);
    cv_arena_rewind(arena, mark);
    char *clean = cv_arena_zalloc(arena, 100, 3);
    assert_ptr_equal(clean, dirty);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(clean[i], 0);
    volatile size_t many = SIZE_MAX / 2;
    assert_null(cv_arena_zalloc(arena, many, 3));
}

static void the_limit_bounds_what_is_reserved(void **state)
{
    cv_arena *arena = *state;
    cv_arena_set_limit(arena, 100000);
    size_t total = 0;
    while (cv_arena_alloc(arena, 1000))
        total += 1000;
    cv_arena_stats stats = cv_arena_get_stats(arena);
    assert_true(stats.reserved_bytes <= 100000);
    assert_true(total > 85000);
    assert_true(stats.used_bytes >= total);
    assert_int_equal(arena->failure, CV_E_LIMIT);
    while (cv_arena_alloc(arena, 16))
        ;
    assert_int_equal(cv_arena_cleanup(arena, free, NULL), CV_E_LIMIT);

    cv_arena_set_limit(arena, 10); /* below what is reserved: no further growth, nothing lost */
    assert_null(cv_arena_alloc(arena, 5000));
    cv_arena_set_limit(arena, 0);
    assert_non_null(cv_arena_alloc(arena, 5000));
}

static void impossible_sizes_give_null(void **state)
{
    cv_arena *arena = *state;
    volatile size_t huge = SIZE_MAX;
    assert_null(cv_arena_alloc(arena, huge));
    assert_int_equal(arena->failure, CV_E_LIMIT);
    assert_null(cv_arena_alloc(arena, huge - 8));
    assert_null(cv_arena_alloc(arena, huge - 64));
    assert_null(cv_arena_strndup(arena, "x", huge));
    cv_arena_set_limit(arena, SIZE_MAX);
    assert_null(cv_arena_alloc(arena, huge / 4));
    assert_int_equal(arena->failure, CV_E_NOMEM);
    assert_null(cv_arena_realloc(arena, cv_arena_alloc(arena, 8), 8, huge));
}

static void the_latest_allocation_grows_in_place(void **state)
{
    cv_arena *arena = *state;
    char *text = cv_arena_realloc(arena, NULL, 0, 10);
    memcpy(text, "123456789", 10);
    char *grown = cv_arena_realloc(arena, text, 10, 1000);
    assert_ptr_equal(grown, text);
    memset(grown + 10, 'x', 990);
    char *shrunk = cv_arena_realloc(arena, grown, 1000, 10);
    assert_ptr_equal(shrunk, text);
    assert_ptr_equal(cv_arena_alloc(arena, 1), text + 16);

    char *moved = cv_arena_realloc(arena, text, 10, 100); /* no longer the latest */
    assert_ptr_not_equal(moved, text);
    assert_string_equal(moved, "123456789");
    assert_string_equal(text, "123456789");
    assert_ptr_equal(cv_arena_realloc(arena, text, 10, 5), text);
    char *elsewhere = cv_arena_realloc(arena, moved, 100, 100000); /* does not fit into the block */
    assert_string_equal(elsewhere, "123456789");
}

static void texts_are_copied_and_formatted(void **state)
{
    cv_arena *arena = *state;
    assert_string_equal(cv_arena_strdup(arena, "hello"), "hello");
    assert_string_equal(cv_arena_strndup(arena, "hello", 2), "he");
    assert_string_equal(cv_arena_strndup(arena, NULL, 0), "");
    assert_string_equal(cv_arena_printf(arena, "%d-%s", 7, "x"), "7-x");
    char *longer = cv_arena_printf(arena, "%0*d", 1000, 7);
    assert_int_equal(strlen(longer), 1000);
    cv_arena_set_limit(arena, 1);
    assert_null(cv_arena_printf(arena, "%0*d", 100000, 7));
}

struct trace {
    char text[16];
    size_t len;
};

struct step {
    struct trace *trace;
    char name;
};

static void note(void *arg)
{
    struct step *step = arg;
    step->trace->text[step->trace->len++] = step->name;
}

static void cleanups_run_last_first_down_to_the_mark(void **state)
{
    struct trace trace = {0};
    struct step a = {&trace, 'a'}, b = {&trace, 'b'}, c = {&trace, 'c'};
    cv_arena *arena = cv_arena_new(0);
    assert_int_equal(cv_arena_cleanup(arena, note, &a), 0);
    cv_arena_mark mark = cv_arena_save(arena);
    assert_int_equal(cv_arena_cleanup(arena, note, &b), 0);
    assert_int_equal(cv_arena_cleanup(arena, note, &c), 0);
    cv_arena_rewind(arena, mark);
    assert_string_equal(trace.text, "cb");
    cv_arena_rewind(arena, mark);
    assert_string_equal(trace.text, "cb");
    cv_arena_free(arena);
    assert_string_equal(trace.text, "cba");
    (void)state;
}

static void rewinding_reuses_the_blocks(void **state)
{
    cv_arena *arena = *state;
    char *kept = cv_arena_strdup(arena, "kept");
    cv_arena_mark mark = cv_arena_save(arena);
    size_t used = cv_arena_get_stats(arena).used_bytes, reserved = 0;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 100; i++)
            assert_non_null(cv_arena_alloc(arena, 1000));
        if (round == 0)
            reserved = cv_arena_get_stats(arena).reserved_bytes;
        assert_int_equal(cv_arena_get_stats(arena).reserved_bytes, reserved);
        cv_arena_rewind(arena, mark);
        assert_int_equal(cv_arena_get_stats(arena).used_bytes, used);
    }
    assert_string_equal(kept, "kept");
}

static void spare_blocks_that_are_too_small_make_way(void **state)
{
    cv_arena *arena = *state;
    cv_arena_mark empty = cv_arena_save(arena);
    for (int i = 0; i < 40; i++)
        assert_non_null(cv_arena_alloc(arena, 1000));
    cv_arena_rewind(arena, empty);
    size_t before = cv_arena_get_stats(arena).reserved_bytes;
    cv_arena_set_limit(arena, before + 50000);
    assert_non_null(cv_arena_alloc(arena, before + 10000)); /* fits only when the small ones are given back */
    assert_true(cv_arena_get_stats(arena).reserved_bytes <= before + 50000);
}

static void a_reset_arena_keeps_one_small_block(void **state)
{
    cv_arena *arena = *state;
    cv__arena_reset(arena);
    assert_int_equal(cv_arena_get_stats(arena).reserved_bytes, 0);
    for (int i = 0; i < 100; i++)
        assert_non_null(cv_arena_alloc(arena, 1000));
    cv__arena_reset(arena);
    assert_int_equal(cv_arena_get_stats(arena).used_bytes, 0);
    assert_true(cv_arena_get_stats(arena).reserved_bytes <= 4096);
    assert_non_null(cv_arena_alloc(arena, 10));
}

static void a_reset_arena_does_not_keep_a_large_block(void **state)
{
    cv_arena *arena = *state;
    assert_non_null(cv_arena_alloc(arena, 100000));
    cv__arena_reset(arena);
    assert_int_equal(cv_arena_get_stats(arena).reserved_bytes, 0);
    assert_non_null(cv_arena_alloc(arena, 10));
}

static bool lies_in(const void *ptr, const char *memory, size_t size)
{
    return (const char *)ptr >= memory && (const char *)ptr < memory + size;
}

static void a_placed_arena_begins_in_memory_of_the_caller(void **state)
{
    (void)state;
    _Alignas(16) static char memory[1024];
    cv_arena *arena = cv__arena_place(memory, sizeof memory, 0);
    assert_true(lies_in(cv_arena_alloc(arena, 500), memory, sizeof memory));
    assert_false(lies_in(cv_arena_alloc(arena, 100000), memory, sizeof memory));
    cv__arena_reset(arena);
    assert_true(lies_in(cv_arena_alloc(arena, 500), memory, sizeof memory));
    cv_arena_free(arena);
    memset(memory, 1, sizeof memory); /* nobody else's any more */
}

static void a_placed_block_that_is_too_small_comes_back_with_the_reset(void **state)
{
    (void)state;
    _Alignas(16) static char memory[1024];
    cv_arena *arena = cv__arena_place(memory, sizeof memory, 0);
    cv_arena_mark empty = cv_arena_save(arena);
    assert_non_null(cv_arena_alloc(arena, 500));
    cv_arena_rewind(arena, empty);
    assert_non_null(cv_arena_alloc(arena, 100000)); /* the placed block makes way */
    cv__arena_reset(arena);
    assert_true(cv_arena_get_stats(arena).reserved_bytes <= sizeof memory);
    assert_true(lies_in(cv_arena_alloc(arena, 500), memory, sizeof memory));
    cv_arena_free(arena);
}

#ifdef CV__ASAN
static void rewound_memory_is_poisoned(void **state)
{
    cv_arena *arena = *state;
    cv_arena_mark mark = cv_arena_save(arena);
    char *odd = cv_arena_alloc(arena, 13);
    assert_false(__asan_address_is_poisoned(odd + 12));
    assert_true(__asan_address_is_poisoned(odd + 13));
    char *far = cv_arena_alloc(arena, 50000);
    cv_arena_rewind(arena, mark);
    assert_true(__asan_address_is_poisoned(odd));
    assert_true(__asan_address_is_poisoned(far + 49999));
}
#endif

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_new_arena_takes_nothing),
        CASE(allocations_are_aligned_and_apart),
        CASE(nothing_is_a_valid_pointer),
        CASE(zeroed_memory_is_zero_even_when_reused),
        CASE(the_limit_bounds_what_is_reserved),
        CASE(impossible_sizes_give_null),
        CASE(the_latest_allocation_grows_in_place),
        CASE(texts_are_copied_and_formatted),
        cmocka_unit_test(cleanups_run_last_first_down_to_the_mark),
        CASE(rewinding_reuses_the_blocks),
        CASE(spare_blocks_that_are_too_small_make_way),
        CASE(a_reset_arena_keeps_one_small_block),
        CASE(a_reset_arena_does_not_keep_a_large_block),
        cmocka_unit_test(a_placed_arena_begins_in_memory_of_the_caller),
        cmocka_unit_test(a_placed_block_that_is_too_small_comes_back_with_the_reset),
#ifdef CV__ASAN
        CASE(rewound_memory_is_poisoned),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
