/* The command `serve`: workers answer, the main thread watches.
 *
 *     starting --> serving --SIGTERM, SIGINT--> draining (not ready any more) --> stopping --> end
 *                     |                                                             ^
 *                     +--SIGHUP--> the next life is started --> it is ready --------+
 *                                                          \--> it failed: serve on
 *
 * A second SIGTERM or SIGINT ends all patience. */
#include "cli/serve.h"

#include "base/ctx.h"
#include "cli/cli.h"
#include <covet/fiber.h>
#include <covet/json.h>
#include <covet/pool.h>
#include <covet/sync.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LEAVE_MS = 5000, CUT_MS = 1000 };

struct serving {
    cv_app *app;
    cv_listener *listener;
    cv__admin *admin;
    cv_workers *workers;
    cv__serve_plan *plan;
    cv_cond changed; /* a signal came, or an heir is ready */
    int stops;       /* signals to stop */
    bool reloading, has_heir;
};

/* ---- signals ---- */

static int on_stop(cv_ctx *cx, void *arg)
{
    struct serving *serving = arg;
    serving->stops++;
    cv_cond_broadcast(&serving->changed);
    if (serving->stops < 2 || !serving->workers)
        return 0;
    CV_WITHIN(cx, CUT_MS)
    {
        if (cv_workers_each(cx, serving->workers, cv__serve_worker_cut, serving->plan, NULL) < 0)
            cv_error_clear(cx); /* one that has stopped already */
    }
    return 0;
}

/* The admin listener's sockets come last: port 0 is looked for in the order in which they are opened. */
static size_t collect_sockets(const struct serving *serving, cv__handed sockets[CV__MAX_HANDED])
{
    size_t count = cv__listener_descriptors(serving->listener, sockets, CV__MAX_HANDED);
    const cv_listener *admin = cv__admin_listener(serving->admin);
    return admin ? count + cv__listener_descriptors(admin, sockets + count, CV__MAX_HANDED - count) : count;
}

static int start_heir(cv_ctx *cx, const struct serving *serving, pid_t *ret_pid)
{
    cv__handed *sockets = cv_zalloc(cx, CV__MAX_HANDED, sizeof *sockets);
    if (!sockets)
        return CV_E_NOMEM;
    if (getpid() == 1)
        return cv_fail(cx, CV_E_STATE, "process 1 cannot be followed by another: its end is that of the container");
    return cv__heir_start(cx, serving->app, sockets, collect_sockets(serving, sockets), ret_pid);
}

static void tell_reloading(const cv_ctx *cx)
{
    char message[64];
    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)cv_now_ns(cx) / 1000);
    (void)cv__notify(message);
}

static void tell_heir(const cv_ctx *cx, pid_t pid)
{
    char message[64];
    snprintf(message, sizeof message, "MAINPID=%lld\nREADY=1", (long long)pid);
    (void)cv__notify(message);
    CV_LOG_INFO(cx->log, "reloaded", CV_F("pid", (int64_t)pid));
}

static int on_reload(cv_ctx *cx, void *arg)
{
    struct serving *serving = arg;
    pid_t pid;
    if (serving->reloading || serving->stops || serving->has_heir)
        return 0;
    serving->reloading = true;
    tell_reloading(cx);
    int rc = start_heir(cx, serving, &pid);
    serving->reloading = false;
    if (rc < 0) {
        cv_log_error(cx->log, CV_LOG_ERROR, "could not reload", cv_error_last(cx));
        cv_error_clear(cx);
        (void)cv__notify("READY=1");
        return 0;
    }
    tell_heir(cx, pid);
    serving->has_heir = true;
    cv_cond_broadcast(&serving->changed);
    return 0;
}

/* ---- starting ---- */

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

static size_t usable_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < 1 ? 1 : count > 256 ? 256 : (size_t)count;
}

/* A database in memory is that of one connection: workers would not see each other's. */
static int count_workers(cv_ctx *cx, const cv_app *app, const char *url, size_t *ret_count)
{
    size_t count = (size_t)cv_config_integer(app->config, "http.workers");
    bool in_memory = strncmp(url, "sqlite:", 7) == 0 && strstr(url, ":memory:");
    if (in_memory && count > 1) {
        cv_fail(cx, CV_E_CONFIG, "http.workers cannot be %zu with a database in memory: each worker would have its own",
                count);
        cv_error_hint(cx, "set http.workers to 1, or use a database in a file");
        return CV_E_CONFIG;
    }
    *ret_count = count ? count : in_memory ? 1 : usable_cores();
    return 0;
}

static bool is_default(const cv_config *config, const char *name)
{
    return strcmp(cv_config_source(config, name), "default") == 0;
}

/* What was said, or what was handed over, or host and port. */
static const char *choose_address(cv_ctx *cx, const cv_config *config)
{
    const char *address = cv_config_text(config, "http.listen"), *host = cv_config_text(config, "http.host");
    if (address && *address)
        return address;
    if (is_default(config, "http.host") && is_default(config, "http.port") && cv__heir_has_sockets())
        return "inherited";
    const char *open = strchr(host, ':') ? "[" : "", *close = *open ? "]" : "";
    return cv_sprintf(cx, "%s%s%s:%lld", open, host, close, (long long)cv_config_integer(config, "http.port"));
}

static int open_listener(cv_ctx *cx, struct serving *serving, size_t workers)
{
    cv_listener_options options;
    const char *address = choose_address(cx, serving->app->config);
    if (!address)
        return CV_E_NOMEM;
    CV_TRY(cv__listener_options(cx, serving->app->config, &options));
    options.sockets = workers;
    return cv_listener_open(cx, address, &options, &serving->listener);
}

static int make_plan(cv_ctx *cx, struct serving *serving, const char *url, size_t workers)
{
    cv_app *app = serving->app;
    cv__serve_plan *plan = cv_zalloc(cx, 1, sizeof *plan + workers * sizeof plan->workers[0]);
    if (!plan)
        return CV_E_NOMEM;
    plan->app = app;
    plan->database_url = url;
    plan->database = cv__db_options(app->config);
    plan->server = cv__server_options(app->config);
    CV_TRY(cv__server_options_forwarded(cx, app->config, &plan->server));
    plan->server.listener = serving->listener;
    serving->plan = plan;
    return cv_db_share_new(cx, &plan->database.share);
}

static int start_workers(cv_ctx *cx, struct serving *serving, size_t workers)
{
    cv_workers_options options = {
        .count = workers,
        .runtime = {.log = cx->log},
        .start = cv__serve_worker_start,
        .stop = cv__serve_worker_stop,
        .arg = serving->plan,
    };
    CV_TRY(cv_workers_start(cx, &options, &serving->workers));
    serving->app->serving.workers = serving->workers;
    return 0;
}

static int start(cv_ctx *cx, struct serving *serving)
{
    size_t workers;
    const char *url = cv__app_database_url(cx, serving->app);
    if (!url)
        return CV_E_NOMEM;
    CV_TRY(count_workers(cx, serving->app, url, &workers));
    CV_TRY(open_listener(cx, serving, workers));
    CV_TRY(make_plan(cx, serving, url, workers));
    CV_TRY(cv__admin_start(cx, serving->app, &serving->admin));
    return start_workers(cx, serving, workers);
}

static int watch_signals(cv_ctx *cx, struct serving *serving)
{
    CV_TRY(cv_on_signal(cx, SIGTERM, on_stop, serving));
    CV_TRY(cv_on_signal(cx, SIGINT, on_stop, serving));
    CV_TRY(cv_on_signal(cx, SIGHUP, on_reload, serving));
    return cv__dump_on_signal(cx);
}

/* ---- what it says ---- */

static void write_member(cv_json_writer *w, const char *name, const char *value)
{
    cv_json_key(w, cv_str_of(name));
    cv_json_text(w, value);
}

static int announce_json(cv_ctx *cx, const struct serving *serving)
{
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    cv_json_writer w;
    cv_json_writer_init(&w, &out, 0);
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("listening"));
    cv_json_object_start(&w);
    write_member(&w, "url", cv_listener_url(serving->listener));
    write_member(&w, "host", cv_config_text(serving->app->config, "http.host"));
    cv_json_key(&w, CV_STR("port"));
    cv_json_i64(&w, cv_listener_port(serving->listener));
    cv_json_object_end(&w);
    cv_json_key(&w, CV_STR("workers"));
    cv_json_i64(&w, (int64_t)cv_workers_count(serving->workers));
    cv_json_key(&w, CV_STR("pid"));
    cv_json_i64(&w, (int64_t)getpid());
    if (serving->admin)
        write_member(&w, "admin", cv__admin_url(serving->admin));
    cv_json_object_end(&w);
    return cv__print_json(cx, &out);
}

static int announce(cv_ctx *cx, const struct serving *serving)
{
    if (serving->app->json)
        return announce_json(cx, serving);
    printf("%s is listening on %s (stop with Ctrl-C)\n", serving->app->name, cv_listener_url(serving->listener));
    if (serving->admin)
        printf("metrics, /live, /ready and /fibers are on %s\n", cv__admin_url(serving->admin));
    fflush(stdout);
    return 0;
}

/* ---- serving and its end ---- */

static int serve(cv_ctx *cx, struct serving *serving)
{
    serving->app->serving.started = true;
    CV_TRY(announce(cx, serving));
    cv__heir_is_ready();
    (void)cv__notify("READY=1");
    int rc = 0;
    while (!serving->stops && !serving->has_heir && rc == 0)
        rc = cv_cond_wait(cx, &serving->changed, NULL);
    return rc;
}

/* Load balancers are to notice before connections are refused. A second signal ends it. */
static void drain(cv_ctx *cx, struct serving *serving)
{
    int64_t delay_ms = cv_config_duration_ms(serving->app->config, "http.drain_delay");
    int rc = 0;
    CV_WITHIN(cx, delay_ms)
    {
        while (serving->stops < 2 && rc == 0)
            rc = cv_cond_wait(cx, &serving->changed, NULL);
    }
    if (rc < 0)
        cv_error_clear(cx);
}

static void end(cv_ctx *cx, struct serving *serving)
{
    serving->app->serving.draining = true;
    if (!serving->has_heir)
        (void)cv__notify("STOPPING=1"); /* an heir goes on */
    if (serving->has_heir) {
        CV_WITHIN(cx, LEAVE_MS)
        {
            if (cv_workers_each(cx, serving->workers, cv__serve_worker_leave, serving->plan, NULL) < 0)
                cv_error_clear(cx);
        }
        cv__listener_leave(serving->listener);
        cv__admin_leave(serving->admin);
    } else if (serving->app->serving.started && cv_config_duration_ms(serving->app->config, "http.drain_delay")) {
        drain(cx, serving);
    }
    serving->app->serving.workers = NULL;
    cv_workers_stop(cx, serving->workers);
    serving->workers = NULL;
    if (serving->plan)
        cv_db_share_free(serving->plan->database.share);
    cv__admin_stop(cx, serving->admin);
    cv_listener_close(serving->listener);
}

static int run_serve(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    cv__args args = cv__args_make(app, argc, argv);
    int rc = cv__args_end(&args, cv__command_serve.usage, 0, 0);
    if (rc)
        return rc;
    CV_TRY(cv__app_use_middleware(cx, app));
    CV_TRY(warn_unapplied(cx, app));
    struct serving *serving = cv_zalloc(cx, 1, sizeof *serving);
    if (!serving)
        return CV_E_NOMEM;
    serving->app = app;
    cv_cond_init(&serving->changed);
    CV_TRY(watch_signals(cx, serving));
    rc = start(cx, serving);
    if (rc == 0)
        rc = serve(cx, serving);
    cv_error *first = cv_error_take(cx);
    end(cx, serving);
    cv_error_put_back(cx, first);
    return rc;
}

const cv_command cv__command_serve = {
    .name = "serve",
    .usage = "[--listen ADDRESS | --host ADDRESS --port NUMBER] [--workers NUMBER]",
    .help = "answer HTTP requests until SIGTERM or Ctrl-C; SIGHUP: start the program anew without refusing anybody",
    .options = "--listen ADDRESS  127.0.0.1:8000, [::1]:8000, :8000, unix:/run/app.sock, fd:3, or inherited\n"
               "--host, --port    the same in two\n"
               "--workers NUMBER  threads that answer; 0: one a core, or 1 with a database in memory\n",
    .run = run_serve,
};
