/* Integers as text, for everything that writes or reads many of them (doubles: f64.h). Nothing suspends. */
#ifndef COVET_SRC_BASE_NUMBER_H
#define COVET_SRC_BASE_NUMBER_H

#include <covet/str.h>

#define CV__U64_TEXT_BYTES 20
#define CV__I64_TEXT_BYTES 20

/** Write the decimal digits, without a NUL; returns their number. `out` has room for CV__U64_TEXT_BYTES. */
size_t cv__u64_format(uint64_t value, char *out);
/** The same with a sign where negative. */
size_t cv__i64_format(int64_t value, char *out);

/** Write exactly `digits` digits with leading zeros; the value must fit. */
void cv__digits_format(uint64_t value, size_t digits, char *out);

/** Two digits of a value below 100. */
extern const char cv__digit_pairs[200];
static inline void cv__two_digits(unsigned value, char *out)
{
    memcpy(out, cv__digit_pairs + (size_t)2 * value, 2);
}

/** Read exactly `digits` digits (at most 9) as a number; -1 when one of them is none. */
static inline int64_t cv__digits_read(const char *text, size_t digits)
{
    int64_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9)
            return -1;
        value = value * 10 + digit;
    }
    return value;
}

#endif
