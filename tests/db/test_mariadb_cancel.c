/* Deadlines, cancellation and lost servers: what becomes of the statement, and of its connection. */
#include "await.h"
#include "mariadb_test.h"

#include <covet/prepared.h>

static fixture shared;

static int set_up_group(void **state)
{
    (void)state;
    test_mariadb_create("cancel", shared.url);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (shared.url[0])
        test_mariadb_drop(shared.url);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    if (shared.url[0]) {
        fixture_open(&shared, &(cv_db_options){.max_connections = 2, .min_connections = -1});
        run(shared.cx, "CREATE OR REPLACE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)");
        run(shared.cx, "INSERT INTO t VALUES (1, 1), (2, 2)");
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
    cv_value value;
    int rc = CV_E_TIMEOUT;
    CV_WITHIN(cx, ms)
    {
        rc = cv_scalar(cx, &value, "SELECT SLEEP(?)", 1000);
    }
    return rc;
}

static uint64_t sessions_on_server(void)
{
    return strtoull(test_mariadb_run(shared.watch, "SELECT COUNT(*) FROM information_schema.processlist WHERE"
                                                   " db = DATABASE() AND id <> CONNECTION_ID()"),
                    NULL, 10);
}

/* The control connection is made by the first time that it is needed: on a slow machine too late for that one. */
static void get_control(cv_ctx *cx)
{
    assert_int_equal(sleep_within(cx, 20), CV_E_TIMEOUT);
    cv_error_clear(cx);
    await_that(cx, sessions_on_server() > cv_db_pool_stats(shared.db, 0).open);
}

static bool sleeps(void)
{
    return strcmp(test_mariadb_run(shared.watch, "SELECT COUNT(*) FROM information_schema.processlist WHERE"
                                                 " info LIKE 'SELECT SLEEP(?%' OR info LIKE 'SELECT SLEEP(1000%'"),
                  "0") != 0;
}

static void a_statement_that_is_given_up_ends_on_the_server(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    get_control(cx);
    int64_t start_ns = cv_now_ns(cx);
    assert_int_equal(sleep_within(cx, 50), CV_E_TIMEOUT);
    cv_error_clear(cx);
    assert_in_range(ms_since(cx, start_ns), 49, 10000);
    await_that(cx, !sleeps());
}

static bool is_kept_after_a_deadline(cv_ctx *cx)
{
    uint64_t closed = cv_db_pool_stats(shared.db, 0).closed_total;
    assert_int_equal(sleep_within(cx, 30), CV_E_TIMEOUT);
    cv_error_clear(cx);
    assert_int_equal(scalar(cx, "SELECT 1").as.i64, 1);
    return cv_db_pool_stats(shared.db, 0).closed_total == closed;
}

static void the_connection_is_kept(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    get_control(cx);
    await_that(cx, is_kept_after_a_deadline(cx)); /* a busy machine may take more than there is for cleaning up */
}

static int sleep_for_ever(cv_ctx *cx, void *arg)
{
    cv_value value;
    (void)arg;
    return cv_scalar(cx, &value, "SELECT SLEEP(1000)");
}

static void a_cancelled_fiber_ends_its_statement(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "sleeper", sleep_for_ever, NULL, &fiber));
    await_that(cx, sleeps());
    cv_cancel(fiber);
    assert_int_equal(cv_join(cx, fiber, NULL), CV_E_CANCELLED);
    cv_error_clear(cx);
    assert_int_equal(scalar(cx, "SELECT 1").as.i64, 1);
}

static int update_in_block(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "UPDATE t SET n = n + 1 WHERE id = ?", 1));
        CV_TRY(sleep_within(cx, 20));
    }
    return 0;
}

static void a_block_that_times_out_leaves_nothing(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_int_equal(update_in_block(cx), CV_E_TIMEOUT);
    cv_error_clear(cx);
    assert_int_equal(scalar(cx, "SELECT n FROM t WHERE id = 1").as.i64, 1);
    assert_ok(cx, cv_exec(cx, NULL, "UPDATE t SET n = 5 WHERE id = 1")); /* no lock is left */
}

static void a_killed_connection_is_lost_and_replaced(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_value id = scalar(cx, "SELECT CONNECTION_ID()");
    MYSQL *admin = test_mariadb_admin();
    char sql[64];
    snprintf(sql, sizeof sql, "KILL %lld", (long long)id.as.i64);
    (void)test_mariadb_run(admin, sql);
    test_mariadb_close(admin);
    int rc = 0;
    cv_value value;
    for (int i = 0; i < 3; i++) {
        rc = cv_scalar(cx, &value, "SELECT 1");
        if (rc == 0)
            break;
        assert_int_equal(rc, CV_E_CONNECTION_LOST);
        cv_error_clear(cx);
    }
    assert_int_equal(rc, 0);
}

/* ---- two sessions ---- */

/* One of two whose ways cross. */
typedef struct rival {
    int *met; /* how many hold their first row */
    int64_t first, second, n;
} rival;

static int update_both(cv_ctx *cx, void *arg)
{
    rival *r = arg;
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "UPDATE t SET n = ? WHERE id = ?", r->n, r->first));
        ++*r->met;
        await_that(cx, *r->met == 2);
        CV_TRY(cv_exec(cx, NULL, "UPDATE t SET n = ? WHERE id = ?", r->n, r->second));
    }
    return 0;
}

static void a_deadlock_is_told_and_its_block_is_over(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *fibers[2];
    int met = 0;
    rival one = {&met, .first = 1, .second = 2, .n = 10}, two = {&met, .first = 2, .second = 1, .n = 20};
    assert_ok(cx, cv_spawn(cx, "one", update_both, &one, &fibers[0]));
    assert_ok(cx, cv_spawn(cx, "two", update_both, &two, &fibers[1]));
    int first = cv_join(cx, fibers[0], NULL), second = cv_join(cx, fibers[1], NULL);
    cv_error_clear(cx);
    assert_true((first == 0 && second == CV_E_DEADLOCK) || (first == CV_E_DEADLOCK && second == 0));
    assert_int_equal(scalar(cx, "SELECT COUNT(DISTINCT n) FROM t").as.i64, 1);
}

/* ---- XA ---- */

static int prepare_one(cv_ctx *cx, const char *gid)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_prepare_transaction(cx, gid));
        CV_TRY(cv_exec(cx, NULL, "UPDATE t SET n = n + 100 WHERE id = ?", 2));
        CV_ATOMIC(cx)
        {
            CV_TRY(cv_exec(cx, NULL, "UPDATE t SET n = n + 1000 WHERE id = ?", 2));
        }
    }
    return 0;
}

static void what_is_prepared_is_finished_by_another_session(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    const cv_prepared *list;
    size_t count;
    assert_ok(cx, prepare_one(cx, "transfer 17"));
    assert_int_equal(scalar(cx, "SELECT n FROM t WHERE id = 2").as.i64, 2);
    assert_ok(cx, cv_prepared_list(cx, &list, &count));
    assert_int_equal(count, 1);
    assert_string_equal(list[0].gid, "transfer 17");
    assert_ok(cx, cv_commit_prepared(cx, "transfer 17"));
    assert_int_equal(scalar(cx, "SELECT n FROM t WHERE id = 2").as.i64, 1102);
    assert_fails(cx, cv_commit_prepared(cx, "transfer 17"), CV_E_NOT_FOUND, "transfer 17");
}

static void what_is_prepared_is_rolled_back_by_another_session(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    char gid[129];
    memset(gid, 'g', sizeof gid - 1);
    gid[128] = '\0';
    assert_ok(cx, prepare_one(cx, gid));
    assert_ok(cx, cv_rollback_prepared(cx, gid));
    assert_int_equal(scalar(cx, "SELECT n FROM t WHERE id = 2").as.i64, 2);
}

static int prepare_too_late(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "UPDATE t SET n = 0 WHERE id = ?", 2));
        CV_TRY(cv_prepare_transaction(cx, "late"));
    }
    return 0;
}

static int prepare_and_fail(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_prepare_transaction(cx, "failing"));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO t VALUES (3, 3)"));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO t VALUES (3, 3)"));
    }
    return 0;
}

static void a_branch_that_fails_is_rolled_back(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    const cv_prepared *list;
    size_t count;
    assert_fails(cx, prepare_too_late(cx), CV_E_STATE, "first statement");
    assert_int_equal(prepare_and_fail(cx), CV_E_UNIQUE);
    cv_error_clear(cx);
    assert_ok(cx, cv_prepared_list(cx, &list, &count));
    assert_int_equal(count, 0);
    assert_int_equal(scalar(cx, "SELECT COUNT(*) FROM t").as.i64, 2);
}

/* ---- a frozen server ---- */

static void a_frozen_server_delays_nothing(void **state)
{
    (void)state;
    test_mariadb server = {0};
    fixture f = {0};
    if (!test_mariadb_server_create(&server))
        skip();
    test_mariadb_server_url(&server, "app", f.url);
    assert_int_equal(cv_runtime_new(NULL, &f.cx), 0);
    assert_ok(f.cx, cv_db_open(f.cx, f.url, &(cv_db_options){.max_connections = 2}, &f.db));
    cv_use_db(f.cx, f.db);
    assert_int_equal(scalar(f.cx, "SELECT 1").as.i64, 1);
    test_mariadb_server_freeze(&server);
    int64_t start_ns = cv_now_ns(f.cx);
    assert_int_equal(sleep_within(f.cx, 100), CV_E_TIMEOUT);
    cv_error_clear(f.cx);
    assert_in_range(ms_since(f.cx, start_ns), 99, 3000); /* the exact promise is bench/'s */
    test_mariadb_server_thaw(&server);
    assert_int_equal(scalar(f.cx, "SELECT 1").as.i64, 1);
    cv_db_close(f.cx, f.db);
    cv_runtime_free(f.cx);
    test_mariadb_server_destroy(&server);
}

/* SLEEP would notice by itself that its client has gone; a statement that computes does not. */
static int compute_for_half_a_second(cv_ctx *cx, void *arg)
{
    cv_value value;
    CV_WITHIN(cx, 500)
    {
        *(int *)arg = cv_scalar(cx, &value, "SELECT BENCHMARK(100000000000, SHA2('x', 512))");
    }
    cv_error_clear(cx);
    return 0;
}

static int64_t computing(cv_ctx *cx)
{
    return scalar(cx, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT BENCHMARK%'").as.i64;
}

static void what_cannot_be_killed_in_time_is_ended_later(void **state)
{
    (void)state;
    test_mariadb server = {0};
    fixture f = {0};
    cv_fiber *fiber;
    int rc = 0;
    if (!test_mariadb_server_create(&server))
        skip();
    test_mariadb_server_url(&server, "app", f.url);
    assert_int_equal(cv_runtime_new(NULL, &f.cx), 0);
    assert_ok(f.cx, cv_db_open(f.cx, f.url, &(cv_db_options){.max_connections = 2, .min_connections = 2}, &f.db));
    cv_use_db(f.cx, f.db);
    assert_ok(f.cx, cv_spawn(f.cx, "computer", compute_for_half_a_second, &rc, &fiber));
    await_that(f.cx, computing(f.cx) == 1);
    test_mariadb_server_freeze(&server);
    assert_ok(f.cx, cv_join(f.cx, fiber, NULL));
    assert_int_equal(rc, CV_E_TIMEOUT);
    test_mariadb_server_thaw(&server);
    await_that(f.cx, computing(f.cx) == 0);
    cv_db_close(f.cx, f.db);
    cv_runtime_free(f.cx);
    test_mariadb_server_destroy(&server);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_statement_that_is_given_up_ends_on_the_server),
        CASE(the_connection_is_kept),
        CASE(a_cancelled_fiber_ends_its_statement),
        CASE(a_block_that_times_out_leaves_nothing),
        CASE(a_killed_connection_is_lost_and_replaced),
        CASE(a_deadlock_is_told_and_its_block_is_over),
        CASE(what_is_prepared_is_finished_by_another_session),
        CASE(what_is_prepared_is_rolled_back_by_another_session),
        CASE(a_branch_that_fails_is_rolled_back),
        cmocka_unit_test(a_frozen_server_delays_nothing),
        cmocka_unit_test(what_cannot_be_killed_in_time_is_ended_later),
    };
    return cmocka_run_group_tests_name("mariadb-cancel", tests, set_up_group, tear_down_group);
}
