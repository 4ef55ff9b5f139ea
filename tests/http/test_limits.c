#include "await.h"
#include "client.h"

static int hello(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("hello"));
}

/* 1 MiB in one piece, then pieces without an end. */
static int endless(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int *result = cv_request_route_arg(req);
    char *piece = cv_zalloc(cx, 1, 1 << 20);
    int rc = piece ? cv_stream_start(cx, res, 200, NULL, -1) : CV_E_NOMEM;
    while (rc == 0)
        rc = cv_stream_write(cx, res, piece, 1 << 20);
    *result = rc;
    return rc;
}

static int whole_mebibyte(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    char *text = cv_zalloc(cx, 1, 1 << 20);
    return text ? cv_reply_text(cx, res, 200, NULL, cv_str_make(text, 1 << 20)) : CV_E_NOMEM;
}

typedef struct world {
    fixture f;
    int result; /* of the endless stream */
} world;

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    fixture_init(&w->f);
    assert_ok(w->f.cx, cv_router_add(w->f.cx, w->f.router, CV_GET | CV_POST, "/", hello, NULL));
    assert_ok(w->f.cx, cv_router_add(w->f.cx, w->f.router, CV_GET, "/endless", endless, &w->result));
    assert_ok(w->f.cx, cv_router_add(w->f.cx, w->f.router, CV_GET, "/mebibyte", whole_mebibyte, NULL));
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

/* The server answers with the status, as a problem, and closes so that the client sees it. */
static void expect_refusal(world *w, const char *request, size_t len, int status)
{
    client *c = client_open(&w->f);
    client_send_bytes(c, request, len);
    reply r = client_reply(c);
    if (r.status != status)
        fail_msg("status %d instead of %d for: %s", r.status, status, request);
    assert_string_equal(reply_header(&r, "Connection"), "close");
    assert_string_equal(reply_header(&r, "Content-Type"), "application/problem+json");
    reply_done(&r);
    shutdown(c->fd, SHUT_WR);
    client_read_to_end(c);
    assert_int_equal(c->len, 0);
    assert_false(c->was_reset);
    client_close(c);
}

static void test_smuggling_is_refused_and_nothing_behind_it_is_answered(void **state)
{
#define NEXT "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
#define CASE_OF(status, text)                                                                                          \
    {                                                                                                                  \
        status, text NEXT, sizeof(text NEXT) - 1                                                                       \
    }
    static const struct {
        int status;
        const char *text;
        size_t len;
    } cases[] = {
        CASE_OF(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        CASE_OF(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n"),
        CASE_OF(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n12345"),
        CASE_OF(400, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n Z: q\r\n\r\n"),
        CASE_OF(400, "GET / HTTP/1.1\nHost: a\n\n"),
        CASE_OF(400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
        CASE_OF(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n"),
        CASE_OF(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n"),
        CASE_OF(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"),
        CASE_OF(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        CASE_OF(501, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
        CASE_OF(501, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
        CASE_OF(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    };
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refusal(w, cases[i].text, cases[i].len, cases[i].status);
    assert_int_equal(cv_server_get_stats(w->f.server).requests_total, 0);
}

static void test_sizes_are_bounded(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){.max_header_bytes = 600, .max_headers = 5, .max_body_bytes = 1000});
    char text[1024];
    memset(text, 'x', sizeof text);
    memcpy(text, "GET /", 5);
    expect_refusal(w, text, sizeof text, 414);
    memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
    expect_refusal(w, text, sizeof text, 431);
    const char *many = "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\n\r\n";
    expect_refusal(w, many, strlen(many), 431);
    const char *large = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n";
    expect_refusal(w, large, strlen(large), 413);
}

static void test_a_client_that_goes_on_sending_sees_the_refusal(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){.max_body_bytes = 1000});
    client *c = client_open(&w->f);
    client_send(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
    char *body = calloc(1, 3000000);
    assert_non_null(body);
    client_send_bytes(c, body, 3000000);
    free(body);
    client_expect(c, 413, "too large");
    client_close(c);
}

static void test_a_client_that_does_not_read_is_cut(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){.write_timeout_ms = 30});
    client *c = client_open_sized(&w->f, 4096);
    client_send(c, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    await_that(w->f.cx, w->result);
    assert_int_equal(w->result, CV_E_TIMEOUT);
    client_close(c);
}

static void test_a_client_that_reads_slowly_gets_everything(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open_sized(&w->f, 4096);
    client_send(c, "GET /mebibyte HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_read_until(c, "\r\n\r\n");
    size_t head = (size_t)(strstr(c->data, "\r\n\r\n") - c->data) + 4, left = 1 << 20;
    client_take(c, head);
    while (left) {
        size_t part = c->len < left ? c->len : left;
        client_take(c, part);
        left -= part;
        if (left)
            assert_true(client_read_some(c));
    }
    client_expect(c, 200, "hello");
    client_close(c);
}

static void test_a_client_that_leaves_ends_the_stream(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open_sized(&w->f, 4096);
    client_send(c, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    client_read_until(c, "\r\n\r\n");
    client_close(c);
    await_that(w->f.cx, w->result);
    assert_true(w->result == CV_E_CONNECTION_LOST || w->result == CV_E_CANCELLED);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_smuggling_is_refused_and_nothing_behind_it_is_answered),
        CASE(test_sizes_are_bounded),
        CASE(test_a_client_that_goes_on_sending_sees_the_refusal),
        CASE(test_a_client_that_does_not_read_is_cut),
        CASE(test_a_client_that_reads_slowly_gets_everything),
        CASE(test_a_client_that_leaves_ends_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
