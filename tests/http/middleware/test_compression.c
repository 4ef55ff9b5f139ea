/* Compressed replies, taken apart again by the libraries themselves. */
#include "middleware_test.h"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

static char text[300000]; /* compresses well, and has no period that is a power of two */

static int whole(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int64_t len;
    CV_TRY(cv_query_i64(req, "len", 5000, 0, sizeof text, &len));
    CV_TRY(cv_response_header(res, "ETag", "\"v1\""));
    CV_TRY(cv_response_header(res, "Accept-Ranges", "bytes"));
    return cv_reply_text(cx, res, 200, cv_query_param(req, "type", "text/plain; charset=utf-8"),
                         cv_str_make(text, (size_t)len));
}

static int streamed(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int64_t piece;
    CV_TRY(cv_query_i64(req, "piece", 1000, 1, sizeof text, &piece));
    CV_TRY(cv_stream_start(cx, res, 200, "application/json", (int64_t)sizeof text));
    for (size_t at = 0; at < sizeof text; at += (size_t)piece) {
        size_t part = sizeof text - at < (size_t)piece ? sizeof text - at : (size_t)piece;
        CV_TRY(cv_stream_write(cx, res, text + at, part));
    }
    return cv_stream_end(cx, res);
}

/* The first part arrives although the second takes long. */
static int slow(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", -1));
    CV_TRY(cv_stream_write(cx, res, "first", 5));
    CV_TRY(cv_stream_flush(cx, res));
    CV_TRY(cv_sleep_ms(cx, 5000));
    CV_TRY(cv_stream_write(cx, res, "second", 6));
    return cv_stream_end(cx, res);
}

static int with_header(cv_ctx *cx, cv_request *req, cv_response *res)
{
    CV_TRY(cv_response_header(res, cv_query_param(req, "name", ""), cv_query_param(req, "value", "")));
    return cv_reply_text(cx, res, 200, "text/plain", cv_str_make(text, 5000));
}

static int secret(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    cv_response_no_compression(res);
    return cv_reply_text(cx, res, 200, "text/plain", cv_str_make(text, 5000));
}

static int partial(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 206, "text/plain", cv_str_make(text, 5000));
}

static int random_bytes(cv_ctx *cx, cv_request *req, cv_response *res)
{
    char bytes[5000];
    (void)req;
    cv_random_bytes(bytes, sizeof bytes);
    return cv_reply_text(cx, res, 200, "text/plain", cv_str_make(bytes, sizeof bytes));
}

static int failing(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req, (void)res;
    return cv_fail(cx, CV_E_NOT_FOUND, "%.2000s", text);
}

static int set_up(void **state)
{
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 23 % 7 + i / 1000 % 13);
    if (world_setup(state))
        return 1;
    world *w = *state;
    assert_ok(w->cx, cv_use_compression(w->cx, w->root, NULL));
    world_route(w, CV_GET, "/whole", whole);
    world_route(w, CV_GET, "/streamed", streamed);
    world_route(w, CV_GET, "/slow", slow);
    world_route(w, CV_GET, "/with", with_header);
    world_route(w, CV_GET, "/secret", secret);
    world_route(w, CV_GET, "/partial", partial);
    world_route(w, CV_GET, "/random", random_bytes);
    world_route(w, CV_GET, "/failing", failing);
    world_start(w, (cv_server_options){0});
    return 0;
}

/* ---- taking apart ---- */

static char plain[sizeof text + 1];

static size_t unpack_gzip(cv_str packed)
{
    z_stream zlib = {0};
    assert_int_equal(inflateInit2(&zlib, 15 + 16), Z_OK);
    zlib.next_in = (Bytef *)(uintptr_t)packed.ptr;
    zlib.avail_in = (uInt)packed.len;
    zlib.next_out = (Bytef *)plain;
    zlib.avail_out = sizeof plain;
    assert_int_equal(inflate(&zlib, Z_FINISH), Z_STREAM_END);
    assert_int_equal(zlib.avail_in, 0);
    inflateEnd(&zlib);
    return sizeof plain - zlib.avail_out;
}

static size_t unpack(const char *coding, cv_str packed)
{
    size_t len = sizeof plain;
    if (!strcmp(coding, "gzip"))
        return unpack_gzip(packed);
    if (!strcmp(coding, "br")) {
        assert_int_equal(BrotliDecoderDecompress(packed.len, (const uint8_t *)packed.ptr, &len, (uint8_t *)plain),
                         BROTLI_DECODER_RESULT_SUCCESS);
        return len;
    }
    ZSTD_DCtx *zstd = ZSTD_createDCtx(); /* streams do not know their size */
    ZSTD_inBuffer in = {packed.ptr, packed.len, 0};
    ZSTD_outBuffer out = {plain, sizeof plain, 0};
    size_t left = ZSTD_decompressStream(zstd, &out, &in);
    assert_int_equal(left, 0);
    assert_int_equal(in.pos, in.size);
    ZSTD_freeDCtx(zstd);
    return out.pos;
}

static void expect_packed(world *w, const char *target, const char *accept, const char *coding, size_t len)
{
    cv_test_reply r = world_get(w, target, "Accept-Encoding", accept);
    assert_int_equal(r.status, 200);
    expect_field(&r, "Content-Encoding", coding);
    expect_field(&r, "Vary", "Accept-Encoding");
    assert_true(r.body.len < len);
    assert_int_equal(unpack(coding, r.body), len);
    assert_memory_equal(plain, text, len);
}

/* ---- cases ---- */

static void test_replies_are_compressed_by_preference(void **state)
{
    world *w = *state;
    expect_packed(w, "/whole", "gzip, deflate, br, zstd", "zstd", 5000);
    expect_packed(w, "/whole", "gzip, br", "br", 5000);
    expect_packed(w, "/whole", "gzip", "gzip", 5000);
    expect_packed(w, "/whole", "gzip;q=1, br;q=0.5", "gzip", 5000);
    expect_packed(w, "/whole", "*;q=0.1", "zstd", 5000);
}

static void test_large_bodies_go_through_the_lane(void **state)
{
    world *w = *state;
    static const char *const codings[] = {"zstd", "br", "gzip"};
    for (size_t i = 0; i < 3; i++)
        expect_packed(w, "/whole?len=300000", codings[i], codings[i], 300000);
}

static void test_streams_are_compressed(void **state)
{
    world *w = *state;
    static const char *const codings[] = {"zstd", "br", "gzip"};
    static const char *const targets[] = {"/streamed", "/streamed?piece=1", "/streamed?piece=70000",
                                          "/streamed?piece=300000"};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 4; j++)
            if (j != 1 || i == 2)
                expect_packed(w, targets[j], codings[i], codings[i], sizeof text);
    cv_test_reply r = world_get(w, "/streamed", "Accept-Encoding", "gzip");
    expect_field(&r, "Content-Length", NULL);
}

static void test_a_flush_gives_what_was_written(void **state)
{
    world *w = *state;
    static const char *const codings[] = {"zstd", "br", "gzip"};
    for (size_t i = 0; i < 3; i++) {
        cv_test_connection *c;
        char request[128], got[4096];
        size_t len = 0, more;
        snprintf(request, sizeof request, "GET /slow HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n", codings[i]);
        assert_ok(w->cx, cv_test_connect(w->cx, w->client, NULL, &c));
        assert_ok(w->cx, cv_test_write(c, cv_str_of(request)));
        int64_t before_ns = cv_now_ns(w->cx);
        do {
            assert_ok(w->cx, cv_test_read(w->cx, c, got + len, sizeof got - len, &more));
            len += more;
        } while (!cv_str_ends_with(cv_str_make(got, len), CV_STR("\r\n")) ||
                 cv_str_ends_with(cv_str_make(got, len), CV_STR("\r\n\r\n")));
        assert_true(cv_now_ns(w->cx) - before_ns < INT64_C(1000000000));
        cv_test_close(c, true);
    }
}

static void expect_plain(world *w, const char *target, const char *accept, const char *vary)
{
    cv_test_reply r = world_get(w, target, accept ? "Accept-Encoding" : NULL, accept);
    expect_field(&r, "Vary", vary);
    cv_str coding = cv_test_reply_header(&r, "Content-Encoding");
    if (coding.ptr && !cv_str_equal(coding, CV_STR("own")))
        fail_msg("%s is compressed", target);
}

static void test_what_is_left_alone(void **state)
{
    world *w = *state;
    expect_plain(w, "/whole", NULL, "Accept-Encoding");
    expect_plain(w, "/whole", "identity", "Accept-Encoding");
    expect_plain(w, "/whole", "deflate", "Accept-Encoding");
    expect_plain(w, "/whole", "gzip;q=0", "Accept-Encoding");
    expect_plain(w, "/whole?len=1023", "gzip", NULL);
    expect_plain(w, "/whole?type=image/png", "gzip", NULL);
    expect_plain(w, "/whole?type=text/event-stream", "gzip", NULL);
    expect_plain(w, "/with?name=Cache-Control&value=no-cache,%20No-Transform", "gzip", NULL);
    expect_plain(w, "/with?name=Content-Encoding&value=own", "gzip", NULL);
    expect_plain(w, "/with?name=Content-Range&value=bytes%200-1/2", "gzip", NULL);
    expect_plain(w, "/secret", "gzip", NULL);
    expect_plain(w, "/partial", "gzip", NULL);
    expect_plain(w, "/random", "gzip, br, zstd", "Accept-Encoding");
}

static void test_types_that_gain(void **state)
{
    world *w = *state;
    static const char *const types[] = {
        "application/json",       "application/problem+json", "image/svg+xml",        "Application/Wasm",
        "application/javascript", "text/html;charset=utf-8",  "application/atom+xml", "font/ttf"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char target[128] = "/whole?type=";
        for (const char *at = types[i]; *at; at++)
            strcat(target, *at == '+' ? "%2B" : (char[]){*at, '\0'});
        expect_packed(w, target, "gzip", "gzip", 5000);
    }
}

static void test_validators_become_weak_and_ranges_go(void **state)
{
    world *w = *state;
    cv_test_reply r = world_get(w, "/whole", "Accept-Encoding", "gzip");
    expect_field(&r, "ETag", "W/\"v1\"");
    expect_field(&r, "Accept-Ranges", NULL);
    r = world_get(w, "/whole", "Accept-Encoding", "identity");
    expect_field(&r, "ETag", "\"v1\"");
    expect_field(&r, "Accept-Ranges", "bytes");
    r = world_get(w, "/with?name=ETag&value=W/%22x%22", "Accept-Encoding", "gzip");
    expect_field(&r, "ETag", "W/\"x\"");
    r = world_get(w, "/with?name=Vary&value=Accept", "Accept-Encoding", "gzip");
    expect_field(&r, "Vary", "Accept, Accept-Encoding");
    r = world_get(w, "/with?name=Vary&value=accept-encoding", "Accept-Encoding", "gzip");
    expect_field(&r, "Vary", "accept-encoding");
    r = world_get(w, "/with?name=Vary&value=*", "Accept-Encoding", "gzip");
    expect_field(&r, "Vary", "*");
}

static void test_head_has_the_headers_of_get(void **state)
{
    world *w = *state;
    cv_test_reply get = world_get(w, "/whole", "Accept-Encoding", "gzip");
    const cv_test_header headers[] = {{"Accept-Encoding", "gzip"}, {NULL, NULL}};
    cv_test_reply head = world_send(w, (cv_test_request){.method = "HEAD", .target = "/whole", .headers = headers});
    assert_int_equal(head.body.len, 0);
    expect_field(&head, "Content-Encoding", "gzip");
    char length[32];
    snprintf(length, sizeof length, "%zu", get.body.len);
    expect_field(&head, "Content-Length", length);
    head = world_send(w, (cv_test_request){.method = "HEAD", .target = "/streamed", .headers = headers});
    assert_int_equal(head.status, 200);
    expect_field(&head, "Content-Encoding", "gzip");
}

static void test_identity_may_be_refused(void **state)
{
    world *w = *state;
    assert_int_equal(world_get(w, "/whole", "Accept-Encoding", "identity;q=0").status, 406);
    assert_int_equal(world_get(w, "/whole", "Accept-Encoding", "*;q=0").status, 406);
    cv_test_reply r = world_get(w, "/whole?len=100&type=image/png", "Accept-Encoding", "identity;q=0, gzip");
    expect_field(&r, "Content-Encoding", "gzip");
    assert_int_equal(unpack("gzip", r.body), 100);
    r = world_get(w, "/random", "Accept-Encoding", "identity;q=0, zstd");
    expect_field(&r, "Content-Encoding", "zstd");
}

static void test_error_replies_keep_their_story(void **state)
{
    world *w = *state;
    cv_test_reply r = world_get(w, "/failing", "Accept-Encoding", "gzip");
    assert_int_equal(r.status, 404);
    expect_field(&r, "Content-Encoding", "gzip");
    size_t len = unpack("gzip", r.body);
    plain[len] = '\0';
    assert_non_null(strstr(plain, "\"status\":404"));
}

static void test_bad_levels_are_refused(void **state)
{
    world *w;
    assert_int_equal(world_setup((void **)&w), 0);
    assert_fails(w->cx, cv_use_compression(w->cx, w->root, &(cv_compression_options){.zstd_level = 20}), CV_E_INVALID,
                 "zstd level 20");
    assert_fails(w->cx, cv_use_compression(w->cx, w->root, &(cv_compression_options){.brotli_level = 12}), CV_E_INVALID,
                 "brotli level 12");
    assert_fails(w->cx, cv_use_compression(w->cx, w->root, &(cv_compression_options){.gzip_level = -1}), CV_E_INVALID,
                 "gzip level -1");
    world_teardown((void **)&w);
    (void)state;
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, world_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_replies_are_compressed_by_preference),
        CASE(test_large_bodies_go_through_the_lane),
        CASE(test_streams_are_compressed),
        CASE(test_a_flush_gives_what_was_written),
        CASE(test_what_is_left_alone),
        CASE(test_types_that_gain),
        CASE(test_validators_become_weak_and_ranges_go),
        CASE(test_head_has_the_headers_of_get),
        CASE(test_identity_may_be_refused),
        CASE(test_error_replies_keep_their_story),
        cmocka_unit_test(test_bad_levels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
