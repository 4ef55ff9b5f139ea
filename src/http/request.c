#include "http/request.h"

#include "base/ctx.h"
#include "http/connection.h"
#include "http/head.h"
#include <covet/url.h>

/* ---- preparing ---- */

/* Decode one segment to `out` and return its end; the parser has checked every escape. */
static char *decode_segment(cv_str raw, char *out)
{
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '%') {
            c = (char)(cv__hex_digit(raw.ptr[i + 1]) * 16 + cv__hex_digit(raw.ptr[i + 2]));
            i += 2;
        }
        *out++ = c;
    }
    return out;
}

static void add_segment(cv_request *req, const char *start, const char *end)
{
    if (req->segment_count < CV__MAX_SEGMENTS)
        req->segments[req->segment_count++] = cv_str_make(start, (size_t)(end - start));
}

static void cut_plain(cv_request *req, cv_str path)
{
    cv_str rest = cv_str_sub(path, 1, path.len), part;
    while (cv_str_split(&rest, '/', &part))
        add_segment(req, part.ptr, part.ptr + part.len);
    req->path = path;
}

/* A slash that was escaped belongs to its segment. */
static int cut_escaped(cv_request *req, cv_str path)
{
    char *decoded = cv_alloc(req->cx, path.len + 1);
    if (!decoded)
        return req->cx->error_code;
    char *out = decoded;
    cv_str rest = cv_str_sub(path, 1, path.len), part;
    while (cv_str_split(&rest, '/', &part)) {
        *out++ = '/';
        char *end = decode_segment(part, out);
        add_segment(req, out, end);
        out = end;
    }
    *out = '\0';
    req->path = cv_str_make(decoded, (size_t)(out - decoded));
    return 0;
}

int cv__request_init(cv_ctx *cx, cv_request *req, const cv__parser *parser, struct cv__connection *connection)
{
    req->cx = cx;
    req->parser = parser;
    req->connection = connection;
    req->route = NULL;
    req->route_arg = NULL;
    req->segment_count = req->param_count = 0;
    cv_str path = cv__parser_text(parser, parser->head.path);
    if (!path.len)
        path = CV_STR("/");
    if (path.ptr[0] != '/') {
        req->path = path;
        return 0;
    }
    if (parser->head.path_escaped)
        return cut_escaped(req, path);
    cut_plain(req, path);
    return 0;
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
    return cv_str_make(req->parser->data + req->parser->body_at, req->parser->body_len);
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

/* ---- what the route says ---- */

void *cv_request_route_arg(const cv_request *req)
{
    return req->route_arg;
}

const char *cv_request_route(const cv_request *req)
{
    return req->route;
}

static const cv__param *find_param(const cv_request *req, const char *name)
{
    for (size_t i = 0; i < req->param_count; i++)
        if (!strcmp(req->params[i].name, name))
            return &req->params[i];
    return NULL;
}

cv_str cv_path_text(const cv_request *req, const char *name)
{
    const cv__param *param = find_param(req, name);
    return param ? param->text : cv_str_make(NULL, 0);
}

int64_t cv_path_i64(const cv_request *req, const char *name)
{
    const cv__param *param = find_param(req, name);
    int64_t value = 0;
    return param && param->kind == CV__PARAM_INT && cv_str_to_i64(param->text, &value) == 0 ? value : 0;
}

cv_uuid cv_path_uuid(const cv_request *req, const char *name)
{
    const cv__param *param = find_param(req, name);
    cv_uuid value = {{0}};
    if (!param || param->kind != CV__PARAM_UUID || cv_uuid_parse(param->text, &value) < 0)
        memset(&value, 0, sizeof value);
    return value;
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
