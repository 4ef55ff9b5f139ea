#include "http/metrics.h"

#include "base/ctx.h"
#include "base/metric.h"
#include "http/response.h"
#include "rt/watch.h"
#include <stdio.h>
#include <stdlib.h>

/* Those that OpenTelemetry recommends for requests, and 1 ms and below, where most replies are. */
static const double duration_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075,
                                         0.1,    0.25,    0.5,    0.75,  1,      2.5,   5,    7.5,   10};
static const double size_bounds[] = {0, 128, 512, 2048, 8192, 32768, 131072, 524288, 2097152, 16777216, 134217728};
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { STATUSES = 600, MAX_LABEL_BYTES = 2 * CV__MAX_PATTERN_BYTES + 128 };

/* What was answered with one status to one method of one route. */
struct series {
    struct series *next;
    unsigned method, status;
    cv_histogram *duration, *request_size, *response_size; /* NULL: there are too many metrics */
};

struct cv__http_metrics {
    cv_metrics *registry;
    const cv_server_stats *stats;
    cv__tick tick;
    int64_t idle, active, requests; /* as shown: several servers may share a registry */
    uint64_t connections_total;
    cv_gauge *idle_gauge, *active_gauge, *requests_gauge;
    cv_counter *connections_counter;
    cv_counter *refused[STATUSES];
    size_t route_count;
    struct series *routes[]; /* by the route's index; the last is for requests without a route */
};

/* ---- what is counted anyway ---- */

static void show(cv_gauge *gauge, int64_t *shown, int64_t value)
{
    cv__gauge_add_alone(gauge, value - *shown);
    *shown = value;
}

static void look(cv__http_metrics *m, const cv_server_stats *stats)
{
    show(m->idle_gauge, &m->idle, (int64_t)stats->connections_idle);
    show(m->active_gauge, &m->active, (int64_t)(stats->connections_open - stats->connections_idle));
    show(m->requests_gauge, &m->requests, (int64_t)stats->requests_active);
    cv__counter_add_alone(m->connections_counter, stats->connections_total - m->connections_total);
    m->connections_total = stats->connections_total;
}

static void on_tick(cv__tick *tick)
{
    cv__http_metrics *m = cv_list_entry(tick, cv__http_metrics, tick);
    look(m, m->stats);
}

/* ---- life ---- */

cv__http_metrics *cv__http_metrics_new(cv_ctx *main, const cv_router *router, const cv_server_stats *stats)
{
    size_t routes = cv__router_route_count(router) + 1;
    cv__http_metrics *m = main->metrics ? calloc(1, sizeof *m + routes * sizeof m->routes[0]) : NULL;
    if (!m)
        return NULL;
    const char *help = "Open connections, without and with a request that is arriving or being answered.";
    m->registry = main->metrics;
    m->stats = stats;
    m->route_count = routes;
    m->idle_gauge = cv_gauge_get(m->registry, "covet_http_connections", help, "state=\"idle\"");
    m->active_gauge = cv_gauge_get(m->registry, "covet_http_connections", help, "state=\"active\"");
    m->requests_gauge = cv_gauge_get(m->registry, "http_server_active_requests", "Requests being answered.", NULL);
    m->connections_counter = cv_counter_get(m->registry, "covet_http_connections_total", "Connections accepted.", NULL);
    m->tick.fn = on_tick;
    cv__tick_add(main, &m->tick);
    return m;
}

void cv__http_metrics_free(cv__http_metrics *m)
{
    if (!m)
        return;
    cv_server_stats last = *m->stats;
    last.connections_open = last.connections_idle = last.requests_active = 0;
    cv__tick_remove(&m->tick);
    look(m, &last);
    for (size_t i = 0; i < m->route_count; i++) {
        for (struct series *at = m->routes[i], *next; at; at = next) {
            next = at->next;
            free(at);
        }
    }
    free(m);
}

/* ---- requests ---- */

static void add_escaped(cv_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            cv_buf_add_char(out, '\\');
        cv_buf_add_char(out, *text);
    }
}

static void register_series(const cv__http_metrics *m, struct series *series, const char *labels)
{
    series->duration = cv_histogram_get(m->registry, "http_server_request_duration_seconds",
                                        "From the complete head of a request to the end of its reply.", labels,
                                        duration_bounds, COUNT(duration_bounds));
    series->request_size = cv_histogram_get(m->registry, "http_server_request_body_size_bytes", "Bodies of requests.",
                                            labels, size_bounds, COUNT(size_bounds));
    series->response_size = cv_histogram_get(m->registry, "http_server_response_body_size_bytes",
                                             "Bodies of replies, as sent.", labels, size_bounds, COUNT(size_bounds));
}

static struct series *add_series(cv__http_metrics *m, const cv__route *route, unsigned method, unsigned status)
{
    struct series *series = calloc(1, sizeof *series);
    if (!series)
        return NULL;
    cv_buf labels;
    cv_buf_init(&labels, MAX_LABEL_BYTES);
    cv_buf_printf(&labels, "http_request_method=\"%s\",http_route=\"", cv_method_name((cv_method)method));
    add_escaped(&labels, route->pattern ? route->pattern : "");
    cv_buf_printf(&labels, "\",http_response_status_code=\"%u\"", status);
    series->method = method;
    series->status = status;
    if (!labels.error)
        register_series(m, series, labels.data);
    cv_buf_done(&labels);
    series->next = m->routes[route->index];
    m->routes[route->index] = series;
    return series;
}

static struct series *find_series(cv__http_metrics *m, const cv__route *route, unsigned method, unsigned status)
{
    for (struct series *at = m->routes[route->index]; at; at = at->next)
        if (at->status == status && at->method == method)
            return at;
    return add_series(m, route, method, status);
}

/* The size that was announced, or that of what came in chunks. */
static uint64_t request_body_size(const cv_request *req)
{
    const cv__parser *parser = req->parser;
    return parser->head.chunked ? parser->body_taken + parser->body_len : parser->head.content_length;
}

void cv__http_metrics_request(cv__http_metrics *m, const cv_request *req, const cv_response *res, int64_t ended_ns)
{
    if (!m || !req->route || req->route->exclude_from_log)
        return;
    struct series *series = find_series(m, req->route, (unsigned)req->parser->head.method, (unsigned)res->status);
    if (!series)
        return;
    cv__histogram_observe_alone(series->duration, (double)(ended_ns - req->started_ns) / 1e9);
    cv__histogram_observe_alone(series->request_size, (double)request_body_size(req));
    cv__histogram_observe_alone(series->response_size, (double)res->bytes_sent);
}

void cv__http_metrics_refused(cv__http_metrics *m, int status)
{
    if (!m || status < 0 || status >= STATUSES)
        return;
    if (!m->refused[status]) {
        char label[64];
        snprintf(label, sizeof label, "http_response_status_code=\"%d\"", status);
        m->refused[status] = cv_counter_get(m->registry, "covet_http_refused_total",
                                            "What was answered before it was a request for a route.", label);
    }
    cv__counter_add_alone(m->refused[status], 1);
}
