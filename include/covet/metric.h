/* Metric primitives: counters, gauges and histograms, updated without locks from any thread.
 *
 * A registry names them and walks them; the Prometheus text (exposition format 0.0.4) is one walk over it. A metric
 * lives as long as its registry. Nothing here suspends. */
#ifndef COVET_METRIC_H
#define COVET_METRIC_H

#include <covet/ctx.h>
#include <covet/str.h>

CV_BEGIN_DECLS

typedef struct cv_metrics cv_metrics;
typedef struct cv_counter cv_counter;
typedef struct cv_gauge cv_gauge;
typedef struct cv_histogram cv_histogram;

/** Make a registry; NULL without memory. Free with cv_metrics_free (NULL allowed). */
CV_API cv_metrics *cv_metrics_new(void);
CV_API void cv_metrics_free(cv_metrics *metrics);

/** Find or make a metric. `name` as Prometheus allows ([a-zA-Z_:][a-zA-Z0-9_:]*); `labels` is NULL or `key="value",...`
 *  in exposition form. The same name and labels give the same metric; the same name as another kind gives NULL, as does
 *  a bad name or exhausted memory (the registry holds at most 10,000). Updates through NULL do nothing. */
CV_API cv_counter *cv_counter_get(cv_metrics *metrics, const char *name, const char *help, const char *labels);
/** A counter of nanoseconds that is exposed in seconds, for names that end with "_seconds_total". */
CV_API cv_counter *cv_counter_get_seconds(cv_metrics *metrics, const char *name, const char *help, const char *labels);
CV_API cv_gauge *cv_gauge_get(cv_metrics *metrics, const char *name, const char *help, const char *labels);
/** `bounds`: ascending upper bounds of the buckets (at most 64); +Inf comes by itself. */
CV_API cv_histogram *cv_histogram_get(cv_metrics *metrics, const char *name, const char *help, const char *labels,
                                      const double *bounds, size_t bound_count);

CV_API void cv_counter_add(cv_counter *counter, uint64_t amount);
/** For what somebody else counts already: the counter becomes `total` unless it is that large. */
CV_API void cv_counter_raise(cv_counter *counter, uint64_t total);
CV_API uint64_t cv_counter_value(const cv_counter *counter);
CV_API void cv_gauge_set(cv_gauge *gauge, int64_t value);
CV_API void cv_gauge_add(cv_gauge *gauge, int64_t amount);
CV_API int64_t cv_gauge_value(const cv_gauge *gauge);
CV_API void cv_histogram_observe(cv_histogram *histogram, double value);
CV_API uint64_t cv_histogram_count(const cv_histogram *histogram);
CV_API double cv_histogram_sum(const cv_histogram *histogram);
/** The estimated value below which the share `q` (0..1) of observations lies, by linear interpolation in its bucket;
 * NaN without observations. */
CV_API double cv_histogram_quantile(const cv_histogram *histogram, double q);

/** Bounds for latencies in seconds: 100 us to 10 s. */
CV_API extern const double cv_latency_bounds[];
CV_API extern const size_t cv_latency_bound_count;

/** Call `fn(arg)` before each exposition, on the thread of whoever exposes: for values that are read rather than
 * counted. It may register and update metrics and must not expose any. For the rest of the registry's life. CV_E_NOMEM.
 */
CV_API CV_CHECKED int cv_metrics_on_collect(cv_metrics *metrics, void (*fn)(void *arg), void *arg);

/** The registry of the context's runtime, for the program's own metrics; NULL without one. Workers have one each, which
 *  /metrics sums up. */
CV_API cv_metrics *cv_ctx_metrics(const cv_ctx *cx);

/** Append the exposition text of all metrics. Out of memory is in the buffer's error. */
CV_API void cv_metrics_expose(cv_metrics *metrics, cv_buf *out);

/** The same for several registries, of the workers of one process: metrics of one name with the same labels are summed
 * up. Families come in the order of the first registry that has them, each once. What has one name in two registries
 *  and another kind, or other bounds, is taken from the first. `list` may have NULL in it. */
CV_API void cv_metrics_expose_all(cv_metrics *const *list, size_t count, cv_buf *out);

CV_END_DECLS

#endif
