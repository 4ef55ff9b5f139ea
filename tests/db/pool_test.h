/* What the tests of the pool share: a pool on a simulated clock over an engine that does as it is told, so that each
 * delay and failure comes exactly when the case wants it. */
#ifndef COVET_TESTS_DB_POOL_TEST_H
#define COVET_TESTS_DB_POOL_TEST_H

#include "await.h"
#include "db/pool/pool.h"
#include "test.h"

#include <covet/fiber.h>
#include <covet/runtime.h>
#include <stdlib.h>

/* What the engine does; the `shared` of its connections. */
typedef struct engine {
    int64_t connect_ms, ping_ms, reset_ms;
    int connect_code, ping_code; /* 0: they succeed */
    size_t connects, pings, closes, most_at_once, connecting;
    bool dead; /* idle connections were closed by the server */
} engine;

typedef struct engine_conn {
    cv__conn base;
    engine *engine;
    bool soiled;
} engine_conn;

/* Until the time is over, or the deadline comes: cv_sleep_ms would see it coming. */
static int engine_wait(cv_ctx *cx, int64_t ms)
{
    if (cv__deadline_left_ms(cx) > ms)
        return cv_sleep_ms(cx, ms);
    cv__waiter never;
    cv__waiter_init(cx, &never);
    return cv__wait(cx, &never);
}

static int engine_connect(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn)
{
    engine *e = shared;
    (void)role;
    e->connecting++;
    if (e->connecting > e->most_at_once)
        e->most_at_once = e->connecting;
    int rc = engine_wait(cx, e->connect_ms);
    e->connecting--;
    e->connects++;
    CV_TRY(rc);
    if (e->connect_code)
        return cv_fail(cx, e->connect_code, "the engine does not want to");
    engine_conn *conn = calloc(1, sizeof *conn);
    assert_non_null(conn);
    extern const cv__driver test_driver;
    conn->base.driver = &test_driver;
    conn->engine = e;
    cv_list_init(&conn->base.link);
    *ret_conn = &conn->base;
    return 0;
}

static engine_conn *engine_conn_of(cv__conn *conn)
{
    return (engine_conn *)(void *)conn;
}

static void engine_disconnect(cv__conn *conn)
{
    engine_conn_of(conn)->engine->closes++;
    free(conn);
}

static int engine_reset(cv_ctx *cx, cv__conn *conn)
{
    engine_conn_of(conn)->soiled = false;
    return engine_wait(cx, engine_conn_of(conn)->engine->reset_ms);
}

static bool engine_is_clean(const cv__conn *conn)
{
    return !((const engine_conn *)(const void *)conn)->soiled;
}

static bool engine_is_alive(cv__conn *conn)
{
    return !engine_conn_of(conn)->engine->dead;
}

static int engine_ping(cv_ctx *cx, cv__conn *conn)
{
    engine *e = engine_conn_of(conn)->engine;
    e->pings++;
    CV_TRY(engine_wait(cx, e->ping_ms));
    return e->ping_code ? cv_fail(cx, e->ping_code, "the engine does not answer") : 0;
}

const cv__driver test_driver = {
    .name = "test",
    .connect = engine_connect,
    .disconnect = engine_disconnect,
    .reset = engine_reset,
    .is_clean = engine_is_clean,
    .is_alive = engine_is_alive,
    .ping = engine_ping,
};

typedef struct pool_test {
    cv_ctx *cx;
    engine engine;
    cv_db_options options;
    cv__pool pool;
    int drained;
    bool started;
} pool_test;

/** The pool as `t->options` say. */
static inline void pool_test_start(pool_test *t)
{
    cv__pool_init(t->cx, &t->pool, &test_driver, &t->engine, CV__READER, t->options.max_connections, &t->options);
    cv__pool_stats_start(&t->pool);
    t->started = true;
}

static inline int pool_test_set_up(void **state)
{
    static pool_test t;
    t = (pool_test){.options = {.max_connections = 10,
                                .pool_name = "shop",
                                .min_connections = 1,
                                .acquire_timeout_ms = 5000,
                                .idle_timeout_ms = 600000,
                                .max_lifetime_ms = -1,
                                .validate_after_ms = 500,
                                .validate_timeout_ms = 500,
                                .shed_target_ms = -1,
                                .shed_interval_ms = 1000,
                                .leak_threshold_ms = -1,
                                .forced_return_ms = -1,
                                .breaker_window = 100,
                                .breaker_percent = 50,
                                .breaker_open_ms = 60000,
                                .breaker_probes = 10}};
    cv_runtime_options options = {.simulated_clock = true, .max_fibers = 20000};
    assert_int_equal(cv_runtime_new(&options, &t.cx), 0);
    *state = &t;
    return 0;
}

static inline void pool_test_drained(void *arg)
{
    ++*(int *)arg;
}

static inline int pool_test_tear_down(void **state)
{
    pool_test *t = *state;
    if (t->started && !t->pool.closed)
        cv__pool_close(&t->pool, pool_test_drained, &t->drained);
    await_turns(t->cx, !t->started || t->drained);
    assert_int_equal(t->engine.closes + (t->engine.connects - t->pool.opened_total), t->engine.connects);
    cv_runtime_free(t->cx);
    return 0;
}

static inline cv__conn *take(pool_test *t)
{
    cv__conn *conn = NULL;
    assert_ok(t->cx, cv__pool_acquire(t->cx, &t->pool, &conn));
    return conn;
}

static inline void give(pool_test *t, cv__conn *conn)
{
    cv__pool_release(t->cx, conn);
}

static inline void pass_ms(pool_test *t, int64_t ms)
{
    assert_ok(t->cx, cv_sleep_ms(t->cx, ms));
}

/* A fiber that borrows for a while. */
typedef struct borrower {
    pool_test *t;
    int64_t hold_ms, within_ms; /* 0: no deadline */
    int64_t waited_ms;
    int number, rc;
    cv_fiber *fiber;
    char message[256], detail[1024], hint[256];
} borrower;

static inline int borrow_and_hold(cv_ctx *cx, borrower *b)
{
    cv__conn *conn;
    int64_t began_ns = cv_now_ns(cx);
    int rc = cv__pool_acquire(cx, &b->t->pool, &conn);
    b->waited_ms = (cv_now_ns(cx) - began_ns) / 1000000;
    CV_TRY(rc);
    rc = cv_sleep_ms(cx, b->hold_ms);
    cv__pool_release(cx, conn);
    return rc;
}

static inline int run_borrower(cv_ctx *cx, void *arg)
{
    borrower *b = arg;
    if (b->within_ms)
        cv_ctx_set_deadline_ns(cx, cv_now_ns(cx) + b->within_ms * 1000000);
    b->rc = borrow_and_hold(cx, b);
    const cv_error *error = cv_error_last(cx);
    if (error) {
        snprintf(b->message, sizeof b->message, "%s", error->message);
        snprintf(b->detail, sizeof b->detail, "%s", error->detail ? error->detail : "");
        snprintf(b->hint, sizeof b->hint, "%s", error->hint ? error->hint : "");
        cv_error_clear(cx);
    }
    return 0;
}

static inline void start_borrower(borrower *b)
{
    assert_ok(b->t->cx, cv_spawn(b->t->cx, "borrower", run_borrower, b, &b->fiber));
}

static inline void join_borrower(borrower *b)
{
    assert_ok(b->t->cx, cv_join(b->t->cx, b->fiber, NULL));
}

/** The result of one borrower that is started and waited for. */
static inline int borrow_once(borrower *b)
{
    start_borrower(b);
    join_borrower(b);
    return b->rc;
}

#define POOL_CASE(name) cmocka_unit_test_setup_teardown(name, pool_test_set_up, pool_test_tear_down)

#endif
