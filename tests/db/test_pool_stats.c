/* What a pool remembers and shows: on a simulated clock. */
#include "await.h"
#include "pool_test.h"

#include "db/db.h"
#include <covet/log.h>
#include <covet/pool.h>

static struct cv_db history_db; /* of which only the pool is used */

static size_t history(pool_test *t, cv_pool_minute minutes[CV_POOL_MINUTES])
{
    history_db.readers = t->pool;
    size_t count = cv_db_pool_history(&history_db, 0, minutes, CV_POOL_MINUTES);
    return count;
}

static void a_minute_has_its_loans_and_waits(void **state)
{
    pool_test *t = *state;
    cv_pool_minute minutes[CV_POOL_MINUTES];
    t->options.max_connections = 2;
    t->options.acquire_timeout_ms = 60000;
    t->engine.connect_ms = 1;
    pool_test_start(t);
    pass_ms(t, 60000 - cv_now_ns(t->cx) / 1000000 % 60000); /* to the beginning of a minute */
    cv__conn *one = take(t), *two = take(t);
    borrower b = {.t = t, .hold_ms = 29998};
    start_borrower(&b);
    pass_ms(t, 29998);
    give(t, one);
    give(t, two);
    join_borrower(&b);
    assert_int_equal(history(t, minutes), 1);
    assert_int_equal(minutes[0].loans, 3);
    assert_int_equal(minutes[0].used_max, 2);
    assert_int_equal(minutes[0].made, 2);
    assert_in_range((int64_t)(minutes[0].used_average * 100), 148,
                    151); /* two for half of it, one for the other half */
    assert_in_range(minutes[0].wait_p50_us, 875, 1125);
    assert_in_range(minutes[0].wait_p99_us, 26000000, 30000000);
}

static void quiet_minutes_are_left_out_and_old_ones_forgotten(void **state)
{
    pool_test *t = *state;
    cv_pool_minute minutes[CV_POOL_MINUTES];
    pool_test_start(t);
    give(t, take(t));
    pass_ms(t, 10 * 60000);
    give(t, take(t));
    assert_int_equal(history(t, minutes), 2);
    assert_int_equal(minutes[1].minute - minutes[0].minute, 10);
    pass_ms(t, 55 * 60000);
    assert_int_equal(history(t, minutes), 1);
    pass_ms(t, 100 * 60000);
    assert_int_equal(history(t, minutes), 0);
    give(t, take(t));
    assert_int_equal(history(t, minutes), 1);
}

static void a_loan_counts_in_every_minute_that_it_lasts(void **state)
{
    pool_test *t = *state;
    cv_pool_minute minutes[CV_POOL_MINUTES];
    pool_test_start(t);
    cv__conn *one = take(t);
    pass_ms(t, 5 * 60000);
    give(t, one);
    size_t count = history(t, minutes);
    assert_in_range(count, 5, 6);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(minutes[i].used_max, 1);
    assert_in_range((int64_t)(minutes[1].used_average * 100), 100, 100);
}

static void timeouts_failures_and_newcomers_turned_away_are_counted(void **state)
{
    pool_test *t = *state;
    cv_pool_minute minutes[CV_POOL_MINUTES];
    t->options.max_connections = 1;
    t->options.acquire_timeout_ms = 1000;
    t->options.shed_target_ms = 100;
    t->options.shed_interval_ms = 1;
    t->engine.connect_code = CV_E_REFUSED;
    pool_test_start(t);
    pass_ms(t, 60000 - cv_now_ns(t->cx) / 1000000 % 60000);
    borrower b = {.t = t};
    assert_int_equal(borrow_once(&b), CV_E_REFUSED);
    t->engine.connect_code = 0;
    cv__conn *one = take(t);
    borrower patient = {.t = t};
    start_borrower(&patient);
    pass_ms(t, 200);
    b = (borrower){.t = t, .within_ms = 10};
    assert_int_equal(borrow_once(&b), CV_E_TIMEOUT);
    b = (borrower){.t = t};
    assert_int_equal(borrow_once(&b), CV_E_OVERLOADED);
    join_borrower(&patient);
    assert_int_equal(patient.rc, CV_E_POOL_TIMEOUT);
    give(t, one);
    assert_int_equal(history(t, minutes), 1);
    assert_int_equal(minutes[0].failures, 1);
    assert_int_equal(minutes[0].turned_away, 1);
    assert_int_equal(minutes[0].timeouts, 1);
}

static void buckets_of_waits_are_exact_to_an_eighth(void **state)
{
    (void)state;
    pool_test *t = *state;
    pool_test_start(t);
    for (int64_t us = 1; us < INT64_C(20000000000); us += us / 7 + 1) {
        cv__pool_slot *slot = cv__pool_slot_now(&t->pool, cv_now_ns(t->cx));
        memset(slot, 0, sizeof *slot);
        cv__pool_note_loan(&t->pool, cv_now_ns(t->cx), us * 1000);
        int64_t told = cv__pool_slot_wait_us(slot, 0.99);
        assert_true(told <= us && (us < INT64_C(4000000000) ? told > us - us / 8 - 1 : 1));
        t->pool.history->used = 0;
    }
}

static void the_alert_rises_and_falls(void **state)
{
    pool_test *t = *state;
    t->options.max_connections = 4;
    t->options.acquire_timeout_ms = 10000;
    pool_test_start(t);
    cv__conn *all[4];
    assert_int_equal(cv__pool_alert(&t->pool), 0);
    for (int i = 0; i < 4; i++)
        all[i] = take(t);
    assert_int_equal(cv__pool_alert(&t->pool), 1);
    borrower b = {.t = t};
    start_borrower(&b);
    pass_ms(t, 1001);
    assert_int_equal(cv__pool_alert(&t->pool), 2);
    for (int i = 0; i < 4; i++)
        give(t, all[i]);
    join_borrower(&b);
    assert_int_equal(cv__pool_alert(&t->pool), 0);
}

static void a_minute_unlike_the_others_is_noted(void **state)
{
    pool_test *t = *state;
    t->options.max_connections = 1;
    t->options.acquire_timeout_ms = 60000;
    pool_test_start(t);
    for (int i = 0; i < 15; i++) {
        give(t, take(t));
        pass_ms(t, 60000);
    }
    assert_false(t->pool.history->unusual);
    cv__conn *one = take(t);
    borrower b = {.t = t};
    start_borrower(&b);
    pass_ms(t, 2000);
    give(t, one);
    join_borrower(&b);
    pass_ms(t, 60000);
    give(t, take(t));
    assert_true(t->pool.history->unusual);
    assert_int_equal(cv__pool_alert(&t->pool), 1);
}

static const char *exposed(cv_metrics *metrics, cv_buf *text)
{
    cv_buf_clear(text);
    cv_metrics_expose(metrics, text);
    return text->data;
}

static void metrics_have_the_names_of_opentelemetry(void **state)
{
    (void)state;
    cv_ctx *cx;
    cv_db *db;
    cv_metrics *metrics = cv_metrics_new();
    cv_buf text;
    cv_buf_init(&text, 0);
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.metrics = metrics}, &cx), 0);
    assert_ok(cx, cv_db_open(cx, "sqlite::memory:?pool_name=shop", NULL, &db));
    await_that(cx, strstr(exposed(metrics, &text), "state=\"idle\"} 1"));
    static const char *const names[] = {
        "db_client_connection_count{db_client_connection_pool_name=\"shop",
        "db_client_connection_idle_max",
        "db_client_connection_idle_min",
        "db_client_connection_max",
        "db_client_connection_pending_requests",
        "db_client_connection_timeouts_total",
        "db_client_connection_create_time_seconds_count",
        "db_client_connection_wait_time_seconds_count",
        "db_client_connection_use_time_seconds_count",
        "covet_db_pool_alert",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_non_null(strstr(text.data, names[i]));
    cv_db_close(cx, db);
    cv_buf_clear(&text);
    cv_metrics_expose(metrics, &text);
    assert_null(strstr(text.data, "state=\"idle\"} 1"));
    cv_runtime_free(cx);
    cv_metrics_free(metrics);
    cv_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_CASE(a_minute_has_its_loans_and_waits),
        POOL_CASE(quiet_minutes_are_left_out_and_old_ones_forgotten),
        POOL_CASE(a_loan_counts_in_every_minute_that_it_lasts),
        POOL_CASE(timeouts_failures_and_newcomers_turned_away_are_counted),
        POOL_CASE(buckets_of_waits_are_exact_to_an_eighth),
        POOL_CASE(the_alert_rises_and_falls),
        POOL_CASE(a_minute_unlike_the_others_is_noted),
        cmocka_unit_test(metrics_have_the_names_of_opentelemetry),
    };
    return cmocka_run_group_tests_name("db pool stats", tests, NULL, NULL);
}
