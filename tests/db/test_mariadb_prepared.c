/* Prepared statements of MariaDB when the server does not keep them: its limit for all connections together, tables
 * that change between runs. On a server of its own. */
#include "mariadb_test.h"

#include <covet/db_stats.h>

static test_mariadb server;
static fixture f;

static int set_up_group(void **state)
{
    (void)state;
    (void)test_mariadb_server_create(&server);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    test_mariadb_server_destroy(&server);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    if (server.folder[0]) {
        test_mariadb_server_url(&server, "app", f.url);
        fixture_open(&f, &(cv_db_options){.max_connections = 1, .min_connections = -1});
        run(f.cx, "CREATE OR REPLACE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)");
        run(f.cx, "INSERT INTO t VALUES (1, 10)");
    }
    return 0;
}

static void as_admin(const char *sql)
{
    char url[TEST_MARIADB_URL_BYTES];
    test_mariadb_server_url(&server, "admin", url);
    MYSQL *admin = test_mariadb_open(url);
    test_mariadb_run(admin, sql);
    test_mariadb_close(admin);
}

static int tear_down(void **state)
{
    (void)state;
    if (f.cx) {
        as_admin("SET GLOBAL max_prepared_stmt_count = DEFAULT");
        fixture_close(&f);
    }
    return 0;
}

static cv_ctx *need_server(void)
{
    if (!f.cx)
        skip();
    return f.cx;
}

static uint64_t opened(void)
{
    return cv_db_pool_stats(f.db, 0).opened_total;
}

/* One whose text was not run before. */
static int run_another(cv_ctx *cx, int number)
{
    char sql[64];
    cv_value value, id = CV_VALUE(1);
    snprintf(sql, sizeof sql, "SELECT n + %d FROM t WHERE id = ?", number);
    CV_TRY(cv__sql_scalar(cx, &value, sql, &id, 1));
    assert_int_equal(value.as.i64, 10 + number);
    return 0;
}

/* ---- 1461: max_prepared_stmt_count ---- */

static void the_servers_limit_of_statements_is_told(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    uint64_t before = opened();
    as_admin("SET GLOBAL max_prepared_stmt_count = 0");
    assert_int_equal(run_another(cx, 1), CV_E_LIMIT);
    assert_non_null(strstr(cv_error_last(cx)->message, "the server keeps no more of them"));
    assert_non_null(strstr(cv_error_last(cx)->hint, "max_prepared_stmt_count"));
    cv_error_clear(cx);
    as_admin("SET GLOBAL max_prepared_stmt_count = DEFAULT");
    assert_ok(cx, run_another(cx, 1));
    assert_int_equal(opened(), before);
}

static void the_cache_gives_way_to_the_servers_limit(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    uint64_t before = opened();
    as_admin("SET GLOBAL max_prepared_stmt_count = 8");
    for (int i = 0; i < 40; i++)
        assert_ok(cx, run_another(cx, i));
    assert_ok(cx, run_another(cx, 0)); /* one that was given up is prepared anew */
    assert_true(atoi(test_mariadb_run(f.watch, "SELECT variable_value FROM information_schema.global_status WHERE"
                                               " variable_name = 'Prepared_stmt_count'")) <= 8);
    assert_int_equal(opened(), before);
}

static int read_while_others_are_prepared(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        cv_rows *rows;
        CV_TRY(cv_select(cx, &rows, "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_1000"));
        assert_int_equal(cv_rows_next(cx, rows), 1);
        for (int i = 0; i < 12; i++)
            CV_TRY(run_another(cx, i));
        int64_t read = 1;
        int rc;
        while ((rc = cv_rows_next(cx, rows)) > 0)
            read++;
        CV_TRY(rc);
        assert_int_equal(read, 1000);
        cv_rows_close(cx, rows);
    }
    return 0;
}

static void a_statement_whose_rows_are_open_is_not_given_up(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    as_admin("SET GLOBAL max_prepared_stmt_count = 6");
    assert_ok(cx, read_while_others_are_prepared(cx));
}

/* ---- tables that change: what was prepared is prepared again, and nobody notices ---- */

static void statements_outlive_changes_of_their_tables(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    uint64_t before = opened();
    for (int i = 0; i < 20; i++) {
        char sql[96];
        cv_rows *rows;
        assert_ok(cx, cv_exec(cx, NULL, "UPDATE t SET n = n + ? WHERE id = ?", 1, 1));
        assert_ok(cx, cv_select(cx, &rows, "SELECT * FROM t WHERE id = ?", 1));
        assert_int_equal(cv_rows_next(cx, rows), 1);
        assert_int_equal(cv_rows_columns(rows), 2 + i);
        assert_int_equal(cv_rows_get(rows, 1).as.i64, 11 + i);
        cv_rows_close(cx, rows);
        snprintf(sql, sizeof sql, "ALTER TABLE t ADD COLUMN more_%d TEXT", i);
        test_mariadb_run(f.watch, sql);
    }
    assert_int_equal(opened(), before);
}

/* 1615 is what the server says when its own tries to prepare again have not helped. Here a trigger says it. */
static void make_trigger(const char *when)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "CREATE TRIGGER outdated BEFORE INSERT ON t FOR EACH ROW BEGIN SET @tries = IFNULL(@tries, 0) + 1;"
             " IF %s THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1615,"
             " MESSAGE_TEXT = 'Prepared statement needs to be re-prepared'; END IF; END",
             when);
    as_admin("SET GLOBAL log_bin_trust_function_creators = ON");
    test_mariadb_run(f.watch, sql);
}

static void a_statement_that_is_outdated_is_prepared_again(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    make_trigger("@tries = 1");
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO t VALUES (?, ?)", 2, 20));
    assert_int_equal(scalar(cx, "SELECT CAST(@tries AS SIGNED)").as.i64, 2);
    assert_int_equal(scalar(cx, "SELECT COUNT(*) FROM t WHERE id = 2").as.i64, 1);
}

static void one_that_stays_outdated_is_told(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    make_trigger("TRUE");
    assert_fails(cx, cv_exec(cx, NULL, "INSERT INTO t VALUES (?, ?)", 2, 20), CV_E_DB, "re-prepared");
    assert_int_equal(scalar(cx, "SELECT CAST(@tries AS SIGNED)").as.i64, 2);
    assert_int_equal(scalar(cx, "SELECT COUNT(*) FROM t").as.i64, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_servers_limit_of_statements_is_told),         CASE(the_cache_gives_way_to_the_servers_limit),
        CASE(a_statement_whose_rows_are_open_is_not_given_up), CASE(statements_outlive_changes_of_their_tables),
        CASE(a_statement_that_is_outdated_is_prepared_again),  CASE(one_that_stays_outdated_is_told),
    };
    return cmocka_run_group_tests_name("mariadb-prepared", tests, set_up_group, tear_down_group);
}
