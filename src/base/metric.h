/* The inside of metrics, shared by the registry and the exposition. */
#ifndef COVET_SRC_BASE_METRIC_H
#define COVET_SRC_BASE_METRIC_H

#include <covet/metric.h>
#include <pthread.h>
#include <stdatomic.h>

enum cv__metric_kind { CV__COUNTER, CV__GAUGE, CV__HISTOGRAM };

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
    cv__metric *last; /* under the lock */
    struct cv__family *_Atomic next;
} cv__family;

struct cv_metrics {
    pthread_mutex_t lock; /* for registration */
    cv__family *_Atomic first;
    cv__family *last; /* under the lock */
    size_t count;     /* of metrics, under the lock */
};

#endif
