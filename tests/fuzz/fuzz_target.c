/* Request targets: what the parser accepts is routed as what was checked. The path, once decoded, has no NUL and no dot
 * segment; escaping it again leads to the same route; and the parameters of a route are what their pattern says. */
#include "http/parser.h"
#include "http/router.h"

#include <covet/url.h>
#include <covet/uuid.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_TARGET_BYTES = 1024, HEAD_BYTES = 4096 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static int nothing(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)cx, (void)req, (void)res;
    return 0;
}

static cv_router *make_router(void)
{
    static const char *const patterns[] = {"/",         "/a",          "/a/{id:int}",    "/a/{id:uuid}",
                                           "/a/{name}", "/a/{name}/b", "/f/{rest:path}", "/x/{a}/{b:int}/{c}",
                                           "/x/y"};
    cv_ctx *cx = cv_ctx_new(0);
    cv_router *router = cv_router_new();
    require(cx && router);
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        require(cv_router_add(cx, router, CV_GET, patterns[i], nothing, NULL) == 0);
    require(cv__router_freeze(cx, router) == 0);
    cv_ctx_free(cx);
    return router;
}

/* False: refused. */
static bool parse(cv__parser *parser, cv_str target)
{
    size_t room_size;
    char *room = cv__parser_room(parser, &room_size);
    require(room && room_size >= HEAD_BYTES);
    int len = snprintf(room, room_size, "GET %.*s HTTP/1.1\r\nHost: a\r\n\r\n", CV_STR_ARG(target));
    cv__parse result = cv__parser_feed(parser, (size_t)len);
    require(result == CV__PARSE_DONE || result == CV__PARSE_REFUSED || result == CV__PARSE_MORE);
    return result == CV__PARSE_DONE;
}

static void check_decoded(cv_str path)
{
    cv_str rest = path, segment;
    require(path.len && path.ptr[0] == '/' && !memchr(path.ptr, '\0', path.len));
    while (cv_str_split(&rest, '/', &segment))
        require(!cv_str_equal(segment, CV_STR(".")) && !cv_str_equal(segment, CV_STR("..")));
}

static void check_param(cv_str value, cv__param_kind kind)
{
    int64_t number;
    cv_uuid uuid;
    require(value.len > 0);
    if (kind == CV__PARAM_INT)
        require(cv_str_to_i64(value, &number) == 0);
    else if (kind == CV__PARAM_UUID)
        require(cv_uuid_parse(value, &uuid) == 0);
}

static void check_match(const cv__match *match, cv_str path)
{
    const cv__route *route = match->route;
    require(route != NULL);
    for (size_t i = 0; i < route->param_count; i++) {
        cv__span span = match->params[i];
        require((size_t)span.at + span.len <= path.len);
        check_param(cv_str_make(path.ptr + span.at, span.len), route->params[i].kind);
    }
}

/* All bytes escaped but the slashes that separate: the same path, the same route. */
static void check_escaped(const cv_router *router, cv_str raw, cv_str path, const cv__route *route)
{
    static const char digits[] = "0123456789ABCDEF";
    char escaped[3 * MAX_TARGET_BYTES], scratch[3 * MAX_TARGET_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '/' || raw.ptr[i] == '%') { /* an escape stays as it is */
            size_t part = raw.ptr[i] == '%' ? 3 : 1;
            memcpy(escaped + len, raw.ptr + i, part);
            len += part;
            i += part - 1;
            continue;
        }
        escaped[len++] = '%';
        escaped[len++] = digits[(unsigned char)raw.ptr[i] >> 4];
        escaped[len++] = digits[raw.ptr[i] & 15];
    }
    cv__match match;
    require(cv_str_equal(cv__path_decode(cv_str_make(escaped, len), scratch), path));
    require(cv__router_match(router, CV_GET, cv_str_make(escaped, len), scratch, &match) == route);
}

static void check_accepted(const cv_router *router, const cv__parser *parser)
{
    char decoded[MAX_TARGET_BYTES + 1], scratch[MAX_TARGET_BYTES + 1];
    cv_str raw = cv__parser_text(parser, parser->head.path);
    cv_str path = cv__path_decode(raw, parser->head.path_rewritten ? decoded : NULL);
    cv__match match;
    check_decoded(path);
    const cv__route *route =
        cv__router_match(router, CV_GET, raw, parser->head.path_rewritten ? scratch : NULL, &match);
    require(route == match.route);
    check_match(&match, path);
    if (raw.len)
        check_escaped(router, raw, path, route);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const cv__parser_limits limits = {
        .max_header_bytes = HEAD_BYTES, .max_headers = 4, .max_target_bytes = MAX_TARGET_BYTES};
    static cv_router *router; /* of the process */
    cv__parser parser;
    if (!router)
        router = make_router();
    if (size > MAX_TARGET_BYTES || memchr(data, '\0', size))
        return 0; /* NUL would end the text here; the target "http" has it */
    cv__parser_init(&parser, &limits);
    if (parse(&parser, cv_str_make((const char *)data, size)))
        check_accepted(router, &parser);
    cv__parser_done(&parser);
    return 0;
}
