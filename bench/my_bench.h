/* What the benchmarks of MariaDB share: the server and a table on it, bare sessions. */
#ifndef COVET_BENCH_MY_BENCH_H
#define COVET_BENCH_MY_BENCH_H

#include "bench.h"

#include <mysql.h>

/* The server of COVET_TEST_MARIADB by its socket, with options for the URL. */
static inline void server_url(char *url, size_t size, const char *options)
{
    const char *tcp = getenv("COVET_TEST_MARIADB"), *path = getenv("COVET_TEST_MARIADB_SOCKET");
    if (!tcp || !path)
        die("find MariaDB", "run it with tools/servers run mariadb -- PROGRAM");
    snprintf(url, size, "%s?socket=%s%s", tcp, path, options);
}

/* A session of Connector/C, by the same socket: mysql://USER:PASSWORD@HOST:PORT/DATABASE. */
static inline MYSQL *session_open(bool blocks)
{
    char user[64], password[64], database[64];
    MYSQL *my = mysql_init(NULL);
    if (sscanf(getenv("COVET_TEST_MARIADB"), "mysql://%63[^:]:%63[^@]@%*[^/]/%63s", user, password, database) != 3)
        die("connect", "COVET_TEST_MARIADB has another form");
    mysql_options(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (!blocks)
        mysql_options(my, MYSQL_OPT_NONBLOCK, NULL);
    if (!mysql_real_connect(my, NULL, user, password, database, 0, getenv("COVET_TEST_MARIADB_SOCKET"), 0))
        die("connect", mysql_error(my));
    return my;
}

static inline void session_run(MYSQL *my, const char *sql)
{
    if (mysql_query(my, sql))
        die("prepare the table", mysql_error(my));
}

static inline MYSQL_STMT *session_prepare(MYSQL *my, const char *sql)
{
    MYSQL_STMT *statement = mysql_stmt_init(my);
    if (mysql_stmt_prepare(statement, sql, (unsigned long)strlen(sql)))
        die("prepare", mysql_stmt_error(statement));
    return statement;
}

#endif
