#include "migrate/file.h"

#include <covet/json.h>
#include <stdio.h>

static void add_scalar(cv_buf *out, const char *text)
{
    cv__yaml_add_scalar(out, cv_str_of(text));
}

static void add_pair(cv_buf *out, const char *key, const char *text)
{
    cv_buf_printf(out, "%s: ", key);
    add_scalar(out, text);
}

/* Arrays and ranges are written as their JSON text. */
static void add_packed(cv_buf *out, cv_value value)
{
    cv_buf json;
    cv_json_writer writer;
    cv_buf_init(&json, 0);
    cv_json_writer_init(&writer, &json, 0);
    cv_json_value(&writer, value);
    cv__yaml_add_scalar(out, cv_buf_str(&json));
    if (json.error && !out->error)
        out->error = json.error;
    cv_buf_done(&json);
}

/* A value as text that reads back as the same value of its type. */
static void add_value(cv_buf *out, cv_value value)
{
    char text[CV_DECIMAL_TEXT_BYTES];
    size_t len = 0;
    switch (value.type) {
    case CV_TYPE_BOOL:
        cv_buf_add_text(out, value.as.boolean ? "true" : "false");
        return;
    case CV_TYPE_I64:
        cv_buf_add_i64(out, value.as.i64);
        return;
    case CV_TYPE_F64:
        for (int precision = 15; precision <= 17; precision++) {
            len = (size_t)snprintf(text, sizeof text, "%.*g", precision, value.as.f64);
            double back;
            if (cv_str_to_f64(cv_str_make(text, len), &back) == 0 && back == value.as.f64)
                break;
        }
        break;
    case CV_TYPE_DECIMAL:
        len = cv_decimal_format(value.as.decimal, text);
        break;
    case CV_TYPE_TIME:
        len = cv_time_format(value.as.time, text);
        break;
    case CV_TYPE_DATE:
        len = cv_date_format(value.as.date, text);
        break;
    case CV_TYPE_UUID:
        cv_uuid_format(value.as.uuid, text);
        len = strlen(text);
        break;
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        cv__yaml_add_scalar(out, value.as.text);
        return;
    case CV_TYPE_BYTES:
        cv__yaml_add_scalar(out, cv_str_make((const char *)value.as.bytes.ptr, value.as.bytes.len));
        return;
    case CV_TYPE_ARRAY:
    case CV_TYPE_RANGE:
        add_packed(out, value);
        return;
    case CV_TYPE_NULL:
        cv_buf_add_text(out, "null");
        return;
    }
    cv__yaml_add_scalar(out, cv_str_make(text, len));
}

static void add_type(cv_buf *out, const cv__column_type *type)
{
    size_t word = 0;
    while (cv__type_words[word].type != type->type)
        word++;
    if (type->type == CV_TYPE_TEXT && !type->max_length)
        word++; /* "text" follows "char" */
    cv_buf_printf(out, ", type: %s", cv__type_words[word].name);
    cv_type inner = type->type;
    if (type->element) {
        inner = type->element;
        for (word = 1; cv__type_words[word].type != inner;) /* from "text" on */
            word++;
        cv_buf_printf(out, ", of: %s", cv__type_words[word].name);
    }
    if (type->type == CV_TYPE_TEXT && type->max_length)
        cv_buf_printf(out, ", max_length: %u", type->max_length);
    if (inner == CV_TYPE_I64)
        cv_buf_printf(out, ", bits: %u", type->bits ? type->bits : 64u);
    if (inner == CV_TYPE_DECIMAL)
        cv_buf_printf(out, ", digits: %u, places: %u", type->digits, type->places);
}

void cv__file_add_column(cv_buf *out, const cv__column *column)
{
    cv_buf_add_char(out, '{');
    add_pair(out, "name", column->name);
    add_type(out, &column->type);
    if (column->null)
        cv_buf_add_text(out, ", null: true");
    if (column->identity)
        cv_buf_add_text(out, ", identity: true");
    else if (column->primary_key)
        cv_buf_add_text(out, ", primary_key: true");
    if (column->has_default) {
        cv_buf_add_text(out, ", default: ");
        add_value(out, column->default_value);
    }
    if (column->references_table) {
        cv_buf_add_text(out, ", references: {");
        add_pair(out, "table", column->references_table);
        add_pair(out, ", column", column->references_column);
        add_pair(out, ", on_delete", cv__on_delete_words[column->on_delete]);
        cv_buf_add_char(out, '}');
    }
    cv_buf_add_char(out, '}');
}

void cv__file_add_check(cv_buf *out, const cv__check *check)
{
    static const char *const names[] = {[CV__EXACT] = "exact",
                                        [CV__GT] = "gt",
                                        [CV__GTE] = "gte",
                                        [CV__LT] = "lt",
                                        [CV__LTE] = "lte",
                                        [CV__IN] = "in",
                                        [CV__STARTSWITH] = "startswith"};
    cv_buf_add_char(out, '{');
    add_pair(out, "name", check->name);
    add_pair(out, ", column", check->column);
    cv_buf_printf(out, ", lookup: %s", names[check->lookup]);
    if (check->other) {
        add_pair(out, ", other", check->other);
    } else if (check->lookup == CV__IN) {
        cv_buf_add_text(out, ", values: [");
        for (size_t i = 0; i < check->value_count; i++) {
            cv_buf_add_text(out, i ? ", " : "");
            add_value(out, check->values[i]);
        }
        cv_buf_add_char(out, ']');
    } else {
        cv_buf_add_text(out, ", value: ");
        add_value(out, check->values[0]);
    }
    cv_buf_add_char(out, '}');
}

static void add_index_columns(cv_buf *out, const cv__index *index)
{
    cv_buf_add_text(out, ", columns: [");
    for (size_t i = 0; i < index->column_count; i++) {
        cv_buf_add_text(out, i ? ", " : "");
        if (index->descending[i])
            cv_buf_printf(out, "\"-%s\"", index->columns[i]);
        else
            add_scalar(out, index->columns[i]);
    }
    cv_buf_add_text(out, "]}");
}

void cv__file_add_index(cv_buf *out, const cv__index *index)
{
    cv_buf_add_char(out, '{');
    add_pair(out, "name", index->name);
    add_pair(out, ", table", index->table);
    if (index->unique)
        cv_buf_add_text(out, ", unique: true");
    add_index_columns(out, index);
}

static void add_checks(cv_buf *out, const cv__check *checks, size_t count)
{
    if (count)
        cv_buf_add_text(out, "      checks:\n");
    for (size_t i = 0; i < count; i++) {
        cv_buf_add_text(out, "        - ");
        cv__file_add_check(out, &checks[i]);
        cv_buf_add_char(out, '\n');
    }
}

/* Only unique indexes stand in the table itself; the others are operations of their own. */
static void add_table(cv_buf *out, const cv__schema_table *table)
{
    bool any = false;
    cv_buf_add_text(out, "  - create_table:\n      ");
    add_pair(out, "name", table->name);
    cv_buf_add_text(out, "\n      columns:\n");
    for (size_t i = 0; i < table->column_count; i++) {
        cv_buf_add_text(out, "        - ");
        cv__file_add_column(out, &table->columns[i]);
        cv_buf_add_char(out, '\n');
    }
    for (size_t i = 0; i < table->index_count; i++) {
        if (!table->indexes[i].unique)
            continue;
        cv_buf_add_text(out, any ? "        - {" : "      unique:\n        - {");
        any = true;
        add_pair(out, "name", table->indexes[i].name);
        add_index_columns(out, &table->indexes[i]);
        cv_buf_add_char(out, '\n');
    }
    add_checks(out, table->checks, table->check_count);
}

static void add_engines(cv_buf *out, const char *indent, const cv__sql_list lists[CV__ENGINE_COUNT])
{
    for (size_t i = 0; i < CV__ENGINE_COUNT; i++) {
        if (!lists[i].given)
            continue;
        cv_buf_printf(out, "%s%s:%s\n", indent, cv__engine_names[i], lists[i].count ? "" : " []");
        for (size_t j = 0; j < lists[i].count; j++) {
            cv_buf_printf(out, "%s  - ", indent);
            add_scalar(out, lists[i].statements[j]);
            cv_buf_add_char(out, '\n');
        }
    }
}

static void add_operation(cv_buf *out, const cv__operation *operation)
{
    switch (operation->kind) {
    case CV__CREATE_TABLE:
        add_table(out, operation->as.create_table);
        break;
    case CV__DROP_TABLE:
        add_pair(out, "  - drop_table: {name", operation->as.drop_table);
        cv_buf_add_text(out, "}\n");
        break;
    case CV__ADD_COLUMN:
        cv_buf_add_text(out, "  - add_column:\n      ");
        add_pair(out, "table", operation->as.add_column.table);
        cv_buf_add_text(out, "\n      column: ");
        cv__file_add_column(out, &operation->as.add_column.column);
        cv_buf_add_char(out, '\n');
        add_checks(out, operation->as.add_column.checks, operation->as.add_column.check_count);
        break;
    case CV__DROP_COLUMN:
        add_pair(out, "  - drop_column: {table", operation->as.drop_column.table);
        add_pair(out, ", column", operation->as.drop_column.column);
        cv_buf_add_text(out, "}\n");
        break;
    case CV__CREATE_INDEX:
        cv_buf_add_text(out, "  - create_index: ");
        cv__file_add_index(out, &operation->as.create_index);
        cv_buf_add_char(out, '\n');
        break;
    case CV__DROP_INDEX:
        add_pair(out, "  - drop_index: {name", operation->as.drop_index);
        cv_buf_add_text(out, "}\n");
        break;
    case CV__RUN_SQL:
        cv_buf_add_text(out, "  - run_sql:\n");
        add_engines(out, "      ", operation->as.run_sql.forward);
        if (operation->as.run_sql.reversible) {
            cv_buf_add_text(out, "      reverse:\n");
            add_engines(out, "        ", operation->as.run_sql.backward);
        }
        break;
    }
}

static void add_comment(cv_buf *out, const char *comment)
{
    cv_str rest = cv_str_of(comment), line;
    while (cv_str_split(&rest, '\n', &line)) {
        cv_buf_add_text(out, line.len ? "# " : "#");
        cv_buf_add_str(out, line);
        cv_buf_add_char(out, '\n');
    }
}

void cv__file_write(cv_buf *out, const char *comment, const cv__file *file)
{
    if (comment)
        add_comment(out, comment);
    cv_buf_add_text(out, "covet: 1\n");
    if (file->depend_count)
        cv_buf_add_text(out, "depends_on: [");
    for (size_t i = 0; i < file->depend_count; i++) {
        cv_buf_add_text(out, i ? ", " : "");
        char both[256];
        snprintf(both, sizeof both, "%s/%s", file->depends[i].label, file->depends[i].name);
        add_scalar(out, both);
    }
    if (file->depend_count)
        cv_buf_add_text(out, "]\n");
    cv_buf_add_text(out, file->operation_count ? "operations:\n" : "operations: []\n");
    for (size_t i = 0; i < file->operation_count; i++)
        add_operation(out, &file->operations[i]);
}
