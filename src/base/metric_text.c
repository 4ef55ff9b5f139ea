/* The Prometheus exposition text, format 0.0.4. */
#include "base/f64.h"
#include "base/metric.h"
#include <math.h>
#include <stdlib.h>

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

/* What the metrics of one name and the same labels amount to. */
struct total {
    uint64_t value;
    double sum;
    uint64_t buckets[CV__MAX_BOUNDS + 1];
};

static void add_to_total(struct total *total, const cv__metric *metric, enum cv__metric_kind kind)
{
    if (kind != CV__HISTOGRAM) {
        total->value += atomic_load_explicit(&metric->value, memory_order_relaxed);
        return;
    }
    total->sum += cv_histogram_sum((const cv_histogram *)metric);
    for (size_t i = 0; i <= metric->bound_count; i++)
        total->buckets[i] += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
}

/* The count is the last cumulative bucket by definition, however many observations arrive meanwhile. */
static void expose_histogram(cv_buf *out, const cv__family *family, const cv__metric *metric, const struct total *total)
{
    const double infinity = INFINITY;
    uint64_t count = 0;
    for (size_t i = 0; i <= metric->bound_count; i++) {
        count += total->buckets[i];
        add_series(out, family, "_bucket", metric, i < metric->bound_count ? &metric->bounds[i] : &infinity);
        add_count(out, count);
    }
    add_series(out, family, "_sum", metric, NULL);
    add_f64(out, total->sum);
    cv_buf_add_char(out, '\n');
    add_series(out, family, "_count", metric, NULL);
    add_count(out, count);
}

static void expose_total(cv_buf *out, const cv__family *family, const cv__metric *metric, const struct total *total)
{
    if (family->kind == CV__HISTOGRAM) {
        expose_histogram(out, family, metric, total);
        return;
    }
    add_series(out, family, NULL, metric, NULL);
    if (family->kind == CV__COUNTER)
        cv_buf_add_u64(out, total->value);
    else if (family->kind == CV__SECONDS)
        add_f64(out, (double)total->value / 1e9);
    else
        cv_buf_add_i64(out, (int64_t)total->value);
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

static void expose_head(cv_buf *out, const cv__family *family)
{
    static const char *const kinds[] = {"counter", "counter", "gauge", "histogram"};
    if (*family->help) {
        cv_buf_printf(out, "# HELP %s ", family->name);
        add_help(out, family->help);
        cv_buf_add_char(out, '\n');
    }
    cv_buf_printf(out, "# TYPE %s %s\n", family->name, kinds[family->kind]);
}

/* ---- several registries ---- */

/* The families of one name, one for each registry; NULL where there is none of this kind. */
struct merge {
    cv_metrics *const *list;
    cv__family **families;
    size_t count;
};

static cv__metric *find(const struct merge *merge, size_t at, const char *labels)
{
    return merge->families[at] ? cv__metrics_find(merge->list[at], merge->families[at], labels) : NULL;
}

static bool has_before(const struct merge *merge, size_t end, const char *labels)
{
    for (size_t i = 0; i < end; i++)
        if (find(merge, i, labels))
            return true;
    return false;
}

static bool same_bounds(const cv__metric *a, const cv__metric *b)
{
    return a->bound_count == b->bound_count &&
           (!a->bound_count || memcmp(a->bounds, b->bounds, a->bound_count * sizeof *a->bounds) == 0);
}

/* `metric` is the first of its labels, in the registry `at`. */
static void expose_metric(cv_buf *out, const struct merge *merge, size_t at, const cv__metric *metric)
{
    struct total total = {0};
    const cv__family *family = merge->families[at];
    add_to_total(&total, metric, family->kind);
    for (size_t i = at + 1; i < merge->count; i++) {
        const cv__metric *other = find(merge, i, metric->labels);
        if (other && same_bounds(metric, other))
            add_to_total(&total, other, family->kind);
    }
    expose_total(out, family, metric, &total);
}

static bool name_came_before(const struct merge *merge, size_t end, const char *name)
{
    for (size_t i = 0; i < end; i++)
        if (merge->list[i] && cv__metrics_family(merge->list[i], name))
            return true;
    return false;
}

/* `family` is the first of its name, in the registry `at`. */
static void expose_family(cv_buf *out, const struct merge *merge, size_t at, cv__family *family)
{
    for (size_t i = 0; i < merge->count; i++) {
        cv__family *same = i == at ? family : NULL;
        if (i > at && merge->list[i])
            same = cv__metrics_family(merge->list[i], family->name);
        merge->families[i] = same && same->kind == family->kind ? same : NULL;
    }
    expose_head(out, family);
    for (size_t i = at; i < merge->count; i++) {
        if (!merge->families[i])
            continue;
        for (const cv__metric *metric = atomic_load_explicit(&merge->families[i]->first, memory_order_acquire); metric;
             metric = atomic_load_explicit(&metric->next, memory_order_acquire))
            if (!has_before(merge, i, metric->labels))
                expose_metric(out, merge, i, metric);
    }
}

static void collect(cv_metrics *metrics)
{
    for (const cv__collector *at = atomic_load_explicit(&metrics->collectors, memory_order_acquire); at;
         at = atomic_load_explicit(&at->next, memory_order_acquire))
        at->fn(at->arg);
}

void cv_metrics_expose_all(cv_metrics *const *list, size_t count, cv_buf *out)
{
    struct merge merge = {list, calloc(count ? count : 1, sizeof(cv__family *)), count};
    if (!merge.families) {
        out->error = CV_E_NOMEM;
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (list[i])
            collect(list[i]);
    for (size_t i = 0; i < count; i++) {
        if (!list[i])
            continue;
        for (cv__family *at = atomic_load_explicit(&list[i]->first, memory_order_acquire); at;
             at = atomic_load_explicit(&at->next, memory_order_acquire))
            if (!name_came_before(&merge, i, at->name))
                expose_family(out, &merge, i, at);
    }
    free(merge.families);
}

void cv_metrics_expose(cv_metrics *metrics, cv_buf *out)
{
    if (metrics)
        cv_metrics_expose_all(&metrics, 1, out);
}
