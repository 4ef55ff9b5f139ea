/* COPY as PostgreSQL alone has it: types without a binary form, notices, errors before the end, a server that is busy.
 */
#include "copy_rows.h"
#include "postgres_test.h"

static fixture f;

static int set_up(void **state)
{
    (void)state;
    if (!test_database_create("copy", f.url))
        return 0;
    fixture_open(&f, &(cv_db_options){.max_connections = 2, .shared_connections = -1});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (!f.cx)
        return 0;
    fixture_close(&f);
    test_database_drop(f.url);
    return 0;
}

static cv_ctx *need_server(void)
{
    if (!f.cx)
        skip();
    return f.cx;
}

static void run(const char *sql)
{
    test_session_run(f.watch, sql);
}

static const char *ask(const char *sql)
{
    return test_session_run(f.watch, sql);
}

/* ---- types ---- */

static const char *const odd_columns[] = {"id", "mood", "span", "address", "tags", "times", "small"};

static void make_odd(int64_t row, cv_value *values)
{
    static cv_str tags[] = {{"a,b\"c", 5}, {"d\\e\tf", 5}};
    static cv_time_range days;
    days = (cv_time_range){.lower = {0}, .upper = {CV_TIME_MAX_US / 2}, .flags = CV_RANGE_LOWER_INCLUSIVE};
    values[0] = cv_value_i64(row);
    values[1] = cv_value_text("happy");
    values[2] = cv_value_text("2 days 03:00:00");
    values[3] = cv_value_text("192.168.0.1");
    values[4] = cv_value_str_array((cv_str_array){.items = tags, .count = 2});
    values[5] = cv_value_time_range(&days);
    values[6] = cv_value_i64(row);
}

static int check_odd(cv_ctx *cx, void *arg, const cv_value *values)
{
    (void)cx;
    ++*(int *)arg;
    assert_texts_equal(values[1], "happy");
    assert_texts_equal(values[2], "2 days 03:00:00");
    assert_texts_equal(values[3], "192.168.0.1");
    assert_int_equal(values[4].type, CV_TYPE_ARRAY);
    assert_int_equal(values[4].as.array.count, 2);
    assert_texts_equal(cv_array_at(values[4].as.array, 0), "a,b\"c");
    assert_texts_equal(cv_array_at(values[4].as.array, 1), "d\\e\tf");
    return 0;
}

static void types_without_a_binary_form_go_as_text(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    made_rows rows = {.columns = odd_columns, .column_count = 7, .count = 3, .make = make_odd};
    cv_copy_source source = made_rows_source(&rows);
    int seen = 0;
    cv_copy_sink sink = {.row = check_odd, .arg = &seen};
    run("CREATE TYPE mood AS ENUM ('happy', 'sad');"
        "CREATE TABLE odd (id int, mood mood, span interval, address inet, tags varchar(9)[], times tsrange, small "
        "int2)");
    assert_ok(cx, cv_copy_in(cx, "odd", &source, NULL, NULL));
    assert_string_equal(ask("SELECT count(*) FROM odd WHERE mood = 'happy' AND tags[2] = E'd\\\\e\\tf'"), "3");
    assert_ok(cx, cv_copy_out(cx, "odd", &sink, NULL, NULL));
    assert_int_equal(seen, 3);
}

static void make_sad(int64_t row, cv_value *values)
{
    make_odd(row, values);
    if (row == 2)
        values[1] = cv_value_text("gloomy");
}

static void make_great(int64_t row, cv_value *values)
{
    make_odd(row, values);
    if (row == 2)
        values[6] = cv_value_i64(40000);
}

static void assert_told(int rc, int code, const char *message, const char *column)
{
    const cv_error *error = cv_error_last(f.cx);
    if (rc != code || !error || !strstr(error->message, message))
        fail_msg("%s: %s", cv_error_name(rc), error ? error->message : "no story");
    assert_string_equal(error->column, column);
    cv_error_clear(f.cx);
}

static void the_servers_refusal_names_row_and_column(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    made_rows rows = {.columns = odd_columns, .column_count = 7, .count = 3, .make = make_sad};
    cv_copy_source source = made_rows_source(&rows);
    run("TRUNCATE odd");
    assert_told(cv_copy_in(cx, "odd", &source, NULL, NULL), CV_E_INVALID, "row 2, column \"mood\": ", "mood");
    rows.given = 0;
    rows.make = make_great;
    assert_told(cv_copy_in(cx, "odd", &source, NULL, NULL), CV_E_RANGE, "row 2, column \"small\": ", "small");
    assert_string_equal(ask("SELECT count(*) FROM odd"), "0");
}

static const char *const number_columns[] = {"small", "medium", "price"};

static void make_numbers(int64_t row, cv_value *values)
{
    values[0] = cv_value_i64(row == 2 ? 32768 : 32767);
    values[1] = cv_value_i64(row == 3 ? INT64_C(2147483648) : -INT64_C(2147483648));
    values[2] = cv_value_text(row == 4 ? "1.005" : "1.00");
}

static void numbers_are_as_wide_as_the_column(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    static const char *const places[] = {"row 2, column \"small\": 32768 does not fit into smallint",
                                         "row 3, column \"medium\": 2147483648 does not fit into integer",
                                         "row 4, column \"price\": \"1.005\" does not fit into numeric(6,2)"};
    run("CREATE TABLE numbers (small int2, medium int4, price numeric(6,2))");
    for (int64_t bad = 2; bad <= 4; bad++) {
        made_rows rows = {
            .columns = number_columns, .column_count = 3, .count = bad, .given = bad - 1, .make = make_numbers};
        cv_copy_source source = made_rows_source(&rows);
        int rc = cv_copy_in(cx, "numbers", &source, NULL, NULL);
        const cv_error *error = cv_error_last(cx);
        assert_int_equal(rc, CV_E_RANGE);
        assert_non_null(strstr(places[bad - 2], strchr(error->message, ',')));
        cv_error_clear(cx);
    }
    assert_string_equal(ask("SELECT count(*) FROM numbers"), "0");
}

/* ---- while it runs ---- */

static const char *const note_columns[] = {"id", "text"};

static void make_note(int64_t row, cv_value *values)
{
    values[0] = cv_value_i64(row);
    values[1] = cv_value_text("a note that is some forty characters long");
}

static void make_notes_table(const char *more)
{
    run("DROP TABLE IF EXISTS notes; CREATE TABLE notes (id bigint PRIMARY KEY, text text)");
    run(more);
}

static made_rows notes(int64_t count)
{
    return (made_rows){.columns = note_columns, .column_count = 2, .count = count, .make = make_note};
}

static void notices_do_not_end_a_copy(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    made_rows rows = notes(20000);
    cv_copy_source source = made_rows_source(&rows);
    make_notes_table("CREATE OR REPLACE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS"
                     " $$ BEGIN RAISE NOTICE 'the note % has come', NEW.id; RETURN NEW; END $$;"
                     "CREATE TRIGGER says BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION say()");
    assert_ok(cx, cv_copy_in(cx, "notes", &source, NULL, NULL));
    assert_string_equal(ask("SELECT count(*) FROM notes"), "20000");
}

static void make_same_note(int64_t row, cv_value *values)
{
    make_note(row > 10 ? 1 : row, values);
}

static void an_early_error_ends_an_endless_source(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    made_rows rows = notes(INT64_MAX);
    cv_copy_source source = made_rows_source(&rows);
    make_notes_table("SELECT 1");
    rows.make = make_same_note;
    int rc = cv_copy_in(cx, "notes", &source, NULL, NULL);
    assert_int_equal(rc, CV_E_UNIQUE);
    assert_non_null(strstr(cv_error_last(cx)->message, "row 11"));
    assert_string_equal(cv_error_last(cx)->constraint, "notes_pkey");
    cv_error_clear(cx);
    assert_int_equal(scalar(cx, "SELECT count(*) FROM notes").as.i64, 0);
}

static void a_busy_server_is_told_to_stop_and_its_connection_stays(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    made_rows rows = notes(3);
    cv_copy_source source = made_rows_source(&rows);
    int rc = 0;
    make_notes_table("CREATE OR REPLACE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS"
                     " $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;"
                     "CREATE TRIGGER dozes BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION doze()");
    int64_t start_ns = cv_now_ns(cx);
    CV_WITHIN(cx, 300)
    {
        rc = cv_copy_in(cx, "notes", &source, NULL, NULL);
    }
    assert_int_equal(rc, CV_E_TIMEOUT);
    cv_error_clear(cx);
    assert_true(cv_now_ns(cx) - start_ns < INT64_C(10000000000));
    assert_int_equal(scalar(cx, "SELECT count(*) FROM notes").as.i64, 0);
}

/* ---- sequences ---- */

static const char *const key_columns[] = {"id", "small", "other"};

static void make_keys(int64_t row, cv_value *values)
{
    values[0] = cv_value_i64(row);
    values[1] = cv_value_i64(row * 2);
    values[2] = cv_value_i64(1000000);
}

static int copy_keys(cv_ctx *cx)
{
    made_rows rows = {.columns = key_columns, .column_count = 3, .count = 50, .make = make_keys};
    cv_copy_source source = made_rows_source(&rows);
    return cv_copy_in(cx, "keys", &source, NULL, NULL);
}

static void every_sequence_of_the_copied_columns_is_passed(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    run("DROP TABLE IF EXISTS keys; CREATE TABLE keys (id SERIAL PRIMARY KEY, small SMALLINT GENERATED ALWAYS AS "
        "IDENTITY,"
        " other BIGINT)");
    assert_ok(cx, copy_keys(cx));
    assert_string_equal(ask("INSERT INTO keys DEFAULT VALUES RETURNING id"), "51");
    assert_string_equal(ask("SELECT max(small) FROM keys"), "101");
}

static void a_sequence_is_never_set_back(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    run("DROP TABLE IF EXISTS keys; CREATE TABLE keys (id SERIAL PRIMARY KEY, small INT, other BIGINT);"
        "ALTER SEQUENCE keys_id_seq RESTART WITH 500");
    assert_ok(cx, copy_keys(cx));
    assert_true(atoi(ask("INSERT INTO keys DEFAULT VALUES RETURNING id")) >= 500);
}

static int copy_keys_as_copier(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "SET LOCAL ROLE copier"));
        CV_TRY(copy_keys(cx));
    }
    return 0;
}

static void a_sequence_that_cannot_be_set_is_told(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    run("DROP TABLE IF EXISTS keys; CREATE TABLE keys (id SERIAL PRIMARY KEY, small INT, other BIGINT)");
    run("DROP ROLE IF EXISTS copier; CREATE ROLE copier; GRANT INSERT, SELECT ON keys TO copier;"
        "GRANT USAGE ON SEQUENCE keys_id_seq TO copier");
    assert_int_equal(copy_keys_as_copier(cx), CV_E_PERMISSION);
    assert_non_null(strstr(cv_error_last(cx)->hint, "UPDATE on the sequence"));
    cv_error_clear(cx);
    assert_string_equal(ask("SELECT count(*) FROM keys"), "0");
    run("DROP OWNED BY copier; DROP ROLE copier");
}

/* ---- places ---- */

static void tables_have_schemas(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    made_rows rows = notes(5);
    cv_copy_source source = made_rows_source(&rows);
    run("CREATE SCHEMA shop; CREATE TABLE shop.notes (id int GENERATED ALWAYS AS IDENTITY, text varchar(60))");
    assert_ok(cx, cv_copy_in(cx, "shop.notes", &source, NULL, NULL));
    assert_string_equal(ask("SELECT max(id) FROM shop.notes"), "5");
    assert_int_equal(cv_copy_in(cx, "shop.notez", &source, NULL, NULL), CV_E_SQL);
    cv_error_clear(cx);
    assert_int_equal(cv_copy_in(cx, "", &source, NULL, NULL), CV_E_INVALID);
    cv_error_clear(cx);
}

/* A sink in a transaction shares its connection with the copy. */
static int ask_again(cv_ctx *cx, void *arg, const cv_value *values)
{
    (void)arg, (void)values;
    return cv_exec(cx, NULL, "SELECT 1");
}

static int copy_out_in_a_block(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        cv_copy_sink sink = {.row = ask_again};
        CV_TRY(cv_copy_out_query(cx, "SELECT generate_series(1, 9)", NULL, 0, &sink, NULL, NULL));
    }
    return 0;
}

static void a_sink_has_a_connection_of_its_own_outside_of_transactions(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    cv_copy_sink sink = {.row = ask_again};
    assert_ok(cx, cv_copy_out_query(cx, "SELECT generate_series(1, 9)", NULL, 0, &sink, NULL, NULL));
    assert_int_equal(copy_out_in_a_block(cx), CV_E_STATE);
    cv_error_clear(cx);
    assert_int_equal(cv_db_pool_stats(f.db, 0).borrowed, 0);
}

static int count_row(cv_ctx *cx, void *arg, const cv_value *values)
{
    (void)cx, (void)values;
    ++*(int *)arg;
    return 0;
}

static void queries_that_cannot_be_copied_are_read(void **state)
{
    (void)state;
    cv_ctx *cx = need_server();
    int rows = 0;
    cv_copy_sink sink = {.row = count_row, .arg = &rows};
    assert_ok(cx, cv_copy_out_query(cx, "SHOW search_path", NULL, 0, &sink, NULL, NULL));
    assert_ok(cx, cv_copy_out_query(cx, "SELECT 1;", NULL, 0, &sink, NULL, NULL));
    assert_int_equal(rows, 2);
    assert_int_equal(cv_copy_out_query(cx, "SELECT 'happy'::mood", NULL, 0, &sink, NULL, NULL), CV_E_TYPE);
    cv_error_clear(cx);
    assert_int_equal(
        cv_copy_out_query(cx, "SELECT 1 / (n - 500) FROM generate_series(1, 1000) n", NULL, 0, &sink, NULL, NULL),
        CV_E_INVALID);
    cv_error_clear(cx);
    assert_int_equal(cv_db_pool_stats(f.db, 0).borrowed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_without_a_binary_form_go_as_text),
        cmocka_unit_test(the_servers_refusal_names_row_and_column),
        cmocka_unit_test(numbers_are_as_wide_as_the_column),
        cmocka_unit_test(notices_do_not_end_a_copy),
        cmocka_unit_test(an_early_error_ends_an_endless_source),
        cmocka_unit_test(a_busy_server_is_told_to_stop_and_its_connection_stays),
        cmocka_unit_test(every_sequence_of_the_copied_columns_is_passed),
        cmocka_unit_test(a_sequence_is_never_set_back),
        cmocka_unit_test(a_sequence_that_cannot_be_set_is_told),
        cmocka_unit_test(tables_have_schemas),
        cmocka_unit_test(a_sink_has_a_connection_of_its_own_outside_of_transactions),
        cmocka_unit_test(queries_that_cannot_be_copied_are_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
