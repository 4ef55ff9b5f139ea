/* PgBouncer in transaction mode between the driver and the server: found out by itself, and used without a session. */
#include "postgres_test.h"

static cv_ctx *cx;
static cv_db *db;
static PGconn *watch;

static int set_up(void **state)
{
    (void)state;
    const char *pooler = getenv("COVET_TEST_PGBOUNCER"), *server = getenv("COVET_TEST_POSTGRES");
    if (!pooler || !server)
        return 0;
    watch = test_session_open(server);
    test_session_run(watch,
                     "DROP TABLE IF EXISTS pooled_notes; CREATE TABLE pooled_notes (id int PRIMARY KEY, text text)");
    int rc = cv_runtime_new(NULL, &cx);
    if (rc == 0)
        rc = cv_db_open(cx, pooler, &(cv_db_options){.max_connections = 20}, &db);
    if (rc == 0)
        cv_use_db(cx, db);
    return rc;
}

static int tear_down(void **state)
{
    (void)state;
    if (!cx)
        return 0;
    cv_db_close(cx, db);
    cv_runtime_free(cx);
    test_session_run(watch, "DROP TABLE pooled_notes");
    PQfinish(watch);
    cx = NULL;
    return 0;
}

static void needs_pooler(void)
{
    if (cx)
        return;
    print_message("# skipped: COVET_TEST_PGBOUNCER is not set; run the tests with tools/servers run\n");
    skip();
}

/* A number that says which of the server's sessions served. */
static int64_t session(void)
{
    return scalar(cx, "SELECT pg_backend_pid()").as.i64;
}

static void statements_run_without_names(void **state)
{
    (void)state;
    needs_pooler();
    cv_value text;
    for (int64_t i = 0; i < 3; i++) {
        assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO pooled_notes VALUES (?, ?)", i, "a note"));
        assert_ok(cx, cv_scalar(cx, &text, "SELECT text FROM pooled_notes WHERE id = ?", i));
        assert_texts_equal(text, "a note");
    }
    /* in the session that the pooler uses now, whichever it is */
    assert_int_equal(scalar(cx, "SELECT count(*) FROM pg_prepared_statements").as.i64, 0);
}

static void times_are_utc(void **state)
{
    (void)state;
    needs_pooler();
    assert_texts_equal(scalar(cx, "SELECT CAST(timestamptz '2026-01-02 03:04:05+00' AS text)"),
                       "2026-01-02 03:04:05+00");
}

static int insert_two(cv_ctx *ctx)
{
    CV_ATOMIC(ctx)
    {
        CV_TRY(cv_exec(ctx, NULL, "INSERT INTO pooled_notes VALUES (1, 'a')"));
        int64_t first = session();
        CV_ATOMIC(ctx)
        {
            CV_TRY(cv_exec(ctx, NULL, "SET LOCAL lock_timeout = '1s'"));
            CV_TRY(cv_exec(ctx, NULL, "INSERT INTO pooled_notes VALUES (2, 'b')"));
        }
        assert_int_equal(session(), first);
        assert_string_equal(test_session_run(watch, "SELECT count(*) FROM pooled_notes"), "0");
    }
    return 0;
}

static int fail_midway(cv_ctx *ctx)
{
    CV_ATOMIC(ctx)
    {
        CV_TRY(cv_exec(ctx, NULL, "INSERT INTO pooled_notes VALUES (3, 'c')"));
        CV_TRY(cv_exec(ctx, NULL, "INSERT INTO pooled_notes VALUES (1, 'again')"));
    }
    return 0;
}

static void a_transaction_keeps_its_session(void **state)
{
    (void)state;
    needs_pooler();
    assert_ok(cx, insert_two(cx));
    assert_string_equal(test_session_run(watch, "SELECT count(*) FROM pooled_notes"), "2");
    assert_fails(cx, fail_midway(cx), CV_E_UNIQUE, "pooled_notes_pkey");
    assert_string_equal(test_session_run(watch, "SELECT count(*) FROM pooled_notes"), "2");
}

static void rows_stream_through_it(void **state)
{
    (void)state;
    needs_pooler();
    cv_rows *rows;
    int64_t sum = 0;
    int rc;
    assert_ok(cx, cv_select(cx, &rows, "SELECT i FROM generate_series(1, 10000) i"));
    while ((rc = cv_rows_next(cx, rows)) > 0)
        sum += cv_rows_get(rows, 0).as.i64;
    assert_int_equal(rc, 0);
    assert_int_equal(sum, 50005000);
    assert_ok(cx, cv_select(cx, &rows, "SELECT i FROM generate_series(1, 10000) i"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    cv_rows_close(cx, rows); /* early */
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
}

static int insert_and_read(cv_ctx *ctx, void *arg)
{
    int64_t id = (intptr_t)arg;
    cv_value text;
    for (int64_t i = 0; i < 10; i++) {
        CV_TRY(cv_exec(ctx, NULL, "INSERT INTO pooled_notes VALUES (?, 'x')", id * 10 + i));
        CV_ATOMIC(ctx)
        {
            CV_TRY(cv_exec(ctx, NULL, "UPDATE pooled_notes SET text = text || 'y' WHERE id = ?", id * 10 + i));
        }
        CV_TRY(cv_scalar(ctx, &text, "SELECT text FROM pooled_notes WHERE id = ?", id * 10 + i));
    }
    return 0;
}

static void fifty_fibers_share_its_sessions(void **state)
{
    (void)state;
    needs_pooler();
    cv_fiber *fibers[50];
    for (intptr_t i = 0; i < 50; i++)
        assert_ok(cx, cv_spawn(cx, "writer", insert_and_read, (void *)i, &fibers[i]));
    for (int i = 0; i < 50; i++)
        assert_ok(cx, cv_join(cx, fibers[i], NULL));
    assert_string_equal(test_session_run(watch, "SELECT count(*) FROM pooled_notes WHERE text = 'xy'"), "500");
}

static int run_allowed(cv_ctx *ctx)
{
    static const char *const allowed[] = {
        "SET LOCAL lock_timeout = '1s'",
        "SELECT set_config('lock_timeout', '1s', true)",
        "SELECT pg_advisory_xact_lock(1)",
        "CREATE TEMP TABLE t (id int) ON COMMIT DROP",
    };
    CV_ATOMIC(ctx)
    {
        for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
            CV_TRY(cv_sql_run(ctx, allowed[i], NULL, 0, NULL, NULL));
    }
    return 0;
}

static void what_needs_a_session_is_refused(void **state)
{
    (void)state;
    needs_pooler();
    static const char *const refused[] = {
        "SET lock_timeout = '1s'",
        " /* here */ -- and here\n set SESSION lock_timeout = '1s'",
        "RESET ALL",
        "LISTEN news",
        "DISCARD ALL",
        "CREATE TEMP TABLE t (id int)",
        "CREATE LOCAL TEMPORARY TABLE t (id int)",
        "SELECT pg_advisory_lock(1)",
        "SELECT set_config('lock_timeout', '1s', false)",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_fails(cx, cv_sql_run(cx, refused[i], NULL, 0, NULL, NULL), CV_E_UNSUPPORTED, "session of its own");
    assert_ok(cx, run_allowed(cx));
}

static void settings_of_a_session_are_refused_at_the_start(void **state)
{
    (void)state;
    needs_pooler();
    char url[TEST_URL_BYTES];
    cv_db *other;
    snprintf(url, sizeof url, "%s?read_only=true", getenv("COVET_TEST_PGBOUNCER"));
    assert_fails(cx, cv_db_open(cx, url, NULL, &other), CV_E_CONFIG, "shares sessions");
    snprintf(url, sizeof url, "%s?pooler=no", getenv("COVET_TEST_PGBOUNCER"));
    assert_int_equal(cv_db_open(cx, url, NULL, &other), CV_E_SQL);
    const cv_error *error = cv_error_last(cx);
    assert_non_null(strstr(error->message, "unsupported startup parameter"));
    assert_non_null(strstr(error->hint, "pooler=auto"));
    cv_error_clear(cx);
}

static void whoever_says_so_need_not_be_asked(void **state)
{
    (void)state;
    needs_pooler();
    char url[TEST_URL_BYTES];
    cv_db *other;
    snprintf(url, sizeof url, "%s?pooler=yes", getenv("COVET_TEST_POSTGRES"));
    assert_ok(cx, cv_db_open(cx, url, NULL, &other));
    cv_use_db(cx, other);
    assert_fails(cx, cv_exec(cx, NULL, "LISTEN news"), CV_E_UNSUPPORTED, "shares");
    cv_use_db(cx, db);
    cv_db_close(cx, other);
}

static void the_server_itself_is_no_pooler(void **state)
{
    (void)state;
    needs_pooler();
    cv_db *direct;
    assert_ok(cx, cv_db_open(cx, getenv("COVET_TEST_POSTGRES"), NULL, &direct));
    cv_use_db(cx, direct);
    assert_ok(cx, cv_exec(cx, NULL, "SET lock_timeout = '1s'"));
    assert_texts_equal(scalar(cx, "SHOW client_connection_check_interval"), "1s");
    cv_use_db(cx, db);
    cv_db_close(cx, direct);
}

static void a_target_is_asked_for_through_it(void **state)
{
    (void)state;
    needs_pooler();
    char url[TEST_URL_BYTES];
    cv_db *other;
    snprintf(url, sizeof url, "%s?target_session_attrs=primary", getenv("COVET_TEST_PGBOUNCER"));
    assert_ok(cx, cv_db_open(cx, url, NULL, &other));
    cv_db_close(cx, other);
    snprintf(url, sizeof url, "%s?target_session_attrs=standby", getenv("COVET_TEST_PGBOUNCER"));
    assert_fails(cx, cv_db_open(cx, url, NULL, &other), CV_E_NO_SERVER, "standby");
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(statements_run_without_names),
        case_of(times_are_utc),
        case_of(a_transaction_keeps_its_session),
        case_of(rows_stream_through_it),
        case_of(fifty_fibers_share_its_sessions),
        case_of(what_needs_a_session_is_refused),
        case_of(settings_of_a_session_are_refused_at_the_start),
        case_of(whoever_says_so_need_not_be_asked),
        case_of(the_server_itself_is_no_pooler),
        case_of(a_target_is_asked_for_through_it),
    };
    return cmocka_run_group_tests_name("postgres-pooler", tests, NULL, NULL);
}
