#include "base/csv.h"

static bool is_special(char c, char delimiter, char quote)
{
    return c == delimiter || c == quote || c == '\n' || c == '\r';
}

/* psql takes a line of it alone for the end of the data. */
static bool ends_psql_input(cv_str field)
{
    return field.len == 2 && field.ptr[0] == '\\' && field.ptr[1] == '.';
}

/* At the start of a text it would be skipped. */
static bool has_byte_order_mark(cv_str field)
{
    return cv_str_starts_with(field, CV_STR("\xEF\xBB\xBF"));
}

static bool needs_quotes(const cv__csv_options *options, cv_str field)
{
    if (field.len == options->null_text.len &&
        (field.len == 0 || memcmp(field.ptr, options->null_text.ptr, field.len) == 0))
        return true;
    if (field.len == 0)
        return false;
    if (field.ptr[0] == ' ' || field.ptr[field.len - 1] == ' ' || ends_psql_input(field) || has_byte_order_mark(field))
        return true;
    bool special = false;
    for (size_t i = 0; i < field.len; i++)
        special |= is_special(field.ptr[i], options->delimiter, options->quote);
    return special;
}

static void add_quoted(cv_buf *out, cv_str field, char quote)
{
    const char *at = field.ptr, *end = at + field.len, *next;
    cv_buf_add_char(out, quote);
    while (at != end && (next = memchr(at, quote, (size_t)(end - at)))) {
        cv_buf_add(out, at, (size_t)(next + 1 - at));
        cv_buf_add_char(out, quote);
        at = next + 1;
    }
    cv_buf_add(out, at, (size_t)(end - at));
    cv_buf_add_char(out, quote);
}

void cv__csv_add(cv_buf *out, const cv__csv_options *options, cv_str field)
{
    if (!field.ptr)
        cv_buf_add_str(out, options->null_text);
    else if (needs_quotes(options, field))
        add_quoted(out, field, options->quote);
    else
        cv_buf_add_str(out, field);
}
