#include "http/connection.h"

#include "base/ctx.h"
#include <assert.h>
#include <covet/fiber.h>
#include <stdlib.h>

/* What a lingering connection may still send before it is closed in any case. */
#define LINGER_BYTES ((size_t)16 << 20)

static void advance(cv__connection *connection, cv__parse result);

static uv_stream_t *stream_of(cv__connection *connection)
{
    return (uv_stream_t *)&connection->tcp;
}

static void unref(cv__connection *connection)
{
    if (--connection->holders)
        return;
    struct cv_server *server = connection->server;
    cv__parser_done(&connection->parser);
    free(connection);
    cv__server_unref(server);
}

/* ---- states ---- */

/* The one place that changes the state: each lives in its list. */
static void enter(cv__connection *connection, cv__connection_state state)
{
    assert(connection->state != CV__CONNECTION_CLOSING);
    connection->state = state;
    switch (state) {
    case CV__CONNECTION_IDLE:
        cv__timeout_set(connection, CV__TIMEOUT_IDLE);
        break;
    case CV__CONNECTION_HEAD:
        cv__timeout_set(connection, CV__TIMEOUT_HEADER);
        break;
    case CV__CONNECTION_BODY:
        cv__timeout_set(connection, CV__TIMEOUT_BODY);
        break;
    case CV__CONNECTION_LINGERING:
        cv__timeout_set(connection, CV__TIMEOUT_LINGER);
        break;
    case CV__CONNECTION_RUNNING:
    case CV__CONNECTION_CLOSING:
        cv__timeout_clear(connection);
        break;
    }
}

static void on_closed(uv_handle_t *handle)
{
    unref(handle->data);
}

void cv__connection_cut(cv__connection *connection, bool reset)
{
    if (connection->state == CV__CONNECTION_CLOSING)
        return;
    enter(connection, CV__CONNECTION_CLOSING);
    cv_list_remove(&connection->all);
    if (!reset || uv_tcp_close_reset(&connection->tcp, on_closed) < 0)
        uv_close((uv_handle_t *)&connection->tcp, on_closed);
    cv__server_connection_left(connection->server);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    cv__connection *connection = handle->data;
    size_t size = CV__SCRATCH_BYTES;
    char *room = connection->state == CV__CONNECTION_LINGERING ? connection->server->scratch
                                                               : cv__parser_room(&connection->parser, &size);
    *buf = uv_buf_init(room, (unsigned)size);
}

static void stop_reading(cv__connection *connection)
{
    if (connection->reading)
        uv_read_stop(stream_of(connection));
    connection->reading = false;
}

/* While a request runs, reading goes on only to notice that the client has left. Bytes that come instead belong to the
 * next request: they are kept and the rest stays in the socket. */
static void receive(cv__connection *connection, size_t size)
{
    switch (connection->state) {
    case CV__CONNECTION_LINGERING:
        connection->lingered_bytes += size;
        if (connection->lingered_bytes > LINGER_BYTES)
            cv__connection_cut(connection, false);
        break;
    case CV__CONNECTION_RUNNING:
        (void)cv__parser_feed(&connection->parser, size);
        stop_reading(connection);
        break;
    default:
        advance(connection, cv__parser_feed(&connection->parser, size));
    }
}

/* A running request is cancelled, but its reply is still written if it makes one: the client may have closed only its
 * own side. */
static void on_peer_gone(cv__connection *connection)
{
    connection->peer_gone = true;
    stop_reading(connection);
    if (connection->state != CV__CONNECTION_RUNNING)
        cv__connection_cut(connection, false);
    else if (connection->fiber)
        cv_cancel(connection->fiber);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    (void)buf;
    cv__connection *connection = stream->data;
    if (size > 0)
        receive(connection, (size_t)size);
    else if (size == UV_ENOBUFS && connection->state == CV__CONNECTION_RUNNING)
        stop_reading(connection);
    else if (size < 0)
        on_peer_gone(connection);
}

static void start_reading(cv__connection *connection)
{
    if (connection->reading || connection->peer_gone)
        return;
    connection->reading = uv_read_start(stream_of(connection), on_alloc, on_read) == 0;
    if (!connection->reading)
        cv__connection_cut(connection, false);
}

/* ---- from bytes to requests ---- */

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)status;
    free(shutdown);
}

/* Close our side and read on for a while: closing with unread bytes would reset the connection and take the last reply
 * from a client that is still sending. */
static void linger(cv__connection *connection)
{
    uv_shutdown_t *shutdown = malloc(sizeof *shutdown);
    if (connection->peer_gone || !shutdown || uv_shutdown(shutdown, stream_of(connection), on_shutdown) < 0) {
        free(shutdown);
        cv__connection_cut(connection, false);
        return;
    }
    cv__parser_done(&connection->parser);
    enter(connection, CV__CONNECTION_LINGERING);
    start_reading(connection);
}

static void refuse(cv__connection *connection, cv__refusal refusal)
{
    if (cv__connection_send_refusal(connection, refusal))
        linger(connection);
    else
        cv__connection_cut(connection, false);
}

/* The main context is not in a call of its own here, or waits in one: its pending error is not ours. */
static bool spawn(cv__connection *connection)
{
    cv_ctx *main = connection->server->main;
    cv_error *pending = cv_error_take(main);
    int rc = cv_spawn(main, "http request", cv__exchange_run, connection, NULL);
    if (pending)
        cv_error_put_back(main, pending);
    else
        cv_error_clear(main);
    return rc == 0;
}

static void start_request(cv__connection *connection)
{
    if (!spawn(connection)) {
        refuse(connection, (cv__refusal){503, "the server is busy"});
        return;
    }
    connection->holders++;
    connection->server->stats.requests_total++;
    connection->server->stats.requests_active++;
    enter(connection, CV__CONNECTION_RUNNING);
    if (cv__parser_has_bytes(&connection->parser))
        stop_reading(connection);
}

/* The body is awaited now. A client that asked whether to send it is told so, unless it has begun. */
static void start_body(cv__connection *connection)
{
    const cv__parser *parser = &connection->parser;
    enter(connection, CV__CONNECTION_BODY);
    if (parser->head.expect_continue && parser->len == parser->body_at &&
        !cv__connection_write_detached(connection, CV_STR("HTTP/1.1 100 Continue\r\n\r\n")))
        cv__connection_cut(connection, false);
}

/* What the parser found decides what comes next. */
static void advance(cv__connection *connection, cv__parse result)
{
    switch (result) {
    case CV__PARSE_MORE:
        if (connection->state == CV__CONNECTION_IDLE)
            enter(connection, CV__CONNECTION_HEAD);
        break;
    case CV__PARSE_HEAD:
        start_body(connection);
        break;
    case CV__PARSE_DONE:
        start_request(connection);
        break;
    case CV__PARSE_REFUSED:
        refuse(connection, connection->parser.refusal);
        break;
    }
}

static void next_request(cv__connection *connection)
{
    cv__parser_next(&connection->parser);
    enter(connection, CV__CONNECTION_IDLE);
    if (cv__parser_has_bytes(&connection->parser))
        advance(connection, cv__parser_feed(&connection->parser, 0));
    bool incomplete = connection->state <= CV__CONNECTION_BODY;
    bool useless = connection->peer_gone || (connection->server->stopping && connection->state == CV__CONNECTION_IDLE);
    if (incomplete && useless)
        cv__connection_cut(connection, false);
    else if (incomplete || (connection->state == CV__CONNECTION_RUNNING && !cv__parser_has_bytes(&connection->parser)))
        start_reading(connection);
}

void cv__connection_finished(cv__connection *connection, cv__after after)
{
    connection->fiber = NULL;
    cv__server_request_left(connection->server);
    if (connection->state == CV__CONNECTION_RUNNING) {
        if (after == CV__AFTER_NEXT)
            next_request(connection);
        else if (after == CV__AFTER_CLOSE)
            linger(connection);
        else
            cv__connection_cut(connection, true);
    }
    unref(connection);
}

/* ---- the ends of a life ---- */

static void on_accept_failed(uv_handle_t *handle)
{
    unref(handle->data);
}

void cv__connection_accept(struct cv_server *server)
{
    cv__connection *connection = calloc(1, sizeof *connection);
    if (!connection || uv_tcp_init(server->listener.loop, &connection->tcp) < 0) {
        free(connection);
        return;
    }
    connection->server = server;
    connection->tcp.data = connection;
    connection->holders = 1;
    server->holders++;
    cv_list_init(&connection->all);
    cv_list_init(&connection->timeout);
    cv__parser_init(&connection->parser, &server->limits);
    if (uv_accept((uv_stream_t *)&server->listener, stream_of(connection)) < 0) {
        uv_close((uv_handle_t *)&connection->tcp, on_accept_failed);
        return;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    cv_list_push_back(&server->connections, &connection->all);
    server->stats.connections_open++;
    server->stats.connections_total++;
    enter(connection, CV__CONNECTION_IDLE);
    start_reading(connection);
}

const char *cv__connection_peer(cv__connection *connection)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    if (*connection->peer || connection->state == CV__CONNECTION_CLOSING ||
        uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&address, &size) < 0)
        return connection->peer;
    if (address.ss_family == AF_INET6)
        uv_ip6_name((struct sockaddr_in6 *)&address, connection->peer, sizeof connection->peer);
    else
        uv_ip4_name((struct sockaddr_in *)&address, connection->peer, sizeof connection->peer);
    return connection->peer;
}

void cv__connection_expired(cv__connection *connection, cv__timeout_kind kind)
{
    switch (kind) {
    case CV__TIMEOUT_HEADER:
    case CV__TIMEOUT_BODY:
        refuse(connection, (cv__refusal){408, "the request did not arrive in time"});
        break;
    case CV__TIMEOUT_WRITE:
        if (cv__connection_made_progress(connection)) {
            cv__timeout_set(connection, CV__TIMEOUT_WRITE);
            break;
        }
        connection->write_timed_out = true;
        cv__connection_cut(connection, true);
        break;
    default:
        cv__connection_cut(connection, false);
    }
}
