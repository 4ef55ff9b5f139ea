/* What the tests of the built-in middleware share: a router, a log that is kept, and a client over the simulated
 * network. */
#ifndef COVET_TESTS_HTTP_MIDDLEWARE_TEST_H
#define COVET_TESTS_HTTP_MIDDLEWARE_TEST_H

#include "test.h"

#include "http/networks.h"
#include "http/server.h"
#include <covet/fiber.h>
#include <covet/metric.h>
#include <covet/middleware.h>
#include <covet/runtime.h>
#include <covet/testing.h>

typedef struct world {
    cv_ctx *cx;
    cv_log *log;
    cv_metrics *metrics;
    cv_router *router;
    cv_route_group *root;
    cv_test_client *client; /* NULL before world_start */
    cv__networks *trusted;
    char logged[32768];
    size_t logged_len;
} world;

static inline void world_keep(void *arg, cv_str line)
{
    world *w = arg;
    size_t room = sizeof w->logged - 1 - w->logged_len, part = line.len < room ? line.len : room;
    memcpy(w->logged + w->logged_len, line.ptr, part);
    w->logged_len += part;
    w->logged[w->logged_len] = '\0';
}

static inline int world_setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->log = cv_log_new(&(cv_log_options){.sink = world_keep, .sink_arg = w});
    w->metrics = cv_metrics_new();
    assert_true(w->log && w->metrics);
    assert_int_equal(
        cv_runtime_new(
            &(cv_runtime_options){.log = w->log, .metrics = w->metrics, .watchdog_ms = -1, .simulated_clock = true},
            &w->cx),
        0);
    w->router = cv_router_new();
    assert_non_null(w->router);
    w->root = cv_router_root(w->router);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    world *w = *state;
    cv_test_client_free(w->cx, w->client);
    cv_router_free(w->router);
    cv__networks_free(w->trusted);
    cv_runtime_free(w->cx);
    cv_log_free(w->log);
    cv_metrics_free(w->metrics);
    free(w);
    return 0;
}

static inline void world_route(world *w, unsigned methods, const char *pattern, cv_handler *handler)
{
    assert_ok(w->cx, cv_router_add(w->cx, w->router, methods, pattern, handler, w));
}

static inline void world_start(world *w, cv_server_options options)
{
    assert_ok(w->cx, cv_test_client_new(w->cx, w->router, &options, &w->client));
}

/* Believe a proxy from now on. */
static inline void world_trust(world *w, const char *network)
{
    assert_ok(w->cx, cv__networks_parse(w->cx, (const char *const[]){network, NULL}, &w->trusted));
    cv_test_client_server(w->client)->trusted = w->trusted;
}

static inline cv_test_reply world_send(world *w, cv_test_request request)
{
    cv_test_reply reply;
    assert_ok(w->cx, cv_test_send_request(w->cx, w->client, &request, &reply));
    return reply;
}

/* A GET with at most one header. */
static inline cv_test_reply world_get(world *w, const char *target, const char *name, const char *value)
{
    const cv_test_header headers[] = {{name, value}, {NULL, NULL}};
    return world_send(w, (cv_test_request){.target = target, .headers = headers});
}

static inline void expect_field(const cv_test_reply *reply, const char *name, const char *value)
{
    cv_str found = cv_test_reply_header(reply, name);
    if (!cv_str_equal(found, cv_str_of(value)))
        fail_msg("%s is \"%.*s\", not \"%s\"", name, CV_STR_ARG(found), value ? value : "absent");
}

#endif
