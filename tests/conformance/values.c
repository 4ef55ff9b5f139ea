/* Values of every type at their limits, to the engine and back. */
#include "conformance.h"

#include <float.h>
#include <math.h>

/* Types as the engine's dialect writes them, so that values come back as what they are. */
static const cv__column_type types[] = {
    {.type = CV_TYPE_BOOL},
    {.type = CV_TYPE_I64, .bits = 16},
    {.type = CV_TYPE_I64, .bits = 32},
    {.type = CV_TYPE_I64, .bits = 64},
    {.type = CV_TYPE_F64},
    {.type = CV_TYPE_DECIMAL, .digits = 10, .places = 2},
    {.type = CV_TYPE_DECIMAL, .digits = 38, .places = 8},
    {.type = CV_TYPE_TEXT},
    {.type = CV_TYPE_TEXT, .max_length = 50},
    {.type = CV_TYPE_BYTES},
    {.type = CV_TYPE_TIME},
    {.type = CV_TYPE_DATE},
    {.type = CV_TYPE_UUID},
    {.type = CV_TYPE_JSON},
};
#define TYPE_COUNT (sizeof types / sizeof types[0])

/* A table with a column of each type. */
static void make_kinds(suite *s)
{
    const cv__dialect *dialect = cv__db_dialect(s->db);
    cv_buf ddl;
    cv_buf_init_arena(&ddl, cv_ctx_arena(s->cx), 0);
    run(s, "DROP TABLE IF EXISTS kinds");
    cv_buf_add_text(&ddl, "CREATE TABLE kinds (id BIGINT PRIMARY KEY");
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        cv_buf_printf(&ddl, ", v%zu ", i);
        dialect->add_column_type(&ddl, &types[i]);
    }
    cv_buf_add_text(&ddl, ")");
    run(s, ddl.data);
}

static cv_value of_decimal(const char *text)
{
    cv_decimal value;
    assert_int_equal(cv_decimal_parse(cv_str_of(text), &value), 0);
    return cv_value_decimal(value);
}

static void keep(suite *s, int id, size_t column, cv_value value)
{
    const cv__dialect *dialect = cv__db_dialect(s->db);
    cv_value stored[2] = {cv_value_i64(id), CV_NULL};
    assert_int_equal(dialect->store(cv_ctx_arena(s->cx), value, &types[column], &stored[1]), 0);
    char *sql = cv_sprintf(s->cx, "INSERT INTO kinds (id, v%zu) VALUES (?, ?)", column);
    assert_ok(s->cx, cv_sql_run(s->cx, sql, stored, 2, NULL, NULL));
}

static void assert_kept(suite *s, size_t column, cv_value value)
{
    static int id;
    id++;
    keep(s, id, column, value);
    cv_rows *rows;
    cv_value key = cv_value_i64(id);
    char *sql = cv_sprintf(s->cx, "SELECT v%zu FROM kinds WHERE id = ?", column);
    assert_ok(s->cx, cv_sql_run(s->cx, sql, &key, 1, NULL, &rows));
    assert_ok(s->cx, cv_rows_next(s->cx, rows));
    if (!cv_value_equal(cv_rows_get(rows, 0), value))
        fail_msg("column v%zu (%s): the value differs; it came back as %s", column, cv_type_name(types[column].type),
                 cv_type_name(cv_rows_get(rows, 0).type));
    cv_rows_close(s->cx, rows);
}

void case_numbers_come_back_as_they_went(suite *s)
{
    make_kinds(s);
    assert_kept(s, 0, cv_value_bool(true));
    assert_kept(s, 0, cv_value_bool(false));
    static const int64_t whole[] = {0, -1, INT16_MIN, INT16_MAX, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        for (size_t column = i < 4 ? 1 : i < 6 ? 2 : 3; column <= 3; column++)
            assert_kept(s, column, cv_value_i64(whole[i]));
    static const double floats[] = {0.0, 0.1, -1e300, DBL_MAX, DBL_MIN, 5e-324, 3.0};
    for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++)
        assert_kept(s, 4, cv_value_f64(floats[i]));
}

void case_decimals_come_back_with_every_digit(suite *s)
{
    make_kinds(s);
    static const char *const small[] = {"0", "0.01", "-0.01", "99999999.99", "-99999999.99", "12.5"};
    static const char *const big[] = {"0",
                                      "-1.5",
                                      "999999999999999999999999999999.99999999",
                                      "-999999999999999999999999999999.99999999",
                                      "0.00000001",
                                      "12345678901234567890"};
    for (size_t i = 0; i < 6; i++) {
        assert_kept(s, 5, of_decimal(small[i]));
        assert_kept(s, 6, of_decimal(big[i]));
    }
}

void case_texts_and_bytes_come_back_as_they_went(suite *s)
{
    make_kinds(s);
    uint8_t bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)(255 - i);
    char *large = cv_alloc(s->cx, 1000000);
    memset(large, 'z', 1000000);
    assert_kept(s, 7, cv_value_text(""));
    assert_kept(s, 7, cv_value_text("it's \"na\xc3\xafve\" \xf0\x9f\x90\x98 \\ % _ $1 ?1 -- /*"));
    assert_kept(s, 7, cv_value_str(cv_str_make(large, 1000000)));
    assert_kept(s, 8, cv_value_text("a varchar"));
    assert_kept(s, 9, cv_value_bytes((cv_bytes){bytes, sizeof bytes}));
    assert_kept(s, 9, cv_value_bytes((cv_bytes){bytes, 0}));
    assert_kept(s, 13, cv_value_json((cv_json){CV_STR("[1, 2.5, null]")}));
}

void case_times_dates_and_uuids_come_back_as_they_went(suite *s)
{
    make_kinds(s);
    static const int64_t us[] = {0, 1, -1, CV_TIME_MIN_US, CV_TIME_MAX_US, 1795255200000001};
    for (size_t i = 0; i < sizeof us / sizeof us[0]; i++) {
        assert_kept(s, 10, cv_value_time((cv_time){us[i]}));
        assert_kept(s, 11, cv_value_date(cv_date_of((cv_time){us[i]})));
    }
    assert_kept(s, 12, cv_value_uuid(cv_uuid_v4()));
}

void case_null_comes_back_from_every_type(suite *s)
{
    make_kinds(s);
    for (size_t i = 0; i < TYPE_COUNT; i++)
        assert_kept(s, i, CV_NULL);
    cv_value value;
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT COUNT(*) FROM kinds WHERE v7 IS NULL AND v3 IS NULL"));
    assert_int_equal(value.as.i64, TYPE_COUNT);
}

void case_floats_come_back_to_the_last_bit(suite *s)
{
    static const double floats[] = {
        5e-324,   -5e-324,   2.2250738585072009e-308, DBL_EPSILON, 0.1 + 0.2, 1e22, 9007199254740993.0,
        HUGE_VAL, -HUGE_VAL, 1.7976931348623157e308,  -0.0};
    make_kinds(s);
    for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++)
        if (isfinite(floats[i]) || can(s, CV_CAN_INFINITE))
            assert_kept(s, 4, cv_value_f64(floats[i]));
}

void case_a_float_may_be_no_number(suite *s)
{
    make_kinds(s);
    assert_kept(s, 4, cv_value_f64((double)NAN));
    cv_value value;
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT CAST(? AS DOUBLE PRECISION)", (double)NAN));
    assert_true(isnan(value.as.f64));
}

void case_no_number_is_refused_or_kept(suite *s)
{
    int rc = cv_exec(s->cx, NULL, "INSERT INTO books (id, title, stock) SELECT 1, 'a', 1 WHERE ? = 1.0", (double)NAN);
    if (can(s, CV_CAN_NOT_A_NUMBER))
        assert_ok(s->cx, rc);
    else
        assert_error(s, rc, CV_E_RANGE);
    assert_int_equal(count(s, "books"), 0);
}

void case_decimals_have_their_order(suite *s)
{
    static const char *const ordered[] = {"-99999999.99", "-12.50", "-12.49", "-0.01",      "0",
                                          "0.01",         "9.99",   "10",     "99999999.99"};
    make_kinds(s);
    for (int i = 0; i < 9; i++)
        for (size_t column = 5; column <= 6; column++)
            keep(s, (int)column * 100 + (i * 5) % 9, column, of_decimal(ordered[(i * 5) % 9]));
    for (size_t column = 5; column <= 6; column++) {
        cv_rows *rows;
        assert_ok(s->cx, cv_sql_run(s->cx,
                                    cv_sprintf(s->cx, "SELECT v%zu FROM kinds WHERE v%zu IS NOT NULL ORDER BY v%zu",
                                               column, column, column),
                                    NULL, 0, NULL, &rows));
        for (size_t i = 0; i < 9; i++) {
            assert_int_equal(cv_rows_next(s->cx, rows), 1);
            assert_true(cv_value_equal(cv_rows_get(rows, 0), of_decimal(ordered[i])));
        }
        cv_rows_close(s->cx, rows);
    }
}

void case_decimals_are_summed_with_every_digit(suite *s)
{
    cv_value value;
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT CAST(? AS DECIMAL(38, 9)) + CAST(? AS DECIMAL(38, 9))",
                               of_decimal("12345678901234567890123456789.000000001"), of_decimal("0.000000009")));
    assert_true(cv_value_equal(value, of_decimal("12345678901234567890123456789.000000010")));
    assert_ok(s->cx, cv_scalar(s->cx, &value,
                               "SELECT SUM(n) FROM (SELECT CAST(? AS DECIMAL(38, 9)) AS n UNION ALL SELECT ?) t",
                               of_decimal("0.1"), of_decimal("0.2")));
    assert_true(cv_value_equal(value, of_decimal("0.3")));
}

void case_null_goes_in_from_every_place(suite *s)
{
    cv_value value;
    assert_ok(s->cx, cv_exec(s->cx, NULL, "INSERT INTO books (id, title, isbn, stock) VALUES (?, ?, ?, ?)", 1, "a",
                             (const char *)NULL, CV_NULL));
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT COUNT(*) FROM books WHERE isbn IS NULL AND stock IS NULL"));
    assert_int_equal(value.as.i64, 1);
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT COUNT(*) FROM books WHERE stock = ?", CV_NULL));
    assert_int_equal(value.as.i64, 0);
}

void case_bytes_of_all_values_come_back(suite *s)
{
    uint8_t bytes[512];
    make_kinds(s);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    assert_kept(s, 9, cv_value_bytes((cv_bytes){bytes, sizeof bytes}));
    for (size_t i = 0; i < 256; i++)
        assert_kept(s, 9, cv_value_bytes((cv_bytes){bytes + i, 1}));
}
