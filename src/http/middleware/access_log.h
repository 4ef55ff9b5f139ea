/* What access logs keep with a server. */
#ifndef COVET_SRC_HTTP_MIDDLEWARE_ACCESS_LOG_H
#define COVET_SRC_HTTP_MIDDLEWARE_ACCESS_LOG_H

struct cv_server;

/* Lines on their way to a file descriptor. */
typedef struct cv__access_sink cv__access_sink;

/** Write what is left, waiting a little where it is not taken, and free all sinks of the server. */
void cv__access_sinks_free(struct cv_server *server);

#endif
