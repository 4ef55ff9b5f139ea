/* Connecting to a MariaDB server of the test's own: options, refusals, TLS, several hosts; and what is asked of the
 * server beyond statements. */
#include "mariadb_test.h"
#include "tls_files.h"

#include <covet/db_stats.h>
#include <covet/mariadb.h>

static test_mariadb server;
static test_tls tls;
static bool available;
static cv_ctx *cx;

static int set_up_group(void **state)
{
    static const char *const files[] = {"ca.crt", "server.crt", "server.key"};
    char settings[512];
    (void)state;
    available = test_tls_create(&tls) && test_mariadb_server_create(&server);
    if (!available)
        return 0;
    for (size_t i = 0; i < 3; i++)
        test_mariadb_server_write(&server, files[i], test_tls_read(&tls, files[i]));
    snprintf(settings, sizeof settings, "[mariadbd]\nssl-ca=%s/ca.crt\nssl-cert=%s/server.crt\nssl-key=%s/server.key\n",
             server.folder, server.folder, server.folder);
    test_mariadb_server_stop(&server);
    test_mariadb_server_write(&server, "extra.cnf", settings);
    test_mariadb_server_start(&server);
    char url[TEST_MARIADB_URL_BYTES];
    test_mariadb_server_url(&server, "admin", url);
    MYSQL *admin = test_mariadb_open(url);
    test_mariadb_run(admin, "CREATE USER 'certified'@'%' IDENTIFIED BY 'app' REQUIRE X509");
    test_mariadb_run(admin, "GRANT ALL ON app.* TO 'certified'@'%'");
    test_mariadb_run(admin, "CREATE USER 'few'@'%' IDENTIFIED BY 'app' WITH MAX_USER_CONNECTIONS 1");
    test_mariadb_run(admin, "GRANT ALL ON app.* TO 'few'@'%'");
    test_mariadb_close(admin);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    test_mariadb_server_destroy(&server);
    test_tls_destroy(&tls);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return available ? cv_runtime_new(NULL, &cx) : 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (available)
        cv_runtime_free(cx);
    return 0;
}

/* As a user of a host ("%" in the options is the folder of the certificates). */
static int connect_as(const char *account, const char *host, const char *options, cv_db **ret_db)
{
    char url[1024];
    size_t len =
        (size_t)snprintf(url, sizeof url, "mysql://%s@%s:%d/app?max_connections=1", account, host, server.port);
    for (; *options && len + sizeof tls.folder < sizeof url; options++)
        if (*options == '%')
            len += (size_t)snprintf(url + len, sizeof url - len, "%s", tls.folder);
        else
            url[len++] = *options;
    url[len] = '\0';
    return cv_db_open(cx, url, NULL, ret_db);
}

static void assert_connects(const char *account, const char *host, const char *options, bool with_tls)
{
    cv_db *db;
    cv_db_report report;
    if (!available)
        skip();
    assert_ok(cx, connect_as(account, host, options, &db));
    assert_ok(cx, cv_db_health(cx, db, &report));
    assert_int_equal(report.tls_cipher != NULL, with_tls);
    assert_false(report.read_only);
    assert_false(report.replica);
    assert_true(report.pid > 0);
    assert_non_null(strstr(report.version, "MariaDB"));
    cv_db_close(cx, db);
}

static void assert_refused(const char *account, const char *host, const char *options, int code, const char *hint)
{
    cv_db *db;
    if (!available)
        skip();
    int rc = connect_as(account, host, options, &db);
    const cv_error *error = cv_error_last(cx);
    if (rc != code)
        fail_msg("%s: got %s (%s), expected %s", options, cv_error_name(rc), error ? error->message : "",
                 cv_error_name(code));
    assert_non_null(error);
    if (hint && (!error->hint || !strstr(error->hint, hint)))
        fail_msg("%s: %s: the hint \"%s\" does not contain \"%s\"", options, error->message,
                 error->hint ? error->hint : "", hint);
    assert_null(strstr(error->message, "wrong-password"));
    cv_error_clear(cx);
}

static void tls_is_as_the_mode_says(void **state)
{
    (void)state;
    assert_connects("app:app", "127.0.0.1", "", true);
    assert_connects("app:app", "127.0.0.1", "&ssl_mode=disabled", false);
    assert_connects("app:app", "127.0.0.1", "&ssl_mode=required", true);
    assert_connects("app:app", "127.0.0.1", "&ssl_mode=required&tls_version=TLSv1.2", true);
    assert_connects("app:app", "127.0.0.1", "&ssl_mode=verify_ca&ssl_ca=%/ca.crt", true);
}

static void the_certificate_is_compared_with_the_name(void **state)
{
    (void)state;
    assert_connects("app:app", "localhost", "&ssl_ca=%/ca.crt", true);
    assert_refused("app:app", "127.0.0.1", "&ssl_ca=%/ca.crt", CV_E_TLS, NULL);
    assert_refused("app:app", "localhost", "&ssl_ca=%/other-ca.crt", CV_E_TLS, "certificate");
    assert_refused("app:app", "localhost", "&ssl_mode=verify_ca&ssl_ca=%/other-ca.crt", CV_E_TLS, NULL);
    assert_refused("app:app", "localhost", "&ssl_ca=%/none.crt", CV_E_TLS, NULL);
    assert_refused("app:app", "localhost", "&ssl_mode=verify_ca", CV_E_CONFIG, "ssl_ca");
}

static void a_certificate_of_ours_is_shown(void **state)
{
    (void)state;
    assert_connects("certified:app", "localhost", "&ssl_ca=%/ca.crt&ssl_cert=%/client.crt&ssl_key=%/client.key", true);
    assert_connects("certified:app", "localhost",
                    "&ssl_ca=%/ca.crt&ssl_cert=%/client.crt&ssl_key=%/locked.key&ssl_key_password=open+sesame", true);
    assert_refused("certified:app", "localhost", "&ssl_ca=%/ca.crt", CV_E_AUTH, NULL);
}

static void refusals_tell_what_to_do(void **state)
{
    (void)state;
    cv_db *db, *second;
    assert_refused("app:wrong-password", "127.0.0.1", "", CV_E_AUTH, "password");
    assert_refused("nobody:app", "127.0.0.1", "", CV_E_AUTH, NULL);
    assert_refused("app:app", "127.0.0.1", "&socket=/nowhere/sock", CV_E_REFUSED, "running");
    assert_refused("app:app", "no-such-host.invalid", "", CV_E_RESOLVE, NULL);
    assert_refused("app:app", "127.0.0.1", "&ssl_mod=disabled", CV_E_CONFIG, "ssl_mode");
    assert_refused("app:app", "127.0.0.1", "&ssl_mode=prefered", CV_E_CONFIG, "preferred");
    assert_refused("app:app", "127.0.0.1", "&time_zone=%27;", CV_E_CONFIG, NULL);
    assert_refused("app:app", "127.0.0.1", "&socket=relative", CV_E_CONFIG, NULL);
    assert_ok(cx, connect_as("few:app", "127.0.0.1", "&min_connections=1", &db));
    assert_int_equal(connect_as("few:app", "127.0.0.1", "", &second), CV_E_TOO_MANY_CONNECTIONS);
    cv_error_clear(cx);
    cv_db_close(cx, db);
}

static void the_second_host_is_tried(void **state)
{
    (void)state;
    char url[512];
    cv_db *db;
    if (!available)
        skip();
    snprintf(url, sizeof url, "mariadb://app:app@127.0.0.1:1,127.0.0.1:%d/app?max_connections=1", server.port);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db));
    cv_db_close(cx, db);
    snprintf(url, sizeof url, "mariadb://app:app@127.0.0.1:1,127.0.0.1:2/app?max_connections=1");
    assert_fails(cx, cv_db_open(cx, url, NULL, &db), CV_E_REFUSED, "any of the 2");
}

static void a_socket_and_options_of_the_session_work(void **state)
{
    (void)state;
    char options[256];
    cv_db *db;
    if (!available)
        skip();
    snprintf(options, sizeof options, "&socket=%s/sock&read_only=true&compress=true&program_name=tester",
             server.folder);
    assert_ok(cx, connect_as("app:app", "127.0.0.1", options, &db));
    cv_use_db(cx, db);
    assert_int_equal(cv_exec(cx, NULL, "CREATE TABLE never (id INTEGER)"), CV_E_READ_ONLY);
    cv_error_clear(cx);
    cv_db_close(cx, db);
}

/* ---- what is asked of the server ---- */

static void the_server_tells_how_it_is(void **state)
{
    (void)state;
    cv_db *db;
    cv_mariadb_status status;
    const cv_mariadb_replication *list;
    size_t count = 7;
    if (!available)
        skip();
    assert_ok(cx, connect_as("app:app", "127.0.0.1", "", &db));
    assert_ok(cx, cv_mariadb_get_status(cx, db, &status));
    assert_int_equal(status.max_connections, 30);
    assert_in_range(status.connections, 1, 30);
    assert_false(status.read_only || status.is_mysql);
    assert_true(strlen(status.gtid) > 0);
    assert_ok(cx, cv_mariadb_get_replication(cx, db, &list, &count));
    assert_int_equal(count, 0);
    cv_db_close(cx, db);
}

static void tables_are_optimized_and_analyzed(void **state)
{
    (void)state;
    cv_db *db;
    if (!available)
        skip();
    assert_ok(cx, connect_as("app:app", "127.0.0.1", "", &db));
    cv_use_db(cx, db);
    run(cx, "CREATE OR REPLACE TABLE \"a \"\"table\" (id INTEGER PRIMARY KEY)");
    assert_ok(cx, cv_mariadb_optimize(cx, db, "a \"table"));
    assert_ok(cx, cv_mariadb_analyze(cx, db, NULL));
    assert_fails(cx, cv_mariadb_optimize(cx, db, "none"), CV_E_NOT_FOUND, "none");
    cv_db_close(cx, db);
    cv_db *other;
    assert_ok(cx, cv_db_open(cx, "sqlite::memory:", NULL, &other));
    assert_fails(cx, cv_mariadb_analyze(cx, other, NULL), CV_E_UNSUPPORTED, "sqlite");
    cv_db_close(cx, other);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(tls_is_as_the_mode_says),        CASE(the_certificate_is_compared_with_the_name),
        CASE(a_certificate_of_ours_is_shown), CASE(refusals_tell_what_to_do),
        CASE(the_second_host_is_tried),       CASE(a_socket_and_options_of_the_session_work),
        CASE(the_server_tells_how_it_is),     CASE(tables_are_optimized_and_analyzed),
    };
    return cmocka_run_group_tests_name("mariadb-connect", tests, set_up_group, tear_down_group);
}
