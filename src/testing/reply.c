#include "testing/reply.h"

#include "testing/network.h"

#define MAX_HEAD_BYTES ((size_t)256 << 10)
#define MAX_BODY_BYTES ((size_t)64 << 20)

enum { MAX_LINE_BYTES = 16 * 1024, READ_BYTES = 16 * 1024 };

static int ended_early(cv_ctx *cx, const cv_test_connection *c)
{
    return cv_fail(cx, CV_E_CONNECTION_LOST, "could not read the reply: the server closed the connection %s",
                   c->begun || c->input.len ? "in the middle of it" : "before it");
}

/* Read more into the connection's input: 1, or 0 at the end. */
static int fill(cv_ctx *cx, cv_test_connection *c)
{
    char *room = cv_buf_reserve(&c->input, READ_BYTES);
    if (!room)
        return cv_fail(cx, c->input.error, "could not read the reply: no memory for its bytes");
    ssize_t got = cv__network_receive(cx, c, room, READ_BYTES);
    if (got <= 0)
        return (int)got;
    cv_buf_commit(&c->input, (size_t)got);
    return 1;
}

static int need_more(cv_ctx *cx, cv_test_connection *c)
{
    int rc = fill(cx, c);
    if (rc == 0)
        return ended_early(cx, c);
    return rc < 0 ? rc : 0;
}

/* Where `text` ends in the input, at most `max` bytes from its beginning. */
static int find(cv_ctx *cx, cv_test_connection *c, cv_str text, size_t max, size_t *ret_end)
{
    ptrdiff_t at;
    while ((at = cv_str_find(cv_buf_str(&c->input), text)) < 0) {
        if (c->input.len > max)
            return cv_fail(cx, CV_E_SYNTAX, "the reply is not HTTP: no line end within %zu bytes", max);
        CV_TRY(need_more(cx, c));
    }
    *ret_end = (size_t)at + text.len;
    return 0;
}

/* Copy and consume the first `len` bytes of the input. */
static int take(cv_ctx *cx, cv_test_connection *c, size_t len, cv_str *ret_text)
{
    char *copy = cv_strndup(cx, c->input.data, len);
    if (!copy)
        return CV_E_NOMEM;
    cv_buf_consume(&c->input, len);
    *ret_text = cv_str_make(copy, len);
    return 0;
}

/* ---- bodies ---- */

/* Move `len` bytes of the stream into the body. */
static int move(cv_ctx *cx, cv_test_connection *c, uint64_t len, cv_buf *body)
{
    while (len) {
        size_t part = c->input.len < len ? c->input.len : (size_t)len;
        cv_buf_add(body, c->input.data, part);
        if (body->error)
            return cv_fail(cx, body->error, "cannot read the reply: its body is too large for a test");
        cv_buf_consume(&c->input, part);
        len -= part;
        if (len)
            CV_TRY(need_more(cx, c));
    }
    return 0;
}

static int read_to_end(cv_ctx *cx, cv_test_connection *c, cv_buf *body)
{
    int rc;
    do
        CV_TRY(move(cx, c, c->input.len, body));
    while ((rc = fill(cx, c)) > 0);
    return rc;
}

/* Digits, then nothing or an extension. */
static int read_chunk_size(cv_ctx *cx, cv_str line, uint64_t *ret_size)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t size = 0;
    size_t count = 0;
    for (; count < line.len; count++) {
        const char *digit = strchr(digits, line.ptr[count] | 0x20);
        if (!digit || !line.ptr[count])
            break;
        size = size * 16 + (uint64_t)(digit - digits);
    }
    if (!count || count > 15 || (count < line.len && line.ptr[count] != ';'))
        return cv_fail(cx, CV_E_SYNTAX, "the reply is not HTTP: the size of a chunk: \"%.*s\"", CV_STR_ARG(line));
    *ret_size = size;
    return 0;
}

static int read_line(cv_ctx *cx, cv_test_connection *c, cv_str *ret_line)
{
    size_t end;
    CV_TRY(find(cx, c, CV_STR("\r\n"), MAX_LINE_BYTES, &end));
    CV_TRY(take(cx, c, end, ret_line));
    ret_line->len -= 2;
    return 0;
}

static int read_chunk(cv_ctx *cx, cv_test_connection *c, cv_buf *body, uint64_t *ret_size)
{
    cv_str line;
    *ret_size = 0;
    CV_TRY(read_line(cx, c, &line));
    CV_TRY(read_chunk_size(cx, line, ret_size));
    if (!*ret_size)
        return 0;
    CV_TRY(move(cx, c, *ret_size, body));
    CV_TRY(read_line(cx, c, &line));
    return line.len ? cv_fail(cx, CV_E_SYNTAX, "the reply is not HTTP: a chunk is longer than it says") : 0;
}

/* Framing and routing never come behind the body (RFC 9110 6.5.1). */
static int check_trailers(cv_ctx *cx, cv_str trailers)
{
    static const char *const refused[] = {"Content-Length", "Transfer-Encoding", "Host",         "Trailer",
                                          "Content-Type",   "Content-Encoding",  "Content-Range"};
    CV_TRY(cv__reply_check_fields(cx, trailers));
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (cv__reply_find_field(trailers, refused[i]).ptr)
            return cv_fail(cx, CV_E_SYNTAX, "the reply is not HTTP: \"%s\" in its trailers", refused[i]);
    return 0;
}

static int read_trailers(cv_ctx *cx, cv_test_connection *c, cv_str *ret_trailers)
{
    size_t end = 0, line_end;
    do {
        while ((line_end =
                    (size_t)(cv_str_find(cv_str_sub(cv_buf_str(&c->input), end, SIZE_MAX), CV_STR("\r\n")) + 1)) == 0) {
            if (c->input.len > MAX_LINE_BYTES)
                return cv_fail(cx, CV_E_SYNTAX, "the reply is not HTTP: too many trailers");
            CV_TRY(need_more(cx, c));
        }
        end += line_end + 1;
    } while (line_end > 1);
    CV_TRY(take(cx, c, end, ret_trailers));
    ret_trailers->len -= 2;
    return check_trailers(cx, *ret_trailers);
}

static int read_chunks(cv_ctx *cx, cv_test_connection *c, cv_buf *body, cv_str *ret_trailers)
{
    uint64_t size;
    do
        CV_TRY(read_chunk(cx, c, body, &size));
    while (size);
    return read_trailers(cx, c, ret_trailers);
}

int cv__reply_receive_body(cv_ctx *cx, cv_test_connection *c, const cv__reply_head *head, cv_test_reply *reply)
{
    cv_buf body;
    int rc = 0;
    reply->trailers = CV_STR("");
    cv_buf_init(&body, MAX_BODY_BYTES);
    if (head->body == CV__BODY_LENGTH)
        rc = move(cx, c, head->length, &body);
    else if (head->body == CV__BODY_CHUNKED)
        rc = read_chunks(cx, c, &body, &reply->trailers);
    else if (head->body == CV__BODY_TO_END)
        rc = read_to_end(cx, c, &body);
    const char *copy = rc < 0 ? NULL : cv_strndup(cx, body.data ? body.data : "", body.len);
    reply->body = cv_str_make(copy, body.len);
    cv_buf_done(&body);
    c->begun = false;
    c->last_reply = head->close;
    return rc < 0 || copy ? rc : CV_E_NOMEM;
}

/* ---- the whole ---- */

/* After "Connection: close" nothing may follow. */
static int expect_end(cv_ctx *cx, cv_test_connection *c)
{
    int rc = c->input.len ? 1 : fill(cx, c);
    if (rc == 0)
        return ended_early(cx, c);
    return rc < 0 ? rc
                  : cv_fail(cx, CV_E_SYNTAX, "the reply is not HTTP: bytes after a reply that ends the connection");
}

int cv__reply_receive_head(cv_ctx *cx, cv_test_connection *c, cv_str *ret_text)
{
    size_t end;
    if (c->last_reply)
        return expect_end(cx, c);
    CV_TRY(find(cx, c, CV_STR("\r\n\r\n"), MAX_HEAD_BYTES, &end));
    CV_TRY(take(cx, c, end, ret_text));
    c->begun = true;
    return 0;
}

static int read_head(cv_ctx *cx, cv_test_connection *c, bool to_head, cv_str *ret_text, cv__reply_head *ret_head)
{
    CV_TRY(cv__reply_receive_head(cx, c, ret_text));
    return cv__reply_read_head(cx, *ret_text, to_head, ret_head);
}

int cv__reply_receive(cv_ctx *cx, cv_test_connection *c, bool to_head, cv_test_reply *ret_reply)
{
    cv_test_reply reply = {.interim = CV_STR("")};
    cv__reply_head head;
    CV_TRY(read_head(cx, c, to_head, &reply.head, &head));
    while (head.status < 200) {
        const char *both = cv_sprintf(cx, "%.*s%.*s", CV_STR_ARG(reply.interim), CV_STR_ARG(reply.head));
        if (!both)
            return CV_E_NOMEM;
        reply.interim = cv_str_of(both);
        CV_TRY(read_head(cx, c, to_head, &reply.head, &head));
    }
    reply.status = head.status;
    CV_TRY(cv__reply_receive_body(cx, c, &head, &reply));
    *ret_reply = reply;
    return 0;
}

int cv_test_read_reply(cv_ctx *cx, cv_test_connection *connection, cv_test_reply *ret_reply)
{
    return cv__reply_receive(cx, connection, false, ret_reply);
}

int cv_test_read_reply_to_head(cv_ctx *cx, cv_test_connection *connection, cv_test_reply *ret_reply)
{
    return cv__reply_receive(cx, connection, true, ret_reply);
}

cv_str cv_test_reply_header(const cv_test_reply *reply, const char *name)
{
    return cv__reply_find_field(reply->head, name);
}

cv_str cv_test_reply_trailer(const cv_test_reply *reply, const char *name)
{
    return cv__reply_find_field(reply->trailers, name);
}
