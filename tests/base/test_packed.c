/* Arrays and ranges: packed elements, their JSON text, the form in which engines keep ranges. */
#include "base/packed.h"
#include "test.h"

#include <covet/json.h>
#include <math.h>

static cv_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = cv_arena_new(0);
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    cv_arena_free(arena);
    return 0;
}

static cv_value decimal(const char *text)
{
    cv_decimal value;
    assert_int_equal(cv_decimal_parse(cv_str_of(text), &value), 0);
    return cv_value_decimal(value);
}

static void assert_json(cv_value value, const char *expected)
{
    cv_value text;
    assert_int_equal(cv_value_convert(arena, value, CV_TYPE_TEXT, &text), 0);
    assert_string_equal(text.as.text.ptr, expected);
}

static void typed_arrays_are_values(void **state)
{
    (void)state;
    int64_t items[] = {1, -2, INT64_MAX};
    bool nulls[] = {false, true, false};
    cv_value value = CV_VALUE(((cv_i64_array){items, 3, nulls}));
    assert_int_equal(value.type, CV_TYPE_ARRAY);
    assert_int_equal(cv_array_at(value.as.array, 0).as.i64, 1);
    assert_int_equal(cv_array_at(value.as.array, 1).type, CV_TYPE_NULL);
    assert_int_equal(cv_array_at(value.as.array, 2).as.i64, INT64_MAX);
    assert_int_equal(cv_array_at(value.as.array, 3).type, CV_TYPE_NULL);
    assert_int_equal(CV_VALUE((cv_i64_array){0}).type, CV_TYPE_NULL);
    cv_value empty = CV_VALUE((cv_str_array){.items = CV_NO_ITEMS});
    assert_int_equal(empty.type, CV_TYPE_ARRAY);
    assert_int_equal(empty.as.array.count, 0);
}

static void typed_ranges_are_values(void **state)
{
    (void)state;
    cv_i64_range range = CV_SPAN(3, 9);
    cv_value value = CV_VALUE(&range);
    assert_int_equal(value.type, CV_TYPE_RANGE);
    assert_int_equal(cv_range_lower(value.as.range).as.i64, 3);
    assert_int_equal(cv_range_upper(value.as.range).as.i64, 9);
    cv_date_range none = CV_SPAN_NONE;
    assert_int_equal(cv_range_lower(CV_VALUE(&none).as.range).type, CV_TYPE_NULL);
    cv_decimal_range open = {.lower = cv_decimal_from_i64(1), .flags = CV_RANGE_UPPER_INFINITE};
    assert_int_equal(cv_range_lower(CV_VALUE(&open).as.range).type, CV_TYPE_DECIMAL);
    assert_int_equal(cv_range_upper(CV_VALUE(&open).as.range).type, CV_TYPE_NULL);
}

/* An array of the values, by way of the builder. */
static cv_value array_of(cv_type element, unsigned bits, const cv_value *values, size_t count)
{
    cv__array_builder b = {.arena = arena, .element = element, .bits = bits};
    cv_value array;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(cv__array_add(&b, values[i]), 0);
    assert_int_equal(cv__array_take(&b, &array), 0);
    return array;
}

static void assert_round_trip(cv_type element, unsigned bits, const cv_value *values, size_t count)
{
    cv_value array = array_of(element, bits, values, count), text, back;
    assert_int_equal(cv_value_convert(arena, array, CV_TYPE_TEXT, &text), 0);
    assert_int_equal(cv__array_parse(arena, text.as.text, element, bits, &back), 0);
    assert_true(cv_value_equal(array, back));
    cv_value own = array;
    assert_int_equal(cv__value_own(arena, &own), 0);
    assert_true(cv_value_equal(array, own));
    assert_ptr_not_equal(array.as.array.items, own.as.array.items);
}

static void every_element_survives_its_json(void **state)
{
    (void)state;
    uint8_t bytes[] = {0, 255, 7};
    const cv_value booleans[] = {cv_value_bool(true), CV_NULL, cv_value_bool(false)};
    const cv_value small[] = {cv_value_i64(INT16_MIN), cv_value_i64(INT16_MAX)};
    const cv_value whole[] = {cv_value_i64(INT64_MIN), CV_NULL, cv_value_i64(INT64_MAX)};
    const cv_value floats[] = {cv_value_f64(-0.0),
                               cv_value_f64(5e-324),
                               cv_value_f64((double)NAN),
                               cv_value_f64(INFINITY),
                               cv_value_f64(-INFINITY),
                               cv_value_f64(0.1),
                               CV_NULL};
    const cv_value decimals[] = {decimal("1.50"), decimal("-99999999999999999999999999999999999999"), CV_NULL};
    const cv_value texts[] = {cv_value_text(""), cv_value_text("NULL"), CV_NULL,
                              cv_value_text("\"{},\\ \n \xf0\x9f\x90\x98"), cv_value_str(cv_str_make("a\0b", 3))};
    const cv_value times[] = {cv_value_time((cv_time){CV_TIME_MIN_US}), CV_NULL,
                              cv_value_time((cv_time){CV_TIME_MAX_US})};
    const cv_value dates[] = {cv_value_date((cv_date){-719162}), cv_value_date((cv_date){0})};
    const cv_value uuids[] = {cv_value_uuid(cv_uuid_v4()), CV_NULL};
    const cv_value blobs[] = {cv_value_bytes((cv_bytes){bytes, 3}), CV_NULL};
    assert_round_trip(CV_TYPE_BOOL, 0, booleans, 3);
    assert_round_trip(CV_TYPE_I64, 16, small, 2);
    assert_round_trip(CV_TYPE_I64, 64, whole, 3);
    assert_round_trip(CV_TYPE_F64, 0, floats, 7);
    assert_round_trip(CV_TYPE_DECIMAL, 0, decimals, 3);
    assert_round_trip(CV_TYPE_TEXT, 0, texts, 5);
    assert_round_trip(CV_TYPE_TIME, 0, times, 3);
    assert_round_trip(CV_TYPE_DATE, 0, dates, 2);
    assert_round_trip(CV_TYPE_UUID, 0, uuids, 2);
    assert_round_trip(CV_TYPE_BYTES, 0, blobs, 2);
    assert_round_trip(CV_TYPE_I64, 64, NULL, 0);
    assert_json(array_of(CV_TYPE_F64, 0, floats, 7), "[-0,5e-324,\"NaN\",\"Infinity\",\"-Infinity\",0.1,null]");
}

static void an_array_takes_its_own_type_only(void **state)
{
    (void)state;
    cv__array_builder b = {.arena = arena, .element = CV_TYPE_I64, .bits = 16};
    assert_int_equal(cv__array_add(&b, cv_value_text("1")), CV_E_TYPE);
    assert_int_equal(cv__array_add(&b, cv_value_i64(32768)), CV_E_RANGE);
    static const struct {
        const char *json;
        int code;
    } wrong[] = {
        {"[1, \"a\"]", CV_E_TYPE}, {"[[1]]", CV_E_UNSUPPORTED}, {"[1.5]", CV_E_TYPE},   {"[40000]", CV_E_RANGE},
        {"{}", CV_E_TYPE},         {"[1", CV_E_SYNTAX},         {"[1] 2", CV_E_SYNTAX}, {"", CV_E_SYNTAX}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cv_value value;
        assert_int_equal(cv__array_parse(arena, cv_str_of(wrong[i].json), CV_TYPE_I64, 16, &value), wrong[i].code);
    }
}

static cv_value range_of(unsigned element, cv_value lower, cv_value upper, unsigned flags)
{
    cv_value range;
    assert_int_equal(cv__range_make(arena, element, 64, lower, upper, flags, &range), 0);
    return range;
}

static void ranges_survive_their_json(void **state)
{
    (void)state;
    const cv_value ranges[] = {
        range_of(CV_TYPE_I64, cv_value_i64(1), cv_value_i64(5), CV_RANGE_LOWER_INCLUSIVE),
        range_of(CV_TYPE_I64, CV_NULL, cv_value_i64(5), CV_RANGE_UPPER_INCLUSIVE),
        range_of(CV_TYPE_I64, CV_NULL, CV_NULL, 0),
        range_of(CV_TYPE_I64, CV_NULL, CV_NULL, CV_RANGE_EMPTY),
        range_of(CV_TYPE_DECIMAL, decimal("-1.50"), decimal("2"), 0),
        range_of(CV_TYPE_TIME, cv_value_time((cv_time){0}), cv_value_time((cv_time){1}), CV_RANGE_LOWER_INCLUSIVE),
        range_of(CV_TYPE_DATE, cv_value_date((cv_date){0}), cv_value_date((cv_date){1}), CV_RANGE_LOWER_INCLUSIVE),
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        cv_value text, back;
        assert_int_equal(cv_value_convert(arena, ranges[i], CV_TYPE_TEXT, &text), 0);
        assert_int_equal(cv__range_parse(arena, text.as.text, ranges[i].as.range.element, 64, &back), 0);
        assert_true(cv_value_equal(ranges[i], back));
        assert_int_equal(cv__value_own(arena, &back), 0);
        assert_true(cv_value_equal(ranges[i], back));
    }
    assert_json(ranges[0], "{\"lower\":1,\"upper\":5,\"bounds\":\"[)\"}");
    assert_json(ranges[3], "{\"empty\":true}");
    cv_value value;
    assert_int_equal(cv__range_parse(arena, CV_STR("{\"lower\":1,\"to\":2}"), CV_TYPE_I64, 64, &value), CV_E_TYPE);
    assert_int_equal(cv__range_parse(arena, CV_STR("{\"bounds\":\"[[\"}"), CV_TYPE_I64, 64, &value), CV_E_SYNTAX);
    assert_int_equal(cv__range_parse(arena, CV_STR("[1,2]"), CV_TYPE_I64, 64, &value), CV_E_TYPE);
}

static unsigned normal_flags(cv_value range)
{
    cv_range_view normal;
    assert_int_equal(cv__range_normal(arena, range.as.range, &normal), 0);
    return normal.flags;
}

static void ranges_have_one_form(void **state)
{
    (void)state;
    cv_range_view normal;
    cv_value closed =
        range_of(CV_TYPE_I64, cv_value_i64(1), cv_value_i64(5), CV_RANGE_LOWER_INCLUSIVE | CV_RANGE_UPPER_INCLUSIVE);
    assert_int_equal(cv__range_normal(arena, closed.as.range, &normal), 0);
    assert_int_equal(cv_range_upper(normal).as.i64, 6);
    assert_int_equal(normal.flags, CV_RANGE_LOWER_INCLUSIVE);
    assert_int_equal(normal_flags(range_of(CV_TYPE_I64, cv_value_i64(1), cv_value_i64(2), 0)), CV_RANGE_EMPTY);
    assert_int_equal(normal_flags(range_of(CV_TYPE_DECIMAL, decimal("1"), decimal("1.0"), 0)), CV_RANGE_EMPTY);
    assert_int_equal(normal_flags(range_of(CV_TYPE_DECIMAL, decimal("1"), decimal("2"), 0)), 0);
    cv_value reversed = range_of(CV_TYPE_I64, cv_value_i64(5), cv_value_i64(1), 0);
    assert_int_equal(cv__range_normal(arena, reversed.as.range, &normal), CV_E_INVALID);
    cv_value beyond = range_of(CV_TYPE_I64, cv_value_i64(1), cv_value_i64(INT64_MAX), CV_RANGE_UPPER_INCLUSIVE);
    assert_int_equal(cv__range_normal(arena, beyond.as.range, &normal), CV_E_RANGE);
}

static void they_are_described_in_few_words(void **state)
{
    (void)state;
    cv_buf out;
    cv_buf_init(&out, 0);
    int32_t items[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    cv_value_describe(&out, CV_VALUE(((cv_i32_array){items, 10, NULL})));
    assert_string_equal(out.data, "[1, 2, 3, 4, 5, 6, 7, 8, ...]");
    cv_buf_clear(&out);
    cv_i32_range range = CV_SPAN_CLOSED(1, 2), none = CV_SPAN_NONE;
    cv_value_describe(&out, CV_VALUE(&range));
    cv_value_describe(&out, CV_VALUE(&none));
    assert_string_equal(out.data, "[1,2]empty");
    cv_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(typed_arrays_are_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(typed_ranges_are_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_element_survives_its_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_array_takes_its_own_type_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ranges_survive_their_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ranges_have_one_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(they_are_described_in_few_words, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("packed", tests, NULL, NULL);
}
