/* The pull reader.
 *
 * One state says what may come next; every event consumes its text and sets the next state, so nothing recurses and the
 * depth costs one bit a level. A string is checked in one pass that also measures it; only when it has escapes, a
 * second pass, which cannot fail, decodes it into memory of exactly that size. */
#include "base/json_scan.h"
#include <covet/json.h>
#include <stdio.h>

enum state {
    VALUE_DUE,     /* at the root, after a key, after a comma in an array */
    ARRAY_OPENED,  /* a value or "]" */
    OBJECT_OPENED, /* a key or "}" */
    VALUE_READ,    /* a comma or the end of the container; at the root, the end of the text */
};

enum { DEFAULT_DEPTH = 64, HIGHEST_DEPTH = 1024, DEFAULT_STRING_BYTES = 16 * 1024 * 1024 };

void cv_json_reader_init(cv_json_reader *reader, cv_ctx *cx, cv_str text, const cv_json_limits *limits)
{
    *reader = (cv_json_reader){.cx = cx, .state = VALUE_DUE};
    reader->start = reader->at = text.ptr ? text.ptr : "";
    reader->end = reader->start + (text.ptr ? text.len : 0);
    if (limits)
        reader->limits = *limits;
    if (reader->limits.max_depth <= 0)
        reader->limits.max_depth = DEFAULT_DEPTH;
    if (reader->limits.max_depth > HIGHEST_DEPTH)
        reader->limits.max_depth = HIGHEST_DEPTH;
    if (!reader->limits.max_string_bytes)
        reader->limits.max_string_bytes = DEFAULT_STRING_BYTES;
}

void cv_json_position(const cv_json_reader *reader, size_t offset, int *ret_line, int *ret_column)
{
    size_t size = (size_t)(reader->end - reader->start);
    const char *line_start = reader->start, *stop = reader->start + (offset < size ? offset : size);
    int line = 1;
    for (const char *at; (at = memchr(line_start, '\n', (size_t)(stop - line_start))); line_start = at + 1)
        line++;
    *ret_line = line;
    *ret_column = (int)(stop - line_start) + 1;
}

static int fail_limit(cv_json_reader *reader, const char *at, const char *what, size_t limit)
{
    int line, column;
    cv_json_position(reader, (size_t)(at - reader->start), &line, &column);
    reader->error = CV_E_LIMIT;
    return cv_fail(reader->cx, CV_E_LIMIT, "line %d, column %d: %s %zu", line, column, what, limit);
}

static int fail_text(cv_json_reader *reader, const char *at, const char *reason)
{
    int line, column;
    cv_json_position(reader, (size_t)(at - reader->start), &line, &column);
    reader->error = CV_E_SYNTAX;
    return cv_fail(reader->cx, CV_E_SYNTAX, "line %d, column %d: %s", line, column, reason);
}

static int fail_expected(cv_json_reader *reader, const char *expected)
{
    const char *at = reader->at;
    char found[32];
    if (at == reader->end)
        snprintf(found, sizeof found, "the end of the text");
    else if ((unsigned char)*at > ' ' && (unsigned char)*at < 0x7F)
        snprintf(found, sizeof found, "'%c'", *at);
    else
        snprintf(found, sizeof found, "byte 0x%02x", (unsigned char)*at);
    char reason[128];
    snprintf(reason, sizeof reason, "expected %s, found %s", expected, found);
    return fail_text(reader, at, reason);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The four hexadecimal digits at `at`, or -1. */
static int32_t hex_unit(const char *at, const char *end)
{
    if (end - at < 4)
        return -1;
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static char simple_escape(char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/':
        return letter;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

/* Decode the escape at `at` (a backslash): its length as written, or 0 with the reason. */
static size_t read_escape(const char *at, const char *end, uint32_t *ret_point, const char **ret_reason)
{
    *ret_reason = "an escape that JSON does not know";
    if (end - at < 2)
        return 0;
    char simple = simple_escape(at[1]);
    if (simple) {
        *ret_point = (unsigned char)simple;
        return 2;
    }
    if (at[1] != 'u')
        return 0;
    int32_t high = hex_unit(at + 2, end);
    *ret_reason = "\\u without four hexadecimal digits";
    if (high < 0)
        return 0;
    if (high < 0xD800 || high > 0xDFFF) {
        *ret_point = (uint32_t)high;
        return 6;
    }
    *ret_reason = "half of a surrogate pair";
    if (high > 0xDBFF || end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return 0;
    int32_t low = hex_unit(at + 8, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return 0;
    *ret_point = 0x10000 + (((uint32_t)high - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    return 12;
}

/* Check the string whose text starts at `start`, just behind its quotation mark, up to the closing one. */
static int measure_string(cv_json_reader *reader, const char *start, const char **ret_close, size_t *ret_decoded)
{
    const char *at = start, *reason;
    size_t saved = 0;
    for (;;) {
        at = cv__json_scan(at, reader->end);
        if (at == reader->end)
            return fail_text(reader, at, "the text ends inside a string");
        if (*at == '"')
            break;
        if (*at != '\\')
            return fail_text(reader, at,
                             (unsigned char)*at < 0x20 ? "a control character inside a string must be escaped"
                                                       : "a string is not valid UTF-8");
        uint32_t point;
        size_t written = read_escape(at, reader->end, &point, &reason);
        if (!written)
            return fail_text(reader, at, reason);
        char encoded[4];
        saved += written - cv__utf8_encode(point, encoded);
        at += written;
    }
    *ret_close = at;
    *ret_decoded = (size_t)(at - start) - saved;
    if (*ret_decoded > reader->limits.max_string_bytes)
        return fail_limit(reader, start, "a string has more bytes than", reader->limits.max_string_bytes);
    return 0;
}

/* Decode what measure_string accepted. */
static void decode_string(const char *at, const char *close, char *out)
{
    while (at < close) {
        const char *escape = memchr(at, '\\', (size_t)(close - at));
        size_t run = (size_t)((escape ? escape : close) - at);
        memcpy(out, at, run);
        out += run;
        at += run;
        if (!escape)
            break;
        uint32_t point = 0;
        const char *reason;
        at += read_escape(at, close, &point, &reason);
        out += cv__utf8_encode(point, out);
    }
}

static int read_string(cv_json_reader *reader)
{
    const char *start = reader->at + 1, *close = start;
    size_t decoded = 0;
    CV_TRY(measure_string(reader, start, &close, &decoded));
    reader->at = close + 1;
    reader->text = cv_str_make(start, (size_t)(close - start));
    /* Every escape is longer than what it stands for. */
    if (decoded == reader->text.len || reader->skipping)
        return 0;
    char *out = cv_alloc(reader->cx, decoded);
    if (!out)
        return reader->error = cv_error_last(reader->cx) ? cv_error_last(reader->cx)->code : CV_E_NOMEM;
    decode_string(start, close, out);
    reader->text = cv_str_make(out, decoded);
    return 0;
}

static bool is_digit(const cv_json_reader *reader, const char *at)
{
    return at < reader->end && *at >= '0' && *at <= '9';
}

static int read_digits(cv_json_reader *reader, const char *expected)
{
    if (!is_digit(reader, reader->at))
        return fail_expected(reader, expected);
    while (is_digit(reader, reader->at))
        reader->at++;
    return 0;
}

static int read_number(cv_json_reader *reader)
{
    const char *start = reader->at;
    if (*reader->at == '-')
        reader->at++;
    if (is_digit(reader, reader->at) && *reader->at == '0') {
        reader->at++;
        if (is_digit(reader, reader->at))
            return fail_text(reader, start, "a number must not start with a zero");
    } else {
        CV_TRY(read_digits(reader, "a digit"));
    }
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        CV_TRY(read_digits(reader, "a digit after the decimal point"));
    }
    if (reader->at < reader->end && (*reader->at | 0x20) == 'e') {
        reader->at++;
        if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-'))
            reader->at++;
        CV_TRY(read_digits(reader, "a digit of the exponent"));
    }
    reader->text = cv_str_make(start, (size_t)(reader->at - start));
    return 0;
}

static int read_word(cv_json_reader *reader, const char *word, size_t len)
{
    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return fail_expected(reader, "a value");
    reader->at += len;
    return 0;
}

static bool in_object(const cv_json_reader *reader)
{
    int level = reader->depth - 1;
    return reader->depth > 0 && (reader->stack[level / 64] >> (level % 64) & 1);
}

static int open_container(cv_json_reader *reader, bool object)
{
    if (reader->depth == reader->limits.max_depth)
        return fail_limit(reader, reader->at, "arrays and objects are nested deeper than",
                          (size_t)reader->limits.max_depth);
    int level = reader->depth++;
    uint64_t bit = UINT64_C(1) << (level % 64);
    reader->stack[level / 64] = object ? reader->stack[level / 64] | bit : reader->stack[level / 64] & ~bit;
    reader->at++;
    reader->state = object ? OBJECT_OPENED : ARRAY_OPENED;
    return object ? CV_JSON_OBJECT_START : CV_JSON_ARRAY_START;
}

static int close_container(cv_json_reader *reader)
{
    int event = in_object(reader) ? CV_JSON_OBJECT_END : CV_JSON_ARRAY_END;
    reader->at++;
    reader->depth--;
    reader->state = VALUE_READ;
    return event;
}

static void skip_space(cv_json_reader *reader)
{
    const char *at = reader->at, *end = reader->end;
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    reader->at = at;
}

/* The readers of what starts here return the event, or a negative code. */
static int read_value(cv_json_reader *reader)
{
    char first = reader->at < reader->end ? *reader->at : '\0';
    reader->state = VALUE_READ;
    switch (first) {
    case '"':
        CV_TRY(read_string(reader));
        return CV_JSON_STRING;
    case '{':
        return open_container(reader, true);
    case '[':
        return open_container(reader, false);
    case 't':
        reader->boolean = true;
        CV_TRY(read_word(reader, "true", 4));
        return CV_JSON_BOOL;
    case 'f':
        reader->boolean = false;
        CV_TRY(read_word(reader, "false", 5));
        return CV_JSON_BOOL;
    case 'n':
        CV_TRY(read_word(reader, "null", 4));
        return CV_JSON_NULL;
    default:
        if (first != '-' && (first < '0' || first > '9'))
            return fail_expected(reader, "a value");
        CV_TRY(read_number(reader));
        return CV_JSON_NUMBER;
    }
}

static int read_key(cv_json_reader *reader, const char *expected)
{
    if (reader->at == reader->end || *reader->at != '"')
        return fail_expected(reader, expected);
    CV_TRY(read_string(reader));
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != ':')
        return fail_expected(reader, "':' after the key");
    reader->at++;
    reader->state = VALUE_DUE;
    return CV_JSON_KEY;
}

static int read_at_end(cv_json_reader *reader)
{
    if (reader->at < reader->end)
        return fail_expected(reader, "the end of the text");
    return CV_JSON_END;
}

/* A comma, or the end of the container. */
static int read_after_value(cv_json_reader *reader)
{
    bool object = in_object(reader);
    char found = reader->at < reader->end ? *reader->at : '\0';
    if (found == (object ? '}' : ']'))
        return close_container(reader);
    if (found != ',')
        return fail_expected(reader, object ? "',' or '}'" : "',' or ']'");
    reader->at++;
    skip_space(reader);
    reader->offset = (size_t)(reader->at - reader->start);
    return object ? read_key(reader, "a key") : read_value(reader);
}

static int read_event(cv_json_reader *reader)
{
    bool closes;
    skip_space(reader);
    reader->offset = (size_t)(reader->at - reader->start);
    switch ((enum state)reader->state) {
    case VALUE_READ:
        return reader->depth ? read_after_value(reader) : read_at_end(reader);
    case OBJECT_OPENED:
        closes = reader->at < reader->end && *reader->at == '}';
        return closes ? close_container(reader) : read_key(reader, "a key or '}'");
    case ARRAY_OPENED:
        closes = reader->at < reader->end && *reader->at == ']';
        return closes ? close_container(reader) : read_value(reader);
    case VALUE_DUE:
        break;
    }
    if (reader->at == reader->start && reader->end - reader->at >= 3 && memcmp(reader->at, "\xEF\xBB\xBF", 3) == 0)
        return fail_text(reader, reader->at, "a byte order mark is not allowed");
    return read_value(reader);
}

int cv_json_next(cv_json_reader *reader, cv_json_event *ret_event)
{
    if (reader->error)
        return reader->error;
    int event = reader->peeked ? reader->peeked_event : read_event(reader);
    reader->peeked = false;
    if (event < 0)
        return event;
    *ret_event = (cv_json_event)event;
    return 0;
}

int cv_json_peek(cv_json_reader *reader, cv_json_event *ret_event)
{
    CV_TRY(cv_json_next(reader, ret_event));
    reader->peeked = true;
    reader->peeked_event = (int)*ret_event;
    return 0;
}

static int skip_value(cv_json_reader *reader, size_t *ret_offset)
{
    cv_json_event event = CV_JSON_END;
    CV_TRY(cv_json_peek(reader, &event));
    if (event == CV_JSON_END || event == CV_JSON_KEY || event == CV_JSON_ARRAY_END || event == CV_JSON_OBJECT_END)
        return cv_fail(reader->cx, CV_E_STATE, "cannot skip a value: none starts here");
    *ret_offset = reader->offset;
    CV_TRY(cv_json_next(reader, &event));
    bool container = event == CV_JSON_ARRAY_START || event == CV_JSON_OBJECT_START;
    for (int around = reader->depth - 1; container && reader->depth > around;)
        CV_TRY(cv_json_next(reader, &event));
    return 0;
}

int cv_json_skip(cv_json_reader *reader, cv_str *ret_raw)
{
    size_t offset = 0;
    reader->skipping = true;
    int rc = skip_value(reader, &offset);
    reader->skipping = false;
    if (rc < 0)
        return rc;
    if (ret_raw)
        *ret_raw = cv_str_make(reader->start + offset, (size_t)(reader->at - reader->start) - offset);
    return 0;
}

int cv_json_check(cv_ctx *cx, cv_str text, const cv_json_limits *limits)
{
    cv_json_reader reader;
    cv_json_event event = CV_JSON_END;
    cv_json_reader_init(&reader, cx, text, limits);
    reader.skipping = true;
    do
        CV_TRY(cv_json_next(&reader, &event));
    while (event != CV_JSON_END);
    return 0;
}
