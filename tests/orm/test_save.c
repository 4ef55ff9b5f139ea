/* Saving single objects: insert or update, partial updates, automatic times, keys of the program's own. */
#include "library.h"

static struct author new_author(library *lib)
{
    struct author a = {.name = "Ada"};
    assert_ok(lib->cx, cv_save(lib->cx, author, &a));
    return a;
}

static void saving_inserts_then_updates(void **state)
{
    library *lib = *state;
    struct author a = new_author(lib), found;
    int64_t count;
    assert_int_equal(a.id, 1);
    a.name = "Augusta";
    assert_ok(lib->cx, cv_save(lib->cx, author, &a));
    assert_ok(lib->cx, cv_get(lib->cx, author, &found, 1));
    assert_string_equal(found.name, "Augusta");
    assert_ok(lib->cx, cv_count(lib->cx, cv_objects(lib->cx, author), &count));
    assert_int_equal(count, 1);
}

static void saving_a_key_without_a_row_inserts_it(void **state)
{
    library *lib = *state;
    struct author a = {.id = 40, .name = "Ada"}, found;
    assert_ok(lib->cx, cv_save(lib->cx, author, &a));
    assert_ok(lib->cx, cv_get(lib->cx, author, &found, 40));
    struct country c = {"de", "Germany"}, same = {"de", "Deutschland"}, stored;
    assert_ok(lib->cx, cv_save(lib->cx, country, &c));
    assert_ok(lib->cx, cv_save(lib->cx, country, &same));
    assert_ok(lib->cx, cv_get(lib->cx, country, &stored, "de"));
    assert_string_equal(stored.name, "Deutschland");
}

static void times_are_set_by_themselves(void **state)
{
    library *lib = *state;
    struct author a = new_author(lib);
    struct book b = {.title = "Notes", .author_id = a.id}, stored;
    cv_time before = cv_time_now();
    assert_ok(lib->cx, cv_save(lib->cx, book, &b));
    assert_true(b.published.us >= before.us);
    assert_int_equal(b.published.us, b.updated.us);
    cv_time published = b.published, updated = b.updated;
    b.updated.us = 1;
    b.title = "Notes 2";
    assert_ok(lib->cx, cv_save(lib->cx, book, &b));
    assert_true(b.updated.us >= updated.us);
    assert_ok(lib->cx, cv_get(lib->cx, book, &stored, b.id));
    assert_int_equal(stored.published.us, published.us);
    assert_int_equal(stored.updated.us, b.updated.us);
}

static void zero_is_a_value_and_no_reason_for_the_default(void **state)
{
    library *lib = *state;
    struct author a = new_author(lib);
    struct book b = {.title = "Notes", .available = false, .author_id = a.id}, stored;
    assert_ok(lib->cx, cv_save(lib->cx, book, &b));
    assert_ok(lib->cx, cv_get(lib->cx, book, &stored, b.id));
    assert_false(stored.available);
}

static void an_update_writes_only_its_fields(void **state)
{
    library *lib = *state;
    struct author a = new_author(lib);
    struct book b = {.title = "Notes", .pages = CV_SOME(9), .author_id = a.id}, stored;
    cv_fields set = {{0}};
    assert_ok(lib->cx, cv_save(lib->cx, book, &b));
    b.title = "changed";
    b.pages = (cv_opt_i64)CV_NONE;
    b.updated.us = 1;
    assert_ok(lib->cx, cv_fields_of(lib->cx, book, &set, "pages"));
    assert_ok(lib->cx, cv_update(lib->cx, book, &b, &set));
    assert_true(b.updated.us > 1);
    assert_ok(lib->cx, cv_get(lib->cx, book, &stored, b.id));
    assert_string_equal(stored.title, "Notes");
    assert_false(stored.pages.set);
    assert_int_equal(stored.updated.us, b.updated.us);
}

static void an_update_checks_only_its_fields(void **state)
{
    library *lib = *state;
    struct author a = new_author(lib);
    cv_fields set = {{0}}, none = {{0}};
    a.name = NULL;
    a.email = "ada@example.org";
    assert_ok(lib->cx, cv_fields_of(lib->cx, author, &set, "email"));
    assert_ok(lib->cx, cv_update(lib->cx, author, &a, &set));
    assert_ok(lib->cx, cv_update(lib->cx, author, &a, &none));
    assert_ok(lib->cx, cv_fields_of(lib->cx, author, &set, "name"));
    assert_fails(lib->cx, cv_update(lib->cx, author, &a, &set), CV_E_VALIDATION, "\"name\": must not be null");
}

static void rows_that_are_missing_are_told(void **state)
{
    library *lib = *state;
    struct author a = {.id = 9, .name = "nobody"};
    cv_fields set = {{0}};
    assert_ok(lib->cx, cv_fields_of(lib->cx, author, &set, "name"));
    assert_fails(lib->cx, cv_update(lib->cx, author, &a, &set), CV_E_NOT_FOUND, "no \"author\" with this key");
    assert_fails(lib->cx, cv_update(lib->cx, author, &a, &(cv_fields){{0}}), CV_E_NOT_FOUND, "no \"author\"");
    assert_fails(lib->cx, cv_delete(lib->cx, author, &a), CV_E_NOT_FOUND, "no \"author\" with this key");
    assert_fails(lib->cx, cv_fields_of(lib->cx, author, &set, "nmae"), CV_E_FIELD, "\"nmae\"");
}

static void an_unset_uuid_key_is_made(void **state)
{
    library *lib = *state;
    struct sample s = {
        .a_text = "", .a_str = CV_STR(""), .some_bytes = {(const uint8_t *)"", 0}, .a_json = {CV_STR("1")}};
    struct sample found, zero = {.a_bool = false};
    assert_ok(lib->cx, cv_save(lib->cx, sample, &s));
    assert_memory_not_equal(&s.id, &zero.id, 16);
    assert_int_equal(s.id.bytes[6] >> 4, 7);
    assert_ok(lib->cx, cv_get(lib->cx, sample, &found, s.id));
}

static void writes_take_part_in_transactions(void **state)
{
    library *lib = *state;
    int64_t count;
    CV_SCOPE(lib->cx)
    {
        struct cv__atomic block __attribute__((cleanup(cv__atomic_leave))) = cv__atomic_make(lib->cx, NULL);
        assert_int_equal(cv__atomic_step(&block), 1);
        (void)new_author(lib);
    }
    assert_ok(lib->cx, cv_count(lib->cx, cv_objects(lib->cx, author), &count));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, library_setup, library_teardown)
        TEST(saving_inserts_then_updates),      TEST(saving_a_key_without_a_row_inserts_it),
        TEST(times_are_set_by_themselves),      TEST(zero_is_a_value_and_no_reason_for_the_default),
        TEST(an_update_writes_only_its_fields), TEST(an_update_checks_only_its_fields),
        TEST(rows_that_are_missing_are_told),   TEST(an_unset_uuid_key_is_made),
        TEST(writes_take_part_in_transactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
