/* Chains: in which order hooks run, and what they see. */
#include "client.h"

#include "base/ctx.h"
#include <covet/middleware.h>

/* Each hook notes its name and what it was: "<a" on the way in, ">a" on the way out, ".a" at the end. */
static char trace[1024];

static void note(const char *mark, const void *name)
{
    size_t len = strlen(trace);
    snprintf(trace + len, sizeof trace - len, "%s%s ", mark, (const char *)name);
}

static int note_before(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    (void)cx, (void)req, (void)res;
    note("<", arg);
    return 0;
}

static int note_reply(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    (void)cx, (void)req;
    note(">", arg);
    return cv_response_header_add(res, "X-Passed", arg);
}

static void note_after(cv_ctx *cx, const cv_request *req, const cv_response *res, void *arg)
{
    (void)cx, (void)req;
    char text[64];
    snprintf(text, sizeof text, "%s=%d/%llu%s", (const char *)arg, cv_response_get_status(res),
             (unsigned long long)cv_response_bytes_sent(res), cv_response_was_cut(res) ? "/cut" : "");
    note(".", text);
}

static int refuse(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    (void)req;
    note("<", arg);
    return cv_reply_text(cx, res, 403, "text/plain", CV_STR("no"));
}

static int fail_hook(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    (void)req, (void)res;
    note("!", arg);
    return cv_fail(cx, CV_E_NOT_FOUND, "the thing is not there");
}

static int hello(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    note("", "handler");
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("hello"));
}

static int streaming(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    note("", "handler");
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", -1));
    CV_TRY(cv_stream_write(cx, res, "abc", 3));
    CV_TRY(cv_stream_flush(cx, res));
    return cv_stream_end(cx, res);
}

static int breaking(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", -1));
    CV_TRY(cv_stream_write(cx, res, "abc", 3));
    return cv_fail(cx, CV_E_IO, "broken");
}

/* Its time is over when it begins to reply. */
static int late(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    cx->deadline_ns = cv_now_ns(cx) - 1;
    return cv_stream_start(cx, res, 200, "text/plain", -1);
}

static int failing(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req, (void)res;
    return cv_fail(cx, CV_E_NOT_FOUND, "no such book");
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fixture_init(f);
    *trace = '\0';
    assert_ok(f->cx, cv_router_add(f->cx, f->router, CV_GET | CV_POST, "/hello", hello, NULL));
    assert_ok(f->cx, cv_router_add(f->cx, f->router, CV_GET, "/stream", streaming, NULL));
    assert_ok(f->cx, cv_router_add(f->cx, f->router, CV_GET, "/breaking", breaking, NULL));
    assert_ok(f->cx, cv_router_add(f->cx, f->router, CV_GET, "/failing", failing, NULL));
    assert_ok(f->cx, cv_router_add(f->cx, f->router, CV_GET, "/late", late, NULL));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    fixture_done(f);
    free(f);
    return 0;
}

static void use(fixture *f, cv_route_group *group, cv_phase phase, const char *name)
{
    const cv_middleware middleware = {name, phase, note_before, note_reply, note_after, (void *)(uintptr_t)name};
    assert_ok(f->cx, cv_use(f->cx, group, &middleware));
}

#define REQUEST(method, path) method " " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

/* The reply to one request, after everything that belongs to it has run. */
static reply ask(fixture *f, const char *request)
{
    *trace = '\0';
    client *c = client_open(f);
    client_send(c, request);
    reply r = client_reply_to(c, strncmp(request, "HEAD", 4) == 0);
    client_read_to_end(c);
    client_close(c);
    return r;
}

static void expect_trace(fixture *f, const char *request, int status, const char *expected)
{
    reply r = ask(f, request);
    assert_int_equal(r.status, status);
    assert_string_equal(trace, expected);
    reply_done(&r);
}

static void test_phases_then_groups_then_the_order_added(void **state)
{
    fixture *f = *state;
    cv_route_group *root = cv_router_root(f->router), *outer = cv_router_group(f->cx, f->router, "/outer");
    cv_route_group *inner = cv_route_group_nest(f->cx, outer, "");
    assert_ok(f->cx, cv_route_group_add(f->cx, inner, CV_GET, "/x", hello, NULL));
    use(f, inner, CV_PHASE_OBSERVE, "i0");
    use(f, inner, CV_PHASE_SESSION, "i3");
    use(f, root, CV_PHASE_SESSION, "r3");
    use(f, outer, CV_PHASE_SESSION, "o3");
    use(f, root, CV_PHASE_HANDLER, "r7");
    use(f, root, CV_PHASE_OBSERVE, "r0");
    use(f, root, CV_PHASE_SESSION, "r3b");
    fixture_start(f, (cv_server_options){0});
    expect_trace(f, REQUEST("GET", "/outer/x"), 200,
                 "<r0 <i0 <r3 <r3b <o3 <i3 <r7 handler >r7 >i3 >o3 >r3b >r3 >i0 >r0 "
                 ".r7=200/5 .i3=200/5 .o3=200/5 .r3b=200/5 .r3=200/5 .i0=200/5 .r0=200/5 ");
    expect_trace(f, REQUEST("GET", "/hello"), 200,
                 "<r0 <r3 <r3b <r7 handler >r7 >r3b >r3 >r0 .r7=200/5 .r3b=200/5 .r3=200/5 .r0=200/5 ");
}

static void test_who_refuses_ends_the_way_in(void **state)
{
    fixture *f = *state;
    cv_route_group *root = cv_router_root(f->router);
    use(f, root, CV_PHASE_OBSERVE, "a");
    const cv_middleware guard = {"guard", CV_PHASE_PROTECT, refuse, note_reply, note_after, (void *)(uintptr_t) "g"};
    assert_ok(f->cx, cv_use(f->cx, root, &guard));
    use(f, root, CV_PHASE_SESSION, "b");
    fixture_start(f, (cv_server_options){0});
    expect_trace(f, REQUEST("GET", "/hello"), 403, "<a <g >g >a .g=403/2 .a=403/2 ");
}

static void test_an_error_on_the_way_in_becomes_a_reply(void **state)
{
    fixture *f = *state;
    cv_route_group *root = cv_router_root(f->router);
    use(f, root, CV_PHASE_OBSERVE, "a");
    const cv_middleware broken = {.phase = CV_PHASE_SESSION, .before = fail_hook, .arg = (void *)(uintptr_t) "f"};
    assert_ok(f->cx, cv_use(f->cx, root, &broken));
    use(f, root, CV_PHASE_HANDLER, "b");
    fixture_start(f, (cv_server_options){0});
    reply r = ask(f, REQUEST("GET", "/hello"));
    assert_int_equal(r.status, 404);
    assert_non_null(strstr(r.body, "the thing is not there"));
    assert_string_equal(reply_header(&r, "X-Passed"), "a");
    assert_memory_equal(trace, "<a !f >a .a=404/", 16);
    reply_done(&r);
}

static void test_an_error_on_the_way_out_passes_what_is_left(void **state)
{
    fixture *f = *state;
    cv_route_group *root = cv_router_root(f->router);
    use(f, root, CV_PHASE_OBSERVE, "a");
    const cv_middleware broken = {.phase = CV_PHASE_SESSION, .reply = fail_hook, .arg = (void *)(uintptr_t) "f"};
    assert_ok(f->cx, cv_use(f->cx, root, &broken));
    use(f, root, CV_PHASE_HANDLER, "b");
    fixture_start(f, (cv_server_options){0});
    static const char *const paths[] = {REQUEST("GET", "/hello"), REQUEST("GET", "/stream")};
    for (size_t i = 0; i < 2; i++) {
        reply r = ask(f, paths[i]);
        assert_int_equal(r.status, 404);
        assert_string_equal(reply_header(&r, "X-Passed"), "a");
        assert_memory_equal(trace, "<a <b handler >b !f >a .b=404/", 30);
        reply_done(&r);
    }
}

static void test_a_stream_passes_before_its_head(void **state)
{
    fixture *f = *state;
    use(f, cv_router_root(f->router), CV_PHASE_OBSERVE, "a");
    fixture_start(f, (cv_server_options){0});
    reply r = ask(f, REQUEST("GET", "/stream"));
    assert_string_equal(reply_header(&r, "X-Passed"), "a");
    assert_string_equal(r.body, "abc");
    assert_string_equal(trace, "<a handler >a .a=200/3 ");
    reply_done(&r);
    expect_trace(f, REQUEST("HEAD", "/stream"), 200, "<a handler >a .a=200/0 ");
    expect_trace(f, REQUEST("HEAD", "/hello"), 200, "<a handler >a .a=200/0 ");
}

static void test_the_error_of_a_stream_that_cannot_start_passes_too(void **state)
{
    fixture *f = *state;
    use(f, cv_router_root(f->router), CV_PHASE_OBSERVE, "a");
    fixture_start(f, (cv_server_options){0});
    reply r = ask(f, REQUEST("GET", "/late"));
    assert_int_equal(r.status, 503);
    assert_string_equal(reply_header(&r, "X-Passed"), "a");
    reply_done(&r);
}

static void test_the_end_is_seen_also_when_the_stream_was_cut(void **state)
{
    fixture *f = *state;
    use(f, cv_router_root(f->router), CV_PHASE_OBSERVE, "a");
    fixture_start(f, (cv_server_options){0});
    client *c = client_open(f);
    client_send(c, REQUEST("GET", "/breaking"));
    client_read_to_end(c);
    assert_string_equal(trace, "<a >a .a=200/3/cut ");
    client_close(c);
}

static void test_the_root_sees_what_has_no_route(void **state)
{
    fixture *f = *state;
    cv_route_group *group = cv_router_group(f->cx, f->router, "/g");
    use(f, cv_router_root(f->router), CV_PHASE_OBSERVE, "a");
    use(f, group, CV_PHASE_OBSERVE, "g");
    fixture_start(f, (cv_server_options){0});
    static const struct {
        const char *request;
        int status;
    } cases[] = {{REQUEST("GET", "/nothing"), 404},
                 {REQUEST("GET", "/g/nothing"), 404},
                 {REQUEST("DELETE", "/hello"), 405},
                 {REQUEST("OPTIONS", "/hello"), 204},
                 {REQUEST("GET", "/failing"), 404}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        reply r = ask(f, cases[i].request);
        assert_int_equal(r.status, cases[i].status);
        assert_memory_equal(trace, "<a >a .a=", 9);
        reply_done(&r);
    }
}

static void test_what_is_no_request_has_no_middleware(void **state)
{
    fixture *f = *state;
    use(f, cv_router_root(f->router), CV_PHASE_OBSERVE, "a");
    fixture_start(f, (cv_server_options){0});
    expect_trace(f, "GET /hello HTTP/1.1\r\n\r\n", 400, "");
}

static void test_bad_middleware_is_refused(void **state)
{
    fixture *f = *state;
    cv_route_group *root = cv_router_root(f->router);
    assert_fails(f->cx, cv_use(f->cx, root, &(cv_middleware){.name = "x"}), CV_E_INVALID, "\"x\": it has no hook");
    const cv_middleware lost = {.phase = CV_PHASE_COUNT, .before = note_before};
    assert_fails(f->cx, cv_use(f->cx, root, &lost), CV_E_INVALID, "its phase is unknown");
    fixture_start(f, (cv_server_options){0});
    const cv_middleware late = {.before = note_before};
    assert_fails(f->cx, cv_use(f->cx, root, &late), CV_E_STATE, "a server has started");
}

/* ---- values ---- */

static const char user_key, other_key;

static int leave_value(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    (void)cx, (void)res;
    CV_TRY(cv_request_set(req, &user_key, (void *)(uintptr_t) "old"));
    return cv_request_set(req, &user_key, arg);
}

static int tell_value(cv_ctx *cx, cv_request *req, cv_response *res)
{
    static const char keys[32];
    int rc = 0;
    if (cv_request_get(req, &other_key) || cv_request_started_ns(req) > cv_now_ns(cx))
        return cv_fail(cx, CV_E_INTERNAL, "a value nobody set");
    CV_TRY(cv_reply_text(cx, res, 200, NULL, cv_str_of(cv_request_get(req, &user_key))));
    for (size_t i = 0; rc == 0 && i < 32; i++)
        rc = cv_request_set(req, &keys[i], NULL);
    return rc == CV_E_LIMIT ? 0 : cv_fail(cx, CV_E_INTERNAL, "values without an end");
}

static void test_values_reach_the_handler(void **state)
{
    fixture *f = *state;
    const cv_middleware who = {.phase = CV_PHASE_AUTHENTICATE, .before = leave_value, .arg = (void *)(uintptr_t) "ada"};
    assert_ok(f->cx, cv_use(f->cx, cv_router_root(f->router), &who));
    assert_ok(f->cx, cv_router_add(f->cx, f->router, CV_GET, "/who", tell_value, NULL));
    fixture_start(f, (cv_server_options){0});
    expect_once(f, REQUEST("GET", "/who"), 200, "ada");
}

/* ---- limits of routes ---- */

static int tell_deadline(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int64_t left_ms = (cv_ctx_deadline_ns(cx) - cv_request_started_ns(req)) / 1000000;
    char *text = cv_sprintf(cx, "%lld", (long long)left_ms);
    return cv_reply_text(cx, res, 200, NULL, cv_str_of(text));
}

static void test_a_route_has_its_own_deadline(void **state)
{
    fixture *f = *state;
    cv_route_group *group = cv_router_group(f->cx, f->router, "/slow");
    assert_ok(f->cx, cv_route_group_limit(f->cx, group, &(cv_route_limits){.timeout_ms = 50000}));
    assert_ok(f->cx, cv_route_group_add(f->cx, group, CV_GET, "/a", tell_deadline, NULL));
    assert_ok(f->cx, cv_router_add(f->cx, f->router, CV_GET, "/b", tell_deadline, NULL));
    fixture_start(f, (cv_server_options){.request_timeout_ms = 10000});
    expect_once(f, REQUEST("GET", "/slow/a"), 200, "50000");
    expect_once(f, REQUEST("GET", "/b"), 200, "10000");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_phases_then_groups_then_the_order_added),
        CASE(test_who_refuses_ends_the_way_in),
        CASE(test_an_error_on_the_way_in_becomes_a_reply),
        CASE(test_an_error_on_the_way_out_passes_what_is_left),
        CASE(test_a_stream_passes_before_its_head),
        CASE(test_the_error_of_a_stream_that_cannot_start_passes_too),
        CASE(test_the_end_is_seen_also_when_the_stream_was_cut),
        CASE(test_the_root_sees_what_has_no_route),
        CASE(test_what_is_no_request_has_no_middleware),
        CASE(test_bad_middleware_is_refused),
        CASE(test_values_reach_the_handler),
        CASE(test_a_route_has_its_own_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
