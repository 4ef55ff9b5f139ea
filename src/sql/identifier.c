#include "sql/dialect_common.h"

void cv__add_identifier(cv_buf *out, cv_str name)
{
    cv__add_in_quotes(out, name, '"');
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
