/* One query of the MagicStack set for some seconds: as many fibers, and connections at most, every row and cell read.
 *
 *     bench_pg_magicstack URL QUERY SECONDS FIBERS
 *
 * Prints a line of JSON: queries, rows, seconds by the clock, and seconds of processor time of this process. */
#include <covet/covet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { BATCH = 1000, COLUMNS = 7 };

typedef struct bench_query {
    const char *name;
    int (*open)(cv_ctx *cx, cv_rows **ret_rows); /* NULL: a batch */
} bench_query;

typedef struct work {
    const bench_query *query;
    const char *batch; /* the INSERT of a batch */
    const cv_value *batch_values;
    int64_t end_ns;
    uint64_t queries, rows, bytes;
} work;

static int open_pg_type(cv_ctx *cx, cv_rows **ret_rows)
{
    return cv_select_quick(cx, ret_rows,
                           "select typname, typnamespace, typowner, typlen, typbyval, typcategory, typispreferred, "
                           "typisdefined, typdelim, typrelid, typelem, typarray from pg_type where "
                           "typtypmod = CAST(? AS int) and typisdefined = ?",
                           -1, (bool)true);
}

static int open_series(cv_ctx *cx, cv_rows **ret_rows)
{
    return cv_select_quick(cx, ret_rows, "SELECT i FROM generate_series(1, CAST(? AS int)) AS i", 1000);
}

static int open_bytea(cv_ctx *cx, cv_rows **ret_rows)
{
    return cv_select_quick(cx, ret_rows, "SELECT * FROM _bytes");
}

static int open_arrays(cv_ctx *cx, cv_rows **ret_rows)
{
    return cv_select_quick(cx, ret_rows, "SELECT * FROM _arrays");
}

static int open_one(cv_ctx *cx, cv_rows **ret_rows)
{
    return cv_select_quick(cx, ret_rows, "SELECT 1+1");
}

static const bench_query queries[] = {
    {"pg_type", open_pg_type}, {"generate_series", open_series}, {"bytea", open_bytea}, {"arrays", open_arrays},
    {"batch", NULL},           {"oneplusone", open_one},
};

static const bench_query *find_query(const char *name)
{
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        if (strcmp(queries[i].name, name) == 0)
            return &queries[i];
    return NULL;
}

/* "INSERT INTO _batch (a, ...) VALUES (?, ...), (?, ...)...": what a bulk insert of objects sends. */
static const char *make_batch(cv_ctx *cx, cv_value **ret_values)
{
    const cv_value row[COLUMNS] = {cv_value_i64(10),
                                   cv_value_i64(11),
                                   cv_value_i64(10),
                                   cv_value_text("TESTTESTTEST"),
                                   cv_value_f64(10.333),
                                   cv_value_i64(12341234),
                                   cv_value_text("123412341234")};
    cv_buf sql;
    cv_buf_init_arena(&sql, cv_ctx_arena(cx), 0);
    cv_value *values = cv_zalloc(cx, (size_t)BATCH * COLUMNS, sizeof *values);
    cv_buf_printf(&sql, "INSERT INTO _batch (a, b, c, d, e, f, g) VALUES ");
    for (size_t i = 0; i < BATCH && values; i++) {
        cv_buf_printf(&sql, "%s(?, ?, ?, ?, ?, ?, ?)", i ? ", " : "");
        memcpy(values + i * COLUMNS, row, sizeof row);
    }
    *ret_values = values;
    return sql.error || !values ? NULL : sql.data;
}

static int read_rows(cv_ctx *cx, work *w)
{
    cv_rows *rows;
    int rc;
    CV_TRY(w->query->open(cx, &rows));
    size_t columns = cv_rows_columns(rows);
    while ((rc = cv_rows_next(cx, rows)) > 0) {
        w->rows++;
        for (size_t i = 0; i < columns; i++) {
            cv_value cell = cv_rows_get(rows, i);
            w->bytes += cell.type == CV_TYPE_TEXT || cell.type == CV_TYPE_BYTES ? cell.as.text.len : sizeof cell;
        }
    }
    cv_rows_close(cx, rows);
    return rc;
}

static int insert_batch(cv_ctx *cx, work *w)
{
    w->rows += BATCH;
    return cv_sql_run(cx, w->batch, w->batch_values, (size_t)BATCH * COLUMNS, NULL, NULL);
}

static int run_worker(cv_ctx *cx, void *arg)
{
    work *w = arg;
    while (cv_now_ns(cx) < w->end_ns) {
        CV_SCOPE(cx)
        {
            CV_TRY(w->query->open ? read_rows(cx, w) : insert_batch(cx, w));
        }
        w->queries++;
    }
    return 0;
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int run_workers(cv_ctx *cx, const bench_query *q, int64_t duration_ns, size_t count, work *ret_total)
{
    cv_value *values;
    const char *batch = make_batch(cx, &values);
    work *works = cv_zalloc(cx, count, sizeof *works);
    cv_fiber **fibers = cv_zalloc(cx, count, sizeof *fibers);
    if (!batch || !works || !fibers)
        return CV_E_NOMEM;
    int64_t end_ns = cv_now_ns(cx) + duration_ns;
    for (size_t i = 0; i < count; i++) {
        works[i] = (work){.query = q, .batch = batch, .batch_values = values, .end_ns = end_ns};
        CV_TRY(cv_spawn(cx, "worker", run_worker, &works[i], &fibers[i]));
    }
    for (size_t i = 0; i < count; i++) {
        CV_TRY(cv_join(cx, fibers[i], NULL));
        ret_total->queries += works[i].queries;
        ret_total->rows += works[i].rows;
        ret_total->bytes += works[i].bytes;
    }
    return 0;
}

/* A moment to connect and prepare, then the time that counts. */
static int measure(cv_ctx *cx, const bench_query *q, double seconds, size_t fibers)
{
    work total = {0};
    CV_TRY(run_workers(cx, q, 300000000, fibers, &total));
    total = (work){0};
    int64_t start_ns = cv_now_ns(cx);
    double cpu = cpu_seconds();
    CV_TRY(run_workers(cx, q, (int64_t)(seconds * 1e9), fibers, &total));
    printf("{\"queries\": %llu, \"rows\": %llu, \"wall\": %.6f, \"cpu\": %.6f}\n", (unsigned long long)total.queries,
           (unsigned long long)total.rows, (double)(cv_now_ns(cx) - start_ns) / 1e9, cpu_seconds() - cpu);
    return total.bytes || total.rows ? 0 : CV_E_NOT_FOUND;
}

int main(int argc, char **argv)
{
    const bench_query *q = argc == 5 ? find_query(argv[2]) : NULL;
    cv_ctx *cx;
    cv_db *db;
    cv_tune_heap(); /* as cv_main does */
    if (!q || cv_runtime_new(NULL, &cx) < 0)
        return 2;
    size_t fibers = (size_t)atoi(argv[4]);
    int rc = cv_db_open(cx, argv[1], &(cv_db_options){.max_connections = fibers}, &db);
    if (rc == 0) {
        cv_use_db(cx, db);
        rc = measure(cx, q, atof(argv[3]), fibers);
        cv_db_close(cx, db);
    }
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", q->name, cv_error_last(cx) ? cv_error_last(cx)->message : cv_error_text(rc));
    cv_runtime_free(cx);
    return rc < 0;
}
