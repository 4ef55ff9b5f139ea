/* What the floors above use to observe the process: its metrics, and its workers while they work. */
#ifndef COVET_SRC_RT_WATCH_H
#define COVET_SRC_RT_WATCH_H

#include <covet/ctx.h>
#include <covet/list.h>
#include <covet/metric.h>
#include <covet/workers.h>

/** Something to be looked at ten times a second, on the runtime's thread, where there are metrics and the clock is not
 * a simulated one: to show counts that are kept anyway. `fn` neither suspends nor fails. */
typedef struct cv__tick {
    cv_link link;
    void (*fn)(struct cv__tick *tick);
} cv__tick;

void cv__tick_add(const cv_ctx *cx, cv__tick *tick);

/** No effect on one that was not added. */
void cv__tick_remove(cv__tick *tick);

/** Which worker's loop has been held longest, 0 when none is held: for how long, by whom (may be NULL each). On the
 *  thread that started them. */
int64_t cv__workers_held_ms(const cv_workers *workers, size_t *ret_index, const char **ret_holder);

/** Show the process in a registry: time, memory, descriptors, threads; read at each exposition. CV_E_NOMEM. */
CV_CHECKED int cv__process_metrics(cv_metrics *metrics);

#endif
