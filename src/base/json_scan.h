/* Finding the end of what may stand in a JSON string as it is: shared by the reader and the writer. */
#ifndef COVET_SRC_BASE_JSON_SCAN_H
#define COVET_SRC_BASE_JSON_SCAN_H

#include "base/utf8.h"
#include <string.h>

/** Eight bytes at a time: the high bit of each byte that is a control character, a quotation mark, a backslash or not
 *  ASCII. Borrows may mark bytes above a marked one, never below it, so the lowest mark is exact. */
static inline uint64_t cv__json_marks(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    return ((word - ones * 0x20) | (quote - ones) | (backslash - ones) | word) & highs;
}

/** The first byte in [at, end) that is a control character, '"', '\\' or the start of malformed UTF-8; `end` when there
 *  is none. */
static inline const char *cv__json_scan(const char *at, const char *end)
{
    for (;;) {
        while (end - at >= 8) {
            uint64_t word;
            memcpy(&word, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
            word = __builtin_bswap64(word);
#endif
            uint64_t marks = cv__json_marks(word);
            if (marks) {
                at += __builtin_ctzll(marks) / 8;
                break;
            }
            at += 8;
        }
        if (at == end)
            return at;
        unsigned char c = (unsigned char)*at;
        uint32_t point;
        if (c < 0x80) {
            if (c < 0x20 || c == '"' || c == '\\')
                return at;
            at++;
            continue;
        }
        do {
            size_t len = cv__utf8_decode(at, end, &point);
            if (!len)
                return at;
            at += len;
        } while (at < end && (unsigned char)*at >= 0x80);
    }
}

#endif
