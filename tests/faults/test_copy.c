/* Bulk over a bad network: the wire ends, or falls silent, in the middle of COPY. */
#include "copy_rows.h"
#include "fault_test.h"

static fault_test t;

static cv_ctx *open_test(void)
{
    if (!fault_set_up(&t, "faults_copy"))
        skip();
    fault_open_db(&t, &(cv_db_options){.max_connections = 3, .breaker_window = -1, .shared_connections = -1});
    return t.cx;
}

static int tear_down(void **state)
{
    (void)state;
    fault_tear_down(&t);
    t = (fault_test){0};
    return 0;
}

static const char *const columns[] = {"id", "text"};

static void make_note(int64_t row, cv_value *values)
{
    values[0] = cv_value_i64(row);
    values[1] = cv_value_text("a note that is some forty characters long");
}

static int copy(made_rows *rows, int64_t batch_rows, cv_copy_result *ret_result)
{
    cv_copy_source source = made_rows_source(rows);
    return cv_copy_in(t.cx, "notes", &source, &(cv_copy_options){.batch_rows = batch_rows}, ret_result);
}

static int rows_stored(void)
{
    return atoi(fault_watch(&t, "SELECT count(*) FROM notes"));
}

static made_rows notes(int64_t count)
{
    return (made_rows){.columns = columns, .column_count = 2, .count = count, .make = make_note};
}

static void a_lost_server_tells_how_many_rows_are_stored(void **state)
{
    (void)state;
    cv_ctx *cx = open_test();
    made_rows rows = notes(50000);
    cv_copy_result done;
    fault_set(&t, (cv_fault_rule){CV_FAULT_RESET, .from = CV_FAULT_CLIENT, .type = 'd', .nth = 45});
    int rc = copy(&rows, 5000, &done);
    assert_int_equal(rc, CV_E_CONNECTION_LOST);
    fault_assert_story(cx, rc);
    assert_true(done.rows >= 5000 && done.rows < 50000 && done.rows % 5000 == 0);
    assert_int_equal(rows_stored(), done.rows);
    fault_heal(&t);
    fault_assert_permits(&t);
}

static void a_lost_server_leaves_nothing_of_a_copy(void **state)
{
    (void)state;
    cv_ctx *cx = open_test();
    made_rows rows = notes(50000);
    cv_copy_result done;
    fault_set(&t, (cv_fault_rule){CV_FAULT_CUT, .from = CV_FAULT_CLIENT, .type = 'd', .nth = 20, .halfway = true});
    int rc = copy(&rows, 0, &done);
    assert_int_equal(rc, CV_E_CONNECTION_LOST);
    fault_assert_story(cx, rc);
    assert_int_equal(done.rows, 0);
    assert_int_equal(rows_stored(), 0);
    fault_heal(&t);
    rows = notes(1000);
    assert_ok(cx, copy(&rows, 0, &done)); /* at once */
    assert_int_equal(rows_stored(), 1000);
    fault_assert_permits(&t);
}

static void a_silent_server_is_left_at_the_deadline(void **state)
{
    (void)state;
    cv_ctx *cx = open_test();
    made_rows rows = notes(INT64_MAX);
    int rc = 0;
    fault_set(&t, (cv_fault_rule){CV_FAULT_STALL, .from = CV_FAULT_CLIENT, .type = 'd', .nth = 10});
    int64_t start_ns = cv_now_ns(cx);
    CV_WITHIN(cx, 300)
    {
        rc = copy(&rows, 0, NULL);
    }
    assert_int_equal(rc, CV_E_TIMEOUT);
    fault_assert_story(cx, rc);
    assert_true(fault_ms_since(&t, start_ns) < FAULT_LIMIT_MS);
    fault_heal(&t);
    assert_int_equal(rows_stored(), 0);
    fault_assert_permits(&t);
}

static int count_row(cv_ctx *cx, void *arg, const cv_value *values)
{
    (void)cx;
    assert_int_equal(values[0].as.i64, ++*(int64_t *)arg);
    return 0;
}

static int copy_numbers_out(cv_copy_result *ret_result)
{
    int64_t seen = 0;
    cv_copy_sink sink = {.row = count_row, .arg = &seen};
    return cv_copy_out_query(t.cx, "SELECT generate_series(1, 200000)", NULL, 0, &sink, NULL, ret_result);
}

static void rows_that_end_early_are_no_whole(void **state)
{
    (void)state;
    cv_ctx *cx = open_test();
    cv_copy_result done;
    fault_set(&t, (cv_fault_rule){CV_FAULT_CUT, .from = CV_FAULT_SERVER, .type = 'd', .nth = 5000});
    int rc = copy_numbers_out(&done);
    assert_int_equal(rc, CV_E_CONNECTION_LOST);
    fault_assert_story(cx, rc);
    assert_true(done.rows < 5000);
    fault_set(&t, (cv_fault_rule){CV_FAULT_STALL, .from = CV_FAULT_SERVER, .type = 'd', .nth = 5000});
    CV_WITHIN(cx, 300)
    {
        rc = copy_numbers_out(&done);
    }
    assert_int_equal(rc, CV_E_TIMEOUT);
    fault_assert_story(cx, rc);
    fault_heal(&t);
    assert_ok(cx, copy_numbers_out(&done));
    assert_int_equal(done.rows, 200000);
    fault_assert_permits(&t);
}

static int kill_the_session(cv_ctx *cx, made_rows *rows)
{
    (void)cx;
    if (rows->given == 3000)
        fault_watch(&t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY %'");
    return 0;
}

static void a_session_that_is_terminated_is_lost(void **state)
{
    (void)state;
    cv_ctx *cx = open_test();
    made_rows rows = notes(INT64_MAX);
    rows.before = kill_the_session;
    int rc = copy(&rows, 0, NULL);
    assert_int_equal(rc, CV_E_CONNECTION_LOST);
    fault_assert_story(cx, rc);
    assert_int_equal(rows_stored(), 0);
    fault_assert_permits(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_lost_server_tells_how_many_rows_are_stored, tear_down),
        cmocka_unit_test_teardown(a_lost_server_leaves_nothing_of_a_copy, tear_down),
        cmocka_unit_test_teardown(a_silent_server_is_left_at_the_deadline, tear_down),
        cmocka_unit_test_teardown(rows_that_end_early_are_no_whole, tear_down),
        cmocka_unit_test_teardown(a_session_that_is_terminated_is_lost, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
