/* What the tests of the simulated network share: a runtime on a simulated clock, and the server's side of one
 * connection in the hands of the test. */
#ifndef COVET_TESTS_TESTING_NETWORK_TEST_H
#define COVET_TESTS_TESTING_NETWORK_TEST_H

#include "test.h"

#include "testing/network.h"
#include "testing/reply.h"
#include <covet/fiber.h>
#include <covet/runtime.h>

typedef struct wire {
    cv_ctx *cx;
    cv__network *network;
    cv_test_connection *client;
    cv__transport *server;
    unsigned calls;     /* of `ready` */
    unsigned events;    /* of the last one */
    bool reads, closed; /* reads whatever comes */
    char got[8192];
    size_t got_len;
    ssize_t last; /* what the last read returned */
} wire;

static inline void wire_read(wire *w)
{
    while ((w->last = w->server->ops->read(w->server, w->got + w->got_len, sizeof w->got - w->got_len)) > 0)
        w->got_len += (size_t)w->last;
    if (w->last != UV_EAGAIN)
        w->server->ops->want(w->server, 0);
}

static inline void wire_ready(cv__transport *transport, unsigned events)
{
    wire *w = transport->owner;
    w->calls++;
    w->events = events;
    if (w->reads && events & CV__READABLE)
        wire_read(w);
    else
        transport->ops->want(transport, 0);
}

static inline void wire_closed(cv__transport *transport)
{
    wire *w = transport->owner;
    assert_false(w->closed);
    w->closed = true;
    w->server = NULL;
}

static inline int wire_setup(void **state)
{
    wire *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = true, .watchdog_ms = -1}, &w->cx), 0);
    assert_ok(w->cx, cv__network_new(w->cx, &w->network));
    assert_ok(w->cx, cv__network_connect(w->cx, w->network, NULL, &w->client));
    w->server = &w->client->transport;
    w->server->ready = wire_ready;
    w->server->closed = wire_closed;
    w->server->owner = w;
    w->reads = true;
    *state = w;
    return 0;
}

/* Let the loop go around until everything that is ready was told. */
static inline void wire_settle(wire *w)
{
    for (int i = 0; i < 20; i++)
        assert_ok(w->cx, cv_yield(w->cx));
}

static inline void wire_hang_up(wire *w)
{
    cv_test_close(w->client, false);
    w->client = NULL;
}

static inline int wire_teardown(void **state)
{
    wire *w = *state;
    if (w->client)
        wire_hang_up(w);
    if (w->server)
        w->server->ops->close(w->server, false);
    wire_settle(w);
    assert_true(w->closed);
    cv__network_unref(w->network);
    cv_runtime_free(w->cx);
    free(w);
    return 0;
}

static inline ssize_t wire_write(wire *w, cv_str bytes)
{
    struct iovec piece = {(void *)(uintptr_t)bytes.ptr, bytes.len};
    return w->server->ops->write(w->server, &piece, 1, false);
}

static inline void wire_say(wire *w, const char *text)
{
    assert_int_equal(wire_write(w, cv_str_of(text)), strlen(text));
}

static inline int64_t wire_ms(wire *w, int64_t start_ns)
{
    return (cv_now_ns(w->cx) - start_ns) / 1000000;
}

#define wire_test(name) cmocka_unit_test_setup_teardown(name, wire_setup, wire_teardown)

#endif
