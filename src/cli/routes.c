#include "cli/cli.h"

#include <covet/json.h>
#include <stdio.h>

static void write_methods(cv_buf *out, unsigned methods)
{
    bool first = true;
    for (unsigned method = CV_GET; method <= CV_OPTIONS; method <<= 1) {
        if (!(methods & method))
            continue;
        cv_buf_printf(out, "%s%s", first ? "" : ",", cv_method_name((cv_method)method));
        first = false;
    }
}

static int print_json(cv_ctx *cx, const cv_router *router)
{
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    cv_json_writer w;
    cv_json_writer_init(&w, &out, 0);
    cv_json_array_start(&w);
    size_t position = 0;
    cv_route_info route;
    while (cv_router_next(router, &position, &route)) {
        cv_buf methods;
        cv_buf_init_arena(&methods, cv_ctx_arena(cx), 256);
        write_methods(&methods, route.methods);
        cv_json_object_start(&w);
        cv_json_key(&w, CV_STR("methods"));
        cv_json_str(&w, cv_buf_str(&methods));
        cv_json_key(&w, CV_STR("pattern"));
        cv_json_text(&w, route.pattern);
        cv_json_object_end(&w);
    }
    cv_json_array_end(&w);
    return cv__print_json(cx, &out);
}

static int run_routes(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    cv__args args = cv__args_make(app, argc, argv);
    int rc = cv__args_end(&args, cv__command_routes.usage, 0, 0);
    if (rc)
        return rc;
    if (app->json)
        return print_json(cx, app->router);
    size_t position = 0;
    cv_route_info route;
    while (cv_router_next(app->router, &position, &route)) {
        cv_buf methods;
        cv_buf_init_arena(&methods, cv_ctx_arena(cx), 256);
        write_methods(&methods, route.methods);
        printf("%-12s %s\n", methods.data ? methods.data : "", route.pattern);
    }
    return 0;
}

const cv_command cv__command_routes = {
    .name = "routes",
    .usage = "[--json]",
    .help = "list the routes: methods and patterns",
    .run = run_routes,
    .without_database = true,
};
