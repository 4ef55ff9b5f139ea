/* Exact decimals on 128-bit integers. Arithmetic works on magnitudes below 10^38, which leaves room for a sum of two;
 * every result is checked against that bound. */
#include "base/number.h"

#include <assert.h>
#include <covet/decimal.h>

__extension__ typedef unsigned __int128 u128;

#define MAX_SCALE 38
#define TEN_19    UINT64_C(10000000000000000000)

/* Sign and size of a coefficient. */
typedef struct signed_size {
    u128 size;
    bool negative;
} signed_size;

static const uint64_t small_tens[] = {1,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      10000000000,
                                      100000000000,
                                      1000000000000,
                                      10000000000000,
                                      100000000000000,
                                      1000000000000000,
                                      10000000000000000,
                                      100000000000000000,
                                      1000000000000000000,
                                      TEN_19};

/* 10^exponent for 0..38. */
static u128 ten_to(int exponent)
{
    return exponent <= 19 ? small_tens[exponent] : (u128)TEN_19 * small_tens[exponent - 19];
}

static signed_size unpack(cv_decimal value)
{
    assert(value.scale >= 0 && value.scale <= MAX_SCALE);
    u128 bits = (u128)(uint64_t)value.hi << 64 | value.lo;
    bool negative = value.hi < 0;
    return (signed_size){negative ? -bits : bits, negative};
}

static cv_decimal pack(u128 size, bool negative, int scale)
{
    u128 bits = negative ? -size : size;
    return (cv_decimal){(uint64_t)bits, (int64_t)(uint64_t)(bits >> 64), scale};
}

/* `pack`, when the size is within 38 digits. */
static int pack_checked(u128 size, bool negative, int scale, cv_decimal *ret_value)
{
    if (size >= ten_to(MAX_SCALE))
        return CV_E_RANGE;
    *ret_value = pack(size, negative, scale);
    return 0;
}

/* size * 10^exponent, kept below twice the bound so that a difference may still come into range. */
static int scale_up(u128 size, int exponent, u128 *ret_size)
{
    if (__builtin_mul_overflow(size, ten_to(exponent), ret_size) || *ret_size >= 2 * ten_to(MAX_SCALE))
        return CV_E_RANGE;
    return 0;
}

static int digits_of(u128 size)
{
    int digits = 0;
    if (size >= TEN_19) {
        size /= TEN_19;
        digits = 19;
    }
    if (size >= TEN_19) /* beyond 38 digits: only in decimals that were not made here */
        return 39;
    uint64_t rest = (uint64_t)size;
    for (int i = 0; i < 19 && rest >= small_tens[i]; i++)
        digits++;
    return digits;
}

/* What the digits of a text come to: coefficient * 10^(zeros - places), with no zero at the coefficient's end. */
typedef struct parsed {
    u128 coefficient;
    int64_t zeros, places, digits;
} parsed;

/* Take one digit in. Zeros wait until a digit follows them: those at the end need no room. */
static int take_digit(parsed *number, unsigned digit)
{
    if (digit == 0) {
        number->zeros += number->digits > 0;
        return 0;
    }
    int64_t more = number->zeros + 1;
    if (number->digits + more > CV_DECIMAL_MAX_DIGITS)
        return CV_E_RANGE;
    number->coefficient = number->coefficient * ten_to((int)more) + digit;
    number->digits += more;
    number->zeros = 0;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Read digits; CV_E_SYNTAX when there is none. A number too long is known at the end only: what follows may be no
 * number at all. */
static int parse_digits(const char **at, const char *end, parsed *number, bool *too_long)
{
    const char *from = *at;
    for (; *at != end && is_digit(**at); ++*at)
        if (take_digit(number, (unsigned)(**at - '0')) < 0)
            *too_long = true;
    return *at == from ? CV_E_SYNTAX : 0;
}

static int parse_exponent(const char *at, const char *end, int64_t *ret_exponent)
{
    bool negative = at != end && *at == '-';
    if (at != end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return CV_E_SYNTAX;
    int64_t exponent = 0;
    for (; at != end; at++) {
        if (!is_digit(*at))
            return CV_E_SYNTAX;
        if (exponent < INT32_MAX)
            exponent = exponent * 10 + (*at - '0');
    }
    *ret_exponent = negative ? -exponent : exponent;
    return 0;
}

/* Find the scale that keeps what was written, dropping zeros at the end where they do not fit. */
static int finish_parse(parsed number, bool negative, cv_decimal *ret_value)
{
    int64_t scale = number.places;
    if (!number.digits) {
        scale = scale < 0 ? 0 : scale > MAX_SCALE ? MAX_SCALE : scale;
        *ret_value = pack(0, false, (int)scale);
        return 0;
    }
    if (scale < 0) {
        number.zeros -= scale;
        scale = 0;
    }
    int64_t excess = number.digits + number.zeros - CV_DECIMAL_MAX_DIGITS;
    if (excess < scale - MAX_SCALE)
        excess = scale - MAX_SCALE;
    if (excess > 0) {
        if (excess > number.zeros || excess > scale)
            return CV_E_RANGE;
        number.zeros -= excess;
        scale -= excess;
    }
    *ret_value = pack(number.coefficient * ten_to((int)number.zeros), negative, (int)scale);
    return 0;
}

int cv_decimal_parse(cv_str text, cv_decimal *ret_value)
{
    const char *at = text.ptr, *end = at + text.len;
    bool negative = false, too_long = false;
    parsed number = {0};
    int64_t exponent = 0;
    if (at != end && (*at == '-' || *at == '+'))
        negative = *at++ == '-';
    CV_TRY(parse_digits(&at, end, &number, &too_long));
    if (at != end && *at == '.') {
        const char *from = ++at;
        CV_TRY(parse_digits(&at, end, &number, &too_long));
        number.places = at - from;
    }
    if (at != end) {
        if (*at != 'e' && *at != 'E')
            return CV_E_SYNTAX;
        CV_TRY(parse_exponent(at + 1, end, &exponent));
    }
    if (too_long)
        return CV_E_RANGE;
    number.places -= exponent;
    return finish_parse(number, negative, ret_value);
}

/* All digits of the size, at least `least` of them. Returns their number. */
static size_t format_digits(u128 size, size_t least, char *out)
{
    size_t digits = (size_t)digits_of(size);
    if (digits < least)
        digits = least;
    if (digits <= 19) {
        cv__digits_format((uint64_t)size, digits, out);
        return digits;
    }
    u128 high = size / TEN_19;
    if (digits <= 38) {
        cv__digits_format((uint64_t)high, digits - 19, out);
    } else {
        out[0] = (char)('0' + (int)(high / TEN_19));
        cv__digits_format((uint64_t)(high % TEN_19), 19, out + 1);
    }
    cv__digits_format((uint64_t)(size % TEN_19), 19, out + digits - 19);
    return digits;
}

size_t cv_decimal_format(cv_decimal value, char out[CV_DECIMAL_TEXT_BYTES])
{
    signed_size c = unpack(value);
    char digits[40];
    size_t scale = (size_t)value.scale, len = 0;
    size_t count = format_digits(c.size, scale + 1, digits);
    if (c.negative)
        out[len++] = '-';
    memcpy(out + len, digits, count - scale);
    len += count - scale;
    if (scale) {
        out[len++] = '.';
        memcpy(out + len, digits + count - scale, scale);
        len += scale;
    }
    out[len] = '\0';
    return len;
}

cv_decimal cv_decimal_from_i64(int64_t value)
{
    return (cv_decimal){(uint64_t)value, value < 0 ? -1 : 0, 0};
}

int cv_decimal_from_scaled(int64_t coefficient, int32_t scale, cv_decimal *ret_value)
{
    if (scale < 0 || scale > MAX_SCALE)
        return CV_E_RANGE;
    *ret_value = cv_decimal_from_i64(coefficient);
    ret_value->scale = scale;
    return 0;
}

int cv_decimal_to_scaled(cv_decimal value, int32_t scale, int64_t *ret_coefficient)
{
    if (scale < 0 || scale > MAX_SCALE)
        return CV_E_RANGE;
    signed_size c = unpack(value);
    if (scale >= value.scale) {
        CV_TRY(scale_up(c.size, scale - value.scale, &c.size));
    } else {
        u128 power = ten_to(value.scale - scale);
        if (c.size % power)
            return CV_E_RANGE;
        c.size /= power;
    }
    if (c.size > (u128)INT64_MAX + c.negative)
        return CV_E_RANGE;
    *ret_coefficient = (int64_t)(uint64_t)(c.negative ? -c.size : c.size);
    return 0;
}

double cv_decimal_to_f64(cv_decimal value)
{
    char text[CV_DECIMAL_TEXT_BYTES];
    size_t len = cv_decimal_format(value, text);
    double nearest = 0;
    int rc = cv_str_to_f64(cv_str_make(text, len), &nearest);
    assert(rc == 0); /* 38 digits are far inside the range of a double */
    (void)rc;
    return nearest;
}

static int compare_sizes(u128 a, u128 b)
{
    return (a > b) - (a < b);
}

/* Compare by whole part, then by fraction: neither needs more than 38 digits. */
static int compare_scaled(u128 a, int a_scale, u128 b, int b_scale)
{
    if (a_scale == b_scale)
        return compare_sizes(a, b);
    u128 a_one = ten_to(a_scale), b_one = ten_to(b_scale);
    int order = compare_sizes(a / a_one, b / b_one);
    if (order)
        return order;
    int scale = a_scale > b_scale ? a_scale : b_scale;
    return compare_sizes(a % a_one * ten_to(scale - a_scale), b % b_one * ten_to(scale - b_scale));
}

int cv_decimal_compare(cv_decimal a, cv_decimal b)
{
    signed_size x = unpack(a), y = unpack(b);
    if (x.negative != y.negative)
        return x.negative ? -1 : 1;
    int order = compare_scaled(x.size, a.scale, y.size, b.scale);
    return x.negative ? -order : order;
}

int cv_decimal_add(cv_decimal a, cv_decimal b, cv_decimal *ret_value)
{
    signed_size x = unpack(a), y = unpack(b);
    int scale = a.scale > b.scale ? a.scale : b.scale;
    CV_TRY(scale_up(x.size, scale - a.scale, &x.size));
    CV_TRY(scale_up(y.size, scale - b.scale, &y.size));
    if (x.negative == y.negative) {
        if (x.size >= ten_to(MAX_SCALE) || y.size >= ten_to(MAX_SCALE))
            return CV_E_RANGE;
        return pack_checked(x.size + y.size, x.negative, scale, ret_value);
    }
    if (x.size < y.size)
        return pack_checked(y.size - x.size, y.negative, scale, ret_value);
    return pack_checked(x.size - y.size, x.negative, scale, ret_value);
}

static cv_decimal negate(cv_decimal value)
{
    signed_size c = unpack(value);
    return pack(c.size, !c.negative, value.scale);
}

int cv_decimal_sub(cv_decimal a, cv_decimal b, cv_decimal *ret_value)
{
    return cv_decimal_add(a, negate(b), ret_value);
}

int cv_decimal_mul(cv_decimal a, cv_decimal b, cv_decimal *ret_value)
{
    signed_size x = unpack(a), y = unpack(b);
    u128 product;
    if (a.scale + b.scale > MAX_SCALE || __builtin_mul_overflow(x.size, y.size, &product))
        return CV_E_RANGE;
    return pack_checked(product, x.negative != y.negative, a.scale + b.scale, ret_value);
}

static u128 divide_half_even(u128 size, u128 power)
{
    u128 quotient = size / power, rest = size % power, half = power / 2;
    return quotient + (rest > half || (rest == half && (quotient & 1)));
}

int cv_decimal_round(cv_decimal value, int32_t scale, cv_decimal *ret_value)
{
    if (scale < 0 || scale > MAX_SCALE)
        return CV_E_RANGE;
    signed_size c = unpack(value);
    if (scale >= value.scale)
        CV_TRY(scale_up(c.size, scale - value.scale, &c.size));
    else
        c.size = divide_half_even(c.size, ten_to(value.scale - scale));
    return pack_checked(c.size, c.negative, scale, ret_value);
}

/* Without zeros at the end of the fraction. */
static u128 strip_zeros(u128 size, int *scale)
{
    while (*scale > 0 && size % 10 == 0) {
        size /= 10;
        --*scale;
    }
    return size;
}

void cv_decimal_digits(cv_decimal value, int *ret_before, int *ret_after)
{
    signed_size c = unpack(value);
    int scale = value.scale;
    c.size = strip_zeros(c.size, &scale);
    int digits = digits_of(c.size);
    *ret_before = digits > scale ? digits - scale : 0;
    *ret_after = scale;
}

/* Keys. The value is 0.d1d2d3... * 10^power, d1 not zero, no zero at the end, power -37..39. The text is a sign ('0'
 * negative, '1' zero, '2' positive), two digits of power + 50, then the digits. Of a negative value power and digits
 * are complemented, and a '~' follows: among negatives, the longer of two fractions that begin alike is the smaller. */
#define KEY_BIAS 50

size_t cv_decimal_to_key(cv_decimal value, char out[CV_DECIMAL_KEY_BYTES])
{
    signed_size c = unpack(value);
    if (!c.size) {
        memcpy(out, "1", 2);
        return 1;
    }
    size_t count = format_digits(c.size, 1, out + 3);
    unsigned power = (unsigned)((int)count - value.scale + KEY_BIAS);
    while (out[3 + count - 1] == '0')
        count--;
    size_t len = 3 + count;
    out[0] = c.negative ? '0' : '2';
    cv__digits_format(c.negative ? 99 - power : power, 2, out + 1);
    if (c.negative) {
        for (size_t i = 3; i < len; i++)
            out[i] = (char)('0' + '9' - out[i]);
        out[len++] = '~';
    }
    out[len] = '\0';
    return len;
}

int cv_decimal_from_key(cv_str key, cv_decimal *ret_value)
{
    if (key.len == 1 && key.ptr[0] == '1') {
        *ret_value = (cv_decimal){0};
        return 0;
    }
    bool negative = key.len > 0 && key.ptr[0] == '0';
    size_t tail = negative ? 1 : 0;
    if (key.len < 4 + tail || key.len > 3 + 39 + tail || (!negative && key.ptr[0] != '2') ||
        (negative && key.ptr[key.len - 1] != '~'))
        return CV_E_SYNTAX;
    int64_t power = cv__digits_read(key.ptr + 1, 2);
    if (power < 0)
        return CV_E_SYNTAX;
    parsed number = {0};
    size_t count = key.len - 3 - tail;
    for (size_t i = 0; i < count; i++) {
        char c = key.ptr[3 + i];
        unsigned digit = is_digit(c) ? (unsigned)(negative ? '9' - c : c - '0') : 10;
        bool misplaced = digit == 0 && (i == 0 || i == count - 1);
        if (digit > 9 || misplaced || take_digit(&number, digit) < 0)
            return CV_E_SYNTAX;
    }
    number.places = (int64_t)count - ((negative ? 99 - power : power) - KEY_BIAS);
    return finish_parse(number, negative, ret_value) < 0 ? CV_E_SYNTAX : 0;
}
