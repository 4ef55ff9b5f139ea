/* A line a request. Hooks run in several workers on one router, so lines are collected with the server, one sink for
 * each piece of middleware, and written when the loop comes around.
 *
 * Nothing here blocks: a regular file takes what it gets; a pipe, a terminal or a socket is asked first, and what it
 * does not take stays until it does. Beyond SINK_BYTES new lines are dropped and counted. Lines are shorter than
 * PIPE_BUF and pieces end with a line, so that lines of several workers do not mix. */
#include "http/middleware/access_log.h"

#include "base/ctx.h"
#include "base/secret.h"
#include "http/connection.h"
#include "http/middleware/middleware.h"
#include <covet/json.h>
#include <covet/runtime.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SINK_BYTES = 256 * 1024,
    PIECE_BYTES = 4096, /* PIPE_BUF: taken as a whole or not at all */
    TEXT_BYTES = 700,   /* of what a client chose, escaped */
    RETRY_MS = 20,
    LAST_WAIT_MS = 1000,
};

typedef struct settings {
    cv_access_format format;
    int fd;
} settings;

struct cv__access_sink {
    struct cv__access_sink *next;
    const settings *settings; /* whose lines these are */
    cv_ctx *main;
    bool regular, socket;
    cv_buf lines;
    cv__timer timer;
    bool due;
    cv_counter *dropped;
};

/* ---- writing ---- */

/* As much as may go out at once: up to the end of a line. */
static size_t next_piece(const cv__access_sink *sink)
{
    if (sink->regular || sink->lines.len <= PIECE_BYTES)
        return sink->lines.len;
    const char *end = memrchr(sink->lines.data, '\n', PIECE_BYTES);
    return end ? (size_t)(end - sink->lines.data) + 1 : PIECE_BYTES;
}

/* Nobody will ever take these lines. */
static void drop(cv__access_sink *sink)
{
    uint64_t lines = 0;
    for (const char *at = sink->lines.data, *end = at + sink->lines.len; at < end; lines++) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        at = next ? next + 1 : end;
    }
    cv_counter_add(sink->dropped, lines);
    cv_buf_clear(&sink->lines);
}

/* Whether the descriptor took some more. */
static bool write_piece(cv__access_sink *sink, int wait_ms)
{
    struct pollfd ready = {.fd = sink->settings->fd, .events = POLLOUT};
    if (!sink->regular && poll(&ready, 1, wait_ms) < 1)
        return false;
    size_t len = next_piece(sink);
    ssize_t written = sink->socket ? send(ready.fd, sink->lines.data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                                   : write(ready.fd, sink->lines.data, len);
    if (written >= 0)
        cv_buf_consume(&sink->lines, (size_t)written);
    else if (errno != EAGAIN && errno != EINTR)
        drop(sink);
    return written >= 0 || errno == EINTR;
}

static void arm(cv__access_sink *sink, int64_t delay_ms)
{
    sink->due = true;
    cv__timer_start(sink->main, &sink->timer, cv__loop_now_ns(sink->main) + delay_ms * 1000000);
}

static void on_turn(cv__timer *timer)
{
    cv__access_sink *sink = (cv__access_sink *)(void *)((char *)timer - offsetof(cv__access_sink, timer));
    sink->due = false;
    while (sink->lines.len && write_piece(sink, 0))
        ;
    if (sink->lines.len)
        arm(sink, RETRY_MS);
}

static cv__access_sink *open_sink(cv_ctx *cx, struct cv_server *server, const settings *s)
{
    struct stat info = {0};
    cv__access_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return NULL;
    sink->settings = s;
    sink->main = cv__main_ctx(cx);
    sink->timer.fire = on_turn;
    if (fstat(s->fd, &info) == 0) {
        sink->regular = S_ISREG(info.st_mode);
        sink->socket = S_ISSOCK(info.st_mode);
    }
    cv_buf_init(&sink->lines, SINK_BYTES);
    sink->dropped = cv_counter_get(cx->metrics, "covet_access_log_dropped_total",
                                   "Lines of access logs that nobody took in time.", NULL);
    sink->next = server->access_sinks;
    server->access_sinks = sink;
    return sink;
}

static cv__access_sink *find_sink(cv_ctx *cx, struct cv_server *server, const settings *s)
{
    cv__access_sink *sink = server->access_sinks;
    while (sink && sink->settings != s)
        sink = sink->next;
    return sink ? sink : open_sink(cx, server, s);
}

void cv__access_sinks_free(struct cv_server *server)
{
    for (cv__access_sink *sink = server->access_sinks, *next; sink; sink = next) {
        next = sink->next;
        cv__timer_stop(sink->main, &sink->timer);
        while (sink->lines.len && write_piece(sink, LAST_WAIT_MS))
            ;
        cv_buf_done(&sink->lines);
        free(sink);
    }
    server->access_sinks = NULL;
}

/* ---- what a line is made of ---- */

/* Control characters, quotes, backslashes and bytes beyond ASCII as \xHH; cut at TEXT_BYTES. */
static void add_escaped(cv_buf *out, cv_str text)
{
    size_t before = out->len;
    for (size_t i = 0; i < text.len && out->len - before < TEXT_BYTES; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < ' ' || c > '~' || c == '"' || c == '\\')
            cv_buf_printf(out, "\\x%02X", c);
        else
            cv_buf_add_char(out, (char)c);
    }
}

/* The query with the values of what looks like a secret masked. */
static cv_str masked_query(cv_ctx *cx, cv_str query)
{
    cv_buf out;
    cv_str rest = query, part;
    bool first = true;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    while (cv_str_split(&rest, '&', &part)) {
        ptrdiff_t equals = cv_str_find_char(part, '=');
        if (!first)
            cv_buf_add_char(&out, '&');
        first = false;
        if (equals < 0 || !cv__is_secret_name(cv_str_sub(part, 0, (size_t)equals))) {
            cv_buf_add_str(&out, part);
            continue;
        }
        cv_buf_add(&out, part.ptr, (size_t)equals + 1);
        cv_buf_add_text(&out, CV__SECRET_MASK);
    }
    return out.error ? CV_STR("") : cv_buf_str(&out);
}

static cv_time started_at(const cv_ctx *cx, const cv_request *req)
{
    return (cv_time){.us = cv_time_now().us - (cv_now_ns(cx) - req->started_ns) / 1000};
}

static const char *protocol(const cv_request *req)
{
    return req->parser->head.minor_version ? "1.1" : "1.0";
}

static cv_str raw_path(const cv_request *req)
{
    cv_str path = cv__parser_text(req->parser, req->parser->head.path);
    return path.len ? path : CV_STR("/");
}

/* ---- the formats ---- */

static void add_quoted(cv_buf *out, cv_str text)
{
    cv_buf_add_text(out, " \"");
    if (text.ptr)
        add_escaped(out, text);
    else
        cv_buf_add_char(out, '-');
    cv_buf_add_char(out, '"');
}

/* 192.0.2.1 - - [21/Nov/2026:06:38:00 +0000] "GET /a?b=c HTTP/1.1" 200 512 "referer" "user agent" */
static void add_common(cv_ctx *cx, cv_buf *out, const cv_request *req, const cv_response *res)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    cv_civil at = cv_time_to_civil(started_at(cx, req));
    cv_str query = cv_request_query(req);
    cv_buf_printf(out, "%s - - [%02d/%s/%04d:%02d:%02d:%02d +0000] \"%s ", cv_request_client(req), at.day,
                  months[at.month - 1], at.year, at.hour, at.minute, at.second, cv_method_name(cv_request_method(req)));
    add_escaped(out, raw_path(req));
    if (query.len) {
        cv_buf_add_char(out, '?');
        add_escaped(out, masked_query(cx, query));
    }
    cv_buf_printf(out, " HTTP/%s\" %d %llu", protocol(req), cv_response_get_status(res),
                  (unsigned long long)cv_response_bytes_sent(res));
    add_quoted(out, cv_request_header(req, "referer"));
    add_quoted(out, cv_request_header(req, "user-agent"));
    cv_buf_add_char(out, '\n');
}

/* Cut, and escaped where it is no UTF-8. */
static void add_member(cv_ctx *cx, cv_json_writer *json, const char *name, cv_str value)
{
    if (!value.len)
        return;
    if (value.len > TEXT_BYTES || !cv_utf8_valid(value)) {
        cv_buf escaped;
        cv_buf_init_arena(&escaped, cv_ctx_arena(cx), 0);
        add_escaped(&escaped, value);
        value = cv_buf_str(&escaped);
    }
    cv_json_key(json, cv_str_of(name));
    cv_json_str(json, value);
}

/* Names are those of OpenTelemetry's semantic conventions for HTTP. */
static void add_json(cv_ctx *cx, cv_buf *out, const cv_request *req, const cv_response *res)
{
    char at[CV_TIME_TEXT_BYTES];
    cv_json_writer json;
    cv_json_writer_init(&json, out, 0);
    cv_json_object_start(&json);
    add_member(cx, &json, "timestamp", cv_str_make(at, cv_time_format(started_at(cx, req), at)));
    add_member(cx, &json, "http.request.method", cv_str_of(cv_method_name(cv_request_method(req))));
    add_member(cx, &json, "url.scheme", cv_str_of(cv_request_scheme(req)));
    add_member(cx, &json, "url.path", raw_path(req));
    add_member(cx, &json, "url.query", masked_query(cx, cv_request_query(req)));
    add_member(cx, &json, "http.route", cv_str_of(cv_request_route(req)));
    cv_json_key(&json, CV_STR("http.response.status_code"));
    cv_json_i64(&json, cv_response_get_status(res));
    cv_json_key(&json, CV_STR("http.response.body.size"));
    cv_json_i64(&json, (int64_t)cv_response_bytes_sent(res));
    if (cv_response_was_cut(res))
        add_member(cx, &json, "error.type", CV_STR("cut"));
    cv_json_key(&json, CV_STR("http.server.request.duration"));
    cv_json_f64(&json, (double)(cv_now_ns(cx) - req->started_ns) / 1e9);
    add_member(cx, &json, "network.protocol.version", cv_str_of(protocol(req)));
    add_member(cx, &json, "client.address", cv_str_of(cv_request_client(req)));
    add_member(cx, &json, "server.address", cv_request_host(req));
    add_member(cx, &json, "user_agent.original", cv_request_header(req, "user-agent"));
    add_member(cx, &json, "http.request.header.referer", cv_request_header(req, "referer"));
    add_member(cx, &json, "http.request.id", cv_str_of(cv_request_id(req)));
    cv_json_object_end(&json);
    cv_buf_add_char(out, '\n');
}

static void log_line(cv_ctx *cx, const cv_request *req, const cv_response *res)
{
    CV_LOG_INFO(cx->log, "request", CV_F("method", cv_method_name(cv_request_method(req))),
                CV_F("path", cv_request_path(req)), CV_F("status", cv_response_get_status(res)),
                CV_F("bytes", (int64_t)cv_response_bytes_sent(res)),
                CV_F("us", (cv_now_ns(cx) - req->started_ns) / 1000), CV_F("client", cv_request_client(req)));
}

/* ---- the hook ---- */

static void keep(cv__access_sink *sink, cv_str line)
{
    cv_buf_add_str(&sink->lines, line);
    if (sink->lines.error) {
        sink->lines.error = 0;
        cv_counter_add(sink->dropped, 1);
    }
    if (!sink->due)
        arm(sink, 0);
}

static void note(cv_ctx *cx, const cv_request *req, const cv_response *res, void *arg)
{
    const settings *s = arg;
    cv_buf line;
    if (req->route->exclude_from_log)
        return;
    if (s->format == CV_ACCESS_LOG) {
        log_line(cx, req, res);
        return;
    }
    cv__access_sink *sink = find_sink(cx, req->connection->server, s);
    cv_buf_init_arena(&line, cv_ctx_arena(cx), 0);
    (s->format == CV_ACCESS_JSON ? add_json : add_common)(cx, &line, req, res);
    if (sink && !line.error)
        keep(sink, cv_buf_str(&line));
}

int cv_use_access_log(cv_ctx *cx, cv_route_group *group, const cv_access_log_options *options)
{
    const cv_access_log_options o = options ? *options : (cv_access_log_options){0};
    if ((unsigned)o.format > CV_ACCESS_LOG || o.fd < 0)
        return cv_fail(cx, CV_E_INVALID, "cannot keep an access log: the format or the file descriptor is unknown");
    settings *s = cv__group_alloc(cx, group, sizeof *s);
    if (!s)
        return cx->error_code;
    *s = (settings){o.format, o.fd ? o.fd : STDOUT_FILENO};
    const cv_middleware middleware = {.name = "access log", .phase = CV_PHASE_OBSERVE, .after = note, .arg = s};
    return cv_use(cx, group, &middleware);
}
