/* The numbers that the JSON reader found, as values. Their text is known to follow the grammar of RFC 8259. */
#include <covet/json.h>

/* A number as written: sign, all digits without the point, and the power of ten that they are multiplied with. */
struct number {
    bool negative;
    cv_str digits; /* may contain one point */
    int64_t exponent;
};

enum { MAX_EXPONENT = 1000000000 };

static struct number take_apart(cv_str text)
{
    struct number n = {0};
    size_t at = 0;
    if (text.len && text.ptr[0] == '-') {
        n.negative = true;
        at = 1;
    }
    size_t start = at, point = SIZE_MAX;
    for (; at < text.len && (text.ptr[at] | 0x20) != 'e'; at++)
        if (text.ptr[at] == '.')
            point = at;
    n.digits = cv_str_make(text.ptr + start, at - start);
    bool down = at + 1 < text.len && text.ptr[at + 1] == '-';
    for (at++; at < text.len; at++)
        if (text.ptr[at] >= '0' && text.ptr[at] <= '9' && n.exponent < MAX_EXPONENT)
            n.exponent = n.exponent * 10 + (text.ptr[at] - '0');
    if (down)
        n.exponent = -n.exponent;
    if (point != SIZE_MAX)
        n.exponent -= (int64_t)(start + n.digits.len - point - 1);
    return n;
}

static bool is_filler(char c)
{
    return c == '0' || c == '.';
}

/* Zeros at the end belong to the exponent, zeros at the start to nothing. */
static void strip_zeros(struct number *n)
{
    while (n->digits.len && is_filler(n->digits.ptr[n->digits.len - 1]))
        n->exponent += n->digits.ptr[--n->digits.len] == '0';
    while (n->digits.len && is_filler(n->digits.ptr[0])) {
        n->digits.ptr++;
        n->digits.len--;
    }
}

static int whole_number(const struct number *n, int64_t *ret_value)
{
    uint64_t magnitude = 0;
    bool over = false;
    for (size_t i = 0; i < n->digits.len && !over; i++)
        if (n->digits.ptr[i] != '.')
            over = __builtin_mul_overflow(magnitude, 10, &magnitude) ||
                   __builtin_add_overflow(magnitude, (uint64_t)(n->digits.ptr[i] - '0'), &magnitude);
    for (int64_t i = 0; i < n->exponent && !over; i++)
        over = __builtin_mul_overflow(magnitude, 10, &magnitude);
    if (over || magnitude > (uint64_t)INT64_MAX + n->negative)
        return CV_E_RANGE;
    *ret_value = n->negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 0;
}

int cv_json_number_i64(const cv_json_reader *reader, int64_t *ret_value)
{
    struct number n = take_apart(reader->text);
    strip_zeros(&n);
    if (!n.digits.len) {
        *ret_value = 0;
        return 0;
    }
    if (n.exponent < 0)
        return CV_E_TYPE;
    return whole_number(&n, ret_value);
}

int cv_json_number_f64(const cv_json_reader *reader, double *ret_value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct number n = take_apart(reader->text);
    int64_t coefficient;
    struct number unscaled = {.digits = n.digits};
    /* Both factors are exact, so their product or quotient is correctly rounded. */
    if (n.digits.len <= 17 && n.exponent >= -22 && n.exponent <= 22 && whole_number(&unscaled, &coefficient) == 0 &&
        coefficient <= INT64_C(1) << 53) {
        double magnitude =
            n.exponent < 0 ? (double)coefficient / powers[-n.exponent] : (double)coefficient * powers[n.exponent];
        *ret_value = n.negative ? -magnitude : magnitude;
        return 0;
    }
    return cv_str_to_f64(reader->text, ret_value);
}

int cv_json_number_decimal(const cv_json_reader *reader, cv_decimal *ret_value)
{
    return cv_decimal_parse(reader->text, ret_value);
}
