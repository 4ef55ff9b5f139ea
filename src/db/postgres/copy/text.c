/* Values in COPY's text format (PostgreSQL's documentation, COPY, "Text Format"): for columns whose types have no
 * binary form here. */
#include "db/postgres/copy/copy.h"

/* What the delimiters and the backslash stand for is escaped by a backslash. */
static int add_escaped(cv_buf *out, cv_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        const char *escaped = c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
        if (c == '\0')
            return CV_E_INVALID;
        if (escaped)
            cv_buf_add(out, escaped, 2);
        else
            cv_buf_add_char(out, c);
    }
    return out->error;
}

static void add_hex(cv_buf *out, cv_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    cv_buf_add_text(out, "\\x");
    for (size_t i = 0; i < bytes.len; i++) {
        cv_buf_add_char(out, digits[bytes.ptr[i] >> 4]);
        cv_buf_add_char(out, digits[bytes.ptr[i] & 15]);
    }
}

/* In quotation marks, as an element of an array or a bound of a range. */
static int add_quoted(cv_buf *out, cv_arena *arena, cv_value value)
{
    CV_TRY(cv_value_convert(arena, value, CV_TYPE_TEXT, &value));
    cv_buf_add_char(out, '"');
    for (size_t i = 0; i < value.as.text.len; i++) {
        if (value.as.text.ptr[i] == '"' || value.as.text.ptr[i] == '\\')
            cv_buf_add_char(out, '\\');
        cv_buf_add_char(out, value.as.text.ptr[i]);
    }
    cv_buf_add_char(out, '"');
    return 0;
}

static int add_array(cv_buf *out, cv_arena *arena, cv_array_view array)
{
    cv_buf_add_char(out, '{');
    for (size_t i = 0; i < array.count; i++) {
        cv_value element = cv_array_at(array, i);
        cv_buf_add_text(out, i ? "," : "");
        if (element.type == CV_TYPE_NULL)
            cv_buf_add_text(out, "NULL");
        else
            CV_TRY(add_quoted(out, arena, element));
    }
    cv_buf_add_char(out, '}');
    return out->error;
}

static int add_range(cv_buf *out, cv_arena *arena, cv_range_view range)
{
    cv_value lower = cv_range_lower(range), upper = cv_range_upper(range);
    if (range.flags & CV_RANGE_EMPTY) {
        cv_buf_add_text(out, "empty");
        return out->error;
    }
    cv_buf_add_char(out, range.flags & CV_RANGE_LOWER_INCLUSIVE ? '[' : '(');
    if (lower.type != CV_TYPE_NULL)
        CV_TRY(add_quoted(out, arena, lower));
    cv_buf_add_char(out, ',');
    if (upper.type != CV_TYPE_NULL)
        CV_TRY(add_quoted(out, arena, upper));
    cv_buf_add_char(out, range.flags & CV_RANGE_UPPER_INCLUSIVE ? ']' : ')');
    return out->error;
}

/* As the server reads a value of this type, not yet escaped. */
static int make_text(cv_arena *arena, const cv_value *value, cv_str *ret_text)
{
    cv_buf made;
    cv_value text;
    cv_buf_init_arena(&made, arena, CV__COPY_ROW_BYTES);
    switch (value->type) {
    case CV_TYPE_BYTES:
        add_hex(&made, value->as.bytes);
        break;
    case CV_TYPE_ARRAY:
        CV_TRY(add_array(&made, arena, value->as.array));
        break;
    case CV_TYPE_RANGE:
        CV_TRY(add_range(&made, arena, value->as.range));
        break;
    default:
        CV_TRY(cv_value_convert(arena, *value, CV_TYPE_TEXT, &text));
        *ret_text = text.as.text;
        return 0;
    }
    *ret_text = cv_buf_str(&made);
    return made.error;
}

int cv__pg_add_copy_text(cv_buf *out, cv_arena *arena, const cv_value *value)
{
    cv_str text;
    if (value->type == CV_TYPE_NULL) {
        cv_buf_add_text(out, "\\N");
        return out->error;
    }
    CV_TRY(make_text(arena, value, &text));
    return add_escaped(out, text);
}
