#include "app/admin.h"
#include "base/ctx.h"
#include "cli/cli.h"

#include <covet/json.h>
#include <covet/sync.h>
#include <signal.h>
#include <stdio.h>

/* The server runs until a signal; the waiting main context is woken through the condition. */
struct serving {
    cv_cond stop;
    bool stopping;
};

static int on_stop(cv_ctx *cx, void *arg)
{
    (void)cx;
    struct serving *serving = arg;
    serving->stopping = true;
    cv_cond_broadcast(&serving->stop);
    return 0;
}

/* Serving with old tables would fail request by request: say it once, where it is seen. */
static int warn_unapplied(cv_ctx *cx, const cv_app *app)
{
    cv_migrations *migrations;
    cv_migration_status *status;
    size_t count, unapplied = 0;
    CV_TRY(cv__migrations_load(cx, app, &migrations));
    CV_TRY(cv_migrations_status(cx, migrations, &status, &count));
    for (size_t i = 0; i < count; i++)
        unapplied += !status[i].applied;
    if (unapplied)
        fprintf(stderr, "warning: %zu migration%s not applied; run \"%s migrate\"\n", unapplied,
                unapplied == 1 ? " is" : "s are", app->name);
    return 0;
}

static int announce(cv_ctx *cx, const cv_app *app, const char *host, int port, const cv__admin *admin)
{
    if (!app->json) {
        const char *open = strchr(host, ':') ? "[" : "", *close = *open ? "]" : "";
        printf("%s is listening on http://%s%s%s:%d/ (stop with Ctrl-C)\n", app->name, open, host, close, port);
        if (admin)
            printf("metrics, /live, /ready and /fibers are on %s\n", cv__admin_url(admin));
        fflush(stdout);
        return 0;
    }
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    cv_json_writer w;
    cv_json_writer_init(&w, &out, 0);
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("listening"));
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("host"));
    cv_json_text(&w, host);
    cv_json_key(&w, CV_STR("port"));
    cv_json_i64(&w, port);
    cv_json_object_end(&w);
    if (admin) {
        cv_json_key(&w, CV_STR("admin"));
        cv_json_text(&w, cv__admin_url(admin));
    }
    cv_json_object_end(&w);
    return cv__print_json(cx, &out);
}

static int run_serve(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    cv__args args = cv__args_make(app, argc, argv);
    int rc = cv__args_end(&args, cv__command_serve.usage, 0, 0);
    if (rc)
        return rc;
    CV_TRY(warn_unapplied(cx, app));

    struct serving *serving = cv_zalloc(cx, 1, sizeof *serving);
    if (!serving)
        return CV_E_NOMEM;
    cv_cond_init(&serving->stop);
    CV_TRY(cv_on_signal(cx, SIGTERM, on_stop, serving));
    CV_TRY(cv_on_signal(cx, SIGINT, on_stop, serving));
    CV_TRY(cv__dump_on_signal(cx));

    cv_server_options options = cv__server_options(app->config);
    cv_server *server;
    cv__admin *admin;
    CV_TRY(cv__admin_start(cx, app, &admin));
    rc = cv_server_start(cx, app->router, &options, &server);
    if (rc < 0) {
        cv_error *first = cv_error_take(cx);
        cv__admin_stop(cx, admin);
        cv_error_put_back(cx, first);
        return rc;
    }
    app->serving.started = true;
    rc = announce(cx, app, options.host, cv_server_port(server), admin);
    while (!serving->stopping && rc == 0)
        rc = cv_cond_wait(cx, &serving->stop, NULL);
    app->serving.draining = true;
    cv_server_stop(cx, server);
    cv__admin_stop(cx, admin);
    return rc;
}

const cv_command cv__command_serve = {
    .name = "serve",
    .usage = "[--host ADDRESS] [--port NUMBER]",
    .help = "answer HTTP requests until SIGTERM or Ctrl-C",
    .run = run_serve,
};
