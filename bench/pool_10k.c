/* Ten thousand fibers on fifty connections, five milliseconds a query, five rounds each.
 *
 *     bench_pool_10k URL
 *
 * Prints one JSON object: queries, seconds, median and 99th percentile of the wait after the first round in seconds,
 * and how often somebody was served before one who had come earlier. */
#include "db/db.h"

#include <covet/fiber.h>
#include <covet/pool.h>
#include <covet/runtime.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIBERS = 10000, CONNECTIONS = 50, ROUNDS = 5 };

static double waits[FIBERS * (ROUNDS - 1)];
static size_t wait_count, overtaken;
static uint64_t tickets, last_served; /* in the order of asking */

static int query(cv_ctx *cx, cv__conn *conn)
{
    static const cv__statement statement = {.sql = {"SELECT pg_sleep(0.005)", 22}};
    cv_result result;
    cv__cursor *cursor = NULL;
    CV_TRY(conn->driver->execute(cx, conn, &statement, &result, &cursor));
    cv_value cell;
    int rc = 1;
    while (cursor && rc > 0)
        rc = conn->driver->fetch(cx, cursor, &cell, &result);
    conn->driver->finish(cx, cursor);
    return rc < 0 ? rc : 0;
}

/* From the second query on everybody has waited in line. */
static void note_served(uint64_t ticket, double wait)
{
    waits[wait_count++] = wait;
    overtaken += ticket < last_served;
    last_served = ticket > last_served ? ticket : last_served;
}

static int work(cv_ctx *cx, void *arg)
{
    cv_db *db = arg;
    for (int round = 0; round < ROUNDS; round++) {
        cv__conn *conn;
        uint64_t ticket = ++tickets;
        int64_t began_ns = cv_now_ns(cx);
        CV_TRY(cv__pool_acquire(cx, &db->readers, &conn));
        if (round > 0)
            note_served(ticket, (double)(cv_now_ns(cx) - began_ns) / 1e9);
        int rc = query(cx, conn);
        cv__pool_release(cx, conn);
        CV_TRY(rc);
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int run(cv_ctx *cx, cv_db *db)
{
    static cv_fiber *fibers[FIBERS];
    while (cv_db_pool_stats(db, 0).idle < CONNECTIONS)
        CV_TRY(cv_sleep_ms(cx, 1));
    int64_t began_ns = cv_now_ns(cx);
    for (int i = 0; i < FIBERS; i++)
        CV_TRY(cv_spawn(cx, "borrower", work, db, &fibers[i]));
    for (int i = 0; i < FIBERS; i++)
        CV_TRY(cv_join(cx, fibers[i], NULL));
    double seconds = (double)(cv_now_ns(cx) - began_ns) / 1e9;
    qsort(waits, wait_count, sizeof waits[0], compare);
    printf("{\"queries\":%d,\"seconds\":%.4f,\"median\":%.6f,\"p99\":%.6f,\"overtaken\":%zu}\n", FIBERS * ROUNDS,
           seconds, waits[wait_count / 2], waits[wait_count * 99 / 100], overtaken);
    return 0;
}

int main(int argc, char **argv)
{
    cv_ctx *cx;
    cv_db *db = NULL;
    cv_runtime_options options = {.max_fibers = FIBERS + 100, .stack_bytes = 64 << 10};
    cv_db_options pool = {.max_connections = CONNECTIONS, .min_connections = CONNECTIONS, .acquire_timeout_ms = 60000};
    if (argc != 2 || cv_runtime_new(&options, &cx) < 0)
        return 2;
    int rc = cv_db_open(cx, argv[1], &pool, &db);
    if (rc == 0)
        rc = run(cx, db);
    const cv_error *error = cv_error_last(cx);
    if (rc < 0)
        fprintf(stderr, "pool_10k: %s%s%s\n", error ? error->message : "failed", error && error->detail ? ": " : "",
                error && error->detail ? error->detail : "");
    cv_db_close(cx, db);
    cv_runtime_free(cx);
    return rc < 0;
}
