/* What operators do with pools, and loans that are taken back: over SQLite in files. */
#include "await.h"
#include "db_test.h"

#include "db/db.h"
#include <covet/pool.h>

static int set_up(void **state)
{
    static db_test t;
    db_test_init(&t, NULL);
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)"));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

static int count_notes(cv_ctx *cx, void *arg)
{
    cv_value value;
    (void)arg;
    return cv_scalar(cx, &value, "SELECT count(*) FROM notes");
}

static cv_fiber *start(db_test *t)
{
    cv_fiber *fiber;
    assert_ok(t->cx, cv_spawn(t->cx, "reader", count_notes, NULL, &fiber));
    return fiber;
}

static void a_suspended_pool_lends_nothing_until_it_goes_on(void **state)
{
    db_test *t = *state;
    (void)count_of(t->cx, "SELECT count(*) FROM notes");
    cv_db_suspend(t->db);
    cv_db_suspend(t->db);
    cv_fiber *fiber = start(t);
    for (int i = 0; i < 10; i++)
        assert_ok(t->cx, cv_yield(t->cx));
    assert_int_equal(cv_db_pool_stats(t->db, 0).waiting, 1);
    assert_int_equal(cv_db_pool_stats(t->db, 0).borrowed, 0);
    cv_db_resume(t->db);
    assert_ok(t->cx, cv_join(t->cx, fiber, NULL));
}

static int read_within(cv_ctx *cx, void *arg)
{
    CV_WITHIN(cx, 20)
    {
        return count_notes(cx, arg);
    }
    return 0;
}

static void waiting_for_a_suspended_pool_has_an_end(void **state)
{
    db_test *t = *state;
    cv_db_suspend(t->db);
    assert_int_equal(read_within(t->cx, NULL), CV_E_TIMEOUT);
    assert_non_null(strstr(cv_error_last(t->cx)->detail, "(suspended)"));
    cv_error_clear(t->cx);
    cv_db_resume(t->db);
}

static void draining_replaces_every_connection(void **state)
{
    db_test *t = *state;
    (void)count_of(t->cx, "SELECT count(*) FROM notes");
    uint64_t closed = cv_db_pool_stats(t->db, 0).closed_total;
    assert_ok(t->cx, cv_db_drain(t->cx, t->db));
    assert_int_equal(cv_db_pool_stats(t->db, 0).open, 0);
    assert_int_equal(cv_db_pool_stats(t->db, 1).open, 0);
    assert_int_equal(cv_db_pool_stats(t->db, 0).closed_total, closed + 1);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM notes"), 0);
}

static int drain(cv_ctx *cx, void *arg)
{
    return cv_db_drain(cx, arg);
}

static void draining_waits_for_what_is_lent(void **state)
{
    db_test *t = *state;
    cv_rows *rows;
    assert_ok(t->cx, cv_select(t->cx, &rows, "SELECT 1"));
    cv_fiber *fiber;
    assert_ok(t->cx, cv_spawn(t->cx, "drain", drain, t->db, &fiber));
    assert_ok(t->cx, cv_yield(t->cx));
    assert_int_equal(cv_db_pool_stats(t->db, 0).borrowed, 1);
    cv_rows_close(t->cx, rows);
    assert_ok(t->cx, cv_join(t->cx, fiber, NULL));
    assert_int_equal(cv_db_pool_stats(t->db, 0).open, 0);
}

static void draining_ends_with_the_deadline(void **state)
{
    db_test *t = *state;
    cv_rows *rows;
    int rc = 0;
    assert_ok(t->cx, cv_select(t->cx, &rows, "SELECT 1"));
    CV_WITHIN(t->cx, 20)
    {
        rc = cv_db_drain(t->cx, t->db);
    }
    assert_int_equal(rc, CV_E_TIMEOUT);
    cv_error_clear(t->cx);
    cv_rows_close(t->cx, rows);
    assert_int_equal(cv_db_pool_stats(t->db, 0).open, 0);
}

static void a_pool_can_be_made_larger_and_smaller(void **state)
{
    db_test *t = *state;
    cv_rows *rows[6];
    assert_ok(t->cx, cv_db_resize(t->cx, t->db, 0, 1, 6));
    for (int i = 0; i < 6; i++)
        assert_ok(t->cx, cv_select(t->cx, &rows[i], "SELECT 1"));
    assert_int_equal(cv_db_pool_stats(t->db, 0).open, 6);
    cv_rows_close(t->cx, rows[5]);
    assert_ok(t->cx, cv_db_resize(t->cx, t->db, 0, 1, 2));
    assert_int_equal(cv_db_pool_stats(t->db, 0).open, 5);
    for (int i = 0; i < 5; i++)
        cv_rows_close(t->cx, rows[i]);
    assert_int_equal(cv_db_pool_stats(t->db, 0).open, 2);
    assert_fails(t->cx, cv_db_resize(t->cx, t->db, 0, 1, 0), CV_E_INVALID, "between 1");
}

static void a_larger_minimum_is_made(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_db_resize(t->cx, t->db, 0, 3, 4));
    await_turns(t->cx, cv_db_pool_stats(t->db, 0).idle >= 3);
}

/* ---- taken back ---- */

static void open_with_forced_return(db_test *t)
{
    cv_db_close(t->cx, t->db);
    assert_ok(t->cx,
              cv_db_open(t->cx, t->url, &(cv_db_options){.forced_return_ms = 30, .acquire_timeout_ms = 20000}, &t->db));
    cv_use_db(t->cx, t->db);
}

static int hold_writer(cv_ctx *cx, void *arg)
{
    int *later = arg;
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes VALUES (1, 'held')"));
        CV_TRY(cv_sleep_ms(cx, 200));
        *later = cv_exec(cx, NULL, "INSERT INTO notes VALUES (2, 'late')");
        CV_TRY(*later);
    }
    return 0;
}

static void a_transaction_that_is_held_too_long_is_ended(void **state)
{
    db_test *t = *state;
    int later = 0;
    cv_fiber *fiber;
    open_with_forced_return(t);
    assert_ok(t->cx, cv_spawn(t->cx, "holder", hold_writer, &later, &fiber));
    await_turns(t->cx, cv_db_pool_stats(t->db, 1).borrowed > 0);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO notes VALUES (3, 'mine')")); /* before the holder ends */
    assert_int_equal(later, 0);
    assert_int_equal(cv_join(t->cx, fiber, NULL), CV_E_LOAN_REVOKED);
    assert_non_null(strstr(cv_error_last(t->cx)->message, "taken back"));
    cv_error_clear(t->cx);
    assert_int_equal(count_of(t->cx, "SELECT sum(id) FROM notes"), 3);
    assert_int_equal(cv_db_pool_stats(t->db, 1).revoked_total, 1);
}

static void rows_that_are_held_too_long_end(void **state)
{
    db_test *t = *state;
    cv_rows *rows;
    open_with_forced_return(t);
    assert_ok(t->cx, cv_select(t->cx, &rows, "SELECT hex(zeroblob(500)) UNION ALL SELECT 2"));
    assert_int_equal(cv_rows_next(t->cx, rows), 1);
    cv_str text = cv_rows_get(rows, 0).as.text;
    await_that(t->cx, cv_db_pool_stats(t->db, 0).revoked_total > 0);
    assert_int_equal(cv_db_pool_stats(t->db, 0).borrowed, 0);
    assert_int_equal(text.len, 1000); /* the row at hand stays readable */
    assert_int_equal(strspn(text.ptr, "0"), 1000);
    assert_fails(t->cx, cv_rows_next(t->cx, rows), CV_E_LOAN_REVOKED, "taken back");
    cv_rows_close(t->cx, rows);
}

static int count_for_ever(cv_ctx *cx, void *arg)
{
    cv_value value;
    (void)arg;
    return cv_scalar(cx, &value,
                     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
}

static void a_statement_that_runs_too_long_is_interrupted(void **state)
{
    db_test *t = *state;
    cv_fiber *fiber;
    open_with_forced_return(t);
    assert_ok(t->cx, cv_spawn(t->cx, "counter", count_for_ever, NULL, &fiber));
    assert_true(cv_join(t->cx, fiber, NULL) < 0);
    cv_error_clear(t->cx);
    assert_int_equal(cv_db_pool_stats(t->db, 0).revoked_total, 1);
}

static void closing_does_not_mind_what_was_taken_back(void **state)
{
    db_test *t = *state;
    cv_rows *rows;
    open_with_forced_return(t);
    assert_ok(t->cx, cv_select(t->cx, &rows, "SELECT 1 UNION ALL SELECT 2"));
    await_that(t->cx, cv_db_pool_stats(t->db, 0).revoked_total > 0);
    cv_rows_close(t->cx, rows);
}

/* ---- leaks ---- */

static void keep_line(void *arg, cv_str line)
{
    cv_buf_add_str(arg, line);
}

static void a_loan_that_lasts_is_told_with_the_stack_of_its_borrower(void **state)
{
    db_test *t = *state;
    cv_buf lines;
    cv_buf_init(&lines, 0);
    cv_log *log = cv_log_new(&(cv_log_options){.sink = keep_line, .sink_arg = &lines});
    cv_ctx *cx;
    cv_db *db;
    cv_rows *rows;
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.log = log}, &cx), 0);
    assert_ok(cx, cv_db_open(cx, t->url, &(cv_db_options){.leak_threshold_ms = 20}, &db));
    cv_use_db(cx, db);
    assert_ok(cx, cv_select(cx, &rows, "SELECT 42"));
    await_that(cx, lines.len && strstr(lines.data, "stack"));
    assert_non_null(strstr(lines.data, "a connection is held for long"));
    assert_non_null(strstr(lines.data, "SELECT 42"));
    assert_non_null(strstr(lines.data, "a_loan_that_lasts_is_told"));
    assert_int_equal(cv_db_pool_stats(db, 0).leaks_total, 1);
    cv_rows_close(cx, rows);
    cv_db_close(cx, db);
    cv_runtime_free(cx);
    cv_log_free(log);
    cv_buf_done(&lines);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_suspended_pool_lends_nothing_until_it_goes_on),
        CASE(waiting_for_a_suspended_pool_has_an_end),
        CASE(draining_replaces_every_connection),
        CASE(draining_waits_for_what_is_lent),
        CASE(draining_ends_with_the_deadline),
        CASE(a_pool_can_be_made_larger_and_smaller),
        CASE(a_larger_minimum_is_made),
        CASE(a_transaction_that_is_held_too_long_is_ended),
        CASE(rows_that_are_held_too_long_end),
        CASE(a_statement_that_runs_too_long_is_interrupted),
        CASE(closing_does_not_mind_what_was_taken_back),
        CASE(a_loan_that_lasts_is_told_with_the_stack_of_its_borrower),
    };
    return cmocka_run_group_tests_name("db pool control", tests, NULL, NULL);
}
