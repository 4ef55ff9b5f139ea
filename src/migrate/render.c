#include "migrate/render.h"

static const cv__ddl ddls[CV__ENGINE_COUNT] = {
    /* Deferring is all that a transaction can do about foreign keys: PRAGMA foreign_keys has no effect inside one. */
    [CV__SQLITE] = {.dialect = &cv__dialect_sqlite,
                    .engine = CV__SQLITE,
                    .forward_references = true,
                    .before_drop = "PRAGMA defer_foreign_keys = ON"},
    [CV__POSTGRES] = {.dialect = &cv__dialect_postgres,
                      .engine = CV__POSTGRES,
                      .lock = "SELECT pg_try_advisory_lock(7161937020348624229)",
                      .unlock = "SELECT pg_advisory_unlock(7161937020348624229)"},
    /* Locks are the server's, so that the name has that of the database in it. */
    [CV__MARIADB] = {.dialect = &cv__dialect_mariadb,
                     .engine = CV__MARIADB,
                     .constraints_apart = true,
                     .max_key_bytes = 3072,
                     .max_row_bytes = 65535,
                     .lock = "SELECT GET_LOCK(CONCAT('covet_migrate_', MD5(DATABASE())), 0)",
                     .unlock = "SELECT RELEASE_LOCK(CONCAT('covet_migrate_', MD5(DATABASE())))",
                     .preamble = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES,NO_BACKSLASH_ESCAPES');\n"},
};

int cv__ddl_find(cv_ctx *cx, const char *engine, const cv__ddl **ret_ddl)
{
    for (size_t i = 0; i < CV__ENGINE_COUNT; i++)
        if (engine && strcmp(cv__engine_names[i], engine) == 0) {
            *ret_ddl = &ddls[i];
            return 0;
        }
    cv_fail(cx, CV_E_INVALID, "there is no engine \"%s\"", engine ? engine : "");
    const char *nearest = cv_str_nearest(cv_str_of(engine), cv__engine_names, CV__ENGINE_COUNT);
    cv_error_hint(cx, nearest ? "did you mean \"%s\"?" : "there are sqlite, postgres and mariadb", nearest);
    return CV_E_INVALID;
}

/* One operation on its way to statements. */
struct rendering {
    cv_ctx *cx;
    const cv__ddl *ddl;
    const cv__state *before;
    const cv__operation *operation;
    cv__statements *out;
    cv_buf sql;
    int error;
};

static int push(struct rendering *r, const char *statement)
{
    cv__statements *out = r->out;
    if (out->count == out->capacity) {
        size_t capacity = out->capacity ? 2 * out->capacity : 16;
        const char **list = cv_zalloc(r->cx, capacity, sizeof *list);
        const cv__operation **operations = cv_zalloc(r->cx, capacity, sizeof(*operations));
        if (!list || !operations)
            return CV_E_NOMEM;
        for (size_t i = 0; i < out->count; i++) {
            list[i] = out->list[i];
            operations[i] = out->operations[i];
        }
        out->list = list;
        out->operations = operations;
        out->capacity = capacity;
    }
    out->operations[out->count] = r->operation;
    out->list[out->count++] = statement;
    return 0;
}

static void begin(struct rendering *r, const char *text)
{
    cv_buf_init_arena(&r->sql, cv_ctx_arena(r->cx), 4 * CV__FILE_MAX_BYTES);
    cv_buf_add_text(&r->sql, text);
}

static int end(struct rendering *r)
{
    int rc = r->error ? r->error : r->sql.error;
    if (rc < 0)
        return cv_error_last(r->cx) ? rc : cv_fail(r->cx, rc, "could not write a statement: %s", cv_error_text(rc));
    return push(r, r->sql.data);
}

static void add_name(struct rendering *r, const char *name)
{
    cv__add_identifier(&r->sql, cv_str_of(name));
}

static void add_text(struct rendering *r, const char *text)
{
    cv_buf_add_text(&r->sql, text);
}

/* A literal in the form in which the column stores it. */
static void add_value(struct rendering *r, cv_value value, const cv__column_type *type)
{
    cv_value stored = CV_NULL;
    int rc = r->ddl->dialect->store(cv_ctx_arena(r->cx), value, type, &stored);
    if (rc < 0 && !r->error)
        r->error = rc;
    r->ddl->dialect->add_literal(&r->sql, stored, type);
}

/* The name of a foreign key, "books_author_id_fk"; beyond 63 bytes, it keeps its beginning and ends with a checksum of
 * the whole. NULL without memory. */
static const char *key_name(cv_ctx *cx, const char *table, const char *column)
{
    enum { MAX_BYTES = 63, HASH_BYTES = 8, SUFFIX_BYTES = 3 };
    const char *whole = cv_sprintf(cx, "%s_%s", table, column);
    char checksum[CV__CHECKSUM_BYTES];
    if (!whole)
        return NULL;
    if (strlen(whole) + SUFFIX_BYTES <= MAX_BYTES)
        return cv_sprintf(cx, "%s_fk", whole);
    if (cv__checksum(cx, cv_str_of(whole), checksum) < 0)
        return NULL;
    int kept = MAX_BYTES - HASH_BYTES - 1 - SUFFIX_BYTES;
    return cv_sprintf(cx, "%.*s_%.*s_fk", kept, whole, (int)HASH_BYTES, checksum);
}

static void add_key_name(struct rendering *r, const char *table, const char *column)
{
    const char *name = key_name(r->cx, table, column);
    if (!name) {
        r->error = CV_E_NOMEM;
        return;
    }
    add_text(r, "CONSTRAINT ");
    add_name(r, name);
}

/* ---- columns ---- */

static void add_reference(struct rendering *r, const cv__column *column)
{
    static const char *const actions[] = {
        [CV_PROTECT] = "NO ACTION", [CV_CASCADE] = "CASCADE", [CV_SET_NULL] = "SET NULL"};
    add_text(r, " REFERENCES ");
    add_name(r, column->references_table);
    add_text(r, " (");
    add_name(r, column->references_column);
    cv_buf_printf(&r->sql, ") ON DELETE %s", actions[column->on_delete]);
}

static void add_check_values(struct rendering *r, const cv__check *check, const cv__column_type *type)
{
    for (size_t i = 0; i < check->value_count; i++) {
        add_text(r, i ? ", " : "");
        add_value(r, check->values[i], type);
    }
}

static void add_check(struct rendering *r, const cv__check *check, const cv__column_type *type)
{
    static const char *const operators[] = {
        [CV__EXACT] = " = ", [CV__GT] = " > ", [CV__GTE] = " >= ", [CV__LT] = " < ", [CV__LTE] = " <= "};
    add_text(r, "CONSTRAINT ");
    add_name(r, check->name);
    add_text(r, " CHECK (");
    if (check->lookup == CV__STARTSWITH) {
        add_text(r, "substr(");
        add_name(r, check->column);
        cv_buf_printf(&r->sql, ", 1, %zu) = ", cv_utf8_length(check->values[0].as.text));
        add_value(r, check->values[0], type);
    } else if (check->lookup == CV__IN) {
        add_name(r, check->column);
        add_text(r, " IN (");
        add_check_values(r, check, type);
        add_text(r, ")");
    } else {
        add_name(r, check->column);
        add_text(r, operators[check->lookup]);
        if (check->other)
            add_name(r, check->other);
        else
            add_check_values(r, check, type);
    }
    add_text(r, ")");
}

static void add_foreign_key(struct rendering *r, const char *table, const cv__column *column)
{
    add_key_name(r, table, column->name);
    add_text(r, " FOREIGN KEY (");
    add_name(r, column->name);
    add_text(r, ")");
    add_reference(r, column);
}

/* The constraints of a column, each behind `before`: its key, where it is one at once, and its checks. */
static void add_constraints(struct rendering *r, const char *table, const cv__column *column, const cv__check *checks,
                            size_t check_count, bool with_reference, const char *before)
{
    if (with_reference) {
        add_text(r, before);
        add_foreign_key(r, table, column);
    }
    for (size_t i = 0; i < check_count; i++)
        if (strcmp(checks[i].column, column->name) == 0) {
            add_text(r, before);
            add_check(r, &checks[i], &column->type);
        }
}

/* All constraints stand at their column, not at the table, where an engine allows it: only so can SQLite drop the
 * column. */
static void add_column(struct rendering *r, const char *table, const cv__column *column, const cv__check *checks,
                       size_t check_count, bool with_reference)
{
    add_name(r, column->name);
    add_text(r, " ");
    if (column->identity) {
        r->ddl->dialect->add_identity(&r->sql);
    } else {
        r->ddl->dialect->add_column_type(&r->sql, &column->type);
        add_text(r, column->null ? "" : " NOT NULL");
        add_text(r, column->primary_key ? " PRIMARY KEY" : "");
    }
    if (column->has_default) {
        add_text(r, " DEFAULT ");
        add_value(r, column->default_value, &column->type);
    }
    if (r->ddl->constraints_apart)
        return;
    if (with_reference) {
        add_text(r, " ");
        add_key_name(r, table, column->name);
        add_reference(r, column);
    }
    add_constraints(r, table, column, checks, check_count, false, " ");
}

/* ---- references between tables ---- */

/* Whether a new column may name its target at once. */
static bool refers_inline(const struct rendering *r, const char *table, const cv__column *column)
{
    if (!column->references_table)
        return false;
    if (r->ddl->forward_references)
        return true;
    if (strcmp(column->references_table, table) != 0)
        return cv__state_table(r->before, column->references_table) != NULL;
    const cv__schema_table *self = cv__state_table(r->before, table);
    return self && cv__table_column(self, column->references_column);
}

static bool refers_to(const cv__column *column, const char *table)
{
    return column->references_table && strcmp(column->references_table, table) == 0;
}

static int add_constraint(struct rendering *r, const char *table, const cv__column *column)
{
    begin(r, "ALTER TABLE ");
    add_name(r, table);
    add_text(r, " ADD ");
    add_foreign_key(r, table, column);
    return end(r);
}

static int drop_constraint(struct rendering *r, const char *table, const cv__column *column)
{
    const char *name = key_name(r->cx, table, column->name);
    if (!name)
        return CV_E_NOMEM;
    begin(r, "ALTER TABLE ");
    add_name(r, table);
    add_text(r, " DROP CONSTRAINT ");
    add_name(r, name);
    return end(r);
}

/* Run a step for each column of the table that refers to `target`. */
static int each_reference(struct rendering *r, const cv__schema_table *table, const char *target,
                          int (*step)(struct rendering *r, const char *table, const cv__column *column))
{
    for (size_t i = 0; i < table->column_count; i++)
        if (refers_to(&table->columns[i], target))
            CV_TRY(step(r, table->name, &table->columns[i]));
    return 0;
}

/* ---- operations ---- */

static int create_index(struct rendering *r, const cv__schema_table *table, const cv__index *index)
{
    CV_TRY(cv__ddl_check_index(r->cx, r->ddl, table, index, r->operation->place));
    begin(r, index->unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");
    add_name(r, index->name);
    add_text(r, " ON ");
    add_name(r, index->table);
    add_text(r, " (");
    for (size_t i = 0; i < index->column_count; i++) {
        add_text(r, i ? ", " : "");
        add_name(r, index->columns[i]);
        add_text(r, index->descending[i] ? " DESC" : "");
    }
    add_text(r, ")");
    return end(r);
}

/* An index that a foreign key needs cannot go without another in its place; that one keeps the key's name. */
static int drop_index(struct rendering *r, const char *name)
{
    const cv__index *index = cv__state_index(r->before, name);
    const cv__schema_table *table = index ? cv__state_table(r->before, index->table) : NULL;
    const cv__column *first = table ? cv__table_column(table, index->columns[0]) : NULL;
    if (!r->ddl->constraints_apart) {
        begin(r, "DROP INDEX ");
        add_name(r, name);
        return end(r);
    }
    if (!first)
        return cv__fail_at(r->cx, r->operation->place, "there is no index \"%s\" to drop", name);
    begin(r, "ALTER TABLE ");
    add_name(r, table->name);
    if (first->references_table) {
        const char *key = key_name(r->cx, table->name, first->name);
        if (!key)
            return CV_E_NOMEM;
        add_text(r, " ADD INDEX IF NOT EXISTS ");
        add_name(r, key);
        add_text(r, " (");
        add_name(r, first->name);
        add_text(r, "),");
    }
    add_text(r, " DROP INDEX ");
    add_name(r, name);
    return end(r);
}

static int create_table(struct rendering *r, const cv__schema_table *table)
{
    CV_TRY(cv__ddl_check_table(r->cx, r->ddl, table));
    begin(r, "CREATE TABLE ");
    add_name(r, table->name);
    add_text(r, " (");
    for (size_t i = 0; i < table->column_count; i++) {
        add_text(r, i ? ",\n    " : "\n    ");
        add_column(r, table->name, &table->columns[i], table->checks, table->check_count,
                   refers_inline(r, table->name, &table->columns[i]));
    }
    for (size_t i = 0; r->ddl->constraints_apart && i < table->column_count; i++)
        add_constraints(r, table->name, &table->columns[i], table->checks, table->check_count,
                        refers_inline(r, table->name, &table->columns[i]), ",\n    ");
    add_text(r, "\n)");
    add_text(r, r->ddl->dialect->table_options);
    CV_TRY(end(r));
    for (size_t i = 0; i < table->index_count; i++)
        CV_TRY(create_index(r, table, &table->indexes[i]));
    if (r->ddl->forward_references)
        return 0;
    CV_TRY(each_reference(r, table, table->name, add_constraint));
    for (size_t i = 0; i < r->before->count; i++)
        CV_TRY(each_reference(r, r->before->tables[i], table->name, add_constraint));
    return 0;
}

static int drop_table(struct rendering *r, const char *name)
{
    bool referred = false;
    for (size_t i = 0; i < r->before->count; i++) {
        const cv__schema_table *table = r->before->tables[i];
        if (strcmp(table->name, name) == 0)
            continue;
        for (size_t j = 0; j < table->column_count; j++)
            referred = referred || refers_to(&table->columns[j], name);
        if (!r->ddl->forward_references)
            CV_TRY(each_reference(r, table, name, drop_constraint));
    }
    if (referred && r->ddl->before_drop) {
        begin(r, r->ddl->before_drop);
        CV_TRY(end(r));
    }
    begin(r, "DROP TABLE ");
    add_name(r, name);
    return end(r);
}

static int add_column_statement(struct rendering *r, const cv__operation *operation)
{
    const char *table = operation->as.add_column.table;
    const cv__column *column = &operation->as.add_column.column;
    const cv__check *checks = operation->as.add_column.checks;
    size_t check_count = operation->as.add_column.check_count;
    bool refers = refers_inline(r, table, column);
    CV_TRY(cv__ddl_check_column(r->cx, r->ddl, column, checks, check_count));
    begin(r, "ALTER TABLE ");
    add_name(r, table);
    add_text(r, " ADD COLUMN ");
    add_column(r, table, column, checks, check_count, refers);
    if (r->ddl->constraints_apart)
        add_constraints(r, table, column, checks, check_count, refers, ", ADD ");
    return end(r);
}

/* Constraints that stand at the table keep their column from being dropped. */
static void drop_constraints_of(struct rendering *r, const cv__schema_table *table, const cv__column *column)
{
    for (size_t i = 0; i < table->check_count; i++)
        if (strcmp(table->checks[i].column, column->name) == 0) {
            add_text(r, " DROP CONSTRAINT ");
            add_name(r, table->checks[i].name);
            add_text(r, ",");
        }
    const char *key = column->references_table ? key_name(r->cx, table->name, column->name) : NULL;
    if (!key)
        return;
    add_text(r, " DROP CONSTRAINT ");
    add_name(r, key);
    add_text(r, ",");
}

static int drop_column(struct rendering *r, const char *table, const char *column)
{
    const cv__schema_table *before = r->ddl->constraints_apart ? cv__state_table(r->before, table) : NULL;
    const cv__column *dropped = before ? cv__table_column(before, column) : NULL;
    begin(r, "ALTER TABLE ");
    add_name(r, table);
    if (dropped)
        drop_constraints_of(r, before, dropped);
    add_text(r, " DROP COLUMN ");
    add_name(r, column);
    return end(r);
}

static int run_sql(struct rendering *r, const cv__operation *operation)
{
    const cv__sql_list *list = &operation->as.run_sql.forward[r->ddl->engine];
    const char *engine = cv__engine_names[r->ddl->engine];
    if (!list->given) {
        cv__fail_at(r->cx, operation->place, "this run_sql has no statements for the engine \"%s\"", engine);
        cv_error_hint(r->cx, "where there is nothing to do, write: %s: []", engine);
        return CV_E_MIGRATION;
    }
    for (size_t i = 0; i < list->count; i++)
        CV_TRY(push(r, list->statements[i]));
    return 0;
}

int cv__render(cv_ctx *cx, const cv__ddl *ddl, const cv__state *before, const cv__operation *operation,
               cv__statements *out)
{
    struct rendering r = {.cx = cx, .ddl = ddl, .before = before, .operation = operation, .out = out};
    switch (operation->kind) {
    case CV__CREATE_TABLE:
        return create_table(&r, operation->as.create_table);
    case CV__DROP_TABLE:
        return drop_table(&r, operation->as.drop_table);
    case CV__ADD_COLUMN:
        return add_column_statement(&r, operation);
    case CV__DROP_COLUMN:
        return drop_column(&r, operation->as.drop_column.table, operation->as.drop_column.column);
    case CV__CREATE_INDEX:
        return create_index(&r, cv__state_table(before, operation->as.create_index.table), &operation->as.create_index);
    case CV__DROP_INDEX:
        return drop_index(&r, operation->as.drop_index);
    case CV__RUN_SQL:
        return run_sql(&r, operation);
    }
    return cv_fail(cx, CV_E_INTERNAL, "an operation has an unknown kind");
}

/* ---- whole migrations ---- */

/* The operations that undo a migration, in the order to run; `state` is before it and ends after it. */
static int reverse_operations(cv_ctx *cx, const cv__migration *migration, cv__state *state,
                              cv__operation **ret_operations)
{
    size_t count = migration->file.operation_count;
    cv__operation *operations = cv_zalloc(cx, count + 1, sizeof *operations);
    if (!operations)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const cv__operation *operation = &migration->file.operations[i];
        CV_TRY(cv__operation_reverse(cx, operation, state, &operations[count - 1 - i]));
        CV_TRY(cv__state_apply(cx, state, migration->label, operation));
    }
    *ret_operations = operations;
    return 0;
}

int cv__render_migration(cv_ctx *cx, const cv__ddl *ddl, const cv_migrations *migrations,
                         const cv__migration *migration, bool forward, cv__statements *ret_statements)
{
    const cv__operation *operations = migration->file.operations;
    cv__operation *reversed;
    cv__state state;
    cv__statements out = {0};
    CV_TRY(cv__migrations_state_at(cx, migrations, migration->position, &state));
    if (!forward) {
        CV_TRY(reverse_operations(cx, migration, &state, &reversed));
        operations = reversed;
    }
    for (size_t i = 0; i < migration->file.operation_count; i++) {
        CV_TRY(cv__render(cx, ddl, &state, &operations[i], &out));
        CV_TRY(cv__state_apply(cx, &state, migration->label, &operations[i]));
    }
    *ret_statements = out;
    return 0;
}

int cv_migrations_check_engine(cv_ctx *cx, const cv_migrations *migrations, const char *engine)
{
    const cv__ddl *ddl;
    cv__statements statements;
    CV_TRY(cv__ddl_find(cx, engine, &ddl));
    for (size_t i = 0; i < migrations->count; i++)
        CV_TRY(cv__render_migration(cx, ddl, migrations, migrations->list[i], true, &statements));
    return 0;
}

int cv_migration_sql(cv_ctx *cx, const cv_migrations *migrations, const char *label, const char *name,
                     const char *engine, bool forward, cv_buf *out)
{
    const cv__ddl *ddl;
    cv__migration *migration;
    cv__statements statements;
    CV_TRY(cv__ddl_find(cx, engine, &ddl));
    CV_TRY(cv__migrations_find(cx, migrations, label, name, &migration));
    CV_TRY(cv__render_migration(cx, ddl, migrations, migration, forward, &statements));
    if (ddl->preamble && statements.count)
        cv_buf_add_text(out, ddl->preamble);
    for (size_t i = 0; i < statements.count; i++) {
        cv_buf_add_text(out, statements.list[i]);
        cv_buf_add_text(out, ";\n");
    }
    if (out->error)
        return cv_fail(cx, out->error, "could not write the statements: %s", cv_error_text(out->error));
    return 0;
}
