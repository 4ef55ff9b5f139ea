#include "test.h"
#include <covet/json.h>

static cv_ctx *cx;

static int setup(void **state)
{
    (void)state;
    cx = cv_ctx_new(0);
    return cx ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cv_ctx_free(cx);
    return 0;
}

static cv_json_reader reading(const char *text)
{
    cv_json_reader reader;
    cv_json_reader_init(&reader, cx, cv_str_of(text), NULL);
    return reader;
}

static void expect_event(cv_json_reader *reader, cv_json_event wanted)
{
    cv_json_event event;
    assert_ok(cx, cv_json_next(reader, &event));
    assert_int_equal(event, wanted);
}

static void expect_text(cv_json_reader *reader, cv_json_event wanted, const char *text)
{
    expect_event(reader, wanted);
    assert_int_equal(reader->text.len, strlen(text));
    assert_memory_equal(reader->text.ptr, text, strlen(text));
}

static void events_come_in_the_order_of_the_text(void **state)
{
    (void)state;
    cv_json_reader r = reading(" {\"a\" : [1, true,false , null], \"b\":{}, \"c\":\"x\", \"d\":[]}\n");
    expect_event(&r, CV_JSON_OBJECT_START);
    expect_text(&r, CV_JSON_KEY, "a");
    expect_event(&r, CV_JSON_ARRAY_START);
    assert_int_equal(r.depth, 2);
    expect_text(&r, CV_JSON_NUMBER, "1");
    expect_event(&r, CV_JSON_BOOL);
    assert_true(r.boolean);
    expect_event(&r, CV_JSON_BOOL);
    assert_false(r.boolean);
    expect_event(&r, CV_JSON_NULL);
    expect_event(&r, CV_JSON_ARRAY_END);
    expect_text(&r, CV_JSON_KEY, "b");
    expect_event(&r, CV_JSON_OBJECT_START);
    expect_event(&r, CV_JSON_OBJECT_END);
    expect_text(&r, CV_JSON_KEY, "c");
    expect_text(&r, CV_JSON_STRING, "x");
    expect_text(&r, CV_JSON_KEY, "d");
    expect_event(&r, CV_JSON_ARRAY_START);
    expect_event(&r, CV_JSON_ARRAY_END);
    expect_event(&r, CV_JSON_OBJECT_END);
    assert_int_equal(r.depth, 0);
    expect_event(&r, CV_JSON_END);
    expect_event(&r, CV_JSON_END);
}

static void strings_without_escapes_are_views_into_the_text(void **state)
{
    (void)state;
    const char *text = "\"gr\xC3\xBC\xC3\x9F dich \xE2\x82\xAC \xF0\x9F\x98\x80\"";
    cv_json_reader r = reading(text);
    expect_event(&r, CV_JSON_STRING);
    assert_ptr_equal(r.text.ptr, text + 1);
    assert_int_equal(r.text.len, strlen(text) - 2);
}

static void escapes_are_decoded(void **state)
{
    (void)state;
    cv_json_reader r = reading("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\uD83D\\uDE00z\"");
    expect_text(&r, CV_JSON_STRING, "a\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z");
}

static void an_escaped_nul_is_kept(void **state)
{
    (void)state;
    cv_json_reader r = reading("\"a\\u0000b\"");
    expect_event(&r, CV_JSON_STRING);
    assert_int_equal(r.text.len, 3);
    assert_memory_equal(r.text.ptr, "a\0b", 3);
}

static void escapes_are_found_at_every_offset(void **state)
{
    (void)state;
    char text[64], wanted[64];
    for (int before = 0; before < 20; before++) {
        for (int after = 0; after < 20; after++) {
            snprintf(text, sizeof text, "\"%.*s\\n%.*s\"", before, "aaaaaaaaaaaaaaaaaaaa", after,
                     "bbbbbbbbbbbbbbbbbbbb");
            snprintf(wanted, sizeof wanted, "%.*s\n%.*s", before, "aaaaaaaaaaaaaaaaaaaa", after,
                     "bbbbbbbbbbbbbbbbbbbb");
            cv_json_reader r = reading(text);
            expect_text(&r, CV_JSON_STRING, wanted);
        }
    }
}

static void keys_are_decoded_too(void **state)
{
    (void)state;
    cv_json_reader r = reading("{\"\\u0061b\":1}");
    expect_event(&r, CV_JSON_OBJECT_START);
    expect_text(&r, CV_JSON_KEY, "ab");
}

static void expect_refusal(const char *text, const char *part)
{
    assert_fails(cx, cv_json_check(cx, cv_str_of(text), NULL), CV_E_SYNTAX, part);
}

static void refusals_say_where_and_why(void **state)
{
    (void)state;
    expect_refusal("", "line 1, column 1: expected a value, found the end of the text");
    expect_refusal("[1,\n 2,]", "line 2, column 4: expected a value, found ']'");
    expect_refusal("[1 2]", "expected ',' or ']', found '2'");
    expect_refusal("{\"a\":1 \"b\"", "expected ',' or '}', found '\"'");
    expect_refusal("{\"a\" 1}", "expected ':' after the key, found '1'");
    expect_refusal("{1:2}", "expected a key or '}', found '1'");
    expect_refusal("{\"a\":1,}", "expected a key, found '}'");
    expect_refusal("[1] x", "expected the end of the text, found 'x'");
    expect_refusal("[\x01]", "found byte 0x01");
    expect_refusal("tru", "line 1, column 1: expected a value, found 't'");
    expect_refusal("\xEF\xBB\xBF[]", "byte order mark");
    expect_refusal("\"a\nb\"", "line 1, column 3: a control character");
    expect_refusal("\"abc", "the text ends inside a string");
    expect_refusal("\"abc\\", "an escape");
}

static void broken_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "\"\x80\"",          "\"\xC0\xAF\"",         "\"\xC3\"",
        "\"\xE2\x82\"",      "\"\xED\xA0\x80\"",     "\"\xFF\"",
        "\"\xE0\x80\xAF\"",  "\"\xF4\x90\x80\x80\"", "\"\xF0\x80\x80\xAF\"",
        "\"abcdefgh\xC3(\"",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        expect_refusal(broken[i], "not valid UTF-8");
}

static void half_surrogates_are_refused(void **state)
{
    (void)state;
    static const char *const halves[] = {"\"\\uD800\"",         "\"\\uDC00\"",        "\"\\uD83D\\u0041\"",
                                         "\"\\uD83Dx\\uDE00\"", "\"\\uD83D\\uD83D\"", "\"\\uD83D\\u"};
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++)
        expect_refusal(halves[i], "half of a surrogate pair");
}

static void bad_escapes_are_refused(void **state)
{
    (void)state;
    expect_refusal("\"\\x41\"", "an escape that JSON does not know");
    expect_refusal("\"\\u12G4\"", "four hexadecimal digits");
    expect_refusal("\"\\u12\"", "four hexadecimal digits");
}

static void numbers_follow_the_grammar(void **state)
{
    (void)state;
    expect_refusal("01", "must not start with a zero");
    expect_refusal("-", "expected a digit");
    expect_refusal("+1", "expected a value");
    expect_refusal("1.", "a digit after the decimal point");
    expect_refusal(".5", "expected a value");
    expect_refusal("1e", "a digit of the exponent");
    expect_refusal("1e+", "a digit of the exponent");
    expect_refusal("NaN", "expected a value");
    static const char *const good[] = {"0", "-0", "0.0", "-1.25e-3", "1E5", "1e+05"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_ok(cx, cv_json_check(cx, cv_str_of(good[i]), NULL));
}

static void after_a_failure_the_code_comes_again(void **state)
{
    (void)state;
    cv_json_event event;
    cv_json_reader r = reading("x");
    assert_fails(cx, cv_json_next(&r, &event), CV_E_SYNTAX, "expected a value");
    assert_int_equal(cv_json_next(&r, &event), CV_E_SYNTAX);
    assert_null(cv_error_last(cx));
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[2100];
    memset(text, '[', 1025);
    text[65] = '\0';
    assert_fails(cx, cv_json_check(cx, cv_str_of(text), NULL), CV_E_LIMIT, "deeper than 64");
    memset(text, '[', 1024);
    memset(text + 1024, ']', 1024);
    cv_json_limits limits = {.max_depth = 5000};
    assert_ok(cx, cv_json_check(cx, cv_str_make(text, 2048), &limits));
    text[1024] = '[';
    assert_fails(cx, cv_json_check(cx, cv_str_make(text, 1025), &limits), CV_E_LIMIT, "deeper than 1024");
}

static void mixed_containers_are_matched_at_every_level(void **state)
{
    (void)state;
    assert_ok(cx, cv_json_check(cx, CV_STR("[{\"a\":[{\"b\":[]}]},[{}]]"), NULL));
    expect_refusal("[{\"a\":[}]", "found '}'");
    expect_refusal("{\"a\":[1}", "expected ',' or ']'");
    expect_refusal("[{\"a\":1]", "expected ',' or '}'");
}

static void string_length_is_bounded_by_what_is_decoded(void **state)
{
    (void)state;
    cv_json_limits limits = {.max_string_bytes = 4};
    assert_ok(cx, cv_json_check(cx, CV_STR("\"abcd\""), &limits));
    assert_ok(cx, cv_json_check(cx, CV_STR("\"\\u0061\\u0062\\u0063\\u0064\""), &limits));
    assert_fails(cx, cv_json_check(cx, CV_STR("\"abcde\""), &limits), CV_E_LIMIT, "more bytes than 4");
}

static void decoding_without_memory_fails(void **state)
{
    (void)state;
    static char text[70000];
    memset(text, 'a', sizeof text);
    memcpy(text, "\"\\n", 3);
    text[sizeof text - 1] = '"';
    cv_arena_set_limit(cv_ctx_arena(cx), 4096);
    cv_json_reader r;
    cv_json_event event;
    cv_json_reader_init(&r, cx, cv_str_make(text, sizeof text), NULL);
    assert_int_equal(cv_json_next(&r, &event), CV_E_LIMIT);
    assert_int_equal(cv_json_next(&r, &event), CV_E_LIMIT);
}

static void peeking_does_not_take(void **state)
{
    (void)state;
    cv_json_event event;
    cv_json_reader r = reading("[\"x\", 2]");
    expect_event(&r, CV_JSON_ARRAY_START);
    for (int i = 0; i < 2; i++) {
        assert_ok(cx, cv_json_peek(&r, &event));
        assert_int_equal(event, CV_JSON_STRING);
        assert_int_equal(r.offset, 1);
    }
    expect_text(&r, CV_JSON_STRING, "x");
    expect_text(&r, CV_JSON_NUMBER, "2");
    expect_event(&r, CV_JSON_ARRAY_END);
}

static void skipping_gives_the_value_as_written(void **state)
{
    (void)state;
    cv_str raw;
    cv_json_event event;
    cv_json_reader r = reading("{\"a\": {\"x\": [1, \"\\n\"]} , \"b\": -1.5e3, \"c\": \"\\u0041\"}");
    expect_event(&r, CV_JSON_OBJECT_START);
    expect_text(&r, CV_JSON_KEY, "a");
    assert_ok(cx, cv_json_skip(&r, &raw));
    assert_true(cv_str_equal(raw, CV_STR("{\"x\": [1, \"\\n\"]}")));
    expect_text(&r, CV_JSON_KEY, "b");
    assert_ok(cx, cv_json_peek(&r, &event));
    assert_ok(cx, cv_json_skip(&r, &raw));
    assert_true(cv_str_equal(raw, CV_STR("-1.5e3")));
    expect_text(&r, CV_JSON_KEY, "c");
    assert_ok(cx, cv_json_skip(&r, NULL));
    expect_event(&r, CV_JSON_OBJECT_END);
}

static void skipping_where_no_value_starts_fails(void **state)
{
    (void)state;
    cv_json_reader r = reading("[]");
    expect_event(&r, CV_JSON_ARRAY_START);
    assert_fails(cx, cv_json_skip(&r, NULL), CV_E_STATE, "none starts here");
    expect_event(&r, CV_JSON_ARRAY_END);
}

static void skipping_still_checks(void **state)
{
    (void)state;
    cv_json_reader r = reading("[\"\\q\"]");
    assert_fails(cx, cv_json_skip(&r, NULL), CV_E_SYNTAX, "column 3");
}

static cv_json_reader number(const char *text)
{
    cv_json_reader r = reading(text);
    expect_event(&r, CV_JSON_NUMBER);
    return r;
}

static void whole_numbers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
        int code;
    } cases[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"42", 42, 0},
        {"9223372036854775807", INT64_MAX, 0},
        {"-9223372036854775808", INT64_MIN, 0},
        {"9223372036854775808", 0, CV_E_RANGE},
        {"-9223372036854775809", 0, CV_E_RANGE},
        {"99999999999999999999999", 0, CV_E_RANGE},
        {"1e3", 1000, 0},
        {"1.50e1", 15, 0},
        {"100.00", 100, 0},
        {"1200e-2", 12, 0},
        {"0.0e99999999999999999999", 0, 0},
        {"1e99999999999999999999", 0, CV_E_RANGE},
        {"1e-99999999999999999999", 0, CV_E_TYPE},
        {"9.3e18", 0, CV_E_RANGE},
        {"1.5", 0, CV_E_TYPE},
        {"1e-1", 0, CV_E_TYPE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cv_json_reader r = number(cases[i].text);
        int64_t value = 0;
        assert_int_equal(cv_json_number_i64(&r, &value), cases[i].code);
        assert_true(value == cases[i].value);
    }
}

static void doubles_are_the_nearest(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",
                                        "-0",
                                        "0.1",
                                        "3.14159",
                                        "-2.5e-3",
                                        "1e22",
                                        "1e23",
                                        "123e-22",
                                        "4.9e-324",
                                        "1e308",
                                        "1.7976931348623157e308",
                                        "0.30000000000000004",
                                        "9007199254740993",
                                        "123456789012345678901234567890",
                                        "2.2250738585072014e-308"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cv_json_reader r = number(texts[i]);
        double value, wanted = strtod(texts[i], NULL);
        assert_int_equal(cv_json_number_f64(&r, &value), 0);
        assert_memory_equal(&value, &wanted, sizeof value);
    }
    cv_json_reader r = number("1e400");
    double value;
    assert_int_equal(cv_json_number_f64(&r, &value), CV_E_RANGE);
}

static void decimals_keep_their_digits(void **state)
{
    (void)state;
    cv_json_reader r = number("12.50");
    cv_decimal value;
    char text[CV_DECIMAL_TEXT_BYTES];
    assert_int_equal(cv_json_number_decimal(&r, &value), 0);
    cv_decimal_format(value, text);
    assert_string_equal(text, "12.50");
}

static void positions_count_lines_and_bytes(void **state)
{
    (void)state;
    int line, column;
    cv_json_reader r = reading("[\n\n  1]");
    cv_json_position(&r, 5, &line, &column);
    assert_int_equal(line, 3);
    assert_int_equal(column, 3);
    cv_json_position(&r, 1000, &line, &column);
    assert_int_equal(line, 3);
    assert_int_equal(column, 5);
}

static void the_null_text_is_an_empty_text(void **state)
{
    (void)state;
    assert_fails(cx, cv_json_check(cx, (cv_str){NULL, 0}, NULL), CV_E_SYNTAX, "end of the text");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_come_in_the_order_of_the_text),
        TEST(strings_without_escapes_are_views_into_the_text),
        TEST(escapes_are_decoded),
        TEST(an_escaped_nul_is_kept),
        TEST(escapes_are_found_at_every_offset),
        TEST(keys_are_decoded_too),
        TEST(refusals_say_where_and_why),
        TEST(broken_utf8_is_refused),
        TEST(half_surrogates_are_refused),
        TEST(bad_escapes_are_refused),
        TEST(numbers_follow_the_grammar),
        TEST(after_a_failure_the_code_comes_again),
        TEST(depth_is_bounded),
        TEST(mixed_containers_are_matched_at_every_level),
        TEST(string_length_is_bounded_by_what_is_decoded),
        TEST(decoding_without_memory_fails),
        TEST(peeking_does_not_take),
        TEST(skipping_gives_the_value_as_written),
        TEST(skipping_where_no_value_starts_fails),
        TEST(skipping_still_checks),
        TEST(whole_numbers_are_exact),
        TEST(doubles_are_the_nearest),
        TEST(decimals_keep_their_digits),
        TEST(positions_count_lines_and_bytes),
        TEST(the_null_text_is_an_empty_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
