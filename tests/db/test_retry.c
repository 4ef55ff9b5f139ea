/* Trying again: transactions on SQLite, and what needs no database at all; on a simulated clock. */
#include "db_test.h"

#include "base/ctx.h"
#include "db/retry.h"
#include <covet/retry.h>
#include <sqlite3.h>

static int set_up(void **state)
{
    static db_test t;
    db_test_init_bare(&t);
    cv_runtime_free(t.cx);
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = true}, &t.cx), 0);
    assert_ok(t.cx, cv_db_open(t.cx, t.url, NULL, &t.db));
    cv_use_db(t.cx, t.db);
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

typedef struct attempts {
    int failures, made;
    int code;
} attempts;

static int fail_at_first(cv_ctx *cx, void *arg)
{
    attempts *a = arg;
    a->made++;
    CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (?)", a->made));
    return a->made <= a->failures ? cv_fail(cx, a->code, "made to fail") : 0;
}

static void the_retrying_form_repeats_what_is_transient(void **state)
{
    cv_ctx *cx = cx_of(state);
    attempts a = {.failures = 2, .code = CV_E_SERIALIZATION};
    assert_ok(cx, cv_atomic_retry(cx, NULL, fail_at_first, &a));
    assert_int_equal(a.made, 3);
    assert_int_equal(rows_in(cx), 1);
    assert_null(cv_error_last(cx));
    assert_false(cx->tx_marked);
}

static void the_retrying_form_gives_up(void **state)
{
    cv_ctx *cx = cx_of(state);
    attempts always = {.failures = 100, .code = CV_E_DEADLOCK};
    assert_fails(cx, cv_atomic_retry(cx, &(cv_tx_options){.max_attempts = 3}, fail_at_first, &always), CV_E_DEADLOCK,
                 "made to fail");
    assert_int_equal(always.made, 3);
    attempts final = {.failures = 100, .code = CV_E_CHECK};
    assert_fails(cx, cv_atomic_retry(cx, NULL, fail_at_first, &final), CV_E_CHECK, "made to fail");
    assert_int_equal(final.made, 1);
}

static int retry_inside(cv_ctx *cx)
{
    attempts a = {0};
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_atomic_retry(cx, NULL, fail_at_first, &a));
    }
    return 0;
}

static void the_retrying_form_is_outermost(void **state)
{
    cv_ctx *cx = cx_of(state);
    assert_fails(cx, retry_inside(cx), CV_E_IN_TRANSACTION, "cannot retry");
}

static void only_what_another_transaction_may_mend_is_repeated(void **state)
{
    cv_ctx *cx = cx_of(state);
    static const struct {
        int code, made;
    } cases[] = {
        {CV_E_SERIALIZATION, 2}, {CV_E_DEADLOCK, 2},       {CV_E_LOCKED, 2},     {CV_E_CONNECTION_LOST, 2},
        {CV_E_POOL_TIMEOUT, 1},  {CV_E_COMMIT_UNKNOWN, 1}, {CV_E_TX_ABORTED, 1}, {CV_E_TIMEOUT, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        attempts a = {.failures = 100, .code = cases[i].code};
        assert_int_equal(cv_atomic_retry(cx, &(cv_tx_options){.max_attempts = 2}, fail_at_first, &a), a.code);
        assert_int_equal(a.made, cases[i].made);
        cv_error_clear(cx);
    }
}

static void all_attempts_share_one_deadline(void **state)
{
    cv_ctx *cx = cx_of(state);
    attempts a = {.failures = 1000, .code = CV_E_LOCKED};
    int64_t start_ns = cv_now_ns(cx);
    const cv_tx_options options = {.max_attempts = 1000, .timeout_ms = 300};
    assert_int_equal(cv_atomic_retry(cx, &options, fail_at_first, &a), CV_E_TIMEOUT);
    assert_non_null(cv_error_last(cx)->cause); /* also when the last pause ends with the deadline */
    assert_int_equal(cv_error_last(cx)->cause->code, CV_E_LOCKED);
    cv_error_clear(cx);
    assert_true(cv_now_ns(cx) - start_ns <= INT64_C(301000000));
    assert_true(a.made > 1);
    assert_int_equal(cv_ctx_deadline_ns(cx), INT64_MAX);
}

/* The pauses before second attempts are short: hardly anything comes by time. */
static void beyond_the_budget_the_first_failure_is_final(void **state)
{
    cv_ctx *cx = cx_of(state);
    attempts a = {.failures = 1000, .code = CV_E_DEADLOCK};
    int calls = 0, rc = 0;
    while (rc != CV_E_RETRY_BUDGET && calls++ < 100) {
        cv_error_clear(cx);
        rc = cv_atomic_retry(cx, &(cv_tx_options){.max_attempts = 2}, fail_at_first, &a);
    }
    assert_int_equal(rc, CV_E_RETRY_BUDGET);
    assert_int_equal(cv_error_last(cx)->cause->code, CV_E_DEADLOCK);
    cv_error_clear(cx);
    assert_in_range(calls, 11, 20);
    assert_int_equal(a.made, 2 * calls - 1);
    attempts first = {0};
    assert_ok(cx, cv_atomic_retry(cx, NULL, fail_at_first, &first)); /* first attempts are always made */
    assert_int_equal(first.made, 1);
}

static void the_budget_is_a_fifth_of_the_calls_and_ten_a_second(void **state)
{
    (void)state;
    cv__retry_budget budget = {0};
    int64_t now_ns = INT64_C(5000000000);
    int spent = 0;
    for (int i = 0; i < 1000; i++)
        cv__retry_budget_earn(&budget, now_ns);
    while (cv__retry_budget_spend(&budget, now_ns))
        spent++;
    assert_int_equal(spent, 100); /* no more than 500 calls are remembered */
    for (int i = 0; i < 50; i++)
        cv__retry_budget_earn(&budget, now_ns);
    for (spent = 0; cv__retry_budget_spend(&budget, now_ns);)
        spent++;
    assert_int_equal(spent, 10);
    for (int ms = 0; ms < 500; ms++)
        spent += cv__retry_budget_spend(&budget, now_ns += 1000000);
    assert_int_equal(spent, 15);
    for (spent = 0, now_ns += INT64_C(3600000000000); cv__retry_budget_spend(&budget, now_ns);)
        spent++;
    assert_int_equal(spent, 10);
}

static int count_calls(cv_ctx *cx, void *arg)
{
    attempts *a = arg;
    a->made++;
    char *memory = cv_zalloc(cx, 1, 1000);
    assert_non_null(memory);
    return a->made <= a->failures ? cv_fail(cx, a->code, "made to fail") : a->made;
}

static bool is_not_found(int code)
{
    return code == CV_E_NOT_FOUND;
}

static void any_work_may_be_repeated_outside_transactions(void **state)
{
    cv_ctx *cx = cx_of(state);
    cv_db *db = cv_use_db(cx, NULL);
    attempts a = {.failures = 2, .code = CV_E_REFUSED};
    assert_int_equal(cv_retry(cx, NULL, count_calls, &a), 3);
    assert_null(cv_error_last(cx));
    attempts b = {.failures = 1, .code = CV_E_NOT_FOUND};
    assert_int_equal(cv_retry(cx, NULL, count_calls, &b), CV_E_NOT_FOUND);
    cv_error_clear(cx);
    attempts c = {.failures = 50, .code = CV_E_NOT_FOUND};
    const cv_retry_options own = {
        .max_attempts = 51, .first_pause_ms = 1, .longest_pause_ms = 2, .is_retriable = is_not_found};
    int64_t start_ns = cv_now_ns(cx);
    assert_int_equal(cv_retry(cx, &own, count_calls, &c), 51);
    assert_true(cv_now_ns(cx) - start_ns <= INT64_C(102000000));
    cv_use_db(cx, db);
}

static int retry_a_part(cv_ctx *cx)
{
    attempts a = {0};
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_retry(cx, NULL, count_calls, &a));
    }
    return 0;
}

static void a_part_of_a_transaction_is_not_repeated(void **state)
{
    assert_fails(cx_of(state), retry_a_part(cx_of(state)), CV_E_IN_TRANSACTION, "cannot retry");
}

static int give_the_lock_up(cv_ctx *cx, void *arg)
{
    int rc = cv_sleep_ms(cx, 20);
    sqlite3_exec(arg, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static void a_lock_that_outlasts_the_patience_is_waited_for_again(void **state)
{
    db_test *t = *state;
    cv_db *impatient;
    sqlite3 *other;
    cv_fiber *fiber;
    char url[300];
    snprintf(url, sizeof url, "%s?busy_timeout=1ms", t->url);
    assert_ok(t->cx, cv_db_open(t->cx, url, NULL, &impatient));
    cv_use_db(t->cx, impatient);
    assert_int_equal(sqlite3_open(t->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(t->cx, cv_spawn(t->cx, "holder", give_the_lock_up, other, &fiber));
    attempts a = {0};
    assert_ok(t->cx, cv_atomic_retry(t->cx, &(cv_tx_options){.max_attempts = 20}, fail_at_first, &a));
    assert_int_equal(a.made >= 2, 1);
    assert_ok(t->cx, cv_join(t->cx, fiber, NULL));
    sqlite3_close(other);
    cv_db_close(t->cx, impatient);
    cv_use_db(t->cx, t->db);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_retrying_form_repeats_what_is_transient),
        CASE(the_retrying_form_gives_up),
        CASE(the_retrying_form_is_outermost),
        CASE(only_what_another_transaction_may_mend_is_repeated),
        CASE(all_attempts_share_one_deadline),
        CASE(beyond_the_budget_the_first_failure_is_final),
        CASE(the_budget_is_a_fifth_of_the_calls_and_ten_a_second),
        CASE(any_work_may_be_repeated_outside_transactions),
        CASE(a_part_of_a_transaction_is_not_repeated),
        CASE(a_lock_that_outlasts_the_patience_is_waited_for_again),
    };
    return cmocka_run_group_tests_name("db retry", tests, NULL, NULL);
}
