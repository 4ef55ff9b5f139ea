#include "http/connection.h"

#include "base/ctx.h"
#include "http/listener.h"
#include "http/router.h"
#include <assert.h>
#include <covet/fiber.h>
#include <stdlib.h>

/* What a lingering connection may still send before it is closed in any case. */
#define LINGER_BYTES ((size_t)16 << 20)

static void look_on(cv__connection *connection);
static void go_on(cv__connection *connection);

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

/* A connection that was idle and answered without waiting keeps its place in the list: its time limit is exact to a
 * 64th part, and a busy connection does not touch the list with each request. */
static void begin_idle(cv__connection *connection)
{
    const struct cv_server *server = connection->server;
    int64_t duration_ns = server->durations_ns[CV__TIMEOUT_IDLE];
    int64_t left_ns = connection->waiting.at_ns - cv__loop_now_ns(server->main);
    if (connection->waiting_kind != CV__TIMEOUT_IDLE || !cv_list_is_linked(&connection->waiting.link) ||
        left_ns < duration_ns - duration_ns / 64)
        cv__timeout_set(connection, CV__TIMEOUT_IDLE);
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
        begin_idle(connection);
        break;
    case CV__CONNECTION_HEAD:
        cv__timeout_set(connection, CV__TIMEOUT_HEADER);
        break;
    case CV__CONNECTION_BODY:
    case CV__CONNECTION_DRAINING:
        cv__connection_begin_body_window(connection);
        break;
    case CV__CONNECTION_LINGERING:
        cv__timeout_set(connection, CV__TIMEOUT_LINGER);
        break;
    case CV__CONNECTION_RUNNING: /* cv__connection_leaving takes it out of the idle ones when it lasts */
        if (connection->waiting_kind != CV__TIMEOUT_IDLE)
            cv_list_remove(&connection->waiting.link);
        break;
    case CV__CONNECTION_WRITING:
    case CV__CONNECTION_CLOSING:
        cv_list_remove(&connection->waiting.link);
        break;
    }
}

void cv__connection_leaving(cv__connection *connection)
{
    bool was_open = connection->state != CV__CONNECTION_CLOSING;
    if (connection->waiting_kind == CV__TIMEOUT_IDLE)
        cv_list_remove(&connection->waiting.link);
    connection->batch_ns = 0;
    cv__connection_settle(connection);
    if (was_open && connection->state == CV__CONNECTION_CLOSING)
        cv_cancel(connection->fiber);
}

static void on_closed(cv__transport *transport)
{
    unref(transport->owner);
}

static void wake(cv__waiter **waiter, int result)
{
    if (*waiter)
        cv__wake(*waiter, result);
    *waiter = NULL;
}

void cv__connection_cut(cv__connection *connection, bool reset)
{
    if (connection->state == CV__CONNECTION_CLOSING)
        return;
    enter(connection, CV__CONNECTION_CLOSING);
    cv_list_remove(&connection->all);
    cv_list_remove(&connection->writing.link);
    wake(&connection->writer, 0);
    wake(&connection->reader, 0);
    connection->transport->ops->close(connection->transport, reset);
    cv__server_connection_left(connection->server, &connection->transport->peer);
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

void cv__connection_set_reading(cv__connection *connection, bool reading)
{
    reading = reading && !connection->peer_gone;
    if (reading == connection->reading)
        return;
    connection->reading = reading;
    cv__connection_update(connection);
}

/* While a request runs, reading goes on to notice that the client has left. Bytes that come instead belong to its body,
 * or to the next request: as many are kept as the buffer has room for. */
static void receive_more(cv__connection *connection, size_t size)
{
    (void)cv__parser_feed(&connection->parser, size);
    wake(&connection->reader, 0);
}

static void throw_away(cv__connection *connection, size_t size, size_t most)
{
    connection->thrown_away += size;
    if (connection->thrown_away > most)
        cv__connection_cut(connection, false);
}

/* Close our side and read on for a while: closing with unread bytes would reset the connection and take the last reply
 * from a client that is still sending. */
static void linger(cv__connection *connection)
{
    if (connection->peer_gone) {
        cv__connection_cut(connection, false);
        return;
    }
    cv__parser_done(&connection->parser);
    connection->thrown_away = 0;
    enter(connection, CV__CONNECTION_LINGERING);
    connection->transport->ops->shutdown(connection->transport);
    cv__connection_set_reading(connection, true);
}

/* The reply is out already: a body that breaks the rules, or does not end, ends the connection without a word. */
static void drain(cv__connection *connection, cv__parse result)
{
    if (result == CV__PARSE_REFUSED) {
        linger(connection);
        return;
    }
    connection->thrown_away += cv__parser_take(&connection->parser, NULL, SIZE_MAX);
    if (result == CV__PARSE_DONE)
        look_on(connection);
    else if (connection->thrown_away > CV__DRAIN_BYTES)
        linger(connection);
}

static void advance(cv__connection *connection, cv__parse result);

static void receive(cv__connection *connection, size_t size)
{
    connection->received += size;
    switch (connection->state) {
    case CV__CONNECTION_LINGERING:
        throw_away(connection, size, LINGER_BYTES);
        break;
    case CV__CONNECTION_RUNNING:
        receive_more(connection, size);
        break;
    case CV__CONNECTION_DRAINING:
        drain(connection, cv__parser_feed(&connection->parser, size));
        break;
    default:
        advance(connection, cv__parser_feed(&connection->parser, size));
    }
}

/* A running request is cancelled, but its reply is still written if it makes one: the client may have closed only its
 * own side. One that waits for its body learns that there is no more. */
static void on_peer_gone(cv__connection *connection)
{
    connection->peer_gone = true;
    cv__connection_set_reading(connection, false);
    if (connection->state != CV__CONNECTION_RUNNING)
        cv__connection_cut(connection, false);
    else if (connection->reader)
        wake(&connection->reader, 0);
    else if (connection->fiber)
        cv_cancel(connection->fiber);
}

/* Where the next bytes go. */
static char *room_for(cv__connection *connection, size_t *ret_size)
{
    *ret_size = CV__SCRATCH_BYTES;
    if (connection->state == CV__CONNECTION_LINGERING)
        return connection->server->scratch;
    return cv__parser_room(&connection->parser, ret_size);
}

/* False: nothing came, or nothing fits. */
bool cv__connection_read_some(cv__connection *connection)
{
    size_t size;
    char *room = room_for(connection, &size);
    if (!room && connection->state == CV__CONNECTION_RUNNING) {
        cv__connection_set_reading(connection, false);
        return false;
    }
    ssize_t got = room ? connection->transport->ops->read(connection->transport, room, size) : UV_ENOMEM;
    if (got > 0)
        receive(connection, (size_t)got);
    else if (got != UV_EAGAIN)
        on_peer_gone(connection);
    return got != UV_EAGAIN;
}

static void on_writable(cv__connection *connection)
{
    cv__connection_writable(connection);
    if (connection->state == CV__CONNECTION_WRITING && !connection->pending_len)
        go_on(connection);
}

static void on_ready(cv__transport *transport, unsigned events)
{
    cv__connection *connection = transport->owner;
    if (events & CV__WRITABLE)
        on_writable(connection);
    if (events & CV__READABLE && connection->reading && connection->state != CV__CONNECTION_CLOSING)
        cv__connection_read_some(connection);
}

/* ---- from bytes to requests ---- */

/* What was collected is on its way, or has to wait for the peer; then it goes on. */
static void conclude(cv__connection *connection, cv__after after)
{
    cv__connection_settle(connection);
    if (connection->state == CV__CONNECTION_CLOSING)
        return;
    connection->after = after;
    if (!connection->pending_len) {
        go_on(connection);
        return;
    }
    enter(connection, CV__CONNECTION_WRITING);
    cv__connection_set_reading(connection, false);
}

static void refuse(cv__connection *connection, cv__refusal refusal)
{
    if (cv__connection_send_refusal(connection, refusal))
        conclude(connection, CV__AFTER_CLOSE);
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
    else if (rc < 0)
        cv_error_clear(main);
    return rc == 0;
}

static void begin_request(cv__connection *connection)
{
    connection->requests++;
    connection->server->stats.requests_total++;
}

/* The fiber runs at once: everything is as it finds it. */
static void start_request(cv__connection *connection)
{
    connection->holders++;
    connection->server->stats.requests_active++;
    enter(connection, CV__CONNECTION_RUNNING);
    begin_request(connection);
    if (spawn(connection))
        return;
    connection->holders--;
    connection->server->stats.requests_total--;
    cv__server_request_left(connection->server);
    refuse(connection, (cv__refusal){503, "the server is busy"});
}

/* The head is complete: its route says how large the body may be, and whether the handler reads it itself. Without a
 * route the body is not waited for. */
static cv__parse begin_body(cv__connection *connection)
{
    cv__parser *parser = &connection->parser;
    struct cv_server *server = connection->server;
    const cv__head *head = &parser->head;
    const cv__route *route = cv__router_match(server->router, head->method, cv__parser_text(parser, head->path),
                                              head->path_rewritten ? server->scratch : NULL, &connection->match);
    size_t max_bytes = route->limits.max_body_bytes ? route->limits.max_body_bytes : server->limits.max_body_bytes;
    cv__parse result = cv__parser_body(parser, max_bytes);
    connection->continue_due = head->expect_continue && parser->len == parser->body_start;
    connection->head_sent = false;
    if (result != CV__PARSE_MORE || (route->handler && !route->stream_body) || cv__parser_stream(parser))
        return result;
    parser->refusal = (cv__refusal){503, "out of memory"};
    return CV__PARSE_REFUSED;
}

/* The body is awaited now. A client that asked whether to send it is told so, unless it has begun. */
static void await_body(cv__connection *connection)
{
    enter(connection, CV__CONNECTION_BODY);
    if (connection->continue_due && !cv__connection_write_detached(connection, CV_STR("HTTP/1.1 100 Continue\r\n\r\n")))
        cv__connection_cut(connection, false);
    connection->continue_due = false;
}

/* What is known of the next request, with its body when the head is complete. True: it can be answered. */
static bool look(cv__connection *connection, cv__parse result)
{
    if (result == CV__PARSE_HEAD)
        result = begin_body(connection);
    connection->found = result;
    return result == CV__PARSE_DONE || (result == CV__PARSE_MORE && connection->parser.streaming);
}

/* A request that is not complete waits for the rest. */
static void await_rest(cv__connection *connection)
{
    const cv__parser *parser = &connection->parser;
    if (connection->found == CV__PARSE_REFUSED)
        refuse(connection, parser->refusal);
    else if (parser->body_start && connection->state != CV__CONNECTION_BODY)
        await_body(connection);
    else if (!parser->body_start && connection->state != CV__CONNECTION_HEAD)
        enter(connection, CV__CONNECTION_HEAD);
}

static void advance(cv__connection *connection, cv__parse result)
{
    if (look(connection, result))
        start_request(connection);
    else
        await_rest(connection);
}

static bool is_useless(const cv__connection *connection)
{
    return connection->peer_gone || (connection->server->stopping && !cv__parser_has_bytes(&connection->parser));
}

/* Everything that was said is out: the next request, what is left of the body, or the end. */
static void go_on(cv__connection *connection)
{
    if (connection->after == CV__AFTER_CLOSE) {
        linger(connection);
    } else if (connection->parser.streaming && !cv__parser_is_complete(&connection->parser)) {
        connection->thrown_away = 0;
        enter(connection, CV__CONNECTION_DRAINING);
        cv__connection_set_reading(connection, true);
        drain(connection, connection->found);
    } else if (connection->found != CV__PARSE_REFUSED && is_useless(connection)) {
        cv__connection_cut(connection, false);
    } else if (cv__parser_has_bytes(&connection->parser)) {
        await_rest(connection);
        if (connection->state <= CV__CONNECTION_BODY)
            cv__connection_set_reading(connection, true);
    } else {
        enter(connection, CV__CONNECTION_IDLE);
        cv__connection_set_reading(connection, true);
    }
}

/* Forget the request and look at what came behind it. True: a further one can be answered. */
static bool find_next(cv__connection *connection)
{
    cv__parser_next(&connection->parser);
    connection->found = CV__PARSE_MORE;
    return cv__parser_has_bytes(&connection->parser) && look(connection, cv__parser_feed(&connection->parser, 0));
}

/* From a callback: a body was drained. */
static void look_on(cv__connection *connection)
{
    if (find_next(connection))
        start_request(connection);
    else
        go_on(connection);
}

bool cv__connection_next(cv__connection *connection, cv__after after)
{
    if (connection->state == CV__CONNECTION_CLOSING)
        return false;
    if (after == CV__AFTER_CUT) {
        cv__connection_cut(connection, true);
        return false;
    }
    bool complete = cv__parser_is_complete(&connection->parser);
    if (after == CV__AFTER_NEXT && complete && find_next(connection)) {
        begin_request(connection);
        return true;
    }
    if (after == CV__AFTER_NEXT && !complete)
        connection->found = cv__parser_feed(&connection->parser, 0);
    conclude(connection, after);
    return false;
}

void cv__connection_finished(cv__connection *connection)
{
    connection->fiber = NULL;
    cv__connection_settle(connection);
    cv__server_request_left(connection->server);
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
        cv__listener_release(server->listener, &transport->peer.address);
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
    connection->parser.buffers = &server->buffers;
    transport->owner = connection;
    transport->ready = on_ready;
    transport->closed = on_closed;
    cv_list_push_back(&server->connections, &connection->all);
    server->stats.connections_open++;
    server->stats.connections_idle++;
    server->stats.connections_total++;
    enter(connection, CV__CONNECTION_IDLE);
    cv__connection_set_reading(connection, true);
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

static void body_expired(cv__connection *connection)
{
    if (!cv__connection_body_is_slow(connection)) {
        cv__connection_begin_body_window(connection);
        return;
    }
    connection->body_timed_out = true;
    if (connection->state == CV__CONNECTION_BODY)
        refuse(connection, (cv__refusal){408, "the body did not arrive in time"});
    else if (connection->state == CV__CONNECTION_DRAINING)
        cv__connection_cut(connection, false);
    else
        wake(&connection->reader, 0);
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
        if ((!connection->writer && !connection->pending_len) || cv__connection_took_enough(connection))
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
