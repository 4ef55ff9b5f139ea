/* Finding what may end a field of a CSV text: 64 bytes at a time, one bit each. */
#ifndef COVET_SRC_BASE_CSV_SCAN_H
#define COVET_SRC_BASE_CSV_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/** Blocks are read as a whole: so many bytes behind the end of a text must be readable. */
enum { CV__CSV_BLOCK_BYTES = 64 };

/** A bit for each of the 64 bytes at `at` that is the delimiter, the quotation mark, or ends a line. */
static inline uint64_t cv__csv_marks(const char *at, char delimiter, char quote)
{
    uint64_t marks = 0;
#ifdef __SSE2__
    const __m128i delimiters = _mm_set1_epi8(delimiter), quotes = _mm_set1_epi8(quote);
    const __m128i feeds = _mm_set1_epi8('\n'), returns = _mm_set1_epi8('\r');
    for (unsigned i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + 16 * i));
        __m128i inside = _mm_or_si128(_mm_cmpeq_epi8(bytes, delimiters), _mm_cmpeq_epi8(bytes, quotes));
        __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, feeds), _mm_cmpeq_epi8(bytes, returns));
        marks |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_or_si128(inside, ends)) << (16 * i);
    }
#else
    for (unsigned i = 0; i < CV__CSV_BLOCK_BYTES; i++) {
        bool is_mark = at[i] == delimiter || at[i] == quote || at[i] == '\n' || at[i] == '\r';
        marks |= (uint64_t)is_mark << i;
    }
#endif
    return marks;
}

#endif
