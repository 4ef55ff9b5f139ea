#include "client.h"

#include "http/files/conditional.h"
#include <covet/files.h>

/* What is there now: changed half a second after `AT`. */
#define BEFORE "Sat, 21 Nov 2026 09:59:59 GMT"
#define AT     "Sat, 21 Nov 2026 10:00:00 GMT"
#define AFTER  "Sat, 21 Nov 2026 10:00:01 GMT"
#define AT_US  INT64_C(1795255200000000)

typedef struct judged {
    const char *match, *unmodified, *none_match, *modified;
    cv_method method;
    cv__verdict verdict;
} judged;

static cv__verdict judge(const judged *c, const cv__validators *now)
{
    cv__conditions conditions = {cv_str_of(c->match), cv_str_of(c->unmodified), cv_str_of(c->none_match),
                                 cv_str_of(c->modified)};
    return cv__conditions_judge(&conditions, c->method, now);
}

static void expect_verdicts(const judged *cases, size_t count, const cv__validators *now)
{
    for (size_t i = 0; i < count; i++) {
        cv__verdict verdict = judge(&cases[i], now);
        if (verdict != cases[i].verdict)
            fail_msg("case %zu: %d instead of %d", i, verdict, cases[i].verdict);
    }
}

static void test_the_order_of_precedence(void **state)
{
    (void)state;
    const cv__etag tag = {CV_STR("\"1\""), false};
    const cv__validators now = {&tag, {AT_US + 500000}};
    static const judged cases[] = {
        /* nothing asked */
        {NULL, NULL, NULL, NULL, CV_GET, CV__PROCEED},
        /* If-Match, strong */
        {"\"1\"", NULL, NULL, NULL, CV_PUT, CV__PROCEED},
        {"\"0\", \"1\"", NULL, NULL, NULL, CV_GET, CV__PROCEED},
        {"*", NULL, NULL, NULL, CV_DELETE, CV__PROCEED},
        {"\"2\"", NULL, NULL, NULL, CV_PUT, CV__PRECONDITION_FAILED},
        {"\"2\"", NULL, NULL, NULL, CV_GET, CV__PRECONDITION_FAILED},
        {"W/\"1\"", NULL, NULL, NULL, CV_PUT, CV__PRECONDITION_FAILED},
        {"nonsense", NULL, NULL, NULL, CV_PUT, CV__PRECONDITION_FAILED},
        /* ... goes before If-Unmodified-Since */
        {"\"1\"", BEFORE, NULL, NULL, CV_PUT, CV__PROCEED},
        {"\"2\"", AFTER, NULL, NULL, CV_PUT, CV__PRECONDITION_FAILED},
        /* If-Unmodified-Since */
        {NULL, BEFORE, NULL, NULL, CV_PUT, CV__PRECONDITION_FAILED},
        {NULL, AT, NULL, NULL, CV_PUT, CV__PROCEED},
        {NULL, AFTER, NULL, NULL, CV_PUT, CV__PROCEED},
        {NULL, "yesterday", NULL, NULL, CV_PUT, CV__PROCEED},
        /* If-None-Match, weak */
        {NULL, NULL, "\"1\"", NULL, CV_GET, CV__NOT_MODIFIED},
        {NULL, NULL, "W/\"1\"", NULL, CV_HEAD, CV__NOT_MODIFIED},
        {NULL, NULL, "*", NULL, CV_GET, CV__NOT_MODIFIED},
        {NULL, NULL, "*", NULL, CV_PUT, CV__PRECONDITION_FAILED},
        {NULL, NULL, "\"1\"", NULL, CV_DELETE, CV__PRECONDITION_FAILED},
        {NULL, NULL, "\"2\"", NULL, CV_GET, CV__PROCEED},
        {NULL, NULL, "\"2\"", NULL, CV_PUT, CV__PROCEED},
        {NULL, NULL, "1", NULL, CV_GET, CV__PROCEED},
        {NULL, NULL, "1", NULL, CV_PUT, CV__PRECONDITION_FAILED},
        /* ... goes before If-Modified-Since */
        {NULL, NULL, "\"2\"", AFTER, CV_GET, CV__PROCEED},
        {NULL, NULL, "\"1\"", BEFORE, CV_GET, CV__NOT_MODIFIED},
        /* ... and after If-Match */
        {"\"1\"", NULL, "\"1\"", NULL, CV_GET, CV__NOT_MODIFIED},
        {"\"2\"", NULL, "\"1\"", NULL, CV_GET, CV__PRECONDITION_FAILED},
        {NULL, BEFORE, "\"1\"", NULL, CV_GET, CV__PRECONDITION_FAILED},
        /* If-Modified-Since */
        {NULL, NULL, NULL, BEFORE, CV_GET, CV__PROCEED},
        {NULL, NULL, NULL, AT, CV_GET, CV__NOT_MODIFIED},
        {NULL, NULL, NULL, AFTER, CV_HEAD, CV__NOT_MODIFIED},
        {NULL, NULL, NULL, AFTER, CV_PUT, CV__PROCEED},
        {NULL, NULL, NULL, AFTER ", " AFTER, CV_GET, CV__PROCEED},
        {NULL, NULL, NULL, "", CV_GET, CV__PROCEED},
        /* methods that select nothing */
        {"\"2\"", NULL, NULL, NULL, CV_OPTIONS, CV__PROCEED},
    };
    expect_verdicts(cases, sizeof cases / sizeof cases[0], &now);
}

static void test_what_has_no_validators(void **state)
{
    (void)state;
    static const judged nothing[] = {
        {"*", NULL, NULL, NULL, CV_PUT, CV__PRECONDITION_FAILED},
        {"\"1\"", NULL, NULL, NULL, CV_PUT, CV__PRECONDITION_FAILED},
        {NULL, NULL, "*", NULL, CV_PUT, CV__PROCEED},
        {NULL, BEFORE, NULL, NULL, CV_PUT, CV__PROCEED},
        {NULL, NULL, NULL, AFTER, CV_GET, CV__PROCEED},
    };
    static const judged dated[] = {
        {"*", NULL, NULL, NULL, CV_PUT, CV__PROCEED},
        {NULL, NULL, "*", NULL, CV_GET, CV__NOT_MODIFIED},
        {NULL, NULL, "\"1\"", AFTER, CV_GET, CV__PROCEED},
        {NULL, NULL, NULL, AFTER, CV_GET, CV__NOT_MODIFIED},
    };
    expect_verdicts(nothing, sizeof nothing / sizeof nothing[0], &(cv__validators){0});
    expect_verdicts(dated, sizeof dated / sizeof dated[0], &(cv__validators){.modified = {AT_US}});
}

static void test_if_range_wants_a_strong_validator(void **state)
{
    (void)state;
    const cv__etag tag = {CV_STR("\"1\""), false}, weak = {CV_STR("\"1\""), true};
    const cv__validators now = {&tag, {AT_US + 500000}};
    const cv_time later = {AT_US + 2000000}, same_second = {AT_US + 999999};
    assert_true(cv__if_range_holds(cv_str_of(NULL), &now, later));
    assert_true(cv__if_range_holds(CV_STR("\"1\""), &now, later));
    assert_false(cv__if_range_holds(CV_STR("W/\"1\""), &now, later));
    assert_false(cv__if_range_holds(CV_STR("\"2\""), &now, later));
    assert_false(cv__if_range_holds(CV_STR("\"1\", \"2\""), &now, later));
    assert_false(cv__if_range_holds(CV_STR("*"), &now, later));
    assert_false(cv__if_range_holds(CV_STR("\"1\""), &(cv__validators){&weak, {0}}, later));
    assert_false(cv__if_range_holds(CV_STR("\"1\""), &(cv__validators){0}, later));
    assert_true(cv__if_range_holds(CV_STR(AT), &now, later));
    assert_false(cv__if_range_holds(CV_STR(AT), &now, same_second));
    assert_false(cv__if_range_holds(CV_STR(BEFORE), &now, later));
    assert_false(cv__if_range_holds(CV_STR(AFTER), &now, later));
    assert_false(cv__if_range_holds(CV_STR(AT), &(cv__validators){.etag = &tag}, later));
}

static void test_a_change_in_the_future_is_told_as_now(void **state)
{
    (void)state;
    assert_int_equal(cv__last_modified((cv_time){5500000}, (cv_time){9000000}).us, 5000000);
    assert_int_equal(cv__last_modified((cv_time){9500000}, (cv_time){5500000}).us, 5000000);
    assert_int_equal(cv__last_modified((cv_time){-500000}, (cv_time){0}).us, -1000000);
}

/* ---- in a handler ---- */

static int document(cv_ctx *cx, cv_request *req, cv_response *res)
{
    bool done;
    CV_TRY(cv_response_header(res, "Cache-Control", "max-age=9"));
    CV_TRY(cv_response_header(res, "Content-Location", "/document.en"));
    CV_TRY(cv_response_header(res, "Content-Language", "en"));
    CV_TRY(cv_response_header(res, "Content-Type", "text/plain"));
    CV_TRY(cv_response_header(res, "Vary", "Accept-Language"));
    CV_TRY(cv_response_header(res, "Expires", AFTER));
    CV_TRY(cv_reply_conditional(cx, req, res, "\"1\"", (cv_time){INT64_C(1000000000000000)}, &done));
    return done ? 0 : cv_reply_text(cx, res, 200, NULL, CV_STR("text"));
}

static int bad_tag(cv_ctx *cx, cv_request *req, cv_response *res)
{
    bool done;
    assert_fails(cx, cv_reply_conditional(cx, req, res, "1", (cv_time){0}, &done), CV_E_INVALID, "double quotes");
    return cv_reply_empty(cx, res, 204);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fixture_init(f);
    assert_ok(f->cx, cv_router_add(f->cx, f->router, CV_GET | CV_PUT, "/", document, NULL));
    assert_ok(f->cx, cv_router_add(f->cx, f->router, CV_GET, "/bad", bad_tag, NULL));
    fixture_start(f, (cv_server_options){0});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_done(*state);
    free(*state);
    return 0;
}

static reply ask(client *c, const char *request)
{
    client_send(c, request);
    return client_reply_to(c, strncmp(request, "HEAD", 4) == 0);
}

static void expect_absent(const reply *r, const char *const *names)
{
    for (; *names; names++)
        if (reply_header(r, *names))
            fail_msg("a reply with %d says \"%s\"", r->status, *names);
}

static void test_a_304_keeps_what_guides_caches(void **state)
{
    client *c = client_open(*state);
    reply r = ask(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_header(&r, "ETag"), "\"1\"");
    assert_string_equal(reply_header(&r, "Last-Modified"), "Sun, 09 Sep 2001 01:46:40 GMT");
    reply_done(&r);
    static const char *const asked[] = {"GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: W/\"1\"\r\n\r\n",
                                        "HEAD / HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: " AT "\r\n\r\n"};
    for (size_t i = 0; i < 2; i++) {
        r = ask(c, asked[i]);
        assert_int_equal(r.status, 304);
        assert_string_equal(reply_header(&r, "ETag"), "\"1\"");
        assert_string_equal(reply_header(&r, "Cache-Control"), "max-age=9");
        assert_string_equal(reply_header(&r, "Content-Location"), "/document.en");
        assert_string_equal(reply_header(&r, "Vary"), "Accept-Language");
        assert_string_equal(reply_header(&r, "Expires"), AFTER);
        assert_non_null(reply_header(&r, "Date"));
        expect_absent(&r, (const char *const[]){"Content-Type", "Content-Language", "Last-Modified", NULL});
        reply_done(&r);
    }
    client_close(c);
}

static void test_a_412_says_nothing_of_what_it_does_not_send(void **state)
{
    client *c = client_open(*state);
    reply r = ask(c, "PUT / HTTP/1.1\r\nHost: a\r\nIf-Match: \"0\"\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(r.status, 412);
    assert_string_equal(reply_header(&r, "Content-Type"), "application/problem+json");
    expect_absent(&r, (const char *const[]){"ETag", "Last-Modified", "Cache-Control", "Expires", "Content-Location",
                                            "Content-Language", NULL});
    reply_done(&r);
    r = ask(c, "PUT / HTTP/1.1\r\nHost: a\r\nIf-Match: \"1\"\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(r.status, 200);
    reply_done(&r);
    client_close(c);
}

static void test_a_handler_must_give_a_real_tag(void **state)
{
    expect_once(*state, "GET /bad HTTP/1.1\r\nHost: a\r\n\r\n", 204, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_order_of_precedence),
        cmocka_unit_test(test_what_has_no_validators),
        cmocka_unit_test(test_if_range_wants_a_strong_validator),
        cmocka_unit_test(test_a_change_in_the_future_is_told_as_now),
        cmocka_unit_test_setup_teardown(test_a_304_keeps_what_guides_caches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_412_says_nothing_of_what_it_does_not_send, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_handler_must_give_a_real_tag, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
