/* Relations: NULL until asked for, loaded by joins, never by hidden input or output. */
#include "library.h"

static void a_relation_not_asked_for_is_an_error_not_a_query(void **state)
{
    library *lib = *state;
    struct book b;
    struct author *a = NULL;
    library_fill(lib);
    assert_ok(lib->cx, cv_get(lib->cx, book, &b, 1));
    assert_int_equal(cv_rel(lib->cx, book, &b, author, &a), CV_E_NOT_LOADED);
    assert_string_equal(cv_error_last(lib->cx)->hint, "add cv_select_related(q, \"author\") to the query");
    cv_error_clear(lib->cx);
    assert_ok(lib->cx, cv_get(lib->cx, book, &b, 2));
    assert_ok(lib->cx, cv_rel(lib->cx, book, &b, editor, &a));
    assert_null(a);
}

static void a_loaded_relation_is_there(void **state)
{
    library *lib = *state;
    struct book b;
    struct author *a;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_select_related(q, "author");
    cv_filter(q, "id", 3);
    assert_ok(lib->cx, cv_one(lib->cx, q, book, &b));
    assert_ok(lib->cx, cv_rel(lib->cx, book, &b, author, &a));
    assert_string_equal(a->name, "Jules");
    assert_null(b.editor);
}

static void asking_twice_loads_once(void **state)
{
    library *lib = *state;
    struct book *books;
    size_t count;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_select_related(q, "editor__country", "editor", "author");
    cv_select_related(q, "editor__country");
    cv_filter(q, "editor__country__name__isnull", false);
    cv_order_by(q, "id");
    assert_ok(lib->cx, cv_all(lib->cx, q, book, &books, &count));
    assert_int_equal(count, 2);
    assert_string_equal(books[0].editor->country->name, "France");
    assert_string_equal(books[1].editor->country->name, "United States");
    assert_string_equal(books[1].author->name, "Jules");
}

static void many_rows_keep_their_relations(void **state)
{
    library *lib = *state;
    enum { MANY = 3000 };
    struct author a = {.name = "A"};
    struct book *written = cv_zalloc(lib->cx, MANY, sizeof *written), *read;
    size_t count;
    assert_ok(lib->cx, cv_save(lib->cx, author, &a));
    for (size_t i = 0; i < MANY; i++)
        written[i] = (struct book){.title = "t", .author_id = a.id, .pages = CV_SOME((int64_t)(i % 5000))};
    assert_ok(lib->cx, cv_bulk_create(lib->cx, book, written, MANY));
    cv_query *q = cv_objects(lib->cx, book);
    cv_select_related(q, "author", "editor");
    cv_order_by(q, "id");
    assert_ok(lib->cx, cv_all(lib->cx, q, book, &read, &count));
    assert_int_equal(count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(read[i].pages.value, i % 5000);
        assert_string_equal(read[i].author->name, "A");
        assert_null(read[i].editor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, library_setup, library_teardown)
        TEST(a_relation_not_asked_for_is_an_error_not_a_query),
        TEST(a_loaded_relation_is_there),
        TEST(asking_twice_loads_once),
        TEST(many_rows_keep_their_relations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
