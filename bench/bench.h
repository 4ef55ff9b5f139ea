/* What benchmarks share: the clock, medians, result lines, and the side of Covet. */
#ifndef COVET_BENCH_BENCH_H
#define COVET_BENCH_BENCH_H

#include <covet/db.h>
#include <covet/query.h>
#include <covet/runtime.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

enum { RUNS_MAX = 64 };

/* Leaves the values in their order. */
static inline double median_of(const double *values, size_t count)
{
    double sorted[RUNS_MAX];
    memcpy(sorted, values, count * sizeof *values);
    return median(sorted, count);
}

_Noreturn static inline void die(const char *what, const char *why)
{
    fprintf(stderr, "could not %s: %s\n", what, why);
    exit(1);
}

static inline void print_result(const char *bench, const char *what, const char *unit, double ours, const char *peer,
                                double theirs, double ratio, double wanted, int runs)
{
    printf("{\"bench\":\"%s\",\"what\":\"%s\",\"unit\":\"%s\",\"ours\":%.0f,\"peer\":\"%s\",\"theirs\":%.0f,"
           "\"ratio\":%.3f,\"wanted\":%.2f,\"pass\":%s,\"runs\":%d}\n",
           bench, what, unit, ours, peer, theirs, ratio, wanted, ratio >= wanted ? "true" : "false", runs);
}

static inline void print_ratio(const char *bench, const char *what, const char *unit, double ours, const char *peer,
                               double theirs, double wanted, int runs)
{
    print_result(bench, what, unit, ours, peer, theirs, ours / theirs, wanted, runs);
}

/* The ratio is the median of those of the runs, each of which had the same moment of the machine for both sides. */
static inline void print_run_ratios(const char *bench, const char *what, const char *unit, const double *ours,
                                    const char *peer, const double *theirs, double wanted, int runs)
{
    double ratios[RUNS_MAX];
    for (int i = 0; i < runs; i++)
        ratios[i] = ours[i] / theirs[i];
    print_result(bench, what, unit, median_of(ours, (size_t)runs), peer, median_of(theirs, (size_t)runs),
                 median(ratios, (size_t)runs), wanted, runs);
}

/* ---- the side of Covet ---- */

typedef struct covet_side {
    cv_ctx *cx;
    cv_registry *registry; /* NULL: no models */
    cv_db *db;             /* the context's default */
} covet_side;

static inline void covet_open_db(covet_side *side, const char *url)
{
    if (cv_db_open(side->cx, url, NULL, &side->db) < 0)
        die("open the database", cv_error_last(side->cx)->message);
    cv_use_db(side->cx, side->db);
}

static inline covet_side covet_open(const char *url)
{
    covet_side side = {0};
    if (cv_runtime_new(NULL, &side.cx) < 0)
        die("begin", "there is no memory");
    covet_open_db(&side, url);
    return side;
}

/* With a model. */
static inline covet_side covet_open_model(const char *url, cv_model_fn *model)
{
    covet_side side = {0};
    if (cv_runtime_new(&(cv_runtime_options){.arena_limit_bytes = (size_t)512 << 20}, &side.cx) < 0)
        die("begin", "there is no memory");
    side.registry = cv_registry_new(side.cx);
    if (!side.registry || cv_registry_add(side.cx, side.registry, "bench", model()) < 0 ||
        cv_registry_check(side.cx, side.registry) < 0)
        die("begin", cv_error_last(side.cx)->message);
    cv_use_registry(side.cx, side.registry);
    covet_open_db(&side, url);
    return side;
}

static inline void covet_close(covet_side *side)
{
    cv_db_close(side->cx, side->db);
    cv_runtime_free(side->cx);
}

static inline void covet_close_model(covet_side *side)
{
    covet_close(side);
    cv_registry_free(side->registry);
}

#endif
