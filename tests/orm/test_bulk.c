/* Creating many objects: all or nothing, keys, mixed keys. */
#include "library.h"

#include <covet/db.h>

static int64_t count_of(library *lib)
{
    int64_t count;
    assert_ok(lib->cx, cv_count(lib->cx, cv_objects(lib->cx, author), &count));
    return count;
}

static void every_number_of_rows_is_written(void **state)
{
    library *lib = *state;
    static const size_t sizes[] = {0, 1, 2, 3, 31, 32, 33, 63, 64, 65, 200};
    int64_t before = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct author authors[200] = {0};
        char names[200][32];
        for (size_t j = 0; j < sizes[i]; j++) {
            snprintf(names[j], sizeof names[j], "n%zu", j);
            authors[j].name = names[j];
        }
        assert_ok(lib->cx, cv_bulk_create(lib->cx, author, authors, sizes[i]));
        assert_int_equal(count_of(lib) - before, sizes[i]);
        before += (int64_t)sizes[i];
        for (size_t j = 0; j < sizes[i]; j++) {
            struct author found;
            assert_ok(lib->cx, cv_get(lib->cx, author, &found, authors[j].id));
            assert_string_equal(found.name, names[j]);
        }
    }
}

static void objects_with_and_without_keys_may_mix(void **state)
{
    library *lib = *state;
    struct author authors[] = {{.name = "a"}, {.id = 50, .name = "b"}, {.id = 51, .name = "c"}, {.name = "d"}};
    assert_ok(lib->cx, cv_bulk_create(lib->cx, author, authors, 4));
    assert_int_equal(authors[0].id, 1);
    assert_int_equal(authors[1].id, 50);
    assert_true(authors[3].id > 51);
    assert_int_equal(count_of(lib), 4);
}

static void a_failure_leaves_nothing_behind(void **state)
{
    library *lib = *state;
    struct author authors[100] = {0};
    for (size_t i = 0; i < 100; i++)
        authors[i].name = "x";
    authors[3].email = authors[97].email = "same@example.org";
    assert_int_equal(cv_bulk_create(lib->cx, author, authors, 100), CV_E_UNIQUE);
    cv_error_clear(lib->cx);
    assert_int_equal(count_of(lib), 0);
    CV_SCOPE(lib->cx)
    {
        struct cv__atomic block __attribute__((cleanup(cv__atomic_leave))) = cv__atomic_make(lib->cx, NULL);
        assert_int_equal(cv__atomic_step(&block), 1);
        assert_int_equal(cv_bulk_create(lib->cx, author, authors, 100), CV_E_UNIQUE);
        cv_error_clear(lib->cx);
        authors[97].email = NULL;
        for (size_t i = 0; i < 100; i++)
            authors[i].id = 0;
        assert_ok(lib->cx, cv_bulk_create(lib->cx, author, authors, 100));
        assert_int_equal(cv__atomic_step(&block), 0);
    }
    assert_int_equal(count_of(lib), 100);
}

static void a_bad_object_is_named_before_anything_is_sent(void **state)
{
    library *lib = *state;
    struct author authors[] = {{.name = "a"}, {.name = "b"}, {.name = NULL}};
    assert_int_equal(cv_bulk_create(lib->cx, author, authors, 3), CV_E_VALIDATION);
    assert_string_equal(cv_error_last(lib->cx)->detail, "object 3 of 3");
    cv_error_clear(lib->cx);
    assert_int_equal(count_of(lib), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, library_setup, library_teardown)
        TEST(every_number_of_rows_is_written),
        TEST(objects_with_and_without_keys_may_mix),
        TEST(a_failure_leaves_nothing_behind),
        TEST(a_bad_object_is_named_before_anything_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
