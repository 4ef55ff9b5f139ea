/* Reading the log of a server that is not set up for it, throws it away, freezes, or is started again: each with a
 * server of the test's own. */
#include "changes_test.h"
#include "postgres_server.h"

#define SETTINGS                                                                                                       \
    "wal_level = logical\nmax_replication_slots = 2\nwal_sender_timeout = 1500\nmax_slot_wal_keep_size = 16\n"

static test_server server;
static char url[TEST_URL_BYTES];
static cv_ctx *cx;
static cv_db *db;
static PGconn *watch;

static int set_up_group(void **state)
{
    (void)state;
    if (test_server_create(&server))
        test_server_url(&server, "app", url);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    test_server_destroy(&server);
    return 0;
}

static void open_database(void)
{
    if (!server.port)
        skip();
    const cv_db_options options = {.max_connections = 2};
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    assert_ok(cx, cv_db_open(cx, url, &options, &db));
    cv_use_db(cx, db);
    watch = test_session_open(url);
}

static int tear_down(void **state)
{
    (void)state;
    if (!cx)
        return 0;
    cv_db_close(cx, db);
    cv_runtime_free(cx);
    PQfinish(watch);
    cx = NULL;
    return 0;
}

static const char *run(const char *sql)
{
    return test_session_run(watch, sql);
}

static void session_again(void)
{
    PQfinish(watch);
    watch = test_session_open(url);
}

static cv_changes *open_reader(const char *name, int64_t heartbeat_ms)
{
    cv_changes *changes = NULL;
    cv_changes_options options = {.name = name, .heartbeat_ms = heartbeat_ms};
    assert_ok(cx, cv_changes_open(cx, db, &options, &changes));
    return changes;
}

static void close_and_drop(cv_changes *changes, const char *name)
{
    cv_changes_close(cx, changes);
    assert_ok(cx, cv_changes_drop(cx, db, name));
    run("DROP TABLE books");
}

static void a_log_without_rows_is_refused_with_what_to_set(void **state)
{
    (void)state;
    open_database();
    cv_changes *changes;
    assert_int_equal(cv_changes_open(cx, db, NULL, &changes), CV_E_CONFIG);
    assert_non_null(strstr(cv_error_last(cx)->message, "wal_level is \"replica\""));
    assert_non_null(strstr(cv_error_last(cx)->hint, "wal_level = logical"));
    cv_error_clear(cx);
    test_server_write(&server, "postgresql.auto.conf", SETTINGS);
    test_server_stop(&server);
    test_server_start(&server);
}

static void who_may_not_read_the_log_is_told(void **state)
{
    (void)state;
    open_database();
    run("CREATE ROLE plain LOGIN PASSWORD 'x'");
    char plain[TEST_URL_BYTES];
    snprintf(plain, sizeof plain, "postgres://plain:x@127.0.0.1:%d/app", server.port);
    cv_db *other;
    cv_changes *changes;
    const cv_db_options patient = {.acquire_timeout_ms = 60000, .connect_timeout_ms = 60000};
    assert_ok(cx, cv_db_open(cx, plain, &patient, &other));
    assert_fails(cx, cv_changes_open(cx, other, NULL, &changes), CV_E_PERMISSION, "");
    cv_db_close(cx, other);
    run("DROP ROLE plain");
}

static void there_are_only_so_many_slots(void **state)
{
    (void)state;
    open_database();
    run("CREATE TABLE books (id bigint PRIMARY KEY, title text)");
    cv_changes *first = open_reader("first", 0), *second = open_reader("second", 0), *third;
    cv_changes_options options = {.name = "third"};
    assert_int_equal(cv_changes_open(cx, db, &options, &third), CV_E_LIMIT);
    assert_non_null(strstr(cv_error_last(cx)->hint, "max_replication_slots"));
    cv_error_clear(cx);
    cv_changes_close(cx, second);
    assert_ok(cx, cv_changes_drop(cx, db, "second"));
    close_and_drop(first, "first");
}

static void a_server_that_is_started_again_is_read_on(void **state)
{
    (void)state;
    open_database();
    run("CREATE TABLE books (id bigint PRIMARY KEY, title text)");
    cv_changes *changes = open_reader("restarted", 0);
    run("INSERT INTO books VALUES (1, 'a')");
    assert_string_equal(changes_until(cx, changes, 1), "+books(id=1 title=a)|");
    test_server_stop(&server);
    test_server_start(&server);
    session_again();
    run("INSERT INTO books VALUES (2, 'b')");
    assert_string_equal(changes_until(cx, changes, 1), "+books(id=2 title=b)|");
    test_server_kill(&server);
    test_server_start(&server);
    session_again();
    run("INSERT INTO books VALUES (3, 'c')");
    assert_string_equal(changes_until(cx, changes, 1), "+books(id=3 title=c)|");
    close_and_drop(changes, "restarted");
}

/* The server would give the reader up after 1.5 s of silence: the timer speaks meanwhile. */
static void a_reader_that_does_not_read_for_long_is_kept(void **state)
{
    (void)state;
    open_database();
    run("CREATE TABLE books (id bigint PRIMARY KEY, title text)");
    cv_changes *changes = open_reader("slow", 0);
    char pid[16];
    snprintf(pid, sizeof pid, "%s", run("SELECT active_pid FROM pg_replication_slots"));
    run("INSERT INTO books SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i"); /* more than sockets hold */
    assert_ok(cx, cv_sleep_ms(cx, 4000));
    cv_change change;
    for (int i = 1; i <= 20000; i++) {
        assert_ok(cx, cv_changes_next(cx, changes, &change));
        assert_int_equal(cv_change_new(&change, "id").as.i64, i);
    }
    assert_string_equal(run("SELECT active_pid FROM pg_replication_slots"), pid);
    close_and_drop(changes, "slow");
}

static void a_server_that_freezes_is_found_and_read_on(void **state)
{
    (void)state;
    open_database();
    run("CREATE TABLE books (id bigint PRIMARY KEY, title text)");
    cv_changes *changes = open_reader("frozen", 50);
    cv_change change;
    test_server_freeze(&server);
    int64_t until_ns = cv_now_ns(cx) + INT64_C(1000000000);
    while (cv_now_ns(cx) < until_ns) /* it is given up after 150 ms, and cannot be reached again */
        CV_WITHIN(cx, 100)
        {
            assert_fails(cx, cv_changes_next(cx, changes, &change), CV_E_TIMEOUT, "");
        }
    test_server_thaw(&server);
    run("INSERT INTO books VALUES (1, 'a')");
    assert_string_equal(changes_until(cx, changes, 1), "+books(id=1 title=a)|");
    close_and_drop(changes, "frozen");
}

static void make_much_log(void)
{
    for (int i = 0; i < 4; i++) {
        run("INSERT INTO books SELECT i, repeat('x', 1000) FROM generate_series(10, 20000) i");
        run("DELETE FROM books WHERE id >= 10");
        run("SELECT pg_switch_wal()");
        run("CHECKPOINT");
    }
}

static void a_log_that_was_thrown_away_is_a_gap(void **state)
{
    (void)state;
    open_database();
    run("CREATE TABLE books (id bigint PRIMARY KEY, title text)");
    cv_changes *changes = open_reader("late", 0);
    cv_changes_close(cx, changes);
    for (int i = 0; i < 50 && strcmp(run("SELECT wal_status FROM pg_replication_slots"), "lost") != 0; i++)
        make_much_log();
    assert_string_equal(run("SELECT wal_status FROM pg_replication_slots"), "lost");
    cv_changes_options options = {.name = "late"};
    assert_int_equal(cv_changes_open(cx, db, &options, &changes), CV_E_GAP);
    assert_non_null(strstr(cv_error_last(cx)->message, "max_slot_wal_keep_size"));
    assert_non_null(strstr(cv_error_last(cx)->hint, "read the tables anew"));
    cv_error_clear(cx);
    assert_ok(cx, cv_changes_drop(cx, db, "late"));
    changes = open_reader("late", 0); /* from now */
    close_and_drop(changes, "late");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_log_without_rows_is_refused_with_what_to_set), /* first: afterwards the server has them */
        CASE(who_may_not_read_the_log_is_told),
        CASE(there_are_only_so_many_slots),
        CASE(a_server_that_is_started_again_is_read_on),
        CASE(a_reader_that_does_not_read_for_long_is_kept),
        CASE(a_server_that_freezes_is_found_and_read_on),
        CASE(a_log_that_was_thrown_away_is_a_gap),
    };
#undef CASE
    return cmocka_run_group_tests_name("postgres-changes-server", tests, set_up_group, tear_down_group);
}
