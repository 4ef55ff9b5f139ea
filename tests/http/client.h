/* A small HTTP client for tests, straight-line in the main context: its waits run the loop, and the server with it. */
#ifndef COVET_TESTS_HTTP_CLIENT_H
#define COVET_TESTS_HTTP_CLIENT_H

#include "rt/wait.h"
#include "test.h"

#include <arpa/inet.h>
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/server.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* No wait of a test takes this long unless something is broken. */
enum { CLIENT_PATIENCE_MS = 20000 };

typedef struct fixture {
    cv_ctx *cx;
    cv_log *log;
    cv_router *router;
    cv_server *server;
    char logged[16384]; /* all lines */
    size_t logged_len;
} fixture;

static inline void fixture_log(void *arg, cv_str line)
{
    fixture *f = arg;
    size_t room = sizeof f->logged - 1 - f->logged_len, part = line.len < room ? line.len : room;
    memcpy(f->logged + f->logged_len, line.ptr, part);
    f->logged_len += part;
    f->logged[f->logged_len] = '\0';
}

static inline void fixture_init(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->log = cv_log_new(&(cv_log_options){.sink = fixture_log, .sink_arg = f});
    assert_non_null(f->log);
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.log = f->log, .watchdog_ms = -1}, &f->cx), 0);
    f->router = cv_router_new();
    assert_non_null(f->router);
}

static inline void fixture_start(fixture *f, cv_server_options options)
{
    assert_ok(f->cx, cv_server_start(f->cx, f->router, &options, &f->server));
}

static inline void fixture_done(fixture *f)
{
    cv_server_stop(f->cx, f->server);
    cv_router_free(f->router);
    cv_runtime_free(f->cx);
    cv_log_free(f->log);
}

/* ---- a connection ---- */

typedef struct client {
    cv_ctx *cx;
    int fd;
    bool ended;     /* end of file was read */
    bool was_reset; /* ... or an error */
    size_t len;     /* of what was read and not taken */
    char data[262144];
} client;

static inline client *client_open_sized(fixture *f, int receive_bytes)
{
    client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)cv_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->cx = f->cx;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    if (receive_bytes)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    int rc = connect(c->fd, (struct sockaddr *)&to, sizeof to);
    assert_true(rc == 0 || errno == EINPROGRESS);
    return c;
}

static inline client *client_open(fixture *f)
{
    return client_open_sized(f, 0);
}

static inline void client_close(client *c)
{
    close(c->fd);
    free(c);
}

/* A reset connection ends the wait with CV_E_SYSTEM; the next call on the socket tells it. */
static inline void client_wait(client *c, int events)
{
    int rc = 0;
    CV_WITHIN(c->cx, CLIENT_PATIENCE_MS)
    {
        rc = cv__wait_fd(c->cx, c->fd, events, NULL);
    }
    if (rc == CV_E_SYSTEM)
        cv_error_clear(c->cx);
    else
        assert_ok(c->cx, rc);
}

/* Send all of it, or as much as the server takes before it closes. */
static inline void client_send_bytes(client *c, const void *data, size_t len)
{
    const char *at = data;
    while (len) {
        ssize_t sent = send(c->fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != ENOTCONN)
            return;
        if (sent < 0) {
            client_wait(c, UV_WRITABLE);
            continue;
        }
        at += sent;
        len -= (size_t)sent;
    }
}

static inline void client_send(client *c, const char *text)
{
    client_send_bytes(c, text, strlen(text));
}

/* Read once more; false at the end. */
static inline bool client_read_some(client *c)
{
    while (!c->ended) {
        assert_true(c->len < sizeof c->data - 1);
        ssize_t got = recv(c->fd, c->data + c->len, sizeof c->data - 1 - c->len, 0);
        if (got > 0) {
            c->len += (size_t)got;
            c->data[c->len] = '\0';
            return true;
        }
        if (got < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
            client_wait(c, UV_READABLE);
            continue;
        }
        c->ended = true;
        c->was_reset = got < 0;
    }
    return false;
}

static inline void client_read_to_end(client *c)
{
    while (client_read_some(c))
        ;
}

static inline void client_read_until(client *c, const char *text)
{
    while (!strstr(c->data, text))
        if (!client_read_some(c))
            fail_msg("the connection ended before \"%s\": %s", text, c->data);
}

/* ---- replies ---- */

typedef struct reply {
    int status;
    char head[8192]; /* with a line end before each header */
    char *body;
    size_t body_len;
} reply;

static inline const char *reply_header(const reply *r, const char *name)
{
    static char value[1024];
    char wanted[128];
    snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
    const char *at = strcasestr(r->head, wanted);
    if (!at)
        return NULL;
    at += strlen(wanted);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

static inline void client_take(client *c, size_t len)
{
    c->len -= len;
    memmove(c->data, c->data + len, c->len + 1);
}

static inline void client_need(client *c, size_t len)
{
    while (c->len < len)
        if (!client_read_some(c))
            fail_msg("the connection ended in the middle of a reply: %s", c->data);
}

static inline void client_read_chunks(client *c, reply *r)
{
    size_t size;
    do {
        client_read_until(c, "\r\n");
        size = strtoul(c->data, NULL, 16);
        client_take(c, (size_t)(strstr(c->data, "\r\n") - c->data) + 2);
        client_need(c, size + 2);
        r->body = realloc(r->body, r->body_len + size + 1);
        assert_non_null(r->body);
        memcpy(r->body + r->body_len, c->data, size);
        r->body_len += size;
        r->body[r->body_len] = '\0';
        client_take(c, size + 2);
    } while (size);
}

/* Read one reply with its body; `to_head` for the reply to a HEAD request. Free with reply_done. */
static inline reply client_reply_to(client *c, bool to_head)
{
    reply r = {0};
    client_read_until(c, "\r\n\r\n");
    size_t head = (size_t)(strstr(c->data, "\r\n\r\n") - c->data) + 4;
    assert_true(head < sizeof r.head);
    memcpy(r.head, c->data, head);
    client_take(c, head);
    assert_int_equal(sscanf(r.head, "HTTP/1.1 %d", &r.status), 1);
    const char *length = reply_header(&r, "Content-Length"), *coding;
    if (length && !to_head) {
        r.body_len = strtoul(length, NULL, 10);
        client_need(c, r.body_len);
        r.body = calloc(1, r.body_len + 1);
        assert_non_null(r.body);
        memcpy(r.body, c->data, r.body_len);
        client_take(c, r.body_len);
    } else if ((coding = reply_header(&r, "Transfer-Encoding")) && !to_head) {
        assert_string_equal(coding, "chunked");
        client_read_chunks(c, &r);
    }
    return r;
}

static inline reply client_reply(client *c)
{
    return client_reply_to(c, false);
}

static inline void reply_done(reply *r)
{
    free(r->body);
}

/* The next reply has this status, and `part` in its body (NULL: anything). */
static inline void client_expect(client *c, int status, const char *part)
{
    reply r = client_reply(c);
    if (r.status != status)
        fail_msg("status %d instead of %d: %s", r.status, status, r.body ? r.body : r.head);
    if (part && (!r.body || !strstr(r.body, part)))
        fail_msg("the body does not contain \"%s\": %s", part, r.body ? r.body : "none");
    reply_done(&r);
}

/* One request on a connection of its own. */
static inline void expect_once(fixture *f, const char *request, int status, const char *part)
{
    client *c = client_open(f);
    client_send(c, request);
    client_expect(c, status, part);
    client_close(c);
}

#endif
