#include "orm/reader.h"

int cv__reader_open(cv_ctx *cx, cv__reader *reader, cv_arena *arena, cv_db *db, const cv__statement *statement,
                    const cv__plan *plan)
{
    reader->decoder = cv__decoder_make(cx, arena, plan);
    reader->cells = reader->own_cells;
    if (plan->column_count > CV__READER_CELLS) {
        reader->cells = cv_alloc(cx, plan->column_count * sizeof *reader->cells);
        if (!reader->cells)
            return CV_E_NOMEM;
    }
    return cv__db_open_rows(cx, db, CV__READER, statement, &reader->stream);
}

int cv__reader_next(cv_ctx *cx, cv__reader *reader, void *object)
{
    int rc = cv__db_next_row(cx, &reader->stream, reader->cells);
    if (rc <= 0)
        return rc;
    rc = cv__decode_row(&reader->decoder, reader->cells, object);
    return rc < 0 ? rc : 1;
}

void cv__reader_close(cv_ctx *cx, cv__reader *reader)
{
    cv__db_close_rows(cx, &reader->stream);
}
