/* Making and checking connections, on a simulated clock. */
#include "pool_test.h"

enum { MANY = 50 };

static void start_many(pool_test *t, borrower list[MANY], int64_t hold_ms)
{
    for (int i = 0; i < MANY; i++) {
        list[i] = (borrower){.t = t, .hold_ms = hold_ms, .number = i};
        start_borrower(&list[i]);
    }
}

static void join_many(borrower list[MANY])
{
    for (int i = 0; i < MANY; i++) {
        join_borrower(&list[i]);
        assert_int_equal(list[i].rc, 0);
    }
}

static void fifty_short_loans_at_once_do_not_make_fifty_connections(void **state)
{
    pool_test *t = *state;
    static borrower list[MANY];
    t->options.max_connections = 50;
    t->engine.connect_ms = 150;
    pool_test_start(t);
    give(t, take(t));
    start_many(t, list, 2);
    join_many(list);
    pass_ms(t, 1000);
    assert_in_range(t->pool.open, 1, 6);
    assert_in_range(t->engine.connects, 1, 6);
}

static void connections_are_made_a_few_at_a_time(void **state)
{
    pool_test *t = *state;
    static borrower list[MANY];
    t->engine.connect_ms = 10;
    pool_test_start(t);
    start_many(t, list, 100);
    join_many(list);
    assert_int_equal(t->engine.most_at_once, CV__POOL_GROW);
    assert_int_equal(t->pool.open, 10);
}

static void who_waits_takes_what_comes_first(void **state)
{
    pool_test *t = *state;
    t->engine.connect_ms = 1000;
    pool_test_start(t);
    cv__conn *first = take(t);
    borrower b = {.t = t};
    start_borrower(&b);
    pass_ms(t, 300);
    give(t, first);
    join_borrower(&b);
    assert_int_equal(b.waited_ms, 300);
    pass_ms(t, 1000);
    assert_int_equal(t->pool.idle_count, 2);
}

static void a_failure_is_told_to_those_who_wait_when_nothing_is_open(void **state)
{
    pool_test *t = *state;
    t->engine.connect_code = CV_E_REFUSED;
    t->engine.connect_ms = 20;
    pool_test_start(t);
    borrower one = {.t = t}, two = {.t = t};
    start_borrower(&one);
    start_borrower(&two);
    join_borrower(&one);
    join_borrower(&two);
    assert_int_equal(one.rc, CV_E_REFUSED);
    assert_int_equal(two.rc, CV_E_REFUSED);
    assert_string_equal(one.message, "the engine does not want to");
    assert_int_equal(t->pool.open, 0);
    assert_int_equal(t->pool.connect_failures_total, 2);
}

static void a_failure_is_not_told_while_a_connection_may_come_back(void **state)
{
    pool_test *t = *state;
    pool_test_start(t);
    cv__conn *first = take(t);
    t->engine.connect_code = CV_E_TOO_MANY_CONNECTIONS;
    borrower b = {.t = t};
    start_borrower(&b);
    pass_ms(t, 2000);
    assert_in_range(t->pool.connect_failures_total, 3, 40); /* again and again, with pauses */
    give(t, first);
    join_borrower(&b);
    assert_int_equal(b.rc, 0);
    assert_int_equal(b.waited_ms, 2000);
}

static void tries_that_fail_are_made_less_and_less_often(void **state)
{
    pool_test *t = *state;
    t->engine.connect_code = CV_E_REFUSED;
    pool_test_start(t);
    for (int i = 0; i < 40; i++) {
        borrower b = {.t = t};
        assert_int_equal(borrow_once(&b), CV_E_REFUSED);
        assert_in_range(b.waited_ms, 0, 1000);
    }
    assert_in_range(t->engine.connects, 20, 40);
    t->engine.connect_code = 0;
    borrower b = {.t = t};
    assert_int_equal(borrow_once(&b), 0);
    assert_in_range(b.waited_ms, 0, 1000);
    assert_int_equal(t->pool.failed_in_a_row, 0);
}

static void after_too_many_failures_the_server_is_left_alone(void **state)
{
    pool_test *t = *state;
    t->options.breaker_window = 10;
    t->engine.connect_code = CV_E_REFUSED;
    pool_test_start(t);
    borrower b = {.t = t};
    while (cv__breaker_state_at(&t->pool.breaker, cv_now_ns(t->cx)) == CV__BREAKER_CLOSED)
        assert_int_equal(borrow_once(&b), CV_E_REFUSED);
    size_t connects = t->engine.connects;
    assert_int_equal(connects, 5);
    b = (borrower){.t = t};
    assert_int_equal(borrow_once(&b), CV_E_CIRCUIT_OPEN);
    assert_int_equal(b.waited_ms, 0);
    assert_non_null(strstr(b.message, "the next try is in 60000 ms"));
    assert_non_null(strstr(b.detail, "does not want to"));
    assert_int_equal(t->engine.connects, connects);
    t->engine.connect_code = 0;
    pass_ms(t, 60000);
    assert_int_equal(borrow_once(&b), 0);
    assert_int_equal(t->engine.connects, connects + 1);
}

static void an_open_breaker_does_not_keep_from_what_is_idle(void **state)
{
    pool_test *t = *state;
    t->options.breaker_window = 10;
    pool_test_start(t);
    give(t, take(t));
    for (int i = 0; i < 10; i++)
        (void)cv__breaker_note(&t->pool.breaker, cv_now_ns(t->cx), false, "test");
    borrower b = {.t = t};
    assert_int_equal(borrow_once(&b), 0);
}

static void a_rested_connection_is_asked_before_it_is_lent(void **state)
{
    pool_test *t = *state;
    pool_test_start(t);
    give(t, take(t));
    pass_ms(t, 499);
    give(t, take(t));
    assert_int_equal(t->engine.pings, 0);
    pass_ms(t, 500);
    give(t, take(t));
    assert_int_equal(t->engine.pings, 1);
    give(t, take(t));
    assert_int_equal(t->engine.pings, 1);
    assert_int_equal(t->engine.connects, 1);
}

static void a_connection_without_an_answer_is_replaced_with_all_that_were_idle(void **state)
{
    pool_test *t = *state;
    pool_test_start(t);
    cv__conn *one = take(t), *two = take(t), *three = take(t);
    give(t, one);
    give(t, two);
    give(t, three);
    pass_ms(t, 1000);
    t->engine.ping_ms = 100000; /* frozen */
    borrower b = {.t = t};
    assert_int_equal(borrow_once(&b), 0);
    assert_int_equal(b.waited_ms, 500);
    assert_int_equal(t->engine.pings, 1);
    assert_int_equal(t->engine.connects, 4);
    assert_int_equal(t->pool.open, 1);
}

static void a_deadline_ends_the_question_too(void **state)
{
    pool_test *t = *state;
    pool_test_start(t);
    give(t, take(t));
    pass_ms(t, 1000);
    t->engine.ping_ms = 100000;
    borrower b = {.t = t, .within_ms = 100};
    assert_int_equal(borrow_once(&b), CV_E_TIMEOUT);
    assert_int_equal(b.waited_ms, 100);
    assert_int_equal(t->pool.open, 0);
}

static void after_a_loss_idle_connections_are_suspect(void **state)
{
    pool_test *t = *state;
    pool_test_start(t);
    cv__conn *one = take(t), *two = take(t);
    give(t, one);
    two->broken = two->lost = true;
    give(t, two);
    give(t, take(t));
    assert_int_equal(t->engine.pings, 1);
    give(t, take(t));
    assert_int_equal(t->engine.pings, 1);
}

static void a_server_that_goes_away_counts_once(void **state)
{
    pool_test *t = *state;
    pool_test_start(t);
    cv__conn *all[10];
    for (int i = 0; i < 10; i++)
        all[i] = take(t);
    for (int i = 0; i < 10; i++) {
        all[i]->broken = all[i]->lost = true;
        give(t, all[i]);
    }
    assert_int_equal(t->pool.breaker.failures, 1);
}

static void what_the_server_closed_is_noticed_before_it_is_lent(void **state)
{
    pool_test *t = *state;
    pool_test_start(t);
    give(t, take(t));
    pass_ms(t, 2);
    t->engine.dead = true;
    give(t, take(t));
    assert_int_equal(t->engine.connects, 2);
    assert_int_equal(t->engine.closes, 1);
}

static void the_pool_is_warmed_behind_the_first_loan(void **state)
{
    pool_test *t = *state;
    t->options.min_connections = 4;
    t->engine.connect_ms = 10;
    pool_test_start(t);
    give(t, take(t));
    assert_int_equal(t->pool.opened_total, 1);
    pass_ms(t, 100);
    assert_int_equal(t->pool.idle_count, 4);
    pass_ms(t, 100000);
    assert_int_equal(t->engine.connects, 4);
}

static void what_is_missing_to_the_minimum_is_made_again(void **state)
{
    pool_test *t = *state;
    t->options.min_connections = 2;
    pool_test_start(t);
    cv__conn *one = take(t);
    pass_ms(t, 10);
    one->broken = true;
    give(t, one);
    assert_int_equal(t->pool.open, 1);
    pass_ms(t, 1100);
    assert_int_equal(t->pool.open, 2);
}

static void idle_connections_go_down_to_the_minimum(void **state)
{
    pool_test *t = *state;
    t->options.idle_timeout_ms = 10000;
    t->options.min_connections = 2;
    pool_test_start(t);
    cv__conn *all[5];
    for (int i = 0; i < 5; i++)
        all[i] = take(t);
    for (int i = 0; i < 5; i++)
        give(t, all[i]);
    pass_ms(t, 9999);
    assert_int_equal(t->pool.open, 5);
    pass_ms(t, 2);
    assert_int_equal(t->pool.open, 2);
}

static void connections_grow_old_at_different_times(void **state)
{
    pool_test *t = *state;
    t->options.max_lifetime_ms = 100000;
    t->options.min_connections = -1;
    pool_test_start(t);
    cv__conn *all[10];
    int64_t first_ns = INT64_MAX, last_ns = 0, now_ns = cv_now_ns(t->cx);
    for (int i = 0; i < 10; i++) {
        all[i] = take(t);
        first_ns = all[i]->expires_ns < first_ns ? all[i]->expires_ns : first_ns;
        last_ns = all[i]->expires_ns > last_ns ? all[i]->expires_ns : last_ns;
    }
    assert_true(first_ns >= now_ns + 90000 * INT64_C(1000000) && last_ns <= now_ns + 100001 * INT64_C(1000000));
    assert_true(last_ns - first_ns > INT64_C(1000000000));
    for (int i = 0; i < 10; i++)
        give(t, all[i]);
    pass_ms(t, 89000);
    assert_int_equal(t->pool.open, 10);
    pass_ms(t, 12000);
    assert_int_equal(t->pool.open, 0);
}

static void closing_ends_the_connects_under_way(void **state)
{
    pool_test *t = *state;
    t->engine.connect_ms = 100000;
    pool_test_start(t);
    borrower b = {.t = t};
    start_borrower(&b);
    pass_ms(t, 10);
    cv__pool_close(&t->pool, pool_test_drained, &t->drained);
    join_borrower(&b);
    assert_int_equal(b.rc, CV_E_CLOSED);
    pass_ms(t, 0);
    assert_int_equal(t->drained, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_CASE(fifty_short_loans_at_once_do_not_make_fifty_connections),
        POOL_CASE(connections_are_made_a_few_at_a_time),
        POOL_CASE(who_waits_takes_what_comes_first),
        POOL_CASE(a_failure_is_told_to_those_who_wait_when_nothing_is_open),
        POOL_CASE(a_failure_is_not_told_while_a_connection_may_come_back),
        POOL_CASE(tries_that_fail_are_made_less_and_less_often),
        POOL_CASE(after_too_many_failures_the_server_is_left_alone),
        POOL_CASE(an_open_breaker_does_not_keep_from_what_is_idle),
        POOL_CASE(a_rested_connection_is_asked_before_it_is_lent),
        POOL_CASE(a_connection_without_an_answer_is_replaced_with_all_that_were_idle),
        POOL_CASE(a_deadline_ends_the_question_too),
        POOL_CASE(after_a_loss_idle_connections_are_suspect),
        POOL_CASE(a_server_that_goes_away_counts_once),
        POOL_CASE(what_the_server_closed_is_noticed_before_it_is_lent),
        POOL_CASE(the_pool_is_warmed_behind_the_first_loan),
        POOL_CASE(what_is_missing_to_the_minimum_is_made_again),
        POOL_CASE(idle_connections_go_down_to_the_minimum),
        POOL_CASE(connections_grow_old_at_different_times),
        POOL_CASE(closing_ends_the_connects_under_way),
    };
    return cmocka_run_group_tests_name("db pool connect", tests, NULL, NULL);
}
