/* Formats for bulk (copy.h): CSV and JSON lines as sources and sinks.
 *
 *     cv_input *file;
 *     cv_copy_source rows;
 *     CV_TRY(cv_input_file(cx, "authors.csv", &file));
 *     CV_TRY(cv_csv_source(cx, file, NULL, &rows));
 *     CV_TRY(cv_copy_in(cx, "authors", &rows, NULL, NULL));
 *
 * Both are UTF-8. The texts of values are the same whatever the engine, and what is written is read back as the same
 * rows, by any engine:
 *
 *   integers, decimals   digits; decimals with as many places as the column has
 *   floats               the shortest text that reads back as the same number; NaN, Infinity, -Infinity
 *   booleans             true, false (f, t, 0 and 1 are read, too)
 *   times, dates         2026-11-21T10:00:00.000001Z (an offset, a space for the T and no seconds are read, too);
 *                        2026-11-21
 *   UUIDs                in lower case with hyphens
 *   bytes                CSV: \x and two hexadecimal digits each, as PostgreSQL writes them; JSON: base64
 *   JSON                 CSV: its text; JSON lines: as it is
 *   arrays, ranges       JSON (see cv_json_value)
 *   NULL                 CSV: nothing, without quotation marks; JSON lines: null, or no such member
 *
 * What does not fit the column is refused: "authors.csv, row 3, line 5, column "born": "1929-13-21" is not a date". */
#ifndef COVET_COPY_FORMATS_H
#define COVET_COPY_FORMATS_H

#include <covet/copy.h>
#include <covet/stream.h>

CV_BEGIN_DECLS

/* 0 or NULL takes the default. */
typedef struct cv_csv_options {
    char delimiter;             /* ASCII; "," */
    char quote;                 /* ASCII; '"' */
    bool no_header;             /* the first row is one of data; otherwise it has the names of the columns */
    const char *const *columns; /* read: their names, instead of those of a header, which is then passed over */
    size_t column_count;
    const char *null_text;  /* without quotation marks it is NULL; "" */
    bool crlf;              /* write: lines end with CR LF; LF */
    size_t max_field_bytes; /* read: 16 MiB; at most 1 GiB */
    size_t max_row_bytes;   /* read: 32 MiB; at most 1 GiB */
} cv_csv_options;

/** Rows out of CSV (RFC 4180). The input stays the caller's; it and the options' texts must outlive the source, which
 *  lives as long as the context's arena. Without a header the columns must be named. The header is read now. Suspends.
 *
 *  Now and later: CV_E_SYNTAX (quotation marks, number of columns, UTF-8, a value's text), CV_E_END (an end inside of
 *  quotation marks, or no header at all), CV_E_RANGE, CV_E_LIMIT, CV_E_INVALID (options), and the input's own. */
CV_API CV_CHECKED int cv_csv_source(cv_ctx *cx, cv_input *input, const cv_csv_options *options,
                                    cv_copy_source *ret_source);

/** CSV out of rows. The output stays the caller's, who finishes it after the copy. It and the options' texts must
 *  outlive the sink, which lives as long as the context's arena. CV_E_INVALID for a text that is not UTF-8, and the
 *  output's own. Does not suspend by itself. */
CV_API CV_CHECKED int cv_csv_sink(cv_ctx *cx, cv_output *output, const cv_csv_options *options, cv_copy_sink *ret_sink);

/* 0 or NULL takes the default. */
typedef struct cv_json_lines_options {
    const char *const *columns; /* read: the members there may be; those of the first line */
    size_t column_count;
    size_t max_line_bytes; /* read: 32 MiB; at most 1 GiB */
} cv_json_lines_options;

/** Rows out of JSON lines: an object a line. The first line is read now, and unless columns are given it has them all:
 *  later lines may leave members out (NULL), and have them in any order. Numbers may also be written as texts. As
 *  cv_csv_source otherwise; CV_E_FIELD for a member that is not among the columns. Suspends. */
CV_API CV_CHECKED int cv_json_lines_source(cv_ctx *cx, cv_input *input, const cv_json_lines_options *options,
                                           cv_copy_source *ret_source);

/** JSON lines out of rows. As cv_csv_sink. */
CV_API CV_CHECKED int cv_json_lines_sink(cv_ctx *cx, cv_output *output, cv_copy_sink *ret_sink);

CV_END_DECLS

#endif
