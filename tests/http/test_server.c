#include "client.h"

#include "base/ctx.h"
#include <covet/sync.h>

/* What the handlers of these tests wait on and tell. */
typedef struct gate {
    cv_cond open, entered;
    bool is_open;
    int inside;     /* handlers that have begun */
    int last_error; /* of the last wait that failed */
} gate;

typedef struct world {
    fixture f;
    gate g;
} world;

static int hello(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("hello"));
}

static int echo_body(cv_ctx *cx, cv_request *req, cv_response *res)
{
    return cv_reply_text(cx, res, 200, NULL, cv_request_body(req));
}

static int show(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)cx;
    cv_buf_printf(cv_response_body(res), "%.*s from %s", CV_STR_ARG(cv_request_target(req)), cv_request_peer(req));
    return 0;
}

static int wait_gate(cv_ctx *cx, cv_request *req, cv_response *res)
{
    gate *g = cv_request_route_arg(req);
    g->inside++;
    cv_cond_broadcast(&g->entered);
    while (!g->is_open) {
        int rc = cv_cond_wait(cx, &g->open, NULL);
        g->last_error = rc;
        if (rc < 0)
            cv_cond_broadcast(&g->entered);
        CV_TRY(rc);
    }
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("waited"));
}

static void open_gate(world *w)
{
    w->g.is_open = true;
    cv_cond_broadcast(&w->g.open);
}

/* Until `count` handlers are inside, or a wait of one has failed. */
static void await_inside(world *w, int count)
{
    CV_WITHIN(w->f.cx, CLIENT_PATIENCE_MS)
    {
        while (w->g.inside < count)
            assert_ok(w->f.cx, cv_cond_wait(w->f.cx, &w->g.entered, NULL));
    }
}

static void await_error(world *w, int code)
{
    CV_WITHIN(w->f.cx, CLIENT_PATIENCE_MS)
    {
        while (!w->g.last_error)
            assert_ok(w->f.cx, cv_cond_wait(w->f.cx, &w->g.entered, NULL));
    }
    assert_int_equal(w->g.last_error, code);
}

static int nothing(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)cx, (void)req, (void)res;
    return 0;
}

static int fails(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)res;
    int64_t code = 0;
    CV_TRY(cv_query_i64(req, "code", 0, -200, 0, &code));
    cv_fail(cx, CV_E_SQL, "the innermost reason");
    return cv_fail(cx, (int)code, "it went wrong");
}

static int fails_without_a_story(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_reply_text(cx, res, 200, NULL, CV_STR("not this")));
    return CV_E_NOT_FOUND;
}

static int replies_in_transaction(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    cx->tx = (void *)cx;
    return cv_reply_text(cx, res, 200, NULL, CV_STR("too early"));
}

static int leaves_transaction_open(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_reply_text(cx, res, 200, NULL, CV_STR("too early")));
    cx->tx = (void *)cx;
    return 0;
}

static int is_marked(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    cx->tx_marked = true;
    return cv_reply_text(cx, res, 200, NULL, CV_STR("a lie"));
}

static int replies_too_much(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)cx, (void)req;
    char block[4096] = "";
    for (int i = 0; i < 300; i++)
        cv_buf_add(cv_response_body(res), block, sizeof block);
    return 0;
}

static int eats_memory(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req, (void)res;
    while (cv_alloc(cx, 1 << 20))
        ;
    return CV_E_LIMIT;
}

static int no_content(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_empty(cx, res, 204);
}

static void add(world *w, unsigned methods, const char *pattern, cv_handler *handler)
{
    assert_ok(w->f.cx, cv_router_add(w->f.cx, w->f.router, methods, pattern, handler, &w->g));
}

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    fixture_init(&w->f);
    cv_cond_init(&w->g.open);
    cv_cond_init(&w->g.entered);
    add(w, CV_GET, "/", hello);
    add(w, CV_POST | CV_PUT, "/echo", echo_body);
    add(w, CV_GET, "/show", show);
    add(w, CV_GET, "/wait", wait_gate);
    add(w, CV_GET, "/nothing", nothing);
    add(w, CV_GET, "/fails", fails);
    add(w, CV_GET, "/bare", fails_without_a_story);
    add(w, CV_GET, "/tx", replies_in_transaction);
    add(w, CV_GET, "/tx-open", leaves_transaction_open);
    add(w, CV_GET, "/marked", is_marked);
    add(w, CV_GET, "/much", replies_too_much);
    add(w, CV_GET, "/memory", eats_memory);
    add(w, CV_GET, "/204", no_content);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    open_gate(w);
    fixture_done(&w->f);
    free(w);
    return 0;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void test_one_connection_carries_many_requests(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    for (int i = 0; i < 5; i++) {
        client_send(c, GET("/"));
        reply r = client_reply(c);
        assert_int_equal(r.status, 200);
        assert_string_equal(r.body, "hello");
        assert_string_equal(reply_header(&r, "Content-Type"), "text/plain");
        assert_int_equal(strlen(reply_header(&r, "Date")), 29);
        assert_null(reply_header(&r, "Connection"));
        reply_done(&r);
    }
    client_close(c);
    cv_server_stats stats = cv_server_get_stats(w->f.server);
    assert_int_equal(stats.connections_total, 1);
    assert_int_equal(stats.requests_total, 5);
    assert_int_equal(stats.responses_by_class[2], 5);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    client_send(c, GET("/wait")
                       GET("/show?1") "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" GET("/show?2"));
    await_inside(w, 1);
    assert_int_equal(cv_server_get_stats(w->f.server).requests_total, 1); /* the others wait */
    open_gate(w);
    client_expect(c, 200, "waited");
    client_expect(c, 200, "/show?1 from 127.0.0.1");
    client_expect(c, 200, "abc");
    client_expect(c, 200, "/show?2");
    client_close(c);
}

static void test_bytes_may_come_one_by_one(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    const char *text =
        "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    for (const char *at = text; *at; at++) {
        client_send_bytes(c, at, 1);
        assert_ok(w->f.cx, cv_yield(w->f.cx));
    }
    client_expect(c, 200, "abcde");
    client_close(c);
}

static void test_large_bodies(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    size_t len = 200000;
    char *body = malloc(len);
    assert_non_null(body);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)('a' + i % 26);
    client *c = client_open(&w->f);
    client_send(c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    client_send_bytes(c, body, len);
    reply r = client_reply(c);
    assert_int_equal(r.body_len, len);
    assert_memory_equal(r.body, body, len);
    reply_done(&r);
    client_close(c);
    free(body);
}

static void test_replies_without_a_body(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    client_send(
        c, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET("/204") "OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n"
                                                            "DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n" GET("/none"));
    reply r = client_reply_to(c, true);
    assert_string_equal(reply_header(&r, "Content-Length"), "5");
    reply_done(&r);
    r = client_reply(c);
    assert_int_equal(r.status, 204);
    assert_null(reply_header(&r, "Content-Length"));
    reply_done(&r);
    r = client_reply(c);
    assert_int_equal(r.status, 204);
    assert_string_equal(reply_header(&r, "Allow"), "POST, PUT, OPTIONS");
    reply_done(&r);
    r = client_reply(c);
    assert_int_equal(r.status, 405);
    assert_string_equal(reply_header(&r, "Allow"), "POST, PUT, OPTIONS");
    assert_string_equal(reply_header(&r, "Content-Type"), "application/problem+json");
    reply_done(&r);
    client_expect(c, 404, "\"status\":404");
    client_close(c);
}

static void test_versions_and_keep_alive(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    client_send(c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    reply r = client_reply(c);
    assert_string_equal(reply_header(&r, "Connection"), "keep-alive");
    reply_done(&r);
    client_send(c, "GET / HTTP/1.0\r\n\r\n");
    r = client_reply(c);
    assert_string_equal(reply_header(&r, "Connection"), "close");
    reply_done(&r);
    client_read_to_end(c);
    assert_false(c->was_reset);
    client_close(c);
    c = client_open(&w->f);
    client_send(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/"));
    client_expect(c, 200, "hello");
    client_read_to_end(c);
    assert_int_equal(c->len, 0); /* what came after the last request is not answered */
    client_close(c);
}

static void test_a_client_may_ask_whether_to_send_the_body(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){.max_body_bytes = 100});
    client *c = client_open(&w->f);
    client_send(c, "PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    client_read_until(c, "HTTP/1.1 100 Continue\r\n\r\n");
    client_take(c, strlen("HTTP/1.1 100 Continue\r\n\r\n"));
    client_send(c, "ok");
    client_expect(c, 200, "ok");
    client_send(c, "PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 200\r\n\r\n");
    client_expect(c, 413, "too large");
    client_close(c);
}

static void test_errors_of_handlers_become_problem_documents(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    client_send(c, GET("/fails?code=-7") GET("/fails?code=x") GET("/bare"));
    client_expect(c, 404, "\"detail\":\"it went wrong\"");
    client_expect(c, 422, "\"errors\":[{\"field\":\"code\"");
    client_expect(c, 404, "not found");
    assert_null(strstr(w->f.logged, "request failed"));
    client_send(c, GET("/fails?code=-50"));
    client_expect(c, 500, "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500}");
    assert_non_null(strstr(w->f.logged, "could not answer GET /fails"));
    assert_non_null(strstr(w->f.logged, "the innermost reason"));
    client_close(c);
}

static void test_a_handler_must_keep_the_rules(void **state)
{
    static const struct {
        const char *request, *logged;
    } cases[] = {
        {GET("/nothing"), "without a reply"},
        {GET("/tx"), "open transaction"},
        {GET("/tx-open"), "returned inside an open transaction"},
        {GET("/marked"), "left early"},
        {GET("/much"), "cv_stream_start"},
        {GET("/memory"), "memory limit"},
    };
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        w->f.logged_len = 0;
        client_send(c, cases[i].request);
        client_expect(c, 500, "\"status\":500");
        if (!strstr(w->f.logged, cases[i].logged))
            fail_msg("\"%s\" is not in the log: %s", cases[i].logged, w->f.logged);
    }
    client_send(c, GET("/"));
    client_expect(c, 200, "hello");
    client_close(c);
}

static void test_the_deadline_of_a_request(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){.request_timeout_ms = 20});
    expect_once(&w->f, GET("/wait"), 503, "Service Unavailable");
    assert_int_equal(w->g.last_error, CV_E_TIMEOUT);
    assert_non_null(strstr(w->f.logged, "could not answer GET /wait"));
}

static void test_a_client_that_leaves_cancels_its_request(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    client_send(c, GET("/wait"));
    await_inside(w, 1);
    client_close(c);
    await_error(w, CV_E_CANCELLED);
    expect_once(&w->f, GET("/"), 200, "hello");
    assert_null(strstr(w->f.logged, "level=error"));
}

static void test_a_half_closed_client_gets_its_replies(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    client *c = client_open(&w->f);
    client_send(c, GET("/") GET("/show"));
    assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
    client_expect(c, 200, "hello");
    client_expect(c, 200, "/show");
    client_read_to_end(c);
    assert_false(c->was_reset);
    client_close(c);
}

static void test_connections_beyond_the_limit_wait(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){.max_connections = 2});
    client *first = client_open(&w->f), *second = client_open(&w->f);
    client_send(first, GET("/"));
    client_send(second, GET("/"));
    client_expect(first, 200, "hello");
    client_expect(second, 200, "hello");
    client *third = client_open(&w->f), *fourth = client_open(&w->f);
    client_send(third, GET("/"));
    client_send(fourth, GET("/"));
    client_send(first, GET("/"));
    client_expect(first, 200, "hello");
    assert_int_equal(cv_server_get_stats(w->f.server).connections_open, 2);
    client_close(first);
    client_expect(third, 200, "hello");
    client_close(second);
    client_expect(fourth, 200, "hello");
    client_close(third);
    client_close(fourth);
}

static int stop_in_fiber(cv_ctx *cx, void *arg)
{
    cv_server_stop(cx, arg);
    return 0;
}

static void test_stopping_lets_running_requests_finish(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    int port = cv_server_port(w->f.server);
    client *busy = client_open(&w->f), *idle = client_open(&w->f);
    client_send(idle, GET("/"));
    client_expect(idle, 200, "hello");
    client_send(busy, GET("/wait"));
    await_inside(w, 1);
    cv_fiber *stopper;
    assert_ok(w->f.cx, cv_spawn(w->f.cx, "stop", stop_in_fiber, w->f.server, &stopper));
    client_read_to_end(idle); /* closed at once */
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    open_gate(w);
    reply r = client_reply(busy);
    assert_string_equal(r.body, "waited");
    assert_string_equal(reply_header(&r, "Connection"), "close");
    reply_done(&r);
    client_close(busy);
    client_close(idle);
    assert_ok(w->f.cx, cv_join(w->f.cx, stopper, NULL));
    w->f.server = NULL;
}

static void test_stopping_cuts_what_takes_too_long(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){.shutdown_timeout_ms = 10});
    client *c = client_open(&w->f);
    client_send(c, GET("/wait"));
    await_inside(w, 1);
    cv_server_stop(w->f.cx, w->f.server);
    w->f.server = NULL;
    assert_int_equal(w->g.last_error, CV_E_CANCELLED);
    client_read_to_end(c);
    assert_int_equal(c->len, 0);
    client_close(c);
}

static void test_starting_can_fail(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){0});
    cv_server *other;
    cv_server_options same = {.port = cv_server_port(w->f.server)};
    assert_int_equal(cv_server_start(w->f.cx, w->f.router, &same, &other), CV_E_ADDRESS_IN_USE);
    char place[64];
    snprintf(place, sizeof place, "\"127.0.0.1:%d\"", same.port);
    assert_non_null(strstr(cv_error_last(w->f.cx)->message, place));
    assert_non_null(cv_error_last(w->f.cx)->hint);
    cv_error_clear(w->f.cx);
    assert_fails(w->f.cx, cv_server_start(w->f.cx, w->f.router, &(cv_server_options){.port = 70000}, &other),
                 CV_E_INVALID, "\"port\"");
    assert_fails(w->f.cx, cv_server_start(w->f.cx, w->f.router, &(cv_server_options){.idle_timeout_ms = -1}, &other),
                 CV_E_INVALID, "\"idle_timeout_ms\"");
    int rc = cv_server_start(w->f.cx, w->f.router, &(cv_server_options){.host = "no such host."}, &other);
    assert_int_equal(rc, CV_E_RESOLVE);
    cv_error_clear(w->f.cx);
}

static void test_what_is_no_request_is_logged_when_asked(void **state)
{
    world *w = *state;
    fixture_start(&w->f, (cv_server_options){.log_refusals = true});
    expect_once(&w->f, GET("/show?x"), 200, NULL);
    assert_string_equal(w->f.logged, "");
    expect_once(&w->f, "GET / HTTP/3.7\r\n\r\n", 505, NULL);
    assert_non_null(strstr(w->f.logged, "request refused"));
    assert_non_null(strstr(w->f.logged, "505"));
}

static void test_a_server_on_ipv6(void **state)
{
    world *w = *state;
    cv_server_options options = {.host = "::1"};
    if (cv_server_start(w->f.cx, w->f.router, &options, &w->f.server) < 0) {
        print_message("no IPv6 here: skipped\n");
        cv_error_clear(w->f.cx);
        skip();
    }
    assert_true(cv_server_port(w->f.server) > 0);
    client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)cv_server_port(w->f.server)),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    c->cx = w->f.cx;
    c->fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof to), 0);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    client_send(c, GET("/show"));
    client_expect(c, 200, "from ::1");
    client_close(c);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_one_connection_carries_many_requests),
        CASE(test_pipelined_requests_are_answered_in_order),
        CASE(test_bytes_may_come_one_by_one),
        CASE(test_large_bodies),
        CASE(test_replies_without_a_body),
        CASE(test_versions_and_keep_alive),
        CASE(test_a_client_may_ask_whether_to_send_the_body),
        CASE(test_errors_of_handlers_become_problem_documents),
        CASE(test_a_handler_must_keep_the_rules),
        CASE(test_the_deadline_of_a_request),
        CASE(test_a_client_that_leaves_cancels_its_request),
        CASE(test_a_half_closed_client_gets_its_replies),
        CASE(test_connections_beyond_the_limit_wait),
        CASE(test_stopping_lets_running_requests_finish),
        CASE(test_stopping_cuts_what_takes_too_long),
        CASE(test_starting_can_fail),
        CASE(test_what_is_no_request_is_logged_when_asked),
        CASE(test_a_server_on_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
