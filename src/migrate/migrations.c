#include "migrate/migrations.h"

/* ---- loading ---- */

static int read_one(cv_ctx *cx, const cv__source_file *source, cv__migration **ret_migration)
{
    cv__migration *migration = cv_zalloc(cx, 1, sizeof *migration);
    if (!migration)
        return CV_E_NOMEM;
    migration->label = source->label;
    migration->name = source->name;
    migration->path = source->path;
    migration->text = source->text;
    CV_TRY(cv__checksum(cx, source->text, migration->checksum));
    CV_TRY(cv__file_read(cx, source->path, source->text, &migration->file));
    *ret_migration = migration;
    return 0;
}

static int replay(cv_ctx *cx, const cv__migration *migration, cv__state *state)
{
    for (size_t i = 0; i < migration->file.operation_count; i++)
        CV_TRY(cv__state_apply(cx, state, migration->label, &migration->file.operations[i]));
    return 0;
}

int cv__migrations_build(cv_ctx *cx, const cv__source_file *files, size_t count, cv_migrations **ret_migrations)
{
    cv_migrations *migrations = cv_zalloc(cx, 1, sizeof *migrations);
    if (!migrations)
        return CV_E_NOMEM;
    migrations->list = cv_zalloc(cx, count + 1, sizeof *migrations->list);
    if (!migrations->list)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        CV_TRY(read_one(cx, &files[i], &migrations->list[i]));
    migrations->count = count;
    CV_TRY(cv__graph_order(cx, migrations->list, count));
    for (size_t i = 0; i < count; i++) {
        CV_TRY(replay(cx, migrations->list[i], &migrations->state));
        CV_TRY(cv__state_check(cx, &migrations->state));
    }
    *ret_migrations = migrations;
    return 0;
}

static int embedded_files(cv_ctx *cx, const cv_migrations_source *source, cv__source_file **ret_files)
{
    cv__source_file *files = cv_zalloc(cx, source->embedded_count + 1, sizeof *files);
    if (!files)
        return CV_E_NOMEM;
    for (size_t i = 0; i < source->embedded_count; i++) {
        const cv_embedded_migration *from = &source->embedded[i];
        if (!cv__label_ok(cv_str_of(from->label)) || !cv__migration_name_ok(cv_str_of(from->name)))
            return cv_fail(cx, CV_E_MIGRATION, "the embedded migration \"%s/%s\" has a name that is not allowed",
                           from->label, from->name);
        files[i] = (cv__source_file){.label = from->label,
                                     .name = from->name,
                                     .path = cv_sprintf(cx, "%s/%s (embedded)", from->label, from->name),
                                     .text = cv_str_make(from->text, from->len)};
        if (!files[i].path)
            return CV_E_NOMEM;
    }
    *ret_files = files;
    return 0;
}

/* ---- warnings ---- */

static void warn(cv_ctx *cx, cv_migrations *migrations, const char *format, const char *label, const char *name)
{
    if (migrations->warning_count == CV__MIGRATE_WARNINGS)
        return;
    cv_buf text;
    cv_buf_init_arena(&text, cv_ctx_arena(cx), 1024);
    cv_buf_printf(&text, "the migration \"%s/%s\" %s", label, name, format);
    if (text.data)
        migrations->warnings[migrations->warning_count++] = text.data;
}

static const cv_embedded_migration *find_embedded(const cv_migrations_source *source, const cv__migration *migration)
{
    for (size_t i = 0; i < source->embedded_count; i++)
        if (strcmp(source->embedded[i].label, migration->label) == 0 &&
            strcmp(source->embedded[i].name, migration->name) == 0)
            return &source->embedded[i];
    return NULL;
}

static bool has(const cv_migrations *migrations, const char *label, const char *name)
{
    for (size_t i = 0; i < migrations->count; i++)
        if (strcmp(migrations->list[i]->label, label) == 0 && strcmp(migrations->list[i]->name, name) == 0)
            return true;
    return false;
}

static void compare_with_embedded(cv_ctx *cx, cv_migrations *migrations, const cv_migrations_source *source)
{
    if (source->embedded_count == 0)
        return;
    for (size_t i = 0; i < migrations->count; i++) {
        const cv__migration *migration = migrations->list[i];
        const cv_embedded_migration *embedded = find_embedded(source, migration);
        if (!embedded)
            warn(cx, migrations, "is in the folder and not compiled in; the folder is used", migration->label,
                 migration->name);
        else if (!cv_str_equal(migration->text, cv_str_make(embedded->text, embedded->len)))
            warn(cx, migrations, "differs from the one compiled in; the folder is used", migration->label,
                 migration->name);
    }
    for (size_t i = 0; i < source->embedded_count; i++)
        if (!has(migrations, source->embedded[i].label, source->embedded[i].name))
            warn(cx, migrations, "is compiled in and not in the folder; the folder is used", source->embedded[i].label,
                 source->embedded[i].name);
}

int cv_migrations_load(cv_ctx *cx, const cv_migrations_source *source, cv_migrations **ret_migrations)
{
    cv__source_file *files = NULL;
    size_t count = 0;
    bool exists = false;
    if (source->folder)
        CV_TRY(cv__folder_read(cx, source->folder, &files, &count, &exists));
    if (!exists) {
        CV_TRY(embedded_files(cx, source, &files));
        count = source->embedded_count;
    }
    CV_TRY(cv__migrations_build(cx, files, count, ret_migrations));
    if (exists)
        compare_with_embedded(cx, *ret_migrations, source);
    else if (source->folder && source->embedded_count) {
        const char *text =
            cv_sprintf(cx, "the folder \"%s\" does not exist; the migrations compiled in are used", source->folder);
        if (!text)
            return CV_E_NOMEM;
        (*ret_migrations)->warnings[(*ret_migrations)->warning_count++] = text;
    }
    return 0;
}

const char *cv_migrations_warning(const cv_migrations *migrations, size_t *position)
{
    return *position < migrations->warning_count ? migrations->warnings[(*position)++] : NULL;
}

/* ---- finding ---- */

cv__migration *cv__migrations_last(const cv_migrations *migrations, const char *label)
{
    cv__migration *last = NULL;
    for (size_t i = 0; i < migrations->count; i++)
        if (strcmp(migrations->list[i]->label, label) == 0)
            last = migrations->list[i];
    return last;
}

int cv__migrations_need_label(cv_ctx *cx, const cv_migrations *migrations, const char *label)
{
    if (cv__migrations_last(migrations, label))
        return 0;
    const char **labels = cv_zalloc(cx, migrations->count + 1, sizeof *labels);
    if (!labels)
        return CV_E_NOMEM;
    for (size_t i = 0; i < migrations->count; i++)
        labels[i] = migrations->list[i]->label;
    cv_fail(cx, CV_E_NOT_FOUND, "there are no migrations of the label \"%s\"", label);
    cv__hint_nearest(cx, label, labels, migrations->count);
    return CV_E_NOT_FOUND;
}

static int not_found(cv_ctx *cx, const cv_migrations *migrations, const char *label, const char *name)
{
    const char **names = cv_zalloc(cx, migrations->count + 1, sizeof *names);
    size_t count = 0;
    if (!names)
        return CV_E_NOMEM;
    for (size_t i = 0; i < migrations->count; i++)
        if (strcmp(migrations->list[i]->label, label) == 0)
            names[count++] = migrations->list[i]->name;
    cv_fail(cx, CV_E_NOT_FOUND, "the label \"%s\" has no migration \"%s\"", label, name);
    cv__hint_nearest(cx, name, names, count);
    return CV_E_NOT_FOUND;
}

int cv__migrations_find(cv_ctx *cx, const cv_migrations *migrations, const char *label, const char *name,
                        cv__migration **ret_migration)
{
    cv__migration *found = NULL;
    CV_TRY(cv__migrations_need_label(cx, migrations, label));
    for (size_t i = 0; i < migrations->count; i++) {
        cv__migration *migration = migrations->list[i];
        if (strcmp(migration->label, label) != 0)
            continue;
        if (strcmp(migration->name, name) == 0) {
            *ret_migration = migration;
            return 0;
        }
        if (!cv_str_starts_with(cv_str_of(migration->name), cv_str_of(name)))
            continue;
        if (found)
            return cv_fail(cx, CV_E_NOT_FOUND, "\"%s\" may be \"%s\" or \"%s\" of the label \"%s\"", name, found->name,
                           migration->name, label);
        found = migration;
    }
    if (!found)
        return not_found(cx, migrations, label, name);
    *ret_migration = found;
    return 0;
}

int cv__migrations_state_at(cv_ctx *cx, const cv_migrations *migrations, size_t position, cv__state *ret_state)
{
    cv__state state = {0};
    for (size_t i = 0; i < position; i++)
        CV_TRY(replay(cx, migrations->list[i], &state));
    *ret_state = state;
    return 0;
}
