/* A request walks the tree of segments depth first, the better rank first, and every node is visited at most once,
 * since a node stands for exactly one sequence of segments. */
#include "base/ctx.h"
#include "http/head.h"
#include "http/response.h"
#include "http/router.h"
#include <stdio.h>

typedef struct search {
    cv_method method;
    unsigned wanted; /* the methods that may answer: HEAD also by GET */
    cv_str path;
    cv__span segments[CV__MAX_SEGMENTS]; /* cut at the slashes before decoding */
    size_t segment_count;
    size_t capture_count;
    cv__match *match;
} search;

/* ---- the path ---- */

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

/* Further segments than fit stay in the path alone: no pattern has as many. */
static void add_segment(search *s, size_t at, size_t len)
{
    if (s->segment_count < CV__MAX_SEGMENTS)
        s->segments[s->segment_count++] = (cv__span){(uint32_t)at, (uint32_t)len};
}

/* Copy the path to `out` without its dot segments (RFC 3986 5.2.4): ".." takes the segment before it away. Those that
 * end a path leave a slash. The parser has checked that none leads above the root. */
static cv_str remove_dots(cv_str raw, char *out)
{
    cv_str rest = cv_str_sub(raw, 1, raw.len), part;
    size_t len = 0;
    while (cv_str_split(&rest, '/', &part)) {
        size_t dots = part.len ? cv__dot_segment(part) : 0;
        if (dots == 2)
            while (out[--len] != '/')
                continue;
        if (dots && rest.ptr)
            continue;
        out[len++] = '/';
        if (!dots && part.len)
            memcpy(out + len, part.ptr, part.len);
        len += dots ? 0 : part.len;
    }
    return cv_str_make(out, len);
}

/* A slash that was escaped belongs to its segment. With a scratch, which may hold the path itself, the segments are
 * decoded to it; none grows by that. */
static void cut(search *s, cv_str raw, char *scratch)
{
    cv_str rest = cv_str_sub(raw, 1, raw.len), part;
    size_t at = 1;
    while (cv_str_split(&rest, '/', &part)) {
        size_t len = scratch ? (size_t)(decode_segment(part, scratch + at) - (scratch + at)) : part.len;
        add_segment(s, at, len);
        at += len;
        if (scratch && rest.ptr)
            scratch[at] = '/';
        at++;
    }
    s->path = cv_str_make(scratch ? scratch : raw.ptr, at - 1);
}

static void read_path(search *s, cv_str raw, char *scratch)
{
    s->segment_count = 0;
    if (!raw.len)
        cut(s, CV_STR("/"), NULL);
    else
        cut(s, scratch ? remove_dots(raw, scratch) : raw, scratch);
}

cv_str cv__path_decode(cv_str raw, char *scratch)
{
    search s;
    if (!scratch && raw.len)
        return raw;
    read_path(&s, raw, scratch);
    return s.path;
}

static cv_str segment_text(const search *s, size_t depth)
{
    return cv_str_make(s->path.ptr + s->segments[depth].at, s->segments[depth].len);
}

/* ---- the walk ---- */

static const cv__route *walk(search *s, const cv__node *at, size_t depth);

static const cv__route *match_here(search *s, const cv__node *at)
{
    const cv__route *found = NULL;
    for (const cv__route *r = at->routes; r; r = r->next) {
        s->match->allowed |= r->methods;
        if (!(r->methods & s->wanted))
            continue;
        if (!found || r->methods & (unsigned)s->method)
            found = r;
    }
    return found;
}

static const cv__route *match_literal(search *s, const cv__node *at, size_t depth)
{
    cv_str text = segment_text(s, depth);
    size_t low = 0, high = at->literal_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = cv_str_compare(text, at->literals[middle]->literal);
        if (order == 0)
            return walk(s, at->literals[middle], depth + 1);
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const cv__route *match_param(search *s, const cv__node *child, cv__param_kind kind, size_t depth)
{
    cv__span span = s->segments[depth];
    if (kind == CV__PARAM_PATH)
        span.len = (uint32_t)(s->path.len - span.at);
    if (!cv__param_matches(kind, cv_str_make(s->path.ptr + span.at, span.len)))
        return NULL;
    s->match->params[s->capture_count++] = span;
    const cv__route *found = kind == CV__PARAM_PATH ? match_here(s, child) : walk(s, child, depth + 1);
    if (!found)
        s->capture_count--;
    return found;
}

static const cv__route *walk(search *s, const cv__node *at, size_t depth)
{
    if (depth == s->segment_count)
        return match_here(s, at);
    const cv__route *found = at->literal_count ? match_literal(s, at, depth) : NULL;
    for (int kind = 0; !found && kind < CV__PARAM_KINDS; kind++)
        if (at->params[kind])
            found = match_param(s, at->params[kind], (cv__param_kind)kind, depth);
    return found;
}

const cv__route *cv__router_match(const cv_router *router, cv_method method, cv_str raw, char *scratch,
                                  cv__match *ret_match)
{
    search s;
    s.method = method;
    s.wanted = method == CV_HEAD ? CV_HEAD | CV_GET : (unsigned)method;
    s.capture_count = 0;
    s.match = ret_match;
    ret_match->route = &router->missing;
    ret_match->allowed = 0;
    if (cv_str_equal(raw, CV_STR("*"))) {
        ret_match->allowed = CV_GET | CV_POST | CV_PUT | CV_PATCH | CV_DELETE;
        return ret_match->route;
    }
    read_path(&s, raw, scratch);
    const cv__route *found = walk(&s, &router->top, 0);
    if (found)
        ret_match->route = found;
    return ret_match->route;
}

/* ---- answering ---- */

static int set_allow(cv_response *res, unsigned methods)
{
    char text[64];
    size_t length = 0;
    methods |= CV_OPTIONS | (methods & CV_GET ? CV_HEAD : 0);
    for (unsigned method = CV_GET; method <= CV_OPTIONS; method <<= 1) {
        if (methods & method)
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", length ? ", " : "",
                                       cv_method_name((cv_method)method));
    }
    return cv_response_header(res, "Allow", text);
}

static int answer_without_route(cv_ctx *cx, cv_request *req, cv_response *res)
{
    if (!req->allowed)
        return cv_reply_problem(cx, res, 404, NULL, "nothing is at this path");
    CV_TRY(set_allow(res, req->allowed));
    if (cv_request_method(req) == CV_OPTIONS)
        return cv_reply_empty(cx, res, 204);
    return cv_reply_problem(cx, res, 405, NULL,
                            "the method is not allowed here; the Allow header names those that are");
}

void cv__request_matched(cv_request *req, const cv__match *match)
{
    req->route = match->route;
    req->allowed = match->allowed;
    for (size_t i = 0; i < match->route->param_count; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): whoever found the route has set them */
        req->params[i] = cv_str_make(req->path.ptr + match->params[i].at, match->params[i].len);
}

/* A body in a coding that nobody takes off is no body of its media type (RFC 9110 15.5.16). */
static bool coding_is_foreign(const cv_request *req)
{
    if (req->coding_known || !cv__request_has_body(req))
        return false;
    cv_str coding = cv_request_header(req, "content-encoding");
    return coding.ptr && !cv_str_equal_nocase(coding, CV_STR("identity"));
}

static int refuse_coding(cv_ctx *cx, cv_response *res)
{
    CV_TRY(cv_response_header(res, "Accept-Encoding", "identity"));
    return cv_reply_problem(cx, res, 415, NULL, "the body has a Content-Encoding, and none is accepted here");
}

int cv__router_run(cv_ctx *cx, cv_request *req, cv_response *res)
{
    const cv__route *route = req->route;
    if (route->chain) {
        CV_TRY(cv__chain_before(cx, req, res));
        if (cv_response_is_made(res))
            return 0;
    }
    if (!route->handler)
        return answer_without_route(cx, req, res);
    return coding_is_foreign(req) ? refuse_coding(cx, res) : route->handler(cx, req, res);
}

int cv__router_find(cv_ctx *cx, const cv_router *router, cv_request *req)
{
    const cv__head *head = &req->parser->head;
    cv_str raw = cv__parser_text(req->parser, head->path);
    char *scratch = head->path_rewritten ? cv_alloc(cx, raw.len) : NULL;
    cv__match match;
    if (head->path_rewritten && !scratch)
        return cx->error_code;
    cv__router_match(router, head->method, raw, scratch, &match);
    cv__request_matched(req, &match);
    return 0;
}

int cv__router_dispatch(cv_ctx *cx, const cv_router *router, cv_request *req, cv_response *res)
{
    CV_TRY(cv__router_find(cx, router, req));
    return cv__router_run(cx, req, res);
}
