/* SQLite on the loop: long statements, locks of other processes, many fibers, crashes. */
#include "db_test.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

static const char *const long_query =
    "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000000000) SELECT count(*) FROM c";

static int set_up(void **state)
{
    static db_test t;
    db_test_init(&t, "busy_timeout=300ms");
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE n (x BIGINT)"));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

static int count_turns(cv_ctx *cx, void *arg)
{
    int rc;
    while ((rc = cv_sleep_ms(cx, 1)) == 0)
        ++*(int *)arg;
    if (rc == CV_E_CANCELLED)
        cv_error_clear(cx);
    return 0;
}

static int run_long_query(cv_ctx *cx, void *arg)
{
    (void)arg;
    cv_rows *rows;
    return cv_sql_run(cx, long_query, NULL, 0, NULL, &rows);
}

static int run_long_query_within(cv_ctx *cx, void *arg)
{
    CV_WITHIN(cx, *(int *)arg)
    {
        return run_long_query(cx, NULL);
    }
    return 0;
}

/* The result of `fn` in a fiber, beside another fiber that counts how often it came to run. */
static int run_beside_counter(cv_ctx *cx, cv_fiber_fn *fn, void *arg, int *turns)
{
    cv_fiber *counter, *fiber;
    assert_ok(cx, cv_spawn(cx, "counter", count_turns, turns, &counter));
    assert_ok(cx, cv_spawn(cx, "worker", fn, arg, &fiber));
    int rc = cv_join(cx, fiber, NULL);
    cv_cancel(counter);
    assert_int_equal(cv_join(cx, counter, NULL), 0);
    return rc;
}

static void a_deadline_ends_a_long_query_while_others_run(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    int ms = 1000, turns = 0;
    int64_t began_ns = cv_now_ns(cx);
    int rc = run_beside_counter(cx, run_long_query_within, &ms, &turns);
    int64_t took_ms = (cv_now_ns(cx) - began_ns) / 1000000;
    assert_int_equal(rc, CV_E_TIMEOUT);
    assert_non_null(strstr(cv_error_last(cx)->message, "deadline"));
    cv_error_clear(cx);
    assert_in_range(took_ms, 1000, 30000);
    assert_true(turns > 2); /* more than before and after it */
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 0);
    assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 0).closed_total, 0);
}

static void a_deadline_ends_a_long_query_outside_of_fibers(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    int ms = 20;
    assert_int_equal(run_long_query_within(cx, &ms), CV_E_TIMEOUT);
    cv_error_clear(cx);
}

static void a_cancelled_fiber_leaves_its_query(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "worker", run_long_query, NULL, &fiber));
    for (int i = 0; i < 10; i++)
        assert_ok(cx, cv_yield_background(cx));
    assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 0).borrowed, 1);
    cv_cancel(fiber);
    assert_int_equal(cv_join(cx, fiber, NULL), CV_E_CANCELLED);
    cv_error_clear(cx);
    assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 0).borrowed, 0);
}

static int interrupt_a_select_inside(cv_ctx *cx, void *arg)
{
    (void)arg;
    CV_ATOMIC(cx)
    {
        int ms = 20;
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        assert_int_equal(run_long_query_within(cx, &ms), CV_E_TIMEOUT);
        cv_error_clear(cx);
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (2)"));
    }
    return 0;
}

static void a_transaction_outlives_an_interrupted_select(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_ok(cx, interrupt_a_select_inside(cx, NULL));
    assert_int_equal(count_of(cx, "SELECT sum(x) FROM n"), 3);
}

static int interrupt_an_insert_inside(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_WITHIN(cx, 20)
        {
            assert_int_equal(cv_exec(cx, NULL,
                                     "INSERT INTO n WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
                                     "SELECT x FROM c WHERE x < 0"),
                             CV_E_TIMEOUT);
        }
        cv_error_clear(cx);
        assert_fails(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (2)"), CV_E_TX_ABORTED, "rolled back");
    }
    return 0;
}

static void a_transaction_ends_with_an_interrupted_write(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_fails(cx, interrupt_an_insert_inside(cx), CV_E_TX_ABORTED, "rolled back");
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 0);
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (3)"));
}

/* A child process that holds the write lock until its standard input is closed. */
typedef struct holder {
    pid_t pid;
    int release_fd;
} holder;

static void hold_lock(const char *path, int ready_fd, int release_fd)
{
    sqlite3 *db;
    char byte = 'x';
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        _exit(1);
    if (write(ready_fd, &byte, 1) != 1)
        _exit(2);
    while (read(release_fd, &byte, 1) < 0 && errno == EINTR)
        ;
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    _exit(0);
}

static holder start_holder(const char *path)
{
    int ready[2], release[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(release), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(release[1]);
        hold_lock(path, ready[1], release[0]);
    }
    close(ready[1]);
    close(release[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return (holder){pid, release[1]};
}

static void end_holder(holder *h)
{
    int status;
    if (h->release_fd >= 0)
        close(h->release_fd);
    assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
    assert_int_equal(status, 0);
}

static int insert_one(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_exec(cx, NULL, "INSERT INTO n VALUES (1)");
}

static void a_lock_of_another_process_is_waited_for_while_others_run(void **state)
{
    db_test *t = *state;
    holder h = start_holder(t->path);
    int turns = 0;
    int rc = run_beside_counter(t->cx, insert_one, NULL, &turns);
    assert_int_equal(rc, CV_E_LOCKED);
    assert_non_null(strstr(cv_error_last(t->cx)->message, "300 ms"));
    assert_non_null(strstr(cv_error_last(t->cx)->message, "test.db"));
    assert_non_null(cv_error_last(t->cx)->hint);
    cv_error_clear(t->cx);
    assert_true(turns > 20);
    end_holder(&h);
}

static void a_deadline_is_stronger_than_the_busy_timeout(void **state)
{
    db_test *t = *state;
    holder h = start_holder(t->path);
    CV_WITHIN(t->cx, 30)
    {
        assert_int_equal(insert_one(t->cx, NULL), CV_E_TIMEOUT);
    }
    cv_error_clear(t->cx);
    end_holder(&h);
}

static int release_soon(cv_ctx *cx, void *arg)
{
    holder *h = arg;
    int rc = cv_sleep_ms(cx, 50);
    close(h->release_fd);
    h->release_fd = -1;
    return rc;
}

static void a_lock_that_is_released_in_time_is_taken(void **state)
{
    db_test *t = *state;
    holder h = start_holder(t->path);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "PRAGMA user_version"));
    cv_fiber *fiber;
    assert_ok(t->cx, cv_spawn(t->cx, "release", release_soon, &h, &fiber));
    assert_ok(t->cx, insert_one(t->cx, NULL));
    assert_ok(t->cx, cv_join(t->cx, fiber, NULL));
    end_holder(&h);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 1);
}

enum { FIBERS = 1000 };

static int select_one(cv_ctx *cx, void *arg)
{
    cv_rows *rows;
    CV_TRY(cv_select(cx, &rows, "SELECT 1"));
    int rc = cv_yield(cx);
    cv_rows_close(cx, rows);
    ++*(int *)arg;
    return rc;
}

static void a_thousand_fibers_are_served_by_four_readers(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    static cv_fiber *fibers[FIBERS];
    int served = 0;
    for (int i = 0; i < FIBERS; i++)
        assert_ok(cx, cv_spawn(cx, "reader", select_one, &served, &fibers[i]));
    for (int i = 0; i < FIBERS; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    assert_int_equal(served, FIBERS);
    cv_pool_stats stats = cv_db_pool_stats(cv_ctx_db(cx), 0);
    assert_int_equal(stats.open, 4);
    assert_int_equal(stats.borrowed, 0);
    assert_int_equal(stats.acquired_total, FIBERS);
}

static int increment(cv_ctx *cx, void *arg)
{
    (void)arg;
    CV_ATOMIC(cx)
    {
        cv_value value;
        CV_TRY(cv_scalar(cx, &value, "SELECT max(x) FROM n"));
        CV_TRY(cv_yield(cx));
        CV_TRY(cv_exec(cx, NULL, "UPDATE n SET x = ?", value.as.i64 + 1));
    }
    return 0;
}

static void writers_take_turns(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_fiber *fibers[50];
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (0)"));
    for (int i = 0; i < 50; i++)
        assert_ok(cx, cv_spawn(cx, "writer", increment, NULL, &fibers[i]));
    for (int i = 0; i < 50; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    assert_int_equal(count_of(cx, "SELECT x FROM n"), 50);
}

static int insert_pair(cv_ctx *cx, int i)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (?)", i));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (?)", i));
    }
    return 0;
}

/* Acknowledges each committed pair by its number, and never ends by itself. */
static void write_pairs(const char *url, int ack_fd)
{
    cv_ctx *cx;
    cv_db *db;
    if (cv_runtime_new(NULL, &cx) < 0 || cv_db_open(cx, url, NULL, &db) < 0)
        _exit(1);
    cv_use_db(cx, db);
    for (int i = 1;; i++)
        if (insert_pair(cx, i) < 0 || write(ack_fd, &i, sizeof i) != sizeof i)
            _exit(2);
}

static void a_killed_process_loses_nothing_acknowledged_and_leaves_nothing_half_done(void **state)
{
    db_test *t = *state;
    int ack[2], last = 0, number;
    assert_int_equal(pipe(ack), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ack[0]);
        write_pairs(t->url, ack[1]);
    }
    close(ack[1]);
    while (last < 50 && read(ack[0], &number, sizeof number) == sizeof number)
        last = number;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    while (read(ack[0], &number, sizeof number) == sizeof number)
        last = number;
    close(ack[0]);
    assert_true(last >= 50);
    assert_int_equal(count_of(t->cx, "SELECT count(DISTINCT x) FROM n WHERE x <= ?", last), last);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM (SELECT x FROM n GROUP BY x HAVING count(*) <> 2)"), 0);
    cv_value verdict;
    assert_ok(t->cx, cv_scalar(t->cx, &verdict, "PRAGMA integrity_check"));
    assert_true(cv_str_equal(verdict.as.text, CV_STR("ok")));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_deadline_ends_a_long_query_while_others_run),
        CASE(a_deadline_ends_a_long_query_outside_of_fibers),
        CASE(a_cancelled_fiber_leaves_its_query),
        CASE(a_transaction_outlives_an_interrupted_select),
        CASE(a_transaction_ends_with_an_interrupted_write),
        CASE(a_lock_of_another_process_is_waited_for_while_others_run),
        CASE(a_deadline_is_stronger_than_the_busy_timeout),
        CASE(a_lock_that_is_released_in_time_is_taken),
        CASE(a_thousand_fibers_are_served_by_four_readers),
        CASE(writers_take_turns),
        CASE(a_killed_process_loses_nothing_acknowledged_and_leaves_nothing_half_done),
    };
    return cmocka_run_group_tests_name("db sqlite concurrency", tests, NULL, NULL);
}
