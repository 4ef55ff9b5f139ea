/* Which names stand for values that must not be written to logs. */
#ifndef COVET_SRC_BASE_SECRET_H
#define COVET_SRC_BASE_SECRET_H

#include <covet/str.h>

/** Whether the name contains "password", "secret", "token", "authorization" or "cookie", in any case. */
bool cv__is_secret_name(cv_str name);

/** What is written in place of a secret. */
#define CV__SECRET_MASK "***"

#endif
