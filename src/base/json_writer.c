#include "base/json_writer.h"
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

/* From the first byte on that does not stand as it is. */
static void put_escaped(cv_buf *out, const char *at, const char *end)
{
    while (at < end && !out->error) {
        const char *run_end = cv__json_scan(at, end);
        cv_buf_add(out, at, (size_t)(run_end - at));
        at = run_end;
        if (at == end)
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

/* Escaping never makes a text shorter, so the room is needed in any case. */
static void put_string(cv_buf *out, cv_str text)
{
    char *to = cv_buf_reserve(out, text.len + 2);
    if (!to)
        return;
    const char *end = text.ptr + text.len, *plain_end = cv__json_scan(text.ptr, end);
    size_t plain = (size_t)(plain_end - text.ptr);
    to[0] = '"';
    memcpy(to + 1, text.ptr, plain);
    if (plain_end == end) {
        to[1 + plain] = '"';
        cv_buf_commit(out, plain + 2);
        return;
    }
    cv_buf_commit(out, plain + 1);
    put_escaped(out, plain_end, end);
}

/* ---- values, wherever they stand ---- */

/* What makes its text on the stack stays a function, so that integers and strings are written without such a frame. */
#define APART __attribute__((noinline))

static void put_null(cv_buf *out)
{
    cv_buf_add(out, "null", 4);
}

static void put_bool(cv_buf *out, bool value)
{
    cv_buf_add(out, value ? "true" : "false", value ? 4 : 5);
}

APART static void put_f64(cv_buf *out, double value)
{
    char text[CV__F64_TEXT_BYTES];
    if (isfinite(value))
        cv_buf_add(out, text, cv__f64_format(value, text));
    else
        put_null(out);
}

APART static void put_decimal(cv_buf *out, cv_decimal value)
{
    char text[CV_DECIMAL_TEXT_BYTES];
    cv_buf_add(out, text, cv_decimal_format(value, text));
}

static void put_text(cv_buf *out, cv_str value)
{
    if (value.ptr)
        put_string(out, value);
    else
        put_null(out);
}

static void put_raw(cv_buf *out, cv_str json)
{
    if (json.ptr)
        cv_buf_add_str(out, json);
    else
        put_null(out);
}

static void put_bytes(cv_buf *out, cv_bytes bytes)
{
    if (!bytes.ptr) {
        put_null(out);
        return;
    }
    cv_buf_add(out, "\"", 1);
    cv__base64_add(out, bytes);
    cv_buf_add(out, "\"", 1);
}

/* Texts of a few characters that need no escapes. */
#define QUOTED_BYTES 64
static void put_quoted(cv_buf *out, char text[QUOTED_BYTES], size_t len)
{
    text[0] = text[len + 1] = '"';
    cv_buf_add(out, text, len + 2);
}

APART static void put_time(cv_buf *out, cv_time time)
{
    char text[QUOTED_BYTES];
    put_quoted(out, text, cv_time_format(time, text + 1));
}

APART static void put_date(cv_buf *out, cv_date date)
{
    char text[QUOTED_BYTES];
    put_quoted(out, text, cv_date_format(date, text + 1));
}

APART static void put_uuid(cv_buf *out, cv_uuid uuid)
{
    char text[QUOTED_BYTES];
    put_quoted(out, text, cv_uuid_format(uuid, text + 1));
}

static bool put_value(cv_buf *out, const cv_value *value);

/* An element or a bound: what is not finite is a word, because null is the NULL. */
static bool put_element(cv_buf *out, cv_value value)
{
    if (value.type != CV_TYPE_F64 || isfinite(value.as.f64))
        return put_value(out, &value);
    cv_buf_add_text(out, isnan(value.as.f64) ? "\"NaN\"" : value.as.f64 < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    return true;
}

APART static bool put_array(cv_buf *out, cv_array_view array)
{
    cv_buf_add(out, "[", 1);
    for (size_t i = 0; i < array.count; i++) {
        cv_buf_add(out, ",", i > 0);
        if (!put_element(out, cv_array_at(array, i)))
            return false;
    }
    cv_buf_add(out, "]", 1);
    return true;
}

APART static bool put_range(cv_buf *out, cv_range_view range)
{
    if (range.flags & CV_RANGE_EMPTY) {
        cv_buf_add_text(out, "{\"empty\":true}");
        return true;
    }
    cv_buf_add_text(out, "{\"lower\":");
    bool good = put_element(out, cv_range_lower(range));
    cv_buf_add_text(out, ",\"upper\":");
    good = put_element(out, cv_range_upper(range)) && good;
    cv_buf_add_text(out, range.flags & CV_RANGE_LOWER_INCLUSIVE ? ",\"bounds\":\"[" : ",\"bounds\":\"(");
    cv_buf_add_text(out, range.flags & CV_RANGE_UPPER_INCLUSIVE ? "]\"}" : ")\"}");
    return good;
}

/* False: no such type. */
static bool put_value(cv_buf *out, const cv_value *value)
{
    switch (value->type) {
    case CV_TYPE_NULL:
        put_null(out);
        return true;
    case CV_TYPE_BOOL:
        put_bool(out, value->as.boolean);
        return true;
    case CV_TYPE_I64:
        cv_buf_add_i64(out, value->as.i64);
        return true;
    case CV_TYPE_F64:
        put_f64(out, value->as.f64);
        return true;
    case CV_TYPE_DECIMAL:
        put_decimal(out, value->as.decimal);
        return true;
    case CV_TYPE_TEXT:
        put_text(out, value->as.text);
        return true;
    case CV_TYPE_BYTES:
        put_bytes(out, value->as.bytes);
        return true;
    case CV_TYPE_TIME:
        put_time(out, value->as.time);
        return true;
    case CV_TYPE_DATE:
        put_date(out, value->as.date);
        return true;
    case CV_TYPE_UUID:
        put_uuid(out, value->as.uuid);
        return true;
    case CV_TYPE_JSON:
        put_raw(out, value->as.text);
        return true;
    case CV_TYPE_ARRAY:
        return put_array(out, value->as.array);
    case CV_TYPE_RANGE:
        return put_range(out, value->as.range);
    }
    return false;
}

/* ---- values in their place ---- */

static bool may_begin_key(const cv_json_writer *writer)
{
    return in_object(writer) && !writer->after_key;
}

void cv_json_key(cv_json_writer *writer, cv_str key)
{
    if (!may_begin_key(writer) || !key.ptr) {
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
        put_raw(writer->out, json);
}

void cv_json_null(cv_json_writer *writer)
{
    if (begin_value(writer))
        put_null(writer->out);
}

void cv_json_bool(cv_json_writer *writer, bool value)
{
    if (begin_value(writer))
        put_bool(writer->out, value);
}

void cv_json_i64(cv_json_writer *writer, int64_t value)
{
    if (begin_value(writer))
        cv_buf_add_i64(writer->out, value);
}

void cv_json_f64(cv_json_writer *writer, double value)
{
    if (begin_value(writer))
        put_f64(writer->out, value);
}

void cv_json_str(cv_json_writer *writer, cv_str value)
{
    if (begin_value(writer))
        put_text(writer->out, value);
}

void cv_json_text(cv_json_writer *writer, const char *value)
{
    cv_json_str(writer, cv_str_of(value));
}

void cv_json_value(cv_json_writer *writer, cv_value value)
{
    if (begin_value(writer) && !put_value(writer->out, &value))
        misuse(writer);
}

/* ---- members with keys made ready ---- */

cv_str cv__json_ready_key(cv_arena *arena, cv_str key)
{
    cv_buf ready;
    cv_buf_init_arena(&ready, arena, 0);
    cv_buf_add(&ready, ",", 1);
    put_string(&ready, key);
    cv_buf_add(&ready, ":", 1);
    return ready.error ? cv_str_make(NULL, 0) : cv_buf_str(&ready);
}

static void put_ready_key(cv_json_writer *writer, cv_str ready_key)
{
    if (!writer->indent) {
        cv_buf_add(writer->out, ready_key.ptr + writer->first, ready_key.len - writer->first);
        writer->first = false;
        return;
    }
    separate(writer);
    cv_buf_add(writer->out, ready_key.ptr + 1, ready_key.len - 1);
    cv_buf_add(writer->out, " ", 1);
}

void cv__json_member(cv_json_writer *writer, cv_str ready_key, const cv_value *value)
{
    if (!may_begin_key(writer)) {
        misuse(writer);
        return;
    }
    put_ready_key(writer, ready_key);
    if (!put_value(writer->out, value))
        misuse(writer);
}
