#include "orm/query_rows.h"

static int open_stream(cv_ctx *cx, cv__query_rows *rows)
{
    rows->plan = &rows->run.shape->plan;
    rows->cells = rows->own_cells;
    if (rows->plan->column_count > CV__READER_CELLS) {
        rows->cells = cv_alloc(cx, rows->plan->column_count * sizeof *rows->cells);
        if (!rows->cells)
            return CV_E_NOMEM;
    }
    const cv__statement statement = cv__run_statement(&rows->run);
    return cv__db_open_rows(cx, rows->run.db, CV__READER, &statement, &rows->stream);
}

int cv__query_rows_open(cv_ctx *cx, cv__query_rows *rows, cv_query *q)
{
    CV_TRY(cv__run_prepare(cx, q, &(cv__run_options){.purpose = CV__LOAD, .limit = -1}, &rows->run));
    int rc = open_stream(cx, rows);
    if (rc < 0)
        cv__run_done(&rows->run);
    return rc;
}

int cv__query_rows_next(cv_ctx *cx, cv__query_rows *rows)
{
    return cv__db_next_row(cx, &rows->stream, rows->cells);
}

void cv__query_rows_close(cv_ctx *cx, cv__query_rows *rows)
{
    cv__db_close_rows(cx, &rows->stream);
    cv__run_done(&rows->run);
}
