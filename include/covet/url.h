/* URLs: absolute ones with a scheme, such as database addresses, and percent-coding (RFC 3986). Nothing here suspends.
 */
#ifndef COVET_URL_H
#define COVET_URL_H

#include <covet/ctx.h>
#include <covet/str.h>

CV_BEGIN_DECLS

/** A host of a URL that may name several. */
typedef struct cv_url_host {
    const char *name; /* decoded, without the brackets of an IPv6 address; NULL when it is missing */
    int port;         /* 0 when it is missing */
} cv_url_host;

/** The most hosts that one URL may name. */
#define CV_URL_MAX_HOSTS 32

/** The parts of a URL. Strings are decoded and NUL-terminated, in the context's arena; missing parts are NULL, a
 * missing port is 0. `path` keeps its leading slash; for "sqlite:///app.db" it is "/app.db". */
typedef struct cv_url {
    const char *scheme; /* lower case */
    const char *user;
    const char *password;
    const char *host; /* without the brackets of an IPv6 address; the first of several */
    int port;
    const cv_url_host *hosts; /* all of them, in order; with one host it is that one, without a host there are none */
    size_t host_count;
    const char *path;
    const char *query; /* not decoded, without the question mark */
    const char *fragment;
} cv_url;

/** Parse `scheme://[user[:password]@][host][:port][,host[:port]]...[/path][?query][#fragment]`: databases have several
 * hosts, separated by commas, at most CV_URL_MAX_HOSTS. CV_E_SYNTAX with the reason; the password never appears in the
 * message. */
CV_API CV_CHECKED int cv_url_parse(cv_ctx *cx, cv_str text, cv_url *ret_url);

/** The URL as text with the password replaced by "***", for logs; in the arena, NULL (reported) without memory. */
CV_API CV_CHECKED char *cv_url_redact(cv_ctx *cx, cv_str text);

/** Walk "a=1&b=2". `*position` starts at 0. Key and value are decoded ("+" as a space) into the arena. Returns 1 for a
 *  pair, 0 at the end, CV_E_SYNTAX for a bad escape or an embedded NUL, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_query_string_next(cv_ctx *cx, cv_str query, size_t *position, cv_str *ret_key,
                                           cv_str *ret_value);

/** Decode percent escapes; `plus_is_space` for forms. The result is NUL-terminated, in the arena. CV_E_SYNTAX for a bad
 *  escape or a decoded NUL. */
CV_API CV_CHECKED int cv_percent_decode(cv_ctx *cx, cv_str text, bool plus_is_space, cv_str *ret_text);

/** Append, with everything but RFC 3986 unreserved characters escaped. */
CV_API void cv_percent_encode(cv_buf *out, cv_str text);

CV_END_DECLS

#endif
