/* The circuit breaker, on a clock of the test's own. */
#include "db/pool/breaker.h"

#include "test.h"

static const int64_t second_ns = 1000000000;

static cv__breaker usual(void)
{
    cv__breaker b;
    cv__breaker_init(&b, 100, 50, 60 * second_ns, 10);
    return b;
}

static void note_many(cv__breaker *b, int64_t now_ns, bool ok, int count)
{
    for (int i = 0; i < count; i++) {
        assert_true(cv__breaker_allows(b, now_ns));
        (void)cv__breaker_note(b, now_ns, ok, "refused");
    }
}

static void fewer_failures_than_half_a_window_keep_it_closed(void **state)
{
    (void)state;
    cv__breaker b = usual();
    note_many(&b, 0, false, 49);
    assert_int_equal(cv__breaker_state_at(&b, 0), CV__BREAKER_CLOSED);
    note_many(&b, 0, true, 500);
    note_many(&b, 0, false, 49);
    assert_int_equal(cv__breaker_state_at(&b, 0), CV__BREAKER_CLOSED);
}

static void half_a_window_of_failures_opens_it(void **state)
{
    (void)state;
    cv__breaker b = usual();
    note_many(&b, 0, true, 80);
    note_many(&b, 0, false, 49);
    assert_true(cv__breaker_note(&b, second_ns, false, "refused"));
    assert_int_equal(cv__breaker_state_at(&b, second_ns), CV__BREAKER_OPEN);
    assert_false(cv__breaker_allows(&b, 61 * second_ns - 1));
    assert_int_equal(b.until_ns, 61 * second_ns);
    assert_string_equal(b.reason, "refused");
    assert_int_equal(b.opened_total, 1);
}

static void failures_that_left_the_window_do_not_count(void **state)
{
    (void)state;
    cv__breaker b = usual();
    for (int i = 0; i < 1000; i++) {
        assert_true(cv__breaker_allows(&b, 0));
        (void)cv__breaker_note(&b, 0, i % 100 >= 49, "refused");
        assert_in_range(b.failures, 0, 49);
    }
    assert_int_equal(b.count, 100);
}

static void what_failed_long_ago_is_forgotten(void **state)
{
    (void)state;
    cv__breaker b = usual();
    note_many(&b, 0, false, 49);
    note_many(&b, 61 * second_ns, false, 49);
    assert_int_equal(cv__breaker_state_at(&b, 61 * second_ns), CV__BREAKER_CLOSED);
    note_many(&b, 62 * second_ns, false, 1);
    assert_int_equal(cv__breaker_state_at(&b, 62 * second_ns), CV__BREAKER_OPEN);
}

static cv__breaker half_open(void)
{
    cv__breaker b = usual();
    note_many(&b, 0, false, 50);
    assert_false(cv__breaker_allows(&b, 0));
    return b;
}

static void probes_that_succeed_close_it(void **state)
{
    (void)state;
    cv__breaker b = half_open();
    note_many(&b, 60 * second_ns, true, 6);
    assert_int_equal(cv__breaker_state_at(&b, 60 * second_ns), CV__BREAKER_CLOSED);
    assert_int_equal(b.failures, 0);
}

static void probes_that_fail_open_it_again(void **state)
{
    (void)state;
    cv__breaker b = half_open();
    note_many(&b, 60 * second_ns, false, 5);
    assert_false(cv__breaker_allows(&b, 60 * second_ns));
    assert_int_equal(b.until_ns, 120 * second_ns);
    assert_int_equal(b.opened_total, 2);
}

static void only_so_many_probes_are_allowed_at_once(void **state)
{
    (void)state;
    cv__breaker b = half_open();
    for (int i = 0; i < 10; i++)
        assert_true(cv__breaker_allows(&b, 60 * second_ns));
    assert_false(cv__breaker_allows(&b, 60 * second_ns));
    cv__breaker_take_back(&b);
    assert_true(cv__breaker_allows(&b, 60 * second_ns));
}

static void without_a_window_it_never_opens(void **state)
{
    (void)state;
    cv__breaker b;
    cv__breaker_init(&b, 0, 50, second_ns, 10);
    note_many(&b, 0, false, 1000);
    assert_int_equal(cv__breaker_state_at(&b, 0), CV__BREAKER_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_failures_than_half_a_window_keep_it_closed),
        cmocka_unit_test(half_a_window_of_failures_opens_it),
        cmocka_unit_test(failures_that_left_the_window_do_not_count),
        cmocka_unit_test(what_failed_long_ago_is_forgotten),
        cmocka_unit_test(probes_that_succeed_close_it),
        cmocka_unit_test(probes_that_fail_open_it_again),
        cmocka_unit_test(only_so_many_probes_are_allowed_at_once),
        cmocka_unit_test(without_a_window_it_never_opens),
    };
    return cmocka_run_group_tests_name("db breaker", tests, NULL, NULL);
}
