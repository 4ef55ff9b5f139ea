#include "app/app.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"
#include "test.h"

static const cv__parser_limits limits = {.max_header_bytes = 16384, .max_headers = 100, .max_body_bytes = 4096};

static cv_app *app;
static cv_response res;

static int setup(void **state)
{
    (void)state;
    app = cv_app_new("shop");
    cv_app_asset(app, "/page", "text/html; charset=utf-8", "<p>a</p>", 8);
    cv_app_asset(app, "/other", "text/plain", "b", 1);
    return app->error;
}

static int teardown(void **state)
{
    (void)state;
    cv_app_free(app);
    return 0;
}

static cv_str header(const char *name)
{
    return cv_response_get_header(&res, name);
}

/* Ask for a path with one more header line. */
static int ask(const char *path, const char *name, cv_str value)
{
    cv__parser parser;
    cv__parser_init(&parser, &limits);
    size_t size;
    char *room = cv__parser_room(&parser, &size);
    assert_non_null(room);
    int len = snprintf(room, size, "GET %s HTTP/1.0\r\n%s: %.*s\r\n\r\n", path, name, CV_STR_ARG(value));
    assert_int_equal(cv__parser_feed(&parser, (size_t)len), CV__PARSE_DONE);
    cv_request req;
    assert_ok(app->cx, cv__request_init(app->cx, &req, &parser, NULL));
    cv__response_init(app->cx, &res, CV_GET, 0, true);
    assert_ok(app->cx, cv__router_dispatch(app->cx, app->router, &req, &res));
    cv__parser_done(&parser);
    return cv_response_get_status(&res);
}

static void test_an_asset_is_answered_from_memory(void **state)
{
    (void)state;
    assert_int_equal(ask("/page", "Accept", CV_STR("*/*")), 200);
    assert_true(cv_str_equal(cv_buf_str(cv_response_body(&res)), CV_STR("<p>a</p>")));
    assert_true(cv_str_equal(header("content-type"), CV_STR("text/html; charset=utf-8")));
    assert_true(cv_str_equal(header("x-content-type-options"), CV_STR("nosniff")));
    assert_true(cv_str_equal(header("cache-control"), CV_STR("no-cache")));
}

static void test_what_is_known_is_not_sent_again(void **state)
{
    (void)state;
    ask("/page", "Accept", CV_STR("*/*"));
    char tag[64], list[128], weak[80];
    snprintf(tag, sizeof tag, "%.*s", CV_STR_ARG(header("etag")));
    assert_true(tag[0] == '"' && strlen(tag) == 18);
    snprintf(list, sizeof list, "\"0123456789abcdef\", %s", tag);
    snprintf(weak, sizeof weak, "W/%s", tag);
    const char *const known[] = {tag, list, weak, "*"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ask("/page", "If-None-Match", cv_str_of(known[i])), 304);
        assert_int_equal(cv_response_body(&res)->len, 0);
        assert_true(cv_str_equal(header("etag"), cv_str_of(tag)));
    }
    assert_int_equal(ask("/page", "If-None-Match", CV_STR("\"0123456789abcdef\"")), 200);
    assert_int_equal(ask("/other", "If-None-Match", cv_str_of(tag)), 200);
}

static void test_assets_are_bounded(void **state)
{
    (void)state;
    static char large[(1 << 20) + 1];
    cv_app_asset(app, "/full", "text/plain", large, sizeof large - 1);
    assert_int_equal(app->error, 0);
    cv_app_asset(app, "/large", "text/plain", large, sizeof large);
    assert_int_equal(app->error, CV_E_LIMIT);
    assert_non_null(strstr(cv_error_last(app->cx)->message, "\"/large\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_asset_is_answered_from_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_known_is_not_sent_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_assets_are_bounded, setup, teardown),
    };
    return cmocka_run_group_tests_name("asset", tests, NULL, NULL);
}
