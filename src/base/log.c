/* A line is built in a buffer of its own and written at once, so threads need no lock: the kernel keeps writes apart.
 *
 * Bounds: a text takes at most TEXT_MAX bytes, a line LINE_MAX; a field that does not fit is left out whole, which
 * keeps JSON well-formed, and the line says so. */
#include "base/log.h"

#include "base/ctx.h"
#include "base/f64.h"
#include "base/secret.h"
#include <covet/json.h>
#include <covet/log.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_BYTES = 16 * 1024, TEXT_BYTES = 4096, TAIL_BYTES = 64, ARRAY_ELEMENTS = 64 };

struct cv_log {
    _Atomic int level;
    cv_log_options options;
    /* Of a view: the log that it writes to, and the field that it adds. */
    cv_log *base;
    const char *name;
    cv_str value;
};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

cv_log *cv_log_new(const cv_log_options *options)
{
    cv_log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    if (options)
        log->options = *options;
    if (!log->options.fd)
        log->options.fd = STDERR_FILENO;
    atomic_init(&log->level, (int)log->options.level);
    return log;
}

void cv_log_free(cv_log *log)
{
    free(log);
}

cv_log *cv_ctx_log(const cv_ctx *cx)
{
    return cx->log;
}

static cv_log *base_of(const cv_log *log)
{
    return log && log->base ? log->base : (cv_log *)(uintptr_t)log;
}

cv_log *cv__log_with(cv_arena *arena, const cv_log *log, const char *name, cv_str value)
{
    cv_log *view = log ? cv_arena_alloc(arena, sizeof *view) : NULL;
    if (!view)
        return NULL;
    *view = (cv_log){.base = base_of(log), .name = cv_arena_strdup(arena, name)};
    view->value = cv_str_make(cv_arena_strndup(arena, value.ptr, value.len), value.len);
    return view->name && view->value.ptr ? view : NULL;
}

cv_log *cv__log_inherit(cv_arena *arena, cv_log *log)
{
    if (!log || !log->base)
        return log;
    cv_log *view = cv__log_with(arena, log, log->name, log->value);
    return view ? view : log->base;
}

bool cv_log_enabled(const cv_log *log, cv_log_level level)
{
    log = base_of(log);
    return log && level < CV_LOG_OFF && (int)level >= atomic_load_explicit(&log->level, memory_order_relaxed);
}

void cv_log_set_level(cv_log *log, cv_log_level level)
{
    log = base_of(log);
    if (log)
        atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

int cv_log_level_parse(cv_str text, cv_log_level *ret_level)
{
    for (int i = CV_LOG_DEBUG; i <= CV_LOG_OFF; i++) {
        if (cv_str_equal(text, cv_str_of(level_names[i]))) {
            *ret_level = (cv_log_level)i;
            return 0;
        }
    }
    return CV_E_INVALID;
}

/* A line in the making. */
struct line {
    cv_buf text;
    cv_log_format format;
    cv_json_writer json;
};

/* At most TEXT_BYTES, not in the middle of a UTF-8 sequence. */
static cv_str shorten(cv_str text)
{
    if (text.len <= TEXT_BYTES)
        return text;
    size_t len = TEXT_BYTES;
    while (len > TEXT_BYTES - 4 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--;
    return cv_str_make(text.ptr, len);
}

static bool is_bare_word(cv_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return text.len > 0;
}

static void add_quoted(cv_buf *out, cv_str text)
{
    cv_json_writer json;
    cv_json_writer_init(&json, out, 0);
    cv_json_str(&json, text);
}

static void add_word(cv_buf *out, cv_str text)
{
    if (is_bare_word(text))
        cv_buf_add_str(out, text);
    else
        add_quoted(out, text);
}

static void add_f64(cv_buf *out, double value)
{
    char text[CV__F64_TEXT_BYTES];
    if (isfinite(value))
        cv_buf_add(out, text, cv__f64_format(value, text));
    else
        cv_buf_add_text(out, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

/* JSON documents go in as texts: they may hold line breaks, and nobody has checked them. */
static cv_value bounded(cv_value value)
{
    if (value.type == CV_TYPE_TEXT || value.type == CV_TYPE_JSON)
        return cv_value_str(shorten(value.as.text));
    if (value.type == CV_TYPE_BYTES && value.as.bytes.len > TEXT_BYTES)
        value.as.bytes.len = TEXT_BYTES;
    if (value.type == CV_TYPE_ARRAY && value.as.array.count > ARRAY_ELEMENTS)
        value.as.array.count = ARRAY_ELEMENTS;
    return value;
}

static void add_text_value(cv_buf *out, cv_value value)
{
    if (value.type == CV_TYPE_TEXT) {
        add_word(out, value.as.text);
    } else if (value.type == CV_TYPE_F64) {
        add_f64(out, value.as.f64);
    } else {
        /* The rest looks the same in both formats. */
        cv_json_writer json;
        cv_json_writer_init(&json, out, 0);
        cv_json_value(&json, value);
    }
}

/* Take back what did not fit and say so; the tail's room was never lent. */
static void mark_cut(struct line *line, cv_buf before, cv_json_writer json_before)
{
    line->text.len = before.len;
    line->text.data[before.len] = '\0';
    line->text.error = 0;
    line->text.max_bytes = LINE_BYTES;
    line->json = json_before;
    if (line->format == CV_LOG_TEXT) {
        cv_buf_add_text(&line->text, " truncated=true");
        return;
    }
    cv_json_key(&line->json, CV_STR("truncated"));
    cv_json_bool(&line->json, true);
}

/* False when the line is full. */
static bool add_field(struct line *line, const char *name, cv_value value)
{
    cv_buf before = line->text;
    cv_json_writer json_before = line->json;
    bool secret = cv__is_secret_name(cv_str_of(name));
    cv_value shown = secret ? cv_value_text(CV__SECRET_MASK) : bounded(value);
    if (line->format == CV_LOG_JSON) {
        cv_json_key(&line->json, cv_str_of(name));
        cv_json_value(&line->json, shown);
    } else {
        cv_buf_add_char(&line->text, ' ');
        add_word(&line->text, cv_str_of(name));
        cv_buf_add_char(&line->text, '=');
        add_text_value(&line->text, shown);
    }
    if (line->text.error != CV_E_LIMIT)
        return true;
    mark_cut(line, before, json_before);
    return false;
}

static void start_line(struct line *line, const cv_log *log, cv_log_level level, const char *event)
{
    char now[CV_TIME_TEXT_BYTES];
    size_t now_len = cv_time_format(cv_time_now(), now);
    cv_str name = shorten(cv_str_of(event ? event : ""));
    cv_buf_init(&line->text, LINE_BYTES - TAIL_BYTES);
    line->format = log->options.format;
    cv_json_writer_init(&line->json, &line->text, 0);
    if (line->format == CV_LOG_TEXT) {
        cv_buf_printf(&line->text, "%s %-5s ", now, level_names[level]);
        add_word(&line->text, name);
        return;
    }
    cv_json_object_start(&line->json);
    cv_json_key(&line->json, CV_STR("time"));
    cv_json_str(&line->json, cv_str_make(now, now_len));
    cv_json_key(&line->json, CV_STR("level"));
    cv_json_text(&line->json, level_names[level]);
    cv_json_key(&line->json, CV_STR("event"));
    cv_json_str(&line->json, name);
}

/* One write(2); only a write that the kernel cut short is continued. */
static void write_out(int fd, cv_str text)
{
    while (text.len) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text = cv_str_sub(text, (size_t)written, text.len);
    }
}

static void finish_line(struct line *line, const cv_log *log)
{
    line->text.max_bytes = LINE_BYTES;
    if (line->format == CV_LOG_JSON)
        cv_json_object_end(&line->json);
    cv_buf_add_char(&line->text, '\n');
    if (!line->text.error && log->options.sink)
        log->options.sink(log->options.sink_arg, cv_buf_str(&line->text));
    else if (!line->text.error)
        write_out(log->options.fd, cv_buf_str(&line->text));
    cv_buf_done(&line->text);
}

void cv_log_write(cv_log *log, cv_log_level level, const char *event, const cv_log_field *fields, size_t count)
{
    if (!cv_log_enabled(log, level))
        return;
    int error_number = errno;
    struct line line;
    const cv_log *base = base_of(log);
    start_line(&line, base, level, event);
    bool room = !log->base || add_field(&line, log->name, cv_value_str(log->value));
    for (size_t i = 0; room && i < count; i++)
        room = add_field(&line, fields[i].name ? fields[i].name : "?", fields[i].value);
    finish_line(&line, base);
    errno = error_number;
}

static void describe_cause(cv_buf *out, const cv_error *cause)
{
    if (out->len)
        cv_buf_add_text(out, " <- ");
    cv_buf_printf(out, "%s: %s", cv_error_name(cause->code),
                  cause->message ? cause->message : cv_error_text(cause->code));
    if (cause->detail)
        cv_buf_printf(out, " (%s)", cause->detail);
    if (cause->file)
        cv_buf_printf(out, " at %s:%d", cause->file, cause->line);
}

static void describe_fields(cv_buf *out, const cv_error *error)
{
    for (size_t i = 0; i < error->field_count; i++)
        cv_buf_printf(out, "%s%s: %s", i ? "; " : "", error->fields[i].field, error->fields[i].message);
}

static cv_value text_or_null(const cv_buf *buf)
{
    return buf->len ? cv_value_str(cv_buf_str(buf)) : cv_value_null();
}

static void write_error(cv_log *log, cv_log_level level, const char *event, const cv_error *error, const cv_buf *place,
                        const cv_buf *bad, const cv_buf *causes)
{
    const cv_log_field all[] = {
        CV_F("error", cv_error_name(error->code)),
        CV_F("message", error->message ? error->message : cv_error_text(error->code)),
        CV_F("detail", error->detail),
        CV_F("hint", error->hint),
        CV_F("sqlstate", error->sqlstate),
        CV_F("table", error->table),
        CV_F("column", error->column),
        CV_F("constraint", error->constraint),
        CV_F("at", text_or_null(place)),
        CV_F("fields", text_or_null(bad)),
        CV_F("cause", text_or_null(causes)),
    };
    cv_log_field known[sizeof all / sizeof *all];
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].value.type != CV_TYPE_NULL)
            known[count++] = all[i];
    cv_log_write(log, level, event, known, count);
}

void cv_log_error(cv_log *log, cv_log_level level, const char *event, const cv_error *error)
{
    if (!error || !cv_log_enabled(log, level))
        return;
    cv_buf place, bad, causes;
    cv_buf_init(&place, 0);
    cv_buf_init(&bad, 0);
    cv_buf_init(&causes, 0);
    if (error->file)
        cv_buf_printf(&place, "%s:%d", error->file, error->line);
    describe_fields(&bad, error);
    for (const cv_error *cause = error->cause; cause; cause = cause->cause)
        describe_cause(&causes, cause);
    write_error(log, level, event, error, &place, &bad, &causes);
    cv_buf_done(&place);
    cv_buf_done(&bad);
    cv_buf_done(&causes);
}
