/* Trailers (RFC 9110 6.5): fields behind a chunked body. Those that would have changed how the message is framed,
 * routed, authorised or understood come too late for that and are refused rather than overlooked. */
#include "http/head.h"

#include <assert.h>
#include <stdlib.h>

bool cv__is_forbidden_trailer(cv_str name)
{
    static const char *const names[] = {
        "transfer-encoding",
        "content-length",
        "host",
        "connection",
        "keep-alive",
        "te",

        "upgrade",
        "expect",
        "max-forwards",
        "cache-control",
        "pragma",
        "range",
        "authorization",
        "cookie",
        "set-cookie",
        "content-encoding",
        "content-type",
        "content-range",
        "if-match",
        "if-none-match",
        "if-range",
        "if-modified-since",
        "if-unmodified-since",
        "proxy-authorization",
        "proxy-connection",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (cv_str_equal_nocase(name, cv_str_of(names[i])))
            return true;
    return false;
}

static bool read_line(cv__parser *parser, cv_str line)
{
    const char *text = parser->trailer_text.data;
    const char *colon = memchr(line.ptr, ':', line.len);
    cv_str name = cv_str_make(line.ptr, colon ? (size_t)(colon - line.ptr) : 0);
    if (!cv__is_token(name))
        return cv__refuse(parser, 400, "a trailer is malformed");
    if (cv__is_forbidden_trailer(name))
        return cv__refuse(parser, 400, "a trailer has a name that belongs into the head");
    cv_str value = cv_str_trim(cv_str_sub(line, name.len + 1, line.len));
    assert(parser->trailers);
    parser->trailers[parser->trailer_count++] = (cv__header){
        .name = {(uint32_t)(name.ptr - text), (uint32_t)name.len},
        .value = {(uint32_t)(value.ptr - text), (uint32_t)value.len},
    };
    return true;
}

static size_t count_lines(cv_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    return count;
}

bool cv__trailers_read(cv__parser *parser)
{
    cv_str rest = cv_buf_str(&parser->trailer_text), line;
    size_t count = count_lines(rest);
    if (parser->trailer_text.error)
        return cv__refuse(parser, 503, "out of memory");
    if (count > parser->limits->max_headers)
        return cv__refuse(parser, 431, "there are too many trailers");
    parser->trailers = count ? malloc(count * sizeof *parser->trailers) : NULL;
    if (count && !parser->trailers)
        return cv__refuse(parser, 503, "out of memory");
    while (cv_str_split(&rest, '\n', &line)) {
        if (line.len && !read_line(parser, cv_str_sub(line, 0, line.len - 1))) /* without the CR */
            return false;
    }
    return true;
}
