/* Statements that share a commit on SQLite: each fails alone, a lost group is run again one by one. */
#include "db_test.h"

#include "db/db.h"

enum { FIBERS = 12 };

static int set_up(void **state)
{
    static db_test t;
    db_test_init(&t, "busy_timeout=300ms");
    t.db->lane.group_ns *= 1000; /* also on a slow machine they are one group */
    t.db->lane.statement_ms *= 1000;
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE n (id INTEGER PRIMARY KEY, x BIGINT UNIQUE CHECK (x < 1000))"));
    assert_ok(t.cx, cv_exec(t.cx, NULL,
                            "CREATE TABLE child (id INTEGER PRIMARY KEY, parent BIGINT REFERENCES n (id) DEFERRABLE "
                            "INITIALLY DEFERRED)"));
    assert_ok(t.cx, cv_exec(t.cx, NULL,
                            "CREATE TABLE strict_child (id INTEGER PRIMARY KEY, parent BIGINT REFERENCES n (id))"));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

typedef struct job {
    const char *sql;
    int rc;
    cv_result result;
    char message[200], column[32];
} job;

static int run_job(cv_ctx *cx, void *arg)
{
    job *own = arg;
    own->rc = cv_sql_run(cx, own->sql, NULL, 0, &own->result, NULL);
    if (own->rc < 0) {
        const cv_error *error = cv_error_last(cx);
        snprintf(own->message, sizeof own->message, "%s", error->message);
        snprintf(own->column, sizeof own->column, "%s", error->column ? error->column : "");
        cv_error_clear(cx);
    }
    return 0;
}

static void run_all(cv_ctx *cx, job *jobs, size_t count)
{
    cv_fiber *fibers[FIBERS];
    for (size_t i = 0; i < count; i++)
        assert_ok(cx, cv_spawn(cx, "writer", run_job, &jobs[i], &fibers[i]));
    for (size_t i = 0; i < count; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
}

#define JOBS(...)                                                                                                      \
    job jobs[] = {__VA_ARGS__};                                                                                        \
    const size_t count = sizeof jobs / sizeof jobs[0];                                                                 \
    run_all(t->cx, jobs, count)

static void expect_groups(const db_test *t, uint64_t groups, uint64_t lost)
{
    assert_int_equal(t->db->lane.groups_total, groups);
    assert_int_equal(t->db->lane.lost_total, lost);
}

static void a_violation_spoils_nobody_else(void **state)
{
    db_test *t = *state;
    JOBS({"INSERT INTO n (x) VALUES (1)"}, {"INSERT INTO n (x) VALUES (1)"}, {"INSERT INTO n (x) VALUES (5000)"},
         {"INSERT INTO strict_child (parent) VALUES (77)"}, {"INSERT INTO nowhere (x) VALUES (1)"},
         {"INSERT INTO n (x) VALUES (2)"});
    assert_int_equal(jobs[0].rc, 0);
    assert_int_equal(jobs[1].rc, CV_E_UNIQUE);
    assert_string_equal(jobs[1].column, "x");
    assert_int_equal(jobs[2].rc, CV_E_CHECK);
    assert_int_equal(jobs[3].rc, CV_E_FOREIGN_KEY);
    assert_int_equal(jobs[4].rc, CV_E_SQL);
    assert_non_null(strstr(jobs[4].message, "nowhere"));
    assert_int_equal(jobs[5].rc, 0);
    assert_int_equal(count_of(t->cx, "SELECT sum(x) FROM n"), 3);
    expect_groups(t, 1, 0);
}

static void a_statement_of_many_rows_that_fails_in_the_middle_leaves_none(void **state)
{
    db_test *t = *state;
    JOBS({"INSERT INTO n (x) VALUES (1)"}, {"INSERT INTO n (x) VALUES (10), (11), (12), (1), (13)"},
         {"INSERT INTO n (x) VALUES (2), (3)"});
    assert_int_equal(jobs[1].rc, CV_E_UNIQUE);
    assert_int_equal(jobs[2].result.affected, 2);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 3);
    expect_groups(t, 1, 0);
}

static void or_fail_keeps_what_it_did_as_it_does_alone(void **state)
{
    db_test *t = *state;
    JOBS({"INSERT INTO n (x) VALUES (1)"}, {"INSERT OR FAIL INTO n (x) VALUES (10), (1), (11)"});
    assert_int_equal(jobs[1].rc, CV_E_UNIQUE);
    assert_int_equal(count_of(t->cx, "SELECT sum(x) FROM n"), 11);
}

static void or_rollback_does_not_take_the_others_along(void **state)
{
    db_test *t = *state;
    JOBS({"INSERT INTO n (x) VALUES (1)"}, {"INSERT OR ROLLBACK INTO n (x) VALUES (1)"},
         {"INSERT INTO n (x) VALUES (2)"});
    assert_int_equal(jobs[0].rc, 0);
    assert_int_equal(jobs[1].rc, CV_E_UNIQUE);
    assert_int_equal(jobs[2].rc, 0);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 2);
    assert_int_equal(t->db->lane.lost_total, 1);
}

static void a_trigger_that_rolls_back_does_not_take_the_others_along(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_exec(t->cx, NULL,
                             "CREATE TRIGGER no_nine BEFORE INSERT ON n WHEN new.x = 9 BEGIN SELECT RAISE(ROLLBACK, "
                             "'no nine'); END"));
    JOBS({"INSERT INTO n (x) VALUES (1)"}, {"INSERT INTO n (x) VALUES (9)"}, {"INSERT INTO n (x) VALUES (2)"},
         {"INSERT INTO n (x) VALUES (3)"});
    assert_int_equal(jobs[1].rc, CV_E_CHECK);
    assert_non_null(strstr(jobs[1].message, "no nine"));
    assert_int_equal(count_of(t->cx, "SELECT sum(x) FROM n"), 6);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(jobs[i].rc, i == 1 ? CV_E_CHECK : 0);
}

static void a_deferred_foreign_key_fails_alone(void **state)
{
    db_test *t = *state;
    JOBS({"INSERT INTO n (id, x) VALUES (1, 1)"}, {"INSERT INTO child (parent) VALUES (77)"},
         {"INSERT INTO child (parent) VALUES (1)"}, {"INSERT INTO n (x) VALUES (2)"});
    assert_int_equal(jobs[0].rc, 0);
    assert_int_equal(jobs[1].rc, CV_E_FOREIGN_KEY);
    assert_int_equal(jobs[2].rc, 0);
    assert_int_equal(jobs[3].rc, 0);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM child"), 1);
    expect_groups(t, 1, 0);
}

static void a_deferred_key_is_seen_when_the_schema_gets_it_later(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE late (parent BIGINT)"));
    {
        JOBS({"INSERT INTO late (parent) VALUES (77)"});
        assert_int_equal(jobs[0].rc, 0);
    }
    assert_ok(t->cx, cv_exec(t->cx, NULL, "DROP TABLE late"));
    assert_ok(t->cx, cv_exec(t->cx, NULL,
                             "CREATE TABLE late (parent BIGINT REFERENCES n (id) DEFERRABLE INITIALLY DEFERRED)"));
    JOBS({"INSERT INTO n (x) VALUES (1)"}, {"INSERT INTO late (parent) VALUES (77)"}, {"INSERT INTO n (x) VALUES (2)"});
    assert_int_equal(jobs[0].rc, 0);
    assert_int_equal(jobs[1].rc, CV_E_FOREIGN_KEY);
    assert_int_equal(jobs[2].rc, 0);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM late"), 0);
}

static void deleting_a_parent_of_a_deferred_key_fails_alone(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n (id, x) VALUES (1, 1)"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO child (parent) VALUES (1)"));
    JOBS({"INSERT INTO n (x) VALUES (2)"}, {"DELETE FROM n WHERE id = 1"}, {"UPDATE n SET x = 3 WHERE id = 1"});
    assert_int_equal(jobs[1].rc, CV_E_FOREIGN_KEY);
    assert_int_equal(jobs[2].result.affected, 1);
    assert_int_equal(count_of(t->cx, "SELECT x FROM n WHERE id = 1"), 3);
    expect_groups(t, 1, 0);
}

static void rows_that_are_not_wanted_do_not_matter(void **state)
{
    db_test *t = *state;
    JOBS({"INSERT INTO n (x) VALUES (1) RETURNING id"}, {"INSERT INTO n (x) VALUES (1) RETURNING id"},
         {"INSERT INTO n (x) VALUES (2) RETURNING id"});
    assert_int_equal(jobs[0].rc, 0);
    assert_int_equal(jobs[1].rc, CV_E_UNIQUE);
    assert_int_equal(jobs[2].rc, 0);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 2);
    expect_groups(t, 1, 0);
}

static void emptying_a_table_is_done_alone(void **state)
{
    db_test *t = *state;
    JOBS({"INSERT INTO n (x) VALUES (1)"}, {"DELETE FROM strict_child"}, {"INSERT INTO n (x) VALUES (2)"});
    for (size_t i = 0; i < count; i++)
        assert_int_equal(jobs[i].rc, 0);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 2);
    expect_groups(t, 1, 0);
}

static void a_full_disk_fails_those_that_do_not_fit_alone(void **state)
{
    db_test *t = *state;
    cv_value pages;
    assert_ok(t->cx, cv_scalar(t->cx, &pages, "PRAGMA page_count"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE big (x BLOB)"));
    /* per connection: the writer may not grow the file by more than a few pages */
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %lld", (long long)pages.as.i64 + 4);
    assert_ok(t->cx, cv_sql_run(t->cx, sql, NULL, 0, NULL, NULL));
    JOBS({"INSERT INTO n (x) VALUES (1)"}, {"INSERT INTO big VALUES (zeroblob(100000))"},
         {"INSERT INTO n (x) VALUES (2)"});
    assert_int_equal(jobs[0].rc, 0);
    assert_int_equal(jobs[1].rc, CV_E_DISK_FULL);
    assert_int_equal(jobs[2].rc, 0);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 2);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM big"), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_violation_spoils_nobody_else),
        CASE(a_statement_of_many_rows_that_fails_in_the_middle_leaves_none),
        CASE(or_fail_keeps_what_it_did_as_it_does_alone),
        CASE(or_rollback_does_not_take_the_others_along),
        CASE(a_trigger_that_rolls_back_does_not_take_the_others_along),
        CASE(a_deferred_foreign_key_fails_alone),
        CASE(a_deferred_key_is_seen_when_the_schema_gets_it_later),
        CASE(deleting_a_parent_of_a_deferred_key_fails_alone),
        CASE(rows_that_are_not_wanted_do_not_matter),
        CASE(emptying_a_table_is_done_alone),
        CASE(a_full_disk_fails_those_that_do_not_fit_alone),
    };
    return cmocka_run_group_tests_name("db sqlite group", tests, NULL, NULL);
}
