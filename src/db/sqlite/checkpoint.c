#include "db/sqlite/checkpoint.h"

#include "base/ctx.h"
#include "rt/wait.h"
#include <covet/fiber.h>
#include <covet/lane.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Cutting off the log needs a moment without readers: so long at most writers wait for it. */
enum { TRUNCATE_WAIT_MS = 10 };

enum { MODES = CV_SQLITE_CHECKPOINT_TRUNCATE + 1 };

struct cv__sqlite_checkpointer {
    char *path, *wal_path;
    const char *synchronous;
    int64_t pages, wal_limit_bytes;
    atomic_int frames; /* of the log after the last commit; commits may be on a thread */
    int frames_done;   /* of these when a checkpoint began last */
    bool under_way, closed;
    size_t refs; /* the database, the fiber */
    cv_gauge *wal_pages, *wal_bytes;
    cv_counter *completed[MODES], *incomplete;
};

/* ---- life ---- */

static void unref(cv__sqlite_checkpointer *checkpointer)
{
    if (--checkpointer->refs > 0)
        return;
    free(checkpointer->path);
    free(checkpointer->wal_path);
    free(checkpointer);
}

static bool is_plain(const char *text)
{
    return !strpbrk(text, "\"\\\n");
}

static void register_metrics(cv__sqlite_checkpointer *c, cv_metrics *metrics)
{
    static const char *const modes[MODES] = {"passive", "full", "restart", "truncate"};
    char labels[512];
    const char *path = is_plain(c->path) && strlen(c->path) < 400 ? c->path : "?";
    snprintf(labels, sizeof labels, "database=\"%s\"", path);
    c->wal_pages = cv_gauge_get(metrics, "covet_sqlite_wal_pages", "Pages in the write-ahead log.", labels);
    c->wal_bytes = cv_gauge_get(metrics, "covet_sqlite_wal_bytes", "Size of the file of the write-ahead log.", labels);
    c->incomplete = cv_counter_get(metrics, "covet_sqlite_checkpoints_incomplete_total",
                                   "Checkpoints that others were in the way of.", labels);
    for (int i = 0; i < MODES; i++) {
        snprintf(labels, sizeof labels, "database=\"%s\",mode=\"%s\"", path, modes[i]);
        c->completed[i] = cv_counter_get(metrics, "covet_sqlite_checkpoints_total",
                                         "Checkpoints that copied all of the write-ahead log.", labels);
    }
}

cv__sqlite_checkpointer *cv__sqlite_checkpointer_new(const cv_ctx *cx, const cv__sqlite_checkpoint_options *options)
{
    cv__sqlite_checkpointer *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->refs = 1;
    c->synchronous = options->synchronous;
    c->pages = options->pages;
    c->wal_limit_bytes = options->wal_limit_bytes;
    c->path = strdup(options->path);
    if (!c->path || asprintf(&c->wal_path, "%s-wal", options->path) < 0) {
        c->wal_path = NULL;
        unref(c);
        return NULL;
    }
    if (cv_ctx_metrics(cx))
        register_metrics(c, cv_ctx_metrics(cx));
    return c;
}

void cv__sqlite_checkpointer_close(cv__sqlite_checkpointer *checkpointer)
{
    if (!checkpointer)
        return;
    checkpointer->closed = true;
    unref(checkpointer);
}

/* ---- one checkpoint ---- */

typedef struct checkpoint_job {
    const cv__sqlite_checkpointer *of;
    cv_sqlite_checkpoint_mode mode;
    int64_t busy_ms, waited_ms;
    bool may_truncate; /* a log that is too long, after it was copied */
    atomic_bool stop;
    int sqlite_code, log_pages, done_pages;
    int64_t wal_bytes;
    char message[160];
} checkpoint_job;

/* SQLite's own busy handler sleeps for 100 ms and cannot be told to stop. */
static int wait_a_little(void *arg, int attempt)
{
    checkpoint_job *job = arg;
    (void)attempt;
    if (job->waited_ms >= job->busy_ms || atomic_load(&job->stop))
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    job->waited_ms++;
    return 1;
}

static int stop_between(void *arg)
{
    return atomic_load(&((checkpoint_job *)arg)->stop);
}

static sqlite3 *open_connection(checkpoint_job *job)
{
    sqlite3 *db = NULL;
    char sql[96];
    job->sqlite_code = sqlite3_open_v2(job->of->path, &db,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
    if (job->sqlite_code == SQLITE_OK) {
        sqlite3_busy_handler(db, wait_a_little, job);
        sqlite3_progress_handler(db, 1000, stop_between, job);
        snprintf(sql, sizeof sql, "PRAGMA synchronous = %s; SELECT 1 FROM sqlite_schema LIMIT 1", job->of->synchronous);
        job->sqlite_code = sqlite3_exec(db, sql, NULL, NULL, NULL); /* reading finds the log */
    }
    return db;
}

static int64_t file_bytes(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
}

static void truncate_log(checkpoint_job *job, sqlite3 *db)
{
    int log_pages, done_pages;
    if (!job->may_truncate || job->wal_bytes <= job->of->wal_limit_bytes || job->done_pages < job->log_pages)
        return;
    job->busy_ms = TRUNCATE_WAIT_MS;
    job->waited_ms = 0;
    if (sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, &log_pages, &done_pages) != SQLITE_OK)
        return;
    job->mode = CV_SQLITE_CHECKPOINT_TRUNCATE;
    job->log_pages = job->done_pages = 0;
    job->wal_bytes = file_bytes(job->of->wal_path);
}

static int do_checkpoint(void *arg)
{
    static const int modes[MODES] = {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_FULL, SQLITE_CHECKPOINT_RESTART,
                                     SQLITE_CHECKPOINT_TRUNCATE};
    checkpoint_job *job = arg;
    sqlite3 *db = open_connection(job);
    if (job->sqlite_code == SQLITE_OK)
        job->sqlite_code = sqlite3_wal_checkpoint_v2(db, "main", modes[job->mode], &job->log_pages, &job->done_pages);
    job->wal_bytes = file_bytes(job->of->wal_path);
    if (job->sqlite_code == SQLITE_OK)
        truncate_log(job, db);
    snprintf(job->message, sizeof job->message, "%s", db ? sqlite3_errmsg(db) : "out of memory");
    sqlite3_close(db);
    return 0;
}

static void stop(void *arg)
{
    atomic_store(&((checkpoint_job *)arg)->stop, true);
}

static void show(const cv__sqlite_checkpointer *c, const checkpoint_job *job)
{
    bool complete = job->sqlite_code == SQLITE_OK && job->done_pages == job->log_pages;
    cv_counter_add(complete ? c->completed[job->mode] : c->incomplete, 1);
    cv_gauge_set(c->wal_bytes, job->wal_bytes);
}

static int run_job(cv_ctx *cx, cv__sqlite_checkpointer *c, checkpoint_job *job)
{
    job->of = c;
    int rc = cv_offload_stoppable(cx, CV_LANE_DATABASE, do_checkpoint, job, stop);
    if (rc == 0)
        show(c, job);
    return rc;
}

/* ---- by itself ---- */

static int on_commit(void *arg, sqlite3 *db, const char *schema, int frames)
{
    cv__sqlite_checkpointer *c = arg;
    (void)db;
    if (strcmp(schema, "main") == 0)
        atomic_store_explicit(&c->frames, frames, memory_order_relaxed);
    return SQLITE_OK;
}

void cv__sqlite_checkpointer_watch(cv__sqlite_checkpointer *checkpointer, sqlite3 *db)
{
    sqlite3_wal_hook(db, checkpointer ? on_commit : NULL, checkpointer);
}

static int checkpoint_in_fiber(cv_ctx *cx, void *arg)
{
    cv__sqlite_checkpointer *c = arg;
    checkpoint_job job = {.mode = CV_SQLITE_CHECKPOINT_PASSIVE, .may_truncate = true};
    if (!c->closed && run_job(cx, c, &job) < 0)
        cv_error_clear(cx);
    if (job.sqlite_code == SQLITE_OK && job.mode == CV_SQLITE_CHECKPOINT_TRUNCATE)
        c->frames_done = 0;
    c->under_way = false;
    unref(c);
    return 0;
}

static void begin_in_fiber(cv_ctx *cx, cv__sqlite_checkpointer *c)
{
    cv_ctx *main = cv__main_ctx(cx);
    cv_error *first = cv_error_take(main);
    if (cv__run_now(main, "sqlite checkpoint", checkpoint_in_fiber, c) == 0) {
        c->under_way = true;
        c->refs++;
    } else if (!first) {
        cv_error_clear(main); /* the next commit tries again */
    }
    cv_error_put_back(main, first);
}

static void checkpoint_here(cv__sqlite_checkpointer *c, sqlite3 *db)
{
    checkpoint_job job = {.of = c, .wal_bytes = file_bytes(c->wal_path)};
    if (job.wal_bytes > c->wal_limit_bytes)
        job.mode = CV_SQLITE_CHECKPOINT_TRUNCATE;
    int mode = job.mode == CV_SQLITE_CHECKPOINT_TRUNCATE ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    job.sqlite_code = sqlite3_wal_checkpoint_v2(db, "main", mode, &job.log_pages, &job.done_pages);
    show(c, &job);
}

void cv__sqlite_checkpointer_look(cv_ctx *cx, cv__sqlite_checkpointer *checkpointer, sqlite3 *db)
{
    cv__sqlite_checkpointer *c = checkpointer;
    int frames = atomic_load_explicit(&c->frames, memory_order_relaxed);
    if (frames < c->frames_done)
        c->frames_done = 0; /* the log began anew */
    if (c->pages == 0 || frames - c->frames_done < c->pages || c->under_way)
        return;
    c->frames_done = frames;
    cv_gauge_set(c->wal_pages, frames);
    if (cx->fiber)
        begin_in_fiber(cx, c);
    else
        checkpoint_here(c, db);
}

/* ---- by hand ---- */

static int fail_checkpoint(cv_ctx *cx, const checkpoint_job *job)
{
    int code = job->sqlite_code & 0xff;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        cv_fail(cx, CV_E_LOCKED, "could not empty the write-ahead log of \"%s\": others were in the way for %lld ms",
                job->of->path, (long long)job->waited_ms);
        cv_error_hint(cx, "look for rows or transactions that are open for long, or for another checkpoint");
        return CV_E_LOCKED;
    }
    int ours = code == SQLITE_READONLY ? CV_E_READ_ONLY : code == SQLITE_FULL ? CV_E_DISK_FULL : CV_E_IO;
    return cv_fail(cx, ours, "could not empty the write-ahead log of \"%s\": %s", job->of->path, job->message);
}

int cv__sqlite_checkpointer_run(cv_ctx *cx, cv__sqlite_checkpointer *checkpointer, cv_sqlite_checkpoint_mode mode,
                                int64_t busy_ms, cv_sqlite_checkpoint_result *ret_result)
{
    checkpoint_job job = {.mode = mode, .busy_ms = mode == CV_SQLITE_CHECKPOINT_PASSIVE ? 0 : busy_ms};
    checkpointer->refs++; /* the database may be closed meanwhile */
    int rc = run_job(cx, checkpointer, &job);
    if (rc == 0 && job.sqlite_code != SQLITE_OK)
        rc = fail_checkpoint(cx, &job);
    unref(checkpointer);
    if (rc == 0 && ret_result)
        *ret_result = (cv_sqlite_checkpoint_result){.log_pages = job.log_pages > 0 ? job.log_pages : 0,
                                                    .done_pages = job.done_pages > 0 ? job.done_pages : 0,
                                                    .wal_bytes = job.wal_bytes};
    return rc;
}
