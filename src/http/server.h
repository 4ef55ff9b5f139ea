/* The inside of the server: what its connections share. All of it belongs to the runtime's thread. */
#ifndef COVET_SRC_HTTP_SERVER_H
#define COVET_SRC_HTTP_SERVER_H

#include "http/networks.h"
#include "http/parser.h"
#include "http/transport.h"
#include "rt/wait.h"
#include <covet/list.h>
#include <covet/server.h>

struct cv__connection;
struct cv__http_metrics;

/* Each has one duration, so that its list, in the order of entry, is in the order of expiry, too. */
typedef enum cv__timeout_kind {
    CV__TIMEOUT_IDLE,
    CV__TIMEOUT_HEADER,
    CV__TIMEOUT_BODY,
    CV__TIMEOUT_WRITE,
    CV__TIMEOUT_LINGER,
    CV__TIMEOUT_KINDS,
} cv__timeout_kind;

/* One limit that a connection is under: in the list of its kind, or in none. */
typedef struct cv__limit {
    cv_link link;
    int64_t at_ns;
} cv__limit;

enum { CV__SCRATCH_BYTES = 64 * 1024, CV__OUTPUT_BYTES = 32 * 1024, CV__COLLECTED_BYTES = 8 * 1024 };

/* Collects small pieces of output; see output.c. */
typedef struct cv__output {
    size_t len;
    char bytes[CV__OUTPUT_BYTES];
} cv__output;

struct cv_server {
    cv_ctx *main; /* of the runtime: requests are spawned from it */
    cv_router *router;
    cv_server_options options; /* without zeros */
    cv__parser_limits limits;
    const cv__networks *trusted; /* proxies that are believed; NULL: nobody */
    cv__buffers buffers;         /* of requests under way */
    cv_listener *listener;       /* NULL: connections come otherwise */
    bool owns_listener;
    int port;

    cv_link connections; /* all that are not closing */

    struct cv__acceptor *acceptors; /* see accept.c */
    size_t acceptor_count;
    bool accept_paused, accept_exhausted, accept_ended; /* exhausted: the system gave no descriptor; it was told */
    cv__timer accept_timer;
    int reserve_fd; /* to be given up when there is no other; -1: none */

    cv_link timeouts[CV__TIMEOUT_KINDS];
    int64_t durations_ns[CV__TIMEOUT_KINDS];
    cv__timer timer;      /* set for the first expiry, or earlier: see timeouts.c */
    int64_t timer_due_ns; /* INT64_MAX: not set */

    bool stopping, cut; /* cv_server_stop was called; its patience is over */
    bool abandoned;     /* requests that do not end are left to free what they hold */
    cv__timer stop_timer;
    cv__waiter *stop_waiter;

    size_t holders; /* cv_server_start's caller, open handles, connections; the last one frees */
    cv_server_stats stats;
    struct cv__http_metrics *metrics; /* NULL: none */

    struct cv__access_sink *access_sinks; /* middleware/access_log.h */

    int64_t date_seen_ns; /* of the loop, when the date was made */
    int64_t date_s;
    char date[CV_TIME_TEXT_BYTES]; /* of date_s */
    size_t date_len;
    cv__output output;
    char scratch[CV__SCRATCH_BYTES]; /* paths to decode; what lingering connections still send */
};

/** A server without a listener: connections come by cv__connection_open alone. Checks and completes the options;
 * otherwise as cv_server_start, and stopped alike. Does not suspend. */
CV_CHECKED int cv__server_new(cv_ctx *cx, cv_router *router, const cv_server_options *options, cv_server **ret_server);

/** The present time as an HTTP date, to the loop's last look at the clock; valid until the next call. */
cv_str cv__server_date(struct cv_server *server);

/** A connection is gone from server->connections: there may be room for another, or stopping may be complete. */
void cv__server_connection_left(struct cv_server *server, const cv__peer *peer);

/** The fiber of a request has ended. */
void cv__server_request_left(struct cv_server *server);

/** Leave the server out of the runtime's metrics: one that serves those who watch it. */
void cv__server_hide(struct cv_server *server);

/** End the patience of a server that is stopping at once: what still runs is cut. */
void cv__server_cut(struct cv_server *server);

/** Give up one hold. */
void cv__server_unref(struct cv_server *server);

/* ---- accept.c ---- */

/** Begin to take connections from the server's share of its listener. What fails is undone by cv__accept_end. */
CV_CHECKED int cv__accept_begin(cv_ctx *cx, struct cv_server *server);

/** Take what waits in the backlog, unless others go on with it, and then nothing more. Again: no effect. */
void cv__accept_end(struct cv_server *server);

/** A connection was closed. */
void cv__accept_place_free(struct cv_server *server);

/* ---- timeouts.c ---- */

void cv__timeouts_init(struct cv_server *server);
void cv__timeouts_done(struct cv_server *server);

/** Put the connection's limit at the end of a list, out of the one it is in. */
void cv__timeout_set(struct cv__connection *connection, cv__timeout_kind kind);

#endif
