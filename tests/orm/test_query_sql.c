/* The text that queries become: joins, NULL, groups, slices, order. */
#include "library.h"

static const char *sql_of(library *lib, cv_query *q)
{
    cv_str sql;
    assert_ok(lib->cx, cv_query_sql(lib->cx, q, &sql));
    return sql.ptr;
}

/* What follows FROM "books" AS "t0". */
static const char *after_from(library *lib, cv_query *q)
{
    static const char start[] = " FROM \"books\" AS \"t0\"";
    const char *at = strstr(sql_of(lib, q), start);
    assert_non_null(at);
    return at + sizeof start - 1;
}

static void columns_are_listed_and_quoted(void **state)
{
    library *lib = *state;
    assert_string_equal(sql_of(lib, cv_objects(lib->cx, country)),
                        "SELECT \"t0\".\"code\", \"t0\".\"name\" FROM \"countries\" AS \"t0\"");
}

static void values_are_only_placeholders(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "title", "x' OR '1'='1");
    cv_filter(q, "price__gte", 3);
    assert_string_equal(after_from(lib, q), " WHERE \"t0\".\"title\" = ?1 AND \"t0\".\"price\" >= ?2");
}

static void null_is_asked_for_with_is_null(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "summary", CV_NULL);
    cv_filter(q, "pages__isnull", false);
    cv_exclude(q, "editor", CV_NULL);
    assert_string_equal(after_from(lib, q), " WHERE \"t0\".\"summary\" IS NULL AND \"t0\".\"pages\" IS NOT NULL"
                                            " AND NOT (\"t0\".\"editor_id\" IS NULL)");
}

static void excluding_keeps_rows_without_a_value(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_exclude(q, "pages", 3);
    cv_exclude(q, "title", "x");
    assert_string_equal(after_from(lib, q), " WHERE NOT ((\"t0\".\"pages\" = ?1 AND \"t0\".\"pages\" IS NOT NULL))"
                                            " AND NOT (\"t0\".\"title\" = ?2)");
}

static void a_required_relation_is_an_inner_join_made_once(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "author__name", "a");
    cv_filter(q, "author__email", "b");
    assert_string_equal(after_from(lib, q), " INNER JOIN \"authors\" AS \"t1\" ON \"t1\".\"id\" = \"t0\".\"author_id\""
                                            " WHERE \"t1\".\"name\" = ?1 AND \"t1\".\"email\" = ?2");
}

static void the_key_of_a_relation_needs_no_join(void **state)
{
    library *lib = *state;
    static const char *const paths[] = {"author", "author_id", "author__pk", "author__id", "author_id__exact"};
    for (size_t i = 0; i < 5; i++) {
        cv_query *q = cv_objects(lib->cx, book);
        cv_filter(q, paths[i], 3);
        assert_string_equal(after_from(lib, q), " WHERE \"t0\".\"author_id\" = ?1");
    }
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "author__country__code", "fr");
    cv_filter(q, "pk__gt", 1);
    assert_string_equal(after_from(lib, q), " INNER JOIN \"authors\" AS \"t1\" ON \"t1\".\"id\" = \"t0\".\"author_id\""
                                            " WHERE \"t1\".\"country_id\" = ?1 AND \"t0\".\"id\" > ?2");
}

/* How the join to the nullable relation is made, under what conditions. */
static void nullable_relations_are_joined_as_they_must_be(void **state)
{
    library *lib = *state;
    cv_ctx *cx = lib->cx;
    cv_query *q = cv_objects(cx, book);
    cv_filter(q, "editor__name", "x");
    assert_non_null(strstr(after_from(lib, q), " INNER JOIN \"authors\""));

    q = cv_objects(cx, book);
    cv_exclude(q, "editor__name", "x");
    assert_non_null(strstr(after_from(lib, q), " LEFT JOIN \"authors\""));

    q = cv_objects(cx, book);
    cv_filter(q, "editor__email__isnull", true);
    assert_non_null(strstr(after_from(lib, q), " LEFT JOIN \"authors\""));

    q = cv_objects(cx, book);
    cv_filter(q, "editor__email__isnull", false);
    assert_non_null(strstr(after_from(lib, q), " INNER JOIN \"authors\""));

    q = cv_objects(cx, book);
    cv_order_by(q, "editor__name");
    assert_non_null(strstr(after_from(lib, q), " LEFT JOIN \"authors\""));

    q = cv_objects(cx, book);
    cv_select_related(q, "editor");
    assert_non_null(strstr(after_from(lib, q), " LEFT JOIN \"authors\""));

    q = cv_objects(cx, book);
    cv_any_begin(q);
    cv_filter(q, "editor__name", "x");
    cv_filter(q, "title", "y");
    cv_group_end(q);
    assert_non_null(strstr(after_from(lib, q), " LEFT JOIN \"authors\""));

    q = cv_objects(cx, book);
    cv_any_begin(q);
    cv_filter(q, "editor__name", "x");
    cv_filter(q, "editor__email", "y");
    cv_group_end(q);
    assert_non_null(strstr(after_from(lib, q), " INNER JOIN \"authors\""));
}

static void what_follows_a_left_join_is_one_too(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_select_related(q, "editor__country");
    assert_string_equal(after_from(lib, q),
                        " LEFT JOIN \"authors\" AS \"t1\" ON \"t1\".\"id\" = \"t0\".\"editor_id\""
                        " LEFT JOIN \"countries\" AS \"t2\" ON \"t2\".\"code\" = \"t1\".\"country_id\"");
    cv_filter(q, "editor__country__name", "France");
    assert_string_equal(after_from(lib, q),
                        " INNER JOIN \"authors\" AS \"t1\" ON \"t1\".\"id\" = \"t0\".\"editor_id\""
                        " INNER JOIN \"countries\" AS \"t2\" ON \"t2\".\"code\" = \"t1\".\"country_id\""
                        " WHERE \"t2\".\"name\" = ?1");
}

static void groups_nest(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "id", 1);
    cv_any_begin(q);
    cv_filter(q, "id", 2);
    cv_all_begin(q);
    cv_filter(q, "id", 3);
    cv_filter(q, "id", 4);
    cv_group_end(q);
    cv_group_end(q);
    assert_string_equal(after_from(lib, q), " WHERE \"t0\".\"id\" = ?1 AND (\"t0\".\"id\" = ?2 OR"
                                            " (\"t0\".\"id\" = ?3 AND \"t0\".\"id\" = ?4))");
}

static void an_empty_group_asks_for_nothing(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_any_begin(q);
    cv_all_begin(q);
    cv_group_end(q);
    cv_exclude_begin(q);
    cv_group_end(q);
    cv_group_end(q);
    assert_string_equal(after_from(lib, q), "");
}

static void an_excluded_group_is_two_valued(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_exclude_begin(q);
    cv_filter(q, "pages", 1);
    cv_filter(q, "available", true);
    cv_group_end(q);
    assert_string_equal(after_from(lib, q), " WHERE NOT (((\"t0\".\"pages\" = ?1 AND \"t0\".\"pages\" IS NOT NULL)"
                                            " AND \"t0\".\"available\" = ?2))");
}

static void lists_are_filled_up_to_a_power_of_two(void **state)
{
    library *lib = *state;
    const int64_t keys[] = {1, 2, 3, 4, 5};
    cv_query *q = cv_objects(lib->cx, book);
    cv_in(q, "id", keys, 5);
    assert_string_equal(after_from(lib, q), " WHERE \"t0\".\"id\" IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    q = cv_objects(lib->cx, book);
    cv_in(q, "id", keys, 0);
    assert_string_equal(after_from(lib, q), " WHERE 1 = 0");
}

static void slices_are_bound(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_limit(q, 10);
    assert_string_equal(after_from(lib, q), " LIMIT ?1");
    cv_offset(q, 5);
    assert_string_equal(after_from(lib, q), " LIMIT ?1 OFFSET ?2");
    q = cv_objects(lib->cx, book);
    cv_offset(q, 5);
    assert_string_equal(after_from(lib, q), " LIMIT ?1 OFFSET ?2");
}

static void order_says_where_null_goes(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_order_by(q, "-published", "pages", "-pages");
    assert_string_equal(after_from(lib, q), " ORDER BY \"t0\".\"published\" DESC, \"t0\".\"pages\" NULLS LAST,"
                                            " \"t0\".\"pages\" DESC NULLS FIRST");
}

static void a_later_order_replaces_the_former(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_order_by(q, "author__name");
    cv_order_by(q, "title");
    assert_string_equal(after_from(lib, q), " ORDER BY \"t0\".\"title\"");
}

static void long_lists_of_conditions_are_not_deep(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    for (int i = 0; i < 700; i++)
        cv_filter(q, "id__lt", 1000 + i);
    library_fill(lib);
    assert_books(lib, q, "1,2,3,4,5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, library_setup, library_teardown)
        TEST(columns_are_listed_and_quoted),
        TEST(values_are_only_placeholders),
        TEST(null_is_asked_for_with_is_null),
        TEST(excluding_keeps_rows_without_a_value),
        TEST(a_required_relation_is_an_inner_join_made_once),
        TEST(the_key_of_a_relation_needs_no_join),
        TEST(nullable_relations_are_joined_as_they_must_be),
        TEST(what_follows_a_left_join_is_one_too),
        TEST(groups_nest),
        TEST(an_empty_group_asks_for_nothing),
        TEST(an_excluded_group_is_two_valued),
        TEST(lists_are_filled_up_to_a_power_of_two),
        TEST(slices_are_bound),
        TEST(order_says_where_null_goes),
        TEST(a_later_order_replaces_the_former),
        TEST(long_lists_of_conditions_are_not_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
