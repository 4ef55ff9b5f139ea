/* From the cells of a row to values, in the types that are wanted. */
#include "db/mariadb/rows.h"

#include <inttypes.h>

/* TIME has no value type: it is the text that the server would write, as "-12:00:00.500000". */
static int decode_time_of_day(cv_arena *arena, cv__my_cell cell, cv_value *ret_value)
{
    uint32_t days = 0, microseconds = 0;
    if (cell.len != 0 && cell.len != 8 && cell.len != 12)
        return CV_E_TYPE;
    bool negative = cell.len > 0 && cell.data[0];
    const unsigned char *at = cell.data;
    if (cell.len > 0)
        memcpy(&days, at + 1, sizeof days);
    if (cell.len == 12)
        memcpy(&microseconds, at + 8, sizeof microseconds);
    unsigned hours = cell.len > 0 ? at[5] : 0, minutes = cell.len > 0 ? at[6] : 0, seconds = cell.len > 0 ? at[7] : 0;
    char *text =
        cv_arena_printf(arena, cell.len == 12 ? "%s%02" PRIu32 ":%02u:%02u.%06" PRIu32 : "%s%02" PRIu32 ":%02u:%02u",
                        negative ? "-" : "", days * 24 + hours, minutes, seconds, microseconds);
    *ret_value = cv_value_text(text);
    return text ? 0 : CV_E_NOMEM;
}

static int set_column(cv_ctx *cx, cv__my_columns *columns, size_t i, const MYSQL_FIELD *field,
                      const cv__statement *statement)
{
    cv__my_column *column = &columns->at[i];
    column->type = field->type;
    column->decode = cv__my_decoder(field);
    if (statement->columns && i < statement->column_count)
        column->wanted = statement->columns[i];
    columns->converts |= column->wanted.type != CV_TYPE_NULL;
    if (field->type == MYSQL_TYPE_TIME)
        return cv__row_memory_need(&columns->memory) < 0 ? cv_fail(cx, CV_E_NOMEM, "no memory for rows") : 0;
    if (column->decode)
        return 0;
    int rc = cv_fail(cx, CV_E_TYPE, "cannot read column \"%s\": its type (number %d) is not known", columns->names[i],
                     (int)field->type);
    cv_error_hint(cx, "cast it in the statement, as in CAST(\"%s\" AS CHAR)", columns->names[i]);
    return rc;
}

int cv__my_columns_set(cv_ctx *cx, cv__my_columns *columns, const MYSQL_FIELD *fields, const cv__statement *statement)
{
    for (size_t i = 0; i < columns->count; i++)
        CV_TRY(set_column(cx, columns, i, &fields[i], statement));
    return 0;
}

static int decode_cell(cv__my_columns *columns, const cv__my_column *column, cv_value *value)
{
    if (!column->cell.data) {
        *value = cv_value_null();
        return 0;
    }
    return column->decode ? column->decode(column->cell, value)
                          : decode_time_of_day(columns->memory.arena, column->cell, value);
}

/* What a column holds that another type was wanted of: numbers of 0 and 1 are booleans, 16 bytes a UUID, a text of
 * JSON is JSON. */
static int convert(cv__my_columns *columns, const cv__column_type *wanted, cv_value *value)
{
    if (wanted->type == CV_TYPE_F64 && value->type == CV_TYPE_DECIMAL) { /* AVG, as an example: digits may go */
        *value = cv_value_f64(cv_decimal_to_f64(value->as.decimal));
        return 0;
    }
    if (wanted->type == CV_TYPE_I64 && value->type == CV_TYPE_BOOL) {
        *value = cv_value_i64(value->as.boolean);
        return 0;
    }
    CV_TRY(cv__row_memory_need(&columns->memory));
    return cv__column_convert(columns->memory.arena, *value, wanted, value);
}

static int decode_all(cv__my_columns *columns, cv_value *values, size_t *ret_failed)
{
    for (size_t i = 0; i < columns->count; i++) {
        const cv__my_column *column = &columns->at[i];
        cv_type wanted = column->wanted.type;
        *ret_failed = i;
        CV_TRY(decode_cell(columns, column, &values[i]));
        if (wanted != CV_TYPE_NULL && values[i].type != CV_TYPE_NULL && values[i].type != wanted)
            CV_TRY(convert(columns, &column->wanted, &values[i]));
    }
    return 0;
}

static int fail_cell(cv_ctx *cx, const char *name, int code)
{
    const char *why = code == CV_E_RANGE ? "the value is beyond what can be held" : cv_error_text(code);
    int rc = cv_fail(cx, code, "cannot read column \"%s\": %s", name, why);
    if (code == CV_E_RANGE)
        cv_error_hint(cx,
                      "dates of zeros and numbers of more than 38 digits can be read as text, as in "
                      "CAST(\"%s\" AS CHAR)",
                      name);
    cv_error_place(cx, NULL, NULL, name, NULL);
    return rc;
}

int cv__my_columns_decode(cv_ctx *cx, cv__my_columns *columns, cv_value *values)
{
    size_t failed = 0;
    cv__row_memory_empty(&columns->memory);
    int rc = decode_all(columns, values, &failed);
    return rc < 0 ? fail_cell(cx, columns->names[failed], rc) : 1;
}

void cv__my_columns_done(cv__my_columns *columns)
{
    cv_arena_free(columns->memory.arena);
}
