/* Opening SQLite databases: paths, options, settings, and what can go wrong. */
#include "db_test.h"

#include "db/database.h"
#include <sys/stat.h>
#include <sys/wait.h>

static int set_up(void **state)
{
    static db_test t;
    db_test_init_bare(&t);
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

static int try_open(db_test *t, const char *url)
{
    cv_db *db = NULL;
    int rc = cv_db_open(t->cx, url, NULL, &db);
    cv_db_close(t->cx, db);
    return rc;
}

static int try_query(db_test *t, const char *query)
{
    char url[512];
    snprintf(url, sizeof url, "%s?%s", t->url, query);
    return try_open(t, url);
}

static void a_file_is_made_and_found_again(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_db_open(t->cx, t->url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (x BIGINT)"));
    cv_db_close(t->cx, t->db);
    assert_null(cv_ctx_db(t->cx));
    assert_ok(t->cx, cv_db_open(t->cx, t->url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 0);
}

static void three_slashes_are_relative(void **state)
{
    db_test *t = *state;
    char former[512];
    assert_non_null(getcwd(former, sizeof former));
    assert_int_equal(chdir(t->folder), 0);
    assert_ok(t->cx, try_open(t, "sqlite:///test.db"));
    assert_int_equal(chdir(former), 0);
    assert_int_equal(access(t->path, F_OK), 0);
}

static void connections_are_set_up_safely(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_db_open(t->cx, t->url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
    cv_value mode;
    assert_ok(t->cx, cv_scalar(t->cx, &mode, "PRAGMA journal_mode"));
    assert_true(cv_str_equal(mode.as.text, CV_STR("wal")));
    assert_int_equal(count_of(t->cx, "PRAGMA foreign_keys"), 1);
    assert_int_equal(count_of(t->cx, "PRAGMA synchronous"), 2);
    assert_int_equal(count_of(t->cx, "PRAGMA trusted_schema"), 0);
    assert_fails(t->cx, cv_exec(t->cx, NULL, "SELECT \"no such column\""), CV_E_SQL, "no such column");
    assert_fails(t->cx, cv_exec(t->cx, NULL, "SELECT load_extension('x')"), CV_E_SQL, "not authorized");
    assert_fails(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE sqlite_mine (x)"), CV_E_SQL, "reserved");
}

static void options_of_the_url_win(void **state)
{
    db_test *t = *state;
    char url[512];
    snprintf(url, sizeof url,
             "%s?journal_mode=delete&synchronous=NORMAL&foreign_keys=off&cache_size=128&max_connections=2"
             "&busy_timeout=1s&acquire_timeout=2s&connect_timeout=100ms&statement_cache=5",
             t->url);
    cv_db_options options = {.max_connections = 9, .sqlite_synchronous = "off"};
    assert_ok(t->cx, cv_db_open(t->cx, url, &options, &t->db));
    cv_use_db(t->cx, t->db);
    assert_int_equal(count_of(t->cx, "PRAGMA synchronous"), 1);
    assert_int_equal(count_of(t->cx, "PRAGMA foreign_keys"), 0);
    assert_int_equal(count_of(t->cx, "PRAGMA cache_size"), -128);
    assert_int_equal(cv_db_pool_stats(t->db, 0).max, 2);
    assert_int_equal(cv_db_pool_stats(t->db, 1).max, 1);
    cv_value mode;
    assert_ok(t->cx, cv_scalar(t->cx, &mode, "PRAGMA journal_mode"));
    assert_true(cv_str_equal(mode.as.text, CV_STR("delete")));
}

static void unknown_and_malformed_options_are_refused(void **state)
{
    db_test *t = *state;
    assert_int_equal(try_query(t, "jurnal_mode=wal"), CV_E_CONFIG);
    assert_non_null(strstr(cv_error_last(t->cx)->hint, "\"journal_mode\""));
    cv_error_clear(t->cx);
    assert_int_equal(try_query(t, "max_conections=1"), CV_E_CONFIG);
    assert_non_null(strstr(cv_error_last(t->cx)->hint, "\"max_connections\""));
    cv_error_clear(t->cx);
    assert_fails(t->cx, try_query(t, "journal_mode=sideways"), CV_E_CONFIG, "sideways");
    assert_fails(t->cx, try_query(t, "foreign_keys=maybe"), CV_E_CONFIG, "maybe");
    assert_fails(t->cx, try_query(t, "mode=x"), CV_E_CONFIG, "\"mode\"");
    assert_fails(t->cx, try_query(t, "busy_timeout=soon"), CV_E_CONFIG, "soon");
    assert_fails(t->cx, try_query(t, "cache_size=1"), CV_E_CONFIG, "between");
    assert_fails(t->cx, try_query(t, "max_connections=0"), CV_E_CONFIG, "between");
    assert_fails(t->cx, try_query(t, "max_connections=many"), CV_E_CONFIG, "whole number");
    assert_fails(t->cx, try_query(t, "statement_cache=0"), CV_E_CONFIG, "between");
    assert_fails(t->cx, try_query(t, "acquire_timeout=-1"), CV_E_CONFIG, "time");
    assert_fails(t->cx, try_query(t, "mode=%zz"), CV_E_SYNTAX, "");
}

static void wrong_urls_are_refused(void **state)
{
    db_test *t = *state;
    assert_fails(t->cx, try_open(t, ""), CV_E_CONFIG, "empty");
    assert_fails(t->cx, try_open(t, NULL), CV_E_CONFIG, "empty");
    assert_int_equal(try_open(t, "sqlit:///x.db"), CV_E_CONFIG);
    assert_non_null(strstr(cv_error_last(t->cx)->hint, "\"sqlite\""));
    cv_error_clear(t->cx);
    assert_fails(t->cx, try_open(t, "oracle://x/y"), CV_E_CONFIG, "oracle");
    assert_fails(t->cx, try_open(t, "sqlite://host/x.db"), CV_E_CONFIG, "no host");
    assert_fails(t->cx, try_open(t, "sqlite:///"), CV_E_CONFIG, "no file");
    assert_fails(t->cx, try_open(t, "no url"), CV_E_SYNTAX, "");
    cv_db_options options = {.acquire_timeout_ms = -5};
    cv_db *db;
    assert_fails(t->cx, cv_db_open(t->cx, t->url, &options, &db), CV_E_CONFIG, "timeout");
    options = (cv_db_options){.max_connections = 1000000};
    assert_fails(t->cx, cv_db_open(t->cx, t->url, &options, &db), CV_E_CONFIG, "not between");
}

static void memory_is_one_connection_for_everything(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_db_open(t->cx, "sqlite::memory:?cache_size=256", NULL, &t->db));
    cv_use_db(t->cx, t->db);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (x BIGINT)"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n VALUES (1), (2), (3)"));
    cv_rows *rows;
    assert_ok(t->cx, cv_select(t->cx, &rows, "SELECT x FROM n ORDER BY x"));
    int rc;
    while ((rc = cv_rows_next(t->cx, rows)) > 0)
        assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n VALUES (0 - ?)", cv_rows_get(rows, 0)));
    assert_ok(t->cx, rc);
    assert_true(count_of(t->cx, "SELECT count(*) FROM n") >= 6);
    assert_int_equal(cv_db_pool_stats(t->db, 1).max, 1);
}

static int write_read_only(cv_ctx *cx)
{
    CV_ATOMIC_WITH(cx, (&(cv_tx_options){.read_only = true}))
    {
        CV_TRY(cv_exec(cx, NULL, "CREATE TABLE n (x BIGINT)"));
    }
    return 0;
}

static void a_read_only_block_in_memory_refuses_writes(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_db_open(t->cx, "sqlite::memory:", NULL, &t->db));
    cv_use_db(t->cx, t->db);
    assert_fails(t->cx, write_read_only(t->cx), CV_E_READ_ONLY, "readonly");
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (x BIGINT)"));
}

static void a_database_may_be_opened_for_reading_only(void **state)
{
    db_test *t = *state;
    assert_fails(t->cx, try_query(t, "mode=ro"), CV_E_NOT_FOUND, "no such file");
    assert_fails(t->cx, try_query(t, "mode=rw"), CV_E_NOT_FOUND, "no such file");
    assert_ok(t->cx, try_query(t, "mode=rwc"));
    assert_ok(t->cx, cv_db_open(t->cx, t->url, &(cv_db_options){.read_only = 1}, &t->db));
    cv_use_db(t->cx, t->db);
    assert_int_equal(count_of(t->cx, "SELECT 1"), 1);
    assert_fails(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (x)"), CV_E_READ_ONLY, "readonly");
}

static void a_missing_folder_is_named(void **state)
{
    db_test *t = *state;
    char url[512];
    snprintf(url, sizeof url, "sqlite:///%s/nowhere/test.db", t->folder);
    assert_int_equal(try_open(t, url), CV_E_NOT_FOUND);
    assert_non_null(strstr(cv_error_last(t->cx)->message, "/nowhere\""));
    assert_non_null(cv_error_last(t->cx)->hint);
    cv_error_clear(t->cx);
    assert_ok(t->cx, try_open(t, t->url));
    snprintf(url, sizeof url, "%s/inner.db", t->url);
    assert_fails(t->cx, try_open(t, url), CV_E_NOT_FOUND, "older");
    snprintf(url, sizeof url, "sqlite:///%s", t->folder);
    assert_fails(t->cx, try_open(t, url), CV_E_NOT_A_DATABASE, "is a folder");
}

/* In a process without the rights of root: the results as its exit status. */
static int as_nobody(db_test *t, int expected)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        cv_ctx *cx;
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(3);
        cv_db *db = NULL;
        int rc = cv_runtime_new(NULL, &cx) == 0 ? cv_db_open(cx, t->url, NULL, &db) : 0;
        _exit(rc == expected ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void missing_rights_are_permission_errors(void **state)
{
    db_test *t = *state;
    assert_int_equal(chmod(t->folder, 0555), 0);
    assert_int_equal(as_nobody(t, CV_E_PERMISSION), 0);
    assert_int_equal(chmod(t->folder, 0777), 0);
    assert_ok(t->cx, try_open(t, t->url));
    assert_int_equal(chmod(t->path, 0000), 0);
    assert_int_equal(as_nobody(t, CV_E_PERMISSION), 0);
    assert_int_equal(chmod(t->folder, 0700), 0);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    db_test *t = *state;
    FILE *file = fopen(t->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is a letter, not a database\n", file);
    fclose(file);
    assert_int_equal(try_open(t, t->url), CV_E_NOT_A_DATABASE);
    assert_non_null(strstr(cv_error_last(t->cx)->message, "test.db"));
    cv_error_clear(t->cx);
}

typedef struct pairs {
    const cv_value *values;
    size_t failing; /* 0: none */
} pairs;

static int pair_at(cv_ctx *cx, void *arg, size_t index, const cv_value **ret_values)
{
    const pairs *made = arg;
    if (made->failing && index == made->failing)
        return cv_fail(cx, CV_E_RANGE, "row %zu cannot be made", index);
    *ret_values = made->values + 2 * index;
    return 0;
}

static void rows_handed_down_are_a_table(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_db_open(t->cx, t->url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (a, b)"));
    const cv_value values[] = {cv_value_i64(1),     cv_value_text("x"),
                               cv_value_f64(2.5),   CV_NULL,
                               cv_value_bool(true), cv_value_bytes((cv_bytes){(const uint8_t *)"\x01", 1})};
    pairs made = {.values = values};
    const cv__row_source rows = {.row = pair_at, .arg = &made, .row_count = 3, .column_count = 2};
    const cv__statement insert = {.sql = CV_STR("INSERT INTO n SELECT c0, c1 FROM cv_rows"), .rows = &rows};
    cv_result result;
    assert_ok(t->cx, cv__db_run(t->cx, t->db, CV__WRITER, &insert, &result));
    assert_int_equal(result.affected, 3);
    assert_int_equal(result.last_insert_id, 3);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n WHERE (a, b) = (1, 'x') OR (a = 2.5 AND b IS NULL) OR "
                                     "(a, b) = (1, x'01')"),
                     3);
    /* a statement that brings no rows, or asks for more columns than they have, finds none */
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM cv_rows"), 0);
    const cv__statement beyond = {.sql = CV_STR("INSERT INTO n SELECT c2, c255 FROM cv_rows"), .rows = &rows};
    assert_ok(t->cx, cv__db_run(t->cx, t->db, CV__WRITER, &beyond, &result));
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n WHERE a IS NULL AND b IS NULL"), 3);
    /* a row that cannot be made ends the statement with its own error, and nothing of it stays */
    made.failing = 2;
    assert_fails(t->cx, cv__db_run(t->cx, t->db, CV__WRITER, &insert, &result), CV_E_RANGE, "row 2 cannot be made");
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 6);
}

static void a_held_connection_keeps_its_settings(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_db_open(t->cx, t->url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE p (x BIGINT REFERENCES q (x))"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE q (x BIGINT PRIMARY KEY)"));
    cv__conn *conn;
    assert_ok(t->cx, cv__db_hold(t->cx, t->db, CV__WRITER, &conn));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "PRAGMA foreign_keys = 0"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO p VALUES (1)"));
    cv__db_let_go(t->cx, conn);
    assert_int_equal(cv_exec(t->cx, NULL, "INSERT INTO p VALUES (2)"), CV_E_FOREIGN_KEY);
    cv_error_clear(t->cx);
}

static int keep_rows_open(cv_ctx *cx, void *arg)
{
    cv_rows *rows;
    CV_TRY(cv_select(cx, &rows, "VALUES (1), (2)"));
    CV_TRY(cv_sleep_ms(cx, *(int *)arg));
    cv_rows_close(cx, rows);
    return 0;
}

static void closing_waits_for_what_is_borrowed(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, cv_db_open(t->cx, t->url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
    int ms = 20;
    cv_fiber *fiber;
    assert_ok(t->cx, cv_spawn(t->cx, "reader", keep_rows_open, &ms, &fiber));
    assert_ok(t->cx, cv_yield(t->cx));
    cv_db_close(t->cx, t->db);
    t->db = NULL;
    assert_ok(t->cx, cv_join(t->cx, fiber, NULL));
}

static void closing_does_not_wait_for_ever(void **state)
{
    (void)state;
    cv_ctx *cx;
    cv_db *db;
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = true}, &cx), 0);
    assert_ok(cx, cv_db_open(cx, "sqlite::memory:", NULL, &db));
    cv_use_db(cx, db);
    int ms = 60000;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "reader", keep_rows_open, &ms, &fiber));
    assert_ok(cx, cv_yield(cx));
    int64_t began_ns = cv_now_ns(cx);
    cv_db_close(cx, db);
    assert_int_equal((cv_now_ns(cx) - began_ns) / 1000000, 5000);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    cv_runtime_free(cx);
}

static void a_context_without_a_runtime_cannot_open(void **state)
{
    db_test *t = *state;
    cv_ctx *cx = cv_ctx_new(0);
    cv_db *db;
    assert_fails(cx, cv_db_open(cx, t->url, NULL, &db), CV_E_CONTEXT, "runtime");
    cv_ctx_free(cx);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_file_is_made_and_found_again),
        CASE(three_slashes_are_relative),
        CASE(connections_are_set_up_safely),
        CASE(options_of_the_url_win),
        CASE(unknown_and_malformed_options_are_refused),
        CASE(wrong_urls_are_refused),
        CASE(memory_is_one_connection_for_everything),
        CASE(a_read_only_block_in_memory_refuses_writes),
        CASE(a_database_may_be_opened_for_reading_only),
        CASE(a_missing_folder_is_named),
        CASE(missing_rights_are_permission_errors),
        CASE(a_file_that_is_no_database_is_refused),
        CASE(rows_handed_down_are_a_table),
        CASE(a_held_connection_keeps_its_settings),
        CASE(closing_waits_for_what_is_borrowed),
        CASE(closing_does_not_wait_for_ever),
        CASE(a_context_without_a_runtime_cannot_open),
    };
    return cmocka_run_group_tests_name("db sqlite", tests, NULL, NULL);
}
