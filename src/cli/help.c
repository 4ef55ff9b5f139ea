#include "cli/cli.h"

#include <covet/json.h>
#include <stdio.h>

static const cv_command *const builtin[] = {
    &cv__command_serve,          &cv__command_migrate,    &cv__command_makemigrations,
    &cv__command_showmigrations, &cv__command_sqlmigrate, &cv__command_copy,
    &cv__command_check,          &cv__command_routes,     &cv__command_help,
};
#define BUILTIN_COUNT (sizeof builtin / sizeof builtin[0])

const cv_command *cv__command_next(const cv_app *app, size_t *position)
{
    size_t at = (*position)++;
    if (at < app->command_count)
        return app->commands[at];
    at -= app->command_count;
    return at < BUILTIN_COUNT ? builtin[at] : NULL;
}

const cv_command *cv__command_find(const cv_app *app, const char *name)
{
    size_t position = 0;
    const cv_command *command;
    while ((command = cv__command_next(app, &position)))
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

const char *cv__command_nearest(const cv_app *app, const char *name)
{
    const char *names[CV__MAX_COMMANDS + BUILTIN_COUNT];
    size_t count = 0, position = 0;
    const cv_command *command;
    while ((command = cv__command_next(app, &position)))
        names[count++] = command->name;
    return cv_str_nearest(cv_str_of(name), names, count);
}

int cv__commands_check(cv_app *app)
{
    for (size_t i = 0; i < app->command_count; i++)
        for (size_t j = 0; j < BUILTIN_COUNT; j++)
            if (strcmp(app->commands[i]->name, builtin[j]->name) == 0)
                return cv_fail(app->cx, CV_E_EXISTS, "cannot add the command \"%s\": there is a built-in one",
                               builtin[j]->name);
    return 0;
}

/* ---- as text ---- */

static void print_overview(const cv_app *app)
{
    printf("usage: %s COMMAND [ARGUMENTS] [SETTINGS]\n\ncommands:\n", app->name);
    size_t position = 0;
    const cv_command *command;
    while ((command = cv__command_next(app, &position)))
        printf("  %-16s %s\n", command->name, command->help);
    printf(
        "\nevery command takes --json (output for scripts), --config FILE and the settings of \"%s help settings\"\n",
        app->name);
}

static void print_command(const cv_app *app, const cv_command *command)
{
    printf("usage: %s %s %s\n\n%s\n", app->name, command->name, command->usage, command->help);
    if (command->options)
        printf("\n%s", command->options);
}

static void print_settings(const cv_app *app)
{
    printf("settings: from flags, the environment, a file (--config FILE, or covet.yaml when it is there), in this "
           "order\n\n");
    size_t position = 0;
    const cv_setting *setting;
    const char *value;
    while (cv_config_next(app->config, &position, &setting, &value))
        printf("  %s\n      %s\n      now: %s (%s)\n", setting->name, setting->help, value ? value : "not set",
               cv_config_source(app->config, setting->name));
}

void cv__print_help(const cv_app *app, const char *name)
{
    const cv_command *command = name ? cv__command_find(app, name) : NULL;
    if (command)
        print_command(app, command);
    else if (name && strcmp(name, "settings") == 0)
        print_settings(app);
    else
        print_overview(app);
}

/* ---- as JSON: commands and settings together ---- */

static void write_text(cv_json_writer *w, const char *name, const char *text)
{
    cv_json_key(w, cv_str_of(name));
    cv_json_text(w, text);
}

static void write_commands(cv_json_writer *w, const cv_app *app)
{
    size_t position = 0;
    const cv_command *command;
    cv_json_key(w, CV_STR("commands"));
    cv_json_array_start(w);
    while ((command = cv__command_next(app, &position))) {
        cv_json_object_start(w);
        write_text(w, "name", command->name);
        write_text(w, "usage", command->usage);
        write_text(w, "help", command->help);
        if (command->options)
            write_text(w, "options", command->options);
        cv_json_object_end(w);
    }
    cv_json_array_end(w);
}

static void write_settings(cv_json_writer *w, const cv_app *app)
{
    size_t position = 0;
    const cv_setting *setting;
    const char *value;
    cv_json_key(w, CV_STR("settings"));
    cv_json_array_start(w);
    while (cv_config_next(app->config, &position, &setting, &value)) {
        cv_json_object_start(w);
        write_text(w, "name", setting->name);
        write_text(w, "help", setting->help);
        write_text(w, "default", setting->default_value);
        write_text(w, "value", value);
        write_text(w, "source", cv_config_source(app->config, setting->name));
        cv_json_object_end(w);
    }
    cv_json_array_end(w);
}

static int print_json(cv_ctx *cx, const cv_app *app)
{
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    cv_json_writer w;
    cv_json_writer_init(&w, &out, 0);
    cv_json_object_start(&w);
    write_commands(&w, app);
    write_settings(&w, app);
    cv_json_object_end(&w);
    return cv__print_json(cx, &out);
}

static int run_help(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    cv__args args = cv__args_make(app, argc, argv);
    int rc = cv__args_end(&args, cv__command_help.usage, 0, 1);
    if (rc)
        return rc;
    const char *name = args.argc ? args.argv[0] : NULL;
    if (name && strcmp(name, "settings") != 0 && !cv__command_find(app, name)) {
        cv__print_unknown("help", "command", name, cv__command_nearest(app, name));
        return CV__EXIT_USAGE;
    }
    if (app->json)
        return print_json(cx, app);
    cv__print_help(app, name);
    return 0;
}

const cv_command cv__command_help = {
    .name = "help",
    .usage = "[COMMAND | settings] [--json]",
    .help = "show the commands, one command, or all settings with their present values",
    .run = run_help,
    .without_database = true,
};
