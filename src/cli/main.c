/* cv_main: from the command line to a command, and from its result to an exit code. */
#include "base/ctx.h"
#include "cli/cli.h"

#include <covet/runtime.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define DEFAULT_CONFIG "covet.yaml"

static int exit_code(int rc)
{
    if (rc >= 0)
        return rc;
    return rc == CV_E_CONFIG ? CV__EXIT_CONFIG : rc == CV_E_CANCELLED ? CV__EXIT_INTERRUPTED : CV__EXIT_FAILED;
}

/* --config FILE is needed before the settings are read. */
static int read_config(cv_app *app, int *argc, char **argv)
{
    cv_ctx *cx = app->cx;
    cv__args args = cv__args_make(app, *argc, argv);
    const char *path = cv__args_value(&args, "--config");
    if (args.missing)
        return cv_fail(cx, CV_E_CONFIG, "the option \"--config\" needs a file name");
    app->json = cv__args_flag(&args, "--json");
    *argc = args.argc + 1;
    if (!path && access(DEFAULT_CONFIG, F_OK) == 0)
        path = DEFAULT_CONFIG;
    if (path)
        CV_TRY(cv_config_read_file(cx, app->config, path));
    CV_TRY(cv_config_read_env(cx, app->config, environ));
    return cv_config_read_flags(cx, app->config, argc, argv);
}

/* The command, or NULL when its name is wrong: then the nearest is suggested. */
static const cv_command *find_command(const cv_app *app, const char *name)
{
    const cv_command *command = cv__command_find(app, name);
    if (command)
        return command;
    cv__print_unknown(app->name, "command", name, cv__command_nearest(app, name));
    fprintf(stderr, "\"%s help\" lists the commands\n", app->name);
    return NULL;
}

static int open_database(cv_ctx *cx, const cv_app *app, cv_db **ret_db)
{
    const char *url = cv__app_database_url(cx, app);
    if (!url)
        return CV_E_NOMEM;
    cv_db_options options = cv__db_options(app->config);
    int rc = cv_db_open(cx, url, &options, ret_db);
    if (rc == CV_E_SYNTAX)
        return cv_fail(cx, CV_E_CONFIG, "cannot read the URL of the database (the setting \"database.url\")");
    return rc;
}

static int run_with_database(cv_ctx *cx, cv_app *app, const cv_command *command, int argc, char **argv)
{
    cv_db *db = NULL;
    if (!command->without_database) {
        CV_TRY(open_database(cx, app, &db));
        cv_use_db(cx, db);
    }
    int rc = command->run(cx, app, argc, argv);
    cv_error *first = cv_error_take(cx);
    cv_use_db(cx, NULL);
    cv_db_close(cx, db);
    cv_error_put_back(cx, first);
    return rc;
}

static int run_in_runtime(cv_app *app, const cv_command *command, int argc, char **argv)
{
    cv_log_options log_options;
    CV_TRY(cv__log_options(app->cx, app->config, &log_options));
    cv_log *log = cv_log_new(&log_options);
    cv_metrics *metrics = cv_metrics_new();
    cv_runtime_options options = {.log = log, .metrics = metrics};
    cv_ctx *cx;
    int rc = cv_runtime_new(&options, &cx);
    if (rc < 0) {
        rc = cv_fail(app->cx, rc, "could not start the event loop: %s", cv_error_text(rc));
    } else {
        cx->app = app;
        cv_use_registry(cx, app->registry);
        rc = run_with_database(cx, app, command, argc, argv);
        if (rc < 0 && cv_error_copy(app->cx, cx) == 0)
            cv_fail(app->cx, rc, "%s", cv_error_text(rc));
        cv_runtime_free(cx);
    }
    cv_metrics_free(metrics);
    cv_log_free(log);
    return rc;
}

static int check_app(cv_app *app)
{
    if (app->error < 0)
        return app->error;
    CV_TRY(cv__commands_check(app));
    return cv_registry_check(app->cx, app->registry);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run(cv_app *app, int argc, char **argv)
{
    bool help = wants_help(argc, argv);
    if (argc < 2 || (help && argv[1][0] == '-')) {
        cv__print_help(app, NULL);
        return 0;
    }
    if (argv[1][0] == '-') {
        fprintf(stderr, "%s: the command comes first: %s COMMAND [ARGUMENTS] [SETTINGS]\n", app->name, app->name);
        return CV__EXIT_USAGE;
    }
    const cv_command *command = find_command(app, argv[1]);
    if (!command)
        return CV__EXIT_USAGE;
    if (help) {
        cv__print_help(app, command->name);
        return 0;
    }
    argc--;
    argv++;
    CV_TRY(check_app(app));
    CV_TRY(read_config(app, &argc, argv));
    return run_in_runtime(app, command, argc, argv);
}

/* The commands take options out of argv. A relative path is that of the folder the program was started in; links in it
 * are followed at each start, as a new version may be behind them. */
static void remember_start(cv_app *app, int argc, char **argv)
{
    char folder[4096];
    app->program_argv = cv_zalloc(app->cx, (size_t)argc + 1, sizeof *app->program_argv);
    for (int i = 0; app->program_argv && i < argc; i++)
        app->program_argv[i] = argv[i];
    app->program_path = argc > 0 ? argv[0] : "";
    if (app->program_path[0] != '/' && strchr(app->program_path, '/') && getcwd(folder, sizeof folder))
        app->program_path = cv_sprintf(app->cx, "%s/%s", folder, argv[0]);
}

/* What is opened first would get the number of a standard stream that was closed, to be read as the input and written
 * as the output. These places are taken, so that using them fails. */
static void take_standard_places(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            return;
}

int cv_main(cv_app *app, int argc, char **argv)
{
    take_standard_places();
    cv_tune_heap();
    remember_start(app, argc, argv);
    signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error of the write, not the end of the process */
    int rc = run(app, argc, argv);
    if ((fflush(stdout) == EOF || ferror(stdout)) && rc >= 0)
        rc = cv_fail(app->cx, CV_E_IO, "could not write to standard output");
    if (rc < 0)
        cv__print_error(app->name, cv_error_last(app->cx), rc, app->json);
    int code = exit_code(rc);
    cv_app_free(app);
    return code;
}
