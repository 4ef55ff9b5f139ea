#include "db/words.h"

bool cv__is_one_of(cv_str word, const char *const *words)
{
    for (; *words; words++)
        if (cv_str_equal_nocase(word, cv_str_of(*words)))
            return true;
    return false;
}

bool cv__begins_with(cv_str text, const char *part)
{
    cv_str wanted = cv_str_of(part);
    return text.len >= wanted.len && cv_str_equal_nocase(cv_str_sub(text, 0, wanted.len), wanted);
}

bool cv__contains(cv_str text, const char *part)
{
    cv_str wanted = cv_str_of(part);
    for (size_t i = 0; i + wanted.len <= text.len; i++)
        if (strncasecmp(text.ptr + i, part, wanted.len) == 0)
            return true;
    return false;
}

bool cv__contains_any(cv_str text, const char *const *parts)
{
    for (; *parts; parts++)
        if (cv__contains(text, *parts))
            return true;
    return false;
}
