/* What a server tells of itself. The series of a route are looked up once; from then on a request is two plain
 * additions each. Everything that is counted anyway is read by a tick. */
#ifndef COVET_SRC_HTTP_METRICS_H
#define COVET_SRC_HTTP_METRICS_H

#include "http/router.h"
#include <covet/server.h>

typedef struct cv__http_metrics cv__http_metrics;

/** For the server whose counts are `stats`, with a frozen router; both are kept by reference. NULL without memory or
 * when the context has no registry: the functions below then do nothing. */
cv__http_metrics *cv__http_metrics_new(cv_ctx *main, const cv_router *router, const cv_server_stats *stats);

/** Show the last counts and free. */
void cv__http_metrics_free(cv__http_metrics *metrics);

/** A request that has reached a route, or the place of none, is over. */
void cv__http_metrics_request(cv__http_metrics *metrics, const cv_request *req, const cv_response *res,
                              int64_t ended_ns);

/** Something was refused before it was a request. */
void cv__http_metrics_refused(cv__http_metrics *metrics, int status);

#endif
