/* A million rows of four cells: what bulk and streams are measured with. */
#ifndef COVET_BENCH_ROWS_H
#define COVET_BENCH_ROWS_H

#include "bench.h"

#include <covet/copy.h>

enum { ROWS = 1000000 };

/* The third cell of a row. */
static inline size_t make_text(char *out, int64_t row)
{
    memcpy(out, "twenty chars 1000000", 20);
    for (size_t i = 19; row > 0; i--, row /= 10)
        out[i] = (char)('0' + row % 10);
    return 20;
}

/* What was read: the same on both sides. */
typedef struct sums {
    int64_t rows, small, big, letters;
    double real;
} sums;

static inline void compare_sums(const sums *ours, const sums *theirs)
{
    if (ours->rows != ROWS || memcmp(ours, theirs, sizeof *ours) != 0)
        die("compare", "the two sides have read different rows");
}

/* ---- in, with Covet ---- */

typedef struct made_rows {
    int64_t given;
    cv_value values[4];
    char text[32];
} made_rows;

static inline int next_row(cv_ctx *cx, void *arg, const cv_value **ret_values)
{
    (void)cx;
    made_rows *r = arg;
    if (r->given == ROWS)
        return 0;
    int64_t row = ++r->given;
    r->values[0].as.i64 = row;
    r->values[1].as.i64 = row * 7000000;
    r->values[2].as.text.len = make_text(r->text, row);
    r->values[3].as.f64 = (double)row / 8;
    *ret_values = r->values;
    return 1;
}

/* All of them into a table with the columns a, b, c and d; the nanoseconds. */
static inline double copy_rows_in(cv_ctx *cx, const char *table)
{
    static const char *const columns[] = {"a", "b", "c", "d"};
    made_rows r = {
        .values = {{.type = CV_TYPE_I64}, {.type = CV_TYPE_I64}, {.type = CV_TYPE_TEXT}, {.type = CV_TYPE_F64}}};
    cv_copy_source source = {.columns = columns, .column_count = 4, .next = next_row, .arg = &r};
    r.values[2].as.text.ptr = r.text;
    double start = now_ns();
    if (cv_copy_in(cx, table, &source, NULL, NULL) < 0)
        die("copy", cv_error_last(cx)->message);
    return now_ns() - start;
}

#endif
