/* Compressed replies. What the client accepts is judged on the way in, so that a request that accepts nothing at all is
 * refused before anything was done for it; whether a reply gains by it is judged when it is made. */
#include "http/middleware/middleware.h"

#include "base/ctx.h"
#include "http/middleware/coding.h"
#include <covet/lane.h>

enum { DEFAULT_MIN_BYTES = 1024, LANE_BYTES = 64 * 1024 };

typedef struct settings {
    size_t min_bytes;
    int levels[3]; /* by cv__coding */
} settings;

/* What the client accepts, kept with the request. */
typedef struct choice {
    cv__coding coding;
    bool identity_refused;
} choice;

static const char key;

/* ---- the way in ---- */

static int judge(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    static const char *const codings[] = {"zstd", "br", "gzip", "identity"};
    (void)arg;
    if (!cv_request_header(req, "accept-encoding").ptr)
        return 0;
    int best = cv_request_prefers_encoding(req, codings, 4);
    if (best < 0)
        return cv_reply_problem(cx, res, 406, NULL, "the codings here are zstd, br, gzip and identity");
    choice *chosen = cv_alloc(cx, sizeof *chosen);
    if (!chosen)
        return cx->error_code;
    *chosen = (choice){(cv__coding)best, cv_request_prefers_encoding(req, codings + 3, 1) < 0};
    return cv_request_set(req, &key, chosen);
}

/* ---- what gains by it ---- */

static bool type_gains(cv_str type)
{
    static const char *const types[] = {"application/json",
                                        "application/javascript",
                                        "application/xml",
                                        "application/wasm",
                                        "application/x-ndjson",
                                        "application/rtf",
                                        "font/ttf",
                                        "font/otf",
                                        "application/vnd.ms-fontobject",
                                        "image/vnd.microsoft.icon",
                                        "image/x-icon",
                                        "image/bmp"};
    cv_str bare;
    if (!type.ptr || !cv_str_split(&type, ';', &bare))
        return false;
    bare = cv_str_trim(bare);
    if (cv_str_equal_nocase(bare, CV_STR("text/event-stream"))) /* each event is awaited, none must be kept back */
        return false;
    if (cv_str_equal_nocase(cv_str_sub(bare, 0, 5), CV_STR("text/")))
        return true;
    size_t tail = bare.len > 5 ? bare.len - 5 : 0;
    if (cv_str_equal_nocase(cv_str_sub(bare, tail, 5), CV_STR("+json")) ||
        cv_str_equal_nocase(cv_str_sub(bare, tail + 1, 4), CV_STR("+xml")))
        return true;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (cv_str_equal_nocase(bare, cv_str_of(types[i])))
            return true;
    return false;
}

static bool forbids_transform(cv_str cache_control)
{
    cv_str part;
    while (cv_str_split(&cache_control, ',', &part))
        if (cv_str_equal_nocase(cv_str_trim(part), CV_STR("no-transform")))
            return true;
    return false;
}

static bool is_possible(const cv_response *res)
{
    return !res->no_compression && !cv__status_has_no_body(res->status) && res->status != 206 &&
           !cv_response_get_header(res, "Content-Encoding").ptr && !cv_response_get_header(res, "Content-Range").ptr &&
           !forbids_transform(cv_response_get_header(res, "Cache-Control"));
}

static bool is_worth_it(const settings *s, const cv_response *res)
{
    return type_gains(cv_response_get_header(res, "Content-Type")) &&
           (!cv_response_is_whole(res) || res->body.len >= s->min_bytes);
}

/* ---- headers ---- */

/* The bytes are others now: a strong validator would lie about them, and so would ranges. */
static int set_headers(cv_ctx *cx, cv_response *res, cv__coding coding)
{
    cv_str etag = cv_response_get_header(res, "ETag");
    if (etag.ptr && !cv_str_starts_with(etag, CV_STR("W/"))) {
        char *weak = cv_sprintf(cx, "W/%.*s", CV_STR_ARG(etag));
        if (!weak)
            return cx->error_code;
        CV_TRY(cv_response_header(res, "ETag", weak));
    }
    cv__response_remove(res, "Accept-Ranges");
    return cv__response_field(res, CV_STR("Content-Encoding"), cv_str_of(cv__coding_name(coding)));
}

/* ---- the work ---- */

typedef struct job {
    cv__encoder *encoder;
    cv_str data;
    cv__encode operation;
    cv_buf out;
} job;

static int work(void *arg)
{
    job *j = arg;
    return cv__encoder_run(j->encoder, j->data, j->operation, &j->out);
}

/* Much data is compressed off the loop; the fiber waits. The result lies on the heap: the lane must not touch the
 * arena.
 */
static int run(cv_ctx *cx, job *j)
{
    cv_buf_init(&j->out, 0);
    int rc = j->data.len > LANE_BYTES ? cv_offload(cx, CV_LANE_CPU, work, j, NULL) : work(j);
    if (rc < 0 && !cv_error_last(cx))
        cv_fail(cx, rc, "could not compress the reply: %s", cv_error_text(rc));
    return rc;
}

/* ---- whole replies ---- */

/* What fails or does not get smaller is sent as it is. */
static bool compress_whole(cv_ctx *cx, cv_response *res, const settings *s, const choice *c)
{
    job j = {.data = cv_buf_str(&res->body), .operation = CV__ENCODE_END};
    cv_error *pending = cv_error_take(cx);
    j.encoder = cv__encoder_new(c->coding, s->levels[c->coding], res->body.len);
    bool done = j.encoder && run(cx, &j) == 0 && (j.out.len < res->body.len || c->identity_refused);
    if (done) {
        cv_buf_clear(&res->body);
        cv_buf_add_str(&res->body, cv_buf_str(&j.out));
    }
    if (j.encoder)
        cv_buf_done(&j.out);
    cv__encoder_free(j.encoder);
    if (pending)
        cv_error_put_back(cx, pending);
    else
        cv_error_clear(cx);
    return done;
}

/* ---- streams ---- */

typedef struct stream {
    cv__filter filter;
    cv__encoder *encoder;
} stream;

static int pass(cv_ctx *cx, cv__filter *filter, cv_str data, cv__encode operation, cv_buf *out)
{
    job j = {.encoder = ((stream *)filter)->encoder, .data = data, .operation = operation};
    int rc = run(cx, &j);
    if (rc == 0)
        cv_buf_add_str(out, cv_buf_str(&j.out));
    cv_buf_done(&j.out);
    return rc;
}

static int write_stream(cv_ctx *cx, cv__filter *filter, cv_str data, cv_buf *out)
{
    return pass(cx, filter, data, CV__ENCODE_WRITE, out);
}

static int flush_stream(cv_ctx *cx, cv__filter *filter, cv_buf *out)
{
    return pass(cx, filter, CV_STR(""), CV__ENCODE_FLUSH, out);
}

static int end_stream(cv_ctx *cx, cv__filter *filter, cv_buf *out)
{
    return pass(cx, filter, CV_STR(""), CV__ENCODE_END, out);
}

static void free_stream(void *arg)
{
    cv__encoder_free(((stream *)arg)->encoder);
}

static int start_stream(cv_ctx *cx, cv_response *res, const settings *s, cv__coding coding)
{
    stream *made = cv_zalloc(cx, 1, sizeof *made);
    if (!made)
        return cx->error_code;
    CV_TRY(cv_cleanup(cx, free_stream, made));
    made->filter = (cv__filter){write_stream, flush_stream, end_stream};
    made->encoder = cv__encoder_new(coding, s->levels[coding], 0);
    if (!made->encoder)
        return cv_fail(cx, CV_E_NOMEM, "could not compress the reply: out of memory");
    res->filter = &made->filter;
    return 0;
}

/* ---- the way out ---- */

static int compress(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    const settings *s = arg;
    const choice *c = cv_request_get(req, &key);
    bool refused = c && c->identity_refused;
    if (!is_possible(res) || (!refused && !is_worth_it(s, res)))
        return 0;
    CV_TRY(cv__response_vary(res, "Accept-Encoding"));
    if (!c || c->coding == CV__CODING_IDENTITY)
        return 0;
    if (!cv_response_is_whole(res))
        CV_TRY(start_stream(cx, res, s, c->coding));
    else if (!compress_whole(cx, res, s, c))
        return 0;
    return set_headers(cx, res, c->coding);
}

void cv_response_no_compression(cv_response *res)
{
    res->no_compression = true;
}

static int take_level(cv_ctx *cx, const char *name, int given, int otherwise, int max, int *ret_level)
{
    if (given < 0 || given > max)
        return cv_fail(cx, CV_E_INVALID, "cannot compress with the %s level %d: it is between 1 and %d", name, given,
                       max);
    *ret_level = given ? given : otherwise;
    return 0;
}

int cv_use_compression(cv_ctx *cx, cv_route_group *group, const cv_compression_options *options)
{
    const cv_compression_options o = options ? *options : (cv_compression_options){0};
    settings *s = cv__group_alloc(cx, group, sizeof *s);
    if (!s)
        return cx->error_code;
    s->min_bytes = o.min_bytes ? o.min_bytes : DEFAULT_MIN_BYTES;
    CV_TRY(take_level(cx, "zstd", o.zstd_level, 3, 19, &s->levels[CV__CODING_ZSTD]));
    CV_TRY(take_level(cx, "brotli", o.brotli_level, 4, 11, &s->levels[CV__CODING_BR]));
    CV_TRY(take_level(cx, "gzip", o.gzip_level, 6, 9, &s->levels[CV__CODING_GZIP]));
    const cv_middleware middleware = {
        .name = "compression", .phase = CV_PHASE_CONTENT, .before = judge, .reply = compress, .arg = s};
    return cv_use(cx, group, &middleware);
}
