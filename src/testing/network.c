#include "testing/network.h"

#include "base/ctx.h"
#include <covet/runtime.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_PORT = 40000, PORTS = 20000 };

#define DEFAULT_WINDOW_BYTES ((size_t)256 << 10)
#define MAX_UNREAD_BYTES     ((size_t)64 << 20) /* what a client may have sent and the server not read */
#define SEND_FILE_BYTES      ((size_t)64 << 10)
#define NS_PER_MS            INT64_C(1000000)

static int64_t now_of(const cv_test_connection *c)
{
    return cv_now_ns(c->network->main);
}

static int64_t delayed(const cv_test_connection *c)
{
    return now_of(c) + c->behaviour.delay_ms * NS_PER_MS;
}

static size_t window_of(const cv_test_connection *c)
{
    return c->behaviour.window_bytes ? c->behaviour.window_bytes : DEFAULT_WINDOW_BYTES;
}

/* ---- telling the server ---- */

/* As poll(2) would say it: an end or a reset is readable, and nothing that is written to a reset connection waits. */
static unsigned events_of(const cv_test_connection *c)
{
    unsigned events = 0;
    int64_t now_ns = now_of(c);
    bool arrived = cv__pipe_has_bytes(&c->up, now_ns) || cv__pipe_is_over(&c->up, now_ns);
    if (arrived && !c->behaviour.stalled)
        events |= CV__READABLE;
    if (c->down.bytes < window_of(c) || !c->client_open)
        events |= CV__WRITABLE;
    return events & c->wanted;
}

static void on_idle(uv_idle_t *idle);

static void tell_server(cv_test_connection *c)
{
    cv__network *network = c->network;
    if (cv_list_is_linked(&c->pending))
        return;
    if (!network->telling) {
        network->telling = uv_idle_start(&network->idle, on_idle) == 0;
        cv__io_begin(network->main);
    }
    cv_list_push_back(&network->pending, &c->pending);
}

/* Something has changed: whoever waits for it is told, and the timer set for what comes next. */
static void refresh(cv_test_connection *c);

static void on_arrival(cv__timer *timer)
{
    refresh(cv_list_entry(timer, cv_test_connection, timer));
}

static bool client_can_read(const cv_test_connection *c)
{
    int64_t now_ns = now_of(c);
    bool arrived = cv__pipe_has_bytes(&c->down, now_ns) || cv__pipe_is_over(&c->down, now_ns);
    return arrived && !c->behaviour.stalled;
}

static void set_timer(cv_test_connection *c)
{
    int64_t now_ns = now_of(c), up_ns = cv__pipe_next_ns(&c->up), down_ns = cv__pipe_next_ns(&c->down);
    int64_t next_ns = INT64_MAX;
    if (up_ns > now_ns)
        next_ns = up_ns;
    if (down_ns > now_ns && down_ns < next_ns)
        next_ns = down_ns;
    cv__timer_stop(c->network->main, &c->timer);
    if (next_ns != INT64_MAX && !c->behaviour.stalled)
        cv__timer_start(c->network->main, &c->timer, next_ns);
}

static void refresh(cv_test_connection *c)
{
    if (c->reader && client_can_read(c))
        cv__wake(c->reader, 0);
    if (c->server_open && events_of(c))
        tell_server(c);
    set_timer(c);
}

static void unref(cv_test_connection *c);

static void tell(cv_test_connection *c)
{
    if (!c->server_open) {
        c->transport.closed(&c->transport);
        unref(c);
        return;
    }
    unsigned events = events_of(c);
    c->piece_taken = false;
    if (!events)
        return;
    c->transport.ready(&c->transport, events);
    if (c->server_open)
        refresh(c); /* events last while they hold; a close is told by itself */
}

/* Those who come meanwhile have their turn in the next one. */
static void on_idle(uv_idle_t *idle)
{
    cv__network *network = idle->data;
    cv_link now;
    cv_list_init(&now);
    cv_list_insert_before(network->pending.next, &now);
    cv_list_remove(&network->pending);
    network->holders++;
    cv_link *link;
    while ((link = cv_list_pop_front(&now)))
        tell(cv_list_entry(link, cv_test_connection, pending));
    if (cv_list_is_empty(&network->pending)) {
        network->telling = false;
        uv_idle_stop(idle);
        cv__io_end(network->main);
    }
    cv__network_unref(network);
}

/* ---- the server's side ---- */

static cv_test_connection *of(cv__transport *transport)
{
    return cv_list_entry(transport, cv_test_connection, transport);
}

static ssize_t op_read(cv__transport *transport, void *buffer, size_t size)
{
    cv_test_connection *c = of(transport);
    bool in_pieces = c->behaviour.piece_bytes > 0;
    if (c->behaviour.stalled || (in_pieces && c->piece_taken))
        return UV_EAGAIN;
    size_t taken = cv__pipe_take(&c->up, buffer, size, in_pieces, now_of(c));
    if (taken) {
        c->piece_taken = true;
        return (ssize_t)taken;
    }
    switch (cv__pipe_is_over(&c->up, now_of(c))) {
    case CV__PIPE_ENDED:
        return 0;
    case CV__PIPE_RESET:
        return UV_ECONNRESET;
    case CV__PIPE_OPEN:
        break;
    }
    return UV_EAGAIN;
}

static ssize_t send_bytes(cv_test_connection *c, const void *bytes, size_t len)
{
    size_t window = window_of(c);
    if (!c->client_open || cv__pipe_is_over(&c->up, now_of(c)) == CV__PIPE_RESET)
        return UV_EPIPE;
    if (c->down.bytes >= window)
        return UV_EAGAIN;
    size_t part = len < window - c->down.bytes ? len : window - c->down.bytes;
    if (cv__pipe_put(&c->down, bytes, part, delayed(c)) < 0)
        return UV_ENOMEM;
    return (ssize_t)part;
}

static ssize_t op_write(cv__transport *transport, const struct iovec *pieces, unsigned count, bool more)
{
    (void)more;
    cv_test_connection *c = of(transport);
    ssize_t sent = 0;
    for (unsigned i = 0; i < count; i++) {
        ssize_t part = pieces[i].iov_len ? send_bytes(c, pieces[i].iov_base, pieces[i].iov_len) : 0;
        if (part < 0 && !sent)
            return part;
        sent += part > 0 ? part : 0;
        if (part < (ssize_t)pieces[i].iov_len)
            break;
    }
    refresh(c);
    return sent;
}

static ssize_t op_send_file(cv__transport *transport, int fd, uint64_t offset, size_t len)
{
    cv_test_connection *c = of(transport);
    size_t room = window_of(c) > c->down.bytes ? window_of(c) - c->down.bytes : 0;
    size_t part = len < room ? len : room;
    part = part < SEND_FILE_BYTES ? part : SEND_FILE_BYTES;
    if (!part)
        return UV_EAGAIN;
    char *bytes = malloc(part);
    if (!bytes)
        return UV_ENOMEM;
    ssize_t sent = pread(fd, bytes, part, (off_t)offset);
    sent = sent < 0 ? uv_translate_sys_error(errno) : sent;
    if (sent > 0)
        sent = send_bytes(c, bytes, (size_t)sent);
    free(bytes);
    refresh(c);
    return sent;
}

static size_t op_untaken(cv__transport *transport)
{
    return of(transport)->down.bytes;
}

static void op_want(cv__transport *transport, unsigned events)
{
    cv_test_connection *c = of(transport);
    c->wanted = events;
    refresh(c);
}

static void op_shutdown(cv__transport *transport)
{
    cv_test_connection *c = of(transport);
    cv__pipe_close(&c->down, CV__PIPE_ENDED, delayed(c));
    refresh(c);
}

/* A system that closes a socket with unread bytes sends a reset, and the peer may lose what it has not read (RFC 9112
 * 9.6). Here it always does, so that a reply that is lost this way is missed by a test. */
static void reset_by_server(cv_test_connection *c, bool erase)
{
    if (erase)
        cv__pipe_erase(&c->down);
    cv__pipe_close(&c->down, CV__PIPE_RESET, delayed(c));
}

static void op_close(cv__transport *transport, bool reset)
{
    cv_test_connection *c = of(transport);
    if (!c->server_open)
        return;
    c->server_open = false;
    c->wanted = 0;
    if (reset || c->up.bytes)
        reset_by_server(c, !reset);
    else
        cv__pipe_close(&c->down, CV__PIPE_ENDED, delayed(c));
    tell_server(c);
    refresh(c);
}

static const cv__transport_ops simulated_ops = {
    .read = op_read,
    .write = op_write,
    .send_file = op_send_file,
    .untaken = op_untaken,
    .want = op_want,
    .shutdown = op_shutdown,
    .close = op_close,
};

/* ---- life ---- */

int cv__network_new(cv_ctx *cx, cv__network **ret_network)
{
    cv__network *network = calloc(1, sizeof *network);
    if (!network)
        return cv_fail(cx, CV_E_NOMEM, "could not make a simulated network: out of memory");
    network->main = cv__main_ctx(cx);
    network->holders = 1;
    cv_list_init(&network->pending);
    cv_list_init(&network->all);
    uv_idle_init(cv__loop(cx), &network->idle);
    network->idle.data = network;
    *ret_network = network;
    return 0;
}

static void on_network_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void cv__network_unref(cv__network *network)
{
    if (--network->holders == 0)
        uv_close((uv_handle_t *)&network->idle, on_network_closed);
}

static void unref(cv_test_connection *c)
{
    if (c->server_open || cv_list_is_linked(&c->pending) || c->client_open)
        return;
    cv__network *network = c->network;
    cv__timer_stop(network->main, &c->timer);
    cv__pipe_done(&c->up);
    cv__pipe_done(&c->down);
    cv_buf_done(&c->input);
    free(c);
    cv__network_unref(network);
}

static int take_peer(cv_ctx *cx, const char *text, int port, struct sockaddr_storage *ret_address)
{
    const char *name = text ? text : "127.0.0.1";
    *ret_address = (struct sockaddr_storage){.ss_family = AF_UNIX};
    if (strcmp(name, "unix") == 0 || uv_ip4_addr(name, port, (struct sockaddr_in *)ret_address) == 0 ||
        uv_ip6_addr(name, port, (struct sockaddr_in6 *)ret_address) == 0)
        return 0;
    return cv_fail(cx, CV_E_INVALID, "cannot connect from \"%s\": it is no IPv4 or IPv6 address and not \"unix\"",
                   name);
}

int cv__network_connect(cv_ctx *cx, cv__network *network, const char *peer, cv_test_connection **ret_connection)
{
    struct sockaddr_storage address;
    CV_TRY(take_peer(cx, peer, FIRST_PORT + (int)(network->opened++ % PORTS), &address));
    cv_test_connection *c = calloc(1, sizeof *c);
    if (!c)
        return cv_fail(cx, CV_E_NOMEM, "could not connect: out of memory");
    c->transport.ops = &simulated_ops;
    c->transport.peer.address = address;
    c->timer.fire = on_arrival;
    c->network = network;
    network->holders++;
    c->server_open = c->client_open = true;
    cv_list_init(&c->pending);
    cv_list_push_back(&network->all, &c->all);
    cv__pipe_init(&c->up);
    cv__pipe_init(&c->down);
    cv_buf_init(&c->input, 0);
    *ret_connection = c;
    return 0;
}

/* ---- the client's side ---- */

void cv_test_network_set(cv_test_connection *c, const cv_test_network *behaviour)
{
    c->behaviour = behaviour ? *behaviour : (cv_test_network){0};
    refresh(c);
}

/* Pieces that are delayed come one after the other: a client that sends slowly. */
static int put_pieces(cv_test_connection *c, cv_str bytes)
{
    size_t piece = c->behaviour.piece_bytes ? c->behaviour.piece_bytes : bytes.len;
    int64_t pause_ns = c->behaviour.piece_bytes ? c->behaviour.delay_ms * NS_PER_MS : 0;
    int64_t at_ns = delayed(c);
    if (pause_ns && c->up.last_ns + pause_ns > at_ns)
        at_ns = c->up.last_ns + pause_ns;
    for (size_t at = 0; at < bytes.len; at += piece, at_ns += pause_ns)
        CV_TRY(cv__pipe_put(&c->up, bytes.ptr + at, piece < bytes.len - at ? piece : bytes.len - at, at_ns));
    return 0;
}

int cv_test_write(cv_test_connection *c, cv_str bytes)
{
    if (c->up.end)
        return CV_E_STATE;
    if (c->down.end == CV__PIPE_RESET)
        return CV_E_CONNECTION_LOST;
    if (bytes.len > MAX_UNREAD_BYTES - c->up.bytes)
        return CV_E_LIMIT;
    if (!c->server_open) {
        reset_by_server(c, true);
        refresh(c);
        return 0;
    }
    int rc = put_pieces(c, bytes);
    refresh(c);
    return rc;
}

size_t cv_test_untaken(const cv_test_connection *c)
{
    return c->up.bytes;
}

void cv_test_end(cv_test_connection *c)
{
    cv__pipe_close(&c->up, CV__PIPE_ENDED, delayed(c));
    refresh(c);
}

void cv_test_close(cv_test_connection *c, bool reset)
{
    if (!c)
        return;
    cv__pipe_close(&c->up, reset || c->down.bytes ? CV__PIPE_RESET : CV__PIPE_ENDED, delayed(c));
    c->client_open = false;
    cv__pipe_erase(&c->down);
    cv_list_remove(&c->all);
    refresh(c);
    unref(c);
}

static int wait_for_bytes(cv_ctx *cx, cv_test_connection *c)
{
    cv__waiter waiter;
    if (c->reader)
        return cv_fail(cx, CV_E_STATE, "cannot read: another fiber reads from the connection");
    cv__waiter_init(cx, &waiter);
    waiter.what = "read from the server";
    c->reader = &waiter;
    int rc = cv__wait(cx, &waiter);
    c->reader = NULL;
    return rc;
}

ssize_t cv__network_receive(cv_ctx *cx, cv_test_connection *c, void *buffer, size_t size)
{
    while (!client_can_read(c))
        CV_TRY(wait_for_bytes(cx, c));
    size_t taken = cv__pipe_take(&c->down, buffer, size, false, now_of(c));
    if (taken) {
        refresh(c);
        return (ssize_t)taken;
    }
    if (cv__pipe_is_over(&c->down, now_of(c)) == CV__PIPE_RESET)
        return cv_fail(cx, CV_E_CONNECTION_LOST, "could not read: the server has reset the connection");
    return 0;
}

int cv_test_read(cv_ctx *cx, cv_test_connection *connection, void *buffer, size_t size, size_t *ret_len)
{
    size_t kept = connection->input.len < size ? connection->input.len : size;
    if (kept) { /* what the last reply did not need */
        memcpy(buffer, connection->input.data, kept);
        cv_buf_consume(&connection->input, kept);
        *ret_len = kept;
        return 0;
    }
    ssize_t got = cv__network_receive(cx, connection, buffer, size);
    if (got < 0)
        return (int)got;
    *ret_len = (size_t)got;
    return 0;
}
