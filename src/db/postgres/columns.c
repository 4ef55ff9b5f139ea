/* From the cells of a row to values, in the types that are wanted. */
#include "db/postgres/rows.h"
#include <stdlib.h>

static void describe(cv__pg_columns *columns, const PGresult *described)
{
    for (size_t i = 0; i < columns->count; i++) {
        Oid type = PQftype(described, (int)i);
        columns->at[i].type = type;
        columns->at[i].decode = cv__pg_decoder(type);
        columns->needs_arena |= cv__pg_needs_arena(type);
    }
}

static int fail_type(cv_ctx *cx, const char *name, Oid type)
{
    int rc = cv_fail(cx, CV_E_TYPE, "cannot read column \"%s\": its type (number %u) is not known", name, type);
    cv_error_hint(cx, "cast it in the statement, as in CAST(\"%s\" AS text)", name);
    return rc;
}

static int want(cv_ctx *cx, cv__pg_columns *columns, const cv__statement *statement)
{
    size_t wanted = statement->columns ? statement->column_count : 0;
    for (size_t i = 0; i < columns->count; i++) {
        cv__pg_column *column = &columns->at[i];
        if (!column->decode)
            return fail_type(cx, columns->names[i], column->type);
        column->wanted = i < wanted ? statement->columns[i].type : CV_TYPE_NULL;
        columns->converts |= column->wanted != CV_TYPE_NULL;
    }
    if (columns->needs_arena && cv__row_memory_need(&columns->memory) < 0)
        return cv_fail(cx, CV_E_NOMEM, "no memory for rows");
    return 0;
}

int cv__pg_columns_set(cv_ctx *cx, cv__pg_columns *columns, const PGresult *described, const cv__statement *statement)
{
    describe(columns, described);
    return want(cx, columns, statement);
}

int cv__pg_columns_copy(cv_ctx *cx, cv__pg_columns *columns, const cv__pg_layout *layout, cv__pg_column *room,
                        const cv__statement *statement)
{
    *columns = layout->columns;
    columns->at = room;
    for (size_t i = 0; i < columns->count; i++) {
        room[i].type = layout->column[i].type;
        room[i].decode = layout->column[i].decode;
    }
    return want(cx, columns, statement);
}

cv__pg_layout *cv__pg_layout_new(const PGresult *result)
{
    size_t count = (size_t)PQnfields(result);
    cv__pg_layout *layout = calloc(1, sizeof *layout + count * (sizeof *layout->column + sizeof(char *)));
    PGresult *described = PQcopyResult(result, PG_COPYRES_ATTRS);
    if (!layout || !described) {
        PQclear(described);
        free(layout);
        return NULL;
    }
    const char **names = (const char **)(void *)(layout->column + count);
    for (size_t i = 0; i < count; i++)
        names[i] = PQfname(described, (int)i);
    layout->users = 1;
    layout->described = described;
    layout->columns = (cv__pg_columns){.at = layout->column, .count = count, .names = names};
    describe(&layout->columns, described);
    return layout;
}

void cv__pg_layout_drop(cv__pg_layout *layout)
{
    if (!layout || --layout->users > 0)
        return;
    PQclear(layout->described);
    free(layout);
}

size_t cv__pg_row_bytes(const PGresult *result, int row)
{
    size_t bytes = 0;
    for (int i = 0; i < PQnfields(result); i++)
        bytes += sizeof(int) + (size_t)PQgetlength(result, row, i);
    return bytes;
}

void cv__pg_row_keep(const PGresult *result, int row, char *room)
{
    for (int i = 0; i < PQnfields(result); i++) {
        int len = PQgetisnull(result, row, i) ? -1 : PQgetlength(result, row, i);
        memcpy(room, &len, sizeof len);
        room += sizeof len;
        memcpy(room, PQgetvalue(result, row, i), len > 0 ? (size_t)len : 0);
        room += len > 0 ? len : 0;
    }
}

/* The next cell of a row that is kept; returns where the one behind it begins. */
static const char *kept_cell(const char *at, cv__pg_cell *ret_cell)
{
    memcpy(&ret_cell->len, at, sizeof ret_cell->len);
    ret_cell->data = at + sizeof ret_cell->len;
    return ret_cell->data + (ret_cell->len > 0 ? ret_cell->len : 0);
}

const char *cv__pg_kept_end(const cv__pg_columns *columns, const char *row)
{
    cv__pg_cell cell;
    for (size_t i = 0; i < columns->count; i++)
        row = kept_cell(row, &cell);
    return row;
}

static int convert(cv__pg_columns *columns, cv_type wanted, cv_value *value)
{
    if (wanted == CV_TYPE_F64 && value->type == CV_TYPE_DECIMAL) { /* AVG of integers, as an example: digits may go */
        *value = cv_value_f64(cv_decimal_to_f64(value->as.decimal));
        return 0;
    }
    CV_TRY(cv__row_memory_need(&columns->memory));
    return cv_value_convert(columns->memory.arena, *value, wanted, value);
}

/* Values that are not of the types that are wanted. */
static int convert_cells(cv__pg_columns *columns, cv_value *values)
{
    for (size_t i = 0; i < columns->count; i++) {
        cv_type wanted = columns->at[i].wanted;
        if (wanted == CV_TYPE_NULL || values[i].type == CV_TYPE_NULL || values[i].type == wanted)
            continue;
        int rc = convert(columns, wanted, &values[i]);
        if (rc < 0) {
            columns->failed = i;
            return rc;
        }
    }
    return 0;
}

int cv__pg_fail_cell(cv_ctx *cx, const char *name, int code)
{
    const char *why = code == CV_E_RANGE ? "the value is beyond what can be held" : cv_error_text(code);
    int rc = cv_fail(cx, code, "cannot read column \"%s\": %s", name, why);
    if (code == CV_E_RANGE)
        cv_error_hint(cx,
                      "infinite times, times outside the years 1 to 9999, NaN and numbers of more than 38 digits "
                      "can be read as text, as in CAST(\"%s\" AS text)",
                      name);
    if (code == CV_E_UNSUPPORTED)
        cv_error_hint(cx, "arrays have one dimension here: select their parts, or CAST(\"%s\" AS text)", name);
    cv_error_place(cx, NULL, NULL, name, NULL);
    return rc;
}

/* The values are decoded, unless that has failed: now into the types that are wanted. */
static int finish_row(cv_ctx *cx, cv__pg_columns *columns, int rc, cv_value *values)
{
    if (rc == 0 && columns->converts)
        rc = convert_cells(columns, values);
    return rc < 0 ? cv__pg_fail_cell(cx, columns->names[columns->failed], rc) : 1;
}

int cv__pg_columns_read(cv_ctx *cx, cv__pg_columns *columns, const PGresult *result, int row, cv_value *ret_values)
{
    cv__row_memory_empty(&columns->memory);
    return finish_row(cx, columns, cv__pg_decode_row(columns, result, row, ret_values), ret_values);
}

int cv__pg_columns_read_kept(cv_ctx *cx, cv__pg_columns *columns, const char *row, cv_value *ret_values)
{
    int rc = 0;
    cv__row_memory_empty(&columns->memory);
    for (size_t i = 0; i < columns->count && rc == 0; i++) {
        cv__pg_cell cell;
        row = kept_cell(row, &cell);
        columns->failed = i;
        rc = cv__pg_decode_cell(columns->memory.arena, &columns->at[i], cell, &ret_values[i]);
    }
    return finish_row(cx, columns, rc, ret_values);
}

void cv__pg_columns_done(cv__pg_columns *columns)
{
    cv_arena_free(columns->memory.arena);
}
