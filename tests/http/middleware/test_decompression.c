/* Compressed requests: what is decoded, what is refused, and bombs. */
#include "middleware_test.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

static char text[400000];
static char packed[sizeof text + 65536];

static int echo(cv_ctx *cx, cv_request *req, cv_response *res)
{
    return cv_reply_text(cx, res, 200, "text/plain", cv_request_body(req));
}

/* The same by reading on, in pieces of an odd size. */
static int echo_stream(cv_ctx *cx, cv_request *req, cv_response *res)
{
    char piece[777];
    size_t len;
    do {
        CV_TRY(cv_body_read(cx, req, piece, sizeof piece, &len));
        cv_buf_add(cv_response_body(res), piece, len);
    } while (len);
    return cv_response_is_made(res) ? 0 : cv_reply_empty(cx, res, 200);
}

static int setup(void **state)
{
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + (seed = seed * 1103515245 + 12345) / 65536 % 5);
    if (world_setup(state))
        return 1;
    world *w = *state;
    assert_ok(w->cx, cv_use_decompression(w->cx, w->root, NULL));
    world_route(w, CV_POST, "/echo", echo);
    assert_ok(w->cx, cv_route_group_route(
                         w->cx, w->root,
                         &(cv_route_spec){
                             .methods = CV_POST, .pattern = "/stream", .handler = echo_stream, .stream_body = true}));
    world_start(w, (cv_server_options){.max_body_bytes = 500000});
    return 0;
}

/* ---- packing ---- */

/* `bits` 31: gzip, 15: zlib, -15: raw deflate. */
static cv_str pack_zlib(cv_str data, int bits)
{
    z_stream zlib = {0};
    assert_int_equal(deflateInit2(&zlib, 9, Z_DEFLATED, bits, 9, Z_DEFAULT_STRATEGY), Z_OK);
    zlib.next_in = (Bytef *)(uintptr_t)data.ptr;
    zlib.avail_in = (uInt)data.len;
    zlib.next_out = (Bytef *)packed;
    zlib.avail_out = sizeof packed;
    assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    deflateEnd(&zlib);
    return cv_str_make(packed, sizeof packed - zlib.avail_out);
}

static cv_str pack(const char *coding, cv_str data)
{
    size_t len = sizeof packed;
    if (!strcmp(coding, "zstd"))
        len = ZSTD_compress(packed, len, data.ptr, data.len, 3);
    else if (!strcmp(coding, "br"))
        assert_true(BrotliEncoderCompress(5, 22, BROTLI_MODE_GENERIC, data.len, (const uint8_t *)data.ptr, &len,
                                          (uint8_t *)packed));
    else
        return pack_zlib(data, !strcmp(coding, "deflate") ? 15 : 31);
    return cv_str_make(packed, len);
}

static const char *target = "/echo"; /* whole or as a stream: both must come to the same */

static cv_test_reply post(world *w, const char *coding, cv_str body)
{
    const cv_test_header headers[] = {{coding ? "Content-Encoding" : NULL, coding}, {NULL, NULL}};
    return world_send(w, (cv_test_request){.method = "POST", .target = target, .headers = headers, .body = body});
}

static void expect_refused(world *w, const char *coding, cv_str body, int status, const char *part)
{
    cv_test_reply r = post(w, coding, body);
    if (r.status != status || !strstr(r.body.ptr, part))
        fail_msg("%s: %d %s", coding, r.status, r.body.ptr);
}

/* ---- cases ---- */

static const char *const codings[] = {"gzip", "x-gzip", "GZIP", "deflate", "br", "zstd"};

static void test_bodies_are_decoded(void **state)
{
    world *w = *state;
    static const size_t lengths[] = {0, 1, 10, 16384, 70000, sizeof text};
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++)
        for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++) {
            cv_str data = cv_str_make(text, lengths[j]);
            cv_test_reply r = post(w, codings[i], pack(codings[i], data));
            if (r.status != 200 || !cv_str_equal(r.body, data))
                fail_msg("%s of %zu bytes: %d", codings[i], lengths[j], r.status);
        }
}

static void test_deflate_without_a_header_is_understood(void **state)
{
    world *w = *state;
    cv_test_reply r = post(w, "deflate", pack_zlib(CV_STR("hello hello hello"), -15));
    assert_string_equal(r.body.ptr, "hello hello hello");
}

static void test_members_and_frames_follow_each_other(void **state)
{
    world *w = *state;
    static const char *const several[] = {"gzip", "zstd"};
    for (size_t i = 0; i < 2; i++) {
        char both[512];
        cv_str one = pack(several[i], CV_STR("one "));
        memcpy(both, one.ptr, one.len);
        size_t len = one.len;
        cv_str two = pack(several[i], CV_STR("two"));
        memcpy(both + len, two.ptr, two.len);
        cv_test_reply r = post(w, several[i], cv_str_make(both, len + two.len));
        assert_string_equal(r.body.ptr, "one two");
    }
}

static void test_bodies_without_a_coding_stay(void **state)
{
    world *w = *state;
    assert_string_equal(post(w, NULL, CV_STR("plain")).body.ptr, "plain");
    assert_string_equal(post(w, "identity", CV_STR("plain")).body.ptr, "plain");
}

static void test_what_was_packed_twice_is_unpacked_once(void **state)
{
    world *w = *state;
    char inner[512];
    cv_str once = pack("gzip", CV_STR("hello"));
    memcpy(inner, once.ptr, once.len);
    cv_str wanted = cv_str_make(inner, once.len);
    cv_test_reply r = post(w, "gzip", pack("gzip", wanted));
    assert_true(cv_str_equal(r.body, wanted));
    expect_refused(w, "gzip, gzip", pack("gzip", wanted), 415, "or there are several");
}

static void test_unknown_codings_are_refused(void **state)
{
    world *w = *state;
    cv_test_reply r = post(w, "compress", CV_STR("x"));
    assert_int_equal(r.status, 415);
    expect_field(&r, "Accept-Encoding", "gzip, deflate, br, zstd");
    expect_refused(w, "unknown", CV_STR("x"), 415, "is not known here");
    expect_refused(w, "", CV_STR("x"), 415, "is not known here");
}

static void test_without_the_middleware_no_coding_is_accepted(void **state)
{
    world *w;
    assert_int_equal(world_setup((void **)&w), 0);
    world_route(w, CV_POST, "/echo", echo);
    world_start(w, (cv_server_options){0});
    cv_test_reply r = post(w, "gzip", pack("gzip", CV_STR("hello")));
    assert_int_equal(r.status, 415);
    expect_field(&r, "Accept-Encoding", "identity");
    assert_int_equal(post(w, "identity", CV_STR("x")).status, 200);
    assert_int_equal(post(w, "gzip", CV_STR("")).status, 200);
    world_teardown((void **)&w);
    (void)state;
}

static void test_cut_bodies_are_refused(void **state)
{
    world *w = *state;
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        cv_str all = pack(codings[i], cv_str_make(text, 3000));
        for (size_t len = 1; len < all.len; len += 1 + all.len / 9)
            expect_refused(w, codings[i], cv_str_make(packed, len), 400, "is not well-formed");
        expect_refused(w, codings[i], cv_str_make(packed, all.len - 1), 400, "is not well-formed");
    }
}

static void test_garbled_bodies_are_refused(void **state)
{
    world *w = *state;
    static const char *const checked[] = {"gzip", "deflate"}; /* with a checksum; br and zstd have none here */
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        expect_refused(w, codings[i], CV_STR("certainly not packed at all, not by anybody"), 400, "is not well-formed");
        cv_str all = pack(codings[i], cv_str_make(text, 3000));
        packed[all.len] = 'x';
        expect_refused(w, codings[i], cv_str_make(packed, all.len + 1), 400, "is not well-formed");
    }
    for (size_t i = 0; i < 2; i++) {
        cv_str all = pack(checked[i], cv_str_make(text, 3000));
        packed[all.len - 2] ^= 1;
        expect_refused(w, checked[i], all, 400, "is not well-formed");
    }
}

static void test_the_limit_holds_for_what_comes_out(void **state)
{
    world *w = *state;
    char *large = calloc(1, 600000);
    assert_non_null(large);
    cv_random_bytes(large, 600000 / 20); /* so that the ratio is not what is wrong */
    static const char *const each[] = {"gzip", "deflate", "br", "zstd"};
    for (size_t i = 0; i < 4; i++)
        expect_refused(w, each[i], pack(each[i], cv_str_make(large, 600000)), 413, "larger than 500000 bytes");
    free(large);
}

static void test_bombs_are_refused(void **state)
{
    world *w = *state;
    char *zeros = calloc(1, 1 << 20);
    assert_non_null(zeros);
    static const char *const each[] = {"gzip", "deflate", "br", "zstd"};
    for (size_t i = 0; i < 4; i++) {
        expect_refused(w, each[i], pack(each[i], cv_str_make(zeros, 1 << 20)), 413, "times as large");
        assert_int_equal(post(w, each[i], pack(each[i], cv_str_make(zeros, 60000))).status, 200);
    }
    free(zeros);
}

static void test_windows_are_bounded(void **state)
{
    world *w = *state;
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, 24);
    ZSTD_inBuffer in = {text, 1000, 0};
    ZSTD_outBuffer out = {packed, sizeof packed, 0};
    assert_false(ZSTD_isError(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_flush)));
    assert_int_equal(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end), 0);
    ZSTD_freeCCtx(zstd);
    expect_refused(w, "zstd", cv_str_make(packed, out.pos), 400, "is not well-formed");
}

/* ---- streams ---- */

static int setup_stream(void **state)
{
    target = "/stream";
    return setup(state);
}

static int teardown_stream(void **state)
{
    target = "/echo";
    return world_teardown(state);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_bodies_are_decoded),
        CASE(test_deflate_without_a_header_is_understood),
        CASE(test_members_and_frames_follow_each_other),
        CASE(test_bodies_without_a_coding_stay),
        CASE(test_what_was_packed_twice_is_unpacked_once),
        CASE(test_unknown_codings_are_refused),
        cmocka_unit_test(test_without_the_middleware_no_coding_is_accepted),
        CASE(test_cut_bodies_are_refused),
        CASE(test_garbled_bodies_are_refused),
        CASE(test_the_limit_holds_for_what_comes_out),
        CASE(test_bombs_are_refused),
        CASE(test_windows_are_bounded),
#define STREAM(name) cmocka_unit_test_setup_teardown(name, setup_stream, teardown_stream)
        STREAM(test_bodies_are_decoded),
        STREAM(test_deflate_without_a_header_is_understood),
        STREAM(test_members_and_frames_follow_each_other),
        STREAM(test_bodies_without_a_coding_stay),
        STREAM(test_what_was_packed_twice_is_unpacked_once),
        STREAM(test_unknown_codings_are_refused),
        STREAM(test_cut_bodies_are_refused),
        STREAM(test_garbled_bodies_are_refused),
        STREAM(test_the_limit_holds_for_what_comes_out),
        STREAM(test_bombs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
