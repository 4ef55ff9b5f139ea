#include "test.h"

#include "sql/dialect.h"

static cv_ctx *cx;

static int set_up(void **state)
{
    (void)state;
    cx = cv_ctx_new(0);
    return cx ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    cv_ctx_free(cx);
    return 0;
}

static int translate(const cv__dialect *dialect, const char *sql, cv_buf *out, size_t *count)
{
    cv_buf_init_arena(out, cv_ctx_arena(cx), 0);
    return cv__translate_placeholders(cx, dialect, cv_str_of(sql), out, count);
}

static void check(const cv__dialect *dialect, const char *sql, const char *expected, size_t expected_count)
{
    cv_buf out;
    size_t count = 99;
    assert_ok(cx, translate(dialect, sql, &out, &count));
    assert_string_equal(out.len ? out.data : "", expected);
    assert_int_equal(count, expected_count);
}

static void question_marks_become_numbered_placeholders(void **state)
{
    (void)state;
    check(&cv__dialect_sqlite, "a = ? AND b = ?", "a = ?1 AND b = ?2", 2);
    check(&cv__dialect_postgres, "a = ? AND b = ?", "a = $1 AND b = $2", 2);
    check(&cv__dialect_postgres, "", "", 0);
    check(&cv__dialect_postgres, "?", "$1", 1);
}

static void doubled_ones_stand_for_themselves(void **state)
{
    (void)state;
    check(&cv__dialect_postgres, "a ?? b AND c = ?", "a ? b AND c = $1", 1);
    check(&cv__dialect_postgres, "???", "?$1", 1);
}

static void quoted_text_and_comments_are_left_alone(void **state)
{
    (void)state;
    const cv__dialect *all[] = {&cv__dialect_sqlite, &cv__dialect_postgres, &cv__dialect_mariadb};
    for (size_t i = 0; i < 3; i++) {
        check(all[i], "'?' '''?' \"?\" \"\"\"?\"", "'?' '''?' \"?\" \"\"\"?\"", 0);
        check(all[i], "-- ?\n/* ? */ -- ?", "-- ?\n/* ? */ -- ?", 0);
        check(all[i], "a - b / c", "a - b / c", 0);
    }
}

static void sqlite_quotes_identifiers_in_two_more_ways(void **state)
{
    (void)state;
    check(&cv__dialect_sqlite, "[a?] `b?``` ?", "[a?] `b?``` ?1", 1);
    check(&cv__dialect_sqlite, "'\\' ?", "'\\' ?1", 1);
    check(&cv__dialect_postgres, "a[?]", "a[$1]", 1);
}

static void postgres_quotes_text_in_two_more_ways(void **state)
{
    (void)state;
    check(&cv__dialect_postgres, "$$ ? ' $$ ?", "$$ ? ' $$ $1", 1);
    check(&cv__dialect_postgres, "$a$ ? $$ $b$ $a$ ?", "$a$ ? $$ $b$ $a$ $1", 1);
    check(&cv__dialect_postgres, "E'\\' ?' ?", "E'\\' ?' $1", 1);
    check(&cv__dialect_postgres, "like'\\' ?", "like'\\' $1", 1);
    check(&cv__dialect_postgres, "a$b ? $1x", "a$b $1 $1x", 1);
    check(&cv__dialect_postgres, "$b ?", "$b $1", 1);
}

static void comments_nest_in_postgres_only(void **state)
{
    (void)state;
    check(&cv__dialect_postgres, "/* /* ? */ ? */ ?", "/* /* ? */ ? */ $1", 1);
    check(&cv__dialect_sqlite, "/* /* ? */ ?", "/* /* ? */ ?1", 1);
}

static void mariadb_has_comments_of_its_own(void **state)
{
    (void)state;
    check(&cv__dialect_mariadb, "a = ? # ?\nAND b = ?", "a = ? # ?\nAND b = ?", 2);
    check(&cv__dialect_mariadb, "1--? -- ?", "1--? -- ?", 1);
    check(&cv__dialect_mariadb, "/*!40101 ? */ /*M! ? */ /* ? */", "/*!40101 ? */ /*M! ? */ /* ? */", 2);
    check(&cv__dialect_mariadb, "`a?` [?] '\\' ?", "`a?` [?] '\\' ?", 2);
    check(&cv__dialect_sqlite, "# ?", "# ?1", 1);
}

static void what_is_not_closed_is_a_syntax_error(void **state)
{
    (void)state;
    static const char *const broken[] = {"a 'b", "a \"b", "a /* b", "a 'b''"};
    cv_buf out;
    size_t count;
    for (size_t i = 0; i < 4; i++)
        assert_fails(cx, translate(&cv__dialect_sqlite, broken[i], &out, &count), CV_E_SYNTAX, "byte 3");
    assert_fails(cx, translate(&cv__dialect_sqlite, "a [b", &out, &count), CV_E_SYNTAX, "quote");
    assert_fails(cx, translate(&cv__dialect_postgres, "a $x$ b $y$", &out, &count), CV_E_SYNTAX, "quote");
    assert_fails(cx, translate(&cv__dialect_postgres, "a /* /* */", &out, &count), CV_E_SYNTAX, "comment");
}

static void numbered_ones_are_refused(void **state)
{
    (void)state;
    cv_buf out;
    size_t count;
    assert_fails(cx, translate(&cv__dialect_sqlite, "a = ?1", &out, &count), CV_E_SYNTAX, "number");
}

static void their_number_is_limited(void **state)
{
    (void)state;
    cv_buf sql, out;
    size_t count;
    cv_buf_init(&sql, 0);
    for (size_t i = 0; i < cv__dialect_sqlite.max_params; i++)
        cv_buf_add_text(&sql, "?,");
    assert_ok(cx, translate(&cv__dialect_sqlite, sql.data, &out, &count));
    cv_buf_add_text(&sql, "?");
    assert_fails(cx, translate(&cv__dialect_sqlite, sql.data, &out, &count), CV_E_LIMIT, "32766");
    cv_buf_done(&sql);
    cv_buf_init(&out, 4);
    assert_fails(cx, cv__translate_placeholders(cx, &cv__dialect_sqlite, CV_STR("SELECT 1"), &out, &count), CV_E_LIMIT,
                 "too long");
    cv_buf_done(&out);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(question_marks_become_numbered_placeholders),
        CASE(doubled_ones_stand_for_themselves),
        CASE(quoted_text_and_comments_are_left_alone),
        CASE(sqlite_quotes_identifiers_in_two_more_ways),
        CASE(postgres_quotes_text_in_two_more_ways),
        CASE(comments_nest_in_postgres_only),
        CASE(mariadb_has_comments_of_its_own),
        CASE(what_is_not_closed_is_a_syntax_error),
        CASE(numbered_ones_are_refused),
        CASE(their_number_is_limited),
    };
    return cmocka_run_group_tests_name("sql placeholders", tests, NULL, NULL);
}
