/* Every type of PostgreSQL that has a C type here, to the server and back. */
#include "postgres_test.h"

#include <float.h>
#include <math.h>

static fixture shared;

static int set_up_group(void **state)
{
    (void)state;
    if (test_database_create("types", shared.url))
        fixture_open(&shared, NULL);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (shared.cx)
        fixture_close(&shared);
    if (shared.url[0])
        test_database_drop(shared.url);
    return 0;
}

static cv_ctx *context(void)
{
    if (!shared.cx)
        skip();
    return shared.cx;
}

static void describe(cv_value value, char out[256])
{
    cv_buf buf;
    cv_buf_init(&buf, 0);
    cv_value_describe(&buf, value);
    snprintf(out, 256, "%s %s", cv_type_name(value.type), buf.data ? buf.data : "");
    cv_buf_done(&buf);
}

static void assert_values_equal(const char *what, cv_value got, cv_value expected)
{
    char got_text[256], expected_text[256];
    bool both_nan =
        got.type == CV_TYPE_F64 && expected.type == CV_TYPE_F64 && isnan(got.as.f64) && isnan(expected.as.f64);
    if (both_nan || cv_value_equal(got, expected))
        return;
    describe(got, got_text);
    describe(expected, expected_text);
    fail_msg("%s: got %s, expected %s", what, got_text, expected_text);
}

static cv_value decimal(const char *text)
{
    cv_decimal value;
    assert_int_equal(cv_decimal_parse(cv_str_of(text), &value), 0);
    return cv_value_decimal(value);
}

static cv_value instant(int64_t us)
{
    return cv_value_time((cv_time){us});
}

static cv_value day(const char *text)
{
    cv_date value;
    assert_int_equal(cv_date_parse(cv_str_of(text), &value), 0);
    return cv_value_date(value);
}

static cv_value uuid(const char *text)
{
    cv_uuid value;
    assert_int_equal(cv_uuid_parse(cv_str_of(text), &value), 0);
    return cv_value_uuid(value);
}

static cv_value json(const char *text)
{
    return cv_value_json((cv_json){cv_str_of(text)});
}

static void round_trip(cv_ctx *cx, const char *type, cv_value value, cv_value expected)
{
    char sql[128];
    cv_rows *rows;
    snprintf(sql, sizeof sql, "SELECT CAST(? AS %s)", type);
    assert_ok(cx, cv_sql_run(cx, sql, &value, 1, NULL, &rows));
    assert_ok(cx, cv_rows_next(cx, rows));
    assert_values_equal(type, cv_rows_get(rows, 0), expected);
    cv_rows_close(cx, rows);
}

static void integers_reach_the_server_and_come_back(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const int64_t values[] = {0, 1, -1, 255, INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        round_trip(cx, "bigint", cv_value_i64(values[i]), cv_value_i64(values[i]));
        if (values[i] >= INT32_MIN && values[i] <= INT32_MAX)
            round_trip(cx, "integer", cv_value_i64(values[i]), cv_value_i64(values[i]));
        if (values[i] >= INT16_MIN && values[i] <= INT16_MAX)
            round_trip(cx, "smallint", cv_value_i64(values[i]), cv_value_i64(values[i]));
    }
    round_trip(cx, "oid", cv_value_i64(4294967295), cv_value_i64(4294967295));
    round_trip(cx, "numeric", cv_value_u64(UINT64_MAX), decimal("18446744073709551615"));
}

static void integers_beyond_the_column_are_refused(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_rows *rows;
    cv_value value = cv_value_i64(INT64_MAX);
    assert_fails(cx, cv_sql_run(cx, "SELECT CAST(? AS integer)", &value, 1, NULL, &rows), CV_E_RANGE, "out of range");
}

static void floats_reach_the_server_and_come_back(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const double values[] = {0.0,     -0.0,   0.1,      1e300,     -1e-300,    DBL_MAX,
                                    DBL_MIN, 5e-324, INFINITY, -INFINITY, (double)NAN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        round_trip(cx, "double precision", cv_value_f64(values[i]), cv_value_f64(values[i]));
    round_trip(cx, "real", cv_value_f64(0.5), cv_value_f64(0.5));
    round_trip(cx, "real", cv_value_f64(0.1), cv_value_f64((double)0.1F));
}

static void booleans_texts_and_bytes_reach_the_server_and_come_back(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    uint8_t all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    cv_value bytes = cv_value_bytes((cv_bytes){all, sizeof all});
    round_trip(cx, "boolean", cv_value_bool(true), cv_value_bool(true));
    round_trip(cx, "boolean", cv_value_bool(false), cv_value_bool(false));
    static const char *const types[] = {"text", "varchar(40)", "varchar"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        round_trip(cx, types[i], cv_value_text(""), cv_value_text(""));
        round_trip(cx, types[i], cv_value_text("na\xc3\xafve \xf0\x9f\x90\x98 \\ ' \" $1 ?"),
                   cv_value_text("na\xc3\xafve \xf0\x9f\x90\x98 \\ ' \" $1 ?"));
    }
    round_trip(cx, "char(4)", cv_value_text("ab"), cv_value_text("ab  "));
    round_trip(cx, "name", cv_value_text("a_name"), cv_value_text("a_name"));
    round_trip(cx, "bytea", bytes, bytes);
    round_trip(cx, "bytea", cv_value_bytes((cv_bytes){all, 0}), cv_value_bytes((cv_bytes){all, 0}));
}

static void a_view_of_text_ends_where_it_says(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    round_trip(cx, "text", cv_value_str(cv_str_make("abcdef", 3)), cv_value_text("abc"));
}

static void a_text_with_a_nul_byte_is_refused(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_rows *rows;
    cv_value value = cv_value_str(cv_str_make("a\0b", 3));
    assert_fails(cx, cv_sql_run(cx, "SELECT CAST(? AS text)", &value, 1, NULL, &rows), CV_E_INVALID, "NUL byte");
    value = cv_value_str(cv_str_make("\xff", 1));
    assert_fails(cx, cv_sql_run(cx, "SELECT CAST(? AS text)", &value, 1, NULL, &rows), CV_E_INVALID, "encoding");
}

static void times_dates_and_uuids_reach_the_server_and_come_back(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const int64_t us[] = {0, 1, -1, 946684800000000, 946684799999999, CV_TIME_MIN_US, CV_TIME_MAX_US};
    for (size_t i = 0; i < sizeof us / sizeof us[0]; i++) {
        round_trip(cx, "timestamptz", instant(us[i]), instant(us[i]));
        round_trip(cx, "timestamp", instant(us[i]), instant(us[i]));
    }
    static const char *const days[] = {"0001-01-01", "1969-12-31", "1970-01-01", "2000-02-29", "9999-12-31"};
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++)
        round_trip(cx, "date", day(days[i]), day(days[i]));
    round_trip(cx, "uuid", uuid("00000000-0000-0000-0000-000000000000"), uuid("00000000-0000-0000-0000-000000000000"));
    round_trip(cx, "uuid", uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"), uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
}

static void json_reaches_the_server_and_comes_back(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    round_trip(cx, "jsonb", json("{\"b\":1,  \"a\":[]}"), json("{\"a\": [], \"b\": 1}"));
    round_trip(cx, "json", json("[1, 2]"), json("[1, 2]"));
    round_trip(cx, "jsonb", cv_value_text("[1]"), json("[1]"));
}

static void decimals_keep_every_digit(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const char *const values[] = {"0",
                                         "0.00",
                                         "1",
                                         "-1.50",
                                         "10000",
                                         "99999999",
                                         "100000000.0001",
                                         "0.0001",
                                         "0.00001",
                                         "-0.000000000000000000000000000000000001",
                                         "99999999999999999999999999999999999999",
                                         "-99999999999999999999999999999999999999",
                                         "0.99999999999999999999999999999999999999",
                                         "1234567890123456789.0123456789012345678"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char out[CV_DECIMAL_TEXT_BYTES];
        cv_rows *rows;
        cv_value value = decimal(values[i]);
        assert_ok(cx, cv_sql_run(cx, "SELECT CAST(? AS numeric)", &value, 1, NULL, &rows));
        assert_ok(cx, cv_rows_next(cx, rows));
        assert_int_equal(cv_rows_get(rows, 0).type, CV_TYPE_DECIMAL);
        cv_decimal_format(cv_rows_get(rows, 0).as.decimal, out);
        assert_string_equal(out, values[i]);
        cv_rows_close(cx, rows);
    }
}

static void decimals_of_the_server_read_like_their_text(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_rows *rows;
    int rc, count = 0;
    assert_ok(cx, cv_select(cx, &rows,
                            "SELECT n, CAST(n AS text) FROM (SELECT round(CAST(i AS numeric) * 12345678.90123"
                            " / power(CAST(10 AS numeric), abs(i) % 17), abs(i) % 20) AS n"
                            " FROM generate_series(-600, 600) i) s"));
    while ((rc = cv_rows_next(cx, rows)) > 0) {
        char out[CV_DECIMAL_TEXT_BYTES];
        size_t len = cv_decimal_format(cv_rows_get(rows, 0).as.decimal, out);
        if (!cv_str_equal(cv_str_make(out, len), cv_rows_get(rows, 1).as.text))
            fail_msg("got %s, expected %.*s", out, CV_STR_ARG(cv_rows_get(rows, 1).as.text));
        count++;
    }
    assert_ok(cx, rc);
    assert_int_equal(count, 1201);
}

static void zeros_at_the_end_of_a_long_decimal_are_given_up(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_values_equal("numeric", scalar(cx, "SELECT CAST(1.5 AS numeric(60,45))"), decimal("1.5"));
    assert_values_equal("numeric", scalar(cx, "SELECT CAST(7 AS numeric(60,40))"), decimal("7"));
    assert_values_equal("numeric", scalar(cx, "SELECT CAST(0 AS numeric(60,45))"), decimal("0"));
}

static void null_is_null_in_every_type(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const char *const types[] = {"bigint", "text",  "boolean", "numeric", "timestamptz", "date",
                                        "uuid",   "jsonb", "bytea",   "real",    "smallint"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        round_trip(cx, types[i], CV_NULL, CV_NULL);
    assert_int_equal(scalar(cx, "SELECT pg_sleep(0)").type, CV_TYPE_NULL);
}

static void values_beyond_ours_are_out_of_range(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const char *const wanting[] = {
        "SELECT CAST('infinity' AS timestamptz) AS t",    "SELECT CAST('-infinity' AS timestamp) AS t",
        "SELECT CAST('10000-01-01' AS timestamptz) AS t", "SELECT CAST('0001-12-31 BC' AS date) AS t",
        "SELECT CAST('infinity' AS date) AS t",           "SELECT CAST('NaN' AS numeric) AS t",
        "SELECT CAST('infinity' AS numeric) AS t",        "SELECT power(CAST(10 AS numeric), 38) AS t",
        "SELECT CAST('1e-39' AS numeric) AS t",           "SELECT 99999999999999999999999999999999999999.5 AS t",
    };
    for (size_t i = 0; i < sizeof wanting / sizeof wanting[0]; i++) {
        cv_rows *rows;
        assert_ok(cx, cv_sql_run(cx, wanting[i], NULL, 0, NULL, &rows));
        assert_int_equal(cv_rows_next(cx, rows), CV_E_RANGE);
        assert_string_equal(cv_error_last(cx)->column, "t");
        assert_non_null(strstr(cv_error_last(cx)->hint, "CAST"));
        cv_error_clear(cx);
        cv_rows_close(cx, rows);
    }
}

static void a_type_without_a_decoder_is_refused_with_its_column(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const char *const unknown[] = {"SELECT ROW(1, 'a') AS odd", "SELECT CAST('(1,2)' AS point) AS odd"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        cv_rows *rows;
        assert_int_equal(cv_sql_run(cx, unknown[i], NULL, 0, NULL, &rows), CV_E_TYPE);
        assert_non_null(strstr(cv_error_last(cx)->message, "\"odd\""));
        assert_non_null(strstr(cv_error_last(cx)->hint, "AS text"));
        cv_error_clear(cx);
    }
    assert_texts_equal(scalar(cx, "SELECT CAST(ARRAY[1] AS text)"), "{1}");
    assert_int_equal(scalar(cx, "SELECT 5").as.i64, 5);
}

/* What the server says of a value that was bound is what its literal says. */
static void sent_as(cv_ctx *cx, cv_value value, const char *type, const char *literal)
{
    cv_value texts[] = {value, cv_value_text(literal)};
    cv_rows *rows;
    char *sql = cv_sprintf(cx, "SELECT CAST(? AS %s) = CAST(CAST(? AS text) AS %s), CAST(? AS %s)", type, type, type);
    assert_ok(cx, cv_sql_run(cx, sql, (cv_value[]){texts[0], texts[1], texts[0]}, 3, NULL, &rows));
    assert_ok(cx, cv_rows_next(cx, rows));
    if (!cv_rows_get(rows, 0).as.boolean)
        fail_msg("%s is not %s", type, literal);
    assert_values_equal(type, cv_rows_get(rows, 1), value);
    cv_rows_close(cx, rows);
}

static void arrays_reach_the_server_and_come_back(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    bool nulls[] = {false, true, false};
    bool booleans[] = {true, false, false};
    int16_t small[] = {INT16_MIN, 0, INT16_MAX};
    int32_t middle[] = {INT32_MIN, 0, INT32_MAX};
    int64_t whole[] = {INT64_MIN, 0, INT64_MAX};
    double floats[] = {-0.5, 0, 1e300};
    cv_decimal decimals[] = {decimal("-10000.5000").as.decimal, {0}, decimal("0.00000001").as.decimal};
    cv_str texts[] = {CV_STR("a\"b,{}\\"), {0}, CV_STR("NULL")};
    cv_time times[] = {{CV_TIME_MIN_US}, {0}, {CV_TIME_MAX_US}};
    cv_date dates[] = {{0}, {0}, {-719162}};
    cv_uuid uuids[] = {{{1}}, {{0}}, {{255}}};
    sent_as(cx, CV_VALUE(((cv_bool_array){booleans, 3, nulls})), "boolean[]", "{t,NULL,f}");
    sent_as(cx, CV_VALUE(((cv_i16_array){small, 3, nulls})), "smallint[]", "{-32768,NULL,32767}");
    sent_as(cx, CV_VALUE(((cv_i32_array){middle, 3, nulls})), "integer[]", "{-2147483648,NULL,2147483647}");
    sent_as(cx, CV_VALUE(((cv_i32_array){middle, 3, NULL})), "integer[]", "{-2147483648,0,2147483647}");
    sent_as(cx, CV_VALUE(((cv_i64_array){whole, 3, nulls})), "bigint[]",
            "{-9223372036854775808,NULL,9223372036854775807}");
    sent_as(cx, CV_VALUE(((cv_i64_array){whole, 3, NULL})), "bigint[]", "{-9223372036854775808,0,9223372036854775807}");
    sent_as(cx, CV_VALUE(((cv_f64_array){floats, 3, nulls})), "double precision[]", "{-0.5,NULL,1e300}");
    sent_as(cx, CV_VALUE(((cv_decimal_array){decimals, 3, nulls})), "numeric[]", "{-10000.5000,NULL,0.00000001}");
    sent_as(cx, CV_VALUE(((cv_str_array){texts, 3, nulls})), "text[]", "{\"a\\\"b,{}\\\\\",NULL,\"NULL\"}");
    sent_as(cx, CV_VALUE(((cv_time_array){times, 3, nulls})), "timestamptz[]",
            "{0001-01-01 00:00:00+00,NULL,9999-12-31 23:59:59.999999+00}");
    sent_as(cx, CV_VALUE(((cv_date_array){dates, 3, nulls})), "date[]", "{1970-01-01,NULL,0001-01-01}");
    sent_as(cx, CV_VALUE(((cv_uuid_array){uuids, 3, nulls})), "uuid[]",
            "{01000000-0000-0000-0000-000000000000,NULL,ff000000-0000-0000-0000-000000000000}");
    sent_as(cx, CV_VALUE((cv_i64_array){.items = CV_NO_ITEMS}), "bigint[]", "{}");
}

static void decimals_in_arrays_keep_every_digit(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const char *const values[] = {"0",
                                         "0.00",
                                         "1",
                                         "-1.50",
                                         "10000",
                                         "100000000.0001",
                                         "0.00001",
                                         "123456.789",
                                         "-0.000000000000000000000000000000000001",
                                         "99999999999999999999999999999999999999",
                                         "0.99999999999999999999999999999999999999",
                                         "1234567890123456789.0123456789012345678",
                                         "20000.000",
                                         "0.010"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        cv_decimal item = decimal(values[i]).as.decimal;
        cv_value array = CV_VALUE(((cv_decimal_array){&item, 1, NULL})), text;
        assert_ok(cx, cv_scalar(cx, &text, "SELECT CAST(CAST(? AS numeric[]) AS text)", array));
        assert_texts_equal(text, cv_sprintf(cx, "{%s}", values[i]));
        sent_as(cx, array, "numeric[]", cv_sprintf(cx, "{%s}", values[i]));
    }
}

static void ranges_reach_the_server_and_come_back(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_i32_range small = CV_SPAN(INT32_MIN, INT32_MAX);
    cv_i64_range whole = CV_SPAN(-5, 7), empty = CV_SPAN_NONE;
    cv_i64_range open = {.lower = 3, .flags = CV_RANGE_LOWER_INCLUSIVE | CV_RANGE_UPPER_INFINITE};
    cv_i64_range all = {.flags = CV_RANGE_LOWER_INFINITE | CV_RANGE_UPPER_INFINITE};
    cv_decimal_range decimals = {
        .lower = decimal("1.5").as.decimal, .upper = decimal("2").as.decimal, .flags = CV_RANGE_UPPER_INCLUSIVE};
    cv_time_range times = CV_SPAN(((cv_time){0}), ((cv_time){1}));
    cv_date_range dates = CV_SPAN(((cv_date){0}), ((cv_date){31}));
    sent_as(cx, CV_VALUE(&small), "int4range", "[-2147483648,2147483647)");
    sent_as(cx, CV_VALUE(&whole), "int8range", "[-5,7)");
    sent_as(cx, CV_VALUE(&empty), "int8range", "empty");
    sent_as(cx, CV_VALUE(&open), "int8range", "[3,)");
    sent_as(cx, CV_VALUE(&all), "int8range", "(,)");
    sent_as(cx, CV_VALUE(&decimals), "numrange", "(1.5,2]");
    sent_as(cx, CV_VALUE(&times), "tstzrange", "[1970-01-01 00:00:00+00,1970-01-01 00:00:00.000001+00)");
    sent_as(cx, CV_VALUE(&dates), "daterange", "[1970-01-01,1970-02-01)");
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT tsrange('2000-01-01', '2000-01-02')"));
    assert_ok(cx, cv_rows_next(cx, rows));
    assert_int_equal(cv_range_lower(cv_rows_get(rows, 0).as.range).as.time.us, 946684800000000);
    cv_rows_close(cx, rows);
}

static void arrays_find_rows(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    int64_t keys[] = {1, 3, 5};
    cv_value value;
    assert_ok(cx, cv_scalar(cx, &value, "SELECT count(*) FROM generate_series(1, 4) n WHERE n = ANY(?)",
                            ((cv_i64_array){keys, 3, NULL})));
    assert_int_equal(value.as.i64, 2);
    cv_value array;
    assert_ok(cx, cv_scalar(cx, &array, "SELECT array_agg(n) FROM generate_series(1, 4) n"));
    assert_int_equal(array.as.array.bits, 32);
    assert_int_equal(array.as.array.count, 4);
    assert_int_equal(cv_array_at(array.as.array, 3).as.i64, 4);
}

static void what_no_array_of_ours_holds_is_refused(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT ARRAY[[1, 2], [3, 4]] AS odd"));
    assert_int_equal(cv_rows_next(cx, rows), CV_E_UNSUPPORTED);
    assert_non_null(strstr(cv_error_last(cx)->hint, "one dimension"));
    cv_error_clear(cx);
    cv_rows_close(cx, rows);
    cv_str texts[] = {cv_str_make("a\0b", 3)};
    cv_value value = CV_VALUE(((cv_str_array){texts, 1, NULL}));
    assert_fails(cx, cv_sql_run(cx, "SELECT CAST(? AS text[])", &value, 1, NULL, &rows), CV_E_INVALID, "NUL byte");
}

/* What has no C type comes as the text that the server writes. */
static void other_types_read_like_their_text(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const char *const values[][2] = {
        {"time", "00:00:00"},
        {"time", "23:59:59.999999"},
        {"time", "24:00:00"},
        {"time", "04:05:06.7"},
        {"timetz", "04:05:06+00"},
        {"timetz", "04:05:06.007-08"},
        {"timetz", "04:05:06+05:45"},
        {"timetz", "04:05:06-00:00:01"},
        {"interval", "0"},
        {"interval", "1 day"},
        {"interval", "1 year 2 mons 3 days 04:05:06.789"},
        {"interval", "-1 mons +2 days"},
        {"interval", "-1 year -2 mons +3 days -04:05:06.7"},
        {"interval", "-3 days 00:00:01"},
        {"interval", "-00:00:00.5"},
        {"interval", "178000000 years"},
        {"interval", "2562047788 hours"},
        {"interval", "-1 days"},
        {"inet", "127.0.0.1"},
        {"inet", "10.1.2.3/8"},
        {"inet", "::1"},
        {"inet", "2001:db8::ff00:42:8329/64"},
        {"inet", "::ffff:1.2.3.4"},
        {"cidr", "10.0.0.0/8"},
        {"cidr", "192.168.1.1/32"},
        {"cidr", "2001:db8::/32"},
        {"macaddr", "08:00:2b:01:02:03"},
        {"macaddr8", "08:00:2b:01:02:03:04:05"},
        {"bit(10)", "1011010111"},
        {"varbit", ""},
        {"varbit", "1"},
        {"varbit", "000000001"},
        {"pg_lsn", "16/B374D848"},
        {"pg_lsn", "0/0"},
        {"jsonpath", "$.\"a\"[*]?(@ > 1)"},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        cv_rows *rows;
        cv_value text = cv_value_text(values[i][1]);
        char *sql =
            cv_sprintf(cx, "SELECT v, format('%%s', v) FROM (SELECT CAST(CAST(? AS text) AS %s) AS v) t", values[i][0]);
        assert_ok(cx, cv_sql_run(cx, sql, &text, 1, NULL, &rows));
        assert_ok(cx, cv_rows_next(cx, rows));
        assert_values_equal(values[i][0], cv_rows_get(rows, 0), cv_rows_get(rows, 1));
        cv_rows_close(cx, rows);
    }
    assert_int_equal(scalar(cx, "SELECT CAST('77' AS xid8)").as.i64, 77);
}

static void catalogue_types_can_be_read(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    assert_texts_equal(scalar(cx, "SELECT relname FROM pg_class WHERE relname = 'pg_class'"), "pg_class");
    assert_int_equal(scalar(cx, "SELECT oid FROM pg_class WHERE relname = 'pg_class'").as.i64, 1259);
    assert_int_equal(scalar(cx, "SELECT CAST('pg_class' AS regclass)").as.i64, 1259);
    assert_texts_equal(scalar(cx, "SELECT relkind FROM pg_class WHERE relname = 'pg_class'"), "r");
}

static void a_text_takes_the_type_of_its_place(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_value value;
    assert_ok(cx, cv_scalar(cx, &value, "SELECT CAST('2026-11-21' AS date) = ?", "2026-11-21"));
    assert_true(value.as.boolean);
    assert_ok(cx, cv_scalar(cx, &value, "SELECT 5 + ?", "6"));
    assert_int_equal(value.as.i64, 11);
}

static void a_statement_may_get_values_of_changing_types(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_value value;
    static const char *const expected[] = {"null", "1", "null", "2.5", "x", "3"};
    cv_value given[] = {CV_NULL, cv_value_i64(1), CV_NULL, decimal("2.5"), cv_value_text("x"), cv_value_i64(3)};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        cv_rows *rows;
        assert_ok(cx, cv_sql_run(cx, "SELECT coalesce(CAST(? AS text), 'null')", &given[i], 1, NULL, &rows));
        assert_ok(cx, cv_rows_next(cx, rows));
        value = cv_rows_get(rows, 0);
        assert_texts_equal(value, expected[i]);
        cv_rows_close(cx, rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_reach_the_server_and_come_back),
        cmocka_unit_test(integers_beyond_the_column_are_refused),
        cmocka_unit_test(floats_reach_the_server_and_come_back),
        cmocka_unit_test(booleans_texts_and_bytes_reach_the_server_and_come_back),
        cmocka_unit_test(a_view_of_text_ends_where_it_says),
        cmocka_unit_test(a_text_with_a_nul_byte_is_refused),
        cmocka_unit_test(times_dates_and_uuids_reach_the_server_and_come_back),
        cmocka_unit_test(json_reaches_the_server_and_comes_back),
        cmocka_unit_test(decimals_keep_every_digit),
        cmocka_unit_test(decimals_of_the_server_read_like_their_text),
        cmocka_unit_test(zeros_at_the_end_of_a_long_decimal_are_given_up),
        cmocka_unit_test(null_is_null_in_every_type),
        cmocka_unit_test(values_beyond_ours_are_out_of_range),
        cmocka_unit_test(a_type_without_a_decoder_is_refused_with_its_column),
        cmocka_unit_test(arrays_reach_the_server_and_come_back),
        cmocka_unit_test(decimals_in_arrays_keep_every_digit),
        cmocka_unit_test(ranges_reach_the_server_and_come_back),
        cmocka_unit_test(arrays_find_rows),
        cmocka_unit_test(what_no_array_of_ours_holds_is_refused),
        cmocka_unit_test(other_types_read_like_their_text),
        cmocka_unit_test(catalogue_types_can_be_read),
        cmocka_unit_test(a_text_takes_the_type_of_its_place),
        cmocka_unit_test(a_statement_may_get_values_of_changing_types),
    };
    return cmocka_run_group_tests_name("postgres-types", tests, set_up_group, tear_down_group);
}
