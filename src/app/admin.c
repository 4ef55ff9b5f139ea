#include "app/admin.h"

#include "base/ctx.h"
#include "http/server.h"
#include "rt/watch.h"

#include <covet/json.h>
#include <stdlib.h>

/* HELD_MS: a loop that is held so long is not coming back. */
enum { HELD_MS = 10 * 1000, WHOLE_REPLY_BYTES = 1 << 20, MAX_CONNECTIONS = 100, STOP_MS = 1000 };

struct cv__admin {
    cv_router *router;
    cv_server *server;
    const char *url;
};

static const char text_plain[] = "text/plain; charset=utf-8";

/* What does not fit into a whole reply goes out as a stream. */
static int reply_long(cv_ctx *cx, cv_response *res, const char *content_type, const cv_buf *text)
{
    if (text->error)
        return cv_fail(cx, text->error, "could not make the reply: %s", cv_error_text(text->error));
    if (text->len < WHOLE_REPLY_BYTES)
        return cv_reply_text(cx, res, 200, content_type, cv_buf_str(text));
    CV_TRY(cv_stream_start(cx, res, 200, content_type, (int64_t)text->len));
    CV_TRY(cv_stream_write(cx, res, text->data, text->len));
    return cv_stream_end(cx, res);
}

static int index_page(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, text_plain,
                         CV_STR("/metrics  metrics of this process, for Prometheus\n"
                                "/live     whether it runs: 200, or 503 when a loop does not come back\n"
                                "/ready    whether it can take requests: 200, or 503 with what it lacks\n"
                                "/fibers   what every fiber is at\n"));
}

/* ---- metrics ---- */

static int expose(cv_ctx *cx, const cv_app *app, cv_buf *out)
{
    cv_workers *workers = app->serving.workers;
    size_t count = workers ? cv_workers_count(workers) : 0;
    cv_metrics **list = cv_zalloc(cx, count + 1, sizeof(cv_metrics *));
    if (!list)
        return CV_E_NOMEM;
    list[0] = cx->metrics;
    for (size_t i = 0; i < count; i++)
        list[i + 1] = cv_workers_metrics(workers, i);
    cv_gauge_set(cv_gauge_get(cx->metrics, "covet_workers", "Workers that serve.", NULL), (int64_t)count);
    cv_metrics_expose_all(list, count + 1, out);
    return 0;
}

static int metrics(cv_ctx *cx, cv_request *req, cv_response *res)
{
    cv_buf out;
    cv_buf_init(&out, 0);
    int rc = expose(cx, cv_request_route_arg(req), &out);
    if (rc == 0)
        rc = reply_long(cx, res, "text/plain; version=0.0.4; charset=utf-8", &out);
    cv_buf_done(&out);
    return rc;
}

static int fibers(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    cv_buf out;
    cv_buf_init(&out, 0);
    int rc = cv_fibers_dump(cx, &out);
    if (rc == 0)
        rc = reply_long(cx, res, text_plain, &out);
    cv_buf_done(&out);
    return rc;
}

static int live(cv_ctx *cx, cv_request *req, cv_response *res)
{
    const cv_app *app = cv_request_route_arg(req);
    size_t index = 0;
    const char *holder = NULL;
    int64_t held_ms = app->serving.workers ? cv__workers_held_ms(app->serving.workers, &index, &holder) : 0;
    if (held_ms < HELD_MS)
        return cv_reply_text(cx, res, 200, text_plain, CV_STR("live\n"));
    char *why =
        cv_sprintf(cx, "the loop of worker %zu has been held for %lld ms by \"%s\"", index, (long long)held_ms, holder);
    return why ? cv_reply_problem(cx, res, 503, NULL, why) : CV_E_NOMEM;
}

/* ---- readiness ---- */

/* Nothing that others can read from outside tells more than the message: no detail, no cause. */
static void write_finding(cv_json_writer *w, const char *name, const char *lack)
{
    cv_json_object_start(w);
    cv_json_key(w, CV_STR("name"));
    cv_json_text(w, name);
    cv_json_key(w, CV_STR("ready"));
    cv_json_bool(w, lack == NULL);
    if (lack) {
        cv_json_key(w, CV_STR("reason"));
        cv_json_text(w, lack);
    }
    cv_json_object_end(w);
}

static int write_findings(cv_ctx *cx, cv_response *res, const cv__readiness *found)
{
    cv_buf *out = cv_response_body(res);
    cv_json_writer w;
    cv_json_writer_init(&w, out, 0);
    cv_response_status(res, found->ready ? 200 : 503);
    CV_TRY(cv_response_header(res, "Content-Type", "application/json"));
    CV_TRY(cv_response_header(res, "Cache-Control", "no-store"));
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("ready"));
    cv_json_bool(&w, found->ready);
    cv_json_key(&w, CV_STR("checks"));
    cv_json_array_start(&w);
    for (size_t i = 0; i < found->count; i++)
        write_finding(&w, found->checks[i].name, found->checks[i].lack);
    cv_json_array_end(&w);
    cv_json_object_end(&w);
    cv_buf_add_char(out, '\n');
    (void)cx;
    return 0;
}

static int ready(cv_ctx *cx, cv_request *req, cv_response *res)
{
    cv__readiness found;
    CV_TRY(cv__readiness_check(cx, cv_request_route_arg(req), &found));
    return write_findings(cx, res, &found);
}

/* ---- life ---- */

cv_router *cv__admin_router(cv_ctx *cx, cv_app *app)
{
    static const struct {
        const char *pattern;
        cv_handler *handler;
    } routes[] = {{"/", index_page}, {"/metrics", metrics}, {"/live", live}, {"/ready", ready}, {"/fibers", fibers}};
    cv_router *router = cv_router_new();
    if (!router) {
        cv_fail(cx, CV_E_NOMEM, "could not make the admin listener: out of memory");
        return NULL;
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (cv_router_add(cx, router, CV_GET, routes[i].pattern, routes[i].handler, app) == 0)
            continue;
        cv_router_free(router);
        return NULL;
    }
    return router;
}

/* "127.0.0.1:9464", "[::1]:9464" */
static int split_address(cv_ctx *cx, const char *address, char **ret_host, int *ret_port)
{
    const char *colon = strrchr(address, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    if (!colon || colon == address || end == colon + 1 || *end || port < 0 || port > 65535)
        return cv_fail(cx, CV_E_CONFIG,
                       "admin.listen cannot be \"%s\": it is an address with a port, such as 127.0.0.1:9464", address);
    bool has_brackets = address[0] == '[' && colon[-1] == ']';
    const char *host = address + has_brackets;
    *ret_host = cv_strndup(cx, host, (size_t)(colon - host) - has_brackets);
    *ret_port = (int)port;
    return *ret_host ? 0 : CV_E_NOMEM;
}

static int listen_at(cv_ctx *cx, cv__admin *admin, const char *address)
{
    cv_server_options options = {.max_connections = MAX_CONNECTIONS, .shutdown_timeout_ms = STOP_MS};
    char *host;
    CV_TRY(split_address(cx, address, &host, &options.port));
    options.host = host;
    CV_TRY(cv_server_start(cx, admin->router, &options, &admin->server));
    cv__server_hide(admin->server);
    bool is_v6 = strchr(host, ':') != NULL;
    admin->url =
        cv_sprintf(cx, "http://%s%s%s:%d/", is_v6 ? "[" : "", host, is_v6 ? "]" : "", cv_server_port(admin->server));
    return admin->url ? 0 : CV_E_NOMEM;
}

int cv__admin_start(cv_ctx *cx, cv_app *app, cv__admin **ret_admin)
{
    const char *address = cv_config_text(app->config, "admin.listen");
    *ret_admin = NULL;
    if (!address)
        return 0;
    cv__admin *admin = cv_zalloc(cx, 1, sizeof *admin);
    if (!admin)
        return CV_E_NOMEM;
    admin->router = cv__admin_router(cx, app);
    if (!admin->router)
        return cx->error_code;
    int rc = cx->metrics ? cv__process_metrics(cx->metrics) : 0;
    if (rc == 0)
        rc = listen_at(cx, admin, address);
    if (rc < 0) {
        cv_error *first = cv_error_take(cx);
        cv__admin_stop(cx, admin);
        cv_error_put_back(cx, first);
        return rc;
    }
    *ret_admin = admin;
    return 0;
}

const char *cv__admin_url(const cv__admin *admin)
{
    return admin->url;
}

const cv_listener *cv__admin_listener(const cv__admin *admin)
{
    return admin ? admin->server->listener : NULL;
}

void cv__admin_leave(cv__admin *admin)
{
    if (admin)
        cv_server_leave(admin->server);
}

void cv__admin_stop(cv_ctx *cx, cv__admin *admin)
{
    if (!admin)
        return;
    cv_server_stop(cx, admin->server);
    cv_router_free(admin->router);
}
