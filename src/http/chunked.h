/* The chunked transfer coding (RFC 9112 7.1), strict: CR LF only, bounded sizes, extensions and trailers. */
#ifndef COVET_SRC_HTTP_CHUNKED_H
#define COVET_SRC_HTTP_CHUNKED_H

#include "http/parser.h"

/* Framing between two pieces of data: a size line with extensions, or the trailer section. */
#define CV__CHUNK_LINE_BYTES 4096
/* Extensions of all chunks of a body: they are ignored, and could be a thousand times the data. */
#define CV__CHUNK_EXTENSION_BYTES 16384

typedef enum cv__chunked_result {
    CV__CHUNKED_MORE,
    CV__CHUNKED_DONE,
    CV__CHUNKED_BAD,
    CV__CHUNKED_TOO_LARGE
} cv__chunked_result;

/** `trailers` takes the lines of the trailer section; kept by reference. */
void cv__chunked_init(cv__chunked *chunked, cv_buf *trailers);

/** Decode in place. `data[0 .. *body_len)` is the body so far, `data[*body_len .. len)` coded bytes. Afterwards
 * `*body_len` has grown by what was decoded and `*ret_used` coded bytes were taken; after MORE that is all of them. The
 * caller closes the gap between the body and what was not taken. */
cv__chunked_result cv__chunked_decode(cv__chunked *chunked, char *data, size_t *body_len, size_t len, size_t max_body,
                                      size_t *ret_used);

#endif
