/* CSV as a source and a sink of bulk. */
#include "base/csv.h"
#include "base/ctx.h"
#include "base/f64.h"
#include "base/number.h"
#include "db/copy/text.h"

#include <covet/copy_formats.h>
#include <math.h>

static const cv_csv_options defaults = {0};

/* ---- the source ---- */

typedef struct csv_source {
    cv_input *input;
    cv__csv_reader reader;
    const cv_copy_column *columns; /* NULL until `start` */
    cv__copy_text_reader **read;   /* by column */
    cv_value *values;
    size_t count;
    bool has_row; /* the first row was read to see how many columns there are */
} csv_source;

static void free_reader(void *reader)
{
    cv__csv_reader_done(reader);
}

/* 1 with a row in the reader, 0 at the end. */
static int read_row(cv_ctx *cx, csv_source *source)
{
    int rc;
    while ((rc = cv__csv_next(cx, &source->reader)) == 0 && !source->reader.has_ended) {
        cv_str piece;
        rc = cv_input_read(cx, source->input, &piece);
        CV_TRY(rc);
        if (rc == 0)
            cv__csv_end(&source->reader);
        else
            CV_TRY(cv__csv_feed(cx, &source->reader, piece));
    }
    return rc;
}

static int refuse(cv_ctx *cx, csv_source *source, int code, size_t column)
{
    const cv__csv_field *field = &source->reader.fields[column];
    return cv__copy_text_refuse(cx, code, cv__csv_place(cx, &source->reader, column), &source->columns[column],
                                cv_value_str(cv_str_make(field->ptr, field->len)));
}

static int next_row(cv_ctx *cx, void *arg, const cv_value **ret_values)
{
    csv_source *source = arg;
    int rc = source->has_row ? 1 : read_row(cx, source);
    source->has_row = false;
    if (rc <= 0)
        return rc;
    const cv__csv_field *fields = source->reader.fields;
    for (size_t i = 0; i < source->count; i++) {
        if (fields[i].is_null) {
            source->values[i] = cv_value_null();
            continue;
        }
        rc = source->read[i](cx, &source->columns[i], cv_str_make(fields[i].ptr, fields[i].len), &source->values[i]);
        if (rc < 0)
            return refuse(cx, source, rc, i);
    }
    *ret_values = source->values;
    return 1;
}

static int start_source(cv_ctx *cx, void *arg, const cv_copy_column *columns, size_t count)
{
    csv_source *source = arg;
    source->columns = columns;
    return cv__copy_text_readers(cx, columns, count, &source->read);
}

static const char *place(cv_ctx *cx, void *arg, size_t column)
{
    const csv_source *source = arg;
    return cv__csv_place(cx, &source->reader, column);
}

static cv__csv_options reader_options(cv_input *input, const cv_csv_options *options)
{
    return (cv__csv_options){.name = cv_input_name(input),
                             .delimiter = options->delimiter,
                             .quote = options->quote,
                             .has_header = !options->no_header,
                             .null_text = cv_str_of(options->null_text ? options->null_text : ""),
                             .max_field_bytes = options->max_field_bytes,
                             .max_row_bytes = options->max_row_bytes};
}

static int read_names(cv_ctx *cx, const cv__csv_reader *reader, const char **names)
{
    for (size_t i = 0; i < reader->count; i++)
        if (!(names[i] = cv_strndup(cx, reader->fields[i].ptr, reader->fields[i].len)))
            return cx->error_code;
    return 0;
}

/* The header, or the first row of data, says how many columns there are. */
static int read_head(cv_ctx *cx, csv_source *source, const cv_csv_options *options, const char ***ret_names)
{
    cv__csv_reader *reader = &source->reader;
    if (options->no_header && options->column_count == 0)
        return cv_fail(cx, CV_E_INVALID, "cannot read \"%s\": without a header the columns must be named",
                       cv_input_name(source->input));
    size_t named = options->column_count;
    if (named > 0)
        cv__csv_columns(reader, options->columns, named);
    int rc = read_row(cx, source);
    CV_TRY(rc);
    if (rc == 0 && !options->no_header)
        return cv_fail(cx, CV_E_END, "cannot read \"%s\": it is empty, and has no header",
                       cv_input_name(source->input));
    source->has_row = rc > 0 && options->no_header;
    source->count = named > 0 ? named : reader->count;
    const char **names = cv_zalloc(cx, source->count, sizeof *names);
    if (!names)
        return cx->error_code;
    if (named > 0)
        memcpy(names, options->columns, named * sizeof *names);
    else
        CV_TRY(read_names(cx, reader, names));
    cv__csv_columns(reader, names, source->count);
    *ret_names = names;
    return 0;
}

int cv_csv_source(cv_ctx *cx, cv_input *input, const cv_csv_options *options, cv_copy_source *ret_source)
{
    csv_source *source = cv_zalloc(cx, 1, sizeof *source);
    const char **names = NULL;
    if (!source)
        return cx->error_code;
    if (!options)
        options = &defaults;
    source->input = input;
    const cv__csv_options inside = reader_options(input, options);
    CV_TRY(cv__csv_reader_init(cx, &source->reader, &inside));
    CV_TRY(cv_cleanup(cx, free_reader, &source->reader));
    CV_TRY(read_head(cx, source, options, &names));
    source->values = cv_zalloc(cx, source->count, sizeof *source->values);
    if (!source->values)
        return cx->error_code;
    *ret_source = (cv_copy_source){.columns = names,
                                   .column_count = source->count,
                                   .start = start_source,
                                   .next = next_row,
                                   .place = place,
                                   .arg = source,
                                   .name = cv_input_name(source->input)};
    return 0;
}

/* ---- the sink ---- */

#define MAX_ROW_BYTES ((size_t)1 << 30)

typedef struct csv_sink {
    cv_output *output;
    cv__csv_options options;
    bool has_header;
    const char *line_end;
    const cv_copy_column *columns;
    size_t count;
    int64_t row;
    cv_buf text; /* of the present row */
} csv_sink;

static int end_row(cv_ctx *cx, csv_sink *sink)
{
    cv_buf_add_text(&sink->text, sink->line_end);
    if (sink->text.error)
        return cv_fail(cx, sink->text.error, "could not write row %lld: %s", (long long)sink->row,
                       cv_error_text(sink->text.error));
    int rc = cv_output_write(cx, sink->output, cv_buf_str(&sink->text));
    cv_buf_clear(&sink->text);
    return rc;
}

static void add_hex(cv_buf *out, cv_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *to = cv_buf_reserve(out, 2 * bytes.len + 2);
    if (!to)
        return;
    *to++ = '\\';
    *to++ = 'x';
    for (size_t i = 0; i < bytes.len; i++) {
        *to++ = digits[bytes.ptr[i] >> 4];
        *to++ = digits[bytes.ptr[i] & 15];
    }
    cv_buf_commit(out, 2 * bytes.len + 2);
}

static size_t format_f64(double value, char out[CV__F64_TEXT_BYTES])
{
    if (isfinite(value))
        return cv__f64_format(value, out);
    const char *word = isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    memcpy(out, word, strlen(word));
    return strlen(word);
}

/* The text of a scalar that is neither text nor bytes. */
enum { SCALAR_BYTES = 64 };
static size_t format(const cv_copy_column *column, const cv_value *value, char out[SCALAR_BYTES])
{
    switch (value->type) {
    case CV_TYPE_BOOL:
        memcpy(out, value->as.boolean ? "true" : "false", value->as.boolean ? 4 : 5);
        return value->as.boolean ? 4 : 5;
    case CV_TYPE_F64:
        return format_f64(value->as.f64, out);
    case CV_TYPE_DECIMAL:
        return cv_decimal_format(cv__copy_text_decimal(column, value->as.decimal), out);
    case CV_TYPE_TIME:
        return cv_time_format(value->as.time, out);
    case CV_TYPE_DATE:
        return cv_date_format(value->as.date, out);
    case CV_TYPE_UUID:
        return cv_uuid_format(value->as.uuid, out);
    default:
        return cv__i64_format(value->as.i64, out);
    }
}

static int add_packed(cv_ctx *cx, csv_sink *sink, const cv_copy_column *column, cv_value value)
{
    int rc = 0;
    CV_SCOPE(cx)
    {
        cv_value text;
        rc = cv_value_convert(cv_ctx_arena(cx), value, CV_TYPE_TEXT, &text);
        if (rc == 0)
            cv__csv_add(&sink->text, &sink->options, text.as.text);
    }
    if (rc < 0)
        return cv_fail(cx, rc, "could not write row %lld, column \"%s\": %s", (long long)sink->row, column->name,
                       cv_error_text(rc));
    return 0;
}

static int add_value(cv_ctx *cx, csv_sink *sink, const cv_copy_column *column, const cv_value *value)
{
    char text[SCALAR_BYTES];
    switch (value->type) {
    case CV_TYPE_NULL:
        cv__csv_add(&sink->text, &sink->options, cv_str_make(NULL, 0));
        return 0;
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        CV_TRY(cv__copy_text_check(cx, column, value->as.text, sink->row));
        cv__csv_add(&sink->text, &sink->options, value->as.text);
        return 0;
    case CV_TYPE_BYTES:
        add_hex(&sink->text, value->as.bytes);
        return 0;
    case CV_TYPE_ARRAY:
    case CV_TYPE_RANGE:
        return add_packed(cx, sink, column, *value);
    default:
        cv__csv_add(&sink->text, &sink->options, cv_str_make(text, format(column, value, text)));
        return 0;
    }
}

static int write_row(cv_ctx *cx, void *arg, const cv_value *values)
{
    csv_sink *sink = arg;
    sink->row++;
    for (size_t i = 0; i < sink->count; i++) {
        if (i > 0)
            cv_buf_add_char(&sink->text, sink->options.delimiter);
        CV_TRY(add_value(cx, sink, &sink->columns[i], &values[i]));
    }
    return end_row(cx, sink);
}

static int start_sink(cv_ctx *cx, void *arg, const cv_copy_column *columns, size_t count)
{
    csv_sink *sink = arg;
    sink->columns = columns;
    sink->count = count;
    for (size_t i = 0; sink->has_header && i < count; i++) {
        if (i > 0)
            cv_buf_add_char(&sink->text, sink->options.delimiter);
        cv__csv_add(&sink->text, &sink->options, cv_str_of(columns[i].name));
    }
    return sink->has_header ? end_row(cx, sink) : 0;
}

static void free_text(void *text)
{
    cv_buf_done(text);
}

int cv_csv_sink(cv_ctx *cx, cv_output *output, const cv_csv_options *options, cv_copy_sink *ret_sink)
{
    csv_sink *sink = cv_zalloc(cx, 1, sizeof *sink);
    if (!sink)
        return cx->error_code;
    if (!options)
        options = &defaults;
    *sink = (csv_sink){.output = output,
                       .options = cv__csv_complete(
                           &(cv__csv_options){.delimiter = options->delimiter,
                                              .quote = options->quote,
                                              .null_text = cv_str_of(options->null_text ? options->null_text : "")}),
                       .has_header = !options->no_header,
                       .line_end = options->crlf ? "\r\n" : "\n"};
    CV_TRY(cv__csv_check(cx, &sink->options));
    cv_buf_init(&sink->text, MAX_ROW_BYTES);
    CV_TRY(cv_cleanup(cx, free_text, &sink->text));
    *ret_sink = (cv_copy_sink){.start = start_sink, .row = write_row, .arg = sink};
    return 0;
}
