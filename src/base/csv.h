/* CSV (RFC 4180): a streaming reader that copies each byte once, and a writer. Nothing here waits.
 *
 * The reader is fed pieces of any size and gives rows whose fields are views into its buffer. It is strict: a
 * quotation mark stands around a whole field or doubled inside such a field, a line ends with CR LF or LF (a lone CR is
 * an error), all rows have as many columns as the first, and the text is UTF-8; a byte order mark before it is skipped.
 * NULL is a field without quotation marks that equals `null_text`; so, by default, nothing between two delimiters is
 * NULL, and "" is the empty text, as in PostgreSQL's COPY ... CSV.
 *
 * What is kept is bounded by the longest row allowed. A row that is not complete is looked at again only when what
 * there is of it has doubled, so the work is linear in the length of the text however it comes in pieces. */
#ifndef COVET_SRC_BASE_CSV_H
#define COVET_SRC_BASE_CSV_H

#include <covet/ctx.h>
#include <covet/str.h>

/* Zero takes the default. */
typedef struct cv__csv_options {
    const char *name;       /* of the text, for messages: a file; NULL: none. Must outlive the reader */
    char delimiter;         /* ASCII, not a quotation mark, not the end of a line; "," */
    char quote;             /* likewise; '"' */
    bool has_header;        /* the first row is not counted */
    cv_str null_text;       /* without quotation marks it is NULL; the empty text. Must outlive the reader */
    size_t max_field_bytes; /* 16 MiB; at most 1 GiB */
    size_t max_row_bytes;   /* 32 MiB; at most 1 GiB */
    size_t max_columns;     /* 4,096 */
} cv__csv_options;

/** A field of a row; `ptr` is not NULL even when `is_null`. */
typedef struct cv__csv_field {
    const char *ptr;
    uint32_t len;
    uint32_t line : 29; /* lines below the start of the row at which the field starts */
    uint32_t is_quoted : 1;
    uint32_t is_null : 1;
    uint32_t has_doubled : 1; /* private */
} cv__csv_field;

/** A reader. The first four members are results, the others private. */
typedef struct cv__csv_reader {
    cv__csv_field *fields; /* of the present row; valid until the next row or piece */
    size_t count;
    uint64_t row;  /* its number, from 1; 0 is the header */
    uint64_t line; /* the line on which it starts, from 1 */
    cv__csv_options options;
    cv_buf text;             /* what was fed and not yet given out, behind `at` */
    size_t at;               /* where the next row starts in it */
    size_t look_again_bytes; /* an incomplete row is looked at again with that many bytes */
    size_t capacity;         /* of fields */
    size_t columns;          /* that all rows have; 0: not known yet */
    const char *const *names;
    const char *block; /* the block whose marks are kept; NULL: none */
    uint64_t marks;
    uint64_t next_line, next_row;
    bool has_started, has_ended;
    int error;
} cv__csv_reader;

/** The options with their defaults, and whether they can be: CV_E_INVALID for a delimiter or quotation mark that
 * cannot, or a null_text that cannot stand in a field without quotation marks. */
cv__csv_options cv__csv_complete(const cv__csv_options *options);
CV_CHECKED int cv__csv_check(cv_ctx *cx, const cv__csv_options *options);

/** Start. Free with cv__csv_reader_done. As cv__csv_check. */
CV_CHECKED int cv__csv_reader_init(cv_ctx *cx, cv__csv_reader *reader, const cv__csv_options *options);
void cv__csv_reader_done(cv__csv_reader *reader);

/** Add a piece, copied. The fields of the present row are no longer valid. CV_E_NOMEM. */
CV_CHECKED int cv__csv_feed(cv_ctx *cx, cv__csv_reader *reader, cv_str piece);

/** Nothing more will come. */
void cv__csv_end(cv__csv_reader *reader);

/** The next row: 1; 0 when more must be fed first, or, after cv__csv_end, at the end. CV_E_SYNTAX (quotation marks,
 *  number of columns, UTF-8, a lone CR; an end inside of quotation marks is CV_E_END), CV_E_LIMIT, CV_E_NOMEM; the
 *  message starts with cv__csv_place. After a failure the same code comes again. */
CV_CHECKED int cv__csv_next(cv_ctx *cx, cv__csv_reader *reader);

/** The columns of all rows, with their names for messages (each NUL-terminated; must outlive the reader). Without this,
 *  rows have as many columns as the first. */
void cv__csv_columns(cv__csv_reader *reader, const char *const *names, size_t count);

/** "books.csv, row 3, line 5, column \"price\"": a place in the present row, for messages; without a column when it is
 *  SIZE_MAX. In the context's arena; "" without memory. */
const char *cv__csv_place(cv_ctx *cx, const cv__csv_reader *reader, size_t column);

/* ---- writing ---- */

/** Add a field, with complete options: in quotation marks where it needs them (the delimiter, a quotation mark, the end
 * of a line, a space at an end, or what would be read as NULL or, alone in its line, as the end of the data by psql).
 * NULL is null_text. */
void cv__csv_add(cv_buf *out, const cv__csv_options *options, cv_str field);

#endif
