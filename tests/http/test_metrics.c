/* What a server tells of itself, and what a dump tells of its requests. */
#include "await.h"
#include "client.h"
#include "promtool.h"

#include <covet/sync.h>

typedef struct world {
    fixture f;
    cv_metrics *metrics;
    cv_semaphore gate;
    size_t inside;
} world;

static int hello(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("hello"));
}

static int refuse(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req, (void)res;
    return cv_fail(cx, CV_E_NOT_FOUND, "there is no such book");
}

static int stream(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", -1));
    for (int i = 0; i < 10; i++)
        CV_TRY(cv_stream_write(cx, res, "0123456789", 10));
    return cv_stream_end(cx, res);
}

static int read_body(cv_ctx *cx, cv_request *req, cv_response *res)
{
    char piece[16];
    size_t len;
    do
        CV_TRY(cv_body_read(cx, req, piece, sizeof piece, &len));
    while (len);
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("read"));
}

static int wait_inside(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    w->inside++;
    CV_TRY(cv_semaphore_acquire(cx, &w->gate));
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("waited"));
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->metrics = cv_metrics_new();
    cv_runtime_options options = {.metrics = w->metrics, .watchdog_ms = -1};
    assert_int_equal(cv_runtime_new(&options, &w->f.cx), 0);
    cv_semaphore_init(&w->gate, 0);
    w->f.router = cv_router_new();
    cv_ctx *cx = w->f.cx;
    cv_route_spec quiet = {.methods = CV_GET, .pattern = "/quiet", .handler = hello, .exclude_from_log = true};
    assert_ok(cx, cv_router_add(cx, w->f.router, CV_GET | CV_POST, "/books/{id:int}", hello, NULL));
    assert_ok(cx, cv_router_add(cx, w->f.router, CV_GET, "/none", refuse, NULL));
    assert_ok(cx, cv_router_add(cx, w->f.router, CV_GET, "/stream", stream, NULL));
    assert_ok(cx, cv_router_add(cx, w->f.router, CV_GET, "/wait/{name}", wait_inside, w));
    assert_ok(cx, cv_router_add(cx, w->f.router, CV_GET, "/a\"\\b", hello, NULL));
    assert_ok(cx, cv_route_group_route(cx, cv_router_root(w->f.router), &quiet));
    cv_route_spec upload = {.methods = CV_POST, .pattern = "/upload", .handler = read_body, .stream_body = true};
    assert_ok(cx, cv_route_group_route(cx, cv_router_root(w->f.router), &upload));
    fixture_start(&w->f, (cv_server_options){.max_body_bytes = 1000});
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    cv_server_stop(w->f.cx, w->f.server);
    cv_router_free(w->f.router);
    cv_runtime_free(w->f.cx);
    cv_metrics_free(w->metrics);
    free(w);
    return 0;
}

static char *exposition(world *w)
{
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(w->f.cx), 0);
    cv_metrics_expose(w->metrics, &out);
    assert_int_equal(out.error, 0);
    return out.data;
}

static void expect(world *w, const char *line)
{
    const char *text = exposition(w);
    char wanted[512];
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    if (!strstr(text, wanted))
        fail_msg("\"%s\" is not in:\n%s", line, text);
}

/* Counts that a tick shows. */
static void expect_soon(world *w, const char *line)
{
    char wanted[512];
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    await_that(w->f.cx, strstr(exposition(w), wanted));
}

static void requests_are_counted_by_route_method_and_status(void **state)
{
    world *w = *state;
    client *c = client_open(&w->f);
    for (int i = 0; i < 5; i++) {
        client_send(c, "GET /books/7 HTTP/1.1\r\nHost: a\r\n\r\n");
        client_expect(c, 200, "hello");
    }
    client_send(c, "POST /books/8 HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n");
    char body[200] = "x";
    client_send_bytes(c, body, sizeof body);
    client_expect(c, 200, "hello");
    client_send(c, "GET /none HTTP/1.1\r\nHost: a\r\n\r\nGET /quiet HTTP/1.1\r\nHost: a\r\n\r\n");
    client_expect(c, 404, NULL);
    client_expect(c, 200, NULL);
#define BOOKS(method)                                                                                                  \
    "http_request_method=\"" method "\",http_route=\"/books/{id:int}\",http_response_status_code=\"200\""
    expect(w, "http_server_request_duration_seconds_count{" BOOKS("GET") "} 5");
    expect(w, "http_server_request_duration_seconds_bucket{" BOOKS("POST") ",le=\"+Inf\"} 1");
    expect(w, "http_server_response_body_size_bytes_sum{" BOOKS("GET") "} 25");
    expect(w, "http_server_request_body_size_bytes_sum{" BOOKS("POST") "} 200");
    expect(w, "http_server_request_body_size_bytes_bucket{" BOOKS("GET") ",le=\"0\"} 5");
    expect(w, "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"/none\","
              "http_response_status_code=\"404\"} 1");
    assert_null(strstr(exposition(w), "quiet"));
    client_close(c);
}

static void sizes_are_those_that_went_over_the_wire(void **state)
{
    world *w = *state;
    client *c = client_open(&w->f);
    client_send(c, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    client_expect(c, 200, "0123456789");
    client_send(c, "HEAD /books/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    reply r = client_reply_to(c, true);
    reply_done(&r);
    client_send(c, "POST /books/8 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    client_expect(c, 200, "hello");
    client_send(c, "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n"
                   "0123456789012345678901234567890123456789\r\n0\r\n\r\n");
    client_expect(c, 200, "read");
    expect(w, "http_server_request_body_size_bytes_sum{http_request_method=\"POST\",http_route=\"/upload\","
              "http_response_status_code=\"200\"} 40");
    expect(w, "http_server_response_body_size_bytes_sum{http_request_method=\"GET\",http_route=\"/stream\","
              "http_response_status_code=\"200\"} 100");
    expect(w, "http_server_response_body_size_bytes_sum{" BOOKS("HEAD") "} 0");
    expect(w, "http_server_request_body_size_bytes_sum{" BOOKS("POST") "} 3");
    client_close(c);
}

/* However many there are, they are one series a method. */
static void what_has_no_route_has_one_series(void **state)
{
    world *w = *state;
    client *c = client_open(&w->f);
    for (int i = 0; i < 20; i++) {
        char request[64];
        snprintf(request, sizeof request, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
        client_send(c, request);
        client_expect(c, 404, NULL);
    }
    client_send(c, "PUT /books/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    client_expect(c, 405, NULL);
    expect(w, "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"\","
              "http_response_status_code=\"404\"} 20");
    expect(w, "http_server_request_duration_seconds_count{http_request_method=\"PUT\",http_route=\"\","
              "http_response_status_code=\"405\"} 1");
    client_close(c);
}

static void what_is_refused_is_counted_by_its_status(void **state)
{
    world *w = *state;
    expect_once(&w->f, "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 501, NULL);
    expect_once(&w->f, "BREW /tea HTTP/1.1\r\nHost: a\r\n\r\n", 501, NULL);
    expect_once(&w->f, "GET / HTTP/1.1\r\n\r\n", 400, NULL);
    expect(w, "covet_http_refused_total{http_response_status_code=\"501\"} 2");
    expect(w, "covet_http_refused_total{http_response_status_code=\"400\"} 1");
    assert_null(strstr(exposition(w), "BREW"));
}

static void connections_and_active_requests_are_shown(void **state)
{
    world *w = *state;
    client *idle = client_open(&w->f), *active = client_open(&w->f);
    client_send(idle, "GET /books/7 HTTP/1.1\r\nHost: a\r\n\r\n");
    client_expect(idle, 200, NULL);
    client_send(active, "GET /wait/me HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_soon(w, "http_server_active_requests 1");
    expect_soon(w, "covet_http_connections{state=\"idle\"} 1");
    expect_soon(w, "covet_http_connections{state=\"active\"} 1");
    expect_soon(w, "covet_http_connections_total 2");
    cv_semaphore_release(&w->gate);
    client_expect(active, 200, "waited");
    client_close(active);
    client_close(idle);
    expect_soon(w, "http_server_active_requests 0");
    expect_soon(w, "covet_http_connections{state=\"idle\"} 0");
    expect_soon(w, "covet_http_connections{state=\"active\"} 0");
    expect(w, "covet_http_connections_total 2");
}

static void a_dump_shows_the_request_of_a_fiber(void **state)
{
    world *w = *state;
    client *c = client_open(&w->f);
    client_send(c, "GET /wait/for%20me HTTP/1.1\r\nHost: a\r\n\r\n");
    await_that(w->f.cx, w->inside);
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(w->f.cx), 0);
    assert_ok(w->f.cx, cv_fibers_dump(w->f.cx, &out));
    assert_non_null(strstr(out.data, "\"GET /wait/{name}\" since "));
    assert_non_null(strstr(out.data, ": GET /wait/for me\n"));
    assert_non_null(strstr(out.data, "      wait_inside "));
    cv_semaphore_release(&w->gate);
    client_expect(c, 200, "waited");
    client_close(c);
}

static void servers_share_a_registry(void **state)
{
    world *w = *state;
    cv_server *second;
    client *c = client_open(&w->f);
    expect_soon(w, "covet_http_connections{state=\"idle\"} 1");
    assert_ok(w->f.cx, cv_server_start(w->f.cx, w->f.router, NULL, &second));
    cv_server *first = w->f.server;
    w->f.server = second;
    client *other = client_open(&w->f);
    expect_soon(w, "covet_http_connections{state=\"idle\"} 2");
    cv_server_stop(w->f.cx, second);
    w->f.server = first;
    expect(w, "covet_http_connections{state=\"idle\"} 1");
    expect(w, "covet_http_connections_total 2");
    client_close(other);
    client_close(c);
}

static void prometheus_own_checker_accepts_the_text(void **state)
{
    world *w = *state;
    expect_once(&w->f, "GET /a%22%5Cb HTTP/1.1\r\nHost: a\r\n\r\n", 200, "hello");
    expect_once(&w->f, "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 501, NULL);
    expect(w, "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"/a\\\"\\\\b\","
              "http_response_status_code=\"200\"} 1");
    char *said;
    int found = promtool_check(cv_str_of(exposition(w)), &said);
    if (found < 0)
        skip_without_promtool();
    if (found > 0)
        fail_msg("%s", said);
    free(said);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_are_counted_by_route_method_and_status),
        TEST(sizes_are_those_that_went_over_the_wire),
        TEST(what_has_no_route_has_one_series),
        TEST(what_is_refused_is_counted_by_its_status),
        TEST(connections_and_active_requests_are_shown),
        TEST(a_dump_shows_the_request_of_a_fiber),
        TEST(servers_share_a_registry),
        TEST(prometheus_own_checker_accepts_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
