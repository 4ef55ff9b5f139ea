/* UTF-8, one code point at a time (RFC 3629: no surrogates, no overlong forms). */
#ifndef COVET_SRC_BASE_UTF8_H
#define COVET_SRC_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/** The length, 1 to 4, of the well-formed sequence at `at` (at < end), and its code point; 0 when it is malformed or
 * cut.
 */
static inline size_t cv__utf8_decode(const char *at, const char *end, uint32_t *ret_point)
{
    const unsigned char *s = (const unsigned char *)at;
    size_t room = (size_t)(end - at);
    if (s[0] < 0x80) {
        *ret_point = s[0];
        return 1;
    }
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    size_t len = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (room < len)
        return 0;
    uint32_t point = s[0] & (0xFFU >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | (s[i] & 0x3F);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[len] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return 0;
    *ret_point = point;
    return len;
}

/** Write a code point (a scalar value, at most 0x10FFFF) and return the length, 1 to 4. */
static inline size_t cv__utf8_encode(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xC0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

#endif
