#include "orm/compile.h"

#include "base/json_writer.h"

#define ABOUT(info, f) (info)->model->name, (f)->name

static bool is_meta(cv_field_kind kind)
{
    return kind >= CV_META_INDEX;
}

static bool is_array(cv_member member)
{
    return member >= CV_MEMBER_BOOL_ARRAY && member <= CV_MEMBER_UUID_ARRAY;
}

/* NULL by their pointer. */
static bool is_text_like(cv_member member)
{
    cv_member base = cv__member_base(member);
    return base == CV_MEMBER_STR || base == CV_MEMBER_BYTES || base == CV_MEMBER_JSON || is_array(base);
}

/* The type of what an array or range is made of. */
static void set_element(const cv_field *f, cv__column_type *type)
{
    static const struct {
        cv_member member;
        cv_type element;
        uint16_t bits;
    } elements[] = {
        {CV_MEMBER_BOOL_ARRAY, CV_TYPE_BOOL, 0},       {CV_MEMBER_I16_ARRAY, CV_TYPE_I64, 16},
        {CV_MEMBER_I32_ARRAY, CV_TYPE_I64, 32},        {CV_MEMBER_I64_ARRAY, CV_TYPE_I64, 64},
        {CV_MEMBER_F64_ARRAY, CV_TYPE_F64, 0},         {CV_MEMBER_DECIMAL_ARRAY, CV_TYPE_DECIMAL, 0},
        {CV_MEMBER_STR_ARRAY, CV_TYPE_TEXT, 0},        {CV_MEMBER_TIME_ARRAY, CV_TYPE_TIME, 0},
        {CV_MEMBER_DATE_ARRAY, CV_TYPE_DATE, 0},       {CV_MEMBER_UUID_ARRAY, CV_TYPE_UUID, 0},
        {CV_MEMBER_I32_RANGE, CV_TYPE_I64, 32},        {CV_MEMBER_I64_RANGE, CV_TYPE_I64, 64},
        {CV_MEMBER_DECIMAL_RANGE, CV_TYPE_DECIMAL, 0}, {CV_MEMBER_TIME_RANGE, CV_TYPE_TIME, 0},
        {CV_MEMBER_DATE_RANGE, CV_TYPE_DATE, 0},
    };
    cv_member base = cv__member_base(f->member);
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        if (elements[i].member != base)
            continue;
        type->element = elements[i].element;
        type->bits = elements[i].bits;
    }
    if (type->element == CV_TYPE_DECIMAL) {
        type->digits = f->digits;
        type->places = f->places;
    }
}

static cv__column_type own_type(const cv_field *f)
{
    cv__column_type type = {.type = CV_TYPE_I64};
    switch (f->kind) {
    case CV_FIELD_CHAR:
        type = (cv__column_type){.type = CV_TYPE_TEXT, .max_length = f->max_length};
        break;
    case CV_FIELD_TEXT:
        type.type = CV_TYPE_TEXT;
        break;
    case CV_FIELD_BOOLEAN:
        type.type = CV_TYPE_BOOL;
        break;
    case CV_FIELD_INTEGER:
        type.bits = cv__member_base(f->member) == CV_MEMBER_I16   ? 16
                    : cv__member_base(f->member) == CV_MEMBER_I32 ? 32
                                                                  : 64;
        break;
    case CV_FIELD_FLOAT:
        type.type = CV_TYPE_F64;
        break;
    case CV_FIELD_DECIMAL:
        type = (cv__column_type){.type = CV_TYPE_DECIMAL, .digits = f->digits, .places = f->places};
        break;
    case CV_FIELD_DATETIME:
        type.type = CV_TYPE_TIME;
        break;
    case CV_FIELD_DATE:
        type.type = CV_TYPE_DATE;
        break;
    case CV_FIELD_UUID:
        type.type = CV_TYPE_UUID;
        break;
    case CV_FIELD_JSON:
        type.type = CV_TYPE_JSON;
        break;
    case CV_FIELD_BINARY:
        type.type = CV_TYPE_BYTES;
        break;
    case CV_FIELD_ARRAY:
    case CV_FIELD_RANGE:
        type.type = f->kind == CV_FIELD_ARRAY ? CV_TYPE_ARRAY : CV_TYPE_RANGE;
        set_element(f, &type);
        break;
    default:
        type.bits = 64;
        break;
    }
    return type;
}

/* ---- pass 1 ---- */

static void check_options(cv__compile *c, const cv__model_info *info, const cv_field *f)
{
    if (f->kind == CV_FIELD_CHAR && !f->max_length)
        cv__finding(c->findings, "write CV_CHAR(name, .max_length = 100), or CV_TEXT for a text without a bound",
                    "model \"%s\": the field \"%s\" needs a maximum length", ABOUT(info, f));
    if ((f->kind == CV_FIELD_DECIMAL || own_type(f).element == CV_TYPE_DECIMAL) &&
        (f->digits < 1 || f->digits > CV_DECIMAL_MAX_DIGITS || f->places > f->digits))
        cv__finding(c->findings, "write CV_DECIMAL(name, .digits = 8, .places = 2), with 1 to 38 digits in all",
                    "model \"%s\": the decimal \"%s\" cannot have %u digits with %u places", ABOUT(info, f), f->digits,
                    f->places);
    bool dated = f->kind == CV_FIELD_DATETIME || f->kind == CV_FIELD_DATE;
    if ((f->auto_now || f->auto_now_add) && !dated)
        cv__finding(c->findings, "automatic times are for CV_DATETIME and CV_DATE",
                    "model \"%s\": the field \"%s\" is not a time and cannot be set to now", ABOUT(info, f));
    bool ordered = dated || f->kind == CV_FIELD_INTEGER || f->kind == CV_FIELD_FLOAT || f->kind == CV_FIELD_DECIMAL;
    if ((f->min || f->max) && !ordered)
        cv__finding(c->findings, "bounds are for numbers, dates and times",
                    "model \"%s\": the field \"%s\" cannot have a bound", ABOUT(info, f));
    if (f->null && !is_text_like(f->member) && !cv__member_is_opt(f->member))
        cv__finding(c->findings, "give the member a cv_opt_ type, such as cv_opt_i64",
                    "model \"%s\": the member of the field \"%s\" cannot hold NULL", ABOUT(info, f));
}

static void check_names(cv__compile *c, const cv__model_info *info, const cv__field_info *field)
{
    cv_str name = cv_str_of(field->name);
    if (cv_str_find(name, CV_STR("__")) >= 0 || cv_str_ends_with(name, CV_STR("_")) ||
        cv_str_starts_with(name, CV_STR("_")))
        cv__finding(c->findings, "two underscores separate the steps of a path",
                    "model \"%s\": the field \"%s\" cannot be told from a path", ABOUT(info, field));
    if (cv_str_equal(name, CV_STR("pk")))
        cv__finding(c->findings, "\"pk\" always means the primary key", "model \"%s\": a field cannot be called \"pk\"",
                    info->model->name);
    if (!cv__identifier_ok(cv_str_of(field->column)))
        cv__finding(c->findings, "use 1 to 63 letters, digits and underscores, not beginning with a digit",
                    "model \"%s\": the field \"%s\" cannot have a column called \"%s\"", ABOUT(info, field),
                    field->column);
    for (const cv__field_info *other = info->fields; other < field; other++)
        if (cv_str_equal_nocase(cv_str_of(other->column), cv_str_of(field->column)))
            cv__finding(c->findings, "give one of them another column with .column = \"...\"",
                        "model \"%s\": the fields \"%s\" and \"%s\" have the same column \"%s\"", info->model->name,
                        other->name, field->name, field->column);
}

/* "author_id" of a foreign key "author". */
static const char *key_name(cv__compile *c, const cv_field *f)
{
    return f->kind == CV_FIELD_FOREIGN_KEY ? cv_arena_printf(c->arena, "%s_id", f->name) : f->name;
}

static int add_name(cv__compile *c, cv__field_info *field, const char *name)
{
    cv__model_info *info = field->model;
    const cv__field_info *other = cv_map_get(info->by_name, cv_str_of(name));
    if (other == field)
        return 0;
    if (other) {
        cv__finding(c->findings, "a foreign key \"x\" takes the names \"x\" and \"x_id\"",
                    "model \"%s\": the name \"%s\" is used twice", info->model->name, name);
        return 0;
    }
    return cv_map_set(info->by_name, cv_str_of(name), field, NULL);
}

static int compile_field(cv__compile *c, cv__field_info *field, const cv_field *f)
{
    field->field = f;
    field->name = f->name;
    field->key = key_name(c, f);
    field->json_key = field->key ? cv__json_ready_key(c->arena, cv_str_of(field->key)) : CV_STR("");
    if (!field->key || !field->json_key.ptr)
        return CV_E_NOMEM;
    field->column = f->column ? f->column : field->key;
    field->type = own_type(f);
    field->null = f->null || cv__member_is_opt(f->member);
    field->primary_key = f->primary_key || f->kind == CV_FIELD_ID;
    field->identity = f->kind == CV_FIELD_ID;
    field->max_length = is_text_like(f->member) ? f->max_length : 0;
    check_options(c, field->model, f);
    check_names(c, field->model, field);
    CV_TRY(add_name(c, field, field->name));
    return add_name(c, field, field->key);
}

static int choose_primary_key(cv__compile *c, cv__model_info *info)
{
    for (size_t i = 0; i < info->field_count; i++) {
        cv__field_info *field = &info->fields[i];
        if (!field->primary_key)
            continue;
        cv_field_kind kind = field->field->kind;
        if (info->primary_key)
            cv__finding(c->findings, "a model has one primary key; CV_UNIQUE_TOGETHER makes several fields unique",
                        "model \"%s\": both \"%s\" and \"%s\" are primary keys", info->model->name,
                        info->primary_key->name, field->name);
        else
            info->primary_key = field;
        if (kind != CV_FIELD_ID && kind != CV_FIELD_CHAR && kind != CV_FIELD_INTEGER && kind != CV_FIELD_UUID)
            cv__finding(c->findings, "use CV_ID, CV_INTEGER, CV_CHAR or CV_UUID for the key",
                        "model \"%s\": the field \"%s\" cannot be a primary key", ABOUT(info, field));
        if (field->null)
            cv__finding(c->findings, NULL, "model \"%s\": the primary key \"%s\" cannot be nullable",
                        ABOUT(info, field));
    }
    if (!info->primary_key) {
        cv__finding(c->findings, "add CV_ID(id) with a member int64_t id, or mark a field with .primary_key = true",
                    "model \"%s\" has no primary key", info->model->name);
        return 0;
    }
    return cv_map_set(info->by_name, CV_STR("pk"), info->primary_key, NULL);
}

static void free_map(void *map)
{
    cv_map_free(map);
}

static int allocate_fields(cv__compile *c, cv__model_info *info, size_t count)
{
    info->fields = cv_arena_zalloc(c->arena, count ? count : 1, sizeof *info->fields);
    info->names = cv_arena_zalloc(c->arena, count + 1, sizeof *info->names);
    info->relations = cv_arena_zalloc(c->arena, count + 1, sizeof(cv__field_info *));
    info->by_name = cv_map_new(0);
    if (!info->by_name)
        return CV_E_NOMEM;
    int rc = cv_arena_cleanup(c->arena, free_map, info->by_name);
    if (rc < 0) {
        cv_map_free(info->by_name);
        info->by_name = NULL;
        return rc;
    }
    return info->fields && info->names && info->relations ? 0 : CV_E_NOMEM;
}

int cv__compile_fields(cv__compile *c, cv__model_info *info)
{
    const cv_model *model = info->model;
    CV_TRY(allocate_fields(c, info, model->field_count));
    if (!cv__identifier_ok(cv_str_of(model->table)) || cv_str_starts_with(cv_str_of(model->table), CV_STR("sqlite_")) ||
        cv_str_starts_with(cv_str_of(model->table), CV_STR("pg_")))
        cv__finding(c->findings,
                    "use 1 to 63 letters, digits and underscores, not beginning with a digit, \"sqlite_\" or \"pg_\"",
                    "model \"%s\" cannot have a table called \"%s\"", model->name, model->table);
    for (size_t i = 0; i < model->field_count; i++) {
        const cv_field *f = cv__model_entry(model, i);
        if (is_meta(f->kind))
            continue;
        cv__field_info *field = &info->fields[info->field_count];
        field->model = info;
        field->index = info->field_count;
        info->names[info->field_count++] = f->name;
        CV_TRY(compile_field(c, field, f));
    }
    if (info->field_count > 256)
        cv__finding(c->findings, NULL, "model \"%s\" has %zu fields; at most 256 are supported", model->name,
                    info->field_count);
    return choose_primary_key(c, info);
}

/* ---- pass 2 ---- */

void cv__compile_keys(cv__compile *c, cv__model_info *info)
{
    for (size_t i = 0; i < info->field_count; i++) {
        cv__field_info *field = &info->fields[i];
        const cv_field *f = field->field;
        if (f->kind != CV_FIELD_FOREIGN_KEY)
            continue;
        const cv_model *target = f->target();
        field->target = cv__registry_find(c->registry, target);
        info->relations[info->relation_count++] = field;
        if (!field->target) {
            cv__finding(c->findings, "register it, too; the order does not matter",
                        "model \"%s\": the target \"%s\" of the foreign key \"%s\" is not registered",
                        info->model->name, target->name, field->name);
            continue;
        }
        if (f->on_delete == CV_SET_NULL && !field->null)
            cv__finding(c->findings, "give the ..._id member a cv_opt_ type",
                        "model \"%s\": the foreign key \"%s\" cannot be set to NULL on delete", ABOUT(info, field));
        const cv__field_info *key = field->target->primary_key;
        if (!key)
            continue;
        field->type = key->type;
        field->max_length = key->max_length;
        if (cv__member_base(f->member) != cv__member_base(key->field->member))
            cv__finding(c->findings, "the ..._id member has the type of the target's key, or its cv_opt_ form",
                        "model \"%s\": the member \"%s\" has another type than the key \"%s\" of \"%s\"",
                        info->model->name, field->key, key->name, target->name);
    }
}

/* ---- pass 3 ---- */

/* A declared text as a value of the field; NULL and a finding when it does not parse or may not be stored. */
static cv_value parse_declared(cv__compile *c, const cv__field_info *field, const char *what, const char *text)
{
    cv_value value;
    char message[CV__MESSAGE_BYTES];
    if (cv__column_convert(c->arena, cv_value_text(text), &field->type, &value) < 0) {
        cv__finding(c->findings, NULL, "model \"%s\": the %s \"%s\" of the field \"%s\" is not of type %s",
                    field->model->model->name, what, text, field->name, cv_type_name(field->type.type));
        return CV_NULL;
    }
    if (!cv__value_acceptable(c->cx, field, value, message)) {
        cv__finding(c->findings, NULL, "model \"%s\": the %s \"%s\" of the field \"%s\" %s", field->model->model->name,
                    what, text, field->name, message);
        return CV_NULL;
    }
    return value;
}

void cv__compile_values(cv__compile *c, cv__model_info *info)
{
    for (size_t i = 0; i < info->field_count; i++) {
        cv__field_info *field = &info->fields[i];
        const cv_field *f = field->field;
        if (f->min)
            field->min = parse_declared(c, field, "minimum", f->min);
        if (f->max)
            field->max = parse_declared(c, field, "maximum", f->max);
        if (f->default_value) {
            field->default_value = parse_declared(c, field, "default", f->default_value);
            field->has_default = field->default_value.type != CV_TYPE_NULL;
        }
    }
}
