/* Values: construction, conversion without loss, equality, descriptions. */
#include "test.h"

#include <covet/value.h>
#include <math.h>

static int set_up(void **state)
{
    *state = cv_arena_new(0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    cv_arena_free(*state);
    return 0;
}

static cv_value decimal(const char *text)
{
    cv_decimal value = {0};
    assert_int_equal(cv_decimal_parse(cv_str_of(text), &value), 0);
    return cv_value_decimal(value);
}

static cv_value time_of(const char *text)
{
    cv_time value = {0};
    assert_int_equal(cv_time_parse(cv_str_of(text), &value), 0);
    return cv_value_time(value);
}

static cv_value date_of(const char *text)
{
    cv_date value = {0};
    assert_int_equal(cv_date_parse(cv_str_of(text), &value), 0);
    return cv_value_date(value);
}

#define UUID_TEXT "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
static cv_value uuid(void)
{
    cv_uuid value = {0};
    assert_int_equal(cv_uuid_parse(CV_STR(UUID_TEXT), &value), 0);
    return cv_value_uuid(value);
}

static cv_value bytes(const void *data, size_t len)
{
    return cv_value_bytes((cv_bytes){data, len});
}

static cv_value json(const char *text)
{
    return cv_value_json((cv_json){cv_str_of(text)});
}

static void the_c_type_chooses_the_value(void **state)
{
    (void)state;
    const char *text = "x";
    char *mutable_text = NULL;
    cv_decimal amount = {5, 0, 0};
    assert_int_equal(CV_VALUE((bool)true).type, CV_TYPE_BOOL);
    assert_int_equal(CV_VALUE(20).type, CV_TYPE_I64);
    assert_int_equal(CV_VALUE((short)-1).as.i64, -1);
    assert_int_equal(CV_VALUE(1.5).type, CV_TYPE_F64);
    assert_int_equal(CV_VALUE("literal").type, CV_TYPE_TEXT);
    assert_int_equal(CV_VALUE(text).as.text.len, 1);
    assert_int_equal(CV_VALUE(mutable_text).type, CV_TYPE_NULL);
    assert_int_equal(CV_VALUE(amount).type, CV_TYPE_DECIMAL);
    assert_int_equal(CV_VALUE(CV_NULL).type, CV_TYPE_NULL);
    assert_int_equal(CV_VALUE(UINT64_C(7)).type, CV_TYPE_I64);
    assert_true(cv_value_equal(CV_VALUE(UINT64_MAX), decimal("18446744073709551615")));
    assert_int_equal(bytes(NULL, 0).type, CV_TYPE_NULL);
    assert_int_equal(json(NULL).type, CV_TYPE_NULL);
    cv_opt_i64 some = CV_SOME(3), none = CV_NONE;
    assert_true(some.set && some.value == 3 && !none.set);
}

static void types_have_names(void **state)
{
    (void)state;
    assert_string_equal(cv_type_name(CV_TYPE_NULL), "null");
    assert_string_equal(cv_type_name(CV_TYPE_I64), "integer");
    assert_string_equal(cv_type_name(CV_TYPE_JSON), "json");
    assert_string_equal(cv_type_name((cv_type)99), "unknown");
}

static void values_convert_where_nothing_is_lost(void **state)
{
    const struct {
        cv_value from, to;
    } cases[] = {
        {cv_value_i64(1), cv_value_bool(true)},
        {CV_VALUE("FALSE"), cv_value_bool(false)},
        {CV_VALUE("t"), cv_value_bool(true)},
        {cv_value_bool(true), cv_value_i64(1)},
        {CV_VALUE(-3.0), cv_value_i64(-3)},
        {CV_VALUE(-0x1p63), cv_value_i64(INT64_MIN)},
        {decimal("12.00"), cv_value_i64(12)},
        {CV_VALUE("-12"), cv_value_i64(-12)},
        {cv_value_i64(1 << 20), CV_VALUE((double)(1 << 20))},
        {decimal("0.1"), CV_VALUE(0.1)},
        {CV_VALUE("2.5e3"), CV_VALUE(2500.0)},
        {cv_value_i64(-7), decimal("-7")},
        {CV_VALUE(0.1), decimal("0.1")},
        {CV_VALUE("1.50"), decimal("1.5")},
        {CV_VALUE("2026-11-21T10:00:00Z"), time_of("2026-11-21T10:00:00Z")},
        {date_of("2026-11-21"), time_of("2026-11-21T00:00:00Z")},
        {CV_VALUE("2026-11-21"), date_of("2026-11-21")},
        {time_of("2026-11-21T00:00:00Z"), date_of("2026-11-21")},
        {CV_VALUE(UUID_TEXT), uuid()},
        {bytes(uuid().as.uuid.bytes, 16), uuid()},
        {uuid(), bytes(uuid().as.uuid.bytes, 16)},
        {CV_VALUE("abc"), bytes("abc", 3)},
        {json("{}"), bytes("{}", 2)},
        {CV_VALUE("{\"a\": [1, 2]}"), json("{\"a\": [1, 2]}")},
        {json("[1]"), CV_VALUE("[1]")},
        {bytes("abc", 3), CV_VALUE("abc")},
        {cv_value_bool(true), CV_VALUE("true")},
        {cv_value_bool(false), CV_VALUE("false")},
        {cv_value_i64(INT64_MIN), CV_VALUE("-9223372036854775808")},
        {CV_VALUE(0.1), CV_VALUE("0.1")},
        {CV_VALUE((double)INFINITY), CV_VALUE("Infinity")},
        {CV_VALUE(-(double)INFINITY), CV_VALUE("-Infinity")},
        {CV_VALUE((double)NAN), CV_VALUE("NaN")},
        {decimal("1.50"), CV_VALUE("1.50")},
        {time_of("2026-11-21T10:00:00Z"), CV_VALUE("2026-11-21T10:00:00Z")},
        {date_of("2026-11-21"), CV_VALUE("2026-11-21")},
        {uuid(), CV_VALUE(UUID_TEXT)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_value result;
        if (cv_value_convert(*state, cases[i].from, cases[i].to.type, &result) != 0)
            fail_msg("case %zu does not convert", i);
        if (!cv_value_equal(result, cases[i].to))
            fail_msg("case %zu converts to something else", i);
    }
}

static void what_would_lose_something_is_refused(void **state)
{
    const struct {
        cv_value from;
        cv_type wanted;
        int code;
    } cases[] = {
        {cv_value_i64(2), CV_TYPE_BOOL, CV_E_RANGE},
        {CV_VALUE("yep"), CV_TYPE_BOOL, CV_E_SYNTAX},
        {CV_VALUE(1.0), CV_TYPE_BOOL, CV_E_TYPE},
        {CV_VALUE(1.5), CV_TYPE_I64, CV_E_RANGE},
        {CV_VALUE(0x1p63), CV_TYPE_I64, CV_E_RANGE},
        {CV_VALUE((double)NAN), CV_TYPE_I64, CV_E_RANGE},
        {decimal("1.5"), CV_TYPE_I64, CV_E_RANGE},
        {CV_VALUE("x"), CV_TYPE_I64, CV_E_SYNTAX},
        {date_of("2026-11-21"), CV_TYPE_I64, CV_E_TYPE},
        {cv_value_i64(INT64_MAX), CV_TYPE_F64, CV_E_RANGE},
        {cv_value_i64((INT64_C(1) << 53) + 1), CV_TYPE_F64, CV_E_RANGE},
        {decimal("3.1415926535897932384626433832795"), CV_TYPE_F64, CV_E_RANGE},
        {CV_VALUE("1e999"), CV_TYPE_F64, CV_E_RANGE},
        {cv_value_bool(true), CV_TYPE_F64, CV_E_TYPE},
        {CV_VALUE(1e300), CV_TYPE_DECIMAL, CV_E_RANGE},
        {CV_VALUE((double)INFINITY), CV_TYPE_DECIMAL, CV_E_RANGE},
        {CV_VALUE("1,5"), CV_TYPE_DECIMAL, CV_E_SYNTAX},
        {uuid(), CV_TYPE_DECIMAL, CV_E_TYPE},
        {bytes("\xff", 1), CV_TYPE_TEXT, CV_E_TYPE},
        {cv_value_i64(1), CV_TYPE_BYTES, CV_E_TYPE},
        {CV_VALUE("today"), CV_TYPE_TIME, CV_E_SYNTAX},
        {cv_value_i64(1), CV_TYPE_TIME, CV_E_TYPE},
        {time_of("2026-11-21T00:00:00.000001Z"), CV_TYPE_DATE, CV_E_RANGE},
        {CV_VALUE("2026-02-30"), CV_TYPE_DATE, CV_E_RANGE},
        {cv_value_i64(1), CV_TYPE_DATE, CV_E_TYPE},
        {bytes("short", 5), CV_TYPE_UUID, CV_E_RANGE},
        {CV_VALUE("short"), CV_TYPE_UUID, CV_E_SYNTAX},
        {cv_value_i64(1), CV_TYPE_UUID, CV_E_TYPE},
        {CV_VALUE("{"), CV_TYPE_JSON, CV_E_SYNTAX},
        {cv_value_i64(1), CV_TYPE_JSON, CV_E_TYPE},
        {cv_value_i64(1), CV_TYPE_NULL, CV_E_TYPE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_value result;
        int rc = cv_value_convert(*state, cases[i].from, cases[i].wanted, &result);
        if (rc != cases[i].code)
            fail_msg("case %zu: got %s, expected %s", i, cv_error_name(rc), cv_error_name(cases[i].code));
    }
}

static void null_and_the_same_type_stay_as_they_are(void **state)
{
    cv_value result;
    for (int type = CV_TYPE_NULL; type <= CV_TYPE_JSON; type++) {
        assert_int_equal(cv_value_convert(*state, CV_NULL, (cv_type)type, &result), 0);
        assert_int_equal(result.type, CV_TYPE_NULL);
    }
    assert_int_equal(cv_value_convert(*state, CV_VALUE("x"), CV_TYPE_TEXT, &result), 0);
    assert_true(cv_value_equal(result, CV_VALUE("x")));
}

static void a_text_needs_memory(void **state)
{
    cv_value result;
    cv_arena_set_limit(*state, 1);
    assert_int_equal(cv_value_convert(*state, cv_value_i64(1), CV_TYPE_TEXT, &result), CV_E_LIMIT);
    assert_int_equal(cv_value_convert(*state, uuid(), CV_TYPE_BYTES, &result), CV_E_LIMIT);
}

static void equality_is_of_type_and_value(void **state)
{
    (void)state;
    const cv_value different[] = {CV_NULL,
                                  cv_value_bool(false),
                                  cv_value_bool(true),
                                  cv_value_i64(1),
                                  cv_value_i64(2),
                                  CV_VALUE(1.0),
                                  CV_VALUE((double)NAN),
                                  decimal("1"),
                                  decimal("1.01"),
                                  CV_VALUE("1"),
                                  CV_VALUE(""),
                                  bytes("1", 1),
                                  bytes("2", 1),
                                  bytes("", 0),
                                  time_of("2026-11-21T00:00:00Z"),
                                  time_of("2026-11-22T00:00:00Z"),
                                  date_of("2026-11-21"),
                                  date_of("2026-11-22"),
                                  uuid(),
                                  cv_value_uuid((cv_uuid){{0}}),
                                  json("1"),
                                  json("2")};
    size_t count = sizeof different / sizeof different[0];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            assert_int_equal(cv_value_equal(different[i], different[j]), i == j);
    assert_true(cv_value_equal(decimal("1.50"), decimal("1.5")));
    cv_value odd = {.type = (cv_type)99};
    assert_false(cv_value_equal(odd, odd));
}

static void descriptions_are_short_and_on_one_line(void **state)
{
    char long_text[201], long_bytes[100];
    for (size_t i = 0; i + 2 <= 200; i += 2)
        memcpy(long_text + i + 1, "\xc3\xa4", 2);
    long_text[0] = 'x';
    long_text[199] = '\0';
    memset(long_bytes, 0xAB, sizeof long_bytes);
    const struct {
        cv_value value;
        const char *description;
    } cases[] = {
        {CV_NULL, "null"},         {cv_value_bool(true), "true"},
        {cv_value_i64(-5), "-5"},  {CV_VALUE(2.5), "2.5"},
        {decimal("1.50"), "1.50"}, {CV_VALUE("a \"b\" \\ \n\x7f"), "\"a \\\"b\\\" \\\\ \\x0a\\x7f\""},
        {json("[1]"), "\"[1]\""},  {bytes("\x01\xff", 2), "0x01ff"},
        {uuid(), UUID_TEXT},       {date_of("2026-11-21"), "2026-11-21"},
    };
    cv_buf out;
    cv_buf_init_arena(&out, *state, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_buf_clear(&out);
        cv_value_describe(&out, cases[i].value);
        assert_string_equal(out.data, cases[i].description);
    }
    cv_buf_clear(&out);
    cv_value_describe(&out, CV_VALUE(long_text));
    assert_int_equal(out.len, 1 + 63 + 4);
    assert_true(cv_utf8_valid(cv_buf_str(&out)));
    assert_true(cv_str_ends_with(cv_buf_str(&out), CV_STR("\xc3\xa4...\"")));
    cv_buf_clear(&out);
    cv_value_describe(&out, bytes(long_bytes, sizeof long_bytes));
    assert_int_equal(out.len, 2 + 64 + 3);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_c_type_chooses_the_value),
        CASE(types_have_names),
        CASE(values_convert_where_nothing_is_lost),
        CASE(what_would_lose_something_is_refused),
        CASE(null_and_the_same_type_stay_as_they_are),
        CASE(a_text_needs_memory),
        CASE(equality_is_of_type_and_value),
        CASE(descriptions_are_short_and_on_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
