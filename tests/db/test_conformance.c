/* What every engine does alike: the same cases on SQLite and on PostgreSQL, each named with its engine. A program that
 * is developed on the one and runs on the other relies on this page. */
#include "db_test.h"
#include "postgres_test.h"

#include "db/database.h"
#include <covet/sync.h>
#include <float.h>

typedef struct engine {
    const char *name;
    char url[TEST_URL_BYTES];
    char folder[64];
} engine;

static engine engines[] = {{.name = "sqlite"}, {.name = "postgres"}};
#define ENGINE_COUNT (sizeof engines / sizeof engines[0])

typedef struct suite {
    const engine *engine;
    cv_ctx *cx;
    cv_db *db;
} suite;

static int set_up_group(void **state)
{
    (void)state;
    strcpy(engines[0].folder, "/tmp/covet-db-XXXXXX");
    if (!mkdtemp(engines[0].folder))
        return -1;
    test_database_create("conformance", engines[1].url);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    db_test_empty_folder(engines[0].folder);
    if (engines[1].url[0])
        test_database_drop(engines[1].url);
    return 0;
}

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

static void make_tables(suite *s)
{
    static const char *const drops[] = {"DROP TABLE IF EXISTS pages", "DROP TABLE IF EXISTS books",
                                        "DROP TABLE IF EXISTS kinds"};
    for (size_t i = 0; i < 3; i++)
        assert_ok(s->cx, cv_sql_run(s->cx, drops[i], NULL, 0, NULL, NULL));
    const cv__dialect *dialect = cv__db_dialect(s->db);
    cv_buf ddl;
    cv_buf_init_arena(&ddl, cv_ctx_arena(s->cx), 0);
    cv_buf_add_text(&ddl, "CREATE TABLE books (id ");
    dialect->add_identity(&ddl);
    cv_buf_add_text(&ddl, ", title VARCHAR(100) NOT NULL, isbn VARCHAR(20) UNIQUE, stock BIGINT,"
                          " CONSTRAINT stock_not_negative CHECK (stock >= 0))");
    assert_ok(s->cx, cv_sql_run(s->cx, ddl.data, NULL, 0, NULL, NULL));
    assert_ok(s->cx, cv_exec(s->cx, NULL,
                             "CREATE TABLE pages (id BIGINT PRIMARY KEY, book_id BIGINT NOT NULL"
                             " REFERENCES books (id))"));
    cv_buf_clear(&ddl);
    cv_buf_add_text(&ddl, "CREATE TABLE kinds (id BIGINT PRIMARY KEY");
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        cv_buf_printf(&ddl, ", v%zu ", i);
        dialect->add_column_type(&ddl, &types[i]);
    }
    cv_buf_add_text(&ddl, ")");
    assert_ok(s->cx, cv_sql_run(s->cx, ddl.data, NULL, 0, NULL, NULL));
}

static int set_up(void **state)
{
    static suite s;
    s = (suite){.engine = *state};
    *state = &s;
    char url[TEST_URL_BYTES];
    if (strcmp(s.engine->name, "sqlite") == 0)
        snprintf(url, sizeof url, "sqlite:///%s/conformance.db", s.engine->folder);
    else
        snprintf(url, sizeof url, "%s", s.engine->url);
    if (!url[0])
        return 0;
    assert_int_equal(cv_runtime_new(NULL, &s.cx), 0);
    assert_ok(s.cx, cv_db_open(s.cx, url, &(cv_db_options){.max_connections = 4}, &s.db));
    cv_use_db(s.cx, s.db);
    make_tables(&s);
    return 0;
}

static int tear_down(void **state)
{
    suite *s = *state;
    if (s->cx) {
        cv_db_close(s->cx, s->db);
        cv_runtime_free(s->cx);
    }
    return 0;
}

static suite *suite_of(void **state)
{
    suite *s = *state;
    if (!s->cx)
        skip();
    return s;
}

static int64_t count(suite *s, const char *table)
{
    return scalar(s->cx, cv_sprintf(s->cx, "SELECT COUNT(*) FROM %s", table)).as.i64;
}

static int add(cv_ctx *cx, int id)
{
    return cv_exec(cx, NULL, "INSERT INTO books (id, title) VALUES (?, ?)", id, "t");
}

/* --- statements and rows --- */

static void affected_rows_are_counted(void **state)
{
    suite *s = suite_of(state);
    cv_result result;
    assert_ok(s->cx, cv_exec(s->cx, &result, "INSERT INTO books (title) VALUES (?), (?), (?)", "a", "b", "c"));
    assert_int_equal(result.affected, 3);
    assert_ok(s->cx, cv_exec(s->cx, &result, "UPDATE books SET stock = ? WHERE title <> ?", 5, "a"));
    assert_int_equal(result.affected, 2);
    assert_ok(s->cx, cv_exec(s->cx, &result, "DELETE FROM books WHERE title = ?", "none"));
    assert_int_equal(result.affected, 0);
    assert_ok(s->cx, cv_exec(s->cx, &result, "SELECT * FROM books"));
    assert_int_equal(result.affected, 0);
    assert_ok(s->cx, cv_exec(s->cx, &result, "DELETE FROM books"));
    assert_int_equal(result.affected, 3);
}

static void rows_come_in_order_with_their_names(void **state)
{
    suite *s = suite_of(state);
    assert_ok(s->cx, cv_exec(s->cx, NULL, "INSERT INTO books (id, title) VALUES (1, 'a'), (2, 'b'), (3, 'c')"));
    cv_rows *rows;
    assert_ok(s->cx, cv_select(s->cx, &rows, "SELECT id, title AS name FROM books WHERE id > ? ORDER BY id DESC", 1));
    assert_int_equal(cv_rows_columns(rows), 2);
    assert_string_equal(cv_rows_name(rows, 0), "id");
    assert_string_equal(cv_rows_name(rows, 1), "name");
    assert_int_equal(cv_rows_next(s->cx, rows), 1);
    assert_int_equal(cv_rows_get(rows, 0).as.i64, 3);
    assert_texts_equal(cv_rows_get(rows, 1), "c");
    assert_int_equal(cv_rows_next(s->cx, rows), 1);
    assert_int_equal(cv_rows_get(rows, 0).as.i64, 2);
    assert_int_equal(cv_rows_next(s->cx, rows), 0);
    assert_int_equal(cv_db_pool_stats(s->db, 0).borrowed, 0);
    cv_rows_close(s->cx, rows);
}

static void rows_that_are_written_come_back(void **state)
{
    suite *s = suite_of(state);
    cv_value id;
    assert_ok(s->cx, cv_scalar(s->cx, &id, "INSERT INTO books (title) VALUES (?) RETURNING id", "a"));
    assert_int_equal(id.type, CV_TYPE_I64);
    cv_value title;
    assert_ok(s->cx, cv_scalar(s->cx, &title, "SELECT title FROM books WHERE id = ?", id));
    assert_texts_equal(title, "a");
}

static void a_scalar_without_a_row_is_not_found(void **state)
{
    suite *s = suite_of(state);
    cv_value value;
    assert_fails(s->cx, cv_scalar(s->cx, &value, "SELECT id FROM books WHERE id = 1"), CV_E_NOT_FOUND, "no row");
}

static void placeholders_are_where_they_look_like_it(void **state)
{
    suite *s = suite_of(state);
    cv_value value;
    assert_ok(s->cx,
              cv_scalar(s->cx, &value, "SELECT '?' || CAST(? AS VARCHAR(9)) || '''?' -- ? not here\n /* ? */", "x"));
    assert_texts_equal(value, "?x'?");
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT CAST(? AS BIGINT) - CAST(? AS BIGINT) AS \"a?b\"", 9, 4));
    assert_int_equal(value.as.i64, 5);
}

static void an_early_close_gives_the_connection_back(void **state)
{
    suite *s = suite_of(state);
    for (int i = 0; i < 20; i++) {
        cv_rows *rows;
        assert_ok(s->cx, cv_select(s->cx, &rows, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"));
        assert_int_equal(cv_rows_next(s->cx, rows), 1);
        cv_rows_close(s->cx, rows);
    }
    assert_int_equal(cv_db_pool_stats(s->db, 0).borrowed, 0);
    assert_int_equal(cv_db_pool_stats(s->db, 0).closed_total, 0);
}

/* --- values --- */

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

static void numbers_come_back_as_they_went(void **state)
{
    suite *s = suite_of(state);
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

static void decimals_come_back_with_every_digit(void **state)
{
    suite *s = suite_of(state);
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

static void texts_and_bytes_come_back_as_they_went(void **state)
{
    suite *s = suite_of(state);
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

static void times_dates_and_uuids_come_back_as_they_went(void **state)
{
    suite *s = suite_of(state);
    static const int64_t us[] = {0, 1, -1, CV_TIME_MIN_US, CV_TIME_MAX_US, 1795255200000001};
    for (size_t i = 0; i < sizeof us / sizeof us[0]; i++) {
        assert_kept(s, 10, cv_value_time((cv_time){us[i]}));
        assert_kept(s, 11, cv_value_date(cv_date_of((cv_time){us[i]})));
    }
    assert_kept(s, 12, cv_value_uuid(cv_uuid_v4()));
}

static void null_comes_back_from_every_type(void **state)
{
    suite *s = suite_of(state);
    for (size_t i = 0; i < TYPE_COUNT; i++)
        assert_kept(s, i, CV_NULL);
    cv_value value;
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT COUNT(*) FROM kinds WHERE v7 IS NULL AND v3 IS NULL"));
    assert_int_equal(value.as.i64, TYPE_COUNT);
}

/* --- refusals --- */

static void what_is_not_there_is_an_invalid_statement(void **state)
{
    suite *s = suite_of(state);
    assert_fails(s->cx, cv_exec(s->cx, NULL, "SELECT titel FROM books"), CV_E_SQL, "titel");
    assert_fails(s->cx, cv_exec(s->cx, NULL, "SELECT 1 FROM boks"), CV_E_SQL, "boks");
    assert_fails(s->cx, cv_exec(s->cx, NULL, "SELEKT 1"), CV_E_SQL, "syntax error");
    assert_int_equal(count(s, "books"), 0);
}

static void several_statements_in_one_text_are_refused(void **state)
{
    suite *s = suite_of(state);
    assert_int_equal(cv_exec(s->cx, NULL, "DELETE FROM pages; DELETE FROM books"), CV_E_SQL);
    cv_error_clear(s->cx);
}

static void an_empty_statement_is_refused(void **state)
{
    suite *s = suite_of(state);
    assert_fails(s->cx, cv_exec(s->cx, NULL, ""), CV_E_SQL, "empty");
    assert_fails(s->cx, cv_exec(s->cx, NULL, "  -- nothing\n"), CV_E_SQL, "empty");
}

static void a_wrong_number_of_values_is_refused(void **state)
{
    suite *s = suite_of(state);
    assert_fails(s->cx, cv_exec(s->cx, NULL, "DELETE FROM books WHERE id = ?"), CV_E_SQL, "1 placeholders");
    assert_fails(s->cx, cv_exec(s->cx, NULL, "DELETE FROM books WHERE id = ?", 1, 2), CV_E_SQL, "2 values");
}

static void transactions_by_hand_are_refused(void **state)
{
    suite *s = suite_of(state);
    assert_fails(s->cx, cv_exec(s->cx, NULL, "BEGIN"), CV_E_STATE, "BEGIN");
    assert_fails(s->cx, cv_exec(s->cx, NULL, "  savepoint x"), CV_E_STATE, "savepoint");
}

/* --- constraints --- */

static void assert_story(suite *s, int code, const char *sqlstate, const char *table, const char *column,
                         const char *constraint)
{
    const cv_error *error = cv_error_last(s->cx);
    assert_non_null(error);
    assert_string_equal(cv_error_name(error->code), cv_error_name(code));
    assert_non_null(error->sqlstate);
    assert_string_equal(error->sqlstate, sqlstate);
    if (table)
        assert_string_equal(error->table, table);
    if (column)
        assert_string_equal(error->column, column);
    if (constraint)
        assert_string_equal(error->constraint, constraint);
    cv_error_clear(s->cx);
}

static void a_duplicate_names_table_and_column(void **state)
{
    suite *s = suite_of(state);
    assert_ok(s->cx, cv_exec(s->cx, NULL, "INSERT INTO books (id, title, isbn) VALUES (1, 'a', 'x')"));
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO books (id, title, isbn) VALUES (2, 'b', 'x')"), CV_E_UNIQUE);
    assert_story(s, CV_E_UNIQUE, "23505", "books", "isbn", NULL);
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO books (id, title) VALUES (1, 'b')"), CV_E_UNIQUE);
    assert_story(s, CV_E_UNIQUE, "23505", "books", "id", NULL);
}

static void a_missing_value_names_table_and_column(void **state)
{
    suite *s = suite_of(state);
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO books (id) VALUES (1)"), CV_E_NOT_NULL);
    assert_story(s, CV_E_NOT_NULL, "23502", "books", "title", NULL);
}

static void a_failed_check_names_its_constraint(void **state)
{
    suite *s = suite_of(state);
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO books (title, stock) VALUES ('a', -1)"), CV_E_CHECK);
    assert_story(s, CV_E_CHECK, "23514", NULL, NULL, "stock_not_negative");
}

static void foreign_keys_are_enforced_in_both_directions(void **state)
{
    suite *s = suite_of(state);
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO pages (id, book_id) VALUES (1, 99)"), CV_E_FOREIGN_KEY);
    assert_story(s, CV_E_FOREIGN_KEY, "23503", NULL, NULL, NULL);
    assert_ok(s->cx, add(s->cx, 1));
    assert_ok(s->cx, cv_exec(s->cx, NULL, "INSERT INTO pages (id, book_id) VALUES (1, 1)"));
    assert_int_equal(cv_exec(s->cx, NULL, "DELETE FROM books"), CV_E_FOREIGN_KEY);
    assert_story(s, CV_E_FOREIGN_KEY, "23503", NULL, NULL, NULL);
}

/* --- transactions --- */

static int commit_one(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 1));
    }
    return 0;
}

static int fail_in_block(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 2));
        CV_TRY(add(cx, 2));
    }
    return 0;
}

static int roll_back(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 3));
        CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static void a_block_is_kept_as_a_whole_or_not_at_all(void **state)
{
    suite *s = suite_of(state);
    assert_ok(s->cx, commit_one(s->cx));
    assert_int_equal(count(s, "books"), 1);
    assert_int_equal(fail_in_block(s->cx), CV_E_UNIQUE);
    cv_error_clear(s->cx);
    assert_int_equal(count(s, "books"), 1);
    assert_ok(s->cx, roll_back(s->cx));
    assert_int_equal(count(s, "books"), 1);
    assert_int_equal(cv_db_pool_stats(s->db, 1).borrowed, 0);
}

static int inner(cv_ctx *cx, int id)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, id));
        CV_TRY(add(cx, id));
    }
    return 0;
}

static int go_on_after_inner_failures(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 1));
        for (int i = 2; i < 5; i++) {
            assert_int_equal(inner(cx, i), CV_E_UNIQUE);
            cv_error_clear(cx);
        }
        CV_ATOMIC(cx)
        {
            CV_ATOMIC(cx)
            {
                CV_TRY(add(cx, 5));
            }
            CV_TRY(add(cx, 6));
        }
    }
    return 0;
}

static void an_inner_block_fails_alone(void **state)
{
    suite *s = suite_of(state);
    assert_ok(s->cx, go_on_after_inner_failures(s->cx));
    assert_int_equal(count(s, "books"), 3);
}

static int look_from_outside(cv_ctx *cx, void *ret_count)
{
    cv_value value;
    CV_TRY(cv_scalar(cx, &value, "SELECT COUNT(*) FROM books"));
    *(int64_t *)ret_count = value.as.i64;
    return 0;
}

static int64_t count_from_another_connection(cv_ctx *cx)
{
    cv_fiber *fiber;
    int64_t seen = -1;
    assert_ok(cx, cv_spawn(cx, "watcher", look_from_outside, &seen, &fiber));
    assert_ok(cx, cv_join(cx, fiber, NULL));
    return seen;
}

static int watch_from_outside(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 1));
        assert_int_equal(count_from_another_connection(cx), 0);
    }
    assert_int_equal(count_from_another_connection(cx), 1);
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 2));
        CV_TRY(cv_rollback(cx));
    }
    assert_int_equal(count_from_another_connection(cx), 1);
    return 0;
}

static void others_see_what_is_committed_and_nothing_else(void **state)
{
    suite *s = suite_of(state);
    assert_ok(s->cx, watch_from_outside(s->cx));
}

static int write_in_read_only(cv_ctx *cx)
{
    CV_ATOMIC_WITH(cx, &(cv_tx_options){.read_only = true})
    {
        CV_TRY(add(cx, 1));
    }
    return 0;
}

static void a_read_only_block_refuses_writes(void **state)
{
    suite *s = suite_of(state);
    assert_int_equal(write_in_read_only(s->cx), CV_E_READ_ONLY);
    cv_error_clear(s->cx);
    assert_int_equal(count(s, "books"), 0);
}

static int stream_and_write(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        cv_rows *rows;
        int rc;
        CV_TRY(cv_select(cx, &rows, "SELECT id FROM books ORDER BY id"));
        while ((rc = cv_rows_next(cx, rows)) > 0)
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO pages (id, book_id) VALUES (?, ?)", cv_rows_get(rows, 0),
                           cv_rows_get(rows, 0)));
        CV_TRY(rc);
    }
    return 0;
}

static void rows_are_read_while_others_are_written(void **state)
{
    suite *s = suite_of(state);
    assert_ok(s->cx, cv_exec(s->cx, NULL,
                             "INSERT INTO books (title) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
                             " SELECT i + 1 FROM n WHERE i < 2000) SELECT 't' FROM n"));
    assert_ok(s->cx, stream_and_write(s->cx));
    assert_int_equal(count(s, "pages"), 2000);
}

/* --- waiting --- */

#define ENDLESS                                                                                                        \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT COUNT(*) FROM n"

static int count_within(cv_ctx *cx, int64_t ms)
{
    cv_value value;
    CV_WITHIN(cx, ms)
    {
        CV_TRY(cv_scalar(cx, &value, ENDLESS));
    }
    return 0;
}

static void a_deadline_ends_a_statement(void **state)
{
    suite *s = suite_of(state);
    int64_t start = cv_now_ns(s->cx);
    assert_int_equal(count_within(s->cx, 100), CV_E_TIMEOUT);
    assert_in_range(ms_since(s->cx, start), 99, 20000);
    cv_error_clear(s->cx);
    assert_int_equal(count(s, "books"), 0);
    assert_int_equal(cv_db_pool_stats(s->db, 0).borrowed, 0);
}

static int count_for_ever(cv_ctx *cx, void *arg)
{
    cv_value value;
    (void)arg;
    return cv_scalar(cx, &value, ENDLESS);
}

static void cancelling_a_fiber_ends_its_statement(void **state)
{
    suite *s = suite_of(state);
    cv_fiber *fiber;
    assert_ok(s->cx, cv_spawn(s->cx, "counter", count_for_ever, NULL, &fiber));
    while (cv_db_pool_stats(s->db, 0).borrowed == 0)
        assert_ok(s->cx, cv_yield(s->cx));
    assert_ok(s->cx, cv_sleep_ms(s->cx, 20));
    cv_cancel(fiber);
    assert_int_equal(cv_join(s->cx, fiber, NULL), CV_E_CANCELLED);
    cv_error_clear(s->cx);
    assert_int_equal(count(s, "books"), 0);
}

static void the_pool_keeps_count(void **state)
{
    suite *s = suite_of(state);
    cv_rows *rows[4];
    uint64_t before = cv_db_pool_stats(s->db, 0).acquired_total;
    for (int i = 0; i < 4; i++)
        assert_ok(s->cx, cv_select(s->cx, &rows[i], "SELECT 1 UNION ALL SELECT 2"));
    cv_pool_stats stats = cv_db_pool_stats(s->db, 0);
    assert_int_equal(stats.max, 4);
    assert_int_equal(stats.open, 4);
    assert_int_equal(stats.borrowed, 4);
    assert_int_equal(stats.idle, 0);
    assert_int_equal(stats.acquired_total, before + 4);
    cv_rows *fifth;
    assert_int_equal(cv_select(s->cx, &fifth, "SELECT 1"), CV_E_DEADLOCK_SELF);
    cv_error_clear(s->cx);
    for (int i = 0; i < 4; i++)
        cv_rows_close(s->cx, rows[i]);
    stats = cv_db_pool_stats(s->db, 0);
    assert_int_equal(stats.borrowed, 0);
    assert_int_equal(stats.idle, 4);
}

static int add_many(cv_ctx *cx, void *arg)
{
    int first = *(int *)arg;
    for (int i = first; i < first + 5; i++)
        CV_TRY(add(cx, i));
    return 0;
}

static void many_fibers_write_through_few_connections(void **state)
{
    suite *s = suite_of(state);
    cv_fiber *fibers[50];
    int firsts[50];
    for (int i = 0; i < 50; i++) {
        firsts[i] = i * 5 + 1;
        assert_ok(s->cx, cv_spawn(s->cx, "writer", add_many, &firsts[i], &fibers[i]));
    }
    for (int i = 0; i < 50; i++)
        assert_ok(s->cx, cv_join(s->cx, fibers[i], NULL));
    assert_int_equal(count(s, "books"), 250);
}

#define case_of(name)                                                                                                  \
    {                                                                                                                  \
#name, name                                                                                                    \
    }

static const struct {
    const char *name;
    CMUnitTestFunction run;
} cases[] = {
    case_of(affected_rows_are_counted),
    case_of(rows_come_in_order_with_their_names),
    case_of(rows_that_are_written_come_back),
    case_of(a_scalar_without_a_row_is_not_found),
    case_of(placeholders_are_where_they_look_like_it),
    case_of(an_early_close_gives_the_connection_back),
    case_of(numbers_come_back_as_they_went),
    case_of(decimals_come_back_with_every_digit),
    case_of(texts_and_bytes_come_back_as_they_went),
    case_of(times_dates_and_uuids_come_back_as_they_went),
    case_of(null_comes_back_from_every_type),
    case_of(what_is_not_there_is_an_invalid_statement),
    case_of(several_statements_in_one_text_are_refused),
    case_of(an_empty_statement_is_refused),
    case_of(a_wrong_number_of_values_is_refused),
    case_of(transactions_by_hand_are_refused),
    case_of(a_duplicate_names_table_and_column),
    case_of(a_missing_value_names_table_and_column),
    case_of(a_failed_check_names_its_constraint),
    case_of(foreign_keys_are_enforced_in_both_directions),
    case_of(a_block_is_kept_as_a_whole_or_not_at_all),
    case_of(an_inner_block_fails_alone),
    case_of(others_see_what_is_committed_and_nothing_else),
    case_of(a_read_only_block_refuses_writes),
    case_of(rows_are_read_while_others_are_written),
    case_of(a_deadline_ends_a_statement),
    case_of(cancelling_a_fiber_ends_its_statement),
    case_of(the_pool_keeps_count),
    case_of(many_fibers_write_through_few_connections),
};
#define CASE_COUNT (sizeof cases / sizeof cases[0])

int main(void)
{
    static struct CMUnitTest tests[CASE_COUNT * ENGINE_COUNT];
    static char names[CASE_COUNT * ENGINE_COUNT][96];
    size_t at = 0;
    for (size_t i = 0; i < CASE_COUNT; i++)
        for (size_t e = 0; e < ENGINE_COUNT; e++, at++) {
            snprintf(names[at], sizeof names[at], "%s: %s", engines[e].name, cases[i].name);
            tests[at] = (struct CMUnitTest){names[at], cases[i].run, set_up, tear_down, &engines[e]};
        }
    return cmocka_run_group_tests_name("conformance", tests, set_up_group, tear_down_group);
}
