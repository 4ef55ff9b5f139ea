/* Looking through a file of rows without writing any; what may have been meant where something is not there. */
#include "base/ctx.h"
#include "cli/copy.h"
#include "orm/registry.h"

static cv__model_info *model_of_table(const cv_registry *registry, const char *table)
{
    for (size_t i = 0; registry && i < cv__registry_count(registry); i++) {
        cv__model_info *model = cv__registry_at(registry, i);
        if (strcmp(model->model->table, table) == 0)
            return model;
    }
    return NULL;
}

const char *cv__copy_table(cv_ctx *cx, const char *name)
{
    const cv_registry *registry = cx->registry;
    if (!registry || model_of_table(registry, name))
        return name;
    for (size_t i = 0; i < cv__registry_count(registry); i++) {
        const cv_model *model = cv__registry_at(registry, i)->model;
        if (strcmp(model->name, name) == 0)
            return model->table;
    }
    return name;
}

void cv__copy_hint_table(cv_ctx *cx, const char *name)
{
    const cv_registry *registry = cx->registry;
    size_t count = registry ? cv__registry_count(registry) : 0;
    const char **names = cv_zalloc(cx, 2 * count + 1, sizeof *names);
    for (size_t i = 0; names && i < count; i++) {
        const cv_model *model = cv__registry_at(registry, i)->model;
        names[2 * i] = model->table;
        names[2 * i + 1] = model->name;
    }
    const char *nearest =
        names && !model_of_table(registry, name) ? cv_str_nearest(cv_str_of(name), names, 2 * count) : NULL;
    if (nearest)
        cv_error_hint(cx, "did you mean \"%s\"?", nearest);
}

void cv__copy_hint_delimiter(cv_ctx *cx, const char *name)
{
    const char *mark = strpbrk(name, ";\t|");
    if (mark)
        cv_error_hint(cx, "is that several columns? then add --delimiter '%s'",
                      *mark == '\t' ? "\\t" : (const char[]){*mark, '\0'});
}

static const cv__field_info *field_of_column(const cv__model_info *model, const char *column)
{
    for (size_t i = 0; model && i < model->field_count; i++)
        if (strcmp(model->fields[i].column, column) == 0)
            return &model->fields[i];
    return NULL;
}

static int no_column(cv_ctx *cx, const char *table, const char *name, const cv_copy_column *columns, size_t count)
{
    const char **names = cv_zalloc(cx, count + 1, sizeof *names);
    if (!names)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        names[i] = columns[i].name;
    const char *nearest = cv_str_nearest(cv_str_of(name), names, count);
    int rc = cv_fail(cx, CV_E_FIELD, "the table \"%s\" has no column \"%s\"", table, name);
    if (nearest)
        cv_error_hint(cx, "did you mean \"%s\"?", nearest);
    return rc;
}

/* The table's columns, in the order of the source's. */
static int choose(cv_ctx *cx, const char *table, const cv_copy_source *source, const cv_copy_options *options,
                  cv_copy_column **ret_chosen)
{
    const cv_copy_column *columns;
    size_t count;
    CV_TRY(cv_copy_columns(cx, table, &columns, &count));
    cv_copy_column *chosen = cv_zalloc(cx, source->column_count + 1, sizeof *chosen);
    if (!chosen)
        return CV_E_NOMEM;
    for (size_t i = 0; i < source->column_count; i++) {
        const char *name = options->column_count > 0 ? options->columns[i] : source->columns[i];
        size_t at = 0;
        while (at < count && strcmp(columns[at].name, name) != 0)
            at++;
        if (at == count)
            return no_column(cx, table, name, columns, count);
        for (size_t j = 0; j < i; j++)
            if (strcmp(chosen[j].name, name) == 0)
                return cv_fail(cx, CV_E_INVALID, "the column \"%s\" is named twice", name);
        chosen[i] = columns[at];
    }
    *ret_chosen = chosen;
    return 0;
}

struct checking {
    const cv_copy_source *source;
    const cv__field_info **fields; /* by column; NULL where there is no model */
    int64_t rows;
};

static const char *place_of(cv_ctx *cx, const struct checking *checking, size_t column)
{
    const cv_copy_source *source = checking->source;
    const char *place = source->place ? source->place(cx, source->arg, column) : NULL;
    if (!place)
        place = cv_sprintf(cx, "row %lld", (long long)checking->rows);
    return place ? place : "a row";
}

static int check_row(cv_ctx *cx, const struct checking *checking, const cv_value *values)
{
    char message[CV__MESSAGE_BYTES];
    for (size_t i = 0; i < checking->source->column_count; i++) {
        const cv__field_info *field = checking->fields[i];
        if (!field || (field->identity && values[i].type != CV_TYPE_NULL) ||
            cv__value_acceptable(cx, field, values[i], message))
            continue;
        cv_fail(cx, CV_E_VALIDATION, "%s: it %s", place_of(cx, checking, i), message);
        cv_error_place(cx, NULL, NULL, field->column, NULL);
        return CV_E_VALIDATION;
    }
    return 0;
}

/* 1 after a good row, 0 at the end. */
static int check_next(cv_ctx *cx, struct checking *checking)
{
    const cv_copy_source *source = checking->source;
    const cv_value *values;
    int rc = source->next(cx, source->arg, &values);
    if (rc <= 0)
        return rc;
    checking->rows++;
    CV_TRY(check_row(cx, checking, values));
    return 1;
}

static int tell(cv_ctx *cx, const struct checking *checking, const cv_copy_options *options)
{
    const cv_copy_result so_far = {.rows = checking->rows};
    if (!options->progress || checking->rows % options->progress_rows != 0)
        return 0;
    return options->progress(cx, options->progress_arg, &so_far);
}

static int check_all(cv_ctx *cx, struct checking *checking, const cv_copy_options *options)
{
    int rc = 1;
    while (rc > 0) {
        CV_SCOPE(cx)
        {
            rc = check_next(cx, checking);
        }
        if (rc > 0)
            CV_TRY(tell(cx, checking, options));
    }
    return rc;
}

int cv__copy_check(cv_ctx *cx, const char *table, const cv_copy_source *source, const cv_copy_options *options,
                   int64_t *ret_rows)
{
    struct checking checking = {.source = source};
    const cv__model_info *model = model_of_table(cx->registry, table);
    cv_copy_column *columns;
    *ret_rows = 0;
    CV_TRY(choose(cx, table, source, options, &columns));
    checking.fields = cv_zalloc(cx, source->column_count + 1, sizeof *checking.fields);
    if (!checking.fields)
        return CV_E_NOMEM;
    for (size_t i = 0; i < source->column_count; i++)
        checking.fields[i] = field_of_column(model, columns[i].name);
    if (source->start)
        CV_TRY(source->start(cx, source->arg, columns, source->column_count));
    int rc = check_all(cx, &checking, options);
    *ret_rows = checking.rows;
    return rc;
}
