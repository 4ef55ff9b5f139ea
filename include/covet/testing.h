/* The test kit for HTTP: clients inside the process, without sockets, over a simulated network.
 *
 *     cv_test_client *client;
 *     cv_test_client_new(cx, router, NULL, &client);
 *     cv_test_reply reply;
 *     cv_test_get(cx, client, "/books?author=1", &reply);
 *     assert(reply.status == 200 && strstr(reply.body.ptr, "Dune"));
 *
 * Requests pass the whole server: parser, limits, time limits, middleware, handler in its fiber. With a runtime on a
 * simulated clock (runtime.h), time limits take no time and always end alike. Replies are judged strictly: what RFC
 * 9110 or 9112 does not allow is CV_E_SYNTAX with a story. docs/testing.md is the guide. */
#ifndef COVET_TESTING_H
#define COVET_TESTING_H

#include <covet/server.h>

CV_BEGIN_DECLS

typedef struct cv_test_client cv_test_client;

/** A server on a simulated network with a client for it. The router is frozen and kept by reference; of the options,
 *  those that say where to listen have no meaning. Errors of cv_server_start but those of listening. Does not suspend.
 */
CV_API CV_CHECKED int cv_test_client_new(cv_ctx *cx, cv_router *router, const cv_server_options *options,
                                         cv_test_client **ret_client);
/** Reset the connections that are still open, stop the server (gracefully: see cv_server_stop), free both. Nobody may
 * be reading from a connection. NULL is allowed. Suspends. */
CV_API void cv_test_client_free(cv_ctx *cx, cv_test_client *client);
/** Stop the server gracefully and keep the client: its connections see what clients see then; there are no further
 * ones. Suspends, as cv_server_stop. */
CV_API void cv_test_client_stop(cv_ctx *cx, cv_test_client *client);
/** The server, for cv_server_get_stats; NULL once it was stopped. Stop it only through the client. */
CV_API cv_server *cv_test_client_server(cv_test_client *client);

typedef struct cv_test_header {
    const char *name, *value;
} cv_test_header;

/* One whole request. Host ("localhost") is added unless given; so is Content-Length, unless Transfer-Encoding is: then
 * the body is sent as it stands. */
typedef struct cv_test_request {
    const char *method, *target;   /* NULL: "GET", "/" */
    const cv_test_header *headers; /* ends with a NULL name; may be NULL */
    cv_str body;
    const char *content_type;
    const char *peer; /* the address it comes from, "192.0.2.1", "2001:db8::1" or "unix"; NULL: "127.0.0.1" */
} cv_test_request;

/* A reply, in the arena of the caller's context. */
typedef struct cv_test_reply {
    int status;
    cv_str head;     /* as sent, with the status line and the empty line */
    cv_str body;     /* decoded from its transfer coding; NUL-terminated */
    cv_str interim;  /* the heads of the informational replies before it (100, 103); empty without them */
    cv_str trailers; /* the lines behind a chunked body; empty without them */
} cv_test_reply;

/** Send a request on a connection of its own and wait for the whole reply, at most 60 s (of the runtime's clock) when
 * the context has no deadline. Suspends. CV_E_CONNECTION_LOST when the server cut it, CV_E_SYNTAX when the reply is not
 *  HTTP, CV_E_TIMEOUT, CV_E_LIMIT (a body beyond 64 MiB), CV_E_INVALID (`peer`). */
CV_API CV_CHECKED int cv_test_send_request(cv_ctx *cx, cv_test_client *client, const cv_test_request *request,
                                           cv_test_reply *ret_reply);
CV_API CV_CHECKED int cv_test_get(cv_ctx *cx, cv_test_client *client, const char *target, cv_test_reply *ret_reply);
CV_API CV_CHECKED int cv_test_post_json(cv_ctx *cx, cv_test_client *client, const char *target, const char *json,
                                        cv_test_reply *ret_reply);
/** The value of a header, or of a trailer, of a reply, any case; the first of that name; the NULL view when absent. */
CV_API cv_str cv_test_reply_header(const cv_test_reply *reply, const char *name);
CV_API cv_str cv_test_reply_trailer(const cv_test_reply *reply, const char *name);

/* ---- raw bytes, for abuse ---- */

typedef struct cv_test_connection cv_test_connection;

/* How the simulated network behaves towards one connection. All zero: at once and without loss. What is under way when
 * it is changed keeps its instant. */
typedef struct cv_test_network {
    int64_t delay_ms;    /* what is sent arrives so much later, in both directions */
    size_t piece_bytes;  /* what the client sends arrives in pieces of at most this size, one a read of the server; with
                            a  delay, each comes so much after the one before: a slow client; 0: as sent */
    size_t window_bytes; /* what the client's side holds before the server's writes wait; 0: 256 KiB */
    bool stalled;        /* nothing passes until this is taken back with cv_test_network_set */
} cv_test_network;

/** Connect; the server learns of it when the caller next suspends. `peer` as in cv_test_request. Close it with
 *  cv_test_close. CV_E_INVALID, CV_E_NOMEM, CV_E_STATE after cv_test_client_stop. */
CV_API CV_CHECKED int cv_test_connect(cv_ctx *cx, cv_test_client *client, const char *peer,
                                      cv_test_connection **ret_connection);
/** Change the network's behaviour; NULL: all zero. */
CV_API void cv_test_network_set(cv_test_connection *connection, const cv_test_network *network);
/** Put bytes on the wire; never suspends. Without a story: CV_E_STATE after cv_test_end, CV_E_CONNECTION_LOST after a
 *  reset, CV_E_LIMIT when the server has 64 MiB to read, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_test_write(cv_test_connection *connection, cv_str bytes);
/** How many of the bytes put on the wire the server has not read: what it does not read while it is busy, the client
 *  feels as backpressure. */
CV_API size_t cv_test_untaken(const cv_test_connection *connection);
/** Wait for bytes from the server, at most `size`; `*ret_len` is 0 at its end of file. Suspends. CV_E_CONNECTION_LOST
 * after a reset, CV_E_STATE while another fiber reads, CV_E_TIMEOUT, CV_E_CANCELLED. A deliberate reset leaves what has
 * arrived readable. A server that closes with unread input, or gets input after its close, is taken by its word: the
 * client loses what it has not read (RFC 9112 9.6). */
CV_API CV_CHECKED int cv_test_read(cv_ctx *cx, cv_test_connection *connection, void *buffer, size_t size,
                                   size_t *ret_len);
/** Wait for one whole reply to a request that was written; the second form to a HEAD request. Pipelined requests have
 * their replies one by one. Suspends. Errors as cv_test_send_request; CV_E_SYNTAX also when bytes follow a reply that
 * ends the connection. */
CV_API CV_CHECKED int cv_test_read_reply(cv_ctx *cx, cv_test_connection *connection, cv_test_reply *ret_reply);
CV_API CV_CHECKED int cv_test_read_reply_to_head(cv_ctx *cx, cv_test_connection *connection, cv_test_reply *ret_reply);
/** Close the client's sending side only; or both, orderly or with a reset, and free it (NULL allowed). */
CV_API void cv_test_end(cv_test_connection *connection);
CV_API void cv_test_close(cv_test_connection *connection, bool reset);

CV_END_DECLS

#endif
