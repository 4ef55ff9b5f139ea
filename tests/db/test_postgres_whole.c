/* Quick reads that have a connection of their own: inside a transaction, and when their answer is too large to share.
 */
#include "postgres_test.h"

static int set_up(void **state)
{
    static fixture f;
    f = (fixture){0};
    *state = &f;
    if (!test_database_create("whole", f.url))
        return 0;
    fixture_open(&f, &(cv_db_options){.max_connections = 8});
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    if (!f->cx)
        return 0;
    fixture_close(f);
    test_database_drop(f->url);
    return 0;
}

static fixture *fixture_of(void **state)
{
    fixture *f = *state;
    if (!f->cx)
        skip();
    return f;
}

static int sum_rows(cv_ctx *cx, cv_rows *rows, int64_t *ret_sum)
{
    int rc;
    *ret_sum = 0;
    while ((rc = cv_rows_next(cx, rows)) > 0)
        *ret_sum += cv_rows_get(rows, 0).as.i64;
    cv_rows_close(cx, rows);
    return rc;
}

static int read_in_transaction(fixture *f)
{
    cv_rows *first, *second;
    int64_t sum;
    CV_ATOMIC(f->cx)
    {
        CV_TRY(cv_exec(f->cx, NULL, "CREATE TABLE numbers (n int)"));
        CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO numbers SELECT * FROM generate_series(1, 100)"));
        CV_TRY(cv_select_quick(f->cx, &first, "SELECT n FROM numbers"));
        assert_int_equal(cv_rows_next(f->cx, first), 1);
        assert_int_equal(cv_rows_get(first, 0).as.i64, 1);
        CV_TRY(cv_select_quick(f->cx, &second, "SELECT n FROM numbers WHERE n > ?", 50));
        CV_TRY(cv_exec(f->cx, NULL, "DELETE FROM numbers"));
        CV_TRY(sum_rows(f->cx, second, &sum));
        assert_int_equal(sum, 3775);
        CV_TRY(sum_rows(f->cx, first, &sum));
        assert_int_equal(sum, 5049);
        CV_TRY(cv_select_quick(f->cx, &first, "SELECT n FROM numbers"));
        CV_TRY(sum_rows(f->cx, first, &sum));
        assert_int_equal(sum, 0);
        CV_TRY(cv_select_quick(f->cx, &first, "SELECT 1 UNION SELECT 2"));
        cv_rows_close(f->cx, first); /* unread */
    }
    return 0;
}

static void rows_of_a_transaction_are_seen_whole(void **state)
{
    fixture *f = fixture_of(state);
    assert_ok(f->cx, read_in_transaction(f));
}

static int fail_in_transaction(fixture *f)
{
    cv_rows *rows;
    CV_ATOMIC(f->cx)
    {
        CV_TRY(cv_select_quick(f->cx, &rows, "SELECT 1 / (3 - n) FROM generate_series(1, 5) n"));
        int rc;
        while ((rc = cv_rows_next(f->cx, rows)) > 0)
            ;
        CV_TRY(rc);
    }
    return 0;
}

static void an_error_among_the_rows_is_told_before_them(void **state)
{
    fixture *f = fixture_of(state);
    assert_fails(f->cx, fail_in_transaction(f), CV_E_INVALID, "division by zero");
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static int read_quickly(cv_ctx *cx, void *arg)
{
    cv_rows *rows;
    (void)arg;
    CV_TRY(cv_select_quick(cx, &rows, "SELECT i, repeat('x', 100) FROM generate_series(1, 2000) i"));
    int64_t sum;
    CV_TRY(sum_rows(cx, rows, &sum));
    assert_int_equal(sum, 2001000);
    return 0;
}

static void large_answers_get_a_connection_of_their_own(void **state)
{
    fixture *f = fixture_of(state);
    uint64_t before = cv_db_pool_stats(f->db, 0).acquired_total;
    for (int i = 0; i < 50; i++) { /* the first ones while the shared connections are made */
        cv_fiber *fiber;
        assert_ok(f->cx, cv_spawn(f->cx, "reader", read_quickly, NULL, &fiber));
        assert_ok(f->cx, cv_join(f->cx, fiber, NULL));
    }
    assert_true(cv_db_pool_stats(f->db, 0).acquired_total - before >= 40);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(rows_of_a_transaction_are_seen_whole),
        case_of(an_error_among_the_rows_is_told_before_them),
        case_of(large_answers_get_a_connection_of_their_own),
    };
    return cmocka_run_group_tests_name("postgres-whole", tests, NULL, NULL);
}
