#include "app/app.h"
#include "test.h"

static cv_app *app;

static int setup(void **state)
{
    (void)state;
    app = cv_app_new("shop");
    return app->error;
}

static int teardown(void **state)
{
    (void)state;
    cv_app_free(app);
    return 0;
}

static int flag(const char *text)
{
    char name[] = "serve", copy[128];
    snprintf(copy, sizeof copy, "%s", text);
    char *argv[] = {name, copy, NULL};
    int argc = 2;
    return cv_config_read_flags(app->cx, app->config, &argc, argv);
}

static void test_every_setting_has_a_line_of_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < cv__setting_count; i++) {
        assert_non_null(cv__settings[i].help);
        assert_null(strchr(cv__settings[i].help, '\n'));
    }
}

static void test_defaults_of_the_server(void **state)
{
    (void)state;
    cv_server_options options = cv__server_options(app->config);
    assert_string_equal(options.host, "127.0.0.1");
    assert_int_equal(options.port, 8000);
    assert_int_equal(options.max_connections, 10000);
    assert_int_equal(options.max_body_bytes, 2 << 20);
    assert_int_equal(options.max_header_bytes, 32 << 10);
    assert_int_equal(options.max_target_bytes, 8 << 10);
    assert_int_equal(options.max_headers, 100);
    assert_int_equal(options.max_requests_per_connection, 10000);
    assert_int_equal(options.min_body_rate, 500);
    assert_int_equal(options.min_write_rate, 500);
    assert_int_equal(options.header_timeout_ms, 10000);
    assert_int_equal(options.body_timeout_ms, 10000);
    assert_int_equal(options.idle_timeout_ms, 60000);
    assert_int_equal(options.request_timeout_ms, 30000);
    assert_int_equal(options.write_timeout_ms, 10000);
    assert_int_equal(options.shutdown_timeout_ms, 10000);
    assert_false(options.development);
}

static void test_defaults_of_the_listener(void **state)
{
    (void)state;
    cv_listener_options options;
    assert_ok(app->cx, cv__listener_options(app->cx, app->config, &options));
    assert_int_equal(options.backlog, 511);
    assert_int_equal(options.unix_mode, 0660);
    assert_int_equal(options.max_connections, 10000);
    assert_int_equal(options.max_per_address, 1000);
    assert_null(options.trusted_proxies);
}

static void test_settings_reach_the_listener(void **state)
{
    (void)state;
    cv_listener_options options;
    assert_ok(app->cx, flag("--http-trusted-proxies= 10.0.0.0/8,::1 , unix,"));
    assert_ok(app->cx, flag("--http-unix-mode=0600"));
    assert_ok(app->cx, flag("--http-max-connections-per-address=7"));
    assert_ok(app->cx, cv__listener_options(app->cx, app->config, &options));
    assert_string_equal(options.trusted_proxies[0], "10.0.0.0/8");
    assert_string_equal(options.trusted_proxies[1], "::1");
    assert_string_equal(options.trusted_proxies[2], "unix");
    assert_null(options.trusted_proxies[3]);
    assert_int_equal(options.unix_mode, 0600);
    assert_int_equal(options.max_per_address, 7);
    assert_ok(app->cx, flag("--http-unix-mode=9"));
    assert_fails(app->cx, cv__listener_options(app->cx, app->config, &options), CV_E_CONFIG, "octal");
}

static void test_header_of_proxies(void **state)
{
    (void)state;
    cv_server_options options = {.forwarded = CV_FORWARDED_STANDARD};
    assert_ok(app->cx, cv__server_options_forwarded(app->cx, app->config, &options));
    assert_int_equal(options.forwarded, CV_FORWARDED_X);
    assert_ok(app->cx, flag("--http-forwarded=forwarded"));
    assert_ok(app->cx, cv__server_options_forwarded(app->cx, app->config, &options));
    assert_int_equal(options.forwarded, CV_FORWARDED_STANDARD);
    assert_ok(app->cx, flag("--http-forwarded=via"));
    assert_fails(app->cx, cv__server_options_forwarded(app->cx, app->config, &options), CV_E_CONFIG, "\"via\"");
}

static void test_settings_reach_the_options(void **state)
{
    (void)state;
    assert_ok(app->cx, flag("--port=0"));
    assert_ok(app->cx, flag("--host=::1"));
    assert_ok(app->cx, flag("--http-max-body=2MiB"));
    assert_ok(app->cx, flag("--http-request-timeout=250ms"));
    assert_ok(app->cx, flag("--development"));
    assert_ok(app->cx, flag("--database-max-connections=3"));
    assert_ok(app->cx, flag("--database-acquire-timeout=1s"));
    cv_server_options server = cv__server_options(app->config);
    assert_string_equal(server.host, "::1");
    assert_int_equal(server.port, 0);
    assert_int_equal(server.max_body_bytes, 2 << 20);
    assert_int_equal(server.request_timeout_ms, 250);
    assert_true(server.development);
    cv_db_options db = cv__db_options(app->config);
    assert_int_equal(db.max_connections, 3);
    assert_int_equal(db.acquire_timeout_ms, 1000);
}

static void test_values_out_of_range(void **state)
{
    (void)state;
    assert_fails(app->cx, flag("--port=65536"), CV_E_CONFIG, "between 0 and 65535");
    assert_fails(app->cx, flag("--port=http"), CV_E_CONFIG, "not an integer");
    assert_fails(app->cx, flag("--http-idle-timeout=5"), CV_E_CONFIG, "duration");
    assert_fails(app->cx, flag("--http-max-connections=0"), CV_E_CONFIG, "between 1 and");
    assert_fails(app->cx, flag("--http-idle-timeout=100h"), CV_E_CONFIG, "between");
    assert_fails(app->cx, flag("--http-max-header=1GiB"), CV_E_CONFIG, "between");
}

static void test_options_of_the_log(void **state)
{
    (void)state;
    cv_log_options options;
    assert_ok(app->cx, cv__log_options(app->cx, app->config, &options));
    assert_true(options.level == CV_LOG_INFO && options.format == CV_LOG_TEXT);
    assert_ok(app->cx, flag("--log-level=off"));
    assert_ok(app->cx, flag("--log-format=json"));
    assert_ok(app->cx, cv__log_options(app->cx, app->config, &options));
    assert_true(options.level == CV_LOG_OFF && options.format == CV_LOG_JSON);
    assert_ok(app->cx, flag("--log-format=xml"));
    assert_fails(app->cx, cv__log_options(app->cx, app->config, &options), CV_E_CONFIG, "\"xml\"");
    assert_ok(app->cx, flag("--log-level=loud"));
    assert_fails(app->cx, cv__log_options(app->cx, app->config, &options), CV_E_CONFIG, "\"loud\"");
}

static void test_the_database_url_is_a_secret(void **state)
{
    (void)state;
    size_t position = 0;
    const cv_setting *setting;
    const char *value;
    assert_ok(app->cx, flag("--database=postgres://me:pass@host/db"));
    assert_string_equal(cv_config_text(app->config, "database.url"), "postgres://me:pass@host/db");
    assert_true(cv_config_next(app->config, &position, &setting, &value));
    assert_string_equal(setting->name, "database.url");
    assert_string_equal(value, "***");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_setting_has_a_line_of_help, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defaults_of_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defaults_of_the_listener, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings_reach_the_listener, setup, teardown),
        cmocka_unit_test_setup_teardown(test_header_of_proxies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings_reach_the_options, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_out_of_range, setup, teardown),
        cmocka_unit_test_setup_teardown(test_options_of_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_database_url_is_a_secret, setup, teardown),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
