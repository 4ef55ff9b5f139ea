/* Watching loops of other threads while they run: who holds one is named at once, not when it gives way. */
#ifndef COVET_SRC_RT_WATCHDOG_H
#define COVET_SRC_RT_WATCHDOG_H

#include "rt/capture.h"
#include "rt/rt.h"

/** One runtime of another thread: where it is found while it stands, NULL otherwise. `capture` must stay until that
 * thread has ended. */
typedef struct cv__watched {
    struct cv_runtime *const *runtime;
    cv__capture *capture;
} cv__watched;

typedef struct cv__watchdog cv__watchdog;

/** Watch runtimes from the context's own thread; `mutex` guards the places where they are found. A loop that is held
 * longer than the watchdog of its own runtime allows is logged, once while it is held, with the stack of what holds it,
 * and once when it is free again; a thread that merely does not get a processor holds nothing. NULL without memory.
 * Keeps no loop alive. */
cv__watchdog *cv__watchdog_new(cv_ctx *cx, pthread_mutex_t *mutex, const cv__watched *watched, size_t count);

/** NULL is allowed. Does not suspend. */
void cv__watchdog_free(cv__watchdog *watchdog);

/** The loop that has been held longest, 0 when none is held: for how long, which, and by whom (may be NULL each). */
int64_t cv__watchdog_held_ms(const cv__watchdog *watchdog, size_t *ret_index, const char **ret_holder);

#endif
