/* The Prometheus exposition text, format 0.0.4. */
#include "base/f64.h"
#include "base/metric.h"
#include <math.h>

static void add_f64(cv_buf *out, double value)
{
    char text[CV__F64_TEXT_BYTES];
    if (isfinite(value))
        cv_buf_add(out, text, cv__f64_format(value, text));
    else
        cv_buf_add_text(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
}

/* `suffix` and `bound` are NULL where there are none. */
static void add_series(cv_buf *out, const cv__family *family, const char *suffix, const cv__metric *metric,
                       const double *bound)
{
    cv_buf_add_text(out, family->name);
    cv_buf_add_text(out, suffix);
    if (*metric->labels || bound) {
        cv_buf_add_char(out, '{');
        cv_buf_add_text(out, metric->labels);
        if (bound) {
            cv_buf_add_text(out, *metric->labels ? ",le=\"" : "le=\"");
            add_f64(out, *bound);
            cv_buf_add_char(out, '"');
        }
        cv_buf_add_char(out, '}');
    }
    cv_buf_add_char(out, ' ');
}

static void add_count(cv_buf *out, uint64_t count)
{
    cv_buf_add_u64(out, count);
    cv_buf_add_char(out, '\n');
}

/* The count is the last cumulative bucket by definition, however many observations arrive meanwhile. */
static void expose_histogram(cv_buf *out, const cv__family *family, const cv__metric *metric)
{
    const double infinity = INFINITY;
    uint64_t count = 0;
    for (size_t i = 0; i <= metric->bound_count; i++) {
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        add_series(out, family, "_bucket", metric, i < metric->bound_count ? &metric->bounds[i] : &infinity);
        add_count(out, count);
    }
    add_series(out, family, "_sum", metric, NULL);
    add_f64(out, cv_histogram_sum((const cv_histogram *)metric));
    cv_buf_add_char(out, '\n');
    add_series(out, family, "_count", metric, NULL);
    add_count(out, count);
}

static void expose_metric(cv_buf *out, const cv__family *family, const cv__metric *metric)
{
    if (family->kind == CV__HISTOGRAM) {
        expose_histogram(out, family, metric);
        return;
    }
    uint64_t value = atomic_load_explicit(&metric->value, memory_order_relaxed);
    add_series(out, family, NULL, metric, NULL);
    if (family->kind == CV__COUNTER)
        cv_buf_add_u64(out, value);
    else
        cv_buf_add_i64(out, (int64_t)value);
    cv_buf_add_char(out, '\n');
}

static void add_help(cv_buf *out, const char *help)
{
    for (; *help; help++) {
        if (*help == '\\')
            cv_buf_add_text(out, "\\\\");
        else if (*help == '\n')
            cv_buf_add_text(out, "\\n");
        else
            cv_buf_add_char(out, *help);
    }
}

static void expose_family(cv_buf *out, const cv__family *family)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    if (*family->help) {
        cv_buf_printf(out, "# HELP %s ", family->name);
        add_help(out, family->help);
        cv_buf_add_char(out, '\n');
    }
    cv_buf_printf(out, "# TYPE %s %s\n", family->name, kinds[family->kind]);
    for (const cv__metric *at = atomic_load_explicit(&family->first, memory_order_acquire); at;
         at = atomic_load_explicit(&at->next, memory_order_acquire))
        expose_metric(out, family, at);
}

void cv_metrics_expose(cv_metrics *metrics, cv_buf *out)
{
    if (!metrics)
        return;
    for (const cv__family *at = atomic_load_explicit(&metrics->first, memory_order_acquire); at;
         at = atomic_load_explicit(&at->next, memory_order_acquire))
        expose_family(out, at);
}
