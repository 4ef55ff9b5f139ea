#include "api.h"

#include "models.h"

#define MAX_REVERSE 500

/* The orders that ?order= may name; each is also allowed with a minus. */
static const char *const orders[] = {"name",           "version",      "section", "maintainer",
                                     "installed_size", "architecture", "priority"};

static int unknown_order(cv_ctx *cx, const char *order)
{
    cv_fail(cx, CV_E_VALIDATION, "cannot order packages by \"%s\"", order);
    cv_error_add_field(cx, "order",
                       "must be one of name, version, section, maintainer, installed_size, architecture, priority, "
                       "with a minus in front to reverse it");
    return CV_E_VALIDATION;
}

static int order_packages(cv_ctx *cx, cv_query *q, const char *order)
{
    bool descending = order[0] == '-';
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        if (strcmp(order + descending, orders[i]) != 0)
            continue;
        bool related = strcmp(orders[i], "section") == 0 || strcmp(orders[i], "maintainer") == 0;
        char *path = cv_sprintf(cx, "%s%s%s", descending ? "-" : "", orders[i], related ? "__name" : "");
        if (!path)
            return CV_E_NOMEM;
        cv_order_by(q, path, "name", "id");
        return 0;
    }
    return unknown_order(cx, order);
}

/* GET /api/packages?search=&section=&maintainer=&order=&limit=&page= */
static int list_packages(cv_ctx *cx, cv_request *req, cv_response *res)
{
    cv_query *q = cv_objects(cx, package);
    const char *search = cv_query_param(req, "search", "");
    if (*search) {
        cv_any_begin(q);
        cv_filter(q, "name__icontains", search);
        cv_filter(q, "summary__icontains", search);
        cv_group_end(q);
    }
    const char *section = cv_query_param(req, "section", "");
    if (*section)
        cv_filter(q, "section__name", section);
    const char *maintainer = cv_query_param(req, "maintainer", "");
    if (*maintainer) {
        cv_any_begin(q);
        cv_filter(q, "maintainer__name__icontains", maintainer);
        cv_filter(q, "maintainer__email__iexact", maintainer);
        cv_group_end(q);
    }
    CV_TRY(order_packages(cx, q, cv_query_param(req, "order", "name")));
    cv_select_related(q, "section", "maintainer");
    int64_t page, limit;
    CV_TRY(cv_query_page(req, 50, 200, &page, &limit));
    return cv_reply_page(cx, res, q, page, limit);
}

/* The package of this name; of several architectures the first, or the one asked for. */
static int find_package(cv_ctx *cx, cv_request *req, struct package *ret_package)
{
    cv_str name = cv_path_text(req, "name");
    cv_query *q = cv_objects(cx, package);
    cv_filter(q, "name", name);
    const char *architecture = cv_query_param(req, "architecture", "");
    if (*architecture)
        cv_filter(q, "architecture", architecture);
    cv_select_related(q, "section", "maintainer");
    int rc = cv_first(cx, q, package, ret_package);
    if (rc == CV_E_NOT_FOUND) {
        cv_error_clear(cx);
        return cv_fail(cx, CV_E_NOT_FOUND, "there is no package \"%.*s\"", CV_STR_ARG(name));
    }
    return rc;
}

static int write_dependencies(cv_ctx *cx, cv_json_writer *w, const struct package *package)
{
    cv_query *q = cv_objects(cx, dependency);
    cv_filter(q, "package", package->id);
    struct dependency *dependencies;
    size_t count;
    CV_TRY(cv_all(cx, q, dependency, &dependencies, &count));
    cv_json_key(w, CV_STR("dependencies"));
    cv_json_array_start(w);
    for (size_t i = 0; i < count; i++)
        CV_TRY(cv_write_object(cx, w, dependency, &dependencies[i]));
    cv_json_array_end(w);
    return 0;
}

static void write_reverse(cv_json_writer *w, const struct dependency *dependency)
{
    cv_json_object_start(w);
    cv_json_key(w, CV_STR("package"));
    cv_json_str(w, dependency->package->name);
    cv_json_key(w, CV_STR("architecture"));
    cv_json_str(w, dependency->package->architecture);
    cv_json_key(w, CV_STR("kind"));
    cv_json_str(w, dependency->kind);
    cv_json_key(w, CV_STR("relation"));
    cv_json_str(w, dependency->relation);
    cv_json_key(w, CV_STR("version"));
    cv_json_str(w, dependency->version);
    cv_json_key(w, CV_STR("alternative"));
    cv_json_i64(w, dependency->alternative);
    cv_json_object_end(w);
}

/* Who refers to a package of this name. Of very popular ones the first MAX_REVERSE are named, and all are counted. */
static int write_reverse_dependencies(cv_ctx *cx, cv_json_writer *w, const struct package *package)
{
    cv_query *q = cv_objects(cx, dependency);
    cv_filter(q, "name", package->name);
    int64_t total;
    CV_TRY(cv_count(cx, q, &total));
    cv_select_related(q, "package");
    cv_order_by(q, "package__name", "kind", "id");
    cv_limit(q, MAX_REVERSE);
    struct dependency *dependencies;
    size_t count;
    CV_TRY(cv_all(cx, q, dependency, &dependencies, &count));
    cv_json_key(w, CV_STR("reverse_dependency_count"));
    cv_json_i64(w, total);
    cv_json_key(w, CV_STR("reverse_dependencies"));
    cv_json_array_start(w);
    for (size_t i = 0; i < count; i++)
        write_reverse(w, &dependencies[i]);
    cv_json_array_end(w);
    return 0;
}

/* GET /api/packages/{name}?architecture= */
static int show_package(cv_ctx *cx, cv_request *req, cv_response *res)
{
    struct package package = {0};
    CV_TRY(find_package(cx, req, &package));
    cv_json_writer w;
    CV_TRY(cv_reply_json(cx, res, 200, &w));
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("package"));
    CV_TRY(cv_write_object(cx, &w, package, &package));
    CV_TRY(write_dependencies(cx, &w, &package));
    CV_TRY(write_reverse_dependencies(cx, &w, &package));
    cv_json_object_end(&w);
    return 0;
}

/* GET /api/sections: every section with the number and the size of its packages */
static int list_sections(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    cv_rows *rows;
    CV_TRY(cv_select(cx, &rows,
                     "SELECT s.name, count(p.id), coalesce(sum(p.installed_size), 0) FROM sections s "
                     "LEFT JOIN packages p ON p.section_id = s.id GROUP BY s.name ORDER BY s.name"));
    cv_json_writer w;
    CV_TRY(cv_reply_json(cx, res, 200, &w));
    cv_json_array_start(&w);
    int rc;
    while ((rc = cv_rows_next(cx, rows)) > 0) {
        cv_json_object_start(&w);
        cv_json_key(&w, CV_STR("name"));
        cv_json_value(&w, cv_rows_get(rows, 0));
        cv_json_key(&w, CV_STR("packages"));
        cv_json_value(&w, cv_rows_get(rows, 1));
        cv_json_key(&w, CV_STR("installed_size"));
        cv_json_value(&w, cv_rows_get(rows, 2));
        cv_json_object_end(&w);
    }
    cv_json_array_end(&w);
    return rc;
}

static int write_count(cv_ctx *cx, cv_json_writer *w, cv_str key, cv_query *q)
{
    int64_t count;
    CV_TRY(cv_count(cx, q, &count));
    cv_json_key(w, key);
    cv_json_i64(w, count);
    return 0;
}

/* GET /api/stats */
static int show_stats(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    cv_value size;
    CV_TRY(cv_scalar(cx, &size, "SELECT coalesce(sum(installed_size), 0) FROM packages"));
    cv_json_writer w;
    CV_TRY(cv_reply_json(cx, res, 200, &w));
    cv_json_object_start(&w);
    CV_TRY(write_count(cx, &w, CV_STR("packages"), cv_objects(cx, package)));
    CV_TRY(write_count(cx, &w, CV_STR("sections"), cv_objects(cx, section)));
    CV_TRY(write_count(cx, &w, CV_STR("maintainers"), cv_objects(cx, maintainer)));
    CV_TRY(write_count(cx, &w, CV_STR("dependencies"), cv_objects(cx, dependency)));
    cv_json_key(&w, CV_STR("installed_size"));
    cv_json_value(&w, size);
    cv_json_object_end(&w);
    return 0;
}

void add_api_routes(cv_app *app)
{
    cv_route(app, CV_GET, "/api/packages", list_packages);
    cv_route(app, CV_GET, "/api/packages/{name}", show_package);
    cv_route(app, CV_GET, "/api/sections", list_sections);
    cv_route(app, CV_GET, "/api/stats", show_stats);
}
