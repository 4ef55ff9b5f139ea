/* Accepting: the part of a server that takes connections from its listener.
 *
 * A server of several watches the sockets that are its share of the listener's. While no place is left, or no
 * descriptor, it does not look at them: what waits stays in the backlog, and after a pause it tries again (a place may
 * come free in another worker, which tells nobody). */
#include "http/connection.h"

#include "base/ctx.h"
#include "http/listener.h"
#include <covet/runtime.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* PER_TURN: connections that are taken in one turn of the loop. PER_STOP: of one socket, when the server stops. */
enum { PER_TURN = 64, PER_STOP = 4096, FULL_PAUSE_MS = 50, EXHAUSTED_PAUSE_MS = 100 };

struct cv__acceptor {
    uv_poll_t poll;
    struct cv_server *server;
    size_t index; /* of the listener's socket */
    int fd;
};

static void on_acceptable(uv_poll_t *poll, int status, int events);

/* ---- pausing ---- */

static void watch_all(struct cv_server *server, bool watched)
{
    server->accept_paused = !watched;
    for (size_t i = 0; i < server->acceptor_count; i++) {
        if (watched)
            uv_poll_start(&server->acceptors[i].poll, UV_READABLE, on_acceptable);
        else
            uv_poll_stop(&server->acceptors[i].poll);
    }
}

static void on_pause_over(cv__timer *timer)
{
    struct cv_server *server = cv_list_entry(timer, struct cv_server, accept_timer);
    watch_all(server, true);
}

static void pause_accepting(struct cv_server *server, int64_t ms)
{
    if (server->accept_ended || server->accept_paused)
        return;
    watch_all(server, false);
    server->accept_timer.fire = on_pause_over;
    cv__timer_start(server->main, &server->accept_timer, cv_now_ns(server->main) + ms * 1000000);
}

void cv__accept_place_free(struct cv_server *server)
{
    if (!server->accept_paused || server->accept_ended || server->accept_exhausted)
        return;
    cv__timer_stop(server->main, &server->accept_timer);
    watch_all(server, true);
}

/* ---- one connection ---- */

/* One that cannot be watched is closed; the client may try again. */
static void open_connection(struct cv_server *server, int fd, const cv__peer *peer)
{
    cv_ctx *main = server->main;
    cv_error *pending = cv_error_take(main);
    cv__transport *transport;
    if (cv__socket_open(main, fd, peer, &transport) == 0)
        cv__connection_open(server, transport);
    else
        cv__listener_release(server->listener, &peer->address);
    if (pending)
        cv_error_put_back(main, pending);
    else
        cv_error_clear(main);
}

static void tell_once(struct cv_server *server, int error)
{
    if (!server->accept_exhausted)
        CV_LOG_WARN(server->main->log, "could not accept connections", CV_F("reason", strerror(error)));
    server->accept_exhausted = true;
}

/* No descriptor is left: with the one kept for this, the client is told by an orderly end rather than left waiting. */
static void refuse_one(struct cv_server *server, int listening_fd)
{
    if (server->reserve_fd < 0)
        return;
    close(server->reserve_fd);
    int fd = accept4(listening_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        server->stats.connections_refused++;
        close(fd);
    }
    server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Whether it is worth looking for another one at once. */
static bool accept_failed(struct cv_server *server, const struct cv__acceptor *acceptor, int error)
{
    switch (error) {
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM: /* a firewall */
        return true;
    case EMFILE:
    case ENFILE:
        tell_once(server, error);
        refuse_one(server, acceptor->fd);
        break;
    default:
        tell_once(server, error);
    }
    pause_accepting(server, EXHAUSTED_PAUSE_MS);
    return false;
}

static bool accept_one(struct cv_server *server, const struct cv__acceptor *acceptor)
{
    cv__peer peer = {0};
    socklen_t size = sizeof peer.address;
    if (!cv__listener_take_place(server->listener)) {
        pause_accepting(server, FULL_PAUSE_MS);
        return false;
    }
    int fd = accept4(acceptor->fd, (struct sockaddr *)&peer.address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        int error = errno;
        cv__listener_give_place(server->listener);
        return accept_failed(server, acceptor, error);
    }
    server->accept_exhausted = false;
    if (!cv__listener_admit(server->listener, &peer.address)) {
        cv__listener_give_place(server->listener);
        server->stats.connections_refused++;
        close(fd);
        return true;
    }
    open_connection(server, fd, &peer);
    return true;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct cv__acceptor *acceptor = poll->data;
    (void)status, (void)events;
    for (int left = PER_TURN; left > 0 && accept_one(acceptor->server, acceptor); left--)
        ;
}

/* ---- beginning and end ---- */

static int add_acceptor(cv_ctx *cx, struct cv_server *server, size_t index)
{
    struct cv__acceptor *acceptor = &server->acceptors[server->acceptor_count];
    *acceptor = (struct cv__acceptor){.server = server, .index = index};
    acceptor->fd = cv__listener_attach(server->listener, index);
    if (acceptor->fd < 0 && errno == EBADF)
        return cv_fail(cx, CV_E_CLOSED, "cannot start the server: its listener was closed with the last server on it");
    if (acceptor->fd < 0)
        return cv__fail_uv(cx, -errno, "watch a listening socket");
    int rc = uv_poll_init(cv__loop(cx), &acceptor->poll, acceptor->fd);
    if (rc < 0) {
        close(acceptor->fd);
        cv__listener_detach(server->listener, index);
        return cv__fail_uv(cx, rc, "watch a listening socket");
    }
    acceptor->poll.data = acceptor;
    server->acceptor_count++;
    server->holders++;
    return 0;
}

/* Its share: see cv__listener_sockets. */
int cv__accept_begin(cv_ctx *cx, struct cv_server *server)
{
    size_t sockets = cv__listener_sockets(server->listener);
    size_t workers = cv__listener_workers(server->listener), worker = server->options.socket;
    server->acceptors = calloc(sockets, sizeof server->acceptors[0]);
    if (!server->acceptors)
        return cv_fail(cx, CV_E_NOMEM, "could not start the server: out of memory");
    server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < sockets; i++)
        if (i % workers == worker || i == worker % sockets)
            CV_TRY(add_acceptor(cx, server, i));
    watch_all(server, true);
    return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct cv__acceptor *acceptor = handle->data;
    cv__server_unref(acceptor->server);
}

static void take_backlog(struct cv_server *server, const struct cv__acceptor *acceptor)
{
    for (int left = PER_STOP; left > 0 && accept_one(server, acceptor); left--)
        ;
}

void cv__accept_end(struct cv_server *server)
{
    if (server->accept_ended)
        return;
    server->accept_ended = true;
    cv__timer_stop(server->main, &server->accept_timer);
    for (size_t i = 0; i < server->acceptor_count; i++) {
        struct cv__acceptor *acceptor = &server->acceptors[i];
        uv_poll_stop(&acceptor->poll);
        if (cv__listener_is_last(server->listener, acceptor->index))
            take_backlog(server, acceptor);
        uv_close((uv_handle_t *)&acceptor->poll, on_poll_closed);
        close(acceptor->fd);
        cv__listener_detach(server->listener, acceptor->index);
    }
    if (server->reserve_fd >= 0)
        close(server->reserve_fd);
    server->reserve_fd = -1;
}
