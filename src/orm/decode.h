/* From rows to objects: a plan made once for a statement, run for every row. */
#ifndef COVET_SRC_ORM_DECODE_H
#define COVET_SRC_ORM_DECODE_H

#include "orm/registry.h"

/** Where a column's value goes. */
typedef struct cv__plan_column {
    uint32_t offset; /* in its object */
    uint8_t member;  /* cv_member */
    bool null;       /* NULL may be stored */
    const cv__field_info *field;
} cv__plan_column;

/** An object made of each row: the first is the caller's, the others are loaded along with it. */
typedef struct cv__plan_object {
    const cv__model_info *model;
    uint32_t parent;       /* the object that points to this one */
    size_t pointer_offset; /* in the parent */
    size_t first_column, column_count;
    size_t key_column; /* NULL in the row: there is no such object */
} cv__plan_object;

typedef struct cv__plan {
    const cv__plan_column *columns;
    size_t column_count;
    const cv__plan_object *objects;
    size_t object_count;
} cv__plan;

/** Whether the column's member could hold the cell: 0, or CV_E_NOT_NULL, CV_E_RANGE, CV_E_INVALID with a story. For
 * those who take cells as they are and answer for them as decoding would. */
CV_CHECKED int cv__cell_check(cv_ctx *cx, const cv__plan_column *column, const cv_value *cell);

/** Running a plan. Texts go into blocks taken from the arena: the first is as large as it must be, later ones larger,
 *  so that one row wastes nothing and many rows seldom ask. */
typedef struct cv__decoder {
    cv_ctx *cx; /* errors, and nothing else */
    cv_arena *arena;
    const cv__plan *plan;
    char *at, *end;
    size_t block_bytes;
} cv__decoder;

static inline cv__decoder cv__decoder_make(cv_ctx *cx, cv_arena *arena, const cv__plan *plan)
{
    return (cv__decoder){.cx = cx, .arena = arena, .plan = plan};
}

/** Forget the text block, for an arena that was rewound. */
static inline void cv__decoder_reset(cv__decoder *decoder)
{
    decoder->at = decoder->end = NULL;
    decoder->block_bytes = 0;
}

/** Fill `object` (and what is loaded along with it, in the arena) from the cells of a row; its foreign keys' pointers
 *  are set or NULL, members that are no fields stay. CV_E_NOT_NULL, CV_E_RANGE, CV_E_INVALID for what the members
 *  cannot hold, CV_E_NOMEM; with a story. */
CV_CHECKED int cv__decode_row(cv__decoder *decoder, const cv_value *cells, void *object);

#endif
