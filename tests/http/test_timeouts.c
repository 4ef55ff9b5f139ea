/* The server's time limits, at their documented defaults, on a simulated clock: none of these cases takes any time. */
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

static int sleep_as_asked(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int64_t ms;
    CV_TRY(cv_query_i64(req, "ms", 0, 0, 1000000, &ms));
    for (; ms > 0; ms -= 1000) /* one long sleep would see at once that the deadline comes first */
        CV_TRY(cv_sleep_ms(cx, ms < 1000 ? ms : 1000));
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("slept"));
}

static int mebibyte(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    char *text = cv_zalloc(cx, 1, 1 << 20);
    return text ? cv_reply_text(cx, res, 200, NULL, cv_str_make(text, 1 << 20)) : CV_E_NOMEM;
}

/* Pieces without an end; tells how it ended. */
static int endless(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int *result = cv_request_route_arg(req);
    char piece[4096] = {0};
    int rc = cv_stream_start(cx, res, 200, NULL, -1);
    while (rc == 0)
        rc = cv_stream_write(cx, res, piece, sizeof piece);
    return *result = rc;
}

/* A piece every 20 s, ten of them: each before the deadline, all together far beyond it. */
static int slow_stream(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, NULL, -1));
    for (int i = 0; i < 10; i++) {
        CV_TRY(cv_sleep_ms(cx, 20000));
        CV_TRY(cv_stream_write(cx, res, ".", 1));
    }
    return cv_stream_end(cx, res);
}

/* ---- a world a case ---- */

typedef struct world {
    cv_ctx *cx;
    cv_router *router;
    cv_test_client *client;
    cv_test_connection *connection;
    int64_t start_ns;
    int result; /* of the endless stream */
} world;

static void add(world *w, const char *pattern, cv_handler *handler)
{
    assert_ok(w->cx, cv_router_add(w->cx, w->router, CV_GET | CV_POST, pattern, handler, &w->result));
}

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = true, .watchdog_ms = -1}, &w->cx), 0);
    w->router = cv_router_new();
    assert_non_null(w->router);
    add(w, "/", hello);
    add(w, "/sleep", sleep_as_asked);
    add(w, "/mebibyte", mebibyte);
    add(w, "/endless", endless);
    add(w, "/slow-stream", slow_stream);
    assert_ok(w->cx, cv_test_client_new(w->cx, w->router, NULL, &w->client));
    assert_ok(w->cx, cv_test_connect(w->cx, w->client, NULL, &w->connection));
    w->start_ns = cv_now_ns(w->cx);
    *state = w;
    return 0;
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

#define GET(path)   "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(bytes) "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " bytes "\r\n\r\n"

static void say(world *w, const char *text)
{
    assert_int_equal(cv_test_write(w->connection, cv_str_of(text)), 0);
}

static void wait_until_s(world *w, double seconds)
{
    int64_t now_ms = (cv_now_ns(w->cx) - w->start_ns) / 1000000, until_ms = (int64_t)(seconds * 1000);
    assert_ok(w->cx, cv_sleep_ms(w->cx, until_ms - now_ms));
}

static void expect_at_s(world *w, int64_t seconds)
{
    assert_int_equal((cv_now_ns(w->cx) - w->start_ns) / 1000000, seconds * 1000);
}

static void expect_reply(world *w, int status, const char *part)
{
    cv_test_reply reply;
    assert_ok(w->cx, cv_test_read_reply(w->cx, w->connection, &reply));
    if (reply.status != status || !strstr(reply.body.ptr, part))
        fail_msg("%d without \"%s\": %.*s%s", status, part, CV_STR_ARG(reply.head), reply.body.ptr);
}

/* Not a byte more, and an orderly end. */
static void expect_end(world *w)
{
    char byte;
    size_t len;
    assert_ok(w->cx, cv_test_read(w->cx, w->connection, &byte, 1, &len));
    assert_int_equal(len, 0);
}

static void expect_reset(world *w)
{
    char bytes[4096];
    size_t len = 1;
    int rc = 0;
    while (rc == 0 && len)
        rc = cv_test_read(w->cx, w->connection, bytes, sizeof bytes, &len);
    assert_int_equal(rc, CV_E_CONNECTION_LOST);
    cv_error_clear(w->cx);
}

static cv_server_stats stats(world *w)
{
    return cv_server_get_stats(cv_test_client_server(w->client));
}

/* ---- heads ---- */

static void test_a_head_has_ten_seconds_from_its_first_byte(void **state)
{
    world *w = *state;
    wait_until_s(w, 30);
    say(w, "GET / HT");
    expect_reply(w, 408, "did not arrive in time");
    expect_at_s(w, 40);
    expect_end(w);
}

/* slowloris */
static void test_a_head_that_trickles_has_no_longer(void **state)
{
    world *w = *state;
    cv_test_network_set(w->connection, &(cv_test_network){.piece_bytes = 1, .delay_ms = 1000});
    say(w, "GET / HTTP/1.1\r\nHost: a\r\nX: and so on\r\n");
    expect_reply(w, 408, "");
    assert_in_range((cv_now_ns(w->cx) - w->start_ns) / 1000000, 11000, 12100);
}

static void test_a_head_in_time_is_answered(void **state)
{
    world *w = *state;
    say(w, "GET / HTTP/1.1\r\n");
    wait_until_s(w, 9.9);
    say(w, "Host: a\r\n\r\n");
    expect_reply(w, 200, "hello");
}

static void test_each_head_has_its_own_time(void **state)
{
    world *w = *state;
    for (int i = 1; i <= 5; i++) {
        say(w, "GET / HTTP/1.1\r\n");
        wait_until_s(w, 8 * i);
        say(w, "Host: a\r\n\r\n");
        expect_reply(w, 200, "hello");
    }
}

/* ---- idleness ---- */

static void test_a_silent_connection_is_closed_after_a_minute(void **state)
{
    world *w = *state;
    expect_end(w);
    expect_at_s(w, 60);
    assert_int_equal(stats(w).connections_open, 0);
}

static void test_the_minute_begins_with_the_last_reply(void **state)
{
    world *w = *state;
    for (int i = 1; i <= 5; i++) {
        wait_until_s(w, 50 * i);
        say(w, GET("/"));
        expect_reply(w, 200, "hello");
    }
    expect_end(w);
    expect_at_s(w, 250 + 60);
}

/* ---- bodies ---- */

static void test_a_body_that_does_not_come_is_refused(void **state)
{
    world *w = *state;
    say(w, POST("5") "abc");
    expect_reply(w, 408, "body");
    expect_at_s(w, 10);
    expect_end(w);
}

static void test_a_body_below_the_least_rate_is_refused(void **state)
{
    world *w = *state;
    say(w, POST("100000"));
    for (int i = 1; i < 10; i++) { /* 4,491 bytes in ten seconds */
        char piece[500];
        memset(piece, 'x', sizeof piece);
        wait_until_s(w, i);
        assert_int_equal(cv_test_write(w->connection, cv_str_make(piece, 499)), 0);
    }
    expect_reply(w, 408, "");
    expect_at_s(w, 10);
}

static void test_a_body_above_the_least_rate_may_take_its_time(void **state)
{
    world *w = *state;
    char piece[600];
    memset(piece, 'x', sizeof piece);
    say(w, POST("60000"));
    for (int i = 1; i <= 100; i++) {
        wait_until_s(w, i);
        assert_int_equal(cv_test_write(w->connection, cv_str_make(piece, sizeof piece)), 0);
    }
    expect_reply(w, 200, "hello");
    expect_at_s(w, 100);
}

static void test_a_body_that_stops_midway_is_refused_at_the_end_of_its_window(void **state)
{
    world *w = *state;
    char piece[6000];
    memset(piece, 'x', sizeof piece);
    say(w, POST("60000"));
    wait_until_s(w, 1);
    assert_int_equal(cv_test_write(w->connection, cv_str_make(piece, sizeof piece)), 0);
    expect_reply(w, 408, "");
    expect_at_s(w, 20);
}

/* ---- requests ---- */

static void test_a_request_has_thirty_seconds(void **state)
{
    world *w = *state;
    say(w, GET("/sleep?ms=31000") GET("/"));
    expect_reply(w, 503, "Service Unavailable");
    expect_at_s(w, 30);
    expect_reply(w, 200, "hello");
}

static void test_a_request_in_time_is_answered(void **state)
{
    world *w = *state;
    say(w, GET("/sleep?ms=29999"));
    expect_reply(w, 200, "slept");
}

static void test_the_time_of_a_stream_counts_from_its_last_piece(void **state)
{
    world *w = *state;
    say(w, GET("/slow-stream"));
    expect_reply(w, 200, "..........");
    expect_at_s(w, 200);
}

/* ---- replies ---- */

static void test_a_client_that_reads_nothing_is_cut(void **state)
{
    world *w = *state;
    cv_test_network_set(w->connection, &(cv_test_network){.window_bytes = 1000});
    say(w, GET("/endless"));
    wait_until_s(w, 9.9);
    assert_int_equal(w->result, 0);
    wait_until_s(w, 10.1);
    assert_int_equal(w->result, CV_E_TIMEOUT);
    expect_reset(w);
}

static void read_some(world *w, size_t size)
{
    char bytes[8192];
    while (size) {
        size_t len;
        assert_ok(w->cx, cv_test_read(w->cx, w->connection, bytes, size < sizeof bytes ? size : sizeof bytes, &len));
        assert_true(len > 0);
        size -= len;
    }
}

static void test_a_client_that_reads_below_the_least_rate_is_cut(void **state)
{
    world *w = *state;
    cv_test_network_set(w->connection, &(cv_test_network){.window_bytes = 1000});
    say(w, GET("/endless"));
    for (int i = 1; i < 10; i++) {
        wait_until_s(w, i);
        read_some(w, 400);
    }
    wait_until_s(w, 10.1);
    assert_int_equal(w->result, CV_E_TIMEOUT);
}

static void test_a_slow_client_above_the_least_rate_gets_everything(void **state)
{
    world *w = *state;
    size_t left = 1 << 20;
    cv_test_network_set(w->connection, &(cv_test_network){.window_bytes = 4000});
    say(w, GET("/mebibyte"));
    for (int i = 1; left; i++) {
        size_t part = left < 800 ? left : 800;
        wait_until_s(w, i); /* 22 minutes */
        read_some(w, part);
        left -= part;
    }
}

static void test_a_network_that_stalls_and_recovers_loses_nothing(void **state)
{
    world *w = *state;
    say(w, GET("/sleep?ms=1000") GET("/"));
    cv_test_network_set(w->connection, &(cv_test_network){.stalled = true});
    wait_until_s(w, 9);
    cv_test_network_set(w->connection, NULL);
    expect_reply(w, 200, "slept");
    expect_reply(w, 200, "hello");
    expect_at_s(w, 10);
}

/* ---- ends ---- */

static void test_a_refused_client_has_two_seconds_to_leave(void **state)
{
    world *w = *state;
    say(w, "nonsense\r\n\r\n");
    expect_reply(w, 400, "");
    expect_end(w);
    assert_int_equal(stats(w).connections_open, 1);
    wait_until_s(w, 1.9);
    assert_int_equal(stats(w).connections_open, 1);
    wait_until_s(w, 2.1);
    assert_int_equal(stats(w).connections_open, 0);
}

static int stop(cv_ctx *cx, void *arg)
{
    cv_test_client_stop(cx, arg);
    return 0;
}

/* Beside the case. */
static cv_fiber *begin_stop(world *w)
{
    cv_fiber *stopper;
    assert_ok(w->cx, cv_spawn(w->cx, "stop", stop, w->client, &stopper));
    return stopper;
}

static void test_stopping_waits_for_requests_under_way(void **state)
{
    world *w = *state;
    say(w, GET("/sleep?ms=9000") GET("/"));
    wait_until_s(w, 1);
    cv_fiber *stopper = begin_stop(w);
    cv_test_reply reply;
    assert_ok(w->cx, cv_test_read_reply(w->cx, w->connection, &reply));
    assert_true(cv_str_equal(cv_test_reply_header(&reply, "Connection"), CV_STR("close")));
    expect_at_s(w, 9);
    expect_end(w);
    assert_ok(w->cx, cv_join(w->cx, stopper, NULL));
}

static void test_stopping_cuts_what_takes_longer_than_ten_seconds(void **state)
{
    world *w = *state;
    say(w, GET("/sleep?ms=20000"));
    wait_until_s(w, 1);
    cv_fiber *stopper = begin_stop(w);
    expect_reset(w);
    expect_at_s(w, 11);
    assert_ok(w->cx, cv_join(w->cx, stopper, NULL));
}

static void test_stopping_closes_idle_connections_at_once(void **state)
{
    world *w = *state;
    say(w, GET("/"));
    expect_reply(w, 200, "hello");
    cv_fiber *stopper = begin_stop(w);
    expect_end(w);
    expect_at_s(w, 0);
    assert_ok(w->cx, cv_join(w->cx, stopper, NULL));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_head_has_ten_seconds_from_its_first_byte),
        CASE(test_a_head_that_trickles_has_no_longer),
        CASE(test_a_head_in_time_is_answered),
        CASE(test_each_head_has_its_own_time),
        CASE(test_a_silent_connection_is_closed_after_a_minute),
        CASE(test_the_minute_begins_with_the_last_reply),
        CASE(test_a_body_that_does_not_come_is_refused),
        CASE(test_a_body_below_the_least_rate_is_refused),
        CASE(test_a_body_above_the_least_rate_may_take_its_time),
        CASE(test_a_body_that_stops_midway_is_refused_at_the_end_of_its_window),
        CASE(test_a_request_has_thirty_seconds),
        CASE(test_a_request_in_time_is_answered),
        CASE(test_the_time_of_a_stream_counts_from_its_last_piece),
        CASE(test_a_client_that_reads_nothing_is_cut),
        CASE(test_a_client_that_reads_below_the_least_rate_is_cut),
        CASE(test_a_slow_client_above_the_least_rate_gets_everything),
        CASE(test_a_network_that_stalls_and_recovers_loses_nothing),
        CASE(test_a_refused_client_has_two_seconds_to_leave),
        CASE(test_stopping_waits_for_requests_under_way),
        CASE(test_stopping_cuts_what_takes_longer_than_ten_seconds),
        CASE(test_stopping_closes_idle_connections_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
