#include "migrate/state.h"

#define MAX_TABLES 5000

const cv__schema_table *cv__state_table(const cv__state *state, const char *name)
{
    for (size_t i = 0; i < state->count; i++)
        if (strcmp(state->tables[i]->name, name) == 0)
            return state->tables[i];
    return NULL;
}

const cv__index *cv__state_index(const cv__state *state, const char *name)
{
    for (size_t i = 0; i < state->count; i++)
        for (size_t j = 0; j < state->tables[i]->index_count; j++)
            if (strcmp(state->tables[i]->indexes[j].name, name) == 0)
                return &state->tables[i]->indexes[j];
    return NULL;
}

/* ---- finding, with the error reported ---- */

/* A table that the label may change, and its position. */
static int own_table(cv_ctx *cx, const cv__state *state, const char *label, cv__place place, const char *name,
                     size_t *ret_position)
{
    const char **names = cv_zalloc(cx, state->count + 1, sizeof *names);
    if (!names)
        return CV_E_NOMEM;
    for (size_t i = 0; i < state->count; i++) {
        names[i] = state->tables[i]->name;
        if (strcmp(names[i], name) != 0)
            continue;
        if (strcmp(state->tables[i]->label, label) != 0)
            return cv__fail_at(cx, place, "the table \"%s\" belongs to the migrations of \"%s\"", name,
                               state->tables[i]->label);
        *ret_position = i;
        return 0;
    }
    cv__fail_at(cx, place, "there is no table \"%s\" at this point", name);
    cv__hint_nearest(cx, name, names, state->count);
    return CV_E_MIGRATION;
}

/* Tables and indexes share one name space; SQLite ignores the case of names. */
static int need_free_name(cv_ctx *cx, const cv__state *state, cv__place place, const char *name)
{
    cv_str wanted = cv_str_of(name);
    if (cv_str_equal_nocase(wanted, CV_STR("covet_migrations")) ||
        cv_str_equal_nocase(cv_str_sub(wanted, 0, 7), CV_STR("sqlite_")))
        return cv__fail_at(cx, place, "the name \"%s\" is reserved", name);
    for (size_t i = 0; i < state->count; i++) {
        const cv__schema_table *table = state->tables[i];
        if (cv_str_equal_nocase(wanted, cv_str_of(table->name)))
            return cv__fail_at(cx, place, "there is a table called \"%s\" already", table->name);
        for (size_t j = 0; j < table->index_count; j++)
            if (cv_str_equal_nocase(wanted, cv_str_of(table->indexes[j].name)))
                return cv__fail_at(cx, place, "there is an index called \"%s\" already", table->indexes[j].name);
    }
    return 0;
}

/* ---- changing: a copy of the table takes the place of the former one ---- */

static cv__schema_table *changed(cv_ctx *cx, cv__state *state, size_t position)
{
    cv__schema_table *copy = cv_alloc(cx, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *state->tables[position];
    state->tables[position] = copy;
    return copy;
}

/* An array of `count` elements with room for `more`. */
static void *copy_array(cv_ctx *cx, const void *array, size_t count, size_t more, size_t size)
{
    void *copy = cv_zalloc(cx, count + more + 1, size);
    if (copy && count)
        memcpy(copy, array, count * size);
    return copy;
}

static int create_table(cv_ctx *cx, cv__state *state, const char *label, const cv__operation *operation)
{
    const cv__schema_table *wanted = operation->as.create_table;
    CV_TRY(need_free_name(cx, state, operation->place, wanted->name));
    CV_TRY(cv__table_check(cx, wanted, operation->place));
    for (size_t i = 0; i < wanted->index_count; i++) {
        CV_TRY(need_free_name(cx, state, operation->place, wanted->indexes[i].name));
        if (cv_str_equal_nocase(cv_str_of(wanted->indexes[i].name), cv_str_of(wanted->name)))
            return cv__fail_at(cx, operation->place, "an index cannot have the name of its table \"%s\"", wanted->name);
    }
    if (state->count == MAX_TABLES)
        return cv__fail_at(cx, operation->place, "there are more than %d tables", MAX_TABLES);
    if (state->count == state->capacity) {
        size_t capacity = state->capacity ? 2 * state->capacity : 32;
        const cv__schema_table **grown =
            copy_array(cx, state->tables, state->count, capacity - state->count, sizeof *state->tables);
        if (!grown)
            return CV_E_NOMEM;
        state->tables = grown;
        state->capacity = capacity;
    }
    state->tables[state->count++] = wanted;
    cv__schema_table *table = changed(cx, state, state->count - 1);
    if (!table)
        return CV_E_NOMEM;
    table->label = label;
    return 0;
}

static int drop_table(cv_ctx *cx, cv__state *state, const char *label, const cv__operation *operation)
{
    size_t at = 0;
    CV_TRY(own_table(cx, state, label, operation->place, operation->as.drop_table, &at));
    state->count--;
    memmove(&state->tables[at], &state->tables[at + 1], (state->count - at) * sizeof *state->tables);
    return 0;
}

static int add_column(cv_ctx *cx, cv__state *state, const char *label, const cv__operation *operation)
{
    const cv__column *column = &operation->as.add_column.column;
    size_t added = operation->as.add_column.check_count, at = 0;
    CV_TRY(own_table(cx, state, label, operation->place, operation->as.add_column.table, &at));
    if (column->primary_key)
        return cv__fail_at(cx, operation->place, "a primary key cannot be added to a table that exists");
    if (state->tables[at]->column_count == CV__MAX_COLUMNS)
        return cv__fail_at(cx, operation->place, "a table cannot have more than %d columns", CV__MAX_COLUMNS);
    cv__schema_table *table = changed(cx, state, at);
    if (!table)
        return CV_E_NOMEM;
    cv__column *columns = copy_array(cx, table->columns, table->column_count, 1, sizeof *columns);
    cv__check *checks = copy_array(cx, table->checks, table->check_count, added, sizeof *checks);
    if (!columns || !checks)
        return CV_E_NOMEM;
    columns[table->column_count++] = *column;
    for (size_t i = 0; i < added; i++)
        checks[table->check_count++] = operation->as.add_column.checks[i];
    table->columns = columns;
    table->checks = checks;
    return cv__table_check(cx, table, operation->place);
}

/* What else of the table uses the column. */
static int need_unused(cv_ctx *cx, const cv__schema_table *table, const char *column, cv__place place)
{
    for (size_t i = 0; i < table->index_count; i++)
        for (size_t j = 0; j < table->indexes[i].column_count; j++)
            if (strcmp(table->indexes[i].columns[j], column) == 0) {
                cv__fail_at(cx, place, "the column \"%s\" is used by the index \"%s\"", column, table->indexes[i].name);
                cv_error_hint(cx, "drop the index first");
                return CV_E_MIGRATION;
            }
    for (size_t i = 0; i < table->check_count; i++)
        if (table->checks[i].other && strcmp(table->checks[i].other, column) == 0 &&
            strcmp(table->checks[i].column, column) != 0)
            return cv__fail_at(cx, place, "the column \"%s\" is used by the check \"%s\" of the column \"%s\"", column,
                               table->checks[i].name, table->checks[i].column);
    return 0;
}

static void remove_column(cv__schema_table *table, cv__column *columns, cv__check *checks, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->column_count; i++)
        if (strcmp(table->columns[i].name, name) != 0)
            columns[kept++] = table->columns[i];
    table->columns = columns;
    table->column_count = kept;
    kept = 0;
    for (size_t i = 0; i < table->check_count; i++)
        if (strcmp(table->checks[i].column, name) != 0)
            checks[kept++] = table->checks[i];
    table->checks = checks;
    table->check_count = kept;
}

static int drop_column(cv_ctx *cx, cv__state *state, const char *label, const cv__operation *operation)
{
    const char *name = operation->as.drop_column.column;
    cv__place place = operation->place;
    size_t at = 0;
    CV_TRY(own_table(cx, state, label, place, operation->as.drop_column.table, &at));
    const cv__column *column = cv__table_column(state->tables[at], name);
    if (!column)
        return cv__fail_at(cx, place, "the table \"%s\" has no column \"%s\"", operation->as.drop_column.table, name);
    if (column->primary_key)
        return cv__fail_at(cx, place, "the primary key \"%s\" cannot be dropped", name);
    if (state->tables[at]->column_count == 1)
        return cv__fail_at(cx, place, "the only column of the table \"%s\" cannot be dropped",
                           operation->as.drop_column.table);
    CV_TRY(need_unused(cx, state->tables[at], name, place));
    cv__schema_table *table = changed(cx, state, at);
    if (!table)
        return CV_E_NOMEM;
    cv__column *columns = cv_zalloc(cx, table->column_count, sizeof *columns);
    cv__check *checks = cv_zalloc(cx, table->check_count + 1, sizeof *checks);
    if (!columns || !checks)
        return CV_E_NOMEM;
    remove_column(table, columns, checks, name);
    return 0;
}

static int create_index(cv_ctx *cx, cv__state *state, const char *label, const cv__operation *operation)
{
    const cv__index *index = &operation->as.create_index;
    size_t at = 0;
    CV_TRY(own_table(cx, state, label, operation->place, index->table, &at));
    CV_TRY(need_free_name(cx, state, operation->place, index->name));
    cv__schema_table *table = changed(cx, state, at);
    if (!table)
        return CV_E_NOMEM;
    cv__index *indexes = copy_array(cx, table->indexes, table->index_count, 1, sizeof *indexes);
    if (!indexes)
        return CV_E_NOMEM;
    indexes[table->index_count++] = *index;
    table->indexes = indexes;
    return cv__table_check(cx, table, operation->place);
}

static int drop_index(cv_ctx *cx, cv__state *state, const char *label, const cv__operation *operation)
{
    const cv__index *index = cv__state_index(state, operation->as.drop_index);
    size_t at = 0;
    if (!index)
        return cv__fail_at(cx, operation->place, "there is no index \"%s\" at this point", operation->as.drop_index);
    CV_TRY(own_table(cx, state, label, operation->place, index->table, &at));
    cv__schema_table *table = changed(cx, state, at);
    if (!table)
        return CV_E_NOMEM;
    cv__index *indexes = cv_zalloc(cx, table->index_count, sizeof *indexes);
    if (!indexes)
        return CV_E_NOMEM;
    size_t kept = 0;
    for (size_t i = 0; i < table->index_count; i++)
        if (&table->indexes[i] != index)
            indexes[kept++] = table->indexes[i];
    table->indexes = indexes;
    table->index_count = kept;
    return 0;
}

int cv__state_apply(cv_ctx *cx, cv__state *state, const char *label, const cv__operation *operation)
{
    switch (operation->kind) {
    case CV__CREATE_TABLE:
        return create_table(cx, state, label, operation);
    case CV__DROP_TABLE:
        return drop_table(cx, state, label, operation);
    case CV__ADD_COLUMN:
        return add_column(cx, state, label, operation);
    case CV__DROP_COLUMN:
        return drop_column(cx, state, label, operation);
    case CV__CREATE_INDEX:
        return create_index(cx, state, label, operation);
    case CV__DROP_INDEX:
        return drop_index(cx, state, label, operation);
    case CV__RUN_SQL:
        return 0;
    }
    return cv_fail(cx, CV_E_INTERNAL, "an operation has an unknown kind");
}

/* ---- references ---- */

static bool is_key(const cv__schema_table *table, const cv__column *column)
{
    if (column->primary_key)
        return true;
    for (size_t i = 0; i < table->index_count; i++)
        if (table->indexes[i].unique && table->indexes[i].column_count == 1 &&
            strcmp(table->indexes[i].columns[0], column->name) == 0)
            return true;
    return false;
}

static int check_reference(cv_ctx *cx, const cv__state *state, const cv__schema_table *table, const cv__column *column)
{
    const cv__schema_table *target = cv__state_table(state, column->references_table);
    const cv__column *key = target ? cv__table_column(target, column->references_column) : NULL;
    if (!key) {
        cv__fail_at(cx, column->place, "the column \"%s.%s\" refers to \"%s.%s\", which does not exist", table->name,
                    column->name, column->references_table, column->references_column);
        cv_error_hint(cx, "create it in this migration, or name the migration that creates it in depends_on");
        return CV_E_MIGRATION;
    }
    if (!cv__type_equal(&key->type, &column->type))
        return cv__fail_at(cx, column->place, "the column \"%s.%s\" refers to \"%s.%s\", which has another type",
                           table->name, column->name, target->name, key->name);
    if (!is_key(target, key))
        return cv__fail_at(cx, column->place, "the column \"%s.%s\" refers to \"%s.%s\", which is not unique",
                           table->name, column->name, target->name, key->name);
    return 0;
}

int cv__state_check(cv_ctx *cx, const cv__state *state)
{
    for (size_t i = 0; i < state->count; i++)
        for (size_t j = 0; j < state->tables[i]->column_count; j++)
            if (state->tables[i]->columns[j].references_table)
                CV_TRY(check_reference(cx, state, state->tables[i], &state->tables[i]->columns[j]));
    return 0;
}
