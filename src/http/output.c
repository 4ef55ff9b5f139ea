#include "http/connection.h"

#include "base/ctx.h"
#include <stdlib.h>

static uv_stream_t *stream_of(cv__connection *connection)
{
    return (uv_stream_t *)&connection->tcp;
}

/* Drop the first `sent` bytes; returns how many buffers are left, from `*bufs` on. */
static unsigned advance(uv_buf_t **bufs, unsigned count, size_t sent)
{
    while (count && sent >= (*bufs)->len) {
        sent -= (*bufs)->len;
        ++*bufs;
        --count;
    }
    if (count) {
        (*bufs)->base += sent;
        (*bufs)->len -= sent;
    }
    return count;
}

/* Write what the socket takes at once. False when the connection is lost. */
static bool write_now(cv__connection *connection, uv_buf_t **bufs, unsigned *count)
{
    *count = advance(bufs, *count, 0);
    int sent = *count ? uv_try_write(stream_of(connection), *bufs, *count) : 0;
    if (sent > 0)
        *count = advance(bufs, *count, (size_t)sent);
    return sent >= 0 || sent == UV_EAGAIN;
}

static int lost(cv_ctx *cx, cv__connection *connection)
{
    cv__connection_cut(connection, true);
    return cv_fail(cx, CV_E_CONNECTION_LOST, "could not write the reply: the client has closed the connection");
}

static void on_written(uv_write_t *write, int status)
{
    cv__wake(write->data, status < 0 ? CV_E_CONNECTION_LOST : 0);
}

/* The buffers belong to the caller, so that the wait may end only after libuv has let go of them: closing the socket
 * makes that certain. */
static int wait_written(cv_ctx *cx, cv__connection *connection, cv__waiter *waiter)
{
    cv__timeout_set(connection, CV__TIMEOUT_WRITE);
    connection->write_left = uv_stream_get_write_queue_size(stream_of(connection));
    cv__io_begin(cx);
    int rc = cv__wait(cx, waiter);
    if (!waiter->woken) {
        cv__connection_cut(connection, true);
        cv__wait_uninterruptible(cx, waiter);
    }
    cv__io_end(cx);
    cv__timeout_clear(connection);
    if (connection->write_timed_out)
        return cv_fail(cx, CV_E_TIMEOUT, "could not write the reply: the client read nothing for %lld ms",
                       (long long)connection->server->options.write_timeout_ms);
    return rc == CV_E_CONNECTION_LOST ? lost(cx, connection) : rc;
}

int cv__connection_write(cv_ctx *cx, cv__connection *connection, uv_buf_t *bufs, unsigned count)
{
    if (connection->state != CV__CONNECTION_RUNNING || !write_now(connection, &bufs, &count))
        return lost(cx, connection);
    if (!count)
        return 0;
    cv__waiter waiter;
    uv_write_t write;
    cv__waiter_init(cx, &waiter);
    waiter.what = "write the reply";
    write.data = &waiter;
    if (uv_write(&write, stream_of(connection), bufs, count, on_written) < 0)
        return lost(cx, connection);
    return wait_written(cx, connection, &waiter);
}

bool cv__connection_made_progress(cv__connection *connection)
{
    size_t before = connection->write_left;
    connection->write_left = uv_stream_get_write_queue_size(stream_of(connection));
    return connection->write_left < before;
}

/* ---- without a fiber ---- */

typedef struct detached {
    uv_write_t write;
    char bytes[];
} detached;

static void on_detached_written(uv_write_t *write, int status)
{
    (void)status;
    free(write->data);
}

bool cv__connection_write_detached(cv__connection *connection, cv_str bytes)
{
    char *start = (char *)(uintptr_t)bytes.ptr; /* libuv does not write to it */
    uv_buf_t buf = uv_buf_init(start, (unsigned)bytes.len), *rest = &buf;
    unsigned count = 1;
    if (!write_now(connection, &rest, &count))
        return false;
    if (!count)
        return true;
    detached *copy = malloc(sizeof *copy + rest->len);
    if (!copy)
        return false;
    memcpy(copy->bytes, rest->base, rest->len);
    copy->write.data = copy;
    rest->base = copy->bytes;
    if (uv_write(&copy->write, stream_of(connection), rest, 1, on_detached_written) == 0)
        return true;
    free(copy);
    return false;
}
