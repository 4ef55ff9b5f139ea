/* The line: who may join it, and what those are told who get nothing. On a simulated clock. */
#include "pool_test.h"

enum { MANY = 10000 };

static void ten_thousand_wait_and_are_served_in_order(void **state)
{
    pool_test *t = *state;
    static borrower list[MANY];
    if (TEST_UNDER_TSAN)
        skip();
    t->options.max_connections = 50;
    t->options.acquire_timeout_ms = 3600000;
    pool_test_start(t);
    for (int i = 0; i < MANY; i++) {
        list[i] = (borrower){.t = t, .hold_ms = 5, .number = i};
        start_borrower(&list[i]);
    }
    int64_t waited_ms = 0;
    for (int i = 0; i < MANY; i++) {
        join_borrower(&list[i]);
        assert_int_equal(list[i].rc, 0);
        assert_true(list[i].waited_ms >= waited_ms);
        waited_ms = list[i].waited_ms;
    }
    assert_int_equal(t->pool.open, 50);
    assert_int_equal(t->pool.acquired_total, MANY);
    assert_in_range(waited_ms, 990, 1100);
}

static void the_error_names_the_pool_and_its_oldest_borrower(void **state)
{
    pool_test *t = *state;
    t->options.max_connections = 2;
    t->options.acquire_timeout_ms = 1000;
    pool_test_start(t);
    cv__conn *one = take(t);
    cv__conn_note_sql(one, CV_STR("UPDATE stock SET left = ?"));
    pass_ms(t, 700);
    cv__conn *two = take(t);
    borrower b = {.t = t};
    assert_int_equal(borrow_once(&b), CV_E_POOL_TIMEOUT);
    assert_non_null(strstr(b.detail, "pool \"shop\": limit 2, open 2, idle 0, connecting 0, waiting 0, lent 2 times"));
    assert_non_null(strstr(b.detail, "the oldest loan is that of fiber \"main\", for 1700 ms, last with: "
                                     "UPDATE stock SET left = ?"));
    assert_null(strstr(b.detail, "the last connect failed"));
    give(t, one);
    give(t, two);
}

static void the_error_names_the_last_connect_that_failed(void **state)
{
    pool_test *t = *state;
    pool_test_start(t);
    cv__conn *one = take(t);
    t->engine.connect_code = CV_E_TOO_MANY_CONNECTIONS;
    borrower b = {.t = t, .within_ms = 2000};
    assert_int_equal(borrow_once(&b), CV_E_TIMEOUT);
    assert_non_null(strstr(b.detail, "ms ago: the engine does not want to"));
    give(t, one);
}

static void a_long_statement_is_told_by_its_beginning(void **state)
{
    pool_test *t = *state;
    char sql[300];
    memset(sql, 'x', sizeof sql);
    pool_test_start(t);
    cv__conn *one = take(t);
    cv__conn_note_sql(one, (cv_str){sql, sizeof sql});
    assert_int_equal(strlen(one->sql), CV__NOTED_SQL_BYTES - 1);
    give(t, one);
}

static void sustained_overload_turns_newcomers_away(void **state)
{
    pool_test *t = *state;
    t->options.max_connections = 1;
    t->options.shed_target_ms = 100;
    t->options.acquire_timeout_ms = 60000;
    pool_test_start(t);
    cv__conn *one = take(t);
    borrower patient = {.t = t};
    start_borrower(&patient);
    borrower soon = {.t = t, .within_ms = 10}, late = {.t = t};
    pass_ms(t, 150);
    assert_int_equal(borrow_once(&soon), CV_E_TIMEOUT); /* over the target, but not for long */
    pass_ms(t, 900);
    soon = (borrower){.t = t, .within_ms = 10};
    assert_int_equal(borrow_once(&soon), CV_E_TIMEOUT);
    pass_ms(t, 200);
    assert_int_equal(borrow_once(&late), CV_E_OVERLOADED);
    assert_int_equal(late.waited_ms, 0);
    assert_non_null(strstr(late.hint, "the first of 1 in line has waited for 1270 ms"));
    assert_int_equal(t->pool.shed_total, 1);
    give(t, one);
    join_borrower(&patient);
    assert_int_equal(patient.rc, 0);
    late = (borrower){.t = t};
    assert_int_equal(borrow_once(&late), 0);
}

static void a_burst_is_not_overload(void **state)
{
    pool_test *t = *state;
    static borrower list[200];
    t->options.max_connections = 1;
    t->options.shed_target_ms = 100;
    pool_test_start(t);
    for (int i = 0; i < 200; i++) {
        list[i] = (borrower){.t = t, .hold_ms = 4};
        start_borrower(&list[i]);
    }
    for (int i = 0; i < 200; i++) {
        join_borrower(&list[i]);
        assert_int_equal(list[i].rc, 0);
    }
}

static void nobody_is_turned_away_when_that_is_off(void **state)
{
    pool_test *t = *state;
    t->options.max_connections = 1;
    t->options.acquire_timeout_ms = 1000000;
    pool_test_start(t);
    cv__conn *one = take(t);
    borrower patient = {.t = t}, late = {.t = t, .within_ms = 10};
    start_borrower(&patient);
    pass_ms(t, 500000);
    assert_int_equal(borrow_once(&late), CV_E_TIMEOUT);
    give(t, one);
    join_borrower(&patient);
}

static void who_holds_everything_is_told_so(void **state)
{
    pool_test *t = *state;
    t->options.max_connections = 2;
    pool_test_start(t);
    cv__conn *one = take(t), *two = take(t), *three;
    assert_fails(t->cx, cv__pool_acquire(t->cx, &t->pool, &three), CV_E_DEADLOCK_SELF, "holds all 2");
    give(t, one);
    give(t, two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_CASE(ten_thousand_wait_and_are_served_in_order),
        POOL_CASE(the_error_names_the_pool_and_its_oldest_borrower),
        POOL_CASE(the_error_names_the_last_connect_that_failed),
        POOL_CASE(a_long_statement_is_told_by_its_beginning),
        POOL_CASE(sustained_overload_turns_newcomers_away),
        POOL_CASE(a_burst_is_not_overload),
        POOL_CASE(nobody_is_turned_away_when_that_is_off),
        POOL_CASE(who_holds_everything_is_told_so),
    };
    return cmocka_run_group_tests_name("db pool wait", tests, NULL, NULL);
}
