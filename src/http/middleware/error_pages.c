/* Error replies as pages, for people. In production a page says what the client may know: the status, one sentence, the
 * request's identity. In development it tells the whole story, with secrets masked. Everything that comes from outside
 * is escaped, and a policy of its own keeps even a mistake in that from running anything. */
#include "http/middleware/middleware.h"

#include "base/ctx.h"
#include "base/secret.h"
#include "http/connection.h"
#include <covet/json.h>

#define POLICY                                                                                                         \
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#define STYLE                                                                                                          \
    "body{font:1em/1.5 system-ui,sans-serif;margin:3em auto;max-width:60em;padding:0 1em;color:#222;background:#fff}"  \
    "h1{font-size:1.6em}h2{font-size:1.1em;margin-top:2em}code,pre,td{font-family:ui-monospace,monospace;"             \
    "font-size:.9em;overflow-wrap:anywhere}table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;"   \
    "padding:.2em 1em .2em 0}.where{color:#666}"

typedef cv_error_pages_options settings;

/* ---- writing HTML ---- */

static void add_text(cv_buf *out, cv_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '<')
            cv_buf_add_text(out, "&lt;");
        else if (c == '>')
            cv_buf_add_text(out, "&gt;");
        else if (c == '&')
            cv_buf_add_text(out, "&amp;");
        else if (c == '"')
            cv_buf_add_text(out, "&quot;");
        else if (c == '\'')
            cv_buf_add_text(out, "&#39;");
        else if ((unsigned char)c >= ' ' || c == '\n' || c == '\t')
            cv_buf_add_char(out, c);
        else
            cv_buf_add_text(out, "&#65533;");
    }
}

static void add_element(cv_buf *out, const char *before, const char *text, const char *after)
{
    if (!text || !*text)
        return;
    cv_buf_add_text(out, before);
    add_text(out, cv_str_of(text));
    cv_buf_add_text(out, after);
}

static void add_row(cv_buf *out, cv_str name, cv_str value)
{
    cv_buf_add_text(out, "<tr><th>");
    add_text(out, name);
    cv_buf_add_text(out, "</th><td>");
    add_text(out, value);
    cv_buf_add_text(out, "</td></tr>\n");
}

/* ---- the pages ---- */

static void start_page(cv_buf *out, const cv_response *res)
{
    const char *reason = cv_http_reason(res->status);
    cv_buf_printf(out,
                  "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                  "<meta name=\"viewport\" content=\"width=device-width\"><title>%d %s</title>"
                  "<style>" STYLE "</style></head>\n<body><h1>%d %s</h1>\n",
                  res->status, reason, res->status, reason);
    add_element(out, "<p>", res->problem_detail, "</p>\n");
}

static void end_page(cv_buf *out, const cv_request *req)
{
    add_element(out, "<p class=\"where\">Request <code>", cv_request_id(req), "</code></p>\n");
    cv_buf_add_text(out, "</body></html>\n");
}

static void add_error(cv_buf *out, const cv_error *error)
{
    cv_buf_printf(out, "<p><code>%s</code> ", cv_error_name(error->code));
    add_text(out, cv_str_of(error->message ? error->message : cv_error_text(error->code)));
    if (error->file) {
        cv_buf_add_text(out, " <span class=\"where\">");
        add_text(out, cv_str_of(error->file));
        cv_buf_printf(out, ":%d</span>", error->line);
    }
    cv_buf_add_text(out, "</p>\n");
    add_element(out, "<p>Detail: ", error->detail, "</p>\n");
    add_element(out, "<p>Hint: ", error->hint, "</p>\n");
    add_element(out, "<p>Constraint: <code>", error->constraint, "</code></p>\n");
    for (size_t i = 0; i < error->field_count; i++) {
        add_element(out, "<p><code>", error->fields[i].field, "</code> ");
        add_text(out, cv_str_of(error->fields[i].message));
        cv_buf_add_text(out, "</p>\n");
    }
}

static void add_story(cv_buf *out, const cv_error *error)
{
    if (!error)
        return;
    cv_buf_add_text(out, "<h2>What happened</h2>\n");
    add_error(out, error);
    for (error = error->cause; error; error = error->cause) {
        cv_buf_add_text(out, "<h2>Because</h2>\n");
        add_error(out, error);
    }
}

static bool is_secret(cv_str name)
{
    return cv__is_secret_name(name) || cv_str_equal_nocase(name, CV_STR("x-api-key"));
}

/* Pairs of the query, as sent; values of what looks like a secret are masked. */
static void add_query(cv_buf *out, cv_str query)
{
    cv_str part;
    while (query.len && cv_str_split(&query, '&', &part)) {
        ptrdiff_t equals = cv_str_find_char(part, '=');
        cv_str name = equals < 0 ? part : cv_str_sub(part, 0, (size_t)equals);
        cv_str value = equals < 0 ? CV_STR("") : cv_str_sub(part, (size_t)equals + 1, part.len);
        add_row(out, name, is_secret(name) ? CV_STR(CV__SECRET_MASK) : value);
    }
}

static void add_request(cv_buf *out, const cv_request *req)
{
    size_t position = 0;
    cv_str name, value;
    cv_buf_add_text(out, "<h2>The request</h2>\n<table>\n");
    add_row(out, CV_STR("method"), cv_str_of(cv_method_name(cv_request_method(req))));
    add_row(out, CV_STR("path"), cv_request_path(req));
    add_row(out, CV_STR("route"), cv_str_of(cv_request_route(req) ? cv_request_route(req) : "none"));
    add_row(out, CV_STR("client"), cv_str_of(cv_request_client(req)));
    cv_buf_add_text(out, "</table>\n");
    if (cv_request_query(req).len) {
        cv_buf_add_text(out, "<h2>Its query</h2>\n<table>\n");
        add_query(out, cv_request_query(req));
        cv_buf_add_text(out, "</table>\n");
    }
    cv_buf_add_text(out, "<h2>Its headers</h2>\n<table>\n");
    while (cv_request_header_next(req, &position, &name, &value))
        add_row(out, name, is_secret(name) ? CV_STR(CV__SECRET_MASK) : value);
    cv_buf_add_text(out, "</table>\n");
}

/* ---- the same as JSON ---- */

static void add_member(cv_json_writer *json, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    cv_json_key(json, cv_str_of(name));
    cv_json_text(json, text);
}

static void add_json_error(cv_json_writer *json, const cv_error *error)
{
    cv_json_object_start(json);
    add_member(json, "code", cv_error_name(error->code));
    add_member(json, "message", error->message);
    add_member(json, "detail", error->detail);
    add_member(json, "hint", error->hint);
    add_member(json, "file", error->file);
    if (error->file) {
        cv_json_key(json, CV_STR("line"));
        cv_json_i64(json, error->line);
    }
    cv_json_object_end(json);
}

/* Put "story": [...] before the closing brace of the problem document. */
static void add_json_story(cv_buf *body, const cv_error *error)
{
    cv_buf story;
    cv_json_writer json;
    cv_buf_init(&story, 0);
    cv_json_writer_init(&json, &story, 0);
    cv_json_array_start(&json);
    for (; error; error = error->cause)
        add_json_error(&json, error);
    cv_json_array_end(&json);
    if (!story.error && body->len && body->data[body->len - 1] == '}') {
        body->data[--body->len] = '\0';
        cv_buf_add_text(body, ",\"story\":");
        cv_buf_add_str(body, cv_buf_str(&story));
        cv_buf_add_char(body, '}');
    }
    cv_buf_done(&story);
}

/* ---- the way out ---- */

static bool wants_page(const cv_request *req)
{
    static const char *const types[] = {"application/problem+json", "application/json", "text/html"};
    return cv_request_prefers(req, types, 3) == 2;
}

static void write_page(cv_ctx *cx, const cv_request *req, const cv_response *res, cv_buf *out)
{
    start_page(out, res);
    if (req->connection && req->connection->server->options.development) {
        add_story(out, cv_error_last(cx));
        add_request(out, req);
    }
    end_page(out, req);
}

/* The program's own page; false when it has none or could not make it. */
static bool render(cv_ctx *cx, const cv_request *req, const cv_response *res, const settings *s, cv_buf *out)
{
    if (!s->render)
        return false;
    cv_error *pending = cv_error_take(cx);
    int rc = s->render(cx, req, res->status, out, s->arg);
    bool made = rc >= 0 && !out->error && out->len;
    if (rc < 0)
        cv_log_error(cx->log, CV_LOG_ERROR, "error page failed", cv_error_last(cx));
    if (pending)
        cv_error_put_back(cx, pending);
    else
        cv_error_clear(cx);
    if (!made)
        cv_buf_clear(out);
    return made;
}

static int send_page(cv_ctx *cx, const cv_request *req, cv_response *res, const settings *s)
{
    cv_buf page;
    cv_buf_init_arena(&page, cv_ctx_arena(cx), CV__MAX_RESPONSE_BODY);
    bool own = render(cx, req, res, s, &page);
    if (!own)
        write_page(cx, req, res, &page);
    if (page.error)
        return 0; /* the problem document stays */
    cv_buf_clear(&res->body);
    cv_buf_add_str(&res->body, cv_buf_str(&page));
    cv__response_remove(res, "Content-Encoding");
    cv__response_remove(res, "ETag");
    CV_TRY(cv_response_header(res, "Content-Type", "text/html; charset=utf-8"));
    return own ? 0 : cv_response_header(res, "Content-Security-Policy", POLICY);
}

static bool is_ours(const cv_response *res)
{
    return cv_response_is_whole(res) && res->status >= 400 && (res->is_problem || !res->body.len);
}

static int show(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    if (!is_ours(res))
        return 0;
    CV_TRY(cv__response_vary(res, "Accept"));
    if (wants_page(req))
        return send_page(cx, req, res, arg);
    bool development = req->connection && req->connection->server->options.development;
    bool packed = cv_response_get_header(res, "Content-Encoding").ptr != NULL;
    if (development && res->is_problem && !packed && cv_error_last(cx))
        add_json_story(&res->body, cv_error_last(cx));
    return 0;
}

int cv_use_error_pages(cv_ctx *cx, cv_route_group *group, const cv_error_pages_options *options)
{
    settings *s = cv__group_alloc(cx, group, sizeof *s);
    if (!s)
        return cx->error_code;
    if (options)
        *s = *options;
    const cv_middleware middleware = {.name = "error pages", .phase = CV_PHASE_ERRORS, .reply = show, .arg = s};
    return cv_use(cx, group, &middleware);
}
