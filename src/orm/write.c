/* One object: save, insert, update, delete.
 *
 * Nothing is written into the object before the database has accepted it: keys and automatic times travel as values
 * first. */
#include "orm/write.h"
#include "orm/member.h"

int cv__target_of(cv_ctx *cx, const cv_model *model, cv__target *ret_target)
{
    cv__target target = {.cx = cx, .model = cv__model_need(cx, model), .now = cv_time_now()};
    if (!target.model)
        return CV_E_MODEL;
    target.db = cv__db_need(cx);
    if (!target.db)
        return CV_E_NO_DATABASE;
    target.shapes = cv__shapes_of(cx, target.model->registry, cv__db_dialect(target.db));
    if (!target.shapes)
        return CV_E_NOMEM;
    *ret_target = target;
    return 0;
}

/* ---- keys and automatic times ---- */

bool cv__key_is_unset(const cv__model_info *model, const void *object)
{
    static const cv_uuid zero = {{0}};
    cv_value key = cv__field_get(model->primary_key, object);
    switch (key.type) {
    case CV_TYPE_NULL:
        return true;
    case CV_TYPE_I64:
        return key.as.i64 == 0;
    case CV_TYPE_UUID:
        return cv_uuid_compare(key.as.uuid, zero) == 0;
    default:
        return key.as.text.len == 0;
    }
}

bool cv__key_is_new(const cv__model_info *model, void *object)
{
    const cv__field_info *key = model->primary_key;
    if (!cv__key_is_unset(model, object))
        return false;
    if (key->identity)
        return true;
    if (key->field->member == CV_MEMBER_UUID) {
        cv_uuid made = cv_uuid_v7();
        memcpy((char *)object + key->field->offset, &made, sizeof made);
    }
    return false;
}

static bool is_automatic(const cv__field_info *field, bool inserted)
{
    return field->field->auto_now || (inserted && field->field->auto_now_add);
}

static cv_value now_for(cv_time now, const cv__field_info *field)
{
    return field->type.type == CV_TYPE_DATE ? cv_value_date(cv_date_of(now)) : cv_value_time(now);
}

cv_value cv__written_value(const cv__field_info *field, const void *object, cv_time now, bool inserted)
{
    const cv_field *declared = field->field;
    return is_automatic(field, inserted) ? now_for(now, field)
                                         : cv__member_get(declared->member, (const char *)object + declared->offset);
}

static int value_of(const cv__target *target, const cv__field_info *field, const void *object, bool inserted,
                    cv_value *ret_stored)
{
    cv_value value = cv__written_value(field, object, target->now, inserted);
    if (value.type == CV_TYPE_I64 || value.type == CV_TYPE_TEXT || value.type == CV_TYPE_NULL) {
        *ret_stored = value; /* as every engine stores them */
        return 0;
    }
    return cv__store(target->cx, target->shapes->dialect, field, value, ret_stored);
}

int cv__insert_values(const cv__target *target, const void *object, bool new_key, cv_value *values)
{
    const cv__model_info *model = target->model;
    for (size_t i = 0; i < model->field_count; i++)
        if (!new_key || !model->fields[i].primary_key)
            CV_TRY(value_of(target, &model->fields[i], object, true, values++));
    return 0;
}

void cv__write_times(const cv__target *target, void *object, bool inserted, const cv_fields *set)
{
    const cv__model_info *model = target->model;
    for (size_t i = 0; i < model->field_count; i++) {
        const cv__field_info *field = &model->fields[i];
        if (is_automatic(field, inserted) && (!set || cv_fields_has(set, i)))
            (void)!cv__field_set(target->cx, field, object, now_for(target->now, field));
    }
}

/* ---- statements ---- */

static cv__statement statement_of(const cv__shape *shape, const cv_value *params, size_t count)
{
    return (cv__statement){.sql = shape->sql,
                           .hash = shape->hash,
                           .params = params,
                           .param_count = count,
                           .groupable = true,
                           .columns = shape->plan.column_count ? shape->columns : NULL,
                           .column_count = shape->plan.column_count};
}

static cv_value *values_for(const cv__target *target)
{
    return cv_alloc(target->cx, (target->model->field_count + 1) * sizeof(cv_value));
}

/* Run an insert to its end and take the key that the database made. */
static int run_insert(const cv__target *target, const cv__statement *statement, cv_value *ret_key)
{
    cv_ctx *cx = target->cx;
    cv__row_stream stream;
    cv_result result;
    if (!statement->column_count) {
        CV_TRY(cv__db_run(cx, target->db, CV__WRITER, statement, &result));
        *ret_key = cv_value_i64(result.last_insert_id);
        return 0;
    }
    cv_value cell;
    CV_TRY(cv__db_open_rows(cx, target->db, CV__WRITER, statement, &stream));
    int rc = cv__db_next_row(cx, &stream, &cell);
    if (rc > 0) {
        *ret_key = cell;
        rc = cv__db_next_row(cx, &stream, &cell);
    } else if (rc == 0) {
        rc = cv_fail(cx, CV_E_INTERNAL, "a row was inserted but no key came back");
    }
    cv__db_close_rows(cx, &stream);
    return rc;
}

static int insert(const cv__target *target, void *object)
{
    bool new_key = cv__key_is_new(target->model, object);
    size_t count = target->model->field_count - new_key;
    cv_value *values = values_for(target), key = CV_NULL;
    cv__fixed which = new_key ? CV__INSERT_NEW_KEY : CV__INSERT_OWN_KEY;
    cv__shape *shape = cv__fixed_need(target->cx, target->shapes, target->model, which, 0);
    if (!values || !shape)
        return CV_E_NOMEM;
    CV_TRY(cv__insert_values(target, object, new_key, values));
    const cv__statement statement = statement_of(shape, values, count);
    if (!new_key)
        CV_TRY(cv__db_run(target->cx, target->db, CV__WRITER, &statement, NULL));
    else
        CV_TRY(run_insert(target, &statement, &key));
    if (new_key)
        CV_TRY(cv__field_set(target->cx, target->model->primary_key, object, key));
    cv__write_times(target, object, true, NULL);
    return 0;
}

/* `set` NULL: all fields. `*ret_found`: whether there is such a row. */
static int update(const cv__target *target, void *object, const cv_fields *set, bool *ret_found)
{
    const cv__model_info *model = target->model;
    cv_value *values = values_for(target);
    cv_result result;
    size_t count = 0;
    if (!values)
        return CV_E_NOMEM;
    for (size_t i = 0; i < model->field_count; i++)
        if (!model->fields[i].primary_key && (!set || cv_fields_has(set, i)))
            CV_TRY(value_of(target, &model->fields[i], object, false, &values[count++]));
    CV_TRY(value_of(target, model->primary_key, object, false, &values[count]));
    if (count == 0) /* the key is set to itself */
        values[++count] = values[0];
    cv__shape *shape = set ? cv__update_need(target->cx, target->shapes, target->model, set)
                           : cv__fixed_need(target->cx, target->shapes, target->model, CV__UPDATE, 0);
    if (!shape)
        return CV_E_NOMEM;
    const cv__statement statement = statement_of(shape, values, count + 1);
    int rc = cv__db_run(target->cx, target->db, CV__WRITER, &statement, &result);
    if (set)
        cv__shape_unref(shape);
    CV_TRY(rc);
    *ret_found = result.affected > 0;
    if (*ret_found)
        cv__write_times(target, object, false, set);
    return 0;
}

static int not_found(const cv__target *target)
{
    return cv_fail(target->cx, CV_E_NOT_FOUND, "there is no \"%s\" with this key", target->model->model->name);
}

/* ---- the public functions ---- */

int cv__insert(cv_ctx *cx, const cv_model *model, void *object)
{
    cv__target target;
    CV_TRY(cv__target_of(cx, model, &target));
    CV_TRY(cv__object_validate(cx, target.model, object, NULL));
    return insert(&target, object);
}

int cv__save(cv_ctx *cx, const cv_model *model, void *object)
{
    cv__target target;
    bool found = false;
    CV_TRY(cv__target_of(cx, model, &target));
    CV_TRY(cv__object_validate(cx, target.model, object, NULL));
    if (!cv__key_is_unset(target.model, object))
        CV_TRY(update(&target, object, NULL, &found));
    return found ? 0 : insert(&target, object);
}

int cv__update(cv_ctx *cx, const cv_model *model, void *object, const cv_fields *set)
{
    cv__target target;
    bool found;
    CV_TRY(cv__target_of(cx, model, &target));
    CV_TRY(cv__object_validate(cx, target.model, object, set));
    cv_fields written = *set;
    for (size_t i = 0; i < target.model->field_count; i++)
        if (target.model->fields[i].field->auto_now)
            cv_fields_add(&written, i);
    CV_TRY(update(&target, object, &written, &found));
    return found ? 0 : not_found(&target);
}

int cv__delete(cv_ctx *cx, const cv_model *model, const void *object)
{
    cv__target target;
    cv_value key;
    cv_result result;
    CV_TRY(cv__target_of(cx, model, &target));
    CV_TRY(value_of(&target, target.model->primary_key, object, false, &key));
    cv__shape *shape = cv__fixed_need(cx, target.shapes, target.model, CV__DELETE, 0);
    if (!shape)
        return CV_E_NOMEM;
    const cv__statement statement = statement_of(shape, &key, 1);
    CV_TRY(cv__db_run(cx, target.db, CV__WRITER, &statement, &result));
    return result.affected > 0 ? 0 : not_found(&target);
}

int cv__rel(cv_ctx *cx, const cv_model *model, const void *object, const char *name, const void *related)
{
    cv__model_info *info = cv__model_need(cx, model);
    if (!info)
        return CV_E_MODEL;
    cv__field_info *field = cv__field_need(cx, info, cv_str_of(name));
    if (!field)
        return CV_E_FIELD;
    if (!field->target)
        return cv_fail(cx, CV_E_FIELD, "the field \"%s\" of model \"%s\" is not a foreign key", name, model->name);
    if (related || cv__field_get(field, object).type == CV_TYPE_NULL)
        return 0;
    int rc = cv_fail(cx, CV_E_NOT_LOADED, "the relation \"%s\" of model \"%s\" was not loaded", name, model->name);
    cv_error_hint(cx, "add cv_select_related(q, \"%s\") to the query", name);
    return rc;
}
