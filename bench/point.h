/* Rows by their keys: a thousand fibers with cv_get, each one after another; what its peers read as well. */
#ifndef COVET_BENCH_POINT_H
#define COVET_BENCH_POINT_H

#include "bench.h"

#include <covet/fiber.h>

enum { FIBERS = 1000 };

struct item {
    int64_t id;
    char *name;
    int64_t amount;
};

CV_MODEL(item, "items", CV_ID(id), CV_CHAR(name, .max_length = 100), CV_INTEGER(amount))

/* How many rows there are, and how many each fiber gets. */
typedef struct point {
    int64_t rows;
    unsigned gets;
} point;

static inline int64_t key_of(const point *p, unsigned fiber, unsigned step)
{
    uint64_t mixed = ((uint64_t)fiber * p->gets + step + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (int64_t)((mixed >> 20) % (uint64_t)p->rows) + 1;
}

typedef struct point_job {
    const point *of;
    unsigned fiber;
    int64_t sum;
} point_job;

static inline int get_often(cv_ctx *cx, void *arg)
{
    point_job *own = arg;
    for (unsigned step = 0; step < own->of->gets; step++)
        CV_SCOPE(cx)
        {
            struct item item;
            CV_TRY(cv_get(cx, item, &item, key_of(own->of, own->fiber, step)));
            own->sum += item.id + item.amount + (unsigned char)item.name[5];
        }
    return 0;
}

/* All of them; the nanoseconds, and a sum of what was read. */
static inline double point_with_covet(cv_ctx *cx, const point *p, int64_t *ret_sum)
{
    static point_job jobs[FIBERS];
    double start = now_ns();
    for (unsigned i = 0; i < FIBERS; i++) {
        jobs[i] = (point_job){.of = p, .fiber = i};
        if (cv_spawn(cx, "gets", get_often, &jobs[i], NULL) < 0)
            die("begin a fiber", cv_error_last(cx)->message);
    }
    if (cv_runtime_run(cx) < 0)
        die("get", cv_error_last(cx)->message);
    double took = now_ns() - start;
    *ret_sum = 0;
    for (unsigned i = 0; i < FIBERS; i++)
        *ret_sum += jobs[i].sum;
    return took;
}

#endif
