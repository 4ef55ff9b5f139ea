/* The server that is attacked: whatever is let through is answered with what was understood, so that the client can
 * tell which requests ran, and as what.
 *
 *     victim FOLDER [NAME=NUMBER...]     files of FOLDER below /files; time limits in milliseconds, sizes in bytes
 *
 * Its first line says where it listens; it ends with SIGTERM, and counts what it did at /stats. */
#include <covet/covet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALL_METHODS = CV_GET | CV_HEAD | CV_POST | CV_PUT | CV_PATCH | CV_DELETE | CV_OPTIONS, SHOWN_BYTES = 10000 };

static void add_hex(cv_buf *out, const char *name, cv_str bytes)
{
    cv_buf_printf(out, "%s %zu ", name, bytes.len);
    for (size_t i = 0; i < bytes.len && i < SHOWN_BYTES; i++)
        cv_buf_printf(out, "%02x", (unsigned char)bytes.ptr[i]);
    cv_buf_add_char(out, '\n');
}

/* What was understood. The prefix of routes that do not read their bodies as others do is no part of it. */
static int tell(cv_request *req, cv_response *res, size_t prefix, cv_str body)
{
    cv_str path = cv_request_path(req);
    CV_TRY(cv_response_header(res, "Content-Type", "text/plain"));
    CV_TRY(cv_response_header(res, "X-Method", cv_method_name(cv_request_method(req))));
    cv_buf *out = cv_response_body(res);
    cv_buf_printf(out, "method %s\n", cv_method_name(cv_request_method(req)));
    add_hex(out, "target", cv_request_target(req));
    add_hex(out, "path", cv_str_sub(path, prefix, path.len));
    add_hex(out, "query", cv_request_query(req));
    add_hex(out, "host", cv_request_header(req, "host"));
    add_hex(out, "x", cv_request_header(req, "x"));
    add_hex(out, "body", body);
    return 0;
}

static int echo(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)cx;
    return tell(req, res, 0, cv_request_body(req));
}

/* The body as it comes, in small pieces. */
static int echo_stream(cv_ctx *cx, cv_request *req, cv_response *res)
{
    char piece[7];
    size_t len;
    cv_buf body;
    cv_buf_init_arena(&body, cv_ctx_arena(cx), 0);
    do {
        CV_TRY(cv_body_read(cx, req, piece, sizeof piece, &len));
        cv_buf_add(&body, piece, len);
    } while (len);
    return tell(req, res, strlen("/stream"), cv_buf_str(&body));
}

/* A reply without a look at the body. */
static int echo_unread(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)cx;
    return tell(req, res, strlen("/unread"), CV_STR(""));
}

/* A value of the client's comes back in a header. */
static int reflect(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int rc = cv_response_header(res, "X-Reflected", cv_query_param(req, "v", ""));
    if (rc != CV_E_INVALID)
        return rc ? rc : cv_reply_text(cx, res, 200, "text/plain", CV_STR("reflected\n"));
    cv_error_clear(cx);
    return cv_reply_problem(cx, res, 400, NULL, "the value does not fit into a header");
}

static int redirect(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int rc = cv_reply_redirect(cx, res, 302, cv_query_param(req, "v", "/"));
    if (rc != CV_E_INVALID)
        return rc;
    cv_error_clear(cx);
    return cv_reply_problem(cx, res, 400, NULL, "the value does not fit into a header");
}

/* A reply of `bytes`, as a stream. */
static int flood(cv_ctx *cx, cv_request *req, cv_response *res)
{
    static const char piece[65536];
    int64_t bytes;
    CV_TRY(cv_query_i64(req, "bytes", 1 << 20, 0, 1 << 30, &bytes));
    CV_TRY(cv_stream_start(cx, res, 200, "application/octet-stream", bytes));
    for (int64_t left = bytes; left > 0; left -= (int64_t)sizeof piece)
        CV_TRY(cv_stream_write(cx, res, piece, left < (int64_t)sizeof piece ? (size_t)left : sizeof piece));
    return cv_stream_end(cx, res);
}

static int stats(cv_ctx *cx, cv_request *req, cv_response *res)
{
    cv_server *const *server = cv_request_route_arg(req);
    cv_server_stats now = cv_server_get_stats(*server);
    CV_TRY(cv_response_header(res, "Content-Type", "application/json"));
    cv_buf_printf(cv_response_body(res),
                  "{\"connections_open\": %zu, \"requests_active\": %zu, \"fibers\": %zu, \"connections_total\": %llu, "
                  "\"requests_total\": %llu, \"errors\": %llu}\n",
                  now.connections_open, now.requests_active, cv_fiber_count(cx),
                  (unsigned long long)now.connections_total, (unsigned long long)now.requests_total,
                  (unsigned long long)now.responses_by_class[5]);
    return 0;
}

static int add_stream_route(cv_ctx *cx, cv_router *router, const char *prefix, cv_handler *handler)
{
    cv_route_group *group = cv_router_group(cx, router, prefix);
    return group ? cv_route_group_route(
                       cx, group,
                       &(cv_route_spec){
                           .methods = ALL_METHODS, .pattern = "/{rest:path}", .handler = handler, .stream_body = true})
                 : CV_E_NOMEM;
}

static int add_routes(cv_ctx *cx, cv_router *router, const char *folder, cv_server **server)
{
    CV_TRY(cv_router_add(cx, router, ALL_METHODS, "/", echo, NULL));
    CV_TRY(cv_router_add(cx, router, ALL_METHODS, "/{rest:path}", echo, NULL));
    CV_TRY(cv_router_add(cx, router, CV_GET, "/reflect", reflect, NULL));
    CV_TRY(cv_router_add(cx, router, CV_GET, "/redirect", redirect, NULL));
    CV_TRY(cv_router_add(cx, router, CV_GET, "/flood", flood, NULL));
    CV_TRY(cv_router_add(cx, router, CV_GET, "/stats", stats, server));
    CV_TRY(add_stream_route(cx, router, "/stream", echo_stream));
    CV_TRY(add_stream_route(cx, router, "/unread", echo_unread));
    return cv_router_static(cx, router, "/files", folder, NULL);
}

static void set_option(cv_server_options *options, const char *text)
{
    const struct {
        const char *name;
        int64_t *value;
    } times[] = {
        {"header_timeout_ms", &options->header_timeout_ms},   {"body_timeout_ms", &options->body_timeout_ms},
        {"idle_timeout_ms", &options->idle_timeout_ms},       {"write_timeout_ms", &options->write_timeout_ms},
        {"request_timeout_ms", &options->request_timeout_ms},
    };
    size_t name_len = strcspn(text, "=");
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (text[name_len] && strlen(times[i].name) == name_len && !strncmp(text, times[i].name, name_len)) {
            *times[i].value = strtoll(text + name_len + 1, NULL, 10);
            return;
        }
    fprintf(stderr, "victim: unknown option %s\n", text);
    exit(2);
}

struct life {
    cv_cond stop;
    bool stopping;
};

static int on_stop(cv_ctx *cx, void *arg)
{
    (void)cx;
    struct life *life = arg;
    life->stopping = true;
    cv_cond_broadcast(&life->stop);
    return 0;
}

static int serve(cv_ctx *cx, cv_router *router, const cv_server_options *options, cv_server **server)
{
    struct life life = {.stopping = false};
    cv_cond_init(&life.stop);
    CV_TRY(cv_on_signal(cx, SIGTERM, on_stop, &life));
    CV_TRY(cv_server_start(cx, router, options, server));
    printf("{\"listening\": {\"port\": %d}}\n", cv_server_port(*server));
    fflush(stdout);
    int rc = 0;
    while (!life.stopping && rc == 0)
        rc = cv_cond_wait(cx, &life.stop, NULL);
    cv_server_stop(cx, *server);
    return rc;
}

int main(int argc, char **argv)
{
    cv_server_options options = {0};
    for (int i = 2; i < argc; i++)
        set_option(&options, argv[i]);
    cv_log *log = cv_log_new(&(cv_log_options){.level = CV_LOG_WARN});
    cv_ctx *cx;
    if (argc < 2 || cv_runtime_new(&(cv_runtime_options){.log = log, .watchdog_ms = -1}, &cx) < 0)
        return 2;
    cv_router *router = cv_router_new();
    cv_server *server = NULL;
    int rc = add_routes(cx, router, argv[1], &server);
    if (rc == 0)
        rc = serve(cx, router, &options, &server);
    if (rc < 0)
        fprintf(stderr, "victim: %s\n", cv_error_last(cx)->message);
    cv_router_free(router);
    cv_runtime_free(cx);
    cv_log_free(log);
    return rc < 0;
}
