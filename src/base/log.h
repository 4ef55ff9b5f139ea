/* Logs that add a field of their own to each line. */
#ifndef COVET_SRC_BASE_LOG_H
#define COVET_SRC_BASE_LOG_H

#include <covet/arena.h>
#include <covet/log.h>

/** A view of `log` that adds the field to each line; allocated in `arena` and good as long as it. Name and value are
 *  copied; a field that `log` itself adds is replaced. NULL without memory, or without a log. */
cv_log *cv__log_with(cv_arena *arena, const cv_log *log, const char *name, cv_str value);

/** The same log for another context: what adds a field is copied into `arena`. Without memory the field is lost. */
cv_log *cv__log_inherit(cv_arena *arena, cv_log *log);

#endif
