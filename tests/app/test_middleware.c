/* What a program has by its settings, seen through the test client of the whole program. */
#include "app/app.h"
#include "test.h"

#include <covet/json.h>

static cv_ctx *cx;
static cv_app *app;

static int hello(cv_ctx *c, cv_request *req, cv_response *res)
{
    (void)req;
    char text[3000];
    memset(text, 'a', sizeof text);
    return cv_reply_text(c, res, 200, "text/plain", cv_str_make(text, sizeof text));
}

static int stamp(cv_ctx *c, cv_request *req, cv_response *res, void *arg)
{
    (void)c;
    return cv_response_header(res, arg, cv_request_id(req));
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    app = cv_app_new("shop");
    cv_route(app, CV_GET, "/hello", hello);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cv_runtime_free(cx);
    cv_app_free(app);
    return 0;
}

static int flag(const char *text)
{
    char *argv[] = {(char *)(uintptr_t) "shop", (char *)(uintptr_t)text, NULL};
    int argc = 2;
    return cv_config_read_flags(app->cx, app->config, &argc, argv);
}

static cv_test_reply ask(const char *name, const char *value)
{
    cv_server_options options = cv__server_options(app->config);
    cv_test_client *client;
    cv_test_reply reply;
    const cv_test_header headers[] = {{name, value}, {NULL, NULL}};
    assert_ok(cx, cv__app_use_middleware(cx, app));
    assert_ok(cx, cv__app_use_middleware(cx, app)); /* once is enough */
    assert_ok(cx, cv_test_client_new(cx, app->router, &options, &client));
    assert_ok(cx, cv_test_send_request(cx, client, &(cv_test_request){.target = "/hello", .headers = headers}, &reply));
    cv_test_client_free(cx, client);
    return reply;
}

static void expect_field(const cv_test_reply *reply, const char *name, const char *value)
{
    cv_str found = cv_test_reply_header(reply, name);
    if (!cv_str_equal(found, cv_str_of(value)))
        fail_msg("%s is \"%.*s\"", name, CV_STR_ARG(found));
}

static void test_a_program_has_all_of_it_by_default(void **state)
{
    (void)state;
    const cv_middleware own = {
        .name = "stamp", .phase = CV_PHASE_OBSERVE, .before = stamp, .arg = (void *)(uintptr_t) "X-Own"};
    cv_app_use(app, &own);
    cv_test_reply r = ask("Accept-Encoding", "gzip");
    assert_int_equal(r.status, 200);
    expect_field(&r, "Content-Encoding", "gzip");
    expect_field(&r, "X-Frame-Options", "DENY");
    assert_int_equal(cv_test_reply_header(&r, "X-Request-Id").len, 36);
    assert_true(cv_str_equal(cv_test_reply_header(&r, "X-Own"), cv_test_reply_header(&r, "X-Request-Id")));
}

static void test_all_of_it_can_be_switched_off(void **state)
{
    (void)state;
    static const char *const flags[] = {"--no-http-request-id",  "--no-http-security-headers",
                                        "--no-http-compression", "--no-http-decompression",
                                        "--no-http-error-pages", "--http-access-log=off"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        assert_ok(app->cx, flag(flags[i]));
    cv_test_reply r = ask("Accept-Encoding", "gzip");
    expect_field(&r, "Content-Encoding", NULL);
    expect_field(&r, "X-Frame-Options", NULL);
    expect_field(&r, "X-Request-Id", NULL);
}

static void test_settings_of_the_headers(void **state)
{
    (void)state;
    assert_ok(app->cx, flag("--http-content-security-policy=default-src 'none'"));
    assert_ok(app->cx, flag("--http-permissions-policy=camera=()"));
    cv_test_reply r = ask(NULL, NULL);
    expect_field(&r, "Content-Security-Policy", "default-src 'none'");
    expect_field(&r, "Permissions-Policy", "camera=()");
}

static void test_only_allowed_hosts(void **state)
{
    (void)state;
    assert_ok(app->cx, flag("--http-allowed-hosts=example.org, *.example.net"));
    assert_int_equal(ask("Host", "a.example.net").status, 200);
    assert_int_equal(ask("Host", "evil.example").status, 421);
}

static void test_bad_settings_are_refused(void **state)
{
    (void)state;
    assert_ok(app->cx, flag("--http-access-log=xml"));
    assert_fails(cx, cv__app_use_middleware(cx, app), CV_E_CONFIG, "it is off, common, json or log");
    assert_ok(app->cx, flag("--http-access-log=true"));
    assert_ok(app->cx, flag("--http-allowed-hosts=http://x"));
    assert_fails(cx, cv__app_use_middleware(cx, app), CV_E_INVALID, "cannot allow the host");
}

static void test_groups_of_a_program(void **state)
{
    (void)state;
    cv_route_group *group = cv_app_group(app, "/api");
    assert_ok(cx, cv_route_group_add(cx, group, CV_GET, "/x", hello, NULL));
    assert_int_equal(app->error, 0);
    assert_non_null(cv_app_group(app, "bad"));
    assert_int_equal(app->error, CV_E_SYNTAX);
}

static void test_development_reaches_the_server(void **state)
{
    (void)state;
    assert_false(cv__server_options(app->config).development);
    assert_ok(app->cx, flag("--development"));
    assert_true(cv__server_options(app->config).development);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_program_has_all_of_it_by_default),
        CASE(test_all_of_it_can_be_switched_off),
        CASE(test_settings_of_the_headers),
        CASE(test_only_allowed_hosts),
        CASE(test_bad_settings_are_refused),
        CASE(test_groups_of_a_program),
        CASE(test_development_reaches_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
