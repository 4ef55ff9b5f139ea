/* Readers of warm pages beside fibers that read cold ones, 1 ms a page, and beside a long statement: how long do the
 * warm ones take? 10,000 point reads a second come at fixed times, and latency counts from these (no coordinated
 * omission). A pread(2) below Covet's, which SQLite lets a program replace, sleeps for 1 ms when the page cache cannot
 * answer; the cold part of the file is given back to the system all the time. */
#include "rt/wait.h"
#include "sqlite_bench.h"

#include <covet/fiber.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

enum {
    ROWS = 1000000,
    WARM_ROWS = 10000,
    FIRST_COLD_ROW = 200000,
    COLD_FIBERS = 8,
    READS_PER_SECOND = 10000,
    SECONDS = 3,
    READS = READS_PER_SECOND * SECONDS,
    INTERVAL_NS = 1000000000 / READS_PER_SECOND,
    PAGE_DELAY_US = 1000,
    EVICT_EVERY_US = 10000,
    ROUNDS = 3,
};

struct item {
    int64_t id;
    char *name;
    int64_t amount;
};

CV_MODEL(item, "items", CV_ID(id), CV_CHAR(name, .max_length = 100), CV_INTEGER(amount))

static const char fill[] =
    "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(100) NOT NULL, amount BIGINT NOT NULL);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
    " INSERT INTO items SELECT i, 'a name of some thirty to forty bytes ' || i, i * 7 FROM n;"
    "PRAGMA wal_checkpoint(TRUNCATE)";

/* ---- a disk of 1 ms a page ---- */

static ssize_t (*former_pread)(int fd, void *buf, size_t size, off_t offset);
static atomic_int cold_reads;

static ssize_t slow_pread(int fd, void *buf, size_t size, off_t offset)
{
    struct iovec piece = {buf, size};
    if (preadv2(fd, &piece, 1, offset, RWF_NOWAIT) == (ssize_t)size)
        return (ssize_t)size;
    atomic_fetch_add(&cold_reads, 1);
    usleep(PAGE_DELAY_US);
    return former_pread(fd, buf, size, offset);
}

static void slow_down(void)
{
    static const char *const names[] = {"pread", "pread64"};
    sqlite3_vfs *system = sqlite3_vfs_find("unix");
    for (size_t i = 0; i < 2; i++) {
        sqlite3_syscall_ptr former = system->xGetSystemCall(system, names[i]);
        if (!former)
            continue;
        former_pread = (ssize_t(*)(int, void *, size_t, off_t))former;
        system->xSetSystemCall(system, names[i], (sqlite3_syscall_ptr)slow_pread);
    }
}

/* ---- the load ---- */

typedef struct load {
    int fd; /* of the file, for giving pages back */
    off_t cold_from;
    double start;
    double *latencies_us;
    size_t begun, ended;
    uint64_t random;
    bool over;
    int failed;
    atomic_bool ended_for_good;
} load;

static uint64_t next_random(load *l)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return l->random;
}

static load *the_load(void)
{
    static load l;
    return &l;
}

static int read_warm(cv_ctx *cx, void *arg)
{
    load *l = the_load();
    size_t index = (size_t)((uintptr_t)arg - 1);
    struct item item;
    if (cv_get(cx, item, &item, (int64_t)(next_random(l) % WARM_ROWS) + 1) < 0)
        l->failed++;
    l->latencies_us[index] = (now_ns() - l->start - (double)index * INTERVAL_NS) / 1000;
    l->ended++;
    return 0;
}

static int read_cold(cv_ctx *cx, void *arg)
{
    load *l = arg;
    while (!l->over)
        CV_SCOPE(cx)
        {
            struct item item;
            int64_t key = FIRST_COLD_ROW + (int64_t)(next_random(l) % (ROWS - FIRST_COLD_ROW));
            if (cv_get(cx, item, &item, key) < 0)
                return ++l->failed;
        }
    return 0;
}

/* Gives the pages back that were read, on a thread of its own. */
static void *keep_cold(void *arg)
{
    load *l = arg;
    while (!atomic_load(&l->ended_for_good)) {
        posix_fadvise(l->fd, l->cold_from, 0, POSIX_FADV_DONTNEED);
        usleep(EVICT_EVERY_US);
    }
    return NULL;
}

/* A second and more of computing. */
static int scan(cv_ctx *cx, void *arg)
{
    load *l = arg;
    while (!l->over) {
        cv_value sum = CV_NULL;
        if (cv_scalar(
                cx, &sum,
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT sum(i % 7) "
                "FROM n") < 0)
            return ++l->failed;
    }
    return 0;
}

/* Reads come when it is their time, whether or not those before them are done. */
static int generate(cv_ctx *cx, void *arg)
{
    load *l = arg;
    cv__poll *poll;
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    CV_TRY(cv__poll_new(cx, timer, &poll));
    l->start = now_ns();
    timerfd_settime(timer, 0, &(struct itimerspec){.it_interval.tv_nsec = INTERVAL_NS, .it_value.tv_nsec = INTERVAL_NS},
                    NULL);
    while (l->begun < READS) {
        uint64_t expired;
        CV_TRY(cv__poll_wait(cx, poll, UV_READABLE, NULL));
        if (read(timer, &expired, sizeof expired) < 0)
            continue;
        while (l->begun < READS && (double)l->begun * INTERVAL_NS <= now_ns() - l->start)
            CV_TRY(cv_spawn(cx, "warm", read_warm, (void *)(uintptr_t)++l->begun, NULL));
    }
    while (l->ended < READS)
        CV_TRY(cv_sleep_ms(cx, 1));
    l->over = true;
    cv__poll_free(poll);
    close(timer);
    return 0;
}

/* The 99th percentile of the warm readers; negative when something failed. */
static double measure(cv_ctx *cx, load *l, int cold_fibers, bool with_scan)
{
    l->begun = l->ended = 0;
    l->over = false;
    for (int i = 0; i < cold_fibers; i++)
        if (cv_spawn(cx, "cold", read_cold, l, NULL) < 0)
            return -1;
    if (with_scan && cv_spawn(cx, "scan", scan, l, NULL) < 0)
        return -1;
    if (cv_spawn(cx, "generator", generate, l, NULL) < 0 || cv_runtime_run(cx) < 0 || l->failed)
        return -1;
    qsort(l->latencies_us, READS, sizeof *l->latencies_us, by_value);
    fprintf(stderr, "cold fibers %d, scan %d: p50 %.0f us, p99 %.0f us, max %.0f us; %d cold pages\n", cold_fibers,
            with_scan, l->latencies_us[READS / 2], l->latencies_us[READS * 99 / 100], l->latencies_us[READS - 1],
            atomic_exchange(&cold_reads, 0));
    return l->latencies_us[READS * 99 / 100];
}

static bool report(const char *what, double *runs, double limit_us)
{
    double us = median(runs, ROUNDS);
    bool pass = runs[0] >= 0 && us <= limit_us;
    printf("{\"bench\":\"sqlite-cold\",\"unit\":\"us\",\"ours\":%.0f,\"what\":\"%s\",\"limit\":%.0f,\"pass\":%s,"
           "\"runs\":%d}\n",
           us, what, limit_us, pass ? "true" : "false", ROUNDS);
    return pass;
}

int main(void)
{
    static const sqlite_bench bench = {.name = "sqlite-cold", .model = item_model, .fill = fill};
    load *l = the_load();
    sqlite_file file;
    double beside_cold[ROUNDS], beside_scan[ROUNDS];
    if (!sqlite_file_make(&file))
        return 1;
    sqlite_bench_fill(&bench, &file);
    slow_down();
    strcat(file.url, "?max_connections=16");
    covet_side covet = covet_open_model(file.url, bench.model);
    l->fd = open(file.path, O_RDONLY | O_CLOEXEC); /* stays open: closing it would give up SQLite's locks */
    l->cold_from = lseek(l->fd, 0, SEEK_END) / 10;
    l->random = 88172645463325252;
    l->latencies_us = calloc(READS, sizeof *l->latencies_us);
    if (l->fd < 0 || fsync(l->fd) < 0 || !l->latencies_us)
        return 1;
    pthread_t evictor;
    if (pthread_create(&evictor, NULL, keep_cold, l) != 0)
        return 1;
    (void)measure(covet.cx, l, 0, false); /* warm up */
    for (int i = 0; i < ROUNDS; i++) {
        beside_cold[i] = measure(covet.cx, l, COLD_FIBERS, false);
        beside_scan[i] = measure(covet.cx, l, COLD_FIBERS, true);
    }
    atomic_store(&l->ended_for_good, true);
    pthread_join(evictor, NULL);
    covet_close_model(&covet);
    sqlite_file_remove(&file);
    free(l->latencies_us);
    bool good = report("p99 of warm readers beside 8 cold fibers", beside_cold, 1000);
    good = report("p99 of warm readers beside them and a long statement", beside_scan, 3000) && good;
    return good ? 0 : 1;
}
