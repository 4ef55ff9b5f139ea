#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t cv__base64_write(const uint8_t *data, size_t len, char *out)
{
    char *at = out;
    size_t i = 0;
    for (; len - i >= 3; i += 3) {
        uint32_t group = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];
        *at++ = alphabet[group >> 18];
        *at++ = alphabet[group >> 12 & 63];
        *at++ = alphabet[group >> 6 & 63];
        *at++ = alphabet[group & 63];
    }
    if (i < len) {
        bool two = len - i == 2;
        uint32_t group = (uint32_t)data[i] << 16 | (two ? (uint32_t)data[i + 1] << 8 : 0);
        *at++ = alphabet[group >> 18];
        *at++ = alphabet[group >> 12 & 63];
        *at++ = two ? alphabet[group >> 6 & 63] : '=';
        *at++ = '=';
    }
    return (size_t)(at - out);
}

void cv__base64_add(cv_buf *buf, cv_bytes data)
{
    /* Beyond this the product below would not fit; no buffer is that large anyway. */
    if (data.len > SIZE_MAX / 2) {
        if (!buf->error)
            buf->error = CV_E_LIMIT;
        return;
    }
    size_t len = (data.len + 2) / 3 * 4;
    char *room = cv_buf_reserve(buf, len);
    if (!room)
        return;
    cv_buf_commit(buf, cv__base64_write(data.ptr, data.len, room));
}
