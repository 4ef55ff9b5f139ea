/* Middleware: what happens around handlers, in an order that is fixed.
 *
 *     static int need_key(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
 *     {
 *         if (cv_str_equal(cv_request_header(req, "x-api-key"), cv_str_of(arg)))
 *             return 0;
 *         return cv_reply_problem(cx, res, 401, NULL, "the header X-Api-Key is missing or wrong");
 *     }
 *     cv_use(cx, group, &(cv_middleware){.name = "api key", .phase = CV_PHASE_AUTHENTICATE, .before = need_key, .arg =
 * key});
 *
 * A request passes the `before` hooks in the order of their phases; within a phase those of outer groups come first,
 * then those of inner ones, each in the order added. One that makes a reply (or returns an error, which becomes one)
 * ends the way inwards: neither later hooks nor the handler run. The reply passes the `reply` hooks of all middleware
 * that was reached, in the reverse order, right before its head is sent; the `after` hooks run, in the reverse order,
 * when the reply is out or the connection was cut. Middleware of the root group also sees requests without a route
 * (404, 405). */
#ifndef COVET_MIDDLEWARE_H
#define COVET_MIDDLEWARE_H

#include <covet/router.h>

CV_BEGIN_DECLS

typedef enum cv_phase {
    CV_PHASE_OBSERVE, /* request id, access log, tracing: sees everything, outermost */
    CV_PHASE_ERRORS,  /* turns errors into pages */
    CV_PHASE_PROTECT, /* refuses what must not be handled: hosts, cross-origin, rates; security headers */
    CV_PHASE_SESSION,
    CV_PHASE_AUTHENTICATE, /* who asks */
    CV_PHASE_AUTHORIZE,    /* whether it may */
    CV_PHASE_CONTENT,      /* codings of bodies: decompression, compression; caching */
    CV_PHASE_HANDLER,      /* right around the handler: transactions, tenants */
    CV_PHASE_COUNT,
} cv_phase;

typedef struct cv_middleware {
    const char *name; /* for messages; kept by reference */
    cv_phase phase;
    /** On the way in. May suspend, reply, set values, shorten the deadline (it stays shortened for the rest of the
     *  request). */
    int (*before)(cv_ctx *cx, cv_request *req, cv_response *res, void *arg);
    /** On the way out, before the head is sent: headers and status can still be changed; a whole body, too
     *  (cv_response_is_whole), a stream's not. An error turns a whole reply into 500 and prevents a stream. May
     * suspend. */
    int (*reply)(cv_ctx *cx, cv_request *req, cv_response *res, void *arg);
    /** When all is over; `res` tells status and bytes. Must not suspend for long: the client's next request waits. */
    void (*after)(cv_ctx *cx, const cv_request *req, const cv_response *res, void *arg);
    void *arg; /* handed to the hooks; kept by reference */
} cv_middleware;

/** Add middleware to a group; the struct is copied into the router's memory. CV_E_STATE after the router was frozen,
 *  CV_E_INVALID (no hook, unknown phase), CV_E_NOMEM. */
CV_API CV_CHECKED int cv_use(cv_ctx *cx, cv_route_group *group, const cv_middleware *middleware);

/** Whether the reply is whole and its body may be changed through cv_response_body, and how many bytes of body were
 * sent (known in `after`), and whether the connection was cut in the middle. */
CV_API bool cv_response_is_whole(const cv_response *res);
CV_API uint64_t cv_response_bytes_sent(const cv_response *res);
CV_API bool cv_response_was_cut(const cv_response *res);
/** Nanoseconds of cv_now_ns at which the request's head was complete. */
CV_API int64_t cv_request_started_ns(const cv_request *req);

/* ---- what Covet brings ---- */

/* All of them keep what they need in the router's memory; texts given to them are copied. CV_E_STATE after the router
 * was frozen, CV_E_INVALID, CV_E_NOMEM. Options may be NULL. */

/** Give each request an identity: taken from `header` ("X-Request-Id" when NULL) if `trust` says so or the peer is a
 *  trusted proxy, and it has 1 to 128 characters of [A-Za-z0-9._-]; otherwise a new UUID (version 7). It is sent back
 * in that header and stands as `request_id` in every line that is logged through cv_ctx_log, here and in fibers that
 * are spawned, and in problem documents. */
typedef struct cv_request_id_options {
    const char *header;
    bool trust;
} cv_request_id_options;
CV_API CV_CHECKED int cv_use_request_id(cv_ctx *cx, cv_route_group *group, const cv_request_id_options *options);

/** Access log: one line a request when its reply is out. CV_ACCESS_COMMON is the Combined Log Format of Apache and
 * nginx (client, time, request line, status, bytes, referer, user agent; control characters and quotes escaped as
 * \xHH); CV_ACCESS_JSON one object with OpenTelemetry's attribute names, duration and request id; CV_ACCESS_LOG goes to
 * the context's log. `fd` 0: standard output. Lines are buffered and written once a loop turn, never blocking the loop:
 * what a full pipe does not take is dropped and counted (covet_access_log_dropped_total). */
typedef enum cv_access_format { CV_ACCESS_COMMON, CV_ACCESS_JSON, CV_ACCESS_LOG } cv_access_format;
typedef struct cv_access_log_options {
    cv_access_format format;
    int fd;
} cv_access_log_options;
CV_API CV_CHECKED int cv_use_access_log(cv_ctx *cx, cv_route_group *group, const cv_access_log_options *options);

/** Security headers where the handler has not set them: X-Content-Type-Options: nosniff, X-Frame-Options: DENY,
 *  Referrer-Policy: strict-origin-when-cross-origin, Cross-Origin-Opener-Policy: same-origin, Content-Security-Policy
 *  (NULL: "default-src 'self'; base-uri 'self'; frame-ancestors 'none'; object-src 'none'; form-action 'self'"; ""
 * leaves it out), Permissions-Policy when given, Strict-Transport-Security for https requests when hsts_max_age_s is
 * not 0. */
typedef struct cv_security_headers_options {
    const char *content_security_policy, *permissions_policy, *referrer_policy, *frame_options;
    int64_t hsts_max_age_s;
    bool hsts_subdomains;
} cv_security_headers_options;
CV_API CV_CHECKED int cv_use_security_headers(cv_ctx *cx, cv_route_group *group,
                                              const cv_security_headers_options *options);

/** Refuse (421) requests whose host is none of `hosts` ("example.org", "*.example.org", with the port left out). */
CV_API CV_CHECKED int cv_use_allowed_hosts(cv_ctx *cx, cv_route_group *group, const char *const *hosts, size_t count);

/** A deadline for the group's requests, shorter than the server's (see also cv_route_limits). */
CV_API CV_CHECKED int cv_use_timeout(cv_ctx *cx, cv_route_group *group, int64_t timeout_ms);

/** Compress replies: zstd, br or gzip, by the client's quality, then in this order; with Vary: Accept-Encoding, a weak
 * ETag, and Content-Encoding. Only types that gain by it (text, JSON, JavaScript, XML, SVG, WebAssembly, fonts that are
 * not compressed), whole replies from `min_bytes` (1,024) on, and streams; never with Cache-Control: no-transform, a
 *  Content-Encoding or Content-Range set, 204, 206, 304 or HEAD's absent body (whose headers are those of GET). Bodies
 * beyond 64 KiB are compressed on CV_LANE_CPU. A reply that mixes a secret with what the client sent should not be
 * compressed (BREACH): cv_response_no_compression. */
typedef struct cv_compression_options {
    size_t min_bytes;
    int zstd_level, brotli_level, gzip_level; /* 0: 3, 4, 6 */
} cv_compression_options;
CV_API CV_CHECKED int cv_use_compression(cv_ctx *cx, cv_route_group *group, const cv_compression_options *options);
CV_API void cv_response_no_compression(cv_response *res);

/** Decode request bodies (Content-Encoding: gzip, deflate, br, zstd; one coding) before the handler sees them, whole
 * and streamed. Bombs: the decoded body is bounded by the route's max_body_bytes (413), its ratio to what came by
 * `max_ratio` (100) from 64 KiB on (413), zstd windows by 8 MiB. Malformed: 400. Unknown codings, also without this
 * middleware: 415 with Accept-Encoding. */
typedef struct cv_decompression_options {
    size_t max_ratio;
} cv_decompression_options;
CV_API CV_CHECKED int cv_use_decompression(cv_ctx *cx, cv_route_group *group, const cv_decompression_options *options);

/** Error replies (400 and above without a body of the handler's own making) as HTML pages to clients that prefer
 * text/html: plain in production; in development with the whole story: message, detail, hint, cause chain with file and
 * line, request, route, headers (secrets masked). Others get the problem document (RFC 9457), in development with the
 * same story. `render` (may be NULL) makes a page of the program's own: writes HTML to `out` for a status. */
typedef struct cv_error_pages_options {
    int (*render)(cv_ctx *cx, const cv_request *req, int status, cv_buf *out, void *arg);
    void *arg;
} cv_error_pages_options;
CV_API CV_CHECKED int cv_use_error_pages(cv_ctx *cx, cv_route_group *group, const cv_error_pages_options *options);

CV_END_DECLS

#endif
