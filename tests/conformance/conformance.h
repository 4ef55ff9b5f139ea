/* What the cases share: an engine, a fresh runtime with an open database and fresh tables for each case. */
#ifndef COVET_TESTS_CONFORMANCE_H
#define COVET_TESTS_CONFORMANCE_H

#include "test.h"

#include "db/database.h"
#include <covet/engine.h>
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/sync.h>
#include <covet/transaction.h>

typedef struct suite {
    const char *engine; /* "sqlite", "sqlite-memory", "postgresql", "pgbouncer", "mariadb" */
    char url[512];
    cv_ctx *cx;
    cv_db *db; /* the context's default; at most four connections; books and pages are empty */
} suite;

/** A session in a runtime of its own on its own connection pool would be another program; a fiber is another session of
 *  this one. Run `fn` in a fiber to its end and return its code; the error is cleared. */
int in_other_session(suite *s, int (*fn)(cv_ctx *cx, void *arg), void *arg);

/** Rows of a table. */
int64_t count(suite *s, const char *table);

/** A book with this key. */
int add(cv_ctx *cx, int id);

/** The first cell of a statement without values, texts copied. */
cv_value scalar(cv_ctx *cx, const char *sql);

/** Whether the engine can; a case that needs it everywhere says so in cases.h. */
static inline bool can(const suite *s, cv_capability what)
{
    return cv_db_can(s->db, what);
}

static inline void run(suite *s, const char *sql)
{
    assert_ok(s->cx, cv_sql_run(s->cx, sql, NULL, 0, NULL, NULL));
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

/** The pending error's name must be that of `code`; it is cleared. */
static inline void assert_error(suite *s, int rc, int code)
{
    if (rc != code)
        fail_msg("got %s, expected %s", cv_error_name(rc), cv_error_name(code));
    cv_error_clear(s->cx);
}

/** Nothing is borrowed, and a statement runs. */
void assert_usable(suite *s);

#define CASE(name, needs) void case_##name(suite *s);
#include "cases.h"
#undef CASE

#endif
