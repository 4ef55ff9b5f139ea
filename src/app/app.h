/* The inside of an application: what was declared before cv_main runs a command. */
#ifndef COVET_SRC_APP_APP_H
#define COVET_SRC_APP_APP_H

#include <covet/app.h>
#include <covet/server.h>
#include <covet/testing.h>
#include <covet/workers.h>

#define CV__MAX_COMMANDS      64
#define CV__MIGRATIONS_FOLDER "migrations" /* unless the settings say otherwise */
#define CV__MAX_READY_CHECKS  32

/* How far serving is; of the main context's thread. */
typedef struct cv__serving {
    bool started, draining;
    cv_workers *workers; /* NULL: requests are answered on the main loop */
} cv__serving;

typedef struct cv__ready_check {
    const char *name;
    int (*fn)(cv_ctx *cx, void *arg);
    void *arg;
} cv__ready_check;

/* What was found of one condition: NULL when it holds, else what it lacks. */
typedef struct cv__finding {
    const char *name, *lack;
} cv__finding;

typedef struct cv__readiness {
    bool ready;
    size_t count;
    cv__finding checks[CV__MAX_READY_CHECKS + 2];
} cv__readiness;

struct cv_app {
    cv_ctx *cx; /* memory of the application, and the first mistake made in building it */
    int error;  /* the code of that mistake */
    const char *name;
    cv_registry *registry;
    cv_router *router;
    cv_config *config;
    const cv_embedded_migration *embedded;
    size_t embedded_count;
    const cv_command *commands[CV__MAX_COMMANDS];
    size_t command_count;
    char **program_argv;      /* as the process was started, for its next life; ends with NULL */
    const char *program_path; /* the program, absolute, or a name to be looked for as the shell does */
    bool json;                /* --json was given */
    bool has_middleware;      /* that of the settings is in the router */
    cv__serving serving;
    cv__ready_check ready_checks[CV__MAX_READY_CHECKS];
    size_t ready_check_count;
};

/** Remember a mistake made in building, the first one only; 0 has no effect. */
void cv__app_note(cv_app *app, int code);

/** Look whether the program can take requests (readiness.c); reasons live in the context's arena. Suspends, for little
 *  more than a second. CV_E_CANCELLED, CV_E_TIMEOUT of the caller itself. */
CV_CHECKED int cv__readiness_check(cv_ctx *cx, cv_app *app, cv__readiness *ret_found);

/** Put the middleware that the settings ask for around all routes, outside of what the program itself uses; once,
 * before a server starts. CV_E_CONFIG, CV_E_INVALID, CV_E_STATE, CV_E_NOMEM. */
CV_CHECKED int cv__app_use_middleware(cv_ctx *cx, cv_app *app);

/** Covet's own settings (settings.c). */
extern const cv_setting cv__settings[];
extern const size_t cv__setting_count;

/** The options that the configuration describes. */
cv_server_options cv__server_options(const cv_config *config);
/** Set `forwarded`. CV_E_CONFIG for a header that it does not know. */
CV_CHECKED int cv__server_options_forwarded(cv_ctx *cx, const cv_config *config, cv_server_options *options);
/** The list of proxies lies in the context's arena. CV_E_CONFIG. */
CV_CHECKED int cv__listener_options(cv_ctx *cx, const cv_config *config, cv_listener_options *ret_options);
/** Of the setting, or the default's; NULL, reported, without memory. */
const char *cv__app_database_url(cv_ctx *cx, const cv_app *app);
/** CV_E_CONFIG for a level or format that does not exist. */
CV_CHECKED int cv__log_options(cv_ctx *cx, const cv_config *config, cv_log_options *ret_options);
cv_db_options cv__db_options(const cv_config *config);

/** Where migrations come from: --dir, or those compiled in, or the folder "migrations". */
cv_migrations_source cv__app_migrations_source(const cv_app *app);

#endif
