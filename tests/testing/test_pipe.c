#include "test.h"

#include "testing/pipe.h"

static int setup(void **state)
{
    cv__pipe *pipe = malloc(sizeof *pipe);
    assert_non_null(pipe);
    cv__pipe_init(pipe);
    *state = pipe;
    return 0;
}

static int teardown(void **state)
{
    cv__pipe_done(*state);
    free(*state);
    return 0;
}

static void put(cv__pipe *pipe, const char *text, int64_t arrives_ns)
{
    assert_int_equal(cv__pipe_put(pipe, text, strlen(text), arrives_ns), 0);
}

static void expect(cv__pipe *pipe, const char *text, size_t size, bool single, int64_t now_ns)
{
    char taken[64] = "";
    assert_int_equal(cv__pipe_take(pipe, taken, size, single, now_ns), strlen(text));
    assert_string_equal(taken, text);
}

static void test_bytes_come_at_their_instant_and_in_order(void **state)
{
    cv__pipe *pipe = *state;
    put(pipe, "ab", 10);
    put(pipe, "cd", 20);
    put(pipe, "ef", 5); /* overtakes nothing */
    expect(pipe, "", 60, false, 9);
    assert_int_equal(cv__pipe_next_ns(pipe), 10);
    expect(pipe, "ab", 60, false, 19);
    assert_int_equal(cv__pipe_next_ns(pipe), 20);
    expect(pipe, "cdef", 60, false, 20);
    assert_int_equal(cv__pipe_next_ns(pipe), INT64_MAX);
}

static void test_a_reader_takes_over_the_borders_of_pieces_or_one_alone(void **state)
{
    cv__pipe *pipe = *state;
    put(pipe, "abc", 0);
    put(pipe, "def", 0);
    put(pipe, "", 0);
    assert_int_equal(pipe->bytes, 6);
    expect(pipe, "ab", 2, true, 0);
    expect(pipe, "c", 60, true, 0);
    expect(pipe, "d", 1, false, 0);
    expect(pipe, "ef", 60, false, 0);
    assert_int_equal(pipe->bytes, 0);
}

static void test_the_end_comes_behind_the_bytes(void **state)
{
    cv__pipe *pipe = *state;
    put(pipe, "a", 10);
    cv__pipe_close(pipe, CV__PIPE_ENDED, 5);
    assert_int_equal(cv__pipe_is_over(pipe, 10), CV__PIPE_OPEN);
    expect(pipe, "a", 60, false, 10);
    assert_int_equal(cv__pipe_is_over(pipe, 9), CV__PIPE_OPEN);
    assert_int_equal(cv__pipe_next_ns(pipe), 10);
    assert_int_equal(cv__pipe_is_over(pipe, 10), CV__PIPE_ENDED);
}

static void test_a_reset_may_follow_an_end_and_bytes_may_be_lost(void **state)
{
    cv__pipe *pipe = *state;
    put(pipe, "a", 0);
    cv__pipe_close(pipe, CV__PIPE_ENDED, 0);
    cv__pipe_erase(pipe);
    cv__pipe_close(pipe, CV__PIPE_RESET, 3);
    cv__pipe_close(pipe, CV__PIPE_ENDED, 9);
    assert_false(cv__pipe_has_bytes(pipe, 3));
    assert_int_equal(cv__pipe_is_over(pipe, 3), CV__PIPE_RESET);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_bytes_come_at_their_instant_and_in_order),
        CASE(test_a_reader_takes_over_the_borders_of_pieces_or_one_alone),
        CASE(test_the_end_comes_behind_the_bytes),
        CASE(test_a_reset_may_follow_an_end_and_bytes_may_be_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
