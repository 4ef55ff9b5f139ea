/* Sockets as transports. The system is told once that a socket is watched for reading; what the owner does not want for
 * a while is put down lazily, when an event comes that nobody wants, so that pausing and going on costs no call. */
#include "http/transport.h"

#include "rt/wait.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct stream_socket {
    cv__transport base;
    uv_poll_t poll;
    cv_ctx *main;
    int fd;
    unsigned wanted, watched; /* by the owner; by the system */
} stream_socket;

static stream_socket *socket_of(cv__transport *transport)
{
    return (stream_socket *)transport; /* it is the first member */
}

static ssize_t result_of(ssize_t rc)
{
    if (rc >= 0)
        return rc;
    return errno == EWOULDBLOCK || errno == EINTR ? UV_EAGAIN : -errno;
}

static ssize_t socket_read(cv__transport *transport, void *buffer, size_t size)
{
    return result_of(recv(socket_of(transport)->fd, buffer, size, 0));
}

static ssize_t socket_write(cv__transport *transport, const struct iovec *pieces, unsigned count, bool more)
{
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    if (count == 1)
        return result_of(send(socket_of(transport)->fd, pieces->iov_base, pieces->iov_len, flags));
    struct iovec *first = (struct iovec *)(uintptr_t)pieces; /* not written to */
    struct msghdr message = {.msg_iov = first, .msg_iovlen = count};
    return result_of(sendmsg(socket_of(transport)->fd, &message, flags));
}

static ssize_t socket_send_file(cv__transport *transport, int fd, uint64_t offset, size_t len)
{
    off_t at = (off_t)offset;
    return result_of(sendfile(socket_of(transport)->fd, fd, &at, len));
}

static size_t socket_untaken(cv__transport *transport)
{
    int bytes = 0;
    return ioctl(socket_of(transport)->fd, TIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

/* ---- events ---- */

static void watch(stream_socket *s, unsigned events);

/* libuv tells a socket in error, such as a reset one, as a bad descriptor, and has stopped watching it: its owner's
 * next call says what it is. */
static void on_events(uv_poll_t *poll, int status, int events)
{
    stream_socket *s = poll->data;
    unsigned seen = (events & UV_READABLE ? CV__READABLE : 0u) | (events & UV_WRITABLE ? CV__WRITABLE : 0u);
    if (status < 0) {
        seen = s->wanted;
        watch(s, s->wanted);
    }
    if (seen & s->wanted)
        s->base.ready(&s->base, seen & s->wanted);
    else if (s->watched != s->wanted)
        watch(s, s->wanted);
}

static void watch(stream_socket *s, unsigned events)
{
    int flags = (events & CV__READABLE ? UV_READABLE : 0) | (events & CV__WRITABLE ? UV_WRITABLE : 0);
    s->watched = events;
    if (!flags)
        uv_poll_stop(&s->poll);
    else
        uv_poll_start(&s->poll, flags, on_events);
}

/* A simulated clock stands still while a peer is to take something. */
static void count_waiting(stream_socket *s, unsigned before)
{
    if (s->wanted & ~before & CV__WRITABLE)
        cv__io_begin(s->main);
    if (before & ~s->wanted & CV__WRITABLE)
        cv__io_end(s->main);
}

static void socket_want(cv__transport *transport, unsigned events)
{
    stream_socket *s = socket_of(transport);
    unsigned before = s->wanted;
    s->wanted = events;
    if (before == events)
        return;
    count_waiting(s, before);
    if (events & ~s->watched)
        watch(s, events);
}

static void socket_shutdown(cv__transport *transport)
{
    shutdown(socket_of(transport)->fd, SHUT_WR);
}

/* ---- life ---- */

static void on_closed(uv_handle_t *handle)
{
    stream_socket *s = handle->data;
    s->base.closed(&s->base);
    free(s);
}

static void socket_close(cv__transport *transport, bool reset)
{
    stream_socket *s = socket_of(transport);
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    socket_want(transport, 0);
    uv_close((uv_handle_t *)&s->poll, on_closed);
    if (reset)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(s->fd);
}

static const cv__transport_ops socket_ops = {
    .read = socket_read,
    .write = socket_write,
    .send_file = socket_send_file,
    .untaken = socket_untaken,
    .want = socket_want,
    .shutdown = socket_shutdown,
    .close = socket_close,
};

int cv__socket_open(cv_ctx *cx, int fd, const cv__peer *peer, cv__transport **ret_transport)
{
    const int on = 1;
    stream_socket *s = calloc(1, sizeof *s);
    int rc = s ? uv_poll_init(cv__loop(cx), &s->poll, fd) : UV_ENOMEM;
    if (rc < 0) {
        free(s);
        close(fd);
        return cv__fail_uv(cx, rc, "watch a connection");
    }
    if (peer->address.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    s->base = (cv__transport){.ops = &socket_ops, .peer = *peer};
    s->main = cv__main_ctx(cx);
    s->poll.data = s;
    s->fd = fd;
    *ret_transport = &s->base;
    return 0;
}
