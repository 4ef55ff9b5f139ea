/* Routes lie in a tree of segments: a node's children are its literal segments, sorted, and at most one parameter of
 * each kind. A node stands for exactly one sequence of segments. */
#include "http/router.h"

#include "base/ctx.h"
#include <stdlib.h>

cv_router *cv_router_new(void)
{
    cv_router *router = calloc(1, sizeof *router);
    if (router)
        router->arena = cv_arena_new(0);
    if (!router || !router->arena) {
        free(router);
        return NULL;
    }
    pthread_mutex_init(&router->freezing, NULL);
    router->root = (cv_route_group){.router = router, .prefix = "", .last_use = &router->root.uses};
    router->last_group = &router->root;
    router->missing.group = &router->root;
    return router;
}

void cv_router_free(cv_router *router)
{
    if (!router)
        return;
    cv_arena_free(router->arena);
    pthread_mutex_destroy(&router->freezing);
    free(router);
}

cv_arena *cv__router_arena(cv_router *router)
{
    return router->arena;
}

size_t cv__router_route_count(const cv_router *router)
{
    return router->route_count;
}

const cv__route *cv__router_route_at(const cv_router *router, size_t index)
{
    return index < router->route_count ? router->routes[index] : &router->missing;
}

int cv__router_check_open(cv_ctx *cx, const cv_router *router)
{
    if (!router->frozen)
        return 0;
    cv_fail(cx, CV_E_STATE, "cannot change the router: a server has started on it");
    cv_error_hint(cx, "add routes and middleware before cv_server_start");
    return CV_E_STATE;
}

/* ---- adding ---- */

static int no_memory(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_NOMEM, "could not add a route: out of memory");
}

/* The place of a literal among a node's children: where it is, or where it belongs. */
static size_t literal_place(const cv__node *parent, cv_str text, bool *ret_found)
{
    size_t low = 0, high = parent->literal_count;
    *ret_found = false;
    while (low < high && !*ret_found) {
        size_t middle = low + (high - low) / 2;
        int order = cv_str_compare(text, parent->literals[middle]->literal);
        *ret_found = order == 0;
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static cv__node *find_child(const cv__node *parent, const cv__segment *segment)
{
    if (segment->is_param)
        return parent->params[segment->kind];
    bool found;
    size_t place = literal_place(parent, segment->text, &found);
    return found ? parent->literals[place] : NULL;
}

static cv__node *add_literal(cv_arena *arena, cv__node *parent, cv_str text)
{
    bool found;
    size_t place = literal_place(parent, text, &found), bytes = sizeof(cv__node *);
    cv__node *child = cv_arena_zalloc(arena, 1, sizeof *child);
    const char *copy = cv_arena_strndup(arena, text.ptr, text.len);
    cv__node **grown =
        cv_arena_realloc(arena, parent->literals, parent->literal_count * bytes, (parent->literal_count + 1) * bytes);
    if (!child || !copy || !grown)
        return NULL;
    child->literal = cv_str_make(copy, text.len);
    memmove(grown + place + 1, grown + place, (parent->literal_count - place) * bytes);
    grown[place] = child;
    parent->literals = grown;
    parent->literal_count++;
    return child;
}

static cv__node *add_child(cv_arena *arena, cv__node *parent, const cv__segment *segment)
{
    if (!segment->is_param)
        return add_literal(arena, parent, segment->text);
    return parent->params[segment->kind] = cv_arena_zalloc(arena, 1, sizeof(cv__node));
}

static bool same_names(const cv__route *old, const cv__pattern *pattern)
{
    size_t at = 0;
    for (size_t i = 0; i < pattern->segment_count; i++)
        if (pattern->segments[i].is_param &&
            !cv_str_equal(pattern->segments[i].text, cv_str_of(old->params[at++].name)))
            return false;
    return true;
}

static int check_conflict(cv_ctx *cx, const cv__node *at, unsigned methods, const char *text,
                          const cv__pattern *pattern)
{
    for (const cv__route *old = at->routes; old; old = old->next) {
        if (!same_names(old, pattern))
            return cv_fail(cx, CV_E_ROUTE, "cannot route \"%s\": \"%s\" matches the same paths with other names", text,
                           old->pattern);
        if (old->methods & methods)
            return cv_fail(cx, CV_E_ROUTE, "cannot route \"%s\": \"%s\" matches the same requests", text, old->pattern);
    }
    return 0;
}

static cv__route *make_route(cv_arena *arena, const char *text, const cv__pattern *pattern)
{
    cv__route *made = cv_arena_zalloc(arena, 1, sizeof *made);
    cv__param_name *params = cv_arena_zalloc(arena, pattern->param_count, sizeof *params);
    if (!made || !params || !(made->pattern = cv_arena_strdup(arena, text)))
        return NULL;
    made->params = params;
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const cv__segment *segment = &pattern->segments[i];
        if (!segment->is_param)
            continue;
        const char *name = cv_arena_strndup(arena, segment->text.ptr, segment->text.len);
        if (!name)
            return NULL;
        params[made->param_count++] = (cv__param_name){.name = name, .kind = segment->kind};
    }
    return made;
}

static int list_route(cv_ctx *cx, cv_router *router, cv__route *added)
{
    cv__route **grown = cv_arena_realloc(router->arena, router->routes, router->route_count * sizeof *grown,
                                         (router->route_count + 1) * sizeof *grown);
    if (!grown)
        return no_memory(cx);
    grown[router->route_count++] = added;
    router->routes = grown;
    return 0;
}

static int check_spec(cv_ctx *cx, const char *text, const cv_route_spec *spec)
{
    if (!spec->methods || spec->methods >= CV_OPTIONS << 1)
        return cv_fail(cx, CV_E_INVALID,
                       "cannot route \"%s\": the methods are not a combination of CV_GET ... CV_OPTIONS", text);
    if (!spec->handler)
        return cv_fail(cx, CV_E_INVALID, "cannot route \"%s\": it has no handler", text);
    if (spec->limits.timeout_ms < 0)
        return cv_fail(cx, CV_E_INVALID, "cannot route \"%s\": its time limit is negative", text);
    return 0;
}

static void fill_route(cv__route *added, cv_route_group *group, const cv_route_spec *spec)
{
    added->methods = spec->methods;
    added->handler = spec->handler;
    added->arg = spec->arg;
    added->group = group;
    added->limits = spec->limits;
    added->stream_body = spec->stream_body;
    added->exclude_from_log = spec->exclude_from_log;
}

/* `text` is the whole pattern, with the prefixes of the groups. */
static int add(cv_ctx *cx, cv_route_group *group, const char *text, const cv_route_spec *spec)
{
    cv_router *router = group->router;
    cv__pattern pattern;
    CV_TRY(cv__router_check_open(cx, router));
    CV_TRY(cv__pattern_parse(cx, text, &pattern));
    CV_TRY(check_spec(cx, text, spec));
    cv__node *at = &router->top;
    size_t depth = 0;
    for (cv__node *child; depth < pattern.segment_count && (child = find_child(at, &pattern.segments[depth]));
         at = child)
        depth++;
    if (depth == pattern.segment_count)
        CV_TRY(check_conflict(cx, at, spec->methods, text, &pattern));
    for (; at && depth < pattern.segment_count; depth++)
        at = add_child(router->arena, at, &pattern.segments[depth]);
    cv__route *added = at ? make_route(router->arena, text, &pattern) : NULL;
    if (!added)
        return no_memory(cx);
    CV_TRY(list_route(cx, router, added));
    fill_route(added, group, spec);
    added->next = at->routes;
    at->routes = added;
    return 0;
}

int cv_router_add(cv_ctx *cx, cv_router *router, unsigned methods, const char *pattern, cv_handler *handler, void *arg)
{
    return cv_route_group_add(cx, &router->root, methods, pattern, handler, arg);
}

bool cv_router_next(const cv_router *router, size_t *position, cv_route_info *ret_route)
{
    if (*position >= router->route_count)
        return false;
    const cv__route *at = router->routes[(*position)++];
    *ret_route = (cv_route_info){at->methods, at->pattern, at->handler};
    return true;
}

/* ---- groups ---- */

cv_route_group *cv_router_root(cv_router *router)
{
    return &router->root;
}

static int check_prefix(cv_ctx *cx, const char *prefix)
{
    cv__pattern pattern;
    if (!*prefix)
        return 0;
    CV_TRY(cv__pattern_parse(cx, prefix, &pattern));
    if (cv_str_ends_with(cv_str_of(prefix), CV_STR("/")))
        return cv_fail(cx, CV_E_SYNTAX, "cannot group below \"%s\": a prefix does not end in a slash", prefix);
    return 0;
}

cv_route_group *cv_router_group(cv_ctx *cx, cv_router *router, const char *prefix)
{
    return cv_route_group_nest(cx, &router->root, prefix);
}

cv_route_group *cv_route_group_nest(cv_ctx *cx, cv_route_group *outer, const char *prefix)
{
    cv_router *router = outer->router;
    if (cv__router_check_open(cx, router) < 0 || check_prefix(cx, prefix) < 0)
        return NULL;
    cv_route_group *group = cv_arena_alloc(router->arena, sizeof *group);
    const char *whole = cv_arena_printf(router->arena, "%s%s", outer->prefix, prefix);
    if (!group || !whole) {
        no_memory(cx);
        return NULL;
    }
    *group = (cv_route_group){.router = router, .outer = outer, .prefix = whole, .last_use = &group->uses};
    router->last_group->next = group;
    router->last_group = group;
    return group;
}

int cv_route_group_add(cv_ctx *cx, cv_route_group *group, unsigned methods, const char *pattern, cv_handler *handler,
                       void *arg)
{
    const cv_route_spec spec = {.methods = methods, .pattern = pattern, .handler = handler, .arg = arg};
    return cv_route_group_route(cx, group, &spec);
}

int cv_route_group_route(cv_ctx *cx, cv_route_group *group, const cv_route_spec *spec)
{
    if (!*group->prefix)
        return add(cx, group, spec->pattern, spec);
    const char *whole = cv_arena_printf(group->router->arena, "%s%s", group->prefix, spec->pattern);
    return whole ? add(cx, group, whole, spec) : no_memory(cx);
}

int cv_route_group_limit(cv_ctx *cx, cv_route_group *group, const cv_route_limits *limits)
{
    CV_TRY(cv__router_check_open(cx, group->router));
    if (limits->timeout_ms < 0)
        return cv_fail(cx, CV_E_INVALID, "cannot limit the group \"%s\": its time limit is negative", group->prefix);
    group->limits = *limits;
    return 0;
}

/* ---- freezing ---- */

static void take_limits(cv_route_limits *limits, const cv_route_group *group)
{
    for (; group; group = group->outer) {
        if (!limits->max_body_bytes)
            limits->max_body_bytes = group->limits.max_body_bytes;
        if (!limits->timeout_ms)
            limits->timeout_ms = group->limits.timeout_ms;
    }
}

static const char *make_label(cv_arena *arena, const cv__route *route)
{
    cv_buf label;
    cv_buf_init_arena(&label, arena, 0);
    for (unsigned method = CV_GET; method <= CV_OPTIONS; method <<= 1)
        if (route->methods & method)
            cv_buf_printf(&label, "%s%s", label.len ? "," : "", cv_method_name((cv_method)method));
    cv_buf_printf(&label, " %s", route->pattern);
    return label.error ? NULL : label.data;
}

static int finish_route(cv_ctx *cx, cv_router *router, cv__route *route, size_t index)
{
    route->index = index;
    route->chain = route->group->chain;
    take_limits(&route->limits, route->group);
    route->label = route->pattern ? make_label(router->arena, route) : "http request without a route";
    return route->label ? 0 : no_memory(cx);
}

static int freeze(cv_ctx *cx, cv_router *router)
{
    CV_TRY(cv__router_compile_chains(cx, router));
    for (size_t i = 0; i < router->route_count; i++)
        CV_TRY(finish_route(cx, router, router->routes[i], i));
    CV_TRY(finish_route(cx, router, &router->missing, router->route_count));
    router->frozen = true;
    return 0;
}

int cv__router_freeze(cv_ctx *cx, cv_router *router)
{
    pthread_mutex_lock(&router->freezing);
    int rc = router->frozen ? 0 : freeze(cx, router);
    pthread_mutex_unlock(&router->freezing);
    return rc;
}
