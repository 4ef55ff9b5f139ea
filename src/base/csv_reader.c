#include "base/csv.h"
#include "base/csv_scan.h"

#include <stdlib.h>

#define MAX_BYTES             ((size_t)1 << 30)
#define DEFAULT_FIELD_BYTES   ((size_t)16 << 20)
#define DEFAULT_ROW_BYTES     ((size_t)32 << 20)
#define DEFAULT_COLUMNS       ((size_t)4096)
#define FIRST_FIELDS          ((size_t)16)
#define CHEAP_TO_LOOK_AT      ((size_t)4096)
#define BYTE_ORDER_MARK_BYTES ((size_t)3)

/* What became of a row. */
enum { ROW_IS_INCOMPLETE = 0, ROW_IS_COMPLETE = 1 };

/* The way through one row. `end` is that of the text; the marks from `at` on are in `block` and behind it. */
struct scan {
    cv_ctx *cx;
    cv__csv_reader *reader;
    const char *start, *at, *end;
    const char *block;
    uint64_t marks;
    uint32_t lines;
    bool has_doubled;
};

static bool may_be_special(char c)
{
    return c > 0 && c != '\n' && c != '\r';
}

static size_t bounded(size_t wanted, size_t fallback, size_t most)
{
    return wanted == 0 ? fallback : wanted < most ? wanted : most;
}

cv__csv_options cv__csv_complete(const cv__csv_options *options)
{
    cv__csv_options complete = options ? *options : (cv__csv_options){0};
    complete.delimiter = complete.delimiter ? complete.delimiter : ',';
    complete.quote = complete.quote ? complete.quote : '"';
    complete.max_field_bytes = bounded(complete.max_field_bytes, DEFAULT_FIELD_BYTES, MAX_BYTES);
    complete.max_row_bytes = bounded(complete.max_row_bytes, DEFAULT_ROW_BYTES, MAX_BYTES);
    complete.max_columns = bounded(complete.max_columns, DEFAULT_COLUMNS, DEFAULT_COLUMNS);
    return complete;
}

int cv__csv_check(cv_ctx *cx, const cv__csv_options *options)
{
    if (!may_be_special(options->delimiter) || !may_be_special(options->quote) || options->delimiter == options->quote)
        return cv_fail(cx, CV_E_INVALID,
                       "the delimiter and the quotation mark of CSV must be two different ASCII characters that do not "
                       "end a line");
    for (size_t i = 0; i < options->null_text.len; i++) {
        char c = options->null_text.ptr[i];
        if (c == options->delimiter || c == options->quote || c == '\n' || c == '\r')
            return cv_fail(cx, CV_E_INVALID,
                           "the text for NULL in CSV cannot hold delimiters, quotation marks or lines");
    }
    return 0;
}

int cv__csv_reader_init(cv_ctx *cx, cv__csv_reader *reader, const cv__csv_options *options)
{
    *reader = (cv__csv_reader){.next_line = 1, .options = cv__csv_complete(options)};
    reader->next_row = reader->options.has_header ? 0 : 1;
    cv_buf_init(&reader->text, SIZE_MAX / 2);
    return cv__csv_check(cx, &reader->options);
}

void cv__csv_reader_done(cv__csv_reader *reader)
{
    if (!reader)
        return;
    cv_buf_done(&reader->text);
    free(reader->fields);
    reader->fields = NULL;
}

void cv__csv_columns(cv__csv_reader *reader, const char *const *names, size_t count)
{
    reader->names = names;
    reader->columns = count;
}

/* The room behind the text is zeroed, because blocks of it are read as a whole. */
int cv__csv_feed(cv_ctx *cx, cv__csv_reader *reader, cv_str piece)
{
    cv_buf *text = &reader->text;
    cv_buf_consume(text, reader->at);
    reader->at = 0;
    reader->block = NULL;
    reader->count = 0;
    if (!cv_buf_reserve(text, piece.len + CV__CSV_BLOCK_BYTES))
        return cv_fail(cx, CV_E_NOMEM, "could not read CSV: out of memory");
    cv_buf_add(text, piece.ptr, piece.len);
    memset(text->data + text->len, 0, CV__CSV_BLOCK_BYTES);
    return 0;
}

void cv__csv_end(cv__csv_reader *reader)
{
    reader->has_ended = true;
}

/* ---- places ---- */

static const char *column_text(cv_ctx *cx, const cv__csv_reader *reader, size_t column)
{
    if (column == SIZE_MAX)
        return "";
    if (reader->names && column < reader->columns)
        return cv_sprintf(cx, ", column \"%s\"", reader->names[column]);
    return cv_sprintf(cx, ", column %zu", column + 1);
}

const char *cv__csv_place(cv_ctx *cx, const cv__csv_reader *reader, size_t column)
{
    const char *name = reader->options.name ? reader->options.name : "", *in_column = column_text(cx, reader, column);
    const char *comma = *name ? ", " : "";
    uint64_t line = reader->line + (column < reader->count ? reader->fields[column].line : 0);
    const char *place = reader->row == 0
                            ? cv_sprintf(cx, "%s%sheader, line %llu%s", name, comma, (unsigned long long)line,
                                         in_column ? in_column : "")
                            : cv_sprintf(cx, "%s%srow %llu, line %llu%s", name, comma, (unsigned long long)reader->row,
                                         (unsigned long long)line, in_column ? in_column : "");
    return place ? place : "";
}

/* ---- one row ---- */

static void place_scan(struct scan *scan, const char *block)
{
    const cv__csv_options *options = &scan->reader->options;
    scan->block = block;
    scan->marks = cv__csv_marks(block, options->delimiter, options->quote);
}

/* The next byte that may end something, or the end; it is passed. */
static inline const char *next_mark(struct scan *scan)
{
    while (!scan->marks) {
        if (scan->end - scan->block <= CV__CSV_BLOCK_BYTES)
            return scan->end;
        place_scan(scan, scan->block + CV__CSV_BLOCK_BYTES);
    }
    const char *mark = scan->block + __builtin_ctzll(scan->marks);
    scan->marks &= scan->marks - 1;
    return mark;
}

static int grow_fields(struct scan *scan)
{
    cv__csv_reader *reader = scan->reader;
    size_t capacity = reader->capacity ? reader->capacity * 2 : FIRST_FIELDS;
    if (reader->count >= reader->options.max_columns)
        return cv_fail(scan->cx, CV_E_LIMIT, "%s: there are more than %zu columns",
                       cv__csv_place(scan->cx, reader, SIZE_MAX), reader->options.max_columns);
    cv__csv_field *fields = realloc(reader->fields, capacity * sizeof *fields);
    if (!fields)
        return cv_fail(scan->cx, CV_E_NOMEM, "could not read CSV: out of memory");
    reader->fields = fields;
    reader->capacity = capacity;
    return 0;
}

static int too_long(struct scan *scan)
{
    cv__csv_reader *reader = scan->reader;
    return cv_fail(scan->cx, CV_E_LIMIT, "%s: the field has more than %zu bytes",
                   cv__csv_place(scan->cx, reader, reader->count), reader->options.max_field_bytes);
}

static inline int add_field(struct scan *scan, cv__csv_field field, const char *end)
{
    cv__csv_reader *reader = scan->reader;
    size_t len = (size_t)(end - field.ptr);
    if (__builtin_expect(len > reader->options.max_field_bytes, 0))
        return too_long(scan);
    if (__builtin_expect(reader->count >= reader->capacity || reader->count >= reader->options.max_columns, 0))
        CV_TRY(grow_fields(scan));
    field.len = (uint32_t)len;
    reader->fields[reader->count++] = field;
    return 0;
}

static bool is_null(const cv__csv_reader *reader, const char *at, const char *end)
{
    size_t len = reader->options.null_text.len;
    return (size_t)(end - at) == len && (len == 0 || memcmp(at, reader->options.null_text.ptr, len) == 0);
}

static int lone_return(struct scan *scan)
{
    int rc = cv_fail(scan->cx, CV_E_SYNTAX, "%s: a carriage return that no line feed follows",
                     cv__csv_place(scan->cx, scan->reader, scan->reader->count));
    cv_error_hint(scan->cx, "lines end with LF or CR LF; in a value it needs quotation marks");
    return rc;
}

/* Behind a field, at a mark that is the delimiter or ends the row: 1 when more fields follow, 0 at the row's end,
 * -1 when more must be known, otherwise an error. */
enum { MORE_FIELDS = 1, END_OF_ROW = 0, MORE_BYTES = 2 };

static int pass_end_of_field(struct scan *scan, const char *stop)
{
    if (stop == scan->end) {
        scan->at = stop;
        return scan->reader->has_ended ? END_OF_ROW : MORE_BYTES;
    }
    if (*stop == '\r') {
        if (stop + 1 == scan->end && !scan->reader->has_ended)
            return MORE_BYTES;
        if (stop + 1 == scan->end || stop[1] != '\n')
            return lone_return(scan);
        stop = next_mark(scan);
    }
    scan->at = stop + 1;
    if (*stop != '\n')
        return MORE_FIELDS;
    scan->lines++;
    return END_OF_ROW;
}

static int plain_field(struct scan *scan)
{
    cv__csv_reader *reader = scan->reader;
    const char *start = scan->at, *stop = next_mark(scan);
    if (__builtin_expect(stop != scan->end && *stop == reader->options.quote, 0)) {
        int rc = cv_fail(scan->cx, CV_E_SYNTAX, "%s: a quotation mark inside of a field without quotation marks",
                         cv__csv_place(scan->cx, reader, reader->count));
        cv_error_hint(scan->cx, "put the whole field into quotation marks and double those inside");
        return rc;
    }
    if (__builtin_expect(stop == scan->end && !reader->has_ended, 0))
        return MORE_BYTES;
    cv__csv_field field = {.ptr = start, .line = scan->lines, .is_null = is_null(reader, start, stop)};
    CV_TRY(add_field(scan, field, stop));
    return pass_end_of_field(scan, stop);
}

static int behind_quote(struct scan *scan)
{
    return cv_fail(scan->cx, CV_E_SYNTAX, "%s: there is something behind the closing quotation mark",
                   cv__csv_place(scan->cx, scan->reader, scan->reader->count - 1));
}

static int open_at_the_end(struct scan *scan)
{
    cv__csv_reader *reader = scan->reader;
    const char *place = cv__csv_place(scan->cx, reader, reader->count);
    return cv_fail(scan->cx, CV_E_END, "%s: the text ends inside of quotation marks", place);
}

/* From the opening quotation mark, which is the next mark, to the closing one; NULL when there is none so far. */
static const char *closing_quote(struct scan *scan, bool *ret_doubled)
{
    const char quote = scan->reader->options.quote;
    (void)next_mark(scan);
    for (const char *mark; (mark = next_mark(scan)) != scan->end;) {
        if (*mark == '\n') {
            scan->lines++;
        } else if (*mark == quote) {
            if (mark + 1 == scan->end || mark[1] != quote)
                return mark;
            (void)next_mark(scan);
            *ret_doubled = true;
        }
    }
    return NULL;
}

static int quoted_field(struct scan *scan)
{
    cv__csv_reader *reader = scan->reader;
    cv__csv_field field = {.ptr = scan->at + 1, .line = scan->lines, .is_quoted = true};
    bool doubled = false;
    const char *close = closing_quote(scan, &doubled);
    if (!close)
        return reader->has_ended ? open_at_the_end(scan) : MORE_BYTES;
    if (close + 1 == scan->end && !reader->has_ended)
        return MORE_BYTES;
    field.has_doubled = doubled;
    scan->has_doubled |= doubled;
    CV_TRY(add_field(scan, field, close));
    const char *stop = next_mark(scan);
    if (stop != close + 1)
        return behind_quote(scan);
    return pass_end_of_field(scan, stop);
}

/* ROW_IS_COMPLETE with scan->at behind it, or ROW_IS_INCOMPLETE. */
static int scan_row(struct scan *scan)
{
    const char quote = scan->reader->options.quote;
    int rc = MORE_FIELDS;
    while (rc == MORE_FIELDS)
        rc = scan->at != scan->end && *scan->at == quote ? quoted_field(scan) : plain_field(scan);
    return rc == END_OF_ROW ? ROW_IS_COMPLETE : rc == MORE_BYTES ? ROW_IS_INCOMPLETE : rc;
}

/* ---- what a complete row must be ---- */

static int bad_utf8(struct scan *scan)
{
    cv__csv_reader *reader = scan->reader;
    size_t column = 0;
    while (column + 1 < reader->count &&
           cv_utf8_valid(cv_str_make(reader->fields[column].ptr, reader->fields[column].len)))
        column++;
    int rc =
        cv_fail(scan->cx, CV_E_SYNTAX, "%s: the value is not valid UTF-8", cv__csv_place(scan->cx, reader, column));
    cv_error_hint(scan->cx, "convert the file to UTF-8, for example with iconv");
    return rc;
}

static int wrong_columns(struct scan *scan)
{
    cv__csv_reader *reader = scan->reader;
    return cv_fail(scan->cx, CV_E_SYNTAX, "%s: %zu column%s where %zu %s expected",
                   cv__csv_place(scan->cx, reader, SIZE_MAX), reader->count, reader->count == 1 ? "" : "s",
                   reader->columns, reader->columns == 1 ? "is" : "are");
}

static int check_row(struct scan *scan)
{
    cv__csv_reader *reader = scan->reader;
    if (!cv_utf8_valid(cv_str_make(scan->start, (size_t)(scan->at - scan->start))))
        return bad_utf8(scan);
    if (reader->columns == 0)
        reader->columns = reader->count;
    return reader->count == reader->columns ? 0 : wrong_columns(scan);
}

/* Doubled quotation marks become one, in place. */
static void halve_quotes(char *text, cv__csv_field *field, char quote)
{
    char *at = text, *to = text, *end = text + field->len;
    while (at != end) {
        at += *at == quote;
        const char *next = memchr(at + 1, quote, (size_t)(end - at - 1));
        size_t len = (size_t)((next ? next : end) - at);
        memmove(to, at, len);
        to += len;
        at += len;
    }
    field->len = (uint32_t)(to - text);
}

static void halve_all_quotes(cv__csv_reader *reader)
{
    char *text = reader->text.data;
    for (size_t i = 0; i < reader->count; i++)
        if (reader->fields[i].has_doubled)
            halve_quotes(text + (reader->fields[i].ptr - text), &reader->fields[i], reader->options.quote);
}

/* ---- rows ---- */

static int row_too_long(cv_ctx *cx, cv__csv_reader *reader)
{
    return cv_fail(cx, CV_E_LIMIT, "%s: the row has more than %zu bytes", cv__csv_place(cx, reader, SIZE_MAX),
                   reader->options.max_row_bytes);
}

static int need_more(cv_ctx *cx, cv__csv_reader *reader, size_t present)
{
    reader->count = 0;
    if (present > reader->options.max_row_bytes)
        return row_too_long(cx, reader);
    reader->look_again_bytes = present < CHEAP_TO_LOOK_AT ? present + 1 : present * 2;
    if (reader->look_again_bytes > reader->options.max_row_bytes)
        reader->look_again_bytes = reader->options.max_row_bytes + 1;
    return ROW_IS_INCOMPLETE;
}

static int finish_row(struct scan *scan)
{
    cv__csv_reader *reader = scan->reader;
    if ((size_t)(scan->at - scan->start) > reader->options.max_row_bytes)
        return row_too_long(scan->cx, reader);
    CV_TRY(check_row(scan));
    if (scan->has_doubled)
        halve_all_quotes(reader);
    reader->at = (size_t)(scan->at - reader->text.data);
    reader->next_line += scan->lines;
    reader->next_row++;
    reader->look_again_bytes = 0;
    reader->block = scan->block;
    reader->marks = scan->marks;
    return ROW_IS_COMPLETE;
}

static int next_row(cv_ctx *cx, cv__csv_reader *reader)
{
    size_t present = reader->text.len - reader->at;
    reader->count = 0;
    reader->row = reader->next_row;
    reader->line = reader->next_line;
    if (present == 0 || (present < reader->look_again_bytes && !reader->has_ended))
        return ROW_IS_INCOMPLETE;
    const char *start = reader->text.data + reader->at;
    struct scan scan = {.cx = cx, .reader = reader, .start = start, .at = start, .end = start + present};
    if (reader->block) {
        scan.block = reader->block;
        scan.marks = reader->marks;
    } else {
        place_scan(&scan, start);
    }
    int rc = scan_row(&scan);
    if (rc == ROW_IS_INCOMPLETE) {
        reader->block = NULL;
        return need_more(cx, reader, present);
    }
    return rc < 0 ? rc : finish_row(&scan);
}

/* False while it cannot be told whether there is a byte order mark. */
static bool pass_byte_order_mark(cv__csv_reader *reader)
{
    const cv_buf *text = &reader->text;
    if (text->len < BYTE_ORDER_MARK_BYTES && !reader->has_ended)
        return false;
    if (text->len >= BYTE_ORDER_MARK_BYTES && memcmp(text->data, "\xEF\xBB\xBF", BYTE_ORDER_MARK_BYTES) == 0)
        reader->at = BYTE_ORDER_MARK_BYTES;
    reader->has_started = true;
    return true;
}

int cv__csv_next(cv_ctx *cx, cv__csv_reader *reader)
{
    if (reader->error)
        return reader->error;
    if (!reader->has_started && !pass_byte_order_mark(reader))
        return 0;
    int rc = next_row(cx, reader);
    if (rc < 0)
        reader->error = rc;
    return rc;
}
