/* One request and its reply, in a fiber of its own. Whatever the handler does, settle() leaves exactly one of: a whole
 * reply to be sent, a stream that ended, or a stream that must be cut. */
#include "http/connection.h"

#include "base/ctx.h"
#include "http/exchange.h"
#include "http/metrics.h"
#include "http/router.h"
#include "rt/wait.h"
#include <covet/fiber.h>
#include <covet/middleware.h>
#include <covet/runtime.h>
#include <stdio.h>

/* Room for the error reply when the handler has used up its arena. */
enum { ERROR_REPLY_BYTES = 64 * 1024 };

/* ---- what the handler left ---- */

static int check_body(cv_ctx *cx, const cv_response *res)
{
    if (res->body.error == CV_E_LIMIT) {
        cv_fail(cx, CV_E_LIMIT, "cannot reply with more than %zu bytes at once", CV__MAX_RESPONSE_BODY);
        cv_error_hint(cx, "use cv_stream_start for large replies");
        return CV_E_LIMIT;
    }
    return res->body.error ? cv_fail(cx, res->body.error, "could not make the reply: out of memory") : 0;
}

/* A handler that returned 0: whether it kept the rules. */
static int check_handler(cv_ctx *cx, const cv_response *res)
{
    if (cx->tx_marked)
        return cv_fail(cx, CV_E_STATE, "cannot reply: an atomic block was left early and nothing of it is stored");
    if (cx->tx)
        return cv_fail(cx, CV_E_IN_TRANSACTION, "cannot reply: the handler returned inside an open transaction");
    if (res->state == CV__REPLY_STREAM)
        return cv_fail(cx, CV_E_STATE, "cannot end the reply: the handler returned without cv_stream_end");
    if (!cv_response_is_made(res))
        return cv_fail(cx, CV_E_STATE, "cannot reply: the handler returned without a reply");
    return check_body(cx, res);
}

/* The error that is pending must be the one that was returned. */
static void complete_story(cv_ctx *cx, int rc)
{
    const cv_error *error = cv_error_last(cx);
    if (!error || error->code != rc)
        cv_fail(cx, rc, "%s", cv_error_text(rc));
}

/* What was asked becomes the outermost story; it keeps the hint and the detail in sight. */
static void log_failure(cv_ctx *cx, const cv_request *req, cv_log_level level)
{
    if (!cv_log_enabled(cx->log, level))
        return;
    const cv_error *reason = cv_error_last(cx);
    cv_str path = cv_str_sub(req->path, 0, 256);
    cv_fail(cx, cx->error_code, "could not answer %s %.*s", cv_method_name(cv_request_method(req)), CV_STR_ARG(path));
    if (reason && reason->hint)
        cv_error_hint(cx, "%s", reason->hint);
    if (reason && reason->detail)
        cv_error_detail(cx, "%s", reason->detail);
    cv_log_error(cx->log, level, "request failed", cv_error_last(cx));
}

/* The reply to an error, before the error is wrapped for the log. */
static void reply_error(cv_ctx *cx, cv_response *res)
{
    cv__response_reset(res);
    if (cv__response_problem(cx, res) == 0)
        return;
    cv__response_reset(res);
    res->status = 500;
    res->state = CV__REPLY_WHOLE;
}

/* It was the client that took too long, or ended in the middle of its request. */
static void reply_body(cv_ctx *cx, cv_response *res, int status, const char *detail)
{
    cv__response_reset(res);
    if (cv_reply_problem(cx, res, status, NULL, detail) < 0)
        reply_error(cx, res);
}

/* Whether the client went away or took its reply too slowly. Anybody can do that as often as he likes: it fills no log.
 */
static bool is_the_client_s(const cv__connection *connection, int rc)
{
    bool cut = connection->state == CV__CONNECTION_CLOSING && !connection->server->cut;
    switch (rc) {
    case CV_E_CANCELLED:
    case CV_E_CONNECTION_LOST:
        return connection->peer_gone || cut;
    case CV_E_TIMEOUT:
        return connection->write_timed_out || connection->body_timed_out;
    default:
        return false;
    }
}

static void settle(cv_ctx *cx, const cv_request *req, cv_response *res, int rc)
{
    const cv__connection *connection = req->connection;
    bool client_left = is_the_client_s(connection, rc);
    if (rc >= 0)
        rc = check_handler(cx, res);
    if (rc == 0) {
        if (res->state == CV__REPLY_NONE)
            res->state = CV__REPLY_WHOLE;
        return;
    }
    complete_story(cx, rc);
    bool streaming = res->state >= CV__REPLY_STREAM;
    if (streaming)
        res->state = CV__REPLY_CUT;
    else if (rc == CV_E_TIMEOUT && connection->body_timed_out)
        reply_body(cx, res, 408, "the body did not arrive in time");
    else if (client_left && !cv__parser_is_complete(&connection->parser))
        reply_body(cx, res, 400, "the body ended too early");
    else
        reply_error(cx, res);
    if (streaming || res->status >= 500)
        log_failure(cx, req, client_left ? CV_LOG_DEBUG : CV_LOG_ERROR);
}

/* ---- sending ---- */

/* How long middleware may take for a reply when the request's own time is over. */
enum { REPLY_GRACE_MS = 5000 };

/* The way out through the middleware. A hook that fails makes an error reply, which passes those that are left. */
static void pass_reply_hooks(cv_ctx *cx, cv_request *req, cv_response *res)
{
    if (!req->unreplied)
        return;
    cx->deadline_ns = cv_now_ns(cx) + (int64_t)REPLY_GRACE_MS * 1000000;
    for (int rc; req->unreplied;) {
        rc = cv__chain_reply(cx, req, res);
        if (rc == 0 && res->state == CV__REPLY_WHOLE)
            rc = check_body(cx, res);
        if (rc == 0)
            continue;
        complete_story(cx, rc);
        reply_error(cx, res);
        log_failure(cx, req, CV_LOG_ERROR);
    }
}

/* The handler's time is over or not: its reply is bounded by the write time limit alone. */
static void send_whole(cv_ctx *cx, cv__connection *connection, cv_response *res)
{
    cx->deadline_ns = INT64_MAX;
    if (cv__response_send_whole(cx, res) < 0) {
        res->state = CV__REPLY_CUT;
        cv__connection_cut(connection, true);
    }
}

static cv__after finish(cv_ctx *cx, cv_request *req, cv_response *res, int rc)
{
    cv__connection *connection = req->connection;
    cv_arena *arena = cv_ctx_arena(cx);
    cv_arena_stats stats = cv_arena_get_stats(arena);
    cv_arena_set_limit(arena, stats.limit_bytes + ERROR_REPLY_BYTES);
    settle(cx, req, res, rc);
    if (res->state == CV__REPLY_WHOLE) {
        pass_reply_hooks(cx, req, res);
        send_whole(cx, connection, res);
    }
    cv_arena_set_limit(arena, stats.limit_bytes);
    connection->server->stats.responses_by_class[res->status / 100 % 6]++;
    if (res->state == CV__REPLY_CUT)
        return CV__AFTER_CUT;
    return res->keep_alive ? CV__AFTER_NEXT : CV__AFTER_CLOSE;
}

static void on_leave(void *arg)
{
    cv__connection_leaving(arg);
}

static void describe(const void *arg, char *text, size_t size)
{
    const cv_request *req = arg;
    snprintf(text, size, "%s %.*s", cv_method_name(cv_request_method(req)), CV_STR_ARG(req->path));
}

/* One request whose head the parser holds, with the route that was found for it. `*clock_ns` is now; the clock is read
 * once a request. */
static cv__after answer(cv_ctx *cx, cv__connection *connection, int64_t *clock_ns)
{
    struct cv_server *server = connection->server;
    const cv__head *head = &connection->parser.head;
    cv_request req;
    cv_response res;
    int64_t started_ns = *clock_ns;
    cv__response_init(cx, &res, head->method, head->minor_version, head->keep_alive);
    res.connection = connection;
    res.request = &req;
    int rc = cv__request_init(cx, &req, &connection->parser, connection);
    req.started_ns = started_ns;
    cv__request_matched(&req, &connection->match);
    cx->deadline_ns = started_ns + cv__response_time_limit_ms(&res) * 1000000; /* not that of the main context */
    res.deadline_ns = cx->deadline_ns;
    cv__fiber_tell(cx, req.route->label, describe, &req);
    if (rc == 0)
        rc = cv__router_run(cx, &req, &res);
    cv__after after = finish(cx, &req, &res, rc);
    req.ended_ns = *clock_ns = cv_now_ns(cx);
    cv__http_metrics_request(server->metrics, &req, &res, req.ended_ns);
    cv__chain_after(cx, &req, &res);
    cv__fiber_tell(cx, NULL, NULL, NULL);
    return after;
}

/* Requests that came together do not keep the loop longer than this. */
enum { BATCH_NS = 2000000 };

static void give_way(cv_ctx *cx, cv__connection *connection, int64_t *clock_ns)
{
    if (!connection->batch_ns)
        connection->batch_ns = *clock_ns;
    if (*clock_ns - connection->batch_ns < BATCH_NS)
        return;
    if (cv_yield(cx) < 0)
        cv_error_clear(cx);
    connection->batch_ns = *clock_ns = cv_now_ns(cx);
}

int cv__exchange_run(cv_ctx *cx, void *arg)
{
    cv__connection *connection = arg;
    int64_t clock_ns = cv_now_ns(cx);
    connection->fiber = cx->fiber;
    connection->batch_ns = clock_ns;
    cv__fiber_on_leave(cx, on_leave, connection);
    if (connection->peer_gone || connection->state == CV__CONNECTION_CLOSING)
        cv_cancel(cx->fiber);
    while (cv__connection_next(connection, answer(cx, connection, &clock_ns))) {
        give_way(cx, connection, &clock_ns); /* may be told of a cancellation; the next request must hear of it, too */
        cv__fiber_renew(cx);
        if (connection->state == CV__CONNECTION_CLOSING)
            break;
    }
    cv__fiber_on_leave(cx, NULL, NULL);
    cv__connection_finished(connection);
    return 0;
}
