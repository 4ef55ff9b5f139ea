/* Rows for tests of bulk: made one by one by a function, and gathered again. */
#ifndef COVET_TESTS_COPY_ROWS_H
#define COVET_TESTS_COPY_ROWS_H

#include <covet/copy.h>
#include <covet/ctx.h>

enum { COPY_COLUMNS_MAX = 32 };

typedef struct made_rows made_rows;
struct made_rows {
    const char *const *columns;
    size_t column_count;
    int64_t count;                                   /* so many rows */
    int64_t fails_at;                                /* the row that cannot be made; 0: none */
    int64_t given;                                   /* so far */
    size_t told;                                     /* how many columns `start` was told of */
    void (*make)(int64_t row, cv_value *ret_values); /* rows from 1 */
    int (*before)(cv_ctx *cx, made_rows *rows);      /* each row; or NULL */
    cv_value values[COPY_COLUMNS_MAX];
};

static inline int made_rows_start(cv_ctx *cx, void *arg, const cv_copy_column *columns, size_t count)
{
    (void)cx, (void)columns;
    ((made_rows *)arg)->told = count;
    return 0;
}

static inline int made_rows_next(cv_ctx *cx, void *arg, const cv_value **ret_values)
{
    made_rows *rows = arg;
    if (rows->before)
        CV_TRY(rows->before(cx, rows));
    if (rows->fails_at == rows->given + 1)
        return cv_fail(cx, CV_E_END, "the source has broken off");
    if (rows->given == rows->count)
        return 0;
    rows->make(++rows->given, rows->values);
    *ret_values = rows->values;
    return 1;
}

static inline cv_copy_source made_rows_source(made_rows *rows)
{
    return (cv_copy_source){.columns = rows->columns,
                            .column_count = rows->column_count,
                            .start = made_rows_start,
                            .next = made_rows_next,
                            .arg = rows};
}

#endif
