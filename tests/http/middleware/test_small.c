/* Request ids, deadlines, security headers, allowed hosts. */
#include "middleware_test.h"

static int hello(cv_ctx *cx, cv_request *req, cv_response *res)
{
    CV_LOG_INFO(cv_ctx_log(cx), "hello", CV_F("path", cv_request_path(req)));
    return cv_reply_text(cx, res, 200, "text/plain", cv_str_of(cv_request_id(req)));
}

static int in_fiber(cv_ctx *cx, void *arg)
{
    (void)arg;
    CV_LOG_INFO(cv_ctx_log(cx), "deep", CV_F("level", 2));
    return 0;
}

static int spawning(cv_ctx *cx, cv_request *req, cv_response *res)
{
    cv_fiber *fiber;
    (void)req;
    CV_TRY(cv_spawn(cx, "deep", in_fiber, NULL, &fiber));
    CV_TRY(cv_join(cx, fiber, NULL));
    return cv_reply_empty(cx, res, 204);
}

static int failing(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req, (void)res;
    return cv_fail(cx, CV_E_IO, "the disk is on fire");
}

/* ---- request ids ---- */

static void test_a_request_gets_an_identity(void **state)
{
    world *w = *state;
    assert_ok(w->cx, cv_use_request_id(w->cx, w->root, NULL));
    world_route(w, CV_GET, "/", hello);
    world_route(w, CV_GET, "/spawning", spawning);
    world_route(w, CV_GET, "/failing", failing);
    world_start(w, (cv_server_options){0});
    cv_test_reply r = world_get(w, "/", NULL, NULL);
    assert_int_equal(r.body.len, 36);
    assert_int_equal(r.body.ptr[14], '7');
    expect_field(&r, "X-Request-Id", r.body.ptr);
    char wanted[128];
    snprintf(wanted, sizeof wanted, "hello request_id=%s path=/", r.body.ptr);
    assert_non_null(strstr(w->logged, wanted));
    r = world_get(w, "/spawning", NULL, NULL);
    snprintf(wanted, sizeof wanted, "deep request_id=%.*s level=2\n",
             CV_STR_ARG(cv_test_reply_header(&r, "x-request-id")));
    assert_non_null(strstr(w->logged, wanted));
    r = world_get(w, "/failing", NULL, NULL);
    snprintf(wanted, sizeof wanted, "\"request_id\":\"%.*s\"", CV_STR_ARG(cv_test_reply_header(&r, "x-request-id")));
    assert_non_null(strstr(r.body.ptr, wanted));
    snprintf(wanted, sizeof wanted, "request_id=%.*s error=CV_E_IO",
             CV_STR_ARG(cv_test_reply_header(&r, "x-request-id")));
    assert_non_null(strstr(w->logged, wanted));
}

static void test_an_identity_of_strangers_is_not_taken(void **state)
{
    world *w = *state;
    assert_ok(w->cx, cv_use_request_id(w->cx, w->root, NULL));
    world_route(w, CV_GET, "/", hello);
    world_start(w, (cv_server_options){0});
    cv_test_reply r = world_get(w, "/", "X-Request-Id", "forged");
    assert_int_equal(r.body.len, 36);
    world_trust(w, "127.0.0.1");
    r = world_get(w, "/", "X-Request-Id", "abc.DEF-1_2");
    assert_string_equal(r.body.ptr, "abc.DEF-1_2");
}

static void test_only_tame_identities_are_taken(void **state)
{
    world *w = *state;
    assert_ok(w->cx, cv_use_request_id(w->cx, w->root, &(cv_request_id_options){.header = "X-Trace", .trust = true}));
    world_route(w, CV_GET, "/", hello);
    world_start(w, (cv_server_options){0});
    char longest[130];
    memset(longest, 'a', 129);
    longest[129] = '\0';
    const char *const bad[] = {"a b", "<script>", "a/b", "", "\"", longest};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cv_test_reply r = world_get(w, "/", "X-Trace", bad[i]);
        assert_int_equal(r.body.len, 36);
        expect_field(&r, "X-Trace", r.body.ptr);
    }
    cv_test_reply r = world_get(w, "/", "X-Trace", longest + 1);
    assert_string_equal(r.body.ptr, longest + 1);
}

/* ---- deadlines ---- */

static int sleepy(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_sleep_ms(cx, 3000));
    return cv_reply_text(cx, res, 200, NULL, CV_STR("awake"));
}

static void test_a_shorter_deadline(void **state)
{
    world *w = *state;
    cv_route_group *quick = cv_router_group(w->cx, w->router, "/quick");
    assert_ok(w->cx, cv_use_timeout(w->cx, quick, 2000));
    assert_ok(w->cx, cv_route_group_add(w->cx, quick, CV_GET, "/sleep", sleepy, NULL));
    world_route(w, CV_GET, "/sleep", sleepy);
    world_start(w, (cv_server_options){0});
    cv_test_reply r = world_get(w, "/sleep", NULL, NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(world_get(w, "/quick/sleep", NULL, NULL).status, 503);
}

/* ---- security headers ---- */

static int framed(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_response_header(res, "X-Frame-Options", "SAMEORIGIN"));
    return cv_reply_text(cx, res, 200, "text/html", CV_STR("<p>hi"));
}

static void test_security_headers_by_default(void **state)
{
    world *w = *state;
    assert_ok(w->cx, cv_use_security_headers(w->cx, w->root, NULL));
    world_route(w, CV_GET, "/framed", framed);
    world_start(w, (cv_server_options){0});
    cv_test_reply r = world_get(w, "/nothing", NULL, NULL);
    assert_int_equal(r.status, 404);
    expect_field(&r, "X-Content-Type-Options", "nosniff");
    expect_field(&r, "X-Frame-Options", "DENY");
    expect_field(&r, "Referrer-Policy", "strict-origin-when-cross-origin");
    expect_field(&r, "Cross-Origin-Opener-Policy", "same-origin");
    expect_field(&r, "Content-Security-Policy",
                 "default-src 'self'; base-uri 'self'; frame-ancestors 'none'; object-src 'none'; form-action 'self'");
    expect_field(&r, "Permissions-Policy", NULL);
    expect_field(&r, "Strict-Transport-Security", NULL);
    r = world_get(w, "/framed", NULL, NULL);
    expect_field(&r, "X-Frame-Options", "SAMEORIGIN");
}

static void test_security_headers_as_asked(void **state)
{
    world *w = *state;
    const cv_security_headers_options options = {.content_security_policy = "",
                                                 .permissions_policy = "camera=()",
                                                 .referrer_policy = "no-referrer",
                                                 .frame_options = "",
                                                 .hsts_max_age_s = 3600,
                                                 .hsts_subdomains = true};
    assert_ok(w->cx, cv_use_security_headers(w->cx, w->root, &options));
    world_start(w, (cv_server_options){0});
    cv_test_reply r = world_get(w, "/", NULL, NULL);
    expect_field(&r, "Content-Security-Policy", NULL);
    expect_field(&r, "X-Frame-Options", NULL);
    expect_field(&r, "Referrer-Policy", "no-referrer");
    expect_field(&r, "Permissions-Policy", "camera=()");
    expect_field(&r, "Strict-Transport-Security", NULL);
    world_trust(w, "127.0.0.1");
    r = world_get(w, "/", "X-Forwarded-Proto", "https");
    expect_field(&r, "Strict-Transport-Security", "max-age=3600; includeSubDomains");
}

/* ---- hosts ---- */

static int status_for(world *w, const char *host)
{
    return world_get(w, "/", "Host", host).status;
}

static void test_only_allowed_hosts_are_served(void **state)
{
    world *w = *state;
    static const char *const hosts[] = {"example.org", "*.example.net", "[::1]", "127.0.0.1"};
    assert_ok(w->cx, cv_use_allowed_hosts(w->cx, w->root, hosts, 4));
    world_route(w, CV_GET, "/", hello);
    world_start(w, (cv_server_options){0});
    static const char *const good[] = {"example.org",       "EXAMPLE.org:8000", "example.org.", "a.example.net",
                                       "a.b.example.net:1", "[::1]:8000",       "127.0.0.1"};
    static const char *const bad[] = {"example.net",     "evilexample.org", "example.org.evil.com",
                                      "evilexample.net", "evil.com",        "[::2]"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (status_for(w, good[i]) != 200)
            fail_msg("\"%s\" is not served", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (status_for(w, bad[i]) != 421)
            fail_msg("\"%s\" is served", bad[i]);
    assert_int_equal(world_get(w, "/nothing", "Host", "evil.com").status, 421);
}

/* ---- mistakes ---- */

static void test_bad_options_are_refused(void **state)
{
    world *w = *state;
    static const char *const bad_hosts[] = {"", "example.org:80", "a b", "*", "a.*.b", "*.", "http://a"};
    for (size_t i = 0; i < sizeof bad_hosts / sizeof bad_hosts[0]; i++)
        assert_fails(w->cx, cv_use_allowed_hosts(w->cx, w->root, &bad_hosts[i], 1), CV_E_INVALID, "cannot allow");
    assert_fails(w->cx, cv_use_timeout(w->cx, w->root, 0), CV_E_INVALID, "cannot limit requests to 0 ms");
    assert_fails(w->cx, cv_use_request_id(w->cx, w->root, &(cv_request_id_options){.header = "a b"}), CV_E_INVALID,
                 "that is no header name");
    const cv_security_headers_options split = {.frame_options = "a\r\nb"}, old = {.hsts_max_age_s = -1};
    assert_fails(w->cx, cv_use_security_headers(w->cx, w->root, &split), CV_E_INVALID, "control character");
    assert_fails(w->cx, cv_use_security_headers(w->cx, w->root, &old), CV_E_INVALID, "negative");
    world_start(w, (cv_server_options){0});
    assert_fails(w->cx, cv_use_timeout(w->cx, w->root, 1), CV_E_STATE, "a server has started");
    assert_fails(w->cx, cv_use_request_id(w->cx, w->root, NULL), CV_E_STATE, "a server has started");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_request_gets_an_identity),     CASE(test_an_identity_of_strangers_is_not_taken),
        CASE(test_only_tame_identities_are_taken), CASE(test_a_shorter_deadline),
        CASE(test_security_headers_by_default),    CASE(test_security_headers_as_asked),
        CASE(test_only_allowed_hosts_are_served),  CASE(test_bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
