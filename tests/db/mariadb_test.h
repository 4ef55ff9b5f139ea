/* What the tests of the MariaDB driver share: a runtime, a database and a watching session for each case. */
#ifndef COVET_TESTS_DB_MARIADB_TEST_H
#define COVET_TESTS_DB_MARIADB_TEST_H

#include "mariadb_server.h"
#include "server_test.h"

typedef struct fixture {
    char url[TEST_MARIADB_URL_BYTES];
    cv_ctx *cx;
    cv_db *db;
    MYSQL *watch;
} fixture;

/** Open the database at the fixture's URL with some options in a fresh runtime. */
static inline void fixture_open(fixture *f, const cv_db_options *options)
{
    server_test_open(f->url, options, &f->cx, &f->db);
    f->watch = test_mariadb_open(f->url);
}

static inline void fixture_close(fixture *f)
{
    test_mariadb_close(f->watch);
    f->watch = NULL;
    server_test_close(&f->cx, &f->db);
}

static inline void run(cv_ctx *cx, const char *sql)
{
    assert_ok(cx, cv_sql_run(cx, sql, NULL, 0, NULL, NULL));
}

#endif
