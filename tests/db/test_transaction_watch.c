/* Open transactions: which there are, which are told of, and those whose fiber does not come back. */
#include "db_test.h"

#include "base/ctx.h"
#include "rt/wait.h"
#include <covet/log.h>
#include <covet/metric.h>

typedef struct watched {
    db_test t;
    cv_log *log;
    cv_metrics *metrics;
    char lines[4000];
    cv__waiter stuck; /* wakes the fiber that no deadline wakes */
    int result;
} watched;

/* The watchdog speaks on slow machines, and is not asked here. */
static void keep_line(void *arg, cv_str line)
{
    char *lines = ((watched *)arg)->lines;
    if (memmem(line.ptr, line.len, "fiber held the loop", 19))
        return;
    size_t len = strlen(lines);
    snprintf(lines + len, sizeof((watched *)arg)->lines - len, "%.*s", CV_STR_ARG(line));
}

static int set_up(void **state)
{
    static watched w;
    w = (watched){0};
    db_test_init_bare(&w.t);
    cv_runtime_free(w.t.cx);
    w.log = cv_log_new(&(cv_log_options){.level = CV_LOG_WARN, .sink = keep_line, .sink_arg = &w});
    w.metrics = cv_metrics_new();
    const cv_runtime_options options = {.simulated_clock = true, .log = w.log, .metrics = w.metrics};
    assert_int_equal(cv_runtime_new(&options, &w.t.cx), 0);
    char url[300];
    snprintf(url, sizeof url, "%s?long_transaction=10s&idle_transaction=2s", w.t.url);
    assert_ok(w.t.cx, cv_db_open(w.t.cx, url, NULL, &w.t.db));
    cv_use_db(w.t.cx, w.t.db);
    assert_ok(w.t.cx, cv_exec(w.t.cx, NULL, "CREATE TABLE n (x BIGINT)"));
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    watched *w = *state;
    db_test_done(&w->t);
    cv_log_free(w->log);
    cv_metrics_free(w->metrics);
    return 0;
}

static size_t told(const watched *w, const char *what)
{
    size_t count = 0;
    for (const char *at = w->lines; (at = strstr(at, what)); at++)
        count++;
    return count;
}

static uint64_t counted(const watched *w, const char *name, const char *labels)
{
    return cv_counter_value(cv_counter_get(w->metrics, name, NULL, labels));
}

static int insert_and_sleep(cv_ctx *cx, int times, int64_t ms)
{
    CV_ATOMIC(cx)
    {
        for (int i = 0; i < times; i++) {
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (?)", i));
            CV_TRY(cv_sleep_ms(cx, ms));
        }
    }
    return 0;
}

static void a_long_transaction_is_told_once(void **state)
{
    watched *w = *state;
    assert_ok(w->t.cx, insert_and_sleep(w->t.cx, 9, 1000));
    assert_string_equal(w->lines, "");
    assert_ok(w->t.cx, insert_and_sleep(w->t.cx, 30, 1000));
    assert_int_equal(told(w, "long transaction"), 1);
    assert_int_equal(told(w, "idle transaction"), 0);
    assert_int_equal(told(w, "INSERT INTO n VALUES (?1)"), 1);
    assert_int_equal(told(w, "fiber=main"), 1);
    assert_int_equal(counted(w, "covet_db_transactions_long_total", NULL), 1);
}

static void an_idle_transaction_is_told_each_time_it_becomes_idle(void **state)
{
    watched *w = *state;
    assert_ok(w->t.cx, insert_and_sleep(w->t.cx, 2, 4500));
    assert_int_equal(told(w, "idle transaction"), 2);
    assert_int_equal(told(w, "long transaction"), 0);
    assert_int_equal(counted(w, "covet_db_transactions_idle_total", NULL), 2);
}

static int hold_open(cv_ctx *cx, void *arg)
{
    (void)arg;
    return insert_and_sleep(cx, 2, 500);
}

static void open_transactions_are_listed(void **state)
{
    watched *w = *state;
    cv_ctx *cx = w->t.cx;
    cv_fiber *fiber;
    const cv_open_transaction *list;
    size_t count = 9;
    assert_ok(cx, cv_transactions_open(cx, &list, &count));
    assert_int_equal(count, 0);
    assert_ok(cx, cv_spawn(cx, "holder", hold_open, NULL, &fiber));
    assert_ok(cx, cv_sleep_ms(cx, 700));
    assert_ok(cx, cv_transactions_open(cx, &list, &count));
    assert_int_equal(count, 1);
    assert_string_equal(list[0].fiber, "holder");
    assert_string_equal(list[0].last_sql, "INSERT INTO n VALUES (?1)");
    assert_int_equal(list[0].statements, 2);
    assert_int_equal(list[0].open_ms, 700);
    assert_in_range(list[0].idle_ms, 150, 250);
    assert_int_equal(cv_gauge_value(cv_gauge_get(w->metrics, "covet_db_transactions_open", NULL, NULL)), 1);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_ok(cx, cv_transactions_open(cx, &list, &count));
    assert_int_equal(count, 0);
    cv_use_db(cx, NULL);
    assert_fails(cx, cv_transactions_open(cx, &list, &count), CV_E_NO_DATABASE, "no database");
    cv_use_db(cx, w->t.db);
}

static int nest_and(cv_ctx *cx, bool undo)
{
    CV_ATOMIC(cx)
    {
        CV_ATOMIC(cx)
        {
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        }
        if (undo)
            CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static int empty(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
    }
    return 0;
}

static void outcomes_savepoints_and_durations_are_counted(void **state)
{
    watched *w = *state;
    assert_ok(w->t.cx, nest_and(w->t.cx, false));
    assert_ok(w->t.cx, nest_and(w->t.cx, false));
    assert_ok(w->t.cx, nest_and(w->t.cx, true));
    assert_ok(w->t.cx, empty(w->t.cx));
    assert_int_equal(counted(w, "covet_db_transactions_total", "outcome=\"committed\""), 2);
    assert_int_equal(counted(w, "covet_db_transactions_total", "outcome=\"rolled_back\""), 1);
    assert_int_equal(counted(w, "covet_db_savepoints_total", NULL), 3);
    assert_int_equal(cv_histogram_count(cv_histogram_get(w->metrics, "covet_db_transaction_duration_seconds", NULL,
                                                         NULL, cv_latency_bounds, cv_latency_bound_count)),
                     3);
}

static int fail_once(cv_ctx *cx, void *arg)
{
    int *left = arg;
    return (*left)-- > 0 ? cv_fail(cx, CV_E_DEADLOCK, "made to fail") : 0;
}

static void further_attempts_are_counted_with_their_reason(void **state)
{
    watched *w = *state;
    int left = 2;
    assert_ok(w->t.cx, cv_atomic_retry(w->t.cx, NULL, fail_once, &left));
    assert_int_equal(counted(w, "covet_db_retries_total", "reason=\"CV_E_DEADLOCK\""), 2);
}

/* --- fibers that do not come back --- */

static int get_stuck(cv_ctx *cx, watched *w, bool in_a_shield)
{
    CV_ATOMIC_WITH(cx, (&(cv_tx_options){.timeout_ms = 200}))
    {
        cv_rows *rows;
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1), (2)"));
        CV_TRY(cv_select(cx, &rows, "SELECT x FROM n ORDER BY x"));
        assert_int_equal(cv_rows_next(cx, rows), 1);
        cv__waiter_init(cx, &w->stuck);
        if (in_a_shield)
            CV_SHIELD(cx, 1000)
            {
                CV_TRY(cv__wait(cx, &w->stuck));
                CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (3)"));
            }
        else
            CV_TRY(cv__wait_uninterruptible(cx, &w->stuck));
        CV_SHIELD(cx, 50)
        {
            assert_int_equal(cv_rows_next(cx, rows), in_a_shield ? 1 : CV_E_STATE);
            cv_error_clear(cx);
            cv_rows_close(cx, rows);
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (4)"));
        }
    }
    return 0;
}

static int stuck(cv_ctx *cx, void *arg)
{
    watched *w = arg;
    w->result = get_stuck(cx, w, false);
    assert_false(cv_in_transaction(cx));
    assert_string_equal(cv_error_last(cx)->message, "the transaction was rolled back: its deadline had passed");
    cv_error_clear(cx);
    return 0;
}

static void a_transaction_whose_fiber_does_not_come_back_is_cleaned_up(void **state)
{
    watched *w = *state;
    cv_ctx *cx = w->t.cx;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "stuck", stuck, w, &fiber));
    assert_ok(cx, cv_sleep_ms(cx, 190));
    assert_int_equal(cv_db_pool_stats(w->t.db, 1).borrowed, 1);
    assert_ok(cx, cv_sleep_ms(cx, 110)); /* deadline and 50 ms are over */
    assert_int_equal(cv_db_pool_stats(w->t.db, 1).borrowed, 0);
    assert_int_equal(told(w, "transaction taken from its fiber"), 1);
    assert_int_equal(told(w, "fiber=stuck"), 1);
    assert_int_equal(counted(w, "covet_db_transactions_expired_total", NULL), 1);
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (9)"));
    assert_int_equal(count_of(cx, "SELECT sum(x) FROM n"), 9);
    cv__wake(&w->stuck, 0);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(w->result, CV_E_TX_ABORTED);
    assert_int_equal(cv_db_pool_stats(w->t.db, 1).closed_total, 0);
    assert_int_equal(count_of(cx, "SELECT sum(x) FROM n"), 9);
}

static int shielded(cv_ctx *cx, void *arg)
{
    watched *w = arg;
    w->result = get_stuck(cx, w, true);
    assert_int_equal(w->result, CV_E_TIMEOUT); /* the block's own time is over */
    cv_error_clear(cx);
    return 0;
}

static void a_shield_keeps_its_transaction(void **state)
{
    watched *w = *state;
    cv_ctx *cx = w->t.cx;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "shielded", shielded, w, &fiber));
    assert_ok(cx, cv_sleep_ms(cx, 500));
    assert_int_equal(cv_db_pool_stats(w->t.db, 1).borrowed, 1);
    cv__wake(&w->stuck, 0);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(told(w, "taken"), 0);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_long_transaction_is_told_once),
        CASE(an_idle_transaction_is_told_each_time_it_becomes_idle),
        CASE(open_transactions_are_listed),
        CASE(outcomes_savepoints_and_durations_are_counted),
        CASE(further_attempts_are_counted_with_their_reason),
        CASE(a_transaction_whose_fiber_does_not_come_back_is_cleaned_up),
        CASE(a_shield_keeps_its_transaction),
    };
    return cmocka_run_group_tests_name("db transaction watch", tests, NULL, NULL);
}
