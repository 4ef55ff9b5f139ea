/* A database file for the benchmarks of SQLite, with the driver's own settings for the peer that uses SQLite by hand.
 */
#ifndef COVET_BENCH_SQLITE_FILE_H
#define COVET_BENCH_SQLITE_FILE_H

#include <covet/db.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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
                     NULL) != SQLITE_OK) {
        fprintf(stderr, "could not open %s: %s\n", file->path, sqlite3_errmsg(db));
        exit(1);
    }
    return db;
}

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

#endif
