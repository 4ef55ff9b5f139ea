/* What a pool remembers of its last hour, and shows as metrics.
 *
 * The hour is a ring of minutes; the one that begins overwrites the oldest. Waits are counted in buckets, eight to each
 * doubling of microseconds, so that a percentile is exact to an eighth. Everything belongs to the pool's thread. */
#ifndef COVET_SRC_DB_POOL_STATS_H
#define COVET_SRC_DB_POOL_STATS_H

#include "rt/watch.h"
#include <covet/pool.h>

struct cv__pool;

enum { CV__WAIT_BUCKETS = 240 };

typedef struct cv__pool_slot {
    uint64_t minute;
    uint64_t loans, timeouts, turned_away, made, closed, failures;
    uint64_t used_ns; /* sum of the time that each connection was lent */
    size_t used_max;
    uint32_t waits[CV__WAIT_BUCKETS];
} cv__pool_slot;

typedef struct cv__pool_history {
    cv__pool_slot slots[CV_POOL_MINUTES];
    size_t at;             /* of the present minute */
    int64_t began_ns;      /* of the first slot */
    int64_t ends_ns;       /* of the present minute */
    size_t used;           /* lent now */
    int64_t used_since_ns; /* `used` is counted in up to here */
    bool unusual;          /* the last whole minute was unlike the others */
} cv__pool_history;

/* Metrics of one pool; NULL without a registry. */
typedef struct cv__pool_metrics cv__pool_metrics;

/** Make what is remembered and shown; without memory the pool does without. */
void cv__pool_stats_start(struct cv__pool *pool);
void cv__pool_stats_stop(struct cv__pool *pool);

/** A loan began after a wait; it ended after a time. */
void cv__pool_note_loan(struct cv__pool *pool, int64_t now_ns, int64_t wait_ns);
void cv__pool_note_return(struct cv__pool *pool, int64_t now_ns, int64_t held_ns);
/** A connection was made. */
void cv__pool_note_made(struct cv__pool *pool, int64_t took_ns);
/** The slot of the present minute, for counting; NULL without memory. */
cv__pool_slot *cv__pool_slot_now(struct cv__pool *pool, int64_t now_ns);

/** How the pool is; logs a rise. */
int cv__pool_alert(struct cv__pool *pool);

/** The wait below which the share `q` (0 to 1) of a minute's lies, in microseconds; 0 without any. */
int64_t cv__pool_slot_wait_us(const cv__pool_slot *slot, double q);

#endif
