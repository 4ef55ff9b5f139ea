/* The inside of an application: what was declared before cv_main runs a command. */
#ifndef COVET_SRC_APP_APP_H
#define COVET_SRC_APP_APP_H

#include <covet/app.h>
#include <covet/server.h>
#include <covet/testing.h>

#define CV__MAX_COMMANDS      64
#define CV__MIGRATIONS_FOLDER "migrations" /* unless the settings say otherwise */

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
    bool json; /* --json was given */
};

/** Remember a mistake made in building, the first one only; 0 has no effect. */
void cv__app_note(cv_app *app, int code);

/** Covet's own settings (settings.c). */
extern const cv_setting cv__settings[];
extern const size_t cv__setting_count;

/** The options that the configuration describes. */
cv_server_options cv__server_options(const cv_config *config);
/** CV_E_CONFIG for a level or format that does not exist. */
CV_CHECKED int cv__log_options(cv_ctx *cx, const cv_config *config, cv_log_options *ret_options);
cv_db_options cv__db_options(const cv_config *config);

/** Where migrations come from: --dir, or those compiled in, or the folder "migrations". */
cv_migrations_source cv__app_migrations_source(const cv_app *app);

#endif
