/* Rendered statements are found again by shape: equal shapes share one text, the cache is bounded. */
#include "library.h"
#include "orm/shape.h"

static cv__shapes *shapes_of(library *lib)
{
    cv__shapes *shapes = cv__shapes_of(lib->cx, lib->registry, &cv__dialect_sqlite);
    assert_non_null(shapes);
    return shapes;
}

static void count_by(library *lib, const char *path, int value)
{
    int64_t count;
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, path, value);
    assert_ok(lib->cx, cv_count(lib->cx, q, &count));
}

static void other_values_are_the_same_shape(void **state)
{
    library *lib = *state;
    for (int i = 0; i < 10; i++)
        count_by(lib, "id", i);
    cv__shape_stats stats = shapes_of(lib)->stats;
    assert_int_equal(stats.count, 1);
    assert_int_equal(stats.misses, 1);
    assert_int_equal(stats.hits, 9);
}

static void everything_the_text_depends_on_is_another_shape(void **state)
{
    library *lib = *state;
    int64_t keys[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, number;
    bool found;
    size_t shapes = 0;
    cv_str sql;
#define SHAPE(...)                                                                                                     \
    do {                                                                                                               \
        cv_query *q = cv_objects(lib->cx, book);                                                                       \
        __VA_ARGS__;                                                                                                   \
        assert_ok(lib->cx, cv_query_sql(lib->cx, q, &sql));                                                            \
        assert_int_equal(shapes_of(lib)->stats.count, ++shapes);                                                       \
    } while (0)
    SHAPE((void)0);
    SHAPE(cv_filter(q, "id", 1));
    SHAPE(cv_exclude(q, "id", 1));
    SHAPE(cv_filter(q, "id__gt", 1));
    SHAPE(cv_filter(q, "pages", 1));
    SHAPE(cv_filter(q, "pages", CV_NULL));
    SHAPE(cv_filter(q, "pages__isnull", false));
    SHAPE(cv_in(q, "id", keys, 4));
    SHAPE(cv_in(q, "id", keys, 9));
    SHAPE(cv_in(q, "id", keys, 0));
    SHAPE(cv_filter(q, "author__name", "x"));
    SHAPE(cv_filter(q, "editor__name", "x"));
    SHAPE(cv_any_begin(q); cv_filter(q, "id", 1); cv_group_end(q));
    SHAPE(cv_exclude_begin(q); cv_filter(q, "id", 1); cv_group_end(q));
    SHAPE(cv_order_by(q, "title"));
    SHAPE(cv_order_by(q, "-title"));
    SHAPE(cv_order_by(q, "title", "id"));
    SHAPE(cv_select_related(q, "author"));
    SHAPE(cv_select_related(q, "editor"));
    SHAPE(cv_limit(q, 1));
    SHAPE(cv_offset(q, 1));
    cv_query *q = cv_objects(lib->cx, book);
    cv_in(q, "id", keys, 3); /* as four */
    assert_ok(lib->cx, cv_query_sql(lib->cx, q, &sql));
    assert_int_equal(shapes_of(lib)->stats.count, shapes);
    q = cv_objects(lib->cx, book);
    assert_ok(lib->cx, cv_count(lib->cx, q, &number));
    assert_ok(lib->cx, cv_exists(lib->cx, q, &found));
    assert_ok(lib->cx, cv_delete_all(lib->cx, q, &number));
    assert_int_equal(shapes_of(lib)->stats.count, shapes + 3);
}

static void the_oldest_goes_when_the_cache_is_full(void **state)
{
    library *lib = *state;
    cv__shapes *shapes = shapes_of(lib);
    shapes->max = 2;
    count_by(lib, "id", 1);
    count_by(lib, "pages", 1);
    count_by(lib, "id", 1);
    count_by(lib, "author", 1);
    assert_int_equal(shapes->stats.count, 2);
    assert_int_equal(shapes->stats.evicted, 1);
    uint64_t misses = shapes->stats.misses;
    count_by(lib, "id", 1);
    assert_int_equal(shapes->stats.misses, misses);
    count_by(lib, "pages", 1);
    assert_int_equal(shapes->stats.misses, misses + 1);
}

static void a_statement_in_use_outlives_its_place_in_the_cache(void **state)
{
    library *lib = *state;
    cv__shapes *shapes = shapes_of(lib);
    cv_iterator *it;
    struct book b;
    library_fill(lib);
    shapes->max = 1;
    assert_ok(lib->cx, cv_iterate(lib->cx, cv_objects(lib->cx, book), book, &it));
    assert_int_equal(cv_next(lib->cx, it, book, &b), 1);
    count_by(lib, "id", 1);
    count_by(lib, "pages", 1);
    int seen = 1;
    while (cv_next(lib->cx, it, book, &b) > 0)
        seen++;
    assert_int_equal(seen, 5);
}

static void very_long_statements_are_not_kept(void **state)
{
    library *lib = *state;
    int64_t keys[2000] = {0}, count;
    cv_query *q = cv_objects(lib->cx, book);
    cv_in(q, "id", keys, 2000);
    assert_ok(lib->cx, cv_count(lib->cx, q, &count));
    assert_int_equal(shapes_of(lib)->stats.count, 0);
}

static void get_needs_no_shape(void **state)
{
    library *lib = *state;
    struct book b;
    library_fill(lib);
    cv__shape_stats before = shapes_of(lib)->stats;
    for (int i = 1; i <= 5; i++)
        assert_ok(lib->cx, cv_get(lib->cx, book, &b, i));
    assert_int_equal(shapes_of(lib)->stats.hits, before.hits);
    assert_int_equal(shapes_of(lib)->stats.misses, before.misses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, library_setup, library_teardown)
        TEST(other_values_are_the_same_shape),        TEST(everything_the_text_depends_on_is_another_shape),
        TEST(the_oldest_goes_when_the_cache_is_full), TEST(a_statement_in_use_outlives_its_place_in_the_cache),
        TEST(very_long_statements_are_not_kept),      TEST(get_needs_no_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
