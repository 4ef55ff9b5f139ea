/* Reading and writing single members by field. */
#include "library.h"
#include "orm/registry.h"

static const cv__field_info *field_of(library *lib, const char *name)
{
    return cv__field_need(lib->cx, cv__model_need(lib->cx, sample_model()), cv_str_of(name));
}

static void every_member_reads_back_what_was_written(void **state)
{
    library *lib = *state;
    struct sample s = {.a_bool = false};
    const cv__model_info *info = cv__model_need(lib->cx, sample_model());
    for (size_t i = 0; i < info->field_count; i++) {
        const cv__field_info *field = &info->fields[i];
        cv_value text = cv_value_text(field->type.type == CV_TYPE_UUID   ? "00112233-4455-6677-8899-aabbccddeeff"
                                      : field->type.type == CV_TYPE_TIME ? "2026-11-21T10:00:00Z"
                                      : field->type.type == CV_TYPE_DATE ? "2026-11-21"
                                                                         : "1");
        cv_value wanted;
        assert_int_equal(cv_value_convert(cv_ctx_arena(lib->cx), text, field->type.type, &wanted), 0);
        assert_ok(lib->cx, cv__field_set(lib->cx, field, &s, text));
        assert_true(cv_value_equal(cv__field_get(field, &s), wanted));
        if (field->null) {
            assert_ok(lib->cx, cv__field_set(lib->cx, field, &s, CV_NULL));
            assert_int_equal(cv__field_get(field, &s).type, CV_TYPE_NULL);
        } else {
            assert_fails(lib->cx, cv__field_set(lib->cx, field, &s, CV_NULL), CV_E_NOT_NULL, "cannot be NULL");
        }
    }
}

static void values_that_do_not_fit_are_refused(void **state)
{
    library *lib = *state;
    struct sample s = {.an_i16 = 5};
    assert_fails(lib->cx, cv__field_set(lib->cx, field_of(lib, "an_i16"), &s, CV_VALUE(40000)), CV_E_RANGE,
                 "\"an_i16\"");
    assert_fails(lib->cx, cv__field_set(lib->cx, field_of(lib, "o_i32"), &s, CV_VALUE(INT64_MAX)), CV_E_RANGE,
                 "\"o_i32\"");
    assert_fails(lib->cx, cv__field_set(lib->cx, field_of(lib, "a_time"), &s, CV_VALUE(5)), CV_E_TYPE, "\"a_time\"");
    assert_fails(lib->cx, cv__field_set(lib->cx, field_of(lib, "a_text"), &s, CV_VALUE(cv_str_make("a\0b", 3))),
                 CV_E_INVALID, "NUL byte");
    assert_ok(lib->cx, cv__field_set(lib->cx, field_of(lib, "a_str"), &s, CV_VALUE(cv_str_make("a\0b", 3))));
    assert_int_equal(s.a_str.len, 3);
    assert_int_equal(s.an_i16, 5);
}

static void texts_are_copied(void **state)
{
    library *lib = *state;
    char text[] = "before";
    struct sample s;
    assert_ok(lib->cx, cv__field_set(lib->cx, field_of(lib, "a_text"), &s, CV_VALUE(text)));
    memcpy(text, "after!", 6);
    assert_string_equal(s.a_text, "before");
}

static void the_related_object_is_read_through_the_pointer(void **state)
{
    library *lib = *state;
    struct author a = {.id = 1};
    struct book b = {.author = &a};
    const cv__model_info *info = cv__model_need(lib->cx, book_model());
    assert_ptr_equal(cv__field_related(cv__field_find(info, CV_STR("author")), &b), &a);
    assert_null(cv__field_related(cv__field_find(info, CV_STR("editor")), &b));
}

static void sets_of_fields_are_made_by_name(void **state)
{
    library *lib = *state;
    cv_fields set = {{0}};
    assert_true(cv_fields_is_empty(&set));
    assert_ok(lib->cx, cv_fields_of(lib->cx, book, &set, "title", "author_id"));
    assert_true(cv_fields_has(&set, 1));
    assert_true(cv_fields_has(&set, 8));
    assert_false(cv_fields_has(&set, 2));
    assert_fails(lib->cx, cv_fields_of(lib->cx, book, &set, "price", "titel"), CV_E_FIELD, "\"titel\"");
    assert_false(cv_fields_has(&set, 2));
}

static void values_are_ordered_by_type(void **state)
{
    (void)state;
    assert_true(cv__value_compare(CV_VALUE(1), CV_VALUE(2)) < 0);
    assert_true(cv__value_compare(CV_VALUE(2.5), CV_VALUE(1.5)) > 0);
    assert_true(cv__value_compare(CV_VALUE("a"), CV_VALUE("b")) < 0);
    assert_int_equal(cv__value_compare(CV_VALUE(library_decimal("1.50")), CV_VALUE(library_decimal("1.5"))), 0);
    assert_true(cv__value_compare(CV_VALUE(((cv_time){5})), CV_VALUE(((cv_time){4}))) > 0);
    assert_true(cv__value_compare(CV_VALUE(((cv_date){3})), CV_VALUE(((cv_date){4}))) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, library_setup, library_teardown)
        TEST(every_member_reads_back_what_was_written),
        TEST(values_that_do_not_fit_are_refused),
        TEST(texts_are_copied),
        TEST(the_related_object_is_read_through_the_pointer),
        TEST(sets_of_fields_are_made_by_name),
        TEST(values_are_ordered_by_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
