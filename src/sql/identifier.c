#include "sql/dialect.h"

void cv__add_identifier(cv_buf *out, cv_str name)
{
    cv_buf_add_char(out, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"')
            cv_buf_add_char(out, '"');
        cv_buf_add_char(out, name.ptr[i]);
    }
    cv_buf_add_char(out, '"');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

bool cv__identifier_ok(cv_str name)
{
    if (name.len < 1 || name.len > 63 || is_digit(name.ptr[0]))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_word(name.ptr[i]))
            return false;
    return true;
}
