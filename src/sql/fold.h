/* Case folding for look-ups that ignore case. */
#ifndef COVET_SRC_SQL_FOLD_H
#define COVET_SRC_SQL_FOLD_H

#include <covet/str.h>

/** Full Unicode case folding ("Straße" and "STRASSE" fold alike). `*ret_folded` is `text` itself when folding changes
 *  nothing, otherwise a NUL-terminated text in the arena, or on the heap when `arena` is NULL (then `*ret_heap` is what
 *  to free, else NULL). Bytes that are not UTF-8 are kept, with ASCII letters folded. CV_E_NOMEM, CV_E_LIMIT, without a
 *  story. */
CV_CHECKED int cv__fold(cv_arena *arena, cv_str text, cv_str *ret_folded, void **ret_heap);

#endif
