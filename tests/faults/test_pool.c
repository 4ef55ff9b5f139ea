/* The pool before a server that is slow to accept, closes what is idle, or answers no more. */
#include "await.h"
#include "fault_test.h"

#include "db/pool/pool.h"
#include <covet/pool.h>

enum { MANY = 50 };

static int set_up(void **state)
{
    static fault_test t;
    *state = &t;
    fault_set_up(&t, "faults_pool");
    return 0;
}

static int tear_down(void **state)
{
    fault_tear_down(*state);
    return 0;
}

static fault_test *test_of(void **state)
{
    fault_test *t = *state;
    if (!t->cx)
        skip();
    return t;
}

static int read_one(cv_ctx *cx, void *arg)
{
    cv_value value;
    (void)arg;
    return cv_scalar(cx, &value, "SELECT 1");
}

static void read_with_many(fault_test *t)
{
    cv_fiber *fibers[MANY];
    for (int i = 0; i < MANY; i++)
        assert_ok(t->cx, cv_spawn(t->cx, "reader", read_one, NULL, &fibers[i]));
    for (int i = 0; i < MANY; i++)
        assert_ok(t->cx, cv_join(t->cx, fibers[i], NULL));
}

static void wait_for_connects(fault_test *t)
{
    await_that(t->cx, cv_db_pool_stats(t->db, 0).connecting == 0);
}

static void fifty_short_queries_at_once_make_few_connections(void **state)
{
    fault_test *t = test_of(state);
    fault_set(t, (cv_fault_rule){CV_FAULT_DELAY, .type = CV_FAULT_TYPE_START, .delay_ms = 150});
    fault_open_db(t, &(cv_db_options){.max_connections = MANY});
    read_with_many(t);
    wait_for_connects(t);
    assert_in_range(cv_db_pool_stats(t->db, 0).open, 1, 6);
    assert_in_range(cv_db_pool_stats(t->db, 0).opened_total, 1, 6);
}

static int hold(cv_ctx *cx, void *arg)
{
    (void)arg;
    CV_ATOMIC(cx)
    {
        cv_value value;
        CV_TRY(cv_scalar(cx, &value, "SELECT 1"));
        CV_TRY(cv_sleep_ms(cx, 20));
    }
    return 0;
}

static void open_some(fault_test *t, const cv_db_options *options)
{
    cv_fiber *fibers[4];
    fault_open_db(t, options);
    for (int i = 0; i < 4; i++)
        assert_ok(t->cx, cv_spawn(t->cx, "holder", hold, NULL, &fibers[i]));
    for (int i = 0; i < 4; i++)
        assert_ok(t->cx, cv_join(t->cx, fibers[i], NULL));
    wait_for_connects(t);
}

static void what_was_closed_while_idle_costs_no_statement(void **state)
{
    fault_test *t = test_of(state);
    open_some(t, &(cv_db_options){.max_connections = 4});
    t->engine->end_others(t->watch);
    read_with_many(t);
    assert_int_equal(cv_db_pool_stats(t->db, 0).connect_failures_total, 0);
}

static int read_within(fault_test *t, int64_t ms)
{
    CV_WITHIN(t->cx, ms)
    {
        return read_one(t->cx, NULL);
    }
    return 0;
}

static void a_frozen_idle_connection_is_found_out_by_the_question(void **state)
{
    fault_test *t = test_of(state);
    open_some(t, &(cv_db_options){.max_connections = 4, .validate_after_ms = 20, .validate_timeout_ms = 60});
    assert_ok(t->cx, cv_sleep_ms(t->cx, 40));
    cv_fault_rule stall = t->engine->life;
    stall.fault = CV_FAULT_STALL;
    fault_set(t, stall);
    uint64_t closed = cv_db_pool_stats(t->db, 0).closed_total;
    assert_ok(t->cx, read_within(t, FAULT_LIMIT_MS)); /* by a new connection, which answers */
    assert_true(cv_db_pool_stats(t->db, 0).closed_total > closed);
    fault_heal(t);
    fault_assert_permits(t);
}

static void refused_connects_leave_those_that_are_open_at_work(void **state)
{
    fault_test *t = test_of(state);
    fault_open_db(t, &(cv_db_options){.max_connections = 4});
    fault_set(t, (cv_fault_rule){CV_FAULT_REFUSE});
    read_with_many(t);
    fault_heal(t);
    fault_assert_permits(t);
}

static int sleep_long(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_sql_run(cx, fault_engine_used()->sleep_long, NULL, 0, NULL, NULL);
}

static void a_statement_that_is_held_too_long_gives_its_place_back(void **state)
{
    fault_test *t = test_of(state);
    fault_open_db(t, &(cv_db_options){.max_connections = 1, .forced_return_ms = 50, .shared_connections = -1});
    cv_fiber *fiber;
    assert_ok(t->cx, cv_spawn(t->cx, "sleeper", sleep_long, NULL, &fiber));
    assert_ok(t->cx, cv_yield(t->cx));
    assert_ok(t->cx, read_within(t, FAULT_LIMIT_MS));
    assert_true(cv_join(t->cx, fiber, NULL) < 0);
    cv_error_clear(t->cx);
    assert_int_equal(cv_db_pool_stats(t->db, 0).revoked_total, 1);
    fault_assert_permits(t);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    fault_engine_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        CASE(fifty_short_queries_at_once_make_few_connections),
        CASE(what_was_closed_while_idle_costs_no_statement),
        CASE(a_frozen_idle_connection_is_found_out_by_the_question),
        CASE(refused_connects_leave_those_that_are_open_at_work),
        CASE(a_statement_that_is_held_too_long_gives_its_place_back),
    };
    return cmocka_run_group_tests_name("faults pool", tests, NULL, NULL);
}
