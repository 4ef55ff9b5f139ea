/* JSON bodies into objects: one pass over the text, every mistake collected, nothing stored in between. */
#include "base/base64.h"
#include "orm/registry.h"
#include <covet/web.h>

#include <stdarg.h>

/* What one binding carries along. `came` holds the fields that were named, `good` those that were stored. */
typedef struct binding {
    cv_ctx *cx;
    cv__model_info *model;
    void *object;
    bool partial;
    cv_json_reader reader;
    cv_fields came, good;
    cv_error_field *mistakes;
    size_t mistake_count;
} binding;

#define MAX_MISTAKES 100

static int mistake(binding *b, const char *field, const char *format, ...) CV_PRINTF(3, 4);

static int mistake(binding *b, const char *field, const char *format, ...)
{
    if (b->mistake_count == MAX_MISTAKES)
        return 0;
    va_list args;
    va_start(args, format);
    char *message = cv_arena_vprintf(cv_ctx_arena(b->cx), format, args);
    va_end(args);
    if (!message)
        return cv_fail(b->cx, CV_E_NOMEM, "could not read the body: out of memory");
    b->mistakes[b->mistake_count].field = field;
    b->mistakes[b->mistake_count].message = message;
    b->mistake_count++;
    return 0;
}

/* ---- one value by its field's type: 1 when it was read, 0 when a mistake was noted, negative on failure ---- */

static const char *event_name(cv_json_event event)
{
    switch (event) {
    case CV_JSON_NULL:
        return "null";
    case CV_JSON_BOOL:
        return "a boolean";
    case CV_JSON_NUMBER:
        return "a number";
    case CV_JSON_STRING:
        return "a string";
    case CV_JSON_ARRAY_START:
        return "an array";
    default:
        return "an object";
    }
}

static const char *wanted_name(cv_type type)
{
    switch (type) {
    case CV_TYPE_BOOL:
        return "a boolean";
    case CV_TYPE_I64:
        return "a whole number";
    case CV_TYPE_F64:
        return "a number";
    case CV_TYPE_DECIMAL:
        return "a decimal number, or a string with one";
    case CV_TYPE_TIME:
        return "a string with a time as in RFC 3339";
    case CV_TYPE_DATE:
        return "a string with a date such as 2026-11-21";
    case CV_TYPE_UUID:
        return "a string with a UUID";
    case CV_TYPE_BYTES:
        return "a string in base64";
    case CV_TYPE_ARRAY:
        return "an array";
    case CV_TYPE_RANGE:
        return "an object with a range";
    default:
        return "a string";
    }
}

static int read_number(binding *b, const cv__field_info *field, cv_value *ret_value)
{
    int rc = CV_E_TYPE;
    if (field->type.type == CV_TYPE_I64) {
        ret_value->type = CV_TYPE_I64;
        rc = cv_json_number_i64(&b->reader, &ret_value->as.i64);
    } else if (field->type.type == CV_TYPE_F64) {
        ret_value->type = CV_TYPE_F64;
        rc = cv_json_number_f64(&b->reader, &ret_value->as.f64);
    } else if (field->type.type == CV_TYPE_DECIMAL) {
        ret_value->type = CV_TYPE_DECIMAL;
        rc = cv_json_number_decimal(&b->reader, &ret_value->as.decimal);
    }
    if (rc == 0)
        return 1;
    if (rc == CV_E_RANGE)
        return mistake(b, field->key, "is out of range");
    return mistake(b, field->key, "must be %s, not a number%s", wanted_name(field->type.type),
                   field->type.type == CV_TYPE_I64 ? " with a fraction" : "");
}

static int read_bytes(binding *b, const cv__field_info *field, cv_value *ret_value)
{
    uint8_t *data = cv_alloc(b->cx, b->reader.text.len / 4 * 3 + 1);
    size_t len;
    if (!data)
        return CV_E_NOMEM;
    if (cv__base64_read(b->reader.text, data, &len) < 0)
        return mistake(b, field->key, "must be %s", wanted_name(CV_TYPE_BYTES));
    ret_value->type = CV_TYPE_BYTES;
    ret_value->as.bytes.ptr = data;
    ret_value->as.bytes.len = len;
    return 1;
}

static int read_converted(binding *b, const cv__field_info *field, cv_value *ret_value)
{
    int rc = cv_value_convert(cv_ctx_arena(b->cx), cv_value_str(b->reader.text), field->type.type, ret_value);
    if (rc == 0)
        return 1;
    if (rc == CV_E_NOMEM)
        return cv_fail(b->cx, rc, "could not read the body: out of memory");
    if (rc == CV_E_RANGE)
        return mistake(b, field->key, "is out of range");
    return mistake(b, field->key, "must be %s", wanted_name(field->type.type));
}

static int read_string(binding *b, const cv__field_info *field, cv_value *ret_value)
{
    switch (field->type.type) {
    case CV_TYPE_TEXT:
        *ret_value = cv_value_str(b->reader.text);
        return 1;
    case CV_TYPE_BYTES:
        return read_bytes(b, field, ret_value);
    case CV_TYPE_DECIMAL:
    case CV_TYPE_TIME:
    case CV_TYPE_DATE:
    case CV_TYPE_UUID:
        return read_converted(b, field, ret_value);
    default:
        return mistake(b, field->key, "must be %s, not a string", wanted_name(field->type.type));
    }
}

/* A JSON field takes any value as it is written. */
static int read_json(binding *b, cv_value *ret_value)
{
    cv_json json;
    CV_TRY(cv_json_skip(&b->reader, &json.text));
    *ret_value = cv_value_json(json);
    return 1;
}

/* Arrays and ranges, out of their text. */
static int read_packed(binding *b, const cv__field_info *field, cv_value *ret_value)
{
    cv_json json;
    CV_TRY(cv_json_skip(&b->reader, &json.text));
    int rc = cv__column_convert(cv_ctx_arena(b->cx), cv_value_json(json), &field->type, ret_value);
    if (rc == 0)
        return 1;
    if (rc == CV_E_NOMEM || rc == CV_E_LIMIT)
        return cv_fail(b->cx, rc, "could not read the body: %s", cv_error_text(rc));
    if (rc == CV_E_RANGE)
        return mistake(b, field->key, "is out of range");
    if (rc == CV_E_UNSUPPORTED)
        return mistake(b, field->key, "must have one dimension");
    return mistake(b, field->key, "must be %s of %ss", wanted_name(field->type.type),
                   cv_type_name(field->type.element));
}

static int read_value(binding *b, const cv__field_info *field, cv_value *ret_value)
{
    cv_json_event event;
    CV_TRY(cv_json_peek(&b->reader, &event));
    if (field->type.type == CV_TYPE_JSON && !(event == CV_JSON_NULL && field->null))
        return read_json(b, ret_value);
    if ((field->type.type == CV_TYPE_ARRAY && event == CV_JSON_ARRAY_START) ||
        (field->type.type == CV_TYPE_RANGE && event == CV_JSON_OBJECT_START))
        return read_packed(b, field, ret_value);
    if (event == CV_JSON_ARRAY_START || event == CV_JSON_OBJECT_START) {
        CV_TRY(cv_json_skip(&b->reader, NULL));
        return mistake(b, field->key, "must be %s, not %s", wanted_name(field->type.type), event_name(event));
    }
    CV_TRY(cv_json_next(&b->reader, &event));
    if (event == CV_JSON_NUMBER)
        return read_number(b, field, ret_value);
    if (event == CV_JSON_STRING)
        return read_string(b, field, ret_value);
    if (event == CV_JSON_BOOL && field->type.type == CV_TYPE_BOOL) {
        *ret_value = cv_value_bool(b->reader.boolean);
        return 1;
    }
    if (event == CV_JSON_NULL && field->null) {
        *ret_value = cv_value_null();
        return 1;
    }
    return mistake(b, field->key, "must be %s, not %s", wanted_name(field->type.type), event_name(event));
}

/* Store the value; what the field refuses becomes a mistake. */
static int store(binding *b, const cv__field_info *field, cv_value value)
{
    int rc = cv__field_set(b->cx, field, b->object, value);
    if (rc == 0) {
        cv_fields_add(&b->good, field->index);
        return 0;
    }
    if (rc == CV_E_NOMEM || rc == CV_E_LIMIT)
        return rc;
    cv_error_clear(b->cx);
    return mistake(b, field->key, rc == CV_E_INVALID ? "must not contain a NUL character" : "is out of range");
}

/* ---- one member of the body ---- */

/* Whether a client may set the field: not what the database or the library fills in, nor the key of what is changed. */
static bool is_settable(const binding *b, const cv__field_info *field)
{
    const cv_field *options = field->field;
    return !field->identity && !options->read_only && !options->auto_now && !options->auto_now_add &&
           !(b->partial && field->primary_key);
}

/* The key that was probably meant: of a relation its "_id", else the nearest. */
static const char *suggest(const binding *b, cv_str key)
{
    const char *names[256];
    size_t count = 0;
    for (size_t i = 0; i < b->model->field_count && count < 256; i++) {
        const cv__field_info *field = &b->model->fields[i];
        if (!is_settable(b, field) || field->field->hidden)
            continue;
        if (cv_str_equal(cv_str_of(field->name), key))
            return field->key;
        names[count++] = field->key;
    }
    return cv_str_nearest(key, names, count);
}

static int unknown_key(binding *b, cv_str key)
{
    const char *nearest = suggest(b, key);
    char *name = cv_strndup(b->cx, key.ptr, key.len < 64 ? key.len : 64);
    if (!name)
        return CV_E_NOMEM;
    CV_TRY(cv_json_skip(&b->reader, NULL));
    return nearest ? mistake(b, name, "is not a field; did you mean \"%s\"?", nearest)
                   : mistake(b, name, "is not a field");
}

/* The field that a key names, if a client may know of it. */
static cv__field_info *field_of(binding *b, cv_str key)
{
    cv__field_info *field = cv__field_find(b->model, key);
    return field && !field->field->hidden && cv_str_equal(cv_str_of(field->key), key) ? field : NULL;
}

static int bind_member(binding *b, cv_str key)
{
    cv__field_info *field = field_of(b, key);
    if (!field)
        return unknown_key(b, key);
    bool again = cv_fields_has(&b->came, field->index);
    cv_fields_add(&b->came, field->index);
    if (again || !is_settable(b, field)) {
        CV_TRY(cv_json_skip(&b->reader, NULL));
        return mistake(b, field->key, again ? "is given twice" : "cannot be set");
    }
    cv_value value;
    int rc = read_value(b, field, &value);
    return rc > 0 ? store(b, field, value) : rc;
}

static int bind_members(binding *b)
{
    cv_json_event event;
    CV_TRY(cv_json_next(&b->reader, &event));
    while (event == CV_JSON_KEY) {
        CV_TRY(bind_member(b, b->reader.text));
        CV_TRY(cv_json_next(&b->reader, &event));
    }
    return cv_json_next(&b->reader, &event); /* the end, or an error for what follows the object */
}

/* ---- what did not come ---- */

/* Saving makes a UUID key that is all zero. */
static bool is_optional(const binding *b, const cv__field_info *field)
{
    return field->null || field->field->hidden || !is_settable(b, field) ||
           (field->primary_key && field->type.type == CV_TYPE_UUID);
}

static int complete(binding *b)
{
    for (size_t i = 0; i < b->model->field_count; i++) {
        cv__field_info *field = &b->model->fields[i];
        if (cv_fields_has(&b->came, field->index))
            continue;
        if (field->has_default && !field->field->hidden && !field->field->read_only)
            CV_TRY(cv__field_set(b->cx, field, b->object, field->default_value));
        else if (!is_optional(b, field))
            CV_TRY(mistake(b, field->key, "is required"));
    }
    return 0;
}

/* The model's own rules (lengths, bounds, digits) for the fields that were stored. */
static int validate(binding *b)
{
    int rc = cv__object_validate(b->cx, b->model, b->object, &b->good);
    const cv_error *error = cv_error_last(b->cx);
    if (rc != CV_E_VALIDATION || !error)
        return rc;
    for (size_t i = 0; i < error->field_count; i++) {
        char *field = cv_strdup(b->cx, error->fields[i].field);
        if (!field)
            return CV_E_NOMEM;
        CV_TRY(mistake(b, field, "%s", error->fields[i].message));
    }
    cv_error_clear(b->cx);
    return 0;
}

static int report(binding *b)
{
    if (b->mistake_count == 0)
        return 0;
    cv_fail(b->cx, CV_E_VALIDATION, "the body has %zu unacceptable field%s", b->mistake_count,
            b->mistake_count == 1 ? "" : "s");
    for (size_t i = 0; i < b->mistake_count; i++)
        cv_error_add_field(b->cx, b->mistakes[i].field, "%s", b->mistakes[i].message);
    return CV_E_VALIDATION;
}

static int check_media_type(cv_ctx *cx, cv_request *req)
{
    cv_str type = cv_request_media_type(req);
    if (cv_str_equal(type, CV_STR("application/json")) || cv_str_ends_with(type, CV_STR("+json")))
        return 0;
    cv_fail(cx, CV_E_MEDIA_TYPE, "the body's content type must be application/json, not \"%.*s\"", CV_STR_ARG(type));
    cv_error_hint(cx, "send the header \"Content-Type: application/json\"");
    return CV_E_MEDIA_TYPE;
}

/* A body beyond the reader's limits (64 levels) is the client's doing. */
static int read_body(binding *b)
{
    cv_json_event event;
    CV_TRY(cv_json_next(&b->reader, &event));
    if (event != CV_JSON_OBJECT_START)
        return cv_fail(b->cx, CV_E_VALIDATION, "the body must be a JSON object, not %s", event_name(event));
    return bind_members(b);
}

static int blame_body(cv_ctx *cx, const binding *b, int rc)
{
    const cv_error *error = cv_error_last(cx);
    if (rc != CV_E_LIMIT || b->reader.error != CV_E_LIMIT || !error)
        return rc;
    return cv_fail(cx, CV_E_BAD_REQUEST, "cannot read the body: %s", error->message);
}

int cv__bind(cv_ctx *cx, cv_request *req, const cv_model *model, void *object, cv_fields *ret_set)
{
    CV_TRY(check_media_type(cx, req));
    binding b = {.cx = cx, .object = object, .partial = ret_set != NULL, .model = cv__model_need(cx, model)};
    if (!b.model)
        return CV_E_MODEL;
    b.mistakes = cv_zalloc(cx, MAX_MISTAKES, sizeof *b.mistakes);
    if (!b.mistakes)
        return CV_E_NOMEM;
    cv_json_reader_init(&b.reader, cx, cv_request_body(req), NULL);
    CV_TRY(blame_body(cx, &b, read_body(&b)));
    if (!b.partial)
        CV_TRY(complete(&b));
    CV_TRY(validate(&b));
    CV_TRY(report(&b));
    if (ret_set)
        *ret_set = b.good;
    return 0;
}
