/* The text look-ups of SQLite, by what they find: the same rows that LIKE finds on an engine whose LIKE is exact. */
#include "db_test.h"

#include "db/database.h"
#include "sql/dialect.h"

static const char *const stored[] = {"", "a", "A", "ab", "Abc", "100%", "100x", "a_c", "Größe", "GRÖSSE", "größen"};

static int set_up(void **state)
{
    static db_test t;
    db_test_init_bare(&t);
    assert_ok(t.cx, cv_db_open(t.cx, "sqlite::memory:", NULL, &t.db));
    cv_use_db(t.cx, t.db);
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE t (c TEXT)"));
    for (size_t i = 0; i < sizeof stored / sizeof stored[0]; i++)
        assert_ok(t.cx, cv_exec(t.cx, NULL, "INSERT INTO t VALUES (?)", stored[i]));
    assert_ok(t.cx, cv_exec(t.cx, NULL, "INSERT INTO t VALUES (NULL)"));
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE INDEX t_c ON t (c)"));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

/* The texts that the look-up finds, joined by "|", in the order of insertion; then how many its negation finds. */
static const char *found(cv_ctx *cx, cv__lookup lookup, const char *wanted, bool negated)
{
    cv_buf sql;
    cv_value value, result;
    cv_buf_init_arena(&sql, cv_ctx_arena(cx), 0);
    cv_buf_add_text(&sql, "SELECT coalesce(group_concat(c, '|'), '') FROM (SELECT c FROM t WHERE ");
    cv_buf_add_text(&sql, negated ? "NOT (" : "(");
    cv__dialect_sqlite.add_text_lookup(&sql, lookup, CV_STR("c"), 1);
    cv_buf_add_text(&sql, ") ORDER BY rowid)");
    assert_int_equal(cv__dialect_sqlite.lookup_value(cv_ctx_arena(cx), lookup, cv_str_of(wanted), &value), 0);
    cv__statement statement = {.sql = cv_buf_str(&sql), .params = &value, .param_count = 1};
    cv__row_stream stream;
    assert_ok(cx, cv__db_open_rows(cx, cv_ctx_db(cx), CV__READER, &statement, &stream));
    assert_int_equal(cv__db_next_row(cx, &stream, &result), 1);
    char *text = cv_strndup(cx, result.as.text.ptr, result.as.text.len);
    cv__db_close_rows(cx, &stream);
    return text;
}

#define assert_found(lookup, wanted, expected)                                                                         \
    assert_string_equal(found(((db_test *)*state)->cx, lookup, wanted, false), expected)

static void exact_case_counts(void **state)
{
    assert_found(CV__CONTAINS, "a", "a|ab|a_c");
    assert_found(CV__CONTAINS, "öß", "Größe|größen");
    assert_found(CV__STARTSWITH, "A", "A|Abc");
    assert_found(CV__STARTSWITH, "Gr", "Größe");
    assert_found(CV__ENDSWITH, "c", "Abc|a_c");
    assert_found(CV__ENDSWITH, "xxx100%", "");
}

static void wildcards_are_plain_characters(void **state)
{
    assert_found(CV__CONTAINS, "%", "100%");
    assert_found(CV__STARTSWITH, "a_", "a_c");
    assert_found(CV__ENDSWITH, "0%", "100%");
    assert_found(CV__ICONTAINS, "_", "a_c");
}

static void the_insensitive_forms_fold(void **state)
{
    assert_found(CV__IEXACT, "A", "a|A");
    assert_found(CV__IEXACT, "grösse", "Größe|GRÖSSE");
    assert_found(CV__ICONTAINS, "BC", "Abc");
    assert_found(CV__ISTARTSWITH, "GRÖß", "Größe|GRÖSSE|größen");
    assert_found(CV__IENDSWITH, "SSE", "Größe|GRÖSSE");
}

static void the_empty_text_is_in_every_text_but_not_in_null(void **state)
{
    const char *all = "|a|A|ab|Abc|100%|100x|a_c|Größe|GRÖSSE|größen";
    assert_found(CV__CONTAINS, "", all);
    assert_found(CV__STARTSWITH, "", all);
    assert_found(CV__ENDSWITH, "", all);
    assert_found(CV__ICONTAINS, "", all);
    assert_found(CV__ISTARTSWITH, "", all);
    assert_found(CV__IENDSWITH, "", all);
}

static void a_negated_lookup_does_not_find_null(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_string_equal(found(cx, CV__STARTSWITH, "a", true), "|A|Abc|100%|100x|Größe|GRÖSSE|größen");
    assert_string_equal(found(cx, CV__ENDSWITH, "", true), "");
    assert_string_equal(found(cx, CV__CONTAINS, "", true), "");
}

static void startswith_uses_an_index(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows,
                            "EXPLAIN QUERY PLAN SELECT c FROM t WHERE (c >= ? AND c < ? || x'ff' AND substr(c, 1, 1) = "
                            "'a')",
                            "a", "a"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    assert_true(cv_str_find(cv_rows_get(rows, 3).as.text, CV_STR("SEARCH")) >= 0);
    cv_rows_close(cx, rows);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(exact_case_counts),
        CASE(wildcards_are_plain_characters),
        CASE(the_insensitive_forms_fold),
        CASE(the_empty_text_is_in_every_text_but_not_in_null),
        CASE(a_negated_lookup_does_not_find_null),
        CASE(startswith_uses_an_index),
    };
    return cmocka_run_group_tests_name("db lookups", tests, NULL, NULL);
}
