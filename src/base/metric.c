/* Metrics with one name form a family, which has the kind and the help. Families and their metrics are lists that only
 * grow at the end; the last link is published by an atomic store, so walking needs no lock. Registration takes the
 * lock and looks into the maps; updates are single atomic operations on a cache line of their own. */
#include "base/metric.h"

#include "base/ctx.h"
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MAX_METRICS = 10000, MAX_LABELS_BYTES = 4096, CACHE_LINE = 64 };

const double cv_latency_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                    0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
const size_t cv_latency_bound_count = sizeof cv_latency_bounds / sizeof *cv_latency_bounds;

cv_metrics *cv_metrics_new(void)
{
    cv_metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        return NULL;
    metrics->by_name = cv_map_new(MAX_METRICS);
    if (!metrics->by_name || pthread_mutex_init(&metrics->lock, NULL) != 0) {
        cv_map_free(metrics->by_name);
        free(metrics);
        return NULL;
    }
    return metrics;
}

static void free_family(cv__family *family)
{
    for (cv__metric *metric = atomic_load(&family->first), *next; metric; metric = next) {
        next = atomic_load(&metric->next);
        free(metric->labels);
        free(metric);
    }
    cv_map_free(family->by_labels);
    free(family->name);
    free(family->help);
    free(family);
}

void cv_metrics_free(cv_metrics *metrics)
{
    if (!metrics)
        return;
    for (cv__family *family = atomic_load(&metrics->first), *next; family; family = next) {
        next = atomic_load(&family->next);
        free_family(family);
    }
    for (cv__collector *collector = atomic_load(&metrics->collectors), *next; collector; collector = next) {
        next = atomic_load(&collector->next);
        free(collector);
    }
    cv_map_free(metrics->by_name);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

static bool is_name_char(char c, bool first, bool colon)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
    return letter || (!first && c >= '0' && c <= '9');
}

static size_t name_length(const char *text, bool colon)
{
    size_t len = 0;
    while (is_name_char(text[len], len == 0, colon))
        len++;
    return len;
}

/* The length of a quoted label value with its quotation marks, 0 when it is malformed. */
static size_t value_length(const char *text)
{
    if (text[0] != '"')
        return 0;
    size_t len = 1;
    for (; text[len] != '"'; len++) {
        if (text[len] == '\\' && text[++len] != '\\' && text[len] != '"' && text[len] != 'n')
            return 0;
        if (!text[len] || text[len] == '\n')
            return 0;
    }
    return len + 1;
}

/* key="value",key="value"; "le" belongs to histograms. */
static bool labels_are_good(const char *labels)
{
    if (!*labels)
        return true;
    if (strlen(labels) > MAX_LABELS_BYTES || !cv_utf8_valid(cv_str_of(labels)))
        return false;
    for (const char *at = labels;;) {
        size_t name_len = name_length(at, false);
        if (!name_len || at[name_len] != '=' || (name_len == 2 && strncmp(at, "le", 2) == 0))
            return false;
        size_t value_len = value_length(at + name_len + 1);
        if (!value_len)
            return false;
        at += name_len + 1 + value_len;
        if (!*at)
            return true;
        if (*at++ != ',')
            return false;
    }
}

static bool bounds_are_good(const double *bounds, size_t count)
{
    if (count > CV__MAX_BOUNDS || (count && !bounds))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(bounds[i]) || (i && bounds[i] <= bounds[i - 1]))
            return false;
    return true;
}

static cv__family *add_family(cv_metrics *metrics, enum cv__metric_kind kind, const char *name, const char *help)
{
    cv__family *family = calloc(1, sizeof *family);
    if (!family)
        return NULL;
    family->kind = kind;
    family->name = strdup(name);
    family->help = strdup(help ? help : "");
    family->by_labels = cv_map_new(MAX_METRICS);
    if (!family->name || !family->help || !family->by_labels ||
        cv_map_set(metrics->by_name, cv_str_of(name), family, NULL) < 0) {
        free_family(family);
        return NULL;
    }
    if (metrics->last)
        atomic_store_explicit(&metrics->last->next, family, memory_order_release);
    else
        atomic_store_explicit(&metrics->first, family, memory_order_release);
    metrics->last = family;
    return family;
}

/* One block: the metric, its buckets on cache lines of their own, the bounds. */
static cv__metric *new_metric(const char *labels, const double *bounds, size_t bound_count)
{
    size_t head = (sizeof(cv__metric) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    size_t bucket_bytes = (bound_count + 1) * sizeof(_Atomic uint64_t), bound_bytes = bound_count * sizeof(double);
    size_t size = (head + bucket_bytes + bound_bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    char *block = aligned_alloc(CACHE_LINE, size);
    if (!block)
        return NULL;
    memset(block, 0, size);
    cv__metric *metric = (cv__metric *)(void *)block;
    metric->labels = strdup(labels);
    if (!metric->labels) {
        free(block);
        return NULL;
    }
    metric->bound_count = bound_count;
    metric->buckets = (_Atomic uint64_t *)(void *)(block + head);
    metric->bounds = (double *)(void *)(block + head + bucket_bytes);
    if (bound_count)
        memcpy(metric->bounds, bounds, bound_bytes);
    return metric;
}

static cv__metric *add_metric(cv_metrics *metrics, cv__family *family, const char *labels, const double *bounds,
                              size_t bound_count)
{
    if (metrics->count == MAX_METRICS)
        return NULL;
    cv__metric *metric = new_metric(labels, bounds, bound_count);
    if (!metric)
        return NULL;
    if (cv_map_set(family->by_labels, cv_str_of(labels), metric, NULL) < 0) {
        free(metric->labels);
        free(metric);
        return NULL;
    }
    if (family->last)
        atomic_store_explicit(&family->last->next, metric, memory_order_release);
    else
        atomic_store_explicit(&family->first, metric, memory_order_release);
    family->last = metric;
    metrics->count++;
    return metric;
}

static cv__metric *find_or_add(cv_metrics *metrics, enum cv__metric_kind kind, const char *name, const char *help,
                               const char *labels, const double *bounds, size_t bound_count)
{
    cv__family *family = cv_map_get(metrics->by_name, cv_str_of(name));
    if (!family && metrics->count < MAX_METRICS)
        family = add_family(metrics, kind, name, help);
    if (!family || family->kind != kind)
        return NULL;
    cv__metric *metric = cv_map_get(family->by_labels, cv_str_of(labels));
    return metric ? metric : add_metric(metrics, family, labels, bounds, bound_count);
}

static cv__metric *get_metric(cv_metrics *metrics, enum cv__metric_kind kind, const char *name, const char *help,
                              const char *labels, const double *bounds, size_t bound_count)
{
    if (!metrics || !name || !*name || name[name_length(name, true)] != '\0')
        return NULL;
    if (!labels)
        labels = "";
    if (!labels_are_good(labels) || !bounds_are_good(bounds, bound_count))
        return NULL;
    pthread_mutex_lock(&metrics->lock);
    cv__metric *metric = find_or_add(metrics, kind, name, help, labels, bounds, bound_count);
    pthread_mutex_unlock(&metrics->lock);
    return metric;
}

cv__family *cv__metrics_family(cv_metrics *metrics, const char *name)
{
    pthread_mutex_lock(&metrics->lock);
    cv__family *family = cv_map_get(metrics->by_name, cv_str_of(name));
    pthread_mutex_unlock(&metrics->lock);
    return family;
}

cv__metric *cv__metrics_find(cv_metrics *metrics, const cv__family *family, const char *labels)
{
    pthread_mutex_lock(&metrics->lock);
    cv__metric *metric = cv_map_get(family->by_labels, cv_str_of(labels));
    pthread_mutex_unlock(&metrics->lock);
    return metric;
}

int cv_metrics_on_collect(cv_metrics *metrics, void (*fn)(void *arg), void *arg)
{
    cv__collector *collector = calloc(1, sizeof *collector);
    if (!metrics || !collector) {
        free(collector);
        return CV_E_NOMEM;
    }
    collector->fn = fn;
    collector->arg = arg;
    pthread_mutex_lock(&metrics->lock);
    if (metrics->last_collector)
        atomic_store_explicit(&metrics->last_collector->next, collector, memory_order_release);
    else
        atomic_store_explicit(&metrics->collectors, collector, memory_order_release);
    metrics->last_collector = collector;
    pthread_mutex_unlock(&metrics->lock);
    return 0;
}

cv_metrics *cv_ctx_metrics(const cv_ctx *cx)
{
    return cx->metrics;
}

cv_counter *cv_counter_get(cv_metrics *metrics, const char *name, const char *help, const char *labels)
{
    return (cv_counter *)get_metric(metrics, CV__COUNTER, name, help, labels, NULL, 0);
}

cv_counter *cv_counter_get_seconds(cv_metrics *metrics, const char *name, const char *help, const char *labels)
{
    return (cv_counter *)get_metric(metrics, CV__SECONDS, name, help, labels, NULL, 0);
}

cv_gauge *cv_gauge_get(cv_metrics *metrics, const char *name, const char *help, const char *labels)
{
    return (cv_gauge *)get_metric(metrics, CV__GAUGE, name, help, labels, NULL, 0);
}

cv_histogram *cv_histogram_get(cv_metrics *metrics, const char *name, const char *help, const char *labels,
                               const double *bounds, size_t bound_count)
{
    return (cv_histogram *)get_metric(metrics, CV__HISTOGRAM, name, help, labels, bounds, bound_count);
}

void cv_counter_add(cv_counter *counter, uint64_t amount)
{
    if (counter)
        atomic_fetch_add_explicit(&counter->metric.value, amount, memory_order_relaxed);
}

void cv_counter_raise(cv_counter *counter, uint64_t total)
{
    if (!counter)
        return;
    uint64_t seen = atomic_load_explicit(&counter->metric.value, memory_order_relaxed);
    while (seen < total && !atomic_compare_exchange_weak_explicit(&counter->metric.value, &seen, total,
                                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

uint64_t cv_counter_value(const cv_counter *counter)
{
    return counter ? atomic_load_explicit(&counter->metric.value, memory_order_relaxed) : 0;
}

void cv_gauge_set(cv_gauge *gauge, int64_t value)
{
    if (gauge)
        atomic_store_explicit(&gauge->metric.value, (uint64_t)value, memory_order_relaxed);
}

void cv_gauge_add(cv_gauge *gauge, int64_t amount)
{
    if (gauge)
        atomic_fetch_add_explicit(&gauge->metric.value, (uint64_t)amount, memory_order_relaxed);
}

int64_t cv_gauge_value(const cv_gauge *gauge)
{
    return gauge ? (int64_t)atomic_load_explicit(&gauge->metric.value, memory_order_relaxed) : 0;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The first bucket whose bound is not below the value. */
static size_t bucket_of(const cv__metric *metric, double value)
{
    size_t low = 0, high = metric->bound_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (value <= metric->bounds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void cv_histogram_observe(cv_histogram *histogram, double value)
{
    if (!histogram || isnan(value))
        return;
    cv__metric *metric = &histogram->metric;
    atomic_fetch_add_explicit(&metric->buckets[bucket_of(metric, value)], 1, memory_order_relaxed);
    uint64_t seen = atomic_load_explicit(&metric->value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&metric->value, &seen, bits_of(from_bits(seen) + value),
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

void cv__histogram_observe_alone(cv_histogram *histogram, double value)
{
    if (!histogram || isnan(value))
        return;
    cv__metric *metric = &histogram->metric;
    _Atomic uint64_t *bucket = &metric->buckets[bucket_of(metric, value)];
    atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1, memory_order_relaxed);
    double sum = from_bits(atomic_load_explicit(&metric->value, memory_order_relaxed));
    atomic_store_explicit(&metric->value, bits_of(sum + value), memory_order_relaxed);
}

uint64_t cv_histogram_count(const cv_histogram *histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; histogram && i <= histogram->metric.bound_count; i++)
        count += atomic_load_explicit(&histogram->metric.buckets[i], memory_order_relaxed);
    return count;
}

double cv_histogram_sum(const cv_histogram *histogram)
{
    return histogram ? from_bits(atomic_load_explicit(&histogram->metric.value, memory_order_relaxed)) : 0;
}

double cv_histogram_quantile(const cv_histogram *histogram, double q)
{
    uint64_t counts[CV__MAX_BOUNDS + 1], total = 0;
    if (!histogram || !(q >= 0 && q <= 1))
        return NAN;
    const cv__metric *metric = &histogram->metric;
    for (size_t i = 0; i <= metric->bound_count; i++)
        total += counts[i] = atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
    if (!total || !metric->bound_count)
        return NAN;
    double rank = q * (double)total, below = 0;
    size_t at = 0;
    while (at < metric->bound_count && below + (double)counts[at] < rank)
        below += (double)counts[at++];
    /* Beyond the last bound nothing is known but that bound. */
    if (at == metric->bound_count)
        return metric->bounds[at - 1];
    double upper = metric->bounds[at], lower = at ? metric->bounds[at - 1] : upper > 0 ? 0 : upper;
    return counts[at] ? lower + (upper - lower) * (rank - below) / (double)counts[at] : lower;
}
