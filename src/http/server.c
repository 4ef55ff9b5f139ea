#include "http/connection.h"

#include "base/ctx.h"
#include "http/listener.h"
#include "http/metrics.h"
#include "http/middleware/access_log.h"
#include "http/router.h"
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* How long cut requests have to end before cv_server_stop leaves them to themselves. */
enum { CUT_MS = 1000 };

/* How long a stopping server waits for the first request of a connection. */
enum { FRESH_MS = 1000 };

/* ---- options ---- */

static int check_range(cv_ctx *cx, const char *name, int64_t value, int64_t max)
{
    if (value >= 0 && value <= max)
        return 0;
    return cv_fail(cx, CV_E_INVALID, "cannot start the server: the option \"%s\" is not between 0 and %lld", name,
                   (long long)max);
}

static int check_options(cv_ctx *cx, const cv_server_options *o)
{
    const int64_t max_ms = INT64_C(1000) * 60 * 60 * 24;
    const struct {
        const char *name;
        int64_t value, max;
    } ranges[] = {
        {"port", o->port, 65535},
        {"backlog", o->backlog, 65535},
        {"max_connections", (int64_t)o->max_connections, INT_MAX},
        {"max_header_bytes", (int64_t)o->max_header_bytes, CV__MAX_HEADER_BYTES},
        {"max_target_bytes", (int64_t)o->max_target_bytes, CV__SCRATCH_BYTES},
        {"max_headers", (int64_t)o->max_headers, 10000},
        {"max_body_bytes", (int64_t)o->max_body_bytes, CV__MAX_BODY_BYTES},
        {"max_requests_per_connection", (int64_t)o->max_requests_per_connection, INT_MAX},
        {"header_timeout_ms", o->header_timeout_ms, max_ms},
        {"body_timeout_ms", o->body_timeout_ms, max_ms},
        {"idle_timeout_ms", o->idle_timeout_ms, max_ms},
        {"request_timeout_ms", o->request_timeout_ms, max_ms},
        {"write_timeout_ms", o->write_timeout_ms, max_ms},
        {"min_body_rate", (int64_t)o->min_body_rate, INT_MAX},
        {"min_write_rate", (int64_t)o->min_write_rate, INT_MAX},
        {"shutdown_timeout_ms", o->shutdown_timeout_ms, max_ms},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        CV_TRY(check_range(cx, ranges[i].name, ranges[i].value, ranges[i].max));
    return 0;
}

#define DEFAULT(field, value) ((field) = (field) ? (field) : (value))

static cv_server_options with_defaults(const cv_server_options *given)
{
    cv_server_options o = given ? *given : (cv_server_options){0};
    DEFAULT(o.host, "127.0.0.1");
    DEFAULT(o.backlog, 511);
    DEFAULT(o.max_connections, 10000);
    DEFAULT(o.max_header_bytes, 32 * 1024);
    DEFAULT(o.max_target_bytes, 8 * 1024);
    DEFAULT(o.max_headers, 100);
    DEFAULT(o.max_body_bytes, 2 * 1024 * 1024);
    DEFAULT(o.max_requests_per_connection, 10000);
    DEFAULT(o.header_timeout_ms, 10000);
    DEFAULT(o.body_timeout_ms, 10000);
    DEFAULT(o.idle_timeout_ms, 60000);
    DEFAULT(o.request_timeout_ms, 30000);
    DEFAULT(o.write_timeout_ms, 10000);
    DEFAULT(o.min_body_rate, 500);
    DEFAULT(o.min_write_rate, 500);
    DEFAULT(o.shutdown_timeout_ms, 10000);
    return o;
}

static bool is_over(const struct cv_server *server)
{
    return server->stats.connections_open == 0;
}

static void wake_stop(struct cv_server *server)
{
    if (server->stop_waiter)
        cv__wake(server->stop_waiter, 0);
}

void cv__server_connection_left(struct cv_server *server, const cv__peer *peer)
{
    server->stats.connections_open--;
    cv__listener_release(server->listener, &peer->address);
    cv__accept_place_free(server);
    if (is_over(server))
        wake_stop(server);
}

void cv__server_request_left(struct cv_server *server)
{
    if (--server->stats.requests_active == 0)
        wake_stop(server);
}

/* ---- life ---- */

void cv__server_hide(struct cv_server *server)
{
    cv__http_metrics_free(server->metrics);
    server->metrics = NULL;
}

static void free_server(struct cv_server *server)
{
    cv__http_metrics_free(server->metrics);
    cv__buffers_done(&server->buffers);
    free(server->acceptors);
    if (server->owns_listener)
        cv_listener_close(server->listener);
    free(server);
}

void cv__server_unref(struct cv_server *server)
{
    if (--server->holders == 0)
        free_server(server);
    else if (server->holders == 1)
        wake_stop(server);
}

static void wait_stop(cv_ctx *cx, struct cv_server *server)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "stop the server";
    server->stop_waiter = &waiter;
    (void)cv__wait_uninterruptible(cx, &waiter);
    server->stop_waiter = NULL;
}

/* Close all handles and give up the caller's hold; when no request is left behind, wait for the memory to be free. */
static void close_all(cv_ctx *cx, struct cv_server *server)
{
    cv__accept_end(server);
    cv__timeouts_done(server);
    cv__timer_stop(server->main, &server->stop_timer);
    while (server->holders > 1 && !server->abandoned)
        wait_stop(cx, server);
    cv__access_sinks_free(server);
    cv__server_unref(server);
}

static struct cv_server *make_server(cv_ctx *cx, cv_router *router, const cv_server_options *options)
{
    struct cv_server *server = calloc(1, sizeof *server);
    if (!server) {
        cv_fail(cx, CV_E_NOMEM, "could not start the server: out of memory");
        return NULL;
    }
    server->main = cv__main_ctx(cx);
    server->router = router;
    server->options = *options;
    server->limits = (cv__parser_limits){
        .max_header_bytes = options->max_header_bytes,
        .max_headers = options->max_headers,
        .max_body_bytes = options->max_body_bytes,
        .max_target_bytes = options->max_target_bytes,
        .heads_first = true,
    };
    cv__buffers_init(&server->buffers, options->max_headers * sizeof(cv__header));
    server->reserve_fd = -1;
    server->holders = 1;
    server->date_s = INT64_MIN;
    cv_list_init(&server->connections);
    cv__timeouts_init(server);
    server->metrics = cv__http_metrics_new(server->main, router, &server->stats);
    return server;
}

/* sendfile has no flag against the signal: a client that has left would end the process. A handler of the program's own
 * stays. */
static void ignore_broken_pipes(void)
{
    struct sigaction present;
    if (sigaction(SIGPIPE, NULL, &present) == 0 && present.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

int cv__server_new(cv_ctx *cx, cv_router *router, const cv_server_options *given, cv_server **ret_server)
{
    cv_server_options options = with_defaults(given);
    CV_TRY(check_options(cx, &options));
    CV_TRY(cv__router_freeze(cx, router));
    struct cv_server *server = make_server(cx, router, &options);
    if (!server)
        return CV_E_NOMEM;
    *ret_server = server;
    return 0;
}

/* A listener of its own, at host and port. */
static int open_listener(cv_ctx *cx, struct cv_server *server)
{
    const cv_server_options *o = &server->options;
    const char *open = strchr(o->host, ':') ? "[" : "", *close = *open ? "]" : "";
    const char *address = cv_sprintf(cx, "%s%s%s:%d", open, o->host, close, o->port);
    cv_listener_options options = {.backlog = o->backlog, .max_connections = o->max_connections};
    if (!address)
        return CV_E_NOMEM;
    CV_TRY(cv_listener_open(cx, address, &options, &server->listener));
    server->owns_listener = true;
    return 0;
}

static int listen_there(cv_ctx *cx, struct cv_server *server)
{
    server->listener = server->options.listener;
    if (!server->listener)
        CV_TRY(open_listener(cx, server));
    server->trusted = server->listener->trusted;
    server->port = cv_listener_port(server->listener);
    return cv__accept_begin(cx, server);
}

int cv_server_start(cv_ctx *cx, cv_router *router, const cv_server_options *options, cv_server **ret_server)
{
    struct cv_server *server;
    CV_TRY(cv__server_new(cx, router, options, &server));
    ignore_broken_pipes();
    int rc = listen_there(cx, server);
    server->options.host = NULL; /* the caller's text; not needed any more */
    if (rc < 0) {
        cv_error *first = cv_error_take(cx);
        close_all(cx, server);
        cv_error_put_back(cx, first);
        return rc;
    }
    *ret_server = server;
    return 0;
}

int cv_server_port(const cv_server *server)
{
    return server->port;
}

cv_server_stats cv_server_get_stats(const cv_server *server)
{
    return server->stats;
}

/* ---- stopping ---- */

static void cut_connections(struct cv_server *server)
{
    cv_list_each (link, &server->connections) {
        cv__connection *connection = cv_list_entry(link, cv__connection, all);
        if (connection->fiber)
            cv_cancel(connection->fiber);
        cv__connection_cut(connection, true);
    }
}

static void on_out_of_patience(cv__timer *timer)
{
    struct cv_server *server = cv_list_entry(timer, struct cv_server, stop_timer);
    cut_connections(server);
    server->cut = true;
    wake_stop(server);
}

static void on_given_up(cv__timer *timer)
{
    struct cv_server *server = cv_list_entry(timer, struct cv_server, stop_timer);
    server->abandoned = true;
    wake_stop(server);
}

static void set_stop_timer(struct cv_server *server, int64_t ms, void (*fire)(cv__timer *timer))
{
    server->stop_timer.fire = fire;
    cv__timer_start(server->main, &server->stop_timer, cv_now_ns(server->main) + ms * 1000000);
}

/* Connections whose first request is still to come are no idle ones: it may be on its way. */
static void cut_idle(struct cv_server *server, bool fresh_too)
{
    cv_list_each (link, &server->connections) {
        cv__connection *connection = cv_list_entry(link, cv__connection, all);
        bool idle = connection->state == CV__CONNECTION_IDLE && (fresh_too || connection->requests > 0);
        if (idle || connection->state == CV__CONNECTION_LINGERING)
            cv__connection_cut(connection, false);
    }
}

static void on_fresh_expired(cv__timer *timer)
{
    struct cv_server *server = cv_list_entry(timer, struct cv_server, stop_timer);
    cut_idle(server, true);
    int64_t left_ms = server->options.shutdown_timeout_ms - FRESH_MS;
    set_stop_timer(server, left_ms > 0 ? left_ms : 0, on_out_of_patience);
}

static void begin_patience(struct cv_server *server)
{
    if (server->options.shutdown_timeout_ms > FRESH_MS)
        set_stop_timer(server, FRESH_MS, on_fresh_expired);
    else
        set_stop_timer(server, server->options.shutdown_timeout_ms, on_out_of_patience);
}

void cv_server_leave(cv_server *server)
{
    if (server->listener)
        cv__listener_leave(server->listener);
    cv__accept_end(server);
}

void cv__server_cut(cv_server *server)
{
    if (server->stopping && !server->cut)
        on_out_of_patience(&server->stop_timer);
}

/* In the order of these steps: nobody new, nobody idle, patience, the rest. */
void cv_server_stop(cv_ctx *cx, cv_server *server)
{
    if (!server)
        return;
    server->stopping = true;
    cv__accept_end(server);
    cut_idle(server, false);
    begin_patience(server);
    while (!is_over(server) && !server->cut)
        wait_stop(cx, server);
    set_stop_timer(server, CUT_MS, on_given_up);
    while (server->stats.requests_active > 0 && !server->abandoned)
        wait_stop(cx, server);
    close_all(cx, server);
}

/* ---- the date ---- */

cv_str cv__server_date(struct cv_server *server)
{
    int64_t seen_ns = cv__loop_now_ns(server->main);
    if (seen_ns == server->date_seen_ns)
        return cv_str_make(server->date, server->date_len);
    cv_time now = cv_time_now();
    int64_t second = now.us / 1000000;
    server->date_seen_ns = seen_ns;
    if (second != server->date_s) {
        server->date_s = second;
        server->date_len = cv_time_format_http(now, server->date);
    }
    return cv_str_make(server->date, server->date_len);
}
