/* The request parser: bytes in, one complete request at a time out. It knows nothing of sockets.
 *
 *     char *room = cv__parser_room(&p, &size);     read up to `size` bytes to `room`
 *     switch (cv__parser_feed(&p, got)) ...        MORE, HEAD, DONE or REFUSED
 *     cv__parser_next(&p); cv__parser_feed(&p, 0)  after DONE: forget the request, look at what came behind it
 *
 * All bytes of a request lie in one buffer and everything found in it is kept as offsets, because the buffer may move
 * while it grows. After DONE it does not move until cv__parser_next: views into it are good that long. The chunked
 * coding is taken off in place, so that the body is one piece in any case.
 *
 * The result for a sequence of bytes does not depend on how it is cut into pieces. The head is first cut into lines
 * here (CR LF only, no folded lines), then checked by llhttp as a whole, then by the rules of head.c, which are
 * stricter than llhttp where RFC 9112 leaves a choice. */
#ifndef COVET_SRC_HTTP_PARSER_H
#define COVET_SRC_HTTP_PARSER_H

#include <covet/http.h>

typedef struct cv__parser_limits {
    size_t max_header_bytes; /* request line and headers; at most CV__MAX_HEADER_BYTES */
    size_t max_headers;
    size_t max_body_bytes; /* at most CV__MAX_BODY_BYTES */
} cv__parser_limits;

#define CV__MAX_HEADER_BYTES ((size_t)1 << 20)
#define CV__MAX_BODY_BYTES   ((size_t)1 << 30)

typedef enum cv__parse {
    CV__PARSE_MORE,    /* the request is not complete */
    CV__PARSE_HEAD,    /* the head is complete, the body is not; reported once a request */
    CV__PARSE_DONE,    /* the request is complete */
    CV__PARSE_REFUSED, /* `refusal` says why; the connection cannot go on */
} cv__parse;

/* Part of the buffer. Heads are short, so 32 bits do. */
typedef struct cv__span {
    uint32_t at, len;
} cv__span;

typedef struct cv__header {
    cv__span name, value;
} cv__header;

/* Why a request is refused: the status and one sentence for the client. */
typedef struct cv__refusal {
    int status;
    const char *reason; /* static */
} cv__refusal;

/* What the head says. Spans into the buffer. */
typedef struct cv__head {
    cv_method method;
    int minor_version; /* HTTP/1.x */
    cv__span target;   /* as sent */
    cv__span path;     /* not decoded; "*" for OPTIONS * */
    cv__span query;    /* without the question mark */
    bool path_escaped; /* the path has percent escapes */
    bool keep_alive;
    bool expect_continue;
    bool chunked;
    uint64_t content_length; /* 0 without one */
} cv__head;

/* The decoder of the chunked coding; see chunked.h. */
typedef struct cv__chunked {
    uint8_t state;
    bool digits;       /* the size line has at least one */
    uint64_t size;     /* left of the present chunk */
    size_t line_bytes; /* framing since the last data */
    size_t extension_bytes;
} cv__chunked;

typedef struct cv__parser {
    const cv__parser_limits *limits;
    char *data; /* NULL while nothing was received */
    size_t len, capacity;

    uint8_t stage; /* private to parser.c */
    size_t head_start, scan_at, line_start;
    cv__header *headers;
    size_t header_count, header_capacity;
    cv__head head;

    size_t body_at, body_len;
    size_t end; /* of the request, when DONE: what follows belongs to the next one */
    cv__chunked chunked;
    cv__refusal refusal;
} cv__parser;

/** `limits` are kept by reference. No memory is taken before the first cv__parser_room. */
void cv__parser_init(cv__parser *parser, const cv__parser_limits *limits);
void cv__parser_done(cv__parser *parser);

/** Where to put the next bytes. After DONE this is what is left of the buffer, which may be nothing (NULL, 0);
 *  otherwise NULL means that memory is exhausted. */
char *cv__parser_room(cv__parser *parser, size_t *ret_size);

/** Take `size` bytes that were put into the room; 0 goes on with what is there. After DONE the bytes are only kept. */
cv__parse cv__parser_feed(cv__parser *parser, size_t size);

/** After DONE: forget the request. What was received behind it moves to the front; without any, all memory is given
 *  back, so that an idle connection holds none. */
void cv__parser_next(cv__parser *parser);

/** Whether bytes of a request are there (of the next one, after DONE). */
bool cv__parser_has_bytes(const cv__parser *parser);

static inline cv_str cv__parser_text(const cv__parser *parser, cv__span span)
{
    return cv_str_make(parser->data + span.at, span.len);
}

#endif
