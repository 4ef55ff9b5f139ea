/* Rows of a statement, decoded one by one. */
#ifndef COVET_SRC_ORM_READER_H
#define COVET_SRC_ORM_READER_H

#include "orm/statement.h"

/** Cells that lie in the reader itself; wider rows take theirs from the arena. */
#define CV__READER_CELLS 24

typedef struct cv__reader {
    cv__row_stream stream;
    cv__decoder decoder;
    cv_value *cells;
    cv_value own_cells[CV__READER_CELLS];
} cv__reader;

/** Run the statement, whose columns are the plan's. The reader must not move, and be closed in every case after a
 *  success. Objects and their texts are made in `arena`; errors are reported in `cx`. Suspends. */
CV_CHECKED int cv__reader_open(cv_ctx *cx, cv__reader *reader, cv_arena *arena, cv_db *db,
                               const cv__statement *statement, const cv__plan *plan);

/** The next row into `object`: 1, 0 at the end, or an error. Suspends. */
CV_CHECKED int cv__reader_next(cv_ctx *cx, cv__reader *reader, void *object);

/** Suspends briefly. A second call is allowed. */
void cv__reader_close(cv_ctx *cx, cv__reader *reader);

#endif
