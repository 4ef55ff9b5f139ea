/* What the tests of the MariaDB driver share: a runtime, a database and a watching session for each case. */
#ifndef COVET_TESTS_DB_MARIADB_TEST_H
#define COVET_TESTS_DB_MARIADB_TEST_H

#include "mariadb_server.h"
#include "test.h"

#include <covet/db.h>
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/sync.h>
#include <covet/transaction.h>

typedef struct fixture {
    char url[TEST_MARIADB_URL_BYTES];
    cv_ctx *cx;
    cv_db *db;
    MYSQL *watch;
} fixture;

/** Open the database at the fixture's URL with some options in a fresh runtime. */
static inline void fixture_open(fixture *f, const cv_db_options *options)
{
    assert_int_equal(cv_runtime_new(NULL, &f->cx), 0);
    assert_ok(f->cx, cv_db_open(f->cx, f->url, options, &f->db));
    cv_use_db(f->cx, f->db);
    f->watch = test_mariadb_open(f->url);
}

static inline void fixture_close(fixture *f)
{
    test_mariadb_close(f->watch);
    cv_db_close(f->cx, f->db);
    cv_runtime_free(f->cx);
    f->watch = NULL;
    f->db = NULL;
    f->cx = NULL;
}

static inline cv_value scalar(cv_ctx *cx, const char *sql)
{
    cv_value value = CV_NULL;
    assert_ok(cx, cv__sql_scalar(cx, &value, sql, NULL, 0));
    return value;
}

static inline void run(cv_ctx *cx, const char *sql)
{
    assert_ok(cx, cv_sql_run(cx, sql, NULL, 0, NULL, NULL));
}

static inline void assert_texts_equal(cv_value value, const char *expected)
{
    assert_int_equal(value.type, CV_TYPE_TEXT);
    assert_int_equal(value.as.text.len, strlen(expected));
    assert_memory_equal(value.as.text.ptr, expected, strlen(expected));
}

static inline int64_t ms_since(const cv_ctx *cx, int64_t start_ns)
{
    return (cv_now_ns(cx) - start_ns) / 1000000;
}

#endif
