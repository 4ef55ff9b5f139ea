/* The first moments of a connection: names that do not resolve, accounts that are refused, servers without room. On the
 * shared server, and on one of its own. */
#include "mariadb_test.h"

#include <string.h>

static char shared_url[TEST_MARIADB_URL_BYTES];
static cv_ctx *cx;

static const char accounts[] = "CREATE OR REPLACE USER connect_native IDENTIFIED BY 'open sesame';"
                               "CREATE OR REPLACE USER connect_stranger IDENTIFIED BY 'open sesame';"
                               "CREATE OR REPLACE USER connect_locked IDENTIFIED BY 'open sesame' ACCOUNT LOCK";

static int set_up_group(void **state)
{
    (void)state;
    if (!test_mariadb_create("connect", shared_url))
        return 0;
    char sql[256];
    MYSQL *admin = test_mariadb_admin();
    test_mariadb_run(admin, accounts);
    snprintf(sql, sizeof sql, "GRANT ALL ON `%s`.* TO connect_native", strrchr(shared_url, '/') + 1);
    test_mariadb_run(admin, sql);
    test_mariadb_close(admin);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (!shared_url[0])
        return 0;
    MYSQL *admin = test_mariadb_admin();
    test_mariadb_run(admin, "DROP USER connect_native, connect_stranger, connect_locked");
    test_mariadb_close(admin);
    test_mariadb_drop(shared_url);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return shared_url[0] ? cv_runtime_new(NULL, &cx) : 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (shared_url[0])
        cv_runtime_free(cx);
    return 0;
}

/* The shared server's URL with another account, host ("": as it is) and database (NULL: the test's). */
static void make_url(const char *account, const char *host, const char *name, char url[TEST_MARIADB_URL_BYTES])
{
    const char *at = strchr(shared_url, '@') + 1, *port = strchr(at, ':'), *slash = strrchr(shared_url, '/');
    snprintf(url, TEST_MARIADB_URL_BYTES, "mysql://%s@%s%.*s/%s", account, *host ? host : "127.0.0.1",
             (int)(slash - port), port, name ? name : slash + 1);
}

static int connect_as(const char *account, const char *host, const char *name, cv_db **ret_db)
{
    char url[TEST_MARIADB_URL_BYTES];
    make_url(account, host, name, url);
    return cv_db_open(cx, url, &(cv_db_options){.max_connections = 1}, ret_db);
}

static void assert_connects(const char *account, const char *host)
{
    cv_db *db;
    assert_ok(cx, connect_as(account, host, NULL, &db));
    cv_db_close(cx, db);
}

static void assert_refused(const char *account, const char *name, int code, const char *sqlstate, const char *hint)
{
    cv_db *db;
    int rc = connect_as(account, "", name, &db);
    const cv_error *error = cv_error_last(cx);
    if (rc != code)
        fail_msg("%s/%s: got %s, expected %s", account, name ? name : "", cv_error_name(rc), cv_error_name(code));
    assert_string_equal(error->sqlstate, sqlstate);
    if (!error->hint || !strstr(error->hint, hint))
        fail_msg("the hint \"%s\" does not contain \"%s\"", error->hint ? error->hint : "", hint);
    for (; error; error = error->cause)
        assert_null(strstr(error->message, "sesame"));
    cv_error_clear(cx);
}

static void a_password_with_marks_is_proved(void **state)
{
    (void)state;
    if (!shared_url[0])
        skip();
    assert_connects("connect_native:open%20sesame", "");
    assert_connects("connect_native:open%20sesame", "localhost"); /* a name, never the socket */
}

static void refused_accounts_say_what_to_do(void **state)
{
    (void)state;
    if (!shared_url[0])
        skip();
    assert_refused("connect_native:sesame", NULL, CV_E_AUTH, "28000", "user and password");
    assert_refused("connect_native", NULL, CV_E_AUTH, "28000", "has no password");
    assert_refused("nobody:sesame", NULL, CV_E_AUTH, "28000", "user and password");
    assert_refused("connect_stranger:open%20sesame", NULL, CV_E_AUTH, "42000", "GRANT");
    assert_refused("connect_locked:open%20sesame", NULL, CV_E_AUTH, "HY000", "ACCOUNT UNLOCK");
}

static void a_database_that_does_not_exist_is_told(void **state)
{
    (void)state;
    if (!shared_url[0])
        skip();
    char account[64] = "admin:admin"; /* others may not even know */
    assert_refused(account, "nothing_here", CV_E_NOT_FOUND, "42000", "CREATE DATABASE");
}

static void a_name_that_does_not_exist_is_told(void **state)
{
    (void)state;
    if (!shared_url[0])
        skip();
    cv_db *db;
    assert_fails(cx, cv_db_open(cx, "mysql://app@nowhere.invalid/app", NULL, &db), CV_E_RESOLVE, "nowhere.invalid");
}

static void a_port_where_nobody_listens_is_refused(void **state)
{
    (void)state;
    if (!shared_url[0])
        skip();
    cv_db *db;
    char url[TEST_MARIADB_URL_BYTES], wanted[64];
    int port = test_server_port();
    snprintf(url, sizeof url, "mysql://app:app@127.0.0.1:%d/app", port);
    snprintf(wanted, sizeof wanted, "127.0.0.1:%d", port);
    assert_int_equal(cv_db_open(cx, url, NULL, &db), CV_E_REFUSED);
    bool named = false;
    for (const cv_error *e = cv_error_last(cx); e; e = e->cause)
        named = named || strstr(e->message, wanted);
    assert_true(named);
    cv_error_clear(cx);
}

static void a_host_that_is_away_leaves_the_next(void **state)
{
    (void)state;
    if (!shared_url[0])
        skip();
    char url[TEST_MARIADB_URL_BYTES];
    cv_db *db;
    const char *at = strchr(shared_url, '@') + 1;
    snprintf(url, sizeof url, "mysql://app:app@127.0.0.1:%d,%s", test_server_port(), at);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db));
    cv_db_close(cx, db);
}

static void a_socket_is_a_way_too(void **state)
{
    (void)state;
    const char *path = getenv("COVET_TEST_MARIADB_SOCKET");
    if (!shared_url[0] || !path)
        skip();
    char url[TEST_MARIADB_URL_BYTES];
    cv_db *db;
    snprintf(url, sizeof url, "mysql://app:app@localhost%s?socket=%s", strrchr(shared_url, '/'), path);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db));
    cv_use_db(cx, db);
    assert_int_equal(scalar(cx, "SELECT 42").as.i64, 42);
    cv_db_close(cx, db);
    snprintf(url, sizeof url, "mysql://app:app@localhost/app?socket=/nowhere/at/all");
    int rc = cv_db_open(cx, url, NULL, &db);
    assert_int_equal(rc, CV_E_REFUSED);
    cv_error_clear(cx);
}

static void what_does_not_speak_the_protocol_is_told(void **state)
{
    (void)state;
    const char *postgres = getenv("COVET_TEST_POSTGRES");
    if (!shared_url[0] || !postgres)
        skip();
    char url[TEST_MARIADB_URL_BYTES];
    cv_db *db;
    snprintf(url, sizeof url, "mysql://app:app@%s", strchr(postgres, '@') + 1);
    int rc = cv_db_open(cx, url, &(cv_db_options){.connect_timeout_ms = 300}, &db);
    assert_true(rc == CV_E_TIMEOUT || rc == CV_E_CONNECTION_LOST); /* each waits for the other to begin */
    cv_error_clear(cx);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(a_password_with_marks_is_proved),
        case_of(refused_accounts_say_what_to_do),
        case_of(a_database_that_does_not_exist_is_told),
        case_of(a_name_that_does_not_exist_is_told),
        case_of(a_port_where_nobody_listens_is_refused),
        case_of(a_host_that_is_away_leaves_the_next),
        case_of(a_socket_is_a_way_too),
        case_of(what_does_not_speak_the_protocol_is_told),
    };
    return cmocka_run_group_tests_name("mariadb-accounts", tests, set_up_group, tear_down_group);
}
