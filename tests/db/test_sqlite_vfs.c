/* The file system below SQLite's connections: what would block the loop is done by a thread, and a fiber may be
 * suspended at every call without harm. */
#include "await.h"
#include "db/sqlite/sqlite.h"
#include "db_test.h"
#include "rt/rt.h"
#include "rt/wait.h"
#include "watched_vfs.h"

#include <covet/lane.h>
#include <fcntl.h>
#include <sys/uio.h>

typedef struct vfs_test {
    db_test db;
    watched_vfs vfs;
    uint64_t random;
    int waits;
    atomic_bool held;
} vfs_test;

static vfs_test test;

/* SQLite is configured by the first database of a process, before the VFS of this file may be registered. */
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
    test.random = 1;
    watched_vfs_init(&test.vfs);
    test.vfs.arg = &test;
    db_test_init_bare(&test.db);
    snprintf(url, sizeof url, "%s?%s", test.db.url, query);
    assert_ok(test.db.cx, cv_db_open(test.db.cx, url, NULL, &test.db.db));
    cv_use_db(test.db.cx, test.db.db);
    assert_ok(test.db.cx, cv_exec(test.db.cx, NULL, "CREATE TABLE n (x INTEGER PRIMARY KEY, t TEXT)"));
}

static int set_up(void **state)
{
    open_database("cache_size=64&busy_timeout=20s");
    *state = &test;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    watched_quiet(&test.vfs);
    db_test_done(&test.db);
    watched_vfs_done(&test.vfs);
    return 0;
}

static int run_in_fiber(cv_ctx *cx, cv_fiber_fn *fn, void *arg)
{
    cv_fiber *fiber;
    CV_TRY(cv_spawn(cx, "worker", fn, arg, &fiber));
    return cv_join(cx, fiber, NULL);
}

static int insert_one(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_exec(cx, NULL, "INSERT INTO n (t) VALUES ('one')");
}

static void a_fiber_lets_a_thread_sync(void **state)
{
    vfs_test *t = *state;
    watched_vfs_forget(&t->vfs);
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, insert_one, NULL));
    assert_true(t->vfs.off_loop[WATCHED_SYNC] > 0);
    assert_int_equal(t->vfs.on_loop[WATCHED_SYNC], 0);
}

static void outside_of_fibers_it_is_done_here(void **state)
{
    vfs_test *t = *state;
    watched_vfs_forget(&t->vfs);
    assert_ok(t->db.cx, insert_one(t->db.cx, NULL));
    assert_true(t->vfs.on_loop[WATCHED_SYNC] > 0);
    assert_int_equal(t->vfs.off_loop[WATCHED_SYNC], 0);
}

static int hold_sync(watched_vfs *vfs, watched_call call)
{
    vfs_test *t = vfs->arg;
    hold_until(call != WATCHED_SYNC || !atomic_load(&t->held));
    return SQLITE_OK;
}

static void other_fibers_run_and_read_while_one_syncs(void **state)
{
    vfs_test *t = *state;
    cv_ctx *cx = t->db.cx;
    cv_fiber *fiber;
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 0);
    atomic_store(&t->held, true);
    t->vfs.before = hold_sync;
    watched_vfs_forget(&t->vfs);
    assert_ok(cx, cv_spawn(cx, "writer", insert_one, NULL, &fiber));
    await_that(cx, t->vfs.off_loop[WATCHED_SYNC] > 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(count_of(cx, "SELECT count(*) FROM n WHERE x < 0"), 0);
    cv_cancel(fiber); /* too late: what is being synced will be committed, and is told so */
    assert_ok(cx, cv_yield(cx));
    atomic_store(&t->held, false);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 1);
}

static int fail_sync(watched_vfs *vfs, watched_call call)
{
    (void)vfs;
    return call == WATCHED_SYNC ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static void a_sync_that_fails_on_the_thread_fails_the_commit(void **state)
{
    vfs_test *t = *state;
    t->vfs.before = fail_sync;
    assert_fails(t->db.cx, run_in_fiber(t->db.cx, insert_one, NULL), CV_E_IO, "disk I/O error");
    watched_quiet(&t->vfs);
    assert_int_equal(count_of(t->db.cx, "SELECT count(*) FROM n"), 0);
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, insert_one, NULL));
}

typedef struct flood {
    atomic_int shut, inside;
} flood;

static int wait_until_open(void *arg)
{
    flood *own = arg;
    atomic_fetch_add(&own->inside, 1);
    hold_until(!atomic_load(&own->shut));
    return 0;
}

static int offload_flood(cv_ctx *cx, void *arg)
{
    return cv_offload(cx, CV_LANE_DATABASE, wait_until_open, arg, NULL);
}

static void a_lane_that_refuses_is_done_without(void **state)
{
    enum { THREADS = 16, QUEUE = 1024 };
    vfs_test *t = *state;
    cv_ctx *cx = t->db.cx;
    flood own = {.shut = 1};
    static cv_fiber *fibers[THREADS + QUEUE];
    for (size_t i = 0; i < THREADS + QUEUE; i++) {
        assert_ok(cx, cv_spawn(cx, "flood", offload_flood, &own, &fibers[i]));
        await_that(cx, i != THREADS - 1 || atomic_load(&own.inside) == THREADS);
    }
    assert_ok(cx, cv_yield(cx));
    watched_vfs_forget(&t->vfs);
    int rc = run_in_fiber(cx, insert_one, NULL);
    atomic_store(&own.shut, 0);
    for (size_t i = 0; i < THREADS + QUEUE; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    assert_int_equal(rc, 0);
    assert_true(t->vfs.on_loop[WATCHED_SYNC] > 0);
    assert_int_equal(t->vfs.off_loop[WATCHED_SYNC], 0);
}

/* ---- cold pages ---- */

static int fill(cv_ctx *cx)
{
    return cv_exec(cx, NULL,
                   "INSERT INTO n (t) WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000)"
                   " SELECT hex(randomblob(100)) FROM c");
}

/* Whether the file system gives up its pages when asked, and tells that they are gone. */
static bool evict(const char *path)
{
    static int fd; /* stays open: closing it would give up the locks of SQLite */
    char bytes[8192];
    struct iovec piece = {bytes, sizeof bytes};
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    return preadv2(fd, &piece, 1, 1024 * 1024, RWF_NOWAIT) < 0;
}

static int read_everything(cv_ctx *cx, void *arg)
{
    return cv_scalar(cx, arg, "SELECT sum(length(t)) FROM n");
}

static void a_fiber_lets_a_thread_read_what_is_not_in_memory(void **state)
{
    vfs_test *t = *state;
    cv_value sum = CV_NULL;
    assert_ok(t->db.cx, fill(t->db.cx));
    assert_ok(t->db.cx, cv_exec(t->db.cx, NULL, "PRAGMA wal_checkpoint(TRUNCATE)"));
    if (!evict(t->db.path))
        skip();
    watched_vfs_forget(&t->vfs);
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_everything, &sum));
    assert_int_equal(sum.as.i64, 20000 * 200);
    assert_true(t->vfs.off_loop[WATCHED_READ] > 0);
    int tries = t->vfs.on_loop[WATCHED_READ];
    assert_true(tries >= t->vfs.off_loop[WATCHED_READ]);
    for (int i = 0; i < 100 && t->vfs.off_loop[WATCHED_READ] > 0; i++) { /* now it is in memory, or soon */
        watched_vfs_forget(&t->vfs);
        assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_everything, &sum));
        assert_int_equal(sum.as.i64, 20000 * 200);
        assert_true(t->vfs.on_loop[WATCHED_READ] > 0);
    }
    assert_int_equal(t->vfs.off_loop[WATCHED_READ], 0);
}

static int fail_cold_read(watched_vfs *vfs, watched_call call)
{
    return call == WATCHED_READ && !pthread_equal(vfs->loop, pthread_self()) ? SQLITE_IOERR_READ : SQLITE_OK;
}

static void a_read_that_fails_on_the_thread_fails_the_statement(void **state)
{
    vfs_test *t = *state;
    cv_value sum = CV_NULL;
    assert_ok(t->db.cx, fill(t->db.cx));
    assert_ok(t->db.cx, cv_exec(t->db.cx, NULL, "PRAGMA wal_checkpoint(TRUNCATE)"));
    if (!evict(t->db.path))
        skip();
    t->vfs.before = fail_cold_read;
    assert_fails(t->db.cx, run_in_fiber(t->db.cx, read_everything, &sum), CV_E_IO, "disk I/O error");
    watched_quiet(&t->vfs);
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_everything, &sum));
    assert_int_equal(sum.as.i64, 20000 * 200);
}

/* ---- the slice of what never comes by the progress handler ---- */

static int write_much(cv_ctx *cx, void *arg)
{
    CV_TRY(fill(cx));
    *(bool *)arg = true;
    return 0;
}

static void a_statement_that_writes_many_pages_gives_way(void **state)
{
    vfs_test *t = *state;
    bool ended = false;
    cv_fiber *fiber;
    int turns = 0;
    assert_ok(t->db.cx, cv_spawn(t->db.cx, "writer", write_much, &ended, &fiber));
    while (!ended) {
        assert_ok(t->db.cx, cv_yield(t->db.cx));
        turns++;
    }
    assert_ok(t->db.cx, cv_join(t->db.cx, fiber, NULL));
    assert_true(turns > 10);
}

/* ---- torture ---- */

static uint64_t next_random(vfs_test *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

static void maybe_suspend(vfs_test *t)
{
    struct cv_fiber *current = t->db.cx->runtime->current;
    if (!current || next_random(t) % 4 != 0)
        return;
    t->waits++;
    cv_error *first = cv_error_take(&current->cx);
    CV_SHIELD(&current->cx, 60000)
    {
        if (cv_yield(&current->cx) < 0 && !first)
            cv_error_clear(&current->cx);
    }
    cv_error_put_back(&current->cx, first);
}

static int suspend_sometimes(watched_vfs *vfs, watched_call call)
{
    if (call != WATCHED_CLOSE && pthread_equal(vfs->loop, pthread_self()))
        maybe_suspend(vfs->arg);
    return SQLITE_OK;
}

/* Stands for the progress handler: suspends far more often than that does. */
static void suspend_function(sqlite3_context *out, int count, sqlite3_value **values)
{
    (void)count;
    maybe_suspend(&test);
    sqlite3_result_value(out, values[0]);
}

enum { FIBERS = 8, ROUNDS = 40, ACCOUNTS = 50, BALANCE = 1000 };

static int transfer(cv_ctx *cx, uint64_t random)
{
    int64_t from = (int64_t)(random % ACCOUNTS) + 1, to = (int64_t)(random / 64 % ACCOUNTS) + 1;
    int64_t amount = (int64_t)(random >> 32) % 100;
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "UPDATE accounts SET balance = balance - ? WHERE id = ?", amount, from));
        CV_ATOMIC(cx)
        {
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO words (t) SELECT t FROM words ORDER BY random() LIMIT 3"));
            if (random % 3 == 0)
                CV_TRY(cv_rollback(cx));
        }
        CV_TRY(cv_exec(cx, NULL, "UPDATE accounts SET balance = balance + ? WHERE id = ?", amount, to));
        if (random % 7 == 0)
            CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static int check_sum(cv_ctx *cx)
{
    cv_value sum = CV_NULL;
    CV_TRY(cv_scalar(cx, &sum, "SELECT sum(balance) FROM accounts"));
    assert_int_equal(sum.as.i64, ACCOUNTS * BALANCE);
    return 0;
}

static int check_snapshot(cv_ctx *cx)
{
    CV_ATOMIC_WITH(cx, &(cv_tx_options){.read_only = true})
    {
        cv_value one = CV_NULL, other = CV_NULL;
        CV_TRY(cv_scalar(cx, &one, "SELECT group_concat(balance) FROM accounts"));
        CV_TRY(cv_yield(cx));
        CV_TRY(cv_scalar(cx, &other, "SELECT group_concat(balance) FROM accounts"));
        assert_string_equal(one.as.text.ptr, other.as.text.ptr);
        CV_TRY(check_sum(cx));
    }
    return 0;
}

static int sort_much(cv_ctx *cx)
{
    cv_value value = CV_NULL;
    return cv_scalar(
        cx, &value,
        "SELECT count(*) FROM (SELECT a.t FROM words a, accounts b ORDER BY a.t || b.id LIMIT -1 OFFSET 1)");
}

static int run_out_of_time(cv_ctx *cx)
{
    cv_value value = CV_NULL;
    CV_WITHIN(cx, 2)
    {
        return cv_scalar(cx, &value, "SELECT count(*) FROM accounts a, accounts b, accounts c, accounts d");
    }
    return 0;
}

static int one_round(cv_ctx *cx, uint64_t random)
{
    switch (random % 8) {
    case 0:
        return check_snapshot(cx);
    case 1:
        return sort_much(cx);
    case 2:
        return run_out_of_time(cx);
    case 3:
        return cv_exec(cx, NULL, "PRAGMA wal_checkpoint");
    case 4:
        return check_sum(cx);
    case 5:
        return cv_exec(cx, NULL, "INSERT INTO words (t) VALUES (hex(randomblob(40)))");
    default:
        return transfer(cx, random / 8);
    }
}

static int torture_fiber(cv_ctx *cx, void *arg)
{
    vfs_test *t = arg;
    for (int i = 0; i < ROUNDS; i++)
        CV_SCOPE(cx)
        {
            int rc = one_round(cx, next_random(t) >> 8);
            if (rc == CV_E_TIMEOUT || rc == CV_E_LOCKED || rc == CV_E_POOL_TIMEOUT)
                cv_error_clear(cx);
            else if (rc < 0)
                return rc;
        }
    return 0;
}

static void prepare_torture(cv_ctx *cx)
{
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance BIGINT)"));
    assert_ok(cx, cv_exec(cx, NULL, "CREATE VIRTUAL TABLE words USING fts5 (t)"));
    assert_ok(cx, cv_exec(cx, NULL,
                          "INSERT INTO accounts WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE "
                          "x < ?) SELECT x, ? FROM c",
                          (int64_t)ACCOUNTS, (int64_t)BALANCE));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO words (t) SELECT hex(randomblob(40)) FROM accounts"));
}

static void torture(vfs_test *t)
{
    cv_ctx *cx = t->db.cx;
    cv_fiber *fibers[FIBERS];
    prepare_torture(cx);
    t->vfs.before = suspend_sometimes;
    for (size_t i = 0; i < FIBERS; i++)
        assert_ok(cx, cv_spawn(cx, "torture", torture_fiber, t, &fibers[i]));
    for (size_t i = 0; i < FIBERS; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    watched_quiet(&t->vfs);
    assert_true(t->waits > 300);
    assert_ok(cx, check_sum(cx));
    cv_value answer = CV_NULL;
    assert_ok(cx, cv_scalar(cx, &answer, "PRAGMA integrity_check"));
    assert_string_equal(answer.as.text.ptr, "ok");
    assert_int_equal(cv_db_pool_stats(t->db.db, 0).borrowed, 0);
    assert_int_equal(cv_db_pool_stats(t->db.db, 1).borrowed, 0);
}

static int add_suspending_function(sqlite3 *db, char **ret_message, const struct sqlite3_api_routines *api)
{
    (void)ret_message;
    (void)api;
    return sqlite3_create_function_v2(db, "suspends", 1, SQLITE_UTF8 | SQLITE_INNOCUOUS, NULL, suspend_function, NULL,
                                      NULL, NULL);
}

static void suspended_at_every_call_of_the_file_system_nothing_is_lost_with_a_wal(void **state)
{
    torture(*state);
}

static int set_up_rollback_journal(void **state)
{
    open_database("cache_size=64&busy_timeout=20s&journal_mode=delete");
    *state = &test;
    return 0;
}

static void suspended_at_every_call_of_the_file_system_nothing_is_lost_with_a_journal(void **state)
{
    vfs_test *t = *state;
    torture(t);
    assert_true(t->vfs.off_loop[WATCHED_DELETE] > 0);
    assert_int_equal(t->vfs.off_loop[WATCHED_OPEN], 0);
}

static void suspended_between_opcodes_nothing_is_lost(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_auto_extension((void (*)(void))add_suspending_function), SQLITE_OK);
    open_database("busy_timeout=20s");
    cv_ctx *cx = test.db.cx;
    prepare_torture(cx);
    assert_ok(cx, cv_exec(cx, NULL, "CREATE VIEW slow AS SELECT id, suspends(balance) AS balance FROM accounts"));
    assert_ok(cx, cv_exec(cx, NULL,
                          "CREATE TRIGGER slowly AFTER UPDATE ON accounts BEGIN SELECT suspends(1); SELECT "
                          "sum(balance) FROM slow; END"));
    cv_fiber *fibers[FIBERS];
    for (size_t i = 0; i < FIBERS; i++)
        assert_ok(cx, cv_spawn(cx, "torture", torture_fiber, &test, &fibers[i]));
    for (size_t i = 0; i < FIBERS; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    assert_true(test.waits > 100);
    assert_ok(cx, check_sum(cx));
    sqlite3_cancel_auto_extension((void (*)(void))add_suspending_function);
}

static void a_file_system_in_memory_works_as_well(void **state)
{
    db_test t;
    char url[256];
    (void)state;
    db_test_init_bare(&t);
    snprintf(url, sizeof url, "sqlite:////dev/shm/covet-vfs-%d.db", (int)getpid());
    if (cv_db_open(t.cx, url, NULL, &t.db) < 0) {
        db_test_done(&t);
        skip();
    }
    cv_use_db(t.cx, t.db);
    cv_value sum = CV_NULL;
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE n (x INTEGER PRIMARY KEY, t TEXT)"));
    assert_ok(t.cx, run_in_fiber(t.cx, insert_one, NULL));
    assert_ok(t.cx, run_in_fiber(t.cx, read_everything, &sum));
    assert_int_equal(sum.as.i64, 3);
    db_test_done(&t);
    unlink(url + strlen("sqlite:///"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fiber_lets_a_thread_sync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outside_of_fibers_it_is_done_here, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_fibers_run_and_read_while_one_syncs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sync_that_fails_on_the_thread_fails_the_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lane_that_refuses_is_done_without, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fiber_lets_a_thread_read_what_is_not_in_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_that_fails_on_the_thread_fails_the_statement, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_statement_that_writes_many_pages_gives_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(suspended_at_every_call_of_the_file_system_nothing_is_lost_with_a_wal, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(suspended_at_every_call_of_the_file_system_nothing_is_lost_with_a_journal,
                                        set_up_rollback_journal, tear_down),
        cmocka_unit_test_teardown(suspended_between_opcodes_nothing_is_lost, tear_down),
        cmocka_unit_test(a_file_system_in_memory_works_as_well),
    };
    return cmocka_run_group_tests(tests, configure, NULL);
}
