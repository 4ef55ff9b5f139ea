/* Checkpoints of the write-ahead log: by themselves, on a thread, and by hand. */
#include "await.h"
#include "db_test.h"
#include "watched_vfs.h"

#include <covet/sqlite.h>
#include <sys/stat.h>

typedef struct checkpoint_test {
    db_test db;
    watched_vfs vfs;
    cv_metrics *metrics;
} checkpoint_test;

static checkpoint_test test;

static int configure(void **state)
{
    db_test t;
    (void)state;
    db_test_init(&t, NULL);
    db_test_done(&t);
    return 0;
}

static void open_database(const char *query)
{
    char url[512];
    memset(&test, 0, sizeof test);
    watched_vfs_init(&test.vfs);
    db_test_init_bare(&test.db);
    cv_runtime_free(test.db.cx);
    test.metrics = cv_metrics_new();
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.metrics = test.metrics}, &test.db.cx), 0);
    snprintf(url, sizeof url, "%s?%s", test.db.url, query);
    assert_ok(test.db.cx, cv_db_open(test.db.cx, url, NULL, &test.db.db));
    cv_use_db(test.db.cx, test.db.db);
    assert_ok(test.db.cx, cv_exec(test.db.cx, NULL, "CREATE TABLE n (x INTEGER PRIMARY KEY, t TEXT)"));
}

static int set_up(void **state)
{
    open_database("checkpoint_pages=50&busy_timeout=300ms&wal_limit=1000000&synchronous=normal");
    *state = &test;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    watched_quiet(&test.vfs);
    db_test_done(&test.db);
    watched_vfs_done(&test.vfs);
    cv_metrics_free(test.metrics);
    return 0;
}

static int64_t wal_bytes(void)
{
    char path[128];
    struct stat info;
    snprintf(path, sizeof path, "%s-wal", test.db.path);
    return stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
}

static int run_in_fiber(cv_ctx *cx, cv_fiber_fn *fn, void *arg)
{
    cv_fiber *fiber;
    CV_TRY(cv_spawn(cx, "worker", fn, arg, &fiber));
    return cv_join(cx, fiber, NULL);
}

static int insert_pages(cv_ctx *cx, void *arg)
{
    for (int i = 0; i < *(int *)arg; i++)
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (t) VALUES (hex(randomblob(2000)))"));
    return 0;
}

static int64_t counter(const char *name, const char *mode)
{
    char labels[256];
    snprintf(labels, sizeof labels, "database=\"%s\"%s%s%s", test.db.path, mode ? ",mode=\"" : "", mode ? mode : "",
             mode ? "\"" : "");
    cv_counter *found = cv_counter_get(cv_ctx_metrics(test.db.cx), name, NULL, labels);
    return found ? (int64_t)cv_counter_value(found) : 0;
}

static int64_t completed(const char *mode)
{
    return counter("covet_sqlite_checkpoints_total", mode);
}

/* One that a commit was in the way of is made up for by a later one, as commits go on. */
static bool is_completed_by_commits(cv_ctx *cx, const char *mode, int64_t more_than)
{
    int few = 60;
    if (completed(mode) > more_than)
        return true;
    assert_ok(cx, run_in_fiber(cx, insert_pages, &few));
    return false;
}

static void commits_of_fibers_have_the_log_copied_on_a_thread(void **state)
{
    checkpoint_test *t = *state;
    cv_ctx *cx = t->db.cx;
    watched_vfs_forget(&t->vfs);
    await_that(cx, is_completed_by_commits(cx, "passive", 0));
    assert_true(t->vfs.off_loop[WATCHED_OPEN] > 0); /* a connection of its own */
    assert_true(t->vfs.off_loop[WATCHED_WRITE] > 0);
    struct stat info;
    assert_int_equal(stat(t->db.path, &info), 0);
    assert_true(info.st_size > 8 * 4096);
}

static void the_main_context_does_it_itself(void **state)
{
    checkpoint_test *t = *state;
    int pages = 300;
    watched_vfs_forget(&t->vfs);
    assert_ok(t->db.cx, insert_pages(t->db.cx, &pages));
    assert_true(completed("passive") > 2);
    assert_int_equal(t->vfs.off_loop[WATCHED_WRITE], 0);
    assert_in_range(wal_bytes(), 1, 100 * 4200);
}

static int hold_rows(cv_ctx *cx, int pages)
{
    cv_rows *rows;
    CV_TRY(cv_select(cx, &rows, "SELECT x FROM n"));
    CV_TRY(cv_rows_next(cx, rows));
    CV_TRY(insert_pages(cx, &pages));
    while (counter("covet_sqlite_checkpoints_incomplete_total", NULL) == 0)
        CV_TRY(cv_sleep_ms(cx, 1));
    cv_rows_close(cx, rows);
    return 0;
}

static int hold_rows_long(cv_ctx *cx, void *arg)
{
    return hold_rows(cx, *(int *)arg);
}

static void a_log_that_grew_behind_a_reader_is_cut_off_after_it(void **state)
{
    checkpoint_test *t = *state;
    cv_ctx *cx = t->db.cx;
    int pages = 400, few = 60;
    assert_ok(cx, insert_pages(cx, &few));
    assert_ok(cx, run_in_fiber(cx, hold_rows_long, &pages));
    assert_true(counter("covet_sqlite_checkpoints_incomplete_total", NULL) > 0);
    assert_true(wal_bytes() > 1000000);
    int64_t before = completed("truncate");
    await_that(cx, is_completed_by_commits(cx, "truncate", before));
    assert_true(wal_bytes() < 1000000);
}

static void by_hand_in_each_mode(void **state)
{
    checkpoint_test *t = *state;
    cv_ctx *cx = t->db.cx;
    cv_sqlite_checkpoint_result result = {0};
    int pages = 10;
    for (int mode = CV_SQLITE_CHECKPOINT_PASSIVE; mode <= CV_SQLITE_CHECKPOINT_TRUNCATE; mode++) {
        assert_ok(cx, insert_pages(cx, &pages));
        assert_ok(cx, cv_sqlite_checkpoint(cx, t->db.db, (cv_sqlite_checkpoint_mode)mode, &result));
        assert_int_equal(result.log_pages, result.done_pages);
        assert_int_equal(result.log_pages == 0, mode == CV_SQLITE_CHECKPOINT_TRUNCATE);
        assert_int_equal(result.wal_bytes, wal_bytes());
    }
    assert_int_equal(wal_bytes(), 0);
    assert_ok(cx, cv_sqlite_checkpoint(cx, t->db.db, CV_SQLITE_CHECKPOINT_PASSIVE, NULL));
    assert_fails(cx, cv_sqlite_checkpoint(cx, t->db.db, (cv_sqlite_checkpoint_mode)9, NULL), CV_E_INVALID, "mode");
}

static void one_by_hand_waits_for_readers_and_says_so(void **state)
{
    checkpoint_test *t = *state;
    cv_ctx *cx = t->db.cx;
    cv_rows *rows;
    int pages = 5;
    cv_sqlite_checkpoint_result result = {0};
    assert_ok(cx, insert_pages(cx, &pages));
    assert_ok(cx, cv_select(cx, &rows, "SELECT x FROM n"));
    assert_ok(cx, cv_rows_next(cx, rows));
    assert_ok(cx, insert_pages(cx, &pages));
    assert_ok(cx, cv_sqlite_checkpoint(cx, t->db.db, CV_SQLITE_CHECKPOINT_PASSIVE, &result));
    assert_true(result.done_pages < result.log_pages);
    assert_fails(cx, cv_sqlite_checkpoint(cx, t->db.db, CV_SQLITE_CHECKPOINT_TRUNCATE, NULL), CV_E_LOCKED,
                 "others were in the way for 300 ms");
    CV_WITHIN(cx, 20)
    {
        assert_fails(cx, cv_sqlite_checkpoint(cx, t->db.db, CV_SQLITE_CHECKPOINT_TRUNCATE, NULL), CV_E_TIMEOUT,
                     "deadline");
    }
    cv_rows_close(cx, rows);
    assert_ok(cx, cv_sqlite_checkpoint(cx, t->db.db, CV_SQLITE_CHECKPOINT_TRUNCATE, NULL));
}

static int checkpoint_inside(cv_ctx *cx, cv_db *db)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (t) VALUES ('a')"));
        assert_fails(cx, cv_sqlite_checkpoint(cx, db, CV_SQLITE_CHECKPOINT_PASSIVE, NULL), CV_E_IN_TRANSACTION,
                     "inside a transaction");
    }
    return 0;
}

static void not_inside_a_transaction(void **state)
{
    checkpoint_test *t = *state;
    assert_ok(t->db.cx, checkpoint_inside(t->db.cx, t->db.db));
}

static int fail_off_loop(watched_vfs *vfs, watched_call call)
{
    return call == WATCHED_SYNC && !pthread_equal(vfs->loop, pthread_self()) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static void a_disk_that_fails_is_told(void **state)
{
    checkpoint_test *t = *state;
    int pages = 5;
    assert_ok(t->db.cx, insert_pages(t->db.cx, &pages));
    t->vfs.before = fail_off_loop;
    assert_fails(t->db.cx, cv_sqlite_checkpoint(t->db.cx, t->db.db, CV_SQLITE_CHECKPOINT_FULL, NULL), CV_E_IO,
                 "disk I/O error");
    watched_quiet(&t->vfs);
    assert_ok(t->db.cx, cv_sqlite_checkpoint(t->db.cx, t->db.db, CV_SQLITE_CHECKPOINT_FULL, NULL));
}

static int write_and_close(cv_ctx *cx, void *arg)
{
    int pages = 60;
    (void)arg;
    CV_TRY(insert_pages(cx, &pages));
    cv_db_close(cx, test.db.db);
    test.db.db = NULL;
    return 0;
}

static void a_database_may_be_closed_while_one_is_under_way(void **state)
{
    checkpoint_test *t = *state;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, write_and_close, NULL));
    cv_use_db(t->db.cx, NULL);
}

static int set_up_off(void **state)
{
    open_database("checkpoint_pages=0");
    *state = &test;
    return 0;
}

static void none_by_themselves_when_not_wanted(void **state)
{
    checkpoint_test *t = *state;
    int pages = 1200;
    assert_ok(t->db.cx, insert_pages(t->db.cx, &pages));
    assert_true(wal_bytes() > 1200 * 4096);
    assert_int_equal(completed("passive"), 0);
}

static void a_database_in_memory_has_no_log(void **state)
{
    db_test t;
    (void)state;
    cv_sqlite_checkpoint_result result = {1, 1, 1};
    db_test_init_bare(&t);
    assert_ok(t.cx, cv_db_open(t.cx, "sqlite::memory:", NULL, &t.db));
    assert_ok(t.cx, cv_sqlite_checkpoint(t.cx, t.db, CV_SQLITE_CHECKPOINT_TRUNCATE, &result));
    assert_int_equal(result.log_pages + result.done_pages + result.wal_bytes, 0);
    db_test_done(&t);
}

int main(void)
{
#define checkpoint_case(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        checkpoint_case(commits_of_fibers_have_the_log_copied_on_a_thread),
        checkpoint_case(the_main_context_does_it_itself),
        checkpoint_case(a_log_that_grew_behind_a_reader_is_cut_off_after_it),
        checkpoint_case(by_hand_in_each_mode),
        checkpoint_case(one_by_hand_waits_for_readers_and_says_so),
        checkpoint_case(not_inside_a_transaction),
        checkpoint_case(a_disk_that_fails_is_told),
        checkpoint_case(a_database_may_be_closed_while_one_is_under_way),
        cmocka_unit_test_setup_teardown(none_by_themselves_when_not_wanted, set_up_off, tear_down),
        cmocka_unit_test(a_database_in_memory_has_no_log),
    };
    return cmocka_run_group_tests(tests, configure, NULL);
}
