/* What happens between reading and writing: batches, order, and what a plain request costs. */
#include "await.h"
#include "wire.h"

#include <covet/sync.h>
#include <stdlib.h>

/* Every allocation of the program is counted. The sanitizers bring an allocator of their own. */
static size_t allocations;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
#define COUNTS_ALLOCATIONS 1
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    allocations++;
    return __libc_realloc(memory, size);
}
#endif

typedef struct world {
    cv_ctx *cx;
    cv_router *router;
    cv_server *server;
    wire wire;
    cv__connection *connection;
    cv_cond gate;
    bool is_open;
    int inside, error, turns;
    int seen[4]; /* turns of another fiber, when a handler began */
} world;

static int echo_query(cv_ctx *cx, cv_request *req, cv_response *res)
{
    return cv_reply_text(cx, res, 200, "text/plain", cv_request_query(req));
}

static int wait_gate(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    w->inside++;
    while (!w->is_open && w->error == 0)
        w->error = cv_cond_wait(cx, &w->gate, NULL);
    CV_TRY(w->error);
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("waited"));
}

/* The given number of bytes. */
static int large(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int64_t len;
    CV_TRY(cv_query_i64(req, "len", 0, 0, 1 << 20, &len));
    char *text = cv_alloc(cx, (size_t)len + 1);
    if (!text)
        return CV_E_NOMEM;
    memset(text, 'x', (size_t)len);
    return cv_reply_text(cx, res, 200, NULL, cv_str_make(text, (size_t)len));
}

static int streams(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, NULL, -1));
    for (int i = 0; i < 5; i++)
        CV_TRY(cv_stream_write(cx, res, "piece", 5));
    CV_TRY(cv_stream_flush(cx, res));
    CV_TRY(cv_stream_write(cx, res, "last", 4));
    return cv_stream_end(cx, res);
}

static int breaks_off(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, NULL, -1));
    return cv_fail(cx, CV_E_DB, "it broke");
}

/* Computes for 3 ms. */
static int computes(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    w->seen[w->inside++] = w->turns;
    int64_t start_ns = cv_now_ns(cx);
    while (cv_now_ns(cx) - start_ns < 3000000)
        ;
    return cv_reply_empty(cx, res, 204);
}

static void add(world *w, const char *pattern, cv_handler *handler)
{
    assert_ok(w->cx, cv_router_add(w->cx, w->router, CV_GET | CV_POST, pattern, handler, w));
}

static int setup_with(void **state, bool simulated)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    const cv_runtime_options options = {.simulated_clock = simulated, .watchdog_ms = -1, .max_fibers = 4};
    assert_int_equal(cv_runtime_new(&options, &w->cx), 0);
    w->router = cv_router_new();
    assert_non_null(w->router);
    cv_cond_init(&w->gate);
    add(w, "/", echo_query);
    add(w, "/wait", wait_gate);
    add(w, "/large", large);
    add(w, "/streams", streams);
    add(w, "/breaks", breaks_off);
    add(w, "/computes", computes);
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
    w->is_open = true;
    cv_cond_broadcast(&w->gate);
    cv_server_stop(w->cx, w->server);
    cv_router_free(w->router);
    cv_runtime_free(w->cx);
    free(w);
    return 0;
}

static void start(world *w, cv_server_options options)
{
    assert_ok(w->cx, cv__server_new(w->cx, w->router, &options, &w->server));
    w->connection = wire_open(&w->wire, w->cx, w->server);
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        found++;
    return found;
}

/* All of these parts are there, one behind the other. */
static void expect_in_order(const world *w, const char *const *parts, size_t n)
{
    const char *at = w->wire.out;
    for (size_t i = 0; i < n; i++) {
        const char *found = strstr(at, parts[i]);
        if (!found)
            fail_msg("\"%s\" is not at its place in: %s", parts[i], w->wire.out);
        at = found + strlen(parts[i]);
    }
}
#define EXPECT_IN_ORDER(w, ...)                                                                                        \
    expect_in_order((w), (const char *const[]){__VA_ARGS__},                                                           \
                    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void requests_that_came_together_are_answered_by_one_write(void **state)
{
    world *w = *state;
    char text[4096] = "";
    start(w, (cv_server_options){0});
    for (int i = 0; i < 16; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "GET /?n=%02d HTTP/1.1\r\nHost: a\r\n\r\n", i);
    wire_send(&w->wire, text);
    wire_settle(&w->wire);
    assert_int_equal(w->wire.writes, 1);
    assert_int_equal(w->wire.reads, 1);
    EXPECT_IN_ORDER(w, "n=00", "n=01", "n=02", "n=07", "n=14", "n=15");
    assert_int_equal(count(w->wire.out, "HTTP/1.1 200 OK\r\n"), 16);
    assert_int_equal(cv_server_get_stats(w->server).requests_total, 16);
    assert_int_equal(cv_server_get_stats(w->server).requests_active, 0);
}

static void a_handler_that_waits_holds_back_those_behind_it_and_none_before(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    wire_send(&w->wire, GET("/?1") GET("/?2") GET("/wait") GET("/?3") GET("/?4"));
    wire_settle(&w->wire);
    EXPECT_IN_ORDER(w, "\r\n\r\n1", "\r\n\r\n2");
    assert_int_equal(count(w->wire.out, "HTTP/1.1"), 2);
    assert_int_equal(w->wire.writes, 1);
    assert_int_equal(cv_server_get_stats(w->server).requests_total, 3);
    w->is_open = true;
    cv_cond_broadcast(&w->gate);
    wire_settle(&w->wire);
    EXPECT_IN_ORDER(w, "\r\n\r\n1", "\r\n\r\n2", "waited", "\r\n\r\n3", "\r\n\r\n4");
    assert_int_equal(w->wire.writes, 2);
}

static void what_comes_while_a_handler_waits_is_answered_after_it(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    wire_send(&w->wire, GET("/wait") "GET /?2 HT");
    wire_settle(&w->wire);
    wire_send(&w->wire, "TP/1.1\r\nHost: a\r\n\r\n" GET("/?3"));
    wire_settle(&w->wire);
    assert_int_equal(w->wire.out_len, 0);
    w->is_open = true;
    cv_cond_broadcast(&w->gate);
    wire_settle(&w->wire);
    EXPECT_IN_ORDER(w, "waited", "\r\n\r\n2", "\r\n\r\n3");
}

static void more_than_a_buffer_of_requests_keeps_its_order(void **state)
{
    static const size_t pieces[] = {0, 1, 7, 8191};
    world *w = *state;
    enum { REQUESTS = 600 };
    char *text = malloc(REQUESTS * 64), number[32];
    assert_non_null(text);
    text[0] = '\0';
    for (int i = 0; i < REQUESTS; i++)
        snprintf(text + strlen(text), 64, "GET /?n=%d. HTTP/1.1\r\nHost: a\r\n\r\n", i);
    cv_server_options options = {0};
    assert_ok(w->cx, cv__server_new(w->cx, w->router, &options, &w->server));
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        wire_open(&w->wire, w->cx, w->server);
        w->wire.piece = pieces[i];
        wire_send(&w->wire, text);
        wire_settle(&w->wire);
        const char *at = w->wire.out;
        for (int n = 0; n < REQUESTS; n++) {
            snprintf(number, sizeof number, "\r\n\r\nn=%d.", n);
            at = strstr(at, number);
            assert_non_null(at);
        }
        w->wire.ended = true;
        wire_kick(&w->wire);
        wire_settle(&w->wire);
        assert_true(w->wire.closed);
    }
    free(text);
}

static void a_peer_that_takes_nothing_for_a_while_gets_everything_in_order(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    w->wire.takes = 100;
    wire_send(&w->wire, GET("/?1") GET("/?2") GET("/large?len=20000") GET("/?3") GET("/wait") GET("/?4"));
    wire_settle(&w->wire);
    assert_int_equal(w->wire.out_len, 100);
    assert_int_equal(w->inside, 0); /* what is not taken holds back what would follow */
    for (int i = 0; i < 100 && !w->inside; i++) {
        w->wire.takes = 1000;
        wire_kick(&w->wire);
        wire_settle(&w->wire);
    }
    assert_int_equal(w->inside, 1);
    w->is_open = true;
    cv_cond_broadcast(&w->gate);
    w->wire.takes = SIZE_MAX;
    wire_kick(&w->wire);
    wire_settle(&w->wire);
    EXPECT_IN_ORDER(w, "\r\n\r\n1", "\r\n\r\n2", "xxxxx", "\r\n\r\n3", "waited", "\r\n\r\n4");
    assert_int_equal(count(w->wire.out, "HTTP/1.1 200 OK\r\n"), 6);
}

static void replies_that_wait_for_the_peer_hold_no_fiber(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    w->wire.takes = 10;
    wire_send(&w->wire, GET("/?1") GET("/?2"));
    wire_settle(&w->wire);
    assert_int_equal(w->connection->state, CV__CONNECTION_WRITING);
    assert_int_equal(cv_fiber_count(w->cx), 0);
    assert_int_equal(w->wire.wanted, CV__WRITABLE); /* nothing more is read either */
    w->wire.takes = SIZE_MAX;
    wire_kick(&w->wire);
    wire_send(&w->wire, GET("/?3"));
    wire_settle(&w->wire);
    EXPECT_IN_ORDER(w, "\r\n\r\n1", "\r\n\r\n2", "\r\n\r\n3");
    assert_int_equal(w->connection->state, CV__CONNECTION_IDLE);
}

static void a_bad_request_in_the_middle_ends_the_batch_after_the_good_ones(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    wire_send(&w->wire, GET("/?1") GET("/?2") "GET / HTTP/1.1\r\n\r\n" GET("/?3"));
    wire_settle(&w->wire);
    EXPECT_IN_ORDER(w, "\r\n\r\n1", "\r\n\r\n2", "HTTP/1.1 400 ", "Connection: close", "Host header is missing");
    assert_int_equal(count(w->wire.out, "HTTP/1.1 "), 3);
    assert_true(w->wire.shut);
    assert_false(w->wire.closed);
    w->wire.ended = true;
    wire_kick(&w->wire);
    wire_settle(&w->wire);
    assert_true(w->wire.closed && !w->wire.reset);
}

static void the_refusal_waits_for_its_turn_when_the_peer_is_slow(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    w->wire.takes = 50;
    wire_send(&w->wire, GET("/?1") "BAD\r\n\r\n");
    wire_settle(&w->wire);
    assert_false(w->wire.shut);
    w->wire.takes = SIZE_MAX;
    wire_kick(&w->wire);
    wire_settle(&w->wire);
    EXPECT_IN_ORDER(w, "\r\n\r\n1", "HTTP/1.1 400 ");
    assert_true(w->wire.shut);
}

static void a_close_in_the_middle_of_a_batch_ends_it(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    wire_send(&w->wire, GET("/?1") "GET /?2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/?3"));
    wire_settle(&w->wire);
    EXPECT_IN_ORDER(w, "\r\n\r\n1", "Connection: close\r\n\r\n2");
    assert_int_equal(count(w->wire.out, "HTTP/1.1 "), 2);
    assert_true(w->wire.shut);
}

static void a_broken_stream_in_a_batch_resets_after_the_replies_before_it(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    wire_send(&w->wire, GET("/?1") GET("/breaks") GET("/?3"));
    wire_settle(&w->wire);
    assert_true(w->wire.closed && w->wire.reset);
    assert_int_equal(count(w->wire.out, "\r\n\r\n3"), 0);
    w->connection = NULL;
}

static void a_client_that_leaves_in_the_middle_of_a_batch_cancels_the_request(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    wire_send(&w->wire, GET("/?1") GET("/wait") GET("/wait"));
    wire_settle(&w->wire);
    assert_int_equal(w->inside, 1);
    w->wire.ended = true;
    wire_kick(&w->wire);
    wire_settle(&w->wire);
    assert_int_equal(w->error, CV_E_CANCELLED);
    assert_true(w->wire.closed);
    assert_int_equal(cv_fiber_count(w->cx), 0);
    assert_int_equal(cv_server_get_stats(w->server).connections_open, 0);
}

static void a_reset_in_the_middle_of_a_batch_cancels_the_request(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    wire_send(&w->wire, GET("/?1") GET("/wait") GET("/?3"));
    wire_settle(&w->wire);
    w->wire.was_reset = true;
    wire_kick(&w->wire);
    wire_settle(&w->wire);
    assert_int_equal(w->error, CV_E_CANCELLED);
    assert_true(w->wire.closed);
    assert_int_equal(count(w->wire.out, "\r\n\r\n3"), 0);
    assert_int_equal(cv_fiber_count(w->cx), 0);
}

static void a_reset_that_shows_when_the_batch_is_written_cancels_the_request(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    wire_send(&w->wire, GET("/?1") GET("/wait"));
    w->wire.was_reset = false;
    w->wire.takes = 0; /* the reply before the wait cannot leave ... */
    wire_settle(&w->wire);
    assert_int_equal(w->inside, 1);
    assert_true(w->connection->pending_len > 0);
    w->wire.was_reset = true; /* ... and never will */
    wire_kick(&w->wire);
    wire_settle(&w->wire);
    assert_int_equal(w->error, CV_E_CANCELLED);
    assert_int_equal(cv_server_get_stats(w->server).connections_open, 0);
}

static void a_connection_carries_so_many_requests(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){.max_requests_per_connection = 3});
    wire_send(&w->wire, GET("/?1") GET("/?2") GET("/?3") GET("/?4"));
    wire_settle(&w->wire);
    EXPECT_IN_ORDER(w, "\r\n\r\n1", "\r\n\r\n2", "Connection: close\r\n\r\n3");
    assert_int_equal(count(w->wire.out, "HTTP/1.1 "), 3);
    assert_true(w->wire.shut);
}

static void pieces_of_a_stream_leave_together_and_a_flush_sends_them(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    wire_send(&w->wire, GET("/streams") GET("/?2"));
    wire_settle(&w->wire);
    assert_int_equal(w->wire.writes, 2);
    EXPECT_IN_ORDER(w, "chunked", "5\r\npiece\r\n5\r\npiece", "4\r\nlast\r\n0\r\n\r\n", "\r\n\r\n2");
}

static int count_turns(cv_ctx *cx, void *arg)
{
    world *w = arg;
    while (w->turns >= 0) {
        w->turns++;
        CV_TRY(cv_yield(cx));
    }
    return 0;
}

static void a_long_batch_lets_others_run(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    assert_ok(w->cx, cv_spawn(w->cx, "other", count_turns, w, NULL));
    wire_send(&w->wire, GET("/computes") GET("/computes") GET("/computes") GET("/computes"));
    await_turns(w->cx, count(w->wire.out, "HTTP/1.1 204") == 4);
    for (int i = 1; i < 4; i++)
        assert_true(w->seen[i] > w->seen[i - 1]);
    w->turns = -1;
    wire_settle(&w->wire);
}

static void without_a_free_fiber_the_client_is_told(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    static wire others[4];
    for (int i = 0; i < 4; i++) {
        wire_open(&others[i], w->cx, w->server);
        wire_send(&others[i], GET("/wait"));
    }
    wire_settle(&w->wire);
    assert_int_equal(w->inside, 4);
    wire_send(&w->wire, GET("/?1"));
    wire_settle(&w->wire);
    EXPECT_IN_ORDER(w, "HTTP/1.1 503 ", "Connection: close", "the server is busy");
    w->is_open = true;
    cv_cond_broadcast(&w->gate);
    wire_settle(&w->wire);
    cv_server_stop(w->cx, w->server);
    w->server = NULL;
}

static void a_plain_request_takes_no_memory(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    const char *text = GET("/?1") GET("/?2") GET("/?3");
    wire_send(&w->wire, text);
    wire_settle(&w->wire);
    size_t before = allocations;
    for (int i = 0; i < 100; i++) {
        w->wire.out_len = 0;
        wire_send(&w->wire, text);
        wire_settle(&w->wire);
    }
    EXPECT_IN_ORDER(w, "\r\n\r\n1", "\r\n\r\n2", "\r\n\r\n3");
#ifdef COUNTS_ALLOCATIONS
    assert_int_equal(allocations - before, 0);
#else
    assert_int_equal(before, 0);
#endif
}

static void an_idle_connection_is_small(void **state)
{
    world *w = *state;
    start(w, (cv_server_options){0});
    wire_send(&w->wire, GET("/?1"));
    wire_settle(&w->wire);
    assert_null(w->connection->parser.data);
    assert_null(w->connection->parser.headers);
    assert_null(w->connection->pending);
    assert_int_equal(cv_fiber_count(w->cx), 0);
    assert_true(sizeof *w->connection <= 1024);
    assert_int_equal(cv_server_get_stats(w->server).connections_idle, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(requests_that_came_together_are_answered_by_one_write),
        CASE(a_handler_that_waits_holds_back_those_behind_it_and_none_before),
        CASE(what_comes_while_a_handler_waits_is_answered_after_it),
        CASE(more_than_a_buffer_of_requests_keeps_its_order),
        CASE(a_peer_that_takes_nothing_for_a_while_gets_everything_in_order),
        CASE(replies_that_wait_for_the_peer_hold_no_fiber),
        CASE(a_bad_request_in_the_middle_ends_the_batch_after_the_good_ones),
        CASE(the_refusal_waits_for_its_turn_when_the_peer_is_slow),
        CASE(a_close_in_the_middle_of_a_batch_ends_it),
        CASE(a_broken_stream_in_a_batch_resets_after_the_replies_before_it),
        CASE(a_client_that_leaves_in_the_middle_of_a_batch_cancels_the_request),
        CASE(a_reset_in_the_middle_of_a_batch_cancels_the_request),
        CASE(a_reset_that_shows_when_the_batch_is_written_cancels_the_request),
        CASE(a_connection_carries_so_many_requests),
        CASE(pieces_of_a_stream_leave_together_and_a_flush_sends_them),
        cmocka_unit_test_setup_teardown(a_long_batch_lets_others_run, setup_real_clock, teardown),
        CASE(without_a_free_fiber_the_client_is_told),
        CASE(a_plain_request_takes_no_memory),
        CASE(an_idle_connection_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
