/* What a database tells of itself: on a SQLite file always, on PostgreSQL where the tests have one. */
#include "await.h"
#include "db_test.h"

#include <covet/db_stats.h>
#include <covet/metric.h>

static cv_ctx *cx;
static cv_db *db;
static char file[64];
static bool on_postgres;

static void open_at(const char *url, const char *options)
{
    char text[512];
    snprintf(text, sizeof text, "%s?%s", url, options);
    assert_ok(cx, cv_db_open(cx, text, NULL, &db));
    cv_use_db(cx, db);
}

/* The database of the case, with some options. */
static void open_with(const char *options)
{
    char url[128];
    const char *server = getenv("COVET_TEST_POSTGRES");
    if (on_postgres && !server)
        skip();
    snprintf(url, sizeof url, "sqlite:///%s", file);
    open_at(on_postgres ? server : url, options);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "/tmp/covet-stats-%d.db", (int)getpid());
    return cv_runtime_new(NULL, &cx);
}

static int set_up_postgres(void **state)
{
    on_postgres = true;
    return set_up(state);
}

static int tear_down(void **state)
{
    (void)state;
    char path[96];
    cv_db_close(cx, db);
    cv_runtime_free(cx);
    db = NULL;
    on_postgres = false;
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", file, (const char *const[]){"", "-wal", "-shm"}[i]);
        unlink(path);
    }
    return 0;
}

static int64_t read_all(const char *sql)
{
    cv_rows *rows;
    int64_t count = 0;
    assert_ok(cx, cv_sql_run(cx, sql, NULL, 0, NULL, &rows));
    while (cv_rows_next(cx, rows) > 0)
        count++;
    cv_rows_close(cx, rows);
    return count;
}

static const char three[] = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3";

/* --- both engines --- */

static void health_tells_where_the_answer_comes_from(void **state)
{
    (void)state;
    cv_db_report report;
    open_with("");
    assert_ok(cx, cv_db_health(cx, db, &report));
    assert_string_equal(report.engine, cv_db_engine(db));
    assert_true(report.version && report.version[0] >= '1');
    assert_non_null(report.place);
    assert_true(report.latency_ns > 0);
    assert_false(report.replica || report.read_only || report.pooled);
    assert_null(report.tls_version);
    assert_true(on_postgres ? report.pid > 1 : report.pid == 0);
    assert_int_equal(cv_db_pool_stats(db, 0).borrowed, 0);
}

static int ask_inside(cv_ctx *ctx, cv_db_report *ret_report)
{
    CV_ATOMIC_WITH(ctx, (&(cv_tx_options){.read_only = true}))
    {
        CV_TRY(cv_exec(ctx, NULL, "SELECT 1"));
        CV_TRY(cv_db_health(ctx, db, ret_report));
    }
    return 0;
}

static void health_is_asked_inside_a_transaction_too(void **state)
{
    (void)state;
    cv_db_report report;
    open_with("max_connections=1");
    assert_ok(cx, ask_inside(cx, &report));
    assert_true(report.latency_ns > 0);
}

static void a_database_for_reading_says_so(void **state)
{
    (void)state;
    cv_db_report report;
    open_with("");
    cv_db_close(cx, db);
    db = NULL;
    open_with("read_only=true");
    assert_ok(cx, cv_db_health(cx, db, &report));
    assert_true(report.read_only);
}

static void prepared_statements_are_counted(void **state)
{
    (void)state;
    open_with("max_connections=1&statement_cache=2");
    cv_statement_cache_stats before = cv_db_statement_cache(db);
    for (int i = 0; i < 3; i++)
        assert_int_equal(read_all(three), 3);
    (void)read_all("SELECT 4");
    (void)read_all("SELECT 5");
    cv_statement_cache_stats after = cv_db_statement_cache(db);
    assert_true(after.hits - before.hits >= 2);
    assert_true(after.misses - before.misses >= 3);
    assert_true(after.evictions > before.evictions);
    assert_int_equal(after.expirations, 0);
    assert_in_range(after.prepared, 1, 4);
}

static void statements_are_measured_when_wanted(void **state)
{
    (void)state;
    cv_statement_stats *list;
    size_t count;
    open_with("statement_statistics=true");
    for (int i = 0; i < 4; i++)
        assert_int_equal(read_all(three), 3);
    assert_int_not_equal(cv_exec(cx, NULL, "INSERT INTO nowhere VALUES (1)"), 0);
    cv_error_clear(cx);
    assert_ok(cx, cv_db_statements(cx, db, 10, &list, &count));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        bool is_three = strcmp(list[i].sql, three) == 0;
        assert_int_equal(list[i].calls, is_three ? 4 : 1);
        assert_int_equal(list[i].errors, is_three ? 0 : 1);
        assert_int_equal(list[i].rows, is_three ? 12 : 0);
        assert_true(list[i].total_ns >= list[i].max_ns && list[i].max_ns >= list[i].mean_ns && list[i].mean_ns > 0);
    }
    assert_true(list[0].total_ns >= list[1].total_ns);
    assert_ok(cx, cv_db_statements(cx, db, 1, &list, &count));
    assert_int_equal(count, 1);
    cv_db_statements_reset(db);
    assert_ok(cx, cv_db_statements(cx, db, 10, &list, &count));
    assert_int_equal(count, 0);
}

static void rows_that_are_closed_early_are_counted_as_read(void **state)
{
    (void)state;
    cv_rows *rows;
    cv_statement_stats *list;
    size_t count;
    open_with("statement_statistics=true");
    assert_ok(cx, cv_sql_run(cx, three, NULL, 0, NULL, &rows));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    assert_ok(cx, cv_db_statements(cx, db, 10, &list, &count));
    assert_int_equal(count, 0); /* under way */
    cv_db_statements_reset(db);
    cv_rows_close(cx, rows);
    assert_ok(cx, cv_db_statements(cx, db, 10, &list, &count));
    assert_int_equal(count, 1);
    assert_int_equal(list[0].rows, 1);
}

static void long_texts_are_cut_and_told_apart(void **state)
{
    (void)state;
    char sql[2048];
    cv_statement_stats *list;
    size_t count;
    open_with("statement_statistics=true");
    for (int i = 0; i < 2; i++) {
        snprintf(sql, sizeof sql, "SELECT '%0999dü', %d", 0, i);
        (void)read_all(sql);
    }
    assert_ok(cx, cv_db_statements(cx, db, 10, &list, &count));
    assert_int_equal(count, 2);
    assert_int_equal(strlen(list[0].sql), 1000);
    assert_string_equal(list[0].sql, list[1].sql);
}

static void no_more_than_a_thousand_statements_are_remembered(void **state)
{
    (void)state;
    char sql[64];
    cv_statement_stats *list;
    size_t count;
    open_with("statement_statistics=true");
    for (int i = 0; i < 1010; i++) {
        snprintf(sql, sizeof sql, "SELECT %d", i);
        (void)read_all(sql);
    }
    assert_ok(cx, cv_db_statements(cx, db, SIZE_MAX, &list, &count));
    assert_int_equal(count, 1000);
    for (size_t i = 0; i < count; i++)
        assert_string_not_equal(list[i].sql, "SELECT 3");
}

static void statements_are_not_measured_unasked(void **state)
{
    (void)state;
    cv_statement_stats *list;
    size_t count;
    open_with("");
    assert_fails(cx, cv_db_statements(cx, db, 10, &list, &count), CV_E_STATE, "not measured");
    cv_db_statements_reset(db);
}

static void counters_of_prepared_statements_are_metrics(void **state)
{
    (void)state;
    cv_buf text;
    cv_metrics *metrics = cv_metrics_new();
    assert_non_null(metrics);
    cv_runtime_free(cx);
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.metrics = metrics}, &cx), 0);
    open_with("max_connections=1&pool_name=counted");
    for (int i = 0; i < 3; i++)
        (void)read_all(three);
    cv_db_close(cx, db); /* shows the last of it */
    db = NULL;
    cv_runtime_free(cx);
    cv_buf_init(&text, 0);
    cv_metrics_expose(metrics, &text);
    const char *line = strstr(text.data, "covet_db_statement_cache_hits_total{");
    assert_non_null(line);
    assert_non_null(strstr(line, "counted"));
    assert_true(atoi(strstr(line, "} ") + 2) >= 2);
    assert_non_null(strstr(text.data, "covet_db_statements_prepared{"));
    cv_buf_done(&text);
    cv_metrics_free(metrics);
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
}

static void options_that_cannot_be_are_refused(void **state)
{
    (void)state;
    cv_db *none;
    assert_fails(cx, cv_db_open(cx, "sqlite::memory:?statement_statistics=maybe", NULL, &none), CV_E_CONFIG, "maybe");
    assert_fails(cx, cv_db_open(cx, "sqlite::memory:?read_only=1", NULL, &none), CV_E_CONFIG, "read_only");
    assert_fails(cx, cv_db_open(cx, "sqlite::memory:?statement_lifetime=long", NULL, &none), CV_E_CONFIG, "long");
}

/* --- one engine --- */

static void sqlite_keeps_no_list_of_plans(void **state)
{
    (void)state;
    cv_statement_plan *list;
    size_t count;
    open_with("");
    assert_fails(cx, cv_db_plans(cx, db, &list, &count), CV_E_UNSUPPORTED, "no list");
}

static void postgres_lists_what_it_has_prepared(void **state)
{
    (void)state;
    cv_statement_plan *list;
    size_t count, found = 0;
    open_with("max_connections=1");
    for (int64_t i = 0; i < 8; i++) {
        cv_value value;
        assert_ok(cx, cv_scalar(cx, &value, "SELECT count(*) FROM pg_class WHERE relname > ?", "pg"));
    }
    assert_ok(cx, cv_db_plans(cx, db, &list, &count));
    for (size_t i = 0; i < count; i++)
        if (strstr(list[i].sql, "relname >")) {
            assert_true(list[i].name[0]);
            assert_int_equal(list[i].generic_plans + list[i].custom_plans, 8);
            found++;
        }
    assert_int_equal(found, 1);
}

static void a_statement_that_is_old_is_prepared_anew(void **state)
{
    (void)state;
    open_with("max_connections=1&statement_lifetime=100ms");
    assert_int_equal(read_all(three), 3);
    int64_t start_ns = cv_now_ns(cx);
    await_that(cx, read_all(three) != 3 || cv_db_statement_cache(db).expirations > 0);
    assert_int_equal(cv_db_statement_cache(db).expirations, 1);
    assert_true(cv_now_ns(cx) - start_ns >= 80000000);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define on_both(name)                                                                                                  \
    case_of(name),                                                                                                     \
    {                                                                                                                  \
#name " (postgres)", name, set_up_postgres, tear_down, NULL                                                    \
    }
#define on_server(name) cmocka_unit_test_setup_teardown(name, set_up_postgres, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_both(health_tells_where_the_answer_comes_from), on_both(health_is_asked_inside_a_transaction_too),
        on_both(a_database_for_reading_says_so),           on_both(prepared_statements_are_counted),
        on_both(statements_are_measured_when_wanted),      on_both(rows_that_are_closed_early_are_counted_as_read),
        on_both(long_texts_are_cut_and_told_apart),        on_both(no_more_than_a_thousand_statements_are_remembered),
        on_both(statements_are_not_measured_unasked),      case_of(counters_of_prepared_statements_are_metrics),
        case_of(options_that_cannot_be_are_refused),       case_of(sqlite_keeps_no_list_of_plans),
        on_server(postgres_lists_what_it_has_prepared),    on_server(a_statement_that_is_old_is_prepared_anew),
    };
    return cmocka_run_group_tests_name("db stats", tests, NULL, NULL);
}
