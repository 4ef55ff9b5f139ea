/* How a response reaches its connection: whole, or as a stream. */
#ifndef COVET_SRC_HTTP_EXCHANGE_H
#define COVET_SRC_HTTP_EXCHANGE_H

#include "http/response.h"

/** Send status, headers and body of a whole reply. Suspends. Errors as cv__connection_write. */
CV_CHECKED int cv__response_send_whole(cv_ctx *cx, cv_response *res);

#endif
