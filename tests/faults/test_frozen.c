/* The server freezes: its sockets stay open, and nothing answers any more. Whatever a fiber was doing, it is back soon
 * after its deadline with a story, its place in the pool is free, and when the server wakes up the next statement
 * works.
 *
 * Each state twice: by the fault proxy, which holds the very message, and by SIGSTOP for all processes of a server. How
 * soon "soon" is, bench/frozen.c measures. */
#include "fault_test.h"

enum { DEADLINE_MS = 150 };

static fault_test test;
static fault_server server;
static bool available;

typedef struct stop {
    bool by_signal;
    cv_fault_rule rule; /* when by the proxy */
} stop;

static void freeze(const stop *how)
{
    if (how->by_signal)
        test.engine->server_freeze(&server);
    else
        fault_set(&test, how->rule);
}

static void thaw(const stop *how)
{
    if (how->by_signal)
        test.engine->server_thaw(&server);
    else
        fault_heal(&test);
}

static int answer(cv_ctx *cx)
{
    cv_value value;
    CV_TRY(cv_scalar(cx, &value, "SELECT 6 * CAST(? AS INT)", 7));
    assert_int_equal(value.as.i64, 42);
    return 0;
}

/* ---- states: each warms up, freezes, and returns what its caller gets ---- */

static int while_idle(cv_ctx *cx, const stop *how)
{
    CV_TRY(answer(cx));
    freeze(how);
    CV_WITHIN(cx, DEADLINE_MS) return answer(cx);
    return 0;
}

/* No connection is open: the only one was cut. */
static int while_connecting(cv_ctx *cx, const stop *how)
{
    fault_set(&test, (cv_fault_rule){CV_FAULT_CUT});
    (void)answer(cx);
    cv_error_clear(cx);
    fault_heal(&test);
    freeze(how);
    CV_WITHIN(cx, DEADLINE_MS) return answer(cx);
    return 0;
}

static int freeze_soon(cv_ctx *cx, void *arg)
{
    (void)cx;
    (void)arg;
    test.engine->server_freeze(&server);
    return 0;
}

/* The statement is on its way when the server stops. */
static int in_a_query(cv_ctx *cx, const stop *how)
{
    CV_TRY(answer(cx));
    if (how->by_signal)
        CV_TRY(cv_spawn(cx, "freeze", freeze_soon, NULL, NULL));
    else
        freeze(how);
    CV_WITHIN(cx, DEADLINE_MS) return cv_sql_run(cx, test.engine->sleep_long, NULL, 0, NULL, NULL);
    return 0;
}

/* Neighbours on a connection that they share, each with a deadline of its own. */
typedef struct neighbour {
    int64_t deadline_ms, took_ms;
    int rc;
} neighbour;

static int read_as_neighbour(cv_ctx *cx, void *arg)
{
    neighbour *n = arg;
    cv_rows *rows = NULL;
    int64_t start_ns = cv_now_ns(cx);
    CV_WITHIN(cx, n->deadline_ms) n->rc = cv_select_quick(cx, &rows, FAULT_ECHO, n->deadline_ms);
    n->took_ms = (cv_now_ns(cx) - start_ns) / 1000000;
    if (n->rc == 0) {
        assert_int_equal(cv_rows_next(cx, rows), 1);
        assert_int_equal(cv_rows_get(rows, 0).as.i64, n->deadline_ms);
    }
    cv_rows_close(cx, rows);
    cv_error_clear(cx);
    return 0;
}

static void read_together(cv_ctx *cx, neighbour *neighbours, size_t count)
{
    cv_fiber *fibers[8];
    for (size_t i = 0; i < count; i++)
        assert_ok(cx, cv_spawn(cx, "neighbour", read_as_neighbour, &neighbours[i], &fibers[i]));
    for (size_t i = 0; i < count; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
}

static int in_shared_reads(cv_ctx *cx, const stop *how)
{
    neighbour warm[2] = {{FAULT_LIMIT_MS, 0, 0}, {FAULT_LIMIT_MS, 0, 0}};
    neighbour frozen[3] = {{DEADLINE_MS, 0, 0}, {DEADLINE_MS / 3, 0, 0}, {DEADLINE_MS * 2, 0, 0}};
    read_together(cx, warm, 2);
    freeze(how);
    read_together(cx, frozen, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(frozen[i].rc, CV_E_TIMEOUT);
        assert_in_range(frozen[i].took_ms, frozen[i].deadline_ms - 2, FAULT_LIMIT_MS);
    }
    thaw(how);
    read_together(cx, warm, 2); /* what was abandoned is not taken for theirs */
    assert_int_equal(warm[0].rc, 0);
    assert_int_equal(warm[1].rc, 0);
    return 0;
}

static int in_a_stream(cv_ctx *cx, const stop *how)
{
    cv_rows *rows = NULL;
    int rc;
    CV_WITHIN(cx, DEADLINE_MS)
    {
        CV_TRY(cv_sql_run(cx, fault_series("n, repeat('x', 1000)", 100000), NULL, 0, NULL, &rows));
        CV_TRY(cv_rows_next(cx, rows));
        freeze(how);
        while ((rc = cv_rows_next(cx, rows)) > 0)
            ;
        cv_rows_close(cx, rows);
        return rc;
    }
    return 0;
}

static int in_commit(cv_ctx *cx, const stop *how)
{
    cv_tx_options options = {.timeout_ms = DEADLINE_MS};
    CV_TRY(answer(cx));
    CV_ATOMIC_WITH(cx, &options)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes VALUES (1, 'commit')"));
        freeze(how);
    }
    return 0;
}

static int in_rollback(cv_ctx *cx, const stop *how)
{
    cv_tx_options options = {.timeout_ms = DEADLINE_MS};
    CV_TRY(answer(cx));
    CV_ATOMIC_WITH(cx, &options)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes VALUES (2, 'rollback')"));
        freeze(how);
        return cv_fail(cx, CV_E_VALIDATION, "the program does not want it");
    }
    return 0;
}

/* Rows are left unread: they are dropped when the connection is given back. */
static int at_hand_back(cv_ctx *cx, const stop *how)
{
    cv_rows *rows = NULL;
    CV_WITHIN(cx, DEADLINE_MS)
    {
        CV_TRY(cv_sql_run(cx, fault_series("n, repeat('x', 1000)", 100000), NULL, 0, NULL, &rows));
        CV_TRY(cv_rows_next(cx, rows));
        freeze(how);
        cv_rows_close(cx, rows);
    }
    return 0;
}

/* ---- */

typedef struct state_of {
    int (*run)(cv_ctx *cx, const stop *how);
    int code;
    const char *text;   /* the proxy stalls at a message with this; NULL: at any */
    cv_fault_side from; /* of this side */
    bool asleep;        /* or at the one that has the server sleep */
} state_of;

static void check(const state_of *s, bool by_signal)
{
    if (!available)
        skip();
    cv_ctx *cx = test.cx;
    stop how = {by_signal, {.text = s->text, .from = s->from}};
    if (s->asleep)
        how.rule = test.engine->sleep;
    how.rule.fault = CV_FAULT_STALL;
    fault_watch(&test, "DELETE FROM notes");
    assert_ok(cx, answer(cx));
    int64_t start_ns = cv_now_ns(cx);
    int rc = s->run(cx, &how);
    int64_t took_ms = fault_ms_since(&test, start_ns);
    cv_pool_stats stats = cv_db_pool_stats(test.db, 0);
    thaw(&how);
    if (rc != s->code)
        fail_msg("got %s (%s), expected %s", cv_error_name(rc), rc < 0 ? cv_error_last(cx)->message : "",
                 cv_error_name(s->code));
    if (rc < 0)
        fault_assert_story(cx, rc);
    assert_true(took_ms < FAULT_LIMIT_MS);
    assert_int_equal(stats.borrowed, 0); /* its place was free at once, with the server still frozen */
    CV_WITHIN(cx, FAULT_LIMIT_MS) assert_ok(cx, answer(cx));
    fault_assert_permits(&test);
}

#define FROZEN_CASE(function, ...)                                                                                     \
    static void frozen_##function(void **state)                                                                        \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        check(&(state_of){function, __VA_ARGS__}, false);                                                              \
    }                                                                                                                  \
    static void stopped_##function(void **state)                                                                       \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        check(&(state_of){function, __VA_ARGS__}, true);                                                               \
    }

FROZEN_CASE(while_idle, CV_E_TIMEOUT, NULL, CV_FAULT_EITHER)
FROZEN_CASE(while_connecting, CV_E_TIMEOUT, NULL, CV_FAULT_EITHER)
FROZEN_CASE(in_a_query, CV_E_TIMEOUT, .asleep = true)
FROZEN_CASE(in_shared_reads, 0, NULL, CV_FAULT_EITHER)
FROZEN_CASE(in_a_stream, CV_E_TIMEOUT, NULL, CV_FAULT_SERVER)
FROZEN_CASE(in_commit, CV_E_COMMIT_UNKNOWN, "COMMIT", CV_FAULT_EITHER)
FROZEN_CASE(in_rollback, CV_E_VALIDATION, "ROLLBACK", CV_FAULT_EITHER)
FROZEN_CASE(at_hand_back, 0, NULL, CV_FAULT_EITHER)

static int set_up(void **state)
{
    (void)state;
    test.engine = fault_engine_used();
    available = test.engine->server_create(&server, "");
    if (!available)
        return 0;
    test.engine->server_url(&server, test.url);
    fault_begin(&test);
    fault_open_db(&test, &(cv_db_options){.max_connections = 5, .breaker_window = -1, .shared_connections = 1});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (!available)
        return 0;
    fault_end(&test);
    test.engine->server_destroy(&server);
    return 0;
}

#define BOTH(function) cmocka_unit_test(frozen_##function), cmocka_unit_test(stopped_##function)

int main(int argc, char **argv)
{
    fault_engine_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        BOTH(while_idle),  BOTH(while_connecting), BOTH(in_a_query),  BOTH(in_shared_reads),
        BOTH(in_a_stream), BOTH(in_commit),        BOTH(in_rollback), BOTH(at_hand_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
