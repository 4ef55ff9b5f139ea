/* The simulated network: connections between a client in the process and a server, without a socket.
 *
 * Each is a pair of pipes. The server's side is a transport (http/transport.h); the client's side are the functions of
 * testing.h. What is ready at once is told to the server from an idle callback of the loop, what is under way by a
 * timer on the runtime's clock. Only the former counts as work under way (cv__io_begin), so that a simulated clock
 * jumps over delays and stalls.
 *
 * A connection is held by its client's side and by the server's, and freed when both have let go. */
#ifndef COVET_SRC_TESTING_NETWORK_H
#define COVET_SRC_TESTING_NETWORK_H

#include "http/transport.h"
#include "rt/timers.h"
#include "rt/wait.h"
#include "testing/pipe.h"
#include <covet/testing.h>

/* What the connections of one client share. */
typedef struct cv__network {
    uv_idle_t idle;
    cv_ctx *main;
    cv_link pending; /* connections whose server side is to be told something */
    bool telling;    /* the idle callback is active, and counted as work under way */
    cv_link all;     /* connections that the client's side still holds */
    unsigned holders;
    unsigned opened; /* gives each its port */
} cv__network;

struct cv_test_connection {
    cv__transport transport; /* the server's side */
    cv__network *network;
    cv_link pending, all;
    cv__timer timer;   /* armed for what arrives next */
    cv__pipe up, down; /* from and to the client */
    cv_test_network behaviour;

    bool server_open, client_open;
    bool piece_taken; /* the server has read a piece since it was last called */
    unsigned wanted;  /* CV__READABLE, CV__WRITABLE */

    cv__waiter *reader; /* of the client */
    cv_buf input;       /* of the client: read, and not yet part of a reply */
    bool begun;         /* a part of a reply was taken out of `input` */
    bool last_reply;    /* the server has said that it closes */
};

/** CV_E_NOMEM. Freed with cv__network_unref after its last connection. */
CV_CHECKED int cv__network_new(cv_ctx *cx, cv__network **ret_network);
void cv__network_unref(cv__network *network);

/** A connection whose two sides are open. `peer`: see cv_test_connect. CV_E_INVALID, CV_E_NOMEM. */
CV_CHECKED int cv__network_connect(cv_ctx *cx, cv__network *network, const char *peer,
                                   cv_test_connection **ret_connection);

/** Take what the server has sent, waiting for something: bytes, 0 at the end, or an error. Suspends. */
CV_CHECKED ssize_t cv__network_receive(cv_ctx *cx, cv_test_connection *connection, void *buffer, size_t size);

#endif
