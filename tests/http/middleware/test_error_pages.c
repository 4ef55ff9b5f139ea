/* Error replies as pages. */
#include "middleware_test.h"

#include <covet/json.h>

static int failing(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req, (void)res;
    cv_fail(cx, CV_E_IO, "the <disk> is \"on fire\" & more");
    cv_error_hint(cx, "fetch water");
    return cv_fail(cx, CV_E_INTERNAL, "could not read the book");
}

static int missing(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)res;
    return cv_fail(cx, CV_E_NOT_FOUND, "no book <b>%s</b>", cv_query_param(req, "name", ""));
}

static int invalid(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int64_t n;
    CV_TRY(cv_query_i64(req, "n", 0, 1, 2, &n));
    return cv_reply_empty(cx, res, 204);
}

static int own_body(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 403, "text/plain", CV_STR("my own"));
}

static int empty(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_empty(cx, res, 410);
}

static int start(world *w, bool development, const cv_error_pages_options *options)
{
    assert_ok(w->cx, cv_use_error_pages(w->cx, w->root, options));
    assert_ok(w->cx, cv_use_security_headers(w->cx, w->root, NULL));
    assert_ok(w->cx, cv_use_request_id(w->cx, w->root, &(cv_request_id_options){.trust = true}));
    assert_ok(w->cx, cv_use_compression(w->cx, w->root, &(cv_compression_options){.min_bytes = 1}));
    world_route(w, CV_GET, "/failing", failing);
    world_route(w, CV_GET, "/missing", missing);
    world_route(w, CV_GET, "/invalid", invalid);
    world_route(w, CV_GET, "/own", own_body);
    world_route(w, CV_GET, "/empty", empty);
    world_start(w, (cv_server_options){.development = development});
    return 0;
}

#define BROWSER "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

static cv_test_reply browse(world *w, const char *target)
{
    const cv_test_header headers[] = {{"Accept", BROWSER},          {"Cookie", "session=hunter2"},
                                      {"Authorization", "hunter2"}, {"X-Note", "<script>alert(1)</script>"},
                                      {"X-Request-Id", "id-1"},     {NULL, NULL}};
    return world_send(w, (cv_test_request){.target = target, .headers = headers});
}

static bool says(const cv_test_reply *r, const char *part)
{
    return strstr(r->body.ptr, part) != NULL;
}

static void test_plain_pages_in_production(void **state)
{
    world *w = *state;
    start(w, false, NULL);
    cv_test_reply r = browse(w, "/failing");
    assert_int_equal(r.status, 500);
    expect_field(&r, "Content-Type", "text/html; charset=utf-8");
    assert_true(says(&r, "<h1>500 Internal Server Error</h1>") && says(&r, "id-1"));
    assert_false(says(&r, "book") || says(&r, "fire") || says(&r, ".c:") || says(&r, "alert"));
    assert_non_null(strstr(cv_test_reply_header(&r, "Content-Security-Policy").ptr, "default-src 'none'"));
    r = browse(w, "/missing?name=%3Ci%3E");
    assert_int_equal(r.status, 404);
    assert_true(says(&r, "no book &lt;b&gt;&lt;i&gt;&lt;/b&gt;"));
    r = browse(w, "/nothing");
    assert_true(says(&r, "404 Not Found") && says(&r, "nothing is at this path"));
    r = browse(w, "/empty");
    assert_true(says(&r, "410 Gone"));
}

static void test_the_whole_story_in_development(void **state)
{
    world *w = *state;
    start(w, true, NULL);
    cv_test_reply r = browse(w, "/failing?a=1&token=hunter2&b");
    assert_int_equal(r.status, 500);
    assert_true(says(&r, "could not read the book") && says(&r, "CV_E_INTERNAL"));
    assert_true(says(&r, "the &lt;disk&gt; is &quot;on fire&quot; &amp; more") && says(&r, "CV_E_IO"));
    assert_true(says(&r, "fetch water") && says(&r, "test_error_pages.c:"));
    assert_true(says(&r, "<th>route</th><td>/failing</td>") && says(&r, "127.0.0.1"));
    assert_true(says(&r, "<th>a</th><td>1</td>") && says(&r, "<th>token</th><td>***</td>"));
    assert_true(says(&r, "&lt;script&gt;"));
    assert_false(says(&r, "hunter2") || says(&r, "<script>"));
    r = browse(w, "/invalid?n=7");
    assert_int_equal(r.status, 422);
    assert_true(says(&r, "<code>n</code> must be between 1 and 2"));
}

static void test_others_get_problem_documents(void **state)
{
    world *w = *state;
    start(w, false, NULL);
    static const char *const accepts[] = {NULL, "*/*", "application/json", "application/problem+json, text/html;q=0.5",
                                          "audio/ogg"};
    for (size_t i = 0; i < sizeof accepts / sizeof accepts[0]; i++) {
        cv_test_reply r = world_get(w, "/failing", accepts[i] ? "Accept" : NULL, accepts[i]);
        expect_field(&r, "Content-Type", "application/problem+json");
        expect_field(&r, "Vary", "Accept-Encoding, Accept");
        assert_false(says(&r, "book"));
    }
}

static void test_problem_documents_tell_the_story_in_development(void **state)
{
    world *w = *state;
    start(w, true, NULL);
    cv_test_reply r = world_get(w, "/failing", NULL, NULL);
    assert_ok(w->cx, cv_json_check(w->cx, r.body, NULL));
    assert_true(says(&r, "\"story\":[{") && says(&r, "\"message\":\"could not read the book\"") &&
                says(&r, "fetch water") && says(&r, "\"line\":"));
    r = world_get(w, "/nothing", NULL, NULL);
    assert_false(says(&r, "story"));
}

static void test_bodies_of_handlers_stay(void **state)
{
    world *w = *state;
    start(w, true, NULL);
    cv_test_reply r = browse(w, "/own");
    assert_string_equal(r.body.ptr, "my own");
    expect_field(&r, "Content-Type", "text/plain");
}

static void test_pages_replace_compressed_documents(void **state)
{
    world *w = *state;
    start(w, false, NULL);
    const cv_test_header headers[] = {{"Accept", BROWSER}, {"Accept-Encoding", "gzip"}, {NULL, NULL}};
    char target[1200] = "/missing?name=";
    memset(target + strlen(target), 'a', 1000);
    cv_test_reply r = world_send(w, (cv_test_request){.target = target, .headers = headers});
    expect_field(&r, "Content-Encoding", NULL);
    assert_true(says(&r, "404 Not Found"));
}

static int own_page(cv_ctx *cx, const cv_request *req, int status, cv_buf *out, void *arg)
{
    (void)req;
    if (status == 410)
        return cv_fail(cx, CV_E_STATE, "no page for this");
    cv_buf_printf(out, "<p>%s %d", (const char *)arg, status);
    return 0;
}

static void test_pages_of_the_program(void **state)
{
    world *w = *state;
    start(w, false, &(cv_error_pages_options){.render = own_page, .arg = (void *)(uintptr_t) "sorry:"});
    cv_test_reply r = browse(w, "/failing");
    assert_string_equal(r.body.ptr, "<p>sorry: 500");
    r = browse(w, "/empty");
    assert_true(says(&r, "410 Gone"));
    assert_non_null(strstr(w->logged, "no page for this"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_plain_pages_in_production),    CASE(test_the_whole_story_in_development),
        CASE(test_others_get_problem_documents), CASE(test_problem_documents_tell_the_story_in_development),
        CASE(test_bodies_of_handlers_stay),      CASE(test_pages_replace_compressed_documents),
        CASE(test_pages_of_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
