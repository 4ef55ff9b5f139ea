/* Base64 (RFC 4648, section 4). */
#ifndef COVET_SRC_BASE_BASE64_H
#define COVET_SRC_BASE_BASE64_H

#include <covet/str.h>

/** Append `data` in base64 with padding. Failures are sticky in `buf`. Does not suspend. */
void cv__base64_add(cv_buf *buf, cv_bytes data);

/** Write the padded base64 of `len` bytes to `out`, which has room for (len + 2) / 3 * 4 bytes; returns how many. No
 *  NUL is written. */
size_t cv__base64_write(const uint8_t *data, size_t len, char *out);

/** Decode padded base64 into `out`, which has room for text.len / 4 * 3 bytes. CV_E_SYNTAX for anything else than
 * whole, padded groups with zero bits behind the data; no story. */
CV_CHECKED int cv__base64_read(cv_str text, uint8_t *out, size_t *ret_len);

#endif
