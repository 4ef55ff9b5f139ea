/* What arrays and ranges are made of: elements packed side by side, whatever their type. Nothing here suspends. */
#ifndef COVET_SRC_BASE_PACKED_H
#define COVET_SRC_BASE_PACKED_H

#include <covet/value.h>

/** The bytes of an element of the type `element`, an integer of `bits`; 0 for what no array can hold. */
size_t cv__packed_bytes(unsigned element, unsigned bits);

/** The element at an address, as a view. */
cv_value cv__packed_get(const void *at, unsigned element, unsigned bits);

/** Write an element of its own type, an integer that fits `bits`. */
void cv__packed_put(void *at, unsigned element, unsigned bits, cv_value value);

/** Whether an integer fits; anything else does. */
bool cv__packed_fits(unsigned bits, cv_value value);

/** An array that grows in an arena. Initialise with `{.arena = ..., .element = ..., .bits = ...}`. */
typedef struct cv__array_builder {
    cv_arena *arena;
    unsigned element, bits;
    char *items;
    bool *nulls;
    size_t count, capacity;
} cv__array_builder;

/** Make room for `count` elements. CV_E_NOMEM, CV_E_LIMIT, without a story, as in all of these. */
CV_CHECKED int cv__array_reserve(cv__array_builder *builder, size_t count);

/** Append NULL, or a value of the element's own type. What it points to is not copied. CV_E_TYPE; CV_E_RANGE for an
 * integer that does not fit. */
CV_CHECKED int cv__array_add(cv__array_builder *builder, cv_value value);

/** What was appended, valid as long as the arena. */
CV_CHECKED int cv__array_take(cv__array_builder *builder, cv_value *ret_value);

/** A range in an arena; bounds of NULL are infinite. `inclusive` are flags. CV_E_NOMEM; CV_E_TYPE, CV_E_RANGE for
 * bounds of another type or beyond it. */
CV_CHECKED int cv__range_make(cv_arena *arena, unsigned element, unsigned bits, cv_value lower, cv_value upper,
                              unsigned flags, cv_value *ret_value);

/** The form in which every engine keeps a range: of whole numbers and dates with the lower bound and without the upper
 * one, of others as it is; empty when nothing lies between the bounds. Made in the arena where it differs. CV_E_INVALID
 * when the lower bound lies above the upper one, CV_E_RANGE when the next number cannot be held. */
CV_CHECKED int cv__range_normal(cv_arena *arena, cv_range_view range, cv_range_view *ret_range);

/** Read the JSON text that cv_json_value writes for arrays and ranges. Strings without escapes are views into it.
 * CV_E_SYNTAX, CV_E_TYPE, CV_E_RANGE, CV_E_NOMEM, CV_E_UNSUPPORTED for an array in an array. */
CV_CHECKED int cv__array_parse(cv_arena *arena, cv_str json, unsigned element, unsigned bits, cv_value *ret_value);
CV_CHECKED int cv__range_parse(cv_arena *arena, cv_str json, unsigned element, unsigned bits, cv_value *ret_value);

/** Give an array or range of `element` the width `bits`, in memory of the arena's, whatever it had before. CV_E_TYPE
 * for another element, CV_E_RANGE for an integer that does not fit. */
CV_CHECKED int cv__packed_fit(cv_arena *arena, unsigned element, unsigned bits, cv_value *value);

/** Make what a value points to its own, in the arena; texts end with a NUL byte behind them. */
CV_CHECKED int cv__value_own(cv_arena *arena, cv_value *value);

#endif
