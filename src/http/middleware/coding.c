#include "http/middleware/coding.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Windows of streams, whose size nobody knows: what they cost a connection. */
enum { STREAM_WINDOW_BITS = 18, ZSTD_MAX_WINDOW_BITS = 23, ROOM_BYTES = 16 * 1024 };

static const char *const names[] = {"zstd", "br", "gzip", "identity", "deflate", "unknown"};

const char *cv__coding_name(cv__coding coding)
{
    return names[coding];
}

cv__coding cv__coding_parse(cv_str value)
{
    value = cv_str_trim(value);
    if (cv_str_equal_nocase(value, CV_STR("x-gzip")))
        return CV__CODING_GZIP;
    for (int i = 0; i < CV__CODING_UNKNOWN; i++)
        if (cv_str_equal_nocase(value, cv_str_of(names[i])))
            return (cv__coding)i;
    return CV__CODING_UNKNOWN;
}

/* ---- compressing ---- */

struct cv__encoder {
    cv__coding coding;
    z_stream zlib;
    BrotliEncoderState *brotli;
    ZSTD_CCtx *zstd;
};

static bool start_zlib(cv__encoder *encoder, int level)
{
    return deflateInit2(&encoder->zlib, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
}

static bool start_brotli(cv__encoder *encoder, int level, size_t size)
{
    encoder->brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    if (!encoder->brotli)
        return false;
    BrotliEncoderSetParameter(encoder->brotli, BROTLI_PARAM_QUALITY, (uint32_t)level);
    BrotliEncoderSetParameter(encoder->brotli, BROTLI_PARAM_LGWIN, STREAM_WINDOW_BITS);
    if (size)
        BrotliEncoderSetParameter(encoder->brotli, BROTLI_PARAM_SIZE_HINT, (uint32_t)size);
    return true;
}

static bool start_zstd(cv__encoder *encoder, int level, size_t size)
{
    encoder->zstd = ZSTD_createCCtx();
    if (!encoder->zstd)
        return false;
    size_t rc = ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_compressionLevel, level);
    if (size)
        return !ZSTD_isError(rc) && !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(encoder->zstd, size));
    return !ZSTD_isError(rc) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_windowLog, STREAM_WINDOW_BITS));
}

static bool start(cv__encoder *encoder, int level, size_t size)
{
    switch (encoder->coding) {
    case CV__CODING_ZSTD:
        return start_zstd(encoder, level, size);
    case CV__CODING_BR:
        return start_brotli(encoder, level, size);
    case CV__CODING_GZIP:
        return start_zlib(encoder, level);
    default:
        return false;
    }
}

cv__encoder *cv__encoder_new(cv__coding coding, int level, size_t size)
{
    cv__encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return NULL;
    encoder->coding = coding;
    if (start(encoder, level, size))
        return encoder;
    cv__encoder_free(encoder);
    return NULL;
}

void cv__encoder_free(cv__encoder *encoder)
{
    if (!encoder)
        return;
    if (encoder->zlib.state)
        deflateEnd(&encoder->zlib);
    BrotliEncoderDestroyInstance(encoder->brotli);
    ZSTD_freeCCtx(encoder->zstd);
    free(encoder);
}

static int run_zlib(z_stream *zlib, cv_str data, cv__encode operation, cv_buf *out)
{
    static const int flushes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
    zlib->next_in = (Bytef *)(uintptr_t)data.ptr; /* zlib does not write to it */
    zlib->avail_in = (uInt)data.len;
    do {
        char *room = cv_buf_reserve(out, ROOM_BYTES);
        if (!room)
            return out->error;
        zlib->next_out = (Bytef *)room;
        zlib->avail_out = ROOM_BYTES;
        int rc = deflate(zlib, flushes[operation]);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return CV_E_NOMEM;
        cv_buf_commit(out, ROOM_BYTES - zlib->avail_out);
    } while (!zlib->avail_out);
    return 0;
}

static int run_brotli(BrotliEncoderState *brotli, cv_str data, cv__encode operation, cv_buf *out)
{
    static const BrotliEncoderOperation operations[] = {BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH,
                                                        BROTLI_OPERATION_FINISH};
    const uint8_t *next_in = (const uint8_t *)data.ptr;
    size_t left = data.len, none = 0;
    do {
        if (!BrotliEncoderCompressStream(brotli, operations[operation], &left, &next_in, &none, NULL, NULL))
            return CV_E_NOMEM;
        size_t len = 0;
        const uint8_t *made = BrotliEncoderTakeOutput(brotli, &len);
        cv_buf_add(out, made, len);
    } while (!out->error && (left || BrotliEncoderHasMoreOutput(brotli)));
    return out->error;
}

static int run_zstd(ZSTD_CCtx *zstd, cv_str data, cv__encode operation, cv_buf *out)
{
    static const ZSTD_EndDirective directives[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
    ZSTD_inBuffer in = {data.ptr, data.len, 0};
    size_t left;
    do {
        char *room = cv_buf_reserve(out, ROOM_BYTES);
        if (!room)
            return out->error;
        ZSTD_outBuffer to = {room, ROOM_BYTES, 0};
        left = ZSTD_compressStream2(zstd, &to, &in, directives[operation]);
        if (ZSTD_isError(left))
            return CV_E_NOMEM;
        cv_buf_commit(out, to.pos);
    } while (operation == CV__ENCODE_WRITE ? in.pos < in.size : left > 0);
    return 0;
}

int cv__encoder_run(cv__encoder *encoder, cv_str data, cv__encode operation, cv_buf *out)
{
    if (encoder->coding == CV__CODING_ZSTD)
        return run_zstd(encoder->zstd, data, operation, out);
    if (encoder->coding == CV__CODING_BR)
        return run_brotli(encoder->brotli, data, operation, out);
    return run_zlib(&encoder->zlib, data, operation, out);
}

/* ---- decompressing ---- */

struct cv__decoder {
    cv__coding coding;
    bool begun;    /* bytes were taken */
    bool complete; /* a member or frame has ended, and no other has begun */
    bool zlib_open;
    z_stream zlib;
    BrotliDecoderState *brotli;
    ZSTD_DCtx *zstd;
};

cv__decoder *cv__decoder_new(cv__coding coding)
{
    cv__decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return NULL;
    decoder->coding = coding;
    if (coding == CV__CODING_BR)
        decoder->brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    else if (coding == CV__CODING_ZSTD && (decoder->zstd = ZSTD_createDCtx()))
        ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax, ZSTD_MAX_WINDOW_BITS);
    if ((coding == CV__CODING_BR && !decoder->brotli) || (coding == CV__CODING_ZSTD && !decoder->zstd)) {
        free(decoder);
        return NULL;
    }
    return decoder;
}

void cv__decoder_free(cv__decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->zlib_open)
        inflateEnd(&decoder->zlib);
    BrotliDecoderDestroyInstance(decoder->brotli);
    ZSTD_freeDCtx(decoder->zstd);
    free(decoder);
}

bool cv__decoder_is_complete(const cv__decoder *decoder)
{
    return decoder->complete || !decoder->begun;
}

/* What is called "deflate" has a zlib header (RFC 9110 8.4.1.2); some send it without. The first byte tells: a raw
 * stream that begins with it would be a stored block with bits set that are zero by custom. */
static bool open_zlib(cv__decoder *decoder, char first)
{
    bool has_header = (first & 0x0f) == 8 && ((unsigned char)first >> 4) <= 7;
    int bits = decoder->coding == CV__CODING_GZIP ? 15 + 16 : has_header ? 15 : -15;
    decoder->zlib_open = inflateInit2(&decoder->zlib, bits) == Z_OK;
    return decoder->zlib_open;
}

/* Behind the end only another member of gzip may come. */
static bool reopen_zlib(cv__decoder *decoder)
{
    return decoder->coding == CV__CODING_GZIP && inflateReset(&decoder->zlib) == Z_OK;
}

static cv__decode decode_zlib(cv__decoder *decoder, cv_str *data, char *room, size_t size, size_t *ret_len)
{
    z_stream *zlib = &decoder->zlib;
    zlib->next_out = (Bytef *)room;
    zlib->avail_out = (uInt)size;
    int rc = Z_OK;
    while (data->len && rc == Z_OK && zlib->avail_out) {
        if (!decoder->zlib_open && !open_zlib(decoder, data->ptr[0]))
            return CV__DECODE_NOMEM;
        if (decoder->complete && !reopen_zlib(decoder))
            return CV__DECODE_BAD;
        decoder->complete = false;
        size_t part = data->len < (1u << 30) ? data->len : (1u << 30);
        zlib->next_in = (Bytef *)(uintptr_t)data->ptr;
        zlib->avail_in = (uInt)part;
        rc = inflate(zlib, Z_NO_FLUSH);
        *data = cv_str_sub(*data, part - zlib->avail_in, data->len);
        if (rc == Z_STREAM_END) {
            decoder->complete = true;
            rc = Z_OK;
        }
    }
    /* Without input there may still be output inside. */
    if (!data->len && decoder->zlib_open && !decoder->complete && rc == Z_OK && zlib->avail_out) {
        zlib->avail_in = 0;
        rc = inflate(zlib, Z_NO_FLUSH);
        decoder->complete = rc == Z_STREAM_END;
    }
    *ret_len = size - zlib->avail_out;
    if (rc == Z_MEM_ERROR)
        return CV__DECODE_NOMEM;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return CV__DECODE_BAD;
    return zlib->avail_out ? CV__DECODE_MORE : CV__DECODE_FULL;
}

static cv__decode decode_brotli(cv__decoder *decoder, cv_str *data, char *room, size_t size, size_t *ret_len)
{
    const uint8_t *next_in = (const uint8_t *)data->ptr;
    uint8_t *next_out = (uint8_t *)room;
    size_t left = data->len, free_bytes = size;
    if (decoder->complete)
        return data->len ? CV__DECODE_BAD : CV__DECODE_MORE;
    BrotliDecoderResult rc =
        BrotliDecoderDecompressStream(decoder->brotli, &left, &next_in, &free_bytes, &next_out, NULL);
    *data = cv_str_sub(*data, data->len - left, data->len);
    *ret_len = size - free_bytes;
    if (rc == BROTLI_DECODER_RESULT_ERROR)
        return CV__DECODE_BAD;
    decoder->complete = rc == BROTLI_DECODER_RESULT_SUCCESS;
    if (decoder->complete && data->len)
        return CV__DECODE_BAD;
    return rc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT ? CV__DECODE_FULL : CV__DECODE_MORE;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): zstd writes through it */
static cv__decode decode_zstd(cv__decoder *decoder, cv_str *data, char *room, size_t size, size_t *ret_len)
{
    ZSTD_inBuffer in = {data->ptr, data->len, 0};
    ZSTD_outBuffer to = {room, size, 0};
    size_t rc = 1, before;
    do {
        before = in.pos + to.pos;
        if (decoder->complete && in.pos == in.size)
            break;
        rc = ZSTD_decompressStream(decoder->zstd, &to, &in);
        if (ZSTD_isError(rc))
            return ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation ? CV__DECODE_NOMEM : CV__DECODE_BAD;
        decoder->complete = rc == 0;
    } while (to.pos < to.size && in.pos + to.pos > before);
    *data = cv_str_sub(*data, in.pos, data->len);
    *ret_len = to.pos;
    return to.pos == to.size ? CV__DECODE_FULL : CV__DECODE_MORE;
}

cv__decode cv__decoder_run(cv__decoder *decoder, cv_str *data, char *room, size_t size, size_t *ret_len)
{
    *ret_len = 0;
    decoder->begun |= data->len > 0;
    if (decoder->coding == CV__CODING_ZSTD)
        return decode_zstd(decoder, data, room, size, ret_len);
    if (decoder->coding == CV__CODING_BR)
        return decode_brotli(decoder, data, room, size, ret_len);
    return decode_zlib(decoder, data, room, size, ret_len);
}
