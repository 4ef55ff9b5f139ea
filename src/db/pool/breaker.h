/* A circuit breaker: whether it is worth trying what has failed so often lately.
 *
 *     CLOSED --too many of the last results are failures--> OPEN --its time is over--> HALF OPEN
 *        ^                                                   ^                             |
 *        |                                                   +-----too many probes failed--+
 *        +-----------------------------------------enough probes succeeded-----------------+
 *
 * CLOSED keeps the last `window` results, and forgets them when nothing has failed for as long as OPEN lasts; it opens
 * when at least `percent` of a whole window failed (so a window that is not full yet opens it once that many failures
 * are in it). OPEN allows nothing. HALF OPEN allows `probes` tries; their results decide by the same percentage. Time
 * is given by the caller. Nothing here suspends or fails. */
#ifndef COVET_SRC_DB_POOL_BREAKER_H
#define COVET_SRC_DB_POOL_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CV__BREAKER_MAX_WINDOW = 1024, CV__BREAKER_REASON_BYTES = 192 };

typedef enum cv__breaker_state { CV__BREAKER_CLOSED, CV__BREAKER_OPEN, CV__BREAKER_HALF_OPEN } cv__breaker_state;

typedef struct cv__breaker {
    size_t window, percent, probes; /* window 0: it never opens */
    int64_t open_ns;
    cv__breaker_state state;
    uint64_t failed[CV__BREAKER_MAX_WINDOW / 64]; /* a bit a result */
    size_t next, count, failures;                 /* of the window; of the probes in HALF OPEN */
    size_t admitted;                              /* probes allowed so far */
    int64_t until_ns;                             /* end of OPEN */
    int64_t last_failure_ns;
    uint64_t opened_total;
    char reason[CV__BREAKER_REASON_BYTES]; /* of the last failure */
} cv__breaker;

/** All closed. A window of 0 makes one that never opens; larger ones than the maximum are cut to it. */
void cv__breaker_init(cv__breaker *breaker, size_t window, size_t percent, int64_t open_ns, size_t probes);

/** The state now: an OPEN one whose time is over is HALF OPEN. */
cv__breaker_state cv__breaker_state_at(cv__breaker *breaker, int64_t now_ns);

/** Whether a try is allowed; a probe that is allowed is counted, and must be followed by cv__breaker_note. */
bool cv__breaker_allows(cv__breaker *breaker, int64_t now_ns);

/** The result of a try; `reason` (may be NULL) is copied for a failure. Returns whether it has opened by this one. */
bool cv__breaker_note(cv__breaker *breaker, int64_t now_ns, bool ok, const char *reason);

/** A probe that was allowed and had no result of its own (it was cancelled): another may take its place. */
void cv__breaker_take_back(cv__breaker *breaker);

#endif
