/* Objects of models as sources and sinks of bulk (copy.h).
 *
 *     struct author authors[1000] = ...;
 *     cv_copy_source rows;
 *     CV_TRY(cv_objects_source(cx, author, authors, 1000, &rows));
 *     CV_TRY(cv_copy_in(cx, "authors", &rows, NULL, NULL));
 *
 * A source gives the columns of all fields, without the key where the first object leaves it to the database; then all
 * must. Objects are validated as cv_save does, and automatic times are now; nothing is written into them but UUID keys
 * that are not set: keys that the database makes do not come back (cv_bulk_create brings them). */
#ifndef COVET_COPY_OBJECTS_H
#define COVET_COPY_OBJECTS_H

#include <covet/copy.h>
#include <covet/model.h>

CV_BEGIN_DECLS

/** The next object: 1, valid until the next call; 0 at the end; or an error with its story. It may suspend, and has the
 *  rules of cv_copy_source's `next`. */
typedef int cv_next_object(cv_ctx *cx, void *arg, void **ret_object);

/** What is done with an object; it and its texts are valid until it returns. An error ends the copy. */
typedef int cv_each_object(cv_ctx *cx, void *arg, void *object);

#ifndef __cplusplus
/** Rows out of an array of `count` objects, which must outlive the source; the source lives as long as the context's
 *  arena. CV_E_MODEL, CV_E_NOMEM. Later CV_E_VALIDATION, with the object's number from 1, and CV_E_INVALID for a key
 *  that is set where the first is not. Does not suspend. */
#define cv_objects_source(cx, T, objects, count, ret_source)                                                           \
    cv__objects_source((cx), T##_model(), (1 ? (objects) : (struct T *)0), (count), (ret_source))
#endif

/** Rows out of objects that `next` makes when they are due. The first is asked for now, to see whether it has a key:
 *  suspends where `next` does. `arg` stays the caller's; it must outlive the source, which lives as long as the
 * context's arena. CV_E_MODEL, CV_E_NOMEM, those of `next`; later as cv_objects_source, and those of `next`. */
CV_API CV_CHECKED int cv_each_source(cv_ctx *cx, const cv_model *model, cv_next_object *next, void *arg,
                                     cv_copy_source *ret_source);

/** Objects out of rows, one after the other; `each` is called with a whole one. The rows must have the columns of all
 *  fields (CV_E_FIELD), in any order; columns that are no fields are passed over. `arg` stays the caller's and must
 *  outlive the sink, which lives as long as the context's arena. CV_E_MODEL, CV_E_NOMEM; later CV_E_NOT_NULL,
 *  CV_E_RANGE, CV_E_INVALID for what a member cannot hold, and those of `each`. Does not suspend. */
CV_API CV_CHECKED int cv_each_sink(cv_ctx *cx, const cv_model *model, cv_each_object *each, void *arg,
                                   cv_copy_sink *ret_sink);

/* What the macro above expands to; not for direct use. */
CV_API CV_CHECKED int cv__objects_source(cv_ctx *cx, const cv_model *model, void *objects, size_t count,
                                         cv_copy_source *ret_source);

CV_END_DECLS

#endif
