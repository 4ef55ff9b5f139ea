/* Fibers: straight-line code, concurrent underneath.
 *
 * A fiber runs a function on a stack of its own and gives way only where a call may suspend: fibers of one runtime
 * never run at the same time and never move between threads. Every call documented as "suspends" is a cancellation
 * point: it ends with CV_E_CANCELLED when the fiber was cancelled and with CV_E_TIMEOUT when the context's deadline has
 * passed, even when what it waits for is ready.
 *
 * A fiber's stack has a guard page: running over it ends the process with a message that names the fiber. */
#ifndef COVET_FIBER_H
#define COVET_FIBER_H

#include <covet/ctx.h>
#include <covet/str.h>

CV_BEGIN_DECLS

typedef struct cv_fiber cv_fiber;

/** What a fiber runs. `cx` is its own context (child of the spawner's: deadline, database, log; arena and error of its
 * own), freed when the fiber ends. The result is what cv_join returns. */
typedef int cv_fiber_fn(cv_ctx *cx, void *arg);

/** Start a fiber; it runs for the first time when the caller next suspends. `name` is a static string for messages.
 * With `ret_fiber` the caller must join it exactly once; with NULL it is detached and its failure is logged. CV_E_LIMIT
 * when max_fibers are in use (those that ended and wait for their join count), CV_E_NOMEM, CV_E_CONTEXT from another
 * thread. Does not suspend. May be called from the main context, from a fiber, and from
 * a callback of the loop (with the main context). */
CV_API CV_CHECKED int cv_spawn(cv_ctx *cx, const char *name, cv_fiber_fn *fn, void *arg, cv_fiber **ret_fiber);

/** Wait until the fiber has ended and return its result; its error (with the chain) becomes the caller's. Suspends. The
 *  handle is invalid afterwards, except after CV_E_TIMEOUT or CV_E_CANCELLED of the wait itself: `*ret_joined` (may be
 *  NULL) says whether the join took place; without it, a failed wait detaches the fiber. */
CV_API int cv_join(cv_ctx *cx, cv_fiber *fiber, bool *ret_joined);

/** Ask the fiber to end: its present or next suspending call ends with CV_E_CANCELLED, once; cleaning up afterwards may
 *  wait again, for at most 50 ms per wait, which then ends with CV_E_TIMEOUT (see CV_SHIELD for more). Asking again has
 *  no effect. From the runtime's thread only. Does not suspend. */
CV_API void cv_cancel(cv_fiber *fiber);

/** Whether this context's fiber was asked to end. For long computations. */
CV_API bool cv_is_cancelled(const cv_ctx *cx);

/** Give way to the other ready fibers. Suspends. 0, CV_E_CANCELLED, CV_E_TIMEOUT, CV_E_CONTEXT. */
CV_API int cv_yield(cv_ctx *cx);

/** Give way to everything else: run again in a later turn of the loop, after its input and output and its ready fibers;
 * of all that wait here, one runs a turn. For long computations beside short requests. Suspends. */
CV_API int cv_yield_background(cv_ctx *cx);

/** Sleep. Suspends. 0 after the time, CV_E_CANCELLED, CV_E_TIMEOUT (the deadline came first: it returns at once when it
 * is known to), CV_E_CONTEXT. */
CV_API CV_CHECKED int cv_sleep_ms(cv_ctx *cx, int64_t ms);

/** Bound everything in the block to `ms` from now (never later than the deadline there was). However the block is left,
 *  the former deadline is back.
 *      CV_WITHIN(cx, 250) { CV_TRY(cv_get(...)); } */
#define CV_WITHIN(cx, ms)                                                                                              \
    for (struct cv__within CV__UNIQUE(cv__within_)                                                                     \
             __attribute__((cleanup(cv__within_leave))) = cv__within_enter((cx), (ms));                                \
         CV__UNIQUE(cv__within_).open; CV__UNIQUE(cv__within_).open = 0)

/** Clean-up in a context that was cancelled or has run out of time: inside the block, waits work again, all together
 * for at most `budget_ms` (50 is customary), and never longer than an outer shield allows. However the block is left,
 * the former state is back. */
#define CV_SHIELD(cx, budget_ms)                                                                                       \
    for (struct cv__within CV__UNIQUE(cv__within_)                                                                     \
             __attribute__((cleanup(cv__within_leave))) = cv__shield_enter((cx), (budget_ms));                         \
         CV__UNIQUE(cv__within_).open; CV__UNIQUE(cv__within_).open = 0)

/* What the macros above expand to; not for direct use. */
struct cv__within {
    cv_ctx *cx;
    int64_t former_deadline_ns;
    int64_t former_shield_ns;
    int open;
};
CV_API struct cv__within cv__within_enter(cv_ctx *cx, int64_t ms);
CV_API struct cv__within cv__shield_enter(cv_ctx *cx, int64_t ms);
CV_API void cv__within_leave(struct cv__within *within);

/** The name of the context's fiber, "main" outside one. */
CV_API const char *cv_fiber_name(const cv_ctx *cx);

/** Append what every fiber of the runtime, and of the workers that it has started, is at, for people: its name, what it
 * waits for and since when, the time that its deadline leaves it, the request that it answers, and its stack with
 * functions and lines, as far as the program has symbols. Fibers at the same place are told together, the most numerous
 * first. Fibers are looked at in turns of a few, so that a loop with thousands of them goes on; names are looked up on
 * CV_LANE_CPU. Suspends. CV_E_TIMEOUT, CV_E_CANCELLED, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_fibers_dump(cv_ctx *cx, cv_buf *out);

CV_END_DECLS

#endif
