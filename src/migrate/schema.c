#include "migrate/schema.h"

#include <stdarg.h>

int cv__fail_at(cv_ctx *cx, cv__place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *message = cv_arena_vprintf(cv_ctx_arena(cx), format, args);
    va_end(args);
    if (!message)
        return cv_fail(cx, CV_E_NOMEM, "could not report a mistake in a migration: out of memory");
    if (!place.file)
        return cv_fail(cx, CV_E_MIGRATION, "%s", message);
    return cv_fail(cx, CV_E_MIGRATION, "%s:%d:%d: %s", place.file, place.line, place.column, message);
}

void cv__hint_nearest(cv_ctx *cx, const char *wanted, const char *const *names, size_t count)
{
    const char *nearest = cv_str_nearest(cv_str_of(wanted), names, count);
    if (nearest)
        cv_error_hint(cx, "did you mean \"%s\"?", nearest);
}

const cv__column *cv__table_column(const cv__schema_table *table, const char *name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (strcmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

/* ---- values ---- */

static bool integer_fits(int64_t value, unsigned bits)
{
    if (bits == 16)
        return value >= INT16_MIN && value <= INT16_MAX;
    if (bits == 32)
        return value >= INT32_MIN && value <= INT32_MAX;
    return true;
}

bool cv__value_fits(cv_arena *arena, cv_value value, const cv__column_type *type)
{
    cv_value stored;
    if (value.type != type->type)
        return false;
    if (value.type == CV_TYPE_I64 && !integer_fits(value.as.i64, type->bits))
        return false;
    if (value.type == CV_TYPE_TEXT && type->max_length && cv_utf8_length(value.as.text) > type->max_length)
        return false;
    return cv__dialect_sqlite.store(arena, value, type, &stored) == 0 &&
           cv__dialect_postgres.store(arena, value, type, &stored) == 0;
}

/* ---- checking ---- */

static bool same_name(const char *a, const char *b)
{
    return cv_str_equal_nocase(cv_str_of(a), cv_str_of(b));
}

int cv__column_check(cv_ctx *cx, const cv__column *column)
{
    if (column->identity && (column->type.type != CV_TYPE_I64 || (column->type.bits && column->type.bits != 64)))
        return cv__fail_at(cx, column->place, "the identity \"%s\" must be an integer of 64 bits", column->name);
    if (column->identity && (column->has_default || column->references_table))
        return cv__fail_at(cx, column->place, "the identity \"%s\" cannot have a default or refer to a table",
                           column->name);
    if (column->primary_key && column->null)
        return cv__fail_at(cx, column->place, "the primary key \"%s\" cannot be null", column->name);
    if (column->references_table && column->on_delete == CV_SET_NULL && !column->null)
        return cv__fail_at(cx, column->place, "the column \"%s\" cannot be set to null on delete: it is not nullable",
                           column->name);
    if (column->has_default && !cv__value_fits(cv_ctx_arena(cx), column->default_value, &column->type))
        return cv__fail_at(cx, column->place, "the default of the column \"%s\" does not fit its type", column->name);
    return 0;
}

static int check_columns(cv_ctx *cx, const cv__schema_table *table, cv__place place)
{
    size_t keys = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        const cv__column *column = &table->columns[i];
        CV_TRY(cv__column_check(cx, column));
        keys += column->primary_key;
        for (size_t j = 0; j < i; j++)
            if (same_name(table->columns[j].name, column->name))
                return cv__fail_at(cx, column->place, "the table \"%s\" has two columns called \"%s\"", table->name,
                                   column->name);
    }
    if (table->column_count == 0)
        return cv__fail_at(cx, place, "the table \"%s\" has no columns", table->name);
    if (keys > 1)
        return cv__fail_at(cx, place, "the table \"%s\" has more than one primary key", table->name);
    return 0;
}

static int no_column(cv_ctx *cx, const cv__schema_table *table, cv__place place, const char *what, const char *of,
                     const char *column)
{
    const char *names[CV__MAX_COLUMNS];
    for (size_t i = 0; i < table->column_count && i < CV__MAX_COLUMNS; i++)
        names[i] = table->columns[i].name;
    cv__fail_at(cx, place, "the %s \"%s\" names the column \"%s\", which the table \"%s\" does not have", what, of,
                column, table->name);
    cv__hint_nearest(cx, column, names, table->column_count);
    return CV_E_MIGRATION;
}

static int check_checks(cv_ctx *cx, const cv__schema_table *table, cv__place place)
{
    for (size_t i = 0; i < table->check_count; i++) {
        const cv__check *check = &table->checks[i];
        const cv__column *column = cv__table_column(table, check->column);
        const cv__column *other = check->other ? cv__table_column(table, check->other) : column;
        for (size_t j = 0; j < i; j++)
            if (same_name(table->checks[j].name, check->name))
                return cv__fail_at(cx, place, "the table \"%s\" has two checks called \"%s\"", table->name,
                                   check->name);
        if (!column || !other)
            return no_column(cx, table, place, "check", check->name, column ? check->other : check->column);
        if (other->type.type != column->type.type)
            return cv__fail_at(cx, place, "the check \"%s\" compares columns of different types", check->name);
    }
    return 0;
}

static int check_indexes(cv_ctx *cx, const cv__schema_table *table, cv__place place)
{
    for (size_t i = 0; i < table->index_count; i++) {
        const cv__index *index = &table->indexes[i];
        for (size_t j = 0; j < i; j++)
            if (same_name(table->indexes[j].name, index->name))
                return cv__fail_at(cx, place, "the table \"%s\" has two indexes called \"%s\"", table->name,
                                   index->name);
        for (size_t j = 0; j < index->column_count; j++) {
            if (!cv__table_column(table, index->columns[j]))
                return no_column(cx, table, place, "index", index->name, index->columns[j]);
            for (size_t k = 0; k < j; k++)
                if (strcmp(index->columns[k], index->columns[j]) == 0)
                    return cv__fail_at(cx, place, "the index \"%s\" names the column \"%s\" twice", index->name,
                                       index->columns[j]);
        }
    }
    return 0;
}

int cv__table_check(cv_ctx *cx, const cv__schema_table *table, cv__place place)
{
    CV_TRY(check_columns(cx, table, place));
    CV_TRY(check_checks(cx, table, place));
    return check_indexes(cx, table, place);
}

/* ---- comparing ---- */

static bool text_equal(const char *a, const char *b)
{
    return cv_str_equal(cv_str_of(a), cv_str_of(b));
}

static unsigned bits_of(const cv__column_type *type)
{
    return type->bits ? type->bits : 64;
}

bool cv__type_equal(const cv__column_type *a, const cv__column_type *b)
{
    if (a->type != b->type || a->element != b->element)
        return false;
    cv_type inner = a->element ? a->element : a->type;
    if (inner == CV_TYPE_I64)
        return bits_of(a) == bits_of(b);
    if (inner == CV_TYPE_DECIMAL)
        return a->digits == b->digits && a->places == b->places;
    return a->type != CV_TYPE_TEXT || a->max_length == b->max_length;
}

bool cv__column_equal(const cv__column *a, const cv__column *b)
{
    return strcmp(a->name, b->name) == 0 && cv__type_equal(&a->type, &b->type) && a->null == b->null &&
           a->primary_key == b->primary_key && a->identity == b->identity && a->has_default == b->has_default &&
           (!a->has_default || cv_value_equal(a->default_value, b->default_value)) &&
           text_equal(a->references_table, b->references_table) &&
           text_equal(a->references_column, b->references_column) &&
           (!a->references_table || a->on_delete == b->on_delete);
}

bool cv__index_equal(const cv__index *a, const cv__index *b)
{
    if (strcmp(a->name, b->name) != 0 || strcmp(a->table, b->table) != 0 || a->unique != b->unique ||
        a->column_count != b->column_count)
        return false;
    for (size_t i = 0; i < a->column_count; i++)
        if (strcmp(a->columns[i], b->columns[i]) != 0 || a->descending[i] != b->descending[i])
            return false;
    return true;
}

bool cv__check_equal(const cv__check *a, const cv__check *b)
{
    if (strcmp(a->name, b->name) != 0 || strcmp(a->column, b->column) != 0 || a->lookup != b->lookup ||
        !text_equal(a->other, b->other) || a->value_count != b->value_count)
        return false;
    for (size_t i = 0; i < a->value_count; i++)
        if (!cv_value_equal(a->values[i], b->values[i]))
            return false;
    return true;
}
