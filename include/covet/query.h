/* Query sets: lazy, chainable, checked once at the end; and saving, updating and deleting objects.
 *
 *     cv_query *q = cv_objects(cx, book);
 *     cv_filter(q, "author__name__icontains", "le guin");
 *     cv_filter(q, "price__lt", 20);
 *     cv_order_by(q, "-published");
 *     cv_select_related(q, "author");
 *     struct book *books; size_t count;
 *     CV_TRY(cv_all(cx, q, book, &books, &count));
 *
 * A path names a field ("title"), a field of a related model ("author__name"), and may end with a look-up: exact (when
 * none is named), iexact, contains, icontains, startswith, istartswith, endswith, iendswith, in, gt, gte, lt, lte,
 * range, isnull. Values are converted to the field's type and range-checked, and always bound. The first mistake in
 * building is kept (CV_E_FIELD with the nearest name, CV_E_TYPE, CV_E_RANGE...) and returned by whatever runs the
 * query.
 *
 * A query lives in the arena of its context and may be run several times; the rendered SQL is cached by its shape.
 * Results live in the arena of the context given to the call that runs it; relations that were not asked for are NULL.
 */
#ifndef COVET_QUERY_H
#define COVET_QUERY_H

#include <covet/db.h>
#include <covet/model.h>

CV_BEGIN_DECLS

typedef struct cv_query cv_query;
typedef struct cv_iterator cv_iterator;

/** All objects of a model, on the context's database. Never NULL: exhausted memory is the query's error. */
#define cv_objects(cx, T) cv_query_new((cx), T##_model())
CV_API cv_query *cv_query_new(cv_ctx *cx, const cv_model *model);

/** An independent copy, to be changed further. */
CV_API cv_query *cv_query_copy(cv_ctx *cx, const cv_query *q);

#ifndef __cplusplus
/** Keep, or leave out, the objects for which the look-up holds. `value`: any C type that CV_VALUE knows; CV_NULL only
 * with exact (it means isnull). Several filters are joined by AND. */
#define cv_filter(q, path, value)  cv_filter_value((q), (path), CV_VALUE(value))
#define cv_exclude(q, path, value) cv_exclude_value((q), (path), CV_VALUE(value))
/** low <= field <= high */
#define cv_range(q, path, low, high) cv_range_values((q), (path), CV_VALUE(low), CV_VALUE(high))
/** The field is one of `count` values. `array`: int64_t, int32_t, double, char *, cv_str, cv_uuid, cv_value. An empty
 * list matches nothing. */
#define cv_in(q, path, array, count)                                                                                   \
    cv__in((q), (path), (array), (count),                                                                              \
           _Generic((array), int64_t *: CV__IN_I64, const int64_t *: CV__IN_I64, int32_t *: CV__IN_I32, const int32_t *: CV__IN_I32, \
               double *: CV__IN_F64, const double *: CV__IN_F64, char **: CV__IN_CHARS, const char **: CV__IN_CHARS, const char *const *: CV__IN_CHARS, \
               cv_str *: CV__IN_STR, const cv_str *: CV__IN_STR, cv_uuid *: CV__IN_UUID, const cv_uuid *: CV__IN_UUID, \
               cv_value *: CV__IN_VALUE, const cv_value *: CV__IN_VALUE))
/** Several names at once. A minus before the name is descending. A later call replaces the former order; without
 * arguments of its own a query has the model's ordering. NULLs come after all values, before them when descending. */
#define cv_order_by(q, ...) cv_order_by_names((q), (const char *const[]){__VA_ARGS__, NULL})
/** Load foreign keys by a JOIN: "author", "author__country". */
#define cv_select_related(q, ...) cv_select_related_names((q), (const char *const[]){__VA_ARGS__, NULL})
#endif
enum cv__in_type { CV__IN_I64, CV__IN_I32, CV__IN_F64, CV__IN_CHARS, CV__IN_STR, CV__IN_UUID, CV__IN_VALUE };

CV_API void cv_filter_value(cv_query *q, const char *path, cv_value value);
CV_API void cv_exclude_value(cv_query *q, const char *path, cv_value value);
CV_API void cv_range_values(cv_query *q, const char *path, cv_value low, cv_value high);
CV_API void cv__in(cv_query *q, const char *path, const void *array, size_t count, enum cv__in_type type);

/** Between these, filters are joined by OR (any) or AND (all), the group itself with what surrounds it. Groups nest:
 *      cv_any_begin(q); cv_filter(q, "name__icontains", s); cv_filter(q, "summary__icontains", s); cv_group_end(q); */
CV_API void cv_any_begin(cv_query *q);
CV_API void cv_all_begin(cv_query *q);
/** A group to leave out: objects for which all conditions inside hold are not part of the result. As with cv_exclude, a
 *  condition on a column that is NULL does not hold, so its object stays. */
CV_API void cv_exclude_begin(cv_query *q);
CV_API void cv_group_end(cv_query *q);

CV_API void cv_order_by_names(cv_query *q, const char *const *names);
CV_API void cv_select_related_names(cv_query *q, const char *const *paths);

/** A slice: at most `count` objects after the first `skip`. Negative numbers are CV_E_RANGE. */
CV_API void cv_limit(cv_query *q, int64_t count);
CV_API void cv_offset(cv_query *q, int64_t skip);

/** The model that the query is of. */
CV_API const cv_model *cv_query_model(const cv_query *q);

/** The first mistake made in building, or 0. The story is in the query's context. */
CV_API CV_CHECKED int cv_query_error(cv_query *q);

/** The SQL that the query would run, for messages and tests; in the context's arena. CV_E_... as running it. */
CV_API CV_CHECKED int cv_query_sql(cv_ctx *cx, cv_query *q, cv_str *ret_sql);

/* ---- running: all of these suspend, and fail with the query's mistake, or any database error ---- */

#ifndef __cplusplus
/** The object with this primary key, into `*ret_object`. CV_E_NOT_FOUND. */
#define cv_get(cx, T, ret_object, key) cv__get((cx), T##_model(), CV__OBJECT(T, ret_object), CV_VALUE(key))
/** The only object that matches. CV_E_NOT_FOUND, CV_E_MULTIPLE. */
#define cv_one(cx, q, T, ret_object) cv__one((cx), (q), T##_model(), CV__OBJECT(T, ret_object))
/** The first object in the query's order (by primary key when it has none). CV_E_NOT_FOUND. */
#define cv_first(cx, q, T, ret_object) cv__first((cx), (q), T##_model(), CV__OBJECT(T, ret_object))
/** All objects as an array in the context's arena; `*ret_objects` is not NULL even when there are none. */
#define cv_all(cx, q, T, ret_objects, ret_count)                                                                       \
    cv__all((cx), (q), T##_model(), (void **)(1 ? (ret_objects) : (struct T **)0), (ret_count))
/** Go through the objects one by one with bounded memory:
 *      cv_iterator *it;
 *      CV_TRY(cv_iterate(cx, q, book, &it));
 *      struct book b;
 *      while ((rc = cv_next(cx, it, book, &b)) > 0) ...
 *  cv_next returns 1 with an object, 0 at the end, or an error. What the object points to is valid until the next call.
 *  The connection is held until the end, cv_iterator_close, or the end of the context's scope. */
#define cv_iterate(cx, q, T, ret_iterator)   cv__iterate((cx), (q), T##_model(), (ret_iterator))
#define cv_next(cx, iterator, T, ret_object) cv__next((cx), (iterator), T##_model(), CV__OBJECT(T, ret_object))

/** Insert the object when its primary key is unset (0, or NULL), otherwise update all its columns; when no row has the
 * key, it is inserted with it. The new key and automatic times are written into the object. First the fields are
 * checked: CV_E_VALIDATION names every bad one. CV_E_UNIQUE, CV_E_FOREIGN_KEY, ... name table, column and constraint.
 * A member that was not set is written as what it holds: zero is a value, and NULL is NULL. A .default_value serves
 * rows that other programs insert, and bound bodies. Only a UUID key that is all zero is made here (version 7). */
#define cv_save(cx, T, object) cv__save((cx), T##_model(), CV__OBJECT(T, object))
/** Insert even when the key is set. CV_E_UNIQUE when it exists. */
#define cv_insert(cx, T, object) cv__insert((cx), T##_model(), CV__OBJECT(T, object))
/** Write only the fields of the set, and automatic times (auto_now). CV_E_NOT_FOUND when no row has the key. */
#define cv_update(cx, T, object, set) cv__update((cx), T##_model(), CV__OBJECT(T, object), (set))
/** Delete the row of the object. CV_E_NOT_FOUND; CV_E_FOREIGN_KEY when a protected row refers to it. */
#define cv_delete(cx, T, object) cv__delete((cx), T##_model(), CV__OBJECT(T, object))
/** Insert many in few statements, all or nothing (inside a transaction of its own when there is none). Checked like
 *  cv_save. New keys are written into the objects. */
#define cv_bulk_create(cx, T, objects, count)                                                                          \
    cv__bulk_create((cx), T##_model(), (1 ? (objects) : (struct T *)0), (count))

/** The object that a foreign key points to, when it was loaded: `CV_TRY(cv_rel(cx, book, &b, author, &author));`
 *  NULL for a key that is NULL; CV_E_NOT_LOADED otherwise, never hidden input or output. Does not suspend. */
#define cv_rel(cx, T, object, member_name, ret_related)                                                                \
    (*(ret_related) = (object)->member_name,                                                                           \
     cv__rel((cx), T##_model(), CV__OBJECT(T, object), #member_name, (object)->member_name))

#define CV__OBJECT(T, object) (1 ? (object) : (struct T *)0)
#endif

CV_API CV_CHECKED int cv_count(cv_ctx *cx, cv_query *q, int64_t *ret_count);
CV_API CV_CHECKED int cv_exists(cv_ctx *cx, cv_query *q, bool *ret_exists);
/** Delete all that match; `ret_count` may be NULL. Slices are CV_E_STATE. */
CV_API CV_CHECKED int cv_delete_all(cv_ctx *cx, cv_query *q, int64_t *ret_count);
/** Set fields of all that match: names and values in two arrays of `count`. Slices are CV_E_STATE. */
CV_API CV_CHECKED int cv_update_all(cv_ctx *cx, cv_query *q, const char *const *names, const cv_value *values,
                                    size_t count, int64_t *ret_count);
/** Give the connection back. NULL and a second call are allowed. */
CV_API void cv_iterator_close(cv_ctx *cx, cv_iterator *iterator);

CV_API CV_CHECKED int cv__get(cv_ctx *cx, const cv_model *model, void *ret_object, cv_value key);
CV_API CV_CHECKED int cv__one(cv_ctx *cx, cv_query *q, const cv_model *model, void *ret_object);
CV_API CV_CHECKED int cv__first(cv_ctx *cx, cv_query *q, const cv_model *model, void *ret_object);
CV_API CV_CHECKED int cv__all(cv_ctx *cx, cv_query *q, const cv_model *model, void **ret_objects, size_t *ret_count);
CV_API CV_CHECKED int cv__iterate(cv_ctx *cx, cv_query *q, const cv_model *model, cv_iterator **ret_iterator);
CV_API CV_CHECKED int cv__next(cv_ctx *cx, cv_iterator *iterator, const cv_model *model, void *ret_object);
CV_API CV_CHECKED int cv__save(cv_ctx *cx, const cv_model *model, void *object);
CV_API CV_CHECKED int cv__insert(cv_ctx *cx, const cv_model *model, void *object);
CV_API CV_CHECKED int cv__update(cv_ctx *cx, const cv_model *model, void *object, const cv_fields *set);
CV_API CV_CHECKED int cv__delete(cv_ctx *cx, const cv_model *model, const void *object);
CV_API CV_CHECKED int cv__bulk_create(cv_ctx *cx, const cv_model *model, void *objects, size_t count);
CV_API CV_CHECKED int cv__rel(cv_ctx *cx, const cv_model *model, const void *object, const char *name,
                              const void *related);

/** A path that the compiler checks: `cv_order_by(q, CV_PATH(book, price))`; one step through a relation is
 *  CV_PATH2(book, author, name), "author__name". */
#define CV_PATH(T, member_name)         (sizeof(((struct T *)0)->member_name) ? #member_name : NULL)
#define CV_PATH2(T, first, member_name) (sizeof(((struct T *)0)->first->member_name) ? #first "__" #member_name : NULL)

CV_END_DECLS

#endif
