/* The whole state machine of connections: a server on the simulated network and clock, driven by a program of bytes
 * that opens connections, sends requests whole, in parts or damaged, stalls, ends, resets, and lets time pass, while
 * handlers reply whole, stream, read, sleep and fail. Whatever the program:
 * - no crash, and every answer is well-formed (the strict reader of the test kit judges it);
 * - no more answers than requests, and none after one that ends the connection;
 * - what is no request is answered last;
 * - a client that does nothing wrong gets every answer;
 * - at the end no fiber, request or connection is left. */
#include "testing/network.h"
#include "testing/reply.h"

#include <covet/fiber.h>
#include <covet/middleware.h>
#include <covet/runtime.h>
#include <covet/testing.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 3, MAX_STEPS = 48, BIG_BYTES = 10000, WHOLE_SECONDS = 45 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static void must(cv_ctx *cx, int rc)
{
    if (rc < 0)
        fprintf(stderr, "fuzz: %s\n", cv_error_last(cx) ? cv_error_last(cx)->message : cv_error_name(rc));
    require(rc >= 0, "a step of the program failed");
}

/* ---- handlers ---- */

static char big[BIG_BYTES];

static int hello(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("hello"));
}

static int reply_big(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", cv_str_make(big, sizeof big));
}

static int reply_empty(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_empty(cx, res, 204);
}

static int echo(cv_ctx *cx, cv_request *req, cv_response *res)
{
    return cv_reply_text(cx, res, 200, "text/plain", cv_request_body(req));
}

static int sleep_then_reply(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_sleep_ms(cx, 2000));
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("slept"));
}

static int stream(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", -1));
    for (size_t at = 0; at < sizeof big; at += 2500) {
        CV_TRY(cv_stream_write(cx, res, big + at, 2500));
        CV_TRY(at % 5000 ? cv_yield(cx) : cv_sleep_ms(cx, 1));
    }
    return cv_stream_end(cx, res);
}

static int stream_with_length(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", 6));
    CV_TRY(cv_stream_write(cx, res, "abc", 3));
    CV_TRY(cv_sleep_ms(cx, 500));
    CV_TRY(cv_stream_write(cx, res, "def", 3));
    return cv_stream_end(cx, res);
}

static int stream_and_fail(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", -1));
    CV_TRY(cv_stream_write(cx, res, "half", 4));
    return cv_fail(cx, CV_E_IO, "the rest is lost");
}

/* ---- handlers that read the body themselves ---- */

static int upload(cv_ctx *cx, cv_request *req, cv_response *res)
{
    char piece[4096], text[32];
    size_t all = 0, len = 1;
    while (len) {
        CV_TRY(cv_body_read(cx, req, piece, all < 100 ? 7 : sizeof piece, &len));
        all += len;
    }
    snprintf(text, sizeof text, "%zu", all);
    return cv_reply_text(cx, res, 200, "text/plain", cv_str_of(text));
}

static int upload_ignored(cv_ctx *cx, cv_request *req, cv_response *res)
{
    return hello(cx, req, res);
}

static int upload_begun(cv_ctx *cx, cv_request *req, cv_response *res)
{
    char piece[3];
    size_t len;
    CV_TRY(cv_body_read(cx, req, piece, sizeof piece, &len));
    CV_TRY(cv_sleep_ms(cx, 1000));
    return hello(cx, req, res);
}

/* What comes goes back while it comes, and the count behind it. */
static int upload_echoed(cv_ctx *cx, cv_request *req, cv_response *res)
{
    char piece[1000], text[32];
    size_t all = 0, len = 1;
    CV_TRY(cv_response_header(res, "Trailer", "X-Count"));
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", -1));
    while (len) {
        CV_TRY(cv_body_read(cx, req, piece, sizeof piece, &len));
        CV_TRY(cv_stream_write(cx, res, piece, len));
        all += len;
    }
    snprintf(text, sizeof text, "%zu", all);
    CV_TRY(cv_stream_trailer(cx, res, "X-Count", text));
    return cv_stream_end(cx, res);
}

static int fail(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req, (void)res;
    return cv_fail(cx, CV_E_IO, "nothing works");
}

static int forget(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)cx, (void)req, (void)res;
    return 0;
}

/* By it the reader knows whether an answer has a body, and that it is one to a request. */
static int tell_method(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    (void)cx, (void)arg;
    return cv_response_header(res, "X-Method", cv_method_name(cv_request_method(req)));
}

static const cv_route_spec routes[] = {
    {CV_GET, "/", hello, .arg = NULL},
    {CV_GET, "/big", reply_big, .arg = NULL},
    {CV_GET | CV_DELETE, "/empty", reply_empty, .arg = NULL},
    {CV_POST | CV_PUT, "/echo", echo, .arg = NULL},
    {CV_GET | CV_POST, "/sleep", sleep_then_reply, .arg = NULL},
    {CV_GET, "/stream", stream, .arg = NULL},
    {CV_GET, "/length", stream_with_length, .arg = NULL},
    {CV_GET, "/cut", stream_and_fail, .arg = NULL},
    {CV_GET, "/fail", fail, .arg = NULL},
    {CV_GET, "/forget", forget, .arg = NULL},
    {CV_POST, "/upload", upload, .limits = {.max_body_bytes = 1 << 20}, .stream_body = true},
    {CV_POST, "/ignored", upload_ignored, .limits = {.max_body_bytes = 1 << 20}, .stream_body = true},
    {CV_POST, "/begun", upload_begun, .stream_body = true},
    {CV_POST, "/echoed", upload_echoed, .limits = {.max_body_bytes = 1 << 20}, .stream_body = true},
};

/* ---- requests ---- */

#define HOST         "Host: a\r\n\r\n"
#define UPLOAD(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n12\r\n012345678901234567\r\n0\r\nX-Sum: 1\r\n\r\n"
#define POST         "POST /echo HTTP/1.1\r\nHost: a\r\n"

static const struct request {
    const char *text;
    bool cut;   /* the answer is cut on purpose */
    bool last;  /* the connection ends with it */
    bool maybe; /* the connection may end with it */
} requests[] = {
    {"GET / HTTP/1.1\r\n" HOST, false, false},
    {"HEAD /big HTTP/1.1\r\n" HOST, false, false},
    {"GET /big HTTP/1.1\r\n" HOST, false, false},
    {"DELETE /empty HTTP/1.1\r\n" HOST, false, false},
    {POST "Content-Length: 5\r\n\r\nhello", false, false},
    {POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n", false, false},
    {POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", false, false},
    {"GET /sleep HTTP/1.1\r\n" HOST, false, false},
    {"POST /sleep HTTP/1.1\r\nContent-Length: 2\r\nHost: a\r\n\r\nab", false, false},
    {"GET /stream HTTP/1.1\r\n" HOST, false, false},
    {"HEAD /stream HTTP/1.1\r\n" HOST, false, false},
    {"GET /length HTTP/1.1\r\n" HOST, false, false},
    {"GET /cut HTTP/1.1\r\n" HOST, true, true},
    {"GET /fail HTTP/1.1\r\n" HOST, false, false},
    {"GET /forget?a=b%20c HTTP/1.1\r\n" HOST, false, false},
    {"GET /nowhere HTTP/1.1\r\n" HOST, false, false},
    {"PUT / HTTP/1.1\r\nContent-Length: 0\r\n" HOST, false, false},
    {"OPTIONS * HTTP/1.1\r\n" HOST, false, false},
    {"GET / HTTP/1.1\r\nConnection: close\r\n" HOST, false, true},
    {"GET / HTTP/1.0\r\n\r\n", false, true},
    {"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, true},
    {UPLOAD("/upload") "Content-Length: 20\r\n\r\n01234567890123456789", false, false},
    {UPLOAD("/upload") CHUNKED, false, false},
    {UPLOAD("/upload") "Expect: 100-continue\r\n" CHUNKED, false, false},
    {UPLOAD("/ignored") "Content-Length: 5\r\n\r\nabcde", false, false},
    {UPLOAD("/ignored") CHUNKED, false, false},
    {UPLOAD("/ignored") "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", false, false, true},
    {UPLOAD("/begun") "Content-Length: 20\r\n\r\n01234567890123456789", false, false},
    {UPLOAD("/begun") "Expect: 100-continue\r\n" CHUNKED, false, false},
    {UPLOAD("/echoed") CHUNKED, false, false},
    {UPLOAD("/echoed") "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde", false, false, true},
    {UPLOAD("/upload") "Content-Length: 290000\r\n\r\n", true, true},
    {UPLOAD("/ignored") "Content-Length: 290000\r\n\r\n", true, true},
    {UPLOAD("/ignored") "Content-Length: 200000\r\n\r\n", true, true},
    {UPLOAD("/echoed") "Transfer-Encoding: chunked\r\n\r\n46CD0\r\n", true, true},
};
enum { REQUESTS = sizeof requests / sizeof requests[0] };

/* ---- clients ---- */

typedef struct client {
    cv_test_connection *connection; /* NULL: not open */
    cv_fiber *reader;
    size_t heads; /* ends of heads among what was sent: no more requests than these */
    size_t asked; /* whole requests, as long as it is polite */
    size_t answered;
    bool polite;       /* does nothing that could cost it an answer */
    bool said_last;    /* a request that ends the connection was sent */
    bool may_end;      /* a request after which the connection may end was sent */
    bool over;         /* the reader saw the end */
    bool told_last;    /* an answer said that it is the last */
    char tail[4];      /* the last bytes sent */
    int64_t active_ns; /* when it last sent a request */
} client;

typedef struct world {
    cv_ctx *cx;
    cv_test_client *kit;
    client clients[CLIENTS], *now;
    bool heavy; /* large bodies are sent */
} world;

static int read_answer(cv_ctx *cx, client *c)
{
    cv_str text;
    cv__reply_head head;
    cv_test_reply reply;
    CV_TRY(cv__reply_receive_head(cx, c->connection, &text));
    cv_str method = cv__reply_find_field(text, "X-Method");
    CV_TRY(cv__reply_read_head(cx, text, cv_str_equal(method, CV_STR("HEAD")), &head));
    if (head.status < 200)
        return 0;
    c->answered++;
    require(c->answered <= c->heads + 1, "there are more answers than requests");
    if (!method.ptr && !head.close)
        fprintf(stderr, "fuzz: %.*s\n", CV_STR_ARG(text));
    require(method.ptr || head.close, "what is no request is answered, and the connection goes on");
    c->told_last = head.close;
    return cv__reply_receive_body(cx, c->connection, &head, &reply);
}

static int read_answers(cv_ctx *cx, void *arg)
{
    client *c = arg;
    int rc = 0;
    while (rc == 0) {
        CV_SCOPE(cx)
        {
            rc = read_answer(cx, c);
            if (rc == CV_E_SYNTAX)
                must(cx, rc);
        }
    }
    c->over = true;
    cv_error_clear(cx);
    return 0;
}

static void open_client(world *w, client *c)
{
    *c = (client){.polite = true, .active_ns = cv_now_ns(w->cx)};
    must(w->cx, cv_test_connect(w->cx, w->kit, NULL, &c->connection));
    must(w->cx, cv_spawn(w->cx, "reader", read_answers, c, &c->reader));
}

static void end_reader(world *w, client *c)
{
    if (c->reader)
        must(w->cx, cv_join(w->cx, c->reader, NULL));
    c->reader = NULL;
}

static void close_client(world *w, client *c, bool reset)
{
    if (!c->connection)
        return;
    cv_cancel(c->reader);
    end_reader(w, c);
    cv_test_close(c->connection, reset);
    c->connection = NULL;
}

static void send_bytes(client *c, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        memmove(c->tail, c->tail + 1, 3);
        c->tail[3] = bytes[i];
        c->heads += memcmp(c->tail, "\r\n\r\n", 4) == 0;
    }
    if (cv_test_write(c->connection, cv_str_make(bytes, len)) < 0)
        c->polite = false;
}

static void send_request(world *w, client *c, const struct request *request)
{
    bool waited = cv_now_ns(w->cx) - c->active_ns > INT64_C(1000000000) * WHOLE_SECONDS;
    if (c->over || waited || request->cut)
        c->polite = false;
    c->active_ns = cv_now_ns(w->cx);
    c->asked += !c->said_last;
    c->said_last |= request->last;
    c->may_end |= request->maybe;
    send_bytes(c, request->text, strlen(request->text));
}

/* ---- the program ---- */

typedef struct program {
    const uint8_t *at, *end;
} program;

static unsigned next(program *p)
{
    return p->at < p->end ? *p->at++ : 0;
}

static void send_part(client *c, program *p)
{
    const char *text = requests[next(p) % REQUESTS].text;
    size_t len = strlen(text), from = next(p) % len, to = from + next(p) % (len - from + 1);
    c->polite = false;
    send_bytes(c, text + from, to - from);
}

static void send_damaged(client *c, program *p)
{
    char text[256];
    size_t len = strlen(strcpy(text, requests[next(p) % REQUESTS].text));
    text[next(p) % len] = (char)next(p);
    c->polite = false;
    send_bytes(c, text, len);
}

static void send_raw(client *c, program *p)
{
    size_t len = next(p) % 64, left = (size_t)(p->end - p->at);
    len = len < left ? len : left;
    c->polite = false;
    send_bytes(c, (const char *)p->at, len);
    p->at += len;
}

/* A body for those that announce a large one. Few programs send all of it: that takes long. */
static void send_much(const world *w, client *c, program *p)
{
    size_t pieces = w->heavy ? next(p) % 32 : 1;
    cv_test_network_set(c->connection, NULL);
    c->polite = false;
    while (pieces-- > 0 && cv_test_write(c->connection, cv_str_make(big, sizeof big)) == 0)
        ;
    memset(c->tail, 0, sizeof c->tail);
}

static void change_network(client *c, program *p)
{
    unsigned a = next(p), b = next(p);
    cv_test_network network = {
        .piece_bytes = a & 15, .delay_ms = (a >> 4) * 100, .window_bytes = (b & 7) * 100, .stalled = b >> 6 == 3};
    if (network.stalled || (network.delay_ms && (network.piece_bytes || network.window_bytes)))
        c->polite = false; /* it may be too slow */
    cv_test_network_set(c->connection, &network);
}

static void pass_time(world *w, int64_t ms)
{
    must(w->cx, cv_sleep_ms(w->cx, ms));
}

static void do_step(world *w, program *p)
{
    unsigned op = next(p) % 20;
    client *c = w->now;
    if (!c->connection)
        open_client(w, c);
    switch (op) {
    case 0:
        w->now = &w->clients[next(p) % CLIENTS];
        break;
    case 1:
        pass_time(w, (int64_t)next(p) * next(p));
        break;
    case 2:
        must(w->cx, cv_yield(w->cx));
        break;
    case 3:
        change_network(c, p);
        break;
    case 4:
        c->polite = false; /* an end cancels what runs */
        cv_test_end(c->connection);
        break;
    case 5:
        close_client(w, c, next(p) % 2);
        break;
    case 6:
        send_part(c, p);
        break;
    case 7:
        send_damaged(c, p);
        break;
    case 8:
        send_raw(c, p);
        break;
    case 9:
        send_much(w, c, p);
        break;
    default:
        send_request(w, c, &requests[next(p) % REQUESTS]);
        break;
    }
}

/* ---- the end ---- */

/* It gets every answer, and then the server closes because it is idle. */
static void expect_all_answers(world *w, client *c)
{
    if (!c->connection || !c->polite)
        return;
    end_reader(w, c);
    bool ended = c->may_end && c->told_last && c->answered > 0;
    require(!c->polite || ended || c->answered == c->asked, "a polite client has not got its answers");
    cv_test_close(c->connection, false);
    c->connection = NULL;
}

/* Longer than every time limit. */
static void expect_rest(world *w)
{
    pass_time(w, 100000);
    cv_server_stats stats = cv_server_get_stats(cv_test_client_server(w->kit));
    require(stats.connections_open == 0, "a connection is left");
    require(stats.requests_active == 0, "a request is left");
    require(cv_fiber_count(w->cx) == 0, "a fiber is left");
}

static void run(world *w, program *p)
{
    unsigned mode = next(p);
    bool abrupt = mode % 2;
    w->heavy = mode >= 250;
    w->now = &w->clients[0];
    for (int step = 0; step < MAX_STEPS && p->at < p->end; step++)
        do_step(w, p);
    for (int i = 0; !abrupt && i < CLIENTS; i++)
        expect_all_answers(w, &w->clients[i]);
    if (abrupt) { /* the server goes first, in the middle of everything */
        cv_test_client_stop(w->cx, w->kit);
        require(cv_fiber_count(w->cx) <= CLIENTS, "a request outlives the server");
    }
    for (int i = 0; i < CLIENTS; i++)
        close_client(w, &w->clients[i], i % 2);
    if (!abrupt)
        expect_rest(w);
}

static cv_ctx *main_of_process;
static cv_router *router_of_process;

static void add_routes(cv_ctx *cx, cv_router *router)
{
    cv_route_group *root = cv_router_root(router);
    must(cx, cv_use(cx, root, &(cv_middleware){.name = "method", .reply = tell_method}));
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        must(cx, cv_route_group_route(cx, root, &routes[i]));
}

static void done(void)
{
    cv_router_free(router_of_process);
    cv_runtime_free(main_of_process);
}

/* One runtime serves all inputs: after each it must be as before. */
static void init(void)
{
    const cv_runtime_options options = {.simulated_clock = true, .watchdog_ms = -1};
    require(cv_runtime_new(&options, &main_of_process) == 0, "no runtime");
    router_of_process = cv_router_new();
    memset(big, 'x', sizeof big);
    add_routes(main_of_process, router_of_process);
    atexit(done);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const cv_server_options options = {.max_header_bytes = 1024, .max_headers = 10, .max_body_bytes = 300};
    if (!main_of_process)
        init();
    world w = {.cx = main_of_process};
    program p = {data, data + size};
    CV_SCOPE(w.cx)
    {
        must(w.cx, cv_test_client_new(w.cx, router_of_process, &options, &w.kit));
        run(&w, &p);
        cv_test_client_free(w.cx, w.kit);
        cv_error_clear(w.cx);
    }
    return 0;
}
