/* The command line: what the commands share. */
#ifndef COVET_SRC_CLI_CLI_H
#define COVET_SRC_CLI_CLI_H

#include "app/app.h"

/* Exit codes, as app.h documents them. */
enum cv__exit {
    CV__EXIT_DONE = 0,
    CV__EXIT_FAILED = 1,
    CV__EXIT_USAGE = 2,
    CV__EXIT_CONFIG = 3,
    CV__EXIT_UNAPPLIED = 4,
    CV__EXIT_INTERRUPTED = 130,
};

/** The built-in commands. Each returns 0, a positive exit code, or an error with its story. */
extern const cv_command cv__command_serve, cv__command_migrate, cv__command_makemigrations, cv__command_showmigrations,
    cv__command_sqlmigrate, cv__command_check, cv__command_copy, cv__command_routes, cv__command_help;

/** A command by its name: built in, or the application's; NULL. */
const cv_command *cv__command_find(const cv_app *app, const char *name);

/** Visit all commands, the application's first. `*position` starts at 0; NULL at the end. */
const cv_command *cv__command_next(const cv_app *app, size_t *position);

/** The name of the command nearest to one that does not exist, or NULL. */
const char *cv__command_nearest(const cv_app *app, const char *name);

/** CV_E_EXISTS when a command of the application has the name of a built-in one. */
CV_CHECKED int cv__commands_check(cv_app *app);

/* ---- arguments ---- */

/** The arguments of a command, the name taken off; what is taken is removed. */
typedef struct cv__args {
    const cv_app *app; /* NULL: the covet command */
    const char *command;
    int argc;
    char **argv;
    const char *asked[16]; /* options that were asked for, to suggest the nearest of */
    size_t asked_count;
    const char *missing; /* an option that came without its value */
} cv__args;

cv__args cv__args_make(const cv_app *app, int argc, char **argv);
/** Whether the option was given. */
bool cv__args_flag(cv__args *args, const char *option);
/** The value of "--name value" or "--name=value"; NULL when absent. */
const char *cv__args_value(cv__args *args, const char *option);
/** Call last: nothing but `least` to `most` words may be left; otherwise says what is wrong on standard error and
 * returns CV__EXIT_USAGE, else 0. */
int cv__args_end(cv__args *args, const char *usage, int least, int most);

/* ---- output ---- */

/** Write the buffer with a newline to standard output. CV_E_IO when that fails, the buffer's error when it has one. */
CV_CHECKED int cv__print_json(cv_ctx *cx, const cv_buf *out);

/** Print an error with its chain, detail and hint on standard error: as text, or as one JSON object. */
void cv__print_error(const char *program, const cv_error *error, int code, bool json);

/** `PROGRAM: there is no WHAT "NAME"; did you mean "NEAREST"?` on standard error; `nearest` may be NULL. */
void cv__print_unknown(const char *program, const char *what, const char *name, const char *nearest);

/** The usage of the application, or of one command (NULL: of all). */
void cv__print_help(const cv_app *app, const char *name);

/* ---- what commands need ---- */

/** The engine of the configured database: "sqlite", "postgres", "mariadb". */
const char *cv__engine_of(const cv_app *app);

/** Load them and print their warnings on standard error. */
CV_CHECKED int cv__migrations_load(cv_ctx *cx, const cv_app *app, cv_migrations **ret_migrations);

#endif
