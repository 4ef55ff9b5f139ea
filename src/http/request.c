#include "http/request.h"

#include "base/ctx.h"
#include "http/connection.h"
#include "http/router.h"
#include <covet/url.h>

/* ---- preparing ---- */

int cv__request_init(cv_ctx *cx, cv_request *req, const cv__parser *parser, struct cv__connection *connection)
{
    req->cx = cx;
    req->parser = parser;
    req->connection = connection;
    req->started_ns = 0;
    req->route = NULL;
    req->body_read = 0;
    req->allowed = 0;
    req->id = "";
    req->origin = NULL;
    req->decoded_body = cv_str_make(NULL, 0);
    req->body_filter = NULL;
    req->coding_known = false;
    req->reached = req->unreplied = req->value_count = 0;
    cv_str raw = cv__parser_text(parser, parser->head.path);
    char *decoded = NULL;
    if (parser->head.path_rewritten && !(decoded = cv_alloc(cx, raw.len)))
        return cx->error_code;
    req->path = cv__path_decode(raw, decoded);
    return 0;
}

int64_t cv_request_started_ns(const cv_request *req)
{
    return req->started_ns;
}

/* ---- what was sent ---- */

cv_method cv_request_method(const cv_request *req)
{
    return req->parser->head.method;
}

cv_str cv_request_target(const cv_request *req)
{
    return cv__parser_text(req->parser, req->parser->head.target);
}

cv_str cv_request_path(const cv_request *req)
{
    return req->path;
}

cv_str cv_request_query(const cv_request *req)
{
    return cv__parser_text(req->parser, req->parser->head.query);
}

bool cv_request_header_next(const cv_request *req, size_t *position, cv_str *ret_name, cv_str *ret_value)
{
    if (*position >= req->parser->header_count)
        return false;
    const cv__header *header = &req->parser->headers[(*position)++];
    *ret_name = cv__parser_text(req->parser, header->name);
    *ret_value = cv__parser_text(req->parser, header->value);
    return true;
}

/* Several fields of one name as one value, in the request's arena; the NULL view without memory. */
static cv_str join_fields(const cv_request *req, cv_str wanted)
{
    cv_buf joined;
    cv_buf_init_arena(&joined, cv_ctx_arena(req->cx), 0);
    size_t position = 0;
    cv_str name, value;
    bool first = true;
    while (cv_request_header_next(req, &position, &name, &value)) {
        if (!cv_str_equal_nocase(name, wanted))
            continue;
        if (!first)
            cv_buf_add(&joined, ", ", 2);
        cv_buf_add_str(&joined, value);
        first = false;
    }
    return joined.error ? cv_str_make(NULL, 0) : cv_buf_str(&joined);
}

cv_str cv_request_header(const cv_request *req, const char *wanted_name)
{
    cv_str wanted = cv_str_of(wanted_name), name, value, found = {NULL, 0};
    size_t position = 0;
    while (cv_request_header_next(req, &position, &name, &value)) {
        if (!cv_str_equal_nocase(name, wanted))
            continue;
        if (found.ptr)
            return join_fields(req, wanted);
        found = value;
    }
    return found;
}

cv_str cv_request_body(const cv_request *req)
{
    if (req->decoded_body.ptr)
        return req->decoded_body;
    return cv_str_make(req->parser->data + req->parser->body_at, req->parser->body_len);
}

cv_str cv_request_trailer(const cv_request *req, const char *name)
{
    const cv__parser *parser = req->parser;
    const char *text = parser->trailer_text.data;
    for (size_t i = 0; i < parser->trailer_count; i++) {
        const cv__header *trailer = &parser->trailers[i];
        if (cv_str_equal_nocase(cv_str_make(text + trailer->name.at, trailer->name.len), cv_str_of(name)))
            return cv_str_make(text + trailer->value.at, trailer->value.len);
    }
    return cv_str_make(NULL, 0);
}

static size_t read_on(cv_request *req, cv_str body, void *buffer, size_t size)
{
    cv_str part = cv_str_sub(body, req->body_read, size);
    if (part.len)
        memcpy(buffer, part.ptr, part.len);
    req->body_read += part.len;
    return part.len;
}

int cv__body_read_raw(cv_ctx *cx, cv_request *req, void *buffer, size_t size, size_t *ret_len)
{
    struct cv__connection *connection = req->connection;
    const cv__parser *parser = req->parser;
    if (!parser->streaming) {
        *ret_len = read_on(req, cv_str_make(parser->data + parser->body_at, parser->body_len), buffer, size);
        return 0;
    }
    size_t got = cv__parser_take(&connection->parser, buffer, size);
    while (!got && size && !cv__parser_is_complete(parser)) {
        CV_TRY(cv__connection_await_body(cx, connection));
        got = cv__parser_take(&connection->parser, buffer, size);
    }
    *ret_len = got;
    return 0;
}

int cv_body_read(cv_ctx *cx, cv_request *req, void *buffer, size_t size, size_t *ret_len)
{
    if (req->body_filter)
        return req->body_filter->read(cx, req, req->body_filter, buffer, size, ret_len);
    if (!req->decoded_body.ptr)
        return cv__body_read_raw(cx, req, buffer, size, ret_len);
    *ret_len = read_on(req, req->decoded_body, buffer, size);
    return 0;
}

bool cv__request_has_body(const cv_request *req)
{
    return req->parser->head.content_length || req->parser->head.chunked;
}

cv_str cv_request_media_type(const cv_request *req)
{
    cv_str value = cv_request_header(req, "content-type"), type;
    if (!value.ptr || !cv_str_split(&value, ';', &type))
        return cv_str_make(NULL, 0);
    type = cv_str_trim(type);
    char *lower = type.len ? cv_arena_strndup(cv_ctx_arena(req->cx), type.ptr, type.len) : NULL;
    for (size_t i = 0; lower && i < type.len; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] - 'A' + 'a');
    return cv_str_make(lower, lower ? type.len : 0);
}

const char *cv_request_peer(const cv_request *req)
{
    return req->connection ? cv__connection_peer(req->connection) : "";
}

const char *cv_request_id(const cv_request *req)
{
    return req->id;
}

/* ---- what the route says ---- */

void *cv_request_route_arg(const cv_request *req)
{
    return req->route ? req->route->arg : NULL;
}

const char *cv_request_route(const cv_request *req)
{
    return req->route ? req->route->pattern : NULL;
}

/* The value of a parameter and its kind; the NULL view when the route has none of the name. */
static cv_str find_param(const cv_request *req, const char *name, cv__param_kind *ret_kind)
{
    size_t count = req->route ? req->route->param_count : 0;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(req->route->params[i].name, name)) {
            *ret_kind = req->route->params[i].kind;
            return req->params[i];
        }
    return cv_str_make(NULL, 0);
}

cv_str cv_path_text(const cv_request *req, const char *name)
{
    cv__param_kind kind;
    return find_param(req, name, &kind);
}

int64_t cv_path_i64(const cv_request *req, const char *name)
{
    cv__param_kind kind;
    cv_str text = find_param(req, name, &kind);
    int64_t value = 0;
    return text.ptr && kind == CV__PARAM_INT && cv_str_to_i64(text, &value) == 0 ? value : 0;
}

cv_uuid cv_path_uuid(const cv_request *req, const char *name)
{
    cv__param_kind kind;
    cv_str text = find_param(req, name, &kind);
    cv_uuid value = {{0}};
    if (!text.ptr || kind != CV__PARAM_UUID || cv_uuid_parse(text, &value) < 0)
        memset(&value, 0, sizeof value);
    return value;
}

/* ---- what middleware leaves ---- */

int cv_request_set(cv_request *req, const void *key, void *value)
{
    size_t i = 0;
    while (i < req->value_count && req->values[i].key != key)
        i++;
    if (i == CV__MAX_VALUES)
        return cv_fail(req->cx, CV_E_LIMIT, "cannot keep more than %d values with a request", CV__MAX_VALUES);
    req->values[i] = (cv__request_value){key, value};
    req->value_count += i == req->value_count;
    return 0;
}

void *cv_request_get(const cv_request *req, const void *key)
{
    for (size_t i = 0; i < req->value_count; i++)
        if (req->values[i].key == key)
            return req->values[i].value;
    return NULL;
}

/* ---- the query ---- */

/* The first parameter of the name: 1, 0 when there is none, or an error. */
static int find_query(cv_request *req, const char *wanted, cv_str *ret_value)
{
    size_t position = 0;
    cv_str name, value;
    int rc;
    while ((rc = cv_query_string_next(req->cx, cv_request_query(req), &position, &name, &value)) > 0)
        if (cv_str_equal(name, cv_str_of(wanted))) {
            *ret_value = value;
            return 1;
        }
    return rc;
}

/* A query that cannot be decoded counts as one without the parameter: the typed forms below say more. */
const char *cv_query_param(cv_request *req, const char *name, const char *fallback)
{
    cv_str value;
    int rc = find_query(req, name, &value);
    if (rc < 0)
        cv_error_clear(req->cx);
    return rc > 0 ? value.ptr : fallback;
}

static int bad_param(cv_request *req, const char *name, const char *what)
{
    int rc = cv_fail(req->cx, CV_E_VALIDATION, "the query parameter \"%s\" %s", name, what);
    cv_error_add_field(req->cx, name, "%s", what);
    return rc;
}

static int find_typed(cv_request *req, const char *name, cv_str *ret_value)
{
    int rc = find_query(req, name, ret_value);
    return rc == CV_E_SYNTAX ? bad_param(req, name, "cannot be decoded") : rc;
}

int cv_query_i64(cv_request *req, const char *name, int64_t fallback, int64_t min, int64_t max, int64_t *ret_value)
{
    cv_str text;
    int64_t value = fallback;
    int rc = find_typed(req, name, &text);
    CV_TRY(rc);
    if (rc > 0) {
        rc = cv_str_to_i64(text, &value);
        if (rc == CV_E_SYNTAX)
            return bad_param(req, name, "must be a whole number");
        if (rc < 0 || value < min || value > max) {
            char what[96];
            snprintf(what, sizeof what, "must be between %lld and %lld", (long long)min, (long long)max);
            return bad_param(req, name, what);
        }
    }
    *ret_value = value;
    return 0;
}

static int text_to_bool(cv_str text, bool *ret_value)
{
    static const char *const words[2][4] = {{"0", "false", "no", "off"}, {"1", "true", "yes", "on"}};
    for (int value = 0; value < 2; value++)
        for (size_t i = 0; i < 4; i++)
            if (cv_str_equal_nocase(text, cv_str_of(words[value][i]))) {
                *ret_value = value == 1;
                return 0;
            }
    return CV_E_SYNTAX;
}

int cv_query_bool(cv_request *req, const char *name, bool fallback, bool *ret_value)
{
    cv_str text;
    int rc = find_typed(req, name, &text);
    CV_TRY(rc);
    if (!rc) {
        *ret_value = fallback;
        return 0;
    }
    return text_to_bool(text, ret_value) < 0 ? bad_param(req, name, "must be true or false") : 0;
}
