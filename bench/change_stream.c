/* Change streams: how many row changes a second a reader takes, and how late each comes.
 *
 * rows/s: what was written while nobody read, 500,000 rows in transactions of 1,000, is read; the server's work of
 * finding it in its log is part of that.
 *
 * Delay: a process of its own writes 50,000 rows a second, 500 a transaction, and notes in memory that it shares with
 * the reader when each COMMIT is sent; from there to the row in the reader's hand is the delay, the server's commit
 * being part of it. The reader is a new one: that of before would first have the server go through its log again, from
 * where the slot can begin (PostgreSQL). What counts is all rows from the first, and only when the writer kept its
 * pace.
 *
 * For each engine that the environment names: COVET_TEST_POSTGRES, COVET_TEST_MARIADB. */
#include <covet/change.h>
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/transaction.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG = 500000,
    BACKLOG_BATCH = 1000,
    WANTED_RATE = 50000,
    BATCH = 500,
    SECONDS = 8,
    PACED = WANTED_RATE * SECONDS,
    KEPT_PACE = WANTED_RATE / 100 * 98,
    WANTED_DELAY_MS = 200,
};

static const char reader_name[] = "bench_change_stream";
static const char *const tables[] = {"change_rows"};

_Noreturn static void die(cv_ctx *cx, const char *what)
{
    const cv_error *error = cv_error_last(cx);
    fprintf(stderr, "could not %s: %s\n", what, error ? error->message : "?");
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static cv_ctx *open_database(const char *url, cv_db **ret_db)
{
    cv_ctx *cx;
    const cv_db_options options = {.max_connections = 2};
    if (cv_runtime_new(NULL, &cx) < 0)
        exit(1);
    if (cv_db_open(cx, url, &options, ret_db) < 0)
        die(cx, "open the database");
    cv_use_db(cx, *ret_db);
    return cx;
}

static void close_database(cv_ctx *cx, cv_db *db)
{
    cv_db_close(cx, db);
    cv_runtime_free(cx);
}

/* ---- writing ---- */

typedef struct load {
    int64_t from, count;
    int batch;
    int64_t pause_us;    /* from one transaction to the next; 0: none */
    int64_t *commits_us; /* when the COMMIT of each was sent, in memory that the reader has as well; or NULL */
} load;

/* The values are bound, so that the server need not read a new text for each transaction. */
static void add_insert(cv_buf *sql, int count)
{
    cv_buf_add_text(sql, "INSERT INTO change_rows (id, number, title) VALUES ");
    for (int i = 0; i < count; i++)
        cv_buf_add_text(sql, i ? ",(?,?,'twenty letters, more')" : "(?,?,'twenty letters, more')");
}

static int write_batch(cv_ctx *cx, const char *sql, int64_t from, int count, int64_t *commit_us)
{
    cv_value values[2 * BACKLOG_BATCH];
    for (int i = 0; i < count; i++) {
        values[2 * i] = cv_value_i64(from + i);
        values[2 * i + 1] = cv_value_i64(i);
    }
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_sql_run(cx, sql, values, 2 * (size_t)count, NULL, NULL));
        if (commit_us)
            __atomic_store_n(commit_us, now_us(), __ATOMIC_RELAXED);
    }
    return 0;
}

static void write_rows(cv_ctx *cx, const load *l)
{
    int64_t due_us = now_us();
    cv_buf sql;
    cv_buf_init(&sql, 0);
    add_insert(&sql, l->batch);
    for (int64_t done = 0; done < l->count; done += l->batch, due_us += l->pause_us) {
        int64_t early_ms = (due_us - now_us()) / 1000;
        if (early_ms > 0 && cv_sleep_ms(cx, early_ms) < 0)
            die(cx, "sleep");
        int64_t *commit_us = l->commits_us ? &l->commits_us[done / l->batch] : NULL;
        if (write_batch(cx, sql.data, l->from + done, l->batch, commit_us) < 0)
            die(cx, "write rows");
    }
    cv_buf_done(&sql);
}

/* In a process of its own, so that reader and writer do not share a loop. */
static pid_t start_writer(const char *url, const load *l)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    cv_db *db;
    cv_ctx *cx = open_database(url, &db);
    write_rows(cx, l);
    close_database(cx, db);
    _exit(0);
}

static void await_writer(pid_t pid)
{
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0) {
        fputs("could not write: the writing process failed\n", stderr);
        exit(1);
    }
}

/* ---- reading ---- */

/* Read the rows of a load, to the end of its last transaction; their delays, when they are wanted. */
static void read_rows(cv_ctx *cx, cv_changes *changes, const load *l, int64_t *ret_delays_us)
{
    cv_change change = {0};
    for (int64_t seen = 0; seen < l->count || change.kind != CV_CHANGE_COMMIT;) {
        if (cv_changes_next(cx, changes, &change) < 0)
            die(cx, "read changes");
        if (change.kind == CV_CHANGE_COMMIT && cv_changes_acknowledge(cx, changes, change.position) < 0)
            die(cx, "acknowledge changes");
        if (change.kind != CV_CHANGE_INSERT)
            continue;
        int64_t row = change.new_values[0].as.i64 - l->from;
        if (row != seen) {
            fputs("could not measure: rows are missing, or come in another order\n", stderr);
            exit(1);
        }
        if (ret_delays_us)
            ret_delays_us[row] = now_us() - __atomic_load_n(&l->commits_us[row / l->batch], __ATOMIC_RELAXED);
        seen++;
    }
}

static cv_changes *open_changes(cv_ctx *cx, const char *position)
{
    cv_changes *changes;
    const cv_changes_options options = {.name = reader_name, .position = position, .tables = tables, .table_count = 1};
    if (cv_changes_open(cx, NULL, &options, &changes) < 0)
        die(cx, "open the change stream");
    return changes;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void forget_reader(cv_ctx *cx)
{
    if (cv_changes_drop(cx, NULL, reader_name) < 0)
        cv_error_clear(cx); /* there is none */
}

static void measure_rate(cv_ctx *cx, const char *url, const char *engine)
{
    const load l = {.count = BACKLOG, .batch = BACKLOG_BATCH};
    char position[512];
    cv_changes *changes = open_changes(cx, NULL);
    snprintf(position, sizeof position, "%s", cv_changes_position(changes));
    cv_changes_close(cx, changes);
    await_writer(start_writer(url, &l));
    changes = open_changes(cx, position);
    int64_t start_us = now_us();
    read_rows(cx, changes, &l, NULL);
    double rate = BACKLOG * 1e6 / (double)(now_us() - start_us);
    cv_changes_close(cx, changes);
    forget_reader(cx);
    printf(
        "{\"bench\":\"change-stream\",\"what\":\"%s: row changes that were waiting\",\"unit\":\"rows/s\",\"ours\":%.0f,"
        "\"limit\":%d,\"pass\":%s,\"runs\":1}\n",
        engine, rate, WANTED_RATE, rate >= WANTED_RATE ? "true" : "false");
    fflush(stdout);
}

static int64_t *share_memory(size_t count)
{
    void *memory = mmap(NULL, count * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(1);
    return memory;
}

static double written_rate(const load *l)
{
    int64_t last = l->count / l->batch - 1;
    return (double)(l->count - l->batch) * 1e6 / (double)(l->commits_us[last] - l->commits_us[0]);
}

static void tell_delays(const char *engine, const int64_t *delays_us, double rate)
{
    double p99_ms = (double)delays_us[PACED / 100 * 99] / 1000;
    bool kept = rate >= KEPT_PACE;
    fprintf(stderr, "%s: %.0f rows/s were written%s; delay: median %.1f ms, p99 %.1f ms, longest %.1f ms\n", engine,
            rate, kept ? "" : ", which is too slow for the figure to count", (double)delays_us[PACED / 2] / 1000,
            p99_ms, (double)delays_us[PACED - 1] / 1000);
    printf(
        "{\"bench\":\"change-stream\",\"what\":\"%s: p99 of the delay at 50,000 rows/s\",\"unit\":\"ms\",\"ours\":%.1f,"
        "\"limit\":%d,\"pass\":%s,\"runs\":1}\n",
        engine, p99_ms, WANTED_DELAY_MS, kept && p99_ms < WANTED_DELAY_MS ? "true" : "false");
    fflush(stdout);
}

static void measure_delay(cv_ctx *cx, const char *url, const char *engine)
{
    const load l = {.from = BACKLOG,
                    .count = PACED,
                    .batch = BATCH,
                    .pause_us = INT64_C(1000000) * BATCH / WANTED_RATE,
                    .commits_us = share_memory(PACED / BATCH)};
    int64_t *delays_us = calloc(PACED, sizeof *delays_us);
    if (!delays_us)
        exit(1);
    cv_changes *changes = open_changes(cx, NULL);
    pid_t writer = start_writer(url, &l);
    read_rows(cx, changes, &l, delays_us);
    await_writer(writer);
    cv_changes_close(cx, changes);
    qsort(delays_us, PACED, sizeof *delays_us, by_size);
    tell_delays(engine, delays_us, written_rate(&l));
    free(delays_us);
    munmap(l.commits_us, PACED / BATCH * sizeof *l.commits_us);
}

static void measure(const char *url, const char *engine)
{
    cv_db *db;
    cv_ctx *cx = open_database(url, &db);
    forget_reader(cx);
    if (cv_exec(cx, NULL, "DROP TABLE IF EXISTS change_rows") < 0 ||
        cv_exec(cx, NULL, "CREATE TABLE change_rows (id bigint PRIMARY KEY, number bigint, title varchar(40))") < 0)
        die(cx, "make the table");
    measure_rate(cx, url, engine);
    measure_delay(cx, url, engine);
    forget_reader(cx);
    if (cv_exec(cx, NULL, "DROP TABLE change_rows") < 0)
        die(cx, "drop the table");
    close_database(cx, db);
}

int main(void)
{
    static const struct {
        const char *variable, *engine;
    } engines[] = {{"COVET_TEST_POSTGRES", "postgres"}, {"COVET_TEST_MARIADB", "mariadb"}};
    int measured = 0;
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
        const char *url = getenv(engines[i].variable);
        if (!url)
            continue;
        measure(url, engines[i].engine);
        measured++;
    }
    if (!measured)
        fputs("run it with tools/servers run postgres mariadb -- PROGRAM\n", stderr);
    return !measured;
}
