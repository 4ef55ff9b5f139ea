/* Workers: one runtime per core, each on a thread of its own, nothing shared between them on the hot path.
 *
 * The thread that starts them keeps its own runtime and stays free for signals, supervision and an admin listener: it
 * also watches the workers, so that a fiber that never gives way is named while it still holds its loop. */
#ifndef COVET_WORKERS_H
#define COVET_WORKERS_H

#include <covet/runtime.h>

CV_BEGIN_DECLS

typedef struct cv_workers cv_workers;

typedef struct cv_workers_options {
    size_t count;               /* 0: one a core that the process may use (sched_getaffinity); at most 256 */
    cv_runtime_options runtime; /* of each worker; `metrics` is ignored: each has a registry of its own */
    /** Called in each worker's main context once its runtime stands; a worker counts as started when it returns 0.
     *  `index` is 0 ... count - 1. Waits in it end with the deadline of cv_workers_start, and
     *  fibers that it spawns inherit that, too: one that is to live on begins with
     *  cv_ctx_restore_deadline_ns(cx, INT64_MAX). */
    int (*start)(cv_ctx *main, size_t index, void *arg);
    /** Called in each worker's main context before its runtime is freed, also when `start` failed. May be NULL. */
    void (*stop)(cv_ctx *main, size_t index, void *arg);
    void *arg;
} cv_workers_options;

/** Start the threads and wait until every worker has started. When one fails all are stopped and its error is reported
 *  in the caller's context. Suspends; the deadline of the context bounds it (at most 60 s): a worker that does not come
 *  back from `start` by then is named and left behind, and the program should end. CV_E_SYSTEM, CV_E_LIMIT,
 *  CV_E_INVALID, CV_E_NOMEM, CV_E_TIMEOUT, CV_E_CANCELLED and what `start` returns. */
CV_API CV_CHECKED int cv_workers_start(cv_ctx *cx, const cv_workers_options *options, cv_workers **ret_workers);

/** Stop all workers at the same time, wait for their threads, free everything. Suspends, without an end of its own:
 * what `stop` does is bounded by what it calls. From the runtime that started them. NULL is allowed. */
CV_API void cv_workers_stop(cv_ctx *cx, cv_workers *workers);

CV_API size_t cv_workers_count(const cv_workers *workers);

/** The metrics registry of a worker, for cv_metrics_expose_all. Lives as long as the workers. */
CV_API cv_metrics *cv_workers_metrics(const cv_workers *workers, size_t index);

/** Run `fn` in a fiber of every worker, all at the same time, and wait for all of them. Returns the first error. A
 *  worker that does not answer before the deadline of `cx` (at most 60 s) is CV_E_TIMEOUT, naming it and the fiber that
 *  holds its loop; it may still run `fn` later, so `arg` must stay valid until `dispose(arg)` was called: exactly once,
 *  when nobody will use it any more, on the caller's thread or a worker's. `dispose` NULL: `arg` outlives the workers.
 *  Suspends. From the runtime that started the workers, or from one of them. CV_E_CANCELLED, CV_E_CONTEXT, CV_E_LIMIT
 * (a worker has no fiber left), CV_E_NOMEM and what `fn` returns. */
CV_API CV_CHECKED int cv_workers_each(cv_ctx *cx, cv_workers *workers, int (*fn)(cv_ctx *cx, size_t index, void *arg),
                                      void *arg, void (*dispose)(void *arg));

CV_END_DECLS

#endif
