#include "migrate/detect.h"

static void fill_column(const cv__field_info *field, cv__column *column)
{
    *column = (cv__column){
        .name = field->column,
        .type = field->type,
        .null = field->null,
        .primary_key = field->primary_key,
        .identity = field->identity,
        .has_default = field->has_default,
        .default_value = field->default_value,
    };
    if (!field->target)
        return;
    column->references_table = field->target->model->table;
    column->references_column = field->target->primary_key->column;
    column->on_delete = field->field->on_delete;
}

static void fill_index(const cv__model_info *model, const cv__index_info *from, cv__index *index)
{
    *index = (cv__index){
        .name = from->name, .table = model->model->table, .unique = from->unique, .column_count = from->column_count};
    for (size_t i = 0; i < from->column_count; i++) {
        index->columns[i] = from->columns[i]->column;
        index->descending[i] = from->descending[i];
    }
}

static void fill_check(const cv__check_info *from, cv__check *check)
{
    *check = (cv__check){.name = from->name,
                         .column = from->field->column,
                         .lookup = from->lookup,
                         .other = from->other ? from->other->column : NULL,
                         .values = from->other ? NULL : from->values,
                         .value_count = from->other ? 0 : from->value_count};
}

int cv__model_table(cv_ctx *cx, const cv__model_info *model, const cv__schema_table **ret_table)
{
    cv__schema_table *table = cv_zalloc(cx, 1, sizeof *table);
    cv__column *columns = cv_zalloc(cx, model->field_count + 1, sizeof *columns);
    cv__index *indexes = cv_zalloc(cx, model->index_count + 1, sizeof *indexes);
    cv__check *checks = cv_zalloc(cx, model->check_count + 1, sizeof *checks);
    if (!table || !columns || !indexes || !checks)
        return CV_E_NOMEM;
    for (size_t i = 0; i < model->field_count; i++)
        fill_column(&model->fields[i], &columns[i]);
    for (size_t i = 0; i < model->index_count; i++)
        fill_index(model, &model->indexes[i], &indexes[i]);
    for (size_t i = 0; i < model->check_count; i++)
        fill_check(&model->checks[i], &checks[i]);
    *table = (cv__schema_table){.name = model->model->table,
                                .label = model->label,
                                .columns = columns,
                                .column_count = model->field_count,
                                .indexes = indexes,
                                .index_count = model->index_count,
                                .checks = checks,
                                .check_count = model->check_count};
    *ret_table = table;
    return 0;
}
