/* Content codings: gzip and deflate by zlib, br by brotli, zstd; one interface to compress and one to decompress.
 * Nothing here knows a context or a fiber, so that it may run on a lane. */
#ifndef COVET_SRC_HTTP_MIDDLEWARE_CODING_H
#define COVET_SRC_HTTP_MIDDLEWARE_CODING_H

#include <covet/str.h>

typedef enum cv__coding {
    CV__CODING_ZSTD,
    CV__CODING_BR,
    CV__CODING_GZIP,
    CV__CODING_IDENTITY,
    CV__CODING_DEFLATE, /* only decoded */
    CV__CODING_UNKNOWN,
} cv__coding;

/** "br"; static. */
const char *cv__coding_name(cv__coding coding);

/** The coding of a Content-Encoding value: "gzip" (also "x-gzip"), "deflate", "br", "zstd", "identity" in any case;
 *  anything else, also several of them, is unknown. */
cv__coding cv__coding_parse(cv_str value);

/* ---- compressing ---- */

typedef enum cv__encode { CV__ENCODE_WRITE, CV__ENCODE_FLUSH, CV__ENCODE_END } cv__encode;

typedef struct cv__encoder cv__encoder;

/** `size` is that of the whole input when it is known, 0 otherwise: memory is bounded to some 1 MiB then. NULL without
 *  memory. Free with cv__encoder_free (NULL allowed). */
cv__encoder *cv__encoder_new(cv__coding coding, int level, size_t size);
void cv__encoder_free(cv__encoder *encoder);

/** Take all of `data` and append what comes out; FLUSH gives everything taken so far, END finishes. 0, CV_E_NOMEM, or
 * the buffer's error; no story. */
CV_CHECKED int cv__encoder_run(cv__encoder *encoder, cv_str data, cv__encode operation, cv_buf *out);

/* ---- decompressing ---- */

typedef struct cv__decoder cv__decoder;

/* What a step came to. */
typedef enum cv__decode {
    CV__DECODE_MORE, /* all input was taken; there is more to come, or it was the end */
    CV__DECODE_FULL, /* the room for output is used up */
    CV__DECODE_BAD,  /* malformed */
    CV__DECODE_NOMEM,
} cv__decode;

cv__decoder *cv__decoder_new(cv__coding coding);
void cv__decoder_free(cv__decoder *decoder);

/** Take from the front of `*data` and write at most `size` bytes. Several gzip members or zstd frames, one behind the
 *  other, count as one; anything else behind the end is malformed. Windows are bounded: 8 MiB for zstd, 16 MiB for br.
 */
cv__decode cv__decoder_run(cv__decoder *decoder, cv_str *data, char *room, size_t size, size_t *ret_len);

/** Whether what was taken so far can be all of it. */
bool cv__decoder_is_complete(const cv__decoder *decoder);

#endif
