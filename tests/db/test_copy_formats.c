/* CSV and JSON lines as sources and sinks, without a database: texts into values, values into texts, and what is said
 * of those that cannot be. */
#include "test.h"

#include <covet/copy_formats.h>
#include <covet/runtime.h>
#include <math.h>

static cv_ctx *cx;

static int setup(void **state)
{
    (void)state;
    return cv_runtime_new(NULL, &cx);
}

static int teardown(void **state)
{
    (void)state;
    cv_runtime_free(cx);
    return 0;
}

#define format_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* A column of every kind. */
static const cv_copy_column columns[] = {
    {.name = "small", .type = CV_TYPE_I64, .bits = 16},
    {.name = "whole", .type = CV_TYPE_I64, .bits = 32},
    {.name = "large", .type = CV_TYPE_I64, .bits = 64},
    {.name = "real", .type = CV_TYPE_F64},
    {.name = "price", .type = CV_TYPE_DECIMAL, .digits = 8, .places = 2},
    {.name = "exact", .type = CV_TYPE_DECIMAL},
    {.name = "title", .type = CV_TYPE_TEXT, .max_length = 10},
    {.name = "flag", .type = CV_TYPE_BOOL},
    {.name = "at", .type = CV_TYPE_TIME},
    {.name = "day", .type = CV_TYPE_DATE},
    {.name = "key", .type = CV_TYPE_UUID},
    {.name = "data", .type = CV_TYPE_JSON},
    {.name = "blob", .type = CV_TYPE_BYTES},
    {.name = "tags", .type = CV_TYPE_ARRAY, .element = CV_TYPE_TEXT},
    {.name = "span", .type = CV_TYPE_RANGE, .element = CV_TYPE_I64, .bits = 32},
    {.name = "any", .type = CV_TYPE_NULL},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static cv_copy_column column_named(const char *name)
{
    size_t at = 0;
    while (at < COLUMNS && strcmp(columns[at].name, name) != 0)
        at++;
    assert_in_range(at, 0, COLUMNS - 1);
    return columns[at];
}

/* What cv_copy_in does with a source: tell it the columns that it names. */
static int start(const cv_copy_source *source)
{
    cv_copy_column *chosen = cv_zalloc(cx, source->column_count, sizeof *chosen);
    assert_non_null(chosen);
    for (size_t i = 0; i < source->column_count; i++)
        chosen[i] = column_named(source->columns[i]);
    return source->start(cx, source->arg, chosen, source->column_count);
}

static cv_input *input_of(const char *text)
{
    cv_input *input;
    assert_ok(cx, cv_input_memory(cx, cv_str_of(text), "file", &input));
    return input;
}

static cv_copy_source csv(const char *text)
{
    cv_copy_source source;
    assert_ok(cx, cv_csv_source(cx, input_of(text), NULL, &source));
    assert_ok(cx, start(&source));
    return source;
}

static cv_copy_source json_lines(const char *text)
{
    cv_copy_source source;
    assert_ok(cx, cv_json_lines_source(cx, input_of(text), NULL, &source));
    assert_ok(cx, start(&source));
    return source;
}

static const cv_value *next(const cv_copy_source *source)
{
    const cv_value *values = NULL;
    int rc = source->next(cx, source->arg, &values);
    assert_ok(cx, rc);
    assert_int_equal(rc, 1);
    return values;
}

static void expect_end(const cv_copy_source *source)
{
    const cv_value *values;
    int rc = source->next(cx, source->arg, &values);
    assert_ok(cx, rc);
    assert_int_equal(rc, 0);
}

static int next_fails(const cv_copy_source *source)
{
    const cv_value *values;
    int rc;
    while ((rc = source->next(cx, source->arg, &values)) > 0)
        continue;
    return rc;
}

static void expect_described(cv_value value, const char *wanted)
{
    cv_buf text;
    cv_buf_init(&text, 0);
    cv_value_describe(&text, value);
    assert_string_equal(text.data, wanted);
    cv_buf_done(&text);
}

/* The texts of one row, and what they are. */
static const struct {
    const char *name, *text, *json, *described;
} kinds[] = {
    {"small", "-32768", "-32768", "-32768"},
    {"whole", "2147483647", "2147483647", "2147483647"},
    {"large", "-9223372036854775808", "-9223372036854775808", "-9223372036854775808"},
    {"real", "0.1", "0.1", "0.1"},
    {"price", "123456.78", "123456.78", "123456.78"},
    {"exact", "12345678901234567890.123456789", "12345678901234567890.123456789", "12345678901234567890.123456789"},
    {"title", "Erdsee \xC3\xA4", "\"Erdsee \xC3\xA4\"", "\"Erdsee \xC3\xA4\""},
    {"flag", "true", "true", "true"},
    {"at", "2026-11-21T10:00:00.000001Z", "\"2026-11-21T10:00:00.000001Z\"", "2026-11-21T10:00:00.000001Z"},
    {"day", "2026-11-21", "\"2026-11-21\"", "2026-11-21"},
    {"key", "018f0000-0000-7000-8000-00000000000a", "\"018f0000-0000-7000-8000-00000000000a\"",
     "018f0000-0000-7000-8000-00000000000a"},
    {"data", "\"{\"\"a\"\":[1,null]}\"", "{\"a\":[1,null]}", "\"{\\\"a\\\":[1,null]}\""},
    {"blob", "\\x00ff10", "\"AP8Q\"", "0x00ff10"},
    {"tags", "\"[\"\"a,b\"\",null]\"", "[\"a,b\",null]", "[\"a,b\", null]"},
    {"span", "\"{\"\"lower\"\":1,\"\"upper\"\":5,\"\"bounds\"\":\"\"[)\"\"}\"",
     "{\"lower\":1,\"upper\":5,\"bounds\":\"[)\"}", "[1,5)"},
    {"any", "anything", "\"anything\"", "\"anything\""},
};

static void every_type_has_a_text_in_csv(void **state)
{
    (void)state;
    cv_buf text;
    cv_buf_init(&text, 0);
    for (size_t i = 0; i < COLUMNS; i++)
        cv_buf_printf(&text, "%s%s", i ? "," : "", kinds[i].name);
    for (size_t i = 0; i < COLUMNS; i++)
        cv_buf_printf(&text, "%s%s", i ? "," : "\n", kinds[i].text);
    cv_buf_add_text(&text, "\n,,,,,,,,,,,,,,,\n");
    cv_copy_source source = csv(text.data);
    const cv_value *values = next(&source);
    for (size_t i = 0; i < COLUMNS; i++) {
        assert_int_equal(values[i].type, columns[i].type ? columns[i].type : CV_TYPE_TEXT);
        expect_described(values[i], kinds[i].described);
    }
    values = next(&source);
    for (size_t i = 0; i < COLUMNS; i++)
        assert_int_equal(values[i].type, CV_TYPE_NULL);
    expect_end(&source);
    cv_buf_done(&text);
}

static void every_type_has_a_text_in_json(void **state)
{
    (void)state;
    cv_buf text;
    cv_buf_init(&text, 0);
    for (size_t i = 0; i < COLUMNS; i++)
        cv_buf_printf(&text, "%s\"%s\":%s", i ? "," : "{", kinds[i].name, kinds[i].json);
    cv_buf_add_text(&text, "}\n{}\n{\"any\": null , \"small\":\"7\"}");
    cv_copy_source source = json_lines(text.data);
    const cv_value *values = next(&source);
    for (size_t i = 0; i < COLUMNS; i++) {
        assert_int_equal(values[i].type, columns[i].type ? columns[i].type : CV_TYPE_TEXT);
        expect_described(values[i], kinds[i].described);
    }
    values = next(&source);
    for (size_t i = 0; i < COLUMNS; i++)
        assert_int_equal(values[i].type, CV_TYPE_NULL);
    values = next(&source);
    assert_int_equal(values[0].as.i64, 7);
    expect_end(&source);
    cv_buf_done(&text);
}

/* Write what was read: the same text. */
static void copy_rows(cv_copy_source *source, const cv_copy_sink *sink)
{
    const cv_value *values;
    int rc;
    cv_copy_column *chosen = cv_zalloc(cx, source->column_count, sizeof *chosen);
    assert_non_null(chosen);
    for (size_t i = 0; i < source->column_count; i++)
        chosen[i] = column_named(source->columns[i]);
    assert_ok(cx, sink->start(cx, sink->arg, chosen, source->column_count));
    while ((rc = source->next(cx, source->arg, &values)) > 0)
        assert_ok(cx, sink->row(cx, sink->arg, values));
    assert_ok(cx, rc);
}

static void what_is_read_is_written_as_it_was(void **state)
{
    (void)state;
    cv_buf text, csv_out, json_out;
    cv_output *output;
    cv_copy_sink sink;
    cv_buf_init(&text, 0);
    cv_buf_init(&csv_out, 0);
    cv_buf_init(&json_out, 0);
    for (size_t i = 0; i < COLUMNS; i++)
        cv_buf_printf(&text, "%s%s", i ? "," : "", kinds[i].name);
    for (size_t i = 0; i < COLUMNS; i++)
        cv_buf_printf(&text, "%s%s", i ? "," : "\n", kinds[i].text);
    cv_buf_add_text(&text, "\n,,,NaN,1.50,,\"\",false,,,,,,,,\n,,,-Infinity,,,\" a\",,,,,,,,,\n");
    cv_copy_source source = csv(text.data);
    assert_ok(cx, cv_output_memory(cx, &json_out, NULL, &output));
    assert_ok(cx, cv_json_lines_sink(cx, output, &sink));
    copy_rows(&source, &sink);
    source = json_lines(json_out.data);
    assert_ok(cx, cv_output_memory(cx, &csv_out, NULL, &output));
    assert_ok(cx, cv_csv_sink(cx, output, NULL, &sink));
    copy_rows(&source, &sink);
    assert_string_equal(csv_out.data, text.data);
    cv_buf_done(&text);
    cv_buf_done(&csv_out);
    cv_buf_done(&json_out);
}

static void a_value_that_does_not_fit_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        int code;
        const char *expected;
    } cases[] = {
        {"small", "32768", CV_E_RANGE, "\"32768\" is not an integer from -32768 to 32767"},
        {"whole", "-2147483649", CV_E_RANGE, "an integer from -2147483648 to 2147483647"},
        {"large", "12 ", CV_E_SYNTAX, "\"12 \" is not an integer of 64 bits"},
        {"large", "9223372036854775808", CV_E_RANGE, "an integer of 64 bits"},
        {"real", "1,5", CV_E_SYNTAX, "is not a number"},
        {"price", "1.999", CV_E_RANGE, "a decimal number of at most 6 digits before and 2 after the point"},
        {"price", "1234567", CV_E_RANGE, "a decimal number"},
        {"price", "-", CV_E_SYNTAX, "a decimal number"},
        {"price", "1.", CV_E_SYNTAX, "a decimal number"},
        {"price", "1.2.3", CV_E_SYNTAX, "a decimal number"},
        {"exact", "x", CV_E_SYNTAX, "a decimal number of at most 38 digits"},
        {"title", "12345678901", CV_E_RANGE, "a text of at most 10 characters"},
        {"flag", "maybe", CV_E_SYNTAX, "true or false"},
        {"at", "today", CV_E_SYNTAX, "a time such as"},
        {"day", "2026-02-30", CV_E_RANGE, "a date such as"},
        {"key", "018f", CV_E_SYNTAX, "a UUID"},
        {"data", "{", CV_E_SYNTAX, "well-formed JSON"},
        {"blob", "00", CV_E_SYNTAX, "hexadecimal digits after \\x"},
        {"blob", "\\x0g", CV_E_SYNTAX, "hexadecimal digits after \\x"},
        {"tags", "{a}", CV_E_TYPE, "a JSON array of type text"},
        {"span", "[1]", CV_E_TYPE, "a range of type integer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200], wanted[300];
        snprintf(text, sizeof text, "title,%s\nx,\nx,\"%s\"\n", cases[i].name, cases[i].text);
        snprintf(wanted, sizeof wanted, "file, row 2, line 3, column \"%s\": ", cases[i].name);
        if (strcmp(cases[i].name, "title") == 0)
            snprintf(text, sizeof text, "%s\n\n\"%s\"\n", cases[i].name, cases[i].text);
        cv_copy_source source = csv(text);
        int rc = next_fails(&source);
        const cv_error *error = cv_error_last(cx);
        assert_non_null(error);
        if (rc != cases[i].code || !strstr(error->message, wanted) || !strstr(error->message, cases[i].expected))
            fail_msg("%s: %s: %s", text, cv_error_name(rc), error->message);
        assert_string_equal(error->column, cases[i].name);
        cv_error_clear(cx);
    }
}

static void a_long_value_is_shortened_in_the_message(void **state)
{
    (void)state;
    cv_copy_source source =
        csv("day\n"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
    assert_int_equal(next_fails(&source), CV_E_SYNTAX);
    assert_non_null(strstr(cv_error_last(cx)->message, "aaa...\" is not a date"));
}

static void a_header_can_be_absent_or_replaced(void **state)
{
    (void)state;
    static const char *const names[] = {"small", "title"};
    cv_copy_source source;
    cv_csv_options named = {.columns = names, .column_count = 2}, bare = named;
    bare.no_header = true;
    assert_ok(cx, cv_csv_source(cx, input_of("a,b\n1,x\n"), &named, &source));
    assert_ok(cx, start(&source));
    assert_string_equal(source.columns[1], "title");
    assert_int_equal(next(&source)[0].as.i64, 1);
    expect_end(&source);
    assert_ok(cx, cv_csv_source(cx, input_of("1,x\n2,y"), &bare, &source));
    assert_ok(cx, start(&source));
    assert_int_equal(next(&source)[0].as.i64, 1);
    assert_string_equal(source.place(cx, source.arg, 1), "file, row 1, line 1, column \"title\"");
    assert_int_equal(next(&source)[0].as.i64, 2);
    expect_end(&source);
    assert_ok(cx, cv_csv_source(cx, input_of(""), &bare, &source));
    assert_ok(cx, start(&source));
    expect_end(&source);
    assert_fails(cx, cv_csv_source(cx, input_of("1"), &(cv_csv_options){.no_header = true}, &source), CV_E_INVALID,
                 "the columns must be named");
    assert_fails(cx, cv_csv_source(cx, input_of(""), NULL, &source), CV_E_END, "it is empty, and has no header");
    assert_fails(cx, cv_csv_source(cx, input_of("a\n"), &named, &source), CV_E_SYNTAX,
                 "file, header, line 1: 1 column where 2 are expected");
}

static void options_of_csv_are_for_both_directions(void **state)
{
    (void)state;
    cv_csv_options options = {.delimiter = ';', .quote = '\'', .null_text = "NULL", .crlf = true};
    cv_copy_source source;
    cv_copy_sink sink;
    cv_output *output;
    cv_buf out;
    cv_buf_init(&out, 0);
    assert_ok(cx, cv_csv_source(cx, input_of("title;any\r\n'a;b';NULL\r\n'NULL';\r\n"), &options, &source));
    assert_ok(cx, start(&source));
    assert_ok(cx, cv_output_memory(cx, &out, NULL, &output));
    assert_ok(cx, cv_csv_sink(cx, output, &options, &sink));
    copy_rows(&source, &sink);
    assert_string_equal(out.data, "title;any\r\n'a;b';NULL\r\n'NULL';\r\n");
    options.null_text = "a;b";
    assert_fails(cx, cv_csv_sink(cx, output, &options, &sink), CV_E_INVALID, "the text for NULL");
    cv_buf_done(&out);
}

static void lines_that_are_no_objects_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *message;
    } cases[] = {
        {"{\"small\":1}\n[1]\n", CV_E_SYNTAX, "file, row 2, line 2: it is not a JSON object"},
        {"{\"small\":1}\n\n", CV_E_SYNTAX, "file, row 2, line 2: it is not a JSON object"},
        {"{\"small\":1}\n{\"small\":", CV_E_SYNTAX, "file, row 2, line 2: it is not a JSON object"},
        {"{\"small\":1}\n{\"small\":1} x", CV_E_SYNTAX, "file, row 2, line 2: it is not a JSON object"},
        {"{\"data\":1}\n{\"data\":[1,}\n", CV_E_SYNTAX, "file, row 2, line 2: it is not a JSON object"},
        {"{\"small\":1}\n{\"smal\":1}\n", CV_E_FIELD, "file, row 2, line 2: there is no column \"smal\""},
        {"{\"small\":1}\n{\"small\":1,\"small\":2}\n", CV_E_SYNTAX, "column \"small\": the member comes twice"},
        {"{\"small\":1}\n{\"small\":1.5}\n", CV_E_SYNTAX, "column \"small\": \"1.5\" is not an integer from"},
        {"{\"small\":1}\n{\"small\":1e9}\n", CV_E_RANGE, "is not an integer from"},
        {"{\"title\":\"\"}\n{\"title\":1}\n", CV_E_TYPE, "column \"title\": \"1\" is not a text"},
        {"{\"title\":\"\"}\n{\"title\":true}\n", CV_E_TYPE, "column \"title\": true is not a text"},
        {"{\"title\":\"\"}\n{\"title\":{}}\n", CV_E_TYPE, "column \"title\": \"{...}\" is not a text"},
        {"{\"day\":\"2026-01-01\"}\n{\"day\":[]}\n", CV_E_TYPE, "column \"day\": \"[...]\" is not a date"},
        {"{\"blob\":\"\"}\n{\"blob\":\"?\"}\n", CV_E_SYNTAX, "column \"blob\": \"?\" is not a sequence of bytes"},
        {"{\"tags\":[]}\n{\"tags\":{}}\n", CV_E_TYPE, "column \"tags\": \"{}\" is not a JSON array"},
        {"{\"title\":\"\"}\n{\"title\":\"\xC3(\"}\n", CV_E_SYNTAX, "file, row 2, line 2: it is not a JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cv_copy_source source = json_lines(cases[i].text);
        assert_fails(cx, next_fails(&source), cases[i].code, cases[i].message);
    }
}

static void numbers_and_texts_of_json_find_their_type(void **state)
{
    (void)state;
    cv_copy_source source = json_lines("{\"small\":1e3,\"any\":1,\"real\":\"NaN\",\"flag\":\"f\",\"price\":1e2}\n"
                                       "{\"any\":1.5,\"real\":1,\"flag\":false}\n{\"any\":true}\n");
    const cv_value *values = next(&source);
    assert_int_equal(values[0].as.i64, 1000);
    assert_int_equal(values[1].as.i64, 1);
    assert_true(isnan(values[2].as.f64));
    assert_false(values[3].as.boolean);
    expect_described(values[4], "100");
    values = next(&source);
    assert_int_equal(values[1].type, CV_TYPE_F64);
    assert_int_equal(values[2].type, CV_TYPE_F64);
    assert_int_equal(next(&source)[1].type, CV_TYPE_BOOL);
}

static void lines_of_json_have_a_limit_and_may_end_with_crlf(void **state)
{
    (void)state;
    cv_copy_source source;
    static const char *const names[] = {"small"};
    cv_json_lines_options options = {.max_line_bytes = 20};
    cv_json_lines_options named = {.columns = names, .column_count = 1};
    assert_ok(cx, cv_json_lines_source(cx, input_of("{\"small\":1}\r\n{\"small\":          2}\n"), &options, &source));
    assert_ok(cx, start(&source));
    assert_int_equal(next(&source)[0].as.i64, 1);
    assert_fails(cx, next_fails(&source), CV_E_LIMIT, "file, line 2: it has more than 20 bytes");
    assert_fails(cx, cv_json_lines_source(cx, input_of(""), NULL, &source), CV_E_END, "it is empty");
    assert_ok(cx, cv_json_lines_source(cx, input_of(""), &named, &source));
    assert_ok(cx, start(&source));
    expect_end(&source);
}

static int give_bytes(cv_ctx *own, void *arg, cv_str *ret_piece)
{
    const char **at = arg;
    (void)own;
    *ret_piece = cv_str_make(*at, 1);
    return *(*at)++ != '\0';
}

static void sources_take_pieces_of_any_size(void **state)
{
    (void)state;
    const char *csv_at = "small,title\n1,\"a\nb\"\n2,c\n", *json_at = "{\"small\":1}\n{\"small\":2}";
    cv_input *input;
    cv_copy_source source;
    assert_ok(cx, cv_input_function(cx, give_bytes, &csv_at, "bytes", &input));
    assert_ok(cx, cv_csv_source(cx, input, NULL, &source));
    assert_ok(cx, start(&source));
    expect_described(next(&source)[1], "\"a\\x0ab\"");
    expect_described(next(&source)[1], "\"c\"");
    expect_end(&source);
    assert_ok(cx, cv_input_function(cx, give_bytes, &json_at, "bytes", &input));
    assert_ok(cx, cv_json_lines_source(cx, input, NULL, &source));
    assert_ok(cx, start(&source));
    assert_int_equal(next(&source)[0].as.i64, 1);
    assert_int_equal(next(&source)[0].as.i64, 2);
    expect_end(&source);
}

static int broken(cv_ctx *own, void *arg, cv_str *ret_piece)
{
    int *calls = arg;
    *ret_piece = CV_STR("small\n1\n");
    return (*calls)++ == 0 ? 1 : cv_fail(own, CV_E_IO, "the tape is torn");
}

static void an_error_of_the_input_is_that_of_the_source(void **state)
{
    (void)state;
    int calls = 0;
    cv_input *input;
    cv_copy_source source;
    assert_ok(cx, cv_input_function(cx, broken, &calls, "tape", &input));
    assert_ok(cx, cv_csv_source(cx, input, NULL, &source));
    assert_ok(cx, start(&source));
    (void)next(&source);
    assert_fails(cx, next_fails(&source), CV_E_IO, "the tape is torn");
}

static void texts_that_are_not_utf8_are_not_written(void **state)
{
    (void)state;
    cv_value bad = cv_value_text("\xFF");
    cv_copy_sink sinks[2];
    cv_output *output;
    cv_buf out;
    cv_buf_init(&out, 0);
    assert_ok(cx, cv_output_memory(cx, &out, NULL, &output));
    assert_ok(cx, cv_csv_sink(cx, output, NULL, &sinks[0]));
    assert_ok(cx, cv_json_lines_sink(cx, output, &sinks[1]));
    const cv_copy_column title = column_named("title");
    for (size_t i = 0; i < 2; i++) {
        assert_ok(cx, sinks[i].start(cx, sinks[i].arg, &title, 1));
        assert_fails(cx, sinks[i].row(cx, sinks[i].arg, &bad), CV_E_INVALID,
                     "cannot write row 1, column \"title\": the text is not valid UTF-8");
    }
    cv_buf_done(&out);
}

static void decimals_have_the_places_of_their_column(void **state)
{
    (void)state;
    cv_copy_sink sink;
    cv_output *output;
    cv_buf out;
    cv_value value = cv_value_decimal(cv_decimal_from_i64(7));
    cv_buf_init(&out, 0);
    assert_ok(cx, cv_output_memory(cx, &out, NULL, &output));
    assert_ok(cx, cv_csv_sink(cx, output, &(cv_csv_options){.no_header = true}, &sink));
    const cv_copy_column price = column_named("price");
    assert_ok(cx, sink.start(cx, sink.arg, &price, 1));
    assert_ok(cx, sink.row(cx, sink.arg, &value));
    assert_string_equal(out.data, "7.00\n");
    cv_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        format_test(every_type_has_a_text_in_csv),
        format_test(every_type_has_a_text_in_json),
        format_test(what_is_read_is_written_as_it_was),
        format_test(a_value_that_does_not_fit_is_told_with_its_place),
        format_test(a_long_value_is_shortened_in_the_message),
        format_test(a_header_can_be_absent_or_replaced),
        format_test(options_of_csv_are_for_both_directions),
        format_test(lines_that_are_no_objects_are_told),
        format_test(numbers_and_texts_of_json_find_their_type),
        format_test(lines_of_json_have_a_limit_and_may_end_with_crlf),
        format_test(sources_take_pieces_of_any_size),
        format_test(an_error_of_the_input_is_that_of_the_source),
        format_test(texts_that_are_not_utf8_are_not_written),
        format_test(decimals_have_the_places_of_their_column),
    };
    return cmocka_run_group_tests_name("copy_formats", tests, NULL, NULL);
}
