#include "test.h"

#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/testing.h>

/* ---- handlers ---- */

static int hello(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("hello"));
}

/* Everything that the request said, as text. */
static int echo(cv_ctx *cx, cv_request *req, cv_response *res)
{
    cv_buf *out = cv_response_body(res);
    size_t position = 0;
    cv_str name, value;
    cv_buf_printf(out, "%s from %s\n", cv_method_name(cv_request_method(req)), cv_request_peer(req));
    while (cv_request_header_next(req, &position, &name, &value))
        cv_buf_printf(out, "%.*s: %.*s\n", CV_STR_ARG(name), CV_STR_ARG(value));
    cv_buf_printf(out, "\n%.*s", CV_STR_ARG(cv_request_body(req)));
    (void)cx;
    return 0;
}

static int stream(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", -1));
    CV_TRY(cv_stream_write(cx, res, "one ", 4));
    CV_TRY(cv_sleep_ms(cx, 1000));
    CV_TRY(cv_stream_write(cx, res, "two", 3));
    return cv_stream_end(cx, res);
}

static int break_off(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", -1));
    CV_TRY(cv_stream_write(cx, res, "half", 4));
    return cv_fail(cx, CV_E_IO, "the rest is lost");
}

static int sleep_long(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_sleep_ms(cx, 5000));
    return cv_reply_text(cx, res, 200, NULL, CV_STR("slept"));
}

static int nothing(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_empty(cx, res, 204);
}

/* ---- a client a case ---- */

typedef struct world {
    cv_ctx *cx;
    cv_router *router;
    cv_test_client *client;
} world;

static void add(world *w, unsigned methods, const char *pattern, cv_handler *handler)
{
    assert_ok(w->cx, cv_router_add(w->cx, w->router, methods, pattern, handler, NULL));
}

static int setup_with(void **state, bool simulated)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = simulated, .watchdog_ms = -1}, &w->cx), 0);
    w->router = cv_router_new();
    assert_non_null(w->router);
    add(w, CV_GET, "/", hello);
    add(w, CV_GET | CV_POST | CV_PUT, "/echo", echo);
    add(w, CV_GET, "/stream", stream);
    add(w, CV_GET, "/break", break_off);
    add(w, CV_GET, "/sleep", sleep_long);
    add(w, CV_DELETE, "/nothing", nothing);
    assert_ok(w->cx, cv_test_client_new(w->cx, w->router, NULL, &w->client));
    *state = w;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, true);
}

static int setup_real_clock(void **state)
{
    return setup_with(state, false);
}

static int teardown(void **state)
{
    world *w = *state;
    cv_test_client_free(w->cx, w->client);
    cv_router_free(w->router);
    cv_runtime_free(w->cx);
    free(w);
    return 0;
}

static void expect_text(cv_str text, const char *expected)
{
    if (!cv_str_equal(text, cv_str_of(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", CV_STR_ARG(text), expected);
}

static void expect_part(cv_str text, const char *part)
{
    if (cv_str_find(text, cv_str_of(part)) < 0)
        fail_msg("\"%s\" is not in: %.*s", part, CV_STR_ARG(text));
}

static void expect_reply(world *w, const cv_test_request *request, int status, const char *part)
{
    cv_test_reply reply;
    assert_ok(w->cx, cv_test_send_request(w->cx, w->client, request, &reply));
    assert_int_equal(reply.status, status);
    expect_part(reply.body, part);
}

static void say(cv_test_connection *c, const char *text)
{
    assert_int_equal(cv_test_write(c, cv_str_of(text)), 0);
}

static cv_test_connection *open_connection(world *w)
{
    cv_test_connection *c;
    assert_ok(w->cx, cv_test_connect(w->cx, w->client, NULL, &c));
    return c;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

/* ---- cases ---- */

static void test_a_request_has_its_reply(void **state)
{
    world *w = *state;
    cv_test_reply reply;
    assert_ok(w->cx, cv_test_get(w->cx, w->client, "/", &reply));
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body.ptr, "hello");
    expect_text(cv_test_reply_header(&reply, "content-TYPE"), "text/plain");
    assert_null(cv_test_reply_header(&reply, "X-Absent").ptr);
    assert_ok(w->cx, cv_test_get(w->cx, w->client, "/nowhere", &reply));
    assert_int_equal(reply.status, 404);
    assert_ok(w->cx, cv_test_send_request(w->cx, w->client, NULL, &reply));
    assert_int_equal(reply.status, 200);
    assert_int_equal(cv_server_get_stats(cv_test_client_server(w->client)).requests_total, 3);
}

static void test_what_a_request_says(void **state)
{
    static const cv_test_header headers[] = {{"X-One", "1"}, {NULL, NULL}}, other_host[] = {{"host", "b.example"}, {0}};
    world *w = *state;
    cv_test_reply reply;
    expect_reply(w, &(cv_test_request){.target = "/echo", .headers = headers, .peer = "192.0.2.7"}, 200,
                 "GET from 192.0.2.7\nHost: localhost\nX-One: 1\n");
    expect_reply(w, &(cv_test_request){.target = "/echo", .headers = other_host, .peer = "2001:db8::1"}, 200,
                 "GET from 2001:db8::1\nhost: b.example\n");
    assert_ok(w->cx, cv_test_post_json(w->cx, w->client, "/echo", "{\"a\":1}", &reply));
    expect_part(reply.body, "Content-Type: application/json\nContent-Length: 7\n\n{\"a\":1}");
    expect_reply(w, &(cv_test_request){.method = "PUT", .target = "/echo"}, 200, "Content-Length: 0\n");
}

static void test_framing_may_be_given(void **state)
{
    static const cv_test_header chunked[] = {{"Transfer-Encoding", "chunked"}, {0}};
    static const cv_test_header short_length[] = {{"Content-Length", "2"}, {0}};
    world *w = *state;
    cv_str body = CV_STR("3\r\nabc\r\n0\r\n\r\n");
    expect_reply(w, &(cv_test_request){.method = "POST", .target = "/echo", .headers = chunked, .body = body}, 200,
                 "\n\nabc");
    expect_reply(
        w, &(cv_test_request){.method = "POST", .target = "/echo", .headers = short_length, .body = CV_STR("abc")}, 200,
        "\n\nab");
}

static void test_replies_without_a_body(void **state)
{
    world *w = *state;
    cv_test_reply reply;
    assert_ok(w->cx, cv_test_send_request(w->cx, w->client, &(cv_test_request){.method = "HEAD"}, &reply));
    assert_int_equal(reply.status, 200);
    expect_text(cv_test_reply_header(&reply, "Content-Length"), "5");
    assert_int_equal(reply.body.len, 0);
    assert_ok(w->cx, cv_test_send_request(w->cx, w->client,
                                          &(cv_test_request){.method = "DELETE", .target = "/nothing"}, &reply));
    assert_int_equal(reply.status, 204);
}

static void test_streams_are_put_together(void **state)
{
    world *w = *state;
    cv_test_reply reply;
    assert_ok(w->cx, cv_test_get(w->cx, w->client, "/stream", &reply));
    assert_string_equal(reply.body.ptr, "one two");
    expect_text(cv_test_reply_header(&reply, "Transfer-Encoding"), "chunked");
}

static void test_a_cut_stream_is_a_lost_connection(void **state)
{
    world *w = *state;
    cv_test_reply reply;
    assert_int_equal(cv_test_get(w->cx, w->client, "/break", &reply), CV_E_CONNECTION_LOST);
    cv_error_clear(w->cx);
}

static void test_time_is_simulated(void **state)
{
    world *w = *state;
    cv_test_reply reply;
    int64_t start_ns = cv_now_ns(w->cx);
    expect_reply(w, &(cv_test_request){.target = "/sleep"}, 200, "slept");
    assert_int_equal((cv_now_ns(w->cx) - start_ns) / 1000000, 5000);
    int rc = 0;
    CV_WITHIN(w->cx, 1000)
    {
        rc = cv_test_get(w->cx, w->client, "/sleep", &reply);
    }
    assert_fails(w->cx, rc, CV_E_TIMEOUT, "read from the server");
}

static int get_in_fiber(cv_ctx *cx, void *arg)
{
    cv_test_reply reply;
    CV_TRY(cv_test_get(cx, arg, "/sleep", &reply));
    return reply.status;
}

static void test_clients_ask_at_the_same_time(void **state)
{
    world *w = *state;
    cv_fiber *fibers[10];
    int64_t start_ns = cv_now_ns(w->cx);
    for (int i = 0; i < 10; i++)
        assert_ok(w->cx, cv_spawn(w->cx, "client", get_in_fiber, w->client, &fibers[i]));
    for (int i = 0; i < 10; i++)
        assert_int_equal(cv_join(w->cx, fibers[i], NULL), 200);
    assert_int_equal((cv_now_ns(w->cx) - start_ns) / 1000000, 5000);
}

static void test_pipelined_requests_have_their_replies_in_order(void **state)
{
    world *w = *state;
    cv_test_connection *c = open_connection(w);
    cv_test_reply reply;
    say(c, GET("/sleep") "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET("/stream") GET("/"));
    assert_ok(w->cx, cv_test_read_reply(w->cx, c, &reply));
    expect_text(reply.body, "slept");
    assert_ok(w->cx, cv_test_read_reply_to_head(w->cx, c, &reply));
    expect_text(cv_test_reply_header(&reply, "Content-Length"), "5");
    assert_ok(w->cx, cv_test_read_reply(w->cx, c, &reply));
    expect_text(reply.body, "one two");
    assert_ok(w->cx, cv_test_read_reply(w->cx, c, &reply));
    expect_text(reply.body, "hello");
    cv_test_close(c, false);
}

static void test_raw_bytes_and_whole_replies_mix(void **state)
{
    world *w = *state;
    cv_test_connection *c = open_connection(w);
    cv_test_reply reply;
    char bytes[8];
    size_t len;
    say(c, GET("/") GET("/"));
    assert_ok(w->cx, cv_test_read_reply(w->cx, c, &reply));
    assert_ok(w->cx, cv_test_read(w->cx, c, bytes, sizeof bytes, &len));
    assert_int_equal(len, 8);
    assert_memory_equal(bytes, "HTTP/1.1", 8);
    cv_test_close(c, false);
}

static void test_a_client_may_be_asked_to_go_on(void **state)
{
    world *w = *state;
    cv_test_connection *c = open_connection(w);
    cv_test_reply reply;
    say(c, "PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_ok(w->cx, cv_sleep_ms(w->cx, 1));
    say(c, "ok");
    assert_ok(w->cx, cv_test_read_reply(w->cx, c, &reply));
    expect_text(reply.interim, "HTTP/1.1 100 Continue\r\n\r\n");
    expect_part(reply.body, "\n\nok");
    cv_test_close(c, false);
}

static void test_the_last_reply_is_followed_by_the_end(void **state)
{
    world *w = *state;
    cv_test_connection *c = open_connection(w);
    cv_test_reply reply;
    char byte;
    size_t len;
    say(c, "nonsense\r\n\r\n" GET("/"));
    assert_ok(w->cx, cv_test_read_reply(w->cx, c, &reply));
    assert_int_equal(reply.status, 400);
    assert_ok(w->cx, cv_test_read(w->cx, c, &byte, 1, &len));
    assert_int_equal(len, 0);
    cv_test_end(c);
    cv_test_close(c, false);
}

static void test_what_is_left_open_ends_with_the_client(void **state)
{
    world *w = *state;
    cv_test_connection *c = open_connection(w), *busy = open_connection(w);
    (void)c;
    say(busy, GET("/sleep"));
    assert_ok(w->cx, cv_sleep_ms(w->cx, 1));
    cv_test_client_free(w->cx, w->client);
    assert_int_equal(cv_fiber_count(w->cx), 0);
    w->client = NULL;
}

static void test_a_stopped_server_takes_no_connections(void **state)
{
    world *w = *state;
    cv_test_connection *c;
    cv_test_client_stop(w->cx, w->client);
    assert_null(cv_test_client_server(w->client));
    assert_fails(w->cx, cv_test_connect(w->cx, w->client, NULL, &c), CV_E_STATE, "stopped");
}

static void test_mistakes_of_the_test_are_told(void **state)
{
    world *w = *state;
    cv_test_reply reply;
    cv_test_client *other;
    assert_fails(w->cx, cv_test_send_request(w->cx, w->client, &(cv_test_request){.peer = "localhost"}, &reply),
                 CV_E_INVALID, "localhost");
    cv_server_options options = {.idle_timeout_ms = -1};
    assert_fails(w->cx, cv_test_client_new(w->cx, w->router, &options, &other), CV_E_INVALID, "\"idle_timeout_ms\"");
}

static void test_it_works_on_the_real_clock(void **state)
{
    world *w = *state;
    expect_reply(w, &(cv_test_request){0}, 200, "hello");
    cv_test_connection *c = open_connection(w);
    cv_test_reply reply;
    cv_test_network_set(c, &(cv_test_network){.delay_ms = 5, .piece_bytes = 16});
    say(c, GET("/"));
    assert_ok(w->cx, cv_test_read_reply(w->cx, c, &reply));
    expect_text(reply.body, "hello");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_request_has_its_reply),
        CASE(test_what_a_request_says),
        CASE(test_framing_may_be_given),
        CASE(test_replies_without_a_body),
        CASE(test_streams_are_put_together),
        CASE(test_a_cut_stream_is_a_lost_connection),
        CASE(test_time_is_simulated),
        CASE(test_clients_ask_at_the_same_time),
        CASE(test_pipelined_requests_have_their_replies_in_order),
        CASE(test_raw_bytes_and_whole_replies_mix),
        CASE(test_a_client_may_be_asked_to_go_on),
        CASE(test_the_last_reply_is_followed_by_the_end),
        CASE(test_what_is_left_open_ends_with_the_client),
        CASE(test_a_stopped_server_takes_no_connections),
        CASE(test_mistakes_of_the_test_are_told),
        cmocka_unit_test_setup_teardown(test_it_works_on_the_real_clock, setup_real_clock, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
