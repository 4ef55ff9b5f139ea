/* Writing members whose keys are known long before. */
#ifndef COVET_SRC_BASE_JSON_WRITER_H
#define COVET_SRC_BASE_JSON_WRITER_H

#include <covet/json.h>

/** The key as cv__json_member wants it: `,"key":`, escaped, in the arena; the NULL view without memory. */
cv_str cv__json_ready_key(cv_arena *arena, cv_str key);

/** cv_json_key and cv_json_value in one step. */
void cv__json_member(cv_json_writer *writer, cv_str ready_key, const cv_value *value);

#endif
