/* One worker of `serve`: a registry, a database and a server of its own; the listener, the router and the configuration
 * are everybody's, and nobody changes them. */
#include "cli/serve.h"

#include "base/ctx.h"
#include "http/server.h"
#include "orm/registry.h"

static int open_parts(cv_ctx *main, size_t index, cv__serve_plan *plan)
{
    cv__serve_worker *worker = &plan->workers[index];
    main->app = plan->app;
    CV_TRY(cv__registry_copy(main, plan->app->registry, &worker->registry));
    cv_use_registry(main, worker->registry);
    CV_TRY(cv_db_open(main, plan->database_url, &plan->database, &worker->db));
    cv_use_db(main, worker->db);
    cv_server_options options = plan->server;
    options.socket = index;
    return cv_server_start(main, plan->app->router, &options, &worker->server);
}

int cv__serve_worker_start(cv_ctx *main, size_t index, void *arg)
{
    return open_parts(main, index, arg);
}

/* The server is out of reach for `leave` and `cut` once it is freed. */
void cv__serve_worker_stop(cv_ctx *main, size_t index, void *arg)
{
    cv__serve_plan *plan = arg;
    cv__serve_worker *worker = &plan->workers[index];
    cv_server_stop(main, worker->server);
    worker->server = NULL;
    cv_use_db(main, NULL);
    cv_db_close(main, worker->db);
    cv_use_registry(main, NULL);
    cv_registry_free(worker->registry);
}

int cv__serve_worker_leave(cv_ctx *cx, size_t index, void *arg)
{
    cv__serve_plan *plan = arg;
    (void)cx;
    if (plan->workers[index].server)
        cv_server_leave(plan->workers[index].server);
    return 0;
}

int cv__serve_worker_cut(cv_ctx *cx, size_t index, void *arg)
{
    cv__serve_plan *plan = arg;
    (void)cx;
    if (plan->workers[index].server)
        cv__server_cut(plan->workers[index].server);
    return 0;
}
