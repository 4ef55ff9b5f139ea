#include "base/base64.h"
#include "base/f64.h"
#include "base/json_writer.h"
#include "test.h"
#include <covet/json.h>
#include <float.h>
#include <math.h>

static cv_buf out;
static cv_json_writer w;

static int setup(void **state)
{
    (void)state;
    cv_buf_init(&out, 0);
    cv_json_writer_init(&w, &out, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cv_buf_done(&out);
    return 0;
}

static void expect_output(const char *wanted)
{
    assert_int_equal(out.error, 0);
    assert_string_equal(out.data, wanted);
}

static void commas_and_colons_come_by_themselves(void **state)
{
    (void)state;
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("a"));
    cv_json_array_start(&w);
    cv_json_i64(&w, 1);
    cv_json_i64(&w, INT64_MIN);
    cv_json_array_start(&w);
    cv_json_array_end(&w);
    cv_json_array_end(&w);
    cv_json_key(&w, CV_STR("b"));
    cv_json_object_start(&w);
    cv_json_object_end(&w);
    cv_json_key(&w, CV_STR("c"));
    cv_json_bool(&w, true);
    cv_json_key(&w, CV_STR("d"));
    cv_json_null(&w);
    cv_json_key(&w, CV_STR("e"));
    cv_json_raw(&w, CV_STR("[0]"));
    cv_json_object_end(&w);
    expect_output("{\"a\":[1,-9223372036854775808,[]],\"b\":{},\"c\":true,\"d\":null,\"e\":[0]}");
}

static void indenting_makes_it_readable(void **state)
{
    (void)state;
    cv_json_writer_init(&w, &out, 2);
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("a"));
    cv_json_array_start(&w);
    cv_json_i64(&w, 1);
    cv_json_bool(&w, false);
    cv_json_array_end(&w);
    cv_json_key(&w, CV_STR("b"));
    cv_json_object_start(&w);
    cv_json_object_end(&w);
    cv_json_object_end(&w);
    expect_output("{\n  \"a\": [\n    1,\n    false\n  ],\n  \"b\": {}\n}");
}

static void deep_indentation_is_complete(void **state)
{
    (void)state;
    cv_json_writer_init(&w, &out, 20);
    cv_json_array_start(&w);
    cv_json_array_start(&w);
    cv_json_i64(&w, 7);
    assert_int_equal(out.len, 1 + 1 + 20 + 1 + 1 + 40 + 1);
}

static void strings_are_escaped_where_the_standard_asks(void **state)
{
    (void)state;
    cv_json_str(&w, CV_STR("a\"b\\c/\b\f\n\r\t\x01\x1F\x7F \xC3\xA9\xF0\x9F\x98\x80"));
    expect_output("\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F \xC3\xA9\xF0\x9F\x98\x80\"");
}

static void a_nul_inside_a_view_is_escaped(void **state)
{
    (void)state;
    cv_json_str(&w, cv_str_make("a\0b", 3));
    expect_output("\"a\\u0000b\"");
}

static void broken_utf8_is_replaced(void **state)
{
    (void)state;
    cv_json_str(&w, CV_STR("a\xFF\xC3(\xED\xA0\x80z"));
    expect_output("\"a\xEF\xBF\xBD\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\"");
}

static void keys_are_escaped_too(void **state)
{
    (void)state;
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("\"\n"));
    cv_json_i64(&w, 1);
    cv_json_object_end(&w);
    expect_output("{\"\\\"\\n\":1}");
}

static void null_texts_become_null(void **state)
{
    (void)state;
    cv_json_array_start(&w);
    cv_json_text(&w, NULL);
    cv_json_str(&w, (cv_str){NULL, 0});
    cv_json_raw(&w, (cv_str){NULL, 0});
    cv_json_text(&w, "");
    cv_json_array_end(&w);
    expect_output("[null,null,null,\"\"]");
}

static void infinities_become_null(void **state)
{
    (void)state;
    cv_json_array_start(&w);
    cv_json_f64(&w, NAN);
    cv_json_f64(&w, -INFINITY);
    cv_json_f64(&w, 0.5);
    cv_json_array_end(&w);
    expect_output("[null,null,0.5]");
}

static void expect_f64(double value, const char *wanted)
{
    char text[CV__F64_TEXT_BYTES];
    assert_int_equal(cv__f64_format(value, text), strlen(wanted));
    assert_string_equal(text, wanted);
}

static void doubles_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    expect_f64(0, "0");
    expect_f64(-0.0, "-0");
    expect_f64(1, "1");
    expect_f64(-12.34, "-12.34");
    expect_f64(0.1, "0.1");
    expect_f64(0.1 + 0.2, "0.30000000000000004");
    expect_f64(100, "100");
    expect_f64(1e20, "100000000000000000000");
    expect_f64(1e21, "1e21");
    expect_f64(1.5e300, "1.5e300");
    expect_f64(0.0001, "0.0001");
    expect_f64(1e-7, "1e-7");
    expect_f64(0.000012345678901, "0.000012345678901");
    expect_f64(5e-324, "5e-324");
    expect_f64(DBL_MAX, "1.7976931348623157e308");
    expect_f64(2.0 / 3, "0.6666666666666666");
    expect_f64(9007199254740993.0, "9007199254740992");
    expect_f64(123456789.123, "123456789.123");
}

static void doubles_read_back_the_same(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252U;
    for (int i = 0; i < 200000; i++) {
        char text[CV__F64_TEXT_BYTES];
        double value, again;
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        memcpy(&value, &seed, sizeof value);
        if (i % 2)
            value = (double)(int64_t)(seed % 20000001) / 1000;
        if (!isfinite(value))
            continue;
        assert_in_range(cv__f64_format(value, text), 1, CV__F64_TEXT_BYTES - 1);
        again = strtod(text, NULL);
        assert_memory_equal(&again, &value, sizeof value);
    }
}

static void values_of_every_type_are_written(void **state)
{
    (void)state;
    cv_decimal price;
    cv_uuid uuid;
    assert_int_equal(cv_decimal_parse(CV_STR("12.50"), &price), 0);
    assert_int_equal(cv_uuid_parse(CV_STR("0188e0c5-0000-7000-8000-0000000000ff"), &uuid), 0);
    const cv_value values[] = {
        CV_NULL,
        CV_VALUE((bool)true),
        CV_VALUE(7),
        CV_VALUE(0.25),
        CV_VALUE(price),
        CV_VALUE("x"),
        CV_VALUE(((cv_bytes){(const uint8_t *)"\xFB\xFF\x00", 3})),
        CV_VALUE(((cv_time){0})),
        CV_VALUE(((cv_date){1})),
        CV_VALUE(uuid),
        CV_VALUE(((cv_json){CV_STR("{\"k\":1}")})),
    };
    cv_json_array_start(&w);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cv_json_value(&w, values[i]);
    cv_json_array_end(&w);
    expect_output("[null,true,7,0.25,12.50,\"x\",\"+/8A\",\"1970-01-01T00:00:00Z\",\"1970-01-02\","
                  "\"0188e0c5-0000-7000-8000-0000000000ff\",{\"k\":1}]");
}

static void bytes_are_base64_with_padding(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cv_buf_clear(&out);
        cv__base64_add(&out, (cv_bytes){(const uint8_t *)cases[i][0], strlen(cases[i][0])});
        assert_true(cv_str_equal(cv_buf_str(&out), cv_str_of(cases[i][1])));
    }
    cv__base64_add(&out, (cv_bytes){(const uint8_t *)"", SIZE_MAX});
    assert_int_equal(out.error, CV_E_LIMIT);
}

static void expect_misuse(void)
{
    assert_int_equal(out.error, CV_E_STATE);
    cv_buf_clear(&out);
    cv_json_writer_init(&w, &out, 0);
}

static void misuse_is_an_error_of_the_buffer(void **state)
{
    (void)state;
    cv_json_object_start(&w);
    cv_json_i64(&w, 1); /* a value where a key is due */
    expect_misuse();
    cv_json_array_start(&w);
    cv_json_key(&w, CV_STR("a")); /* a key in an array */
    expect_misuse();
    cv_json_object_start(&w);
    cv_json_array_end(&w); /* the wrong end */
    expect_misuse();
    cv_json_object_end(&w); /* an end without a start */
    expect_misuse();
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("a"));
    cv_json_object_end(&w); /* a key without a value */
    expect_misuse();
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("a"));
    cv_json_key(&w, CV_STR("b"));
    expect_misuse();
    cv_json_i64(&w, 1);
    cv_json_i64(&w, 2); /* a second root */
    expect_misuse();
    cv_json_value(&w, (cv_value){.type = (cv_type)99});
    expect_misuse();
}

static void levels_are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 64; i++)
        cv_json_array_start(&w);
    assert_int_equal(out.error, 0);
    cv_json_array_start(&w);
    expect_misuse();
}

static void a_full_buffer_keeps_its_error(void **state)
{
    (void)state;
    cv_buf small;
    cv_buf_init(&small, 16);
    cv_json_writer_init(&w, &small, 4);
    cv_json_array_start(&w);
    for (int i = 0; i < 10; i++)
        cv_json_text(&w, "0123\n");
    cv_json_array_end(&w);
    cv_json_object_end(&w);
    assert_int_equal(small.error, CV_E_LIMIT);
    cv_buf_done(&small);
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    cv_json_array_start(&w);
    cv_json_str(&w, cv_str_make(bytes, 128));
    cv_json_str(&w, cv_str_make(bytes, 256));
    cv_json_array_end(&w);
    cv_json_reader r;
    cv_json_event event;
    cv_json_reader_init(&r, cx, cv_buf_str(&out), NULL);
    assert_ok(cx, cv_json_next(&r, &event));
    assert_ok(cx, cv_json_next(&r, &event));
    assert_int_equal(r.text.len, 128);
    assert_memory_equal(r.text.ptr, bytes, 128);
    assert_ok(cx, cv_json_check(cx, cv_buf_str(&out), NULL));
    cv_ctx_free(cx);
}

/* Long texts are looked through several bytes at a time: what must be found may lie anywhere in a step. */
static void escapes_are_found_at_every_place_of_every_length(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } cases[] = {{"\"", "\\\""},   {"\\", "\\\\"},           {"\x1f", "\\u001f"},
                 {"\x7f", "\x7f"}, {"\xC3\xA9", "\xC3\xA9"}, {"\xC3", "\xEF\xBF\xBD"}};
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz !#$%&'()*+,-./[]";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int len = 0; len <= 40; len++)
            for (int at = 0; at <= len; at++) {
                char text[128], wanted[128];
                (void)snprintf(text, sizeof text, "%.*s%s%.*s", at, plain, cases[i].text, len - at, plain);
                (void)snprintf(wanted, sizeof wanted, "\"%.*s%s%.*s\"", at, plain, cases[i].json, len - at, plain);
                cv_buf_clear(&out);
                cv_json_writer_init(&w, &out, 0);
                cv_json_text(&w, text);
                expect_output(wanted);
            }
}

static void member(const char *key, cv_value value)
{
    cv_arena *arena = cv_arena_new(0);
    assert_non_null(arena);
    cv__json_member(&w, cv__json_ready_key(arena, cv_str_of(key)), &value);
    cv_arena_free(arena);
}

static void members_with_keys_made_ready_are_as_others(void **state)
{
    (void)state;
    cv_json_object_start(&w);
    member("a\"b", cv_value_i64(-1));
    member("c", cv_value_str(CV_STR("d")));
    cv_json_key(&w, CV_STR("e"));
    cv_json_object_start(&w);
    member("f", cv_value_null());
    cv_json_object_end(&w);
    member("g", cv_value_bool(true));
    cv_json_object_end(&w);
    expect_output("{\"a\\\"b\":-1,\"c\":\"d\",\"e\":{\"f\":null},\"g\":true}");
}

static void members_with_keys_made_ready_are_indented(void **state)
{
    (void)state;
    cv_json_writer_init(&w, &out, 2);
    cv_json_object_start(&w);
    member("a", cv_value_i64(1));
    member("b", cv_value_i64(2));
    cv_json_object_end(&w);
    expect_output("{\n  \"a\": 1,\n  \"b\": 2\n}");
}

static void a_member_outside_of_an_object_is_misuse(void **state)
{
    (void)state;
    cv_json_array_start(&w);
    member("a", cv_value_i64(1));
    assert_int_equal(out.error, CV_E_STATE);
}

static void a_value_of_no_type_is_misuse(void **state)
{
    (void)state;
    cv_json_object_start(&w);
    member("a", (cv_value){.type = (cv_type)99});
    assert_int_equal(out.error, CV_E_STATE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commas_and_colons_come_by_themselves),
        TEST(indenting_makes_it_readable),
        TEST(deep_indentation_is_complete),
        TEST(strings_are_escaped_where_the_standard_asks),
        TEST(a_nul_inside_a_view_is_escaped),
        TEST(broken_utf8_is_replaced),
        TEST(keys_are_escaped_too),
        TEST(null_texts_become_null),
        TEST(infinities_become_null),
        TEST(doubles_are_as_short_as_they_can_be),
        TEST(doubles_read_back_the_same),
        TEST(values_of_every_type_are_written),
        TEST(bytes_are_base64_with_padding),
        TEST(misuse_is_an_error_of_the_buffer),
        TEST(levels_are_bounded),
        TEST(a_full_buffer_keeps_its_error),
        TEST(what_is_written_can_be_read),
        TEST(escapes_are_found_at_every_place_of_every_length),
        TEST(members_with_keys_made_ready_are_as_others),
        TEST(members_with_keys_made_ready_are_indented),
        TEST(a_member_outside_of_an_object_is_misuse),
        TEST(a_value_of_no_type_is_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
