/* Raw SQL over SQLite: statements, rows, values, and what is refused. */
#include "db_test.h"

static int set_up(void **state)
{
    static db_test t;
    db_test_init(&t, NULL);
    assert_ok(t.cx, cv_exec(t.cx, NULL,
                            "CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL, price DECIMAL(8,2), "
                            "big TEXT_DECIMAL(30,4), pages BIGINT, rating REAL, sold BOOLEAN, published DATETIME, "
                            "day DATE, cover BLOB, tag BLOB_UUID, extra JSON_TEXT)"));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

static void an_insert_tells_what_it_did(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_result result = {.affected = -1, .last_insert_id = -1};
    assert_ok(cx, cv_exec(cx, &result, "INSERT INTO books (id, title) VALUES (?, ?), (?, ?)", 7, "a", 8, "b"));
    assert_int_equal(result.affected, 2);
    assert_int_equal(result.last_insert_id, 8);
    assert_ok(cx, cv_exec(cx, &result, "UPDATE books SET pages = 5 WHERE id > ?", 7));
    assert_int_equal(result.affected, 1);
    assert_int_equal(result.last_insert_id, 0);
    assert_ok(cx, cv_exec(cx, &result, "UPDATE books SET pages = 5 WHERE id > 100"));
    assert_int_equal(result.affected, 0);
    assert_ok(cx, cv_exec(cx, &result, "CREATE TABLE other (id INTEGER PRIMARY KEY)"));
    assert_int_equal(result.affected, 0);
}

static void rows_come_one_by_one(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    for (int i = 1; i <= 5; i++)
        assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO books (id, title) VALUES (?, ?)", i, i % 2 ? "odd" : "even"));
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT id, title AS name FROM books WHERE id > ? ORDER BY id", 1));
    assert_int_equal(cv_rows_columns(rows), 2);
    assert_string_equal(cv_rows_name(rows, 1), "name");
    assert_null(cv_rows_name(rows, 2));
    assert_int_equal(cv_rows_get(rows, 0).type, CV_TYPE_NULL);
    int seen = 0, rc;
    while ((rc = cv_rows_next(cx, rows)) > 0) {
        seen++;
        assert_int_equal(cv_rows_get(rows, 0).as.i64, seen + 1);
        assert_true(cv_str_equal(cv_rows_get(rows, 1).as.text, (seen + 1) % 2 ? CV_STR("odd") : CV_STR("even")));
        assert_int_equal(cv_rows_get(rows, 2).type, CV_TYPE_NULL);
    }
    assert_ok(cx, rc);
    assert_int_equal(seen, 4);
    assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 0).borrowed, 0);
    assert_ok(cx, cv_rows_next(cx, rows));
    cv_rows_close(cx, rows);
    cv_rows_close(cx, rows);
}

static void a_scope_gives_forgotten_rows_back(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    CV_SCOPE(cx)
    {
        cv_rows *rows;
        assert_ok(cx, cv_select(cx, &rows, "SELECT 1 UNION SELECT 2"));
        assert_int_equal(cv_rows_next(cx, rows), 1);
        assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 0).borrowed, 1);
    }
    assert_int_equal(cv_db_pool_stats(cv_ctx_db(cx), 0).borrowed, 0);
}

static void every_type_comes_back_as_it_went_in(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_uuid uuid = cv_uuid_v7();
    cv_time time = {CV_TIME_MAX_US};
    cv_date date = {-719162};
    cv_json json = {CV_STR("{\"a\":1}")};
    cv_bytes bytes = {(const uint8_t *)"\0\1\2", 3};
    cv_decimal big;
    assert_int_equal(cv_decimal_parse(CV_STR("-12345678901234567890.1230"), &big), 0);
    char key[CV_DECIMAL_KEY_BYTES];
    size_t key_len = cv_decimal_to_key(big, key);
    cv_value values[] = {
        CV_VALUE(1),         CV_VALUE("t"),   CV_VALUE(1250),       cv_value_str(cv_str_make(key, key_len)),
        CV_VALUE(INT64_MIN), CV_VALUE(0.1),   CV_VALUE((bool)true), CV_VALUE(time),
        CV_VALUE(date),      CV_VALUE(bytes), CV_VALUE(uuid),       CV_VALUE(json)};
    assert_ok(cx,
              cv_sql_run(cx, "INSERT INTO books VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values, 12, NULL, NULL));
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT * FROM books"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    cv_decimal price;
    assert_int_equal(cv_decimal_parse(CV_STR("12.50"), &price), 0);
    assert_true(cv_value_equal(cv_rows_get(rows, 2), CV_VALUE(price)));
    assert_int_equal(cv_rows_get(rows, 2).as.decimal.scale, 2);
    assert_true(cv_value_equal(cv_rows_get(rows, 3), CV_VALUE(big)));
    assert_int_equal(cv_rows_get(rows, 3).as.decimal.scale, 4);
    for (size_t i = 4; i < 12; i++)
        assert_true(cv_value_equal(cv_rows_get(rows, i), values[i]));
    cv_rows_close(cx, rows);
}

static void null_and_empty_differ(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_bytes empty = {(const uint8_t *)"", 0};
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO books (title, cover, extra, pages) VALUES (?, ?, ?, ?)", "", empty,
                          CV_NULL, CV_NULL));
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT title, cover, extra, pages FROM books"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    assert_int_equal(cv_rows_get(rows, 0).type, CV_TYPE_TEXT);
    assert_int_equal(cv_rows_get(rows, 0).as.text.len, 0);
    assert_int_equal(cv_rows_get(rows, 1).type, CV_TYPE_BYTES);
    assert_non_null(cv_rows_get(rows, 1).as.bytes.ptr);
    assert_int_equal(cv_rows_get(rows, 2).type, CV_TYPE_NULL);
    assert_int_equal(cv_rows_get(rows, 3).type, CV_TYPE_NULL);
    cv_rows_close(cx, rows);
}

static void expressions_have_the_type_of_their_value(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT 1 + 1, 0.5, 'x' || 'y', x'00ff', NULL"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    cv_type wanted[] = {CV_TYPE_I64, CV_TYPE_F64, CV_TYPE_TEXT, CV_TYPE_BYTES, CV_TYPE_NULL};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(cv_rows_get(rows, i).type, wanted[i]);
    cv_rows_close(cx, rows);
}

static void a_text_in_an_integer_column_is_an_error(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO books (title, pages) VALUES ('a', 'many')"));
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT pages FROM books"));
    assert_int_equal(cv_rows_next(cx, rows), CV_E_TYPE);
    assert_string_equal(cv_error_last(cx)->column, "pages");
    cv_error_clear(cx);
    cv_value value;
    assert_ok(cx, cv_scalar(cx, &value, "SELECT CAST(pages AS TEXT) FROM books"));
    assert_true(cv_str_equal(value.as.text, CV_STR("many")));
}

static void values_out_of_their_types_range_are_errors(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_ok(cx, cv_exec(cx, NULL,
                          "INSERT INTO books (title, sold, published, day, tag, big) "
                          "VALUES ('a', 2, 9223372036854775807, 99999999999, x'00', 'no key')"));
    cv_value value;
    assert_fails(cx, cv_scalar(cx, &value, "SELECT sold FROM books"), CV_E_TYPE, "\"sold\"");
    assert_fails(cx, cv_scalar(cx, &value, "SELECT published FROM books"), CV_E_TYPE, "\"published\"");
    assert_fails(cx, cv_scalar(cx, &value, "SELECT day FROM books"), CV_E_TYPE, "\"day\"");
    assert_fails(cx, cv_scalar(cx, &value, "SELECT tag FROM books"), CV_E_TYPE, "\"tag\"");
    assert_fails(cx, cv_scalar(cx, &value, "SELECT big FROM books"), CV_E_TYPE, "\"big\"");
}

static void a_scalar_needs_a_row(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_value value;
    assert_fails(cx, cv_scalar(cx, &value, "SELECT id FROM books WHERE id = ?", 99), CV_E_NOT_FOUND, "no row");
}

static void values_that_sqlite_cannot_hold_are_refused(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_decimal price = cv_decimal_from_i64(3);
    assert_fails(cx, cv_exec(cx, NULL, "UPDATE books SET price = ?", price), CV_E_TYPE, "decimals");
    assert_fails(cx, cv_exec(cx, NULL, "UPDATE books SET rating = ?", (double)__builtin_nan("")), CV_E_RANGE, "NaN");
}

static void the_number_of_values_is_checked(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_value value;
    assert_fails(cx, cv_scalar(cx, &value, "SELECT ?, ?", 1), CV_E_SQL, "2 placeholders but 1");
    assert_int_equal(count_of(cx,
                              "SELECT '?' = '?"
                              "?' OR ? -- ?",
                              1),
                     1);
}

static void wrong_statements_say_why(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_int_equal(cv_exec(cx, NULL, "DELETE FROM missing"), CV_E_SQL);
    assert_string_equal(cv_error_last(cx)->table, "missing");
    assert_non_null(strstr(cv_error_last(cx)->detail, "DELETE FROM missing"));
    cv_error_clear(cx);
    assert_fails(cx, cv_exec(cx, NULL, "SELEKT 1"), CV_E_SQL, "SELEKT");
    assert_fails(cx, cv_exec(cx, NULL, "DELETE FROM books WHERE nope = 1"), CV_E_SQL, "no such column");
    assert_fails(cx, cv_exec(cx, NULL, ""), CV_E_SQL, "empty");
    assert_fails(cx, cv_exec(cx, NULL, "-- nothing"), CV_E_SQL, "empty");
    assert_fails(cx, cv_exec(cx, NULL, "DELETE FROM books; DROP TABLE books"), CV_E_SQL, "more than one");
    assert_ok(cx, cv_exec(cx, NULL, "DELETE FROM books; -- all of them"));
}

static void transaction_control_is_refused(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_fails(cx, cv_exec(cx, NULL, "BEGIN"), CV_E_STATE, "BEGIN");
    assert_fails(cx, cv_exec(cx, NULL, " /* so */ -- and\n (commit"), CV_E_STATE, "commit");
}

static void a_returning_write_is_committed_before_its_first_row(void **state)
{
    db_test *t = *state;
    cv_ctx *cx = t->cx;
    cv_rows *rows;
    assert_ok(
        cx, cv_select(cx, &rows,
                      "INSERT INTO books (title, cover) VALUES ('a', x'0102'), ('b', x'') RETURNING id, title, cover"));
    cv_value seen;
    assert_ok(cx, cv_scalar(cx, &seen, "SELECT count(*) FROM books"));
    assert_int_equal(seen.as.i64, 2);
    assert_int_equal(cv_rows_next(cx, rows), 1);
    assert_true(cv_str_equal(cv_rows_get(rows, 1).as.text, CV_STR("a")));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    assert_int_equal(cv_rows_get(rows, 0).as.i64, 2);
    assert_int_equal(cv_rows_next(cx, rows), 0);
}

static void a_write_whose_rows_cannot_be_read_is_undone(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_fails(cx, cv_exec(cx, NULL, "INSERT INTO books (title, pages) VALUES ('a', 'many') RETURNING pages"),
                 CV_E_TYPE, "\"pages\"");
    assert_int_equal(count_of(cx, "SELECT count(*) FROM books"), 0);
}

static void writing_statements_find_the_writer(void **state)
{
    db_test *t = *state;
    cv_ctx *cx = t->cx;
    assert_ok(cx, cv_exec(cx, NULL, "WITH new (t) AS (VALUES ('a')) INSERT INTO books (title) SELECT t FROM new"));
    assert_int_equal(count_of(cx, "WITH all_of AS (SELECT * FROM books) SELECT count(*) FROM all_of"), 1);
    assert_ok(cx, cv_exec(cx, NULL, "PRAGMA user_version = 42"));
    assert_int_equal(count_of(cx, "PRAGMA user_version"), 42);
    assert_fails(cx, cv_exec(cx, NULL, "WITH x AS (SELECT 1) SELECT broken FROM x"), CV_E_SQL, "broken");
}

static void a_pragma_does_not_outlive_its_statement(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_ok(cx, cv_exec(cx, NULL, "PRAGMA foreign_keys = OFF"));
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE pages (book BIGINT REFERENCES books (id))"));
    assert_int_equal(cv_exec(cx, NULL, "INSERT INTO pages VALUES (1000)"), CV_E_FOREIGN_KEY);
    cv_error_clear(cx);
}

static void rows_follow_a_changed_schema(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE small (a BIGINT)"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO small VALUES (1)"));
    for (size_t columns = 1; columns <= 2; columns++) {
        cv_rows *rows;
        assert_ok(cx, cv_select(cx, &rows, "SELECT * FROM small"));
        assert_int_equal(cv_rows_columns(rows), columns);
        assert_int_equal(cv_rows_next(cx, rows), 1);
        cv_rows_close(cx, rows);
        if (columns == 1)
            assert_ok(cx, cv_exec(cx, NULL, "ALTER TABLE small ADD COLUMN b TEXT"));
    }
}

static int read_two_at_once(cv_ctx *cx)
{
    cv_rows *one, *two;
    CV_ATOMIC_WITH(cx, (&(cv_tx_options){.read_only = true}))
    {
        CV_TRY(cv_select(cx, &one, "VALUES (1), (2), (3)"));
        CV_TRY(cv_select(cx, &two, "VALUES (1), (2), (3)"));
        assert_int_equal(cv_rows_next(cx, one), 1);
        assert_int_equal(cv_rows_next(cx, one), 1);
        assert_int_equal(cv_rows_next(cx, two), 1);
        assert_int_equal(cv_rows_get(one, 0).as.i64, 2);
        assert_int_equal(cv_rows_get(two, 0).as.i64, 1);
        cv_rows_close(cx, one);
        cv_rows_close(cx, two);
    }
    return 0;
}

static void the_same_statement_may_be_open_twice(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_ok(cx, read_two_at_once(cx));
}

static void folding_ignores_case_in_every_script(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_int_equal(count_of(cx, "SELECT cv_fold('ÄÖÜ STRASSE') = cv_fold('äöü straße')"), 1);
    assert_int_equal(count_of(cx, "SELECT cv_fold(NULL) IS NULL AND cv_fold('') = '' AND cv_fold('aB') = 'ab'"), 1);
    assert_int_equal(count_of(cx, "SELECT cv_fold(CAST(x'41ff42' AS TEXT)) = CAST(x'61ff62' AS TEXT)"), 1);
}

static void a_context_without_a_database_says_so(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_db *db = cv_use_db(cx, NULL);
    cv_value value;
    cv_rows *rows;
    assert_fails(cx, cv_exec(cx, NULL, "SELECT 1"), CV_E_NO_DATABASE, "no database");
    assert_fails(cx, cv_select(cx, &rows, "SELECT 1"), CV_E_NO_DATABASE, "no database");
    assert_fails(cx, cv_scalar(cx, &value, "SELECT 1"), CV_E_NO_DATABASE, "no database");
    assert_null(cv_use_db(cx, db));
    assert_string_equal(cv_db_engine(db), "sqlite");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_insert_tells_what_it_did),
        CASE(rows_come_one_by_one),
        CASE(a_scope_gives_forgotten_rows_back),
        CASE(every_type_comes_back_as_it_went_in),
        CASE(null_and_empty_differ),
        CASE(expressions_have_the_type_of_their_value),
        CASE(a_text_in_an_integer_column_is_an_error),
        CASE(values_out_of_their_types_range_are_errors),
        CASE(a_scalar_needs_a_row),
        CASE(values_that_sqlite_cannot_hold_are_refused),
        CASE(the_number_of_values_is_checked),
        CASE(wrong_statements_say_why),
        CASE(transaction_control_is_refused),
        CASE(a_returning_write_is_committed_before_its_first_row),
        CASE(a_write_whose_rows_cannot_be_read_is_undone),
        CASE(writing_statements_find_the_writer),
        CASE(a_pragma_does_not_outlive_its_statement),
        CASE(rows_follow_a_changed_schema),
        CASE(the_same_statement_may_be_open_twice),
        CASE(folding_ignores_case_in_every_script),
        CASE(a_context_without_a_database_says_so),
    };
    return cmocka_run_group_tests_name("db raw", tests, NULL, NULL);
}
