/* The HTTP server: HTTP/1.1 (RFC 9112) with llhttp in strict mode. */
#ifndef COVET_SERVER_H
#define COVET_SERVER_H

#include <covet/listener.h>
#include <covet/router.h>

CV_BEGIN_DECLS

typedef struct cv_server cv_server;

/* The header by which proxies tell for whom they speak; believed only from trusted ones. */
typedef enum cv_forwarded {
    CV_FORWARDED_X,        /* X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host */
    CV_FORWARDED_STANDARD, /* Forwarded (RFC 7239) */
} cv_forwarded;

/* Every limit has a default that is safe in public; 0 takes it. */
typedef struct cv_server_options {
    cv_listener *listener;              /* kept by reference; NULL: one of its own, at host and port */
    size_t socket;                      /* which of the listener's sockets: the worker's index */
    const char *host;                   /* NULL: "127.0.0.1" */
    int port;                           /* 0: a free one (see cv_server_port) */
    int backlog;                        /* 511 */
    size_t max_connections;             /* 10,000; further ones wait in the backlog */
    size_t max_header_bytes;            /* request line and headers: 32 KiB, then 431 */
    size_t max_target_bytes;            /* 8 KiB, at most 64 KiB, then 414 */
    size_t max_headers;                 /* 100, then 431; the same for trailers */
    size_t max_body_bytes;              /* 2 MiB, then 413; routes may have their own (router.h) */
    size_t max_requests_per_connection; /* 10,000, then "Connection: close" */
    int64_t header_timeout_ms;          /* first byte to end of headers: 10 s, then 408 */
    int64_t idle_timeout_ms;            /* between requests: 60 s, then closed */
    int64_t request_timeout_ms;         /* deadline of the handler's context: 30 s, then 503 */
    /* The body must come at min_body_rate over each window of body_timeout_ms (10 s), else 408; the reply must be taken
     * at min_write_rate over each window of write_timeout_ms (10 s), else the connection is cut. Bytes a second: 500.
     */
    int64_t body_timeout_ms, write_timeout_ms;
    size_t min_body_rate, min_write_rate;
    int64_t shutdown_timeout_ms; /* graceful stop: 10 s, then the rest is cut */
    bool log_refusals; /* a line at CV_LOG_INFO for what is no request and so passes no middleware (400, 408, 431) */

    cv_forwarded forwarded; /* which header trusted proxies set */
    bool development;       /* error replies tell their story: cause chain, file and line */
} cv_server_options;

/** Start answering on a listener; requests are taken from the next suspension on. The router is frozen by it (no routes
 *  or middleware can be added any more), kept by reference and must outlive the server; it may serve in several
 * workers. Options are copied. The process ignores SIGPIPE from now on, unless it has a handler of its own.
 * CV_E_INVALID, CV_E_CLOSED (the last server on the listener was stopped) and, without a listener, what
 * cv_listener_open reports: then it may suspend. */
CV_API CV_CHECKED int cv_server_start(cv_ctx *cx, cv_router *router, const cv_server_options *options,
                                      cv_server **ret_server);

/** The port that is listened on. */
CV_API int cv_server_port(const cv_server *server);

/** Stop gracefully: connections that wait in the backlog are still taken, then no further ones; idle ones are closed at
 *  once (those that have not asked anything yet, within a second), requests under way are finished (with "Connection:
 *  close") for at most shutdown_timeout_ms, then cut; frees the server. Sockets that others go on with keep their
 * backlog (those of the system, and after cv_server_leave). Suspends; always succeeds in bounded time. NULL is allowed.
 */
CV_API void cv_server_stop(cv_ctx *cx, cv_server *server);

/** The listener's sockets have an heir in another process: stop accepting at once and leave the backlog to it. Does not
 *  suspend. */
CV_API void cv_server_leave(cv_server *server);

typedef struct cv_server_stats {
    uint64_t connections_total, connections_refused, requests_total, responses_by_class[6];
    size_t connections_open, connections_idle, requests_active;
} cv_server_stats;
CV_API cv_server_stats cv_server_get_stats(const cv_server *server);

CV_END_DECLS

#endif
