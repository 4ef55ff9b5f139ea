/* What the tests of the PostgreSQL driver share: a runtime, a database and a watching session for each case. */
#ifndef COVET_TESTS_DB_POSTGRES_TEST_H
#define COVET_TESTS_DB_POSTGRES_TEST_H

#include "postgres_server.h"
#include "server_test.h"

typedef struct fixture {
    char url[TEST_URL_BYTES];
    cv_ctx *cx;
    cv_db *db;
    PGconn *watch;
} fixture;

/** Open the database at the fixture's URL with some options in a fresh runtime. */
static inline void fixture_open(fixture *f, const cv_db_options *options)
{
    server_test_open(f->url, options, &f->cx, &f->db);
    f->watch = test_session_open(f->url);
}

static inline void fixture_close(fixture *f)
{
    PQfinish(f->watch);
    f->watch = NULL;
    server_test_close(&f->cx, &f->db);
}

#endif
