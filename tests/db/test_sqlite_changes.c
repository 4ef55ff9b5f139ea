/* Change streams of SQLite: what was committed in this process, in order, until it is acknowledged. */
#include "await.h"
#include "changes_test.h"
#include "db_test.h"

typedef struct change_test {
    db_test t;
    cv_changes *changes;
} change_test;

static int set_up(void **state)
{
    static change_test c;
    memset(&c, 0, sizeof c);
    db_test_init(&c.t, "synchronous=off");
    assert_ok(c.t.cx, cv_exec(c.t.cx, NULL, "CREATE TABLE n (id INTEGER PRIMARY KEY, x BIGINT UNIQUE, t TEXT)"));
    assert_ok(c.t.cx, cv_exec(c.t.cx, NULL, "CREATE TABLE w (k TEXT PRIMARY KEY, v REAL) WITHOUT ROWID"));
    assert_ok(c.t.cx, cv_changes_open(c.t.cx, NULL, &(cv_changes_options){.name = "test"}, &c.changes));
    *state = &c;
    return 0;
}

static int tear_down(void **state)
{
    change_test *c = *state;
    cv_changes_close(c->t.cx, c->changes);
    db_test_done(&c->t);
    return 0;
}

static void open_again(change_test *c, const cv_changes_options *options)
{
    cv_changes_close(c->t.cx, c->changes);
    c->changes = NULL;
    assert_ok(c->t.cx, cv_changes_open(c->t.cx, NULL, options, &c->changes));
}

static void rows_are_told_with_their_values_before_and_after(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x, t) VALUES (10, 'a'), (20, NULL)"));
    assert_ok(cx, cv_exec(cx, NULL, "UPDATE n SET t = 'b' WHERE id = 1"));
    assert_ok(cx, cv_exec(cx, NULL, "DELETE FROM n WHERE id = 2"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO w VALUES ('k', 1.5)"));
    assert_ok(cx, cv_exec(cx, NULL, "UPDATE w SET v = 2 WHERE k = 'k'"));
    assert_string_equal(changes_until(cx, c->changes, 5), "+n(id=1 x=10 t=a)+n(id=2 x=20 t=NULL)|~n(id=1 t=a>b)|"
                                                          "-n(id=2 x=20 t=NULL)|+w(k=k v=1.5)|~w(k=k v=1.5>2)|");
    changes_are_over(cx, c->changes, 10);
}

static void an_event_says_where_when_and_what(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    cv_change change;
    cv_time before = cv_time_now();
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (1, 2, 'a')"));
    char start[64];
    snprintf(start, sizeof start, "%s", cv_changes_position(c->changes));
    assert_ok(cx, cv_changes_next(cx, c->changes, &change));
    assert_int_equal(change.kind, CV_CHANGE_INSERT);
    assert_string_equal(change.schema, "main");
    assert_string_equal(change.table, "n");
    assert_int_equal(change.column_count, 3);
    assert_true(change.columns[0].key && !change.columns[1].key);
    assert_string_equal(change.columns[1].sql_type, "BIGINT");
    assert_int_equal(change.columns[1].type, CV_TYPE_I64);
    assert_true(change.complete && !change.old_values && !change.old_given && !change.new_given);
    assert_true(change.committed_at.us >= before.us && change.committed_at.us <= cv_time_now().us);
    assert_string_equal(change.transaction_id, "1");
    assert_string_equal(change.position, start);
    assert_int_equal(cv_change_new(&change, "x").as.i64, 2);
    assert_int_equal(cv_change_new(&change, "nothing").type, CV_TYPE_NULL);
    assert_int_equal(cv_change_old(&change, "x").type, CV_TYPE_NULL);
    assert_ok(cx, cv_changes_next(cx, c->changes, &change));
    assert_int_equal(change.kind, CV_CHANGE_COMMIT);
    assert_string_equal(change.position, cv_changes_position(c->changes));
    int order = 0;
    assert_ok(cx, cv_changes_compare(cx, NULL, start, change.position, &order));
    assert_true(order < 0);
}

static void values_have_the_types_of_their_columns(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    cv_change change;
    assert_ok(cx, cv_exec(cx, NULL,
                          "CREATE TABLE v (b BOOLEAN, d DECIMAL(8,2), t DATETIME, u BLOB_UUID, j JSON_TEXT, y BLOB)"));
    cv_uuid uuid = cv_uuid_v4();
    cv_time now = cv_time_now();
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO v VALUES (1, 150, ?, ?, '{}', x'00ff')", now, uuid));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO v (b) VALUES ('yes')"));
    assert_ok(cx, cv_changes_next(cx, c->changes, &change));
    assert_int_equal(change.kind, CV_CHANGE_SCHEMA);
    assert_ok(cx, cv_changes_next(cx, c->changes, &change));
    assert_ok(cx, cv_changes_next(cx, c->changes, &change));
    cv_value *row;
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT * FROM v WHERE b = 1"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    for (size_t i = 0; i < 6; i++) {
        row = (cv_value[]){cv_rows_get(rows, i)};
        assert_true(cv_value_equal(change.new_values[i], *row));
        assert_int_equal(change.columns[i].type, row->type);
    }
    cv_rows_close(cx, rows);
    assert_ok(cx, cv_changes_next(cx, c->changes, &change));
    assert_ok(cx, cv_changes_next(cx, c->changes, &change));
    assert_int_equal(change.new_values[0].type, CV_TYPE_TEXT);
}

static int take_a_part_back(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (2, 2, 'b')"));
        return CV_E_STATE;
    }
    return 0;
}

static int write_in_parts(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1, 1, 'a')"));
        if (take_a_part_back(cx) != CV_E_STATE)
            return CV_E_INTERNAL;
        if (cv_exec(cx, NULL, "INSERT INTO n VALUES (3, 3, 'c'), (4, 1, 'd')") != CV_E_UNIQUE)
            return CV_E_INTERNAL;
        cv_error_clear(cx);
        CV_TRY(cv_exec(cx, NULL, "UPDATE n SET x = 9"));
    }
    return 0;
}

static int delete_and_fail(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "DELETE FROM n"));
        return CV_E_STATE;
    }
    return 0;
}

static void a_transaction_is_told_whole_without_what_was_taken_back(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    assert_ok(cx, write_in_parts(cx));
    assert_int_equal(delete_and_fail(cx), CV_E_STATE);
    assert_ok(cx, cv_exec(cx, NULL, "DELETE FROM n"));
    assert_string_equal(changes_until(cx, c->changes, 2), "+n(id=1 x=1 t=a)~n(id=1 x=1>9)|-n(id=1 x=9 t=a)|");
}

static void another_schema_is_told_and_used_at_once(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (1)"));
    assert_ok(cx, cv_exec(cx, NULL, "ALTER TABLE n ADD COLUMN more TEXT DEFAULT 'm'"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (2)"));
    assert_ok(cx, cv_exec(cx, NULL, "ALTER TABLE \"n\" RENAME COLUMN t TO text"));
    assert_ok(cx, cv_exec(cx, NULL, "UPDATE n SET text = 'z' WHERE id = 2"));
    assert_ok(cx, cv_exec(cx, NULL, "CREATE INDEX i ON n (text)"));
    assert_ok(cx, cv_exec(cx, NULL, "DROP TABLE IF EXISTS w"));
    assert_string_equal(changes_until(cx, c->changes, 6), "+n(id=1 x=1 t=NULL)|%n|+n(id=2 x=2 t=NULL more=m)|%n|"
                                                          "~n(id=2 text=NULL>z)|%w|");
}

static void only_the_tables_asked_for_are_told(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    open_again(c, &(cv_changes_options){.tables = (const char *const[]){"main.w", "other"}, .table_count = 2});
    char start[64];
    snprintf(start, sizeof start, "%s", cv_changes_position(c->changes));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (1)"));
    changes_are_over(cx, c->changes, 10);
    assert_string_not_equal(cv_changes_position(c->changes), start);
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO w VALUES ('a', 1)"));
    assert_string_equal(changes_until(cx, c->changes, 1), "+w(k=a v=1)|");
}

static void a_name_goes_on_where_it_was_acknowledged(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    cv_change change;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (1)"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (2)"));
    changes_until(cx, c->changes, 1);
    assert_ok(cx, cv_changes_acknowledge(cx, c->changes, cv_changes_position(c->changes)));
    assert_ok(cx, cv_changes_next(cx, c->changes, &change));
    cv_changes_close(cx, c->changes);
    c->changes = NULL;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (3)"));
    open_again(c, &(cv_changes_options){.name = "test"});
    assert_string_equal(changes_until(cx, c->changes, 2), "+n(id=2 x=2 t=NULL)|+n(id=3 x=3 t=NULL)|");
}

static void a_position_is_gone_on_from(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (1)"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (2)"));
    changes_until(cx, c->changes, 1);
    const char *stored = cv_strdup(cx, cv_changes_position(c->changes));
    changes_until(cx, c->changes, 1);
    open_again(c, &(cv_changes_options){.name = "test", .position = stored});
    assert_string_equal(changes_until(cx, c->changes, 1), "+n(id=2 x=2 t=NULL)|");
}

static void a_position_of_before_the_database_was_opened_is_a_gap(void **state)
{
    change_test *c = *state;
    cv_changes *changes;
    assert_fails(c->t.cx,
                 cv_changes_open(c->t.cx, NULL, &(cv_changes_options){.position = "00000000000000ff-1"}, &changes),
                 CV_E_GAP, "opened anew");
    const char *none = cv_sprintf(c->t.cx, "%.17s99", cv_changes_position(c->changes));
    assert_fails(c->t.cx, cv_changes_open(c->t.cx, NULL, &(cv_changes_options){.position = none}, &changes),
                 CV_E_INVALID, "no position");
    assert_fails(c->t.cx, cv_changes_open(c->t.cx, NULL, &(cv_changes_options){.position = "0/16"}, &changes),
                 CV_E_INVALID, "no position");
}

static void whoever_falls_behind_the_bound_is_told_of_the_gap(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    cv_change change;
    open_again(c, &(cv_changes_options){.name = "slow", .queue_bytes = 4096});
    assert_ok(cx, cv_changes_drop(cx, NULL, "test"));
    for (int i = 0; i < 100; i++)
        assert_ok(cx,
                  cv_exec(cx, NULL, "INSERT INTO n (x, t) VALUES (?, ?)", i, "a text of some length, for the bound"));
    assert_fails(cx, cv_changes_next(cx, c->changes, &change), CV_E_GAP, "not kept any more");
    assert_fails(cx, cv_changes_next(cx, c->changes, &change), CV_E_GAP, "not kept any more");
    cv_changes_close(cx, c->changes);
    c->changes = NULL;
    assert_fails(cx, cv_changes_open(cx, NULL, &(cv_changes_options){.name = "slow"}, &c->changes), CV_E_GAP, "");
    assert_ok(cx, cv_changes_drop(cx, NULL, "slow"));
}

static void a_transaction_larger_than_the_bound_is_a_gap(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    cv_change change;
    open_again(c, &(cv_changes_options){.queue_bytes = 4096});
    assert_ok(cx, cv_changes_drop(cx, NULL, "test"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (t) VALUES (hex(zeroblob(9000)))"));
    assert_fails(cx, cv_changes_next(cx, c->changes, &change), CV_E_GAP, "not kept any more");
}

static void what_was_acknowledged_takes_no_room(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    open_again(c, &(cv_changes_options){.name = "quick", .queue_bytes = 4096});
    assert_ok(cx, cv_changes_drop(cx, NULL, "test"));
    for (int i = 0; i < 200; i++) {
        assert_ok(cx,
                  cv_exec(cx, NULL, "INSERT INTO n (x, t) VALUES (?, ?)", i, "a text of some length, for the bound"));
        changes_until(cx, c->changes, 1);
        assert_ok(cx, cv_changes_acknowledge(cx, c->changes, cv_changes_position(c->changes)));
    }
}

static int open_inside(cv_ctx *cx)
{
    cv_changes *changes;
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_changes_open(cx, NULL, NULL, &changes));
    }
    return 0;
}

static void a_name_has_one_reader(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    cv_changes *other;
    assert_fails(cx, cv_changes_open(cx, NULL, &(cv_changes_options){.name = "test"}, &other), CV_E_LOCKED, "\"test\"");
    assert_fails(cx, cv_changes_drop(cx, NULL, "test"), CV_E_LOCKED, "\"test\"");
    assert_fails(cx, cv_changes_drop(cx, NULL, "none"), CV_E_NOT_FOUND, "\"none\"");
    assert_fails(cx, cv_changes_drop(cx, NULL, "No!"), CV_E_INVALID, "cannot name");
    assert_fails(cx, cv_changes_open(cx, NULL, &(cv_changes_options){.name = ""}, &other), CV_E_INVALID, "cannot name");
    assert_int_equal(open_inside(cx), CV_E_IN_TRANSACTION);
    cv_error_clear(cx);
}

static int write_later(cv_ctx *cx, void *arg)
{
    (void)arg;
    CV_TRY(cv_sleep_ms(cx, 5));
    return cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (7)");
}

static void a_reader_waits_for_what_comes(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    cv_fiber *writer;
    assert_ok(cx, cv_spawn(cx, "writer", write_later, NULL, &writer));
    assert_string_equal(changes_until(cx, c->changes, 1), "+n(id=1 x=7 t=NULL)|");
    assert_ok(cx, cv_join(cx, writer, NULL));
}

static int read_one(cv_ctx *cx, void *arg)
{
    cv_change change;
    return cv_changes_next(cx, arg, &change);
}

static void a_database_that_is_closed_ends_its_readers(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    cv_fiber *fiber;
    cv_change change;
    assert_ok(cx, cv_spawn(cx, "reader", read_one, c->changes, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_db_close(cx, c->t.db);
    c->t.db = NULL;
    assert_int_equal(cv_join(cx, fiber, NULL), CV_E_CLOSED);
    cv_error_clear(cx);
    assert_fails(cx, cv_changes_next(cx, c->changes, &change), CV_E_CLOSED, "");
}

static void two_fibers_cannot_read_the_same_stream(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    cv_fiber *fiber;
    cv_change change;
    assert_ok(cx, cv_spawn(cx, "reader", read_one, c->changes, &fiber));
    assert_ok(cx, cv_yield(cx));
    assert_fails(cx, cv_changes_next(cx, c->changes, &change), CV_E_STATE, "another fiber");
    cv_cancel(fiber);
    assert_int_equal(cv_join(cx, fiber, NULL), CV_E_CANCELLED);
    cv_error_clear(cx);
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n (x) VALUES (1)"));
    changes_until(cx, c->changes, 1);
}

/* ---- many ---- */

enum { MANY = 100000, WRITERS = 4, A_BATCH = 100 };

static int write_many(cv_ctx *cx, void *arg)
{
    int writer = *(int *)arg;
    for (int i = writer; i < MANY / 2 / A_BATCH; i += WRITERS) {
        CV_ATOMIC(cx)
        {
            CV_TRY(cv_exec(cx, NULL,
                           "INSERT INTO n (id, x) WITH RECURSIVE s(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM s WHERE "
                           "k < 99) SELECT ? + k, ? + k FROM s",
                           i * A_BATCH, i * A_BATCH));
        }
        CV_TRY(cv_exec(cx, NULL, "UPDATE n SET t = 'u' WHERE id >= ? AND id < ?", i * A_BATCH, (i + 1) * A_BATCH));
        CV_TRY(cv_yield(cx));
    }
    return 0;
}

typedef struct many {
    cv_changes *changes;
    uint8_t *seen; /* bit 0 inserted, bit 1 updated */
    int found, commits;
} many;

static int read_many(cv_ctx *cx, void *arg)
{
    many *m = arg;
    cv_change change;
    CV_TRY(cv_changes_open(cx, NULL, &(cv_changes_options){.name = "test"}, &m->changes));
    while (m->found < MANY) {
        CV_TRY(cv_changes_next(cx, m->changes, &change));
        if (change.kind == CV_CHANGE_COMMIT) {
            CV_TRY(cv_changes_acknowledge(cx, m->changes, change.position));
            m->commits++;
            continue;
        }
        uint8_t *seen = &m->seen[cv_change_new(&change, "id").as.i64], bit = (uint8_t)(1 << change.kind);
        m->found += !(*seen & bit);
        *seen |= bit;
    }
    return 0;
}

/* The reading fiber is cut off in the middle, wherever it is. */
static void kill_reader(cv_ctx *cx, many *m, cv_fiber *fiber)
{
    cv_cancel(fiber);
    (void)cv_join(cx, fiber, NULL);
    cv_error_clear(cx);
    cv_changes_close(cx, m->changes);
    m->changes = NULL;
}

static void a_hundred_thousand_changes_are_all_found_by_readers_that_are_killed(void **state)
{
    change_test *c = *state;
    cv_ctx *cx = c->t.cx;
    cv_fiber *writers[WRITERS], *reader;
    int numbers[WRITERS];
    many m = {.seen = calloc(MANY, 1)};
    cv_changes_close(cx, c->changes);
    c->changes = NULL;
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_ok(cx, cv_spawn(cx, "writer", write_many, &numbers[i], &writers[i]));
    }
    for (int kills = 0; kills < 2; kills++) {
        assert_ok(cx, cv_spawn(cx, "reader", read_many, &m, &reader));
        await_that(cx, m.found >= (kills + 1) * MANY / 4);
        kill_reader(cx, &m, reader);
    }
    assert_ok(cx, cv_spawn(cx, "reader", read_many, &m, &reader));
    for (int i = 0; i < WRITERS; i++)
        assert_ok(cx, cv_join(cx, writers[i], NULL));
    assert_ok(cx, cv_join(cx, reader, NULL));
    assert_int_equal(m.found, MANY);
    for (int i = 0; i < MANY / 2; i++)
        assert_int_equal(m.seen[i], 3);
    cv_changes_close(cx, m.changes);
    free(m.seen);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rows_are_told_with_their_values_before_and_after),
        CASE(an_event_says_where_when_and_what),
        CASE(values_have_the_types_of_their_columns),
        CASE(a_transaction_is_told_whole_without_what_was_taken_back),
        CASE(another_schema_is_told_and_used_at_once),
        CASE(only_the_tables_asked_for_are_told),
        CASE(a_name_goes_on_where_it_was_acknowledged),
        CASE(a_position_is_gone_on_from),
        CASE(a_position_of_before_the_database_was_opened_is_a_gap),
        CASE(whoever_falls_behind_the_bound_is_told_of_the_gap),
        CASE(a_transaction_larger_than_the_bound_is_a_gap),
        CASE(what_was_acknowledged_takes_no_room),
        CASE(a_name_has_one_reader),
        CASE(a_reader_waits_for_what_comes),
        CASE(a_database_that_is_closed_ends_its_readers),
        CASE(two_fibers_cannot_read_the_same_stream),
        CASE(a_hundred_thousand_changes_are_all_found_by_readers_that_are_killed),
    };
    return cmocka_run_group_tests_name("db sqlite changes", tests, NULL, NULL);
}
