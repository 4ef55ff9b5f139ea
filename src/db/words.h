/* Looking for words in the text of a statement, ASCII letters of either case. Lists end with NULL. */
#ifndef COVET_SRC_DB_WORDS_H
#define COVET_SRC_DB_WORDS_H

#include <covet/str.h>

/** Whether a word is in the list. */
bool cv__is_one_of(cv_str word, const char *const *words);

/** Whether a text begins with `part`, or has it anywhere, or any of a list. */
bool cv__begins_with(cv_str text, const char *part);
bool cv__contains(cv_str text, const char *part);
bool cv__contains_any(cv_str text, const char *const *parts);

#endif
