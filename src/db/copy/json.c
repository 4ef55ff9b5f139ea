/* JSON lines as a source and a sink of bulk. */
#include "base/base64.h"
#include "base/ctx.h"
#include "base/json_writer.h"
#include "db/copy/text.h"

#include <covet/copy_formats.h>
#include <covet/json.h>
#include <math.h>
#include <stdio.h>

#define DEFAULT_LINE_BYTES ((size_t)32 << 20)
#define MAX_LINE_BYTES     ((size_t)1 << 30)
#define MAX_MEMBERS        ((size_t)4096)

/* ---- lines ---- */

/* Lines out of pieces: of what was fed, `at` bytes were given out and `seen` bytes have no end of a line. */
typedef struct lines {
    cv_input *input;
    cv_buf text;
    size_t at, seen, max_bytes;
    int64_t line; /* the present one, from 1 */
    bool has_ended;
} lines;

static int feed(cv_ctx *cx, lines *from)
{
    cv_str piece;
    int rc = cv_input_read(cx, from->input, &piece);
    CV_TRY(rc);
    from->has_ended = rc == 0;
    if (rc == 0)
        return 0;
    cv_buf_consume(&from->text, from->at);
    from->at = 0;
    cv_buf_add_str(&from->text, piece);
    return from->text.error
               ? cv_fail(cx, CV_E_NOMEM, "could not read \"%s\": out of memory", cv_input_name(from->input))
               : 0;
}

/* The end of the line at `at`, or NULL. */
static const char *find_end(const lines *from)
{
    const char *start = from->text.data + from->at;
    size_t len = from->text.len - from->at;
    return len > from->seen ? memchr(start + from->seen, '\n', len - from->seen) : NULL;
}

/* 1 with a line, valid until the next call; 0 at the end. */
static int next_line(cv_ctx *cx, lines *from, cv_str *ret_line)
{
    const char *end;
    from->seen = 0;
    while (!(end = find_end(from)) && !from->has_ended) {
        from->seen = from->text.len - from->at;
        if (from->seen > from->max_bytes)
            break;
        CV_TRY(feed(cx, from));
    }
    const char *start = from->text.data ? from->text.data + from->at : "";
    size_t len = end ? (size_t)(end - start) : from->text.len - from->at;
    if (len == 0 && !end)
        return 0;
    from->line++;
    if (len > from->max_bytes)
        return cv_fail(cx, CV_E_LIMIT, "%s, line %lld: it has more than %zu bytes", cv_input_name(from->input),
                       (long long)from->line, from->max_bytes);
    *ret_line = cv_str_make(start, len);
    from->at += len + (end != NULL);
    return 1;
}

/* ---- the source ---- */

typedef struct json_source {
    lines lines;
    const char **names;
    size_t count;
    const cv_copy_column *columns; /* NULL until `start` */
    cv__copy_text_reader **read;   /* by column */
    cv_value *values;
    int64_t *given; /* by column: the line that had it last */
    cv_str first;   /* the first line, read for its names; ptr NULL: passed */
} json_source;

static const char *place(cv_ctx *cx, void *arg, size_t column)
{
    const json_source *source = arg;
    const char *name = cv_input_name(source->lines.input), *text;
    long long line = (long long)source->lines.line;
    text = column == SIZE_MAX
               ? cv_sprintf(cx, "%s, row %lld, line %lld", name, line, line)
               : cv_sprintf(cx, "%s, row %lld, line %lld, column \"%s\"", name, line, line, source->names[column]);
    return text ? text : "";
}

static int no_object(cv_ctx *cx, json_source *source, int rc)
{
    return cv_fail(cx, rc, "%s: it is not a JSON object", place(cx, source, SIZE_MAX));
}

static int unknown_member(cv_ctx *cx, json_source *source, cv_str name)
{
    const char *nearest = cv_str_nearest(name, source->names, source->count);
    int rc = cv_fail(cx, CV_E_FIELD, "%s: there is no column \"%.*s\"", place(cx, source, SIZE_MAX),
                     CV_STR_ARG(cv_str_sub(name, 0, 64)));
    if (nearest)
        cv_error_hint(cx, "did you mean \"%s\"?", nearest);
    else
        cv_error_hint(cx, "the members of the first line are the columns; later lines can leave some out");
    return rc;
}

/* Members mostly come in the same order: `guess` is tried first. */
static int find_column(cv_ctx *cx, json_source *source, cv_str name, size_t guess, size_t *ret_column)
{
    for (size_t i = 0; i < source->count; i++) {
        size_t column = (guess + i) % source->count;
        if (!cv_str_equal(name, cv_str_of(source->names[column])))
            continue;
        if (source->given[column] == source->lines.line)
            return cv_fail(cx, CV_E_SYNTAX, "%s: the member comes twice", place(cx, source, column));
        source->given[column] = source->lines.line;
        *ret_column = column;
        return 0;
    }
    return unknown_member(cx, source, name);
}

static int read_base64(cv_ctx *cx, cv_str text, cv_value *ret_value)
{
    uint8_t *bytes = cv_alloc(cx, text.len / 4 * 3 + 1);
    size_t len;
    if (!bytes) {
        cv_error_clear(cx);
        return CV_E_NOMEM;
    }
    CV_TRY(cv__base64_read(text, bytes, &len));
    *ret_value = cv_value_bytes((cv_bytes){bytes, len});
    return 0;
}

static int read_number(cv_ctx *cx, json_source *source, const cv_json_reader *json, size_t column, cv_value *ret_value)
{
    const cv_copy_column *of = &source->columns[column];
    int64_t whole;
    switch (of->type) {
    case CV_TYPE_NULL:
        if (cv_json_number_i64(json, &whole) == 0)
            *ret_value = cv_value_i64(whole);
        else
            return cv__copy_text_reader_of(&(cv_copy_column){.type = CV_TYPE_F64})(cx, of, json->text, ret_value);
        return 0;
    case CV_TYPE_I64: { /* 1e3 and 1.0 are whole, too */
        char text[24];
        int rc = cv_json_number_i64(json, &whole);
        if (rc < 0)
            return rc == CV_E_TYPE ? CV_E_SYNTAX : rc;
        snprintf(text, sizeof text, "%lld", (long long)whole);
        return source->read[column](cx, of, cv_str_of(text), ret_value);
    }
    case CV_TYPE_F64:
    case CV_TYPE_DECIMAL:
        return source->read[column](cx, of, json->text, ret_value);
    default:
        return CV_E_TYPE;
    }
}

static int read_bool(cv_type type, bool value, cv_value *ret_value)
{
    if (type != CV_TYPE_BOOL && type != CV_TYPE_NULL)
        return CV_E_TYPE;
    *ret_value = cv_value_bool(value);
    return 0;
}

static bool is_written_in_json(cv_type type)
{
    return type == CV_TYPE_JSON || type == CV_TYPE_ARRAY || type == CV_TYPE_RANGE;
}

/* A value as it is written. */
static int read_raw(cv_ctx *cx, json_source *source, cv_json_reader *json, size_t column, cv_value *ret_value)
{
    cv_str raw;
    int rc = cv_json_skip(json, &raw);
    if (rc < 0)
        return no_object(cx, source, rc);
    if (source->columns[column].type == CV_TYPE_JSON) {
        *ret_value = cv_value_json((cv_json){raw});
        return 0;
    }
    rc = source->read[column](cx, &source->columns[column], raw, ret_value);
    if (rc < 0)
        return cv__copy_text_refuse(cx, rc, place(cx, source, column), &source->columns[column], cv_value_str(raw));
    return 0;
}

static int read_scalar(cv_ctx *cx, json_source *source, cv_json_reader *json, cv_json_event event, size_t column,
                       cv_value *ret_value)
{
    const cv_copy_column *of = &source->columns[column];
    switch (event) {
    case CV_JSON_BOOL:
        return read_bool(of->type, json->boolean, ret_value);
    case CV_JSON_NUMBER:
        return read_number(cx, source, json, column, ret_value);
    case CV_JSON_STRING:
        if (of->type == CV_TYPE_BYTES)
            return read_base64(cx, json->text, ret_value);
        return source->read[column](cx, of, json->text, ret_value);
    default:
        return CV_E_TYPE;
    }
}

static cv_value given_value(const cv_json_reader *json, cv_json_event event)
{
    switch (event) {
    case CV_JSON_BOOL:
        return cv_value_bool(json->boolean);
    case CV_JSON_OBJECT_START:
        return cv_value_text("{...}");
    case CV_JSON_ARRAY_START:
        return cv_value_text("[...]");
    default:
        return cv_value_str(json->text);
    }
}

static int read_value(cv_ctx *cx, json_source *source, cv_json_reader *json, size_t column)
{
    cv_value *value = &source->values[column];
    cv_json_event event;
    int rc = cv_json_peek(json, &event);
    if (rc < 0)
        return no_object(cx, source, rc);
    if (event != CV_JSON_NULL && is_written_in_json(source->columns[column].type))
        return read_raw(cx, source, json, column, value);
    rc = cv_json_next(json, &event);
    if (rc < 0)
        return no_object(cx, source, rc);
    if (event == CV_JSON_NULL)
        return 0;
    rc = read_scalar(cx, source, json, event, column, value);
    if (rc < 0)
        return cv__copy_text_refuse(cx, rc, place(cx, source, column), &source->columns[column],
                                    given_value(json, event));
    return 0;
}

/* Up to the first member. */
static int begin_object(cv_ctx *cx, json_source *source, cv_json_reader *json, cv_str line)
{
    cv_json_event event;
    cv_json_reader_init(json, cx, line, NULL);
    int rc = cv_json_next(json, &event);
    if (rc == 0 && event != CV_JSON_OBJECT_START)
        rc = CV_E_SYNTAX;
    return rc < 0 ? no_object(cx, source, rc) : 0;
}

/* 1 with a member's name, 0 when the object and the line are over. */
static int next_member(cv_ctx *cx, json_source *source, cv_json_reader *json, cv_str *ret_name)
{
    cv_json_event event;
    int rc = cv_json_next(json, &event);
    if (rc == 0 && event == CV_JSON_KEY) {
        *ret_name = json->text;
        return 1;
    }
    if (rc == 0)
        rc = cv_json_next(json, &event); /* nothing follows */
    return rc < 0 ? no_object(cx, source, rc) : 0;
}

static int read_line(cv_ctx *cx, json_source *source, cv_str line)
{
    cv_json_reader json;
    cv_str name;
    size_t column = SIZE_MAX;
    int rc;
    for (size_t i = 0; i < source->count; i++)
        source->values[i] = cv_value_null();
    CV_TRY(begin_object(cx, source, &json, line));
    while ((rc = next_member(cx, source, &json, &name)) > 0) {
        CV_TRY(find_column(cx, source, name, column + 1, &column));
        CV_TRY(read_value(cx, source, &json, column));
    }
    return rc;
}

static int next_row(cv_ctx *cx, void *arg, const cv_value **ret_values)
{
    json_source *source = arg;
    cv_str line = source->first;
    int rc = line.ptr ? 1 : next_line(cx, &source->lines, &line);
    source->first = cv_str_make(NULL, 0);
    if (rc <= 0)
        return rc;
    CV_TRY(read_line(cx, source, line));
    *ret_values = source->values;
    return 1;
}

static int start_source(cv_ctx *cx, void *arg, const cv_copy_column *columns, size_t count)
{
    json_source *source = arg;
    source->columns = columns;
    return cv__copy_text_readers(cx, columns, count, &source->read);
}

static void free_text(void *text)
{
    cv_buf_done(text);
}

/* The names of the members of the first line. */
static int read_names(cv_ctx *cx, json_source *source, cv_str line)
{
    cv_json_reader json;
    cv_str name;
    int rc;
    const char **names = cv_zalloc(cx, MAX_MEMBERS, sizeof *names);
    if (!names)
        return cx->error_code;
    CV_TRY(begin_object(cx, source, &json, line));
    while ((rc = next_member(cx, source, &json, &name)) > 0) {
        if (source->count == MAX_MEMBERS)
            return cv_fail(cx, CV_E_LIMIT, "%s: there are more than %zu members", place(cx, source, SIZE_MAX),
                           MAX_MEMBERS);
        if (!(names[source->count++] = cv_strndup(cx, name.ptr, name.len)))
            return cx->error_code;
        rc = cv_json_skip(&json, NULL);
        if (rc < 0)
            return no_object(cx, source, rc);
    }
    source->names = names;
    return rc;
}

static int copy_names(cv_ctx *cx, json_source *source, const cv_json_lines_options *options)
{
    source->count = options->column_count;
    source->names = cv_zalloc(cx, source->count, sizeof *source->names);
    if (!source->names)
        return cx->error_code;
    memcpy(source->names, options->columns, source->count * sizeof *source->names);
    return 0;
}

/* The first line, or its absence, is known before the copy begins. */
static int read_head(cv_ctx *cx, json_source *source, const cv_json_lines_options *options)
{
    int rc = next_line(cx, &source->lines, &source->first);
    CV_TRY(rc);
    if (options->column_count > 0)
        return copy_names(cx, source, options);
    if (rc == 0)
        return cv_fail(cx, CV_E_END, "cannot read \"%s\": it is empty, and names no columns",
                       cv_input_name(source->lines.input));
    return read_names(cx, source, source->first);
}

static size_t line_limit(size_t wanted)
{
    return wanted == 0 ? DEFAULT_LINE_BYTES : wanted < MAX_LINE_BYTES ? wanted : MAX_LINE_BYTES;
}

int cv_json_lines_source(cv_ctx *cx, cv_input *input, const cv_json_lines_options *options, cv_copy_source *ret_source)
{
    static const cv_json_lines_options defaults = {0};
    json_source *source = cv_zalloc(cx, 1, sizeof *source);
    if (!source)
        return cx->error_code;
    if (!options)
        options = &defaults;
    source->lines = (lines){.input = input, .max_bytes = line_limit(options->max_line_bytes)};
    cv_buf_init(&source->lines.text, SIZE_MAX / 2);
    CV_TRY(cv_cleanup(cx, free_text, &source->lines.text));
    CV_TRY(read_head(cx, source, options));
    source->values = cv_zalloc(cx, source->count + 1, sizeof *source->values);
    source->given = cv_zalloc(cx, source->count + 1, sizeof *source->given);
    if (!source->values || !source->given)
        return cx->error_code;
    *ret_source = (cv_copy_source){.columns = source->names,
                                   .column_count = source->count,
                                   .start = start_source,
                                   .next = next_row,
                                   .place = place,
                                   .arg = source,
                                   .name = cv_input_name(source->lines.input)};
    return 0;
}

/* ---- the sink ---- */

typedef struct json_sink {
    cv_output *output;
    const cv_copy_column *columns;
    cv_str *keys; /* ready */
    size_t count;
    int64_t row;
    cv_buf text; /* of the present row */
} json_sink;

static int start_sink(cv_ctx *cx, void *arg, const cv_copy_column *columns, size_t count)
{
    json_sink *sink = arg;
    sink->columns = columns;
    sink->count = count;
    sink->keys = cv_zalloc(cx, count + 1, sizeof *sink->keys);
    if (!sink->keys)
        return cx->error_code;
    for (size_t i = 0; i < count; i++) {
        sink->keys[i] = cv__json_ready_key(cv_ctx_arena(cx), cv_str_of(columns[i].name));
        if (!sink->keys[i].ptr)
            return cv_fail(cx, CV_E_NOMEM, "could not write rows: out of memory");
    }
    return 0;
}

/* What JSON has no numbers for is a text; a decimal has its column's places. */
static cv_value written_value(const cv_copy_column *column, cv_value value)
{
    if (value.type == CV_TYPE_F64 && !isfinite(value.as.f64))
        return cv_value_text(isnan(value.as.f64) ? "NaN" : value.as.f64 < 0 ? "-Infinity" : "Infinity");
    if (value.type == CV_TYPE_DECIMAL)
        return cv_value_decimal(cv__copy_text_decimal(column, value.as.decimal));
    return value;
}

static int write_row(cv_ctx *cx, void *arg, const cv_value *values)
{
    json_sink *sink = arg;
    cv_json_writer writer;
    sink->row++;
    cv_buf_clear(&sink->text);
    cv_json_writer_init(&writer, &sink->text, 0);
    cv_json_object_start(&writer);
    for (size_t i = 0; i < sink->count; i++) {
        const cv_value value = written_value(&sink->columns[i], values[i]);
        if (value.type == CV_TYPE_TEXT)
            CV_TRY(cv__copy_text_check(cx, &sink->columns[i], value.as.text, sink->row));
        cv__json_member(&writer, sink->keys[i], &value);
    }
    cv_json_object_end(&writer);
    cv_buf_add_char(&sink->text, '\n');
    if (sink->text.error)
        return cv_fail(cx, sink->text.error, "could not write row %lld: %s", (long long)sink->row,
                       cv_error_text(sink->text.error));
    return cv_output_write(cx, sink->output, cv_buf_str(&sink->text));
}

int cv_json_lines_sink(cv_ctx *cx, cv_output *output, cv_copy_sink *ret_sink)
{
    json_sink *sink = cv_zalloc(cx, 1, sizeof *sink);
    if (!sink)
        return cx->error_code;
    sink->output = output;
    cv_buf_init(&sink->text, MAX_LINE_BYTES);
    CV_TRY(cv_cleanup(cx, free_text, &sink->text));
    *ret_sink = (cv_copy_sink){.start = start_sink, .row = write_row, .arg = sink};
    return 0;
}
