/* The pool, over databases in files: order, limits, time-outs, hand-over. Time is simulated. */
#include "db_test.h"

#include "db/pool/pool.h"

enum { WAITERS = 5 };

typedef struct pooled {
    cv_ctx *cx;
    void *shared;
    cv__pool pool;
    char folder[64], path[96];
    int order[WAITERS];
    size_t served;
    int drained;
} pooled;

static int set_up(void **state)
{
    static pooled p;
    memset(&p, 0, sizeof p);
    strcpy(p.folder, "/tmp/covet-db-XXXXXX");
    assert_non_null(mkdtemp(p.folder));
    snprintf(p.path, sizeof p.path, "/%s/test.db", p.folder);
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = true}, &p.cx), 0);
    cv_url url = {.scheme = "sqlite", .path = p.path};
    cv_db_options options = {.max_connections = 2,
                             .acquire_timeout_ms = 1000,
                             .connect_timeout_ms = 1000,
                             .statement_cache = 10,
                             .sqlite_journal_mode = "wal",
                             .sqlite_synchronous = "off",
                             .sqlite_cache_kib = 64,
                             .sqlite_busy_timeout_ms = 100};
    assert_ok(p.cx, cv__driver_sqlite.open(p.cx, &url, &options, &p.shared));
    cv__pool_init(p.cx, &p.pool, &cv__driver_sqlite, p.shared, CV__WRITER, 2, &options);
    *state = &p;
    return 0;
}

static void on_drained(void *arg)
{
    ++*(int *)arg;
}

static int tear_down(void **state)
{
    pooled *p = *state;
    if (!p->pool.closed)
        cv__pool_close(&p->pool, on_drained, &p->drained);
    assert_int_equal(p->drained, 1);
    cv__driver_sqlite.close(p->shared);
    cv_runtime_free(p->cx);
    db_test_empty_folder(p->folder);
    return 0;
}

static cv__conn *take(pooled *p)
{
    cv__conn *conn = NULL;
    assert_ok(p->cx, cv__pool_acquire(p->cx, &p->pool, &conn));
    return conn;
}

static void connections_are_made_on_demand_and_used_again(void **state)
{
    pooled *p = *state;
    cv__conn *one = take(p), *two = take(p);
    assert_ptr_not_equal(one, two);
    cv_pool_stats stats = cv__pool_get_stats(&p->pool);
    assert_int_equal(stats.open, 2);
    assert_int_equal(stats.borrowed, 2);
    cv__pool_release(p->cx, one);
    cv__pool_release(p->cx, two);
    assert_ptr_equal(take(p), two);
    cv__pool_release(p->cx, two);
    stats = cv__pool_get_stats(&p->pool);
    assert_int_equal(stats.opened_total, 2);
    assert_int_equal(stats.acquired_total, 3);
    assert_int_equal(stats.idle, 2);
}

typedef struct job {
    pooled *p;
    int number;
} job;

static int borrow_once(cv_ctx *cx, void *arg)
{
    job *j = arg;
    cv__conn *conn;
    CV_TRY(cv__pool_acquire(cx, &j->p->pool, &conn));
    j->p->order[j->p->served++] = j->number;
    int rc = cv_yield(cx);
    cv__pool_release(cx, conn);
    return rc;
}

static void spawn_waiters(pooled *p, job jobs[WAITERS], cv_fiber *fibers[WAITERS])
{
    for (int i = 0; i < WAITERS; i++) {
        jobs[i] = (job){p, i};
        assert_ok(p->cx, cv_spawn(p->cx, "waiter", borrow_once, &jobs[i], &fibers[i]));
    }
    assert_ok(p->cx, cv_yield(p->cx));
    assert_int_equal(p->pool.waiting, WAITERS);
}

static void who_comes_first_is_served_first(void **state)
{
    pooled *p = *state;
    job jobs[WAITERS];
    cv_fiber *fibers[WAITERS];
    cv__conn *one = take(p), *two = take(p);
    spawn_waiters(p, jobs, fibers);
    cv__pool_release(p->cx, one);
    cv__pool_release(p->cx, two);
    for (int i = 0; i < WAITERS; i++)
        assert_ok(p->cx, cv_join(p->cx, fibers[i], NULL));
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(p->order[i], i);
    assert_int_equal(p->pool.waiting, 0);
}

static void a_cancelled_waiter_loses_nothing(void **state)
{
    pooled *p = *state;
    job jobs[WAITERS];
    cv_fiber *fibers[WAITERS];
    cv__conn *one = take(p), *two = take(p);
    spawn_waiters(p, jobs, fibers);
    cv_cancel(fibers[0]);
    cv_cancel(fibers[2]);
    cv__pool_release(p->cx, one);
    cv__pool_release(p->cx, two);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(cv_join(p->cx, fibers[i], NULL), i == 0 || i == 2 ? CV_E_CANCELLED : 0);
    cv_error_clear(p->cx);
    assert_int_equal(p->served, 3);
    assert_int_equal(cv__pool_get_stats(&p->pool).idle, 2);
}

static int borrow_within(cv_ctx *cx, void *arg)
{
    cv__conn *conn;
    CV_WITHIN(cx, 10)
    {
        return cv__pool_acquire(cx, arg, &conn);
    }
    return 0;
}

static int borrow(cv_ctx *cx, void *arg)
{
    cv__conn *conn;
    return cv__pool_acquire(cx, arg, &conn);
}

static int result_of(pooled *p, cv_fiber_fn *fn)
{
    cv_fiber *fiber;
    assert_ok(p->cx, cv_spawn(p->cx, "borrower", fn, &p->pool, &fiber));
    return cv_join(p->cx, fiber, NULL);
}

static void waiting_is_bounded_by_the_pool(void **state)
{
    pooled *p = *state;
    cv__conn *one = take(p), *two = take(p);
    int64_t began_ns = cv_now_ns(p->cx);
    assert_int_equal(result_of(p, borrow), CV_E_POOL_TIMEOUT);
    assert_int_equal((cv_now_ns(p->cx) - began_ns) / 1000000, 1000);
    assert_non_null(strstr(cv_error_last(p->cx)->detail, "limit 2, open 2, idle 0"));
    assert_non_null(cv_error_last(p->cx)->hint);
    cv_error_clear(p->cx);
    assert_int_equal(p->pool.timeouts_total, 1);
    assert_int_equal(p->pool.waiting, 0);
    cv__pool_release(p->cx, one);
    cv__pool_release(p->cx, two);
}

static void waiting_is_bounded_by_the_deadline(void **state)
{
    pooled *p = *state;
    cv__conn *one = take(p), *two = take(p);
    assert_int_equal(result_of(p, borrow_within), CV_E_TIMEOUT);
    cv_error_clear(p->cx);
    assert_int_equal(p->pool.timeouts_total, 0);
    cv__pool_release(p->cx, one);
    cv__pool_release(p->cx, two);
}

static void who_holds_everything_does_not_wait_for_it(void **state)
{
    pooled *p = *state;
    cv__conn *one = take(p), *two = take(p), *three;
    assert_fails(p->cx, cv__pool_acquire(p->cx, &p->pool, &three), CV_E_DEADLOCK_SELF, "all 2");
    cv__pool_release(p->cx, one);
    cv__pool_release(p->cx, two);
}

static void the_only_connection_may_be_borrowed_again_by_its_holder(void **state)
{
    pooled *p = *state;
    p->pool.max = 1;
    cv__conn *one = take(p);
    assert_ptr_equal(take(p), one);
    cv__pool_release(p->cx, one);
    assert_int_equal(result_of(p, borrow), CV_E_POOL_TIMEOUT);
    cv_error_clear(p->cx);
    cv__pool_release(p->cx, one);
    assert_int_equal(cv__pool_get_stats(&p->pool).idle, 1);
}

static void a_broken_connection_is_replaced(void **state)
{
    pooled *p = *state;
    job jobs[WAITERS];
    cv_fiber *fibers[WAITERS];
    cv__conn *one = take(p), *two = take(p);
    spawn_waiters(p, jobs, fibers);
    one->broken = two->broken = true;
    cv__pool_release(p->cx, one);
    cv__pool_release(p->cx, two);
    for (int i = 0; i < WAITERS; i++)
        assert_ok(p->cx, cv_join(p->cx, fibers[i], NULL));
    assert_int_equal(p->served, WAITERS);
    cv_pool_stats stats = cv__pool_get_stats(&p->pool);
    assert_int_equal(stats.closed_total, 2);
    assert_int_equal(stats.opened_total, 4);
}

static void a_failed_connect_frees_its_place(void **state)
{
    pooled *p = *state;
    cv__conn *conn;
    db_test_empty_folder(p->folder);
    for (int i = 0; i < 3; i++)
        assert_fails(p->cx, cv__pool_acquire(p->cx, &p->pool, &conn), CV_E_NOT_FOUND, "folder");
    assert_int_equal(p->pool.open, 0);
}

static void an_open_transaction_is_rolled_back_before_the_next_borrower(void **state)
{
    pooled *p = *state;
    cv__conn *one = take(p);
    assert_ok(p->cx, cv__driver_sqlite.begin(p->cx, one, &(cv_tx_options){0}));
    cv_fail(p->cx, CV_E_CHECK, "kept");
    cv__pool_release(p->cx, one);
    assert_string_equal(cv_error_last(p->cx)->message, "kept");
    cv_error_clear(p->cx);
    assert_false(one->in_transaction);
    assert_int_equal(p->pool.closed_total, 0);
}

static void a_closed_pool_turns_everybody_away(void **state)
{
    pooled *p = *state;
    job jobs[WAITERS];
    cv_fiber *fibers[WAITERS];
    cv__conn *one = take(p), *two = take(p), *three;
    spawn_waiters(p, jobs, fibers);
    cv__pool_close(&p->pool, on_drained, &p->drained);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(cv_join(p->cx, fibers[i], NULL), CV_E_CLOSED);
    cv_error_clear(p->cx);
    assert_fails(p->cx, cv__pool_acquire(p->cx, &p->pool, &three), CV_E_CLOSED, "closed");
    assert_int_equal(p->drained, 0);
    cv__pool_release(p->cx, one);
    cv__pool_release(p->cx, two);
    assert_int_equal(p->drained, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(connections_are_made_on_demand_and_used_again),
        CASE(who_comes_first_is_served_first),
        CASE(a_cancelled_waiter_loses_nothing),
        CASE(waiting_is_bounded_by_the_pool),
        CASE(waiting_is_bounded_by_the_deadline),
        CASE(who_holds_everything_does_not_wait_for_it),
        CASE(the_only_connection_may_be_borrowed_again_by_its_holder),
        CASE(a_broken_connection_is_replaced),
        CASE(a_failed_connect_frees_its_place),
        CASE(an_open_transaction_is_rolled_back_before_the_next_borrower),
        CASE(a_closed_pool_turns_everybody_away),
    };
    return cmocka_run_group_tests_name("db pool", tests, NULL, NULL);
}
