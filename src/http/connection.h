/* One connection: reading requests, handing them to fibers one after the other, writing replies.
 *
 * README.md has the picture of the states. A connection is held by its open transport and by the fiber of its request,
 * and freed when both are gone. */
#ifndef COVET_SRC_HTTP_CONNECTION_H
#define COVET_SRC_HTTP_CONNECTION_H

#include "http/parser.h"
#include "http/request.h"
#include "http/server.h"
#include "http/transport.h"

typedef enum cv__connection_state {
    CV__CONNECTION_IDLE,      /* nothing of a request is there; no buffer; list CV__TIMEOUT_IDLE */
    CV__CONNECTION_HEAD,      /* receiving a head; list CV__TIMEOUT_HEADER */
    CV__CONNECTION_BODY,      /* receiving a body; list CV__TIMEOUT_BODY */
    CV__CONNECTION_RUNNING,   /* a fiber answers; list CV__TIMEOUT_BODY while it waits for more of the body */
    CV__CONNECTION_WRITING,   /* answered, but the peer has not taken all of it; list CV__TIMEOUT_WRITE */
    CV__CONNECTION_DRAINING,  /* answered; the rest of the request's body is thrown away; list CV__TIMEOUT_BODY */
    CV__CONNECTION_LINGERING, /* everything was said; what comes is thrown away; list CV__TIMEOUT_LINGER */
    CV__CONNECTION_CLOSING,   /* the transport is being closed; in no list */
} cv__connection_state;

/* How a connection goes on after a request. */
typedef enum cv__after {
    CV__AFTER_NEXT,
    CV__AFTER_CLOSE,
    CV__AFTER_CUT, /* the reply is not whole */
} cv__after;

typedef struct cv__connection {
    cv__transport *transport;
    struct cv_server *server;
    cv_link all;
    cv__limit waiting; /* for the peer to send; by the state */
    cv__limit writing; /* for the peer to take what was written: CV__TIMEOUT_WRITE while anything waits for it */
    cv__timeout_kind waiting_kind;

    cv__connection_state state;
    cv__after after; /* WRITING: what comes then */
    cv__parse found; /* ... and what the parser found of the next request */
    bool reading;
    bool peer_gone;    /* end of file or an error was read */
    bool continue_due; /* the client waits to be told to send the body */
    bool head_sent;    /* of the reply to the present request, before the body was read: nothing may be told any more */
    bool write_timed_out, body_timed_out;
    int holders;
    uint64_t requests; /* begun */

    cv__parser parser;
    cv__match match;                    /* of the present request, once its head is complete */
    int64_t batch_ns;                   /* when the fiber came to run last; 0: it has suspended since */
    struct cv_fiber *fiber;             /* of the request, from its first run to its end */
    cv__waiter *reader;                 /* the fiber waits for more of the body */
    int64_t body_waited_ns;             /* by the fiber, since the window began */
    uint64_t received, received_before; /* bytes; at the beginning of the window */
    size_t thrown_away;                 /* bytes, while draining or lingering */

    /* What the transport did not take although no fiber waits for it. */
    char *pending;
    size_t pending_at, pending_len;
    cv__waiter *writer;               /* the fiber waits until it can write on */
    uint64_t written, written_before; /* bytes; taken by the peer at the beginning of the window */
    size_t burst;                     /* bytes written since the fiber last suspended to write */

    char peer[INET6_ADDRSTRLEN]; /* "" until asked for */
} cv__connection;

/** Serve an accepted connection; the transport belongs to it from now on, also when memory is exhausted: then it is
 *  closed. Nothing is read before the next turn of the loop. */
void cv__connection_open(struct cv_server *server, cv__transport *transport);

const char *cv__connection_peer(cv__connection *connection);

/** Close without a further word. The peer sees a reset when it would otherwise take the end for a well-formed one. The
 *  fiber of a request, if any, fails at its next write. No effect when it is closing already. */
void cv__connection_cut(cv__connection *connection, bool reset);

/** The time limit of its list has passed. */
void cv__connection_expired(cv__connection *connection, cv__timeout_kind kind);

/** The request was answered. True: a further one is there and can be answered by the same fiber. */
bool cv__connection_next(cv__connection *connection, cv__after after);

/** The fiber ends and gives up its hold. */
void cv__connection_finished(cv__connection *connection);

/** The fiber is about to suspend: what it has said leaves, and it is not idle any more. */
void cv__connection_leaving(cv__connection *connection);

/** Tell the transport which events the connection waits for now. */
void cv__connection_update(cv__connection *connection);

/** Read from the transport when the connection wants it and not otherwise; take what is there now. `read_some` tells
 *  whether there was anything, the end included. */
void cv__connection_set_reading(cv__connection *connection, bool reading);
bool cv__connection_read_some(cv__connection *connection);

/* ---- arriving_body.c ---- */

/* How much of a body that nobody reads is taken so that the connection can go on. */
#define CV__DRAIN_BYTES ((size_t)256 << 10)

/** Begin a window of the minimum rate of bodies. */
void cv__connection_begin_body_window(cv__connection *connection);

/** Whether the window, of which only the waiting counts, is over without enough. */
bool cv__connection_body_is_slow(cv__connection *connection);

/** Whether what is left of the request's body is little enough to be thrown away, so that the connection can go on. */
bool cv__connection_can_drain(const cv__connection *connection);

/** Wait, in the fiber of the request, until more of its body is there or it is complete. Tells the client to send it
 *  when it waits for that. Suspends. CV_E_CONNECTION_LOST, CV_E_TIMEOUT, CV_E_BAD_REQUEST, CV_E_TOO_LARGE,
 *  CV_E_CANCELLED. */
CV_CHECKED int cv__connection_await_body(cv_ctx *cx, cv__connection *connection);

/* ---- output.c ---- */

/** Write, from the fiber of the request: small pieces are collected and sent when there is enough, when the fiber is
 *  about to suspend, or with cv__connection_flush. Suspends while the peer reads slowly, then bounded by the server's
 *  minimum rate. After an error the connection is closed. At most CV__MAX_PIECES. CV_E_CONNECTION_LOST, CV_E_TIMEOUT,
 *  CV_E_CANCELLED. */
#define CV__MAX_PIECES 4
CV_CHECKED int cv__connection_write(cv_ctx *cx, cv__connection *connection, const struct iovec *pieces, unsigned count);

/** Room in the collected output for `size` bytes, at most CV__OUTPUT_BYTES, to be written at once and then added with
 *  cv__connection_commit. May suspend; NULL with errors as cv__connection_write. */
char *cv__connection_reserve(cv_ctx *cx, cv__connection *connection, size_t size);
void cv__connection_commit(cv__connection *connection, size_t len);

/** Send what was collected and wait until the transport took all of it. Suspends; errors as cv__connection_write. */
CV_CHECKED int cv__connection_flush(cv_ctx *cx, cv__connection *connection);

/** Send bytes of an open file behind what was written: as many as the transport takes at once. When it takes none, wait
 *  until it would, and tell 0. Suspends; errors as cv__connection_write, and CV_E_IO when the file ends there or cannot
 * be read: then the connection is closed, too. */
CV_CHECKED int cv__connection_send_file(cv_ctx *cx, cv__connection *connection, int fd, uint64_t offset, size_t len,
                                        size_t *ret_sent);

/** Write from a callback of the loop, behind everything else, without waiting: what the transport does not take is kept
 *  until it does. False: it failed. */
CV_CHECKED bool cv__connection_write_detached(cv__connection *connection, cv_str bytes);

/** Send what was collected, without waiting, and keep the rest: before a fiber suspends and when one ends. */
void cv__connection_settle(cv__connection *connection);

/** The transport takes bytes again. */
void cv__connection_writable(cv__connection *connection);

/** Whether the peer took as much since the last look as the server's minimum rate asks for. */
bool cv__connection_took_enough(cv__connection *connection);

/* ---- refusal.c ---- */

/** Answer what is no request with a problem document, from a callback of the loop, and log it. False: it failed. */
CV_CHECKED bool cv__connection_send_refusal(cv__connection *connection, cv__refusal refusal);

/* ---- exchange.c ---- */

/** The function of a request's fiber; `arg` is the connection, whose parser holds a complete request. */
int cv__exchange_run(cv_ctx *cx, void *arg);

#endif
