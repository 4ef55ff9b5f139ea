#include "sql/dialect_common.h"
#include "base/packed.h"

#include <covet/json.h>
#include <stdio.h>
#include <stdlib.h>

static bool parse_small(cv_str text, uint64_t max, uint64_t *ret_number)
{
    return cv_str_to_u64(cv_str_trim(text), ret_number) == 0 && *ret_number <= max;
}

/* "n" or "d, p" between the parentheses. */
static bool parse_arguments(cv_str arguments, cv__column_type *type)
{
    cv_str rest = arguments, part;
    uint64_t numbers[2] = {0, 0};
    size_t count = 0;
    while (cv_str_split(&rest, ',', &part)) {
        if (count == 2 || !parse_small(part, count == 0 ? UINT32_MAX : UINT16_MAX, &numbers[count]))
            return false;
        count++;
    }
    if (type->type == CV_TYPE_TEXT) {
        type->max_length = (uint32_t)numbers[0];
        return count == 1;
    }
    if (type->type == CV_TYPE_DECIMAL) {
        if (numbers[0] > UINT16_MAX || numbers[1] > numbers[0])
            return false;
        type->digits = (uint16_t)numbers[0];
        type->places = (uint16_t)numbers[1];
    }
    return true;
}

bool cv__parse_type(const cv__type_name *names, size_t count, cv_str declared, cv__column_type *ret_type)
{
    cv_str name = cv_str_trim(declared), arguments = {NULL, 0};
    ptrdiff_t open = cv_str_find_char(name, '(');
    if (open >= 0) {
        if (!cv_str_ends_with(name, CV_STR(")")))
            return false;
        arguments = cv_str_sub(name, (size_t)open + 1, name.len - (size_t)open - 2);
        name = cv_str_trim(cv_str_sub(name, 0, (size_t)open));
    }
    for (size_t i = 0; i < count; i++) {
        if (!cv_str_equal_nocase(name, cv_str_of(names[i].name)))
            continue;
        cv__column_type type = {.type = names[i].type, .bits = names[i].bits};
        if (arguments.ptr && !parse_arguments(arguments, &type))
            return false;
        *ret_type = type;
        return true;
    }
    return false;
}

void cv__add_in_quotes(cv_buf *out, cv_str text, char quote)
{
    cv_buf_add_char(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote)
            cv_buf_add_char(out, quote);
        cv_buf_add_char(out, text.ptr[i]);
    }
    cv_buf_add_char(out, quote);
}

void cv__add_quoted(cv_buf *out, cv_str text)
{
    cv__add_in_quotes(out, text, '\'');
}

void cv__add_hex(cv_buf *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        cv_buf_add_char(out, digits[bytes[i] >> 4]);
        cv_buf_add_char(out, digits[bytes[i] & 15]);
    }
}

void cv__add_float(cv_buf *out, double value)
{
    char text[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    cv_buf_add_text(out, text);
    if (!strpbrk(text, ".e"))
        cv_buf_add_text(out, ".0");
}

bool cv__decimal_fits(cv_decimal value, const cv__column_type *type)
{
    int before, after;
    cv_decimal_digits(value, &before, &after);
    return after <= type->places && before <= type->digits - type->places;
}

bool cv__packed_storable(cv_value value, const cv__column_type *type)
{
    if (!type || !type->digits)
        return true;
    if (value.type == CV_TYPE_RANGE) {
        cv_value lower = cv_range_lower(value.as.range), upper = cv_range_upper(value.as.range);
        return (lower.type != CV_TYPE_DECIMAL || cv__decimal_fits(lower.as.decimal, type)) &&
               (upper.type != CV_TYPE_DECIMAL || cv__decimal_fits(upper.as.decimal, type));
    }
    for (size_t i = 0; i < value.as.array.count; i++) {
        cv_value element = cv_array_at(value.as.array, i);
        if (element.type == CV_TYPE_DECIMAL && !cv__decimal_fits(element.as.decimal, type))
            return false;
    }
    return true;
}

bool cv__packed_is_utf8(cv_value value)
{
    if (value.type != CV_TYPE_ARRAY || value.as.array.element != CV_TYPE_TEXT)
        return true;
    for (size_t i = 0; i < value.as.array.count; i++) {
        cv_value element = cv_array_at(value.as.array, i);
        if (element.type == CV_TYPE_TEXT && !cv_utf8_valid(element.as.text))
            return false;
    }
    return true;
}

int cv__column_convert(cv_arena *arena, cv_value value, const cv__column_type *type, cv_value *ret_value)
{
    unsigned bits = type->element == CV_TYPE_I64 && !type->bits ? 64 : type->bits;
    if (value.type == CV_TYPE_NULL || (type->type != CV_TYPE_ARRAY && type->type != CV_TYPE_RANGE))
        return cv_value_convert(arena, value, type->type, ret_value);
    if (value.type == CV_TYPE_TEXT || value.type == CV_TYPE_JSON)
        return type->type == CV_TYPE_ARRAY ? cv__array_parse(arena, value.as.text, type->element, bits, ret_value)
                                           : cv__range_parse(arena, value.as.text, type->element, bits, ret_value);
    if (value.type != type->type)
        return CV_E_TYPE;
    CV_TRY(cv__packed_fit(arena, type->element, bits, &value));
    *ret_value = value;
    return 0;
}

/* As a JSON text. What is no UTF-8 would be another text there. */
int cv__store_as_json(cv_arena *arena, cv_value value, const cv__column_type *type, cv_value *ret_stored)
{
    if (!cv__packed_storable(value, type))
        return CV_E_RANGE;
    if (value.type == CV_TYPE_RANGE)
        CV_TRY(cv__range_normal(arena, value.as.range, &value.as.range));
    CV_TRY(cv_value_convert(arena, value, CV_TYPE_TEXT, ret_stored));
    return cv__packed_is_utf8(value) ? 0 : CV_E_INVALID;
}

void cv__add_blob(cv_buf *out, const uint8_t *bytes, size_t len)
{
    cv_buf_add_text(out, "x'");
    cv__add_hex(out, bytes, len);
    cv_buf_add_char(out, '\'');
}

/* An array or range as a JSON text in quotes. */
static void add_json(cv_buf *out, cv_value value)
{
    cv_buf json;
    cv_json_writer writer;
    cv_buf_init(&json, 0);
    cv_json_writer_init(&writer, &json, 0);
    cv_json_value(&writer, value);
    cv__add_quoted(out, cv_buf_str(&json));
    if (json.error && !out->error)
        out->error = json.error;
    cv_buf_done(&json);
}

void cv__add_plain_literal(cv_buf *out, cv_value value)
{
    char text[CV_DECIMAL_TEXT_BYTES];
    switch (value.type) {
    case CV_TYPE_NULL:
        cv_buf_add_text(out, "NULL");
        break;
    case CV_TYPE_BOOL:
        cv_buf_add_char(out, value.as.boolean ? '1' : '0');
        break;
    case CV_TYPE_I64:
        cv_buf_add_i64(out, value.as.i64);
        break;
    case CV_TYPE_F64:
        cv__add_float(out, value.as.f64);
        break;
    case CV_TYPE_DECIMAL:
        cv_buf_add(out, text, cv_decimal_format(value.as.decimal, text));
        break;
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        cv__add_quoted(out, value.as.text);
        break;
    case CV_TYPE_BYTES:
        cv__add_blob(out, value.as.bytes.ptr, value.as.bytes.len);
        break;
    case CV_TYPE_TIME:
        cv__add_quoted(out, cv_str_make(text, cv_time_format(value.as.time, text)));
        break;
    case CV_TYPE_DATE:
        cv__add_quoted(out, cv_str_make(text, cv_date_format(value.as.date, text)));
        break;
    case CV_TYPE_UUID:
        cv__add_quoted(out, cv_str_make(text, cv_uuid_format(value.as.uuid, text)));
        break;
    case CV_TYPE_ARRAY:
    case CV_TYPE_RANGE:
        add_json(out, value);
        break;
    }
}

bool cv__lookup_ignores_case(cv__lookup lookup)
{
    return lookup == CV__IEXACT || lookup == CV__ICONTAINS || lookup == CV__ISTARTSWITH || lookup == CV__IENDSWITH;
}

bool cv__lookup_is_equality(cv__lookup lookup)
{
    return lookup == CV__IEXACT || lookup == CV__EXACT;
}

void cv__add_like_lookup(cv_buf *out, const cv__dialect *dialect, const char *upper_end, cv__lookup lookup, cv_str left,
                         size_t index)
{
    bool upper = cv__lookup_ignores_case(lookup);
    cv_buf_add_text(out, upper ? "UPPER(" : "");
    cv_buf_add_str(out, left);
    cv_buf_add_text(out, upper ? upper_end : "");
    cv_buf_add_text(out, cv__lookup_is_equality(lookup) ? " = " : " LIKE ");
    cv_buf_add_text(out, upper ? "UPPER(" : "");
    dialect->add_placeholder(out, index);
    cv_buf_add_text(out, upper ? upper_end : "");
}

int cv__like_pattern(cv_arena *arena, cv__lookup lookup, cv_str text, char escape, cv_value *ret_value)
{
    bool open_left =
        lookup == CV__CONTAINS || lookup == CV__ICONTAINS || lookup == CV__ENDSWITH || lookup == CV__IENDSWITH;
    bool open_right =
        lookup == CV__CONTAINS || lookup == CV__ICONTAINS || lookup == CV__STARTSWITH || lookup == CV__ISTARTSWITH;
    if (!open_left && !open_right) {
        *ret_value = cv_value_str(text);
        return 0;
    }
    cv_buf pattern;
    cv_buf_init_arena(&pattern, arena, 0);
    if (open_left)
        cv_buf_add_char(&pattern, '%');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%' || text.ptr[i] == '_' || text.ptr[i] == escape)
            cv_buf_add_char(&pattern, escape);
        cv_buf_add_char(&pattern, text.ptr[i]);
    }
    if (open_right)
        cv_buf_add_char(&pattern, '%');
    if (pattern.error)
        return pattern.error;
    *ret_value = cv_value_str(cv_buf_str(&pattern));
    return 0;
}
