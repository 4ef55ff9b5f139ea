/* What the dialects share. */
#ifndef COVET_SRC_SQL_DIALECT_COMMON_H
#define COVET_SRC_SQL_DIALECT_COMMON_H

#include "sql/dialect.h"

/** One declared type name and what it means; `bits` as in cv__column_type. */
typedef struct cv__type_name {
    const char *name;
    cv_type type;
    uint16_t bits;
} cv__type_name;

/** Read "NAME", "NAME(n)" or "NAME(d, p)" against a table of names, ignoring ASCII case and outer space. Numbers become
 *  max_length for texts, digits and places for decimals, and are dropped for others. False for an unknown name or a
 *  malformed or out-of-range number. */
bool cv__parse_type(const cv__type_name *names, size_t count, cv_str declared, cv__column_type *ret_type);

/** Append a text between quotes, with those inside it doubled. */
void cv__add_in_quotes(cv_buf *out, cv_str text, char quote);

/** Append a text literal with its quotes doubled; bytes in hexadecimal digits; the shortest float that reads back. */
void cv__add_quoted(cv_buf *out, cv_str text);
void cv__add_hex(cv_buf *out, const uint8_t *bytes, size_t len);
void cv__add_float(cv_buf *out, double value);

void cv__add_blob(cv_buf *out, const uint8_t *bytes, size_t len); /* x'00ff' */

/** Append a literal where the engine has nothing of its own: numbers and texts by the standard's rules, 1 and 0 for
 *  booleans, JSON as a text, arrays and ranges as JSON; times, dates and UUIDs as texts in quotes. */
void cv__add_plain_literal(cv_buf *out, cv_value value);

/** Store an array or range as a JSON text; CV_E_RANGE as cv__packed_storable tells, CV_E_INVALID for a text that is no
 *  UTF-8 and would be another one there. */
CV_CHECKED int cv__store_as_json(cv_arena *arena, cv_value value, const cv__column_type *type, cv_value *ret_stored);

bool cv__lookup_ignores_case(cv__lookup lookup);
bool cv__lookup_is_equality(cv__lookup lookup);

/** Append a text look-up by "=" or LIKE, without ESCAPE, against parameter `index`. Where case is ignored both sides
 *  stand in "UPPER(" and `upper_end`: ")", or what chooses a collation as well. */
void cv__add_like_lookup(cv_buf *out, const cv__dialect *dialect, const char *upper_end, cv__lookup lookup, cv_str left,
                         size_t index);

/** The value of a look-up by LIKE: wildcards escaped, "%" put where the look-up is open; the text itself where it is
 *  open on no side. In the arena. */
CV_CHECKED int cv__like_pattern(cv_arena *arena, cv__lookup lookup, cv_str text, char escape, cv_value *ret_value);

/** Whether a decimal fits a column of `digits` digits with `places` after the point, without losing one. */
bool cv__decimal_fits(cv_decimal value, const cv__column_type *type);

/** The same for the decimals in an array or range; `type` NULL, or without digits, takes them all. */
bool cv__packed_storable(cv_value value, const cv__column_type *type);

/** Whether the texts in an array are well-formed. */
bool cv__packed_is_utf8(cv_value value);

#endif
