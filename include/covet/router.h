/* Routes: from method and path to a handler.
 *
 * A pattern is a path of segments: literal text, or a parameter: `{name}` (one segment of text), `{name:int}` (digits
 * with an optional minus, fitting int64_t), `{name:uuid}`, `{name:path}` (the rest, possibly with slashes, last only;
 * not empty). A literal segment wins over a typed parameter, that over text, that over path. Two routes that could
 * match the same method and path with the same rank, or the same pattern with other parameter names, are refused when
 * added. HEAD is answered from GET, OPTIONS and 405 with Allow by themselves. Matching costs a walk over a tree of
 * segments.
 *
 * Routes live in groups; a group has a prefix, middleware (middleware.h) and limits, and hands them to the groups
 * inside it. A server freezes its router when it starts: from then on nothing can be added (CV_E_STATE), and several
 * workers may serve it. */
#ifndef COVET_ROUTER_H
#define COVET_ROUTER_H

#include <covet/http.h>

CV_BEGIN_DECLS

typedef struct cv_router cv_router;

/** NULL without memory. Free with cv_router_free (NULL allowed). */
CV_API cv_router *cv_router_new(void);
CV_API void cv_router_free(cv_router *router);

/** Add a route; `methods` may combine several. The pattern is copied; `arg` is handed to the handler through
 *  cv_request_route_arg. CV_E_ROUTE (naming both patterns), CV_E_SYNTAX for a bad pattern, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_router_add(cv_ctx *cx, cv_router *router, unsigned methods, const char *pattern,
                                    cv_handler *handler, void *arg);

/** A group: routes added through it get its prefix ("/api"; may be "", only for middleware and limits). Owned by the
 * router; NULL (reported) without memory, for a bad prefix, after the freeze. Groups nest. */
typedef struct cv_route_group cv_route_group;
CV_API cv_route_group *cv_router_group(cv_ctx *cx, cv_router *router, const char *prefix);
CV_API cv_route_group *cv_route_group_nest(cv_ctx *cx, cv_route_group *group, const char *prefix);
CV_API CV_CHECKED int cv_route_group_add(cv_ctx *cx, cv_route_group *group, unsigned methods, const char *pattern,
                                         cv_handler *handler, void *arg);

/** The outermost group, without a prefix: what is set on it holds for all routes, and its middleware also for 404 and
 *  405. Owned by the router. */
CV_API cv_route_group *cv_router_root(cv_router *router);

/* Limits of a group or a route; 0 takes those of the group outside it, in the end the server's. */
typedef struct cv_route_limits {
    size_t max_body_bytes;
    int64_t timeout_ms; /* deadline of the handler's context */
} cv_route_limits;

/** Set the limits of a group; the last call wins. Does not suspend. CV_E_STATE after the freeze, CV_E_INVALID. */
CV_API CV_CHECKED int cv_route_group_limit(cv_ctx *cx, cv_route_group *group, const cv_route_limits *limits);

/* A route with everything that it can have. */
typedef struct cv_route_spec {
    unsigned methods;
    const char *pattern;
    cv_handler *handler;
    void *arg;
    cv_route_limits limits;
    bool stream_body;      /* the handler starts with the head and reads the body itself (cv_body_read) */
    bool exclude_from_log; /* access log and metrics leave it out: health checks */
} cv_route_spec;

/** Add a route to a group, below its prefix; the pattern is copied. Errors as for cv_router_add. */
CV_API CV_CHECKED int cv_route_group_route(cv_ctx *cx, cv_route_group *group, const cv_route_spec *spec);

/** Visit all routes in the order added; `*position` starts at 0. */
typedef struct cv_route_info {
    unsigned methods;
    const char *pattern;
    cv_handler *handler;
} cv_route_info;
CV_API bool cv_router_next(const cv_router *router, size_t *position, cv_route_info *ret_route);

CV_END_DECLS

#endif
