/* Checking objects before they are written: every bad field is named, good ones pass. */
#include "library.h"
#include "orm/registry.h"

static struct sample good(void)
{
    return (struct sample){
        .a_text = "x", .a_str = CV_STR("y"), .some_bytes = {(const uint8_t *)"z", 1}, .a_json = {CV_STR("{}")}};
}

static const char *verdict(library *lib, const struct sample *s)
{
    int rc = cv__object_validate(lib->cx, cv__model_need(lib->cx, sample_model()), s, NULL);
    if (rc == 0)
        return "good";
    assert_int_equal(rc, CV_E_VALIDATION);
    const cv_error *error = cv_error_last(lib->cx);
    const char *text = cv_sprintf(lib->cx, "%s: %s", error->fields[0].field, error->fields[0].message);
    assert_int_equal(error->field_count, 1);
    assert_string_equal(error->table, "samples");
    cv_error_clear(lib->cx);
    return text;
}

static void each_kind_of_mistake_is_described(void **state)
{
    library *lib = *state;
    char longer[1200];
    struct sample s = good();
    assert_string_equal(verdict(lib, &s), "good");
#define BAD(member, value, message)                                                                                    \
    do {                                                                                                               \
        s = good();                                                                                                    \
        s.member = value;                                                                                              \
        assert_string_equal(verdict(lib, &s), message);                                                                \
    } while (0)
    BAD(a_text, NULL, "a_text: must not be null");
    BAD(a_text, "\xff", "a_text: must be valid UTF-8");
    BAD(a_str, cv_str_make("a\0b", 3), "a_str: must not contain a NUL character");
    BAD(a_f64, 1.0 / 0.0, "a_f64: must be a finite number");
    BAD(a_decimal, library_decimal("0.00001"), "a_decimal: must have at most 4 digits after the point");
    BAD(a_decimal, library_decimal("123456789012345"), "a_decimal: must have at most 14 digits before the point");
    BAD(a_time, (cv_time){INT64_MAX}, "a_time: must be between the years 1 and 9999");
    BAD(a_date, (cv_date){INT32_MAX}, "a_date: must be between the years 1 and 9999");
    memset(longer, 'a', sizeof longer);
    longer[1001] = '\0';
    BAD(a_text, longer, "a_text: must be at most 1000 characters long");
    s = good();
    s.a_json.text = CV_STR("{");
    assert_non_null(strstr(verdict(lib, &s), "a_json: must be JSON: "));
}

static void length_counts_characters_not_bytes(void **state)
{
    library *lib = *state;
    char text[2001];
    struct sample s = good();
    for (size_t i = 0; i < 2000; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[2000] = '\0';
    s.a_text = text;
    assert_string_equal(verdict(lib, &s), "good");
}

static void all_bad_fields_are_named_in_order(void **state)
{
    library *lib = *state;
    struct book b = {.price = library_decimal("-1"), .pages = CV_SOME(6000)};
    assert_int_equal(cv_save(lib->cx, book, &b), CV_E_VALIDATION);
    const cv_error *error = cv_error_last(lib->cx);
    assert_int_equal(error->field_count, 3);
    assert_string_equal(error->fields[0].field, "title");
    assert_string_equal(error->fields[1].field, "price");
    assert_string_equal(error->fields[1].message, "must be at least 0");
    assert_string_equal(error->fields[2].field, "pages");
    assert_string_equal(error->fields[2].message, "must be at most 5000");
}

static void a_pending_error_survives_a_check(void **state)
{
    library *lib = *state;
    struct sample s = good();
    (void)cv_fail(lib->cx, CV_E_IO, "earlier");
    s.a_json.text = CV_STR("[");
    assert_int_equal(cv__object_validate(lib->cx, cv__model_need(lib->cx, sample_model()), &s, NULL), CV_E_VALIDATION);
    assert_string_equal(cv_error_last(lib->cx)->cause->message, "earlier");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, library_setup, library_teardown)
        TEST(each_kind_of_mistake_is_described),
        TEST(length_counts_characters_not_bytes),
        TEST(all_bad_fields_are_named_in_order),
        TEST(a_pending_error_survives_a_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
