/* Exact decimals: a 128-bit two's complement coefficient and a scale, value = coefficient / 10^scale.
 *
 * Up to 38 significant digits, scale 0..38. 1.50 and 1.5 are equal but keep their scale. Nothing here suspends; errors
 * are returned without a story (the caller has the context): CV_E_SYNTAX, CV_E_RANGE. */
#ifndef COVET_DECIMAL_H
#define COVET_DECIMAL_H

#include <covet/str.h>

CV_BEGIN_DECLS

typedef struct cv_decimal {
    uint64_t lo; /* low 64 bits of the coefficient */
    int64_t hi;  /* high 64 bits, with the sign */
    int32_t scale;
} cv_decimal;

#define CV_DECIMAL_MAX_DIGITS 38
/** Room for any formatted decimal: sign, digits, point, a leading zero, NUL. */
#define CV_DECIMAL_TEXT_BYTES 48

/** Parse `[+-]digits[.digits][e[+-]digits]`. CV_E_SYNTAX; CV_E_RANGE when more than 38 digits would be needed. */
CV_API CV_CHECKED int cv_decimal_parse(cv_str text, cv_decimal *ret_value);

/** Write all digits, "-0.50"; NUL-terminated. Returns the length. */
CV_API size_t cv_decimal_format(cv_decimal value, char out[CV_DECIMAL_TEXT_BYTES]);

CV_API cv_decimal cv_decimal_from_i64(int64_t value);

/** value = coefficient / 10^scale. CV_E_RANGE for a scale outside 0..38. */
CV_API CV_CHECKED int cv_decimal_from_scaled(int64_t coefficient, int32_t scale, cv_decimal *ret_value);

/** The coefficient at the given scale. CV_E_RANGE when it does not fit or digits would be lost. */
CV_API CV_CHECKED int cv_decimal_to_scaled(cv_decimal value, int32_t scale, int64_t *ret_coefficient);

/** The nearest double. */
CV_API double cv_decimal_to_f64(cv_decimal value);

/** Negative, 0 or positive; compares values, not scales. */
CV_API int cv_decimal_compare(cv_decimal a, cv_decimal b);

/** Exact results; the scale of a sum is the larger one, of a product the sum of both. CV_E_RANGE on overflow. */
CV_API CV_CHECKED int cv_decimal_add(cv_decimal a, cv_decimal b, cv_decimal *ret_value);
CV_API CV_CHECKED int cv_decimal_sub(cv_decimal a, cv_decimal b, cv_decimal *ret_value);
CV_API CV_CHECKED int cv_decimal_mul(cv_decimal a, cv_decimal b, cv_decimal *ret_value);

/** Change the scale, rounding half to even. CV_E_RANGE on overflow. */
CV_API CV_CHECKED int cv_decimal_round(cv_decimal value, int32_t scale, cv_decimal *ret_value);

/** The number of significant digits before and after the point needed to hold the value (0.05: 0 before, 2 after). */
CV_API void cv_decimal_digits(cv_decimal value, int *ret_before, int *ret_after);

/** An order-preserving text: comparing two encodings byte by byte orders the values, and equal values encode equally
 *  whatever their scale. For engines that have no exact numeric type, beyond 18 digits. Decoding CV_E_SYNTAX. */
#define CV_DECIMAL_KEY_BYTES 48
CV_API size_t cv_decimal_to_key(cv_decimal value, char out[CV_DECIMAL_KEY_BYTES]);
CV_API CV_CHECKED int cv_decimal_from_key(cv_str key, cv_decimal *ret_value);

CV_END_DECLS

#endif
