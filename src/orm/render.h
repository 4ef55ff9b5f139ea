/* Trees for statements of queries: built only when the shape is not known yet. */
#ifndef COVET_SRC_ORM_RENDER_H
#define COVET_SRC_ORM_RENDER_H

#include "orm/statement.h"

/** Render the query for a dialect and pack it under the key. `limit_param` and `offset_param` are 0 without a slice.
 *  NULL with the error reported. */
cv__shape *cv__render_query(cv_ctx *cx, const cv_query *q, const cv__dialect *dialect, const cv__run_options *options,
                            cv_str key, size_t limit_param, size_t offset_param);

/** Columns and plan of one object of a statement; used for queries and fixed statements alike. */
typedef struct cv__columns {
    cv_arena *arena;
    const cv__expr **exprs;
    cv__column_type *types;
    cv__plan_column *columns;
    cv__plan_object *objects;
    size_t column_count, object_count, capacity;
} cv__columns;

/** Room for `columns` and `objects`. CV_E_NOMEM, without a story. */
CV_CHECKED int cv__columns_init(cv__columns *list, cv_arena *arena, size_t columns, size_t objects);

/** Add all columns of a model as those of a table, and the object made of them. CV_E_NOMEM, without a story. */
CV_CHECKED int cv__columns_add(cv__columns *list, const cv__model_info *model, uint32_t table, uint32_t parent,
                               size_t pointer_offset);

#endif
