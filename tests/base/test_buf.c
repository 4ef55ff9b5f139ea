/* Growable buffers, on the heap and in an arena: every case runs on both. */
#include "test.h"

#include <covet/str.h>

/* An impossible size is asked for on purpose: the address sanitizer is to answer NULL, as malloc does. */
CV_API const char *__asan_default_options(void); /* found by the sanitizer at run time */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static int on_heap(void **state)
{
    (void)state;
    return 0;
}

static int in_arena(void **state)
{
    *state = cv_arena_new(0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    cv_arena_free(*state);
    *state = NULL;
    return 0;
}

static cv_buf make(void **state, size_t max_bytes)
{
    cv_buf buf;
    if (*state)
        cv_buf_init_arena(&buf, *state, max_bytes);
    else
        cv_buf_init(&buf, max_bytes);
    return buf;
}

static void a_new_buffer_is_empty_and_takes_nothing(void **state)
{
    cv_buf buf = make(state, 0);
    assert_null(buf.data);
    assert_string_equal(cv_buf_str(&buf).ptr, "");
    assert_int_equal(cv_buf_str(&buf).len, 0);
    cv_buf_consume(&buf, 5);
    cv_buf_clear(&buf);
    cv_buf_done(&buf);
}

static void everything_can_be_appended(void **state)
{
    cv_buf buf = make(state, 0);
    cv_buf_add(&buf, "a\0b", 3);
    cv_buf_add_char(&buf, '|');
    cv_buf_add_str(&buf, CV_STR("str|"));
    cv_buf_add_text(&buf, "text|");
    cv_buf_add_str(&buf, cv_str_of(NULL));
    cv_buf_add_text(&buf, NULL);
    cv_buf_add_i64(&buf, INT64_MIN);
    cv_buf_add_char(&buf, '|');
    cv_buf_add_u64(&buf, UINT64_MAX);
    cv_buf_printf(&buf, "|%s|%05d", "formatted", 42);
    static const char wanted[] = "a\0b|str|text|-9223372036854775808|18446744073709551615|formatted|00042";
    assert_int_equal(buf.error, 0);
    assert_int_equal(buf.len, sizeof wanted - 1);
    assert_memory_equal(buf.data, wanted, sizeof wanted); /* the NUL behind it included */
    cv_buf_done(&buf);
    assert_null(buf.data);
}

static void numbers_of_every_length_are_written(void **state)
{
    cv_buf buf = make(state, 0);
    uint64_t power = 1;
    for (int digits = 1; digits <= 20; digits++, power *= 10) {
        for (uint64_t value = power - 1; value != power + 2; value++) {
            char wanted[32];
            cv_buf_clear(&buf);
            cv_buf_add_u64(&buf, value);
            snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)value);
            assert_string_equal(buf.data, wanted);
            cv_buf_clear(&buf);
            cv_buf_add_i64(&buf, (int64_t)value);
            snprintf(wanted, sizeof wanted, "%lld", (long long)value);
            assert_string_equal(buf.data, wanted);
        }
    }
    cv_buf_done(&buf);
}

static void it_grows_as_needed(void **state)
{
    cv_buf buf = make(state, 0);
    for (int i = 0; i < 100000; i++)
        cv_buf_add_char(&buf, (char)('a' + i % 26));
    cv_buf_printf(&buf, "%0*d", 50000, 7);
    assert_int_equal(buf.error, 0);
    assert_int_equal(buf.len, 150000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buf.data[i], 'a' + i % 26);
    assert_string_equal(buf.data + 149998, "07");
    cv_buf_done(&buf);
}

static void the_maximum_is_exact_and_sticky(void **state)
{
    cv_buf buf = make(state, 10);
    cv_buf_add(&buf, "0123456789", 10);
    assert_int_equal(buf.error, 0);
    cv_buf_add_char(&buf, 'x');
    assert_int_equal(buf.error, CV_E_LIMIT);
    assert_string_equal(buf.data, "0123456789");
    cv_buf_clear(&buf);
    cv_buf_add_text(&buf, "01234567");
    cv_buf_add_u64(&buf, 89); /* fits, though the longest number would not */
    assert_int_equal(buf.error, 0);
    cv_buf_printf(&buf, "%d", 7);
    assert_int_equal(buf.error, CV_E_LIMIT);
    cv_buf_consume(&buf, 5);
    cv_buf_add_text(&buf, "ignored: the error stays");
    cv_buf_add_i64(&buf, -1);
    cv_buf_printf(&buf, "%d", 1);
    assert_null(cv_buf_reserve(&buf, 1));
    assert_string_equal(buf.data, "56789");
    cv_buf_done(&buf);
}

static void a_text_that_does_not_fit_is_left_out_whole(void **state)
{
    cv_buf buf = make(state, 200);
    cv_buf_add_text(&buf, "kept");
    cv_buf_printf(&buf, "%0*d", 300, 1);
    assert_int_equal(buf.error, CV_E_LIMIT);
    assert_string_equal(buf.data, "kept");
    cv_buf_done(&buf);
}

static void room_can_be_written_directly(void **state)
{
    cv_buf buf = make(state, 0);
    cv_buf_add_text(&buf, "<");
    char *room = cv_buf_reserve(&buf, 1000);
    assert_non_null(room);
    memset(room, 'x', 1000);
    cv_buf_commit(&buf, 3);
    cv_buf_add_text(&buf, ">");
    assert_string_equal(buf.data, "<xxx>");
    room = cv_buf_reserve(&buf, 2);
    memcpy(room, "ok", 2);
    cv_buf_commit(&buf, 2);
    assert_string_equal(buf.data, "<xxx>ok");
    cv_buf_done(&buf);
}

static void the_front_can_be_consumed(void **state)
{
    cv_buf buf = make(state, 0);
    cv_buf_add_text(&buf, "hello world");
    cv_buf_consume(&buf, 6);
    assert_string_equal(buf.data, "world");
    cv_buf_consume(&buf, 0);
    cv_buf_consume(&buf, 100);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.len, 0);
    cv_buf_done(&buf);
}

static void exhaustion_is_told_apart_from_the_maximum(void **state)
{
    cv_buf buf = make(state, SIZE_MAX);
    volatile size_t huge = SIZE_MAX / 4;
    assert_null(cv_buf_reserve(&buf, huge));
    assert_int_equal(buf.error, *state ? CV_E_LIMIT : CV_E_NOMEM);
    cv_buf_done(&buf);
    cv_buf_add_text(&buf, "usable again");
    assert_string_equal(buf.data, "usable again");
    cv_buf_done(&buf);
}

int main(void)
{
#define BOTH(name)                                                                                                     \
    {#name " (heap)", name, on_heap, tear_down, NULL},                                                                 \
    {                                                                                                                  \
#name " (arena)", name, in_arena, tear_down, NULL                                                              \
    }
    const struct CMUnitTest tests[] = {
        BOTH(a_new_buffer_is_empty_and_takes_nothing),
        BOTH(everything_can_be_appended),
        BOTH(numbers_of_every_length_are_written),
        BOTH(it_grows_as_needed),
        BOTH(the_maximum_is_exact_and_sticky),
        BOTH(a_text_that_does_not_fit_is_left_out_whole),
        BOTH(room_can_be_written_directly),
        BOTH(the_front_can_be_consumed),
        BOTH(exhaustion_is_told_apart_from_the_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
