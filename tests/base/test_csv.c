#include "base/csv.h"

#include "test.h"

static cv_ctx *cx;
static cv__csv_reader reader;

static int setup(void **state)
{
    (void)state;
    cx = cv_ctx_new(0);
    return cx ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cv__csv_reader_done(&reader);
    reader = (cv__csv_reader){0};
    cv_ctx_free(cx);
    return 0;
}

static void start(const cv__csv_options *options)
{
    cv__csv_reader_done(&reader);
    assert_ok(cx, cv__csv_reader_init(cx, &reader, options));
}

static void feed(const char *text)
{
    assert_ok(cx, cv__csv_feed(cx, &reader, cv_str_of(text)));
}

static void start_with(const cv__csv_options *options, const char *text)
{
    start(options);
    feed(text);
    cv__csv_end(&reader);
}

/* The next row as "a|b|<null>". */
static void expect_row(const char *wanted)
{
    char got[1000];
    size_t len = 0;
    int rc = cv__csv_next(cx, &reader);
    assert_ok(cx, rc);
    assert_int_equal(rc, 1);
    for (size_t i = 0; i < reader.count; i++) {
        const cv__csv_field *field = &reader.fields[i];
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%.*s", i ? "|" : "",
                                field->is_null ? 6 : (int)field->len, field->is_null ? "<null>" : field->ptr);
    }
    assert_string_equal(got, wanted);
}

static void expect_no_row(void)
{
    int rc = cv__csv_next(cx, &reader);
    assert_ok(cx, rc);
    assert_int_equal(rc, 0);
}

static void rows_end_with_lf_or_crlf_and_the_last_may_end_with_the_text(void **state)
{
    (void)state;
    start_with(NULL, "a,b\r\n1,2\n3,4");
    expect_row("a|b");
    expect_row("1|2");
    expect_row("3|4");
    assert_int_equal(reader.row, 3);
    assert_int_equal(reader.line, 3);
    expect_no_row();
    expect_no_row();
}

static void quotation_marks_hold_delimiters_lines_and_themselves(void **state)
{
    (void)state;
    start_with(NULL, "\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\"\n\"\"\"\",\"\",x\"\"");
    expect_row("a,b|say \"hi\"|two\r\nlines");
    assert_int_equal(reader.fields[2].line, 0);
    assert_fails(cx, cv__csv_next(cx, &reader), CV_E_SYNTAX, "row 2, line 3, column 3: a quotation mark inside");
    start_with(NULL, "\"\"\"\",\"\",\"\"\"\"\"\"");
    expect_row("\"||\"\"");
}

static void nothing_is_null_and_quoted_nothing_is_the_empty_text(void **state)
{
    (void)state;
    start_with(NULL, ",\"\",x\n");
    expect_row("<null>||x");
    assert_true(reader.fields[1].is_quoted);
    assert_false(reader.fields[1].is_null);
}

static void null_may_be_another_text(void **state)
{
    (void)state;
    start_with(&(cv__csv_options){.null_text = CV_STR("\\N")}, "\\N,\"\\N\",,NULL\n");
    expect_row("<null>|\\N||NULL");
}

static void delimiter_and_quotation_mark_can_be_others(void **state)
{
    (void)state;
    start_with(&(cv__csv_options){.delimiter = ';', .quote = '\''}, "1,5;'a;b''c';\"x\"\n");
    expect_row("1,5|a;b'c|\"x\"");
    start_with(&(cv__csv_options){.delimiter = '\t'}, "a\tb\n");
    expect_row("a|b");
}

static void delimiters_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const cv__csv_options bad[] = {
        {.delimiter = '\n'}, {.delimiter = '"'}, {.quote = '\r'}, {.quote = (char)200}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(cx, cv__csv_reader_init(cx, &reader, &bad[i]), CV_E_INVALID,
                     "the delimiter and the quotation mark");
    const cv__csv_options null_text = {.null_text = CV_STR("a,b")};
    assert_fails(cx, cv__csv_reader_init(cx, &reader, &null_text), CV_E_INVALID, "the text for NULL");
}

static void a_byte_order_mark_is_skipped(void **state)
{
    (void)state;
    start(NULL);
    feed("\xEF");
    expect_no_row();
    feed("\xBB");
    expect_no_row();
    feed("\xBF"
         "a,b\n");
    expect_row("a|b");
}

static void the_header_is_not_counted(void **state)
{
    (void)state;
    start_with(&(cv__csv_options){.has_header = true, .name = "books.csv"}, "id,name\n1,x\n2\n");
    expect_row("id|name");
    assert_int_equal(reader.row, 0);
    assert_string_equal(cv__csv_place(cx, &reader, SIZE_MAX), "books.csv, header, line 1");
    expect_row("1|x");
    assert_int_equal(reader.row, 1);
    assert_fails(cx, cv__csv_next(cx, &reader), CV_E_SYNTAX, "books.csv, row 2, line 3: 1 column where 2 are expected");
}

static void columns_have_names_when_they_are_known(void **state)
{
    (void)state;
    static const char *const names[] = {"id", "price"};
    start_with(NULL, "1,x\n1,\"a\nb\"\n1,2,3\n");
    cv__csv_columns(&reader, names, 2);
    expect_row("1|x");
    expect_row("1|a\nb");
    assert_string_equal(cv__csv_place(cx, &reader, 1), "row 2, line 2, column \"price\"");
    assert_fails(cx, cv__csv_next(cx, &reader), CV_E_SYNTAX, "row 3, line 4: 3 columns where 2 are expected");
    assert_int_equal(cv__csv_next(cx, &reader), CV_E_SYNTAX);
}

static void the_line_of_a_field_is_counted_over_those_before(void **state)
{
    (void)state;
    start_with(NULL, "\"a\n\nb\",\"c\nd\",e\nf,g,h\n");
    expect_row("a\n\nb|c\nd|e");
    assert_string_equal(cv__csv_place(cx, &reader, 1), "row 1, line 3, column 2");
    assert_string_equal(cv__csv_place(cx, &reader, 2), "row 1, line 4, column 3");
    expect_row("f|g|h");
    assert_int_equal(reader.line, 5);
}

static void malformed_text_is_an_error_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *message;
    } cases[] = {
        {"a,b\n1,2\"3\n", CV_E_SYNTAX, "row 2, line 2, column 2: a quotation mark inside"},
        {"a,b\n\"1\"x,2\n", CV_E_SYNTAX, "row 2, line 2, column 1: there is something behind"},
        {"a,b\n1,\"2\n3", CV_E_END, "row 2, line 2, column 2: the text ends inside of quotation marks"},
        {"a,b\n1\r2,3\n", CV_E_SYNTAX, "row 2, line 2, column 2: a carriage return"},
        {"a,b\r", CV_E_SYNTAX, "row 1, line 1, column 3: a carriage return"},
        {"a,b\n1,\xC3\x28\n", CV_E_SYNTAX, "row 2, line 2, column 2: the value is not valid UTF-8"},
        {"\xE4,b\n", CV_E_SYNTAX, "row 1, line 1, column 1: the value is not valid UTF-8"},
        {"a,b\n\n", CV_E_SYNTAX, "row 2, line 2: 1 column where 2 are expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start_with(NULL, cases[i].text);
        int rc;
        while ((rc = cv__csv_next(cx, &reader)) > 0)
            continue;
        assert_fails(cx, rc, cases[i].code, cases[i].message);
        assert_int_equal(cv__csv_next(cx, &reader), cases[i].code);
        cv_error_clear(cx);
    }
}

static void sizes_have_limits(void **state)
{
    (void)state;
    start_with(&(cv__csv_options){.max_field_bytes = 5}, "12345,\"12345\",123456\n");
    assert_fails(cx, cv__csv_next(cx, &reader), CV_E_LIMIT, "row 1, line 1, column 3: the field has more than 5 bytes");
    start_with(&(cv__csv_options){.max_row_bytes = 5}, "1,2\n123,456\n");
    expect_row("1|2");
    assert_fails(cx, cv__csv_next(cx, &reader), CV_E_LIMIT, "row 2, line 2: the row has more than 5 bytes");
    start_with(&(cv__csv_options){.max_columns = 2}, "1,2,3\n");
    assert_fails(cx, cv__csv_next(cx, &reader), CV_E_LIMIT, "more than 2 columns");
    start(&(cv__csv_options){.max_row_bytes = 5});
    feed("\"123456"); /* that the row is too long shows before it ends */
    assert_fails(cx, cv__csv_next(cx, &reader), CV_E_LIMIT, "row 1, line 1: the row has more than 5 bytes");
}

/* A text of many blocks, cut everywhere: the same rows. */
static void pieces_of_any_size_give_the_same_rows(void **state)
{
    (void)state;
    char text[4000], wanted[200];
    size_t len = 0;
    for (int i = 0; i < 40; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%d,\"%.*s\"\"\n%d\",,x%.*s\r\n", i, i,
                                "quoted, quoted, quoted, quoted, quoted, quoted", i, i,
                                "plain plain plain plain plain plain plain plain");
    for (size_t piece = 1; piece < 300; piece++) {
        start(NULL);
        size_t at = 0;
        for (int i = 0; i < 40; i++) {
            int rc;
            snprintf(wanted, sizeof wanted, "%.*s\"\n%d", i, "quoted, quoted, quoted, quoted, quoted, quoted", i);
            while ((rc = cv__csv_next(cx, &reader)) == 0) {
                cv_str part = cv_str_sub(cv_str_make(text, len), at, piece);
                at += part.len;
                assert_ok(cx, cv__csv_feed(cx, &reader, part));
                if (at == len)
                    cv__csv_end(&reader);
            }
            assert_ok(cx, rc);
            assert_int_equal(reader.count, 4);
            assert_int_equal(reader.line, 1 + 2 * i);
            assert_int_equal(reader.fields[1].len, strlen(wanted));
            assert_memory_equal(reader.fields[1].ptr, wanted, strlen(wanted));
            assert_true(reader.fields[2].is_null);
        }
        cv__csv_end(&reader);
        expect_no_row();
    }
}

static void a_long_row_in_small_pieces_is_looked_at_again_only_when_it_has_doubled(void **state)
{
    (void)state;
    start(NULL);
    feed("\"");
    for (int i = 0; i < 100000; i++) {
        feed("0123456789");
        expect_no_row();
    }
    feed("\"\n");
    cv__csv_end(&reader);
    assert_int_equal(cv__csv_next(cx, &reader), 1);
    assert_int_equal(reader.fields[0].len, 1000000);
}

/* ---- writing ---- */

static void fields_are_quoted_where_they_need_it(void **state)
{
    (void)state;
    static const struct {
        const char *field, *wanted;
    } cases[] = {
        {"plain", "plain"},
        {"", "\"\""},
        {NULL, ""},
        {"a,b", "\"a,b\""},
        {"a\"b", "\"a\"\"b\""},
        {"\"", "\"\"\"\""},
        {"a\nb", "\"a\nb\""},
        {"a\rb", "\"a\rb\""},
        {" a", "\" a\""},
        {"a ", "\"a \""},
        {"\\.", "\"\\.\""},
        {"a;b'c", "a;b'c"},
        {"\xEF\xBB\xBF"
         "a",
         "\"\xEF\xBB\xBF"
         "a\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cv_buf out;
        cv_buf_init(&out, 0);
        const cv__csv_options options = cv__csv_complete(NULL);
        cv__csv_add(&out, &options, cv_str_of(cases[i].field));
        cv_buf_add_char(&out, '\n');
        assert_memory_equal(out.data, cases[i].wanted, strlen(cases[i].wanted));
        assert_int_equal(out.len, strlen(cases[i].wanted) + 1);
        cv_buf_done(&out);
    }
}

static void what_is_written_with_other_options_is_read_with_them(void **state)
{
    (void)state;
    const cv__csv_options options = {.delimiter = ';', .quote = '\'', .null_text = CV_STR("\\N")};
    static const char *const fields[] = {"a;b", "it's", NULL, "\\N", "", "x,\"y\""};
    cv_buf out;
    cv_buf_init(&out, 0);
    for (size_t i = 0; i < 6; i++) {
        cv_buf_add(&out, ";", i > 0);
        cv__csv_add(&out, &options, cv_str_of(fields[i]));
    }
    assert_string_equal(out.data, "'a;b';'it''s';\\N;'\\N';;x,\"y\"");
    start_with(&options, out.data);
    expect_row("a;b|it's|<null>|\\N||x,\"y\"");
    cv_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_end_with_lf_or_crlf_and_the_last_may_end_with_the_text, setup, teardown),
        cmocka_unit_test_setup_teardown(quotation_marks_hold_delimiters_lines_and_themselves, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_null_and_quoted_nothing_is_the_empty_text, setup, teardown),
        cmocka_unit_test_setup_teardown(null_may_be_another_text, setup, teardown),
        cmocka_unit_test_setup_teardown(delimiter_and_quotation_mark_can_be_others, setup, teardown),
        cmocka_unit_test_setup_teardown(delimiters_that_cannot_be_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_byte_order_mark_is_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(the_header_is_not_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(columns_have_names_when_they_are_known, setup, teardown),
        cmocka_unit_test_setup_teardown(the_line_of_a_field_is_counted_over_those_before, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_text_is_an_error_with_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_have_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(pieces_of_any_size_give_the_same_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_row_in_small_pieces_is_looked_at_again_only_when_it_has_doubled, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fields_are_quoted_where_they_need_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_written_with_other_options_is_read_with_them, setup, teardown),
    };
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
