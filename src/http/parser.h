/* The request parser: bytes in, one complete request at a time out. It knows nothing of sockets.
 *
 *     char *room = cv__parser_room(&p, &size);     read up to `size` bytes to `room`
 *     switch (cv__parser_feed(&p, got)) ...        MORE, HEAD, DONE or REFUSED
 *     cv__parser_next(&p); cv__parser_feed(&p, 0)  after DONE: forget the request, look at what came behind it
 *
 * All bytes of a request lie in one buffer and everything found in it is kept as offsets, because the buffer may move
 * while it grows. After DONE it does not move until cv__parser_next: views into it are good that long. The chunked
 * coding is taken off in place, so that the body is one piece in any case. Several requests may lie in the buffer one
 * behind the other: the present one begins at `start`.
 *
 * A body can also be taken as it comes: after cv__parser_stream the buffer neither grows nor moves, and has room again
 * when the body was taken with cv__parser_take.
 *
 * The result for a sequence of bytes does not depend on how it is cut into pieces. The head is first cut into lines
 * here (CR LF only, no folded lines), then checked by llhttp as a whole, then by the rules of head.c, which are
 * stricter than llhttp where RFC 9112 leaves a choice. */
#ifndef COVET_SRC_HTTP_PARSER_H
#define COVET_SRC_HTTP_PARSER_H

#include "http/buffers.h"
#include <covet/http.h>

typedef struct cv__parser_limits {
    size_t max_header_bytes; /* request line and headers; at most CV__MAX_HEADER_BYTES */
    size_t max_headers;      /* the same for trailers */
    size_t max_body_bytes;   /* at most CV__MAX_BODY_BYTES */
    size_t max_target_bytes; /* 0: as much as the head allows */
    bool heads_first;        /* HEAD is reported for every request, and cv__parser_body must be called then */
} cv__parser_limits;

#define CV__MAX_HEADER_BYTES ((size_t)1 << 20)
#define CV__MAX_BODY_BYTES   ((size_t)1 << 30)

/* How much of a body that is taken as it comes may be read ahead. */
#define CV__STREAM_BYTES ((size_t)64 * 1024)

typedef enum cv__parse {
    CV__PARSE_MORE,    /* the request is not complete */
    CV__PARSE_HEAD,    /* the head is complete; without `heads_first`: the body is not; reported once a request */
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
    int minor_version;   /* HTTP/1.x */
    cv__span target;     /* as sent */
    cv__span path;       /* not decoded; "*" for OPTIONS * */
    cv__span query;      /* without the question mark */
    bool path_rewritten; /* routes see it otherwise than it was sent: escapes, dot segments */
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
    cv_buf *trailers; /* takes the trailer section */
} cv__chunked;

typedef struct cv__parser {
    const cv__parser_limits *limits;
    cv__buffers *buffers; /* where memory comes from; NULL: the heap */
    char *data;           /* NULL while nothing was received */
    size_t len, capacity;

    uint8_t stage;  /* private to parser.c */
    bool streaming; /* the body is taken as it comes */
    size_t start;   /* of the present request; what lies before is not needed any more */
    size_t head_start, scan_at, line_start;
    cv__header *headers;
    size_t header_count;
    cv__head head;

    size_t max_body_bytes;
    size_t body_start, body_at, body_len; /* behind the head; what was not taken of the body yet */
    uint64_t body_taken;
    size_t end; /* of the request, when DONE: what follows belongs to the next one */
    cv__chunked chunked;
    cv_buf trailer_text; /* on the heap */
    cv__header *trailers;
    size_t trailer_count;
    cv__refusal refusal;
} cv__parser;

/** `limits` are kept by reference. No memory is taken before the first cv__parser_room; set `buffers` before it. */
void cv__parser_init(cv__parser *parser, const cv__parser_limits *limits);
void cv__parser_done(cv__parser *parser);

/** Where to put the next bytes. After DONE, and for a body that is taken as it comes, this is what is left of the
 * buffer, which may be nothing (NULL, 0); otherwise NULL means that memory is exhausted. */
char *cv__parser_room(cv__parser *parser, size_t *ret_size);

/** Take `size` bytes that were put into the room; 0 goes on with what is there. After DONE the bytes are only kept. */
cv__parse cv__parser_feed(cv__parser *parser, size_t size);

/** After HEAD with `heads_first`: go on to the body, which may have `max_body_bytes`. MORE, DONE or REFUSED. */
cv__parse cv__parser_body(cv__parser *parser, size_t max_body_bytes);

/** From now on the body is taken as it comes. False: memory is exhausted. */
CV_CHECKED bool cv__parser_stream(cv__parser *parser);

/** Take at most `size` bytes of the body that are there, in order; `buffer` NULL: throw them away. Returns how many. */
size_t cv__parser_take(cv__parser *parser, void *buffer, size_t size);

/** Whether the request is complete: DONE was reported and cv__parser_next not called yet. */
bool cv__parser_is_complete(const cv__parser *parser);

/** After DONE: forget the request. What was received behind it stays; without any, all memory is given back, so that
 *  an idle connection holds none. */
void cv__parser_next(cv__parser *parser);

/** Whether bytes of a request are there (of the next one, after DONE). */
bool cv__parser_has_bytes(const cv__parser *parser);

static inline cv_str cv__parser_text(const cv__parser *parser, cv__span span)
{
    return cv_str_make(parser->data + span.at, span.len);
}

/* ---- trailers.c ---- */

/** Read the trailer section that was collected in `trailer_text`: fills `trailers`, spans into that text. False with
 * the refusal set. */
bool cv__trailers_read(cv__parser *parser);

#endif
