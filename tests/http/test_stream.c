#include "await.h"
#include "client.h"

static int counts(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int64_t length = -1, status = 200;
    CV_TRY(cv_query_i64(req, "length", -1, -1, 1000, &length));
    CV_TRY(cv_query_i64(req, "status", 200, 200, 599, &status));
    CV_TRY(cv_stream_start(cx, res, (int)status, "text/plain", length));
    CV_TRY(cv_stream_write(cx, res, "one ", 4));
    CV_TRY(cv_stream_write(cx, res, "", 0));
    CV_TRY(cv_yield(cx));
    CV_TRY(cv_stream_write(cx, res, "two", 3));
    return cv_stream_end(cx, res);
}

static int breaks_off(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, NULL, -1));
    CV_TRY(cv_stream_write(cx, res, "half", 4));
    return cv_fail(cx, CV_E_DB, "the rest is lost");
}

static int forgets_the_end(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, NULL, -1));
    return cv_stream_write(cx, res, "half", 4);
}

/* Tells which of the calls that are wrong now are refused. */
static int misuses(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int *codes = cv_request_route_arg(req);
    CV_TRY(cv_stream_start(cx, res, 200, NULL, 4));
    codes[0] = cv_stream_start(cx, res, 200, NULL, 4);
    codes[1] = cv_reply_empty(cx, res, 204);
    codes[2] = cv_response_header(res, "A", "b");
    codes[3] = cv_stream_write(cx, res, "12345", 5);
    codes[4] = cv_stream_end(cx, res);
    CV_TRY(cv_stream_write(cx, res, "1234", 4));
    CV_TRY(cv_stream_end(cx, res));
    codes[5] = cv_stream_write(cx, res, "", 0);
    codes[6] = cv_stream_end(cx, res);
    cv_error_clear(cx);
    return 0;
}

/* Begins to reply before it reads. */
static int begins_then_reads(cv_ctx *cx, cv_request *req, cv_response *res)
{
    char piece[16];
    size_t len = 0;
    CV_TRY(cv_stream_start(cx, res, 200, NULL, -1));
    CV_TRY(cv_stream_flush(cx, res));
    CV_TRY(cv_body_read(cx, req, piece, sizeof piece, &len));
    CV_TRY(cv_stream_write(cx, res, piece, len));
    return cv_stream_end(cx, res);
}

/* A time limit of the handler's own is not extended. */
static int limits_itself(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int *codes = cv_request_route_arg(req);
    CV_TRY(cv_stream_start(cx, res, 200, NULL, -1));
    CV_WITHIN(cx, 20)
    {
        while (codes[0] == 0) {
            codes[0] = cv_stream_write(cx, res, ".", 1);
            if (codes[0] == 0)
                codes[0] = cv_sleep_ms(cx, 1);
        }
    }
    return codes[0];
}

typedef struct world {
    fixture f;
    int codes[8];
} world;

static void add(world *w, const char *pattern, cv_handler *handler)
{
    assert_ok(w->f.cx, cv_router_add(w->f.cx, w->f.router, CV_GET, pattern, handler, w->codes));
}

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    fixture_init(&w->f);
    add(w, "/counts", counts);
    add(w, "/breaks", breaks_off);
    add(w, "/forgets", forgets_the_end);
    add(w, "/misuses", misuses);
    add(w, "/limits", limits_itself);
    const cv_route_spec spec = {
        .methods = CV_POST, .pattern = "/begins", .handler = begins_then_reads, .stream_body = true};
    assert_ok(w->f.cx, cv_route_group_route(w->f.cx, cv_router_root(w->f.router), &spec));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    fixture_done(&w->f);
    free(w);
    return 0;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void test_a_stream_is_chunked_or_as_long_as_it_says(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    client_send(c, GET("/counts") GET("/counts?length=7"));
    reply r = client_reply(c);
    assert_string_equal(r.body, "one two");
    assert_string_equal(reply_header(&r, "Transfer-Encoding"), "chunked");
    reply_done(&r);
    r = client_reply(c);
    assert_string_equal(r.body, "one two");
    assert_string_equal(reply_header(&r, "Content-Length"), "7");
    reply_done(&r);
    client_close(c);
}

static void test_without_a_body_nothing_is_streamed(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    client_send(c, "HEAD /counts HTTP/1.1\r\nHost: a\r\n\r\n" GET("/counts?status=304") GET("/counts"));
    reply r = client_reply_to(c, true);
    assert_string_equal(reply_header(&r, "Transfer-Encoding"), "chunked");
    reply_done(&r);
    r = client_reply(c);
    assert_int_equal(r.status, 304);
    assert_null(reply_header(&r, "Transfer-Encoding"));
    reply_done(&r);
    client_expect(c, 200, "one two");
    client_close(c);
}

static void test_an_old_client_knows_the_end_by_the_close(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    client_send(c, "GET /counts HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_read_to_end(c);
    assert_non_null(strstr(c->data, "Connection: close\r\n\r\none two"));
    assert_false(c->was_reset);
    client_close(c);
}

static void expect_cut(world *w, const char *request, const char *logged)
{
    client *c = client_open(&w->f);
    client_send(c, request);
    client_read_to_end(c);
    assert_null(strstr(c->data, "0\r\n\r\n"));
    assert_true(c->was_reset);
    await_that(w->f.cx, strstr(w->f.logged, logged));
    client_close(c);
}

static void test_an_error_in_the_middle_cuts_the_connection(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    expect_cut(w, GET("/breaks"), "the rest is lost");
    expect_cut(w, "GET /breaks HTTP/1.0\r\n\r\n", "the rest is lost");
    expect_cut(w, GET("/forgets"), "without cv_stream_end");
    expect_cut(w, GET("/counts?length=8"), "announced 1 bytes more");
    expect_cut(w, GET("/counts?length=5"), "announced 1 more");
}

static void test_calls_in_the_wrong_state_are_refused(void **state)
{
    static const int expected[] = {CV_E_STATE, CV_E_STATE, CV_E_STATE, CV_E_LIMIT, CV_E_STATE, CV_E_STATE, CV_E_STATE};
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    expect_once(&w->f, GET("/misuses"), 200, "1234");
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_int_equal(w->codes[i], expected[i]);
}

static void test_nothing_is_told_in_the_middle_of_a_reply(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    client_send(c, "POST /begins HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client_read_until(c, "\r\n\r\n");
    client_send(c, "ok");
    reply r = client_reply(c);
    assert_string_equal(r.body, "ok");
    assert_string_equal(reply_header(&r, "Connection"), "close");
    reply_done(&r);
    client_close(c);
}

static void test_a_shorter_limit_of_the_handler_stays(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    expect_cut(w, GET("/limits"), "CV_E_TIMEOUT");
    assert_int_equal(w->codes[0], CV_E_TIMEOUT);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_stream_is_chunked_or_as_long_as_it_says), CASE(test_without_a_body_nothing_is_streamed),
        CASE(test_an_old_client_knows_the_end_by_the_close),  CASE(test_an_error_in_the_middle_cuts_the_connection),
        CASE(test_calls_in_the_wrong_state_are_refused),      CASE(test_a_shorter_limit_of_the_handler_stays),
        CASE(test_nothing_is_told_in_the_middle_of_a_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
