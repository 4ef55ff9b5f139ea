/* Rows of PostgreSQL: streaming, several at once, early ends, and memory that does not grow with them. */
#include "postgres_test.h"

static fixture shared;

static int set_up_group(void **state)
{
    (void)state;
    test_database_create("cursor", shared.url);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (shared.url[0])
        test_database_drop(shared.url);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    if (shared.url[0]) {
        fixture_open(&shared, NULL);
        test_session_run(shared.watch,
                         "DROP TABLE IF EXISTS notes; CREATE TABLE notes (id int PRIMARY KEY, text text)");
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (shared.cx)
        fixture_close(&shared);
    return 0;
}

static cv_ctx *context(void)
{
    if (!shared.cx)
        skip();
    return shared.cx;
}

/* The address sanitizer keeps what was freed for a while (valgrind, too, but less). */
#if defined(__SANITIZE_ADDRESS__)
static const bool memory_is_given_back = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
static const bool memory_is_given_back = false;
#else
static const bool memory_is_given_back = true;
#endif
#else
static const bool memory_is_given_back = true;
#endif

static size_t resident_kib(void)
{
    size_t total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%zu %zu", &total, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * 4;
}

static int read_all(cv_ctx *cx, cv_rows *rows, int64_t *ret_count, int64_t *ret_sum)
{
    int rc;
    *ret_count = *ret_sum = 0;
    while ((rc = cv_rows_next(cx, rows)) > 0) {
        ++*ret_count;
        *ret_sum += cv_rows_get(rows, 0).as.i64;
    }
    return rc;
}

static void a_long_result_streams_in_bounded_memory(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_rows *rows;
    int64_t count, sum;
    (void)scalar(cx, "SELECT 1");
    size_t before = resident_kib();
    assert_ok(cx, cv_select(cx, &rows, "SELECT i, repeat('x', 2000) FROM generate_series(1, 100000) i"));
    assert_ok(cx, read_all(cx, rows, &count, &sum));
    cv_rows_close(cx, rows);
    assert_int_equal(count, 100000);
    assert_int_equal(sum, INT64_C(5000050000));
    size_t after = resident_kib();
    if (memory_is_given_back && after > before + 64 * 1024) /* the rows are 200 MB */
        fail_msg("%zu KiB more are resident", after - before);
}

static int write_while_reading(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        cv_rows *rows;
        int rc;
        CV_TRY(cv_select(cx, &rows,
                         "SELECT CAST(i AS bigint), CASE WHEN i % 3 = 0 THEN NULL ELSE 't' || i END"
                         " FROM generate_series(1, 1000) i"));
        while ((rc = cv_rows_next(cx, rows)) > 0) {
            cv_value text = cv_rows_get(rows, 1);
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes VALUES (?, ?)", cv_rows_get(rows, 0), text));
        }
        CV_TRY(rc);
    }
    return 0;
}

static void statements_run_on_the_connection_while_rows_are_open(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_ok(cx, write_while_reading(cx));
    assert_string_equal(test_session_run(shared.watch,
                                         "SELECT count(*) || ' ' || sum(id) || ' ' || count(text) || ' ' ||"
                                         " max(text) FROM notes"),
                        "1000 500500 667 t998");
}

static int read_two(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        cv_rows *a, *b;
        CV_TRY(cv_select(cx, &a, "SELECT i FROM generate_series(1, 300) i"));
        CV_TRY(cv_rows_next(cx, a));
        CV_TRY(cv_select(cx, &b, "SELECT -i FROM generate_series(1, 300) i"));
        for (int i = 1; i <= 300; i++) {
            assert_int_equal(cv_rows_get(a, 0).as.i64, i);
            assert_int_equal(cv_rows_next(cx, b), 1);
            assert_int_equal(cv_rows_get(b, 0).as.i64, -i);
            assert_int_equal(cv_rows_get(a, 0).as.i64, i);
            CV_TRY(cv_rows_next(cx, a));
        }
        assert_int_equal(cv_rows_next(cx, b), 0);
        assert_int_equal(cv_rows_next(cx, a), 0);
    }
    return 0;
}

static void two_results_are_read_in_turns(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_ok(cx, read_two(cx));
}

static int overflow(cv_ctx *cx, int64_t *ret_count, int64_t *ret_sum)
{
    CV_ATOMIC(cx)
    {
        cv_rows *rows;
        CV_TRY(cv_select(cx, &rows, "SELECT i, repeat('x', 100000) FROM generate_series(1, 400) i"));
        assert_int_equal(cv_exec(cx, NULL, "INSERT INTO notes VALUES (1)"), CV_E_LIMIT);
        assert_non_null(strstr(cv_error_last(cx)->hint, "close the rows"));
        cv_error_clear(cx);
        CV_TRY(read_all(cx, rows, ret_count, ret_sum));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes VALUES (1)"));
    }
    return 0;
}

static void rows_too_many_to_keep_are_refused_and_not_lost(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    int64_t count, sum;
    assert_ok(cx, overflow(cx, &count, &sum));
    assert_int_equal(count, 400);
    assert_int_equal(sum, 80200);
    assert_string_equal(test_session_run(shared.watch, "SELECT count(*) FROM notes"), "1");
}

static void a_failure_in_the_middle_comes_where_it_belongs(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_rows *rows;
    int rc, count = 0;
    assert_ok(cx, cv_select(cx, &rows, "SELECT 100 / (50 - i) FROM generate_series(1, 100) i"));
    while ((rc = cv_rows_next(cx, rows)) > 0)
        count++;
    assert_int_equal(rc, CV_E_INVALID);
    assert_string_equal(cv_error_last(cx)->sqlstate, "22012");
    cv_error_clear(cx);
    assert_int_equal(count, 49);
    cv_rows_close(cx, rows);
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
}

static int fail_while_kept(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        cv_rows *rows;
        CV_TRY(cv_select(cx, &rows, "SELECT 100 / (50 - i) FROM generate_series(1, 100) i"));
        assert_int_equal(cv_exec(cx, NULL, "INSERT INTO notes VALUES (1)"), CV_E_TX_ABORTED);
        cv_error_clear(cx);
        for (int i = 0; i < 49; i++)
            assert_int_equal(cv_rows_next(cx, rows), 1);
        CV_TRY(cv_rows_next(cx, rows));
    }
    return 0;
}

static void a_failure_among_kept_rows_waits_for_its_fetch(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_fails(cx, fail_while_kept(cx), CV_E_INVALID, "division by zero");
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
}

static void rows_closed_early_keep_the_connection_when_the_rest_is_short(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    int64_t pid = scalar(cx, "SELECT pg_backend_pid()").as.i64;
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT i FROM generate_series(1, 500) i"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    cv_rows_close(cx, rows);
    cv_rows_close(cx, rows);
    assert_int_equal(scalar(cx, "SELECT pg_backend_pid()").as.i64, pid);
}

static void rows_closed_early_wait_for_no_long_rest(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows,
                            "SELECT i, repeat('x', 20000), pg_sleep(CASE WHEN i > 5 THEN 100 ELSE 0 END)"
                            " FROM generate_series(1, 6) i"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    int64_t start = cv_now_ns(cx);
    cv_rows_close(cx, rows);
    assert_in_range(ms_since(cx, start), 0, 10000);
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
}

static void a_result_without_rows_has_columns_all_the_same(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT id, text AS words FROM notes"));
    assert_int_equal(cv_rows_columns(rows), 2);
    assert_string_equal(cv_rows_name(rows, 1), "words");
    assert_int_equal(cv_rows_next(cx, rows), 0);
    cv_rows_close(cx, rows);
}

static void written_rows_that_come_back_are_counted(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_result result;
    assert_ok(cx, cv_exec(cx, &result, "INSERT INTO notes SELECT i FROM generate_series(1, 5) i RETURNING id"));
    assert_int_equal(result.affected, 5);
    assert_ok(cx, cv_exec(cx, &result, "SELECT id FROM notes"));
    assert_int_equal(result.affected, 0);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(a_long_result_streams_in_bounded_memory),
        case_of(statements_run_on_the_connection_while_rows_are_open),
        case_of(two_results_are_read_in_turns),
        case_of(rows_too_many_to_keep_are_refused_and_not_lost),
        case_of(a_failure_in_the_middle_comes_where_it_belongs),
        case_of(a_failure_among_kept_rows_waits_for_its_fetch),
        case_of(rows_closed_early_keep_the_connection_when_the_rest_is_short),
        case_of(rows_closed_early_wait_for_no_long_rest),
        case_of(a_result_without_rows_has_columns_all_the_same),
        case_of(written_rows_that_come_back_are_counted),
    };
    return cmocka_run_group_tests_name("postgres-cursor", tests, set_up_group, tear_down_group);
}
