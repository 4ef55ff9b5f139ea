/* Types, literals, stored forms and look-ups of the dialects. */
#include "test.h"

#include "sql/dialect.h"
#include "sql/fold.h"
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

static const cv__dialect *const engines[] = {&cv__dialect_sqlite, &cv__dialect_postgres, &cv__dialect_mariadb};

static const struct {
    cv__column_type type;
    const char *sqlite, *postgres, *mariadb;
} types[] = {
    {{.type = CV_TYPE_BOOL}, "BOOLEAN", "boolean", "TINYINT(1)"},
    {{.type = CV_TYPE_I64, .bits = 16}, "SMALLINT", "smallint", "SMALLINT"},
    {{.type = CV_TYPE_I64, .bits = 32}, "INTEGER", "integer", "INT"},
    {{.type = CV_TYPE_I64, .bits = 64}, "BIGINT", "bigint", "BIGINT"},
    {{.type = CV_TYPE_F64}, "REAL", "double precision", "DOUBLE"},
    {{.type = CV_TYPE_DECIMAL, .digits = 18, .places = 4}, "DECIMAL(18,4)", "numeric(18,4)", "DECIMAL(18,4)"},
    {{.type = CV_TYPE_DECIMAL, .digits = 19, .places = 4}, "TEXT_DECIMAL(19,4)", "numeric(19,4)", "DECIMAL(19,4)"},
    {{.type = CV_TYPE_DECIMAL}, "TEXT_DECIMAL", "numeric", "DECIMAL(65,27)"},
    {{.type = CV_TYPE_TEXT}, "TEXT", "text", "LONGTEXT"},
    {{.type = CV_TYPE_TEXT, .max_length = 200}, "VARCHAR(200)", "varchar(200)", "VARCHAR(200)"},
    {{.type = CV_TYPE_BYTES}, "BLOB", "bytea", "LONGBLOB"},
    {{.type = CV_TYPE_TIME}, "DATETIME", "timestamptz", "DATETIME(6)"},
    {{.type = CV_TYPE_DATE}, "DATE", "date", "DATE"},
    {{.type = CV_TYPE_UUID}, "BLOB_UUID", "uuid", "UUID"},
    {{.type = CV_TYPE_JSON}, "JSON_TEXT", "jsonb", "JSON"},
};

static void types_are_declared_and_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (size_t d = 0; d < 3; d++) {
            const char *const names[] = {types[i].sqlite, types[i].postgres, types[i].mariadb};
            const char *expected = names[d];
            cv_buf out;
            cv_buf_init_arena(&out, arena, 0);
            engines[d]->add_column_type(&out, &types[i].type);
            assert_string_equal(out.data, expected);
            cv__column_type back = {0};
            assert_true(engines[d]->parse_column_type(cv_str_of(expected), &back));
            if (strcmp(expected, "DECIMAL(65,27)") != 0) /* without a bound, it has one all the same */
                assert_memory_equal(&back, &types[i].type, sizeof back);
        }
    }
}

static void foreign_spellings_are_understood(void **state)
{
    (void)state;
    cv__column_type type;
    assert_true(cv__dialect_postgres.parse_column_type(CV_STR("character varying( 20 )"), &type));
    assert_int_equal(type.max_length, 20);
    assert_true(cv__dialect_postgres.parse_column_type(CV_STR("timestamp with time zone"), &type));
    assert_int_equal(type.type, CV_TYPE_TIME);
    assert_true(cv__dialect_sqlite.parse_column_type(CV_STR(" decimal ( 5 , 2 ) "), &type));
    assert_int_equal(type.digits, 5);
    assert_int_equal(type.places, 2);
    assert_true(cv__dialect_mariadb.parse_column_type(CV_STR("bigint(20)"), &type));
    assert_int_equal(type.bits, 64);
    assert_true(cv__dialect_mariadb.parse_column_type(CV_STR("tinyint(4)"), &type));
    assert_int_equal(type.type, CV_TYPE_I64);
    assert_false(cv__dialect_mariadb.parse_column_type(CV_STR("geometry"), &type));
}

static void what_says_nothing_is_refused(void **state)
{
    (void)state;
    static const char *const unknown[] = {"",         "MONEY",          "DECIMAL",          "DECIMAL(5,6)",
                                          "VARCHAR(", "VARCHAR(x)",     "DECIMAL(20,2)",    "VARCHAR(1,2)",
                                          "TEXT(",    "DECIMAL(1,2,3)", "TEXT_DECIMAL(5,2)"};
    cv__column_type type;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_false(cv__dialect_sqlite.parse_column_type(cv_str_of(unknown[i]), &type));
}

static const char *literal(const cv__dialect *dialect, cv_value value, cv__column_type type)
{
    cv_buf out;
    cv_buf_init_arena(&out, arena, 0);
    dialect->add_literal(&out, value, &type);
    return out.data;
}

static void check_literal(cv_value value, const char *sqlite, const char *postgres, const char *mariadb)
{
    assert_string_equal(literal(engines[2], value, (cv__column_type){0}), mariadb);
    assert_string_equal(literal(engines[0], value, (cv__column_type){0}), sqlite);
    assert_string_equal(literal(engines[1], value, (cv__column_type){0}), postgres);
}

static void literals_are_quoted_as_the_engine_wants(void **state)
{
    (void)state;
    cv_uuid uuid = {{0xab}};
    cv_json json = {CV_STR("{\"a\": \"it's\"}")};
    cv_bytes bytes = {(const uint8_t *)"\0\xff", 2};
    check_literal(CV_NULL, "NULL", "NULL", "NULL");
    check_literal(CV_VALUE((bool)true), "1", "true", "1");
    check_literal(CV_VALUE((bool)false), "0", "false", "0");
    check_literal(CV_VALUE(INT64_MIN), "-9223372036854775808", "-9223372036854775808", "-9223372036854775808");
    check_literal(CV_VALUE(1.0), "1.0", "1.0", "1.0");
    check_literal(CV_VALUE(0.1), "0.1", "0.1", "0.1");
    assert_string_equal(literal(engines[0], CV_VALUE((double)INFINITY), (cv__column_type){0}), "9e999");
    assert_string_equal(literal(engines[0], CV_VALUE((double)-INFINITY), (cv__column_type){0}), "-9e999");
    assert_string_equal(literal(engines[1], CV_VALUE((double)INFINITY), (cv__column_type){0}),
                        "'Infinity'::double precision");
    assert_string_equal(literal(engines[1], CV_VALUE((double)-INFINITY), (cv__column_type){0}),
                        "'-Infinity'::double precision");
    check_literal(CV_VALUE("it's"), "'it''s'", "'it''s'", "'it''s'");
    check_literal(CV_VALUE(json), "'{\"a\": \"it''s\"}'", "'{\"a\": \"it''s\"}'::jsonb", "'{\"a\": \"it''s\"}'");
    check_literal(CV_VALUE(bytes), "x'00ff'", "'\\x00ff'::bytea", "x'00ff'");
    check_literal(CV_VALUE(((cv_time){0})), "0", "'1970-01-01T00:00:00Z'::timestamptz", "'1970-01-01 00:00:00'");
    check_literal(CV_VALUE(((cv_date){1})), "1", "'1970-01-02'::date", "'1970-01-02'");
    check_literal(CV_VALUE(uuid), "x'ab000000000000000000000000000000'", "'ab000000-0000-0000-0000-000000000000'::uuid",
                  "'ab000000-0000-0000-0000-000000000000'");
    assert_string_equal(literal(engines[1], CV_VALUE((double)NAN), (cv__column_type){0}), "'NaN'::double precision");
}

static cv_decimal decimal(const char *text)
{
    cv_decimal value;
    assert_int_equal(cv_decimal_parse(cv_str_of(text), &value), 0);
    return value;
}

static void decimals_are_scaled_or_become_keys(void **state)
{
    (void)state;
    cv__column_type small = {.type = CV_TYPE_DECIMAL, .digits = 8, .places = 2};
    cv__column_type large = {.type = CV_TYPE_DECIMAL, .digits = 30, .places = 2};
    cv_value value = CV_VALUE(decimal("-12.5")), stored;
    char key[CV_DECIMAL_KEY_BYTES + 2] = "'";
    size_t len = cv_decimal_to_key(value.as.decimal, key + 1);
    assert_int_equal(engines[0]->store(arena, value, &small, &stored), 0);
    assert_true(cv_value_equal(stored, CV_VALUE(-1250)));
    assert_int_equal(engines[0]->store(arena, value, &large, &stored), 0);
    assert_true(cv_value_equal(stored, cv_value_str(cv_str_make(key + 1, len))));
    assert_int_equal(engines[1]->store(arena, value, &small, &stored), 0);
    assert_true(cv_value_equal(stored, value));
    assert_string_equal(literal(engines[0], value, small), "-1250");
    assert_string_equal(literal(engines[1], value, small), "-12.5");
    assert_string_equal(literal(engines[2], value, large), "-12.5");
    assert_int_equal(engines[2]->store(arena, value, &large, &stored), 0);
    assert_true(cv_value_equal(stored, value));
    key[len + 1] = '\'';
    assert_memory_equal(literal(engines[0], value, large), key, len + 2);
}

static void decimals_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    cv__column_type type = {.type = CV_TYPE_DECIMAL, .digits = 4, .places = 2};
    static const char *const refused[] = {"100", "-100.5", "0.001"};
    static const char *const accepted[] = {"99.99", "-99.99", "0", "1.500"};
    cv_value stored;
    for (size_t d = 0; d < 3; d++) {
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(engines[d]->store(arena, CV_VALUE(decimal(refused[i])), &type, &stored), CV_E_RANGE);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(engines[d]->store(arena, CV_VALUE(decimal(accepted[i])), &type, &stored), 0);
    }
    assert_int_equal(engines[0]->store(arena, CV_VALUE(decimal("1")), NULL, &stored), CV_E_TYPE);
    assert_int_equal(engines[1]->store(arena, CV_VALUE(decimal("1")), NULL, &stored), 0);
}

static void sqlite_stores_few_kinds_of_values(void **state)
{
    (void)state;
    cv_value stored;
    cv_uuid uuid = cv_uuid_v4();
    assert_int_equal(engines[0]->store(arena, CV_VALUE(uuid), NULL, &stored), 0);
    assert_int_equal(stored.type, CV_TYPE_BYTES);
    assert_memory_equal(stored.as.bytes.ptr, uuid.bytes, 16);
    assert_int_equal(engines[0]->store(arena, CV_VALUE((bool)true), NULL, &stored), 0);
    assert_true(cv_value_equal(stored, CV_VALUE(1)));
    assert_int_equal(engines[0]->store(arena, CV_VALUE(((cv_time){5})), NULL, &stored), 0);
    assert_true(cv_value_equal(stored, CV_VALUE(5)));
    assert_int_equal(engines[0]->store(arena, CV_VALUE(((cv_date){6})), NULL, &stored), 0);
    assert_true(cv_value_equal(stored, CV_VALUE(6)));
    assert_int_equal(engines[0]->store(arena, CV_VALUE(((cv_json){CV_STR("1")})), NULL, &stored), 0);
    assert_true(cv_value_equal(stored, CV_VALUE("1")));
    assert_int_equal(engines[0]->store(arena, CV_VALUE("x"), NULL, &stored), 0);
    assert_true(cv_value_equal(stored, CV_VALUE("x")));
    assert_int_equal(engines[0]->store(arena, CV_VALUE((double)NAN), NULL, &stored), CV_E_RANGE);
}

static void mariadb_keeps_times_of_four_digit_years_and_finite_numbers(void **state)
{
    (void)state;
    const cv__dialect *mariadb = engines[2];
    cv_value stored;
    cv_time first, last;
    cv_date day;
    assert_int_equal(cv_time_parse(CV_STR("0001-01-01T00:00:00Z"), &first), 0);
    assert_int_equal(cv_time_parse(CV_STR("9999-12-31T23:59:59.999999Z"), &last), 0);
    assert_int_equal(mariadb->store(arena, cv_value_time(first), NULL, &stored), 0);
    assert_int_equal(mariadb->store(arena, cv_value_time(last), NULL, &stored), 0);
    assert_int_equal(mariadb->store(arena, cv_value_time((cv_time){first.us - 1}), NULL, &stored), CV_E_RANGE);
    assert_int_equal(mariadb->store(arena, cv_value_time((cv_time){last.us + 1}), NULL, &stored), CV_E_RANGE);
    assert_int_equal(cv_date_parse(CV_STR("9999-12-31"), &day), 0);
    assert_int_equal(mariadb->store(arena, cv_value_date(day), NULL, &stored), 0);
    assert_int_equal(mariadb->store(arena, cv_value_date((cv_date){day.days + 1}), NULL, &stored), CV_E_RANGE);
    assert_int_equal(cv_date_parse(CV_STR("0001-01-01"), &day), 0);
    assert_int_equal(mariadb->store(arena, cv_value_date((cv_date){day.days - 1}), NULL, &stored), CV_E_RANGE);
    assert_int_equal(mariadb->store(arena, CV_VALUE((double)INFINITY), NULL, &stored), CV_E_RANGE);
    assert_int_equal(mariadb->store(arena, CV_VALUE((double)NAN), NULL, &stored), CV_E_RANGE);
    assert_int_equal(mariadb->store(arena, CV_VALUE(1.5), NULL, &stored), 0);
    cv_uuid uuid = cv_uuid_v4();
    assert_int_equal(mariadb->store(arena, CV_VALUE(uuid), NULL, &stored), 0);
    assert_int_equal(stored.type, CV_TYPE_UUID);
}

static void what_is_too_long_for_a_varchar_is_a_text(void **state)
{
    (void)state;
    cv_buf out;
    cv_buf_init_arena(&out, arena, 0);
    engines[2]->add_column_type(&out, &(cv__column_type){.type = CV_TYPE_TEXT, .max_length = 16383});
    engines[2]->add_column_type(&out, &(cv__column_type){.type = CV_TYPE_TEXT, .max_length = 16384});
    assert_string_equal(out.data, "VARCHAR(16383)LONGTEXT");
}

static void lookups_escape_what_like_would_interpret(void **state)
{
    (void)state;
    cv_value value;
    static const struct {
        cv__lookup lookup;
        const char *sql, *value;
    } cases[] = {
        {CV__EXACT, "c = $3", "50%_\\Ä"},
        {CV__IEXACT, "UPPER(c) = UPPER($3)", "50%_\\Ä"},
        {CV__CONTAINS, "c LIKE $3", "%50\\%\\_\\\\Ä%"},
        {CV__ICONTAINS, "UPPER(c) LIKE UPPER($3)", "%50\\%\\_\\\\Ä%"},
        {CV__STARTSWITH, "c LIKE $3", "50\\%\\_\\\\Ä%"},
        {CV__ISTARTSWITH, "UPPER(c) LIKE UPPER($3)", "50\\%\\_\\\\Ä%"},
        {CV__ENDSWITH, "c LIKE $3", "%50\\%\\_\\\\Ä"},
        {CV__IENDSWITH, "UPPER(c) LIKE UPPER($3)", "%50\\%\\_\\\\Ä"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_buf out;
        cv_buf_init_arena(&out, arena, 0);
        engines[1]->add_text_lookup(&out, cases[i].lookup, CV_STR("c"), 3);
        assert_string_equal(out.data, cases[i].sql);
        assert_int_equal(engines[1]->lookup_value(arena, cases[i].lookup, CV_STR("50%_\\Ä"), &value), 0);
        assert_true(cv_value_equal(value, CV_VALUE(cases[i].value)));
        bool folds = cases[i].sql[0] == 'U';
        assert_int_equal(engines[0]->lookup_value(arena, cases[i].lookup, CV_STR("50%_\\Ä"), &value), 0);
        assert_true(cv_value_equal(value, folds ? CV_VALUE("50%_\\ä") : CV_VALUE("50%_\\Ä")));
    }
}

static void lookups_of_mariadb_name_their_escape(void **state)
{
    (void)state;
#define UPPER(x) "UPPER(" x " COLLATE utf8mb4_uca1400_as_ci) COLLATE utf8mb4_nopad_bin"
    static const struct {
        cv__lookup lookup;
        const char *sql, *value;
    } cases[] = {
        {CV__EXACT, "c = ?", "50%_|\\Ä"},
        {CV__IEXACT, UPPER("c") " = " UPPER("?"), "50%_|\\Ä"},
        {CV__CONTAINS, "c LIKE ? ESCAPE '|'", "%50|%|_||\\Ä%"},
        {CV__ICONTAINS, UPPER("c") " LIKE " UPPER("?") " ESCAPE '|'", "%50|%|_||\\Ä%"},
        {CV__STARTSWITH, "c LIKE ? ESCAPE '|'", "50|%|_||\\Ä%"},
        {CV__IENDSWITH, UPPER("c") " LIKE " UPPER("?") " ESCAPE '|'", "%50|%|_||\\Ä"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_value value;
        cv_buf out;
        cv_buf_init_arena(&out, arena, 0);
        engines[2]->add_text_lookup(&out, cases[i].lookup, CV_STR("c"), 3);
        assert_string_equal(out.data, cases[i].sql);
        assert_int_equal(engines[2]->lookup_value(arena, cases[i].lookup, CV_STR("50%_|\\Ä"), &value), 0);
        assert_true(cv_value_equal(value, CV_VALUE(cases[i].value)));
    }
}

static void identities_are_numbered_by_the_engine(void **state)
{
    (void)state;
    cv_buf out;
    cv_buf_init_arena(&out, arena, 0);
    engines[0]->add_identity(&out);
    assert_string_equal(out.data, "INTEGER PRIMARY KEY AUTOINCREMENT");
    cv_buf_clear(&out);
    engines[1]->add_identity(&out);
    assert_string_equal(out.data, "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY");
    cv_buf_clear(&out);
    engines[2]->add_identity(&out);
    assert_string_equal(out.data, "BIGINT AUTO_INCREMENT PRIMARY KEY");
}

static void identifiers_are_quoted_and_checked(void **state)
{
    (void)state;
    cv_buf out;
    cv_buf_init_arena(&out, arena, 0);
    cv__add_identifier(&out, CV_STR("a\"b"));
    assert_string_equal(out.data, "\"a\"\"b\"");
    assert_true(cv__identifier_ok(CV_STR("_a9")));
    char longest[64];
    memset(longest, 'a', sizeof longest);
    assert_true(cv__identifier_ok(cv_str_make(longest, 63)));
    assert_false(cv__identifier_ok(cv_str_make(longest, 64)));
    static const char *const refused[] = {"", "9a", "a b", "a\"", "ä", "a;", "a.b"};
    for (size_t i = 0; i < 7; i++)
        assert_false(cv__identifier_ok(cv_str_of(refused[i])));
}

static void check_fold(const char *text, const char *expected)
{
    cv_str folded;
    void *heap;
    assert_int_equal(cv__fold(arena, cv_str_of(text), &folded, &heap), 0);
    assert_true(cv_str_equal(folded, cv_str_of(expected)));
    assert_null(heap);
    assert_int_equal(cv__fold(NULL, cv_str_of(text), &folded, &heap), 0);
    assert_true(cv_str_equal(folded, cv_str_of(expected)));
    free(heap);
}

static void folding_is_that_of_unicode(void **state)
{
    (void)state;
    check_fold("", "");
    check_fold("already low 1", "already low 1");
    check_fold("MiXeD", "mixed");
    check_fold("STRASSE Straße", "strasse strasse");
    check_fold("ΣΊΣΥΦΟΣ", "σίσυφοσ");
    check_fold("A\xff"
               "B",
               "a\xff"
               "b");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(types_are_declared_and_read_back),
        CASE(foreign_spellings_are_understood),
        CASE(what_says_nothing_is_refused),
        CASE(literals_are_quoted_as_the_engine_wants),
        CASE(decimals_are_scaled_or_become_keys),
        CASE(decimals_that_do_not_fit_are_refused),
        CASE(sqlite_stores_few_kinds_of_values),
        CASE(mariadb_keeps_times_of_four_digit_years_and_finite_numbers),
        CASE(what_is_too_long_for_a_varchar_is_a_text),
        CASE(lookups_escape_what_like_would_interpret),
        CASE(lookups_of_mariadb_name_their_escape),
        CASE(identities_are_numbered_by_the_engine),
        CASE(identifiers_are_quoted_and_checked),
        CASE(folding_is_that_of_unicode),
    };
    return cmocka_run_group_tests_name("sql dialect", tests, NULL, NULL);
}
