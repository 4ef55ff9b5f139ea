/* The inside of a listener: its sockets, and who may come in. Servers of several threads use it. */
#ifndef COVET_SRC_HTTP_LISTENER_H
#define COVET_SRC_HTTP_LISTENER_H

#include "http/address_table.h"
#include "http/networks.h"

#include <covet/listener.h>
#include <stdatomic.h>
#include <sys/un.h>

typedef struct cv__listening {
    atomic_int fd;       /* -1 once closed */
    atomic_size_t users; /* servers that accept from it */
    bool foreign;        /* the system's: others may go on with it, so what waits in its backlog is theirs */
} cv__listening;

struct cv_listener {
    cv_listener_options options; /* without zeros; of the texts nothing is kept */
    cv__listening *sockets;
    size_t count, capacity;
    struct sockaddr_storage bound; /* of the first socket */
    socklen_t bound_len;
    bool owns_file; /* a unix socket's, to be removed */
    dev_t file_device;
    ino_t file_number;
    char url[sizeof((struct sockaddr_un *)0)->sun_path + 16];

    atomic_bool left; /* another process goes on with the sockets */
    cv__networks *trusted;
    atomic_size_t connections;
    cv__address_table addresses;
};

/* ---- listener.c ---- */

/** How many sockets there are. A server of worker `w` of `n` serves those whose number modulo `n` is `w`, and at least
 *  one: number `w` modulo their count. */
size_t cv__listener_sockets(const cv_listener *listener);
size_t cv__listener_workers(const cv_listener *listener);

/** A server begins to accept from a socket: a descriptor of its own, which it closes; or -1 with errno, EBADF when the
 *  socket is closed. */
int cv__listener_attach(cv_listener *listener, size_t index);

/** Whether a server that leaves this socket is the last one, and nobody else goes on with it: then it takes what waits.
 */
bool cv__listener_is_last(cv_listener *listener, size_t index);

/** It accepts no more; the last one closes the socket. */
void cv__listener_detach(cv_listener *listener, size_t index);

/** Another process goes on with the sockets: their backlog, and the file of a unix socket, are its. */
void cv__listener_leave(cv_listener *listener);

/* A socket as it is handed over. */
typedef struct cv__handed {
    int fd;
    bool foreign;
} cv__handed;

/** The sockets that are open, at most `size`; how many were told. */
size_t cv__listener_descriptors(const cv_listener *listener, cv__handed *ret_handed, size_t size);

/** Take one of max_connections places, and give it back. */
CV_CHECKED bool cv__listener_take_place(cv_listener *listener);
void cv__listener_give_place(cv_listener *listener);

/** Count a connection of an address: false when it has too many. A place is held already. */
CV_CHECKED bool cv__listener_admit(cv_listener *listener, const struct sockaddr_storage *peer);

/** A connection that was admitted is closed: its address and its place are free. NULL: no effect. */
void cv__listener_release(cv_listener *listener, const struct sockaddr_storage *peer);

/* ---- listener_sockets.c: what may suspend or fail ---- */

/** Open or take the sockets for an address; those opened before a failure are in the listener. */
CV_CHECKED int cv__listener_open_sockets(cv_ctx *cx, cv_listener *listener, const char *address);

/** Add a socket that listens. CV_E_NOMEM closes it. */
CV_CHECKED int cv__listener_add(cv_ctx *cx, cv_listener *listener, int fd, bool foreign);

/* ---- inherited.c: sockets handed over to this process (sd_listen_fds(3)) ---- */

#define CV__HANDED_OVER "covet" /* the name in LISTEN_FDNAMES of sockets that the program's former life hands over */

/** The next one that was not taken, from `*position` on, which starts at 0; -1 at the end. */
int cv__inherited_next(int *position);

/** Whether it comes from the program's former life. */
bool cv__inherited_is_ours(int fd);

/** Take it: others do not find it any more, and programs that are started do not inherit it. */
void cv__inherited_take(int fd);

#endif
