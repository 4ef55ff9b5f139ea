/* makemigrations: for each label, what its migrations lack becomes a file. What was made is read back together with the
 * files that exist before anything is written: a file that would not load never reaches the folder. */
#include "migrate/detect.h"
#include "migrate/render.h"

#include <stdlib.h>

/* One label on its way to a file. */
struct made {
    const char *label;
    cv__changes changes;
    unsigned number;
    const char *name;
    cv_buf text;
};

struct making {
    cv_ctx *cx;
    const cv_registry *registry;
    const cv_migrations *migrations;
    const cv_makemigrations_options *options;
    struct made *made; /* of the labels that changed */
    size_t count;
};

static const char *header =
    "Made from the models by makemigrations. It may be edited until it has been applied anywhere.";

/* ---- names ---- */

static void add_lower(cv_buf *out, const char *text)
{
    for (; *text; text++)
        cv_buf_add_char(out, *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text);
}

static void add_operation_name(cv_buf *out, const cv__operation *operation)
{
    switch (operation->kind) {
    case CV__CREATE_TABLE:
        add_lower(out, operation->as.create_table->name);
        break;
    case CV__DROP_TABLE:
        cv_buf_add_text(out, "drop_");
        add_lower(out, operation->as.drop_table);
        break;
    case CV__ADD_COLUMN:
        cv_buf_add_text(out, "add_");
        add_lower(out, operation->as.add_column.table);
        cv_buf_add_char(out, '_');
        add_lower(out, operation->as.add_column.column.name);
        break;
    case CV__DROP_COLUMN:
        cv_buf_add_text(out, "drop_");
        add_lower(out, operation->as.drop_column.table);
        cv_buf_add_char(out, '_');
        add_lower(out, operation->as.drop_column.column);
        break;
    case CV__CREATE_INDEX:
        cv_buf_add_text(out, "add_");
        add_lower(out, operation->as.create_index.name);
        break;
    case CV__DROP_INDEX:
        cv_buf_add_text(out, "drop_");
        add_lower(out, operation->as.drop_index);
        break;
    case CV__RUN_SQL:
        cv_buf_add_text(out, "run_sql");
        break;
    }
}

/* "0001_initial", "0002_add_books_isbn", "0003_drop_authors_and_more", or the name asked for. */
static int choose_name(struct making *m, struct made *made)
{
    const cv__migration *last = cv__migrations_last(m->migrations, made->label);
    cv_buf name;
    cv_buf_init_arena(&name, cv_ctx_arena(m->cx), 1024);
    made->number = last ? (unsigned)strtoul(last->name, NULL, 10) + 1 : 1;
    if (made->number > 9999)
        return cv_fail(m->cx, CV_E_LIMIT, "the label \"%s\" has used all numbers up to 9999", made->label);
    if (m->options->name)
        cv_buf_add_text(&name, m->options->name);
    else if (!last)
        cv_buf_add_text(&name, "initial");
    else
        add_operation_name(&name, &made->changes.operations[0]);
    cv_str base = cv_str_sub(cv_buf_str(&name), 0, m->options->name ? SIZE_MAX : 60);
    bool more = !m->options->name && last && made->changes.count > 1;
    made->name = cv_sprintf(m->cx, "%04u_%.*s%s", made->number, CV_STR_ARG(base), more ? "_and_more" : "");
    if (!made->name)
        return CV_E_NOMEM;
    if (!cv__migration_name_ok(cv_str_of(made->name))) {
        cv_fail(m->cx, CV_E_INVALID, "\"%s\" cannot be the name of a migration", m->options->name);
        cv_error_hint(m->cx, "use small letters, digits and underscores");
        return CV_E_INVALID;
    }
    return 0;
}

/* ---- which labels ---- */

static bool is_wanted(const struct making *m, const char *label)
{
    if (m->options->label && strcmp(m->options->label, label) != 0)
        return false;
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->made[i].label, label) == 0)
            return false;
    return true;
}

static int detect_label(struct making *m, const char *label)
{
    struct made *made = &m->made[m->count];
    if (!cv__label_ok(cv_str_of(label))) {
        cv_fail(m->cx, CV_E_INVALID, "the label \"%s\" cannot have migrations", label);
        cv_error_hint(m->cx, "labels consist of small letters, digits and underscores");
        return CV_E_INVALID;
    }
    *made = (struct made){.label = label};
    CV_TRY(cv__detect(m->cx, m->registry, label, &m->migrations->state, &made->changes));
    if (made->changes.count == 0)
        return 0;
    CV_TRY(choose_name(m, made));
    m->count++;
    return 0;
}

/* Every label of the registry; one that has no models any more only when it is asked for. */
static int detect_all(struct making *m)
{
    size_t models = cv__registry_count(m->registry);
    m->made = cv_zalloc(m->cx, models + 2, sizeof *m->made);
    if (!m->made)
        return CV_E_NOMEM;
    bool found = false;
    for (size_t i = 0; i < models; i++) {
        const char *label = cv__registry_at(m->registry, i)->label;
        found = found || (m->options->label && strcmp(label, m->options->label) == 0);
        bool first = true;
        for (size_t j = 0; j < i && first; j++)
            first = strcmp(cv__registry_at(m->registry, j)->label, label) != 0;
        if (first && is_wanted(m, label))
            CV_TRY(detect_label(m, label));
    }
    if (!m->options->label || found)
        return 0;
    CV_TRY(cv__migrations_need_label(m->cx, m->migrations, m->options->label));
    return detect_label(m, m->options->label);
}

/* ---- dependencies and text ---- */

static const char *label_of_table(const struct making *m, const char *table)
{
    for (size_t i = 0; i < cv__registry_count(m->registry); i++)
        if (strcmp(cv__registry_at(m->registry, i)->model->table, table) == 0)
            return cv__registry_at(m->registry, i)->label;
    return NULL;
}

/* The migration to depend on for a label's tables: the one being made, else its last. */
static const char *newest_of(const struct making *m, const char *label)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->made[i].label, label) == 0)
            return m->made[i].name;
    const cv__migration *last = cv__migrations_last(m->migrations, label);
    return last ? last->name : NULL;
}

static int depend(struct making *m, const struct made *made, const cv__column *column, cv__dependency *depends,
                  size_t *count)
{
    const char *label = column->references_table ? label_of_table(m, column->references_table) : NULL;
    if (!label || strcmp(label, made->label) == 0)
        return 0;
    for (size_t i = 0; i < *count; i++)
        if (strcmp(depends[i].label, label) == 0)
            return 0;
    const char *name = newest_of(m, label);
    if (!name) {
        cv_fail(m->cx, CV_E_UNSUPPORTED,
                "the column \"%s\" refers to the table \"%s\" of \"%s\", which has no migrations", column->name,
                column->references_table, label);
        cv_error_hint(m->cx, "make the migrations of all labels together");
        return CV_E_UNSUPPORTED;
    }
    if (*count == CV__FILE_MAX_DEPENDS)
        return cv_fail(m->cx, CV_E_LIMIT, "the models of \"%s\" refer to more than %d labels", made->label,
                       CV__FILE_MAX_DEPENDS);
    depends[(*count)++] = (cv__dependency){.label = label, .name = name};
    return 0;
}

static int find_dependencies(struct making *m, const struct made *made, cv__dependency *depends, size_t *count)
{
    for (size_t i = 0; i < made->changes.count; i++) {
        const cv__operation *operation = &made->changes.operations[i];
        if (operation->kind == CV__ADD_COLUMN)
            CV_TRY(depend(m, made, &operation->as.add_column.column, depends, count));
        if (operation->kind != CV__CREATE_TABLE)
            continue;
        for (size_t j = 0; j < operation->as.create_table->column_count; j++)
            CV_TRY(depend(m, made, &operation->as.create_table->columns[j], depends, count));
    }
    return 0;
}

static int write_text(struct making *m, struct made *made)
{
    cv__dependency *depends = cv_zalloc(m->cx, CV__FILE_MAX_DEPENDS, sizeof *depends);
    if (!depends)
        return CV_E_NOMEM;
    cv__file file = {
        .depends = depends, .operations = made->changes.operations, .operation_count = made->changes.count};
    CV_TRY(find_dependencies(m, made, depends, &file.depend_count));
    cv_buf_init_arena(&made->text, cv_ctx_arena(m->cx), CV__FILE_MAX_BYTES);
    cv__file_write(&made->text, header, &file);
    if (made->text.error)
        return cv_fail(m->cx, made->text.error, "the migration of \"%s\" is too large", made->label);
    return 0;
}

/* ---- proof ---- */

/* The engine must be able to have what is new. */
static int prove_engine(struct making *m, const cv_migrations *all)
{
    const cv__ddl *ddl;
    CV_TRY(cv__ddl_find(m->cx, m->options->engine, &ddl));
    for (size_t i = 0; i < m->count; i++) {
        cv__migration *migration;
        cv__statements statements;
        CV_TRY(cv__migrations_find(m->cx, all, m->made[i].label, m->made[i].name, &migration));
        CV_TRY(cv__render_migration(m->cx, ddl, all, migration, true, &statements));
    }
    return 0;
}

/* Everything together must load, and nothing may be missing afterwards. */
static int prove(struct making *m)
{
    size_t total = m->migrations->count + m->count;
    cv__source_file *files = cv_zalloc(m->cx, total + 1, sizeof *files);
    cv_migrations *all;
    if (!files)
        return CV_E_NOMEM;
    for (size_t i = 0; i < m->migrations->count; i++) {
        const cv__migration *old = m->migrations->list[i];
        files[i] = (cv__source_file){old->label, old->name, old->path, old->text};
    }
    for (size_t i = 0; i < m->count; i++) {
        const struct made *made = &m->made[i];
        const char *path = cv_sprintf(m->cx, "%s/%s (new)", made->label, made->name);
        if (!path)
            return CV_E_NOMEM;
        files[m->migrations->count + i] = (cv__source_file){made->label, made->name, path, cv_buf_str(&made->text)};
    }
    int rc = cv__migrations_build(m->cx, files, total, &all);
    if (rc == 0 && m->options->engine)
        return prove_engine(m, all);
    if (rc != CV_E_MIGRATION)
        return rc;
    cv_fail(m->cx, CV_E_UNSUPPORTED, "the models cannot be reached by one migration a label");
    cv_error_hint(m->cx, "where models of different labels refer to each other, add one side first, as a nullable key");
    return CV_E_UNSUPPORTED;
}

/* ---- the result ---- */

static int summarize(struct making *m, const struct made *made, cv_new_migration *result)
{
    const char **lines = cv_zalloc(m->cx, made->changes.count + made->changes.note_count + 1, sizeof *lines);
    size_t count = 0;
    if (!lines)
        return CV_E_NOMEM;
    for (size_t i = 0; i < made->changes.count; i++) {
        lines[count] = cv__operation_summary(m->cx, &made->changes.operations[i]);
        if (!lines[count++])
            return CV_E_NOMEM;
    }
    for (size_t i = 0; i < made->changes.note_count; i++)
        lines[count++] = made->changes.notes[i];
    result->summary = lines;
    return 0;
}

static int fill_result(struct making *m, const struct made *made, cv_new_migration *result)
{
    *result = (cv_new_migration){.label = made->label, .name = made->name, .text = made->text.data};
    if (m->options->folder) {
        result->path = cv_sprintf(m->cx, "%s/%s/%s.yaml", m->options->folder, made->label, made->name);
        if (!result->path)
            return CV_E_NOMEM;
    }
    return summarize(m, made, result);
}

int cv_makemigrations(cv_ctx *cx, const cv_registry *registry, const cv_migrations *migrations,
                      const cv_makemigrations_options *options, cv_new_migration **ret_new, size_t *ret_count)
{
    struct making m = {.cx = cx, .registry = registry, .migrations = migrations, .options = options};
    if (!options->folder && !options->dry_run)
        return cv_fail(cx, CV_E_INVALID, "no folder was given for the new migrations");
    CV_TRY(detect_all(&m));
    for (size_t i = 0; i < m.count; i++)
        CV_TRY(write_text(&m, &m.made[i]));
    if (m.count)
        CV_TRY(prove(&m));
    cv_new_migration *result = cv_zalloc(cx, m.count + 1, sizeof *result);
    if (!result)
        return CV_E_NOMEM;
    for (size_t i = 0; i < m.count; i++)
        CV_TRY(fill_result(&m, &m.made[i], &result[i]));
    if (m.count && !options->dry_run)
        CV_TRY(cv__publish(cx, options->folder, result, m.count));
    *ret_new = result;
    *ret_count = m.count;
    return 0;
}
