#include "migrate/operation.h"
#include "migrate/state.h"

const char *const cv__operation_names[CV__OPERATION_COUNT] = {"create_table", "drop_table", "add_column", "drop_column",
                                                              "create_index", "drop_index", "run_sql"};

const char *const cv__engine_names[CV__ENGINE_COUNT + 1] = {"sqlite", "postgres", "mariadb"};

static int reverse_run_sql(cv_ctx *cx, const cv__operation *operation, cv__operation *reverse)
{
    if (!operation->as.run_sql.reversible) {
        cv__fail_at(cx, operation->place, "this run_sql cannot be undone: it has no \"reverse\"");
        cv_error_hint(cx, "where there is nothing to undo, write: reverse: {sqlite: [], postgres: [], mariadb: []}");
        return CV_E_MIGRATION;
    }
    memcpy(reverse->as.run_sql.forward, operation->as.run_sql.backward, sizeof reverse->as.run_sql.forward);
    memcpy(reverse->as.run_sql.backward, operation->as.run_sql.forward, sizeof reverse->as.run_sql.backward);
    reverse->as.run_sql.reversible = true;
    return 0;
}

/* The column comes back with its own checks. */
static int reverse_drop_column(cv_ctx *cx, const cv__operation *operation, const cv__state *before,
                               cv__operation *reverse)
{
    const cv__schema_table *table = cv__state_table(before, operation->as.drop_column.table);
    const cv__column *column = table ? cv__table_column(table, operation->as.drop_column.column) : NULL;
    if (!column)
        return cv__fail_at(cx, operation->place, "there is no column \"%s\" to drop", operation->as.drop_column.column);
    cv__check *checks = cv_zalloc(cx, table->check_count + 1, sizeof *checks);
    if (!checks)
        return CV_E_NOMEM;
    size_t count = 0;
    for (size_t i = 0; i < table->check_count; i++)
        if (strcmp(table->checks[i].column, column->name) == 0)
            checks[count++] = table->checks[i];
    reverse->kind = CV__ADD_COLUMN;
    reverse->as.add_column.table = table->name;
    reverse->as.add_column.column = *column;
    reverse->as.add_column.checks = checks;
    reverse->as.add_column.check_count = count;
    return 0;
}

int cv__operation_reverse(cv_ctx *cx, const cv__operation *operation, const cv__state *before,
                          cv__operation *ret_reverse)
{
    cv__operation reverse = {.place = operation->place};
    switch (operation->kind) {
    case CV__CREATE_TABLE:
        reverse.kind = CV__DROP_TABLE;
        reverse.as.drop_table = operation->as.create_table->name;
        break;
    case CV__DROP_TABLE:
        reverse.kind = CV__CREATE_TABLE;
        reverse.as.create_table = cv__state_table(before, operation->as.drop_table);
        if (!reverse.as.create_table)
            return cv__fail_at(cx, operation->place, "there is no table \"%s\" to drop", operation->as.drop_table);
        break;
    case CV__ADD_COLUMN:
        reverse.kind = CV__DROP_COLUMN;
        reverse.as.drop_column.table = operation->as.add_column.table;
        reverse.as.drop_column.column = operation->as.add_column.column.name;
        break;
    case CV__DROP_COLUMN:
        CV_TRY(reverse_drop_column(cx, operation, before, &reverse));
        break;
    case CV__CREATE_INDEX:
        reverse.kind = CV__DROP_INDEX;
        reverse.as.drop_index = operation->as.create_index.name;
        break;
    case CV__DROP_INDEX: {
        const cv__index *index = cv__state_index(before, operation->as.drop_index);
        if (!index)
            return cv__fail_at(cx, operation->place, "there is no index \"%s\" to drop", operation->as.drop_index);
        reverse.kind = CV__CREATE_INDEX;
        reverse.as.create_index = *index;
        break;
    }
    case CV__RUN_SQL:
        reverse.kind = CV__RUN_SQL;
        CV_TRY(reverse_run_sql(cx, operation, &reverse));
        break;
    }
    *ret_reverse = reverse;
    return 0;
}

const char *cv__operation_summary(cv_ctx *cx, const cv__operation *operation)
{
    switch (operation->kind) {
    case CV__CREATE_TABLE:
        return cv_sprintf(cx, "create table %s", operation->as.create_table->name);
    case CV__DROP_TABLE:
        return cv_sprintf(cx, "drop table %s", operation->as.drop_table);
    case CV__ADD_COLUMN:
        return cv_sprintf(cx, "add column %s.%s", operation->as.add_column.table, operation->as.add_column.column.name);
    case CV__DROP_COLUMN:
        return cv_sprintf(cx, "drop column %s.%s", operation->as.drop_column.table, operation->as.drop_column.column);
    case CV__CREATE_INDEX:
        return cv_sprintf(cx, "create %sindex %s", operation->as.create_index.unique ? "unique " : "",
                          operation->as.create_index.name);
    case CV__DROP_INDEX:
        return cv_sprintf(cx, "drop index %s", operation->as.drop_index);
    case CV__RUN_SQL:
        break;
    }
    return cv_sprintf(cx, "run sql");
}
