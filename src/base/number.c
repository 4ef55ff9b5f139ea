/* Integers to text, two digits at a time, and text to numbers. Doubles take an exact short way where both the digits
 * and the power of ten are exact doubles (Clinger 1990), and the C library's correctly rounded one elsewhere. */
#include "base/number.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

#define LONGEST_NUMBER 1024 /* as text; a double needs at most 767 significant digits */
#define MOST_EXACT     ((uint64_t)1 << 53)

const char cv__digit_pairs[200] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

static const double exact_tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define LARGEST_EXACT_TEN 22

static size_t count_digits(uint64_t value)
{
    size_t digits = 1;
    for (;;) {
        if (value < 10)
            return digits;
        if (value < 100)
            return digits + 1;
        if (value < 1000)
            return digits + 2;
        if (value < 10000)
            return digits + 3;
        value /= 10000;
        digits += 4;
    }
}

void cv__digits_format(uint64_t value, size_t digits, char *out)
{
    while (digits >= 2) {
        digits -= 2;
        cv__two_digits((unsigned)(value % 100), out + digits);
        value /= 100;
    }
    if (digits)
        out[0] = (char)('0' + value % 10);
}

size_t cv__u64_format(uint64_t value, char *out)
{
    size_t digits = count_digits(value);
    cv__digits_format(value, digits, out);
    return digits;
}

size_t cv__i64_format(int64_t value, char *out)
{
    if (value >= 0)
        return cv__u64_format((uint64_t)value, out);
    out[0] = '-';
    return 1 + cv__u64_format(-(uint64_t)value, out + 1);
}

int cv_str_to_u64(cv_str text, uint64_t *ret_value)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    if (at != end && *at == '+')
        at++;
    if (at == end)
        return CV_E_SYNTAX;
    uint64_t value = 0;
    bool fits = true;
    for (const char *safe = end - at > 19 ? at + 19 : end; at != safe; at++) { /* 19 digits always fit */
        unsigned digit = (unsigned)(unsigned char)*at - '0';
        if (digit > 9)
            return CV_E_SYNTAX;
        value = value * 10 + digit;
    }
    for (; at != end; at++) {
        unsigned digit = (unsigned)(unsigned char)*at - '0';
        if (digit > 9)
            return CV_E_SYNTAX;
        fits = fits && !__builtin_mul_overflow(value, 10, &value) && !__builtin_add_overflow(value, digit, &value);
    }
    if (!fits)
        return CV_E_RANGE;
    *ret_value = value;
    return 0;
}

int cv_str_to_i64(cv_str text, int64_t *ret_value)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (negative) {
        text = cv_str_make(text.ptr + 1, text.len - 1);
        if (text.len > 0 && text.ptr[0] == '+')
            return CV_E_SYNTAX;
    }
    uint64_t size;
    CV_TRY(cv_str_to_u64(text, &size));
    if (size > (uint64_t)INT64_MAX + negative)
        return CV_E_RANGE;
    *ret_value = (int64_t)(negative ? -size : size);
    return 0;
}

/* A number as it was scanned: `digits` holds the first 19 significant digits. */
typedef struct scanned {
    uint64_t digits;
    int count;        /* of significant digits; beyond 19 they are counted, not kept */
    int64_t exponent; /* of ten, for `digits` */
    bool negative;
} scanned;

/* Take digits in; the number of characters read. */
static size_t scan_digits(const char *at, const char *end, scanned *number, bool fraction)
{
    const char *from = at;
    for (; at != end && (unsigned)(unsigned char)*at - '0' <= 9; at++) {
        if (number->count < 19)
            number->digits = number->digits * 10 + (unsigned)(*at - '0');
        if (number->digits || number->count)
            number->count++;
        if (fraction)
            number->exponent--;
    }
    return (size_t)(at - from);
}

static int scan_exponent(const char *at, const char *end, scanned *number)
{
    bool negative = at != end && *at == '-';
    if (at != end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return CV_E_SYNTAX;
    int64_t exponent = 0;
    for (; at != end; at++) {
        unsigned digit = (unsigned)(unsigned char)*at - '0';
        if (digit > 9)
            return CV_E_SYNTAX;
        if (exponent < 100000)
            exponent = exponent * 10 + digit;
    }
    number->exponent += negative ? -exponent : exponent;
    return 0;
}

/* `[+-](digits[.[digits]] | .digits)[e[+-]digits]` */
static int scan_number(cv_str text, scanned *number)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    if (at != end && (*at == '-' || *at == '+'))
        number->negative = *at++ == '-';
    size_t whole = scan_digits(at, end, number, false);
    at += whole;
    size_t part = 0;
    if (at != end && *at == '.') {
        part = scan_digits(at + 1, end, number, true);
        at += 1 + part;
    }
    if (whole + part == 0)
        return CV_E_SYNTAX;
    if (at == end)
        return 0;
    return *at == 'e' || *at == 'E' ? scan_exponent(at + 1, end, number) : CV_E_SYNTAX;
}

static int read_long(cv_str text, double *ret_value)
{
    char copy[LONGEST_NUMBER];
    if (text.len >= sizeof copy)
        return CV_E_RANGE;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return CV_E_RANGE;
    double value = strtod_l(copy, NULL, plain);
    freelocale(plain);
    if (isinf(value))
        return CV_E_RANGE;
    *ret_value = value;
    return 0;
}

int cv_str_to_f64(cv_str text, double *ret_value)
{
    scanned number = {0};
    CV_TRY(scan_number(text, &number));
    bool exact = number.count <= 19 && number.digits <= MOST_EXACT && number.exponent >= -LARGEST_EXACT_TEN &&
                 number.exponent <= LARGEST_EXACT_TEN;
    if (!exact && number.digits)
        return read_long(text, ret_value);
    double value = number.digits ? (double)number.digits : 0.0;
    if (number.digits && number.exponent < 0)
        value /= exact_tens[-number.exponent];
    else if (number.digits)
        value *= exact_tens[number.exponent];
    *ret_value = number.negative ? -value : value;
    return 0;
}
