/* NUMERIC in binary (numeric_send of PostgreSQL's backend): four 16-bit words, then digits to the base 10,000.
 *
 *     count of digits | weight of the first, as a power of 10,000 | sign | decimal places to show | digits...
 *
 * Leading and trailing zero digits are left out, so the value is the sum of digit[i] * 10000^(weight - i), cut or
 * filled up with zeros to the places. */
#include "db/postgres/values.h"
#include <endian.h>

#define SIGN_PLUS  0x0000
#define SIGN_MINUS 0x4000
#define HEADER     8

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

static uint16_t word(const char *at)
{
    uint16_t big;
    memcpy(&big, at, sizeof big);
    return be16toh(big);
}

static u128 power_of_ten(int exponent)
{
    u128 power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

/* Multiply by a power of ten and add; false beyond 38 digits. */
static bool shift_and_add(u128 *value, int digits, unsigned addend)
{
    u128 limit = power_of_ten(CV_DECIMAL_MAX_DIGITS);
    for (; digits > 0; digits--) {
        if (*value >= limit / 10)
            return false;
        *value *= 10;
    }
    if (*value > limit - 1 - addend)
        return false;
    *value += addend;
    return true;
}

/* The coefficient at the scale; digits beyond those sent are 0. False beyond 38 digits. */
static bool read_coefficient(cv__pg_cell cell, int count, int weight, int scale, u128 *ret_value)
{
    u128 value = 0;
    int last = -(scale + 3) / 4; /* the power of 10,000 of the last digit that is needed */
    for (int power = weight; power >= last; power--) {
        int i = weight - power;
        unsigned digit = i < count ? word(cell.data + HEADER + 2 * i) : 0;
        int decimals = power < 0 ? scale + 4 * (power + 1) : 4; /* how many of its four decimals count */
        int used = decimals < 4 ? decimals : 4;
        if (value == 0 && digit == 0)
            continue;
        if (!shift_and_add(&value, used, digit / (unsigned)power_of_ten(4 - used)))
            return false;
    }
    *ret_value = value;
    return true;
}

/* The places behind which there are only zeros. */
static int least_scale(cv__pg_cell cell, int count, int weight)
{
    unsigned last = count > 0 ? word(cell.data + HEADER + 2 * (count - 1)) : 0;
    int places = -4 * (weight - count + 1);
    if (last == 0 || places <= 0)
        return 0;
    for (; last % 10 == 0; last /= 10)
        places--;
    return places;
}

int cv__pg_decode_numeric(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len < HEADER)
        return CV_E_TYPE;
    int count = word(cell.data);
    int weight = (int16_t)word(cell.data + 2);
    unsigned sign = word(cell.data + 4);
    if (cell.len != HEADER + 2 * count)
        return CV_E_TYPE;
    if (sign != SIGN_PLUS && sign != SIGN_MINUS)
        return CV_E_RANGE; /* NaN and the infinities */
    int scale = word(cell.data + 6);
    u128 coefficient = 0;
    if (scale > CV_DECIMAL_MAX_DIGITS || !read_coefficient(cell, count, weight, scale, &coefficient)) {
        scale = least_scale(cell, count, weight); /* zeros at the end may be what is too much */
        if (scale > CV_DECIMAL_MAX_DIGITS || !read_coefficient(cell, count, weight, scale, &coefficient))
            return CV_E_RANGE;
    }
    i128 value = sign == SIGN_MINUS ? -(i128)coefficient : (i128)coefficient;
    *ret_value = cv_value_decimal((cv_decimal){.lo = (uint64_t)value, .hi = (int64_t)(value >> 64), .scale = scale});
    return 0;
}

/* --- the other way --- */

#define MAX_WORDS 20

/* The digits to the base 10,000 of a coefficient times 10^shift, the last first; their number. */
static int split_digits(u128 coefficient, int shift, unsigned digits[MAX_WORDS])
{
    int count = 0;
    unsigned factor = (unsigned)power_of_ten(shift);
    unsigned carry = (unsigned)power_of_ten(4 - shift);
    if (shift > 0) { /* the last digit has only some of its decimals */
        digits[count++] = (unsigned)(coefficient % carry) * factor;
        coefficient /= carry;
    }
    for (; coefficient > 0; coefficient /= 10000)
        digits[count++] = (unsigned)(coefficient % 10000);
    return count;
}

static char *put_word(char *at, unsigned value)
{
    uint16_t big = htobe16((uint16_t)value);
    memcpy(at, &big, sizeof big);
    return at + sizeof big;
}

size_t cv__pg_encode_numeric(cv_decimal value, char out[CV__PG_NUMERIC_BYTES])
{
    unsigned digits[MAX_WORDS];
    bool minus = value.hi < 0;
    u128 bits = ((u128)(uint64_t)value.hi << 64) | value.lo;
    u128 coefficient = minus ? (u128)0 - bits : bits;
    int shift = (4 - value.scale % 4) % 4;
    int count = coefficient > 0 ? split_digits(coefficient, shift, digits) : 0;
    int weight = count - 1 - (value.scale + 3) / 4;
    int first = 0; /* zeros at the end are not sent */
    while (first < count && digits[first] == 0)
        first++;
    while (count > first && digits[count - 1] == 0)
        count--, weight--;
    char *at = put_word(out, (unsigned)(count - first));
    at = put_word(at, count > first ? (unsigned)(uint16_t)weight : 0);
    at = put_word(at, minus ? SIGN_MINUS : SIGN_PLUS);
    at = put_word(at, (unsigned)value.scale);
    while (count > first)
        at = put_word(at, digits[--count]);
    return (size_t)(at - out);
}
