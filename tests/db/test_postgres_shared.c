/* Quick reads of many fibers on the connections that they share. */
#include "postgres_test.h"

#include "db/database.h"
#include "db/db.h"
#include "db/postgres/shared.h"

static fixture shared;

static int set_up_group(void **state)
{
    (void)state;
    if (!test_database_create("shared", shared.url))
        return 0;
    PGconn *session = test_session_open(shared.url);
    test_session_run(session, "CREATE TABLE notes (id integer PRIMARY KEY, text varchar(200));"
                              "INSERT INTO notes SELECT i, 'note ' || i FROM generate_series(1, 1000) i;"
                              "CREATE SEQUENCE counter");
    PQfinish(session);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (shared.url[0])
        test_database_drop(shared.url);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    if (shared.url[0])
        fixture_open(&shared, &(cv_db_options){.shed_target_ms = -1}); /* a slow machine is no overload */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (shared.cx)
        fixture_close(&shared);
    return 0;
}

static cv_ctx *context(void)
{
    if (!shared.cx)
        skip();
    return shared.cx;
}

/* The backend of a quick read. */
static int whose_quick_read(cv_ctx *cx, int64_t *ret_pid)
{
    cv_rows *rows;
    CV_TRY(cv_select_quick(cx, &rows, "SELECT pg_backend_pid()"));
    int rc = cv_rows_next(cx, rows);
    *ret_pid = cv_rows_get(rows, 0).as.i64;
    cv_rows_close(cx, rows);
    return rc < 0 ? rc : 0;
}

/* Shared connections are made aside, when the first reads come; from then on each is one that cannot write. */
static size_t shared_now(void)
{
    size_t up = 0;
    cv__pg_sharing_stats(((cv__pg_shared *)shared.db->shared)->sharing, &up, NULL);
    return up;
}

static int wait_until_shared(cv_ctx *cx, void *arg)
{
    size_t wanted = *(size_t *)arg;
    int64_t pid;
    while (shared_now() < wanted) {
        CV_TRY(whose_quick_read(cx, &pid));
        CV_TRY(cv_sleep_ms(cx, 1));
    }
    return 0;
}

static void in_fiber(cv_ctx *cx, cv_fiber_fn *fn, void *arg)
{
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "test", fn, arg, &fiber));
    assert_ok(cx, cv_join(cx, fiber, NULL));
}

static void share(cv_ctx *cx, size_t count)
{
    in_fiber(cx, wait_until_shared, &count);
}

static uint64_t borrowed_so_far(void)
{
    return cv_db_pool_stats(shared.db, 0).acquired_total;
}

static uint64_t resent_so_far(void)
{
    uint64_t resent = 0;
    cv__pg_sharing_stats(((cv__pg_shared *)shared.db->shared)->sharing, NULL, &resent);
    return resent;
}

/* --- many fibers --- */

enum { FIBERS = 1000, READS = 20 };

typedef struct reader {
    int number;
    int failures;
    int result;
} reader;

static int read_note(cv_ctx *cx, int id)
{
    cv_rows *rows;
    char expected[32];
    CV_TRY(cv_select_quick(cx, &rows, "SELECT id, text FROM notes WHERE id = ?", id));
    int rc = cv_rows_next(cx, rows);
    if (rc > 0) {
        cv_value text = cv_rows_get(rows, 1);
        snprintf(expected, sizeof expected, "note %d", id);
        rc = cv_rows_get(rows, 0).as.i64 == id && text.as.text.len == strlen(expected) &&
                     memcmp(text.as.text.ptr, expected, strlen(expected)) == 0
                 ? cv_rows_next(cx, rows)
                 : CV_E_INTERNAL;
    } else if (rc == 0) {
        rc = CV_E_NOT_FOUND;
    }
    cv_rows_close(cx, rows);
    return rc;
}

static int read_wrongly(cv_ctx *cx, int number)
{
    cv_rows *rows;
    char name[32];
    snprintf(name, sizeof name, "no%d", number);
    int rc = cv_select_quick(cx, &rows, "SELECT CAST(? AS integer)", name);
    bool mine = rc == CV_E_INVALID && strstr(cv_error_last(cx)->message, name) != NULL;
    cv_error_clear(cx);
    return mine ? 0 : CV_E_INTERNAL;
}

/* One in a hundred reads fails. */
static int read_often(cv_ctx *cx, void *arg)
{
    reader *own = arg;
    for (int i = 0; i < READS && own->result == 0; i++) {
        int step = own->number * READS + i;
        CV_SCOPE(cx)
        {
            own->result = step % 100 == 7 ? read_wrongly(cx, step) : read_note(cx, step % 1000 + 1);
        }
        own->failures += step % 100 == 7;
    }
    return own->result;
}

static void a_thousand_fibers_get_their_own_answers_and_errors(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static reader readers[FIBERS];
    share(cx, 2);
    uint64_t before = borrowed_so_far();
    for (int i = 0; i < FIBERS; i++) {
        readers[i] = (reader){.number = i};
        assert_ok(cx, cv_spawn(cx, "reader", read_often, &readers[i], NULL));
    }
    assert_ok(cx, cv_runtime_run(cx));
    for (int i = 0; i < FIBERS; i++)
        assert_int_equal(readers[i].result, 0);
    assert_true(resent_so_far() > 0);
    assert_true(borrowed_so_far() - before < FIBERS * READS / 2); /* most were placed on shared ones */
    assert_string_equal(test_session_run(shared.watch, "SELECT count(*) FROM pg_stat_activity WHERE"
                                                       " datname = current_database() AND state LIKE 'idle in%'"),
                        "0");
}

/* --- one fiber --- */

static int compare_backends(cv_ctx *cx, void *arg)
{
    (void)arg;
    int64_t quick, again, own;
    CV_TRY(whose_quick_read(cx, &quick));
    CV_TRY(whose_quick_read(cx, &again));
    own = scalar(cx, "SELECT pg_backend_pid()").as.i64;
    assert_int_not_equal(quick, own);
    CV_ATOMIC(cx)
    {
        CV_TRY(whose_quick_read(cx, &again));
        assert_int_equal(again, own);
    }
    return 0;
}

static void a_transaction_reads_on_its_own_connection(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    share(cx, 2);
    in_fiber(cx, compare_backends, NULL);
}

static int select_of_a_function_that_writes(cv_ctx *cx, void *arg)
{
    (void)arg;
    cv_rows *rows;
    assert_int_equal(cv_select_quick(cx, &rows, "SELECT nextval('counter')"), CV_E_READ_ONLY);
    assert_non_null(strstr(cv_error_last(cx)->hint, "quick"));
    cv_error_clear(cx);
    return read_note(cx, 1);
}

static void nothing_is_written_on_a_shared_connection(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    share(cx, 2);
    in_fiber(cx, select_of_a_function_that_writes, NULL);
    assert_string_equal(test_session_run(shared.watch, "SELECT is_called FROM counter"), "f");
}

static int what_comes_back(cv_ctx *cx, void *arg)
{
    (void)arg;
    cv_rows *rows;
    assert_ok(cx, cv_select_quick(cx, &rows,
                                  "SELECT i, i AS b, NULL, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 'x' AS last FROM"
                                  " generate_series(1, ?) i",
                                  3));
    assert_int_equal(cv_rows_columns(rows), 14);
    assert_string_equal(cv_rows_name(rows, 13), "last");
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(cv_rows_next(cx, rows), 1);
        assert_int_equal(cv_rows_get(rows, 1).as.i64, i);
        assert_int_equal(cv_rows_get(rows, 2).type, CV_TYPE_NULL);
    }
    assert_int_equal(cv_rows_next(cx, rows), 0);
    assert_int_equal(cv_rows_next(cx, rows), 0);
    cv_rows_close(cx, rows);
    assert_int_equal(cv_select_quick(cx, &rows, ""), CV_E_SQL);
    cv_error_clear(cx);
    assert_int_equal(cv_select_quick(cx, &rows, "SELECT nonsense"), CV_E_SQL);
    cv_error_clear(cx);
    assert_int_equal(cv_select_quick(cx, &rows, "SELECT point(1, 2)"), CV_E_TYPE);
    cv_error_clear(cx);
    assert_ok(cx, cv_select_quick(cx, &rows, "SELECT id FROM notes WHERE id < 0"));
    assert_int_equal(cv_rows_columns(rows), 1);
    assert_int_equal(cv_rows_next(cx, rows), 0);
    cv_rows_close(cx, rows);
    return 0;
}

static void rows_come_back_as_from_any_connection(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    share(cx, 1);
    in_fiber(cx, what_comes_back, NULL);
}

/* Small ones are kept where large ones are not; each comes more than once. */
static int rows_of_all_sizes(cv_ctx *cx, void *arg)
{
    (void)arg;
    for (int64_t len = 0; len <= 600; len += 7) {
        cv_rows *rows;
        assert_ok(cx,
                  cv_select_quick(cx, &rows, "SELECT repeat('y', CAST(? AS integer)) AS many, NULL, CAST(? AS bigint)",
                                  len, len));
        assert_string_equal(cv_rows_name(rows, 0), "many");
        assert_int_equal(cv_rows_next(cx, rows), 1);
        cv_str many = cv_rows_get(rows, 0).as.text;
        assert_int_equal(many.len, len);
        assert_true(len == 0 || (many.ptr[0] == 'y' && many.ptr[len - 1] == 'y'));
        assert_int_equal(cv_rows_get(rows, 1).type, CV_TYPE_NULL);
        assert_int_equal(cv_rows_get(rows, 2).as.i64, len);
        assert_int_equal(cv_rows_next(cx, rows), 0);
        cv_rows_close(cx, rows);
    }
    return 0;
}

static void a_single_row_may_have_any_size(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    share(cx, 2);
    in_fiber(cx, rows_of_all_sizes, NULL);
}

static int read_table(cv_ctx *cx, void *arg)
{
    (void)arg;
    cv_rows *rows;
    CV_TRY(cv_select_quick(cx, &rows, "SELECT * FROM changing"));
    int columns = (int)cv_rows_columns(rows);
    cv_rows_close(cx, rows);
    return columns;
}

static int columns_of_table(cv_ctx *cx)
{
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "test", read_table, NULL, &fiber));
    return cv_join(cx, fiber, NULL);
}

static void a_changed_table_is_prepared_again(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    uint64_t before;
    test_session_run(shared.watch, "CREATE TABLE changing (a integer)");
    share(cx, 2);
    for (int i = 0; i < 4; i++)
        assert_int_equal(columns_of_table(cx), 1);
    test_session_run(shared.watch, "ALTER TABLE changing ADD COLUMN b integer");
    before = borrowed_so_far();
    for (int i = 0; i < 4; i++)
        assert_int_equal(columns_of_table(cx), 2);
    assert_int_equal(borrowed_so_far(), before);
    test_session_run(shared.watch, "DROP TABLE changing");
}

static int session_function(cv_ctx *cx, void *arg)
{
    (void)arg;
    cv_rows *rows;
    CV_TRY(cv_select_quick(cx, &rows, "SELECT pg_advisory_lock(77)"));
    cv_rows_close(cx, rows);
    return 0;
}

static void what_changes_the_session_gets_a_connection_of_its_own(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    share(cx, 2);
    uint64_t before = borrowed_so_far();
    in_fiber(cx, session_function, NULL);
    assert_int_equal(borrowed_so_far(), before + 1);
    assert_string_equal(test_session_run(shared.watch, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
                        "0");
}

static int large_values(cv_ctx *cx, void *arg)
{
    (void)arg;
    cv_rows *rows;
    size_t len = (size_t)100 << 10;
    char *text = cv_alloc(cx, len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    CV_TRY(cv_select_quick(cx, &rows, "SELECT length(CAST(? AS text))", text));
    int rc = cv_rows_next(cx, rows);
    assert_int_equal(cv_rows_get(rows, 0).as.i64, len);
    cv_rows_close(cx, rows);
    return rc < 0 ? rc : 0;
}

static int large_result(cv_ctx *cx, void *arg)
{
    (void)arg;
    cv_rows *rows;
    CV_TRY(cv_select_quick(cx, &rows, "SELECT repeat('x', 3000000)"));
    int rc = cv_rows_next(cx, rows);
    assert_int_equal(cv_rows_get(rows, 0).as.text.len, 3000000);
    cv_rows_close(cx, rows);
    return rc < 0 ? rc : 0;
}

static void large_values_go_elsewhere_and_large_results_cost_the_connection(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    share(cx, 2);
    uint64_t before = borrowed_so_far();
    in_fiber(cx, large_values, NULL);
    assert_int_equal(borrowed_so_far(), before + 1);
    in_fiber(cx, large_result, NULL);
    assert_int_equal(shared_now(), 1);
    share(cx, 2);
}

/* --- neighbours --- */

static int sleep_quickly(cv_ctx *cx, void *arg)
{
    cv_rows *rows;
    int64_t ms = *(int64_t *)arg;
    CV_WITHIN(cx, ms)
    {
        CV_TRY(cv_select_quick(cx, &rows, "SELECT pg_sleep(0.5)"));
        cv_rows_close(cx, rows);
    }
    return 0;
}

typedef struct behind {
    int count;
    int result;
} behind;

static int read_some(cv_ctx *cx, void *arg)
{
    behind *own = arg;
    for (int i = 0; i < own->count && own->result == 0; i++)
        own->result = read_note(cx, i % 1000 + 1);
    return own->result;
}

static void a_neighbour_that_gives_up_harms_nobody(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *sleepers[8], *readers[20];
    static int64_t patience_ms = 20;
    static behind own[20];
    share(cx, 2);
    for (int i = 0; i < 8; i++)
        assert_ok(cx, cv_spawn(cx, "sleeper", sleep_quickly, &patience_ms, &sleepers[i]));
    for (int i = 0; i < 20; i++) {
        own[i] = (behind){.count = 100};
        assert_ok(cx, cv_spawn(cx, "reader", read_some, &own[i], &readers[i]));
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(cv_join(cx, sleepers[i], NULL), CV_E_TIMEOUT);
        cv_error_clear(cx);
    }
    for (int i = 0; i < 20; i++)
        assert_ok(cx, cv_join(cx, readers[i], NULL));
    assert_int_equal(shared_now(), 2); /* nobody was cancelled, no connection was closed */
}

static void behind_a_slow_read_nobody_waits(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *sleepers[2];
    static int64_t patience_ms = 20000;
    static behind own = {.count = 50};
    share(cx, 2);
    for (int i = 0; i < 2; i++)
        assert_ok(cx, cv_spawn(cx, "sleeper", sleep_quickly, &patience_ms, &sleepers[i]));
    assert_ok(cx, cv_sleep_ms(cx, 50)); /* beyond the 5 ms after which nobody is placed behind them */
    uint64_t before = borrowed_so_far();
    own.result = 0;
    in_fiber(cx, read_some, &own);
    assert_in_range(borrowed_so_far() - before, 50, 52); /* the sleepers are asked again */
    for (int i = 0; i < 2; i++)
        assert_ok(cx, cv_join(cx, sleepers[i], NULL));
    in_fiber(cx, read_some, &own);
    assert_in_range(borrowed_so_far() - before, 50, 52); /* the sleepers are asked again */
}

static void a_cancelled_fiber_abandons_its_read(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *sleeper;
    static int64_t patience_ms = 20000;
    share(cx, 2);
    assert_ok(cx, cv_spawn(cx, "sleeper", sleep_quickly, &patience_ms, &sleeper));
    assert_ok(cx, cv_sleep_ms(cx, 10));
    cv_cancel(sleeper);
    assert_int_equal(cv_join(cx, sleeper, NULL), CV_E_CANCELLED);
    cv_error_clear(cx);
    assert_int_equal(shared_now(), 2);
}

/* --- lost and frozen --- */

static void reads_of_a_lost_connection_are_asked_again(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *readers[100];
    static behind own[100];
    share(cx, 2);
    for (int i = 0; i < 100; i++) {
        own[i] = (behind){.count = 50};
        assert_ok(cx, cv_spawn(cx, "reader", read_some, &own[i], &readers[i]));
    }
    for (int i = 0; i < 5; i++) {
        test_session_run(shared.watch, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE"
                                       " datname = current_database() AND query LIKE '%WHERE id = $1' AND pid <>"
                                       " pg_backend_pid()");
        assert_ok(cx, cv_sleep_ms(cx, 2));
    }
    int lost = 0;
    for (int i = 0; i < 100; i++) {
        int rc = cv_join(cx, readers[i], NULL);
        assert_true(rc == 0 || rc == CV_E_CONNECTION_LOST); /* its second connection was killed, too */
        lost += rc < 0;
        cv_error_clear(cx);
    }
    assert_true(lost < 100);
    static behind after = {.count = 10};
    in_fiber(cx, read_some, &after);
    share(cx, 2);
}

static int read_after_close(cv_ctx *cx, void *arg)
{
    int64_t patience_ms = 20000;
    *(int *)arg = sleep_quickly(cx, &patience_ms);
    return 0;
}

static void closing_the_database_ends_reads_under_way(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    int result = 0;
    cv_fiber *sleeper;
    share(cx, 2);
    assert_ok(cx, cv_spawn(cx, "sleeper", read_after_close, &result, &sleeper));
    assert_ok(cx, cv_sleep_ms(cx, 10));
    cv_db_close(cx, shared.db);
    shared.db = NULL;
    assert_ok(cx, cv_join(cx, sleeper, NULL));
    assert_int_equal(result, CV_E_CLOSED);
}

static int read_rows_of_a_closed_database(cv_ctx *cx, void *arg)
{
    (void)arg;
    cv_rows *one, *many;
    assert_ok(cx, cv_select_quick(cx, &one, "SELECT text FROM notes WHERE id = 7"));
    assert_ok(cx, cv_select_quick(cx, &many, "SELECT id FROM notes WHERE id <= 2 ORDER BY id"));
    cv_db_close(cx, shared.db);
    shared.db = NULL;
    assert_int_equal(cv_rows_next(cx, one), 1);
    assert_string_equal(cv_sprintf(cx, "%.*s", CV_STR_ARG(cv_rows_get(one, 0).as.text)), "note 7");
    cv_rows_close(cx, one);
    assert_int_equal(cv_rows_next(cx, many), 1);
    assert_int_equal(cv_rows_next(cx, many), 1);
    assert_int_equal(cv_rows_get(many, 0).as.i64, 2);
    assert_string_equal(cv_rows_name(many, 0), "id");
    cv_rows_close(cx, many);
    return 0;
}

static void rows_outlive_their_database(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    share(cx, 2);
    in_fiber(cx, read_rows_of_a_closed_database, NULL);
}

static int one_quick_read(cv_ctx *cx, void *arg)
{
    (void)arg;
    return read_note(cx, 1);
}

static void closing_while_a_shared_connection_is_made_frees_all(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    in_fiber(cx, one_quick_read, NULL);
    cv_db_close(cx, shared.db);
    shared.db = NULL;
}

static void options_say_how_many_are_shared(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    char url[TEST_URL_BYTES + 64];
    cv_db *db;
    assert_int_equal(cv_db_pool_stats(shared.db, 0).max, 8);
    snprintf(url, sizeof url, "%s?max_connections=6&shared_connections=3", shared.url);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db));
    assert_int_equal(cv_db_pool_stats(db, 0).max, 3);
    cv_db_close(cx, db);
    snprintf(url, sizeof url, "%s?shared_connections=0", shared.url);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db));
    assert_int_equal(cv_db_pool_stats(db, 0).max, 10);
    cv_use_db(cx, db);
    in_fiber(cx, one_quick_read, NULL);
    cv_db_close(cx, db);
    cv_use_db(cx, shared.db);
    snprintf(url, sizeof url, "%s?max_connections=2&shared_connections=2", shared.url);
    assert_fails(cx, cv_db_open(cx, url, NULL, &db), CV_E_CONFIG, "shared_connections");
    snprintf(url, sizeof url, "%s?shared_connections=9", shared.url);
    assert_fails(cx, cv_db_open(cx, url, NULL, &db), CV_E_CONFIG, "shared_connections");
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(a_thousand_fibers_get_their_own_answers_and_errors),
        case_of(a_transaction_reads_on_its_own_connection),
        case_of(nothing_is_written_on_a_shared_connection),
        case_of(rows_come_back_as_from_any_connection),
        case_of(a_single_row_may_have_any_size),
        case_of(a_changed_table_is_prepared_again),
        case_of(what_changes_the_session_gets_a_connection_of_its_own),
        case_of(large_values_go_elsewhere_and_large_results_cost_the_connection),
        case_of(a_neighbour_that_gives_up_harms_nobody),
        case_of(behind_a_slow_read_nobody_waits),
        case_of(a_cancelled_fiber_abandons_its_read),
        case_of(reads_of_a_lost_connection_are_asked_again),
        case_of(closing_the_database_ends_reads_under_way),
        case_of(rows_outlive_their_database),
        case_of(closing_while_a_shared_connection_is_made_frees_all),
        case_of(options_say_how_many_are_shared),
    };
    return cmocka_run_group_tests_name("postgres-shared", tests, set_up_group, tear_down_group);
}
