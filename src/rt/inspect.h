/* Looking at fibers: what each does, since when, and its stack. */
#ifndef COVET_SRC_RT_INSPECT_H
#define COVET_SRC_RT_INSPECT_H

#include "rt/rt.h"
#include "rt/stacks.h"

/* While one stack asks another one for its frames. */
typedef struct cv__inspection {
    struct cv_fiber *inspector; /* who asks, and is gone back to */
    cv__stack_trace *trace;
    const char *stack_low; /* of the one that is asked; NULL: the thread's own */
} cv__inspection;

/** On the stack that is asked (sched.c calls it): note its frames. */
void cv__inspection_answer(const cv__inspection *inspection);

/** The stack of a fiber (or of &rt->main); no frames for one that has not begun, or has too little room left for the
 *  walk. From the runtime's thread. Switches there and back; nothing else runs meanwhile. */
void cv__inspect_stack(struct cv_runtime *rt, struct cv_fiber *fiber, cv__stack_trace *ret_trace);

/** What is known of the fibers of one runtime: those that are at the same place for the same reason form a group. */
typedef struct cv__census cv__census;

/** Make one with nothing in it; NULL without memory. */
cv__census *cv__census_new(void);
void cv__census_free(cv__census *census);

/** Take in all fibers of the context's runtime but `except` (may be NULL), and its main context. A fiber gives way now
 * and then. Suspends only in a fiber; CV_E_CANCELLED, CV_E_TIMEOUT. Without memory it is incomplete, and says so. */
CV_CHECKED int cv__census_take(cv_ctx *cx, cv__census *census, const struct cv_fiber *except);

/** How many fibers it has, the main context included. */
size_t cv__census_fibers(const cv__census *census);

/** Append it as text; reads debug information: on a lane. `symbols` may be NULL. */
void cv__census_write(const cv__census *census, cv__symbols *symbols, cv_buf *out);

/** A line for each frame, indented. */
void cv__stack_trace_write(const cv__stack_trace *trace, cv__symbols *symbols, cv_buf *out);

#endif
