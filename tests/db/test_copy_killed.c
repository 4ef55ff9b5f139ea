/* A server that is killed in the middle of a copy, in and out: nothing of it is stored, and when the server is back the
 * next copy works. And rows that are too large for a server. Each server is the test's own. */
#include "copy_rows.h"
#include "mariadb_server.h"
#include "postgres_server.h"
#include "test.h"

#include <covet/db.h>
#include <covet/runtime.h>
#include <stdio.h>
#include <stdlib.h>

static test_server postgres;
static test_mariadb mariadb;

typedef struct engine {
    char url[TEST_URL_BYTES];
    const char *many_rows; /* a query whose rows do not fit between server and client */
    void (*kill)(void);
    void (*start)(void);
    cv_ctx *cx;
    cv_db *db;
} engine;

static engine *present; /* the one whose server is killed */

static void kill_postgres(void)
{
    test_server_kill(&postgres);
}

static void start_postgres(void)
{
    test_server_start(&postgres);
}

static void kill_mariadb(void)
{
    test_mariadb_server_kill(&mariadb);
}

static void start_mariadb(void)
{
    test_mariadb_server_start(&mariadb);
}

static void open_engine(engine *e)
{
    assert_int_equal(cv_runtime_new(NULL, &e->cx), 0);
    assert_ok(e->cx, cv_db_open(e->cx, e->url, &(cv_db_options){.max_connections = 3, .breaker_window = -1}, &e->db));
    cv_use_db(e->cx, e->db);
    assert_ok(e->cx, cv_exec(e->cx, NULL, "DROP TABLE IF EXISTS notes"));
    assert_ok(e->cx, cv_exec(e->cx, NULL, "CREATE TABLE notes (id BIGINT PRIMARY KEY, note TEXT)"));
    present = e;
}

static int open_postgres(void **state)
{
    static engine e;
    *state = &e;
    if (!postgres.port && !test_server_create(&postgres))
        return 0;
    e = (engine){.many_rows = "SELECT generate_series(1, 3000000)", .kill = kill_postgres, .start = start_postgres};
    test_server_url(&postgres, "app", e.url);
    open_engine(&e);
    return 0;
}

static int open_mariadb(void **state)
{
    static engine e;
    *state = &e;
    if (!mariadb.port && !test_mariadb_server_create(&mariadb))
        return 0;
    e = (engine){.many_rows = "SELECT seq FROM seq_1_to_3000000", .kill = kill_mariadb, .start = start_mariadb};
    test_mariadb_server_url(&mariadb, "app", e.url);
    open_engine(&e);
    return 0;
}

static int close_engine(void **state)
{
    engine *e = *state;
    if (!e->cx)
        return 0;
    cv_db_close(e->cx, e->db);
    cv_runtime_free(e->cx);
    *e = (engine){0};
    return 0;
}

static int destroy_servers(void **state)
{
    (void)state;
    test_server_destroy(&postgres);
    test_mariadb_server_destroy(&mariadb);
    return 0;
}

static cv_ctx *need_server(const engine *e)
{
    if (!e->cx)
        skip();
    return e->cx;
}

static int64_t count(cv_ctx *cx)
{
    cv_value n = CV_NULL;
    assert_ok(cx, cv_scalar(cx, &n, "SELECT COUNT(*) FROM notes"));
    return n.as.i64;
}

/* ---- killed ---- */

static const char *const columns[] = {"id", "note"};

static void make_note(int64_t row, cv_value *values)
{
    values[0] = cv_value_i64(row);
    values[1] = cv_value_text("a note that is some forty characters long");
}

static int kill_at_row_25000(cv_ctx *cx, made_rows *rows)
{
    (void)cx;
    if (rows->given == 25000)
        present->kill();
    return 0;
}

static int copy_notes(cv_ctx *cx, int64_t rows_in_all, bool is_killed, int64_t batch_rows, cv_copy_result *ret_done)
{
    made_rows rows = {.columns = columns, .column_count = 2, .count = rows_in_all, .make = make_note};
    cv_copy_source source = made_rows_source(&rows);
    rows.before = is_killed ? kill_at_row_25000 : NULL;
    return cv_copy_in(cx, "notes", &source, &(cv_copy_options){.batch_rows = batch_rows}, ret_done);
}

static void nothing_is_stored_of_a_copy_whose_server_is_killed(void **state)
{
    engine *e = *state;
    cv_ctx *cx = need_server(e);
    cv_copy_result done;
    assert_int_equal(copy_notes(cx, INT64_MAX, true, 0, &done), CV_E_CONNECTION_LOST);
    cv_error_clear(cx);
    assert_int_equal(done.rows, 0);
    e->start();
    assert_int_equal(count(cx), 0);
    assert_ok(cx, copy_notes(cx, 1000, false, 0, &done));
    assert_int_equal(count(cx), 1000);
}

static void batches_that_were_committed_outlive_the_server(void **state)
{
    engine *e = *state;
    cv_ctx *cx = need_server(e);
    cv_copy_result done;
    assert_int_equal(copy_notes(cx, INT64_MAX, true, 10000, &done), CV_E_CONNECTION_LOST);
    cv_error_clear(cx);
    assert_int_equal(done.rows, 20000);
    e->start();
    assert_int_equal(count(cx), 20000);
}

static int kill_at_row_100(cv_ctx *cx, void *arg, const cv_value *values)
{
    (void)cx, (void)values;
    if (++*(int64_t *)arg == 100)
        present->kill();
    return 0;
}

static void rows_end_early_when_the_server_is_killed(void **state)
{
    engine *e = *state;
    cv_ctx *cx = need_server(e);
    int64_t seen = 0;
    cv_copy_sink sink = {.row = kill_at_row_100, .arg = &seen};
    cv_copy_result done;
    assert_int_equal(cv_copy_out_query(cx, e->many_rows, NULL, 0, &sink, NULL, &done), CV_E_CONNECTION_LOST);
    cv_error_clear(cx);
    assert_true(done.rows >= 100 && done.rows < 3000000);
    e->start();
    assert_ok(cx, copy_notes(cx, 10, false, 0, &done));
    assert_int_equal(count(cx), 10);
}

/* ---- too large ---- */

enum { PACKET = 4 << 20 };
static char large[PACKET];
static size_t large_bytes; /* of the third row */

static void make_large(int64_t row, cv_value *values)
{
    make_note(row, values);
    if (row == 3)
        values[1] = cv_value_str(cv_str_make(large, large_bytes));
}

static int copy_large(cv_ctx *cx, size_t bytes)
{
    made_rows rows = {.columns = columns, .column_count = 2, .count = 5, .make = make_large};
    cv_copy_source source = made_rows_source(&rows);
    large_bytes = bytes;
    return cv_copy_in(cx, "notes", &source, NULL, NULL);
}

static void a_row_beyond_the_packets_of_the_server_is_refused(void **state)
{
    engine *e = *state;
    cv_ctx *cx = need_server(e);
    cv_db_close(cx, e->db);
    test_mariadb_server_stop(&mariadb);
    test_mariadb_server_write(&mariadb, "extra.cnf", "[mariadbd]\nmax_allowed_packet=4M\n");
    test_mariadb_server_start(&mariadb);
    assert_ok(cx, cv_db_open(cx, e->url, NULL, &e->db));
    cv_use_db(cx, e->db);
    assert_ok(cx, cv_exec(cx, NULL, "ALTER TABLE notes MODIFY note LONGTEXT"));
    memset(large, 'x', sizeof large);
    assert_int_equal(copy_large(cx, PACKET), CV_E_LIMIT);
    assert_non_null(strstr(cv_error_last(cx)->message, "row 3: "));
    assert_non_null(strstr(cv_error_last(cx)->hint, "max_allowed_packet"));
    cv_error_clear(cx);
    assert_int_equal(count(cx), 0);
    assert_ok(cx, copy_large(cx, PACKET / 4 * 3));
    assert_int_equal(count(cx), 5);
}

int main(void)
{
#define CASES(open)                                                                                                    \
    {"nothing_is_stored_of_a_copy_whose_server_is_killed: " #open, nothing_is_stored_of_a_copy_whose_server_is_killed, \
     open, close_engine, NULL},                                                                                        \
        {"batches_that_were_committed_outlive_the_server: " #open, batches_that_were_committed_outlive_the_server,     \
         open, close_engine, NULL},                                                                                    \
    {                                                                                                                  \
        "rows_end_early_when_the_server_is_killed: " #open, rows_end_early_when_the_server_is_killed, open,            \
            close_engine, NULL                                                                                         \
    }
    const struct CMUnitTest tests[] = {
        CASES(open_postgres),
        CASES(open_mariadb),
        cmocka_unit_test_setup_teardown(a_row_beyond_the_packets_of_the_server_is_refused, open_mariadb, close_engine),
    };
    return cmocka_run_group_tests(tests, NULL, destroy_servers);
}
