/* Statements with long steps run on a thread, and the loop goes on. */
#include "await.h"
#include "db/sqlite/sqlite.h"
#include "db_test.h"

static int set_up(void **state)
{
    static db_test t;
    db_test_init(&t, "busy_timeout=300ms&synchronous=off");
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE n (x BIGINT, t TEXT)"));
    assert_ok(t.cx, cv_exec(t.cx, NULL,
                            "INSERT INTO n WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ?)"
                            " SELECT x, hex(randomblob(20)) FROM c",
                            200000));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

static void words_tell_which_statements_are_long(void **state)
{
    static const char *const longs[] = {
        "CREATE INDEX i ON n (x)",
        "create unique index i on n (x)",
        "DROP TABLE n",
        "  /* c */ -- d\n VACUUM",
        "ALTER TABLE n DROP COLUMN x",
        "DELETE FROM n",
        "DELETE FROM \"where\"",
        "delete from n -- where\n",
        "PRAGMA integrity_check",
        "PRAGMA main.quick_check(n)",
        "REINDEX",
        "ANALYZE",
        "DELETE FROM n RETURNING x",
    };
    static const char *const shorts[] = {
        "SELECT 1",
        "CREATE TABLE t (x)",
        "DELETE FROM n WHERE x = 1",
        "delete from n where(x)",
        "PRAGMA user_version",
        "INSERT INTO n VALUES (1, 'vacuum')",
        "",
        "-- nothing",
        "/* open",
        "'open",
        "UPDATE n SET x = 1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof longs / sizeof longs[0]; i++)
        if (!cv__sqlite_is_long(cv_str_of(longs[i])))
            fail_msg("short: %s", longs[i]);
    for (size_t i = 0; i < sizeof shorts / sizeof shorts[0]; i++)
        if (cv__sqlite_is_long(cv_str_of(shorts[i])))
            fail_msg("long: %s", shorts[i]);
}

typedef struct work {
    int (*fn)(cv_ctx *cx);
    int code;
    bool ended;
} work;

static int do_work(cv_ctx *cx, void *arg)
{
    work *own = arg;
    own->code = own->fn(cx);
    own->ended = true;
    if (own->code < 0)
        cv_error_clear(cx);
    return 0;
}

/* How many turns of the loop another fiber had while `fn` ran in a fiber. */
static int64_t turns_beside(cv_ctx *cx, work *own)
{
    cv_fiber *fiber;
    int64_t turns = 0;
    assert_ok(cx, cv_spawn(cx, "work", do_work, own, &fiber));
    while (!own->ended) {
        assert_ok(cx, cv_sleep_ms(cx, 1));
        turns++;
    }
    assert_ok(cx, cv_join(cx, fiber, NULL));
    return turns;
}

static int make_index(cv_ctx *cx)
{
    return cv_exec(cx, NULL, "CREATE INDEX n_t ON n (t)");
}

static int check_integrity(cv_ctx *cx)
{
    cv_value answer = CV_NULL;
    CV_TRY(cv_scalar(cx, &answer, "PRAGMA integrity_check"));
    return cv_str_equal(cv_str_of(answer.as.text.ptr), CV_STR("ok")) ? 0 : CV_E_CORRUPT;
}

static int vacuum(cv_ctx *cx)
{
    return cv_exec(cx, NULL, "VACUUM");
}

static int empty(cv_ctx *cx)
{
    cv_result result;
    CV_TRY(cv_exec(cx, &result, "DELETE FROM n"));
    return result.affected == 200000 ? 0 : CV_E_INTERNAL;
}

static void the_loop_turns_while_long_statements_run(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    int (*const all[])(cv_ctx *) = {make_index, check_integrity, vacuum, empty};
    int64_t turns = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        work own = {.fn = all[i], .code = 1};
        turns += turns_beside(cx, &own);
        assert_int_equal(own.code, 0);
    }
    assert_true(turns > 20); /* one each, and hardly more, if they held the loop */
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 0);
}

static int make_index_in_no_time(cv_ctx *cx)
{
    CV_WITHIN(cx, 5)
    {
        return make_index(cx);
    }
    return 0;
}

static void a_deadline_stops_a_statement_on_its_thread(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    work own = {.fn = make_index_in_no_time, .code = 1};
    (void)turns_beside(cx, &own);
    assert_int_equal(own.code, CV_E_TIMEOUT);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM sqlite_schema WHERE name = 'n_t'"), 0);
    assert_ok(cx, make_index(cx)); /* outside of fibers, on the same connection */
    assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 1).closed_total, 0);
}

static void a_cancelled_fiber_stops_its_statement(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    work own = {.fn = make_index, .code = 1};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "work", do_work, &own, &fiber));
    await_turns(cx, cv_db_pool_stats(cv_ctx_db(cx), 1).borrowed > 0);
    cv_cancel(fiber);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(own.code, CV_E_CANCELLED);
    assert_ok(cx, make_index(cx));
}

static void a_thread_waits_for_a_lock_as_long_as_the_loop_would(void **state)
{
    db_test *t = *state;
    sqlite3 *other;
    assert_int_equal(sqlite3_open(t->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    int64_t began_ns = cv_now_ns(t->cx);
    assert_fails(t->cx, make_index(t->cx), CV_E_LOCKED, "was locked for 300 ms");
    assert_true(cv_now_ns(t->cx) - began_ns >= 300 * INT64_C(1000000));
    CV_WITHIN(t->cx, 20)
    {
        assert_fails(t->cx, make_index(t->cx), CV_E_TIMEOUT, "deadline");
    }
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_ok(t->cx, make_index(t->cx));
}

static int change_in_transaction(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "DELETE FROM n"));
        CV_TRY(cv_exec(cx, NULL, "CREATE INDEX n_x ON n (x)"));
        CV_TRY(cv_exec(cx, NULL, "DROP INDEX n_x"));
        CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static void transactions_take_their_statements_to_the_thread_and_back(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    work own = {.fn = change_in_transaction, .code = 1};
    (void)turns_beside(cx, &own);
    assert_int_equal(own.code, 0);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 200000);
}

static void what_is_wrong_is_told_as_ever(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_fails(cx, cv_exec(cx, NULL, "CREATE UNIQUE INDEX n_u ON n (x % 2)"), CV_E_UNIQUE,
                 "UNIQUE constraint failed");
    assert_fails(cx, cv_exec(cx, NULL, "DROP TABLE missing"), CV_E_SQL, "no such table");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_tell_which_statements_are_long),
        cmocka_unit_test_setup_teardown(the_loop_turns_while_long_statements_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_deadline_stops_a_statement_on_its_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_fiber_stops_its_statement, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_thread_waits_for_a_lock_as_long_as_the_loop_would, set_up, tear_down),
        cmocka_unit_test_setup_teardown(transactions_take_their_statements_to_the_thread_and_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_told_as_ever, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
