#include "http/exchange.h"

#include "base/ctx.h"
#include "http/connection.h"
#include "http/router.h"
#include "rt/wait.h"
#include <covet/runtime.h>

static struct iovec piece_of(cv_str text)
{
    return (struct iovec){(void *)(uintptr_t)text.ptr, text.len}; /* not written to */
}

/* The connection goes on after this reply unless somebody is about to leave, or too much of the request's body would
 * have to be thrown away. */
static void decide_keep_alive(cv_response *res)
{
    const cv__connection *connection = res->connection;
    const struct cv_server *server = connection->server;
    if (server->stopping || (connection->peer_gone && !cv__parser_has_bytes(&connection->parser)) ||
        connection->requests >= server->options.max_requests_per_connection || !cv__connection_can_drain(connection))
        res->keep_alive = false;
}

/* The head goes straight to the collected output, with `more` bytes of room behind it; NULL with an error. */
static char *put_head(cv_ctx *cx, const cv_response *res, cv__framing framing, uint64_t length, size_t more)
{
    cv__connection *connection = res->connection;
    char *start = cv__connection_reserve(cx, connection, cv__response_head_most(res) + more);
    if (!start)
        return NULL;
    char *end = cv__response_head_put(res, cv__server_date(connection->server), framing, length, start);
    cv__connection_commit(connection, (size_t)(end - start));
    return end;
}

static bool has_body(const cv_response *res)
{
    return res->method != CV_HEAD && !cv__status_has_no_body(res->status);
}

int cv__response_send_whole(cv_ctx *cx, cv_response *res)
{
    size_t body_len = has_body(res) ? res->body.len : 0;
    bool joined = body_len <= CV__COLLECTED_BYTES;
    decide_keep_alive(res);
    cv__framing framing = cv__status_has_no_body(res->status) ? CV__FRAMING_NONE : CV__FRAMING_LENGTH;
    char *end = put_head(cx, res, framing, res->body.len, joined ? body_len : 0);
    if (!end)
        return cx->error_code;
    res->bytes_sent = body_len;
    if (!body_len)
        return 0;
    struct iovec piece = piece_of(cv_buf_str(&res->body));
    if (!joined)
        return cv__connection_write(cx, res->connection, &piece, 1);
    memcpy(end, res->body.data, body_len);
    cv__connection_commit(res->connection, body_len);
    return 0;
}

/* ---- streams ---- */

int64_t cv__response_time_limit_ms(const cv_response *res)
{
    const cv__route *route = res->request ? res->request->route : NULL;
    int64_t limit_ms = route ? route->limits.timeout_ms : 0;
    return limit_ms ? limit_ms : res->connection->server->options.request_timeout_ms;
}

/* The request's time limit counts from the last piece that went out, unless the handler set a shorter one itself. */
static void extend_deadline(cv_ctx *cx, cv_response *res)
{
    if (cx->deadline_ns != res->deadline_ns)
        return;
    res->deadline_ns = cx->deadline_ns = cv_now_ns(cx) + cv__response_time_limit_ms(res) * 1000000;
}

static int stream_out(cv_ctx *cx, cv_response *res, const struct iovec *pieces, unsigned count)
{
    int rc = cv__wait_check(cx, "write the reply");
    if (rc == 0)
        rc = cv__connection_write(cx, res->connection, pieces, count);
    if (rc < 0)
        res->state = CV__REPLY_CUT;
    else
        extend_deadline(cx, res);
    return rc;
}

static int flush_stream(cv_ctx *cx, cv_response *res)
{
    int rc = cv__connection_flush(cx, res->connection);
    if (rc < 0)
        res->state = CV__REPLY_CUT;
    return rc;
}

static cv__framing choose_framing(cv_response *res, int64_t content_length)
{
    if (cv__status_has_no_body(res->status))
        return CV__FRAMING_NONE;
    if (content_length >= 0 && !res->filter)
        return CV__FRAMING_LENGTH;
    if (res->minor_version == 1)
        return CV__FRAMING_CHUNKED;
    res->keep_alive = false;
    return CV__FRAMING_CLOSE;
}

/* The way out through the middleware, which may set headers and a filter, but not another reply. */
static int pass_reply_hooks(cv_ctx *cx, cv_response *res)
{
    if (!res->request)
        return 0;
    res->starting = true;
    int rc = cv__chain_reply(cx, res->request, res);
    res->starting = false;
    if (rc == 0 && cv_response_is_made(res))
        rc = cv_fail(cx, CV_E_STATE, "cannot start the stream: middleware made a reply on the way out");
    return rc;
}

int cv_stream_start(cv_ctx *cx, cv_response *res, int status, const char *content_type, int64_t content_length)
{
    CV_TRY(cv__response_check(cx, res));
    if (!res->connection)
        return cv_fail(cx, CV_E_STATE, "cannot start a stream: the response has no connection");
    CV_TRY(cv__wait_check(cx, "write the reply")); /* before the hooks, which pass a reply once: an error has its own */
    if (content_type)
        CV_TRY(cv_response_header(res, "Content-Type", content_type));
    cv_buf_clear(&res->body);
    res->state = CV__REPLY_NONE;
    res->status = status;
    CV_TRY(pass_reply_hooks(cx, res));
    decide_keep_alive(res);
    cv__framing framing = choose_framing(res, content_length);
    if (!put_head(cx, res, framing, (uint64_t)content_length, 0)) {
        res->state = CV__REPLY_CUT;
        return cx->error_code;
    }
    res->chunked = framing == CV__FRAMING_CHUNKED;
    res->stream_left = framing == CV__FRAMING_NONE ? -1 : content_length;
    res->state = CV__REPLY_STREAM;
    res->connection->head_sent = true;
    cv_buf_init_arena(&res->filtered, cv_ctx_arena(cx), 0);
    extend_deadline(cx, res);
    return 0;
}

static int check_stream(cv_ctx *cx, const cv_response *res)
{
    if (res->state == CV__REPLY_CUT)
        return cv_fail(cx, CV_E_CONNECTION_LOST, "could not write the reply: the stream was cut");
    if (res->state != CV__REPLY_STREAM)
        return cv_fail(cx, CV_E_STATE, "cannot write to a stream that is not open");
    return 0;
}

/* A chunk is its size in hexadecimal, the data, and a line end. */
static int write_chunk(cv_ctx *cx, cv_response *res, cv_str data)
{
    char size[24];
    int len = snprintf(size, sizeof size, "%zx\r\n", data.len);
    struct iovec pieces[3] = {piece_of(cv_str_make(size, (size_t)len)), piece_of(data), piece_of(CV_STR("\r\n"))};
    return stream_out(cx, res, pieces, 3);
}

static int write_wire(cv_ctx *cx, cv_response *res, cv_str data)
{
    if (!data.len)
        return 0;
    res->bytes_sent += data.len;
    if (res->chunked)
        return write_chunk(cx, res, data);
    struct iovec piece = piece_of(data);
    return stream_out(cx, res, &piece, 1);
}

/* Send what the filter gave; its failure leaves nothing that could be continued. */
static int write_filtered(cv_ctx *cx, cv_response *res, int rc)
{
    if (rc == 0 && res->filtered.error)
        rc = cv_fail(cx, res->filtered.error, "could not write the reply: out of memory");
    if (rc < 0)
        res->state = CV__REPLY_CUT;
    else
        rc = write_wire(cx, res, cv_buf_str(&res->filtered));
    cv_buf_clear(&res->filtered);
    return rc;
}

static int write_through_filter(cv_ctx *cx, cv_response *res, cv_str data)
{
    while (data.len) {
        cv_str piece = cv_str_sub(data, 0, CV__FILTER_PIECE);
        CV_TRY(write_filtered(cx, res, res->filter->write(cx, res->filter, piece, &res->filtered)));
        data = cv_str_sub(data, piece.len, data.len);
    }
    return 0;
}

int cv_stream_write(cv_ctx *cx, cv_response *res, const void *data, size_t len)
{
    CV_TRY(check_stream(cx, res));
    if (res->stream_left >= 0 && len > (uint64_t)res->stream_left)
        return cv_fail(cx, CV_E_LIMIT, "cannot write %zu bytes: the stream announced %lld more", len,
                       (long long)res->stream_left);
    if (len > CV__MAX_STREAM_PIECE)
        return cv_fail(cx, CV_E_LIMIT, "cannot write %zu bytes at once: at most %zu", len, CV__MAX_STREAM_PIECE);
    if (res->stream_left >= 0)
        res->stream_left -= (int64_t)len;
    if (!len || !has_body(res))
        return 0;
    cv_str text = cv_str_make(data, len);
    return res->filter ? write_through_filter(cx, res, text) : write_wire(cx, res, text);
}

bool cv__stream_takes_files(const cv_response *res)
{
    return !res->filter && !res->chunked && has_body(res) && res->connection->transport->ops->send_file;
}

int cv__stream_send_file(cv_ctx *cx, cv_response *res, int fd, uint64_t offset, size_t len, size_t *ret_sent)
{
    CV_TRY(check_stream(cx, res));
    int rc = cv__wait_check(cx, "write the reply");
    if (rc == 0)
        rc = cv__connection_send_file(cx, res->connection, fd, offset, len, ret_sent);
    if (rc < 0) {
        res->state = CV__REPLY_CUT;
        return rc;
    }
    res->stream_left -= (int64_t)*ret_sent;
    res->bytes_sent += *ret_sent;
    extend_deadline(cx, res);
    return 0;
}

int cv_stream_flush(cv_ctx *cx, cv_response *res)
{
    CV_TRY(check_stream(cx, res));
    if (res->filter && has_body(res))
        CV_TRY(write_filtered(cx, res, res->filter->flush(cx, res->filter, &res->filtered)));
    return flush_stream(cx, res);
}

int cv_stream_trailer(cv_ctx *cx, cv_response *res, const char *name, const char *value)
{
    CV_TRY(check_stream(cx, res));
    if (res->minor_version == 0)
        return 0;
    if (!res->chunked)
        return cv_fail(cx, CV_E_STATE, "cannot send the trailer \"%s\": the reply is not chunked", name);
    return cv__response_trailer(res, cv_str_of(name), cv_str_of(value));
}

/* The end of the chunks, with the trailers between it and the empty line. */
static int write_last_chunk(cv_ctx *cx, cv_response *res)
{
    cv_buf text;
    cv_buf_init_arena(&text, cv_ctx_arena(cx), 0);
    cv_buf_add_text(&text, "0\r\n");
    cv_buf_add_str(&text, cv_buf_str(&res->trailers));
    cv_buf_add_text(&text, "\r\n");
    if (text.error)
        return cv_fail(cx, text.error, "could not end the stream: out of memory");
    struct iovec piece = piece_of(cv_buf_str(&text));
    return stream_out(cx, res, &piece, 1);
}

int cv_stream_end(cv_ctx *cx, cv_response *res)
{
    CV_TRY(check_stream(cx, res));
    if (res->stream_left > 0 && has_body(res))
        return cv_fail(cx, CV_E_STATE, "cannot end the stream: it announced %lld bytes more",
                       (long long)res->stream_left);
    if (res->filter && has_body(res))
        CV_TRY(write_filtered(cx, res, res->filter->end(cx, res->filter, &res->filtered)));
    if (res->chunked && has_body(res))
        CV_TRY(write_last_chunk(cx, res));
    res->state = CV__REPLY_ENDED;
    return 0;
}
