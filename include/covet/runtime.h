/* The runtime: an event loop (libuv) with fibers, one per thread.
 *
 * cv_runtime_new makes the loop and the main context. From the main context, outside any fiber, every call of Covet
 * works too: a call that has to wait runs the loop until it is done. From a callback of the loop or from another
 * thread, such a call fails with CV_E_CONTEXT.
 *
 * Clocks: cv_now_ns is monotonic. With a simulated clock, time stands still while anything can run and jumps to the
 * next timer when nothing can (no ready fiber, no input or output and no lane work under way), so that tests of
 * time-outs take no time and always have the same result. */
#ifndef COVET_RUNTIME_H
#define COVET_RUNTIME_H

#include <covet/ctx.h>
#include <covet/log.h>
#include <covet/metric.h>

CV_BEGIN_DECLS

typedef struct cv_runtime cv_runtime;

typedef struct cv_runtime_options {
    size_t arena_limit_bytes; /* of the main context and of each fiber; 0: 64 MiB */
    size_t stack_bytes;       /* of a fiber, without the guard page; 0: 256 KiB; at least 16 KiB; rounded up to pages */
    size_t max_fibers;        /* alive at once; 0: 10,000 */
    bool simulated_clock;
    int64_t watchdog_ms; /* a fiber that holds the loop longer is logged when it gives way; 0: 100; negative: never;
                            exact to a tick of the system, up to 10 ms */
    cv_log *log;         /* kept by reference; NULL: no logs */
    cv_metrics *metrics; /* kept by reference; NULL: none */
} cv_runtime_options;

/** Make a runtime and its main context, which is returned and owned by the runtime. The calling thread is the runtime's
 *  thread from now on. NULL options take the defaults. CV_E_NOMEM, CV_E_SYSTEM, CV_E_INVALID, without a story. */
CV_API CV_CHECKED int cv_runtime_new(const cv_runtime_options *options, cv_ctx **ret_main);

/** Cancel all fibers, wait (bounded: 5 s) until they ended, close the loop, free everything including the main context.
 *  Fibers that do not end in time are named on standard error and the process aborts: they would use freed memory. Work
 * that a lane's thread does not finish in that time is left behind and logged; its `dispose` is not called. NULL is
 * allowed. Only from the main context. */
CV_API void cv_runtime_free(cv_ctx *main);

/** Let the process keep up to 8 MiB of the memory that it frees at the end of its heap, and take blocks below 1 MiB
 * from there, where glibc would give the one back from 128 KiB on and map the others one by one: results of queries are
 * made and freed all the time. cv_main does it first; a program without cv_main may, before it starts threads. Nothing
 * happens where the environment sets glibc's own (GLIBC_TUNABLES, MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_), and
 * with another C library. Does not suspend. */
CV_API void cv_tune_heap(void);

/** The monotonic clock (or the simulated one) of the context's runtime, nanoseconds; without a runtime the system's. */
CV_API int64_t cv_now_ns(const cv_ctx *cx);

/** Run the loop from the main context until no fiber is alive, or until cv_runtime_stop. May wait without an end: this
 * is the one wait that a server is meant to be in. CV_E_CONTEXT when called in a fiber,
 * CV_E_DEADLOCK_SELF when all fibers wait and nothing is left that could wake one. */
CV_API CV_CHECKED int cv_runtime_run(cv_ctx *main);

/** Make cv_runtime_run return after the present turn; no effect when it is not running. From the runtime's thread only.
 */
CV_API void cv_runtime_stop(cv_ctx *cx);

/** The number of fibers alive. */
CV_API size_t cv_fiber_count(const cv_ctx *cx);

/** Call `fn(arg)` in a new fiber when the process gets the signal (SIGTERM, SIGINT, SIGHUP...). Lasts until the runtime
 * is freed. CV_E_SYSTEM, CV_E_NOMEM. Does not suspend. */
CV_API CV_CHECKED int cv_on_signal(cv_ctx *cx, int signal_number, int (*fn)(cv_ctx *cx, void *arg), void *arg);

CV_END_DECLS

#endif
