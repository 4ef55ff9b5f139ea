/* A transport: a byte stream between a connection and its peer. Two exist: sockets (socket.c; TCP and unix), and the
 * simulated network of the test kit. TLS will be a third, in front of a socket.
 *
 * All calls are made on the runtime's thread and none of them suspends. The callbacks come from the loop, never from
 * inside a call of the owner. */
#ifndef COVET_SRC_HTTP_TRANSPORT_H
#define COVET_SRC_HTTP_TRANSPORT_H

#include <covet/ctx.h>
#include <netinet/in.h>
#include <sys/uio.h>

typedef struct cv__transport cv__transport;

enum { CV__READABLE = 1, CV__WRITABLE = 2 };

/* Who is at the other end. */
typedef struct cv__peer {
    struct sockaddr_storage address; /* AF_UNIX: a unix socket */
} cv__peer;

/* Results are bytes, 0 for end of file (read only), or a negative libuv error; UV_EAGAIN: nothing can be done now. */
typedef struct cv__transport_ops {
    ssize_t (*read)(cv__transport *transport, void *buffer, size_t size);
    /** `more`: further bytes follow at once, so that small pieces are not sent alone. */
    ssize_t (*write)(cv__transport *transport, const struct iovec *pieces, unsigned count, bool more);
    /** Bytes of an open file, without copying them; may send less. 0: the file is shorter. */
    ssize_t (*send_file)(cv__transport *transport, int fd, uint64_t offset, size_t len);
    /** How many bytes that were written the peer has not taken yet, as far as it is known. May be NULL: none. */
    size_t (*untaken)(cv__transport *transport);
    /** Call `ready` while any of `events` holds (level-triggered). 0: never. */
    void (*want)(cv__transport *transport, unsigned events);
    /** Close our sending side when everything written has left. */
    void (*shutdown)(cv__transport *transport);
    /** Close; `reset` when the peer must not take it for an orderly end. `closed` is called once, later, from the loop;
     *  the transport frees itself after it. */
    void (*close)(cv__transport *transport, bool reset);
} cv__transport_ops;

struct cv__transport {
    const cv__transport_ops *ops;
    void (*ready)(cv__transport *transport, unsigned events);
    void (*closed)(cv__transport *transport);
    void *owner;
    cv__peer peer;
};

/** A transport over a connected, non-blocking stream socket, which belongs to it from now on, also when this fails.
 *  `peer` is copied. CV_E_NOMEM and what libuv reports. */
CV_CHECKED int cv__socket_open(cv_ctx *cx, int fd, const cv__peer *peer, cv__transport **ret_transport);

#endif
