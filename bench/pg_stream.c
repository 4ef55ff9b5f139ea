/* Rows from PostgreSQL (stream.h), against a loop of bare libpq in single-row mode with binary results that decodes the
 * same cells. */
#include "pg_bench.h"
#include "stream.h"

#include <endian.h>

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

static double with_libpq(void *session, sums *ret_sums)
{
    PGconn *pg = session;
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

/* ---- */

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
    char url[512];
    PGconn *pg = session_open();
    fill(pg);
    server_url(url, sizeof url, "&max_connections=2&shared_connections=0");
    stream_bench_run(&(stream_bench){
        .name = "pg-stream", .peer = "libpq, single-row mode", .url = url, .bare = with_libpq, .session = pg});
    session_run(pg, "DROP TABLE stream_rows");
    PQfinish(pg);
    return 0;
}
