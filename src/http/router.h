/* The inside of the router: patterns, the tree of segments, and the dispatch of one request. */
#ifndef COVET_SRC_HTTP_ROUTER_H
#define COVET_SRC_HTTP_ROUTER_H

#include "http/request.h"
#include <covet/router.h>

#define CV__MAX_PATTERN_BYTES 1024

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

/** Find the handler for the request and run it; answer 404, 405 and OPTIONS where there is none. Returns what the
 *  handler returns. Suspends where the handler does. */
int cv__router_dispatch(cv_ctx *cx, const cv_router *router, cv_request *req, cv_response *res);

/** The arena of what lives as long as the router. */
cv_arena *cv__router_arena(cv_router *router);

#endif
