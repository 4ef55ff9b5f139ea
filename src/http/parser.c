#include "http/parser.h"

#include "http/chunked.h"
#include "http/head.h"
#include <stdlib.h>

/* What the bytes at the end of the buffer belong to. */
enum {
    STAGE_HEAD,      /* lines up to the empty one */
    STAGE_HEAD_READ, /* cv__parser_body decides how it goes on */
    STAGE_BODY,      /* content_length bytes, body_taken of them gone, the others from body_at */
    STAGE_CHUNKED,   /* body decoded so far, coded bytes behind it */
    STAGE_DONE,      /* a complete request, then bytes of the next */
    STAGE_REFUSED,
};

void cv__parser_init(cv__parser *parser, const cv__parser_limits *limits)
{
    *parser = (cv__parser){.limits = limits, .stage = STAGE_HEAD};
}

/* ---- memory ---- */

static bool is_pooled(const cv__parser *parser)
{
    return parser->buffers && parser->capacity == CV__BUFFER_BYTES;
}

static bool take_memory(cv__parser *parser)
{
    if (parser->buffers) {
        parser->data = cv__piece_take(&parser->buffers->data);
        parser->headers = cv__piece_take(&parser->buffers->tables);
    } else {
        parser->data = malloc(CV__BUFFER_BYTES);
        parser->headers = malloc(parser->limits->max_headers * sizeof *parser->headers);
    }
    parser->capacity = CV__BUFFER_BYTES;
    return parser->data && parser->headers;
}

static void give_data(cv__parser *parser)
{
    if (is_pooled(parser))
        cv__piece_give(&parser->buffers->data, parser->data);
    else
        free(parser->data);
}

static void give_memory(cv__parser *parser)
{
    if (parser->data)
        give_data(parser);
    if (parser->buffers)
        cv__piece_give(&parser->buffers->tables, parser->headers);
    else
        free(parser->headers);
    parser->data = NULL;
    parser->headers = NULL;
    parser->len = parser->capacity = 0;
}

/* Never to the size of the pieces, which says where memory comes from. */
static bool grow(cv__parser *parser, size_t capacity)
{
    char *data = malloc(capacity);
    if (!data)
        return false;
    memcpy(data, parser->data, parser->len);
    give_data(parser);
    parser->data = data;
    parser->capacity = capacity;
    return true;
}

/* Only what is not a whole head yet can move to the front: nothing but these three points into it. */
static void move_to_front(cv__parser *parser)
{
    size_t by = parser->start;
    memmove(parser->data, parser->data + by, parser->len - by);
    parser->len -= by;
    parser->head_start -= by;
    parser->scan_at -= by;
    parser->line_start -= by;
    parser->start = 0;
}

char *cv__parser_room(cv__parser *parser, size_t *ret_size)
{
    *ret_size = 0;
    if (!parser->data && !take_memory(parser)) {
        give_memory(parser);
        return NULL;
    }
    bool fixed = parser->stage == STAGE_DONE || parser->streaming;
    if (parser->stage == STAGE_HEAD && parser->start > parser->capacity / 2)
        move_to_front(parser);
    if (parser->len == parser->capacity && !fixed && !grow(parser, parser->capacity * 2))
        return NULL;
    *ret_size = parser->capacity - parser->len;
    return *ret_size ? parser->data + parser->len : NULL;
}

bool cv__parser_stream(cv__parser *parser)
{
    parser->streaming = true;
    return parser->capacity - parser->body_start >= CV__STREAM_BYTES / 2 ||
           grow(parser, parser->body_start + CV__STREAM_BYTES);
}

/* ---- the end of a request ---- */

static void forget_trailers(cv__parser *parser)
{
    cv_buf_done(&parser->trailer_text);
    free(parser->trailers);
}

void cv__parser_done(cv__parser *parser)
{
    give_memory(parser);
    forget_trailers(parser);
    cv__buffers *buffers = parser->buffers;
    cv__parser_init(parser, parser->limits);
    parser->buffers = buffers;
}

void cv__parser_next(cv__parser *parser)
{
    size_t end = parser->end;
    if (parser->len == end) {
        cv__parser_done(parser);
        return;
    }
    if (parser->head.chunked)
        forget_trailers(parser);
    cv__parser kept = *parser;
    cv__parser_init(parser, kept.limits);
    parser->buffers = kept.buffers;
    parser->data = kept.data;
    parser->capacity = kept.capacity;
    parser->len = kept.len;
    parser->headers = kept.headers;
    parser->start = parser->head_start = parser->scan_at = parser->line_start = end;
}

bool cv__parser_is_complete(const cv__parser *parser)
{
    return parser->stage == STAGE_DONE;
}

bool cv__parser_has_bytes(const cv__parser *parser)
{
    return parser->len > (parser->stage == STAGE_DONE ? parser->end : parser->start);
}

/* ---- reading ---- */

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
    uint64_t wanted = parser->head.content_length - parser->body_taken;
    parser->body_len = there < wanted ? there : (size_t)wanted;
    return there < wanted ? CV__PARSE_MORE : done(parser, parser->body_at + (size_t)wanted);
}

static cv__parse end_chunked(cv__parser *parser)
{
    if (cv__trailers_read(parser))
        return done(parser, parser->body_at + parser->body_len);
    parser->stage = STAGE_REFUSED;
    return CV__PARSE_REFUSED;
}

static cv__parse read_chunked(cv__parser *parser)
{
    char *data = parser->data + parser->body_at;
    size_t len = parser->len - parser->body_at, coded_at = parser->body_len, used;
    cv__chunked_result result = cv__chunked_decode(&parser->chunked, data, &parser->body_len, len,
                                                   parser->max_body_bytes - (size_t)parser->body_taken, &used);
    size_t rest = len - coded_at - used;
    memmove(data + parser->body_len, data + coded_at + used, rest);
    parser->len = parser->body_at + parser->body_len + rest;
    switch (result) {
    case CV__CHUNKED_MORE:
        return CV__PARSE_MORE;
    case CV__CHUNKED_DONE:
        return end_chunked(parser);
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

cv__parse cv__parser_body(cv__parser *parser, size_t max_body_bytes)
{
    if (parser->head.content_length > max_body_bytes)
        return refused(parser, 413, "the body is too large");
    parser->max_body_bytes = max_body_bytes;
    parser->stage = STAGE_BODY;
    if (parser->head.chunked) {
        parser->stage = STAGE_CHUNKED;
        cv_buf_init(&parser->trailer_text, CV__CHUNK_LINE_BYTES + 1);
        cv__chunked_init(&parser->chunked, &parser->trailer_text);
    }
    return continue_body(parser);
}

size_t cv__parser_take(cv__parser *parser, void *buffer, size_t size)
{
    size_t part = size < parser->body_len ? size : parser->body_len;
    if (buffer && part)
        memcpy(buffer, parser->data + parser->body_at, part);
    parser->body_at += part;
    parser->body_len -= part;
    parser->body_taken += part;
    if (!parser->body_len && (parser->stage == STAGE_BODY || parser->stage == STAGE_CHUNKED))
        parser->len = parser->body_at = parser->body_start;
    return part;
}

/* The head ends before `head_end`: what it says decides how the body is framed. */
static cv__parse finish_head(cv__parser *parser, size_t head_end)
{
    if (!cv__head_read(parser, head_end)) {
        parser->stage = STAGE_REFUSED;
        return CV__PARSE_REFUSED;
    }
    parser->body_start = parser->body_at = head_end;
    parser->stage = STAGE_HEAD_READ;
    if (parser->limits->heads_first)
        return CV__PARSE_HEAD;
    cv__parse result = cv__parser_body(parser, parser->limits->max_body_bytes);
    return result == CV__PARSE_MORE ? CV__PARSE_HEAD : result;
}

/* Look at the lines that are complete. Limits come before every other rule, in the order of the bytes, so that the
 * answer does not depend on how the bytes arrived. */
static cv__parse read_head(cv__parser *parser)
{
    size_t max = parser->start + parser->limits->max_header_bytes;
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
        return parser->len > parser->start ? read_head(parser) : CV__PARSE_MORE;
    case STAGE_HEAD_READ:
        return CV__PARSE_HEAD;
    case STAGE_BODY:
    case STAGE_CHUNKED:
        return continue_body(parser);
    case STAGE_DONE:
        return CV__PARSE_DONE;
    default:
        return CV__PARSE_REFUSED;
    }
}
