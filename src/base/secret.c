#include "base/secret.h"

bool cv__is_secret_name(cv_str name)
{
    static const char *const words[] = {"password", "secret", "token", "authorization", "cookie"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        cv_str word = cv_str_of(words[i]);
        for (size_t from = 0; from + word.len <= name.len; from++)
            if (cv_str_equal_nocase(cv_str_sub(name, from, word.len), word))
                return true;
    }
    return false;
}
