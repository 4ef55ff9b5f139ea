/* Pass 4: what a model says about several fields, and the names that the database will know it by.
 *
 * Names of indexes and constraints follow from table and columns alone, so that every run and every machine derives the
 * same ones: "books_title_author_id_uniq". Names beyond 63 bytes keep their beginning and end with a hash of the whole.
 */
#include "orm/compile.h"
#include "orm/path.h"

#define NAME_MAX_BYTES 63

/* FNV-1a: the name must be the same in every process, so the keyed hash of the maps will not do. */
static uint32_t name_hash(cv_str name)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (uint8_t)name.ptr[i]) * 16777619u;
    return hash;
}

static const char *shorten(cv_arena *arena, cv_str name, const char *suffix)
{
    size_t kept = NAME_MAX_BYTES - 9 - strlen(suffix);
    if (name.len + strlen(suffix) <= NAME_MAX_BYTES)
        return cv_arena_printf(arena, "%.*s%s", CV_STR_ARG(name), suffix);
    return cv_arena_printf(arena, "%.*s_%08x%s", (int)kept, name.ptr, name_hash(name), suffix);
}

static const char *index_name(cv__compile *c, const cv__model_info *info, const cv__index_info *index)
{
    cv_buf name;
    cv_buf_init_arena(&name, c->arena, 4096);
    cv_buf_add_text(&name, info->model->table);
    for (size_t i = 0; i < index->column_count; i++) {
        cv_buf_add_char(&name, '_');
        cv_buf_add_text(&name, index->columns[i]->column);
    }
    return name.error ? NULL : shorten(c->arena, cv_buf_str(&name), index->unique ? "_uniq" : "_idx");
}

/* ---- indexes ---- */

static int add_index(cv__compile *c, cv__model_info *info, cv__index_info index)
{
    index.name = index_name(c, info, &index);
    if (!index.name)
        return CV_E_NOMEM;
    for (size_t i = 0; i < info->index_count; i++)
        if (strcmp(info->indexes[i].name, index.name) == 0)
            cv__finding(c->findings, "the same columns are indexed twice; remove one of both",
                        "model \"%s\" declares the index \"%s\" twice", info->model->name, index.name);
    info->indexes[info->index_count++] = index;
    return 0;
}

static int index_of_field(cv__compile *c, cv__model_info *info, cv__field_info *field)
{
    const cv_field *f = field->field;
    if (field->primary_key || !(f->unique || f->index || f->kind == CV_FIELD_FOREIGN_KEY))
        return 0;
    return add_index(c, info, (cv__index_info){.unique = f->unique, .column_count = 1, .columns = {field}});
}

static int index_of_meta(cv__compile *c, cv__model_info *info, const cv_field *f)
{
    cv__index_info index = {.unique = f->kind == CV_META_UNIQUE};
    for (size_t i = 0; i < 8 && f->paths[i]; i++) {
        cv_str name = cv_str_of(f->paths[i]);
        if (!index.unique && cv_str_starts_with(name, CV_STR("-"))) {
            index.descending[i] = true;
            name = cv_str_sub(name, 1, SIZE_MAX);
        }
        cv__field_info *field = cv__field_find(info, name);
        if (!field) {
            cv__finding(c->findings, "name fields of the model", "model \"%s\": the %s names \"%s\", which is no field",
                        info->model->name, index.unique ? "unique constraint" : "index", f->paths[i]);
            return 0;
        }
        index.columns[index.column_count++] = field;
    }
    if (!index.column_count) {
        cv__finding(c->findings, "name at least one field", "model \"%s\" declares an index without fields",
                    info->model->name);
        return 0;
    }
    return add_index(c, info, index);
}

/* ---- checks ---- */

static void add_check(cv__compile *c, cv__model_info *info, cv__check_info check)
{
    if (!cv__identifier_ok(cv_str_of(check.name)))
        cv__finding(c->findings, "use 1 to 63 letters, digits and underscores, not beginning with a digit",
                    "model \"%s\": a check cannot be called \"%s\"", info->model->name, check.name);
    for (size_t i = 0; i < info->check_count; i++)
        if (strcmp(info->checks[i].name, check.name) == 0)
            cv__finding(c->findings, NULL, "model \"%s\" declares the check \"%s\" twice", info->model->name,
                        check.name);
    info->checks[info->check_count++] = check;
}

static int bound(cv__compile *c, cv__field_info *field, const cv_value *value, cv__lookup lookup, const char *suffix)
{
    if (value->type == CV_TYPE_NULL)
        return 0;
    const char *full = cv_arena_printf(c->arena, "%s_%s", field->model->model->table, field->column);
    const char *name = full ? shorten(c->arena, cv_str_of(full), suffix) : NULL;
    if (!name)
        return CV_E_NOMEM;
    add_check(c, field->model,
              (cv__check_info){.name = name, .field = field, .lookup = lookup, .values = value, .value_count = 1});
    return 0;
}

static int bounds_of_field(cv__compile *c, cv__field_info *field)
{
    if (field->min.type != CV_TYPE_NULL && field->max.type != CV_TYPE_NULL &&
        cv__value_compare(field->min, field->max) > 0)
        cv__finding(c->findings, NULL, "model \"%s\": the minimum of the field \"%s\" is above its maximum",
                    field->model->model->name, field->name);
    CV_TRY(bound(c, field, &field->min, CV__GTE, "_min"));
    return bound(c, field, &field->max, CV__LTE, "_max");
}

/* The value or values of a check, by the field's type. False with a finding. */
static bool check_values(cv__compile *c, const cv_field *f, cv__check_info *check)
{
    size_t count = 1;
    for (const char *at = f->paths[1]; check->lookup == CV__IN && *at; at++)
        count += *at == ',';
    cv_value *values = cv_arena_zalloc(c->arena, count, sizeof *values);
    cv_str rest = cv_str_of(f->paths[1]), part = rest;
    for (size_t i = 0; values && i < count; i++) {
        if (check->lookup == CV__IN)
            (void)cv_str_split(&rest, ',', &part);
        if (cv_value_convert(c->arena, cv_value_str(part), check->field->type.type, &values[i]) < 0) {
            cv__finding(c->findings, NULL,
                        "model \"%s\": the check \"%s\" compares \"%s\" with \"%.*s\", which is not of type %s",
                        check->field->model->model->name, f->name, check->field->name, CV_STR_ARG(part),
                        cv_type_name(check->field->type.type));
            return false;
        }
    }
    check->values = values;
    check->value_count = count;
    return values != NULL;
}

static bool lookup_allowed(cv__lookup lookup, bool by_field, const cv__field_info *field)
{
    if (lookup == CV__STARTSWITH)
        return field->type.type == CV_TYPE_TEXT && !by_field;
    if (lookup == CV__IN)
        return !by_field;
    return lookup == CV__EXACT || lookup == CV__GT || lookup == CV__GTE || lookup == CV__LT || lookup == CV__LTE;
}

static void check_of_meta(cv__compile *c, cv__model_info *info, const cv_field *f)
{
    cv__check_info check = {.name = f->name, .lookup = CV__EXACT};
    cv_str rest = cv_str_of(f->paths[0]), step, further;
    if (cv__path_next(&rest, &step))
        check.field = cv__field_find(info, step);
    if (!check.field || !f->paths[1]) {
        cv__finding(c->findings, "a check names a field of its own model: CV_CHECK(\"name\", \"price__gt\", \"0\")",
                    "model \"%s\": the check \"%s\" names \"%s\", which is no field", info->model->name, f->name,
                    f->paths[0] ? f->paths[0] : "");
        return;
    }
    if (cv__path_next(&rest, &step) &&
        (!cv__lookup_find(step, &check.lookup) || !lookup_allowed(check.lookup, f->by_field, check.field) ||
         cv__path_next(&rest, &further))) {
        cv__finding(c->findings, "checks know exact, gt, gte, lt, lte, in and, for texts, startswith",
                    "model \"%s\": the check \"%s\" cannot use \"%s\"", info->model->name, f->name, f->paths[0]);
        return;
    }
    if (!f->by_field) {
        if (check_values(c, f, &check))
            add_check(c, info, check);
        return;
    }
    check.other = cv__field_find(info, cv_str_of(f->paths[1]));
    if (!check.other || check.other->type.type != check.field->type.type) {
        cv__finding(c->findings, "both must be fields of the model and of one type",
                    "model \"%s\": the check \"%s\" cannot compare \"%s\" with \"%s\"", info->model->name, f->name,
                    check.field->name, f->paths[1]);
        return;
    }
    add_check(c, info, check);
}

/* ---- ordering ---- */

/* The declared table has no end mark when it is full. */
static int keep_ordering(cv__compile *c, cv__model_info *info, const cv_field *f)
{
    size_t count = sizeof f->paths / sizeof f->paths[0];
    const char **names = cv_arena_zalloc(c->arena, count + 1, sizeof *names);
    if (!names)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        names[i] = f->paths[i];
    info->ordering = names;
    return 0;
}

static int ordering_of_meta(cv__compile *c, cv__model_info *info, const cv_field *f)
{
    if (info->ordering)
        cv__finding(c->findings, NULL, "model \"%s\" declares two orderings", info->model->name);
    for (size_t i = 0; i < 8 && f->paths[i]; i++) {
        cv_str name = cv_str_of(f->paths[i]);
        cv__path path;
        cv_error *first = cv_error_take(c->cx);
        if (cv__path_resolve(c->cx, info, cv_str_sub(name, name.ptr[0] == '-', SIZE_MAX), false, &path) < 0) {
            const cv_error *error = cv_error_last(c->cx);
            cv__finding(c->findings, "order by names of fields, \"-name\" for descending",
                        "model \"%s\": the ordering names \"%s\": %s", info->model->name, f->paths[i],
                        error ? error->message : "no such field");
            cv_error_clear(c->cx);
        }
        cv_error_put_back(c->cx, first);
    }
    return keep_ordering(c, info, f);
}

static int allocate_meta(cv__compile *c, cv__model_info *info)
{
    size_t entries = info->model->field_count;
    info->indexes = cv_arena_zalloc(c->arena, entries + 1, sizeof *info->indexes);
    info->checks = cv_arena_zalloc(c->arena, 2 * entries + 1, sizeof *info->checks);
    return info->indexes && info->checks ? 0 : CV_E_NOMEM;
}

static int compile_entry(cv__compile *c, cv__model_info *info, const cv_field *f)
{
    switch (f->kind) {
    case CV_META_INDEX:
    case CV_META_UNIQUE:
        return index_of_meta(c, info, f);
    case CV_META_CHECK:
        check_of_meta(c, info, f);
        return 0;
    case CV_META_ORDERING:
        return ordering_of_meta(c, info, f);
    default:
        return 0;
    }
}

int cv__compile_meta(cv__compile *c, cv__model_info *info)
{
    CV_TRY(allocate_meta(c, info));
    for (size_t i = 0; i < info->field_count; i++) {
        CV_TRY(index_of_field(c, info, &info->fields[i]));
        CV_TRY(bounds_of_field(c, &info->fields[i]));
    }
    for (size_t i = 0; i < info->model->field_count; i++)
        CV_TRY(compile_entry(c, info, cv__model_entry(info->model, i)));
    return 0;
}
