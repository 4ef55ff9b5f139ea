#include "migrate/file.h"

#define MAX_NAME_BYTES     100
#define MAX_SQL_STATEMENTS 1000

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool cv__label_ok(cv_str label)
{
    for (size_t i = 0; i < label.len; i++)
        if (!is_name_char(label.ptr[i]))
            return false;
    return label.len > 0 && label.len <= MAX_NAME_BYTES;
}

bool cv__migration_name_ok(cv_str name)
{
    if (name.len < 6 || !cv__label_ok(name) || name.ptr[4] != '_')
        return false;
    for (size_t i = 0; i < 4; i++)
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return false;
    return true;
}

/* ---- operations ---- */

static int take_add_column(const cv__taking *t, const cv__yaml_node *node, cv__operation *operation)
{
    static const char *const known[] = {"table", "column", "checks", NULL};
    const cv__yaml_node *column;
    CV_TRY(cv__take_keys(t, node, "add_column", known));
    CV_TRY(cv__take_name(t, node, "add_column", "table", &operation->as.add_column.table));
    CV_TRY(cv__take_child(t, node, "add_column", "column", &column));
    CV_TRY(cv__take_column(t, column, &operation->as.add_column.column));
    cv__schema_table only = {.columns = &operation->as.add_column.column, .column_count = 1};
    return cv__take_checks(t, node, &only, &operation->as.add_column.checks, &operation->as.add_column.check_count);
}

static int take_drop_column(const cv__taking *t, const cv__yaml_node *node, cv__operation *operation)
{
    static const char *const known[] = {"table", "column", NULL};
    CV_TRY(cv__take_keys(t, node, "drop_column", known));
    CV_TRY(cv__take_name(t, node, "drop_column", "table", &operation->as.drop_column.table));
    return cv__take_name(t, node, "drop_column", "column", &operation->as.drop_column.column);
}

static int take_create_index(const cv__taking *t, const cv__yaml_node *node, cv__operation *operation)
{
    static const char *const known[] = {"name", "table", "columns", "unique", NULL};
    cv__index *index = &operation->as.create_index;
    CV_TRY(cv__take_keys(t, node, "create_index", known));
    CV_TRY(cv__take_name(t, node, "create_index", "name", &index->name));
    CV_TRY(cv__take_name(t, node, "create_index", "table", &index->table));
    CV_TRY(cv__take_bool(t, node, "unique", &index->unique));
    return cv__take_index_columns(t, node, "create_index", true, index);
}

static int take_sql_list(const cv__taking *t, const cv__yaml_node *list, cv__sql_list *ret_list)
{
    CV_TRY(cv__take_kind(t, list, CV__YAML_SEQUENCE, "the statements of an engine"));
    if (list->count > MAX_SQL_STATEMENTS)
        return cv__fail_at(t->cx, cv__take_place(t, list), "run_sql has at most %d statements", MAX_SQL_STATEMENTS);
    const char **statements = cv_zalloc(t->cx, list->count + 1, sizeof *statements);
    if (!statements)
        return CV_E_NOMEM;
    *ret_list = (cv__sql_list){.given = true, .statements = statements};
    for (const cv__yaml_node *at = list->first; at; at = at->next) {
        CV_TRY(cv__take_kind(t, at, CV__YAML_SCALAR, "a statement"));
        if (cv_str_trim(at->text).len == 0)
            return cv__fail_at(t->cx, cv__take_place(t, at), "a statement cannot be empty");
        statements[ret_list->count++] = at->text.ptr;
    }
    return 0;
}

static int take_engines(const cv__taking *t, const cv__yaml_node *node, cv__sql_list lists[CV__ENGINE_COUNT])
{
    bool any = false;
    for (size_t i = 0; i < CV__ENGINE_COUNT; i++) {
        const cv__yaml_node *list = cv__yaml_get(node, cv__engine_names[i]);
        if (!list)
            continue;
        CV_TRY(take_sql_list(t, list, &lists[i]));
        any = true;
    }
    if (any)
        return 0;
    return cv__fail_at(t->cx, cv__take_place(t, node),
                       "run_sql needs statements for \"sqlite\", \"postgres\" or \"mariadb\"");
}

static int take_run_sql(const cv__taking *t, const cv__yaml_node *node, cv__operation *operation)
{
    static const char *const known[] = {"sqlite", "postgres", "mariadb", "reverse", NULL};
    CV_TRY(cv__take_keys(t, node, "run_sql", known));
    CV_TRY(take_engines(t, node, operation->as.run_sql.forward));
    const cv__yaml_node *reverse = cv__yaml_get(node, "reverse");
    if (!reverse)
        return 0;
    operation->as.run_sql.reversible = true;
    CV_TRY(cv__take_keys(t, reverse, "\"reverse\"", cv__engine_names));
    return take_engines(t, reverse, operation->as.run_sql.backward);
}

static int take_named(const cv__taking *t, const cv__yaml_node *node, const char *what, const char **ret_name)
{
    static const char *const known[] = {"name", NULL};
    CV_TRY(cv__take_keys(t, node, what, known));
    return cv__take_name(t, node, what, "name", ret_name);
}

static int take_body(const cv__taking *t, const cv__yaml_node *node, cv__operation *operation)
{
    switch (operation->kind) {
    case CV__CREATE_TABLE:
        return cv__take_table(t, node, &operation->as.create_table);
    case CV__DROP_TABLE:
        return take_named(t, node, "drop_table", &operation->as.drop_table);
    case CV__ADD_COLUMN:
        return take_add_column(t, node, operation);
    case CV__DROP_COLUMN:
        return take_drop_column(t, node, operation);
    case CV__CREATE_INDEX:
        return take_create_index(t, node, operation);
    case CV__DROP_INDEX:
        return take_named(t, node, "drop_index", &operation->as.drop_index);
    case CV__RUN_SQL:
        return take_run_sql(t, node, operation);
    }
    return CV_E_INTERNAL;
}

/* `- create_table: {...}`: a mapping with one key. */
static int take_operation(const cv__taking *t, const cv__yaml_node *node, cv__operation *operation)
{
    size_t kind;
    CV_TRY(cv__take_kind(t, node, CV__YAML_MAPPING, "an operation"));
    if (node->count != 1)
        return cv__fail_at(t->cx, cv__take_place(t, node), "an operation has one key, its name, not %zu", node->count);
    CV_TRY(cv__take_word(t, cv__take_key_place(t, node->first), "operation", node->first->key, cv__operation_names,
                         CV__OPERATION_COUNT, &kind));
    *operation = (cv__operation){.kind = (cv__operation_kind)kind, .place = cv__take_key_place(t, node->first)};
    return take_body(t, node->first, operation);
}

static int take_operations(const cv__taking *t, const cv__yaml_node *root, cv__file *file)
{
    const cv__yaml_node *list;
    CV_TRY(cv__take_child(t, root, "a migration", "operations", &list));
    CV_TRY(cv__take_kind(t, list, CV__YAML_SEQUENCE, "\"operations\""));
    if (list->count > CV__FILE_MAX_OPERATIONS)
        return cv__fail_at(t->cx, cv__take_place(t, list), "a migration has at most %d operations",
                           CV__FILE_MAX_OPERATIONS);
    cv__operation *operations = cv_zalloc(t->cx, list->count + 1, sizeof *operations);
    if (!operations)
        return CV_E_NOMEM;
    file->operations = operations;
    for (const cv__yaml_node *at = list->first; at; at = at->next)
        CV_TRY(take_operation(t, at, &operations[file->operation_count++]));
    return 0;
}

/* ---- the head ---- */

static int take_dependency(const cv__taking *t, const cv__yaml_node *node, cv__dependency *dependency)
{
    CV_TRY(cv__take_kind(t, node, CV__YAML_SCALAR, "a dependency"));
    cv_str rest = node->text, label = {0};
    (void)cv_str_split(&rest, '/', &label);
    if (!cv__label_ok(label) || !rest.ptr || !cv__migration_name_ok(rest)) {
        cv__fail_at(t->cx, cv__take_place(t, node), "\"%.*s\" does not name a migration",
                    (int)(node->text.len < 80 ? node->text.len : 80), node->text.ptr);
        cv_error_hint(t->cx, "write its label and name: authors/0001_initial");
        return CV_E_MIGRATION;
    }
    dependency->label = cv_strndup(t->cx, label.ptr, label.len);
    dependency->name = rest.ptr;
    dependency->place = cv__take_place(t, node);
    return dependency->label ? 0 : CV_E_NOMEM;
}

static int take_depends(const cv__taking *t, const cv__yaml_node *root, cv__file *file)
{
    const cv__yaml_node *list = cv__yaml_get(root, "depends_on");
    if (!list)
        return 0;
    CV_TRY(cv__take_kind(t, list, CV__YAML_SEQUENCE, "\"depends_on\""));
    if (list->count > CV__FILE_MAX_DEPENDS)
        return cv__fail_at(t->cx, cv__take_place(t, list), "a migration depends on at most %d others",
                           CV__FILE_MAX_DEPENDS);
    cv__dependency *depends = cv_zalloc(t->cx, list->count + 1, sizeof *depends);
    if (!depends)
        return CV_E_NOMEM;
    file->depends = depends;
    for (const cv__yaml_node *at = list->first; at; at = at->next)
        CV_TRY(take_dependency(t, at, &depends[file->depend_count++]));
    return 0;
}

static int take_version(const cv__taking *t, const cv__yaml_node *root)
{
    const cv__yaml_node *version;
    CV_TRY(cv__take_child(t, root, "a migration", "covet", &version));
    if (version->kind == CV__YAML_SCALAR && cv_str_equal(version->text, CV_STR("1")))
        return 0;
    cv__fail_at(t->cx, cv__take_place(t, version), "this version of the format is not known");
    cv_error_hint(t->cx, "this Covet reads \"covet: 1\"; a later one may have written the file");
    return CV_E_MIGRATION;
}

int cv__file_read(cv_ctx *cx, const char *name, cv_str text, cv__file *ret_file)
{
    static const char *const known[] = {"covet", "depends_on", "operations", NULL};
    const cv__taking t = {cx, name};
    const cv__yaml_node *root;
    cv__file file = {0};
    CV_TRY(cv__yaml_read(cx, text, &(cv__yaml_options){.name = name, .max_bytes = CV__FILE_MAX_BYTES}, &root));
    if (!root)
        return cv__fail_at(cx, (cv__place){name, 1, 1}, "the migration is empty");
    CV_TRY(cv__take_keys(&t, root, "a migration", known));
    CV_TRY(take_version(&t, root));
    CV_TRY(take_depends(&t, root, &file));
    CV_TRY(take_operations(&t, root, &file));
    *ret_file = file;
    return 0;
}
