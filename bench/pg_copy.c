/* A million rows into PostgreSQL and out again, by COPY in binary: through Covet, against bare libpq that encodes and
 * decodes the same cells; in turns. */
#include "pg_bench.h"
#include "rows.h"

#include <endian.h>

enum { RUNS = 5, WARM_UPS = 1, CHUNK = 64 * 1024 };

/* ---- in, bare libpq ---- */

static char *put_u32(char *at, uint32_t number)
{
    uint32_t big = htobe32(number);
    memcpy(at, &big, sizeof big);
    return at + sizeof big;
}

static char *put_u64(char *at, uint64_t number)
{
    uint64_t big = htobe64(number);
    memcpy(at, &big, sizeof big);
    return at + sizeof big;
}

static char *put_row(char *at, int64_t row)
{
    uint16_t count = htobe16(4);
    uint64_t bits;
    double real = (double)row / 8;
    memcpy(at, &count, sizeof count);
    at = put_u32(put_u32(at + sizeof count, 4), (uint32_t)row);
    at = put_u64(put_u32(at, 8), (uint64_t)row * 7000000);
    at = put_u32(at, 20);
    at += make_text(at, row);
    memcpy(&bits, &real, sizeof bits);
    return put_u64(put_u32(at, 8), bits);
}

static void put(PGconn *pg, const char *data, size_t len)
{
    if (PQputCopyData(pg, data, (int)len) <= 0)
        die("copy", PQerrorMessage(pg));
}

static double in_with_libpq(PGconn *pg)
{
    static char chunk[CHUNK + 128];
    char *at = chunk;
    session_run(pg, "TRUNCATE copy_rows");
    double start = now_ns();
    PGresult *result = PQexec(pg, "COPY copy_rows (a, b, c, d) FROM STDIN (FORMAT binary)");
    if (PQresultStatus(result) != PGRES_COPY_IN)
        die("copy", PQerrorMessage(pg));
    PQclear(result);
    memcpy(at, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    at += 19;
    for (int64_t row = 1; row <= ROWS; row++) {
        at = put_row(at, row);
        if (at - chunk >= CHUNK) {
            put(pg, chunk, (size_t)(at - chunk));
            at = chunk;
        }
    }
    memcpy(at, "\377\377", 2);
    put(pg, chunk, (size_t)(at + 2 - chunk));
    if (PQputCopyEnd(pg, NULL) <= 0)
        die("copy", PQerrorMessage(pg));
    while ((result = PQgetResult(pg))) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            die("copy", PQerrorMessage(pg));
        PQclear(result);
    }
    return now_ns() - start;
}

/* ---- in, with Covet ---- */

static double in_with_covet(cv_ctx *cx, PGconn *pg)
{
    session_run(pg, "TRUNCATE copy_rows");
    return copy_rows_in(cx, "copy_rows");
}

/* ---- out ---- */

/* The cells of a row that has no NULL. */
static void add_row(sums *to, const char *at)
{
    uint32_t small, len;
    uint64_t big, bits;
    double real;
    memcpy(&small, at + 2 + 4, sizeof small);
    memcpy(&big, at + 2 + 8 + 4, sizeof big);
    memcpy(&len, at + 2 + 8 + 12, sizeof len);
    len = be32toh(len);
    memcpy(&bits, at + 2 + 8 + 12 + 4 + len + 4, sizeof bits);
    bits = be64toh(bits);
    memcpy(&real, &bits, sizeof real);
    to->rows++;
    to->small += (int32_t)be32toh(small);
    to->big += (int64_t)be64toh(big);
    to->letters += (int64_t)len + at[2 + 8 + 12 + 4 + 19];
    to->real += real;
}

static double out_with_libpq(PGconn *pg, sums *ret_sums)
{
    char *message;
    int len;
    bool first = true;
    *ret_sums = (sums){0};
    double start = now_ns();
    PGresult *result = PQexec(pg, "COPY copy_rows (a, b, c, d) TO STDOUT (FORMAT binary)");
    if (PQresultStatus(result) != PGRES_COPY_OUT)
        die("copy", PQerrorMessage(pg));
    PQclear(result);
    while ((len = PQgetCopyData(pg, &message, 0)) > 0) {
        const char *at = message + (first ? 19 : 0);
        first = false;
        if (len > 2 && (at[0] != -1 || at[1] != -1))
            add_row(ret_sums, at);
        PQfreemem(message);
    }
    while ((result = PQgetResult(pg)))
        PQclear(result);
    return now_ns() - start;
}

static int take_row(cv_ctx *cx, void *arg, const cv_value *values)
{
    (void)cx;
    sums *to = arg;
    to->rows++;
    to->small += values[0].as.i64;
    to->big += values[1].as.i64;
    to->letters += (int64_t)values[2].as.text.len + values[2].as.text.ptr[19];
    to->real += values[3].as.f64;
    return 0;
}

static double out_with_covet(cv_ctx *cx, sums *ret_sums)
{
    cv_copy_sink sink = {.row = take_row, .arg = ret_sums};
    *ret_sums = (sums){0};
    double start = now_ns();
    if (cv_copy_out(cx, "copy_rows", &sink, NULL, NULL) < 0)
        die("copy", cv_error_last(cx)->message);
    return now_ns() - start;
}

/* ---- in turns ---- */

static void compare_in(cv_ctx *cx, PGconn *pg)
{
    double ours[RUNS], theirs[RUNS];
    for (int run = -WARM_UPS; run < RUNS; run++) {
        int at = run < 0 ? 0 : run;
        theirs[at] = ROWS * 1e9 / in_with_libpq(pg);
        ours[at] = ROWS * 1e9 / in_with_covet(cx, pg);
    }
    print_ratio("pg-copy", "in: 1,000,000 rows of 4 columns", "rows/s", median(ours, RUNS), "libpq, COPY in binary",
                median(theirs, RUNS), 0.95, RUNS);
}

static void compare_out(cv_ctx *cx, PGconn *pg)
{
    double ours[RUNS], theirs[RUNS];
    session_run(pg, "VACUUM ANALYZE copy_rows");
    for (int run = -WARM_UPS; run < RUNS; run++) {
        int at = run < 0 ? 0 : run;
        sums our_sums, their_sums;
        theirs[at] = ROWS * 1e9 / out_with_libpq(pg, &their_sums);
        ours[at] = ROWS * 1e9 / out_with_covet(cx, &our_sums);
        compare_sums(&our_sums, &their_sums);
    }
    print_ratio("pg-copy", "out: 1,000,000 rows of 4 columns", "rows/s", median(ours, RUNS), "libpq, COPY in binary",
                median(theirs, RUNS), 0.9, RUNS);
}

int main(void)
{
    char url[512];
    PGconn *pg = session_open();
    session_run(pg, "SET client_min_messages = warning");
    session_run(pg, "DROP TABLE IF EXISTS copy_rows; CREATE TABLE copy_rows (a int, b bigint, c text, d float8)");
    server_url(url, sizeof url, "&max_connections=2&shared_connections=0");
    covet_side covet = covet_open(url);
    compare_in(covet.cx, pg);
    compare_out(covet.cx, pg);
    covet_close(&covet);
    session_run(pg, "DROP TABLE copy_rows");
    PQfinish(pg);
    return 0;
}
