/* What the benchmarks of SQLite share: a database file, the two sides run in turn over it, and the line of the result.
 */
#ifndef COVET_BENCH_SQLITE_BENCH_H
#define COVET_BENCH_SQLITE_BENCH_H

#include "bench.h"

#include <sqlite3.h>
#include <unistd.h>

typedef struct sqlite_file {
    char folder[64], path[96], url[128];
} sqlite_file;

static inline bool sqlite_file_make(sqlite_file *file)
{
    strcpy(file->folder, "/tmp/covet-bench-XXXXXX");
    if (!mkdtemp(file->folder))
        return false;
    snprintf(file->path, sizeof file->path, "%s/bench.db", file->folder);
    snprintf(file->url, sizeof file->url, "sqlite:///%s", file->path);
    return true;
}

static inline void sqlite_file_remove(const sqlite_file *file)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    char path[128];
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", file->path, endings[i]);
        unlink(path);
    }
    rmdir(file->folder);
}

/* By hand, as fast as it goes: no mutexes, the same journal, durability and cache. */
static inline sqlite3 *sqlite_file_open(const sqlite_file *file)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(file->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) !=
            SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA journal_mode=wal; PRAGMA synchronous=full; PRAGMA cache_size=-16384", NULL, NULL,
                     NULL) != SQLITE_OK)
        die("open the file", sqlite3_errmsg(db));
    return db;
}

/* A comparison. Both sides read `units` things, give a sum of what they read, which must agree, and return nanoseconds.
 */
typedef struct sqlite_bench {
    const char *name, *unit, *peer;
    cv_model_fn *model;
    const char *fill; /* SQL that makes and fills the table */
    double units;
    double wanted; /* the ratio that is promised; 0: none */
    double (*by_hand)(sqlite3 *db, int64_t *ret_sum);
    double (*with_covet)(cv_ctx *cx, int64_t *ret_sum);
} sqlite_bench;

enum { SQLITE_BENCH_RUNS = 15, SQLITE_BENCH_WARM_UPS = 2 };

static inline void sqlite_bench_fill(const sqlite_bench *bench, const sqlite_file *file)
{
    sqlite3 *db = sqlite_file_open(file);
    if (sqlite3_exec(db, bench->fill, NULL, NULL, NULL) != SQLITE_OK)
        die("fill the table", sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* The exit status of the program. */
static inline int sqlite_bench_run(const sqlite_bench *bench)
{
    sqlite_file file;
    double ours[SQLITE_BENCH_RUNS], theirs[SQLITE_BENCH_RUNS];
    int64_t our_sum = 0, their_sum = 1;
    if (!sqlite_file_make(&file))
        return 1;
    sqlite_bench_fill(bench, &file);
    covet_side covet = covet_open_model(file.url, bench->model);
    sqlite3 *db = sqlite_file_open(&file);
    for (int i = -SQLITE_BENCH_WARM_UPS; i < SQLITE_BENCH_RUNS; i++) {
        double hand = bench->by_hand(db, &their_sum), mine = bench->with_covet(covet.cx, &our_sum);
        if (i < 0)
            continue;
        theirs[i] = bench->units * 1e9 / hand;
        ours[i] = bench->units * 1e9 / mine;
    }
    sqlite3_close(db);
    covet_close_model(&covet);
    sqlite_file_remove(&file);
    if (our_sum != their_sum)
        return 1;
    double us = median(ours, SQLITE_BENCH_RUNS), them = median(theirs, SQLITE_BENCH_RUNS);
    char promise[64] = "";
    if (bench->wanted > 0)
        snprintf(promise, sizeof promise, "\"wanted\":%.2f,\"pass\":%s,", bench->wanted,
                 us / them >= bench->wanted ? "true" : "false");
    printf("{\"bench\":\"%s\",\"unit\":\"%s\",\"ours\":%.0f,\"peer\":\"%s\",\"theirs\":%.0f,\"ratio\":%.3f,%s\"runs\":%"
           "d}\n",
           bench->name, bench->unit, us, bench->peer, them, us / them, promise, SQLITE_BENCH_RUNS);
    return 0;
}

#endif
