/* The inside of metrics, shared by the registry and the exposition. */
#ifndef COVET_SRC_BASE_METRIC_H
#define COVET_SRC_BASE_METRIC_H

#include <covet/map.h>
#include <covet/metric.h>
#include <pthread.h>
#include <stdatomic.h>

enum cv__metric_kind {
    CV__COUNTER,
    CV__SECONDS, /* a counter of nanoseconds that is shown in seconds */
    CV__GAUGE,
    CV__HISTOGRAM,
};

#define CV__MAX_BOUNDS 64

/** One metric of a family. Everything but `next` and the counts is fixed once it is in the list. */
typedef struct cv__metric {
    _Atomic uint64_t value; /* counter; gauge, two's complement; histogram, the bits of the sum */
    struct cv__metric *_Atomic next;
    char *labels; /* "" for none */
    size_t bound_count;
    double *bounds;            /* these two lie behind the struct */
    _Atomic uint64_t *buckets; /* bound_count + 1 for histograms, not cumulative */
} cv__metric;

/* The public names of the same thing. */
struct cv_counter {
    cv__metric metric;
};
struct cv_gauge {
    cv__metric metric;
};
struct cv_histogram {
    cv__metric metric;
};

/** All metrics of one name. */
typedef struct cv__family {
    enum cv__metric_kind kind;
    char *name, *help;
    cv__metric *_Atomic first;
    cv__metric *last;  /* this and the next under the lock */
    cv_map *by_labels; /* of all metrics */
    struct cv__family *_Atomic next;
} cv__family;

/** What is called before an exposition. */
typedef struct cv__collector {
    void (*fn)(void *arg);
    void *arg;
    struct cv__collector *_Atomic next;
} cv__collector;

struct cv_metrics {
    pthread_mutex_t lock; /* for registration */
    cv__family *_Atomic first;
    cv__collector *_Atomic collectors;
    cv__family *last; /* this and what follows under the lock */
    cv_map *by_name;  /* of all families */
    cv__collector *last_collector;
    size_t count; /* of metrics */
};

/** The family of that name, the metric of those labels; NULL when there is none. Take the registry's lock. */
cv__family *cv__metrics_family(cv_metrics *metrics, const char *name);
cv__metric *cv__metrics_find(cv_metrics *metrics, const cv__family *family, const char *labels);

/* Updates of metrics that one thread alone updates, others may read them: without the locked instructions that make
 * the public ones safe everywhere. NULL is allowed. */

static inline void cv__metric_add_alone(cv__metric *metric, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(&metric->value, memory_order_relaxed);
    atomic_store_explicit(&metric->value, value + amount, memory_order_relaxed);
}

static inline void cv__counter_add_alone(cv_counter *counter, uint64_t amount)
{
    if (counter)
        cv__metric_add_alone(&counter->metric, amount);
}

static inline void cv__gauge_add_alone(cv_gauge *gauge, int64_t amount)
{
    if (gauge)
        cv__metric_add_alone(&gauge->metric, (uint64_t)amount);
}

void cv__histogram_observe_alone(cv_histogram *histogram, double value);

#endif
