/* What the built-in middleware shares. */
#ifndef COVET_SRC_HTTP_MIDDLEWARE_MIDDLEWARE_H
#define COVET_SRC_HTTP_MIDDLEWARE_MIDDLEWARE_H

#include "http/response.h"
#include "http/router.h"

/** Zeroed memory that lives as long as the group's router. NULL with CV_E_STATE, CV_E_NOMEM and a story. */
void *cv__group_alloc(cv_ctx *cx, const cv_route_group *group, size_t size);

/** A copy of a text in the router's memory; NULL for NULL, and with CV_E_NOMEM. */
const char *cv__group_strdup(cv_ctx *cx, const cv_route_group *group, const char *text);

/** Set a header unless the handler has. Name and value must outlive the response. CV_E_LIMIT, CV_E_NOMEM. */
CV_CHECKED int cv__response_default(cv_response *res, cv_str name, cv_str value);

/** Add a name to the Vary header, unless it is there. CV_E_LIMIT, CV_E_NOMEM. */
CV_CHECKED int cv__response_vary(cv_response *res, const char *name);

#endif
