/* Whether values may be stored: asked before anything is sent, so that a reply can name every bad field at once. The
 * database's own constraints say the same where it knows them. */
#include "orm/registry.h"
#include <covet/json.h>
#include <math.h>
#include <stdio.h>

int cv__value_compare(cv_value a, cv_value b)
{
    switch (a.type) {
    case CV_TYPE_I64:
        return (a.as.i64 > b.as.i64) - (a.as.i64 < b.as.i64);
    case CV_TYPE_F64:
        return (a.as.f64 > b.as.f64) - (a.as.f64 < b.as.f64);
    case CV_TYPE_DECIMAL:
        return cv_decimal_compare(a.as.decimal, b.as.decimal);
    case CV_TYPE_TIME:
        return (a.as.time.us > b.as.time.us) - (a.as.time.us < b.as.time.us);
    case CV_TYPE_DATE:
        return (a.as.date.days > b.as.date.days) - (a.as.date.days < b.as.date.days);
    default:
        return cv_str_compare(a.as.text, b.as.text);
    }
}

#define REFUSE(...) (snprintf(message, CV__MESSAGE_BYTES, __VA_ARGS__), false)

static bool text_acceptable(const cv__field_info *field, cv_str text, char *message)
{
    if (!cv_utf8_valid(text))
        return REFUSE("must be valid UTF-8");
    if (memchr(text.ptr, '\0', text.len))
        return REFUSE("must not contain a NUL character");
    if (field->max_length && text.len > field->max_length && cv_utf8_length(text) > field->max_length)
        return REFUSE("must be at most %u characters long", field->max_length);
    return true;
}

static bool decimal_acceptable(const cv__field_info *field, cv_decimal value, char *message)
{
    int before, after;
    cv_decimal_digits(value, &before, &after);
    if (after > field->type.places)
        return REFUSE("must have at most %u digits after the point", field->type.places);
    if (before > field->type.digits - field->type.places)
        return REFUSE("must have at most %d digits before the point", field->type.digits - field->type.places);
    return true;
}

static bool json_acceptable(cv_ctx *cx, cv_str text, char *message)
{
    cv_error *first = cv_error_take(cx);
    bool good = cv_json_check(cx, text, NULL) == 0;
    if (!good) {
        const cv_error *error = cv_error_last(cx);
        snprintf(message, CV__MESSAGE_BYTES, "must be JSON: %s", error ? error->message : "malformed");
        cv_error_clear(cx);
    }
    cv_error_put_back(cx, first);
    return good;
}

static bool integer_acceptable(const cv__field_info *field, int64_t value, char *message)
{
    if (field->type.bits == 16 && (value < INT16_MIN || value > INT16_MAX))
        return REFUSE("must be between %d and %d", INT16_MIN, INT16_MAX);
    if (field->type.bits == 32 && (value < INT32_MIN || value > INT32_MAX))
        return REFUSE("must be between %d and %d", INT32_MIN, INT32_MAX);
    return true;
}

static bool type_acceptable(cv_ctx *cx, const cv__field_info *field, cv_value value, char *message)
{
    switch (value.type) {
    case CV_TYPE_I64:
        return integer_acceptable(field, value.as.i64, message);
    case CV_TYPE_F64:
        return isfinite(value.as.f64) ? true : REFUSE("must be a finite number");
    case CV_TYPE_DECIMAL:
        return decimal_acceptable(field, value.as.decimal, message);
    case CV_TYPE_TEXT:
        return text_acceptable(field, value.as.text, message);
    case CV_TYPE_BYTES:
        if (field->max_length && value.as.bytes.len > field->max_length)
            return REFUSE("must be at most %u bytes long", field->max_length);
        return true;
    case CV_TYPE_JSON:
        return json_acceptable(cx, value.as.text, message);
    case CV_TYPE_TIME:
        if (value.as.time.us < CV_TIME_MIN_US || value.as.time.us > CV_TIME_MAX_US)
            return REFUSE("must be between the years 1 and 9999");
        return true;
    case CV_TYPE_DATE:
        if (value.as.date.days < cv_date_of((cv_time){CV_TIME_MIN_US}).days ||
            value.as.date.days > cv_date_of((cv_time){CV_TIME_MAX_US}).days)
            return REFUSE("must be between the years 1 and 9999");
        return true;
    default:
        return true;
    }
}

/* Each element, and a range as a whole. */
static bool packed_acceptable(cv_ctx *cx, const cv__field_info *field, cv_value value, char *message)
{
    if (value.type == CV_TYPE_RANGE) {
        cv_value lower = cv_range_lower(value.as.range), upper = cv_range_upper(value.as.range);
        if (lower.type != CV_TYPE_NULL && upper.type != CV_TYPE_NULL && cv__value_compare(lower, upper) > 0)
            return REFUSE("must not begin behind its end");
        return (lower.type == CV_TYPE_NULL || type_acceptable(cx, field, lower, message)) &&
               (upper.type == CV_TYPE_NULL || type_acceptable(cx, field, upper, message));
    }
    for (size_t i = 0; i < value.as.array.count; i++) {
        cv_value element = cv_array_at(value.as.array, i);
        if (element.type != CV_TYPE_NULL && !type_acceptable(cx, field, element, message))
            return false;
    }
    return true;
}

bool cv__value_acceptable(cv_ctx *cx, const cv__field_info *field, cv_value value, char message[CV__MESSAGE_BYTES])
{
    if (value.type == CV_TYPE_NULL)
        return field->null ? true : REFUSE("must not be null");
    bool packed = value.type == CV_TYPE_ARRAY || value.type == CV_TYPE_RANGE;
    if (packed ? !packed_acceptable(cx, field, value, message) : !type_acceptable(cx, field, value, message))
        return false;
    if (field->min.type != CV_TYPE_NULL && cv__value_compare(value, field->min) < 0)
        return REFUSE("must be at least %s", field->field->min);
    if (field->max.type != CV_TYPE_NULL && cv__value_compare(value, field->max) > 0)
        return REFUSE("must be at most %s", field->field->max);
    return true;
}

int cv__object_validate(cv_ctx *cx, const cv__model_info *model, const void *object, const cv_fields *set)
{
    char message[CV__MESSAGE_BYTES];
    int rc = 0;
    for (size_t i = 0; i < model->field_count; i++) {
        const cv__field_info *field = &model->fields[i];
        if ((set && !cv_fields_has(set, i)) || cv__value_acceptable(cx, field, cv__field_get(field, object), message))
            continue;
        if (rc == 0) {
            rc = cv_fail(cx, CV_E_VALIDATION, "the \"%s\" has unacceptable values, first \"%s\": %s",
                         model->model->name, field->key, message);
            cv_error_place(cx, NULL, model->model->table, field->column, NULL);
        }
        cv_error_add_field(cx, field->key, "%s", message);
    }
    return rc;
}
