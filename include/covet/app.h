/* The application: models, routes, settings and commands in one object, and a main function that is its management
 * tool.
 *
 *     int main(int argc, char **argv)
 *     {
 *         cv_app *app = cv_app_new("bookshop");
 *         cv_app_models(app, author_model, book_model);
 *         cv_route(app, CV_GET, "/books", list_books);
 *         return cv_main(app, argc, argv);
 *     }
 *
 * gives `./bookshop serve`, `migrate`, `makemigrations`, `showmigrations`, `sqlmigrate`, `copy`, `check`, `routes`,
 * `help`, and the application's own commands. Building never fails at once: the first mistake is kept and reported by
 * cv_main. */
#ifndef COVET_APP_H
#define COVET_APP_H

#include <covet/config.h>
#include <covet/files.h>
#include <covet/middleware.h>
#include <covet/migrate.h>
#include <covet/model.h>
#include <covet/runtime.h>
#include <covet/testing.h>

CV_BEGIN_DECLS

typedef struct cv_app cv_app;

/** Make an application. `name` (lower-case letters, digits, underscores) is also the label of its migrations. Aborts
 * without memory: nothing can be said yet. Freed by cv_main, or by cv_app_free. */
CV_API cv_app *cv_app_new(const char *name);
CV_API void cv_app_free(cv_app *app);

#ifndef __cplusplus
/** Register models under the application's label. */
#define cv_app_models(app, ...) cv_app_models_labelled((app), NULL, (cv_model_fn *const[]){__VA_ARGS__, NULL})
#endif
/** The same under another label (NULL: the application's); `models` ends with NULL. */
CV_API void cv_app_models_labelled(cv_app *app, const char *label, cv_model_fn *const *models);

/** Add a route; see router.h. */
CV_API void cv_route(cv_app *app, unsigned methods, const char *pattern, cv_handler *handler);
CV_API void cv_route_arg(cv_app *app, unsigned methods, const char *pattern, cv_handler *handler, void *arg);

/** Serve the files below a folder; see cv_router_static. `options` may be NULL. */
CV_API void cv_app_static(cv_app *app, const char *prefix, const char *folder, const cv_static_options *options);

/** The application's router. */
CV_API cv_router *cv_app_router(cv_app *app);

/** A group of routes with a prefix, and what router.h does with groups, the first mistake kept as everywhere here. */
CV_API cv_route_group *cv_app_group(cv_app *app, const char *prefix);
CV_API void cv_app_group_route(cv_app *app, cv_route_group *group, const cv_route_spec *spec);
/** Middleware around all routes, or those of a group; see middleware.h. What the settings ask for (docs/middleware.md)
 *  stands outside of it. */
CV_API void cv_app_use(cv_app *app, const cv_middleware *middleware);
CV_API void cv_app_group_use(cv_app *app, cv_route_group *group, const cv_middleware *middleware);

/** A file of the program itself: bytes with a content type (at most 1 MiB), answered with an ETag and 304. `data` and
 *  `content_type` are kept by reference. */
CV_API void cv_app_asset(cv_app *app, const char *path, const char *content_type, const void *data, size_t len);

/** Migrations compiled in by `covet embed`. Kept by reference. The folder "migrations" beside them is used when --dir
 * names it. */
CV_API void cv_app_migrations(cv_app *app, const cv_embedded_migration *embedded, size_t count);

/** A condition for taking requests, in addition to a database that answers: GET /ready of the admin listener
 *  ("admin.listen") calls it in a fiber of the main runtime, with a second of time. 0, or an error whose message is
 * told. `name` and `arg` are kept by reference. At most 32. */
CV_API void cv_app_ready_check(cv_app *app, const char *name, int (*fn)(cv_ctx *cx, void *arg), void *arg);

/** Settings of the application, in addition to those of Covet (see `help settings`). Kept by reference. */
CV_API void cv_app_settings(cv_app *app, const cv_setting *settings, size_t count);
/** The configuration, readable once a command runs. */
CV_API const cv_config *cv_ctx_config(const cv_ctx *cx);

/** A command of the application, run in the main context with the database open and the registry in use. `argv[0]` is
 * the command's name; flags of settings are taken out already, and what is left is the command's to judge. It returns
 * 0, an exit code of its own (positive), or an error, which is printed with detail and hint. `usage` is what follows
 * the name ("[FILE]"), `help` one line, `options` what `help NAME` shows below it: lines of their own, or NULL. Kept by
 *  reference. */
typedef struct cv_command {
    const char *name; /* lower-case letters, digits, "-", "_"; not one of the built-in commands */
    const char *usage;
    const char *help;
    int (*run)(cv_ctx *cx, cv_app *app, int argc, char **argv);
    bool without_database;
    const char *options;
} cv_command;
CV_API void cv_app_command(cv_app *app, const cv_command *command);

/** Whether --json was given: commands then print JSON on standard output. */
CV_API bool cv_app_wants_json(const cv_app *app);

/** Run the command line and free the application. Exit codes: 0 done; 1 failed; 2 wrong usage; 3 wrong configuration; 4
 * there are unapplied, changed or missing migrations (showmigrations --check, makemigrations --check, check); 130
 * interrupted, where the command has ended what it did: its error is CV_E_CANCELLED. */
CV_API int cv_main(cv_app *app, int argc, char **argv);

/** A client of the whole program, for its tests (testing.h): models, routes and settings are the application's, `cx`
 * (the main context of a runtime) gets its registry and a database. `settings` are as in the environment
 * ("HTTP_MAX_BODY=1KiB"), end with NULL, and may be NULL; the environment itself and covet.yaml are not read. Without
 *  DATABASE_URL the database is SQLite in memory. Its migrations are applied; an application without any has its tables
 * made from the models. The database is closed with the runtime; free the client before it and the application after
 *  it. Suspends. CV_E_CONTEXT, CV_E_CONFIG, and what building, opening, migrating and starting report. */
CV_API CV_CHECKED int cv_app_test_client(cv_ctx *cx, cv_app *app, const char *const *settings,
                                         cv_test_client **ret_client);

/** Progress of long work: a bar on standard error when it is a terminal, drawn at most ten times a second; a line every
 *  ten seconds when it is none; nothing with --json. `total` 0 or less: unknown. The label is kept by reference. */
typedef struct cv_progress cv_progress;
/** In the arena of the context. Without memory NULL, which the others take: then nothing is told. None suspends. */
CV_API cv_progress *cv_progress_new(cv_ctx *cx, const cv_app *app, const char *label, int64_t total);
CV_API void cv_progress_set(cv_progress *progress, int64_t done);
/** What stands behind the bar, instead of the number done where the total is unknown; cut at 100 bytes. */
CV_API void cv_progress_note(cv_progress *progress, const char *format, ...) CV_PRINTF(2, 3);
/** Draw the final state and end the line. */
CV_API void cv_progress_done(cv_progress *progress);

CV_END_DECLS

#endif
