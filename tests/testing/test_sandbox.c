/* The sandbox transaction on both engines, watched from a session that is not in it. */
#include "../db/db_test.h"
#include "postgres_server.h"

#include "base/ctx.h"
#include <covet/prepared.h>
#include <covet/sandbox.h>
#include <covet/testing.h>
#include <sqlite3.h>

typedef struct box {
    db_test t;
    char url[TEST_URL_BYTES];
    cv_ctx *cx;
    cv_db *db;
    PGconn *pg;      /* the watching session on PostgreSQL */
    sqlite3 *sqlite; /* or on SQLite */
} box;

static char postgres_url[TEST_URL_BYTES];
static bool with_postgres;

static int set_up_group(void **state)
{
    (void)state;
    with_postgres = test_database_create("sandbox", postgres_url);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (with_postgres)
        test_database_drop(postgres_url);
    return 0;
}

static int on_number(void *arg, int count, char **values, char **names)
{
    (void)count, (void)names;
    *(int64_t *)arg = atoll(values[0]);
    return 0;
}

static int64_t ask_sqlite(const box *b, const char *sql)
{
    int64_t number = -1;
    assert_int_equal(sqlite3_exec(b->sqlite, sql, on_number, &number, NULL), SQLITE_OK);
    return number;
}

/* Changes with each commit of another connection. */
static int64_t version_seen(const box *b)
{
    return ask_sqlite(b, "PRAGMA data_version");
}

static int set_up_sqlite(void **state)
{
    static box b;
    b = (box){0};
    db_test_init(&b.t, NULL);
    b.cx = b.t.cx;
    b.db = b.t.db;
    assert_ok(b.cx, cv_exec(b.cx, NULL, "CREATE TABLE n (x BIGINT UNIQUE)"));
    assert_int_equal(sqlite3_open(b.t.path, &b.sqlite), SQLITE_OK);
    *state = &b;
    return 0;
}

static int tear_down_sqlite(void **state)
{
    box *b = *state;
    sqlite3_close(b->sqlite);
    db_test_done(&b->t);
    return 0;
}

static int set_up_postgres(void **state)
{
    static box b;
    b = (box){0};
    *state = &b;
    if (!with_postgres)
        return 0;
    memcpy(b.url, postgres_url, sizeof postgres_url);
    assert_int_equal(cv_runtime_new(NULL, &b.cx), 0);
    assert_ok(b.cx, cv_db_open(b.cx, b.url, NULL, &b.db));
    cv_use_db(b.cx, b.db);
    assert_ok(b.cx, cv_exec(b.cx, NULL, "DROP TABLE IF EXISTS n"));
    assert_ok(b.cx, cv_exec(b.cx, NULL, "CREATE TABLE n (x BIGINT UNIQUE)"));
    b.pg = test_session_open(getenv("COVET_TEST_POSTGRES"));
    return 0;
}

static int tear_down_postgres(void **state)
{
    box *b = *state;
    if (!b->cx)
        return 0;
    PQfinish(b->pg);
    cv_db_close(b->cx, b->db);
    cv_runtime_free(b->cx);
    return 0;
}

static box *box_of(void **state)
{
    box *b = *state;
    if (!b->cx)
        skip();
    return b;
}

static cv_sandbox *sandbox_in(const box *b, const cv_sandbox_options *options)
{
    cv_sandbox *sandbox = NULL;
    assert_ok(b->cx, cv_sandbox_open(b->cx, NULL, options, &sandbox));
    return sandbox;
}

static int64_t rows_in(cv_ctx *cx)
{
    return count_of(cx, "SELECT count(*) FROM n");
}

static int insert(cv_ctx *cx, int64_t x)
{
    return cv_exec(cx, NULL, "INSERT INTO n VALUES (?)", x);
}

static int blocks(cv_ctx *cx, int depth, bool undo)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(insert(cx, depth));
        if (depth > 1)
            CV_TRY(blocks(cx, depth - 1, false));
        if (depth > 1)
            CV_TRY(blocks(cx, 100 * depth, true));
        if (undo)
            CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static void everything_is_undone_at_the_end(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    assert_ok(b->cx, insert(b->cx, 50));
    assert_int_equal(blocks(b->cx, 1, true), 0);
    assert_int_equal(rows_in(b->cx), 1);
    assert_ok(b->cx, insert(b->cx, 51));
    assert_int_equal(rows_in(b->cx), 2);
    cv_sandbox_close(b->cx, sandbox);
    assert_int_equal(rows_in(b->cx), 0);
    assert_ok(b->cx, insert(b->cx, 50));
    assert_int_equal(rows_in(b->cx), 1);
}

static int nest_deeply(cv_ctx *cx, int depth)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(insert(cx, depth));
        if (depth > 1)
            CV_TRY(nest_deeply(cx, depth - 1));
        if (depth % 2 == 0)
            CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static void blocks_are_savepoints_at_whatever_depth(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    assert_ok(b->cx, nest_deeply(b->cx, 9)); /* 8 undoes all that is inside */
    assert_int_equal(count_of(b->cx, "SELECT x FROM n"), 9);
    assert_ok(b->cx, nest_deeply(b->cx, 1));
    assert_int_equal(rows_in(b->cx), 2);
    cv_sandbox_close(b->cx, sandbox);
    assert_int_equal(rows_in(b->cx), 0);
}

static int collide(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(insert(cx, 7));
        CV_TRY(insert(cx, 7));
    }
    return 0;
}

static void what_fails_harms_nothing_else(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    assert_ok(b->cx, insert(b->cx, 1));
    assert_int_equal(insert(b->cx, 1), CV_E_UNIQUE);
    cv_error_clear(b->cx);
    assert_int_equal(cv_exec(b->cx, NULL, "nonsense"), CV_E_SQL);
    cv_error_clear(b->cx);
    cv_rows *rows;
    assert_int_equal(cv_select(b->cx, &rows, "SELECT nothing FROM nowhere"), CV_E_SQL);
    cv_error_clear(b->cx);
    assert_int_equal(collide(b->cx), CV_E_UNIQUE);
    cv_error_clear(b->cx);
    assert_int_equal(rows_in(b->cx), 1);
    cv_sandbox_close(b->cx, sandbox);
}

typedef struct attempts {
    int made, failures;
} attempts;

static int fail_at_first(cv_ctx *cx, void *arg)
{
    attempts *a = arg;
    CV_TRY(insert(cx, 100)); /* would collide, if the attempt before it were not undone */
    return ++a->made <= a->failures ? cv_fail(cx, CV_E_SERIALIZATION, "made to fail") : 0;
}

static void retries_begin_again_at_their_savepoint(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    attempts a = {.failures = 3};
    assert_ok(b->cx, insert(b->cx, 1));
    assert_ok(b->cx, cv_atomic_retry(b->cx, NULL, fail_at_first, &a));
    assert_int_equal(a.made, 4);
    assert_int_equal(rows_in(b->cx), 2);
    cv_sandbox_close(b->cx, sandbox);
}

static void rows_stay_open_while_others_work(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    cv_rows *rows, *never_read;
    int64_t sum = 0;
    for (int64_t x = 1; x <= 3; x++)
        assert_ok(b->cx, insert(b->cx, x));
    assert_ok(b->cx, cv_select(b->cx, &never_read, "SELECT x FROM n ORDER BY x"));
    assert_ok(b->cx, cv_select(b->cx, &rows, "SELECT x FROM n WHERE x < 100 ORDER BY x"));
    while (cv_rows_next(b->cx, rows) > 0) {
        sum += cv_rows_get(rows, 0).as.i64;
        assert_ok(b->cx, insert(b->cx, 1000 + sum));
        assert_int_equal(collide(b->cx), CV_E_UNIQUE);
        cv_error_clear(b->cx);
    }
    assert_int_equal(sum, 6);
    assert_int_equal(rows_in(b->cx), 6);
    cv_rows_close(b->cx, rows);
    cv_rows_close(b->cx, never_read);
    cv_sandbox_close(b->cx, sandbox);
}

static int read_inside(cv_ctx *cx, cv_rows *rows)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(insert(cx, 5));
        assert_int_equal(cv_rows_next(cx, rows), 1);
        cv_rows_close(cx, rows);
    }
    return 0;
}

static void rows_opened_before_a_block_are_read_inside(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    cv_rows *rows;
    assert_ok(b->cx, insert(b->cx, 1));
    assert_ok(b->cx, cv_select(b->cx, &rows, "SELECT x FROM n"));
    assert_ok(b->cx, read_inside(b->cx, rows));
    cv_sandbox_close(b->cx, sandbox);
}

static int work(cv_ctx *cx, void *arg)
{
    int64_t first = *(int64_t *)arg;
    CV_TRY(insert(cx, first));
    CV_ATOMIC(cx)
    {
        CV_TRY(insert(cx, first + 1));
        CV_TRY(cv_sleep_ms(cx, 1));
        CV_TRY(insert(cx, first + 2));
        if (first % 20 == 0)
            CV_TRY(cv_rollback(cx));
    }
    return insert(cx, first + 3);
}

static void fibers_share_the_connection_one_after_another(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    enum { FIBERS = 20 };
    cv_fiber *fibers[FIBERS];
    int64_t firsts[FIBERS];
    for (int64_t i = 0; i < FIBERS; i++) {
        firsts[i] = 10 * i;
        assert_ok(b->cx, cv_spawn(b->cx, "worker", work, &firsts[i], &fibers[i]));
    }
    for (int i = 0; i < FIBERS; i++)
        assert_ok(b->cx, cv_join(b->cx, fibers[i], NULL));
    assert_int_equal(rows_in(b->cx), 10 * 4 + 10 * 2);
    cv_sandbox_close(b->cx, sandbox);
    assert_int_equal(rows_in(b->cx), 0);
}

static int insert_one(cv_ctx *cx, void *arg)
{
    return insert(cx, *(int64_t *)arg);
}

static int wait_for_another(cv_ctx *cx)
{
    int64_t x = 2;
    cv_fiber *fiber;
    CV_ATOMIC(cx)
    {
        CV_TRY(insert(cx, 1));
        CV_TRY(cv_spawn(cx, "child", insert_one, &x, &fiber));
        CV_TRY(cv_join(cx, fiber, NULL));
    }
    return 0;
}

static void a_transaction_that_waits_for_another_fiber_is_named(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox;
    cv_db *impatient;
    char url[TEST_URL_BYTES + 40];
    snprintf(url, sizeof url, "%s?acquire_timeout=3s", b->pg ? b->url : b->t.url);
    assert_ok(b->cx, cv_db_open(b->cx, url, NULL, &impatient));
    cv_use_db(b->cx, impatient);
    assert_ok(b->cx, cv_sandbox_open(b->cx, impatient, NULL, &sandbox));
    assert_fails(b->cx, wait_for_another(b->cx), CV_E_POOL_TIMEOUT, "fiber \"main\" keeps it");
    assert_int_equal(rows_in(b->cx), 0);
    cv_sandbox_close(b->cx, sandbox);
    cv_db_close(b->cx, impatient);
    cv_use_db(b->cx, b->db);
}

static int count_call(cv_ctx *cx, void *arg)
{
    assert_false(cv_in_transaction(cx));
    ++*(int *)arg;
    return insert(cx, 1000 + *(int *)arg);
}

static int with_hooks(cv_ctx *cx, int *called, bool undo)
{
    CV_ATOMIC(cx)
    {
        CV_ATOMIC(cx)
        {
            CV_TRY(insert(cx, 1));
            CV_TRY(cv_after_commit(cx, count_call, called));
            if (undo)
                CV_TRY(cv_rollback(cx));
        }
        CV_TRY(cv_after_commit_robust(cx, count_call, called));
        assert_int_equal(*called, 0);
    }
    return 0;
}

static void hooks_run_at_the_end_of_the_outermost_block(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    int called = 0;
    assert_ok(b->cx, with_hooks(b->cx, &called, false));
    assert_int_equal(called, 2);
    assert_int_equal(cv_sandbox_hooks(sandbox), 0);
    assert_int_equal(rows_in(b->cx), 3);
    cv_sandbox_close(b->cx, sandbox);
}

static void hooks_may_be_collected(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox = sandbox_in(b, &(cv_sandbox_options){.collect_hooks = true});
    int called = 0;
    assert_ok(b->cx, with_hooks(b->cx, &called, true));
    assert_int_equal(called, 0);
    assert_int_equal(cv_sandbox_hooks(sandbox), 1);
    assert_ok(b->cx, with_hooks(b->cx, &called, false));
    assert_int_equal(cv_sandbox_hooks(sandbox), 3);
    assert_ok(b->cx, cv_sandbox_run_hooks(b->cx, sandbox));
    assert_int_equal(called, 3);
    assert_int_equal(cv_sandbox_hooks(sandbox), 0);
    called = 0;
    assert_ok(b->cx, cv_exec(b->cx, NULL, "DELETE FROM n"));
    assert_ok(b->cx, with_hooks(b->cx, &called, false));
    cv_sandbox_close(b->cx, sandbox); /* drops two */
    assert_int_equal(called, 0);
}

static int prepare(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_prepare_transaction(cx, "boxed"));
    }
    return 0;
}

static void what_cannot_be_in_a_sandbox_says_so(void **state)
{
    box *b = box_of(state);
    cv_sandbox *second, *sandbox = sandbox_in(b, NULL);
    assert_fails(b->cx, cv_sandbox_open(b->cx, b->db, NULL, &second), CV_E_STATE, "the database has one");
    if (b->pg) {
        assert_fails(b->cx, prepare(b->cx), CV_E_STATE, "in a sandbox");
        assert_fails(b->cx, cv_commit_prepared(b->cx, "boxed"), CV_E_STATE, "in a sandbox");
    }
    assert_fails(b->cx, cv_exec(b->cx, NULL, "COMMIT"), CV_E_STATE, "cannot run");
    cv_sandbox_close(b->cx, sandbox);
    cv_sandbox_close(b->cx, NULL);
    cv_use_db(b->cx, NULL);
    assert_fails(b->cx, cv_sandbox_open(b->cx, NULL, NULL, &second), CV_E_NO_DATABASE, "no database");
    cv_use_db(b->cx, b->db);
}

/* --- requests --- */

static int add_row(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int64_t x = cv_path_i64(req, "x");
    CV_ATOMIC(cx)
    {
        CV_TRY(insert(cx, x));
    }
    return cv_reply_text(cx, res, 201, "text/plain", cv_path_text(req, "x"));
}

static void requests_of_a_test_client_are_inside(void **state)
{
    box *b = box_of(state);
    cv_router *router = cv_router_new();
    cv_test_client *client;
    cv_test_reply reply;
    assert_ok(b->cx, cv_router_add(b->cx, router, CV_GET, "/add/{x:int}", add_row, NULL));
    assert_ok(b->cx, cv_test_client_new(b->cx, router, NULL, &client));
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    assert_ok(b->cx, cv_test_get(b->cx, client, "/add/1", &reply));
    assert_int_equal(reply.status, 201);
    assert_ok(b->cx, cv_test_get(b->cx, client, "/add/1", &reply));
    assert_int_equal(reply.status, 409);
    assert_ok(b->cx, cv_test_get(b->cx, client, "/add/2", &reply));
    assert_int_equal(reply.status, 201);
    assert_int_equal(rows_in(b->cx), 2);
    cv_sandbox_close(b->cx, sandbox);
    assert_int_equal(rows_in(b->cx), 0);
    cv_test_client_free(b->cx, client);
    cv_router_free(router);
}

/* --- from outside --- */

static void do_much(box *b)
{
    int called = 0;
    int64_t first = 500;
    attempts a = {.failures = 1};
    assert_ok(b->cx, insert(b->cx, 200));
    assert_ok(b->cx, nest_deeply(b->cx, 5));
    assert_ok(b->cx, cv_exec(b->cx, NULL, "DELETE FROM n"));
    assert_ok(b->cx, with_hooks(b->cx, &called, false));
    assert_ok(b->cx, cv_atomic_retry(b->cx, NULL, fail_at_first, &a));
    assert_int_equal(collide(b->cx), CV_E_UNIQUE);
    cv_error_clear(b->cx);
    assert_ok(b->cx, work(b->cx, &first));
}

static void sqlite_sees_one_transaction_without_an_end(void **state)
{
    box *b = box_of(state);
    int64_t version = version_seen(b);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    for (int i = 0; i < 3; i++) {
        do_much(b);
        assert_int_equal(sqlite3_exec(b->sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_BUSY);
        assert_int_equal(ask_sqlite(b, "SELECT count(*) FROM n"), 0);
        assert_int_equal(version_seen(b), version);
        assert_ok(b->cx, cv_exec(b->cx, NULL, "DELETE FROM n"));
    }
    cv_sandbox_close(b->cx, sandbox);
    assert_int_equal(version_seen(b), version);
    assert_int_equal(sqlite3_exec(b->sqlite, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
}

/* The only session that is in a transaction: which, since when, and what it did last. */
static const char *session_seen(const box *b, const char *what)
{
    char sql[600];
    const char *name = strrchr(b->url, '/') + 1;
    snprintf(sql, sizeof sql,
             "SELECT %s FROM pg_stat_activity WHERE datname = '%s' AND xact_start IS NOT NULL "
             "AND backend_type = 'client backend'",
             what, name);
    return test_session_run(b->pg, sql);
}

/* Nobody else can have begun anything: there is but one connection, and its transaction stays the same. */
static void postgres_sees_one_transaction_without_an_end(void **state)
{
    box *b = box_of(state);
    char began[128];
    cv_db_close(b->cx, b->db);
    assert_ok(b->cx, cv_db_open(b->cx, b->url, &(cv_db_options){.max_connections = 1}, &b->db));
    cv_use_db(b->cx, b->db);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    assert_ok(b->cx, insert(b->cx, 1));
    snprintf(began, sizeof began, "%s", session_seen(b, "pid || ' ' || xact_start"));
    assert_true(strlen(began) > 5);
    for (int i = 0; i < 3; i++) {
        assert_ok(b->cx, cv_exec(b->cx, NULL, "DELETE FROM n"));
        do_much(b);
        assert_string_equal(session_seen(b, "pid || ' ' || xact_start"), began);
        assert_string_equal(session_seen(b, "state"), "idle in transaction");
        assert_string_equal(session_seen(b, "count(*)"), "1");
    }
    assert_true(rows_in(b->cx) > 0);
    cv_sandbox_close(b->cx, sandbox);
    assert_string_equal(session_seen(b, "count(*)"), "0");
    assert_int_equal(rows_in(b->cx), 0);
}

static int end_it(cv_ctx *cx)
{
    CV_TRY(insert(cx, 1));
    return cv_exec(cx, NULL, "INSERT OR ROLLBACK INTO n VALUES (1)");
}

static void a_sandbox_that_the_engine_ended_runs_nothing_more(void **state)
{
    box *b = box_of(state);
    cv_sandbox *sandbox = sandbox_in(b, NULL);
    assert_int_equal(end_it(b->cx), CV_E_UNIQUE);
    cv_error_clear(b->cx);
    assert_fails(b->cx, insert(b->cx, 2), CV_E_TX_ABORTED, "sandbox is over");
    assert_fails(b->cx, collide(b->cx), CV_E_TX_ABORTED, "sandbox is over");
    cv_sandbox_close(b->cx, sandbox);
    assert_int_equal(rows_in(b->cx), 0);
}

#define BOTH(name)                                                                                                     \
    {"sqlite: " #name, name, set_up_sqlite, tear_down_sqlite, NULL},                                                   \
    {                                                                                                                  \
        "postgres: " #name, name, set_up_postgres, tear_down_postgres, NULL                                            \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(everything_is_undone_at_the_end),
        BOTH(blocks_are_savepoints_at_whatever_depth),
        BOTH(what_fails_harms_nothing_else),
        BOTH(retries_begin_again_at_their_savepoint),
        BOTH(rows_stay_open_while_others_work),
        BOTH(rows_opened_before_a_block_are_read_inside),
        BOTH(fibers_share_the_connection_one_after_another),
        BOTH(a_transaction_that_waits_for_another_fiber_is_named),
        BOTH(hooks_run_at_the_end_of_the_outermost_block),
        BOTH(hooks_may_be_collected),
        BOTH(what_cannot_be_in_a_sandbox_says_so),
        BOTH(requests_of_a_test_client_are_inside),
        cmocka_unit_test_setup_teardown(sqlite_sees_one_transaction_without_an_end, set_up_sqlite, tear_down_sqlite),
        cmocka_unit_test_setup_teardown(a_sandbox_that_the_engine_ended_runs_nothing_more, set_up_sqlite,
                                        tear_down_sqlite),
        cmocka_unit_test_setup_teardown(postgres_sees_one_transaction_without_an_end, set_up_postgres,
                                        tear_down_postgres),
    };
    return cmocka_run_group_tests_name("testing sandbox", tests, set_up_group, tear_down_group);
}
