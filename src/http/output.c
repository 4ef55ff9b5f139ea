/* What a connection writes. Small pieces are collected in the server's one output buffer, which belongs to the
 * connection whose fiber runs. Invariants:
 * 1. The buffer is empty whenever no fiber runs: cv__connection_settle empties it before a fiber suspends or ends.
 * 2. What the transport does not take then is the connection's `pending`; nothing is written past it.
 * 3. A fiber that writes goes on only when nothing is pending, so that a slow reader holds its own request back. */
#include "http/connection.h"

#include "base/ctx.h"
#include <covet/fiber.h>
#include <stdlib.h>

/* A fiber that writes without ever waiting gives way after this much. */
#define BURST_BYTES ((size_t)1 << 20)

static int lost(cv_ctx *cx, cv__connection *connection)
{
    cv__connection_cut(connection, true);
    if (connection->write_timed_out)
        return cv_fail(cx, CV_E_TIMEOUT, "could not write the reply: the client took less than %zu bytes a second",
                       connection->server->options.min_write_rate);
    return cv_fail(cx, CV_E_CONNECTION_LOST, "could not write the reply: the client has closed the connection");
}

static bool is_open(const cv__connection *connection)
{
    return connection->state != CV__CONNECTION_CLOSING;
}

/* Drop the first `sent` bytes; returns how many pieces are left, from `*pieces` on. */
static unsigned advance(struct iovec **pieces, unsigned count, size_t sent)
{
    while (count && sent >= (*pieces)->iov_len) {
        sent -= (*pieces)->iov_len;
        ++*pieces;
        --count;
    }
    if (count) {
        (*pieces)->iov_base = (char *)(*pieces)->iov_base + sent;
        (*pieces)->iov_len -= sent;
    }
    return count;
}

/* Write what the transport takes at once. False when the connection is lost. */
static bool write_now(cv__connection *connection, struct iovec **pieces, unsigned *count, bool more)
{
    *count = advance(pieces, *count, 0);
    while (*count) {
        ssize_t sent = connection->transport->ops->write(connection->transport, *pieces, *count, more);
        if (sent < 0)
            return sent == UV_EAGAIN;
        connection->written += (uint64_t)sent;
        connection->burst += (size_t)sent;
        *count = advance(pieces, *count, (size_t)sent);
    }
    return true;
}

/* ---- what waits for the transport ---- */

static uint64_t taken(const cv__connection *connection)
{
    cv__transport *transport = connection->transport;
    return connection->written - (transport->ops->untaken ? transport->ops->untaken(transport) : 0);
}

static void begin_window(cv__connection *connection)
{
    connection->written_before = taken(connection);
    cv__timeout_set(connection, CV__TIMEOUT_WRITE);
}

static void end_window(cv__connection *connection)
{
    cv_list_remove(&connection->writing.link);
}

bool cv__connection_took_enough(cv__connection *connection)
{
    const cv_server_options *options = &connection->server->options;
    uint64_t now = taken(connection), wanted = options->min_write_rate * (uint64_t)options->write_timeout_ms / 1000;
    if (now - connection->written_before < (wanted ? wanted : 1))
        return false;
    begin_window(connection);
    return true;
}

/* Keep a copy behind what is pending already. */
static bool keep(cv__connection *connection, const struct iovec *pieces, unsigned count)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += pieces[i].iov_len;
    char *grown = malloc(connection->pending_len + len);
    if (!grown)
        return false;
    if (connection->pending_len)
        memcpy(grown, connection->pending + connection->pending_at, connection->pending_len);
    for (unsigned i = 0; i < count; i++) {
        memcpy(grown + connection->pending_len, pieces[i].iov_base, pieces[i].iov_len);
        connection->pending_len += pieces[i].iov_len;
    }
    free(connection->pending);
    connection->pending = grown;
    connection->pending_at = 0;
    if (!cv_list_is_linked(&connection->writing.link))
        begin_window(connection);
    cv__connection_update(connection);
    return true;
}

/* Write pieces behind what is pending; what is not taken becomes pending. False: the connection is lost. */
static bool write_or_keep(cv__connection *connection, struct iovec *pieces, unsigned count)
{
    if (!connection->pending_len && !write_now(connection, &pieces, &count, false))
        return false;
    return !count || keep(connection, pieces, count);
}

void cv__connection_settle(cv__connection *connection)
{
    cv__output *out = &connection->server->output;
    if (!out->len)
        return;
    struct iovec all = {out->bytes, out->len};
    out->len = 0;
    if (is_open(connection) && !write_or_keep(connection, &all, 1))
        cv__connection_cut(connection, true);
}

bool cv__connection_write_detached(cv__connection *connection, cv_str bytes)
{
    struct iovec piece = {(void *)(uintptr_t)bytes.ptr, bytes.len}; /* not written to */
    return write_or_keep(connection, &piece, 1);
}

/* Send on what is pending. False: some is still left, or the connection was lost. */
static bool send_pending(cv__connection *connection)
{
    struct iovec all = {connection->pending + connection->pending_at, connection->pending_len}, *rest = &all;
    unsigned count = 1;
    if (!write_now(connection, &rest, &count, false)) {
        if (connection->fiber && !connection->writer)
            cv_cancel(connection->fiber);
        cv__connection_cut(connection, true);
        return false;
    }
    connection->pending_at += connection->pending_len - (count ? rest->iov_len : 0);
    connection->pending_len = count ? rest->iov_len : 0;
    if (count)
        return false;
    free(connection->pending);
    connection->pending = NULL;
    return true;
}

void cv__connection_writable(cv__connection *connection)
{
    if (connection->pending_len && !send_pending(connection))
        return;
    if (connection->writer)
        cv__wake(connection->writer, 0);
    else
        end_window(connection);
    connection->writer = NULL;
    cv__connection_update(connection);
}

/* ---- in a fiber ---- */

/* Until nothing is pending and the transport takes bytes. One that does not come to that, by the deadline or a
 * cancellation, leaves a reply that is not whole. */
static int wait_writable(cv_ctx *cx, cv__connection *connection)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "write the reply";
    connection->writer = &waiter;
    connection->burst = 0;
    if (!cv_list_is_linked(&connection->writing.link))
        begin_window(connection);
    cv__connection_update(connection);
    int rc = cv__wait(cx, &waiter);
    connection->writer = NULL;
    if (!waiter.woken || rc < 0 || !is_open(connection))
        cv__connection_cut(connection, true);
    return waiter.woken && !is_open(connection) ? lost(cx, connection) : rc;
}

/* Others are served, too, while one reads as fast as we write. */
static int give_way(cv_ctx *cx, cv__connection *connection)
{
    if (connection->burst < BURST_BYTES)
        return 0;
    connection->burst = 0;
    int rc = cv_yield(cx);
    return rc < 0 || is_open(connection) ? rc : lost(cx, connection);
}

/* Write what was collected and then the pieces. */
static int send_all(cv_ctx *cx, cv__connection *connection, const struct iovec *given, unsigned count, bool more)
{
    cv__output *out = &connection->server->output;
    struct iovec all[1 + CV__MAX_PIECES], *rest = all;
    all[0] = (struct iovec){out->bytes, out->len};
    for (unsigned i = 0; i < count; i++)
        all[1 + i] = given[i];
    unsigned left = count + 1;
    if (!connection->pending_len && !write_now(connection, &rest, &left, more)) {
        out->len = 0;
        return lost(cx, connection);
    }
    if (left == count + 1 && out->len) { /* of the collected bytes some are left, and the buffer is not ours for long */
        if (!keep(connection, rest, 1))
            return lost(cx, connection);
        rest++, left--;
    }
    out->len = 0;
    while (left || connection->pending_len) {
        CV_TRY(wait_writable(cx, connection));
        if (!write_now(connection, &rest, &left, more))
            return lost(cx, connection);
    }
    end_window(connection);
    return give_way(cx, connection);
}

int cv__connection_write(cv_ctx *cx, cv__connection *connection, const struct iovec *pieces, unsigned count)
{
    cv__output *out = &connection->server->output;
    size_t len = 0;
    if (!is_open(connection))
        return lost(cx, connection);
    for (unsigned i = 0; i < count; i++)
        len += pieces[i].iov_len;
    if (len > CV__COLLECTED_BYTES || len > sizeof out->bytes - out->len || connection->pending_len)
        return send_all(cx, connection, pieces, count, false);
    for (unsigned i = 0; i < count; i++) {
        memcpy(out->bytes + out->len, pieces[i].iov_base, pieces[i].iov_len);
        out->len += pieces[i].iov_len;
    }
    return 0;
}

char *cv__connection_reserve(cv_ctx *cx, cv__connection *connection, size_t size)
{
    cv__output *out = &connection->server->output;
    if (!is_open(connection)) {
        (void)lost(cx, connection);
        return NULL;
    }
    if ((size > sizeof out->bytes - out->len || connection->pending_len) && send_all(cx, connection, NULL, 0, true) < 0)
        return NULL;
    return out->bytes + out->len;
}

void cv__connection_commit(cv__connection *connection, size_t len)
{
    connection->server->output.len += len;
}

int cv__connection_flush(cv_ctx *cx, cv__connection *connection)
{
    if (!is_open(connection))
        return lost(cx, connection);
    if (!connection->server->output.len && !connection->pending_len) {
        end_window(connection);
        return 0;
    }
    return send_all(cx, connection, NULL, 0, false);
}

static int file_failed(cv_ctx *cx, cv__connection *connection, ssize_t rc)
{
    cv__connection_cut(connection, true);
    return cv_fail(cx, CV_E_IO, "could not send a file: %s", rc ? uv_strerror((int)rc) : "it became shorter");
}

int cv__connection_send_file(cv_ctx *cx, cv__connection *connection, int fd, uint64_t offset, size_t len,
                             size_t *ret_sent)
{
    if (!is_open(connection))
        return lost(cx, connection);
    if (connection->server->output.len || connection->pending_len)
        CV_TRY(send_all(cx, connection, NULL, 0, true));
    ssize_t sent = connection->transport->ops->send_file(connection->transport, fd, offset, len);
    if (sent == UV_EPIPE || sent == UV_ECONNRESET)
        return lost(cx, connection);
    if (sent <= 0 && sent != UV_EAGAIN)
        return file_failed(cx, connection, sent);
    *ret_sent = sent > 0 ? (size_t)sent : 0;
    if (sent == UV_EAGAIN)
        return wait_writable(cx, connection);
    connection->written += (uint64_t)sent;
    connection->burst += (size_t)sent;
    return give_way(cx, connection);
}
