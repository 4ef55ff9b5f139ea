/* Bulk as SQLite alone has it: rows that it reads as a table, and which of them is to blame. */
#include "copy_rows.h"
#include "db_test.h"

enum { WIDE = 300, LARGE = 3 * 1000 * 1000 };

static int set_up(void **state)
{
    static db_test t;
    db_test_init(&t, NULL);
    assert_ok(t.cx,
              cv_exec(t.cx, NULL, "CREATE TABLE n (id INTEGER PRIMARY KEY, x BIGINT CHECK (x < 1000), note TEXT)"));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

static const char *const columns[] = {"id", "x", "note"};

static void make_plain(int64_t row, cv_value *values)
{
    values[0] = cv_value_i64(row);
    values[1] = cv_value_i64(row % 10);
    values[2] = cv_value_text("a note");
}

/* The last row of those that the first statement takes, and more, are good. */
static void make_bad(int64_t row, cv_value *values)
{
    make_plain(row, values);
    values[1] = cv_value_i64(row == 123 || row == 200 ? 1000 : 1);
}

static int copy(cv_ctx *cx, const char *table, void (*make)(int64_t row, cv_value *values), int64_t count)
{
    made_rows rows = {.columns = columns, .column_count = 3, .count = count, .make = make};
    cv_copy_source source = made_rows_source(&rows);
    return cv_copy_in(cx, table, &source, NULL, NULL);
}

static void assert_refused(cv_ctx *cx, int rc, int code, const char *beginning)
{
    assert_int_equal(rc, code);
    if (strncmp(cv_error_last(cx)->message, beginning, strlen(beginning)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", cv_error_last(cx)->message, beginning);
    cv_error_clear(cx);
}

static void the_row_is_named_that_a_check_refuses(void **state)
{
    db_test *t = *state;
    assert_refused(t->cx, copy(t->cx, "n", make_bad, 3000), CV_E_CHECK, "row 123: ");
    assert_refused(t->cx, copy(t->cx, "n", make_bad, 123), CV_E_CHECK, "row 123: ");
    assert_int_equal(count_of(t->cx, "SELECT COUNT(*) FROM n"), 0);
}

static void the_row_is_named_where_triggers_have_all_read_first(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE log (id BIGINT)"));
    assert_ok(t->cx, cv_exec(t->cx, NULL,
                             "CREATE TRIGGER logged AFTER INSERT ON n BEGIN INSERT INTO log VALUES (NEW.id); END"));
    assert_refused(t->cx, copy(t->cx, "n", make_bad, 3000), CV_E_CHECK, "row 123: ");
    assert_int_equal(count_of(t->cx, "SELECT COUNT(*) FROM log"), 0);
    assert_ok(t->cx, copy(t->cx, "n", make_plain, 3000));
    assert_int_equal(count_of(t->cx, "SELECT COUNT(*) FROM log"), 3000);
}

static void no_row_is_named_where_the_table_keeps_those_before_it(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_exec(t->cx, NULL,
                             "CREATE TRIGGER strict BEFORE INSERT ON n WHEN NEW.x > 999 BEGIN"
                             " SELECT RAISE(FAIL, 'too much'); END"));
    assert_refused(t->cx, copy(t->cx, "n", make_bad, 3000), CV_E_CHECK, "could not run the statement: too much");
    assert_int_equal(count_of(t->cx, "SELECT COUNT(*) FROM n"), 0);
}

static void the_row_is_named_whose_foreign_key_is_not_there(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, copy(t->cx, "n", make_plain, 10));
    assert_ok(t->cx, cv_exec(t->cx, NULL,
                             "CREATE TABLE child (id INTEGER PRIMARY KEY, x BIGINT REFERENCES n (id), note TEXT)"));
    assert_refused(t->cx, copy(t->cx, "child", make_bad, 600), CV_E_FOREIGN_KEY, "row 123: ");
    assert_int_equal(count_of(t->cx, "SELECT COUNT(*) FROM child"), 0);
}

static char large_text[LARGE];

static void make_some_large(int64_t row, cv_value *values)
{
    make_plain(row, values);
    if (row % 3 == 0)
        values[2] = cv_value_str(cv_str_make(large_text, row % 2 ? LARGE : LARGE / 4));
}

static void large_rows_are_taken_from_where_they_are(void **state)
{
    db_test *t = *state;
    memset(large_text, 'x', sizeof large_text);
    assert_ok(t->cx, copy(t->cx, "n", make_some_large, 30));
    assert_int_equal(count_of(t->cx, "SELECT SUM(LENGTH(note)) FROM n"), 5 * LARGE + 5 * LARGE / 4 + 20 * 6);
    assert_int_equal(count_of(t->cx, "SELECT COUNT(*) FROM n WHERE LENGTH(note) > 6 AND id % 3 = 0"), 10);
}

static int next_wide(cv_ctx *cx, void *arg, const cv_value **ret_values)
{
    static cv_value values[WIDE];
    int *left = arg;
    (void)cx;
    for (int i = 0; i < WIDE; i++)
        values[i] = cv_value_i64(i);
    *ret_values = values;
    return (*left)-- > 0;
}

static void a_table_may_have_more_columns_than_a_model(void **state)
{
    db_test *t = *state;
    static const char *names[WIDE];
    int left = 100;
    cv_copy_source source = {.columns = names, .column_count = WIDE, .next = next_wide, .arg = &left};
    cv_buf ddl;
    cv_buf_init_arena(&ddl, cv_ctx_arena(t->cx), 0);
    for (int i = 0; i < WIDE; i++) {
        names[i] = cv_sprintf(t->cx, "column_%d", i);
        cv_buf_printf(&ddl, "%s%s BIGINT", i ? ", " : "CREATE TABLE wide (", names[i]);
    }
    cv_buf_add_char(&ddl, ')');
    assert_ok(t->cx, cv_sql_run(t->cx, ddl.data, NULL, 0, NULL, NULL));
    assert_ok(t->cx, cv_copy_in(t->cx, "wide", &source, NULL, NULL));
    assert_int_equal(count_of(t->cx, "SELECT SUM(column_299) FROM wide"), 29900);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_row_is_named_that_a_check_refuses),
        CASE(the_row_is_named_where_triggers_have_all_read_first),
        CASE(no_row_is_named_where_the_table_keeps_those_before_it),
        CASE(the_row_is_named_whose_foreign_key_is_not_there),
        CASE(large_rows_are_taken_from_where_they_are),
        CASE(a_table_may_have_more_columns_than_a_model),
    };
    return cmocka_run_group_tests_name("db sqlite copy", tests, NULL, NULL);
}
