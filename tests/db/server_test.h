/* What the tests of the drivers of servers share: postgres_test.h and mariadb_test.h add a session that watches. */
#ifndef COVET_TESTS_DB_SERVER_TEST_H
#define COVET_TESTS_DB_SERVER_TEST_H

#include "test.h"

#include <covet/db.h>
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/sync.h>
#include <covet/transaction.h>

/** A fresh runtime, and a database that is its default. */
static inline void server_test_open(const char *url, const cv_db_options *options, cv_ctx **ret_cx, cv_db **ret_db)
{
    assert_int_equal(cv_runtime_new(NULL, ret_cx), 0);
    assert_ok(*ret_cx, cv_db_open(*ret_cx, url, options, ret_db));
    cv_use_db(*ret_cx, *ret_db);
}

static inline void server_test_close(cv_ctx **cx, cv_db **db)
{
    cv_db_close(*cx, *db);
    cv_runtime_free(*cx);
    *db = NULL;
    *cx = NULL;
}

/** The first cell of the only row. */
static inline cv_value scalar(cv_ctx *cx, const char *sql)
{
    cv_value value = CV_NULL;
    assert_ok(cx, cv__sql_scalar(cx, &value, sql, NULL, 0));
    return value;
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
