/* The one wait of the runtime, for everything inside the library that suspends.
 *
 *     cv__waiter w;
 *     cv__waiter_init(cx, &w);
 *     start_something(&w);                     -- a callback of the loop will call cv__wake(&w, result)
 *     int rc = cv__wait(cx, &w);               -- suspends the fiber, or runs the loop in the main context
 *     if (!w.woken) stop_something();               -- ended early: the callback must not touch w any more
 *
 * States of a waiter: idle (initialised), parked (somebody is in cv__wait), woken (result set). cv__wake moves idle or
 * parked to woken; a second cv__wake has no effect. cv__wait on a woken one returns at once. */
#ifndef COVET_SRC_RT_WAIT_H
#define COVET_SRC_RT_WAIT_H

#include "rt/timers.h"
#include <covet/ctx.h>
#include <covet/fiber.h>
#include <covet/lane.h>
#include <covet/list.h>
#include <uv.h>

typedef struct cv__waiter {
    cv_link link; /* free for the owner of a queue of waiters; removed from its list by cv__wake and when a wait ends
                     early */
    cv_ctx *cx;
    int result;         /* what cv__wake was given */
    bool parked, woken; /* woken stays false when a wait ended early */
    const char *what;   /* for messages, completes "could not <what>"; NULL: "wait". A static string */
    void *data;         /* free for the owner */
} cv__waiter;

void cv__waiter_init(cv_ctx *cx, cv__waiter *waiter);

/** Suspend until cv__wake, the context's deadline, or cancellation. Returns the result given to cv__wake (0 or an error
 *  code; no story is made for it), or CV_E_TIMEOUT, CV_E_CANCELLED, CV_E_CONTEXT with a story; in the main context also
 *  CV_E_DEADLOCK_SELF, when nothing is left that could end the wait. One that is woken already gives its result even
 *  when the fiber was cancelled: begin with cv__wait_check what must not start then. */
CV_CHECKED int cv__wait(cv_ctx *cx, cv__waiter *waiter);

/** Suspend like cv__wait, but beyond deadline and cancellation: only where the wake-up is certain and near. */
int cv__wait_uninterruptible(cv_ctx *cx, cv__waiter *waiter);

/** Make the waiter ready with a result. From the runtime's thread: a loop callback, another fiber, or before the wait.
 */
void cv__wake(cv__waiter *waiter, int result);

/** Have what cv__wake will touch fetched into the cache. */
void cv__waiter_fetch(const cv__waiter *waiter);

/** Whether a suspending call is allowed here and has any time left: 0, CV_E_CONTEXT, CV_E_CANCELLED, CV_E_TIMEOUT, with
 * a story. `what` completes "could not <what>". */
CV_CHECKED int cv__wait_check(cv_ctx *cx, const char *what);

/** The loop of the context's runtime; NULL without one. For starting libuv handles from a fiber or the main context. */
uv_loop_t *cv__loop(const cv_ctx *cx);

/** The main context of the runtime: for spawning from loop callbacks. */
cv_ctx *cv__main_ctx(const cv_ctx *cx);

/* ---- for callbacks of the loop ---- */

/** Run `fn` in a detached fiber at once, on the back of a callback of the loop, until it first suspends: the pool hands
 *  out the fiber used last, so that one warm stack serves all that do not wait. From a fiber, or outside the loop, it
 * is started in the next turn, as cv_spawn does. Inherits from the main context. Errors as cv_spawn, told in `main`. */
CV_CHECKED int cv__run_now(cv_ctx *main, const char *name, cv_fiber_fn *fn, void *arg);

/** Make the context of the running fiber as new, for its next piece of work: arena, error and everything that was set
 *  are as cv__run_now made them, with the clean-ups run. A cancellation stays, and is told
 *  once more: who works on in a fiber that was told already would have a moment for each wait, meant for cleaning up.
 */
void cv__fiber_renew(cv_ctx *cx);

/** Have `fn(arg)` called on the fiber's stack right before each time that it suspends; NULL: not any more. `fn` must
 *  neither suspend nor fail. */
void cv__fiber_on_leave(cv_ctx *cx, void (*fn)(void *arg), void *arg);

/** Call `timer->fire` from the loop, outside any fiber, at an instant of the runtime's clock, simulated or not. An
 * armed timer is moved. The timer is the caller's, all zero but for `fire` at first. Cannot fail. */
void cv__timer_start(const cv_ctx *cx, cv__timer *timer, int64_t at_ns);

/** No effect when it is not armed. */
void cv__timer_stop(const cv_ctx *cx, cv__timer *timer);

/** Something to be done once, at the end of a turn. A member of the caller's object; set `fn` and cv_list_init the link
 * before its first use. */
typedef struct cv__turn_end cv__turn_end;
struct cv__turn_end {
    cv_link link;
    void (*fn)(cv__turn_end *end);
};

/** Have `end->fn(end)` called when the ready fibers of this turn have run, before the loop waits for anything: for what
 *  many fibers of one turn share, such as a flush or a read transaction. No effect when it is asked for already; one
 *  that asks again from within `fn` has its next turn. `fn` runs outside any fiber and must not suspend. From the
 *  runtime's thread: a fiber, the main context, or a callback of the loop. */
void cv__turn_end_ask(const cv_ctx *cx, cv__turn_end *end);

/** Not any more; no effect when it was not asked for. */
void cv__turn_end_drop(cv__turn_end *end);

/** The runtime's clock when the loop last looked at it, to the millisecond: costs nothing, and is good enough for time
 * limits. */
int64_t cv__loop_now_ns(const cv_ctx *cx);

/** Whether the runtime's clock is a simulated one. */
bool cv__clock_is_simulated(const cv_ctx *cx);

/** Say what the context's fiber works at: a name instead of the one it has (static, or of something that
 *  outlives the runtime; NULL: that one stays), and `describe`, which writes a line of at most `size` bytes with its
 * NUL for a dump, outside the fiber; NULL: nothing to add. No effect in the main context. */
void cv__fiber_tell(cv_ctx *cx, const char *name, void (*describe)(const void *arg, char *text, size_t size),
                    const void *arg);

/** cv_offload beyond deadline and cancellation, for work under frames that cannot be left, such as a callback of an
 *  engine: `fn(arg)` has ended when the call returns its result. Suspends. Without it having run: CV_E_BUSY,
 * CV_E_SYSTEM, CV_E_NOMEM, CV_E_CONTEXT, each with a story. */
CV_CHECKED int cv__offload_to_end(cv_ctx *cx, cv_lane lane, int (*fn)(void *arg), void *arg);

/** Work on a lane whose end is waited for later, or never. A member of the caller's object, which may go away as soon
 *  as the errand has ended or was dropped. */
typedef struct cv__errand {
    cv__waiter waiter;
    struct job *job; /* rt's; valid until the waiter is woken */
    cv_lane lane;
    bool is_under_way; /* begun, and its end not yet told */
} cv__errand;

/** Start `fn(arg)` on the lane, as cv_offload does, and return at once. `dispose(arg)` is called exactly once: on the
 *  runtime's thread after the work has ended or was dropped, or before this returns an error. CV_E_BUSY, CV_E_SYSTEM,
 *  CV_E_NOMEM, CV_E_CONTEXT, each with a story. Does not suspend. */
CV_CHECKED int cv__errand_begin(cv_ctx *cx, cv__errand *errand, cv_lane lane, int (*fn)(void *arg), void *arg,
                                void (*dispose)(void *arg));

/** Wait for its end: the work's result, without a story; CV_E_TIMEOUT or CV_E_CANCELLED with one when the wait ends
 *  early: the errand is still under way then. Suspends. */
CV_CHECKED int cv__errand_end(cv_ctx *cx, cv__errand *errand);

/** Nobody wants to know any more. Work not yet started is dropped. No effect when none is under way. Does not suspend.
 */
void cv__errand_drop(const cv_ctx *cx, cv__errand *errand);

/** Count input, output or other outside work under way: while there is any, a simulated clock does not jump. Server
 *  sockets that merely listen are not counted. */
void cv__io_begin(const cv_ctx *cx);
void cv__io_end(const cv_ctx *cx);

/** Milliseconds from now to the deadline, rounded up, at least 0; `INT64_MAX` without one. */
int64_t cv__deadline_left_ms(const cv_ctx *cx);

/** A file descriptor that is waited for again and again, by one fiber at a time. Between waits it stays registered with
 *  the system, so that a wait costs no system call of its own. */
typedef struct cv__poll cv__poll;

/** Make one for a descriptor, which stays the caller's and must be open until cv__poll_free. CV_E_NOMEM and what
 *  libuv reports. Does not suspend. */
CV_CHECKED int cv__poll_new(cv_ctx *cx, int fd, cv__poll **ret_poll);

/** Wait for any of `events`; `ret_events` (may be NULL) tells which came. Suspends. CV_E_STATE while another fiber
 *  waits for the same descriptor. */
CV_CHECKED int cv__poll_wait(cv_ctx *cx, cv__poll *poll, int events, int *ret_events);

/** Have `fn(arg, events)` called from the loop whenever any of `events` comes, instead of waiting in a fiber; called
 *  again for other events. A negative `events` tells an error of libuv, and is the last one. `fn` may free the handle;
 * it must not suspend. What libuv reports. Does not suspend. */
CV_CHECKED int cv__poll_call(cv__poll *poll, int events, void (*fn)(void *arg, int events), void *arg);

/** Forget the descriptor at once; it may be closed afterwards. Nobody may be waiting. NULL is allowed. */
void cv__poll_free(cv__poll *poll);

/** Wait until the file descriptor is readable and/or writable (UV_READABLE, UV_WRITABLE, UV_DISCONNECT); `ret_events`
 * may be NULL. Suspends. Makes and closes a poll handle per call; see cv__poll for one that lasts. */
CV_CHECKED int cv__wait_fd(cv_ctx *cx, int fd, int events, int *ret_events);

/** Report an error of libuv or errno (negative, as libuv has them) with the matching code of ours: "could not WHAT:
 * reason". */
int cv__fail_uv(cv_ctx *cx, int uv_error, const char *format, ...) CV_PRINTF(3, 4);

#endif
