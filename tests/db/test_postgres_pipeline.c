/* What travels together on a PostgreSQL connection of one's own: BEGIN, SAVEPOINT and PREPARE with the first statement.
 */
#include "postgres_test.h"

#include "db/database.h"
#include "db/postgres/session.h"

static fixture shared;
static cv__conn *conn;
static const cv__driver *const driver = &cv__driver_postgres;

static int set_up_group(void **state)
{
    (void)state;
    if (!test_database_create("pipeline", shared.url))
        return 0;
    PGconn *session = test_session_open(shared.url);
    test_session_run(session, "CREATE TABLE notes (id integer PRIMARY KEY, text varchar(200))");
    PQfinish(session);
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
        test_session_run(shared.watch, "TRUNCATE notes");
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

static int run(cv_ctx *cx, const char *sql)
{
    cv_result result;
    cv__cursor *cursor = NULL;
    int rc = driver->execute(cx, conn, &(cv__statement){.sql = cv_str_of(sql)}, &result, &cursor);
    cv_value cells[8];
    if (cursor)
        while ((rc = driver->fetch(cx, cursor, cells, NULL)) > 0)
            ;
    driver->finish(cx, cursor);
    return rc;
}

static const char *watched(const char *column)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT %s FROM pg_stat_activity WHERE pid = %d", column,
             PQbackendPID(cv__pg_conn_of(conn)->pg));
    return test_session_run(shared.watch, sql);
}

/* How often the client handed over to the server while `sql` ran: each ends with a Sync. */
static int hand_overs(cv_ctx *cx, const char *sql)
{
    char line[1024];
    int count = 0;
    FILE *trace = tmpfile();
    PQtrace(cv__pg_conn_of(conn)->pg, trace);
    assert_ok(cx, run(cx, sql));
    PQuntrace(cv__pg_conn_of(conn)->pg);
    rewind(trace);
    while (fgets(line, sizeof line, trace))
        count += strstr(line, "\tSync") != NULL || strstr(line, "\tQuery") != NULL;
    fclose(trace);
    return count;
}

static void a_transaction_begins_on_the_server_with_its_first_statement(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_true(conn->in_transaction);
    assert_string_equal(watched("xact_start IS NULL"), "t");
    assert_ok(cx, run(cx, "INSERT INTO notes VALUES (1, 'a')"));
    assert_string_equal(watched("xact_start IS NULL"), "f");
    assert_string_equal(watched("state"), "idle in transaction");
    assert_ok(cx, driver->commit(cx, conn));
    assert_string_equal(watched("xact_start IS NULL"), "t");
    assert_string_equal(test_session_run(shared.watch, "SELECT count(*) FROM notes"), "1");
}

static void what_comes_first_travels_with_the_statement(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_ok(cx, driver->savepoint(cx, conn, 1));
    assert_ok(cx, driver->savepoint(cx, conn, 2));
    assert_int_equal(hand_overs(cx, "INSERT INTO notes VALUES (1, 'a')"), 1);
    assert_int_equal(hand_overs(cx, "INSERT INTO notes VALUES (2, 'b')"), 1); /* prepared anew */
    assert_ok(cx, driver->rollback_to(cx, conn, 2));
    assert_ok(cx, driver->release(cx, conn, 2));
    assert_ok(cx, driver->release(cx, conn, 1));
    assert_ok(cx, run(cx, "INSERT INTO notes VALUES (3, 'c')"));
    assert_ok(cx, driver->commit(cx, conn));
    assert_string_equal(test_session_run(shared.watch, "SELECT string_agg(text, '') FROM notes"), "c");
}

static void a_block_without_statements_sends_nothing(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    char before[64];
    assert_ok(cx, run(cx, "SELECT 1"));
    snprintf(before, sizeof before, "%s", watched("state_change"));
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_ok(cx, driver->savepoint(cx, conn, 1));
    assert_ok(cx, driver->rollback_to(cx, conn, 1));
    assert_ok(cx, driver->release(cx, conn, 1));
    assert_ok(cx, driver->commit(cx, conn));
    assert_false(conn->in_transaction);
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_ok(cx, driver->rollback(cx, conn));
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_false(driver->is_clean(conn));
    assert_ok(cx, driver->reset(cx, conn));
    assert_true(driver->is_clean(conn));
    assert_string_equal(watched("state_change"), before);
}

static void the_options_of_a_transaction_travel_along(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_ok(cx, driver->begin(cx, conn, &(cv_tx_options){.isolation = CV_SERIALIZABLE, .read_only = true}));
    assert_fails(cx, run(cx, "INSERT INTO notes VALUES (1, 'a')"), CV_E_READ_ONLY, "read-only");
    assert_true(conn->in_transaction);
    assert_false(conn->broken);
    assert_ok(cx, driver->rollback(cx, conn));
    assert_ok(cx, run(cx, "INSERT INTO notes VALUES (1, 'a')"));
}

static void a_statement_that_cannot_be_prepared_fails_as_ever(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_fails(cx, run(cx, "SELECT nonsense FROM notes"), CV_E_SQL, "nonsense");
    assert_false(conn->in_transaction);
    assert_fails(cx, run(cx, "SELECT nonsense FROM notes"), CV_E_SQL, "nonsense");
    assert_ok(cx, run(cx, "SELECT 1"));
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_fails(cx, run(cx, "SELECT nonsense FROM notes"), CV_E_SQL, "nonsense");
    assert_true(conn->in_transaction);
    assert_fails(cx, run(cx, "SELECT 1"), CV_E_TX_ABORTED, "aborted");
    assert_fails(cx, driver->commit(cx, conn), CV_E_TX_ABORTED, "could not commit");
    assert_false(conn->in_transaction);
    assert_false(conn->broken);
}

static void a_refused_statement_leaves_the_transaction_to_begin(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_result result;
    cv__cursor *cursor;
    cv_value bad = {.type = CV_TYPE_TEXT, .as.text = {"a\0b", 3}};
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_fails(cx,
                 driver->execute(cx, conn,
                                 &(cv__statement){.sql = CV_STR("SELECT $1"), .params = &bad, .param_count = 1},
                                 &result, &cursor),
                 CV_E_INVALID, "NUL");
    assert_true(conn->in_transaction);
    assert_string_equal(watched("xact_start IS NULL"), "t");
    assert_ok(cx, run(cx, "INSERT INTO notes VALUES (1, 'a')"));
    assert_ok(cx, driver->rollback(cx, conn));
    assert_string_equal(test_session_run(shared.watch, "SELECT count(*) FROM notes"), "0");
}

static void the_first_statement_of_a_transaction_may_stream(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_result result;
    cv__cursor *cursor;
    cv_value cell;
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_ok(cx,
              driver->execute(cx, conn, &(cv__statement){.sql = CV_STR("SELECT i FROM generate_series(1, 50000) i")},
                              &result, &cursor));
    for (int i = 1; i <= 50000; i++) {
        assert_int_equal(driver->fetch(cx, cursor, &cell, NULL), 1);
        assert_int_equal(cell.as.i64, i);
        if (i == 20000)
            assert_ok(cx, run(cx, "INSERT INTO notes VALUES (1, 'a')")); /* needs the wire */
    }
    assert_int_equal(driver->fetch(cx, cursor, &cell, NULL), 0);
    driver->finish(cx, cursor);
    assert_ok(cx, driver->commit(cx, conn));
    assert_string_equal(test_session_run(shared.watch, "SELECT count(*) FROM notes"), "1");
}

static void a_savepoint_that_was_not_sent_leaves_open_rows_alone(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_result result;
    cv__cursor *cursor;
    cv_value cell;
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_ok(cx, driver->execute(cx, conn, &(cv__statement){.sql = CV_STR("SELECT i FROM generate_series(1, 500) i")},
                                  &result, &cursor));
    assert_ok(cx, driver->savepoint(cx, conn, 1));
    assert_ok(cx, driver->rollback_to(cx, conn, 1));
    assert_ok(cx, driver->release(cx, conn, 1));
    for (int i = 1; i <= 500; i++)
        assert_int_equal(driver->fetch(cx, cursor, &cell, NULL), 1);
    assert_int_equal(driver->fetch(cx, cursor, &cell, NULL), 0);
    driver->finish(cx, cursor);
    assert_ok(cx, driver->rollback(cx, conn));
}

static void a_deferred_constraint_fails_the_statement_prepared_with_it(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    test_session_run(shared.watch, "CREATE TABLE once (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    for (int i = 0; i < 2; i++) /* prepared, then in the cache */
        assert_fails(cx, run(cx, "INSERT INTO once VALUES (1), (1)"), CV_E_UNIQUE, "duplicate");
    assert_fails(cx, run(cx, "INSERT INTO once VALUES (1), (1) RETURNING id"), CV_E_UNIQUE, "duplicate");
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_ok(cx, run(cx, "INSERT INTO once VALUES (2), (2)"));
    assert_fails(cx, driver->commit(cx, conn), CV_E_UNIQUE, "duplicate");
    assert_false(conn->in_transaction);
    test_session_run(shared.watch, "DROP TABLE once");
}

static void what_is_pending_can_be_sent_alone(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_ok(cx, driver->begin(cx, conn, NULL));
    assert_ok(cx, driver->savepoint(cx, conn, 1));
    assert_ok(cx, cv__pg_send_pending(cx, cv__pg_conn_of(conn)));
    assert_ok(cx, cv__pg_send_pending(cx, cv__pg_conn_of(conn)));
    assert_string_equal(watched("state"), "idle in transaction");
    assert_fails(cx, driver->begin(cx, conn, NULL), CV_E_IN_TRANSACTION, "inside another");
    assert_ok(cx, driver->rollback(cx, conn));
}

static void a_connection_lost_before_the_first_statement_is_lost(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    char sql[128];
    assert_ok(cx, driver->begin(cx, conn, NULL));
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 20000)", PQbackendPID(cv__pg_conn_of(conn)->pg));
    test_session_run(shared.watch, sql);
    assert_fails(cx, run(cx, "INSERT INTO notes VALUES (1, 'a')"), CV_E_CONNECTION_LOST, "");
    assert_true(conn->broken);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(a_transaction_begins_on_the_server_with_its_first_statement),
        case_of(what_comes_first_travels_with_the_statement),
        case_of(a_block_without_statements_sends_nothing),
        case_of(the_options_of_a_transaction_travel_along),
        case_of(a_statement_that_cannot_be_prepared_fails_as_ever),
        case_of(a_refused_statement_leaves_the_transaction_to_begin),
        case_of(the_first_statement_of_a_transaction_may_stream),
        case_of(a_savepoint_that_was_not_sent_leaves_open_rows_alone),
        case_of(a_deferred_constraint_fails_the_statement_prepared_with_it),
        case_of(what_is_pending_can_be_sent_alone),
        case_of(a_connection_lost_before_the_first_statement_is_lost),
    };
    return cmocka_run_group_tests_name("postgres-pipeline", tests, set_up_group, tear_down_group);
}
