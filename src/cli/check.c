#include "cli/cli.h"

#include <covet/json.h>
#include <stdio.h>

/* Models and routes were checked before any command runs; here is what else can be wrong without a database. */
static int run_check(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    cv__args args = cv__args_make(app, argc, argv);
    int rc = cv__args_end(&args, cv__command_check.usage, 0, 0);
    if (rc)
        return rc;
    cv_migrations *migrations;
    CV_TRY(cv__migrations_load(cx, app, &migrations));
    cv_makemigrations_options options = {.dry_run = true, .engine = cv__engine_of(app)};
    CV_TRY(cv_migrations_check_engine(cx, migrations, options.engine));
    cv_new_migration *missing;
    size_t count;
    CV_TRY(cv_makemigrations(cx, app->registry, migrations, &options, &missing, &count));
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s: the models of \"%s\" differ from its migrations (%s); run \"%s makemigrations\"\n",
                app->name, missing[i].label, missing[i].summary[0] ? missing[i].summary[0] : "changed", app->name);
    if (app->json)
        printf("{\"ok\":%s,\"labels_without_migrations\":%zu}\n", count ? "false" : "true", count);
    else if (count == 0)
        printf("models, routes, settings and migrations are consistent\n");
    return count ? CV__EXIT_UNAPPLIED : 0;
}

const cv_command cv__command_check = {
    .name = "check",
    .usage = "[--json]",
    .help = "check models, routes, settings and migrations, without a database",
    .run = run_check,
    .without_database = true,
};
