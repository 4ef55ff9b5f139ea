/* What a switch of fibers costs: raw, through the scheduler (cv_yield), and a pooled spawn with its join. The three are
 * measured in turn, several times, and the medians printed, so that a slow moment of the machine hits all alike. */
#include "rt/switch.h"

#include <covet/fiber.h>
#include <covet/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS = 21, SWITCHES = 2000000, YIELDS = 1000000, SPAWNS = 200000, STACK_BYTES = 65536 };

struct ping_pong {
    cv__frame here, there;
};

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void pong(void *arg)
{
    struct ping_pong *both = arg;
    for (;;)
        cv__switch(&both->there, &both->here);
}

static double measure_switch(void *stack)
{
    struct ping_pong both;
    cv__frame_init(&both.there, stack, (char *)stack + STACK_BYTES, pong, &both);
    double start_ns = now_ns();
    for (int i = 0; i < SWITCHES / 2; i++)
        cv__switch(&both.here, &both.there);
    return (now_ns() - start_ns) / SWITCHES;
}

static int yield_often(cv_ctx *cx, void *arg)
{
    for (int i = 0; i < *(int *)arg; i++)
        CV_TRY(cv_yield(cx));
    return 0;
}

static double measure_yield(cv_ctx *cx)
{
    int times = YIELDS / 2;
    double start_ns = now_ns();
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = cv_spawn(cx, "yields", yield_often, &times, NULL);
    if (rc == 0)
        rc = cv_runtime_run(cx);
    return rc < 0 ? -1 : (now_ns() - start_ns) / YIELDS;
}

static int do_nothing(cv_ctx *cx, void *arg)
{
    (void)cx;
    (void)arg;
    return 0;
}

static int spawn_often(cv_ctx *cx, void *arg)
{
    double start_ns = now_ns();
    for (int i = 0; i < SPAWNS; i++) {
        cv_fiber *fiber = NULL;
        CV_TRY(cv_spawn(cx, "nothing", do_nothing, NULL, &fiber));
        CV_TRY(cv_join(cx, fiber, NULL));
    }
    *(double *)arg = (now_ns() - start_ns) / SPAWNS;
    return 0;
}

static double measure_spawn(cv_ctx *cx)
{
    double took_ns = -1;
    int rc = cv_spawn(cx, "spawns", spawn_often, &took_ns, NULL);
    if (rc == 0)
        rc = cv_runtime_run(cx);
    return rc < 0 ? -1 : took_ns;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int report(const char *what, double *runs, double limit)
{
    qsort(runs, RUNS, sizeof *runs, compare);
    double median = runs[RUNS / 2];
    int is_good = median >= 0 && median <= limit;
    printf("{\"bench\":\"fiber-switch\",\"unit\":\"ns\",\"ours\":%.1f,\"what\":\"%s\",\"limit\":%.0f,\"pass\":%s,"
           "\"runs\":%d}\n",
           median, what, limit, is_good ? "true" : "false", RUNS);
    return is_good;
}

int main(void)
{
    static double switches[RUNS], yields[RUNS], spawns[RUNS];
    void *stack = aligned_alloc(16, STACK_BYTES);
    cv_ctx *cx = NULL;
    if (!stack || cv_runtime_new(NULL, &cx) < 0)
        return 2;
    for (int i = 0; i < RUNS; i++) {
        switches[i] = measure_switch(stack);
        yields[i] = measure_yield(cx);
        spawns[i] = measure_spawn(cx);
    }
    cv_runtime_free(cx);
    free(stack);
    int good = report("switch", switches, 6) + report("yield", yields, 40) + report("spawn+join", spawns, 300);
    return good == 3 ? 0 : 1;
}
