/* The inside of a response: what the handler said, until it is sent. */
#ifndef COVET_SRC_HTTP_RESPONSE_H
#define COVET_SRC_HTTP_RESPONSE_H

#include <covet/http.h>

struct cv__connection;

#define CV__MAX_RESPONSE_BODY         ((size_t)1 << 20)
#define CV__MAX_STREAM_PIECE          ((size_t)1 << 30)
#define CV__MAX_RESPONSE_HEADERS      64
#define CV__MAX_RESPONSE_HEADER_BYTES ((size_t)16 * 1024)
#define CV__MAX_TRAILER_BYTES         ((size_t)4096)

typedef struct cv__field {
    cv_str name, value;
} cv__field;

/* Where a reply stands. A whole reply is sent after the handler returned; a stream writes for itself. */
typedef enum cv__reply_state {
    CV__REPLY_NONE,
    CV__REPLY_WHOLE,  /* status, headers and body are set */
    CV__REPLY_STREAM, /* the head was sent, the body is under way */
    CV__REPLY_ENDED,  /* a stream that ended well */
    CV__REPLY_CUT,    /* a stream that cannot be continued: the connection closes */
} cv__reply_state;

/* What stands between the writes of a stream and the wire, such as compression: each call takes `data` and appends what
 * can go out. May suspend; an error cuts the stream. */
typedef struct cv__filter {
    int (*write)(cv_ctx *cx, struct cv__filter *filter, cv_str data, cv_buf *out); /* at most CV__FILTER_PIECE */
    int (*flush)(cv_ctx *cx, struct cv__filter *filter, cv_buf *out);              /* all that was taken must go out */
    int (*end)(cv_ctx *cx, struct cv__filter *filter, cv_buf *out);
} cv__filter;

#define CV__FILTER_PIECE ((size_t)256 * 1024)

struct cv_response {
    cv_ctx *cx;
    struct cv_request *request;        /* NULL in tests of parts: no middleware runs then */
    struct cv__connection *connection; /* NULL in tests of parts: streams then fail */
    cv_method method;                  /* of the request: HEAD gets no body */
    int minor_version;                 /* of the request */
    bool keep_alive;                   /* whether the connection goes on after this reply */

    cv__reply_state state;
    int status; /* 200 until set */
    cv__field *fields;
    size_t field_count, field_capacity, field_bytes;
    cv_buf body;

    bool is_problem;            /* the body is a problem document that the library made */
    const char *problem_detail; /* of it, or NULL */
    bool no_compression;
    uint64_t bytes_sent; /* of the body, as they went out */

    bool starting;       /* a stream: its head is about to be sent */
    cv__filter *filter;  /* of a stream, set by a `reply` hook; or NULL */
    cv_buf filtered;     /* what the filter gave and was not sent yet */
    bool chunked;        /* of a stream */
    cv_buf trailers;     /* the lines of a chunked stream's trailers */
    int64_t stream_left; /* bytes announced and not written; negative: unknown */
    int64_t deadline_ns; /* the context's, as the server set it last */
};

void cv__response_init(cv_ctx *cx, cv_response *res, cv_method method, int minor_version, bool keep_alive);

/** Forget status, headers and body of a reply that was not sent. */
void cv__response_reset(cv_response *res);

/** Set a header that the library itself makes, without the checks of cv_response_header. Name and value must live as
 *  long as the response. */
CV_CHECKED int cv__response_field(cv_response *res, cv_str name, cv_str value);

/** Forget a header, any case. */
void cv__response_remove(cv_response *res, const char *name);

/** How long the request may take: the limit of its route, or the server's. */
int64_t cv__response_time_limit_ms(const cv_response *res);

/** A handler is about to reply: CV_E_IN_TRANSACTION while the context has an open transaction, CV_E_STATE when a
 *  stream was started. */
CV_CHECKED int cv__response_check(cv_ctx *cx, const cv_response *res);

/** Whether the status has no body by definition (RFC 9110: 1xx, 204, 304). */
bool cv__status_has_no_body(int status);

/** Whether the bytes of a stream may come straight from a file: nothing changes them, and the transport can do it. */
bool cv__stream_takes_files(const cv_response *res);

/** Send bytes of an open file in a stream that takes files and announced at least `len` more: as many as go out at
 * once, or 0 after a wait. Suspends. Errors as for cv_stream_write, and CV_E_IO when the file cannot be read there. */
CV_CHECKED int cv__stream_send_file(cv_ctx *cx, cv_response *res, int fd, uint64_t offset, size_t len,
                                    size_t *ret_sent);

/* How the body of a reply is delimited. */
typedef enum cv__framing {
    CV__FRAMING_LENGTH,
    CV__FRAMING_CHUNKED,
    CV__FRAMING_CLOSE, /* by the end of the connection */
    CV__FRAMING_NONE,  /* no body and no length */
} cv__framing;

/** Keep a trailer for the end of the stream. CV_E_INVALID, CV_E_LIMIT, CV_E_NOMEM. */
CV_CHECKED int cv__response_trailer(cv_response *res, cv_str name, cv_str value);

/** Write the head to `at`, which has room for cv__response_head_most bytes; returns its end. */
size_t cv__response_head_most(const cv_response *res);
char *cv__response_head_put(const cv_response *res, cv_str date, cv__framing framing, uint64_t content_length,
                            char *at);

/** Append status line, Date, the response's headers, framing and Connection headers and the empty line. `date` is an
 *  HTTP date. Failures are in the buffer's error. */
void cv__response_head(const cv_response *res, cv_str date, cv__framing framing, uint64_t content_length, cv_buf *out);

/** The body of a problem document (RFC 9457) of type "about:blank"; `detail`, `error` and `request_id` may be NULL. Of
 *  `error` the hint and the bad fields are taken. Failures are in the buffer's error. */
void cv__problem_write(cv_buf *out, int status, const char *title, const char *detail, const cv_error *error,
                       const char *request_id);

/** Make the problem document of the context's error the reply, also where a handler could not reply any more because of
 *  an open transaction. CV_E_LIMIT, CV_E_NOMEM. */
CV_CHECKED int cv__response_problem(cv_ctx *cx, cv_response *res);

#endif
