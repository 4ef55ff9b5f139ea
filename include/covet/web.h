/* Models over HTTP: JSON bodies into objects, objects and queries into JSON replies. */
#ifndef COVET_WEB_H
#define COVET_WEB_H

#include <covet/http.h>
#include <covet/json.h>
#include <covet/query.h>

CV_BEGIN_DECLS

#ifndef __cplusplus
/** Read a JSON object into `*object`, whose members were initialised by the caller. Keys are field names ("title"), for
 * foreign keys "author_id". Every mistake is found before it returns: CV_E_VALIDATION (422) lists wrong types, numbers
 * out of range, texts too long, unknown keys (with the nearest), duplicate keys, missing fields (those neither nullable
 * nor with a default), and those that are not a client's to set (read-only, automatic, numbered by the database; hidden
 * ones are unknown). A body that is not JSON is CV_E_SYNTAX (400) with line and column, one nested deeper than 64
 * levels CV_E_BAD_REQUEST (400), another media type CV_E_MEDIA_TYPE (415). Texts live in the request's arena. Does not
 * suspend. */
#define cv_bind_body(cx, req, T, object) cv__bind((cx), (req), T##_model(), CV__OBJECT(T, object), NULL)
/** The same for a partial update: missing fields are left as they are, and `*ret_set` tells which ones came. The
 * primary key cannot be set. */
#define cv_bind_patch(cx, req, T, object, ret_set) cv__bind((cx), (req), T##_model(), CV__OBJECT(T, object), (ret_set))

/** Reply with one object as JSON. Loaded relations are nested under the field's name, the key stays beside it. */
#define cv_reply(cx, res, status, T, object) cv__reply((cx), (res), (status), T##_model(), CV__OBJECT(T, object))

/** Append one object as JSON to a writer, for replies of one's own shape. */
#define cv_write_object(cx, writer, T, object) cv__write_object((cx), (writer), T##_model(), CV__OBJECT(T, object))
#endif

/** Reply with all objects of a query as a JSON array. Suspends while reading. Up to 1 MiB; beyond, CV_E_LIMIT with the
 * hint to page or to stream. */
CV_API CV_CHECKED int cv_reply_all(cv_ctx *cx, cv_response *res, cv_query *q);

/** Reply with one page: {"count": 120, "page": 2, "pages": 3, "limit": 50, "results": [...]}. `page` counts from 1; one
 * beyond the last is CV_E_NOT_FOUND (page 1 of nothing is empty). Suspends. */
CV_API CV_CHECKED int cv_reply_page(cv_ctx *cx, cv_response *res, cv_query *q, int64_t page, int64_t limit);

/** Read `page` (from 1) and `limit` (1 to max_limit) from the query string. CV_E_VALIDATION. */
CV_API CV_CHECKED int cv_query_page(cv_request *req, int64_t default_limit, int64_t max_limit, int64_t *ret_page,
                                    int64_t *ret_limit);

/** A JSON writer on the response's body, with the status and content type set: for replies of one's own shape. */
CV_API CV_CHECKED int cv_reply_json(cv_ctx *cx, cv_response *res, int status, cv_json_writer *ret_writer);

CV_API CV_CHECKED int cv__bind(cv_ctx *cx, cv_request *req, const cv_model *model, void *object, cv_fields *ret_set);
CV_API CV_CHECKED int cv__reply(cv_ctx *cx, cv_response *res, int status, const cv_model *model, const void *object);
CV_API CV_CHECKED int cv__write_object(cv_ctx *cx, cv_json_writer *writer, const cv_model *model, const void *object);

CV_END_DECLS

#endif
