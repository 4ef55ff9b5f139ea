/* Transactions on PostgreSQL, watched from a session of its own; and two-phase commit, which SQLite does not have. */
#include "postgres_test.h"

#include "base/ctx.h"
#include <covet/prepared.h>

static char url[TEST_URL_BYTES];
static bool available;

static int set_up_group(void **state)
{
    (void)state;
    available = test_database_create("transaction", url);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (available)
        test_database_drop(url);
    return 0;
}

static int set_up(void **state)
{
    static fixture f;
    f = (fixture){0};
    *state = &f;
    if (!available)
        return 0;
    memcpy(f.url, url, sizeof url);
    fixture_open(&f, &(cv_db_options){.max_connections = 4});
    test_session_run(f.watch, "DROP TABLE IF EXISTS n; CREATE TABLE n (x bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    if (f->cx)
        fixture_close(f);
    return 0;
}

static fixture *fixture_of(void **state)
{
    fixture *f = *state;
    if (!f->cx)
        skip();
    return f;
}

/* How many sessions of this database are inside a transaction. */
static const char *in_transaction(const fixture *f)
{
    return test_session_run(f->watch, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                                      "AND pid <> pg_backend_pid() AND xact_start IS NOT NULL");
}

static const char *seen(const fixture *f)
{
    return test_session_run(f->watch, "SELECT coalesce(sum(x), 0) FROM n");
}

static int begin_late(const fixture *f)
{
    CV_ATOMIC(f->cx)
    {
        CV_ATOMIC(f->cx)
        {
        }
        assert_string_equal(in_transaction(f), "0");
        assert_int_equal(cv_db_pool_stats(f->db, 0).borrowed, 0);
        CV_ATOMIC(f->cx)
        {
            CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO n VALUES (1)"));
            assert_string_equal(in_transaction(f), "1");
            CV_TRY(cv_rollback(f->cx));
        }
        CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO n VALUES (2)"));
    }
    return 0;
}

static void a_transaction_begins_with_its_first_statement(void **state)
{
    fixture *f = fixture_of(state);
    assert_ok(f->cx, begin_late(f));
    assert_string_equal(in_transaction(f), "0");
    assert_string_equal(seen(f), "2");
}

static int violate_at_commit(cv_ctx *cx, void *arg)
{
    int *made = arg;
    ++*made;
    CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
    return cv_exec(cx, NULL, "INSERT INTO n VALUES (1)");
}

static int commit_violation(cv_ctx *cx, int *made)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(violate_at_commit(cx, made));
    }
    fail_msg("the block went on although COMMIT failed");
    return 0;
}

static void a_refused_commit_is_known_to_be_rolled_back(void **state)
{
    fixture *f = fixture_of(state);
    int made = 0;
    cv_commit_token token = {0};
    assert_fails(f->cx, commit_violation(f->cx, &made), CV_E_UNIQUE, "duplicate");
    assert_fails(f->cx, cv_atomic_retry(f->cx, &(cv_tx_options){.commit_token = &token}, violate_at_commit, &made),
                 CV_E_UNIQUE, "duplicate");
    assert_int_equal(made, 2);
    assert_int_equal(token.outcome, CV_TX_ROLLED_BACK);
    assert_string_equal(seen(f), "0");
    assert_string_equal(in_transaction(f), "0");
}

static int lose_before_commit(fixture *f)
{
    CV_ATOMIC(f->cx)
    {
        char sql[100];
        cv_value pid;
        CV_TRY(cv_scalar(f->cx, &pid, "SELECT pg_backend_pid()"));
        CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO n VALUES (1)"));
        snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%lld, 20000)", (long long)pid.as.i64);
        assert_string_equal(test_session_run(f->watch, sql), "t");
    }
    return 0;
}

static void a_connection_lost_before_commit_was_not_committed(void **state)
{
    fixture *f = fixture_of(state);
    assert_fails(f->cx, lose_before_commit(f), CV_E_CONNECTION_LOST, "lost");
    assert_string_equal(seen(f), "0");
}

typedef struct rival {
    int64_t first, second;
    int *arrived;
    int made;
} rival;

/* Two of them take the same rows in opposite orders; their first attempts wait for each other in between. */
static int cross(cv_ctx *cx, void *arg)
{
    rival *r = arg;
    CV_TRY(cv_exec(cx, NULL, "UPDATE n SET x = x WHERE x = ?", r->first));
    if (++r->made == 1)
        ++*r->arrived;
    while (*r->arrived < 2)
        CV_TRY(cv_yield(cx));
    return cv_exec(cx, NULL, "UPDATE n SET x = x WHERE x = ?", r->second);
}

static int cross_with_patience(cv_ctx *cx, void *arg)
{
    return cv_atomic_retry(cx, NULL, cross, arg);
}

static void a_deadlock_of_two_fibers_is_repeated_to_success(void **state)
{
    fixture *f = fixture_of(state);
    cv_fiber *fibers[2];
    int arrived = 0;
    rival rivals[2] = {{1, 2, &arrived, 0}, {2, 1, &arrived, 0}};
    assert_ok(f->cx, cv_exec(f->cx, NULL, "INSERT INTO n VALUES (1), (2)"));
    for (int i = 0; i < 2; i++)
        assert_ok(f->cx, cv_spawn(f->cx, "rival", cross_with_patience, &rivals[i], &fibers[i]));
    for (int i = 0; i < 2; i++)
        assert_ok(f->cx, cv_join(f->cx, fibers[i], NULL));
    assert_int_equal(rivals[0].made + rivals[1].made, 3);
}

/* --- two-phase commit --- */

static int prepare(cv_ctx *cx, const char *gid, int64_t x)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_prepare_transaction(cx, gid));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (?)", x));
    }
    return 0;
}

static size_t listed(cv_ctx *cx, const cv_prepared **ret_list)
{
    size_t count = 0;
    assert_ok(cx, cv_prepared_list(cx, ret_list, &count));
    return count;
}

static void a_prepared_transaction_waits_to_be_finished(void **state)
{
    fixture *f = fixture_of(state);
    const cv_prepared *list;
    static const char gid[] = "it's \"one\" \\ of; two -- $1 ?";
    assert_ok(f->cx, prepare(f->cx, gid, 1));
    assert_string_equal(in_transaction(f), "0");
    assert_string_equal(seen(f), "0");
    assert_ok(f->cx, prepare(f->cx, "second", 2));
    assert_int_equal(listed(f->cx, &list), 2);
    assert_string_equal(list[0].gid, gid);
    assert_string_equal(list[0].owner, "app");
    assert_non_null(strstr(f->url, list[0].database));
    assert_true(list[0].prepared_at.us <= list[1].prepared_at.us && list[0].prepared_at.us > INT64_C(1600000000000000));
    assert_ok(f->cx, cv_commit_prepared(f->cx, gid));
    assert_ok(f->cx, cv_rollback_prepared(f->cx, "second"));
    assert_int_equal(listed(f->cx, &list), 0);
    assert_string_equal(seen(f), "1");
    assert_fails(f->cx, cv_commit_prepared(f->cx, gid), CV_E_NOT_FOUND, "it's \"one\"");
    assert_fails(f->cx, cv_rollback_prepared(f->cx, "second"), CV_E_NOT_FOUND, "second");
}

static int prepare_nothing(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_prepare_transaction(cx, "first name"));
        CV_TRY(cv_prepare_transaction(cx, "nothing"));
    }
    return 0;
}

static void an_empty_block_can_be_prepared(void **state)
{
    fixture *f = fixture_of(state);
    const cv_prepared *list;
    assert_ok(f->cx, prepare_nothing(f->cx));
    assert_int_equal(listed(f->cx, &list), 1);
    assert_ok(f->cx, cv_rollback_prepared(f->cx, "nothing"));
}

static int no_hook(cv_ctx *cx, void *arg)
{
    (void)cx;
    ++*(int *)arg;
    return 0;
}

static int prepare_with_hook(cv_ctx *cx, bool after, int *called)
{
    CV_ATOMIC(cx)
    {
        if (after)
            CV_TRY(cv_after_commit(cx, no_hook, called));
        CV_TRY(cv_before_commit(cx, no_hook, called));
        CV_TRY(prepare(cx, "inner", 1));
    }
    return 0;
}

static int prepare_outer_with_hook(cv_ctx *cx, bool after, int *called)
{
    CV_ATOMIC(cx)
    {
        if (after)
            CV_TRY(cv_after_commit(cx, no_hook, called));
        CV_TRY(cv_before_commit(cx, no_hook, called));
        CV_TRY(cv_prepare_transaction(cx, "hooked"));
    }
    return 0;
}

static void what_cannot_be_prepared_says_why(void **state)
{
    fixture *f = fixture_of(state);
    cv_ctx *cx = f->cx;
    int called = 0;
    char longest[200], too_long[201];
    memset(longest, 'x', sizeof longest);
    memset(too_long, 'x', sizeof too_long);
    longest[199] = too_long[200] = '\0';
    assert_fails(cx, cv_prepare_transaction(cx, "a"), CV_E_NO_TRANSACTION, "no atomic block");
    assert_fails(cx, prepare(cx, "", 1), CV_E_INVALID, "0 bytes");
    assert_fails(cx, prepare(cx, too_long, 1), CV_E_INVALID, "200 bytes");
    assert_fails(cx, prepare(cx, "a\nb", 1), CV_E_INVALID, "at byte 1");
    assert_fails(cx, prepare(cx, "caf\xc3\xa9", 1), CV_E_INVALID, "at byte 3");
    assert_fails(cx, prepare_with_hook(cx, false, &called), CV_E_STATE, "inner");
    assert_fails(cx, prepare_outer_with_hook(cx, true, &called), CV_E_STATE, "hooks");
    assert_int_equal(called, 1);
    assert_ok(cx, prepare(cx, longest, 1));
    assert_fails(cx, prepare(cx, longest, 2), CV_E_EXISTS, "xxx");
    assert_ok(cx, cv_rollback_prepared(cx, longest));
    assert_string_equal(in_transaction(f), "0");
    assert_string_equal(seen(f), "0");
}

static int prepare_what_failed(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_prepare_transaction(cx, "failed"));
        assert_int_equal(cv_exec(cx, NULL, "SELECT 1 / 0"), CV_E_INVALID);
        cv_error_clear(cx);
    }
    return 0;
}

static void a_transaction_that_failed_inside_is_not_prepared(void **state)
{
    fixture *f = fixture_of(state);
    const cv_prepared *list;
    assert_fails(f->cx, prepare_what_failed(f->cx), CV_E_TX_ABORTED, "could not prepare");
    assert_int_equal(listed(f->cx, &list), 0);
}

static int finish_inside(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_commit_prepared(cx, "outside"));
    }
    return 0;
}

static void prepared_transactions_are_finished_outside_of_others(void **state)
{
    fixture *f = fixture_of(state);
    assert_ok(f->cx, prepare(f->cx, "outside", 1));
    assert_fails(f->cx, finish_inside(f->cx), CV_E_IN_TRANSACTION, "inside a transaction");
    assert_ok(f->cx, cv_commit_prepared(f->cx, "outside"));
}

static int prepare_on_sqlite(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_prepare_transaction(cx, "a"));
    }
    return 0;
}

static void sqlite_cannot_prepare(void **state)
{
    (void)state;
    cv_ctx *cx;
    cv_db *db;
    const cv_prepared *list;
    size_t count;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    assert_ok(cx, cv_db_open(cx, "sqlite::memory:", NULL, &db));
    cv_use_db(cx, db);
    assert_fails(cx, prepare_on_sqlite(cx), CV_E_UNSUPPORTED, "sqlite cannot prepare");
    assert_fails(cx, cv_commit_prepared(cx, "a"), CV_E_UNSUPPORTED, "sqlite cannot prepare");
    assert_fails(cx, cv_prepared_list(cx, &list, &count), CV_E_UNSUPPORTED, "sqlite cannot prepare");
    cv_db_close(cx, db);
    cv_runtime_free(cx);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_transaction_begins_with_its_first_statement),
        CASE(a_refused_commit_is_known_to_be_rolled_back),
        CASE(a_connection_lost_before_commit_was_not_committed),
        CASE(a_deadlock_of_two_fibers_is_repeated_to_success),
        CASE(a_prepared_transaction_waits_to_be_finished),
        CASE(an_empty_block_can_be_prepared),
        CASE(what_cannot_be_prepared_says_why),
        CASE(a_transaction_that_failed_inside_is_not_prepared),
        CASE(prepared_transactions_are_finished_outside_of_others),
        cmocka_unit_test(sqlite_cannot_prepare),
    };
    return cmocka_run_group_tests_name("db transaction postgres", tests, set_up_group, tear_down_group);
}
