/* A pairing heap of timers, intrusive: adding is constant, removing logarithmic (amortised), neither can fail.
 * Starting and stopping them on the runtime's clock is in wait.h.
 *
 * Invariants: a timer's children are not due before it; equal instants come out in the order they were added. `prev`
 * of a first child is its parent, of any other child its left sibling, of the root NULL. Nothing here suspends. */
#ifndef COVET_SRC_RT_TIMERS_H
#define COVET_SRC_RT_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cv__timer {
    struct cv__timer *child, *sibling, *prev;
    int64_t at_ns;
    uint64_t sequence;
    void (*fire)(struct cv__timer *timer); /* called when it is due, and not armed any more */
    bool armed;
} cv__timer;

typedef struct cv__timers {
    cv__timer *first; /* the next one due, or NULL */
    uint64_t sequence;
} cv__timers;

/** Add a timer that is not armed; of its contents only `fire` stays. */
void cv__timers_add(cv__timers *timers, cv__timer *timer, int64_t at_ns);

/** Take a timer out; no effect when it is not armed. */
void cv__timers_remove(cv__timers *timers, cv__timer *timer);

#endif
