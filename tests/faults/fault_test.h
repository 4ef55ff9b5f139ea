/* What the tests of faults share: a database of their own behind a fault proxy, and a session around it that watches.
 */
#ifndef COVET_TESTS_FAULTS_FAULT_TEST_H
#define COVET_TESTS_FAULTS_FAULT_TEST_H

#include "fault_engine.h"
#include "test.h"

#include <covet/db.h>
#include <covet/fault_proxy.h>
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/sync.h>
#include <covet/transaction.h>

/* Longer than anything here may take; what it really takes is measured by bench/frozen.c. */
enum { FAULT_LIMIT_MS = 10 * 1000 };

typedef struct fault_test {
    const fault_engine *engine;
    char url[FAULT_URL_BYTES]; /* the server's own */
    cv_ctx *cx;
    cv_fault_proxy *proxy;
    cv_db *db;   /* through the proxy */
    void *watch; /* a session of the engine's */
} fault_test;

/* Whether the long forms are asked for. */
static inline bool fault_long(void)
{
    const char *wanted = getenv("COVET_LONG_FAULTS");
    return wanted && *wanted && strcmp(wanted, "0") != 0;
}

static inline void fault_open_db(fault_test *t, const cv_db_options *options)
{
    assert_ok(t->cx, cv_db_open(t->cx, cv_fault_proxy_url(t->proxy), options, &t->db));
    cv_use_db(t->cx, t->db);
}

static inline void fault_heal(fault_test *t)
{
    assert_ok(t->cx, cv_fault_proxy_set(t->cx, t->proxy, NULL, 0));
}

static inline void fault_set(fault_test *t, cv_fault_rule rule)
{
    assert_ok(t->cx, cv_fault_proxy_set(t->cx, t->proxy, &rule, 1));
}

static inline uint64_t fault_count(fault_test *t)
{
    cv_fault_proxy_stats stats = {0};
    assert_ok(t->cx, cv_fault_proxy_get_stats(t->cx, t->proxy, &stats));
    return stats.faults;
}

static inline int64_t fault_ms_since(const fault_test *t, int64_t start_ns)
{
    return (cv_now_ns(t->cx) - start_ns) / 1000000;
}

/* What the watching session sees. */
static inline const char *fault_watch(fault_test *t, const char *sql)
{
    return t->engine->run(t->watch, sql);
}

/* A SELECT of `what` from the numbers n up to `count`. Valid until the next call. */
static inline const char *fault_series(const char *what, int count)
{
    static char sql[256];
    const fault_engine *engine = fault_engine_used();
    snprintf(sql, sizeof sql, "SELECT %s FROM %s%d%s", what, engine->series[0], count, engine->series[1]);
    return sql;
}

/* Nothing is borrowed, nobody waits, and every permit can be had again: all connections at once. */
static int fault_borrow(cv_ctx *cx, void *arg)
{
    cv_wait_group *all = arg;
    cv_rows *rows = NULL;
    int rc = cv_sql_run(cx, fault_series("n", 9), NULL, 0, NULL, &rows);
    if (rc == 0)
        rc = cv_rows_next(cx, rows);
    cv_wait_group_finish(all);
    if (rc == 1)
        rc = cv_wait_group_wait(cx, all);
    cv_rows_close(cx, rows);
    return rc;
}

static inline void fault_assert_permits(fault_test *t)
{
    cv_pool_stats stats = cv_db_pool_stats(t->db, 0);
    assert_int_equal(stats.borrowed, 0);
    assert_int_equal(stats.waiting, 0);
    cv_fiber *fibers[16];
    cv_wait_group all;
    cv_wait_group_init(&all);
    assert_true(stats.max <= 16);
    cv_wait_group_add(&all, stats.max);
    for (size_t i = 0; i < stats.max; i++)
        assert_ok(t->cx, cv_spawn(t->cx, "borrower", fault_borrow, &all, &fibers[i]));
    for (size_t i = 0; i < stats.max; i++)
        assert_ok(t->cx, cv_join(t->cx, fibers[i], NULL));
    cv_wait_group_done(&all);
    assert_int_equal(cv_db_pool_stats(t->db, 0).borrowed, 0);
}

/* A story that helps: a message, and nothing of the kind "unknown". */
static inline void fault_assert_story(cv_ctx *cx, int code)
{
    const cv_error *error = cv_error_last(cx);
    assert_non_null(error);
    if (error->code != code || !error->message || strlen(error->message) < 10)
        fail_msg("%s has a poor story: %s", cv_error_name(code), error->message);
    cv_error_clear(cx);
}

/* A runtime, a watching session, a table and a proxy, in front of the server at t->url. */
static inline void fault_begin(fault_test *t)
{
    assert_int_equal(cv_runtime_new(NULL, &t->cx), 0);
    t->watch = t->engine->open(t->url);
    fault_watch(t, "CREATE TABLE notes (id int PRIMARY KEY, text text)");
    assert_ok(t->cx, cv_fault_proxy_new(t->cx, t->url, NULL, &t->proxy));
}

static inline void fault_end(fault_test *t)
{
    cv_db_close(t->cx, t->db);
    cv_fault_proxy_free(t->cx, t->proxy);
    cv_runtime_free(t->cx);
    t->engine->close(t->watch);
}

/* In front of the shared server; false: skip. */
static inline bool fault_set_up(fault_test *t, const char *name)
{
    *t = (fault_test){.engine = fault_engine_used()};
    if (!t->engine->create(name, t->url))
        return false;
    fault_begin(t);
    return true;
}

static inline void fault_tear_down(fault_test *t)
{
    if (!t->cx)
        return;
    fault_end(t);
    t->engine->drop(t->url);
}

#endif
