/* The rows of a query as cells, for those who make no objects of them. */
#ifndef COVET_SRC_ORM_QUERY_ROWS_H
#define COVET_SRC_ORM_QUERY_ROWS_H

#include "orm/reader.h"

typedef struct cv__query_rows {
    cv__run run;
    cv__row_stream stream;
    const cv__plan *plan; /* whose columns the cells are */
    cv_value *cells;
    cv_value own_cells[CV__READER_CELLS];
} cv__query_rows;

/** Run the query. The rows must not move, and be closed in every case after a success. Suspends. */
CV_CHECKED int cv__query_rows_open(cv_ctx *cx, cv__query_rows *rows, cv_query *q);

/** The next row into `cells`: 1, 0 at the end, or an error. Texts are views, valid until the next call; nothing was
 *  compared with the model (cv__cell_check). Suspends. */
CV_CHECKED int cv__query_rows_next(cv_ctx *cx, cv__query_rows *rows);

/** Suspends briefly. */
void cv__query_rows_close(cv_ctx *cx, cv__query_rows *rows);

#endif
