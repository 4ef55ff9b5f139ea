#include "base/f64.h"
#include "base/number.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Decimal digits without zeros at either end, and where the point lies: 0.d1d2d3... times 10^point. */
struct digits {
    char text[24];
    int count;
    int point;
};

static const double two_to_53 = 9007199254740992.0;

/* Whole numbers and those of few decimals. A coefficient below 2^53 and a power of ten below 10^22 are exact doubles,
 * and a correctly rounded division of exact doubles is what reading the decimal text gives. */
static bool few_decimals(double magnitude, struct digits *ret_digits)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    if (magnitude >= 1e15 || magnitude < 1e-5)
        return false;
    for (int decimals = 0; decimals <= 6; decimals++) {
        double coefficient = nearbyint(magnitude * powers[decimals]);
        if (coefficient >= two_to_53)
            return false;
        if (coefficient / powers[decimals] == magnitude) {
            ret_digits->count = (int)cv__u64_format((uint64_t)coefficient, ret_digits->text);
            ret_digits->point = ret_digits->count - decimals;
            return true;
        }
    }
    return false;
}

/* Read what printf wrote for "%.*e", skipping whatever the locale uses as decimal point. */
static void collect(const char *text, struct digits *ret_digits)
{
    int count = 0;
    const char *at = text;
    for (; *at && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9')
            ret_digits->text[count++] = *at;
    ret_digits->count = count;
    ret_digits->point = *at ? (int)strtol(at + 1, NULL, 10) + 1 : count;
}

static void any_digits(double magnitude, struct digits *ret_digits)
{
    /* Fifteen digits survive every round trip, so fewer need not be tried, save for subnormals. */
    char text[48];
    for (int count = magnitude < DBL_MIN ? 1 : 15; count <= 17; count++) {
        snprintf(text, sizeof text, "%.*e", count - 1, magnitude);
        if (strtod(text, NULL) == magnitude)
            break;
    }
    collect(text, ret_digits);
}

static size_t layout_plain(const struct digits *d, char *out)
{
    char *at = out;
    if (d->point <= 0) {
        *at++ = '0';
        *at++ = '.';
        for (int i = d->point; i < 0; i++)
            *at++ = '0';
    }
    for (int i = 0; i < d->count; i++) {
        if (i == d->point && i > 0)
            *at++ = '.';
        *at++ = d->text[i];
    }
    for (int i = d->count; i < d->point; i++)
        *at++ = '0';
    return (size_t)(at - out);
}

static size_t layout_exponent(const struct digits *d, char *out)
{
    char *at = out;
    *at++ = d->text[0];
    if (d->count > 1) {
        *at++ = '.';
        memcpy(at, d->text + 1, (size_t)d->count - 1);
        at += d->count - 1;
    }
    at += snprintf(at, 8, "e%d", d->point - 1);
    return (size_t)(at - out);
}

size_t cv__f64_format(double value, char out[CV__F64_TEXT_BYTES])
{
    struct digits d;
    size_t len = 0;
    if (signbit(value))
        out[len++] = '-';
    double magnitude = fabs(value);
    if (magnitude == 0) {
        out[len++] = '0';
        out[len] = '\0';
        return len;
    }
    if (!few_decimals(magnitude, &d))
        any_digits(magnitude, &d);
    while (d.count > 1 && d.text[d.count - 1] == '0')
        d.count--;
    bool plain = d.point > -5 && d.point <= 21;
    len += plain ? layout_plain(&d, out + len) : layout_exponent(&d, out + len);
    out[len] = '\0';
    return len;
}
