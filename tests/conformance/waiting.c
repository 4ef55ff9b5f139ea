/* Deadlines, cancellation, and the pool. */
#include "await.h"
#include "conformance.h"

#define ENDLESS                                                                                                        \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT COUNT(*) FROM n"

static int count_within(cv_ctx *cx, int64_t ms)
{
    cv_value value;
    CV_WITHIN(cx, ms)
    {
        CV_TRY(cv_scalar(cx, &value, ENDLESS));
    }
    return 0;
}

void case_a_deadline_ends_a_statement(suite *s)
{
    int64_t start = cv_now_ns(s->cx);
    assert_int_equal(count_within(s->cx, 100), CV_E_TIMEOUT);
    assert_in_range(ms_since(s->cx, start), 99, 20000);
    cv_error_clear(s->cx);
    assert_int_equal(count(s, "books"), 0);
    assert_int_equal(cv_db_pool_stats(s->db, 0).borrowed, 0);
}

static int count_for_ever(cv_ctx *cx, void *arg)
{
    cv_value value;
    (void)arg;
    return cv_scalar(cx, &value, ENDLESS);
}

void case_cancelling_a_fiber_ends_its_statement(suite *s)
{
    cv_fiber *fiber;
    assert_ok(s->cx, cv_spawn(s->cx, "counter", count_for_ever, NULL, &fiber));
    await_turns(s->cx, cv_db_pool_stats(s->db, 0).borrowed > 0);
    assert_ok(s->cx, cv_sleep_ms(s->cx, 20));
    cv_cancel(fiber);
    assert_int_equal(cv_join(s->cx, fiber, NULL), CV_E_CANCELLED);
    cv_error_clear(s->cx);
    assert_int_equal(count(s, "books"), 0);
}

void case_the_pool_keeps_count(suite *s)
{
    cv_rows *rows[4];
    uint64_t before = cv_db_pool_stats(s->db, 0).acquired_total;
    for (int i = 0; i < 4; i++)
        assert_ok(s->cx, cv_select(s->cx, &rows[i], "SELECT 1 UNION ALL SELECT 2"));
    cv_pool_stats stats = cv_db_pool_stats(s->db, 0);
    assert_int_equal(stats.max, 4);
    assert_int_equal(stats.open, 4);
    assert_int_equal(stats.borrowed, 4);
    assert_int_equal(stats.idle, 0);
    assert_int_equal(stats.acquired_total, before + 4);
    cv_rows *fifth;
    assert_int_equal(cv_select(s->cx, &fifth, "SELECT 1"), CV_E_DEADLOCK_SELF);
    cv_error_clear(s->cx);
    for (int i = 0; i < 4; i++)
        cv_rows_close(s->cx, rows[i]);
    stats = cv_db_pool_stats(s->db, 0);
    assert_int_equal(stats.borrowed, 0);
    assert_int_equal(stats.idle, 4);
}

static int add_many(cv_ctx *cx, void *arg)
{
    int first = *(int *)arg;
    for (int i = first; i < first + 5; i++)
        CV_TRY(add(cx, i));
    return 0;
}

void case_many_fibers_write_through_few_connections(suite *s)
{
    cv_fiber *fibers[50];
    int firsts[50];
    for (int i = 0; i < 50; i++) {
        firsts[i] = i * 5 + 1;
        assert_ok(s->cx, cv_spawn(s->cx, "writer", add_many, &firsts[i], &fibers[i]));
    }
    for (int i = 0; i < 50; i++)
        assert_ok(s->cx, cv_join(s->cx, fibers[i], NULL));
    assert_int_equal(count(s, "books"), 250);
}

static int time_out_in_block(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 1));
        CV_TRY(count_within(cx, 50));
    }
    return 0;
}

void case_a_deadline_in_a_transaction_rolls_it_back(suite *s)
{
    assert_error(s, time_out_in_block(s->cx), CV_E_TIMEOUT);
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

static int count_in_block(cv_ctx *cx, void *arg)
{
    (void)arg;
    CV_ATOMIC(cx)
    {
        cv_value value;
        CV_TRY(add(cx, 1));
        *(bool *)arg = true;
        CV_TRY(cv_scalar(cx, &value, ENDLESS));
    }
    return 0;
}

void case_a_cancelled_fiber_leaves_nothing(suite *s)
{
    cv_fiber *fiber;
    bool counting = false;
    assert_ok(s->cx, cv_spawn(s->cx, "counter", count_in_block, &counting, &fiber));
    await_turns(s->cx, counting);
    cv_cancel(fiber);
    assert_error(s, cv_join(s->cx, fiber, NULL), CV_E_CANCELLED);
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

void case_time_that_is_over_runs_nothing(suite *s)
{
    assert_error(s, count_within(s->cx, 0), CV_E_TIMEOUT);
    assert_usable(s);
}
