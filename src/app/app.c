#include "app/app.h"
#include "base/ctx.h"

#include <stdio.h>
#include <stdlib.h>

static void die(const char *what)
{
    fprintf(stderr, "covet: %s: out of memory\n", what);
    abort();
}

void cv__app_note(cv_app *app, int code)
{
    if (app->error == 0 && code < 0)
        app->error = code;
}

static bool name_ok(const char *name, const char *marks)
{
    size_t len = strlen(name);
    if (len == 0 || len > 63 || (name[0] >= '0' && name[0] <= '9') || name[0] == '-')
        return false;
    for (; *name; name++)
        if (!(*name >= 'a' && *name <= 'z') && !(*name >= '0' && *name <= '9') && !strchr(marks, *name))
            return false;
    return true;
}

cv_app *cv_app_new(const char *name)
{
    cv_app *app = calloc(1, sizeof *app);
    if (!app)
        die("cv_app_new");
    app->cx = cv_ctx_new(0);
    app->registry = app->cx ? cv_registry_new(app->cx) : NULL;
    app->router = cv_router_new();
    app->config = app->cx ? cv_config_new(app->cx) : NULL;
    if (!app->registry || !app->router || !app->config)
        die("cv_app_new");
    app->name = cv_strdup(app->cx, name);
    if (!app->name)
        die("cv_app_new");
    if (!name_ok(name, "_"))
        cv__app_note(
            app,
            cv_fail(app->cx, CV_E_INVALID,
                    "cannot name an application \"%s\": a name has lower-case letters, digits and underscores, begins "
                    "with no digit and is at most 63 long",
                    name));
    cv__app_note(app, cv_config_add(app->cx, app->config, cv__settings, cv__setting_count));
    return app;
}

void cv_app_free(cv_app *app)
{
    if (!app)
        return;
    cv_router_free(app->router);
    cv_registry_free(app->registry);
    cv_ctx_free(app->cx);
    free(app);
}

/* Each step is left out once there is a mistake: the story in the context stays that of the first one. */
#define STEP(app, expression)                                                                                          \
    do {                                                                                                               \
        if ((app)->error == 0)                                                                                         \
            cv__app_note((app), (expression));                                                                         \
    } while (0)

void cv_app_models_labelled(cv_app *app, const char *label, cv_model_fn *const *models)
{
    for (; *models; models++)
        STEP(app, cv_registry_add(app->cx, app->registry, label ? label : app->name, (*models)()));
}

void cv_route(cv_app *app, unsigned methods, const char *pattern, cv_handler *handler)
{
    cv_route_arg(app, methods, pattern, handler, NULL);
}

void cv_route_arg(cv_app *app, unsigned methods, const char *pattern, cv_handler *handler, void *arg)
{
    STEP(app, cv_router_add(app->cx, app->router, methods, pattern, handler, arg));
}

void cv_app_static(cv_app *app, const char *prefix, const char *folder, const cv_static_options *options)
{
    STEP(app, cv_router_static(app->cx, app->router, prefix, folder, options));
}

/* After a mistake routes may go into the root group: the program will not run. */
cv_route_group *cv_app_group(cv_app *app, const char *prefix)
{
    cv_route_group *group = app->error ? NULL : cv_router_group(app->cx, app->router, prefix);
    if (!group)
        cv__app_note(app, app->cx->error_code);
    return group ? group : cv_router_root(app->router);
}

void cv_app_group_route(cv_app *app, cv_route_group *group, const cv_route_spec *spec)
{
    STEP(app, cv_route_group_route(app->cx, group, spec));
}

void cv_app_use(cv_app *app, const cv_middleware *middleware)
{
    STEP(app, cv_use(app->cx, cv_router_root(app->router), middleware));
}

void cv_app_group_use(cv_app *app, cv_route_group *group, const cv_middleware *middleware)
{
    STEP(app, cv_use(app->cx, group, middleware));
}

cv_router *cv_app_router(cv_app *app)
{
    return app->router;
}

void cv_app_migrations(cv_app *app, const cv_embedded_migration *embedded, size_t count)
{
    app->embedded = embedded;
    app->embedded_count = count;
}

void cv_app_settings(cv_app *app, const cv_setting *settings, size_t count)
{
    STEP(app, cv_config_add(app->cx, app->config, settings, count));
}

const cv_config *cv_ctx_config(const cv_ctx *cx)
{
    return cx->app ? cx->app->config : NULL;
}

static int add_command(cv_app *app, const cv_command *command)
{
    if (app->command_count == CV__MAX_COMMANDS)
        return cv_fail(app->cx, CV_E_LIMIT, "an application has at most %d commands", CV__MAX_COMMANDS);
    if (!name_ok(command->name, "_-"))
        return cv_fail(app->cx, CV_E_INVALID,
                       "cannot name a command \"%s\": a name has lower-case letters, digits, "
                       "underscores and hyphens, begins with a letter and is at most 63 long",
                       command->name);
    for (size_t i = 0; i < app->command_count; i++)
        if (strcmp(app->commands[i]->name, command->name) == 0)
            return cv_fail(app->cx, CV_E_EXISTS, "there are two commands \"%s\"", command->name);
    app->commands[app->command_count++] = command;
    return 0;
}

void cv_app_command(cv_app *app, const cv_command *command)
{
    STEP(app, add_command(app, command));
}

bool cv_app_wants_json(const cv_app *app)
{
    return app->json;
}
