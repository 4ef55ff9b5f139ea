/* Pools of several workers that share the places of the process: over SQLite in a file, and PostgreSQL. */
#include "db_test.h"

#include "postgres_server.h"
#include <covet/pool.h>
#include <covet/sync.h>
#include <covet/workers.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { WORKERS = 3, MOST = 6 };

typedef struct shared_test {
    db_test t; /* the starter's runtime and the file */
    char url[TEST_URL_BYTES + 64], database[TEST_URL_BYTES];
    cv_db_share *share;
    cv_workers *workers;
    cv_db *dbs[WORKERS];
    atomic_int done;
    atomic_bool stop;
    bool has_postgres;
} shared_test;

static shared_test w;

static int start_worker(cv_ctx *main, size_t index, void *arg)
{
    (void)arg;
    cv_db_options options = {.share = w.share, .max_connections = MOST, .acquire_timeout_ms = 20000};
    CV_TRY(cv_db_open(main, w.url, &options, &w.dbs[index]));
    cv_use_db(main, w.dbs[index]);
    return 0;
}

static void stop_worker(cv_ctx *main, size_t index, void *arg)
{
    (void)arg;
    cv_db_close(main, w.dbs[index]);
}

static void start_workers(void)
{
    cv_workers_options options = {.count = WORKERS, .start = start_worker, .stop = stop_worker};
    assert_ok(w.t.cx, cv_db_share_new(w.t.cx, &w.share));
    assert_ok(w.t.cx, cv_workers_start(w.t.cx, &options, &w.workers));
}

static void stop_workers(void)
{
    cv_workers_stop(w.t.cx, w.workers);
    assert_int_equal(cv_db_share_used(w.share, 0), 0);
    assert_int_equal(cv_db_share_used(w.share, 1), 0);
    cv_db_share_free(w.share);
    w.workers = NULL;
    w.share = NULL;
}

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    db_test_init(&w.t, NULL);
    assert_ok(w.t.cx, cv_exec(w.t.cx, NULL, "CREATE TABLE notes (id INTEGER PRIMARY KEY, worker INTEGER)"));
    snprintf(w.url, sizeof w.url, "%s", w.t.url);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (w.workers)
        stop_workers();
    db_test_done(&w.t);
    return 0;
}

static void each(int (*fn)(cv_ctx *cx, size_t index, void *arg))
{
    assert_ok(w.t.cx, cv_workers_each(w.t.cx, w.workers, fn, NULL, NULL));
}

/* ---- one worker gets everything ---- */

static int read_a_little(cv_ctx *cx, size_t index, void *arg)
{
    (void)index;
    (void)arg;
    cv_rows *a, *b;
    CV_TRY(cv_select(cx, &a, "SELECT 1"));
    CV_TRY(cv_select(cx, &b, "SELECT 1"));
    cv_rows_close(cx, a);
    cv_rows_close(cx, b);
    return 0;
}

static int hold_all(cv_ctx *cx, size_t index, void *arg)
{
    (void)arg;
    if (index != 1)
        return 0;
    cv_rows *rows[MOST];
    for (int i = 0; i < MOST; i++) {
        CV_TRY(cv_select(cx, &rows[i], "SELECT 1"));
        if (cv_rows_next(cx, rows[i]) != 1)
            return cv_fail(cx, CV_E_INTERNAL, "no row");
    }
    atomic_store(&w.done, (int)cv_db_pool_stats(w.dbs[index], 0).borrowed);
    for (int i = 0; i < MOST; i++)
        cv_rows_close(cx, rows[i]);
    return 0;
}

static void assert_one_worker_gets_everything(void)
{
    start_workers();
    each(read_a_little);
    for (int i = 0; i < 3; i++) {
        atomic_store(&w.done, 0);
        each(hold_all);
        assert_int_equal(atomic_load(&w.done), MOST);
        assert_true(cv_db_share_used(w.share, 0) <= MOST);
    }
}

static void one_worker_gets_the_places_of_the_whole_process(void **state)
{
    (void)state;
    assert_one_worker_gets_everything();
}

/* ---- all of them at once ---- */

static int read_in_a_fiber(cv_ctx *cx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        cv_rows *rows;
        CV_TRY(cv_select(cx, &rows, "SELECT 1"));
        CV_TRY(cv_yield(cx));
        cv_rows_close(cx, rows);
    }
    atomic_fetch_add(&w.done, 1);
    return 0;
}

static int read_with_many_fibers(cv_ctx *cx, size_t index, void *arg)
{
    (void)index;
    cv_fiber *fibers[20];
    for (int i = 0; i < 20; i++)
        CV_TRY(cv_spawn(cx, "reader", read_in_a_fiber, arg, &fibers[i]));
    int rc = 0;
    for (int i = 0; i < 20; i++) {
        int one = cv_join(cx, fibers[i], NULL);
        rc = rc < 0 ? rc : one;
    }
    return rc;
}

static void assert_all_are_served(void)
{
    start_workers();
    atomic_store(&w.done, 0);
    each(read_with_many_fibers);
    assert_int_equal(atomic_load(&w.done), 20 * WORKERS);
    assert_true(cv_db_share_used(w.share, 0) <= MOST);
}

static void all_workers_are_served_within_the_limit(void **state)
{
    (void)state;
    assert_all_are_served();
}

/* ---- SQLite's writer ---- */

static int write_some(cv_ctx *cx, size_t index, void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        CV_ATOMIC(cx)
        {
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes (worker) VALUES (?)", (int64_t)index));
        }
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes (worker) VALUES (?)", (int64_t)index));
    }
    return 0;
}

static void a_file_has_one_writer_for_all_workers(void **state)
{
    (void)state;
    start_workers();
    each(write_some);
    assert_int_equal(cv_db_share_used(w.share, 1), 1);
    assert_int_equal(count_of(w.t.cx, "SELECT count(*) FROM notes"), 100 * WORKERS);
}

/* ---- nobody starves ---- */

static int cycle_until_stopped(cv_ctx *cx, void *arg)
{
    (void)arg;
    while (!atomic_load(&w.stop)) {
        cv_rows *rows;
        CV_TRY(cv_select(cx, &rows, "SELECT 1"));
        CV_TRY(cv_yield(cx));
        cv_rows_close(cx, rows);
    }
    return 0;
}

static int crowd_or_come_late(cv_ctx *cx, size_t index, void *arg)
{
    if (index == 0) {
        int rc = 0;
        cv_fiber *fibers[MOST * 2];
        for (int i = 0; i < MOST * 2; i++)
            CV_TRY(cv_spawn(cx, "crowd", cycle_until_stopped, arg, &fibers[i]));
        for (int i = 0; i < MOST * 2; i++) {
            int one = cv_join(cx, fibers[i], NULL);
            rc = rc < 0 ? rc : one;
        }
        return rc;
    }
    if (index != 1)
        return 0;
    int rc = 0;
    for (int i = 0; i < 20 && rc == 0; i++)
        rc = read_a_little(cx, index, arg);
    atomic_store(&w.stop, true);
    return rc;
}

static void a_busy_worker_does_not_starve_the_others(void **state)
{
    (void)state;
    start_workers();
    each(crowd_or_come_late);
}

/* ---- leaving ---- */

static int close_own(cv_ctx *cx, size_t index, void *arg)
{
    (void)arg;
    if (index != 1) {
        cv_use_db(cx, NULL);
        cv_db_close(cx, w.dbs[index]);
        w.dbs[index] = NULL;
    }
    return 0;
}

static void who_leaves_gives_its_places_back(void **state)
{
    (void)state;
    start_workers();
    each(read_a_little);
    each(close_own);
    each(hold_all);
    assert_int_equal(atomic_load(&w.done), MOST);
}

static void waiting_for_others_has_an_end(void **state)
{
    (void)state;
    cv_db_share *share;
    cv_db *one, *two;
    cv_rows *rows;
    assert_ok(w.t.cx, cv_db_share_new(w.t.cx, &share));
    cv_db_options options = {.share = share, .max_connections = 1, .acquire_timeout_ms = 30};
    assert_ok(w.t.cx, cv_db_open(w.t.cx, w.url, &options, &one));
    assert_ok(w.t.cx, cv_db_open(w.t.cx, w.url, &options, &two));
    cv_use_db(w.t.cx, one);
    assert_ok(w.t.cx, cv_select(w.t.cx, &rows, "SELECT 1"));
    cv_use_db(w.t.cx, two);
    cv_rows *none;
    assert_fails(w.t.cx, cv_select(w.t.cx, &none, "SELECT 1"), CV_E_POOL_TIMEOUT, "");
    cv_rows_close(w.t.cx, rows);
    assert_ok(w.t.cx, cv_select(w.t.cx, &none, "SELECT 1"));
    cv_rows_close(w.t.cx, none);
    cv_use_db(w.t.cx, w.t.db);
    cv_db_share_free(share);
    cv_db_close(w.t.cx, one);
    cv_db_close(w.t.cx, two);
}

/* ---- PostgreSQL ---- */

static int set_up_postgres(void **state)
{
    set_up(state);
    w.has_postgres = test_database_create("pool_share", w.database);
    snprintf(w.url, sizeof w.url, "%s?shared_connections=0", w.database);
    return 0;
}

static int tear_down_postgres(void **state)
{
    bool has_postgres = w.has_postgres;
    char url[TEST_URL_BYTES];
    snprintf(url, sizeof url, "%s", w.database);
    tear_down(state);
    if (has_postgres)
        test_database_drop(url);
    return 0;
}

static void connections_to_postgresql_move_between_workers(void **state)
{
    (void)state;
    if (!w.has_postgres)
        skip();
    assert_one_worker_gets_everything();
}

static void all_workers_are_served_by_postgresql(void **state)
{
    (void)state;
    if (!w.has_postgres)
        skip();
    assert_all_are_served();
}

#define CASE(name)       cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CASE_OF_PG(name) cmocka_unit_test_setup_teardown(name, set_up_postgres, tear_down_postgres)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_worker_gets_the_places_of_the_whole_process),
        CASE(all_workers_are_served_within_the_limit),
        CASE(a_file_has_one_writer_for_all_workers),
        CASE(a_busy_worker_does_not_starve_the_others),
        CASE(who_leaves_gives_its_places_back),
        CASE(waiting_for_others_has_an_end),
        CASE_OF_PG(connections_to_postgresql_move_between_workers),
        CASE_OF_PG(all_workers_are_served_by_postgresql),
    };
    return cmocka_run_group_tests_name("db pool share", tests, NULL, NULL);
}
