/* Arrays and ranges: columns that hold them, on every engine. */
#include "base/packed.h"
#include "conformance.h"

#include <math.h>

static void make_column(suite *s, const cv__column_type *type)
{
    cv_buf ddl;
    cv_buf_init_arena(&ddl, cv_ctx_arena(s->cx), 0);
    run(s, "DROP TABLE IF EXISTS packed");
    cv_buf_add_text(&ddl, "CREATE TABLE packed (id INTEGER PRIMARY KEY, v ");
    cv__db_dialect(s->db)->add_column_type(&ddl, type);
    cv_buf_add_text(&ddl, ")");
    run(s, ddl.data);
}

static void assert_kept(suite *s, const cv__column_type *type, cv_value value)
{
    static int id;
    cv_value params[2] = {cv_value_i64(++id), CV_NULL}, expected = value;
    cv_rows *rows;
    if (value.type == CV_TYPE_RANGE)
        assert_int_equal(cv__range_normal(cv_ctx_arena(s->cx), value.as.range, &expected.as.range), 0);
    assert_int_equal(cv__db_dialect(s->db)->store(cv_ctx_arena(s->cx), value, type, &params[1]), 0);
    assert_ok(s->cx, cv_sql_run(s->cx, "INSERT INTO packed (id, v) VALUES (?, ?)", params, 2, NULL, NULL));
    assert_ok(s->cx, cv_select(s->cx, &rows, "SELECT v FROM packed WHERE id = ?", id));
    assert_int_equal(cv_rows_next(s->cx, rows), 1);
    cv_value back = cv_rows_get(rows, 0);
    if (back.type == CV_TYPE_JSON) /* the column does not tell of what; models know */
        assert_int_equal(cv__column_convert(cv_ctx_arena(s->cx), back, type, &back), 0);
    if (!cv_value_equal(back, expected)) {
        cv_buf text;
        cv_buf_init_arena(&text, cv_ctx_arena(s->cx), 0);
        cv_value_describe(&text, expected);
        cv_buf_add_text(&text, " came back as ");
        cv_value_describe(&text, back);
        fail_msg("%s", text.data);
    }
    cv_rows_close(s->cx, rows);
}

/* An array of three, one of them NULL; of none; NULL. */
static void keep_array(suite *s, cv__column_type type, const void *items)
{
    bool nulls[] = {false, true, false};
    type.element = type.type;
    type.type = CV_TYPE_ARRAY;
    make_column(s, &type);
    cv_array_view view = {items, nulls, 3, (uint16_t)type.element, type.bits};
    assert_kept(s, &type, cv_value_array(view));
    view.nulls = NULL;
    view.count = 1;
    assert_kept(s, &type, cv_value_array(view));
    view.items = CV_NO_ITEMS;
    view.count = 0;
    assert_kept(s, &type, cv_value_array(view));
    assert_kept(s, &type, CV_NULL);
    run(s, "DROP TABLE packed");
}

static cv_decimal decimal(const char *text)
{
    cv_decimal value;
    assert_int_equal(cv_decimal_parse(cv_str_of(text), &value), 0);
    return value;
}

void case_arrays_come_back_as_they_went(suite *s)
{
    bool booleans[] = {true, false, false};
    int16_t small[] = {INT16_MIN, 0, INT16_MAX};
    int32_t middle[] = {INT32_MIN, 0, INT32_MAX};
    int64_t whole[] = {INT64_MIN, 0, INT64_MAX};
    double floats[] = {5e-324, 0, -1e300}, special[] = {(double)NAN, 0, (double)INFINITY};
    cv_decimal narrow[] = {decimal("-99999999.99"), {0}, decimal("0.01")};
    cv_decimal wide[] = {decimal("999999999999999999999999999999.99999999"), {0}, decimal("-0.00000001")};
    cv_str texts[] = {CV_STR("{\"a\",\\'b'} \xf0\x9f\x90\x98"), {0}, CV_STR("NULL")};
    cv_time times[] = {{CV_TIME_MIN_US}, {0}, {CV_TIME_MAX_US}};
    cv_date dates[] = {{-719162}, {0}, {2932896}};
    cv_uuid uuids[] = {cv_uuid_v4(), {{0}}, cv_uuid_v7()};
    keep_array(s, (cv__column_type){.type = CV_TYPE_BOOL}, booleans);
    keep_array(s, (cv__column_type){.type = CV_TYPE_I64, .bits = 16}, small);
    keep_array(s, (cv__column_type){.type = CV_TYPE_I64, .bits = 32}, middle);
    keep_array(s, (cv__column_type){.type = CV_TYPE_I64, .bits = 64}, whole);
    keep_array(s, (cv__column_type){.type = CV_TYPE_F64}, floats);
    keep_array(s, (cv__column_type){.type = CV_TYPE_F64}, special);
    keep_array(s, (cv__column_type){.type = CV_TYPE_DECIMAL, .digits = 10, .places = 2}, narrow);
    keep_array(s, (cv__column_type){.type = CV_TYPE_DECIMAL, .digits = 38, .places = 8}, wide);
    keep_array(s, (cv__column_type){.type = CV_TYPE_TEXT}, texts);
    keep_array(s, (cv__column_type){.type = CV_TYPE_TIME}, times);
    keep_array(s, (cv__column_type){.type = CV_TYPE_DATE}, dates);
    keep_array(s, (cv__column_type){.type = CV_TYPE_UUID}, uuids);
}

static void keep_range(suite *s, cv__column_type type, cv_value lower, cv_value upper)
{
    static const unsigned shapes[] = {0, CV_RANGE_LOWER_INCLUSIVE, CV_RANGE_UPPER_INCLUSIVE,
                                      CV_RANGE_LOWER_INCLUSIVE | CV_RANGE_UPPER_INCLUSIVE, CV_RANGE_EMPTY};
    cv_arena *arena = cv_ctx_arena(s->cx);
    type.element = type.type;
    type.type = CV_TYPE_RANGE;
    make_column(s, &type);
    for (size_t i = 0; i < 5; i++) {
        const cv_value bounds[][2] = {{lower, upper}, {CV_NULL, upper}, {lower, CV_NULL}, {CV_NULL, CV_NULL}};
        for (size_t j = 0; j < 4; j++) {
            cv_value range;
            assert_int_equal(
                cv__range_make(arena, type.element, type.bits, bounds[j][0], bounds[j][1], shapes[i], &range), 0);
            assert_kept(s, &type, range);
        }
    }
    assert_kept(s, &type, CV_NULL);
    run(s, "DROP TABLE packed");
}

void case_ranges_come_back_in_one_form(suite *s)
{
    keep_range(s, (cv__column_type){.type = CV_TYPE_I64, .bits = 32}, cv_value_i64(INT32_MIN), cv_value_i64(5));
    keep_range(s, (cv__column_type){.type = CV_TYPE_I64, .bits = 64}, cv_value_i64(1), cv_value_i64(INT64_MAX - 1));
    keep_range(s, (cv__column_type){.type = CV_TYPE_DECIMAL, .digits = 38, .places = 4},
               cv_value_decimal(decimal("-1.5000")), cv_value_decimal(decimal("1234567890123456789012345.0001")));
    keep_range(s, (cv__column_type){.type = CV_TYPE_TIME}, cv_value_time((cv_time){CV_TIME_MIN_US}),
               cv_value_time((cv_time){CV_TIME_MAX_US}));
    keep_range(s, (cv__column_type){.type = CV_TYPE_DATE}, cv_value_date((cv_date){-719162}),
               cv_value_date((cv_date){0}));
}

void case_a_range_upside_down_is_refused(suite *s)
{
    cv_i64_range range = CV_SPAN(5, 1);
    const cv__column_type type = {.type = CV_TYPE_RANGE, .element = CV_TYPE_I64, .bits = 64};
    cv_value stored;
    make_column(s, &type);
    assert_int_equal(cv__db_dialect(s->db)->store(cv_ctx_arena(s->cx), CV_VALUE(&range), &type, &stored), CV_E_INVALID);
    assert_error(s, cv_exec(s->cx, NULL, "INSERT INTO packed (id, v) VALUES (1, ?)", &range), CV_E_INVALID);
    assert_usable(s);
    run(s, "DROP TABLE packed");
}

void case_arrays_and_ranges_have_operators(suite *s)
{
    int32_t items[] = {1, 2};
    cv_i64_range range = CV_SPAN(1, 5);
    cv_value value;
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT ARRAY[1, 2, 3] @> ?", ((cv_i32_array){items, 2, NULL})));
    assert_true(value.as.boolean);
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT ? && int8range(4, 9)", &range));
    assert_true(value.as.boolean);
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT CAST(5 AS bigint) <@ ?", &range));
    assert_false(value.as.boolean);
}
