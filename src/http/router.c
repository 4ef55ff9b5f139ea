/* Routes lie in a tree of segments: a node's children are its literal segments, sorted, and at most one parameter of
 * each kind. A request walks it depth first, the better rank first, and every node is visited at most once, since a
 * node stands for exactly one sequence of segments. */
#include "http/router.h"

#include "base/ctx.h"
#include "http/response.h"
#include <stdio.h>
#include <stdlib.h>

enum { PARAM_KINDS = CV__PARAM_PATH + 1 };

typedef struct route {
    unsigned methods;
    const char *pattern;
    cv_handler *handler;
    void *arg;
    cv__param *params; /* names and kinds in order; text unset */
    size_t param_count;
    struct route *next; /* of the same node, with other methods */
} route;

typedef struct node {
    cv_str literal;
    struct node **literals; /* sorted by their text */
    size_t literal_count;
    struct node *params[PARAM_KINDS]; /* in the order of their rank */
    route *routes;
} node;

struct cv_router {
    cv_arena *arena;
    node root;
    route **routes; /* in the order added */
    size_t route_count;
};

struct cv_route_group {
    cv_router *router;
    const char *prefix;
};

cv_router *cv_router_new(void)
{
    cv_router *router = calloc(1, sizeof *router);
    if (router)
        router->arena = cv_arena_new(0);
    if (!router || !router->arena) {
        free(router);
        return NULL;
    }
    return router;
}

void cv_router_free(cv_router *router)
{
    if (!router)
        return;
    cv_arena_free(router->arena);
    free(router);
}

cv_arena *cv__router_arena(cv_router *router)
{
    return router->arena;
}

/* ---- adding ---- */

static int no_memory(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_NOMEM, "could not add a route: out of memory");
}

/* The place of a literal among a node's children: where it is, or where it belongs. */
static size_t literal_place(const node *parent, cv_str text, bool *ret_found)
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

static node *find_child(const node *parent, const cv__segment *segment)
{
    if (segment->is_param)
        return parent->params[segment->kind];
    bool found;
    size_t place = literal_place(parent, segment->text, &found);
    return found ? parent->literals[place] : NULL;
}

static node *add_literal(cv_arena *arena, node *parent, cv_str text)
{
    bool found;
    size_t place = literal_place(parent, text, &found), bytes = sizeof(node *);
    node *child = cv_arena_zalloc(arena, 1, sizeof *child);
    const char *copy = cv_arena_strndup(arena, text.ptr, text.len);
    node **grown =
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

static node *add_child(cv_arena *arena, node *parent, const cv__segment *segment)
{
    if (!segment->is_param)
        return add_literal(arena, parent, segment->text);
    return parent->params[segment->kind] = cv_arena_zalloc(arena, 1, sizeof(node));
}

static bool same_names(const route *old, const cv__pattern *pattern)
{
    size_t at = 0;
    for (size_t i = 0; i < pattern->segment_count; i++)
        if (pattern->segments[i].is_param &&
            !cv_str_equal(pattern->segments[i].text, cv_str_of(old->params[at++].name)))
            return false;
    return true;
}

static int check_conflict(cv_ctx *cx, const node *at, unsigned methods, const char *text, const cv__pattern *pattern)
{
    for (const route *old = at->routes; old; old = old->next) {
        if (!same_names(old, pattern))
            return cv_fail(cx, CV_E_ROUTE, "cannot route \"%s\": \"%s\" matches the same paths with other names", text,
                           old->pattern);
        if (old->methods & methods)
            return cv_fail(cx, CV_E_ROUTE, "cannot route \"%s\": \"%s\" matches the same requests", text, old->pattern);
    }
    return 0;
}

static route *make_route(cv_arena *arena, const char *text, const cv__pattern *pattern)
{
    route *made = cv_arena_zalloc(arena, 1, sizeof *made);
    cv__param *params = cv_arena_zalloc(arena, pattern->param_count, sizeof *params);
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
        params[made->param_count++] = (cv__param){.name = name, .kind = segment->kind};
    }
    return made;
}

static int list_route(cv_ctx *cx, cv_router *router, route *added)
{
    route **grown = cv_arena_realloc(router->arena, router->routes, router->route_count * sizeof *grown,
                                     (router->route_count + 1) * sizeof *grown);
    if (!grown)
        return no_memory(cx);
    grown[router->route_count++] = added;
    router->routes = grown;
    return 0;
}

int cv_router_add(cv_ctx *cx, cv_router *router, unsigned methods, const char *text, cv_handler *handler, void *arg)
{
    cv__pattern pattern;
    CV_TRY(cv__pattern_parse(cx, text, &pattern));
    if (!methods || methods >= CV_OPTIONS << 1)
        return cv_fail(cx, CV_E_INVALID,
                       "cannot route \"%s\": the methods are not a combination of CV_GET ... CV_OPTIONS", text);
    node *at = &router->root;
    size_t depth = 0;
    for (node *child; depth < pattern.segment_count && (child = find_child(at, &pattern.segments[depth])); at = child)
        depth++;
    if (depth == pattern.segment_count)
        CV_TRY(check_conflict(cx, at, methods, text, &pattern));
    for (; at && depth < pattern.segment_count; depth++)
        at = add_child(router->arena, at, &pattern.segments[depth]);
    route *added = at ? make_route(router->arena, text, &pattern) : NULL;
    if (!added)
        return no_memory(cx);
    CV_TRY(list_route(cx, router, added));
    added->methods = methods;
    added->handler = handler;
    added->arg = arg;
    added->next = at->routes;
    at->routes = added;
    return 0;
}

bool cv_router_next(const cv_router *router, size_t *position, cv_route_info *ret_route)
{
    if (*position >= router->route_count)
        return false;
    const route *at = router->routes[(*position)++];
    *ret_route = (cv_route_info){at->methods, at->pattern, at->handler};
    return true;
}

/* ---- groups ---- */

static cv_route_group *make_group(cv_ctx *cx, cv_router *router, const char *outer, const char *prefix)
{
    cv__pattern pattern;
    cv_route_group *group = cv_arena_alloc(router->arena, sizeof *group);
    const char *whole = cv_arena_printf(router->arena, "%s%s", outer, prefix);
    if (!group || !whole) {
        no_memory(cx);
        return NULL;
    }
    if (cv__pattern_parse(cx, prefix, &pattern) < 0)
        return NULL;
    if (cv_str_ends_with(cv_str_of(prefix), CV_STR("/"))) {
        cv_fail(cx, CV_E_SYNTAX, "cannot group below \"%s\": a prefix does not end in a slash", prefix);
        return NULL;
    }
    *group = (cv_route_group){router, whole};
    return group;
}

cv_route_group *cv_router_group(cv_ctx *cx, cv_router *router, const char *prefix)
{
    return make_group(cx, router, "", prefix);
}

cv_route_group *cv_route_group_nest(cv_ctx *cx, cv_route_group *group, const char *prefix)
{
    return make_group(cx, group->router, group->prefix, prefix);
}

int cv_route_group_add(cv_ctx *cx, cv_route_group *group, unsigned methods, const char *pattern, cv_handler *handler,
                       void *arg)
{
    const char *whole = cv_arena_printf(group->router->arena, "%s%s", group->prefix, pattern);
    if (!whole)
        return no_memory(cx);
    return cv_router_add(cx, group->router, methods, whole, handler, arg);
}

/* ---- matching ---- */

typedef struct search {
    const cv_request *req;
    unsigned wanted;  /* the methods that may answer: HEAD also by GET */
    unsigned allowed; /* of all routes that match the path */
    cv_str captures[CV__MAX_PARAMS];
    size_t capture_count;
} search;

static const route *match(search *s, const node *at, size_t depth);

static const route *match_here(search *s, const node *at)
{
    const route *found = NULL;
    for (const route *r = at->routes; r; r = r->next) {
        s->allowed |= r->methods;
        if (!(r->methods & s->wanted))
            continue;
        if (!found || r->methods & (unsigned)cv_request_method(s->req))
            found = r;
    }
    return found;
}

static const route *match_literal(search *s, const node *at, size_t depth)
{
    bool found;
    size_t place = literal_place(at, s->req->segments[depth], &found);
    return found ? match(s, at->literals[place], depth + 1) : NULL;
}

static const route *match_param(search *s, const node *child, cv__param_kind kind, size_t depth)
{
    cv_str text = s->req->segments[depth];
    if (kind == CV__PARAM_PATH)
        text.len = (size_t)(s->req->path.ptr + s->req->path.len - text.ptr);
    if (!cv__param_matches(kind, text))
        return NULL;
    s->captures[s->capture_count++] = text;
    const route *found = kind == CV__PARAM_PATH ? match_here(s, child) : match(s, child, depth + 1);
    if (!found)
        s->capture_count--;
    return found;
}

static const route *match(search *s, const node *at, size_t depth)
{
    if (depth == s->req->segment_count)
        return match_here(s, at);
    const route *found = match_literal(s, at, depth);
    for (int kind = 0; !found && kind < PARAM_KINDS; kind++)
        if (at->params[kind])
            found = match_param(s, at->params[kind], (cv__param_kind)kind, depth);
    return found;
}

/* ---- answering ---- */

static int set_allow(cv_response *res, unsigned methods)
{
    char text[64];
    size_t length = 0;
    methods |= CV_OPTIONS | (methods & CV_GET ? CV_HEAD : 0);
    for (unsigned method = CV_GET; method <= CV_OPTIONS; method <<= 1) {
        if (methods & method)
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", length ? ", " : "",
                                       cv_method_name((cv_method)method));
    }
    return cv_response_header(res, "Allow", text);
}

static int answer_without_route(cv_ctx *cx, cv_request *req, cv_response *res, unsigned allowed)
{
    if (!allowed)
        return cv_reply_problem(cx, res, 404, NULL, "nothing is at this path");
    CV_TRY(set_allow(res, allowed));
    if (cv_request_method(req) == CV_OPTIONS)
        return cv_reply_empty(cx, res, 204);
    return cv_reply_problem(cx, res, 405, NULL,
                            "the method is not allowed here; the Allow header names those that are");
}

int cv__router_dispatch(cv_ctx *cx, const cv_router *router, cv_request *req, cv_response *res)
{
    if (cv_str_equal(req->path, CV_STR("*")))
        return answer_without_route(cx, req, res, CV_GET | CV_POST | CV_PUT | CV_PATCH | CV_DELETE);
    search s = {.req = req, .wanted = cv_request_method(req)};
    if (s.wanted == CV_HEAD)
        s.wanted |= CV_GET;
    const route *found = match(&s, &router->root, 0);
    if (!found)
        return answer_without_route(cx, req, res, s.allowed);
    req->route = found->pattern;
    req->route_arg = found->arg;
    req->param_count = found->param_count;
    for (size_t i = 0; i < found->param_count; i++) {
        req->params[i] = found->params[i];
        req->params[i].text = s.captures[i];
    }
    return found->handler(cx, req, res);
}
