/* Statements that are given up in the middle: seen from the server. */
#include "await.h"
#include "postgres_test.h"

#include "db/database.h"
#include "db/db.h"
#include "db/postgres/shared.h"

static test_server server;

static int set_up_group(void **state)
{
    (void)state;
    test_server_create(&server);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    test_server_destroy(&server);
    return 0;
}

static fixture shared;

static int set_up(void **state)
{
    *state = &shared;
    if (server.port) {
        test_server_url(&server, "app", shared.url);
        fixture_open(&shared, NULL);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (shared.cx)
        fixture_close(&shared);
    return 0;
}

static cv_ctx *context(void)
{
    if (!shared.cx)
        skip();
    return shared.cx;
}

static int sleep_within(cv_ctx *cx, int64_t ms)
{
    CV_WITHIN(cx, ms)
    {
        CV_TRY(cv_exec(cx, NULL, "SELECT pg_sleep(600)"));
    }
    return 0;
}

static bool sleeps(void)
{
    return strcmp(test_session_run(shared.watch, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
                  "0") != 0;
}

/* What could not be cancelled in time the server ends by itself when it notices, within a second, that we have hung up:
 * nothing is left of one try when the next begins. */
static void wait_for_the_end(cv_ctx *cx)
{
    await_that(cx, !sleeps());
}

/* The first time the control connection has to be made within the budget, which a busy machine may not do. */
static void have_control(cv_ctx *cx)
{
    cv__pg_shared *database = shared.db->shared;
    do {
        assert_fails(cx, sleep_within(cx, 20), CV_E_TIMEOUT, "");
        wait_for_the_end(cx);
    } while (!database->control || cv_db_pool_stats(shared.db, 0).open == 0);
}

static uint64_t opened(void)
{
    return cv_db_pool_stats(shared.db, 0).opened_total;
}

static bool is_kept_after_a_deadline(cv_ctx *cx)
{
    uint64_t before = opened();
    int64_t start = cv_now_ns(cx);
    assert_fails(cx, sleep_within(cx, 30), CV_E_TIMEOUT, "answer of PostgreSQL");
    assert_in_range(ms_since(cx, start), 29, 20000);
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
    bool kept = opened() == before;
    wait_for_the_end(cx);
    return kept;
}

/* In time, that is: a busy machine may take more than there is for cleaning up. */
static void a_deadline_cancels_the_statement_and_keeps_the_connection(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    int kept = 0;
    have_control(cx);
    await_that(cx, (kept += is_kept_after_a_deadline(cx)) == 5);
}

static int sleep_long(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_exec(cx, NULL, "SELECT pg_sleep(600)");
}

static void a_cancelled_fiber_cancels_its_statement(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *fiber;
    have_control(cx);
    assert_ok(cx, cv_spawn(cx, "sleeper", sleep_long, NULL, &fiber));
    await_that(cx, sleeps());
    cv_cancel(fiber);
    assert_int_equal(cv_join(cx, fiber, NULL), CV_E_CANCELLED);
    cv_error_clear(cx);
    await_that(cx, !sleeps());
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
}

static int sleep_in_transaction(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(sleep_within(cx, 30)); /* BEGIN travels with it */
    }
    return 0;
}

static void a_transaction_whose_statement_was_cancelled_is_rolled_back(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    have_control(cx);
    for (int i = 0; i < 5; i++) {
        assert_fails(cx, sleep_in_transaction(cx), CV_E_TIMEOUT, "");
        assert_false(cv_in_transaction(cx));
        assert_string_equal(test_session_run(shared.watch, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE"
                                                           " 'idle in%'"),
                            "0");
    }
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
}

static bool is_kept_when_rows_are_left(cv_ctx *cx)
{
    cv_rows *rows;
    uint64_t before = opened();
    assert_ok(cx, cv_select(cx, &rows,
                            "SELECT i, repeat('x', 20000), pg_sleep(CASE WHEN i > 5 THEN 100 ELSE 0 END)"
                            " FROM generate_series(1, 6) i"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    cv_rows_close(cx, rows);
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
    return opened() == before;
}

static void rows_that_nobody_wants_are_cancelled(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    bool kept = false;
    have_control(cx);
    for (int i = 0; i < 100 && !kept; i++) {
        kept = is_kept_when_rows_are_left(cx);
        wait_for_the_end(cx);
    }
    if (!kept)
        skip(); /* a busy machine: not once within the 30 ms that there are for cleaning up */
}

static int read_within(cv_ctx *cx, cv_rows *rows, int64_t ms)
{
    int rc = 1;
    CV_WITHIN(cx, ms)
    {
        while (rc > 0)
            rc = cv_rows_next(cx, rows);
    }
    return rc;
}

static void a_deadline_ends_a_stream(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_rows *rows;
    have_control(cx);
    assert_ok(cx, cv_select(cx, &rows,
                            "SELECT i, repeat('x', 20000), pg_sleep(CASE WHEN i > 5 THEN 100 ELSE 0 END)"
                            " FROM generate_series(1, 6) i"));
    assert_fails(cx, read_within(cx, rows, 30), CV_E_TIMEOUT, "");
    cv_rows_close(cx, rows);
    await_that(cx, !sleeps());
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
}

static int sleep_a_little(cv_ctx *cx, void *arg)
{
    (void)arg;
    return sleep_within(cx, 30);
}

static void many_deadlines_share_the_control_connection(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *fibers[8];
    have_control(cx);
    for (int i = 0; i < 8; i++)
        assert_ok(cx, cv_spawn(cx, "sleeper", sleep_a_little, NULL, &fibers[i]));
    for (int i = 0; i < 8; i++) {
        assert_int_equal(cv_join(cx, fibers[i], NULL), CV_E_TIMEOUT);
        cv_error_clear(cx);
    }
    assert_int_equal(cv_db_pool_stats(shared.db, 0).borrowed, 0);
    await_that(cx, !sleeps());
}

static void a_frozen_server_keeps_nobody(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *fibers[8];
    have_control(cx);
    for (int i = 0; i < 8; i++)
        assert_ok(cx, cv_spawn(cx, "sleeper", sleep_a_little, NULL, &fibers[i]));
    assert_ok(cx, cv_yield(cx));
    test_server_freeze(&server);
    int64_t start = cv_now_ns(cx);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(cv_join(cx, fibers[i], NULL), CV_E_TIMEOUT);
        cv_error_clear(cx);
    }
    assert_in_range(ms_since(cx, start), 0, 10000);
    assert_int_equal(cv_db_pool_stats(shared.db, 0).borrowed, 0);
    test_server_thaw(&server);
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
}

static int quick_read_within(cv_ctx *cx, void *arg)
{
    cv_rows *rows;
    CV_WITHIN(cx, *(int64_t *)arg)
    {
        CV_TRY(cv_select_quick(cx, &rows, "SELECT 1"));
        cv_rows_close(cx, rows);
    }
    return 0;
}

static size_t shared_up(void)
{
    size_t up = 0;
    cv__pg_sharing_stats(((cv__pg_shared *)shared.db->shared)->sharing, &up, NULL);
    return up;
}

static void a_frozen_server_keeps_no_quick_read(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *fibers[50];
    static int64_t patience_ms = 20000;
    static int64_t short_ms = 40;
    assert_ok(cx, cv_spawn(cx, "reader", quick_read_within, &patience_ms, &fibers[0])); /* has them made */
    assert_ok(cx, cv_join(cx, fibers[0], NULL));
    await_that(cx, shared_up() == 2);
    test_server_freeze(&server);
    for (int i = 0; i < 50; i++)
        assert_ok(cx, cv_spawn(cx, "reader", quick_read_within, &short_ms, &fibers[i]));
    int64_t start = cv_now_ns(cx);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(cv_join(cx, fibers[i], NULL), CV_E_TIMEOUT);
        cv_error_clear(cx);
    }
    assert_in_range(ms_since(cx, start), 39, 10000);
    await_that(cx, shared_up() == 0); /* the silent connections are given up */
    test_server_thaw(&server);
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(a_deadline_cancels_the_statement_and_keeps_the_connection),
        case_of(a_cancelled_fiber_cancels_its_statement),
        case_of(a_transaction_whose_statement_was_cancelled_is_rolled_back),
        case_of(rows_that_nobody_wants_are_cancelled),
        case_of(a_deadline_ends_a_stream),
        case_of(many_deadlines_share_the_control_connection),
        case_of(a_frozen_server_keeps_nobody),
        case_of(a_frozen_server_keeps_no_quick_read),
    };
    return cmocka_run_group_tests_name("postgres-cancel", tests, set_up_group, tear_down_group);
}
