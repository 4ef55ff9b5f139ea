/* Servers in workers on one listener: real threads, blocking clients. */
#include "await.h"
#include "test.h"

#include <arpa/inet.h>
#include <covet/http.h>
#include <covet/runtime.h>
#include <covet/server.h>
#include <covet/workers.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 2, PATIENCE_MS = 20000 };

typedef struct world {
    cv_ctx *cx;
    cv_router *router;
    cv_listener *listener;
    cv_workers *workers;
    cv_server *servers[WORKERS];
    atomic_int held;
    atomic_bool open;
} world;

static int hello(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("hello"));
}

/* Holds the loop of its worker. */
static int hold(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    w->held++;
    hold_until(w->open);
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("held"));
}

static int on_start(cv_ctx *main, size_t index, void *arg)
{
    world *w = arg;
    cv_server_options options = {.listener = w->listener, .socket = index};
    return cv_server_start(main, w->router, &options, &w->servers[index]);
}

static void on_stop(cv_ctx *main, size_t index, void *arg)
{
    world *w = arg;
    cv_server_stop(main, w->servers[index]);
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_int_equal(cv_runtime_new(NULL, &w->cx), 0);
    w->router = cv_router_new();
    assert_ok(w->cx, cv_router_add(w->cx, w->router, CV_GET, "/", hello, NULL));
    assert_ok(w->cx, cv_router_add(w->cx, w->router, CV_GET, "/hold", hold, w));
    *state = w;
    return 0;
}

static void begin(world *w, cv_listener_options options)
{
    options.sockets = WORKERS;
    assert_ok(w->cx, cv_listener_open(w->cx, "127.0.0.1:0", &options, &w->listener));
    cv_workers_options workers = {.count = WORKERS, .start = on_start, .stop = on_stop, .arg = w};
    assert_ok(w->cx, cv_workers_start(w->cx, &workers, &w->workers));
}

static int tear_down(void **state)
{
    world *w = *state;
    w->open = true;
    cv_workers_stop(w->cx, w->workers);
    cv_listener_close(w->listener);
    cv_router_free(w->router);
    cv_runtime_free(w->cx);
    free(w);
    return 0;
}

static int ask(const world *w, const char *target)
{
    char request[128];
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)cv_listener_port(w->listener)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target);
    assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
    return fd;
}

/* Whether the whole reply comes within a time. */
static bool is_answered(int fd, int timeout_ms, const char *expected)
{
    char reply[4096];
    size_t len = 0;
    ssize_t got = 0;
    do {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, timeout_ms) != 1)
            return false;
        got = recv(fd, reply + len, sizeof reply - 1 - len, 0);
        len += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    reply[len] = '\0';
    return strstr(reply, expected) != NULL;
}

static void test_both_answer(void **state)
{
    world *w = *state;
    begin(w, (cv_listener_options){0});
    for (int i = 0; i < 200; i++) {
        int fd = ask(w, "/");
        assert_true(is_answered(fd, PATIENCE_MS, "hello"));
        close(fd);
    }
}

/* The kernel gives some connections to the worker that is held: they wait; the others do not. */
static void test_one_that_is_held_does_not_hold_the_other(void **state)
{
    world *w = *state;
    begin(w, (cv_listener_options){0});
    int holder = ask(w, "/hold");
    await_blocked(w->held > 0);
    int clients[64], answered = 0;
    for (int i = 0; i < 64; i++)
        clients[i] = ask(w, "/");
    struct pollfd wait[64];
    for (int i = 0; i < 64; i++)
        wait[i] = (struct pollfd){.fd = clients[i], .events = POLLIN};
    assert_true(poll(wait, 64, PATIENCE_MS) > 0);
    w->open = true;
    for (int i = 0; i < 64; i++) {
        answered += is_answered(clients[i], PATIENCE_MS, "hello");
        close(clients[i]);
    }
    assert_int_equal(answered, 64);
    assert_true(is_answered(holder, PATIENCE_MS, "held"));
    close(holder);
}

/* Whichever is answered next; it hangs up then, as its place is kept for as long as it may still send. */
static bool next_is_answered(struct pollfd *clients, size_t count)
{
    if (poll(clients, count, PATIENCE_MS) < 1)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (clients[i].fd < 0 || !clients[i].revents)
            continue;
        bool answered = is_answered(clients[i].fd, PATIENCE_MS, "hello");
        close(clients[i].fd);
        clients[i].fd = -1; /* poll() passes over it */
        return answered;
    }
    return false;
}

static void test_places_are_the_process_s(void **state)
{
    world *w = *state;
    begin(w, (cv_listener_options){.max_connections = 1});
    struct pollfd clients[16];
    for (int i = 0; i < 16; i++)
        clients[i] = (struct pollfd){.fd = ask(w, "/"), .events = POLLIN};
    for (int i = 0; i < 16; i++)
        assert_true(next_is_answered(clients, 16));
}

static void test_stopping_all_loses_nobody(void **state)
{
    world *w = *state;
    begin(w, (cv_listener_options){0});
    int clients[64];
    for (int i = 0; i < 64; i++)
        clients[i] = ask(w, "/");
    cv_workers_stop(w->cx, w->workers);
    w->workers = NULL;
    for (int i = 0; i < 64; i++) {
        assert_true(is_answered(clients[i], PATIENCE_MS, "hello"));
        close(clients[i]);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_both_answer),
        CASE(test_one_that_is_held_does_not_hold_the_other),
        CASE(test_places_are_the_process_s),
        CASE(test_stopping_all_loses_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
