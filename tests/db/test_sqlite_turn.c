/* Reads of one turn of the loop share a read transaction, and give what they would give alone. */
#include "db_test.h"
#include "watched_vfs.h"

typedef struct turn_test {
    db_test db;
    watched_vfs vfs;
    sqlite3 *other; /* another connection to the file, as another process has it */
} turn_test;

static turn_test test;

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
    snprintf(url, sizeof url, "%s?%s", test.db.url, query);
    assert_ok(test.db.cx, cv_db_open(test.db.cx, url, NULL, &test.db.db));
    cv_use_db(test.db.cx, test.db.db);
    assert_ok(test.db.cx, cv_exec(test.db.cx, NULL, "CREATE TABLE n (x INTEGER PRIMARY KEY, y BIGINT NOT NULL)"));
    assert_ok(test.db.cx, cv_exec(test.db.cx, NULL,
                                  "INSERT INTO n WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE "
                                  "x < 1000) SELECT x, 0 FROM c"));
    assert_int_equal(sqlite3_open_v2(test.db.path, &test.other, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK);
}

/* Without syncs nothing suspends: what a fiber does here is done in one turn. */
static int set_up(void **state)
{
    open_database("synchronous=off&max_connections=2");
    *state = &test;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_close(test.other), SQLITE_OK);
    db_test_done(&test.db);
    watched_vfs_done(&test.vfs);
    return 0;
}

static void by_other(const char *sql)
{
    assert_int_equal(sqlite3_exec(test.other, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* Whether nobody holds an old snapshot: only then can the log be emptied. */
static bool can_empty_log(void)
{
    by_other("UPDATE n SET y = y WHERE x = 1");
    return sqlite3_wal_checkpoint_v2(test.other, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK;
}

static int run_in_fiber(cv_ctx *cx, cv_fiber_fn *fn, void *arg)
{
    cv_fiber *fiber;
    CV_TRY(cv_spawn(cx, "worker", fn, arg, &fiber));
    return cv_join(cx, fiber, NULL);
}

static int read_often(cv_ctx *cx, void *arg)
{
    for (int i = 1; i <= *(int *)arg; i++)
        assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = ?", i % 1000 + 1), 0);
    return 0;
}

static void reads_of_a_turn_take_one_lock(void **state)
{
    turn_test *t = *state;
    int reads = 500;
    assert_ok(t->db.cx, read_often(t->db.cx, &(int){1}));
    watched_vfs_forget(&t->vfs);
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_often, &reads));
    assert_in_range(t->vfs.on_loop[WATCHED_LOCK], 1, 50);
    watched_vfs_forget(&t->vfs);
    assert_ok(t->db.cx, read_often(t->db.cx, &reads)); /* the main context has no turns */
    assert_true(t->vfs.on_loop[WATCHED_LOCK] >= 500);
}

static void a_turn_may_be_as_long_as_it_likes(void **state)
{
    turn_test *t = *state;
    int reads = 2500;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_often, &reads));
}

static void when_the_turn_is_over_the_snapshot_is_gone(void **state)
{
    turn_test *t = *state;
    int reads = 3;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_often, &reads));
    assert_true(can_empty_log());
}

static int read_and_write_in_turn(cv_ctx *cx, void *arg)
{
    (void)arg;
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 7"), 2 * i - 2);
        CV_TRY(cv_exec(cx, NULL, "UPDATE n SET y = y + 1 WHERE x = 7"));
        assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 7"), 2 * i - 1);
        by_other("UPDATE n SET y = y + 1 WHERE x = 7");
        assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 7"), 2 * i);
    }
    return 0;
}

static void every_commit_is_seen_by_the_next_read(void **state)
{
    turn_test *t = *state;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_and_write_in_turn, NULL));
}

static int read_while_the_log_restarts(cv_ctx *cx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 7"), i);
        CV_TRY(cv_sleep_ms(cx, 1)); /* the turn ends */
        assert_int_equal(sqlite3_wal_checkpoint_v2(test.other, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL), SQLITE_OK);
        by_other("UPDATE n SET y = y + 1 WHERE x = 7");
    }
    return 0;
}

static void a_log_that_begins_anew_is_noticed(void **state)
{
    turn_test *t = *state;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_while_the_log_restarts, NULL));
}

static int keep_rows_open(cv_ctx *cx, void *arg)
{
    cv_rows *rows;
    int count = 0, rc;
    (void)arg;
    CV_TRY(cv_select(cx, &rows, "SELECT y FROM n ORDER BY x"));
    CV_TRY(cv_rows_next(cx, rows));
    CV_TRY(cv_sleep_ms(cx, 1)); /* the turn ends, the rows go on */
    by_other("UPDATE n SET y = 5");
    assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 1"), 5);
    while ((rc = cv_rows_next(cx, rows)) > 0 && ++count)
        assert_int_equal(cv_rows_get(rows, 0).as.i64, 0);
    assert_int_equal(count, 999);
    CV_TRY(rc);
    assert_int_equal(count_of(cx, "SELECT sum(y) FROM n"), 5000);
    return 0;
}

static void rows_beyond_the_turn_keep_their_snapshot(void **state)
{
    turn_test *t = *state;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, keep_rows_open, NULL));
    assert_true(can_empty_log());
}

static int read_in_transaction(cv_ctx *cx, void *arg)
{
    (void)arg;
    assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 1"), 0); /* opens the shared transaction */
    CV_ATOMIC_WITH(cx, &(cv_tx_options){.read_only = true})
    {
        assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 1"), 0);
        by_other("UPDATE n SET y = 1 WHERE x = 1");
        assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 1"), 0);
        CV_TRY(cv_sleep_ms(cx, 1));
        assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 1"), 0);
    }
    assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 1"), 1);
    return 0;
}

static void a_transaction_is_not_the_shared_one(void **state)
{
    turn_test *t = *state;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_in_transaction, NULL));
    assert_true(can_empty_log());
}

static int fail_between(cv_ctx *cx, void *arg)
{
    (void)arg;
    assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 1"), 0);
    cv_value value = CV_NULL;
    assert_fails(cx, cv_scalar(cx, &value, "SELECT abs(-9223372036854775807 - 1) FROM n"), CV_E_SQL, "overflow");
    by_other("UPDATE n SET y = 1 WHERE x = 1");
    assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 1"), 1);
    assert_int_equal(count_of(cx, "PRAGMA query_only"), 1);
    assert_int_equal(count_of(cx, "SELECT y FROM n WHERE x = 1"), 1);
    return 0;
}

static void a_read_that_fails_does_no_harm_to_the_others(void **state)
{
    turn_test *t = *state;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, fail_between, NULL));
    assert_true(can_empty_log());
}

static int change_the_schema_between(cv_ctx *cx, void *arg)
{
    (void)arg;
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 1000);
    by_other("ALTER TABLE n ADD COLUMN z BIGINT DEFAULT 3");
    assert_int_equal(count_of(cx, "SELECT z FROM n WHERE x = 1"), 3);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 1000);
    return 0;
}

static void a_changed_schema_is_seen(void **state)
{
    turn_test *t = *state;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, change_the_schema_between, NULL));
}

static int run_over_many_turns(cv_ctx *cx, void *arg)
{
    cv_value value = CV_NULL;
    (void)arg;
    return cv_scalar(cx, &value,
                     "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300000) "
                     "SELECT count(*) FROM c, n WHERE n.x = 1");
}

static void a_statement_longer_than_its_turn_ends_the_transaction_itself(void **state)
{
    turn_test *t = *state;
    cv_fiber *fiber;
    assert_ok(t->db.cx, cv_spawn(t->db.cx, "long", run_over_many_turns, NULL, &fiber));
    for (int i = 0; i < 5; i++)
        assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_often, &(int){5}));
    assert_ok(t->db.cx, cv_join(t->db.cx, fiber, NULL));
    assert_true(can_empty_log());
}

static int close_within_the_turn(cv_ctx *cx, void *arg)
{
    turn_test *t = arg;
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 1000);
    cv_db_close(cx, t->db.db);
    t->db.db = NULL;
    return 0;
}

static void a_database_may_be_closed_within_the_turn(void **state)
{
    turn_test *t = *state;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, close_within_the_turn, t));
    cv_use_db(t->db.cx, NULL);
    assert_true(can_empty_log());
}

static int set_up_journal(void **state)
{
    open_database("synchronous=off&journal_mode=delete");
    *state = &test;
    return 0;
}

static void without_a_wal_every_read_stands_alone(void **state)
{
    turn_test *t = *state;
    assert_ok(t->db.cx, run_in_fiber(t->db.cx, read_and_write_in_turn, NULL));
}

int main(void)
{
#define turn_case(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        turn_case(reads_of_a_turn_take_one_lock),
        turn_case(a_turn_may_be_as_long_as_it_likes),
        turn_case(when_the_turn_is_over_the_snapshot_is_gone),
        turn_case(every_commit_is_seen_by_the_next_read),
        turn_case(a_log_that_begins_anew_is_noticed),
        turn_case(rows_beyond_the_turn_keep_their_snapshot),
        turn_case(a_transaction_is_not_the_shared_one),
        turn_case(a_read_that_fails_does_no_harm_to_the_others),
        turn_case(a_changed_schema_is_seen),
        turn_case(a_statement_longer_than_its_turn_ends_the_transaction_itself),
        turn_case(a_database_may_be_closed_within_the_turn),
        cmocka_unit_test_setup_teardown(without_a_wal_every_read_stands_alone, set_up_journal, tear_down),
    };
    return cmocka_run_group_tests(tests, configure, NULL);
}
