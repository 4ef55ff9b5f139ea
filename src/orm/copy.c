/* Objects of models as sources and sinks of bulk. */
#include "base/ctx.h"
#include "orm/member.h"
#include "orm/write.h"

#include <covet/copy_objects.h>

/* ---- the source ---- */

typedef struct objects_source {
    const cv__model_info *model;
    cv_next_object *next;
    void *arg;
    const cv__field_info **fields; /* by column */
    const char **names;
    size_t count;
    cv_value *values;
    cv_time now;
    int64_t row;
    void *first; /* the first object, asked for to see its key; NULL: passed */
    bool is_new; /* the database makes the keys */
} objects_source;

static int check_key(cv_ctx *cx, const objects_source *source, void *object)
{
    if (cv__key_is_new(source->model, object) == source->is_new)
        return 0;
    int rc = cv_fail(cx, CV_E_INVALID, "object %lld has %s key, the first has %s", (long long)source->row,
                     source->is_new ? "a" : "no", source->is_new ? "none" : "one");
    cv_error_hint(cx, "copy objects with keys and objects whose keys the database makes apart from each other");
    return rc;
}

static int check_object(cv_ctx *cx, const objects_source *source, void *object)
{
    CV_TRY(check_key(cx, source, object));
    int rc = cv__object_validate(cx, source->model, object, NULL);
    if (rc < 0)
        cv_error_detail(cx, "object %lld", (long long)source->row);
    return rc;
}

static int next_row(cv_ctx *cx, void *arg, const cv_value **ret_values)
{
    objects_source *source = arg;
    void *object = source->first;
    int rc = object ? 1 : source->next(cx, source->arg, &object);
    source->first = NULL;
    if (rc <= 0)
        return rc;
    source->row++;
    CV_TRY(check_object(cx, source, object));
    for (size_t i = 0; i < source->count; i++)
        source->values[i] = cv__written_value(source->fields[i], object, source->now, true);
    *ret_values = source->values;
    return 1;
}

static int choose_fields(cv_ctx *cx, objects_source *source)
{
    const cv__model_info *model = source->model;
    source->fields = cv_zalloc(cx, model->field_count, sizeof(cv__field_info *));
    source->names = cv_zalloc(cx, model->field_count, sizeof *source->names);
    source->values = cv_zalloc(cx, model->field_count, sizeof *source->values);
    if (!source->fields || !source->names || !source->values)
        return cx->error_code;
    for (size_t i = 0; i < model->field_count; i++) {
        const cv__field_info *field = &model->fields[i];
        if (field->primary_key && source->is_new)
            continue;
        source->fields[source->count] = field;
        source->names[source->count++] = field->column;
    }
    return 0;
}

int cv_each_source(cv_ctx *cx, const cv_model *model, cv_next_object *next, void *arg, cv_copy_source *ret_source)
{
    objects_source *source = cv_zalloc(cx, 1, sizeof *source);
    if (!source)
        return cx->error_code;
    *source = (objects_source){.model = cv__model_need(cx, model), .next = next, .arg = arg, .now = cv_time_now()};
    if (!source->model)
        return CV_E_MODEL;
    int rc = next(cx, arg, &source->first);
    CV_TRY(rc);
    if (rc == 0)
        source->first = NULL;
    source->is_new = source->first ? cv__key_is_new(source->model, source->first) : false;
    CV_TRY(choose_fields(cx, source));
    *ret_source =
        (cv_copy_source){.columns = source->names, .column_count = source->count, .next = next_row, .arg = source};
    return 0;
}

struct array {
    char *next;
    size_t left, object_bytes;
};

static int next_of_array(cv_ctx *cx, void *arg, void **ret_object)
{
    struct array *array = arg;
    (void)cx;
    if (array->left == 0)
        return 0;
    *ret_object = array->next;
    array->next += array->object_bytes;
    array->left--;
    return 1;
}

int cv__objects_source(cv_ctx *cx, const cv_model *model, void *objects, size_t count, cv_copy_source *ret_source)
{
    struct array *array = cv_zalloc(cx, 1, sizeof *array);
    if (!array)
        return cx->error_code;
    *array = (struct array){objects, count, model->object_bytes};
    return cv_each_source(cx, model, next_of_array, array, ret_source);
}

/* ---- the sink ---- */

typedef struct objects_sink {
    const cv__model_info *model;
    cv_each_object *each;
    void *arg;
    const cv__field_info **fields; /* by column; NULL: passed over */
    size_t count;
} objects_sink;

static const cv__field_info *field_of_column(const cv__model_info *model, const char *column)
{
    for (size_t i = 0; i < model->field_count; i++)
        if (strcmp(model->fields[i].column, column) == 0)
            return &model->fields[i];
    return NULL;
}

static int check_complete(cv_ctx *cx, const objects_sink *sink)
{
    const cv__model_info *model = sink->model;
    for (size_t i = 0; i < model->field_count; i++) {
        size_t column = 0;
        while (column < sink->count && sink->fields[column] != &model->fields[i])
            column++;
        if (column == sink->count)
            return cv_fail(cx, CV_E_FIELD, "the rows have no column \"%s\", which the model \"%s\" has",
                           model->fields[i].column, model->model->name);
    }
    return 0;
}

static int start_sink(cv_ctx *cx, void *arg, const cv_copy_column *columns, size_t count)
{
    objects_sink *sink = arg;
    sink->count = count;
    sink->fields = cv_zalloc(cx, count + 1, sizeof(cv__field_info *));
    if (!sink->fields)
        return cx->error_code;
    for (size_t i = 0; i < count; i++)
        sink->fields[i] = field_of_column(sink->model, columns[i].name);
    return check_complete(cx, sink);
}

static int take_row(cv_ctx *cx, void *arg, const cv_value *values)
{
    const objects_sink *sink = arg;
    CV_SCOPE(cx)
    {
        void *object = cv_zalloc(cx, 1, sink->model->model->object_bytes);
        if (!object)
            return cx->error_code;
        for (size_t i = 0; i < sink->count; i++)
            if (sink->fields[i])
                CV_TRY(cv__field_set(cx, sink->fields[i], object, values[i]));
        CV_TRY(sink->each(cx, sink->arg, object));
    }
    return 0;
}

int cv_each_sink(cv_ctx *cx, const cv_model *model, cv_each_object *each, void *arg, cv_copy_sink *ret_sink)
{
    objects_sink *sink = cv_zalloc(cx, 1, sizeof *sink);
    if (!sink)
        return cx->error_code;
    *sink = (objects_sink){.model = cv__model_need(cx, model), .each = each, .arg = arg};
    if (!sink->model)
        return CV_E_MODEL;
    *ret_sink = (cv_copy_sink){.start = start_sink, .row = take_row, .arg = sink};
    return 0;
}
