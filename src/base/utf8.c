/* Whole texts of UTF-8 (RFC 3629). Most text is ASCII: it is passed over sixteen bytes at a time. */
#include "base/utf8.h"

#include <covet/str.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* The first byte from `at` on that is not ASCII, or the end. */
static const char *skip_ascii(const char *at, const char *end)
{
    while (end - at >= 16) {
        uint64_t words[2];
        memcpy(words, at, 16);
        if ((words[0] | words[1]) & HIGH_BITS)
            break;
        at += 16;
    }
    while (at != end && (unsigned char)*at < 0x80)
        at++;
    return at;
}

bool cv_utf8_valid(cv_str text)
{
    if (text.len == 0)
        return true;
    const char *at = text.ptr, *end = at + text.len;
    for (;;) {
        at = skip_ascii(at, end);
        if (at == end)
            return true;
        while (at != end && (unsigned char)*at >= 0x80) {
            uint32_t point;
            size_t len = cv__utf8_decode(at, end, &point);
            if (!len)
                return false;
            at += len;
        }
    }
}

size_t cv_utf8_length(cv_str text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++)
        length += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return length;
}
