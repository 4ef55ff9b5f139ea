/* Compressed requests. A few bytes may stand for gigabytes: the limit of the body holds for what comes out, what comes
 * out must not be out of all proportion to what came in, and more than a little is decoded off the loop. */
#include "http/middleware/middleware.h"

#include "base/ctx.h"
#include "http/connection.h"
#include "http/middleware/coding.h"
#include <covet/lane.h>

enum {
    DEFAULT_RATIO = 100,
    RATIO_FROM_BYTES = 64 * 1024, /* less may well expand more */
    STEP_BYTES = 16 * 1024,
    LOOP_BYTES = 256 * 1024, /* decoded on the loop before a lane goes on */
};

typedef struct settings {
    size_t max_ratio;
} settings;

/* How much may come out of how much. */
typedef struct bounds {
    size_t max_bytes, max_ratio;
    uint64_t in, out;
} bounds;

static bool is_too_much(const bounds *b)
{
    return b->out > b->max_bytes;
}

static bool is_bomb(const bounds *b)
{
    return b->out > RATIO_FROM_BYTES && b->out / b->max_ratio > b->in;
}

static int tell(cv_ctx *cx, int rc, cv__coding coding, const bounds *b)
{
    if (rc == CV_E_BAD_REQUEST)
        return cv_fail(cx, rc, "the body is not well-formed %s", cv__coding_name(coding));
    if (rc == CV_E_TOO_LARGE && is_too_much(b))
        return cv_fail(cx, rc, "the decoded body is larger than %zu bytes", b->max_bytes);
    if (rc == CV_E_TOO_LARGE)
        return cv_fail(cx, rc, "the body becomes more than %zu times as large when it is decoded", b->max_ratio);
    return rc == CV_E_NOMEM ? cv_fail(cx, rc, "could not decode the body: out of memory") : rc;
}

/* ---- whole bodies ---- */

typedef struct whole {
    cv__coding coding;
    cv__decoder *decoder;
    cv_str in; /* what is left */
    cv_buf out;
    bounds bounds;
    bool done;
} whole;

static void free_whole(void *arg)
{
    whole *w = arg;
    cv__decoder_free(w->decoder);
    cv_buf_done(&w->out);
}

static int decode_step(whole *w)
{
    size_t len;
    char *room = cv_buf_reserve(&w->out, STEP_BYTES);
    if (!room)
        return w->out.error == CV_E_LIMIT ? CV_E_TOO_LARGE : w->out.error;
    cv__decode result = cv__decoder_run(w->decoder, &w->in, room, STEP_BYTES, &len);
    cv_buf_commit(&w->out, len);
    w->bounds.out = w->out.len;
    if (result == CV__DECODE_BAD)
        return CV_E_BAD_REQUEST;
    if (result == CV__DECODE_NOMEM)
        return CV_E_NOMEM;
    if (is_too_much(&w->bounds) || is_bomb(&w->bounds))
        return CV_E_TOO_LARGE;
    if (result == CV__DECODE_FULL)
        return 0;
    w->done = true;
    return cv__decoder_is_complete(w->decoder) ? 0 : CV_E_BAD_REQUEST;
}

static int decode_rest(void *arg)
{
    whole *w = arg;
    int rc = 0;
    while (rc == 0 && !w->done)
        rc = decode_step(w);
    return rc;
}

static int decode_whole(cv_ctx *cx, cv_request *req, whole *w)
{
    int rc = 0;
    w->in = cv_request_body(req);
    w->bounds.in = w->in.len;
    while (rc == 0 && !w->done && w->out.len < LOOP_BYTES)
        rc = decode_step(w);
    if (rc == 0 && !w->done)
        rc = cv_offload(cx, CV_LANE_CPU, decode_rest, w, NULL);
    if (rc < 0)
        return cv_error_last(cx) ? rc : tell(cx, rc, w->coding, &w->bounds);
    req->decoded_body = cv_buf_str(&w->out);
    return 0;
}

static int take_whole(cv_ctx *cx, cv_request *req, cv__coding coding, const bounds *b)
{
    whole *w = cv_zalloc(cx, 1, sizeof *w);
    if (!w)
        return cx->error_code;
    *w = (whole){.coding = coding, .bounds = *b};
    cv_buf_init(&w->out, b->max_bytes + 2 * STEP_BYTES); /* room to see that it is too much */
    CV_TRY(cv_cleanup(cx, free_whole, w));
    w->decoder = cv__decoder_new(coding);
    return w->decoder ? decode_whole(cx, req, w) : tell(cx, CV_E_NOMEM, coding, b);
}

/* ---- streamed bodies ---- */

typedef struct streamed {
    cv__body_filter filter;
    cv__coding coding;
    cv__decoder *decoder;
    bounds bounds;
    bool ended;
    cv_str in; /* received and not decoded */
    char buffer[STEP_BYTES];
} streamed;

static void free_streamed(void *arg)
{
    cv__decoder_free(((streamed *)arg)->decoder);
}

static int receive(cv_ctx *cx, cv_request *req, streamed *s)
{
    size_t len;
    CV_TRY(cv__body_read_raw(cx, req, s->buffer, sizeof s->buffer, &len));
    s->in = cv_str_make(s->buffer, len);
    s->bounds.in += len;
    s->ended = len == 0;
    if (s->ended && !cv__decoder_is_complete(s->decoder))
        return tell(cx, CV_E_BAD_REQUEST, s->coding, &s->bounds);
    return 0;
}

static int read_streamed(cv_ctx *cx, cv_request *req, cv__body_filter *filter, void *buffer, size_t size,
                         size_t *ret_len)
{
    streamed *s = (streamed *)filter;
    size_t len = 0;
    size = size < LOOP_BYTES ? size : LOOP_BYTES;
    while (size && !len && !s->ended) {
        cv__decode result = cv__decoder_run(s->decoder, &s->in, buffer, size, &len);
        s->bounds.out += len;
        if (result == CV__DECODE_BAD || result == CV__DECODE_NOMEM)
            return tell(cx, result == CV__DECODE_BAD ? CV_E_BAD_REQUEST : CV_E_NOMEM, s->coding, &s->bounds);
        if (is_too_much(&s->bounds) || is_bomb(&s->bounds))
            return tell(cx, CV_E_TOO_LARGE, s->coding, &s->bounds);
        if (!len)
            CV_TRY(receive(cx, req, s));
    }
    *ret_len = len;
    return 0;
}

static int take_streamed(cv_ctx *cx, cv_request *req, cv__coding coding, const bounds *b)
{
    streamed *s = cv_alloc(cx, sizeof *s);
    if (!s)
        return cx->error_code;
    s->filter = (cv__body_filter){read_streamed};
    s->coding = coding;
    s->decoder = NULL;
    s->bounds = *b;
    s->ended = false;
    s->in = cv_str_make(s->buffer, 0);
    CV_TRY(cv_cleanup(cx, free_streamed, s));
    s->decoder = cv__decoder_new(coding);
    if (!s->decoder)
        return tell(cx, CV_E_NOMEM, coding, b);
    req->body_filter = &s->filter;
    return 0;
}

/* ---- the way in ---- */

static int refuse(cv_ctx *cx, cv_response *res)
{
    CV_TRY(cv_response_header(res, "Accept-Encoding", "gzip, deflate, br, zstd"));
    return cv_reply_problem(cx, res, 415, NULL, "the body's Content-Encoding is not known here, or there are several");
}

static int decode(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    const settings *s = arg;
    cv_str value = cv__request_has_body(req) ? cv_request_header(req, "content-encoding") : cv_str_make(NULL, 0);
    cv__coding coding = value.ptr ? cv__coding_parse(value) : CV__CODING_IDENTITY;
    if (coding == CV__CODING_UNKNOWN)
        return refuse(cx, res);
    if (coding == CV__CODING_IDENTITY || req->coding_known)
        return 0;
    req->coding_known = true;
    bounds b = {.max_bytes = req->route->limits.max_body_bytes, .max_ratio = s->max_ratio};
    if (!b.max_bytes)
        b.max_bytes = req->connection->server->options.max_body_bytes;
    return req->route->stream_body ? take_streamed(cx, req, coding, &b) : take_whole(cx, req, coding, &b);
}

int cv_use_decompression(cv_ctx *cx, cv_route_group *group, const cv_decompression_options *options)
{
    settings *s = cv__group_alloc(cx, group, sizeof *s);
    if (!s)
        return cx->error_code;
    s->max_ratio = options && options->max_ratio ? options->max_ratio : DEFAULT_RATIO;
    const cv_middleware middleware = {.name = "decompression", .phase = CV_PHASE_CONTENT, .before = decode, .arg = s};
    return cv_use(cx, group, &middleware);
}
