/* The server of the HTTP benchmarks, as a program writes it: one worker on a free port.
 *
 *     bench_http_server [DATABASE [FOLDER]]      DATABASE may be empty
 *
 * It prints its port and answers until SIGTERM: /plaintext, /json (an object through its model), /list (100 objects of
 * the SQLite database, which http_bench.py makes), /static/ (the files of the folder). */
#include <covet/files.h>
#include <covet/query.h>
#include <covet/runtime.h>
#include <covet/server.h>
#include <covet/sync.h>
#include <covet/web.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_CONNECTIONS = 20000 };

struct item {
    int64_t id;
    char *name, *summary, *vendor;
    double weight;
    bool active;
    cv_time created;
    cv_opt_i64 stock;
};

CV_MODEL(item, "items", CV_ID(id), CV_CHAR(name, .max_length = 100), CV_TEXT(summary),
         CV_CHAR(vendor, .max_length = 50), CV_FLOAT(weight), CV_BOOLEAN(active), CV_DATETIME(created),
         CV_INTEGER(stock))

static int plaintext(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("Hello, World!"));
}

static int one(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    char name[] = "item number 4711", summary[] = "a text of some forty to fifty bytes, about 4711",
         vendor[] = "vendor 55";
    struct item object = {
        .id = 4711,
        .name = name,
        .summary = summary,
        .vendor = vendor,
        .weight = 1177.75,
        .active = true,
        .created = {INT64_C(1700000000004711)},
        .stock = {.value = 4711, .set = true},
    };
    return cv_reply(cx, res, 200, item, &object);
}

static int list(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    cv_query *q = cv_objects(cx, item);
    cv_order_by(q, "id");
    cv_limit(q, 100);
    return cv_reply_all(cx, res, q);
}

static int stop(cv_ctx *cx, void *arg)
{
    (void)cx;
    cv_cond_broadcast(arg);
    return 0;
}

static int use_database(cv_ctx *cx, const char *path)
{
    char url[512];
    cv_db *db;
    cv_registry *registry = cv_registry_new(cx);
    if (!registry)
        return CV_E_NOMEM;
    CV_TRY(cv_registry_add(cx, registry, "bench", item_model()));
    CV_TRY(cv_registry_check(cx, registry));
    cv_use_registry(cx, registry);
    if (!path[0])
        return 0;
    snprintf(url, sizeof url, "sqlite:///%s", path);
    CV_TRY(cv_db_open(cx, url, NULL, &db));
    cv_use_db(cx, db);
    return 0;
}

static int serve(cv_ctx *cx, cv_router *router, const char *database, const char *folder)
{
    cv_listener *listener;
    cv_server *server;
    cv_cond stopped;
    cv_cond_init(&stopped);
    CV_TRY(use_database(cx, database));
    CV_TRY(cv_router_add(cx, router, CV_GET, "/plaintext", plaintext, NULL));
    CV_TRY(cv_router_add(cx, router, CV_GET, "/json", one, NULL));
    CV_TRY(cv_router_add(cx, router, CV_GET, "/list", list, NULL));
    if (folder)
        CV_TRY(cv_router_static(cx, router, "/static", folder, NULL));
    CV_TRY(cv_on_signal(cx, SIGTERM, stop, &stopped));
    /* All connections of a benchmark come from one address. */
    const cv_listener_options limits = {.max_connections = MAX_CONNECTIONS, .max_per_address = MAX_CONNECTIONS};
    CV_TRY(cv_listener_open(cx, "127.0.0.1:0", &limits, &listener));
    CV_TRY(cv_server_start(cx, router, &(cv_server_options){.listener = listener}, &server));
    printf("%d\n", cv_server_port(server));
    fflush(stdout);
    int rc = cv_cond_wait(cx, &stopped, NULL);
    cv_server_stop(cx, server);
    cv_listener_close(listener);
    return rc;
}

int main(int argc, char **argv)
{
    cv_ctx *cx;
    cv_metrics *metrics = cv_metrics_new();
    cv_router *router = cv_router_new();
    if (!metrics || !router || cv_runtime_new(&(cv_runtime_options){.max_fibers = 20000, .metrics = metrics}, &cx) < 0)
        return 1;
    int rc = serve(cx, router, argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : NULL);
    if (rc < 0)
        fprintf(stderr, "%s\n", cv_error_last(cx)->message);
    return rc < 0;
}
