/* JSON (RFC 8259): a pull reader that copies nothing it need not, and a writer without an intermediate tree.
 *
 * The reader walks one complete text. Strings without escapes are views into the text; others are decoded into the
 * arena given. Depth, size and string length are bounded. Errors carry byte offset, line and column. Nothing here
 * suspends. */
#ifndef COVET_JSON_H
#define COVET_JSON_H

#include <covet/ctx.h>
#include <covet/str.h>
#include <covet/value.h>

CV_BEGIN_DECLS

typedef enum cv_json_event {
    CV_JSON_END, /* the whole text was read */
    CV_JSON_NULL,
    CV_JSON_BOOL,
    CV_JSON_NUMBER,
    CV_JSON_STRING,
    CV_JSON_ARRAY_START,
    CV_JSON_ARRAY_END,
    CV_JSON_OBJECT_START,
    CV_JSON_OBJECT_END,
    CV_JSON_KEY, /* followed by the value's event */
} cv_json_event;

typedef struct cv_json_limits {
    int max_depth;           /* default 64 */
    size_t max_string_bytes; /* default 16 MiB, decoded */
} cv_json_limits;

/** A reader. Fields are for reading only, and only those documented as results. */
typedef struct cv_json_reader {
    cv_str text;   /* result: the string or key decoded, or the number as written */
    bool boolean;  /* result of CV_JSON_BOOL */
    size_t offset; /* result: byte offset at which the present event starts */
    int depth;     /* result: open arrays and objects */
    /* private */
    const char *start, *at, *end;
    cv_ctx *cx;
    cv_json_limits limits;
    uint64_t stack[16]; /* a bit per level: object or array */
    int state;
    int error;     /* the first failure, returned ever after */
    bool skipping; /* strings are checked but not decoded */
    bool peeked;
    int peeked_event;
} cv_json_reader;

/** Start reading `text`, which must stay valid while the reader and its views are used. A byte order mark is an error.
 *  `limits` NULL takes the defaults; max_depth is at most 1024. Decoded strings and errors go to `cx`. */
CV_API void cv_json_reader_init(cv_json_reader *reader, cv_ctx *cx, cv_str text, const cv_json_limits *limits);

/** The next event. CV_E_SYNTAX (message with line, column and what was expected), CV_E_LIMIT, CV_E_NOMEM. After a
 *  failure the same code comes again, without a story. CV_JSON_END may be asked for again, too. */
CV_API CV_CHECKED int cv_json_next(cv_json_reader *reader, cv_json_event *ret_event);

/** Look at the next event without taking it; its results are readable. */
CV_API CV_CHECKED int cv_json_peek(cv_json_reader *reader, cv_json_event *ret_event);

/** Skip one whole value (the next event must start one, otherwise CV_E_STATE); `ret_raw` (may be NULL) gets its text as
 *  written. */
CV_API CV_CHECKED int cv_json_skip(cv_json_reader *reader, cv_str *ret_raw);

/** The number just read: CV_E_TYPE when it has a fraction or exponent that leaves no whole number, CV_E_RANGE. Without
 * a story. */
CV_API CV_CHECKED int cv_json_number_i64(const cv_json_reader *reader, int64_t *ret_value);
CV_API CV_CHECKED int cv_json_number_f64(const cv_json_reader *reader, double *ret_value);
CV_API CV_CHECKED int cv_json_number_decimal(const cv_json_reader *reader, cv_decimal *ret_value);

/** The line and column, both from 1, columns in bytes, of a byte offset. */
CV_API void cv_json_position(const cv_json_reader *reader, size_t offset, int *ret_line, int *ret_column);

/** Check a whole text; the error has the position. */
CV_API CV_CHECKED int cv_json_check(cv_ctx *cx, cv_str text, const cv_json_limits *limits);

/** A writer into a buffer. Commas and colons come by themselves; misuse (a value where a key is due, unbalanced ends,
 *  more than 64 levels) makes the buffer's error CV_E_STATE. Output is minimal; `indent` > 0 makes it readable. */
typedef struct cv_json_writer {
    cv_buf *out;
    int indent;
    /* private */
    int depth;
    bool first, after_key;
    uint64_t objects; /* a bit per level */
} cv_json_writer;

CV_API void cv_json_writer_init(cv_json_writer *writer, cv_buf *out, int indent);
CV_API void cv_json_object_start(cv_json_writer *writer);
CV_API void cv_json_object_end(cv_json_writer *writer);
CV_API void cv_json_array_start(cv_json_writer *writer);
CV_API void cv_json_array_end(cv_json_writer *writer);
CV_API void cv_json_key(cv_json_writer *writer, cv_str key);
CV_API void cv_json_null(cv_json_writer *writer);
CV_API void cv_json_bool(cv_json_writer *writer, bool value);
CV_API void cv_json_i64(cv_json_writer *writer, int64_t value);
/** Shortest text that reads back to the same double; NaN and infinities become null. */
CV_API void cv_json_f64(cv_json_writer *writer, double value);
/** Escapes what RFC 8259 asks for; bytes that are not UTF-8 become U+FFFD. A NULL view becomes null. */
CV_API void cv_json_str(cv_json_writer *writer, cv_str value);
CV_API void cv_json_text(cv_json_writer *writer, const char *value);
/** Text that is JSON already; it is not checked. */
CV_API void cv_json_raw(cv_json_writer *writer, cv_str json);
/** Any value: decimals as JSON numbers with all digits, times and dates as strings, UUIDs as strings, bytes as base64;
 *  arrays as arrays, whose NaN and infinities are the strings "NaN", "Infinity", "-Infinity"; ranges as
 *  {"lower": 1, "upper": 5, "bounds": "[)"}, null where there is no bound, or {"empty": true}. */
CV_API void cv_json_value(cv_json_writer *writer, cv_value value);

CV_END_DECLS

#endif
