/* Hooks at the end of transactions, and of the savepoints inside. */
#include "db_test.h"

#include "base/ctx.h"
#include <sqlite3.h>

/* What happened, in order: one letter each. */
static char story[64];

static void tell(char what)
{
    size_t len = strlen(story);
    assert_true(len + 1 < sizeof story);
    story[len] = what;
}

static int set_up(void **state)
{
    static db_test t;
    memset(story, 0, sizeof story);
    db_test_init(&t, NULL);
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE n (x BIGINT UNIQUE)"));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

static cv_ctx *cx_of(void **state)
{
    return ((db_test *)*state)->cx;
}

static int64_t rows_in(cv_ctx *cx)
{
    return count_of(cx, "SELECT count(*) FROM n");
}

static int note(cv_ctx *cx, void *arg)
{
    (void)cx;
    tell(*(const char *)arg);
    return 0;
}

static int note_and_fail(cv_ctx *cx, void *arg)
{
    tell(*(const char *)arg);
    return cv_fail(cx, CV_E_RANGE, "the hook failed");
}

#define TELL(letter) ((void *)(uintptr_t)(letter)) /* a text of one letter as the argument */

static int add_all(cv_ctx *cx, const char *before, const char *after, const char *rolled_back)
{
    CV_TRY(cv_after_commit(cx, note, TELL(after)));
    CV_TRY(cv_before_commit(cx, note, TELL(before)));
    return cv_after_rollback(cx, note, TELL(rolled_back));
}

typedef enum ending { COMMIT, ROLL_BACK, LEAVE, FAIL } ending;

static int run(cv_ctx *cx, ending how)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add_all(cx, "b", "a", "r"));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_TRY(add_all(cx, "B", "A", "R"));
        tell('.');
        if (how == ROLL_BACK)
            CV_TRY(cv_rollback(cx));
        if (how == LEAVE)
            return 0;
        if (how == FAIL)
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
    }
    return 0;
}

static void hooks_run_around_the_commit_in_their_order(void **state)
{
    assert_ok(cx_of(state), run(cx_of(state), COMMIT));
    assert_string_equal(story, ".bBaA");
}

static void hooks_run_after_a_rollback_the_newest_first(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_ok(cx, run(cx, ROLL_BACK));
    assert_string_equal(story, ".Rr");
    memset(story, 0, sizeof story);
    assert_ok(cx, run(cx, LEAVE));
    assert_string_equal(story, ".Rr");
    assert_true(cx->tx_marked);
    memset(story, 0, sizeof story);
    assert_int_equal(run(cx, FAIL), CV_E_UNIQUE);
    assert_int_equal(cv_error_last(cx)->code, CV_E_UNIQUE);
    cv_error_clear(cx);
    assert_string_equal(story, ".Rr");
}

static int run_in_a_scope(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        for (int i = 0; i < 3; i++)
            CV_SCOPE(cx)
            {
                CV_TRY(cv_after_commit(cx, note, TELL("a")));
                char *memory = cv_zalloc(cx, 1, 100000);
                assert_non_null(memory);
            }
    }
    return 0;
}

static void hooks_outlive_the_memory_of_a_scope_and_run_for_empty_blocks(void **state)
{
    assert_ok(cx_of(state), run_in_a_scope(cx_of(state)));
    assert_string_equal(story, "aaa");
}

static int inner_block(cv_ctx *cx, bool undo)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add_all(cx, "2", "3", "4"));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (5)"));
        if (undo)
            CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static int nest(cv_ctx *cx, bool undo_inner, bool undo_outer)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add_all(cx, "b", "a", "r"));
        CV_TRY(inner_block(cx, undo_inner));
        tell('.');
        CV_TRY(add_all(cx, "B", "A", "R"));
        if (undo_outer)
            CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static void hooks_of_an_inner_block_run_with_the_outermost_commit(void **state)
{
    assert_ok(cx_of(state), nest(cx_of(state), false, false));
    assert_string_equal(story, ".b2Ba3A");
}

static void hooks_of_an_inner_block_are_dropped_with_its_rollback(void **state)
{
    assert_ok(cx_of(state), nest(cx_of(state), true, false));
    assert_string_equal(story, "4.bBaA");
}

static void a_rollback_undoes_inner_blocks_that_had_ended_well(void **state)
{
    assert_ok(cx_of(state), nest(cx_of(state), false, true));
    assert_string_equal(story, ".R4r");
}

static int insert_nine(cv_ctx *cx, void *arg)
{
    tell(arg ? 'i' : 'o');
    assert_true(cv_in_transaction(cx) == (arg != NULL));
    CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (9)"));
    return arg ? cv_before_commit(cx, note, TELL("l")) : 0;
}

static int insert_before(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_before_commit(cx, insert_nine, TELL("")));
    }
    return 0;
}

static void a_hook_before_the_commit_runs_inside_and_may_add_more(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_ok(cx, insert_before(cx));
    assert_string_equal(story, "il");
    assert_int_equal(rows_in(cx), 1);
}

static int refuse(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_TRY(add_all(cx, "b", "a", "r"));
        CV_TRY(cv_before_commit(cx, note_and_fail, TELL("f")));
        CV_TRY(add_all(cx, "B", "A", "R"));
    }
    return 0;
}

static void a_hook_before_the_commit_may_refuse_it(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_fails(cx, refuse(cx), CV_E_RANGE, "the hook failed");
    assert_string_equal(story, "bfRr");
    assert_int_equal(rows_in(cx), 0);
}

static int ask_for_a_rollback(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_rollback(cx);
}

static int refuse_silently(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_TRY(cv_before_commit(cx, ask_for_a_rollback, NULL));
        CV_TRY(cv_after_commit(cx, note, TELL("a")));
    }
    return 0;
}

static void a_hook_before_the_commit_may_roll_back_without_an_error(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_ok(cx, refuse_silently(cx));
    assert_string_equal(story, "");
    assert_int_equal(rows_in(cx), 0);
}

static int on_count(void *arg, int count, char **values, char **names)
{
    (void)count, (void)names;
    *(int *)arg = atoi(values[0]);
    return 0;
}

static int look_from_outside(cv_ctx *cx, void *arg)
{
    int count = 0;
    sqlite3 *other;
    assert_int_equal(sqlite3_open(((db_test *)arg)->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "SELECT count(*) FROM n", on_count, &count, NULL), SQLITE_OK);
    sqlite3_close(other);
    assert_int_equal(count, 1);
    assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 1).borrowed, 0);
    assert_false(cv_in_transaction(cx));
    return insert_nine(cx, NULL);
}

static int look_after_commit(db_test *t)
{
    CV_ATOMIC(t->cx)
    {
        CV_TRY(cv_after_commit(t->cx, look_from_outside, t));
        CV_TRY(cv_exec(t->cx, NULL, "INSERT INTO n VALUES (1)"));
    }
    return 0;
}

static void a_hook_after_the_commit_sees_what_others_see_and_has_a_connection_of_its_own(void **state)
{
    assert_ok(cx_of(state), look_after_commit(*state));
    assert_int_equal(rows_in(cx_of(state)), 2);
}

static int fail_after(cv_ctx *cx, bool robust)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (?)", (int)robust));
        CV_TRY(cv_after_commit(cx, note, TELL("1")));
        if (robust)
            CV_TRY(cv_after_commit_robust(cx, note_and_fail, TELL("f")));
        else
            CV_TRY(cv_after_commit(cx, note_and_fail, TELL("f")));
        CV_TRY(cv_after_commit(cx, note, TELL("2")));
    }
    return 0;
}

static void a_failing_hook_after_the_commit_ends_the_others_and_says_what_is_stored(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_fails(cx, fail_after(cx, false), CV_E_RANGE, "the transaction is committed");
    assert_string_equal(story, "1f");
    assert_int_equal(rows_in(cx), 1);
}

static void a_robust_hook_may_fail_without_harm(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_ok(cx, fail_after(cx, true));
    assert_null(cv_error_last(cx));
    assert_string_equal(story, "1f2");
}

static void outside_a_block_a_hook_after_the_commit_runs_at_once(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_ok(cx, cv_after_commit(cx, note, TELL("a")));
    assert_int_equal(cv_after_commit(cx, note_and_fail, TELL("f")), CV_E_RANGE);
    cv_error_clear(cx);
    assert_ok(cx, cv_after_commit_robust(cx, note_and_fail, TELL("g")));
    assert_string_equal(story, "afg");
    assert_fails(cx, cv_before_commit(cx, note, TELL("b")), CV_E_NO_TRANSACTION, "no atomic block");
    assert_fails(cx, cv_after_rollback(cx, note, TELL("r")), CV_E_NO_TRANSACTION, "no atomic block");
}

static int fail_in_rollback(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_after_rollback(cx, note, TELL("r")));
        CV_TRY(cv_after_rollback(cx, note_and_fail, TELL("f")));
        return cv_fail(cx, CV_E_CHECK, "the first error");
    }
    return 0;
}

static void a_failing_hook_after_a_rollback_does_not_replace_the_error(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_int_equal(fail_in_rollback(cx), CV_E_CHECK);
    assert_true(cx->tx_marked);
    assert_fails(cx, CV_E_CHECK, CV_E_CHECK, "the first error");
    assert_string_equal(story, "fr");
}

static int attempt(cv_ctx *cx, void *arg)
{
    int *left = arg;
    CV_TRY(add_all(cx, "b", "a", "r"));
    return --*left > 0 ? cv_fail(cx, CV_E_SERIALIZATION, "made to fail") : 0;
}

static void a_repeated_block_has_the_hooks_of_its_last_run_alone(void **state)
{
    int left = 3;
    assert_ok(cx_of(state), cv_atomic_retry(cx_of(state), NULL, attempt, &left));
    assert_string_equal(story, "rrba");
}

static int add_too_many(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        for (int i = 0; i < 20000; i++)
            CV_TRY(cv_after_commit(cx, note, TELL("a")));
    }
    return 0;
}

static void the_number_of_hooks_is_bounded(void **state)
{
    assert_fails(cx_of(state), add_too_many(cx_of(state)), CV_E_LIMIT, "10000");
    assert_string_equal(story, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(hooks_run_around_the_commit_in_their_order),
        CASE(hooks_run_after_a_rollback_the_newest_first),
        CASE(hooks_outlive_the_memory_of_a_scope_and_run_for_empty_blocks),
        CASE(hooks_of_an_inner_block_run_with_the_outermost_commit),
        CASE(hooks_of_an_inner_block_are_dropped_with_its_rollback),
        CASE(a_rollback_undoes_inner_blocks_that_had_ended_well),
        CASE(a_hook_before_the_commit_runs_inside_and_may_add_more),
        CASE(a_hook_before_the_commit_may_refuse_it),
        CASE(a_hook_before_the_commit_may_roll_back_without_an_error),
        CASE(a_hook_after_the_commit_sees_what_others_see_and_has_a_connection_of_its_own),
        CASE(a_failing_hook_after_the_commit_ends_the_others_and_says_what_is_stored),
        CASE(a_robust_hook_may_fail_without_harm),
        CASE(outside_a_block_a_hook_after_the_commit_runs_at_once),
        CASE(a_failing_hook_after_a_rollback_does_not_replace_the_error),
        CASE(a_repeated_block_has_the_hooks_of_its_last_run_alone),
        CASE(the_number_of_hooks_is_bounded),
    };
    return cmocka_run_group_tests_name("db transaction hooks", tests, NULL, NULL);
}
