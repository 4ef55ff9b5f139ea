/* The PostgreSQL driver's own contract, below pools and transactions. */
#include "postgres_test.h"

#include "db/database.h"
#include "db/postgres/session.h"
#include "db/postgres/types.h"
#include "db/postgres/values.h"
#include <poll.h>

static fixture shared;
static cv__conn *conn;
static const cv__driver *const driver = &cv__driver_postgres;

static int set_up_group(void **state)
{
    (void)state;
    test_database_create("driver", shared.url);
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
        assert_ok(shared.cx, cv__db_hold(shared.cx, shared.db, CV__WRITER, &conn));
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (shared.cx) {
        cv__db_let_go(shared.cx, conn);
        fixture_close(&shared);
    }
    return 0;
}

static cv_ctx *context(void)
{
    if (!shared.cx)
        skip();
    return shared.cx;
}

static cv__cursor *open_cursor(cv_ctx *cx, const char *sql)
{
    cv_result result;
    cv__cursor *cursor = NULL;
    assert_ok(cx, driver->execute(cx, conn, &(cv__statement){.sql = cv_str_of(sql)}, &result, &cursor));
    assert_non_null(cursor);
    return cursor;
}

static void values_come_in_the_type_that_is_wanted(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const cv__column_type wanted[] = {{.type = CV_TYPE_F64},  {.type = CV_TYPE_I64},     {.type = CV_TYPE_TEXT},
                                             {.type = CV_TYPE_TEXT}, {.type = CV_TYPE_DECIMAL}, {.type = CV_TYPE_I64}};
    cv__statement statement = {.sql = CV_STR("SELECT avg(i), sum(CAST(i AS bigint)), max(i), 'x', min(i), NULL"
                                             " FROM generate_series(1, 4) i"),
                               .columns = wanted,
                               .column_count = 6};
    cv_result result;
    cv__cursor *cursor;
    cv_value cells[6];
    for (int run = 0; run < 2; run++) {
        assert_ok(cx, driver->execute(cx, conn, &statement, &result, &cursor));
        assert_int_equal(driver->fetch(cx, cursor, cells, NULL), 1);
        assert_true(cv_value_equal(cells[0], cv_value_f64(2.5)));
        assert_true(cv_value_equal(cells[1], cv_value_i64(10)));
        assert_texts_equal(cells[2], "4");
        assert_texts_equal(cells[3], "x");
        assert_true(cv_value_equal(cells[4], cv_value_decimal(cv_decimal_from_i64(1))));
        assert_int_equal(cells[5].type, CV_TYPE_NULL);
        assert_int_equal(driver->fetch(cx, cursor, cells, &result), 0);
        driver->finish(cx, cursor);
    }
}

static void rows_are_converted_one_after_another(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv__statement statement = {.sql = CV_STR("SELECT i FROM generate_series(1, 3) i"),
                               .columns = &(cv__column_type){.type = CV_TYPE_TEXT},
                               .column_count = 1};
    cv_result result;
    cv__cursor *cursor;
    cv_value cell;
    static const char *const expected[] = {"1", "2", "3"};
    assert_ok(cx, driver->execute(cx, conn, &statement, &result, &cursor));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(driver->fetch(cx, cursor, &cell, NULL), 1);
        assert_texts_equal(cell, expected[i]);
    }
    driver->finish(cx, cursor);
}

static void a_value_that_does_not_convert_is_refused_with_its_column(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv__statement statement = {
        .sql = CV_STR("SELECT 1.5 AS half"), .columns = &(cv__column_type){.type = CV_TYPE_I64}, .column_count = 1};
    cv_result result;
    cv__cursor *cursor;
    cv_value cell;
    assert_ok(cx, driver->execute(cx, conn, &statement, &result, &cursor));
    assert_true(driver->fetch(cx, cursor, &cell, NULL) < 0);
    assert_string_equal(cv_error_last(cx)->column, "half");
    cv_error_clear(cx);
    driver->finish(cx, cursor);
}

static void an_uncached_statement_leaves_nothing_behind(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_value param = cv_value_i64(5), cell;
    cv__statement statement = {.sql = CV_STR("SELECT $1 + 1"), .params = &param, .param_count = 1, .uncached = true};
    cv_result result;
    cv__cursor *cursor;
    assert_ok(cx, driver->execute(cx, conn, &statement, &result, &cursor));
    assert_int_equal(driver->fetch(cx, cursor, &cell, NULL), 1);
    assert_int_equal(cell.as.i64, 6);
    driver->finish(cx, cursor);
    cursor = open_cursor(cx, "SELECT count(*) FROM pg_prepared_statements");
    assert_int_equal(driver->fetch(cx, cursor, &cell, NULL), 1);
    assert_int_equal(cell.as.i64, 1); /* the counting one itself */
    driver->finish(cx, cursor);
}

static void a_rollback_takes_open_rows_away(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_value cell;
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_true(conn->in_transaction);
    cv__cursor *cursor = open_cursor(cx, "SELECT i FROM generate_series(1, 100) i");
    assert_int_equal(driver->fetch(cx, cursor, &cell, NULL), 1);
    assert_ok(cx, driver->rollback(cx, conn));
    assert_false(conn->in_transaction);
    assert_fails(cx, driver->fetch(cx, cursor, &cell, NULL), CV_E_STATE, "rolled back");
    driver->finish(cx, cursor);
    driver->finish(cx, NULL);
}

static void a_rollback_to_a_savepoint_keeps_rows_from_before_it(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_value cell;
    assert_ok(cx, driver->begin(cx, conn, NULL));
    cv__cursor *before = open_cursor(cx, "SELECT i FROM generate_series(1, 100) i");
    assert_ok(cx, driver->savepoint(cx, conn, 1));
    cv__cursor *inside = open_cursor(cx, "SELECT i FROM generate_series(1, 100) i");
    assert_ok(cx, driver->rollback_to(cx, conn, 1));
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(driver->fetch(cx, before, &cell, NULL), 1);
        assert_int_equal(cell.as.i64, i);
    }
    assert_int_equal(driver->fetch(cx, before, &cell, NULL), 0);
    assert_int_equal(driver->fetch(cx, inside, &cell, NULL), CV_E_STATE);
    cv_error_clear(cx);
    driver->finish(cx, inside);
    driver->finish(cx, before);
    assert_ok(cx, driver->rollback(cx, conn));
    assert_ok(cx, driver->rollback(cx, conn));
}

static void reset_ends_transactions_and_open_rows(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_ok(cx, driver->begin(cx, conn, NULL));
    cv__cursor *cursor = open_cursor(cx, "SELECT i FROM generate_series(1, 100) i");
    assert_false(driver->is_clean(conn));
    assert_ok(cx, driver->reset(cx, conn));
    assert_true(driver->is_clean(conn));
    assert_false(conn->in_transaction);
    assert_false(conn->broken);
    driver->finish(cx, cursor);
}

static void disconnecting_frees_open_rows(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    (void)open_cursor(cx, "SELECT i FROM generate_series(1, 100) i");
    (void)open_cursor(cx, "SELECT i FROM generate_series(1, 100000) i");
    conn->broken = true; /* the pool disconnects it when it comes back */
}

static void a_broken_connection_takes_no_statement(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_result result;
    cv__cursor *cursor;
    conn->broken = true;
    assert_fails(cx, driver->execute(cx, conn, &(cv__statement){.sql = CV_STR("SELECT 1")}, &result, &cursor),
                 CV_E_CONNECTION_LOST, "not usable");
    assert_false(driver->is_alive(conn));
}

static void what_an_idle_connection_hears_does_not_end_it(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_result result;
    cv__cursor *cursor;
    assert_true(driver->is_alive(conn));
    assert_ok(cx, driver->execute(cx, conn, &(cv__statement){.sql = CV_STR("LISTEN news")}, &result, &cursor));
    assert_null(cursor);
    test_session_run(shared.watch, "NOTIFY news, 'hello'");
    struct pollfd socket = {.fd = PQsocket(cv__pg_conn_of(conn)->pg), .events = POLLIN};
    assert_int_equal(poll(&socket, 1, 20000), 1);
    assert_true(driver->is_alive(conn));
    assert_int_equal(poll(&socket, 1, 0), 0);
}

static void a_malformed_cell_is_no_value(void **state)
{
    (void)state;
    static const Oid fixed[] = {CV__PG_BOOL,   CV__PG_INT2,    CV__PG_INT4,        CV__PG_INT8,      CV__PG_OID,
                                CV__PG_FLOAT4, CV__PG_FLOAT8,  CV__PG_TIMESTAMPTZ, CV__PG_TIMESTAMP, CV__PG_DATE,
                                CV__PG_UUID,   CV__PG_NUMERIC, CV__PG_JSONB};
    cv_value value;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        assert_int_equal(cv__pg_decoder(fixed[i])(NULL, (cv__pg_cell){"\2\2\2", 3}, &value), CV_E_TYPE);
        assert_int_equal(cv__pg_decoder(fixed[i])(NULL, (cv__pg_cell){"", 0}, &value), CV_E_TYPE);
    }
    assert_int_equal(cv__pg_decode_numeric(NULL, (cv__pg_cell){"\0\2\0\0\0\0\0\0\0\1", 10}, &value), CV_E_TYPE);
    static const cv__pg_cell arrays[] = {
        {"", 0},
        {"\0\0\0\1\0\0\0\0\0\0\0\27", 12},                                 /* no length */
        {"\0\0\0\1\0\0\0\0\0\0\0\27\0\0\0\5\0\0\0\1\0\0\0\4\0\0\0\1", 28}, /* five elements, one sent */
        {"\0\0\0\1\0\0\0\0\0\0\0\27\0\0\0\1\0\0\0\1\0\0\0\5\0\0\0\1", 28}, /* five bytes for four */
        {"\0\0\0\1\0\0\0\0\0\1\0\27\0\0\0\0\0\0\0\1", 20},                 /* of what nobody knows */
    };
    cv_arena *arena = cv_arena_new(0);
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        assert_int_equal(cv__pg_decode_array(arena, arrays[i], &value), CV_E_TYPE);
    assert_int_equal(cv__pg_decoder(CV__PG_INT4RANGE)(arena, (cv__pg_cell){"", 0}, &value), CV_E_TYPE);
    assert_int_equal(cv__pg_decoder(CV__PG_INT4RANGE)(arena, (cv__pg_cell){"\2\0\0\0\4\0", 6}, &value), CV_E_TYPE);
    cv_arena_free(arena);
}

static void session_changes_are_seen_in_the_text(void **state)
{
    (void)state;
    static const char *const touching[] = {"SET x = 1",
                                           "  set role bob",
                                           "SELECT pg_advisory_lock(1)",
                                           "SELECT SET_CONFIG('a', 'b', false)",
                                           "CREATE TEMP TABLE t (a int)",
                                           "SELECT 1 INTO TEMP t",
                                           "LISTEN news",
                                           "/* x */ SET a = 1"};
    static const char *const harmless[] = {"SELECT 1", "UPDATE books SET a = 1", "INSERT INTO settings VALUES (1)", ""};
    for (size_t i = 0; i < sizeof touching / sizeof touching[0]; i++)
        assert_true(cv__pg_touches_session(cv_str_of(touching[i])));
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        assert_false(cv__pg_touches_session(cv_str_of(harmless[i])));
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(values_come_in_the_type_that_is_wanted),
        case_of(rows_are_converted_one_after_another),
        case_of(a_value_that_does_not_convert_is_refused_with_its_column),
        case_of(an_uncached_statement_leaves_nothing_behind),
        case_of(a_rollback_takes_open_rows_away),
        case_of(a_rollback_to_a_savepoint_keeps_rows_from_before_it),
        case_of(reset_ends_transactions_and_open_rows),
        case_of(disconnecting_frees_open_rows),
        case_of(a_broken_connection_takes_no_statement),
        case_of(what_an_idle_connection_hears_does_not_end_it),
        cmocka_unit_test(a_malformed_cell_is_no_value),
        cmocka_unit_test(session_changes_are_seen_in_the_text),
    };
    return cmocka_run_group_tests_name("postgres-driver", tests, set_up_group, tear_down_group);
}
