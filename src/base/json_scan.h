/* Finding the end of what may stand in a JSON string as it is: shared by the reader and the writer. */
#ifndef COVET_SRC_BASE_JSON_SCAN_H
#define COVET_SRC_BASE_JSON_SCAN_H

#include "base/utf8.h"
#include <stdbool.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/** Eight bytes at a time: the high bit of each byte that is a control character, a quotation mark, a backslash or not
 *  ASCII. Borrows may mark bytes above a marked one, never below it, so the lowest mark is exact. */
static inline uint64_t cv__json_marks(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    return ((word - ones * 0x20) | (quote - ones) | (backslash - ones) | word) & highs;
}

/** How many of the 8 bytes stand in a JSON string as they are, before the first marked one. */
static inline size_t cv__json_plain_8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    uint64_t marks = cv__json_marks(word);
    return marks ? (size_t)__builtin_ctzll(marks) / 8 : 8;
}

/** The same for 16 bytes; compared as signed numbers, bytes that are not ASCII are below the blank, too. */
static inline size_t cv__json_plain_16(const char *at)
{
#ifdef __SSE2__
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    unsigned marks = (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, backslash)));
    return marks ? (size_t)__builtin_ctz(marks) : 16;
#else
    size_t plain = cv__json_plain_8(at);
    return plain < 8 ? plain : 8 + cv__json_plain_8(at + 8);
#endif
}

static inline bool cv__json_is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/** The first byte in [from, end) that is a control character, '"', '\\' or not ASCII; `end` when there is none. The
 * last step goes over bytes again that were found plain, rather than byte by byte. */
static inline const char *cv__json_plain_end(const char *from, const char *end)
{
    const char *at = from;
    size_t len = (size_t)(end - from), plain;
    if (len < 8) {
        while (at != end && cv__json_is_plain((unsigned char)*at))
            at++;
        return at;
    }
    if (len < 16) {
        plain = cv__json_plain_8(at);
        return plain < 8 ? at + plain : end - 8 + cv__json_plain_8(end - 8);
    }
    for (; end - at >= 16; at += 16)
        if ((plain = cv__json_plain_16(at)) < 16)
            return at + plain;
    return end - 16 + cv__json_plain_16(end - 16);
}

/** The first byte in [at, end) that is a control character, '"', '\\' or the start of malformed UTF-8; `end` when there
 *  is none. */
static inline const char *cv__json_scan(const char *at, const char *end)
{
    for (;;) {
        at = cv__json_plain_end(at, end);
        if (at == end || (unsigned char)*at < 0x80)
            return at;
        do {
            uint32_t point;
            size_t len = cv__utf8_decode(at, end, &point);
            if (!len)
                return at;
            at += len;
        } while (at < end && (unsigned char)*at >= 0x80);
    }
}

#endif
