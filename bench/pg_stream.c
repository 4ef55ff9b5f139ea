/* A million rows from PostgreSQL, one after another, every cell read: through Covet, against a loop of bare libpq in
 * single-row mode with binary results that decodes the same cells; in turns. The memory is that of a process which does
 * nothing but read the rows through Covet. */
#include "pg_bench.h"

#include <covet/db.h>
#include <endian.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { ROWS = 1000000, RUNS = 5, WARM_UPS = 1, WANTED_MIB = 16 };

static const char select_rows[] = "SELECT a, b, c, d FROM stream_rows";

/* What was read: the same on both sides. */
typedef struct sums {
    int64_t rows, small, big, letters;
    double real;
} sums;

/* ---- bare libpq ---- */

static void add_result(sums *to, const PGresult *row)
{
    uint32_t small;
    uint64_t big, bits;
    double real;
    memcpy(&small, PQgetvalue(row, 0, 0), sizeof small);
    memcpy(&big, PQgetvalue(row, 0, 1), sizeof big);
    memcpy(&bits, PQgetvalue(row, 0, 3), sizeof bits);
    bits = be64toh(bits);
    memcpy(&real, &bits, sizeof real);
    to->rows++;
    to->small += PQgetisnull(row, 0, 0) ? 0 : (int32_t)be32toh(small);
    to->big += PQgetisnull(row, 0, 1) ? 0 : (int64_t)be64toh(big);
    to->letters += PQgetisnull(row, 0, 2) ? 0 : PQgetlength(row, 0, 2) + PQgetvalue(row, 0, 2)[19];
    to->real += PQgetisnull(row, 0, 3) ? 0 : real;
}

static double with_libpq(PGconn *pg, sums *ret_sums)
{
    PGresult *result;
    double start = now_ns();
    *ret_sums = (sums){0};
    if (!PQsendQueryPrepared(pg, "stream", 0, NULL, NULL, NULL, 1) || !PQsetSingleRowMode(pg))
        die("send", PQerrorMessage(pg));
    while ((result = PQgetResult(pg))) {
        if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
            add_result(ret_sums, result);
        else if (PQresultStatus(result) != PGRES_TUPLES_OK)
            die("read rows", PQresultErrorMessage(result));
        PQclear(result);
    }
    return now_ns() - start;
}

/* ---- with Covet ---- */

static int read_rows(cv_ctx *cx, sums *ret_sums)
{
    cv_rows *rows;
    int rc;
    *ret_sums = (sums){0};
    CV_TRY(cv_sql_run(cx, select_rows, NULL, 0, NULL, &rows));
    while ((rc = cv_rows_next(cx, rows)) > 0) {
        cv_value text = cv_rows_get(rows, 2);
        ret_sums->rows++;
        ret_sums->small += cv_rows_get(rows, 0).as.i64;
        ret_sums->big += cv_rows_get(rows, 1).as.i64;
        ret_sums->letters += (int64_t)text.as.text.len + text.as.text.ptr[19];
        ret_sums->real += cv_rows_get(rows, 3).as.f64;
    }
    cv_rows_close(cx, rows);
    return rc;
}

static double with_covet(cv_ctx *cx, sums *ret_sums)
{
    int rc = 0;
    double start = now_ns();
    CV_SCOPE(cx)
    {
        rc = read_rows(cx, ret_sums);
    }
    if (rc < 0)
        die("read rows", cv_error_last(cx)->message);
    return now_ns() - start;
}

static cv_ctx *open_covet(cv_db **ret_db)
{
    char url[512];
    cv_ctx *cx;
    server_url(url, sizeof url, "&max_connections=2&shared_connections=0");
    if (cv_runtime_new(NULL, &cx) < 0)
        exit(1);
    if (cv_db_open(cx, url, NULL, ret_db) < 0)
        die("open the database", cv_error_last(cx)->message);
    cv_use_db(cx, *ret_db);
    return cx;
}

static void close_covet(cv_ctx *cx, cv_db *db)
{
    cv_db_close(cx, db);
    cv_runtime_free(cx);
}

/* The most memory that a process had which reads the rows once, in KiB. */
static long peak_kib(void)
{
    int status;
    struct rusage used;
    pid_t child = fork();
    if (child == 0) {
        cv_db *db;
        sums read;
        cv_ctx *cx = open_covet(&db);
        (void)with_covet(cx, &read);
        close_covet(cx, db);
        _exit(read.rows != ROWS);
    }
    if (child < 0 || wait4(child, &status, 0, &used) < 0 || status != 0)
        die("measure the memory", "the process that reads the rows has failed");
    return used.ru_maxrss;
}

/* ---- in turns ---- */

static void compare(cv_ctx *cx, PGconn *pg)
{
    double ours[RUNS], theirs[RUNS];
    for (int run = -WARM_UPS; run < RUNS; run++) {
        int at = run < 0 ? 0 : run;
        sums our_sums, their_sums;
        ours[at] = ROWS * 1e9 / with_covet(cx, &our_sums);
        theirs[at] = ROWS * 1e9 / with_libpq(pg, &their_sums);
        if (our_sums.rows != ROWS || memcmp(&our_sums, &their_sums, sizeof our_sums) != 0)
            die("compare", "the two sides have read different rows");
    }
    print_ratio("pg-stream", "1,000,000 rows of 4 columns", "rows/s", median(ours, RUNS), "libpq, single-row mode",
                median(theirs, RUNS), 0.9, RUNS);
}

static void fill(PGconn *pg)
{
    session_run(pg, "SET client_min_messages = warning");
    session_run(pg, "DROP TABLE IF EXISTS stream_rows;"
                    "CREATE TABLE stream_rows (a int, b bigint, c text, d float8);"
                    "INSERT INTO stream_rows SELECT i, i * 7000000000, 'twenty chars ' || (1000000 + i), i / 8.0"
                    " FROM generate_series(1, 1000000) i");
    session_run(pg, "VACUUM ANALYZE stream_rows");
    PQclear(PQprepare(pg, "stream", select_rows, 0, NULL));
}

int main(void)
{
    PGconn *pg = session_open();
    fill(pg);
    long kib = peak_kib();
    printf("{\"bench\":\"pg-stream\",\"what\":\"the most memory while reading\",\"unit\":\"MiB\",\"ours\":%.1f,"
           "\"limit\":%d,\"pass\":%s,\"runs\":1}\n",
           (double)kib / 1024, WANTED_MIB, kib < WANTED_MIB * 1024L ? "true" : "false");
    fflush(stdout);
    cv_db *db;
    cv_ctx *cx = open_covet(&db);
    compare(cx, pg);
    close_covet(cx, db);
    session_run(pg, "DROP TABLE stream_rows");
    PQfinish(pg);
    return 0;
}
