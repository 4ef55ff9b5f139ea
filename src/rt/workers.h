/* The inside of the workers: workers.c has their life, workers_each.c asks all of them. */
#ifndef COVET_SRC_RT_WORKERS_H
#define COVET_SRC_RT_WORKERS_H

#include "rt/mailbox.h"
#include "rt/rt.h"
#include "rt/watchdog.h"

#include <covet/sync.h>
#include <covet/workers.h>

/* How long starting, and asking everybody, may last at most. */
enum { CV__WORKERS_WAIT_MS = 60 * 1000 };

struct cv__worker {
    struct cv_workers *workers;
    size_t index;
    pthread_t thread;
    bool has_thread;
    cv_metrics *metrics;
    cv__mailbox *mailbox;
    struct cv_runtime *runtime; /* while it stands; under the mutex of the workers */

    /* Of the worker's thread until `started`, then of the starter's. */
    cv_ctx *report; /* the story of `result` */
    int result;     /* of the start */
    cv__message started, stop, ended;

    bool has_started, has_ended, left_behind; /* of the starter's thread */
    bool stopping;                            /* of the worker's thread */
    cv_cond stopped;
    cv__capture capture; /* of the watchdog */
};

struct cv_workers {
    atomic_size_t references;
    pthread_mutex_t mutex;
    cv_workers_options options;
    int64_t start_until_ns;
    struct cv_runtime *starter;
    bool starter_simulated;
    cv__mailbox *mailbox;
    cv__waiter *waiter;     /* of cv_workers_start or _stop */
    cv__watchdog *watchdog; /* of the starter's thread */
    size_t count;
    struct cv__worker items[];
};

/** Hold them, so that what was stopped meanwhile can still be looked at; give up a hold. */
static inline void cv__workers_ref(struct cv_workers *workers)
{
    atomic_fetch_add(&workers->references, 1);
}
void cv__workers_unref(struct cv_workers *workers);

#endif
