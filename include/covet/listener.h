/* A listener: an address that servers accept from.
 *
 * A listener has one socket for each worker (SO_REUSEPORT: the kernel spreads the connections), or one that all share
 * (unix sockets, some that were handed over). Servers in several threads may use it: what it keeps count of, the
 * connections in all and per address, is the process's. A socket is closed with its last server. */
#ifndef COVET_LISTENER_H
#define COVET_LISTENER_H

#include <covet/ctx.h>

CV_BEGIN_DECLS

typedef struct cv_listener cv_listener;

typedef struct cv_listener_options {
    size_t sockets;         /* one a worker; 0: 1 */
    int backlog;            /* 0: 511 (the kernel caps it at net.core.somaxconn) */
    unsigned unix_mode;     /* permissions of a unix socket; 0: 0660 */
    size_t max_connections; /* open at once, of all servers on it; 0: 10,000; further ones wait in the backlog */
    size_t max_per_address; /* of one client address (IPv6: of one /64); further ones are closed at once; 0: 1,000;
                               not counted for trusted proxies and unix sockets */
    const char *const *trusted_proxies; /* ends with NULL: "10.0.0.0/8", "::1", "unix"; NULL: nobody is believed */
} cv_listener_options;

/** Bind and listen. `address` is "127.0.0.1:8000", "[::1]:8000", "localhost:8000" (the first of its addresses that can
 * be had), ":8000" (all addresses, IPv4 and IPv6), port 0 for a free one, "unix:/run/app.sock" (a stale socket nobody
 *  answers at is replaced; the file is removed at the close), "fd:3" (a socket that is listening already), or
 *  "inherited" (all that were handed over and not yet taken). A socket for the same address that was handed over to
 *  this process (LISTEN_FDS: by systemd or by the program's former life, see serve) is taken instead of a new one. Two
 *  programs never share a port by accident. CV_E_ADDRESS_IN_USE (naming the address), CV_E_PERMISSION, CV_E_RESOLVE,
 *  CV_E_INVALID, CV_E_NOT_FOUND (nothing was handed over), CV_E_SYSTEM, CV_E_NOMEM. May suspend to resolve. Options are
 *  copied. */
CV_API CV_CHECKED int cv_listener_open(cv_ctx *cx, const char *address, const cv_listener_options *options,
                                       cv_listener **ret_listener);

/** Close the sockets, after all servers on it were stopped. NULL is allowed. Does not suspend. */
CV_API void cv_listener_close(cv_listener *listener);

/** The port that is listened on; 0 for a unix socket. */
CV_API int cv_listener_port(const cv_listener *listener);
/** As it can be connected to: "http://127.0.0.1:8000/", "unix:/run/app.sock". Lives as long as the listener. */
CV_API const char *cv_listener_url(const cv_listener *listener);

CV_END_DECLS

#endif
