/* Whatever the bytes and however they come in pieces: no crash, the same rows before the end or an error, and what the
 * reader accepts the writer turns into text that the reader takes for the same rows. The first byte sets the size of
 * pieces. */
#include "base/csv.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static const cv__csv_options options = {
    .delimiter = ',', .quote = '"', .max_field_bytes = 1000, .max_row_bytes = 2000, .max_columns = 50};

static void add_row(cv_buf *out, const cv__csv_reader *reader)
{
    must(reader->count > 0 && reader->count <= options.max_columns);
    for (size_t i = 0; i < reader->count; i++) {
        const cv__csv_field *field = &reader->fields[i];
        must(field->len <= options.max_field_bytes && cv_utf8_valid(cv_str_make(field->ptr, field->len)));
        cv_buf_add(out, ",", i > 0);
        cv__csv_add(out, &options, cv_str_make(field->is_null ? NULL : field->ptr, field->len));
    }
    cv_buf_add_char(out, '\n');
}

/* 0 or the error, and the rows as the writer writes them. */
static int read_rows(cv_str text, size_t piece_bytes, cv_buf *out)
{
    cv_ctx *cx = cv_ctx_new(0);
    cv__csv_reader reader;
    size_t at = 0;
    int rc = 0;
    must(cx && cv__csv_reader_init(cx, &reader, &options) == 0);
    for (;;) {
        while ((rc = cv__csv_next(cx, &reader)) > 0)
            add_row(out, &reader);
        if (rc < 0 || reader.has_ended)
            break;
        cv_str piece = cv_str_sub(text, at, piece_bytes);
        at += piece.len;
        must(cv__csv_feed(cx, &reader, piece) == 0);
        if (at == text.len)
            cv__csv_end(&reader);
    }
    must(rc == 0 || cv_error_last(cx));
    cv__csv_reader_done(&reader);
    cv_ctx_free(cx);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    cv_str text = {(const char *)data + 1, size - 1};
    cv_buf whole, pieces, again;
    cv_buf_init(&whole, 0);
    cv_buf_init(&pieces, 0);
    cv_buf_init(&again, 0);
    int rc = read_rows(text, size, &whole);
    must((read_rows(text, data[0] ? data[0] : 1, &pieces) < 0) == (rc < 0));
    must(cv_str_equal(cv_buf_str(&whole), cv_buf_str(&pieces)));
    must(read_rows(cv_buf_str(&whole), 100, &again) == 0);
    must(cv_str_equal(cv_buf_str(&whole), cv_buf_str(&again)));
    cv_buf_done(&whole);
    cv_buf_done(&pieces);
    cv_buf_done(&again);
    return 0;
}
