/* The inside of a request: what the parser found, where it came from, and what the router added. */
#ifndef COVET_SRC_HTTP_REQUEST_H
#define COVET_SRC_HTTP_REQUEST_H

#include "http/parser.h"

struct cv__connection;

/* Bounds of what a route may look like; the router refuses others when they are added. */
#define CV__MAX_SEGMENTS 64
#define CV__MAX_PARAMS   16

#define CV__MAX_VALUES 16

typedef enum cv__param_kind { CV__PARAM_INT, CV__PARAM_UUID, CV__PARAM_TEXT, CV__PARAM_PATH } cv__param_kind;
enum { CV__PARAM_KINDS = CV__PARAM_PATH + 1 };

/* A parameter as the route declares it. */
typedef struct cv__param_name {
    const char *name;
    cv__param_kind kind;
} cv__param_name;

struct cv__route;

/* What the router found for a head. */
typedef struct cv__match {
    const struct cv__route *route;   /* never NULL: without one, the router's route that stands for none */
    unsigned allowed;                /* the methods of all routes at this path; 0: nothing is there */
    cv__span params[CV__MAX_PARAMS]; /* the values of the route's parameters, in the decoded path */
} cv__match;

/* A value that middleware left. */
typedef struct cv__request_value {
    const void *key;
    void *value;
} cv__request_value;

struct cv_request {
    cv_ctx *cx;
    const cv__parser *parser;          /* complete, and still until the reply was sent */
    struct cv__connection *connection; /* NULL in tests of parts */
    int64_t started_ns;                /* of the complete head */
    int64_t ended_ns;                  /* when the reply was out: for `after` hooks */

    cv_str path;                   /* decoded; "*" for OPTIONS * */
    const struct cv__route *route; /* NULL before routing */
    unsigned allowed;
    cv_str params[CV__MAX_PARAMS]; /* the values of the route's parameters */

    size_t reached,
        unreplied; /* middleware of the route's chain: how far the way in went, how far the way out is left */
    size_t value_count;
    cv__request_value values[CV__MAX_VALUES];
};

/** Prepare the request that the parser holds complete, for the context of its fiber. Decodes the path (in the context's
 *  arena where it has escapes). CV_E_NOMEM, CV_E_LIMIT. */
CV_CHECKED int cv__request_init(cv_ctx *cx, cv_request *req, const cv__parser *parser,
                                struct cv__connection *connection);

/* ---- middleware.c: the way of a request through the chain of its route ---- */

/** The way in. Ends early with an error or a reply. */
CV_CHECKED int cv__chain_before(cv_ctx *cx, cv_request *req, cv_response *res);

/** The way out, right before a head is sent: `reply` hooks of what was reached, each at most once. After an error,
 * which becomes a reply of its own, a further call goes on with those that are left. */
CV_CHECKED int cv__chain_reply(cv_ctx *cx, cv_request *req, cv_response *res);

/** The end: `after` hooks of what was reached. */
void cv__chain_after(cv_ctx *cx, const cv_request *req, const cv_response *res);

#endif
