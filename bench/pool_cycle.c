/* Borrowing and giving back, nothing else: alone, and 64 fibers on 16 connections. SQLite in a file stands behind
 * the pool; nothing runs on the connections. */
#include "sqlite_bench.h"

#include "db/db.h"
#include <covet/fiber.h>

enum { CYCLES = 1000000, ROUNDS = 7, FIBERS = 64, CONNECTIONS = 16, TURNS = 2000 };
static const double ALONE_LIMIT_NS = 200, FAIR_LIMIT = 3;

static void stop(cv_ctx *cx, const char *what)
{
    const cv_error *error = cv_error_last(cx);
    fprintf(stderr, "%s: %s\n", what, error ? error->message : "failed");
    exit(1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double cycle_alone_ns(cv_ctx *cx, cv_db *db)
{
    double rounds[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double began = now_ns();
        for (int i = 0; i < CYCLES; i++) {
            cv__conn *conn;
            if (cv__pool_acquire(cx, &db->readers, &conn) < 0)
                stop(cx, "acquire");
            cv__pool_release(cx, conn);
        }
        rounds[round] = (now_ns() - began) / CYCLES;
    }
    qsort(rounds, ROUNDS, sizeof rounds[0], compare);
    return rounds[ROUNDS / 2];
}

/* Of this thread: what the machine does meanwhile is no unfairness of the pool. */
static double used_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double waits[FIBERS * TURNS];
static size_t wait_count;

/* Each holds its connection for one turn of the loop. */
static int contend(cv_ctx *cx, void *arg)
{
    cv_db *db = arg;
    for (int i = 0; i < TURNS; i++) {
        cv__conn *conn;
        double began = used_ns();
        CV_TRY(cv__pool_acquire(cx, &db->readers, &conn));
        waits[wait_count++] = used_ns() - began;
        int rc = cv_yield(cx);
        cv__pool_release(cx, conn);
        CV_TRY(rc);
    }
    return 0;
}

static void contend_all(cv_ctx *cx, cv_db *db, double *ret_median, double *ret_p99)
{
    cv_fiber *fibers[FIBERS];
    for (int i = 0; i < FIBERS; i++)
        if (cv_spawn(cx, "contender", contend, db, &fibers[i]) < 0)
            stop(cx, "spawn");
    for (int i = 0; i < FIBERS; i++)
        if (cv_join(cx, fibers[i], NULL) < 0)
            stop(cx, "join");
    qsort(waits, wait_count, sizeof waits[0], compare);
    *ret_median = waits[wait_count / 2];
    *ret_p99 = waits[wait_count * 99 / 100];
}

static int report(const char *what, const char *unit, double value, double limit, int runs)
{
    bool pass = value <= limit;
    printf("{\"bench\":\"pool-cycle\",\"what\":\"%s\",\"unit\":\"%s\",\"ours\":%.2f,\"limit\":%.0f,\"pass\":%s,"
           "\"runs\":%d}\n",
           what, unit, value, limit, pass ? "true" : "false", runs);
    return pass;
}

int main(void)
{
    cv_ctx *cx;
    cv_db *db;
    sqlite_file file;
    if (!sqlite_file_make(&file) || cv_runtime_new(NULL, &cx) < 0)
        return 1;
    if (cv_db_open(cx, file.url, &(cv_db_options){.max_connections = CONNECTIONS}, &db) < 0)
        stop(cx, "open");
    double alone = cycle_alone_ns(cx, db), median, p99;
    contend_all(cx, db, &median, &p99);
    int good = report("alone", "ns", alone, ALONE_LIMIT_NS, ROUNDS);
    good += report("64 fibers on 16 connections: p99 of the wait by the median", "times", p99 / median, FAIR_LIMIT, 1);
    cv_db_close(cx, db);
    cv_runtime_free(cx);
    sqlite_file_remove(&file);
    return good == 2 ? 0 : 1;
}
