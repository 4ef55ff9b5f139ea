#include "rt/stream.h"

#include "base/ctx.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
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

/* ---- the life of a stream ---- */

static void release(cv__stream *stream)
{
    cv__descriptor_done(&stream->descriptor);
    if (stream->release)
        stream->release(stream);
    for (size_t i = 0; i < CV__STREAM_BLOCKS; i++) {
        free(stream->blocks[i]);
        stream->blocks[i] = NULL;
    }
}

static void unref(cv__stream *stream)
{
    if (--stream->references > 0)
        return;
    free(stream->name);
    free(stream);
}

static void enter_lane(cv__stream *stream)
{
    stream->references++;
    stream->is_on_lane = true;
}

static void leave_lane(void *arg)
{
    cv__stream *stream = arg;
    stream->is_on_lane = false;
    if (stream->is_closed)
        release(stream);
    unref(stream);
}

void cv__stream_close(cv__stream *stream)
{
    if (stream->is_closed)
        return;
    stream->is_closed = true;
    cv__descriptor_stop(&stream->descriptor);
    if (stream->main)
        cv__errand_drop(stream->main, &stream->errand);
    if (!stream->is_on_lane)
        release(stream);
}

static void close_by_arena(void *arg)
{
    cv__stream_close(arg);
    unref(arg);
}

static int out_of_memory(cv_ctx *cx, const char *name, const char *verb)
{
    return cv_fail(cx, CV_E_NOMEM, "could not %s \"%s\": out of memory", verb, name);
}

cv__stream *cv__stream_new(cv_ctx *cx, size_t size, const char *name, const char *verb)
{
    cv__stream *stream = calloc(1, size);
    char *copy = strdup(name);
    if (!stream || !copy) {
        free(stream);
        free(copy);
        (void)out_of_memory(cx, name, verb);
        return NULL;
    }
    *stream = (cv__stream){.name = copy, .verb = verb, .references = 1, .descriptor = {.fd = -1, .stop_fd = -1}};
    if (cv_cleanup(cx, close_by_arena, stream) == 0)
        return stream;
    unref(stream);
    return NULL;
}

/* ---- files ---- */

int cv__stream_fail(cv_ctx *cx, const cv__stream *stream, const char *doing)
{
    if (stream->system_error == EISDIR)
        return cv_fail(cx, CV_E_INVALID, "cannot %s \"%s\": it is a folder", stream->verb, stream->name);
    return cv__fail_uv(cx, uv_translate_sys_error(stream->system_error), "%s \"%s\"", doing, stream->name);
}

int cv__stream_use(cv_ctx *cx, cv__stream *stream, int fd, const char *doing)
{
    if (!cx->runtime)
        return cv_fail(cx, CV_E_CONTEXT, "cannot %s \"%s\": the context has no runtime", stream->verb, stream->name);
    stream->system_error = cv__descriptor_init_copy(&stream->descriptor, fd);
    return stream->system_error ? cv__stream_fail(cx, stream, doing) : 0;
}

int cv__stream_run(cv_ctx *cx, cv__stream *stream, int (*fn)(void *arg), const char *doing)
{
    enter_lane(stream);
    CV_TRY(cv_offload(cx, CV_LANE_FILES, fn, stream, leave_lane));
    return stream->system_error ? cv__stream_fail(cx, stream, doing) : 0;
}

int cv__stream_need_blocks(cv_ctx *cx, cv__stream *stream)
{
    for (size_t i = 0; i < CV__STREAM_BLOCKS; i++)
        if (!(stream->blocks[i] = malloc(CV__STREAM_BLOCK_BYTES)))
            return out_of_memory(cx, stream->name, stream->verb);
    stream->main = cv__main_ctx(cx);
    return 0;
}

int cv__stream_begin(cv_ctx *cx, cv__stream *stream, int (*fn)(void *arg))
{
    enter_lane(stream);
    return cv__errand_begin(cx, &stream->errand, CV_LANE_FILES, fn, stream, leave_lane);
}
