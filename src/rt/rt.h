/* The inside of the runtime, for src/rt only: what a fiber and a runtime consist of, and the steps between the files.
 *
 * All of it belongs to the runtime's thread. README.md tells the states of a fiber and the turn of the loop. */
#ifndef COVET_SRC_RT_RT_H
#define COVET_SRC_RT_RT_H

#include "base/ctx.h"
#include "rt/stack.h"
#include "rt/switch.h"
#include "rt/timers.h"
#include "rt/wait.h"

#include <assert.h>
#include <covet/fiber.h>
#include <covet/list.h>
#include <covet/runtime.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

struct cv__inspection;
struct cv__lanes;
struct cv__rt_metrics;
struct cv__signal;
struct cv_workers;

enum cv__fiber_state {
    CV__FIBER_POOLED, /* `queue` is in the pool; no context in use */
    CV__FIBER_READY,  /* `queue` is in the ready or the background queue (the main context: it runs when uv_run returns)
                       */
    CV__FIBER_RUNNING, /* it is rt->current (the main context: outside uv_run) */
    CV__FIBER_WAITING, /* `waiting` is set and parked */
    CV__FIBER_ENDED,   /* the function has returned; the handle waits for its join */
};

enum cv__cancel { CV__CANCEL_NONE, CV__CANCEL_REQUESTED, CV__CANCEL_DELIVERED };

struct cv_fiber {
    /* what each switch touches lies together: many fibers have left the cache when they run again */
    cv_ctx cx;
    cv__frame frame;
    cv_link queue;
    const char *name;
    cv__waiter *waiting;
    int64_t since_ms;           /* of the loop's clock: the beginning of the wait */
    int64_t shield_until_ns;    /* 0: outside any shield */
    void (*leaving)(void *arg); /* called right before it suspends; or NULL */
    void *leaving_arg;
    enum cv__fiber_state state;
    enum cv__cancel cancel;
    int interrupt;      /* why the present wait ended early, or 0 */
    bool interruptible; /* while waiting: deadline and cancellation may end the wait */
    bool begun;         /* it has run: its stack holds frames */
    bool detached;
    cv__timer timer; /* armed while it waits with an end */

    cv__stack stack; /* the main context has only its annotation */
    cv_link all;     /* in rt->fibers from spawn to release */
    cv_fiber_fn *fn;
    void *arg;
    uint64_t id;                                                /* counts what was spawned; 0: the main context */
    int64_t born_ms;                                            /* of the loop's clock: the spawn */
    void (*describe)(const void *arg, char *text, size_t size); /* what it works at; or NULL */
    const void *describe_arg;
    int result;
    cv__waiter *joiner;
    cv_arena_mark start; /* of the arena, before the function ran */
};

struct cv_runtime {
    uv_loop_t loop;
    uv_check_t check;                        /* the turn: runs ready fibers after the poll */
    uv_idle_t idle;                          /* active while something can run: the poll does not block */
    uv_timer_t timer;                        /* set for the first of `timers` */
    uv_timer_t end_timer;                    /* bounds the end of the runtime */
    struct cv_fiber main;                    /* the main context, as the waits see it */
    const struct cv__inspection *inspection; /* while a stack is asked for its frames: see inspect.h */
    struct cv_fiber *current;                /* the fiber that runs, or NULL: main context or loop callback */
    _Atomic(const char *) holder;            /* its name, for other threads to read */
    _Atomic uint64_t runs;                   /* how often a fiber was switched to; other threads read it */
    pthread_t thread;
    pid_t thread_id;
    bool in_loop; /* inside uv_run */
    bool in_turn; /* inside the turn */
    bool idle_active;
    bool running, stop_asked, closing, end_timer_fired;

    cv_link ready, background, fibers, pool;
    cv_link turn_ends, due_ends; /* of cv__turn_end: asked for; being called */
    size_t alive;                /* not ended */
    size_t handles;              /* not released: alive, and ended but not joined */
    size_t pooled;
    size_t made; /* colours of stacks */
    size_t max_fibers, stack_bytes, arena_limit_bytes;

    cv__timers timers;
    int64_t armed_ns; /* what `timer` is set for; INT64_MAX: not set */
    bool simulated;
    int64_t simulated_ns;
    size_t io; /* outside work under way */

    int64_t watchdog_ns;  /* 0: none */
    int64_t turn_mark_ns; /* coarse clock, when the running fiber was switched to */

    struct cv__lanes *lanes;    /* made at the first use */
    struct cv_workers *workers; /* started by it, and not stopped; the last ones */
    struct cv__signal *signals;
    void *guard; /* see guard.h */

    uint64_t spawned;
    _Atomic int64_t tick_ns; /* uv_hrtime of the last tick of metrics.c, 0 before; other threads read it */
    cv_counter *watchdog_counter;
    struct cv__rt_metrics *metrics; /* see metrics.c */
    cv_link ticks;                  /* of cv__tick */
};

/** The fiber of the context, or the runtime's main context in its stead. The context has a runtime. */
static inline struct cv_fiber *cv__self(const cv_ctx *cx)
{
    return cx->fiber ? cx->fiber : &cx->runtime->main;
}

/* sched.c */

/** Put the fiber at the end of the ready queue; the main context: let uv_run return to it. */
void cv__make_ready(struct cv_runtime *rt, struct cv_fiber *fiber);

/** Make sure that the poll does not block before the next turn. */
void cv__kick(struct cv_runtime *rt);

/** Note for the watchdog that a fiber is about to run. */
void cv__mark_turn(struct cv_runtime *rt);

/** Run a fiber that is ready, and in no queue, until it suspends or ends. On the thread's own stack. */
void cv__run_fiber(struct cv_runtime *rt, struct cv_fiber *fiber);

/** Tell whoever came to ask `from` for its frames, and go back to them, until somebody comes to go on. */
void cv__answer_inspections(struct cv_runtime *rt, struct cv_fiber *from) __attribute__((cold));

/* The next two are part of their callers: behind a switch each return is one that the processor predicts wrongly. */

/** Switch from one stack to the other; returns when somebody switches back. */
CV__ALWAYS_INLINE void cv__switch_stacks(struct cv_runtime *rt, struct cv_fiber *from, struct cv_fiber *to)
{
    cv__annotate_leave(&from->stack.annotation, &to->stack.annotation, false);
    cv__switch(&from->frame, &to->frame);
    if (__builtin_expect(rt->inspection != NULL, 0))
        cv__answer_inspections(rt, from);
    cv__annotate_arrive(&from->stack.annotation, &to->stack.annotation, false);
}

/** Leave the running fiber; returns when the scheduler runs it again. Its state is no longer RUNNING. */
CV__ALWAYS_INLINE void cv__suspend(struct cv_runtime *rt, struct cv_fiber *fiber)
{
    assert(rt->current == fiber && fiber->state != CV__FIBER_RUNNING);
    if (fiber->leaving)
        fiber->leaving(fiber->leaving_arg);
    cv__switch_stacks(rt, fiber, &rt->main);
}

/** Leave the running fiber for good: its state is ENDED. */
_Noreturn void cv__suspend_last(struct cv_runtime *rt, struct cv_fiber *fiber);

/** The callback of rt->check: run what can run, at most once around. */
void cv__turn(uv_check_t *check);

/** Run the loop once from the main context. */
void cv__run_loop(struct cv_runtime *rt, uv_run_mode mode);

/** Whether anything is left that could wake somebody. */
bool cv__can_go_on(const struct cv_runtime *rt);

/* fiber.c */

/** A fiber has left for good: wake who joins it, or release it when it is detached. On the thread's own stack. */
void cv__fiber_ended(struct cv_runtime *rt, struct cv_fiber *fiber);

/** Put a fiber that ended into the pool, or free it when the pool is full. */
void cv__fiber_release(struct cv_runtime *rt, struct cv_fiber *fiber);

/** Free all fibers of the pool. */
void cv__pool_free(struct cv_runtime *rt);

/* wait.c */

/** Whether this context may suspend here; CV_E_CONTEXT is reported when it may not. `what` as for cv__wait_check, which
 *  also looks at deadline and cancellation. */
CV_CHECKED bool cv__may_wait(cv_ctx *cx, const char *what);

/** End the fiber's present wait early with CV_E_TIMEOUT or CV_E_CANCELLED; no effect unless it waits interruptibly. */
void cv__interrupt(struct cv_fiber *fiber, int code);

/** As cv__wait, but ends with `ret_early` = CV_E_TIMEOUT, without a story, at `until_ns`. True when it was woken. */
bool cv__park(struct cv_fiber *self, cv__waiter *waiter, int64_t until_ns, bool interruptible, int *ret_early);

/** The instant at which waits of this context end now: its deadline, and the grace that a cancelled fiber has. */
int64_t cv__wait_limit_ns(const cv_ctx *cx, const struct cv_fiber *self);

/** Report that a wait ended early with `code` (as cv__park gave it), and note that a cancellation was delivered. */
int cv__wait_failed(cv_ctx *cx, struct cv_fiber *self, int code, const char *what);

/* clock.c */

int64_t cv__clock_now_ns(const struct cv_runtime *rt);

/** A timer for the fiber's wait. */
void cv__clock_arm(struct cv_runtime *rt, struct cv_fiber *fiber, int64_t at_ns);

/** The callback of rt->timer: fire the timers that are due. */
void cv__clock_fired(uv_timer_t *timer);

/** Whether the simulated clock is to jump as soon as nothing can run. */
bool cv__clock_will_jump(const struct cv_runtime *rt);

/** Set the simulated clock to the next timer and fire those that are due then. */
void cv__clock_jump(struct cv_runtime *rt);

/** `now` + `ms`, without overflow; a negative `ms` counts as 0. */
int64_t cv__after_ms(int64_t now_ns, int64_t ms);

/* signal.c */

/** Close all signal handles; their memory is freed by the loop. */
void cv__signals_close(struct cv_runtime *rt);

/* metrics.c */

enum { CV__TICK_MS = 100 };

/** Begin to keep the runtime's own metrics, where the main context has a registry; without memory there are fewer. */
void cv__rt_metrics_begin(struct cv_runtime *rt);

/** Free them, after the loop was closed. */
void cv__rt_metrics_end(struct cv_runtime *rt);

/* lane.c */

enum { CV__LANES = 4 };

typedef struct cv__lane_stats {
    size_t queued, threads, busy;
} cv__lane_stats;

/** The present state of all lanes, by cv_lane. */
void cv__lanes_stats(const struct cv_runtime *rt, cv__lane_stats ret_stats[CV__LANES]);

/** Refuse new work, wait until what runs has ended, at most until `until_ns` (uv_hrtime), and end the threads. Work
 *  that goes on beyond it is left to its thread, which frees what remains. */
void cv__lanes_close(struct cv_runtime *rt, uint64_t until_ns);

/* fatal.c */

/** Print "covet: ..." on standard error and abort: for defects that would use freed memory. */
_Noreturn void cv__die(const char *format, ...) CV_PRINTF(1, 2);

#endif
