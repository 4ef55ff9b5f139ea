#include "base/base64.h"
#include "base/f64.h"
#include "base/json_scan.h"
#include <covet/json.h>
#include <math.h>

enum { MAX_DEPTH = 64 };

void cv_json_writer_init(cv_json_writer *writer, cv_buf *out, int indent)
{
    *writer = (cv_json_writer){.out = out, .indent = indent > 0 ? indent : 0, .first = true};
}

static void misuse(cv_json_writer *writer)
{
    if (!writer->out->error)
        writer->out->error = CV_E_STATE;
}

static bool in_object(const cv_json_writer *writer)
{
    return writer->depth > 0 && (writer->objects >> (writer->depth - 1) & 1);
}

static void new_line(cv_json_writer *writer)
{
    static const char spaces[] = "                                ";
    cv_buf_add(writer->out, "\n", 1);
    for (size_t left = (size_t)writer->depth * (size_t)writer->indent; left && !writer->out->error;) {
        size_t part = left < sizeof spaces - 1 ? left : sizeof spaces - 1;
        cv_buf_add(writer->out, spaces, part);
        left -= part;
    }
}

/* What goes before an element of a container: a comma, and a new line where wanted. */
static void separate(cv_json_writer *writer)
{
    if (!writer->first)
        cv_buf_add(writer->out, ",", 1);
    if (writer->indent && writer->depth)
        new_line(writer);
    writer->first = false;
}

/* Whether a value may stand here, after writing what goes before it. */
static bool begin_value(cv_json_writer *writer)
{
    if (writer->after_key) {
        writer->after_key = false;
        return true;
    }
    if (in_object(writer) || (!writer->depth && !writer->first)) {
        misuse(writer);
        return false;
    }
    separate(writer);
    return true;
}

static void start(cv_json_writer *writer, bool object)
{
    if (writer->depth == MAX_DEPTH) {
        misuse(writer);
        return;
    }
    if (!begin_value(writer))
        return;
    cv_buf_add(writer->out, object ? "{" : "[", 1);
    uint64_t bit = UINT64_C(1) << writer->depth++;
    writer->objects = object ? writer->objects | bit : writer->objects & ~bit;
    writer->first = true;
}

static void end(cv_json_writer *writer, bool object)
{
    if (!writer->depth || in_object(writer) != object || writer->after_key) {
        misuse(writer);
        return;
    }
    writer->depth--;
    if (writer->indent && !writer->first)
        new_line(writer);
    cv_buf_add(writer->out, object ? "}" : "]", 1);
    writer->first = false;
}

void cv_json_object_start(cv_json_writer *writer)
{
    start(writer, true);
}

void cv_json_object_end(cv_json_writer *writer)
{
    end(writer, true);
}

void cv_json_array_start(cv_json_writer *writer)
{
    start(writer, false);
}

void cv_json_array_end(cv_json_writer *writer)
{
    end(writer, false);
}

static void put_control(cv_buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (letters[c]) {
        cv_buf_add(out, (const char[]){'\\', letters[c]}, 2);
        return;
    }
    cv_buf_add(out, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

static void put_string(cv_buf *out, cv_str text)
{
    const char *at = text.ptr, *stop = text.ptr + text.len;
    cv_buf_add(out, "\"", 1);
    while (at < stop && !out->error) {
        const char *run_end = cv__json_scan(at, stop);
        cv_buf_add(out, at, (size_t)(run_end - at));
        at = run_end;
        if (at == stop)
            break;
        unsigned char c = (unsigned char)*at++;
        if (c < 0x20)
            put_control(out, c);
        else if (c < 0x80)
            cv_buf_add(out, (const char[]){'\\', (char)c}, 2);
        else
            cv_buf_add(out, "\xEF\xBF\xBD", 3);
    }
    cv_buf_add(out, "\"", 1);
}

void cv_json_key(cv_json_writer *writer, cv_str key)
{
    if (!in_object(writer) || writer->after_key || !key.ptr) {
        misuse(writer);
        return;
    }
    separate(writer);
    put_string(writer->out, key);
    cv_buf_add(writer->out, ": ", writer->indent ? 2 : 1);
    writer->after_key = true;
}

void cv_json_raw(cv_json_writer *writer, cv_str json)
{
    if (begin_value(writer))
        cv_buf_add(writer->out, json.ptr ? json.ptr : "null", json.ptr ? json.len : 4);
}

void cv_json_null(cv_json_writer *writer)
{
    if (begin_value(writer))
        cv_buf_add(writer->out, "null", 4);
}

void cv_json_bool(cv_json_writer *writer, bool value)
{
    if (begin_value(writer))
        cv_buf_add(writer->out, value ? "true" : "false", value ? 4 : 5);
}

void cv_json_i64(cv_json_writer *writer, int64_t value)
{
    if (begin_value(writer))
        cv_buf_add_i64(writer->out, value);
}

void cv_json_f64(cv_json_writer *writer, double value)
{
    char text[CV__F64_TEXT_BYTES];
    if (!isfinite(value)) {
        cv_json_null(writer);
        return;
    }
    if (begin_value(writer))
        cv_buf_add(writer->out, text, cv__f64_format(value, text));
}

void cv_json_str(cv_json_writer *writer, cv_str value)
{
    if (!value.ptr)
        cv_json_null(writer);
    else if (begin_value(writer))
        put_string(writer->out, value);
}

void cv_json_text(cv_json_writer *writer, const char *value)
{
    cv_json_str(writer, cv_str_of(value));
}

static void put_quoted(cv_json_writer *writer, const char *text, size_t len)
{
    if (!begin_value(writer))
        return;
    cv_buf_add(writer->out, "\"", 1);
    cv_buf_add(writer->out, text, len);
    cv_buf_add(writer->out, "\"", 1);
}

static void write_bytes(cv_json_writer *writer, cv_bytes bytes)
{
    if (!bytes.ptr) {
        cv_json_null(writer);
        return;
    }
    if (!begin_value(writer))
        return;
    cv_buf_add(writer->out, "\"", 1);
    cv__base64_add(writer->out, bytes);
    cv_buf_add(writer->out, "\"", 1);
}

static void write_decimal(cv_json_writer *writer, cv_decimal value)
{
    char text[CV_DECIMAL_TEXT_BYTES];
    size_t len = cv_decimal_format(value, text);
    if (begin_value(writer))
        cv_buf_add(writer->out, text, len);
}

void cv_json_value(cv_json_writer *writer, cv_value value)
{
    char text[64];
    switch (value.type) {
    case CV_TYPE_NULL:
        cv_json_null(writer);
        return;
    case CV_TYPE_BOOL:
        cv_json_bool(writer, value.as.boolean);
        return;
    case CV_TYPE_I64:
        cv_json_i64(writer, value.as.i64);
        return;
    case CV_TYPE_F64:
        cv_json_f64(writer, value.as.f64);
        return;
    case CV_TYPE_DECIMAL:
        write_decimal(writer, value.as.decimal);
        return;
    case CV_TYPE_TEXT:
        cv_json_str(writer, value.as.text);
        return;
    case CV_TYPE_BYTES:
        write_bytes(writer, value.as.bytes);
        return;
    case CV_TYPE_TIME:
        put_quoted(writer, text, cv_time_format(value.as.time, text));
        return;
    case CV_TYPE_DATE:
        put_quoted(writer, text, cv_date_format(value.as.date, text));
        return;
    case CV_TYPE_UUID:
        put_quoted(writer, text, cv_uuid_format(value.as.uuid, text));
        return;
    case CV_TYPE_JSON:
        cv_json_raw(writer, value.as.text);
        return;
    }
    misuse(writer);
}
