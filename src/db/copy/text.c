#include "db/copy/text.h"
#include "base/ctx.h"
#include "sql/dialect_common.h"

#include <covet/json.h>
#include <math.h>

/* ---- reading ---- */

static int read_any(cv_ctx *cx, const cv_copy_column *column, cv_str text, cv_value *ret_value)
{
    (void)cx, (void)column;
    *ret_value = cv_value_str(text);
    return 0;
}

static int read_text(cv_ctx *cx, const cv_copy_column *column, cv_str text, cv_value *ret_value)
{
    (void)cx;
    *ret_value = cv_value_str(text);
    return column->max_length && text.len > column->max_length && cv_utf8_length(text) > column->max_length ? CV_E_RANGE
                                                                                                            : 0;
}

static int read_i64(cv_ctx *cx, const cv_copy_column *column, cv_str text, cv_value *ret_value)
{
    int64_t value;
    (void)cx;
    CV_TRY(cv_str_to_i64(text, &value));
    *ret_value = cv_value_i64(value);
    if (column->bits == 32)
        return value == (int32_t)value ? 0 : CV_E_RANGE;
    return column->bits != 16 || value == (int16_t)value ? 0 : CV_E_RANGE;
}

static int read_f64(cv_ctx *cx, const cv_copy_column *column, cv_str text, cv_value *ret_value)
{
    double value;
    (void)cx, (void)column;
    int rc = cv_str_to_f64(text, &value);
    if (rc == CV_E_SYNTAX && cv_str_equal_nocase(text, CV_STR("nan")))
        value = NAN;
    else if (rc == CV_E_SYNTAX && cv_str_equal_nocase(text, CV_STR("infinity")))
        value = INFINITY;
    else if (rc == CV_E_SYNTAX && cv_str_equal_nocase(text, CV_STR("-infinity")))
        value = -INFINITY;
    else
        CV_TRY(rc);
    *ret_value = cv_value_f64(value);
    return 0;
}

static cv__column_type column_type(const cv_copy_column *column)
{
    return (cv__column_type){.type = column->type,
                             .max_length = (uint32_t)column->max_length,
                             .bits = (uint16_t)column->bits,
                             .digits = (uint16_t)column->digits,
                             .places = (uint16_t)column->places,
                             .element = column->element};
}

/* Few digits, as most are: a number and the place of its point. */
static bool read_short_decimal(cv_str text, cv_decimal *ret_value)
{
    size_t at = text.len > 0 && text.ptr[0] == '-', first = at, point = text.len;
    int64_t digits = 0;
    if (text.len > 18)
        return false;
    for (; at < text.len; at++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[at] - '0';
        if (digit <= 9)
            digits = digits * 10 + digit;
        else if (text.ptr[at] == '.' && point == text.len && at > first)
            point = at;
        else
            return false;
    }
    if (at == first || point == text.len - 1)
        return false;
    int32_t scale = point == text.len ? 0 : (int32_t)(text.len - point - 1);
    return cv_decimal_from_scaled(first ? -digits : digits, scale, ret_value) == 0;
}

static int read_decimal(cv_ctx *cx, const cv_copy_column *column, cv_str text, cv_value *ret_value)
{
    cv_decimal value;
    (void)cx;
    if (!read_short_decimal(text, &value))
        CV_TRY(cv_decimal_parse(text, &value));
    *ret_value = cv_value_decimal(value);
    if (column->digits == 0)
        return 0;
    cv__column_type type = column_type(column);
    return cv__decimal_fits(value, &type) ? 0 : CV_E_RANGE;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_bytes(cv_ctx *cx, const cv_copy_column *column, cv_str text, cv_value *ret_value)
{
    (void)column;
    if (text.len % 2 != 0 || !cv_str_starts_with(text, CV_STR("\\x")))
        return CV_E_SYNTAX;
    size_t len = text.len / 2 - 1;
    uint8_t *bytes = cv_alloc(cx, len + 1);
    if (!bytes) {
        cv_error_clear(cx);
        return CV_E_NOMEM;
    }
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text.ptr[2 + 2 * i]), low = hex_digit(text.ptr[3 + 2 * i]);
        if (high < 0 || low < 0)
            return CV_E_SYNTAX;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_value = cv_value_bytes((cv_bytes){bytes, len});
    return 0;
}

/* Whatever has a text of its own in the base. */
static int read_other(cv_ctx *cx, const cv_copy_column *column, cv_str text, cv_value *ret_value)
{
    cv__column_type type = column_type(column);
    return cv__column_convert(cv_ctx_arena(cx), cv_value_str(text), &type, ret_value);
}

cv__copy_text_reader *cv__copy_text_reader_of(const cv_copy_column *column)
{
    switch (column->type) {
    case CV_TYPE_NULL:
        return read_any;
    case CV_TYPE_TEXT:
        return read_text;
    case CV_TYPE_I64:
        return read_i64;
    case CV_TYPE_F64:
        return read_f64;
    case CV_TYPE_DECIMAL:
        return read_decimal;
    case CV_TYPE_BYTES:
        return read_bytes;
    default:
        return read_other;
    }
}

int cv__copy_text_readers(cv_ctx *cx, const cv_copy_column *columns, size_t count, cv__copy_text_reader ***ret_readers)
{
    cv__copy_text_reader **readers = cv_zalloc(cx, count, sizeof *readers);
    if (!readers)
        return cx->error_code;
    for (size_t i = 0; i < count; i++)
        readers[i] = cv__copy_text_reader_of(&columns[i]);
    *ret_readers = readers;
    return 0;
}

/* ---- what was expected ---- */

static const char *expected(cv_ctx *cx, const cv_copy_column *column)
{
    switch (column->type) {
    case CV_TYPE_BOOL:
        return "true or false";
    case CV_TYPE_I64:
        return column->bits == 16   ? "an integer from -32768 to 32767"
               : column->bits == 32 ? "an integer from -2147483648 to 2147483647"
                                    : "an integer of 64 bits";
    case CV_TYPE_F64:
        return "a number";
    case CV_TYPE_DECIMAL:
        return column->digits == 0
                   ? "a decimal number of at most 38 digits"
                   : cv_sprintf(cx, "a decimal number of at most %u digits before and %u after the point",
                                column->digits - column->places, column->places);
    case CV_TYPE_TEXT:
        return cv_sprintf(cx, "a text of at most %zu characters", column->max_length);
    case CV_TYPE_BYTES:
        return "a sequence of bytes in hexadecimal digits after \\x, or in JSON in base64";
    case CV_TYPE_TIME:
        return "a time such as 2026-11-21T10:00:00Z";
    case CV_TYPE_DATE:
        return "a date such as 2026-11-21";
    case CV_TYPE_UUID:
        return "a UUID";
    case CV_TYPE_JSON:
        return "well-formed JSON";
    case CV_TYPE_ARRAY:
        return cv_sprintf(cx, "a JSON array of type %s", cv_type_name(column->element));
    case CV_TYPE_RANGE:
        return cv_sprintf(cx, "a range of type %s in JSON", cv_type_name(column->element));
    default:
        return "a value of this column";
    }
}

int cv__copy_text_refuse(cv_ctx *cx, int code, const char *place, const cv_copy_column *column, cv_value given)
{
    cv_buf value;
    cv_buf_init_arena(&value, cv_ctx_arena(cx), 0);
    cv_value_describe(&value, given);
    const char *wanted = expected(cx, column);
    int rc = code == CV_E_NOMEM || code == CV_E_LIMIT
                 ? cv_fail(cx, code, "%s: could not read the value: %s", place, cv_error_text(code))
                 : cv_fail(cx, code, "%s: %s is not %s", place, value.error ? "the value" : value.data,
                           wanted ? wanted : "a value of this column");
    cv_error_place(cx, NULL, NULL, column->name, NULL);
    return rc;
}

/* ---- writing ---- */

cv_decimal cv__copy_text_decimal(const cv_copy_column *column, cv_decimal value)
{
    cv_decimal padded;
    if (column->digits == 0 || value.scale >= (int32_t)column->places ||
        cv_decimal_round(value, (int32_t)column->places, &padded) < 0)
        return value;
    return padded;
}

int cv__copy_text_check(cv_ctx *cx, const cv_copy_column *column, cv_str text, int64_t row)
{
    if (cv_utf8_valid(text))
        return 0;
    int rc = cv_fail(cx, CV_E_INVALID, "cannot write row %lld, column \"%s\": the text is not valid UTF-8",
                     (long long)row, column->name);
    cv_error_place(cx, NULL, NULL, column->name, NULL);
    return rc;
}
