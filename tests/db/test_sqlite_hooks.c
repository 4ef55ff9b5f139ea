/* Being told of changes: after the commit, in batches; and of each row before it changes. */
#include "db_test.h"

#include "db/db.h"
#include <covet/sqlite.h>

typedef struct seen {
    char text[4096]; /* "+n:1 " inserted, "~n:1 " updated, "-n:1 " deleted; "|" after each batch */
    int batches, incomplete;
    size_t rows;
    bool slow;
} seen;

typedef struct hook_test {
    db_test t;
    seen seen;
    cv_sqlite_watch *watch;
} hook_test;

static void note(cv_ctx *cx, void *arg, const cv_sqlite_changes *changes)
{
    static const char marks[] = {'+', '~', '-'};
    seen *s = arg;
    if (s->slow)
        assert_ok(cx, cv_sleep_ms(cx, 1));
    for (size_t i = 0; i < changes->count && strlen(s->text) < sizeof s->text - 100; i++)
        snprintf(s->text + strlen(s->text), 64, "%c%s:%lld ", marks[changes->changes[i].op], changes->changes[i].table,
                 (long long)changes->changes[i].rowid);
    if (strlen(s->text) < sizeof s->text - 2)
        strcat(s->text, "|");
    s->batches++;
    s->rows += changes->count;
    s->incomplete += changes->incomplete;
}

static int set_up(void **state)
{
    static hook_test h;
    memset(&h, 0, sizeof h);
    db_test_init(&h.t, NULL);
    h.t.db->lane.group_ns *= 1000; /* also on a slow machine those of one turn are one group */
    cv_ctx *cx = h.t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE n (id INTEGER PRIMARY KEY, x BIGINT UNIQUE, t TEXT)"));
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE w (k TEXT PRIMARY KEY, v REAL) WITHOUT ROWID"));
    assert_ok(cx, cv_sqlite_on_change(cx, h.t.db, note, &h.seen, &h.watch));
    *state = &h;
    return 0;
}

static int tear_down(void **state)
{
    hook_test *h = *state;
    cv_sqlite_watch_end(h->watch);
    db_test_done(&h->t);
    return 0;
}

/* The fiber that tells has run. */
static const char *told(hook_test *h)
{
    assert_ok(h->t.cx, cv_runtime_run(h->t.cx));
    return h->seen.text;
}

static void a_statement_is_told_after_it_is_committed(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (10), (20)"));
    assert_ok(cx, cv_exec(cx, NULL, "UPDATE n SET x = x + 1 WHERE id = 2"));
    assert_ok(cx, cv_exec(cx, NULL, "DELETE FROM n WHERE id = 1"));
    assert_string_equal(h->seen.text, "");
    assert_string_equal(told(h), "+n:1 +n:2 |~n:2 |-n:1 |");
}

static void statements_that_change_nothing_are_not_told(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "UPDATE n SET x = 1 WHERE id = 77"));
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE other (x INT)"));
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 0);
    assert_string_equal(told(h), "");
}

static int write_in_blocks(cv_ctx *cx, bool undo_outer)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (1)"));
        CV_ATOMIC(cx)
        {
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (2)"));
            CV_ATOMIC(cx)
            {
                CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (3)"));
            }
            CV_TRY(cv_rollback(cx));
        }
        CV_ATOMIC(cx)
        {
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (4)"));
        }
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (5)"));
        if (undo_outer)
            CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static void a_transaction_is_one_batch_without_what_its_savepoints_took_back(void **state)
{
    hook_test *h = *state;
    assert_ok(h->t.cx, write_in_blocks(h->t.cx, false));
    assert_string_equal(told(h), "+n:1 +n:4 +n:5 |");
}

static void what_is_rolled_back_is_not_told(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    assert_ok(cx, write_in_blocks(cx, true));
    assert_string_equal(told(h), "");
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (9)"));
    assert_string_equal(told(h), "+n:9 |");
}

static int fail_inside(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (id, x) VALUES (2, 20)"));
        assert_int_equal(cv_exec(cx, NULL, "INSERT INTO n (id, x) VALUES (3, 30), (4, 10)"), CV_E_UNIQUE);
        cv_error_clear(cx);
        assert_int_equal(cv_exec(cx, NULL, "INSERT OR FAIL INTO n (id, x) VALUES (5, 50), (6, 10)"), CV_E_UNIQUE);
        cv_error_clear(cx);
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (id, x) VALUES (7, 70)"));
    }
    return 0;
}

static void a_failing_statement_is_told_as_far_as_it_stays(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (id, x) VALUES (1, 10)"));
    assert_int_equal(cv_exec(cx, NULL, "INSERT INTO n (id, x) VALUES (3, 30), (4, 10)"), CV_E_UNIQUE);
    cv_error_clear(cx);
    assert_ok(cx, fail_inside(cx));
    assert_int_equal(cv_exec(cx, NULL, "INSERT OR FAIL INTO n (id, x) VALUES (8, 80), (9, 10)"), CV_E_UNIQUE);
    cv_error_clear(cx);
    assert_string_equal(told(h), "+n:1 |+n:2 +n:5 +n:7 |+n:8 |");
}

static int lose_the_transaction(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (id, x) VALUES (1, 10)"));
        CV_TRY(cv_exec(cx, NULL, "INSERT OR ROLLBACK INTO n (id, x) VALUES (2, 10)"));
    }
    return 0;
}

static void a_transaction_that_the_engine_ends_is_not_told(void **state)
{
    hook_test *h = *state;
    assert_int_equal(lose_the_transaction(h->t.cx), CV_E_UNIQUE);
    cv_error_clear(h->t.cx);
    assert_string_equal(told(h), "");
}

static void rows_that_replace_removes_and_tables_that_are_emptied_are_told(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (id, x) VALUES (1, 10), (2, 20)"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT OR REPLACE INTO n (id, x) VALUES (3, 10)"));
    assert_ok(cx, cv_exec(cx, NULL, "DELETE FROM n"));
    assert_string_equal(told(h), "+n:1 +n:2 |-n:1 +n:3 |-n:2 -n:3 |");
}

static void a_table_without_rowids_is_told_without_them(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO w VALUES ('a', 1.5)"));
    assert_ok(cx, cv_exec(cx, NULL, "DELETE FROM w WHERE k = 'a'"));
    assert_string_equal(told(h), "+w:0 |-w:0 |");
}

/* ---- grouped writes ---- */

typedef struct job {
    int64_t id, x;
    int rc;
} job;

static int insert_one(cv_ctx *cx, void *arg)
{
    job *own = arg;
    own->rc = cv_exec(cx, NULL, "INSERT INTO n (id, x) VALUES (?, ?)", own->id, own->x);
    cv_error_clear(cx);
    return 0;
}

static int insert_or_rollback(cv_ctx *cx, void *arg)
{
    job *own = arg;
    own->rc = cv_exec(cx, NULL, "INSERT OR ROLLBACK INTO n (id, x) VALUES (?, ?)", own->id, own->x);
    cv_error_clear(cx);
    return 0;
}

static void grouped_writes_are_told_together_without_those_that_failed(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    job jobs[] = {{1, 10, 0}, {2, 10, 0}, {3, 30, 0}};
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "writer", insert_one, &jobs[i], NULL));
    assert_string_equal(told(h), "+n:1 +n:3 |");
    assert_int_equal(jobs[1].rc, CV_E_UNIQUE);
}

static void a_lost_group_is_told_once(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    job jobs[] = {{1, 10, 0}, {2, 10, 0}, {3, 30, 0}};
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "writer", i == 1 ? insert_or_rollback : insert_one, &jobs[i], NULL));
    (void)told(h);
    assert_int_equal(h->seen.rows, 2);
    assert_non_null(strstr(h->seen.text, "+n:1 "));
    assert_non_null(strstr(h->seen.text, "+n:3 "));
}

static void a_deferred_key_that_fails_in_a_group_is_not_told(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    assert_ok(cx, cv_exec(cx, NULL,
                          "CREATE TABLE c (id INTEGER PRIMARY KEY, n BIGINT REFERENCES n (id) DEFERRABLE INITIALLY "
                          "DEFERRED)"));
    assert_ok(cx,
              cv_exec(cx, NULL, "CREATE TRIGGER copy AFTER INSERT ON n BEGIN INSERT INTO c (n) VALUES (new.x); END"));
    job jobs[] = {{1, 1, 0}, {2, 77, 0}, {3, 3, 0}};
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "writer", insert_one, &jobs[i], NULL));
    assert_string_equal(told(h), "+n:1 +c:1 +n:3 +c:2 |");
    assert_int_equal(jobs[1].rc, CV_E_FOREIGN_KEY);
}

/* ---- watchers ---- */

static void a_watch_that_has_ended_is_told_nothing(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (1)"));
    cv_sqlite_watch_end(h->watch);
    h->watch = NULL;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (2)"));
    assert_string_equal(told(h), "");
}

static void end_itself(cv_ctx *cx, void *arg, const cv_sqlite_changes *changes)
{
    (void)cx, (void)changes;
    cv_sqlite_watch **own = arg;
    cv_sqlite_watch_end(*own);
    *own = NULL;
}

static void a_watch_may_end_itself_and_others_go_on(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    cv_sqlite_watch *brief;
    assert_ok(cx, cv_sqlite_on_change(cx, h->t.db, end_itself, &brief, &brief));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (1)"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (2)"));
    assert_string_equal(told(h), "+n:1 |+n:2 |");
    assert_null(brief);
}

static void a_slow_watcher_holds_nobody_up_and_is_told_what_it_lost(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    h->seen.slow = true;
    for (int i = 0; i < 1100; i++)
        assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (?)", i));
    h->seen.slow = false;
    (void)told(h);
    assert_in_range(h->seen.batches, 1000, 1099);
    assert_true(h->seen.incomplete > 0);
}

static void a_huge_transaction_is_told_in_part(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    assert_ok(cx,
              cv_exec(cx, NULL,
                      "INSERT INTO n (id) WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < "
                      "10500) SELECT i FROM c"));
    (void)told(h);
    assert_int_equal(h->seen.rows, 10000);
    assert_int_equal(h->seen.incomplete, 1);
}

static void a_watch_outlives_its_database(void **state)
{
    hook_test *h = *state;
    assert_ok(h->t.cx, cv_exec(h->t.cx, NULL, "INSERT INTO n (id) VALUES (1)"));
    cv_db_close(h->t.cx, h->t.db);
    h->t.db = NULL;
}

/* ---- rows before they change ---- */

typedef struct rows_seen {
    char text[1024];
} rows_seen;

static void append_value(char *text, cv_value value)
{
    cv_buf line;
    cv_buf_init(&line, 0);
    cv_value_describe(&line, value);
    strncat(text, line.len ? line.data : "", 100);
    strcat(text, ",");
    cv_buf_done(&line);
}

static void note_row(void *arg, const cv_sqlite_change *change, const cv_sqlite_row *row)
{
    rows_seen *s = arg;
    snprintf(s->text + strlen(s->text), 64, "%d %s %lld>%lld ", (int)change->op, change->table,
             (long long)change->old_rowid, (long long)change->rowid);
    for (size_t i = 0; i < cv_sqlite_row_columns(row); i++)
        append_value(s->text, cv_sqlite_row_old(row, i));
    strcat(s->text, " ");
    for (size_t i = 0; i < cv_sqlite_row_columns(row); i++)
        append_value(s->text, cv_sqlite_row_new(row, i));
    assert_int_equal(cv_sqlite_row_old(row, 99).type, CV_TYPE_NULL);
    assert_int_equal(cv_sqlite_row_new(row, 99).type, CV_TYPE_NULL);
    strcat(s->text, "|");
}

static void a_row_is_seen_before_and_after(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    rows_seen rows = {{0}};
    cv_sqlite_watch *watch;
    assert_ok(cx, cv_sqlite_on_row(cx, h->t.db, note_row, &rows, &watch));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (id, x, t) VALUES (1, 10, 'a')"));
    assert_ok(cx, cv_exec(cx, NULL, "UPDATE n SET id = 2, x = NULL, t = x'6262'"));
    assert_ok(cx, cv_exec(cx, NULL, "DELETE FROM n"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO w VALUES ('k', 1.5)"));
    cv_sqlite_watch_end(watch);
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO w VALUES ('unseen', 1.5)"));
    assert_int_equal(strncmp(rows.text, "0 n 1>1 ", 8), 0);
    assert_non_null(strstr(rows.text, "|1 n 1>2 "));
    assert_non_null(strstr(rows.text, "|2 n 2>2 "));
    assert_non_null(strstr(rows.text, "|0 w 0>0 "));
    assert_non_null(strstr(rows.text, "10"));
    assert_non_null(strstr(rows.text, "1.5"));
    assert_null(strstr(rows.text, "unseen"));
}

static void vacuum_changes_nothing(void **state)
{
    hook_test *h = *state;
    cv_ctx *cx = h->t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (id) VALUES (1)"));
    assert_ok(cx, cv_exec(cx, NULL, "VACUUM"));
    assert_ok(cx, cv_exec(cx, NULL, "ALTER TABLE n ADD COLUMN more TEXT DEFAULT 'x'"));
    assert_ok(cx, cv_exec(cx, NULL, "ALTER TABLE n DROP COLUMN more"));
    assert_ok(cx, cv_exec(cx, NULL, "DROP TABLE n"));
    assert_string_equal(told(h), "+n:1 |");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_statement_is_told_after_it_is_committed),
        CASE(statements_that_change_nothing_are_not_told),
        CASE(a_transaction_is_one_batch_without_what_its_savepoints_took_back),
        CASE(what_is_rolled_back_is_not_told),
        CASE(a_failing_statement_is_told_as_far_as_it_stays),
        CASE(a_transaction_that_the_engine_ends_is_not_told),
        CASE(rows_that_replace_removes_and_tables_that_are_emptied_are_told),
        CASE(a_table_without_rowids_is_told_without_them),
        CASE(grouped_writes_are_told_together_without_those_that_failed),
        CASE(a_lost_group_is_told_once),
        CASE(a_deferred_key_that_fails_in_a_group_is_not_told),
        CASE(a_watch_that_has_ended_is_told_nothing),
        CASE(a_watch_may_end_itself_and_others_go_on),
        CASE(a_slow_watcher_holds_nobody_up_and_is_told_what_it_lost),
        CASE(a_huge_transaction_is_told_in_part),
        CASE(a_watch_outlives_its_database),
        CASE(a_row_is_seen_before_and_after),
        CASE(vacuum_changes_nothing),
    };
    return cmocka_run_group_tests_name("db sqlite hooks", tests, NULL, NULL);
}
