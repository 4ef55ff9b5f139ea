/* One connection: reading requests, handing them to fibers one after the other, writing replies.
 *
 * README.md has the picture of the states. A connection is held by its open socket and by the fiber of its request, and
 * freed when both are gone. */
#ifndef COVET_SRC_HTTP_CONNECTION_H
#define COVET_SRC_HTTP_CONNECTION_H

#include "http/parser.h"
#include "http/server.h"
#include <netinet/in.h>
#include <uv.h>

typedef enum cv__connection_state {
    CV__CONNECTION_IDLE,      /* nothing of a request is there; no buffer; list CV__TIMEOUT_IDLE */
    CV__CONNECTION_HEAD,      /* receiving a head; list CV__TIMEOUT_HEADER */
    CV__CONNECTION_BODY,      /* receiving a body; list CV__TIMEOUT_BODY */
    CV__CONNECTION_RUNNING,   /* a fiber answers; list CV__TIMEOUT_WRITE while it waits for the peer to read */
    CV__CONNECTION_LINGERING, /* everything was said; what comes is thrown away; list CV__TIMEOUT_LINGER */
    CV__CONNECTION_CLOSING,   /* uv_close was called; in no list */
} cv__connection_state;

typedef struct cv__connection {
    uv_tcp_t tcp;
    struct cv_server *server;
    cv_link all;
    cv_link timeout;
    cv__timeout_kind timeout_kind;
    uint64_t timeout_at_ms;

    cv__connection_state state;
    bool reading;
    bool peer_gone; /* end of file or an error was read */
    bool write_timed_out;
    int holders;

    cv__parser parser;
    struct cv_fiber *fiber; /* of the request, from its first run to its end */
    size_t write_left;      /* in the queue when progress was last looked for */
    size_t lingered_bytes;
    char peer[INET6_ADDRSTRLEN]; /* "" until asked for */
} cv__connection;

/** Accept what waits in the server's listener and start reading. */
void cv__connection_accept(struct cv_server *server);

const char *cv__connection_peer(cv__connection *connection);

/** Close without a further word. The peer sees a reset when it would otherwise take the end for a well-formed one. The
 *  fiber of a request, if any, fails at its next write. No effect when it is closing already. */
void cv__connection_cut(cv__connection *connection, bool reset);

/** The time limit of its list has passed. */
void cv__connection_expired(cv__connection *connection, cv__timeout_kind kind);

/* How a connection goes on after a request. */
typedef enum cv__after { CV__AFTER_NEXT, CV__AFTER_CLOSE, CV__AFTER_CUT } cv__after;

/** The fiber of the request ends: take the next one, or close. Gives up the fiber's hold. */
void cv__connection_finished(cv__connection *connection, cv__after after);

/* ---- output.c ---- */

/** Write all of it, from the fiber of the request. Suspends while the peer reads slowly, then bounded by the server's
 *  write time limit. After an error the connection is closed. CV_E_CONNECTION_LOST, CV_E_TIMEOUT, CV_E_CANCELLED. */
CV_CHECKED int cv__connection_write(cv_ctx *cx, cv__connection *connection, uv_buf_t *bufs, unsigned count);

/** Write from a callback of the loop, without waiting; the bytes are copied when need be. False: it failed. */
CV_CHECKED bool cv__connection_write_detached(cv__connection *connection, cv_str bytes);

/** Whether the peer took anything since the last look. */
bool cv__connection_made_progress(cv__connection *connection);

/* ---- refusal.c ---- */

/** Answer what is no request with a problem document, from a callback of the loop, and log it. False: it failed. */
CV_CHECKED bool cv__connection_send_refusal(cv__connection *connection, cv__refusal refusal);

/* ---- exchange.c ---- */

/** The function of a request's fiber; `arg` is the connection, whose parser holds a complete request. */
int cv__exchange_run(cv_ctx *cx, void *arg);

#endif
