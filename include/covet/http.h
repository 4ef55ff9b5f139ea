/* HTTP: what a handler sees of a request and what it says in its response.
 *
 * Each request runs in a fiber of its own with a context of its own: everything it makes in the context's arena is gone
 * when the reply was sent. Texts returned by the request functions are views into the request, valid as long as it. */
#ifndef COVET_HTTP_H
#define COVET_HTTP_H

#include <covet/ctx.h>
#include <covet/str.h>
#include <covet/time.h>
#include <covet/uuid.h>

CV_BEGIN_DECLS

typedef enum cv_method {
    CV_GET = 1 << 0,
    CV_HEAD = 1 << 1,
    CV_POST = 1 << 2,
    CV_PUT = 1 << 3,
    CV_PATCH = 1 << 4,
    CV_DELETE = 1 << 5,
    CV_OPTIONS = 1 << 6,
} cv_method;

typedef struct cv_request cv_request;
typedef struct cv_response cv_response;

/** Answers a request: fill the response and return 0, or return an error code with its story in the context: it becomes
 * a problem document (RFC 9457) with the status that cv_http_status gives. A handler that returns 0 without a reply, or
 *  after an atomic block that was left early, becomes 500. */
typedef int cv_handler(cv_ctx *cx, cv_request *req, cv_response *res);

/** "GET"; static storage. */
CV_API const char *cv_method_name(cv_method method);

/** The HTTP status of an error code: CV_E_NOT_FOUND 404, CV_E_VALIDATION 422, CV_E_UNIQUE 409, CV_E_TIMEOUT 503,
 *  CV_E_TOO_LARGE 413 ... 500 for what is not the client's doing. */
CV_API int cv_http_status(int error_code);

/** The reason phrase of a status (RFC 9110), "Unknown" for others. */
CV_API const char *cv_http_reason(int status);

/* ---- the request: none of these suspends ---- */

CV_API cv_method cv_request_method(const cv_request *req);
/** The request target as sent, and its path, percent-decoded, without the query. */
CV_API cv_str cv_request_target(const cv_request *req);
CV_API cv_str cv_request_path(const cv_request *req);
/** The query without the question mark, not decoded; empty when there is none. */
CV_API cv_str cv_request_query(const cv_request *req);

/** A header by its name (any case); several fields of one name are joined by ", " (RFC 9110 5.3). The NULL view when
 * absent. */
CV_API cv_str cv_request_header(const cv_request *req, const char *name);
/** Visit all header fields as sent; `*position` starts at 0. */
CV_API bool cv_request_header_next(const cv_request *req, size_t *position, cv_str *ret_name, cv_str *ret_value);

/** The body: complete, decoded from its transfer coding; empty when there is none. */
CV_API cv_str cv_request_body(const cv_request *req);

/** For routes with `stream_body`: read on; `*ret_len` is 0 at the end of the body. The client is told to send (100
 * Continue) at the first read, and feels backpressure while nothing is read. Suspends. CV_E_TOO_LARGE beyond the
 * route's limit, CV_E_BAD_REQUEST for malformed coding, CV_E_CONNECTION_LOST when the body ended too early,
 * CV_E_TIMEOUT. What the handler does not read is thrown away up to 256 KiB, beyond that the connection closes after
 * the reply. On other routes it reads from the body that is there. */
CV_API CV_CHECKED int cv_body_read(cv_ctx *cx, cv_request *req, void *buffer, size_t size, size_t *ret_len);

/** A trailer field (RFC 9112 7.1.2), after the body was read to its end; the NULL view when absent. Trailers are never
 * merged into the headers. */
CV_API cv_str cv_request_trailer(const cv_request *req, const char *name);

/** The media type of the body without parameters, lower case: "application/json"; the NULL view without one. */
CV_API cv_str cv_request_media_type(const cv_request *req);

/** The peer's address as text: "127.0.0.1", "::1", or "unix". */
CV_API const char *cv_request_peer(const cv_request *req);
/** The client's address: the peer's, or, when the peer is a trusted proxy, the rightmost address of the forwarding
 * header that is not one. Unparsable entries end the walk: the last good one counts. */
CV_API const char *cv_request_client(const cv_request *req);
/** "http" or "https", and the host asked for (Host header or absolute target; NULL view for HTTP/1.0 without one): as a
 *  trusted proxy tells, else as the connection is. */
CV_API const char *cv_request_scheme(const cv_request *req);
CV_API cv_str cv_request_host(const cv_request *req);

/** The identity of the request: what the middleware cv_use_request_id took or made; "" without it. */
CV_API const char *cv_request_id(const cv_request *req);

/** Which of `types` ("text/html", "application/json") the client likes best by its Accept header (RFC 9110 12.5.1); the
 *  first without one; -1 when it accepts none of them. The same for encodings ("br", "identity") by Accept-Encoding:
 *  those the header does not name have quality 0, "identity" is acceptable unless refused, and alone without the
 * header; -1 when none is. Malformed members are left out. */
CV_API int cv_request_prefers(const cv_request *req, const char *const *types, size_t count);
CV_API int cv_request_prefers_encoding(const cv_request *req, const char *const *encodings, size_t count);

/** What cv_router_add was given as `arg` for the route that matched. */
CV_API void *cv_request_route_arg(const cv_request *req);
/** The pattern of the route that matched ("/books/{id:int}"), NULL before routing. */
CV_API const char *cv_request_route(const cv_request *req);

/** A path parameter by its name. The typed forms cannot fail for a parameter that the pattern declares with this type;
 *  otherwise text is the NULL view and the number 0 or the UUID all zero. */
CV_API cv_str cv_path_text(const cv_request *req, const char *name);
CV_API int64_t cv_path_i64(const cv_request *req, const char *name);
CV_API cv_uuid cv_path_uuid(const cv_request *req, const char *name);

/** A query parameter, decoded, NUL-terminated, in the request's arena: the first of that name, or `fallback` (kept by
 *  reference). The number forms report CV_E_VALIDATION, naming the parameter as a bad field, when the text is not a
 * number or not within `min` and `max`. */
CV_API const char *cv_query_param(cv_request *req, const char *name, const char *fallback);
CV_API CV_CHECKED int cv_query_i64(cv_request *req, const char *name, int64_t fallback, int64_t min, int64_t max,
                                   int64_t *ret_value);
CV_API CV_CHECKED int cv_query_bool(cv_request *req, const char *name, bool fallback, bool *ret_value);

/** Values that middleware leaves for those after it and for the handler. `key` is the address of a static object of
 *  whoever sets it; at most 16. They live as long as the request. CV_E_LIMIT. */
CV_API CV_CHECKED int cv_request_set(cv_request *req, const void *key, void *value);
CV_API void *cv_request_get(const cv_request *req, const void *key);

/* ---- the response: none of these suspends unless it says so ---- */

CV_API void cv_response_status(cv_response *res, int status);
CV_API int cv_response_get_status(const cv_response *res);

/** Set a header; a second call with the name replaces it, `_add` adds another field. Name and value are checked (RFC
 * 9110 tokens; no CR, LF, NUL in the value) and copied: CV_E_INVALID, CV_E_LIMIT, with a story. Framing headers
 *  (Content-Length, Transfer-Encoding, Connection, Date) are the server's own: CV_E_INVALID. */
CV_API CV_CHECKED int cv_response_header(cv_response *res, const char *name, const char *value);
CV_API CV_CHECKED int cv_response_header_add(cv_response *res, const char *name, const char *value);

/** The value of a response header, any case; the NULL view when it was not set. Valid until it is set again. */
CV_API cv_str cv_response_get_header(const cv_response *res, const char *name);

/** The buffer of the body, up to 1 MiB (then its sticky error is CV_E_LIMIT, and the reply becomes 500 with a hint to
 *  stream). Writing to it makes the reply. */
CV_API cv_buf *cv_response_body(cv_response *res);

/** A whole reply from a text, which is copied. CV_E_LIMIT, CV_E_STATE when a stream was started. */
CV_API CV_CHECKED int cv_reply_text(cv_ctx *cx, cv_response *res, int status, const char *content_type, cv_str body);

/** A reply without a body (204, 304, redirects with the Location header set before). */
CV_API CV_CHECKED int cv_reply_empty(cv_ctx *cx, cv_response *res, int status);

/** 303 by default customs: `status` is one of 301, 302, 303, 307, 308. */
CV_API CV_CHECKED int cv_reply_redirect(cv_ctx *cx, cv_response *res, int status, const char *location);

/** A problem document (RFC 9457) with type "about:blank"; `detail` may be NULL. */
CV_API CV_CHECKED int cv_reply_problem(cv_ctx *cx, cv_response *res, int status, const char *title, const char *detail);

/** A problem document from the context's error, with detail, hint and `errors` (bad fields); for statuses of 500 and
 * above the story stays in the log and the client sees the status only. The error stays pending. */
CV_API CV_CHECKED int cv_reply_error(cv_ctx *cx, cv_response *res);

/** An explicit stream, for replies of unknown or large size: status and headers, then the writes as they come (chunked
 * for HTTP/1.1), with backpressure: a write suspends while the client reads slowly. Small writes are collected and go
 * out together: when there are enough, when the handler suspends, at cv_stream_flush, and at the end. The time limit of
 * the request counts from the last write. Returning an error from the handler after the start cuts the connection: the
 * stream never ends well-formed by mistake. `content_length` negative: unknown. All three suspend;
 *  CV_E_CONNECTION_LOST, CV_E_TIMEOUT (the server's write time limit), CV_E_CANCELLED, CV_E_LIMIT (more than announced,
 *  or more than 1 GiB at once), CV_E_STATE, CV_E_IN_TRANSACTION at the start. */
CV_API CV_CHECKED int cv_stream_start(cv_ctx *cx, cv_response *res, int status, const char *content_type,
                                      int64_t content_length);
CV_API CV_CHECKED int cv_stream_write(cv_ctx *cx, cv_response *res, const void *data, size_t len);
CV_API CV_CHECKED int cv_stream_end(cv_ctx *cx, cv_response *res);

/** Add a trailer field (RFC 9110 6.5) to a chunked stream, sent by cv_stream_end; announce it
 * with the header Trailer before the start. Ignored for HTTP/1.0. CV_E_INVALID, CV_E_STATE when the reply is not
 * chunked. */
CV_API CV_CHECKED int cv_stream_trailer(cv_ctx *cx, cv_response *res, const char *name, const char *value);

/** Give what was written so far to the client at once (after compression, which otherwise keeps some back). Suspends.
 *  Errors as for cv_stream_write. */
CV_API CV_CHECKED int cv_stream_flush(cv_ctx *cx, cv_response *res);

/** Whether a reply was made or a stream started. */
CV_API bool cv_response_is_made(const cv_response *res);

CV_END_DECLS

#endif
