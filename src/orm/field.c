#include "orm/member.h"
#include "orm/registry.h"

const char *const cv__lookup_names[CV__LOOKUP_COUNT] = {
    "exact", "iexact", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith",
    "in",    "gt",     "gte",      "lt",        "lte",        "range",       "isnull"};

bool cv__lookup_find(cv_str name, cv__lookup *ret_lookup)
{
    for (size_t i = 0; i < CV__LOOKUP_COUNT; i++)
        if (cv_str_equal(name, cv_str_of(cv__lookup_names[i]))) {
            *ret_lookup = (cv__lookup)i;
            return true;
        }
    return false;
}

cv__field_info *cv__field_find(const cv__model_info *model, cv_str name)
{
    return cv_map_get(model->by_name, name);
}

cv__field_info *cv__field_need(cv_ctx *cx, const cv__model_info *model, cv_str name)
{
    cv__field_info *field = cv__field_find(model, name);
    if (field)
        return field;
    (void)cv_fail(cx, CV_E_FIELD, "model \"%s\" has no field \"%.*s\"", model->model->name, CV_STR_ARG(name));
    const char *nearest = cv_str_nearest(name, model->names, model->field_count);
    if (nearest)
        cv_error_hint(cx, "did you mean \"%s\"?", nearest);
    return NULL;
}

int cv__fields_of(cv_ctx *cx, const cv_model *model, cv_fields *set, const char *const *names)
{
    cv__model_info *info = cv__model_need(cx, model);
    if (!info)
        return CV_E_MODEL;
    cv_fields added = *set;
    for (; *names; names++) {
        cv__field_info *field = cv__field_need(cx, info, cv_str_of(*names));
        if (!field)
            return CV_E_FIELD;
        cv_fields_add(&added, field->index);
    }
    *set = added;
    return 0;
}

cv_value cv__field_get(const cv__field_info *field, const void *object)
{
    return cv__member_get(field->field->member, (const char *)object + field->field->offset);
}

const void *cv__field_related(const cv__field_info *field, const void *object)
{
    const void *related;
    memcpy(&related, (const char *)object + field->field->pointer_offset, sizeof related);
    return related;
}

/* ---- writing a member ---- */

static bool has_text(cv_type type)
{
    return type == CV_TYPE_TEXT || type == CV_TYPE_JSON || type == CV_TYPE_BYTES;
}

static int wrong_value(cv_ctx *cx, const cv__field_info *field, int code)
{
    return cv_fail(cx, code, "the field \"%s\" of model \"%s\" cannot take the value: %s", field->name,
                   field->model->model->name, cv_error_text(code));
}

/* The value's text in the context's arena. */
static int own_text(cv_ctx *cx, const cv__field_info *field, cv_value *value)
{
    cv_str text = value->as.text;
    if (field->field->member == CV_MEMBER_CHARS && memchr(text.ptr, '\0', text.len))
        return cv_fail(cx, CV_E_INVALID, "the field \"%s\" of model \"%s\" cannot hold a NUL byte", field->name,
                       field->model->model->name);
    char *copy = cv_strndup(cx, text.ptr, text.len);
    if (!copy)
        return CV_E_NOMEM;
    value->as.text.ptr = copy;
    return 0;
}

static bool fits_integer(const cv__field_info *field, int64_t value)
{
    switch (cv__member_base(field->field->member)) {
    case CV_MEMBER_I16:
        return value >= INT16_MIN && value <= INT16_MAX;
    case CV_MEMBER_I32:
        return value >= INT32_MIN && value <= INT32_MAX;
    default:
        return true;
    }
}

int cv__field_set(cv_ctx *cx, const cv__field_info *field, void *object, cv_value value)
{
    if (value.type == CV_TYPE_NULL && !field->null)
        return cv_fail(cx, CV_E_NOT_NULL, "the field \"%s\" of model \"%s\" cannot be NULL", field->name,
                       field->model->model->name);
    cv_value wanted;
    int rc = cv__column_convert(cv_ctx_arena(cx), value, &field->type, &wanted);
    if (rc < 0)
        return wrong_value(cx, field, rc);
    if (wanted.type == CV_TYPE_I64 && !fits_integer(field, wanted.as.i64))
        return wrong_value(cx, field, CV_E_RANGE);
    if (has_text(wanted.type))
        CV_TRY(own_text(cx, field, &wanted));
    cv__member_put(field->field->member, (char *)object + field->field->offset, wanted);
    return 0;
}
