/* Going through objects one by one: bounded memory, early ends, errors on the way. */
#include "library.h"

static void fill(library *lib, size_t count)
{
    struct author *authors = cv_zalloc(lib->cx, count, sizeof *authors);
    for (size_t i = 0; i < count; i++)
        authors[i].name = "an author with a name of some length";
    assert_ok(lib->cx, cv_bulk_create(lib->cx, author, authors, count));
}

static void memory_stays_bounded(void **state)
{
    library *lib = *state;
    cv_iterator *it;
    struct author a;
    int rc;
    int64_t seen = 0;
    fill(lib, 5000);
    assert_ok(lib->cx, cv_iterate(lib->cx, cv_objects(lib->cx, author), author, &it));
    size_t before = cv_arena_get_stats(cv_ctx_arena(lib->cx)).used_bytes;
    while ((rc = cv_next(lib->cx, it, author, &a)) > 0) {
        seen++;
        assert_string_equal(a.name, "an author with a name of some length");
    }
    assert_ok(lib->cx, rc);
    assert_int_equal(seen, 5000);
    assert_int_equal(cv_arena_get_stats(cv_ctx_arena(lib->cx)).used_bytes, before);
    assert_ok(lib->cx, cv_next(lib->cx, it, author, &a));
    cv_iterator_close(lib->cx, it);
    cv_iterator_close(lib->cx, NULL);
}

static void the_connection_goes_back_early_or_with_the_scope(void **state)
{
    library *lib = *state;
    struct author a;
    fill(lib, 10);
    for (int i = 0; i < 30; i++)
        CV_SCOPE(lib->cx)
        {
            cv_iterator *it;
            assert_ok(lib->cx, cv_iterate(lib->cx, cv_objects(lib->cx, author), author, &it));
            assert_int_equal(cv_next(lib->cx, it, author, &a), 1);
            if (i % 2)
                cv_iterator_close(lib->cx, it);
        }
    assert_int_equal(cv_db_pool_stats(lib->db, 0).borrowed, 0);
}

static void relations_come_along(void **state)
{
    library *lib = *state;
    cv_iterator *it;
    struct book b;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_select_related(q, "author");
    cv_order_by(q, "id");
    assert_ok(lib->cx, cv_iterate(lib->cx, q, book, &it));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(cv_next(lib->cx, it, book, &b), 1);
        assert_int_equal(b.author->id, b.author_id);
    }
    assert_int_equal(cv_next(lib->cx, it, book, &b), 0);
}

static void a_deadline_on_the_way_ends_it(void **state)
{
    library *lib = *state;
    cv_iterator *it;
    struct author a;
    fill(lib, 10);
    assert_ok(lib->cx, cv_iterate(lib->cx, cv_objects(lib->cx, author), author, &it));
    assert_int_equal(cv_next(lib->cx, it, author, &a), 1);
    assert_fails(lib->cx, cv__next(lib->cx, it, book_model(), &a), CV_E_TYPE, "no objects of model \"book\"");
    cv_iterator_close(lib->cx, it);
    assert_int_equal(cv_next(lib->cx, it, author, &a), 0);
    int64_t former = cv_ctx_set_deadline_ns(lib->cx, cv_now_ns(lib->cx) - 1);
    assert_int_equal(cv_iterate(lib->cx, cv_objects(lib->cx, author), author, &it), CV_E_TIMEOUT);
    cv_ctx_restore_deadline_ns(lib->cx, former);
}

static void a_row_that_does_not_fit_is_named(void **state)
{
    library *lib = *state;
    struct author *all;
    size_t count;
    cv_iterator *it;
    struct author a;
    assert_ok(lib->cx, cv_exec(lib->cx, NULL, "INSERT INTO authors (name) VALUES (?)", cv_str_make("a\0b", 3)));
    assert_fails(lib->cx, cv_all(lib->cx, cv_objects(lib->cx, author), author, &all, &count), CV_E_INVALID,
                 "the column \"name\" of table \"authors\" has a NUL byte");
    assert_ok(lib->cx, cv_iterate(lib->cx, cv_objects(lib->cx, author), author, &it));
    assert_fails(lib->cx, cv_next(lib->cx, it, author, &a), CV_E_INVALID, "NUL byte");
    assert_int_equal(cv_next(lib->cx, it, author, &a), 0);
    assert_int_equal(cv_db_pool_stats(lib->db, 0).borrowed, 0);
}

struct narrow {
    int64_t id;
    const char *name;
    const char *email;
};
CV_MODEL(narrow, "authors", CV_ID(id), CV_CHAR(name, .max_length = 100), CV_CHAR(email, .max_length = 100))

static void null_where_the_model_has_none_is_named(void **state)
{
    library *lib = *state;
    struct narrow n;
    fill(lib, 1);
    cv_registry *registry = cv_registry_new(lib->cx);
    assert_ok(lib->cx, cv_registry_add(lib->cx, registry, "other", narrow_model()));
    assert_ok(lib->cx, cv_registry_check(lib->cx, registry));
    cv_use_registry(lib->cx, registry);
    assert_fails(lib->cx, cv_get(lib->cx, narrow, &n, 1), CV_E_NOT_NULL, "the column \"email\" of table \"authors\"");
    cv_use_registry(lib->cx, lib->registry);
    cv_registry_free(registry);
}

static void results_beyond_the_arena_say_what_to_do(void **state)
{
    library *lib = *state;
    struct author *all;
    size_t count;
    fill(lib, 3000);
    cv_arena *arena = cv_ctx_arena(lib->cx);
    size_t limit = cv_arena_get_stats(arena).limit_bytes;
    cv_arena_set_limit(arena, cv_arena_get_stats(arena).reserved_bytes + 1000);
    assert_int_equal(cv_all(lib->cx, cv_objects(lib->cx, author), author, &all, &count) < 0, 1);
    assert_int_equal(cv_error_last(lib->cx)->code, CV_E_LIMIT);
    assert_non_null(strstr(cv_error_last(lib->cx)->hint, "cv_iterate"));
    cv_arena_set_limit(arena, limit);
    assert_int_equal(cv_db_pool_stats(lib->db, 0).borrowed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, library_setup, library_teardown)
        TEST(memory_stays_bounded),
        TEST(the_connection_goes_back_early_or_with_the_scope),
        TEST(relations_come_along),
        TEST(a_deadline_on_the_way_ends_it),
        TEST(a_row_that_does_not_fit_is_named),
        TEST(null_where_the_model_has_none_is_named),
        TEST(results_beyond_the_arena_say_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
