/* The inside of the router: patterns, the tree of segments, groups, and the way of one request through them.
 *
 * Routes are added on one thread; cv__router_freeze then works out everything that requests need, and from there on the
 * router is read only and may be used from several threads. */
#ifndef COVET_SRC_HTTP_ROUTER_H
#define COVET_SRC_HTTP_ROUTER_H

#include "http/request.h"
#include <covet/middleware.h>
#include <pthread.h>

#define CV__MAX_PATTERN_BYTES 1024
#define CV__MAX_ROUTES        65536

/* One segment of a pattern. */
typedef struct cv__segment {
    bool is_param;
    cv__param_kind kind; /* of a parameter */
    cv_str text;         /* the literal, or the parameter's name */
} cv__segment;

typedef struct cv__pattern {
    cv__segment segments[CV__MAX_SEGMENTS];
    size_t segment_count, param_count;
} cv__pattern;

/** Take a pattern apart; the segments are views into `text`. CV_E_SYNTAX with what is wrong. */
CV_CHECKED int cv__pattern_parse(cv_ctx *cx, const char *text, cv__pattern *ret_pattern);

/** Whether a decoded segment can be the value of such a parameter. */
bool cv__param_matches(cv__param_kind kind, cv_str segment);

/* ---- what a router is made of ---- */

/* The middleware of a group and of those around it, in the order of the way in. */
typedef struct cv__chain {
    size_t count;
    bool has_after;
    cv_middleware links[];
} cv__chain;

typedef struct cv__route {
    unsigned methods;
    const char *pattern; /* NULL for the route that stands for none */
    const char *label;   /* since the freeze: "GET,POST /books"; names fibers and stands in logs */
    cv_handler *handler;
    void *arg;
    struct cv_route_group *group;
    cv_route_limits limits; /* since the freeze with those of the groups; what is 0 then is the server's */
    bool stream_body, exclude_from_log;
    size_t index; /* 0 ... cv__router_route_count - 1 in the order added */
    cv__param_name *params;
    size_t param_count;
    const cv__chain *chain; /* since the freeze */
    struct cv__route *next; /* of the same node, with other methods */
} cv__route;

typedef struct cv__node {
    cv_str literal;
    struct cv__node **literals; /* sorted by their text */
    size_t literal_count;
    struct cv__node *params[CV__PARAM_KINDS]; /* in the order of their rank */
    cv__route *routes;
} cv__node;

/* Middleware as it was added to a group. */
typedef struct cv__use {
    cv_middleware middleware;
    struct cv__use *next;
} cv__use;

struct cv_route_group {
    cv_router *router;
    struct cv_route_group *outer; /* NULL: the root */
    struct cv_route_group *next;  /* in the order made, so that outer groups come before inner ones */
    const char *prefix;           /* with those of the outer groups */
    cv_route_limits limits;
    cv__use *uses, **last_use;
    const cv__chain *chain; /* since the freeze */
};

struct cv_router {
    cv_arena *arena;
    cv__node top;
    cv__route **routes; /* in the order added */
    size_t route_count;
    struct cv_route_group root, *last_group;
    cv__route missing; /* stands for none: the root group's limits and middleware; its index is the route count */
    pthread_mutex_t freezing;
    bool frozen;
};

/** The arena of what lives as long as the router. */
cv_arena *cv__router_arena(cv_router *router);

/** CV_E_STATE, with a story, when nothing can be added any more. */
CV_CHECKED int cv__router_check_open(cv_ctx *cx, const cv_router *router);

/** Work out limits and middleware of all routes; nothing can be added afterwards. May be called again and from several
 *  threads. CV_E_NOMEM. */
CV_CHECKED int cv__router_freeze(cv_ctx *cx, cv_router *router);

/** The chain of each group (middleware.c). */
CV_CHECKED int cv__router_compile_chains(cv_ctx *cx, cv_router *router);

/** How many routes there are; the index of the route that stands for none is this. */
size_t cv__router_route_count(const cv_router *router);

/** The route with this index, for metrics; the one that stands for none at the route count. */
const cv__route *cv__router_route_at(const cv_router *router, size_t index);

/* ---- one request (router_match.c) ---- */

/** The path of a request as routes see it: without dot segments and decoded, in `scratch`, which has room for all of
 * it; or the raw one itself, without a scratch. "" counts as "/". */
cv_str cv__path_decode(cv_str raw, char *scratch);

/** Find the route for a method and a path as sent, once the head of a request is complete. Needs no fiber and takes no
 *  memory: a path with escapes or dot segments is rewritten to `scratch` (NULL without them; else room for all of it).
 * `ret_match` has offsets into the decoded path, so that it stays good when the buffer moves. The result is
 * `ret_match->route`. */
const cv__route *cv__router_match(const cv_router *router, cv_method method, cv_str raw, char *scratch,
                                  cv__match *ret_match);

/** Give the request what cv__router_match found. */
void cv__request_matched(cv_request *req, const cv__match *match);

/** Run the middleware of the request's route and its handler; answer 404, 405 and OPTIONS where there is none. Returns
 *  what the handler returns, or the middleware that ended the way. Suspends where they do. */
int cv__router_run(cv_ctx *cx, cv_request *req, cv_response *res);

/** Match from within the request's fiber. CV_E_NOMEM, CV_E_LIMIT. */
CV_CHECKED int cv__router_find(cv_ctx *cx, const cv_router *router, cv_request *req);

/** Match and run. */
int cv__router_dispatch(cv_ctx *cx, const cv_router *router, cv_request *req, cv_response *res);

#endif
