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

/* What stands between a streamed body and its reader, such as decompression. It takes what it needs from
 * cv__body_read_raw. */
typedef struct cv__body_filter {
    /** As cv_body_read: `*ret_len` is 0 at the end. Suspends. */
    int (*read)(cv_ctx *cx, cv_request *req, struct cv__body_filter *filter, void *buffer, size_t size,
                size_t *ret_len);
} cv__body_filter;

struct cv__origin;

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

    const char *id;                  /* "" until given */
    const struct cv__origin *origin; /* whom trusted proxies speak for; NULL until asked for */
    cv_str decoded_body;             /* in place of the body as sent; or the NULL view */
    cv__body_filter *body_filter;    /* of a streamed body; or NULL */
    bool coding_known;               /* somebody has judged Content-Encoding */

    size_t reached, unreplied; /* middleware of the route's chain: how far in the request went; what is left to reply */
    size_t body_read;          /* of a body that was complete, by cv_body_read */
    size_t value_count;
    cv__request_value values[CV__MAX_VALUES];
};

/** Prepare the request that the parser holds complete, for the context of its fiber. Decodes the path (in the context's
 *  arena where it has escapes). CV_E_NOMEM, CV_E_LIMIT. */
CV_CHECKED int cv__request_init(cv_ctx *cx, cv_request *req, const cv__parser *parser,
                                struct cv__connection *connection);

/** Whether a body belongs to the request, be it empty. */
bool cv__request_has_body(const cv_request *req);

/** Whether the request came from a trusted proxy (forwarded.c). */
bool cv__request_peer_is_trusted(const cv_request *req);

/** Read on in the body as it came, off its transfer coding. As cv_body_read. */
CV_CHECKED int cv__body_read_raw(cv_ctx *cx, cv_request *req, void *buffer, size_t size, size_t *ret_len);

/* ---- middleware.c: the way of a request through the chain of its route ---- */

/** The way in. Ends early with an error or a reply. */
CV_CHECKED int cv__chain_before(cv_ctx *cx, cv_request *req, cv_response *res);

/** The way out, right before a head is sent: `reply` hooks of what was reached, each at most once. After an error,
 * which becomes a reply of its own, a further call goes on with those that are left. */
CV_CHECKED int cv__chain_reply(cv_ctx *cx, cv_request *req, cv_response *res);

/** The end: `after` hooks of what was reached. */
void cv__chain_after(cv_ctx *cx, const cv_request *req, const cv_response *res);

#endif
