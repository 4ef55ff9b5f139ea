/* The write lane when the disk fails or hangs, and when another process holds the lock. */
#include "await.h"
#include "db_test.h"

#include "db/db.h"
#include "watched_vfs.h"

#include <signal.h>
#include <sys/wait.h>

enum { WRITERS = 20 };

typedef struct fault_test {
    db_test db;
    watched_vfs vfs;
    atomic_int syncs_to_fail;
    atomic_bool held;
} fault_test;

static fault_test test;

static int meddle(watched_vfs *vfs, watched_call call)
{
    fault_test *t = vfs->arg;
    if (call != WATCHED_SYNC)
        return SQLITE_OK;
    hold_until(!atomic_load(&t->held));
    return atomic_load(&t->syncs_to_fail) > 0 && atomic_fetch_sub(&t->syncs_to_fail, 1) > 0 ? SQLITE_IOERR_FSYNC
                                                                                            : SQLITE_OK;
}

static int set_up(void **state)
{
    memset(&test, 0, sizeof test);
    watched_vfs_init(&test.vfs);
    test.vfs.arg = &test;
    test.vfs.before = meddle;
    db_test_init(&test.db, "busy_timeout=200ms");
    assert_ok(test.db.cx, cv_exec(test.db.cx, NULL, "CREATE TABLE n (id INTEGER PRIMARY KEY, x BIGINT UNIQUE)"));
    *state = &test;
    return 0;
}

static int tear_down(void **state)
{
    fault_test *t = *state;
    atomic_store(&t->held, false);
    db_test_done(&t->db);
    watched_vfs_done(&t->vfs);
    return 0;
}

typedef struct job {
    int64_t x, ms;
    int rc;
    char message[200];
} job;

static int insert_one(cv_ctx *cx, void *arg)
{
    job *own = arg;
    own->rc = cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (?)", own->x);
    if (own->rc < 0)
        snprintf(own->message, sizeof own->message, "%s", cv_error_last(cx)->message);
    cv_error_clear(cx);
    return 0;
}

static int insert_within(cv_ctx *cx, void *arg)
{
    CV_WITHIN(cx, ((job *)arg)->ms)
    {
        return insert_one(cx, arg);
    }
    return 0;
}

static void start_all(cv_ctx *cx, cv_fiber_fn *fn, job *jobs, cv_fiber **ret_fibers)
{
    for (int i = 0; i < WRITERS; i++)
        assert_ok(cx, cv_spawn(cx, "writer", fn, &jobs[i], &ret_fibers[i]));
}

static void join_all(cv_ctx *cx, cv_fiber **fibers)
{
    for (int i = 0; i < WRITERS; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
}

static void number(job *jobs, int64_t ms)
{
    for (int i = 0; i < WRITERS; i++)
        jobs[i] = (job){.x = i, .ms = ms};
}

static void a_commit_that_fails_once_is_made_up_for_one_by_one(void **state)
{
    fault_test *t = *state;
    cv_ctx *cx = t->db.cx;
    job jobs[WRITERS];
    cv_fiber *fibers[WRITERS];
    number(jobs, 0);
    atomic_store(&t->syncs_to_fail, 1);
    start_all(cx, insert_one, jobs, fibers);
    join_all(cx, fibers);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(jobs[i].rc, 0);
    assert_int_equal(t->db.db->lane.lost_total, 1);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), WRITERS);
}

static void each_is_told_when_the_disk_fails_for_good(void **state)
{
    fault_test *t = *state;
    cv_ctx *cx = t->db.cx;
    job jobs[WRITERS];
    cv_fiber *fibers[WRITERS];
    number(jobs, 0);
    atomic_store(&t->syncs_to_fail, 100000);
    start_all(cx, insert_one, jobs, fibers);
    join_all(cx, fibers);
    atomic_store(&t->syncs_to_fail, 0);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(jobs[i].rc, CV_E_IO);
        assert_non_null(strstr(jobs[i].message, "I/O"));
    }
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 0);
    number(jobs, 0);
    start_all(cx, insert_one, jobs, fibers);
    join_all(cx, fibers);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), WRITERS);
}

static int fail_deletes(watched_vfs *vfs, watched_call call)
{
    (void)vfs;
    return call == WATCHED_DELETE ? SQLITE_IOERR_DELETE : SQLITE_OK;
}

static void nobody_is_run_again_when_a_journal_leaves_it_open_what_was_committed(void **state)
{
    fault_test *t = *state;
    cv_ctx *cx = t->db.cx;
    job jobs[WRITERS];
    cv_fiber *fibers[WRITERS];
    char url[320];
    cv_db_close(cx, t->db.db);
    snprintf(url, sizeof url, "%s?journal_mode=delete", t->db.url);
    assert_ok(cx, cv_db_open(cx, url, NULL, &t->db.db));
    cv_use_db(cx, t->db.db);
    number(jobs, 0);
    t->vfs.before = fail_deletes;
    start_all(cx, insert_one, jobs, fibers);
    join_all(cx, fibers);
    watched_quiet(&t->vfs);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(jobs[i].rc, CV_E_COMMIT_UNKNOWN);
    assert_int_equal(t->db.db->lane.lost_total, 0);
}

static void who_runs_out_of_time_in_a_commit_is_told_that_nobody_knows(void **state)
{
    fault_test *t = *state;
    cv_ctx *cx = t->db.cx;
    job jobs[WRITERS];
    cv_fiber *fibers[WRITERS];
    number(jobs, 20);
    atomic_store(&t->held, true);
    start_all(cx, insert_within, jobs, fibers);
    join_all(cx, fibers); /* the disk hangs all that time */
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(jobs[i].rc, CV_E_COMMIT_UNKNOWN);
        assert_non_null(strstr(jobs[i].message, "commit"));
    }
    atomic_store(&t->held, false);
    await_that(cx, !t->db.db->lane.running);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), WRITERS);
}

static void who_is_cancelled_in_a_commit_that_ends_soon_has_its_result(void **state)
{
    fault_test *t = *state;
    cv_ctx *cx = t->db.cx;
    job one = {.x = 1};
    cv_fiber *fiber;
    watched_vfs_forget(&t->vfs);
    atomic_store(&t->held, true);
    assert_ok(cx, cv_spawn(cx, "writer", insert_one, &one, &fiber));
    await_that(cx, atomic_load(&t->vfs.off_loop[WATCHED_SYNC]) > 0);
    atomic_store(&t->held, false);
    cv_cancel(fiber);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_true(one.rc == 0 || one.rc == CV_E_COMMIT_UNKNOWN); /* the latter on a disk slower than 50 ms */
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 1);
}

static void writes_gather_while_a_commit_is_under_way(void **state)
{
    fault_test *t = *state;
    cv_ctx *cx = t->db.cx;
    job jobs[WRITERS];
    cv_fiber *fibers[WRITERS];
    job first = {.x = -1};
    cv_fiber *fiber;
    watched_vfs_forget(&t->vfs);
    atomic_store(&t->held, true);
    assert_ok(cx, cv_spawn(cx, "writer", insert_one, &first, &fiber));
    await_that(cx, atomic_load(&t->vfs.off_loop[WATCHED_SYNC]) > 0);
    number(jobs, 0);
    start_all(cx, insert_one, jobs, fibers);
    assert_ok(cx, cv_yield(cx));
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 0);
    atomic_store(&t->held, false);
    join_all(cx, fibers);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(t->db.db->lane.groups_total, 2);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), WRITERS + 1);
}

/* ---- another process's lock; another connection's is the same to SQLite ---- */

static sqlite3 *hold_lock(const fault_test *t)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(t->db.path, &db, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void all_who_wait_for_a_lock_are_told_of_it(void **state)
{
    fault_test *t = *state;
    cv_ctx *cx = t->db.cx;
    job jobs[WRITERS];
    cv_fiber *fibers[WRITERS];
    sqlite3 *holder = hold_lock(t);
    number(jobs, 0);
    start_all(cx, insert_one, jobs, fibers);
    join_all(cx, fibers);
    sqlite3_close(holder);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(jobs[i].rc, CV_E_LOCKED);
        assert_non_null(strstr(jobs[i].message, "200 ms"));
    }
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 0);
}

static void who_has_less_time_than_the_lock_takes_leaves(void **state)
{
    fault_test *t = *state;
    cv_ctx *cx = t->db.cx;
    job hurried = {.x = 1, .ms = 20}, patient = {.x = 2, .ms = 60000};
    cv_fiber *fibers[2];
    sqlite3 *holder = hold_lock(t);
    assert_ok(cx, cv_spawn(cx, "writer", insert_within, &patient, &fibers[0]));
    assert_ok(cx, cv_spawn(cx, "writer", insert_within, &hurried, &fibers[1]));
    assert_ok(cx, cv_join(cx, fibers[1], NULL));
    assert_int_equal(hurried.rc, CV_E_TIMEOUT);
    sqlite3_close(holder);
    assert_ok(cx, cv_join(cx, fibers[0], NULL));
    assert_true(patient.rc == 0 || patient.rc == CV_E_LOCKED); /* the latter on a machine slower than 180 ms */
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n WHERE x = 1"), 0);
}

/* ---- a process that is killed ---- */

typedef struct acknowledger {
    int fd, first;
} acknowledger;

static int write_and_acknowledge(cv_ctx *cx, void *arg)
{
    const acknowledger *own = arg;
    for (int x = own->first;; x += WRITERS) {
        if (cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (?)", x) < 0 || write(own->fd, &x, sizeof x) != sizeof x)
            _exit(2);
    }
}

/* Never ends by itself. */
static void write_for_ever(const char *url, int ack_fd)
{
    static acknowledger fibers[WRITERS];
    cv_ctx *cx;
    cv_db *db;
    if (cv_runtime_new(NULL, &cx) < 0 || cv_db_open(cx, url, NULL, &db) < 0)
        _exit(1);
    cv_use_db(cx, db);
    for (int i = 0; i < WRITERS; i++) {
        fibers[i] = (acknowledger){ack_fd, i};
        if (cv_spawn(cx, "writer", write_and_acknowledge, &fibers[i], NULL) < 0)
            _exit(1);
    }
    (void)!cv_runtime_run(cx);
    _exit(3);
}

static void a_killed_process_loses_nothing_that_it_acknowledged(void **state)
{
    fault_test *t = *state;
    enum { ENOUGH = 400 };
    static int acknowledged[1 << 20];
    size_t count = 0;
    int ack[2], number;
    if (TEST_UNDER_TSAN)
        skip();
    watched_quiet(&t->vfs);
    assert_int_equal(pipe(ack), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ack[0]);
        write_for_ever(t->db.url, ack[1]);
    }
    close(ack[1]);
    while (count < ENOUGH && read(ack[0], &number, sizeof number) == sizeof number)
        acknowledged[count++] = number;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    while (count < sizeof acknowledged / sizeof *acknowledged && read(ack[0], &number, sizeof number) == sizeof number)
        acknowledged[count++] = number;
    close(ack[0]);
    assert_true(count >= ENOUGH);
    for (size_t i = 0; i < count; i++)
        CV_SCOPE(t->db.cx)
        {
            assert_int_equal(count_of(t->db.cx, "SELECT count(*) FROM n WHERE x = ?", acknowledged[i]), 1);
        }
    cv_value verdict;
    assert_ok(t->db.cx, cv_scalar(t->db.cx, &verdict, "PRAGMA integrity_check"));
    assert_true(cv_str_equal(verdict.as.text, CV_STR("ok")));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_commit_that_fails_once_is_made_up_for_one_by_one),
        CASE(each_is_told_when_the_disk_fails_for_good),
        CASE(nobody_is_run_again_when_a_journal_leaves_it_open_what_was_committed),
        CASE(who_runs_out_of_time_in_a_commit_is_told_that_nobody_knows),
        CASE(who_is_cancelled_in_a_commit_that_ends_soon_has_its_result),
        CASE(writes_gather_while_a_commit_is_under_way),
        CASE(all_who_wait_for_a_lock_are_told_of_it),
        CASE(who_has_less_time_than_the_lock_takes_leaves),
        CASE(a_killed_process_loses_nothing_that_it_acknowledged),
    };
    return cmocka_run_group_tests_name("db write lane faults", tests, NULL, NULL);
}
