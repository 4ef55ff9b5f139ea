/* Values: conversion without loss, equality, and words for messages. */
#include "base/arena.h"
#include "base/ctx.h"
#include "base/f64.h"
#include "base/number.h"

#include <covet/json.h>
#include <covet/value.h>
#include <math.h>
#include <stdio.h>

#define DESCRIBED_BYTES     ((size_t)64)
#define DESCRIBED_ELEMENTS  ((size_t)8)
#define CONVERTED_MAX_BYTES ((size_t)1 << 30)

const char *cv_type_name(cv_type type)
{
    static const char *const names[] = {
        [CV_TYPE_NULL] = "null",       [CV_TYPE_BOOL] = "boolean", [CV_TYPE_I64] = "integer", [CV_TYPE_F64] = "float",
        [CV_TYPE_DECIMAL] = "decimal", [CV_TYPE_TEXT] = "text",    [CV_TYPE_BYTES] = "bytes", [CV_TYPE_TIME] = "time",
        [CV_TYPE_DATE] = "date",       [CV_TYPE_UUID] = "uuid",    [CV_TYPE_JSON] = "json",   [CV_TYPE_ARRAY] = "array",
        [CV_TYPE_RANGE] = "range",
    };
    return (unsigned)type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

cv_value cv_value_u64(uint64_t x)
{
    if (x <= INT64_MAX)
        return cv_value_i64((int64_t)x);
    return cv_value_decimal((cv_decimal){.lo = x});
}

/* The text of a double, with words for what is not a number. */
static size_t format_f64(double value, char out[CV__F64_TEXT_BYTES])
{
    if (isfinite(value))
        return cv__f64_format(value, out);
    const char *word = isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    size_t len = strlen(word);
    memcpy(out, word, len + 1);
    return len;
}

/* The text of a scalar that is neither text nor bytes; returns its length. */
#define SCALAR_TEXT_BYTES 48
_Static_assert(CV_DECIMAL_TEXT_BYTES <= SCALAR_TEXT_BYTES && CV__F64_TEXT_BYTES <= SCALAR_TEXT_BYTES &&
                   CV_TIME_TEXT_BYTES <= SCALAR_TEXT_BYTES && CV_UUID_TEXT_BYTES <= SCALAR_TEXT_BYTES,
               "a scalar fits");
static size_t format_scalar(cv_value value, char out[SCALAR_TEXT_BYTES])
{
    switch (value.type) {
    case CV_TYPE_BOOL:
        memcpy(out, value.as.boolean ? "true" : "false", 6 - value.as.boolean);
        return 5 - value.as.boolean;
    case CV_TYPE_I64:
        return cv__i64_format(value.as.i64, out);
    case CV_TYPE_F64:
        return format_f64(value.as.f64, out);
    case CV_TYPE_DECIMAL:
        return cv_decimal_format(value.as.decimal, out);
    case CV_TYPE_TIME:
        return cv_time_format(value.as.time, out);
    case CV_TYPE_DATE:
        return cv_date_format(value.as.date, out);
    case CV_TYPE_UUID:
        return cv_uuid_format(value.as.uuid, out);
    default:
        return 0;
    }
}

static int copy_to_arena(cv_arena *arena, const void *data, size_t len, char **ret_copy)
{
    *ret_copy = cv_arena_strndup(arena, data, len);
    return *ret_copy ? 0 : arena->failure;
}

/* Arrays and ranges. */
static int to_json_text(cv_arena *arena, cv_value value, cv_str *ret_text)
{
    cv_buf text;
    cv_json_writer writer;
    cv_buf_init_arena(&text, arena, CONVERTED_MAX_BYTES);
    cv_json_writer_init(&writer, &text, 0);
    cv_json_value(&writer, value);
    *ret_text = cv_buf_str(&text);
    return text.error;
}

static int to_text(cv_arena *arena, cv_value value, cv_value *ret_value)
{
    if (value.type == CV_TYPE_ARRAY || value.type == CV_TYPE_RANGE) {
        cv_str json;
        CV_TRY(to_json_text(arena, value, &json));
        *ret_value = cv_value_str(json);
        return 0;
    }
    if (value.type == CV_TYPE_JSON) {
        *ret_value = cv_value_str(value.as.text);
        return 0;
    }
    if (value.type == CV_TYPE_BYTES) {
        cv_str text = cv_str_make((const char *)value.as.bytes.ptr, value.as.bytes.len);
        if (!cv_utf8_valid(text))
            return CV_E_TYPE;
        *ret_value = cv_value_str(text);
        return 0;
    }
    char text[SCALAR_TEXT_BYTES], *copy;
    size_t len = format_scalar(value, text);
    CV_TRY(copy_to_arena(arena, text, len, &copy));
    *ret_value = cv_value_str(cv_str_make(copy, len));
    return 0;
}

static int parse_bool(cv_str text, bool *ret_value)
{
    static const char *const words[] = {"false", "true", "f", "t", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (cv_str_equal_nocase(text, cv_str_of(words[i]))) {
            *ret_value = i & 1;
            return 0;
        }
    }
    return CV_E_SYNTAX;
}

static int to_bool(cv_value value, cv_value *ret_value)
{
    bool result = false;
    if (value.type == CV_TYPE_TEXT)
        CV_TRY(parse_bool(value.as.text, &result));
    else if (value.type != CV_TYPE_I64)
        return CV_E_TYPE;
    else if (value.as.i64 != 0 && value.as.i64 != 1)
        return CV_E_RANGE;
    else
        result = value.as.i64 == 1;
    *ret_value = cv_value_bool(result);
    return 0;
}

static int whole_of_f64(double value, int64_t *ret_value)
{
    /* -2^63 is a double, 2^63 - 1 is not: the comparison with 2^63 excludes all that is larger. NaN fails it too. */
    if (!(value >= -0x1p63 && value < 0x1p63) || value != trunc(value))
        return CV_E_RANGE;
    *ret_value = (int64_t)value;
    return 0;
}

static int to_i64(cv_value value, cv_value *ret_value)
{
    int64_t result = 0;
    switch (value.type) {
    case CV_TYPE_BOOL:
        result = value.as.boolean;
        break;
    case CV_TYPE_F64:
        CV_TRY(whole_of_f64(value.as.f64, &result));
        break;
    case CV_TYPE_DECIMAL:
        CV_TRY(cv_decimal_to_scaled(value.as.decimal, 0, &result));
        break;
    case CV_TYPE_TEXT:
        CV_TRY(cv_str_to_i64(value.as.text, &result));
        break;
    default:
        return CV_E_TYPE;
    }
    *ret_value = cv_value_i64(result);
    return 0;
}

/* The decimal that the double's shortest text stands for. */
static int decimal_of_f64(double value, cv_decimal *ret_value)
{
    char text[CV__F64_TEXT_BYTES];
    if (!isfinite(value))
        return CV_E_RANGE;
    return cv_decimal_parse(cv_str_make(text, cv__f64_format(value, text)), ret_value);
}

/* A decimal becomes a double when the double's own text is that decimal: 0.1 does, 38 digits of pi do not. */
static int f64_of_decimal(cv_decimal value, double *ret_value)
{
    double nearest = cv_decimal_to_f64(value);
    cv_decimal back;
    CV_TRY(decimal_of_f64(nearest, &back));
    if (cv_decimal_compare(value, back) != 0)
        return CV_E_RANGE;
    *ret_value = nearest;
    return 0;
}

static int f64_of_i64(int64_t value, double *ret_value)
{
    double nearest = (double)value;
    int64_t back;
    CV_TRY(whole_of_f64(nearest, &back));
    if (back != value)
        return CV_E_RANGE;
    *ret_value = nearest;
    return 0;
}

static int to_f64(cv_value value, cv_value *ret_value)
{
    double result = 0;
    switch (value.type) {
    case CV_TYPE_I64:
        CV_TRY(f64_of_i64(value.as.i64, &result));
        break;
    case CV_TYPE_DECIMAL:
        CV_TRY(f64_of_decimal(value.as.decimal, &result));
        break;
    case CV_TYPE_TEXT:
        CV_TRY(cv_str_to_f64(value.as.text, &result));
        break;
    default:
        return CV_E_TYPE;
    }
    *ret_value = cv_value_f64(result);
    return 0;
}

static int to_decimal(cv_value value, cv_value *ret_value)
{
    cv_decimal result = {0};
    switch (value.type) {
    case CV_TYPE_I64:
        result = cv_decimal_from_i64(value.as.i64);
        break;
    case CV_TYPE_F64:
        CV_TRY(decimal_of_f64(value.as.f64, &result));
        break;
    case CV_TYPE_TEXT:
        CV_TRY(cv_decimal_parse(value.as.text, &result));
        break;
    default:
        return CV_E_TYPE;
    }
    *ret_value = cv_value_decimal(result);
    return 0;
}

static int to_bytes(cv_arena *arena, cv_value value, cv_value *ret_value)
{
    cv_bytes bytes = {(const uint8_t *)value.as.text.ptr, value.as.text.len};
    if (value.type == CV_TYPE_UUID) {
        char *copy;
        CV_TRY(copy_to_arena(arena, value.as.uuid.bytes, sizeof value.as.uuid.bytes, &copy));
        bytes = (cv_bytes){(const uint8_t *)copy, sizeof value.as.uuid.bytes};
    } else if (value.type != CV_TYPE_TEXT && value.type != CV_TYPE_JSON) {
        return CV_E_TYPE;
    }
    *ret_value = cv_value_bytes(bytes);
    return 0;
}

static int to_time(cv_value value, cv_value *ret_value)
{
    cv_time result = {0};
    if (value.type == CV_TYPE_TEXT)
        CV_TRY(cv_time_parse(value.as.text, &result));
    else if (value.type == CV_TYPE_DATE)
        result = cv_date_to_time(value.as.date);
    else
        return CV_E_TYPE;
    *ret_value = cv_value_time(result);
    return 0;
}

static int to_date(cv_value value, cv_value *ret_value)
{
    cv_date result = {0};
    if (value.type == CV_TYPE_TEXT)
        CV_TRY(cv_date_parse(value.as.text, &result));
    else if (value.type != CV_TYPE_TIME)
        return CV_E_TYPE;
    else if (cv_date_to_time(cv_date_of(value.as.time)).us != value.as.time.us)
        return CV_E_RANGE;
    else
        result = cv_date_of(value.as.time);
    *ret_value = cv_value_date(result);
    return 0;
}

static int to_uuid(cv_value value, cv_value *ret_value)
{
    cv_uuid result;
    if (value.type == CV_TYPE_TEXT) {
        CV_TRY(cv_uuid_parse(value.as.text, &result));
    } else if (value.type == CV_TYPE_BYTES) {
        if (value.as.bytes.len != sizeof result.bytes)
            return CV_E_RANGE;
        memcpy(result.bytes, value.as.bytes.ptr, sizeof result.bytes);
    } else {
        return CV_E_TYPE;
    }
    *ret_value = cv_value_uuid(result);
    return 0;
}

static int to_json(cv_arena *arena, cv_value value, cv_value *ret_value)
{
    if (value.type == CV_TYPE_ARRAY || value.type == CV_TYPE_RANGE) {
        cv_json json;
        CV_TRY(to_json_text(arena, value, &json.text));
        *ret_value = cv_value_json(json);
        return 0;
    }
    if (value.type != CV_TYPE_TEXT)
        return CV_E_TYPE;
    cv_ctx checking; /* the checker tells a story; nobody here can hear it */
    cv__ctx_init(&checking, arena);
    int rc = cv_json_check(&checking, value.as.text, NULL);
    cv_arena_free(checking.error_arena);
    CV_TRY(rc);
    *ret_value = cv_value_json((cv_json){value.as.text});
    return 0;
}

int cv_value_convert(cv_arena *arena, cv_value value, cv_type wanted, cv_value *ret_value)
{
    if (value.type == wanted || value.type == CV_TYPE_NULL) {
        *ret_value = value;
        return 0;
    }
    switch (wanted) {
    case CV_TYPE_BOOL:
        return to_bool(value, ret_value);
    case CV_TYPE_I64:
        return to_i64(value, ret_value);
    case CV_TYPE_F64:
        return to_f64(value, ret_value);
    case CV_TYPE_DECIMAL:
        return to_decimal(value, ret_value);
    case CV_TYPE_TEXT:
        return to_text(arena, value, ret_value);
    case CV_TYPE_BYTES:
        return to_bytes(arena, value, ret_value);
    case CV_TYPE_TIME:
        return to_time(value, ret_value);
    case CV_TYPE_DATE:
        return to_date(value, ret_value);
    case CV_TYPE_UUID:
        return to_uuid(value, ret_value);
    case CV_TYPE_JSON:
        return to_json(arena, value, ret_value);
    case CV_TYPE_NULL:
    default:
        return CV_E_TYPE;
    }
}

static bool bytes_equal(cv_bytes a, cv_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static bool arrays_equal(cv_array_view a, cv_array_view b)
{
    if (a.element != b.element || a.count != b.count)
        return false;
    for (size_t i = 0; i < a.count; i++)
        if (!cv_value_equal(cv_array_at(a, i), cv_array_at(b, i)))
            return false;
    return true;
}

static bool ranges_equal(cv_range_view a, cv_range_view b)
{
    return a.element == b.element && a.flags == b.flags && cv_value_equal(cv_range_lower(a), cv_range_lower(b)) &&
           cv_value_equal(cv_range_upper(a), cv_range_upper(b));
}

bool cv_value_equal(cv_value a, cv_value b)
{
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case CV_TYPE_NULL:
        return true;
    case CV_TYPE_BOOL:
        return a.as.boolean == b.as.boolean;
    case CV_TYPE_I64:
        return a.as.i64 == b.as.i64;
    case CV_TYPE_F64:
        return a.as.f64 == b.as.f64 || (isnan(a.as.f64) && isnan(b.as.f64));
    case CV_TYPE_DECIMAL:
        return cv_decimal_compare(a.as.decimal, b.as.decimal) == 0;
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        return cv_str_equal(a.as.text, b.as.text);
    case CV_TYPE_BYTES:
        return bytes_equal(a.as.bytes, b.as.bytes);
    case CV_TYPE_TIME:
        return a.as.time.us == b.as.time.us;
    case CV_TYPE_DATE:
        return a.as.date.days == b.as.date.days;
    case CV_TYPE_UUID:
        return cv_uuid_compare(a.as.uuid, b.as.uuid) == 0;
    case CV_TYPE_ARRAY:
        return arrays_equal(a.as.array, b.as.array);
    case CV_TYPE_RANGE:
        return ranges_equal(a.as.range, b.as.range);
    default:
        return false;
    }
}

/* In quotes, on one line, cut between characters. */
static void describe_text(cv_buf *out, cv_str text)
{
    size_t shown = text.len < DESCRIBED_BYTES ? text.len : DESCRIBED_BYTES;
    while (shown > 0 && shown < text.len && ((unsigned char)text.ptr[shown] & 0xC0) == 0x80)
        shown--;
    cv_buf_add_char(out, '"');
    for (size_t i = 0; i < shown; i++) {
        char c = text.ptr[i];
        if (c == '"' || c == '\\')
            cv_buf_printf(out, "\\%c", c);
        else if ((unsigned char)c < 0x20 || c == 0x7F)
            cv_buf_printf(out, "\\x%02x", (unsigned char)c);
        else
            cv_buf_add_char(out, c);
    }
    cv_buf_add_text(out, shown < text.len ? "...\"" : "\"");
}

static void describe_bytes(cv_buf *out, cv_bytes bytes)
{
    size_t shown = bytes.len < DESCRIBED_BYTES / 2 ? bytes.len : DESCRIBED_BYTES / 2;
    cv_buf_add_text(out, "0x");
    for (size_t i = 0; i < shown; i++)
        cv_buf_printf(out, "%02x", bytes.ptr[i]);
    if (shown < bytes.len)
        cv_buf_add_text(out, "...");
}

static void describe_array(cv_buf *out, cv_array_view array)
{
    cv_buf_add_char(out, '[');
    for (size_t i = 0; i < array.count && i < DESCRIBED_ELEMENTS; i++) {
        cv_buf_add_text(out, i ? ", " : "");
        cv_value_describe(out, cv_array_at(array, i));
    }
    cv_buf_add_text(out, array.count > DESCRIBED_ELEMENTS ? ", ...]" : "]");
}

static void describe_bound(cv_buf *out, cv_value value)
{
    if (value.type != CV_TYPE_NULL)
        cv_value_describe(out, value);
}

static void describe_range(cv_buf *out, cv_range_view range)
{
    if (range.flags & CV_RANGE_EMPTY) {
        cv_buf_add_text(out, "empty");
        return;
    }
    cv_buf_add_char(out, range.flags & CV_RANGE_LOWER_INCLUSIVE ? '[' : '(');
    describe_bound(out, cv_range_lower(range));
    cv_buf_add_char(out, ',');
    describe_bound(out, cv_range_upper(range));
    cv_buf_add_char(out, range.flags & CV_RANGE_UPPER_INCLUSIVE ? ']' : ')');
}

void cv_value_describe(cv_buf *out, cv_value value)
{
    char text[SCALAR_TEXT_BYTES];
    switch (value.type) {
    case CV_TYPE_NULL:
        cv_buf_add_text(out, "null");
        break;
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        describe_text(out, value.as.text);
        break;
    case CV_TYPE_BYTES:
        describe_bytes(out, value.as.bytes);
        break;
    case CV_TYPE_ARRAY:
        describe_array(out, value.as.array);
        break;
    case CV_TYPE_RANGE:
        describe_range(out, value.as.range);
        break;
    default:
        cv_buf_add(out, text, format_scalar(value, text));
        break;
    }
}
