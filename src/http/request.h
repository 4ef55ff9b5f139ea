/* The inside of a request: what the parser found, where it came from, and what the router added. */
#ifndef COVET_SRC_HTTP_REQUEST_H
#define COVET_SRC_HTTP_REQUEST_H

#include "http/parser.h"

struct cv__connection;

/* Bounds of what a route may look like; the router refuses others when they are added. */
#define CV__MAX_SEGMENTS 64
#define CV__MAX_PARAMS   16

typedef enum cv__param_kind { CV__PARAM_INT, CV__PARAM_UUID, CV__PARAM_TEXT, CV__PARAM_PATH } cv__param_kind;

typedef struct cv__param {
    const char *name; /* the route's */
    cv__param_kind kind;
    cv_str text; /* decoded */
} cv__param;

struct cv_request {
    cv_ctx *cx;
    const cv__parser *parser;          /* complete, and still until the reply was sent */
    struct cv__connection *connection; /* NULL in tests of parts */

    cv_str path;                       /* decoded; "*" for OPTIONS * */
    cv_str segments[CV__MAX_SEGMENTS]; /* of the path, cut at the slashes before decoding; views into it */
    size_t segment_count;

    const char *route; /* the pattern that matched */
    void *route_arg;
    cv__param params[CV__MAX_PARAMS];
    size_t param_count;
};

/** Prepare the request that the parser holds complete, for the context of its fiber. Decodes the path (in the context's
 *  arena where it has escapes) and cuts it into segments; further ones than CV__MAX_SEGMENTS stay in the path alone.
 *  CV_E_NOMEM, CV_E_LIMIT. */
CV_CHECKED int cv__request_init(cv_ctx *cx, cv_request *req, const cv__parser *parser,
                                struct cv__connection *connection);

#endif
