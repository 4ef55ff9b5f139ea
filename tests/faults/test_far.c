/* A server that is far away: what is undone takes longer than the time that there is for cleaning up beyond a deadline.
 * As long as the program has time, nothing is lost to that. */
#include "fault_test.h"

enum { DELAY_MS = 100 };

static fault_test test;

static int set_up(void **state)
{
    (void)state;
    if (fault_set_up(&test, "far"))
        fault_open_db(&test, &(cv_db_options){.max_connections = 1, .shared_connections = -1});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fault_tear_down(&test);
    return 0;
}

static void slow_down(void)
{
    if (!test.cx)
        skip();
    assert_ok(test.cx, cv_exec(test.cx, NULL, "DELETE FROM notes"));
    fault_set(&test,
              (cv_fault_rule){CV_FAULT_DELAY, .from = CV_FAULT_CLIENT, .text = "ROLLBACK", .delay_ms = DELAY_MS});
}

static int insert_twice(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes VALUES (2, 'undone')"));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes VALUES (2, 'again')"));
    }
    return 0;
}

static int undo_a_part(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes VALUES (1, 'before')"));
        assert_int_equal(insert_twice(cx), CV_E_UNIQUE);
        cv_error_clear(cx);
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes VALUES (3, 'after')"));
    }
    return 0;
}

static void an_inner_block_is_undone_and_the_outer_one_goes_on(void **state)
{
    (void)state;
    slow_down();
    uint64_t opened = cv_db_pool_stats(test.db, 0).opened_total;
    assert_ok(test.cx, undo_a_part(test.cx));
    assert_true(fault_count(&test) > 0);
    assert_string_equal(fault_watch(&test, "SELECT count(*) FROM notes WHERE id IN (1, 3)"), "2");
    assert_string_equal(fault_watch(&test, "SELECT count(*) FROM notes"), "2");
    assert_int_equal(cv_db_pool_stats(test.db, 0).opened_total, opened);
}

static void a_rollback_keeps_the_connection(void **state)
{
    (void)state;
    slow_down();
    uint64_t opened = cv_db_pool_stats(test.db, 0).opened_total;
    assert_int_equal(insert_twice(test.cx), CV_E_UNIQUE);
    cv_error_clear(test.cx);
    assert_true(fault_count(&test) > 0);
    assert_string_equal(fault_watch(&test, "SELECT count(*) FROM notes"), "0");
    fault_assert_permits(&test);
    assert_int_equal(cv_db_pool_stats(test.db, 0).opened_total, opened);
}

static void a_deadline_does_not_wait_for_it(void **state)
{
    (void)state;
    slow_down();
    int rc = 0;
    uint64_t opened = cv_db_pool_stats(test.db, 0).opened_total;
    fault_set(&test, (cv_fault_rule){CV_FAULT_DELAY, .from = CV_FAULT_CLIENT, .text = "ROLLBACK",
                                     .delay_ms = 2 * FAULT_LIMIT_MS});
    int64_t start_ns = cv_now_ns(test.cx);
    CV_WITHIN(test.cx, 500)
    {
        rc = insert_twice(test.cx);
    }
    assert_int_equal(rc, CV_E_UNIQUE);
    cv_error_clear(test.cx);
    assert_true(fault_ms_since(&test, start_ns) < FAULT_LIMIT_MS);
    fault_heal(&test);
    fault_assert_permits(&test);
    assert_true(cv_db_pool_stats(test.db, 0).opened_total > opened); /* the other one is given up */
}

int main(int argc, char **argv)
{
    fault_engine_choose(argc, argv);
#define CASE(name) cmocka_unit_test(name)
    const struct CMUnitTest tests[] = {
        CASE(an_inner_block_is_undone_and_the_outer_one_goes_on),
        CASE(a_rollback_keeps_the_connection),
        CASE(a_deadline_does_not_wait_for_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
