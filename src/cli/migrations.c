/* migrate, makemigrations, showmigrations, sqlmigrate. */
#include "cli/cli.h"

#include <covet/json.h>
#include <stdio.h>

static int load(cv_ctx *cx, const cv_migrations_source *source, cv_migrations **ret_migrations)
{
    CV_TRY(cv_migrations_load(cx, source, ret_migrations));
    size_t position = 0;
    const char *warning;
    while ((warning = cv_migrations_warning(*ret_migrations, &position)))
        fprintf(stderr, "warning: %s\n", warning);
    return 0;
}

int cv__migrations_load(cv_ctx *cx, const cv_app *app, cv_migrations **ret_migrations)
{
    cv_migrations_source source = cv__app_migrations_source(app);
    return load(cx, &source, ret_migrations);
}

/* ---- lists of migrations as JSON ---- */

static void start_list(cv_ctx *cx, cv_buf *out, cv_json_writer *w)
{
    cv_buf_init_arena(out, cv_ctx_arena(cx), 0);
    cv_json_writer_init(w, out, 0);
    cv_json_array_start(w);
}

static void start_migration(cv_json_writer *w, const char *label, const char *name)
{
    cv_json_object_start(w);
    cv_json_key(w, CV_STR("label"));
    cv_json_text(w, label);
    cv_json_key(w, CV_STR("name"));
    cv_json_text(w, name);
}

/* ---- migrate ---- */

struct report {
    bool json, dry_run;
    bool line_open; /* "applying ..." waits for its "done" */
    cv_json_writer *writer;
};

static void report_step(void *arg, const char *label, const char *name, bool forward, bool finished, size_t done,
                        size_t total)
{
    struct report *report = arg;
    if (report->json) {
        if (!finished)
            return;
        start_migration(report->writer, label, name);
        cv_json_key(report->writer, CV_STR("direction"));
        cv_json_text(report->writer, forward ? "forward" : "backward");
        cv_json_object_end(report->writer);
        return;
    }
    if (!finished)
        printf("[%zu/%zu] %s %s/%s ...", done + 1, total,
               report->dry_run ? (forward ? "would apply" : "would undo") : (forward ? "applying" : "undoing"), label,
               name);
    else
        printf(" done\n");
    report->line_open = !finished;
    fflush(stdout);
}

static int finish_report(cv_ctx *cx, struct report *report, cv_buf *out, size_t done)
{
    if (report->json) {
        cv_json_array_end(report->writer);
        cv_json_object_end(report->writer);
        return cv__print_json(cx, out);
    }
    if (done == 0)
        printf("nothing to do: the database is as asked for\n");
    return 0;
}

static int run_migrate(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    cv__args args = cv__args_make(app, argc, argv);
    cv_migrate_options options = {.dry_run = cv__args_flag(&args, "--dry-run"), .progress = report_step};
    int rc = cv__args_end(&args, cv__command_migrate.usage, 0, 2);
    if (rc)
        return rc;
    options.label = args.argc > 0 ? args.argv[0] : NULL;
    options.name = args.argc > 1 ? args.argv[1] : NULL;
    cv_migrations *migrations;
    CV_TRY(cv__migrations_load(cx, app, &migrations));

    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    cv_json_writer w;
    cv_json_writer_init(&w, &out, 0);
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("migrations"));
    cv_json_array_start(&w);
    struct report report = {.json = app->json, .dry_run = options.dry_run, .writer = &w};
    options.progress_arg = &report;
    size_t done;
    rc = cv_migrate(cx, migrations, &options, &done);
    if (rc < 0) {
        if (report.line_open)
            printf(" failed\n");
        return rc;
    }
    return finish_report(cx, &report, &out, done);
}

const cv_command cv__command_migrate = {
    .name = "migrate",
    .usage = "[LABEL [NAME | zero]] [--dry-run] [--dir FOLDER] [--json]",
    .help = "bring the database to the newest migrations, or a label up or down to one",
    .options = "LABEL         of this one only; the label of an application is its name\n"
               "NAME          up or down to this migration; a beginning that fits one suffices\n"
               "zero          undo all of the label\n"
               "--dry-run     tell what would be done\n"
               "--dir FOLDER  where the migrations are\n",
    .run = run_migrate,
};

/* ---- makemigrations ---- */

const char *cv__engine_of(const cv_app *app)
{
    const char *url = cv_config_text(app->config, "database.url");
    if (url && strncmp(url, "postgres", 8) == 0)
        return "postgres";
    return url && (strncmp(url, "mysql", 5) == 0 || strncmp(url, "mariadb", 7) == 0) ? "mariadb" : "sqlite";
}

static int print_new_json(cv_ctx *cx, const cv_new_migration *made, size_t count)
{
    cv_buf out;
    cv_json_writer w;
    start_list(cx, &out, &w);
    for (size_t i = 0; i < count; i++) {
        start_migration(&w, made[i].label, made[i].name);
        cv_json_key(&w, CV_STR("path"));
        cv_json_text(&w, made[i].path);
        cv_json_key(&w, CV_STR("operations"));
        cv_json_array_start(&w);
        for (const char *const *line = made[i].summary; *line; line++)
            cv_json_text(&w, *line);
        cv_json_array_end(&w);
        cv_json_object_end(&w);
    }
    cv_json_array_end(&w);
    return cv__print_json(cx, &out);
}

static void print_new(const cv_new_migration *made, size_t count, bool written)
{
    for (size_t i = 0; i < count; i++) {
        printf("%s%s\n", written ? "" : "would write ", made[i].path ? made[i].path : made[i].name);
        for (const char *const *line = made[i].summary; *line; line++)
            printf("  - %s\n", *line);
    }
    if (count == 0)
        printf("no changes: the migrations describe the models\n");
}

static int run_makemigrations(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    cv__args args = cv__args_make(app, argc, argv);
    bool check = cv__args_flag(&args, "--check");
    cv_makemigrations_options options = {.dry_run = cv__args_flag(&args, "--dry-run") || check,
                                         .name = cv__args_value(&args, "--name"),
                                         .engine = cv__engine_of(app)};
    int rc = cv__args_end(&args, cv__command_makemigrations.usage, 0, 1);
    if (rc)
        return rc;
    options.label = args.argc ? args.argv[0] : NULL;
    cv_migrations_source source = {.folder = cv_config_text(app->config, "migrations.dir")};
    if (!source.folder)
        source.folder = CV__MIGRATIONS_FOLDER;
    options.folder = source.folder;
    cv_migrations *migrations;
    CV_TRY(load(cx, &source, &migrations));
    cv_new_migration *made;
    size_t count;
    CV_TRY(cv_makemigrations(cx, app->registry, migrations, &options, &made, &count));
    if (app->json)
        CV_TRY(print_new_json(cx, made, count));
    else
        print_new(made, count, !options.dry_run);
    return check && count ? CV__EXIT_UNAPPLIED : 0;
}

const cv_command cv__command_makemigrations = {
    .name = "makemigrations",
    .usage = "[LABEL] [--name NAME] [--dry-run] [--check] [--dir FOLDER] [--json]",
    .help = "write migrations for what the models have and the migrations do not",
    .options = "LABEL         of this one only\n"
               "--name NAME   of the file; otherwise made from what it does\n"
               "--dry-run     show the files and write none\n"
               "--check       write none, and end with 4 when there is something to write\n"
               "--dir FOLDER  where the migrations are\n",
    .run = run_makemigrations,
    .without_database = true,
};

/* ---- showmigrations ---- */

static int print_status_json(cv_ctx *cx, const cv_migration_status *status, size_t count)
{
    cv_buf out;
    cv_json_writer w;
    start_list(cx, &out, &w);
    for (size_t i = 0; i < count; i++) {
        start_migration(&w, status[i].label, status[i].name);
        cv_json_key(&w, CV_STR("applied_at"));
        cv_json_value(&w, status[i].applied ? cv_value_time(status[i].applied_at) : CV_NULL);
        cv_json_key(&w, CV_STR("changed"));
        cv_json_bool(&w, status[i].changed);
        cv_json_key(&w, CV_STR("missing"));
        cv_json_bool(&w, status[i].missing);
        cv_json_key(&w, CV_STR("statements_done"));
        cv_json_value(&w, status[i].begun ? cv_value_i64((int64_t)status[i].statements_done) : CV_NULL);
        cv_json_object_end(&w);
    }
    cv_json_array_end(&w);
    return cv__print_json(cx, &out);
}

static void print_status(const cv_migration_status *status, size_t count)
{
    const char *label = "";
    for (size_t i = 0; i < count; i++) {
        if (strcmp(label, status[i].label) != 0)
            printf("%s\n", status[i].label);
        label = status[i].label;
        char at[CV_TIME_TEXT_BYTES] = "";
        if (status[i].applied)
            cv_time_format(status[i].applied_at, at);
        printf(" [%c] %s%s%s%s%s", status[i].applied ? 'X' : ' ', status[i].name, *at ? "  " : "", at,
               status[i].changed ? "  (the file was changed since)" : "",
               status[i].missing ? "  (the file is missing)" : "");
        if (status[i].begun)
            printf("  (half %s, statements done: %zu)", status[i].applied ? "undone" : "applied",
                   status[i].statements_done);
        putchar('\n');
    }
    if (count == 0)
        printf("there are no migrations\n");
}

static int run_showmigrations(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    cv__args args = cv__args_make(app, argc, argv);
    bool check = cv__args_flag(&args, "--check");
    int rc = cv__args_end(&args, cv__command_showmigrations.usage, 0, 0);
    if (rc)
        return rc;
    cv_migrations *migrations;
    CV_TRY(cv__migrations_load(cx, app, &migrations));
    cv_migration_status *status;
    size_t count;
    CV_TRY(cv_migrations_status(cx, migrations, &status, &count));
    if (app->json)
        CV_TRY(print_status_json(cx, status, count));
    else
        print_status(status, count);
    bool clean = true;
    for (size_t i = 0; i < count; i++)
        clean = clean && status[i].applied && !status[i].changed && !status[i].missing;
    return check && !clean ? CV__EXIT_UNAPPLIED : 0;
}

const cv_command cv__command_showmigrations = {
    .name = "showmigrations",
    .usage = "[--check] [--dir FOLDER] [--json]",
    .help = "list the migrations and which of them are applied",
    .options = "--check       end with 4 unless all are applied, and as they are in the files\n"
               "--dir FOLDER  where the migrations are\n",
    .run = run_showmigrations,
};

/* ---- sqlmigrate ---- */

static int run_sqlmigrate(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    cv__args args = cv__args_make(app, argc, argv);
    bool backward = cv__args_flag(&args, "--backward");
    const char *engine = cv__args_value(&args, "--engine");
    int rc = cv__args_end(&args, cv__command_sqlmigrate.usage, 2, 2);
    if (rc)
        return rc;
    cv_migrations *migrations;
    CV_TRY(cv__migrations_load(cx, app, &migrations));
    cv_buf sql, out;
    cv_buf_init_arena(&sql, cv_ctx_arena(cx), 0);
    CV_TRY(cv_migration_sql(cx, migrations, args.argv[0], args.argv[1], engine ? engine : cv__engine_of(app), !backward,
                            &sql));
    if (!app->json) {
        fwrite(sql.data, 1, sql.len, stdout);
        return 0;
    }
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    cv_json_writer w;
    cv_json_writer_init(&w, &out, 0);
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("sql"));
    cv_json_str(&w, cv_buf_str(&sql));
    cv_json_object_end(&w);
    return cv__print_json(cx, &out);
}

const cv_command cv__command_sqlmigrate = {
    .name = "sqlmigrate",
    .usage = "LABEL NAME [--engine sqlite | postgres | mariadb] [--backward] [--dir FOLDER] [--json]",
    .help = "show the SQL of a migration, without a database",
    .options = "--engine NAME  sqlite, postgres or mariadb; otherwise that of the settings\n"
               "--backward     the SQL that undoes it\n"
               "--dir FOLDER   where the migrations are\n",
    .run = run_sqlmigrate,
    .without_database = true,
};
