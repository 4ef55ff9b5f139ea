/* A million rows from a server, one after another, every cell read: through Covet, and by its peer, in turns. The
 * memory is that of a process which does nothing but read the rows through Covet. */
#ifndef COVET_BENCH_STREAM_H
#define COVET_BENCH_STREAM_H

#include "rows.h"

#include <sys/resource.h>
#include <sys/wait.h>

enum { STREAM_RUNS = 5, STREAM_WARM_UPS = 1, STREAM_MIB = 16 };

static const char select_rows[] = "SELECT a, b, c, d FROM stream_rows";

typedef struct stream_bench {
    const char *name, *peer, *url;
    double (*bare)(void *session, sums *ret_sums); /* the nanoseconds */
    void *session;
} stream_bench;

static inline int read_rows(cv_ctx *cx, sums *ret_sums)
{
    cv_rows *rows;
    int rc;
    *ret_sums = (sums){0};
    CV_TRY(cv_sql_run(cx, select_rows, NULL, 0, NULL, &rows));
    while ((rc = cv_rows_next(cx, rows)) > 0) {
        cv_value text = cv_rows_get(rows, 2);
        ret_sums->rows++;
        ret_sums->small += cv_rows_get(rows, 0).as.i64;
        ret_sums->big += cv_rows_get(rows, 1).as.i64;
        ret_sums->letters += (int64_t)text.as.text.len + text.as.text.ptr[19];
        ret_sums->real += cv_rows_get(rows, 3).as.f64;
    }
    cv_rows_close(cx, rows);
    return rc;
}

static inline double stream_with_covet(cv_ctx *cx, sums *ret_sums)
{
    int rc = 0;
    double start = now_ns();
    CV_SCOPE(cx)
    {
        rc = read_rows(cx, ret_sums);
    }
    if (rc < 0)
        die("read rows", cv_error_last(cx)->message);
    return now_ns() - start;
}

/* The most memory that a process had which reads the rows once, in KiB. */
static inline long stream_peak_kib(const char *url)
{
    int status;
    struct rusage used;
    pid_t child = fork();
    if (child == 0) {
        sums read = {0};
        covet_side covet = covet_open(url);
        (void)stream_with_covet(covet.cx, &read);
        covet_close(&covet);
        _exit(read.rows != ROWS);
    }
    if (child < 0 || wait4(child, &status, 0, &used) < 0 || status != 0)
        die("measure the memory", "the process that reads the rows has failed");
    return used.ru_maxrss;
}

static inline void stream_compare(const stream_bench *bench, cv_ctx *cx)
{
    double ours[STREAM_RUNS], theirs[STREAM_RUNS];
    for (int run = -STREAM_WARM_UPS; run < STREAM_RUNS; run++) {
        int at = run < 0 ? 0 : run;
        sums our_sums, their_sums;
        ours[at] = ROWS * 1e9 / stream_with_covet(cx, &our_sums);
        theirs[at] = ROWS * 1e9 / bench->bare(bench->session, &their_sums);
        compare_sums(&our_sums, &their_sums);
    }
    print_run_ratios(bench->name, "1,000,000 rows of 4 columns", "rows/s", ours, bench->peer, theirs, 0.9, STREAM_RUNS);
}

/* The table stands. */
static inline void stream_bench_run(const stream_bench *bench)
{
    long kib = stream_peak_kib(bench->url);
    printf("{\"bench\":\"%s\",\"what\":\"the most memory while reading\",\"unit\":\"MiB\",\"ours\":%.1f,"
           "\"limit\":%d,\"pass\":%s,\"runs\":1}\n",
           bench->name, (double)kib / 1024, STREAM_MIB, kib < STREAM_MIB * 1024L ? "true" : "false");
    fflush(stdout);
    covet_side covet = covet_open(bench->url);
    stream_compare(bench, covet.cx);
    covet_close(&covet);
}

#endif
