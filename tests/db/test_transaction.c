/* Atomic blocks over SQLite, watched from a session of its own where it matters. */
#include "await.h"
#include "db_test.h"

#include "base/ctx.h"
#include <sqlite3.h>

typedef struct watched {
    db_test t;
    sqlite3 *other; /* a second, independent session */
} watched;

static int set_up(void **state)
{
    static watched w;
    db_test_init(&w.t, NULL);
    assert_ok(w.t.cx, cv_exec(w.t.cx, NULL, "CREATE TABLE n (x BIGINT UNIQUE)"));
    assert_int_equal(sqlite3_open(w.t.path, &w.other), SQLITE_OK);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    watched *w = *state;
    sqlite3_close(w->other);
    db_test_done(&w->t);
    return 0;
}

static cv_ctx *cx_of(void **state)
{
    return ((watched *)*state)->t.cx;
}

static int on_count(void *arg, int count, char **values, char **names)
{
    (void)count, (void)names;
    *(int *)arg = atoi(values[0]);
    return 0;
}

static int seen_by_the_other(const watched *w)
{
    int count = -1;
    assert_int_equal(sqlite3_exec(w->other, "SELECT count(*) FROM n", on_count, &count, NULL), SQLITE_OK);
    return count;
}

static int other_can_lock(const watched *w)
{
    int rc = sqlite3_exec(w->other, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        sqlite3_exec(w->other, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static int64_t rows_in(cv_ctx *cx)
{
    return count_of(cx, "SELECT count(*) FROM n");
}

static size_t borrowed_writers(cv_ctx *cx)
{
    return cv_db_pool_stats(cv_ctx_db(cx), 1).borrowed;
}

static int watched_commit(cv_ctx *cx, const watched *w)
{
    CV_ATOMIC(cx)
    {
        assert_int_equal(other_can_lock(w), SQLITE_OK);
        assert_int_equal(borrowed_writers(cx), 0);
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        assert_int_equal(other_can_lock(w), SQLITE_BUSY);
        assert_int_equal(seen_by_the_other(w), 0);
        assert_true(cv_in_transaction(cx));
    }
    assert_false(cv_in_transaction(cx));
    return 0;
}

static void a_block_locks_at_its_first_statement_and_shows_at_its_end(void **state)
{
    const watched *w = *state;
    assert_ok(w->t.cx, watched_commit(w->t.cx, w));
    assert_int_equal(seen_by_the_other(w), 1);
    assert_int_equal(other_can_lock(w), SQLITE_OK);
}

static int leave_early(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        return 0;
    }
    return 0;
}

static void leaving_early_rolls_back_and_marks_the_context(void **state)
{
    const watched *w = *state;
    assert_ok(w->t.cx, leave_early(w->t.cx));
    assert_int_equal(seen_by_the_other(w), 0);
    assert_int_equal(other_can_lock(w), SQLITE_OK);
    assert_true(w->t.cx->tx_marked);
    cv_error_clear(w->t.cx); /* handled */
    assert_false(w->t.cx->tx_marked);
}

static int fail_inside(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
    }
    return 0;
}

static void an_error_inside_reaches_the_caller(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_int_equal(fail_inside(cx), CV_E_UNIQUE);
    assert_string_equal(cv_error_last(cx)->column, "x");
    cv_error_clear(cx);
    assert_int_equal(rows_in(cx), 0);
}

static int ask_for_a_rollback(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_TRY(cv_rollback(cx));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (2)"));
    }
    return 0;
}

static void a_block_may_be_rolled_back_without_an_error(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_ok(cx, ask_for_a_rollback(cx));
    assert_int_equal(rows_in(cx), 0);
    assert_false(cx->tx_marked);
    assert_fails(cx, cv_rollback(cx), CV_E_NO_TRANSACTION, "no atomic block");
}

static int nest(cv_ctx *cx, bool undo_inner)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_ATOMIC(cx)
        {
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (2)"));
            CV_ATOMIC(cx)
            {
                CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (3)"));
            }
            if (undo_inner)
                CV_TRY(cv_rollback(cx));
        }
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (4)"));
    }
    return 0;
}

static void inner_blocks_are_savepoints(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_ok(cx, nest(cx, true));
    assert_int_equal(count_of(cx, "SELECT sum(x) FROM n"), 5);
    assert_ok(cx, cv_exec(cx, NULL, "DELETE FROM n"));
    assert_ok(cx, nest(cx, false));
    assert_int_equal(count_of(cx, "SELECT sum(x) FROM n"), 10);
}

static int survive_an_inner_failure(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (7)"));
        assert_int_equal(fail_inside(cx), CV_E_UNIQUE);
        cv_error_clear(cx);
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (8)"));
    }
    return 0;
}

static void an_inner_failure_that_is_handled_undoes_the_inner_block_alone(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_ok(cx, survive_an_inner_failure(cx));
    assert_int_equal(count_of(cx, "SELECT sum(x) FROM n"), 15);
}

static int read_only_block(cv_ctx *cx, const watched *w)
{
    CV_ATOMIC_WITH(cx, (&(cv_tx_options){.read_only = true}))
    {
        assert_int_equal(other_can_lock(w), SQLITE_OK);
        assert_int_equal(rows_in(cx), 0);
        assert_int_equal(sqlite3_exec(w->other, "INSERT INTO n VALUES (1)", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(rows_in(cx), 0);
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (2)"));
    }
    return 0;
}

static void a_read_only_block_keeps_its_snapshot_and_refuses_writes(void **state)
{
    const watched *w = *state;
    cv_ctx *cx = w->t.cx;
    assert_fails(cx, read_only_block(cx, w), CV_E_READ_ONLY, "readonly");
    assert_int_equal(rows_in(cx), 1);
}

static int inner_with(cv_ctx *cx, const cv_tx_options *outer, const cv_tx_options *inner)
{
    CV_ATOMIC_WITH(cx, outer)
    {
        CV_ATOMIC_WITH(cx, inner)
        {
        }
    }
    return 0;
}

static void inner_blocks_cannot_ask_for_more(void **state)
{
    cv_ctx *cx = cx_of(state);
    cv_tx_options reading = {.read_only = true}, serializable = {.isolation = CV_SERIALIZABLE}, writing = {0};
    assert_ok(cx, inner_with(cx, &reading, NULL));
    assert_ok(cx, inner_with(cx, NULL, &reading));
    assert_ok(cx, inner_with(cx, &serializable, &serializable));
    assert_fails(cx, inner_with(cx, &reading, &writing), CV_E_STATE, "read-only");
    assert_fails(cx, inner_with(cx, NULL, &serializable), CV_E_STATE, "isolation");
}

static int never_run(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        fail_msg("the body ran although BEGIN failed");
    }
    return 0;
}

static int begin_too_late(cv_ctx *cx, int *ret_reached)
{
    CV_ATOMIC(cx)
    {
        CV_ATOMIC(cx)
        {
            *ret_reached = 1;
            assert_fails(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"), CV_E_LOCKED, "locked");
            *ret_reached = 2;
            assert_fails(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"), CV_E_TX_ABORTED, "could not begin");
        }
        fail_msg("the inner block ended well");
    }
    return 0;
}

static void a_failed_begin_is_told_by_the_first_statement_and_ends_the_block(void **state)
{
    db_test t;
    sqlite3 *other;
    int reached = 0;
    db_test_init(&t, "busy_timeout=10ms");
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE n (x)"));
    assert_int_equal(sqlite3_open(t.path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(begin_too_late(t.cx, &reached), CV_E_LOCKED);
    assert_string_equal(cv_error_last(t.cx)->message, "could not commit: the transaction could not begin");
    cv_error_clear(t.cx);
    assert_int_equal(reached, 2);
    assert_int_equal(borrowed_writers(t.cx), 0);
    sqlite3_close(other);
    db_test_done(&t);
    (void)state;
}

static int empty_blocks(cv_ctx *cx, bool undo)
{
    CV_ATOMIC(cx)
    {
        CV_ATOMIC(cx)
        {
            if (undo)
                CV_TRY(cv_rollback(cx));
        }
        CV_ATOMIC(cx)
        {
        }
        if (undo)
            CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static void empty_blocks_touch_nothing(void **state)
{
    cv_ctx *cx = cx_of(state);
    uint64_t acquired = cv_db_pool_stats(cv_ctx_db(cx), 1).acquired_total;
    assert_ok(cx, empty_blocks(cx, false));
    assert_ok(cx, empty_blocks(cx, true));
    assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 1).acquired_total, acquired);
}

static int fill_after_empty_ones(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(empty_blocks(cx, false));
        CV_ATOMIC(cx)
        {
            CV_TRY(empty_blocks(cx, true));
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)")); /* begins, and sets the savepoint */
            CV_TRY(cv_rollback(cx));
        }
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (2)"));
        CV_TRY(empty_blocks(cx, true));
    }
    return 0;
}

static void savepoints_are_set_when_they_are_needed(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_ok(cx, fill_after_empty_ones(cx));
    assert_int_equal(count_of(cx, "SELECT sum(x) FROM n"), 2);
}

static void a_block_without_a_database_does_not_open(void **state)
{
    cv_ctx *cx = cx_of(state);
    cv_db *db = cv_use_db(cx, NULL);
    assert_fails(cx, never_run(cx), CV_E_NO_DATABASE, "no database");
    cv_use_db(cx, db);
}

static int violate_at_commit(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO child VALUES (99)"));
    }
    fail_msg("the block went on although COMMIT failed");
    return 0;
}

static void a_failed_commit_returns_its_code_and_rolls_back(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE child (x BIGINT REFERENCES n (x) DEFERRABLE INITIALLY DEFERRED)"));
    assert_int_equal(violate_at_commit(cx), CV_E_FOREIGN_KEY);
    assert_true(cx->tx_marked);
    cv_error_clear(cx);
    assert_int_equal(rows_in(cx), 0);
    assert_int_equal(other_can_lock(*state), SQLITE_OK);
}

static int go_on_after_the_engine_gave_up(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_ATOMIC(cx)
        {
            assert_int_equal(cv_exec(cx, NULL, "INSERT OR ROLLBACK INTO n VALUES (1)"), CV_E_UNIQUE);
            cv_error_clear(cx);
            assert_fails(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (2)"), CV_E_TX_ABORTED, "rolled back");
            assert_fails(cx, nest(cx, false), CV_E_TX_ABORTED, "rolled back");
        }
    }
    return 0;
}

static void nothing_runs_after_the_engine_rolled_everything_back(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_fails(cx, go_on_after_the_engine_gave_up(cx), CV_E_TX_ABORTED, "rolled back");
    assert_int_equal(rows_in(cx), 0);
    assert_ok(cx, nest(cx, false));
}

static int commit_too_late(cv_ctx *cx)
{
    CV_ATOMIC_WITH(cx, (&(cv_tx_options){.timeout_ms = 1}))
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        while (cv_now_ns(cx) < cv_ctx_deadline_ns(cx))
            ;
    }
    return 0;
}

static void a_deadline_of_the_block_forbids_its_commit(void **state)
{
    cv_ctx *cx = cx_of(state);
    int rc = commit_too_late(cx);
    assert_int_equal(rc, CV_E_TIMEOUT);
    cv_error_clear(cx);
    assert_int_equal(cv_ctx_deadline_ns(cx), INT64_MAX);
    assert_int_equal(rows_in(cx), 0);
}

static int open_rows_and_end(cv_ctx *cx, cv_rows **rows)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_select(cx, rows, "VALUES (1), (2)"));
        assert_int_equal(cv_rows_next(cx, *rows), 1);
    }
    return 0;
}

static void rows_end_with_their_block(void **state)
{
    cv_ctx *cx = cx_of(state);
    cv_rows *rows;
    assert_ok(cx, open_rows_and_end(cx, &rows));
    assert_fails(cx, cv_rows_next(cx, rows), CV_E_STATE, "atomic block");
    cv_rows_close(cx, rows);
}

static int write_in_a_child(cv_ctx *cx, void *arg)
{
    (void)arg;
    assert_false(cv_in_transaction(cx));
    return cv_exec(cx, NULL, "INSERT INTO n VALUES (2)");
}

static int spawn_inside(cv_ctx *cx, cv_fiber **child)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_spawn(cx, "child", write_in_a_child, NULL, child));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_TRY(cv_yield(cx));
        CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static void a_fiber_spawned_inside_is_outside(void **state)
{
    cv_ctx *cx = cx_of(state);
    cv_fiber *child = NULL;
    assert_ok(cx, spawn_inside(cx, &child));
    assert_ok(cx, cv_join(cx, child, NULL));
    assert_int_equal(count_of(cx, "SELECT sum(x) FROM n"), 2);
}

static int sleep_inside(cv_ctx *cx, void *arg)
{
    (void)arg;
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_TRY(cv_sleep_ms(cx, 60000));
    }
    return 0;
}

static void a_cancelled_fiber_rolls_back_and_frees_the_writer(void **state)
{
    cv_ctx *cx = cx_of(state);
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "sleeper", sleep_inside, NULL, &fiber));
    await_turns(cx, other_can_lock(*state) != SQLITE_OK);
    cv_cancel(fiber);
    assert_int_equal(cv_join(cx, fiber, NULL), CV_E_CANCELLED);
    cv_error_clear(cx);
    assert_int_equal(rows_in(cx), 0);
    assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 1).borrowed, 0);
    assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 1).closed_total, 0);
}

static int use_another_database(cv_ctx *cx, cv_db *other)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        cv_db *former = cv_use_db(cx, other);
        int rc = cv_exec(cx, NULL, "CREATE TABLE elsewhere (x)");
        assert_fails(cx, never_run(cx), CV_E_STATE, "another database");
        cv_use_db(cx, former);
        CV_TRY(rc);
    }
    return 0;
}

static void a_transaction_is_on_one_database(void **state)
{
    cv_ctx *cx = cx_of(state);
    cv_db *memory;
    assert_ok(cx, cv_db_open(cx, "sqlite::memory:", NULL, &memory));
    assert_ok(cx, use_another_database(cx, memory));
    assert_int_equal(rows_in(cx), 1);
    cv_db_close(cx, memory);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_block_locks_at_its_first_statement_and_shows_at_its_end),
        CASE(leaving_early_rolls_back_and_marks_the_context),
        CASE(an_error_inside_reaches_the_caller),
        CASE(a_block_may_be_rolled_back_without_an_error),
        CASE(inner_blocks_are_savepoints),
        CASE(an_inner_failure_that_is_handled_undoes_the_inner_block_alone),
        CASE(a_read_only_block_keeps_its_snapshot_and_refuses_writes),
        CASE(inner_blocks_cannot_ask_for_more),
        CASE(a_block_without_a_database_does_not_open),
        CASE(a_failed_begin_is_told_by_the_first_statement_and_ends_the_block),
        CASE(empty_blocks_touch_nothing),
        CASE(savepoints_are_set_when_they_are_needed),
        CASE(a_failed_commit_returns_its_code_and_rolls_back),
        CASE(nothing_runs_after_the_engine_rolled_everything_back),
        CASE(a_deadline_of_the_block_forbids_its_commit),
        CASE(rows_end_with_their_block),
        CASE(a_fiber_spawned_inside_is_outside),
        CASE(a_cancelled_fiber_rolls_back_and_frees_the_writer),
        CASE(a_transaction_is_on_one_database),
    };
    return cmocka_run_group_tests_name("db transaction", tests, NULL, NULL);
}
