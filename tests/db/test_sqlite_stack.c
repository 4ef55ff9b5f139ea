/* The worst statements that SQLite accepts fit the stack of a fiber, or are refused. A fiber's stack ends at a guard
 * page: one that does not fit ends the test program. */
#include "db_test.h"

typedef struct statement {
    const char *sql;
    const char *value; /* bound to its placeholder; NULL: none */
    int code;
} statement;

static db_test test;

static int set_up(void **state)
{
    db_test_init(&test, "recursive_triggers=on");
    *state = &test;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

static char *repeat(cv_ctx *cx, const char *begin, const char *part, int times, const char *middle, const char *close,
                    const char *end)
{
    cv_buf text;
    cv_buf_init_arena(&text, cv_ctx_arena(cx), 0);
    cv_buf_add_text(&text, begin);
    for (int i = 0; i < times; i++)
        cv_buf_add_text(&text, part);
    cv_buf_add_text(&text, middle);
    for (int i = 0; i < times; i++)
        cv_buf_add_text(&text, close);
    cv_buf_add_text(&text, end);
    assert_int_equal(text.error, 0);
    return text.data;
}

static int run_statement(cv_ctx *cx, void *arg)
{
    statement *own = arg;
    cv_value value = cv_value_text(own->value);
    cv_rows *rows = NULL;
    own->code = cv_sql_run(cx, own->sql, &value, own->value ? 1 : 0, NULL, &rows);
    while (own->code == 0 && rows && (own->code = cv_rows_next(cx, rows)) > 0)
        own->code = 0;
    cv_rows_close(cx, rows);
    if (own->code < 0)
        cv_error_clear(cx);
    return 0;
}

/* In a fiber with a stack as they all have. */
static int run(cv_ctx *cx, const char *sql, const char *value)
{
    statement own = {.sql = sql, .value = value};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "deep", run_statement, &own, &fiber));
    assert_ok(cx, cv_join(cx, fiber, NULL));
    return own.code;
}

static void expressions_of_the_greatest_depth(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    static const char *const parts[] = {" + 1",         " OR 1",           " || 'a'",          " AND 1 = 1",
                                        " IS NOT NULL", " COLLATE nocase", " BETWEEN 0 AND 2", " IN (1, 2)",
                                        " NOTNULL",     " -> '$'"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        (void)run(cx, repeat(cx, "SELECT 1", parts[i], 240, "", "", ""), NULL);
        assert_int_equal(run(cx, repeat(cx, "SELECT 1", parts[i], 20, "", "", ""), NULL) > 0, 0);
        assert_int_not_equal(run(cx, repeat(cx, "SELECT 1", parts[i], 5000, "", "", ""), NULL), CV_E_INTERNAL);
    }
    assert_int_equal(run(cx, repeat(cx, "SELECT 1", " + 1", 240, "", "", ""), NULL), 0);
    assert_int_equal(run(cx, repeat(cx, "SELECT 1", " + 1", 260, "", "", ""), NULL), CV_E_SQL);
}

static void brackets_functions_and_queries_inside_each_other(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    static const char *const opens[] = {"(",
                                        "abs(",
                                        "NOT ",
                                        "- ",
                                        "(SELECT ",
                                        "CASE WHEN 1 THEN ",
                                        "max(1, ",
                                        "1 IN (SELECT ",
                                        "EXISTS (SELECT ",
                                        "coalesce(NULL, ",
                                        "json_array("};
    static const char *const closes[] = {")", ")", "", "", ")", " END", ")", ")", ")", ")", ")"};
    for (size_t i = 0; i < sizeof opens / sizeof opens[0]; i++) {
        assert_int_equal(run(cx, repeat(cx, "SELECT ", opens[i], 5, "1", closes[i], ""), NULL), 0);
        for (int depth = 30; depth < 300; depth += 9)
            (void)run(cx, repeat(cx, "SELECT ", opens[i], depth, "1", closes[i], ""), NULL);
        (void)run(cx, repeat(cx, "SELECT ", opens[i], 20000, "1", closes[i], ""), NULL);
    }
    for (int depth = 10; depth < 200; depth += 9)
        (void)run(cx, repeat(cx, "SELECT * FROM ", "(SELECT * FROM ", depth, "(SELECT 1)", ")", ""), NULL);
}

static void compound_selects(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_int_equal(run(cx, repeat(cx, "SELECT 1", " UNION ALL SELECT 1", 99, "", "", ""), NULL), 0);
    assert_int_equal(run(cx, repeat(cx, "SELECT 1", " UNION SELECT 1", 99, "", "", ""), NULL), 0);
    assert_int_equal(run(cx, repeat(cx, "SELECT 1", " EXCEPT SELECT 2", 99, "", "", " ORDER BY 1"), NULL), 0);
    assert_int_equal(run(cx, repeat(cx, "SELECT 1", " UNION ALL SELECT 1", 100, "", "", ""), NULL), CV_E_SQL);
    assert_int_equal(run(cx, repeat(cx, "VALUES (1)", ", (1)", 5000, "", "", ""), NULL), 0);
}

static void joins_and_columns(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_int_equal(run(cx, "CREATE TABLE n (x INTEGER PRIMARY KEY, t TEXT)", NULL), 0);
    assert_int_equal(run(cx, repeat(cx, "SELECT 1 FROM n", ", n", 63, "", "", ""), NULL), 0);
    assert_int_equal(run(cx, repeat(cx, "SELECT 1", ", 1", 1999, "", "", ""), NULL), 0);
    assert_int_equal(run(cx, repeat(cx, "SELECT 1 WHERE 1 IN (1", ", 1", 100000, "", "", ")"), NULL), 0);
}

static void views_upon_views(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    char sql[128];
    assert_int_equal(run(cx, "CREATE VIEW v0 AS SELECT 1 AS x", NULL), 0);
    for (int i = 1; i <= 100; i++) {
        snprintf(sql, sizeof sql, "CREATE VIEW v%d AS SELECT x + 1 AS x FROM v%d WHERE x < 1000", i, i - 1);
        assert_int_equal(run(cx, cv_strdup(cx, sql), NULL), 0);
    }
    assert_int_equal(run(cx, "SELECT * FROM v100", NULL), 0);
    assert_int_equal(run(cx, "SELECT a.x, b.x FROM v100 a JOIN v100 b ON a.x = b.x ORDER BY 1", NULL), 0);
}

static void triggers_that_fire_themselves(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_int_equal(run(cx, "CREATE TABLE n (x INTEGER PRIMARY KEY)", NULL), 0);
    assert_int_equal(run(cx,
                         "CREATE TRIGGER t AFTER INSERT ON n WHEN new.x % 2000 < 990 BEGIN INSERT INTO n VALUES (new.x "
                         "+ 1); END",
                         NULL),
                     0);
    assert_int_equal(run(cx, "INSERT INTO n VALUES (1)", NULL), 0);
    assert_int_equal(count_of(cx, "SELECT count(*) FROM n"), 990);
    assert_int_equal(run(cx, "CREATE TRIGGER u AFTER UPDATE ON n BEGIN UPDATE n SET x = x WHERE x = new.x; END", NULL),
                     0);
    assert_int_equal(run(cx, "UPDATE n SET x = 5000 WHERE x = 990", NULL), CV_E_SQL); /* too many levels */
}

static void json_of_the_greatest_depth(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_int_equal(run(cx, "SELECT json(?)", repeat(cx, "", "[", 1990, "", "]", "")), 0);
    assert_int_equal(run(cx, "SELECT json(?)", repeat(cx, "", "{\"a\":", 1990, "1", "}", "")), 0);
    assert_int_equal(run(cx, "SELECT json(?)", repeat(cx, "", "[", 100000, "", "]", "")), CV_E_SQL);
    assert_int_equal(run(cx, "SELECT count(*) FROM json_tree(?)", repeat(cx, "", "[", 1990, "", "]", "")), 0);
    (void)run(cx, "SELECT json_patch('{}', ?)", repeat(cx, "", "{\"a\":", 1990, "1", "}", ""));
    (void)run(cx, "SELECT json_extract('[]', ?)", repeat(cx, "$", "[0]", 10000, "", "", ""));
    (void)run(cx, "SELECT json_set('{}', ?, 1)", repeat(cx, "$", ".a", 1500, "", "", ""));
}

static void patterns(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    static const char *const patterns[] = {"%0", "%", "_%", "*0", "?*", "[0-9]*"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        const char *sql = i < 3 ? "SELECT hex(zeroblob(25000)) LIKE ?" : "SELECT hex(zeroblob(25000)) GLOB ?";
        for (int length = 250; length <= 32000; length *= 2)
            (void)run(cx, sql, repeat(cx, "", patterns[i], length, "b", "", ""));
    }
    assert_int_equal(run(cx, "SELECT hex(zeroblob(25000)) LIKE ?", repeat(cx, "", "%0", 1490, "", "", "")), 0);
    assert_int_equal(run(cx, "SELECT hex(zeroblob(25000)) LIKE ?", repeat(cx, "", "%0", 1510, "", "", "")), CV_E_SQL);
}

static void full_text_queries(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_int_equal(run(cx, "CREATE VIRTUAL TABLE f USING fts5 (t)", NULL), 0);
    assert_int_equal(run(cx, "INSERT INTO f VALUES ('a')", NULL), 0);
    for (int depth = 50; depth <= 25600; depth *= 2) {
        (void)run(cx, "SELECT * FROM f WHERE f MATCH ?", repeat(cx, "", "(", depth, "a", ")", ""));
        (void)run(cx, "SELECT * FROM f WHERE f MATCH ?", repeat(cx, "", "(a NOT ", depth, "b", ")", ""));
        (void)run(cx, "SELECT * FROM f WHERE f MATCH ?", repeat(cx, "a", " OR a", depth, "", "", ""));
    }
}

static void long_texts_and_many_values(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_int_equal(run(cx, "SELECT length(?)", repeat(cx, "", "0123456789", 1000000, "", "", "")), 0);
    assert_int_equal(run(cx, repeat(cx, "SELECT '", "0123456789", 100000, "", "", "'"), NULL), 0);
    assert_int_equal(run(cx, repeat(cx, "SELECT 1 /* ", "comment ", 100000, "", "", "*/"), NULL), 0);
    assert_int_equal(run(cx, "SELECT printf('%.1000f %1000d', 1e300, 7)", NULL), 0);
    enum { VALUES = 30000 };
    cv_value *values = cv_zalloc(cx, VALUES, sizeof *values);
    for (size_t i = 0; i < VALUES; i++)
        values[i] = cv_value_i64(1);
    cv_rows *rows;
    assert_ok(cx, cv_sql_run(cx, repeat(cx, "SELECT 1 WHERE 1 IN (?", ", ?", VALUES - 1, "", "", ")"), values, VALUES,
                             NULL, &rows));
    cv_rows_close(cx, rows);
}

int main(void)
{
#define stack_case(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        stack_case(expressions_of_the_greatest_depth),
        stack_case(brackets_functions_and_queries_inside_each_other),
        stack_case(compound_selects),
        stack_case(joins_and_columns),
        stack_case(views_upon_views),
        stack_case(triggers_that_fire_themselves),
        stack_case(json_of_the_greatest_depth),
        stack_case(patterns),
        stack_case(full_text_queries),
        stack_case(long_texts_and_many_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
