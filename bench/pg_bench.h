/* What the benchmarks of PostgreSQL share: the server and a table on it, bare sessions. */
#ifndef COVET_BENCH_PG_BENCH_H
#define COVET_BENCH_PG_BENCH_H

#include "bench.h"

#include <libpq-fe.h>

/* The server of COVET_TEST_POSTGRES by its socket, with options for the URL. */
static inline void server_url(char *url, size_t size, const char *options)
{
    const char *tcp = getenv("COVET_TEST_POSTGRES"), *folder = getenv("COVET_TEST_POSTGRES_SOCKET");
    if (!tcp || !folder)
        die("find PostgreSQL", "run it with tools/servers run postgres -- PROGRAM");
    const char *port = strrchr(tcp, ':'), *name = strrchr(tcp, '/');
    snprintf(url, size, "postgres://app@%.*s%s?host=%s%s", (int)(name - port), port, name, folder, options);
}

static inline PGconn *session_open(void)
{
    char url[512];
    server_url(url, sizeof url, "");
    PGconn *pg = PQconnectdb(url);
    if (PQstatus(pg) != CONNECTION_OK)
        die("connect", PQerrorMessage(pg));
    return pg;
}

static inline void session_run(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        die("prepare the table", PQerrorMessage(pg));
    PQclear(result);
}

#endif
