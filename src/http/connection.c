#include "http/connection.h"

#include "base/ctx.h"
#include <assert.h>
#include <covet/fiber.h>
#include <stdlib.h>

/* What a lingering connection may still send before it is closed in any case. */
#define LINGER_BYTES ((size_t)16 << 20)

static void advance(cv__connection *connection, cv__parse result);
static void on_writable(cv__connection *connection);

static void unref(cv__connection *connection)
{
    if (--connection->holders)
        return;
    struct cv_server *server = connection->server;
    cv__parser_done(&connection->parser);
    free(connection->pending);
    free(connection);
    cv__server_unref(server);
}

/* ---- states ---- */

static void begin_body_window(cv__connection *connection)
{
    connection->received_before = connection->received;
    cv__timeout_set(connection, CV__TIMEOUT_BODY);
}

/* The one place that changes the state: each lives in its list. */
static void enter(cv__connection *connection, cv__connection_state state)
{
    assert(connection->state != CV__CONNECTION_CLOSING);
    cv_server_stats *stats = &connection->server->stats;
    stats->connections_idle += (size_t)(state == CV__CONNECTION_IDLE);
    stats->connections_idle -= (size_t)(connection->state == CV__CONNECTION_IDLE);
    connection->state = state;
    switch (state) {
    case CV__CONNECTION_IDLE:
        cv__timeout_set(connection, CV__TIMEOUT_IDLE);
        break;
    case CV__CONNECTION_HEAD:
        cv__timeout_set(connection, CV__TIMEOUT_HEADER);
        break;
    case CV__CONNECTION_BODY:
        begin_body_window(connection);
        break;
    case CV__CONNECTION_LINGERING:
        cv__timeout_set(connection, CV__TIMEOUT_LINGER);
        break;
    case CV__CONNECTION_RUNNING:
    case CV__CONNECTION_CLOSING:
        cv_list_remove(&connection->waiting.link);
        break;
    }
}

static void on_closed(cv__transport *transport)
{
    unref(transport->owner);
}

void cv__connection_cut(cv__connection *connection, bool reset)
{
    if (connection->state == CV__CONNECTION_CLOSING)
        return;
    enter(connection, CV__CONNECTION_CLOSING);
    cv_list_remove(&connection->all);
    cv_list_remove(&connection->writing.link);
    if (connection->writer)
        cv__wake(connection->writer, 0);
    connection->writer = NULL;
    connection->transport->ops->close(connection->transport, reset);
    cv__server_connection_left(connection->server);
}

/* ---- reading ---- */

void cv__connection_update(cv__connection *connection)
{
    if (connection->state == CV__CONNECTION_CLOSING)
        return;
    bool writing = connection->writer || connection->pending_len;
    connection->transport->ops->want(connection->transport,
                                     (connection->reading ? CV__READABLE : 0u) | (writing ? CV__WRITABLE : 0u));
}

static void stop_reading(cv__connection *connection)
{
    connection->reading = false;
    cv__connection_update(connection);
}

/* While a request runs, reading goes on to notice that the client has left. Bytes that come instead belong to the next
 * request: as many are kept as the buffer has room for. */
static void receive(cv__connection *connection, size_t size)
{
    connection->received += size;
    switch (connection->state) {
    case CV__CONNECTION_LINGERING:
        connection->lingered_bytes += size;
        if (connection->lingered_bytes > LINGER_BYTES)
            cv__connection_cut(connection, false);
        break;
    case CV__CONNECTION_RUNNING:
        (void)cv__parser_feed(&connection->parser, size);
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

/* Where the next bytes go; NULL: nowhere while a request runs. */
static char *room_for(cv__connection *connection, size_t *ret_size)
{
    *ret_size = CV__SCRATCH_BYTES;
    if (connection->state == CV__CONNECTION_LINGERING)
        return connection->server->scratch;
    return cv__parser_room(&connection->parser, ret_size);
}

static void on_readable(cv__connection *connection)
{
    size_t size;
    char *room = room_for(connection, &size);
    if (!room && connection->state == CV__CONNECTION_RUNNING) {
        stop_reading(connection);
        return;
    }
    ssize_t got = room ? connection->transport->ops->read(connection->transport, room, size) : UV_ENOMEM;
    if (got > 0)
        receive(connection, (size_t)got);
    else if (got != UV_EAGAIN)
        on_peer_gone(connection);
}

static void on_ready(cv__transport *transport, unsigned events)
{
    cv__connection *connection = transport->owner;
    if (events & CV__WRITABLE)
        on_writable(connection);
    if (events & CV__READABLE && connection->reading && connection->state != CV__CONNECTION_CLOSING)
        on_readable(connection);
}

static void start_reading(cv__connection *connection)
{
    connection->reading = !connection->peer_gone;
    cv__connection_update(connection);
}

/* ---- from bytes to requests ---- */

/* Close our side and read on for a while: closing with unread bytes would reset the connection and take the last reply
 * from a client that is still sending. */
static void linger(cv__connection *connection)
{
    if (connection->peer_gone && !connection->pending_len) {
        cv__connection_cut(connection, false);
        return;
    }
    cv__parser_done(&connection->parser);
    enter(connection, CV__CONNECTION_LINGERING);
    if (!connection->pending_len)
        connection->transport->ops->shutdown(connection->transport);
    start_reading(connection);
}

static void on_writable(cv__connection *connection)
{
    cv__connection_writable(connection);
    if (connection->state != CV__CONNECTION_LINGERING || connection->pending_len)
        return;
    if (connection->peer_gone)
        cv__connection_cut(connection, false);
    else
        connection->transport->ops->shutdown(connection->transport);
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
    int rc = cv__run_now(main, "http request", cv__exchange_run, connection);
    if (pending)
        cv_error_put_back(main, pending);
    else
        cv_error_clear(main);
    return rc == 0;
}

/* The fiber runs at once: everything is as it finds it. */
static void start_request(cv__connection *connection)
{
    connection->holders++;
    connection->server->stats.requests_total++;
    connection->server->stats.requests_active++;
    enter(connection, CV__CONNECTION_RUNNING);
    if (spawn(connection))
        return;
    connection->holders--;
    connection->server->stats.requests_total--;
    cv__server_request_left(connection->server);
    refuse(connection, (cv__refusal){503, "the server is busy"});
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
    else if (incomplete || connection->state == CV__CONNECTION_RUNNING)
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

static void on_orphan_closed(cv__transport *transport)
{
    (void)transport;
}

void cv__connection_open(struct cv_server *server, cv__transport *transport)
{
    cv__connection *connection = calloc(1, sizeof *connection);
    transport->closed = on_orphan_closed;
    if (!connection) {
        transport->ops->close(transport, true);
        return;
    }
    connection->transport = transport;
    connection->server = server;
    connection->holders = 1;
    server->holders++;
    cv_list_init(&connection->all);
    cv_list_init(&connection->waiting.link);
    cv_list_init(&connection->writing.link);
    cv__parser_init(&connection->parser, &server->limits);
    transport->owner = connection;
    transport->ready = on_ready;
    transport->closed = on_closed;
    cv_list_push_back(&server->connections, &connection->all);
    server->stats.connections_open++;
    server->stats.connections_idle++;
    server->stats.connections_total++;
    enter(connection, CV__CONNECTION_IDLE);
    start_reading(connection);
}

const char *cv__connection_peer(cv__connection *connection)
{
    const struct sockaddr_storage *address = &connection->transport->peer.address;
    if (*connection->peer || connection->state == CV__CONNECTION_CLOSING)
        return connection->peer;
    if (address->ss_family == AF_INET6)
        uv_ip6_name((const struct sockaddr_in6 *)address, connection->peer, sizeof connection->peer);
    else if (address->ss_family == AF_INET)
        uv_ip4_name((const struct sockaddr_in *)address, connection->peer, sizeof connection->peer);
    else
        strcpy(connection->peer, "unix");
    return connection->peer;
}

/* The body came at the minimum rate: it has another window. */
static void body_expired(cv__connection *connection)
{
    const cv_server_options *options = &connection->server->options;
    uint64_t wanted = options->min_body_rate * (uint64_t)options->body_timeout_ms / 1000;
    if (connection->received - connection->received_before >= (wanted ? wanted : 1))
        begin_body_window(connection);
    else
        refuse(connection, (cv__refusal){408, "the body did not arrive in time"});
}

void cv__connection_expired(cv__connection *connection, cv__timeout_kind kind)
{
    switch (kind) {
    case CV__TIMEOUT_HEADER:
        refuse(connection, (cv__refusal){408, "the request did not arrive in time"});
        break;
    case CV__TIMEOUT_BODY:
        body_expired(connection);
        break;
    case CV__TIMEOUT_WRITE:
        if (cv__connection_took_enough(connection))
            break;
        connection->write_timed_out = true;
        if (connection->fiber && !connection->writer)
            cv_cancel(connection->fiber);
        cv__connection_cut(connection, true);
        break;
    default:
        cv__connection_cut(connection, false);
    }
}
