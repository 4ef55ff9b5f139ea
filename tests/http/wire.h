/* A connection whose peer is the test: what it reads and takes, and when, is told step by step; what the server does is
 * counted. */
#ifndef COVET_TESTS_HTTP_WIRE_H
#define COVET_TESTS_HTTP_WIRE_H

#include "http/connection.h"
#include "test.h"

#include <covet/fiber.h>
#include <covet/runtime.h>

typedef struct wire {
    cv__transport base; /* first */
    cv_ctx *cx;
    cv__timer event; /* calls `ready` from the loop */
    unsigned wanted;
    const char *in; /* not read yet */
    size_t in_len, piece;
    bool ended, was_reset;    /* by the client */
    size_t takes;             /* bytes that may be written before it blocks */
    bool shut, closed, reset; /* by the server */
    int reads, writes;
    size_t out_len;
    char out[1 << 18];
} wire;

static inline wire *wire_of(cv__transport *transport)
{
    return (wire *)transport;
}

static inline unsigned wire_events(const wire *w)
{
    unsigned readable = w->in_len || w->ended || w->was_reset ? CV__READABLE : 0u;
    unsigned writable = w->takes || w->was_reset ? CV__WRITABLE : 0u;
    return (readable | writable) & w->wanted;
}

static inline void wire_kick(wire *w)
{
    if (!w->closed && wire_events(w))
        cv__timer_start(w->cx, &w->event, cv_now_ns(w->cx));
}

static inline void wire_fire(cv__timer *timer)
{
    wire *w = cv_list_entry(timer, wire, event);
    if (w->closed) {
        w->base.closed(&w->base);
        return;
    }
    w->base.ready(&w->base, wire_events(w));
    wire_kick(w);
}

static inline ssize_t wire_read(cv__transport *transport, void *buffer, size_t size)
{
    wire *w = wire_of(transport);
    w->reads++;
    if (w->was_reset)
        return UV_ECONNRESET;
    if (!w->in_len)
        return w->ended ? 0 : UV_EAGAIN;
    size_t part = size < w->in_len ? size : w->in_len;
    part = w->piece && w->piece < part ? w->piece : part;
    memcpy(buffer, w->in, part);
    w->in += part;
    w->in_len -= part;
    return (ssize_t)part;
}

static inline ssize_t wire_write(cv__transport *transport, const struct iovec *pieces, unsigned count, bool more)
{
    (void)more;
    wire *w = wire_of(transport);
    ssize_t sent = 0;
    w->writes++;
    if (w->was_reset)
        return UV_EPIPE;
    if (!w->takes)
        return UV_EAGAIN;
    for (unsigned i = 0; i < count && w->takes; i++) {
        size_t part = pieces[i].iov_len < w->takes ? pieces[i].iov_len : w->takes;
        assert_true(w->out_len + part < sizeof w->out);
        memcpy(w->out + w->out_len, pieces[i].iov_base, part);
        w->out_len += part;
        w->takes -= part;
        sent += (ssize_t)part;
    }
    w->out[w->out_len] = '\0';
    return sent;
}

static inline void wire_want(cv__transport *transport, unsigned events)
{
    wire *w = wire_of(transport);
    w->wanted = events;
    wire_kick(w);
}

static inline void wire_shutdown(cv__transport *transport)
{
    wire_of(transport)->shut = true;
}

static inline void wire_close(cv__transport *transport, bool reset)
{
    wire *w = wire_of(transport);
    w->closed = true;
    w->reset = reset;
    cv__timer_start(w->cx, &w->event, cv_now_ns(w->cx));
}

static const cv__transport_ops wire_ops = {
    .read = wire_read, .write = wire_write, .want = wire_want, .shutdown = wire_shutdown, .close = wire_close};

/* A connection to the server on a wire that takes everything. */
static inline cv__connection *wire_open(wire *w, cv_ctx *cx, cv_server *server)
{
    memset(w, 0, sizeof *w);
    w->base.ops = &wire_ops;
    w->base.peer.address.ss_family = AF_UNIX;
    w->cx = cx;
    w->event.fire = wire_fire;
    w->takes = SIZE_MAX;
    cv__connection_open(server, &w->base);
    return w->base.owner;
}

static inline void wire_send_bytes(wire *w, const char *bytes, size_t len)
{
    assert_int_equal(w->in_len, 0);
    w->in = bytes;
    w->in_len = len;
    wire_kick(w);
}

static inline void wire_send(wire *w, const char *text)
{
    wire_send_bytes(w, text, strlen(text));
}

/* Let everything happen that can happen now; the simulated clock goes on by some milliseconds. */
static inline void wire_settle(wire *w)
{
    for (int i = 0; i < 5 || (w->in_len && w->wanted & CV__READABLE); i++)
        assert_ok(w->cx, cv_sleep_ms(w->cx, 1));
}

#endif
