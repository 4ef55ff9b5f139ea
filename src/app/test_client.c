/* The whole program under test: as a command would find it, with a database of its own and a client in the process. */
#include "app/app.h"
#include "base/ctx.h"

/* ---- migrations ---- */

/* What makemigrations would write is applied as if it had been compiled in. */
static int make_from_models(cv_ctx *cx, const cv_app *app, cv_migrations **migrations)
{
    const cv_makemigrations_options options = {.dry_run = true};
    cv_new_migration *made;
    size_t count;
    CV_TRY(cv_makemigrations(cx, app->registry, *migrations, &options, &made, &count));
    cv_embedded_migration *embedded = cv_zalloc(cx, count + 1, sizeof *embedded);
    if (!embedded)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        embedded[i] = (cv_embedded_migration){made[i].label, made[i].name, made[i].text, strlen(made[i].text)};
    const cv_migrations_source source = {.embedded = embedded, .embedded_count = count};
    return cv_migrations_load(cx, &source, migrations);
}

static int migrate(cv_ctx *cx, const cv_app *app)
{
    const cv_migrations_source source = cv__app_migrations_source(app);
    cv_migrations *migrations;
    cv_migration_status *status;
    size_t count;
    CV_TRY(cv_migrations_load(cx, &source, &migrations));
    CV_TRY(cv_migrations_status(cx, migrations, &status, &count));
    if (count == 0)
        CV_TRY(make_from_models(cx, app, &migrations));
    return cv_migrate(cx, migrations, NULL, NULL);
}

/* ---- the database ---- */

struct opened {
    cv_ctx *cx;
    cv_db *db;
};

static void close_database(void *arg)
{
    const struct opened *opened = arg;
    cv_db_close(opened->cx, opened->db);
}

/* It is closed with the runtime, whose main context runs its clean-ups while the loop is there. */
static int open_database(cv_ctx *cx, const cv_app *app)
{
    const char *url = cv_config_text(app->config, "database.url");
    cv_db_options options = cv__db_options(app->config);
    struct opened *opened = cv_zalloc(cx, 1, sizeof *opened);
    if (!opened)
        return CV_E_NOMEM;
    opened->cx = cx;
    CV_TRY(cv_db_open(cx, url ? url : "sqlite::memory:", &options, &opened->db));
    int rc = cv_cleanup(cx, close_database, opened);
    if (rc < 0)
        close_database(opened);
    else
        cv_use_db(cx, opened->db);
    return rc;
}

/* ---- the client ---- */

static int check(cv_ctx *cx, cv_app *app)
{
    int rc = app->error < 0 ? app->error : cv_registry_check(app->cx, app->registry);
    if (rc < 0 && cv_error_copy(cx, app->cx) == 0)
        cv_fail(cx, rc, "%s", cv_error_text(rc));
    return rc;
}

static int read_settings(cv_ctx *cx, cv_app *app, const char *const *settings)
{
    char *none[] = {NULL}, **given = none;
    if (settings)
        memcpy(&given, &settings, sizeof given); /* read alone */
    return cv_config_read_env(cx, app->config, given);
}

int cv_app_test_client(cv_ctx *cx, cv_app *app, const char *const *settings, cv_test_client **ret_client)
{
    if (!cx->runtime || cx->fiber)
        return cv_fail(cx, CV_E_CONTEXT, "cannot make a test client of the application: only the main context can");
    CV_TRY(check(cx, app));
    CV_TRY(read_settings(cx, app, settings));
    cx->app = app;
    cv_use_registry(cx, app->registry);
    CV_TRY(open_database(cx, app));
    CV_TRY(migrate(cx, app));
    CV_TRY(cv__app_use_middleware(cx, app));
    cv_server_options options = cv__server_options(app->config);
    return cv_test_client_new(cx, app->router, &options, ret_client);
}
