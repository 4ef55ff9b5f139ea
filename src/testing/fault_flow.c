/* What passes through a connection of the fault proxy.
 *
 * A flow reads what there is, judges each message at the beginning of what it has not judged yet, and writes everything
 * that goes on at once. Of a message that is larger than the buffer only the beginning is judged; the rest follows.
 *
 *     buffer:  | passed: goes on with the next write | not yet judged, or incomplete |
 *
 * A connection ends when one side closes, a rule says so, or the proxy ends; whoever finds out sets `end` and wakes
 * everybody. */
#include "testing/fault_proxy.h"

#include "base/ctx.h"
#include <covet/runtime.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TURNS_PER_S = 100, LINGER_MS = 1000 };

#define NS_PER_MS INT64_C(1000000)

/* ---- sockets ---- */

static void on_events(uv_poll_t *handle, int status, int events);

/* What it is started for beyond what is waited for is stopped when it comes. */
static void listen_for(cv__fault_socket *socket, bool exactly)
{
    int wanted = (socket->reader ? socket->reader_events : 0) | (socket->writer ? UV_WRITABLE : 0);
    if (wanted == socket->started || (!exactly && (wanted & ~socket->started) == 0))
        return;
    socket->started = wanted;
    if (wanted)
        (void)uv_poll_start(&socket->poll, wanted, on_events);
    else
        (void)uv_poll_stop(&socket->poll);
}

static void wake(cv__waiter *waiter)
{
    if (waiter)
        cv__wake(waiter, 0);
}

static void on_events(uv_poll_t *handle, int status, int events)
{
    cv__fault_socket *socket = handle->data;
    if (status < 0) /* in error: the next call says how */
        events = UV_READABLE | UV_WRITABLE | UV_DISCONNECT;
    if (events & UV_DISCONNECT)
        socket->gone = true;
    cv__waiter *reader = socket->reader, *writer = socket->writer;
    if (reader && (events & socket->reader_events)) {
        socket->reader = NULL;
        wake(reader);
    }
    if (writer && (events & UV_WRITABLE)) {
        socket->writer = NULL;
        wake(writer);
    }
    if (socket->reader == reader && socket->writer == writer)
        listen_for(socket, true);
}

static int open_socket(cv_ctx *cx, cv__fault_conn *conn, cv__fault_socket *socket, int fd)
{
    int rc = uv_poll_init(cv__loop(cx), &socket->poll, fd);
    if (rc < 0) {
        close(fd);
        return cv__fail_uv(cx, rc, "wait for a connection");
    }
    socket->conn = conn;
    socket->fd = fd;
    socket->poll.data = socket;
    conn->handles++;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    cv__fault_socket *socket = handle->data;
    if (--socket->conn->handles == 0)
        free(socket->conn);
}

static void close_socket(cv__fault_socket *socket)
{
    if (!socket->conn)
        return;
    if (socket->conn->end == CV__FAULT_WAS_RESET)
        (void)setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    uv_close((uv_handle_t *)&socket->poll, on_closed);
    close(socket->fd);
}

/* ---- waiting ---- */

static void end_connection(cv__fault_conn *conn, cv__fault_end end)
{
    if (conn->end == CV__FAULT_OPEN)
        conn->end = end;
    wake(conn->up.pause);
    wake(conn->down.pause);
    wake(conn->client.reader);
    wake(conn->client.writer);
    wake(conn->server.reader);
    wake(conn->server.writer);
}

/* CV_E_CLOSED when the connection has ended. */
static int finish_wait(cv_ctx *cx, cv__fault_conn *conn, cv__waiter *waiter)
{
    if (conn->end != CV__FAULT_OPEN)
        return CV_E_CLOSED; /* nobody would wake it */
    cv__io_begin(cx);
    int rc = cv__wait(cx, waiter);
    cv__io_end(cx);
    if (rc < 0 && rc != CV_E_TIMEOUT)
        end_connection(conn, CV__FAULT_CLOSED); /* the proxy ends */
    cv_error_clear(cx);
    return conn->end == CV__FAULT_OPEN ? 0 : CV_E_CLOSED;
}

static int wait_readable(cv_ctx *cx, cv__fault_flow *flow)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    flow->from->reader = &waiter;
    flow->from->reader_events = UV_READABLE;
    listen_for(flow->from, true);
    int rc = finish_wait(cx, flow->conn, &waiter);
    flow->from->reader = NULL;
    return rc;
}

static int wait_writable(cv_ctx *cx, cv__fault_flow *flow)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    flow->to->writer = &waiter;
    listen_for(flow->to, true);
    int rc = finish_wait(cx, flow->conn, &waiter);
    flow->to->writer = NULL;
    return rc;
}

/* Until the rules change, at most until an instant, and only as long as the sender is there. */
static int pause_flow(cv_ctx *cx, cv__fault_flow *flow, int64_t until_ns)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    flow->pause = &waiter;
    if (flow->side == CV_FAULT_CLIENT) {
        flow->from->reader = &waiter;
        flow->from->reader_events = UV_DISCONNECT;
        listen_for(flow->from, true);
    }
    int64_t former_ns = cv_ctx_set_deadline_ns(cx, until_ns);
    int rc = finish_wait(cx, flow->conn, &waiter);
    cv_ctx_restore_deadline_ns(cx, former_ns);
    flow->pause = NULL;
    if (flow->side == CV_FAULT_CLIENT) {
        flow->from->reader = NULL;
        listen_for(flow->from, true);
        if (rc == 0 && flow->from->gone)
            end_connection(flow->conn, CV__FAULT_CLOSED);
    }
    return flow->conn->end == CV__FAULT_OPEN ? 0 : CV_E_CLOSED;
}

static int pause_ms(cv_ctx *cx, cv__fault_flow *flow, int64_t ms)
{
    return pause_flow(cx, flow, cv_now_ns(cx) + ms * NS_PER_MS);
}

/* ---- bytes ---- */

static int write_some(cv_ctx *cx, cv__fault_flow *flow, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(flow->to->fd, bytes, len, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            len -= (size_t)sent;
        } else if (errno == EAGAIN) {
            CV_TRY(wait_writable(cx, flow));
        } else if (errno != EINTR) {
            end_connection(flow->conn, errno == ECONNRESET ? CV__FAULT_WAS_RESET : CV__FAULT_CLOSED);
            return CV_E_CLOSED;
        }
    }
    return 0;
}

/* Write what goes on, no faster than the rate. */
static int flush(cv_ctx *cx, cv__fault_flow *flow)
{
    size_t done = 0;
    while (done < flow->passed) {
        size_t len = flow->passed - done;
        size_t share = (size_t)(flow->rate / TURNS_PER_S) + 1;
        bool slowly = flow->rate > 0;
        len = slowly && share < len ? share : len;
        CV_TRY(write_some(cx, flow, flow->buffer + done, len));
        done += len;
        if (slowly)
            CV_TRY(pause_ms(cx, flow, 1000 / TURNS_PER_S));
    }
    flow->len -= done;
    flow->passed = 0;
    memmove(flow->buffer, flow->buffer + done, flow->len);
    return 0;
}

/* Read what there is: 1, 0 at the end of the sender. */
static int fill(cv_ctx *cx, cv__fault_flow *flow)
{
    for (;;) {
        ssize_t got = recv(flow->from->fd, flow->buffer + flow->len, sizeof flow->buffer - flow->len, 0);
        if (got >= 0) {
            flow->len += (size_t)got;
            return got > 0;
        }
        if (errno == EAGAIN) {
            CV_TRY(wait_readable(cx, flow));
        } else if (errno != EINTR) {
            end_connection(flow->conn, CV__FAULT_WAS_RESET);
            return CV_E_CLOSED;
        }
    }
}

/* ---- messages ---- */

static cv__fault_flow *other_way(const cv__fault_flow *flow)
{
    return flow->side == CV_FAULT_CLIENT ? &flow->conn->down : &flow->conn->up;
}

static int hold(cv_ctx *cx, cv__fault_flow *flow)
{
    int rc = 0;
    flow->holding = true;
    while (rc == 0 && flow->stalled)
        rc = pause_flow(cx, flow, INT64_MAX);
    flow->holding = false;
    return rc;
}

/* The first half of a message goes out; the rest is what the buffer begins with afterwards. */
static int send_half(cv_ctx *cx, cv__fault_flow *flow, cv__fault_message *message)
{
    size_t half = (size_t)(message->size / 2), there = flow->len - flow->passed;
    half = half < there ? half : there;
    flow->passed += half;
    message->size -= half;
    return flush(cx, flow);
}

static int apply(cv_ctx *cx, cv__fault_flow *flow, const cv_fault_rule *rule, cv__fault_message *message)
{
    cv_fault_rule said = *rule; /* it may be replaced meanwhile */
    if (said.fault == CV_FAULT_NONE)
        return 0;
    CV_TRY(flush(cx, flow));
    if (said.halfway)
        CV_TRY(send_half(cx, flow, message));
    switch (said.fault) {
    case CV_FAULT_DELAY:
        return pause_ms(cx, flow, said.delay_ms);
    case CV_FAULT_THROTTLE:
        flow->rate = said.bytes_per_s;
        return 0;
    case CV_FAULT_STALL:
        flow->stalled = true;
        if (!said.one_way)
            other_way(flow)->stalled = true;
        return hold(cx, flow);
    case CV_FAULT_CUT:
        end_connection(flow->conn, CV__FAULT_WAS_CUT);
        return CV_E_CLOSED;
    case CV_FAULT_RESET:
        end_connection(flow->conn, CV__FAULT_WAS_RESET);
        return CV_E_CLOSED;
    default:
        return 0;
    }
}

/* All rules in their order; anew when they were changed meanwhile, unless a part of the message is gone already. */
static int judge(cv_ctx *cx, cv__fault_flow *flow, cv__fault_message *message)
{
    cv_fault_proxy *proxy = flow->conn->proxy;
    uint64_t generation = proxy->generation, size = message->size;
    for (size_t i = 0; i < proxy->rule_count; i++) {
        cv__fault_rule *rule = &proxy->rules[i];
        if (!cv__fault_fires(rule, flow, message, flow->buffer + flow->passed))
            continue;
        cv_cond_broadcast(&proxy->changed);
        CV_TRY(apply(cx, flow, &rule->said, message));
        if (message->size != size)
            return 0;
        if (generation != proxy->generation) {
            generation = proxy->generation;
            i = SIZE_MAX; /* from the first */
        }
    }
    return 0;
}

static void count(const cv__fault_flow *flow)
{
    cv_fault_proxy_stats *stats = &flow->conn->proxy->stats;
    *(flow->side == CV_FAULT_CLIENT ? &stats->from_client : &stats->from_server) += 1;
}

/* Judge what there is. */
static int pass(cv_ctx *cx, cv__fault_flow *flow)
{
    while (flow->passed < flow->len) {
        size_t there = flow->len - flow->passed;
        if (flow->left > 0) {
            size_t part = flow->left < there ? (size_t)flow->left : there;
            flow->passed += part;
            flow->left -= part;
            continue;
        }
        cv__fault_message message;
        if (!cv__fault_look(&flow->conn->wire, flow->side, flow->buffer + flow->passed, there, &message))
            break;
        CV_TRY(judge(cx, flow, &message));
        cv__fault_follow(&flow->conn->wire, flow->side, &message);
        count(flow);
        flow->left = message.size;
    }
    return flush(cx, flow);
}

/* An end goes on like bytes; what is half a message, too. */
static int pass_end(cv_ctx *cx, cv__fault_flow *flow)
{
    flow->passed = flow->len;
    CV_TRY(flush(cx, flow));
    (void)shutdown(flow->to->fd, SHUT_WR);
    return 0;
}

static void run_flow(cv_ctx *cx, cv__fault_flow *flow)
{
    int rc = 1;
    while (rc > 0) {
        rc = fill(cx, flow);
        bool ended = rc == 0;
        if (rc >= 0 && flow->stalled && hold(cx, flow) < 0)
            return;
        if (ended)
            (void)pass_end(cx, flow);
        else if (rc > 0 && pass(cx, flow) < 0)
            return;
    }
}

/* ---- connections ---- */

static int connect_server(cv_ctx *cx, cv__fault_conn *conn)
{
    const cv_fault_proxy *proxy = conn->proxy;
    int fd = socket(proxy->server.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return cv__fail_uv(cx, -errno, "make a socket");
    CV_TRY(open_socket(cx, conn, &conn->server, fd));
    int rc = connect(fd, (const struct sockaddr *)&proxy->server, proxy->server_length);
    if (rc != 0 && errno != EINPROGRESS)
        return cv__fail_uv(cx, -errno, "connect to the server");
    CV_TRY(wait_writable(cx, &conn->up));
    int error = 0;
    socklen_t length = sizeof error;
    (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error ? cv__fail_uv(cx, -error, "connect to the server") : 0;
}

/* Both sides see an end and no reset: what the client still sends is read, for a while. */
static void cut(cv_ctx *cx, cv__fault_conn *conn)
{
    (void)shutdown(conn->client.fd, SHUT_WR);
    (void)shutdown(conn->server.fd, SHUT_WR);
    conn->end = CV__FAULT_OPEN; /* it may wait again */
    int64_t former_ns = cv_ctx_set_deadline_ns(cx, cv_now_ns(cx) + LINGER_MS * NS_PER_MS);
    while (cv_now_ns(cx) < cv_ctx_deadline_ns(cx)) {
        ssize_t got = recv(conn->client.fd, conn->up.buffer, sizeof conn->up.buffer, 0);
        if (got == 0 || (got < 0 && (errno != EAGAIN || wait_readable(cx, &conn->up) < 0)))
            break;
    }
    cv_ctx_restore_deadline_ns(cx, former_ns);
}

static void close_connection(cv__fault_conn *conn)
{
    bool has_sockets = conn->handles > 0;
    cv_list_remove(&conn->link);
    close_socket(&conn->client);
    close_socket(&conn->server);
    if (!has_sockets)
        free(conn);
}

/* The flow that ends last closes. */
static int finish_flow(cv_ctx *cx, cv__fault_conn *conn)
{
    if (--conn->flows > 0)
        return 0;
    if (conn->end == CV__FAULT_WAS_CUT)
        cut(cx, conn);
    close_connection(conn);
    cv_error_clear(cx);
    return 0;
}

static int run_down(cv_ctx *cx, void *arg)
{
    cv__fault_conn *conn = arg;
    run_flow(cx, &conn->down);
    return finish_flow(cx, conn);
}

static int run_up(cv_ctx *cx, void *arg)
{
    cv__fault_conn *conn = arg;
    conn->flows = 2;
    if (connect_server(cx, conn) == 0 && cv_spawn(cx, "fault proxy down", run_down, conn, NULL) == 0) {
        run_flow(cx, &conn->up);
    } else {
        conn->flows = 1;
        end_connection(conn, CV__FAULT_WAS_RESET);
    }
    return finish_flow(cx, conn);
}

static void init_flow(cv__fault_flow *flow, cv__fault_conn *conn, bool up)
{
    flow->conn = conn;
    flow->from = up ? &conn->client : &conn->server;
    flow->to = up ? &conn->server : &conn->client;
    flow->side = up ? CV_FAULT_CLIENT : CV_FAULT_SERVER;
}

void cv__fault_serve(cv_ctx *cx, cv_fault_proxy *proxy, int fd)
{
    cv__fault_conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        close(fd);
        return;
    }
    conn->proxy = proxy;
    conn->generation = proxy->generation;
    conn->number = ++proxy->accepted;
    proxy->stats.connections++;
    cv_list_push_back(&proxy->connections, &conn->link);
    cv__fault_wire_init(&conn->wire, proxy->protocol);
    init_flow(&conn->up, conn, true);
    init_flow(&conn->down, conn, false);
    if (open_socket(cx, conn, &conn->client, fd) < 0 || cv_spawn(cx, "fault proxy up", run_up, conn, NULL) < 0)
        close_connection(conn);
    cv_error_clear(cx);
}

static void go_on(cv__fault_flow *flow)
{
    flow->stalled = false;
    flow->rate = 0;
    wake(flow->pause);
}

void cv__fault_wake_all(cv_fault_proxy *proxy)
{
    for (cv_link *link = proxy->connections.next; link != &proxy->connections; link = link->next) {
        cv__fault_conn *conn = cv_list_entry(link, cv__fault_conn, link);
        go_on(&conn->up);
        go_on(&conn->down);
    }
}
