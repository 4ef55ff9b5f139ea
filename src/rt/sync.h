/* What the synchronisation objects share: queues of waiters. For src/rt only. */
#ifndef COVET_SRC_RT_SYNC_H
#define COVET_SRC_RT_SYNC_H

#include "rt/wait.h"

#include <covet/sync.h>

/** Wait at the end of the queue. The result given to cv__wake, or why the wait ended early, with a story. The
 *  waiter is initialised; its data, if any, is for the wakers. Suspends. */
CV_CHECKED int cv__queue_wait(cv_ctx *cx, cv_link *queue, const char *what, cv__waiter *waiter);

/** Wake the first waiter with 0; false when nobody waits. */
bool cv__queue_wake_first(cv_link *queue);

/** Wake all waiters with `result`. */
void cv__queue_wake_all(cv_link *queue, int result);

/** Abort, naming the object, when somebody waits. */
void cv__queue_done(cv_link *queue, const char *object);

/** Lock beyond deadline and cancellation: for a condition's return to its mutex. Suspends. CV_E_CONTEXT. */
int cv__mutex_relock(cv_ctx *cx, cv_mutex *mutex);

#endif
