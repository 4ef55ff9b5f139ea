#include "http/parser.h"

#include "http/chunked.h"
#include "http/head.h"
#include <stdlib.h>

/* What the bytes at the end of the buffer belong to. */
enum {
    STAGE_HEAD,    /* lines up to the empty one */
    STAGE_BODY,    /* content_length bytes from body_at */
    STAGE_CHUNKED, /* body decoded so far, coded bytes behind it */
    STAGE_DONE,    /* a complete request, then bytes of the next */
    STAGE_REFUSED,
};

enum { FIRST_CAPACITY = 4096 };

void cv__parser_init(cv__parser *parser, const cv__parser_limits *limits)
{
    *parser = (cv__parser){.limits = limits, .stage = STAGE_HEAD};
}

void cv__parser_done(cv__parser *parser)
{
    free(parser->data);
    free(parser->headers);
    cv__parser_init(parser, parser->limits);
}

char *cv__parser_room(cv__parser *parser, size_t *ret_size)
{
    if (parser->len == parser->capacity && parser->stage != STAGE_DONE) {
        size_t capacity = parser->capacity ? parser->capacity * 2 : FIRST_CAPACITY;
        char *data = realloc(parser->data, capacity);
        if (!data) {
            *ret_size = 0;
            return NULL;
        }
        parser->data = data;
        parser->capacity = capacity;
    }
    *ret_size = parser->capacity - parser->len;
    return *ret_size ? parser->data + parser->len : NULL;
}

static cv__parse refused(cv__parser *parser, int status, const char *reason)
{
    cv__refuse(parser, status, reason);
    parser->stage = STAGE_REFUSED;
    return CV__PARSE_REFUSED;
}

static cv__parse head_too_large(cv__parser *parser)
{
    if (parser->line_start == parser->head_start)
        return refused(parser, 414, "the request line is too long");
    return refused(parser, 431, "the headers are too large");
}

static cv__parse done(cv__parser *parser, size_t end)
{
    parser->end = end;
    parser->stage = STAGE_DONE;
    return CV__PARSE_DONE;
}

static cv__parse read_body(cv__parser *parser)
{
    size_t there = parser->len - parser->body_at;
    size_t wanted = (size_t)parser->head.content_length;
    parser->body_len = there < wanted ? there : wanted;
    return there < wanted ? CV__PARSE_MORE : done(parser, parser->body_at + wanted);
}

static cv__parse read_chunked(cv__parser *parser)
{
    char *data = parser->data + parser->body_at;
    size_t len = parser->len - parser->body_at, coded_at = parser->body_len, used;
    cv__chunked_result result =
        cv__chunked_decode(&parser->chunked, data, &parser->body_len, len, parser->limits->max_body_bytes, &used);
    size_t rest = len - coded_at - used;
    memmove(data + parser->body_len, data + coded_at + used, rest);
    parser->len = parser->body_at + parser->body_len + rest;
    switch (result) {
    case CV__CHUNKED_MORE:
        return CV__PARSE_MORE;
    case CV__CHUNKED_DONE:
        return done(parser, parser->body_at + parser->body_len);
    case CV__CHUNKED_TOO_LARGE:
        return refused(parser, 413, "the body is too large");
    default:
        return refused(parser, 400, "the chunked coding of the body is malformed");
    }
}

static cv__parse continue_body(cv__parser *parser)
{
    return parser->stage == STAGE_CHUNKED ? read_chunked(parser) : read_body(parser);
}

/* The head ends before `head_end`: what it says decides how the body is framed. */
static cv__parse finish_head(cv__parser *parser, size_t head_end)
{
    if (!cv__head_read(parser, head_end)) {
        parser->stage = STAGE_REFUSED;
        return CV__PARSE_REFUSED;
    }
    if (parser->head.content_length > parser->limits->max_body_bytes)
        return refused(parser, 413, "the body is too large");
    parser->body_at = head_end;
    parser->stage = parser->head.chunked ? STAGE_CHUNKED : STAGE_BODY;
    cv__chunked_init(&parser->chunked);
    cv__parse result = continue_body(parser);
    return result == CV__PARSE_MORE ? CV__PARSE_HEAD : result;
}

/* Look at the lines that are complete. Limits come before every other rule, in the order of the bytes, so that the
 * answer does not depend on how the bytes arrived. */
static cv__parse read_head(cv__parser *parser)
{
    size_t max = parser->limits->max_header_bytes;
    while (true) {
        const char *from = parser->data + parser->scan_at;
        const char *lf = memchr(from, '\n', parser->len - parser->scan_at);
        size_t at = lf ? (size_t)(lf - parser->data) : parser->len;
        if (at + (lf ? 1 : 0) > max)
            return head_too_large(parser);
        if (!lf) {
            parser->scan_at = parser->len;
            return CV__PARSE_MORE;
        }
        if (at == parser->line_start || parser->data[at - 1] != '\r')
            return refused(parser, 400, "a line does not end in CR LF");
        size_t line_start = parser->line_start;
        parser->line_start = parser->scan_at = at + 1;
        if (at - 1 > line_start) {
            if (line_start > parser->head_start && strchr(" \t:", parser->data[line_start]))
                return refused(parser, 400, "a header line is folded or has no name");
        } else if (line_start == parser->head_start) {
            parser->head_start = at + 1; /* an empty line before the request line (RFC 9112 2.2) */
        } else {
            return finish_head(parser, at + 1);
        }
    }
}

cv__parse cv__parser_feed(cv__parser *parser, size_t size)
{
    parser->len += size;
    switch (parser->stage) {
    case STAGE_HEAD:
        return parser->len ? read_head(parser) : CV__PARSE_MORE;
    case STAGE_BODY:
    case STAGE_CHUNKED:
        return continue_body(parser);
    case STAGE_DONE:
        return CV__PARSE_DONE;
    default:
        return CV__PARSE_REFUSED;
    }
}

void cv__parser_next(cv__parser *parser)
{
    size_t rest = parser->len - parser->end;
    if (!rest) {
        cv__parser_done(parser);
        return;
    }
    cv__parser kept = *parser;
    memmove(kept.data, kept.data + kept.end, rest);
    cv__parser_init(parser, kept.limits);
    parser->data = kept.data;
    parser->capacity = kept.capacity;
    parser->len = rest;
    parser->headers = kept.headers;
    parser->header_capacity = kept.header_capacity;
}

bool cv__parser_has_bytes(const cv__parser *parser)
{
    return parser->len > (parser->stage == STAGE_DONE ? parser->end : 0);
}
