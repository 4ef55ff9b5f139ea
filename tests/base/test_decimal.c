/* Decimals: parsing, formatting, arithmetic, rounding, keys; known values, and properties over random ones. */
#include "test.h"

#include <covet/decimal.h>

#define NINES_38 "99999999999999999999999999999999999999"

static cv_decimal d(const char *text)
{
    cv_decimal value = {0};
    if (cv_decimal_parse(cv_str_of(text), &value) != 0)
        fail_msg("\"%s\" does not parse", text);
    return value;
}

static void expect(cv_decimal value, const char *text)
{
    char out[CV_DECIMAL_TEXT_BYTES];
    size_t len = cv_decimal_format(value, out);
    assert_string_equal(out, text);
    assert_int_equal(len, strlen(text));
}

static void texts_are_read_and_written_back(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"+1", "1"},
        {"007", "7"},
        {"1.50", "1.50"},
        {"-0.50", "-0.50"},
        {"0.00", "0.00"},
        {"12345678901234567890", "12345678901234567890"},
        {"9999999999999999999", "9999999999999999999"},
        {"10000000000000000000", "10000000000000000000"},
        {"-" NINES_38, "-" NINES_38},
        {"0." NINES_38, "0." NINES_38},
        {"1e3", "1000"},
        {"1.5E+3", "1500"},
        {"1500e-3", "1.500"},
        {"1e-38", "0.00000000000000000000000000000000000001"},
        {"1e37", "10000000000000000000000000000000000000"},
        {"0e999999999999", "0"},
        {"0e-99", "0.00000000000000000000000000000000000000"},
        {"1.0000000000000000000000000000000000000000000000000000", "1.0000000000000000000000000000000000000"},
        {"100e-40", "0.00000000000000000000000000000000000001"},
        {"20000000000000000000000000000000000000.00", "20000000000000000000000000000000000000"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        expect(d(pairs[i][0]), pairs[i][1]);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",    "-",   "+",    ".",    ".5",    "5.",  "1.e5",
                                        "e5",  "1e",  "1e+",  "1 ",   " 1",    "1,5", "--1",
                                        "0x1", "NaN", "1e5x", "1..2", "1e1.5", "1:",  NINES_38 "9x"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cv_decimal value;
        assert_int_equal(cv_decimal_parse(cv_str_of(texts[i]), &value), CV_E_SYNTAX);
    }
}

static void what_needs_more_than_38_digits_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {NINES_38 "9",     NINES_38 ".5",   "1e38",           "1e-39",
                                        ("0.1" NINES_38), "1e99999999999", "-1e-99999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cv_decimal value;
        assert_int_equal(cv_decimal_parse(cv_str_of(texts[i]), &value), CV_E_RANGE);
    }
}

static void integers_come_and_go(void **state)
{
    (void)state;
    expect(cv_decimal_from_i64(INT64_MIN), "-9223372036854775808");
    expect(cv_decimal_from_i64(INT64_MAX), "9223372036854775807");
    cv_decimal value;
    assert_int_equal(cv_decimal_from_scaled(-1234, 2, &value), 0);
    expect(value, "-12.34");
    assert_int_equal(cv_decimal_from_scaled(1, 39, &value), CV_E_RANGE);
    assert_int_equal(cv_decimal_from_scaled(1, -1, &value), CV_E_RANGE);

    int64_t coefficient;
    assert_int_equal(cv_decimal_to_scaled(d("-12.34"), 4, &coefficient), 0);
    assert_int_equal(coefficient, -123400);
    assert_int_equal(cv_decimal_to_scaled(d("12.00"), 0, &coefficient), 0);
    assert_int_equal(coefficient, 12);
    assert_int_equal(cv_decimal_to_scaled(d("-9223372036854775808"), 0, &coefficient), 0);
    assert_true(coefficient == INT64_MIN);
    assert_int_equal(cv_decimal_to_scaled(d("9223372036854775808"), 0, &coefficient), CV_E_RANGE);
    assert_int_equal(cv_decimal_to_scaled(d("12.34"), 1, &coefficient), CV_E_RANGE);
    assert_int_equal(cv_decimal_to_scaled(d(NINES_38), 10, &coefficient), CV_E_RANGE);
    assert_int_equal(cv_decimal_to_scaled(d("1"), 39, &coefficient), CV_E_RANGE);
}

static void the_nearest_double_is_found(void **state)
{
    (void)state;
    assert_true(cv_decimal_to_f64(d("0.1")) == 0.1);
    assert_true(cv_decimal_to_f64(d("-123456.789")) == -123456.789);
    assert_true(cv_decimal_to_f64(d("9007199254740993")) == 9007199254740992.0);
    assert_true(cv_decimal_to_f64(d(NINES_38)) == 1e38);
    assert_true(cv_decimal_to_f64(d("0.30000000000000004")) == 0.1 + 0.2);
}

static void values_are_compared_not_scales(void **state)
{
    (void)state;
    assert_int_equal(cv_decimal_compare(d("1.50"), d("1.5")), 0);
    assert_int_equal(cv_decimal_compare(d("0.00"), d("0")), 0);
    assert_true(cv_decimal_compare(d("-1"), d("1")) < 0);
    assert_true(cv_decimal_compare(d("1"), d("-1")) > 0);
    assert_true(cv_decimal_compare(d("-1.5"), d("-1.25")) < 0);
    assert_true(cv_decimal_compare(d("1.5"), d("1.25")) > 0);
    assert_true(cv_decimal_compare(d("10"), d("9")) > 0);
    assert_true(cv_decimal_compare(d(NINES_38), d("0." NINES_38)) > 0);
    assert_true(cv_decimal_compare(d("0." NINES_38), d("1")) < 0);
}

static void sums_and_products_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *sum, *difference, *product; /* NULL: out of range */
    } cases[] = {
        {"1.5", "0.25", "1.75", "1.25", "0.375"},
        {"-1.5", "0.25", "-1.25", "-1.75", "-0.375"},
        {"0.10", "-0.1", "0.00", "0.20", "-0.010"},
        {"12345678901234567890", "98765432109876543", "12444444333344444433", "12246913469124691347",
         "1219326311370217949644871231852004270"},
        {NINES_38, "1", NULL, "99999999999999999999999999999999999998", NINES_38},
        {NINES_38, "-1", "99999999999999999999999999999999999998", NULL, "-" NINES_38},
        {NINES_38, "0.1", NULL, NULL, "9999999999999999999999999999999999999.9"},
        {"10000000000000000000", "10000000000000000000", "20000000000000000000", "0", NULL},
        {"0.00000000000000000001", "0.0000000000000000001", "0.00000000000000000011", "-0.00000000000000000009", NULL},
        {"10000000000000000000000000000000000000", "9999999999999999999999999999999999999.9", NULL, "0.1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_decimal a = d(cases[i].a), b = d(cases[i].b), result;
        assert_int_equal(cv_decimal_add(a, b, &result), cases[i].sum ? 0 : CV_E_RANGE);
        if (cases[i].sum)
            expect(result, cases[i].sum);
        assert_int_equal(cv_decimal_sub(a, b, &result), cases[i].difference ? 0 : CV_E_RANGE);
        if (cases[i].difference)
            expect(result, cases[i].difference);
        assert_int_equal(cv_decimal_mul(a, b, &result), cases[i].product ? 0 : CV_E_RANGE);
        if (cases[i].product)
            expect(result, cases[i].product);
    }
}

static void rounding_goes_half_to_even(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int scale;
        const char *rounded;
    } cases[] = {
        {"2.5", 0, "2"},
        {"3.5", 0, "4"},
        {"-2.5", 0, "-2"},
        {"-3.5", 0, "-4"},
        {"2.51", 0, "3"},
        {"2.49", 0, "2"},
        {"1.005", 2, "1.00"},
        {"1.015", 2, "1.02"},
        {"9.99", 1, "10.0"},
        {"1.5", 3, "1.500"},
        {"-0.4", 0, "0"},
        {"0." NINES_38, 0, "1"},
        {"0." NINES_38, 37, "1.0000000000000000000000000000000000000"},
    };
    cv_decimal result;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(cv_decimal_round(d(cases[i].value), cases[i].scale, &result), 0);
        expect(result, cases[i].rounded);
    }
    assert_int_equal(cv_decimal_round(d(NINES_38), 1, &result), CV_E_RANGE);
    assert_int_equal(cv_decimal_round(d("1"), 39, &result), CV_E_RANGE);
    assert_int_equal(cv_decimal_round(d("1"), -1, &result), CV_E_RANGE);
}

static void the_digits_needed_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int before, after;
    } cases[] = {{"0", 0, 0},
                 {"0.05", 0, 2},
                 {"1.50", 1, 1},
                 {"-123.456", 3, 3},
                 {"1000", 4, 0},
                 {"0.00", 0, 0},
                 {NINES_38, 38, 0},
                 {"0." NINES_38, 0, 38},
                 {"9999999999999999999", 19, 0},
                 {"10000000000000000000", 20, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int before, after;
        cv_decimal_digits(d(cases[i].value), &before, &after);
        assert_int_equal(before, cases[i].before);
        assert_int_equal(after, cases[i].after);
    }
}

static void any_bits_can_be_formatted(void **state)
{
    (void)state;
    expect((cv_decimal){0, INT64_MIN, 0}, "-170141183460469231731687303715884105728");
    expect((cv_decimal){UINT64_MAX, INT64_MAX, 38}, "1.70141183460469231731687303715884105727");
    int before, after;
    cv_decimal_digits((cv_decimal){UINT64_MAX, INT64_MAX, 0}, &before, &after);
    assert_int_equal(before, 39);
}

static int compare_keys(cv_decimal a, cv_decimal b)
{
    char left[CV_DECIMAL_KEY_BYTES], right[CV_DECIMAL_KEY_BYTES];
    size_t left_len = cv_decimal_to_key(a, left), right_len = cv_decimal_to_key(b, right);
    return cv_str_compare(cv_str_make(left, left_len), cv_str_make(right, right_len));
}

static void keys_order_as_values_do(void **state)
{
    (void)state;
    static const char *const ordered[] = {
        ("-" NINES_38), "-1000", "-100.5", "-100", "-99", "-1.55", "-1.5", "-1", "-0.5", "-0.05", "-1e-38", "0",
        "1e-38",        "0.05",  "0.5",    "0.51", "1",   "1.05",  "1.5",  "2",  "10",   "15",    "100",    NINES_38};
    size_t count = sizeof ordered / sizeof ordered[0];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            int order = compare_keys(d(ordered[i]), d(ordered[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    assert_int_equal(compare_keys(d("1.50"), d("1.5")), 0);
    assert_int_equal(compare_keys(d("0.00"), d("0")), 0);
    assert_int_equal(compare_keys(d("100"), d("1e2")), 0);
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const keys[] = {"",      "0",    "2",     "251",    "2510",   "25105x", "351",
                                       "3511",  "049",  "0498",  "0498~~", "2x11",   "25101",  "251150",
                                       "0499~", "0499", "29911", "20011",  "251\x7f"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        cv_decimal value;
        assert_int_equal(cv_decimal_from_key(cv_str_of(keys[i]), &value), CV_E_SYNTAX);
    }
}

/* A small generator with a seed that is printed on failure: the same cases in every run. */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static cv_decimal random_decimal(uint64_t *seed, size_t most_digits, int most_scale)
{
    char text[64];
    size_t len = 0, digits = 1 + next_random(seed) % most_digits;
    if (next_random(seed) % 2)
        text[len++] = '-';
    for (size_t i = 0; i < digits; i++)
        text[len++] = (char)('0' + (next_random(seed) % 3 ? next_random(seed) % 10 : 0));
    snprintf(text + len, sizeof text - len, "e-%d", (int)(next_random(seed) % (unsigned)(most_scale + 1)));
    return d(text);
}

static void properties_hold_for_random_values(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 20000; round++) {
        uint64_t seed = round * UINT64_C(0x9E3779B97F4A7C15);
        cv_decimal a = random_decimal(&seed, 18, 18), b = random_decimal(&seed, 18, 18);
        cv_decimal sum, back, product, mirrored;
        char text[CV_DECIMAL_TEXT_BYTES], key[CV_DECIMAL_KEY_BYTES];

        cv_decimal_format(a, text);
        assert_int_equal(cv_decimal_compare(d(text), a), 0);
        assert_int_equal(cv_decimal_from_key(cv_str_make(key, cv_decimal_to_key(a, key)), &back), 0);
        assert_int_equal(cv_decimal_compare(back, a), 0);

        assert_int_equal(cv_decimal_add(a, b, &sum), 0);
        assert_int_equal(cv_decimal_sub(sum, b, &back), 0);
        assert_int_equal(cv_decimal_compare(back, a), 0);
        assert_int_equal(cv_decimal_mul(a, b, &product), 0);
        assert_int_equal(cv_decimal_mul(b, a, &mirrored), 0);
        assert_int_equal(cv_decimal_compare(product, mirrored), 0);

        int order = cv_decimal_compare(a, b), keys = compare_keys(a, b);
        assert_int_equal(order, -cv_decimal_compare(b, a));
        assert_int_equal((keys > 0) - (keys < 0), order);
        assert_int_equal(cv_decimal_sub(a, b, &back), 0);
        assert_int_equal(cv_decimal_compare(back, cv_decimal_from_i64(0)), order);
    }
}

static void long_values_survive_text_and_key(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 5000; round++) {
        uint64_t seed = round * UINT64_C(0xD1342543DE82EF95);
        cv_decimal a = random_decimal(&seed, 38, 38), back;
        char text[CV_DECIMAL_TEXT_BYTES], key[CV_DECIMAL_KEY_BYTES];
        cv_decimal_format(a, text);
        assert_int_equal(cv_decimal_compare(d(text), a), 0);
        assert_int_equal(cv_decimal_from_key(cv_str_make(key, cv_decimal_to_key(a, key)), &back), 0);
        assert_int_equal(cv_decimal_compare(back, a), 0);
        assert_true(cv_decimal_to_f64(a) == strtod(text, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read_and_written_back),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(what_needs_more_than_38_digits_is_refused),
        cmocka_unit_test(integers_come_and_go),
        cmocka_unit_test(the_nearest_double_is_found),
        cmocka_unit_test(values_are_compared_not_scales),
        cmocka_unit_test(sums_and_products_are_exact),
        cmocka_unit_test(rounding_goes_half_to_even),
        cmocka_unit_test(the_digits_needed_are_counted),
        cmocka_unit_test(any_bits_can_be_formatted),
        cmocka_unit_test(keys_order_as_values_do),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(properties_hold_for_random_values),
        cmocka_unit_test(long_values_survive_text_and_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
