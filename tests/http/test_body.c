/* Bodies that handlers read themselves, (100 Continue), trailers, and what is left unread; on a simulated network and
 * clock. */
#include "test.h"

#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/sync.h>
#include <covet/testing.h>

typedef struct world {
    cv_ctx *cx;
    cv_router *router;
    cv_test_client *client;
    cv_test_connection *connection;
    cv_cond changed;
    int started, error;
    int codes[4];
    bool may_read;
    size_t read;
    size_t step;      /* of a read */
    char seen[64];    /* the first bytes */
    char trailer[64]; /* X-Sum, after the end */
} world;

/* Reads the body step by step and tells what came. */
static int reads(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    char piece[4096];
    size_t len = 0;
    w->started++;
    while (!w->may_read)
        CV_TRY(cv_cond_wait(cx, &w->changed, NULL));
    do {
        w->error = cv_body_read(cx, req, piece, w->step ? w->step : sizeof piece, &len);
        CV_TRY(w->error);
        for (size_t i = 0; i < len && w->read + i < sizeof w->seen - 1; i++)
            w->seen[w->read + i] = piece[i];
        w->read += len;
        cv_cond_broadcast(&w->changed);
    } while (len);
    cv_str sum = cv_request_trailer(req, "x-SUM");
    snprintf(w->trailer, sizeof w->trailer, "%.*s", CV_STR_ARG(sum));
    CV_TRY(cv_body_read(cx, req, piece, sizeof piece, &len)); /* the end stays the end */
    w->read += len;
    cv_buf_printf(cv_response_body(res), "read %zu", w->read);
    return 0;
}

static int ignores(cv_ctx *cx, cv_request *req, cv_response *res)
{
    ((world *)cv_request_route_arg(req))->started++;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("ignored"));
}

static int whole(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    char piece[3];
    size_t len;
    w->started++;
    do {
        CV_TRY(cv_body_read(cx, req, piece, sizeof piece, &len));
        cv_buf_add(cv_response_body(res), piece, len);
        cv_buf_add_char(cv_response_body(res), '|');
    } while (len);
    cv_buf_add_str(cv_response_body(res), cv_request_body(req));
    cv_str sum = cv_request_trailer(req, "X-Sum");
    cv_buf_add_str(cv_response_body(res), sum.ptr ? sum : CV_STR("-"));
    return 0;
}

static int sends_trailers(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    char large[5000];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    CV_TRY(cv_response_header(res, "Trailer", "X-Sum"));
    CV_TRY(cv_stream_start(cx, res, 200, NULL, -1));
    CV_TRY(cv_stream_write(cx, res, "abc", 3));
    w->codes[0] = cv_stream_trailer(cx, res, "Content-Length", "3");
    w->codes[1] = cv_stream_trailer(cx, res, "X Y", "3");
    w->codes[2] = cv_stream_trailer(cx, res, "X", "a\r\nb");
    w->codes[3] = cv_stream_trailer(cx, res, "X", large);
    cv_error_clear(cx);
    w->started++;
    CV_TRY(cv_stream_trailer(cx, res, "X-Sum", "abc3"));
    CV_TRY(cv_stream_trailer(cx, res, "X-Other", ""));
    return cv_stream_end(cx, res);
}

static int trailer_without_chunks(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    CV_TRY(cv_stream_start(cx, res, 200, NULL, 0));
    w->error = cv_stream_trailer(cx, res, "X-Sum", "abc3");
    cv_error_clear(cx);
    return cv_stream_end(cx, res);
}

static void add(world *w, const char *pattern, cv_handler *handler, bool stream, size_t max_body)
{
    const cv_route_spec spec = {.methods = CV_POST,
                                .pattern = pattern,
                                .handler = handler,
                                .arg = w,
                                .stream_body = stream,
                                .limits.max_body_bytes = max_body};
    assert_ok(w->cx, cv_route_group_route(w->cx, cv_router_root(w->router), &spec));
}

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = true, .watchdog_ms = -1}, &w->cx), 0);
    w->router = cv_router_new();
    assert_non_null(w->router);
    cv_cond_init(&w->changed);
    w->may_read = true;
    add(w, "/reads", reads, true, 0);
    add(w, "/large", reads, true, 100 << 20);
    add(w, "/small", reads, true, 10);
    add(w, "/ignores", ignores, true, 100 << 20);
    add(w, "/whole", whole, false, 0);
    add(w, "/whole-small", whole, false, 10);
    add(w, "/trailers", sends_trailers, false, 0);
    add(w, "/no-chunks", trailer_without_chunks, false, 0);
    assert_ok(w->cx, cv_test_client_new(w->cx, w->router, NULL, &w->client));
    assert_ok(w->cx, cv_test_connect(w->cx, w->client, NULL, &w->connection));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    cv_test_close(w->connection, false);
    cv_test_client_free(w->cx, w->client);
    cv_router_free(w->router);
    cv_runtime_free(w->cx);
    free(w);
    return 0;
}

static void send_text(world *w, const char *text)
{
    assert_int_equal(cv_test_write(w->connection, cv_str_of(text)), 0);
}

static void pass_ms(world *w, int64_t ms)
{
    assert_ok(w->cx, cv_sleep_ms(w->cx, ms));
}

static void expect(world *w, int status, const char *body)
{
    cv_test_reply r;
    assert_ok(w->cx, cv_test_read_reply(w->cx, w->connection, &r));
    if (r.status != status || (body && !strstr(r.body.ptr, body)))
        fail_msg("%d \"%s\" instead of %d \"%s\"", r.status, r.body.ptr, status, body ? body : "");
}

static void expect_end(world *w)
{
    char c;
    size_t len;
    assert_ok(w->cx, cv_test_read(w->cx, w->connection, &c, 1, &len));
    assert_int_equal(len, 0);
}

#define POST(target, headers) "POST " target " HTTP/1.1\r\nHost: a\r\n" headers "\r\n"

static void a_handler_reads_the_body_as_it_comes(void **state)
{
    world *w = *state;
    send_text(w, POST("/reads", "Content-Length: 6\r\n") "ab");
    pass_ms(w, 1000);
    assert_int_equal(w->started, 1);
    assert_string_equal(w->seen, "ab");
    send_text(w, "cd");
    pass_ms(w, 1000);
    assert_string_equal(w->seen, "abcd");
    send_text(w, "efPOST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nz");
    expect(w, 200, "read 6");
    expect(w, 200, "z||z");
    assert_string_equal(w->seen, "abcdef");
}

static void chunks_are_taken_off_as_they_come(void **state)
{
    world *w = *state;
    w->step = 2;
    send_text(w, POST("/reads", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n1");
    pass_ms(w, 1000);
    assert_string_equal(w->seen, "abc");
    send_text(w, "0\r\n0123456789abcdef\r\n0\r\nX-Other: 1\r\nX-Sum: \t 42 \r\n\r\n");
    expect(w, 200, "read 19");
    assert_string_equal(w->seen, "abc0123456789abcdef");
    assert_string_equal(w->trailer, "42");
}

static void a_body_that_is_there_already_is_read_at_once(void **state)
{
    world *w = *state;
    send_text(w, POST("/reads", "Content-Length: 3\r\n") "abc" POST("/reads", ""));
    expect(w, 200, "read 3");
    expect(w, 200, "read 3");
    assert_int_equal(w->started, 2);
}

static void a_body_that_is_not_read_is_felt_by_the_client(void **state)
{
    enum { MEBIBYTES = 8 };
    world *w = *state;
    w->may_read = false;
    send_text(w, POST("/large", "Content-Length: 8388608\r\n"));
    char *block = cv_zalloc(w->cx, 1, 1 << 20);
    for (int i = 0; i < MEBIBYTES; i++)
        assert_int_equal(cv_test_write(w->connection, cv_str_make(block, 1 << 20)), 0);
    pass_ms(w, 1000);
    assert_in_range(cv_test_untaken(w->connection), (MEBIBYTES << 20) - (150 << 10), MEBIBYTES << 20);
    w->may_read = true;
    cv_cond_broadcast(&w->changed);
    expect(w, 200, "read 8388608");
}

static void the_client_is_told_to_send_at_the_first_read(void **state)
{
    world *w = *state;
    cv_test_reply r;
    w->may_read = false;
    send_text(w, POST("/reads", "Content-Length: 2\r\nExpect: 100-continue\r\n"));
    pass_ms(w, 1000);
    assert_int_equal(w->started, 1);
    CV_WITHIN(w->cx, 1000)
    {
        char c;
        size_t len;
        assert_int_equal(cv_test_read(w->cx, w->connection, &c, 1, &len), CV_E_TIMEOUT);
    }
    cv_error_clear(w->cx);
    w->may_read = true;
    cv_cond_broadcast(&w->changed);
    char head[64];
    size_t len;
    assert_ok(w->cx, cv_test_read(w->cx, w->connection, head, sizeof head, &len));
    assert_int_equal(len, strlen("HTTP/1.1 100 Continue\r\n\r\n"));
    assert_memory_equal(head, "HTTP/1.1 100 Continue\r\n\r\n", len);
    send_text(w, "ok");
    assert_ok(w->cx, cv_test_read_reply(w->cx, w->connection, &r));
    assert_int_equal(r.status, 200);
    assert_int_equal(r.interim.len, 0);
}

static void a_body_that_has_begun_is_not_asked_for(void **state)
{
    world *w = *state;
    cv_test_reply r;
    send_text(w, POST("/reads", "Content-Length: 2\r\nExpect: 100-continue\r\n") "o");
    pass_ms(w, 10);
    send_text(w, "k" POST("/whole", "Content-Length: 2\r\nExpect: 100-continue\r\n") "ok");
    for (int i = 0; i < 2; i++) {
        assert_ok(w->cx, cv_test_read_reply(w->cx, w->connection, &r));
        assert_int_equal(r.status, 200);
        assert_int_equal(r.interim.len, 0);
    }
}

static void a_body_that_is_refused_is_not_asked_for(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {POST("/whole-small", "Content-Length: 11\r\nExpect: 100-continue\r\n"), 413},
        {POST("/small", "Content-Length: 11\r\nExpect: 100-continue\r\n"), 413},
        {POST("/nowhere", "Content-Length: 11\r\nExpect: 100-continue\r\n"), 404},
        {"PUT /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n", 405},
        {POST("/whole", "Content-Length: 11\r\nExpect: 200-maybe\r\n"), 417},
        {POST("/ignores", "Content-Length: 11\r\nExpect: 100-continue\r\n"), 200},
        {POST("/ignores", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"), 200},
    };
    world *w = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_test_reply r;
        send_text(w, cases[i].request);
        assert_ok(w->cx, cv_test_read_reply(w->cx, w->connection, &r));
        assert_int_equal(r.status, cases[i].status);
        assert_int_equal(r.interim.len, 0);
        assert_true(cv_str_equal(cv_test_reply_header(&r, "Connection"), CV_STR("close")));
        expect_end(w);
        cv_test_close(w->connection, false);
        assert_ok(w->cx, cv_test_connect(w->cx, w->client, NULL, &w->connection));
    }
}

static void what_is_left_unread_is_thrown_away(void **state)
{
    world *w = *state;
    char *block = cv_zalloc(w->cx, 1, 200000);
    send_text(w, POST("/ignores", "Content-Length: 200000\r\n"));
    expect(w, 200, "ignored");
    assert_int_equal(cv_test_write(w->connection, cv_str_make(block, 200000)), 0);
    send_text(w, POST("/ignores", "Transfer-Encoding: chunked\r\n") "186a0\r\n");
    expect(w, 200, "ignored");
    assert_int_equal(cv_test_write(w->connection, cv_str_make(block, 100000)), 0);
    send_text(w, "\r\n0\r\n\r\n" POST("/whole", "Content-Length: 1\r\n") "x");
    expect(w, 200, "x||x");
    assert_int_equal(cv_server_get_stats(cv_test_client_server(w->client)).connections_total, 1);
}

static void too_much_unread_ends_the_connection(void **state)
{
    world *w = *state;
    cv_test_reply r;
    send_text(w, POST("/ignores", "Content-Length: 300000\r\n"));
    assert_ok(w->cx, cv_test_read_reply(w->cx, w->connection, &r));
    assert_true(cv_str_equal(cv_test_reply_header(&r, "Connection"), CV_STR("close")));
    expect_end(w);
    cv_test_close(w->connection, false);
    assert_ok(w->cx, cv_test_connect(w->cx, w->client, NULL, &w->connection));
    send_text(w, POST("/ignores", "Transfer-Encoding: chunked\r\n") "493e0\r\n");
    expect(w, 200, "ignored");
    char *block = cv_zalloc(w->cx, 1, 300000);
    assert_int_equal(cv_test_write(w->connection, cv_str_make(block, 300000)), 0);
    expect_end(w);
}

static void a_body_that_breaks_the_rules_after_the_reply_ends_the_connection(void **state)
{
    world *w = *state;
    send_text(w, POST("/ignores", "Transfer-Encoding: chunked\r\n") "1\r\n");
    expect(w, 200, "ignored");
    send_text(w, "abc\r\n" POST("/whole", ""));
    expect_end(w);
}

static void a_body_may_not_be_larger_than_its_route_allows(void **state)
{
    world *w = *state;
    send_text(w, POST("/small", "Transfer-Encoding: chunked\r\n") "8\r\n01234567\r\n");
    pass_ms(w, 10);
    send_text(w, "3\r\n012\r\n0\r\n\r\n");
    expect(w, 413, "too large");
    assert_int_equal(w->error, CV_E_TOO_LARGE);
    expect_end(w);
}

static void malformed_chunks_are_a_bad_request(void **state)
{
    world *w = *state;
    send_text(w, POST("/reads", "Transfer-Encoding: chunked\r\n") "1\r\n");
    pass_ms(w, 10);
    send_text(w, "ab\r\n");
    expect(w, 400, "malformed");
    assert_int_equal(w->error, CV_E_BAD_REQUEST);
    expect_end(w);
}

static void a_client_that_leaves_in_the_middle_of_its_body(void **state)
{
    world *w = *state;
    send_text(w, POST("/reads", "Content-Length: 6\r\n") "ab");
    pass_ms(w, 10);
    cv_test_end(w->connection);
    pass_ms(w, 10);
    assert_int_equal(w->error, CV_E_CONNECTION_LOST);
}

/* 500 bytes a second are wanted over 10 seconds. */
static void a_body_must_come_at_the_minimum_rate(void **state)
{
    world *w = *state;
    int64_t start_ns = cv_now_ns(w->cx);
    send_text(w, POST("/reads", "Content-Length: 100000\r\n"));
    for (int i = 0; i < 9 && !w->error; i++) {
        send_text(w, "x");
        pass_ms(w, 5000);
    }
    expect(w, 408, "did not arrive in time");
    assert_int_equal(w->error, CV_E_TIMEOUT);
    assert_in_range((cv_now_ns(w->cx) - start_ns) / 1000000, 10000, 45000);
    expect_end(w);
}

static void a_body_at_the_minimum_rate_has_all_the_time_it_needs(void **state)
{
    world *w = *state;
    char block[6000];
    memset(block, 'x', sizeof block);
    send_text(w, POST("/large", "Content-Length: 60000\r\n"));
    for (int i = 0; i < 10; i++) { /* 100 s: longer than a request may take without it */
        assert_int_equal(cv_test_write(w->connection, cv_str_make(block, sizeof block)), 0);
        if (i < 9)
            pass_ms(w, 2000);
    }
    expect(w, 200, "read 60000");
}

static void a_whole_body_can_be_read_in_pieces_too(void **state)
{
    world *w = *state;
    send_text(w, POST("/whole", "Transfer-Encoding: chunked\r\n") "7\r\nabcdefg\r\n0\r\nX-Sum: 7\r\n\r\n");
    expect(w, 200, "abc|def|g||abcdefg7");
    send_text(w, POST("/whole", "Content-Length: 2\r\n") "ab");
    expect(w, 200, "ab||ab-");
}

static void trailers_that_come_too_late_are_refused(void **state)
{
    static const char *const trailers[] = {
        "Content-Length: 3\r\n",
        "transfer-encoding: x\r\n",
        "Host: b\r\n",
        "Authorization: x\r\n",
        "X-Sum : 1\r\n",
        "X-Sum\r\n",
        ": x\r\n",
    };
    world *w = *state;
    for (size_t i = 0; i < sizeof trailers / sizeof trailers[0]; i++) {
        send_text(w, POST("/whole", "Transfer-Encoding: chunked\r\n") "1\r\na\r\n0\r\n");
        send_text(w, trailers[i]);
        send_text(w, "\r\n");
        expect(w, 400, NULL);
        cv_test_close(w->connection, false);
        assert_ok(w->cx, cv_test_connect(w->cx, w->client, NULL, &w->connection));
    }
    assert_int_equal(w->started, 0);
}

static void trailers_are_bounded(void **state)
{
    world *w = *state;
    send_text(w, POST("/whole", "Transfer-Encoding: chunked\r\n") "0\r\n");
    for (int i = 0; i < 101; i++)
        send_text(w, "X: y\r\n");
    send_text(w, "\r\n");
    expect(w, 431, "too many trailers");
}

static void a_stream_ends_with_trailers(void **state)
{
    world *w = *state;
    cv_test_reply r;
    send_text(w, POST("/trailers", ""));
    assert_ok(w->cx, cv_test_read_reply(w->cx, w->connection, &r));
    assert_true(cv_str_equal(cv_test_reply_trailer(&r, "X-Sum"), CV_STR("abc3")));
    assert_true(cv_test_reply_trailer(&r, "X-Other").ptr != NULL);
    assert_string_equal(r.body.ptr, "abc");
    for (int i = 0; i < 4; i++)
        assert_int_equal(w->codes[i], i < 3 ? CV_E_INVALID : CV_E_LIMIT);
    send_text(w, POST("/no-chunks", ""));
    expect(w, 200, "");
    assert_int_equal(w->error, CV_E_STATE);
    send_text(w, "POST /trailers HTTP/1.0\r\n\r\n");
    assert_ok(w->cx, cv_test_read_reply(w->cx, w->connection, &r));
    assert_null(cv_test_reply_trailer(&r, "X-Sum").ptr);
}

static void a_target_may_not_be_too_long(void **state)
{
    world *w = *state;
    char *text = cv_zalloc(w->cx, 1, 9000);
    snprintf(text, 9000, "POST /whole?%08190d HTTP/1.1\r\nHost: a\r\n\r\n", 1);
    send_text(w, text);
    expect(w, 414, "target is too long");
    expect_end(w);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_handler_reads_the_body_as_it_comes),
        CASE(chunks_are_taken_off_as_they_come),
        CASE(a_body_that_is_there_already_is_read_at_once),
        CASE(a_body_that_is_not_read_is_felt_by_the_client),
        CASE(the_client_is_told_to_send_at_the_first_read),
        CASE(a_body_that_has_begun_is_not_asked_for),
        CASE(a_body_that_is_refused_is_not_asked_for),
        CASE(what_is_left_unread_is_thrown_away),
        CASE(too_much_unread_ends_the_connection),
        CASE(a_body_that_breaks_the_rules_after_the_reply_ends_the_connection),
        CASE(a_body_may_not_be_larger_than_its_route_allows),
        CASE(malformed_chunks_are_a_bad_request),
        CASE(a_client_that_leaves_in_the_middle_of_its_body),
        CASE(a_body_must_come_at_the_minimum_rate),
        CASE(a_body_at_the_minimum_rate_has_all_the_time_it_needs),
        CASE(a_whole_body_can_be_read_in_pieces_too),
        CASE(trailers_that_come_too_late_are_refused),
        CASE(trailers_are_bounded),
        CASE(a_stream_ends_with_trailers),
        CASE(a_target_may_not_be_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
