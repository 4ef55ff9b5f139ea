/* MariaDB as a database of programs: what conformance does not show. */
#include "mariadb_test.h"

static fixture shared;

static int set_up_group(void **state)
{
    (void)state;
    test_mariadb_create("plain", shared.url);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (shared.url[0])
        test_mariadb_drop(shared.url);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    if (shared.url[0]) {
        fixture_open(&shared, &(cv_db_options){.max_connections = 4});
        run(shared.cx, "DROP TABLE IF EXISTS t");
        run(shared.cx, "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE)");
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

static void rows_that_match_count_as_changed(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_result result;
    assert_ok(cx, cv_exec(cx, &result, "INSERT INTO t (name) VALUES (?), (?)", "a", "b"));
    assert_int_equal(result.affected, 2);
    assert_int_equal(result.last_insert_id, 1);
    assert_ok(cx, cv_exec(cx, &result, "UPDATE t SET name = name"));
    assert_int_equal(result.affected, 2);
}

static void texts_are_compared_by_every_letter(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO t (name) VALUES (?), (?), (?), (?)", "a", "A", "\xc3\xa4", "a "));
    cv_value count;
    assert_ok(cx, cv_scalar(cx, &count, "SELECT COUNT(*) FROM t WHERE name = ?", "a"));
    assert_int_equal(count.as.i64, 1);
}

static void the_session_is_as_it_has_to_be(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_texts_equal(scalar(cx, "SELECT @@time_zone"), "+00:00");
    assert_texts_equal(scalar(cx, "SELECT @@tx_isolation"), "READ-COMMITTED");
    assert_texts_equal(scalar(cx, "SELECT @@character_set_client"), "utf8mb4");
    assert_texts_equal(scalar(cx, "SELECT \"x\" FROM (SELECT 'quoted' AS \"x\") AS \"y\""), "quoted");
    assert_texts_equal(scalar(cx, "SELECT 'a\\' || 'b'"), "a\\b");
}

static void settings_do_not_reach_the_next_borrower(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    run(cx, "SET SESSION sql_mode = ''");
    run(cx, "SET @mine = 5");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(scalar(cx, "SELECT @mine").type, CV_TYPE_NULL);
        assert_int_equal(scalar(cx, "SELECT LENGTH(@@sql_mode) > 0").as.i64, 1);
    }
}

static void a_procedure_gives_its_first_rows(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_rows *rows;
    run(cx, "CREATE OR REPLACE PROCEDURE two_results() BEGIN SELECT 1 AS a UNION SELECT 2; SELECT 'x', 'y'; END");
    for (int i = 0; i < 2; i++) {
        assert_ok(cx, cv_select(cx, &rows, "CALL two_results()"));
        assert_int_equal(cv_rows_next(cx, rows), 1);
        assert_int_equal(cv_rows_get(rows, 0).as.i64, 1);
        assert_int_equal(cv_rows_next(cx, rows), 1);
        assert_int_equal(cv_rows_next(cx, rows), 0);
        cv_rows_close(cx, rows);
    }
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
}

static void natural_types_are_those_of_the_columns(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_int_equal(scalar(cx, "SELECT CAST(18446744073709551615 AS UNSIGNED)").type, CV_TYPE_DECIMAL);
    assert_int_equal(scalar(cx, "SELECT CAST('[1]' AS CHAR)").type, CV_TYPE_TEXT);
    assert_texts_equal(scalar(cx, "SELECT CAST('-25:10:11.5' AS TIME(6))"), "-25:10:11.500000");
    assert_int_equal(scalar(cx, "SELECT b'101'").as.bytes.len, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_that_match_count_as_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_are_compared_by_every_letter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_session_is_as_it_has_to_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings_do_not_reach_the_next_borrower, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_procedure_gives_its_first_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(natural_types_are_those_of_the_columns, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("mariadb", tests, set_up_group, tear_down_group);
}
