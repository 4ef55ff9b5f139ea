/* The PostgreSQL driver when the server does not do its part: refusals, deadlines, freezing, killing. On a server of
 * its own. Times are generous: what matters is that no wait is without an end. */
#include "await.h"
#include "postgres_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static test_server server;
static bool available;

static int set_up_group(void **state)
{
    (void)state;
    available = test_server_create(&server);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    test_server_destroy(&server);
    return 0;
}

static int set_up(void **state)
{
    static fixture f;
    f = (fixture){0};
    *state = &f;
    if (!available)
        return 0;
    test_server_url(&server, "app", f.url);
    fixture_open(&f, &(cv_db_options){.max_connections = 4});
    test_session_run(f.watch, "DROP TABLE IF EXISTS notes; CREATE TABLE notes (id int PRIMARY KEY, text text)");
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    if (f->cx)
        fixture_close(f);
    return 0;
}

static fixture *fixture_of(void **state)
{
    fixture *f = *state;
    if (!f->cx)
        skip();
    return f;
}

/* --- refusals --- */

static void assert_open_fails(cv_ctx *cx, const char *url, int code, const char *part)
{
    cv_db *db;
    assert_fails(cx, cv_db_open(cx, url, &(cv_db_options){.connect_timeout_ms = 30000}, &db), code, part);
}

static void assert_open_times_out(cv_ctx *cx, const char *url)
{
    cv_db *db;
    assert_fails(cx, cv_db_open(cx, url, &(cv_db_options){.connect_timeout_ms = 300}, &db), CV_E_TIMEOUT,
                 "no answer in time");
}

static void a_port_where_nobody_listens_refuses(void **state)
{
    fixture *f = fixture_of(state);
    assert_open_fails(f->cx, "postgres://app@127.0.0.1:1/app", CV_E_REFUSED, "\"127.0.0.1:1\": Connection refused");
    assert_open_fails(f->cx, "postgres://app@[::1]:1/app", CV_E_REFUSED, "\"[::1]:1\"");
}

static void every_address_of_a_host_is_tried(void **state)
{
    fixture *f = fixture_of(state);
    char url[TEST_URL_BYTES];
    cv_db *db;
    snprintf(url, sizeof url, "postgres://app@localhost:%d/app", server.port); /* it listens on 127.0.0.1 alone */
    assert_ok(f->cx, cv_db_open(f->cx, url, NULL, &db));
    cv_db_close(f->cx, db);
    assert_open_fails(f->cx, "postgres://app@localhost:1/app", CV_E_REFUSED, "localhost:1");
}

static void passwords_are_checked_and_never_shown(void **state)
{
    fixture *f = fixture_of(state);
    char url[TEST_URL_BYTES];
    cv_db *db;
    test_session_run(f->watch, "DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD 'open sesame'");
    test_server_url(&server, "guest:open%20sesame", url);
    assert_ok(f->cx, cv_db_open(f->cx, url, NULL, &db));
    cv_db_close(f->cx, db);
    test_server_url(&server, "guest:hunter2", url);
    assert_int_equal(cv_db_open(f->cx, url, NULL, &db), CV_E_AUTH);
    for (const cv_error *e = cv_error_last(f->cx); e; e = e->cause)
        assert_null(strstr(e->message, "hunter2"));
    assert_string_equal(cv_error_last(f->cx)->sqlstate, "28P01");
    cv_error_clear(f->cx);
    test_server_url(&server, "guest", url);
    assert_open_fails(f->cx, url, CV_E_AUTH, "password");
    test_server_url(&server, "stranger:x", url);
    assert_open_fails(f->cx, url, CV_E_AUTH, "stranger");
}

static void a_full_server_says_so(void **state)
{
    fixture *f = fixture_of(state);
    PGconn *all[30];
    size_t count = 0;
    char url[TEST_URL_BYTES];
    cv_db *db;
    for (; count < 30; count++) {
        all[count] = PQconnectdb(f->url);
        if (PQstatus(all[count]) != CONNECTION_OK)
            break;
    }
    test_server_url(&server, "app", url);
    int rc = cv_db_open(f->cx, url, NULL, &db);
    for (size_t i = 0; i <= count && i < 30; i++)
        PQfinish(all[i]);
    assert_int_equal(rc, CV_E_TOO_MANY_CONNECTIONS);
    cv_error_clear(f->cx);
}

static void a_listener_that_never_answers_times_out(void **state)
{
    fixture *f = fixture_of(state);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    char url[128];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(url, sizeof url, "postgres://app@127.0.0.1:%d/app", ntohs(address.sin_port));
    int64_t start = cv_now_ns(f->cx);
    assert_open_times_out(f->cx, url);
    assert_in_range(ms_since(f->cx, start), 290, 20000);
    close(fd);
}

/* --- deadlines and cancellation in the middle of a statement --- */

static int sleep_within(cv_ctx *cx, int64_t ms)
{
    CV_WITHIN(cx, ms)
    {
        CV_TRY(cv_exec(cx, NULL, "SELECT pg_sleep(600)"));
    }
    return 0;
}

static void a_deadline_ends_a_statement(void **state)
{
    fixture *f = fixture_of(state);
    int64_t start = cv_now_ns(f->cx);
    assert_fails(f->cx, sleep_within(f->cx, 100), CV_E_TIMEOUT, "answer of PostgreSQL");
    assert_in_range(ms_since(f->cx, start), 99, 20000);
    assert_int_equal(cv_db_pool_stats(f->db, 0).borrowed, 0);
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static void the_server_ends_a_statement_whose_client_is_gone(void **state)
{
    fixture *f = fixture_of(state);
    assert_fails(f->cx, sleep_within(f->cx, 100), CV_E_TIMEOUT, "");
    test_session_run(f->watch, "SET statement_timeout = '60s'");
    test_session_run(
        f->watch,
        "DO $$BEGIN WHILE EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE"
        " 'SELECT pg_sleep(600)%' AND state = 'active') LOOP PERFORM pg_sleep(0.05), pg_stat_clear_snapshot();"
        " END LOOP; END$$");
}

static int time_out_in_transaction(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes VALUES (1, 'a')"));
        CV_TRY(sleep_within(cx, 100));
    }
    return 0;
}

static void a_deadline_inside_a_transaction_undoes_it(void **state)
{
    fixture *f = fixture_of(state);
    assert_fails(f->cx, time_out_in_transaction(f->cx), CV_E_TIMEOUT, "");
    assert_false(cv_in_transaction(f->cx));
    assert_string_equal(test_session_run(f->watch, "SELECT count(*) FROM notes"), "0");
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static int sleep_long(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_exec(cx, NULL, "SELECT pg_sleep(600)");
}

static void a_cancelled_fiber_leaves_its_statement(void **state)
{
    fixture *f = fixture_of(state);
    cv_fiber *fiber;
    assert_ok(f->cx, cv_spawn(f->cx, "sleeper", sleep_long, NULL, &fiber));
    await_turns(f->cx, cv_db_pool_stats(f->db, 0).borrowed > 0);
    cv_cancel(fiber);
    assert_int_equal(cv_join(f->cx, fiber, NULL), CV_E_CANCELLED);
    cv_error_clear(f->cx);
    assert_int_equal(cv_db_pool_stats(f->db, 0).borrowed, 0);
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static void a_statement_that_the_server_cancels_keeps_its_connection(void **state)
{
    fixture *f = fixture_of(state);
    char url[TEST_URL_BYTES + 64];
    cv_db *db;
    snprintf(url, sizeof url, "%s?options=-c%%20statement_timeout%%3D20&max_connections=1", f->url);
    assert_ok(f->cx, cv_db_open(f->cx, url, NULL, &db));
    cv_use_db(f->cx, db);
    assert_fails(f->cx, cv_exec(f->cx, NULL, "SELECT pg_sleep(600)"), CV_E_TIMEOUT, "statement timeout");
    assert_int_equal(cv_db_pool_stats(db, 0).opened_total, 1);
    assert_int_equal(cv_db_pool_stats(db, 0).open, 1);
    cv_use_db(f->cx, f->db);
    cv_db_close(f->cx, db);
}

/* --- a frozen server --- */

static int insert_and_freeze(fixture *f)
{
    CV_ATOMIC(f->cx)
    {
        CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO notes VALUES (1, 'a')"));
        test_server_freeze(&server);
        cv_ctx_set_deadline_ns(f->cx, cv_now_ns(f->cx) + 100000000);
    }
    return 0;
}

static void a_frozen_server_hangs_nothing(void **state)
{
    fixture *f = fixture_of(state);
    cv_rows *rows;
    char url[TEST_URL_BYTES];
    assert_ok(f->cx, cv_select(f->cx, &rows, "SELECT i, repeat('x', 1000) FROM generate_series(1, 50000) i"));
    assert_int_equal(cv_rows_next(f->cx, rows), 1);
    (void)scalar(f->cx, "SELECT 1");
    test_server_freeze(&server);
    int64_t start = cv_now_ns(f->cx);
    cv_rows_close(f->cx, rows);                               /* reads the rest, briefly */
    assert_int_equal(sleep_within(f->cx, 100), CV_E_TIMEOUT); /* on the idle connection */
    cv_error_clear(f->cx);
    test_server_url(&server, "app", url);
    assert_open_times_out(f->cx, url);
    assert_in_range(ms_since(f->cx, start), 100, 30000);
    test_server_thaw(&server);
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static void a_commit_without_an_answer_says_that_nobody_knows(void **state)
{
    fixture *f = fixture_of(state);
    int rc = insert_and_freeze(f);
    test_server_thaw(&server);
    assert_int_equal(rc, CV_E_COMMIT_UNKNOWN);
    assert_int_equal(cv_error_last(f->cx)->cause->code, CV_E_TIMEOUT);
    assert_string_equal(cv_error_last(f->cx)->message, "could not learn whether the transaction was committed");
    cv_error_clear(f->cx);
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static void closing_the_database_does_not_wait_for_a_frozen_server(void **state)
{
    fixture *f = fixture_of(state);
    cv_db *db;
    assert_ok(f->cx, cv_db_open(f->cx, f->url, NULL, &db));
    test_server_freeze(&server);
    int64_t start = cv_now_ns(f->cx);
    cv_db_close(f->cx, db);
    int64_t took = ms_since(f->cx, start);
    test_server_thaw(&server);
    assert_in_range(took, 0, 4000);
}

/* --- lost connections --- */

static void a_connection_killed_while_idle_is_replaced_without_an_error(void **state)
{
    fixture *f = fixture_of(state);
    char sql[128];
    int64_t pid = scalar(f->cx, "SELECT pg_backend_pid()").as.i64;
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%lld, 20000)", (long long)pid);
    assert_string_equal(test_session_run(f->watch, sql), "t");
    assert_int_not_equal(scalar(f->cx, "SELECT pg_backend_pid()").as.i64, pid);
}

static void a_connection_killed_in_a_statement_is_lost(void **state)
{
    fixture *f = fixture_of(state);
    assert_int_equal(cv_exec(f->cx, NULL, "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(600)"),
                     CV_E_CONNECTION_LOST);
    assert_string_equal(cv_error_last(f->cx)->sqlstate, "57P01");
    assert_true(cv_error_is_transient(CV_E_CONNECTION_LOST));
    cv_error_clear(f->cx);
    assert_int_equal(cv_db_pool_stats(f->db, 0).open, 0);
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static int lose_in_transaction(fixture *f)
{
    CV_ATOMIC(f->cx)
    {
        char sql[128];
        CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO notes VALUES (1, 'a')"));
        snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%lld, 20000)",
                 (long long)scalar(f->cx, "SELECT pg_backend_pid()").as.i64);
        test_session_run(f->watch, sql);
        CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO notes VALUES (2, 'b')"));
    }
    return 0;
}

static void a_connection_killed_in_a_transaction_takes_it_along(void **state)
{
    fixture *f = fixture_of(state);
    assert_int_equal(lose_in_transaction(f), CV_E_CONNECTION_LOST);
    cv_error_clear(f->cx);
    assert_string_equal(test_session_run(f->watch, "SELECT count(*) FROM notes"), "0");
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static void a_killed_server_is_found_again_after_its_restart(void **state)
{
    fixture *f = fixture_of(state);
    cv_rows *rows;
    assert_ok(f->cx, cv_select(f->cx, &rows, "SELECT i, repeat('x', 1000) FROM generate_series(1, 50000) i"));
    (void)scalar(f->cx, "SELECT 1");
    test_server_kill(&server);
    int rc;
    while ((rc = cv_rows_next(f->cx, rows)) > 0)
        ;
    assert_int_equal(rc, CV_E_CONNECTION_LOST);
    cv_error_clear(f->cx);
    cv_rows_close(f->cx, rows);
    assert_int_equal(cv_exec(f->cx, NULL, "SELECT 1"), CV_E_REFUSED);
    cv_error_clear(f->cx);
    test_server_start(&server);
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(a_port_where_nobody_listens_refuses),
        case_of(every_address_of_a_host_is_tried),
        case_of(passwords_are_checked_and_never_shown),
        case_of(a_full_server_says_so),
        case_of(a_listener_that_never_answers_times_out),
        case_of(a_deadline_ends_a_statement),
        case_of(the_server_ends_a_statement_whose_client_is_gone),
        case_of(a_deadline_inside_a_transaction_undoes_it),
        case_of(a_cancelled_fiber_leaves_its_statement),
        case_of(a_statement_that_the_server_cancels_keeps_its_connection),
        case_of(a_frozen_server_hangs_nothing),
        case_of(a_commit_without_an_answer_says_that_nobody_knows),
        case_of(closing_the_database_does_not_wait_for_a_frozen_server),
        case_of(a_connection_killed_while_idle_is_replaced_without_an_error),
        case_of(a_connection_killed_in_a_statement_is_lost),
        case_of(a_connection_killed_in_a_transaction_takes_it_along),
        case_of(a_killed_server_is_found_again_after_its_restart),
    };
    return cmocka_run_group_tests_name("postgres-server", tests, set_up_group, tear_down_group);
}
