#include "rt/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

int cv__descriptor_init(cv__descriptor *descriptor, int fd)
{
    struct stat status;
    *descriptor = (cv__descriptor){.fd = fd, .stop_fd = -1};
    if (fstat(fd, &status) != 0)
        return errno;
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    descriptor->is_regular = S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
    if (descriptor->is_regular)
        return 0;
    descriptor->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return descriptor->stop_fd < 0 ? errno : 0;
}

int cv__descriptor_init_copy(cv__descriptor *descriptor, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    *descriptor = (cv__descriptor){.fd = -1, .stop_fd = -1};
    return copy < 0 ? errno : cv__descriptor_init(descriptor, copy);
}

void cv__descriptor_done(cv__descriptor *descriptor)
{
    if (descriptor->stop_fd >= 0)
        close(descriptor->stop_fd);
    if (descriptor->fd >= 0)
        close(descriptor->fd);
    descriptor->fd = descriptor->stop_fd = -1;
}

void cv__descriptor_stop(const cv__descriptor *descriptor)
{
    const uint64_t one = 1;
    if (descriptor->stop_fd >= 0 && write(descriptor->stop_fd, &one, sizeof one) < 0)
        return; /* it is set already */
}

/* Wait until something can be done, or the stop. */
static int await(const cv__descriptor *descriptor, short events)
{
    struct pollfd fds[2] = {{.fd = descriptor->fd, .events = events}, {.fd = descriptor->stop_fd, .events = POLLIN}};
    while (!descriptor->is_regular && poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return errno;
    return fds[1].revents ? ECANCELED : 0;
}

static bool is_worth_another_try(int error)
{
    return error == EINTR || error == EAGAIN || error == EWOULDBLOCK;
}

int cv__descriptor_read(const cv__descriptor *descriptor, char *to, size_t room, size_t *ret_len)
{
    for (;;) {
        int rc = await(descriptor, POLLIN);
        if (rc != 0)
            return rc;
        ssize_t len = read(descriptor->fd, to, room);
        if (len >= 0) {
            *ret_len = (size_t)len;
            return 0;
        }
        if (!is_worth_another_try(errno))
            return errno;
    }
}

/* What a pipe takes at once when it takes anything: a larger write would wait inside, where no stop reaches it. */
static size_t at_once(const cv__descriptor *descriptor, size_t len)
{
    return descriptor->is_regular || len < PIPE_BUF ? len : PIPE_BUF;
}

int cv__descriptor_write(const cv__descriptor *descriptor, const char *from, size_t len)
{
    while (len > 0) {
        int rc = await(descriptor, POLLOUT);
        if (rc != 0)
            return rc;
        ssize_t written = write(descriptor->fd, from, at_once(descriptor, len));
        if (written < 0 && !is_worth_another_try(errno))
            return errno;
        if (written > 0) {
            from += written;
            len -= (size_t)written;
        }
    }
    return 0;
}
