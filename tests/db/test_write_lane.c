/* Autocommit writes that share commits: who waits, who leaves, who shares with whom. */
#include "db_test.h"

#include "db/db.h"
#include "db/sqlite/sqlite.h"

enum { FIBERS = 100 };

static const char endless[] = "INSERT INTO n (x) WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
                              "SELECT x FROM c WHERE x < 0";

static int set_up(void **state)
{
    static db_test t;
    db_test_init(&t, "busy_timeout=300ms");
    t.db->lane.group_ns *= 1000; /* also on a slow machine those of one turn are one group */
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE n (id INTEGER PRIMARY KEY, x BIGINT UNIQUE)"));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

typedef struct job {
    int64_t x, ms;
    int rc;
    cv_result result;
    char message[200];
} job;

static int insert_one(cv_ctx *cx, void *arg)
{
    job *own = arg;
    own->rc = cv_exec(cx, &own->result, "INSERT INTO n (x) VALUES (?)", own->x);
    if (own->rc < 0) {
        snprintf(own->message, sizeof own->message, "%s", cv_error_last(cx)->message);
        cv_error_clear(cx);
    }
    return 0;
}

static int insert_within(cv_ctx *cx, void *arg)
{
    job *own = arg;
    CV_WITHIN(cx, own->ms)
    {
        return insert_one(cx, arg);
    }
    return 0;
}

static int insert_without_end(cv_ctx *cx, void *arg)
{
    job *own = arg;
    CV_WITHIN(cx, own->ms)
    {
        own->rc = cv_sql_run(cx, endless, NULL, 0, NULL, NULL);
    }
    cv_error_clear(cx);
    return 0;
}

/* One fiber for each job, all started before any of them runs. */
static void run_all(cv_ctx *cx, cv_fiber_fn *fn, job *jobs, size_t count)
{
    static cv_fiber *fibers[FIBERS];
    for (size_t i = 0; i < count; i++)
        assert_ok(cx, cv_spawn(cx, "writer", fn, &jobs[i], &fibers[i]));
    for (size_t i = 0; i < count; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
}

static const cv__write_lane *lane_of(const db_test *t)
{
    return &t->db->lane;
}

static void writes_of_one_turn_share_a_commit(void **state)
{
    db_test *t = *state;
    job jobs[FIBERS] = {0};
    for (int i = 0; i < FIBERS; i++)
        jobs[i].x = i;
    run_all(t->cx, insert_one, jobs, FIBERS);
    assert_int_equal(lane_of(t)->grouped_total, FIBERS);
    assert_int_equal(lane_of(t)->groups_total, 1);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), FIBERS);
}

static void each_has_the_result_of_its_own_statement(void **state)
{
    db_test *t = *state;
    job jobs[FIBERS] = {0};
    for (int i = 0; i < FIBERS; i++)
        jobs[i].x = 1000 + i;
    run_all(t->cx, insert_one, jobs, FIBERS);
    for (int i = 0; i < FIBERS; i++) {
        assert_int_equal(jobs[i].result.affected, 1);
        assert_int_equal(count_of(t->cx, "SELECT x FROM n WHERE id = ?", jobs[i].result.last_insert_id), 1000 + i);
    }
}

static void more_writes_than_a_group_holds_are_all_written(void **state)
{
    db_test *t = *state;
    cv_ctx *cx = t->cx;
    enum { MANY = 700 };
    static job jobs[MANY];
    static cv_fiber *fibers[MANY];
    for (int i = 0; i < MANY; i++) {
        jobs[i] = (job){.x = i};
        assert_ok(cx, cv_spawn(cx, "writer", insert_one, &jobs[i], &fibers[i]));
    }
    for (int i = 0; i < MANY; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    assert_true(lane_of(t)->groups_total >= 3);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), MANY);
}

static void a_write_in_the_main_context_needs_no_lane(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n (x) VALUES (1)"));
    assert_int_equal(lane_of(t)->groups_total, 0);
}

/* ---- beside transactions ---- */

static int insert_in_transaction(cv_ctx *cx, void *arg)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(insert_one(cx, arg));
        CV_TRY(cv_yield(cx));
        CV_TRY(cv_exec(cx, NULL, "UPDATE n SET x = x + 100000 WHERE x = ?", ((job *)arg)->x));
    }
    return 0;
}

static int insert_either_way(cv_ctx *cx, void *arg)
{
    return ((job *)arg)->x % 2 ? insert_in_transaction(cx, arg) : insert_one(cx, arg);
}

static void groups_and_transactions_take_turns(void **state)
{
    db_test *t = *state;
    job jobs[FIBERS] = {0};
    for (int i = 0; i < FIBERS; i++)
        jobs[i].x = i;
    run_all(t->cx, insert_either_way, jobs, FIBERS);
    assert_int_equal(lane_of(t)->grouped_total, FIBERS / 2);
    assert_int_equal(lane_of(t)->lost_total, 0);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n WHERE x >= 100000"), FIBERS / 2);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n WHERE x < 100000"), FIBERS / 2);
}

static int hold_the_writer(cv_ctx *cx, void *arg)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (-1)"));
        while (!*(bool *)arg)
            CV_TRY(cv_sleep_ms(cx, 1));
    }
    return 0;
}

static void a_write_that_waits_in_vain_was_not_written(void **state)
{
    db_test *t = *state;
    cv_ctx *cx = t->cx;
    bool release = false;
    job hurried = {.x = 1, .ms = 20};
    cv_fiber *holder;
    assert_ok(cx, cv_spawn(cx, "holder", hold_the_writer, &release, &holder));
    assert_ok(cx, cv_yield(cx));
    run_all(cx, insert_within, &hurried, 1);
    release = true;
    assert_ok(cx, cv_join(cx, holder, NULL));
    assert_int_equal(hurried.rc, CV_E_TIMEOUT);
    assert_non_null(strstr(hurried.message, "deadline"));
    assert_int_equal(lane_of(t)->left_total, 1);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n WHERE x = 1"), 0);
}

static void a_cancelled_write_leaves_the_queue(void **state)
{
    db_test *t = *state;
    cv_ctx *cx = t->cx;
    bool release = false;
    job cancelled = {.x = 1}, other = {.x = 2};
    cv_fiber *holder, *fiber, *beside;
    assert_ok(cx, cv_spawn(cx, "holder", hold_the_writer, &release, &holder));
    assert_ok(cx, cv_yield(cx));
    assert_ok(cx, cv_spawn(cx, "writer", insert_one, &cancelled, &fiber));
    assert_ok(cx, cv_spawn(cx, "writer", insert_one, &other, &beside));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fiber);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    release = true;
    assert_ok(cx, cv_join(cx, holder, NULL));
    assert_ok(cx, cv_join(cx, beside, NULL));
    assert_int_equal(cancelled.rc, CV_E_CANCELLED);
    assert_int_equal(other.rc, 0);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n WHERE x = 1"), 0);
}

static void the_wait_for_the_writer_has_the_limit_of_the_pool(void **state)
{
    db_test *t = *state;
    cv_ctx *cx = t->cx;
    bool release = false;
    job jobs[3] = {{.x = 1}, {.x = 2}, {.x = 3}};
    cv_fiber *holder;
    t->db->writers.options.acquire_timeout_ms = 20;
    assert_ok(cx, cv_spawn(cx, "holder", hold_the_writer, &release, &holder));
    assert_ok(cx, cv_yield(cx));
    run_all(cx, insert_one, jobs, 3);
    release = true;
    assert_ok(cx, cv_join(cx, holder, NULL));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(jobs[i].rc, CV_E_POOL_TIMEOUT);
        assert_non_null(strstr(jobs[i].message, "20 ms"));
    }
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n WHERE x > 0"), 0);
}

/* ---- long statements ---- */

static void a_statement_without_end_has_its_own_deadline_and_harms_nobody(void **state)
{
    db_test *t = *state;
    cv_ctx *cx = t->cx;
    job jobs[4] = {{.x = 1}, {.x = 2}, {.x = 3}, {.x = 4}}, long_one = {.ms = 400};
    cv_fiber *fibers[4], *long_fiber;
    for (int i = 0; i < 2; i++)
        assert_ok(cx, cv_spawn(cx, "writer", insert_one, &jobs[i], &fibers[i]));
    assert_ok(cx, cv_spawn(cx, "long", insert_without_end, &long_one, &long_fiber));
    for (int i = 2; i < 4; i++)
        assert_ok(cx, cv_spawn(cx, "writer", insert_one, &jobs[i], &fibers[i]));
    for (int i = 0; i < 4; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    assert_ok(cx, cv_join(cx, long_fiber, NULL));
    for (int i = 0; i < 4; i++)
        assert_int_equal(jobs[i].rc, 0);
    assert_int_equal(long_one.rc, CV_E_TIMEOUT);
    assert_int_equal(lane_of(t)->lost_total, 1);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 4);
}

static void a_statement_that_cost_a_group_runs_alone_for_a_while(void **state)
{
    db_test *t = *state;
    job long_one[2] = {{.ms = 150}, {.ms = 150}}, other = {.x = 1};
    run_all(t->cx, insert_without_end, long_one, 1);
    assert_int_equal(lane_of(t)->lost_total, 1);
    run_all(t->cx, insert_without_end, long_one + 1, 1);
    assert_int_equal(lane_of(t)->lost_total, 1);
    assert_int_equal(long_one[1].rc, CV_E_TIMEOUT);
    run_all(t->cx, insert_one, &other, 1);
    assert_int_equal(other.rc, 0);
}

static void who_leaves_while_its_statement_runs_is_told_the_truth(void **state)
{
    db_test *t = *state;
    job long_one = {.ms = 10};
    run_all(t->cx, insert_without_end, &long_one, 1); /* stopped after 50 ms, its group undone */
    assert_int_equal(long_one.rc, CV_E_TIMEOUT);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 0);
}

/* ---- what does not fit ---- */

static int insert_returning(cv_ctx *cx, void *arg)
{
    cv_rows *rows;
    int rc = cv_select(cx, &rows, "INSERT INTO n (x) VALUES (?) RETURNING id", ((job *)arg)->x);
    if (rc < 0)
        return rc;
    assert_int_equal(cv_rows_next(cx, rows), 1);
    ((job *)arg)->result.last_insert_id = cv_rows_get(rows, 0).as.i64;
    assert_ok(cx, cv_exec(cx, NULL, "UPDATE n SET x = x + 1 WHERE id = ?", ((job *)arg)->result.last_insert_id));
    cv_rows_close(cx, rows);
    return 0;
}

static void rows_of_a_write_hold_the_writer_and_their_fiber_may_write_on(void **state)
{
    db_test *t = *state;
    job jobs[10] = {0};
    for (int i = 0; i < 10; i++)
        jobs[i].x = i * 10;
    run_all(t->cx, insert_returning, jobs, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(count_of(t->cx, "SELECT x FROM n WHERE id = ?", jobs[i].result.last_insert_id), i * 10 + 1);
    assert_int_equal(lane_of(t)->groups_total, 0);
}

static int set_a_pragma(cv_ctx *cx, void *arg)
{
    ((job *)arg)->rc = cv_exec(cx, NULL, "PRAGMA user_version = 7");
    return 0;
}

static void what_is_no_row_change_runs_outside_of_groups(void **state)
{
    db_test *t = *state;
    job jobs[2] = {0};
    run_all(t->cx, set_a_pragma, jobs, 2);
    assert_int_equal(jobs[0].rc, 0);
    assert_int_equal(lane_of(t)->groups_total, 0);
    assert_int_equal(count_of(t->cx, "PRAGMA user_version"), 7);
}

static void closing_the_database_ends_the_waits(void **state)
{
    db_test *t = *state;
    cv_ctx *cx = t->cx;
    bool release = false;
    job one = {.x = 1};
    cv_fiber *holder, *fiber;
    assert_ok(cx, cv_spawn(cx, "holder", hold_the_writer, &release, &holder));
    assert_ok(cx, cv_yield(cx));
    assert_ok(cx, cv_spawn(cx, "writer", insert_one, &one, &fiber));
    assert_ok(cx, cv_yield(cx));
    release = true;
    cv_db_close(cx, t->db);
    t->db = NULL;
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_ok(cx, cv_join(cx, holder, NULL));
    assert_int_equal(one.rc, CV_E_CLOSED);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(writes_of_one_turn_share_a_commit),
        CASE(each_has_the_result_of_its_own_statement),
        CASE(more_writes_than_a_group_holds_are_all_written),
        CASE(a_write_in_the_main_context_needs_no_lane),
        CASE(groups_and_transactions_take_turns),
        CASE(a_write_that_waits_in_vain_was_not_written),
        CASE(a_cancelled_write_leaves_the_queue),
        CASE(the_wait_for_the_writer_has_the_limit_of_the_pool),
        CASE(a_statement_without_end_has_its_own_deadline_and_harms_nobody),
        CASE(a_statement_that_cost_a_group_runs_alone_for_a_while),
        CASE(who_leaves_while_its_statement_runs_is_told_the_truth),
        CASE(rows_of_a_write_hold_the_writer_and_their_fiber_may_write_on),
        CASE(what_is_no_row_change_runs_outside_of_groups),
        CASE(closing_the_database_ends_the_waits),
    };
    return cmocka_run_group_tests_name("db write lane", tests, NULL, NULL);
}
