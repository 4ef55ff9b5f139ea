/* The body of a request while it arrives: its minimum rate, and the waiting of a handler that reads it as it comes. */
#include "http/connection.h"

#include "base/ctx.h"

void cv__connection_begin_body_window(cv__connection *connection)
{
    connection->received_before = connection->received;
    connection->body_waited_ns = 0;
    cv__timeout_set(connection, CV__TIMEOUT_BODY);
}

bool cv__connection_can_drain(const cv__connection *connection)
{
    const cv__parser *parser = &connection->parser;
    if (cv__parser_is_complete(parser))
        return true;
    if (connection->continue_due || connection->body_timed_out || connection->peer_gone ||
        connection->found == CV__PARSE_REFUSED)
        return false;
    return parser->head.chunked || parser->head.content_length - parser->body_taken <= CV__DRAIN_BYTES;
}

bool cv__connection_body_is_slow(cv__connection *connection)
{
    const cv_server_options *options = &connection->server->options;
    uint64_t wanted = options->min_body_rate * (uint64_t)options->body_timeout_ms / 1000;
    return connection->received - connection->received_before < (wanted ? wanted : 1);
}

static int wait_body(cv_ctx *cx, cv__connection *connection)
{
    int64_t start_ns = cv__loop_now_ns(cx), waited_ns = connection->body_waited_ns;
    uint64_t before = connection->received_before;
    bool goes_on = waited_ns > 0;
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "read the body";
    connection->reader = &waiter;
    cv__connection_begin_body_window(connection);
    if (goes_on) {
        connection->received_before = before;
        connection->body_waited_ns = waited_ns;
    }
    cv__connection_set_reading(connection, true);
    int rc = cv__wait(cx, &waiter);
    connection->reader = NULL;
    if (connection->state != CV__CONNECTION_CLOSING && connection->waiting_kind == CV__TIMEOUT_BODY)
        cv_list_remove(&connection->waiting.link);
    connection->body_waited_ns += cv__loop_now_ns(cx) - start_ns;
    if (connection->body_waited_ns >= connection->server->durations_ns[CV__TIMEOUT_BODY]) {
        connection->body_timed_out |= cv__connection_body_is_slow(connection);
        connection->body_waited_ns = 0;
    }
    return rc;
}

static int send_continue(cv_ctx *cx, cv__connection *connection)
{
    cv_str text = CV_STR("HTTP/1.1 100 Continue\r\n\r\n");
    connection->continue_due = false;
    CV_TRY(cv__connection_write(cx, connection, &(struct iovec){(void *)(uintptr_t)text.ptr, text.len}, 1));
    return cv__connection_flush(cx, connection);
}

/* Why the body cannot be read on; 0: it can. */
static int body_problem(cv_ctx *cx, const cv__connection *connection)
{
    const cv__parser *parser = &connection->parser;
    if (connection->found == CV__PARSE_REFUSED)
        return cv_fail(cx, parser->refusal.status == 413 ? CV_E_TOO_LARGE : CV_E_BAD_REQUEST, "%s",
                       parser->refusal.reason);
    if (connection->state == CV__CONNECTION_CLOSING || connection->peer_gone)
        return cv_fail(cx, CV_E_CONNECTION_LOST, "could not read the body: the client has closed the connection");
    if (connection->body_timed_out)
        return cv_fail(cx, CV_E_TIMEOUT, "could not read the body: the client sent less than %zu bytes a second",
                       connection->server->options.min_body_rate);
    return 0;
}

int cv__connection_await_body(cv_ctx *cx, cv__connection *connection)
{
    CV_TRY(body_problem(cx, connection)); /* before the cancellation that it may have brought */
    CV_TRY(cv__wait_check(cx, "read the body"));
    if (connection->continue_due && !connection->head_sent)
        CV_TRY(send_continue(cx, connection));
    int rc = 0;
    if (!cv__connection_read_some(connection))
        rc = wait_body(cx, connection);
    connection->found = cv__parser_feed(&connection->parser, 0);
    if (connection->parser.body_len || connection->found == CV__PARSE_DONE)
        return 0;
    int problem = body_problem(cx, connection);
    return problem < 0 ? problem : rc;
}
