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

/* The six bits of a character, or 64 for one outside the alphabet. */
static unsigned bits_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

int cv__base64_read(cv_str text, uint8_t *out, size_t *ret_len)
{
    if (text.len % 4 != 0)
        return CV_E_SYNTAX;
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    size_t len = 0;
    uint32_t group = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned bits = i < text.len - padding ? bits_of(text.ptr[i]) : 0;
        if (bits == 64)
            return CV_E_SYNTAX;
        group = group << 6 | bits;
        if (i % 4 != 3)
            continue;
        bool last = i + 1 == text.len;
        if (last && (group & ((1u << 8 * padding) - 1)) != 0)
            return CV_E_SYNTAX;
        for (size_t byte = 0; byte < 3 - (last ? padding : 0); byte++)
            out[len++] = (uint8_t)(group >> (16 - 8 * byte));
        group = 0;
    }
    *ret_len = len;
    return 0;
}
