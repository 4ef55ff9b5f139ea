/* String views: comparison, search, cutting, numbers, UTF-8, suggestions, secrets. */
#include "base/f64.h"
#include "test.h"

#include <covet/str.h>
#include <float.h>

static const cv_str null_view = {NULL, 0};

static void null_differs_from_empty(void **state)
{
    (void)state;
    assert_null(cv_str_of(NULL).ptr);
    assert_true(cv_str_equal(null_view, null_view));
    assert_false(cv_str_equal(null_view, CV_STR("")));
    assert_false(cv_str_equal_nocase(CV_STR(""), null_view));
    assert_true(cv_str_compare(null_view, CV_STR("")) < 0);
    assert_true(cv_str_compare(CV_STR(""), null_view) > 0);
    assert_int_equal(cv_str_compare(null_view, null_view), 0);
    assert_null(cv_str_sub(null_view, 1, 2).ptr);
}

static void views_are_compared_by_bytes(void **state)
{
    (void)state;
    assert_true(cv_str_equal(CV_STR("abc"), cv_str_of("abc")));
    assert_false(cv_str_equal(CV_STR("abc"), CV_STR("abd")));
    assert_false(cv_str_equal(CV_STR("abc"), CV_STR("ab")));
    assert_true(cv_str_equal_nocase(CV_STR("AbC[z"), CV_STR("aBc[Z")));
    assert_false(cv_str_equal_nocase(CV_STR("["), CV_STR("{")));
    assert_true(cv_str_compare(CV_STR("ab"), CV_STR("abc")) < 0);
    assert_true(cv_str_compare(CV_STR("b"), CV_STR("abc")) > 0);
    assert_true(cv_str_compare(CV_STR("\xff"), CV_STR("a")) > 0);
    assert_int_equal(cv_str_compare(CV_STR(""), CV_STR("")), 0);
}

static void parts_are_found(void **state)
{
    (void)state;
    assert_true(cv_str_starts_with(CV_STR("abc"), CV_STR("ab")));
    assert_true(cv_str_starts_with(null_view, CV_STR("")));
    assert_false(cv_str_starts_with(CV_STR("a"), CV_STR("ab")));
    assert_true(cv_str_ends_with(CV_STR("abc"), CV_STR("bc")));
    assert_false(cv_str_ends_with(CV_STR("abc"), CV_STR("ab")));
    assert_int_equal(cv_str_find(CV_STR("hello"), CV_STR("l")), 2);
    assert_int_equal(cv_str_find(CV_STR("hello"), CV_STR("lo")), 3);
    assert_int_equal(cv_str_find(CV_STR("hello"), CV_STR("x")), -1);
    assert_int_equal(cv_str_find(CV_STR("h"), CV_STR("hello")), -1);
    assert_int_equal(cv_str_find(CV_STR("hello"), CV_STR("")), 0);
    assert_int_equal(cv_str_find_char(CV_STR("hello"), 'o'), 4);
    assert_int_equal(cv_str_find_char(CV_STR("hello"), 'x'), -1);
    assert_int_equal(cv_str_find_char(null_view, 'x'), -1);
}

static void parts_are_cut(void **state)
{
    (void)state;
    assert_true(cv_str_equal(cv_str_sub(CV_STR("hello"), 1, 3), CV_STR("ell")));
    assert_true(cv_str_equal(cv_str_sub(CV_STR("hello"), 3, SIZE_MAX), CV_STR("lo")));
    assert_true(cv_str_equal(cv_str_sub(CV_STR("hello"), 9, 1), CV_STR("")));
    assert_true(cv_str_equal(cv_str_trim(CV_STR(" \t\r\n\v\f a b \n")), CV_STR("a b")));
    assert_true(cv_str_equal(cv_str_trim(CV_STR("  ")), CV_STR("")));
    assert_true(cv_str_equal(cv_str_trim(CV_STR("\xc2\xa0")), CV_STR("\xc2\xa0")));
}

static void a_text_is_split_at_a_separator(void **state)
{
    (void)state;
    static const char *const parts[] = {"a", "", "b", ""};
    cv_str rest = CV_STR("a,,b,"), part;
    for (size_t i = 0; i < 4; i++) {
        assert_true(cv_str_split(&rest, ',', &part));
        assert_true(cv_str_equal(part, cv_str_of(parts[i])));
    }
    assert_false(cv_str_split(&rest, ',', &part));
    rest = CV_STR("");
    assert_true(cv_str_split(&rest, ',', &part));
    assert_true(cv_str_equal(part, CV_STR("")));
    assert_null(rest.ptr);
}

static void integers_are_read_whole_or_not(void **state)
{
    (void)state;
    int64_t value;
    uint64_t size;
    assert_int_equal(cv_str_to_i64(CV_STR("-9223372036854775808"), &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(cv_str_to_i64(CV_STR("+9223372036854775807"), &value), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(cv_str_to_i64(CV_STR("0012"), &value), 0);
    assert_int_equal(value, 12);
    assert_int_equal(cv_str_to_u64(CV_STR("18446744073709551615"), &size), 0);
    assert_true(size == UINT64_MAX);
    assert_int_equal(cv_str_to_i64(CV_STR("9223372036854775808"), &value), CV_E_RANGE);
    assert_int_equal(cv_str_to_i64(CV_STR("-9223372036854775809"), &value), CV_E_RANGE);
    assert_int_equal(cv_str_to_u64(CV_STR("18446744073709551616"), &size), CV_E_RANGE);
    assert_int_equal(cv_str_to_u64(CV_STR("99999999999999999999999"), &size), CV_E_RANGE);
    static const char *const wrong[] = {"", "-", "+", "-+1", "--1", "1 ", " 1", "1.0", "0x1", "99999999999999999999x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(cv_str_to_i64(cv_str_of(wrong[i]), &value), CV_E_SYNTAX);
    assert_int_equal(cv_str_to_u64(CV_STR("-1"), &size), CV_E_SYNTAX);
}

static void numbers_are_read_as_the_nearest_double(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",
                                        "-0",
                                        "1",
                                        "0.1",
                                        "-123.456",
                                        "1e22",
                                        "1e23",
                                        "5e-324",
                                        "2.5e-1",
                                        "1e-400",
                                        ".5",
                                        "5.",
                                        "1E+5",
                                        "1e-5",
                                        "9007199254740993",
                                        "1.7976931348623157e308",
                                        "0.000000000000000000000000000000000000000000001",
                                        "123456789012345678901234567890",
                                        "3.14159265358979323846264338327950288",
                                        "0e999999",
                                        "100000000000000000000"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double value, wanted = strtod(texts[i], NULL);
        assert_int_equal(cv_str_to_f64(cv_str_of(texts[i]), &value), 0);
        assert_memory_equal(&value, &wanted, sizeof value);
    }
    static const char *const wrong[] = {"",   "-",  ".",   "e5",  "1e",    "1e+",  "1 ",
                                        " 1", "1x", "nan", "inf", "0x1p3", "1e5.", "1,5"};
    double value;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(cv_str_to_f64(cv_str_of(wrong[i]), &value), CV_E_SYNTAX);
    assert_int_equal(cv_str_to_f64(CV_STR("1e309"), &value), CV_E_RANGE);
    assert_int_equal(cv_str_to_f64(CV_STR("1e999999999999999999"), &value), CV_E_RANGE);
    char long_text[2000];
    memset(long_text, '1', sizeof long_text);
    assert_int_equal(cv_str_to_f64(cv_str_make(long_text, sizeof long_text), &value), CV_E_RANGE);
}

static void random_doubles_survive_their_text(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252;
    for (int i = 0; i < 20000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        double value, back;
        memcpy(&value, &seed, sizeof value);
        if (i % 2)
            value = (double)(int64_t)(seed % 200000000) / 1000 - 100000;
        if (!(value >= -DBL_MAX && value <= DBL_MAX))
            continue;
        char text[CV__F64_TEXT_BYTES];
        assert_int_equal(cv_str_to_f64(cv_str_make(text, cv__f64_format(value, text)), &back), 0);
        assert_memory_equal(&value, &back, sizeof value);
    }
}

static void utf8_is_checked_as_rfc_3629_says(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "plain ascii that is longer than sixteen bytes",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "sixteen bytes.. \xe2\x82\xac and more text than that"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2"
                                      "a",
                                      "\xe0\x9f\xbf",
                                      "\xe2\x82",
                                      "\xe2\x82"
                                      "a",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xf0\x90\x80",
                                      "sixteen bytes.. and then \xff"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(cv_utf8_valid(cv_str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(cv_utf8_valid(cv_str_of(bad[i])));
    assert_true(cv_utf8_valid(null_view));
    assert_true(cv_utf8_valid(cv_str_make("\0", 1)));
    assert_false(cv_utf8_valid(cv_str_make("\xe2\x82\xac", 2)));
    assert_int_equal(cv_utf8_length(CV_STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")), 4);
    assert_int_equal(cv_utf8_length(null_view), 0);
}

static void a_misspelt_name_has_a_suggestion(void **state)
{
    (void)state;
    static const char *const names[] = {"id", "title", "published", "author_id"};
    assert_string_equal(cv_str_nearest(CV_STR("titel"), names, 4), "title");
    assert_string_equal(cv_str_nearest(CV_STR("pubished"), names, 4), "published");
    assert_string_equal(cv_str_nearest(CV_STR("autor_id"), names, 4), "author_id");
    assert_null(cv_str_nearest(CV_STR("price"), names, 4));
    assert_null(cv_str_nearest(CV_STR("x"), names, 4));
    assert_null(cv_str_nearest(CV_STR(""), names, 4));
    assert_int_equal(cv_str_distance(CV_STR("kitten"), CV_STR("sitting")), 3);
    assert_int_equal(cv_str_distance(CV_STR(""), CV_STR("abc")), 3);
    assert_int_equal(cv_str_distance(CV_STR("same"), CV_STR("same")), 0);
    char text[65];
    memset(text, 'a', sizeof text);
    assert_int_equal(cv_str_distance(cv_str_make(text, 65), CV_STR("a")), 65);
    assert_int_equal(cv_str_distance(cv_str_make(text, 64), cv_str_make(text, 63)), 1);
}

static void secrets_are_compared_whole(void **state)
{
    (void)state;
    const uint8_t a[] = {1, 2, 3}, b[] = {1, 2, 4};
    assert_true(cv_secret_equal((cv_bytes){a, 3}, (cv_bytes){a, 3}));
    assert_false(cv_secret_equal((cv_bytes){a, 3}, (cv_bytes){b, 3}));
    assert_true(cv_secret_equal((cv_bytes){a, 2}, (cv_bytes){b, 2}));
    assert_false(cv_secret_equal((cv_bytes){a, 3}, (cv_bytes){a, 2}));
    assert_true(cv_secret_equal((cv_bytes){NULL, 0}, (cv_bytes){a, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_differs_from_empty),
        cmocka_unit_test(views_are_compared_by_bytes),
        cmocka_unit_test(parts_are_found),
        cmocka_unit_test(parts_are_cut),
        cmocka_unit_test(a_text_is_split_at_a_separator),
        cmocka_unit_test(integers_are_read_whole_or_not),
        cmocka_unit_test(numbers_are_read_as_the_nearest_double),
        cmocka_unit_test(random_doubles_survive_their_text),
        cmocka_unit_test(utf8_is_checked_as_rfc_3629_says),
        cmocka_unit_test(a_misspelt_name_has_a_suggestion),
        cmocka_unit_test(secrets_are_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
