/* Files as replies, and replies that the client may have already.
 *
 *     static int report(cv_ctx *cx, cv_request *req, cv_response *res)
 *     {
 *         cv_file_options options = {.download_name = "report.pdf"};
 *         return cv_reply_file(cx, req, res, "/srv/reports/2026.pdf", &options);
 *     }
 *
 * Conditions, ranges and the kernel's own copying (sendfile) are taken care of. Files are opened and read off the loop
 * unless the system has them in memory. Replace a file that is served by renaming a new one over it: one that is
 * written in place while it is sent has its connection cut where that is noticed. */
#ifndef COVET_FILES_H
#define COVET_FILES_H

#include <covet/router.h>

CV_BEGIN_DECLS

/** Judge the conditions of a request (RFC 9110 13: If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since)
 *  against the present state of what it asks for: `etag` with its quotes ("\"v1\"" or "W/\"v1\""), NULL: it has none;
 * `modified` .us 0: unknown. Neither: nothing is there yet, which is what "If-None-Match: *" asks for before it
 * creates. Sets ETag and Last-Modified. `*ret_done`: the reply was made (304 or 412) and the handler should return 0.
 * Headers that go with the reply in any case (Cache-Control, Vary) are best set before. Does not suspend. CV_E_INVALID
 * for an `etag` that is none. */
CV_API CV_CHECKED int cv_reply_conditional(cv_ctx *cx, cv_request *req, cv_response *res, const char *etag,
                                           cv_time modified, bool *ret_done);

typedef struct cv_file_options {
    const char *content_type;  /* NULL: by the ending of the name */
    const char *download_name; /* Content-Disposition: attachment with this name (RFC 6266, 8187); NULL: inline */
    int64_t max_age_s;         /* Cache-Control: max-age; 0: "no-cache" (revalidate); negative: no header */
    bool immutable;            /* adds "immutable": the file never changes under this name */
    bool precompressed;        /* NAME.zst, NAME.br, NAME.gz beside it are sent to those who accept them, with Vary */
} cv_file_options;

/** Reply with a file: conditions, ranges (one, or up to 16 as multipart/byteranges; If-Range), HEAD. The entity tag is
 *  made of size and time of the last change. `path` is the program's own, never the client's. `options` may be NULL.
 * Suspends. CV_E_NOT_FOUND, CV_E_PERMISSION, CV_E_IO (also for what is not a regular file), and what cv_stream_write
 * reports. */
CV_API CV_CHECKED int cv_reply_file(cv_ctx *cx, cv_request *req, cv_response *res, const char *path,
                                    const cv_file_options *options);

typedef struct cv_static_options {
    int64_t max_age_s;  /* as in cv_file_options */
    bool immutable;     /* ... */
    bool precompressed; /* ... */
} cv_static_options;

/** Serve the files below a folder under a prefix, each as cv_reply_file does: GET and HEAD, index.html for folders
 * (with a redirect to the slash), no way out of the folder (dot segments, links that lead outside, NUL), hidden files
 * refused. What cannot be opened is not there for the client: 404. The folder is opened now: CV_E_NOT_FOUND,
 * CV_E_PERMISSION. */
CV_API CV_CHECKED int cv_router_static(cv_ctx *cx, cv_router *router, const char *prefix, const char *folder,
                                       const cv_static_options *options);

CV_END_DECLS

#endif
