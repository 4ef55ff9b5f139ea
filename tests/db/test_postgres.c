/* The PostgreSQL driver on a healthy server: connecting, statements, errors, transactions, sessions. */
#include "postgres_test.h"

#include <covet/url.h>

static char database_url[TEST_URL_BYTES];

static int set_up_group(void **state)
{
    (void)state;
    test_database_create("postgres", database_url);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (database_url[0])
        test_database_drop(database_url);
    return 0;
}

static int set_up(void **state)
{
    static fixture f;
    f = (fixture){0};
    *state = &f;
    if (!database_url[0])
        return 0;
    snprintf(f.url, sizeof f.url, "%s", database_url);
    fixture_open(&f, NULL);
    test_session_run(f.watch, "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
                              "CREATE TABLE books (id bigint PRIMARY KEY, title text NOT NULL, isbn text UNIQUE,"
                              " price numeric(8,2) CONSTRAINT price_positive CHECK (price > 0))");
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    if (f->cx)
        fixture_close(f);
    return 0;
}

static fixture *fixture_of(void **state)
{
    fixture *f = *state;
    if (!f->cx)
        skip();
    return f;
}

/* --- options of the URL --- */

static void assert_open_fails(fixture *f, const char *options, int code, const char *part)
{
    char url[2 * TEST_URL_BYTES];
    cv_db *db;
    snprintf(url, sizeof url, "%s?%s", f->url, options);
    assert_fails(f->cx, cv_db_open(f->cx, url, NULL, &db), code, part);
}

static void unknown_options_are_refused_by_name(void **state)
{
    fixture *f = fixture_of(state);
    assert_open_fails(f, "sslmood=require", CV_E_CONFIG, "\"sslmood\"");
    assert_open_fails(f, "service=other", CV_E_CONFIG, "\"service\"");
    assert_open_fails(f, "client_encoding=LATIN1", CV_E_CONFIG, "\"client_encoding\"");
    assert_open_fails(f, "journal_mode=wal", CV_E_CONFIG, "\"journal_mode\"");
    assert_open_fails(f, "port=0", CV_E_CONFIG, "not between 1 and 65535");
}

static void bad_values_of_options_are_refused(void **state)
{
    fixture *f = fixture_of(state);
    assert_open_fails(f, "sslmode=perhaps", CV_E_CONFIG, "sslmode");
    assert_open_fails(f, "sslmode=require", CV_E_TLS, "SSL");
}

static void options_reach_the_session(void **state)
{
    fixture *f = fixture_of(state);
    cv_db *db;
    char url[2 * TEST_URL_BYTES];
    assert_texts_equal(scalar(f->cx, "SHOW application_name"), "covet");
    assert_texts_equal(scalar(f->cx, "SHOW TimeZone"), "UTC");
    assert_texts_equal(scalar(f->cx, "SHOW client_encoding"), "UTF8");
    snprintf(url, sizeof url, "%s?application_name=tests&options=-c%%20work_mem%%3D8MB", f->url);
    assert_ok(f->cx, cv_db_open(f->cx, url, &(cv_db_options){.read_only = 1}, &db));
    cv_use_db(f->cx, db);
    assert_texts_equal(scalar(f->cx, "SHOW application_name"), "tests");
    assert_texts_equal(scalar(f->cx, "SHOW work_mem"), "8MB");
    assert_texts_equal(scalar(f->cx, "SHOW TimeZone"), "UTC");
    assert_fails(f->cx, cv_exec(f->cx, NULL, "DELETE FROM books"), CV_E_READ_ONLY, "read-only");
    cv_use_db(f->cx, f->db);
    cv_db_close(f->cx, db);
}

static void a_socket_folder_serves_as_host(void **state)
{
    fixture *f = fixture_of(state);
    const char *folder = getenv("COVET_TEST_POSTGRES_SOCKET");
    if (!folder || !*folder)
        skip();
    cv_url url;
    cv_db *db;
    assert_ok(f->cx, cv_url_parse(f->cx, cv_str_of(f->url), &url));
    cv_buf text;
    cv_buf_init_arena(&text, cv_ctx_arena(f->cx), 0);
    cv_buf_printf(&text, "postgres://app@/%s?host=%s&port=%d", url.path + 1, folder, url.port);
    assert_ok(f->cx, cv_db_open(f->cx, text.data, NULL, &db));
    cv_db_close(f->cx, db);
    cv_buf_clear(&text);
    cv_buf_printf(&text, "postgres://app@/x?host=%s/missing", folder);
    assert_fails(f->cx, cv_db_open(f->cx, text.data, NULL, &db), CV_E_REFUSED, "missing/.s.PGSQL.5432");
}

static void a_host_name_is_resolved(void **state)
{
    fixture *f = fixture_of(state);
    cv_url url;
    cv_db *db;
    assert_ok(f->cx, cv_url_parse(f->cx, cv_str_of(f->url), &url));
    const char *named = cv_sprintf(f->cx, "postgresql://app@localhost:%d%s", url.port, url.path);
    assert_ok(f->cx, cv_db_open(f->cx, named, NULL, &db));
    cv_db_close(f->cx, db);
    assert_int_equal(cv_db_open(f->cx, "postgres://app@no-such-host.invalid/app", NULL, &db), CV_E_RESOLVE);
    cv_error_clear(f->cx);
}

static void an_unknown_database_is_not_found(void **state)
{
    fixture *f = fixture_of(state);
    cv_url url;
    cv_db *db;
    assert_ok(f->cx, cv_url_parse(f->cx, cv_str_of(f->url), &url));
    const char *other = cv_sprintf(f->cx, "postgres://app@127.0.0.1:%d/nowhere", url.port);
    assert_int_equal(cv_db_open(f->cx, other, NULL, &db), CV_E_NOT_FOUND);
    assert_non_null(strstr(cv_error_last(f->cx)->message, "\"nowhere\" does not exist"));
    assert_string_equal(cv_error_last(f->cx)->sqlstate, "3D000");
    cv_error_clear(f->cx);
}

/* --- statements --- */

static void a_changed_table_is_prepared_again(void **state)
{
    fixture *f = fixture_of(state);
    test_session_run(f->watch, "INSERT INTO books VALUES (1, 'a')");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(scalar(f->cx, "SELECT * FROM books").as.i64, 1);
        test_session_run(f->watch, i == 0 ? "ALTER TABLE books ALTER id TYPE integer" : "SELECT 1");
    }
    assert_int_equal(scalar(f->cx, "SELECT * FROM books").as.i64, 1);
}

/* The server had given the text the type that the column had then. */
static void a_column_of_another_type_takes_its_texts_anew(void **state)
{
    fixture *f = fixture_of(state);
    cv_db *one;
    cv_value found;
    assert_ok(f->cx, cv_db_open(f->cx, f->url, &(cv_db_options){.max_connections = 1}, &one));
    cv_use_db(f->cx, one);
    for (int i = 0; i < 2; i++) {
        assert_ok(f->cx,
                  cv_exec(f->cx, NULL, "INSERT INTO books (id, title, isbn) VALUES (?, 'a', ?)", i, i ? "9" : "8"));
        assert_ok(f->cx, cv_scalar(f->cx, &found, "SELECT id FROM books WHERE isbn = ?", i ? "9" : "8"));
        assert_int_equal(found.as.i64, i);
        test_session_run(f->watch, "ALTER TABLE books ALTER isbn TYPE integer USING CAST(isbn AS integer)");
    }
    cv_use_db(f->cx, f->db);
    cv_db_close(f->cx, one);
}

#define ADD_OTHER "INSERT INTO other_books (id) VALUES (?) ON CONFLICT (id) DO NOTHING"

/* The statement was planned with an index that went away before another took its place. */
static void an_index_of_a_conflict_may_be_replaced(void **state)
{
    fixture *f = fixture_of(state);
    cv_db *one;
    test_session_run(f->watch, "CREATE TABLE other_books (id bigint PRIMARY KEY, title text)");
    assert_ok(f->cx, cv_db_open(f->cx, f->url, &(cv_db_options){.max_connections = 1}, &one));
    cv_use_db(f->cx, one);
    assert_ok(f->cx, cv_exec(f->cx, NULL, ADD_OTHER, 1));
    test_session_run(f->watch, "ALTER TABLE other_books DROP CONSTRAINT other_books_pkey");
    assert_int_equal(cv_exec(f->cx, NULL, ADD_OTHER, 1), CV_E_SQL);
    assert_string_equal(cv_error_last(f->cx)->sqlstate, "42P10");
    cv_error_clear(f->cx);
    test_session_run(f->watch, "CREATE UNIQUE INDEX ON other_books (id)");
    assert_ok(f->cx, cv_exec(f->cx, NULL, ADD_OTHER, 1));
    cv_use_db(f->cx, f->db);
    cv_db_close(f->cx, one);
    test_session_run(f->watch, "DROP TABLE other_books");
}

static int read_books(cv_ctx *cx, void *runs)
{
    cv_rows *rows;
    (*(int *)runs)++;
    CV_TRY(cv_select(cx, &rows, "SELECT * FROM books"));
    cv_rows_close(cx, rows);
    return 0;
}

static void a_changed_table_inside_a_transaction_is_worth_a_retry(void **state)
{
    fixture *f = fixture_of(state);
    int runs = 0;
    test_session_run(f->watch, "INSERT INTO books VALUES (1, 'a')");
    cv_db *one;
    assert_ok(f->cx, cv_db_open(f->cx, f->url, &(cv_db_options){.max_connections = 1}, &one));
    cv_use_db(f->cx, one);
    (void)scalar(f->cx, "SELECT * FROM books");
    test_session_run(f->watch, "ALTER TABLE books ADD COLUMN pages integer");
    assert_ok(f->cx, cv_atomic_retry(f->cx, NULL, read_books, &runs));
    assert_int_equal(runs, 2);
    cv_use_db(f->cx, f->db);
    cv_db_close(f->cx, one);
}

static void deallocated_statements_are_prepared_again(void **state)
{
    fixture *f = fixture_of(state);
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
    assert_ok(f->cx, cv_exec(f->cx, NULL, "DEALLOCATE ALL"));
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
    assert_ok(f->cx, cv_exec(f->cx, NULL, "DO $$BEGIN EXECUTE 'DEALLOCATE ALL'; END$$"));
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static void statements_that_leave_the_cache_leave_the_server(void **state)
{
    fixture *f = fixture_of(state);
    cv_db *small;
    assert_ok(f->cx, cv_db_open(f->cx, f->url, &(cv_db_options){.max_connections = 1, .statement_cache = 4}, &small));
    cv_use_db(f->cx, small);
    for (int i = 0; i < 100; i++)
        assert_int_equal(scalar(f->cx, cv_sprintf(f->cx, "SELECT %d", i)).as.i64, i);
    int64_t left = scalar(f->cx, "SELECT count(*) FROM pg_prepared_statements").as.i64;
    assert_in_range(left, 1, 24);
    cv_use_db(f->cx, f->db);
    cv_db_close(f->cx, small);
}

static void copy_is_refused(void **state)
{
    fixture *f = fixture_of(state);
    assert_fails(f->cx, cv_exec(f->cx, NULL, "COPY books FROM STDIN"), CV_E_UNSUPPORTED, "COPY");
    assert_fails(f->cx, cv_exec(f->cx, NULL, "COPY books TO STDOUT"), CV_E_UNSUPPORTED, "COPY");
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static void too_many_parameters_are_refused(void **state)
{
    fixture *f = fixture_of(state);
    size_t count = 65536;
    cv_value *values = cv_zalloc(f->cx, count, sizeof *values);
    char *sql = cv_alloc(f->cx, 2 * count + 32);
    char *at = sql + sprintf(sql, "SELECT 1 WHERE 1 IN (");
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, i ? ",?" : "?");
    strcpy(at, ")");
    cv_rows *rows;
    assert_int_equal(cv_sql_run(f->cx, sql, values, count, NULL, &rows), CV_E_LIMIT);
    cv_error_clear(f->cx);
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

/* --- errors --- */

static void errors_carry_what_the_server_says(void **state)
{
    fixture *f = fixture_of(state);
    assert_ok(f->cx, cv_exec(f->cx, NULL, "INSERT INTO books VALUES (1, 'a', 'x')"));
    assert_int_equal(cv_exec(f->cx, NULL, "INSERT INTO books VALUES (2, 'b', 'x')"), CV_E_UNIQUE);
    const cv_error *error = cv_error_last(f->cx);
    assert_string_equal(error->sqlstate, "23505");
    assert_string_equal(error->table, "books");
    assert_string_equal(error->column, "isbn");
    assert_string_equal(error->constraint, "books_isbn_key");
    assert_non_null(strstr(error->detail, "Key (isbn)=(x) already exists"));
    cv_error_clear(f->cx);
    assert_int_equal(cv_exec(f->cx, NULL, "SELECT titel FROM books"), CV_E_SQL);
    error = cv_error_last(f->cx);
    assert_string_equal(error->detail, "at character 8 of the statement");
    assert_non_null(strstr(error->hint, "books.title"));
    cv_error_clear(f->cx);
}

static void states_of_the_server_have_codes(void **state)
{
    fixture *f = fixture_of(state);
    static const struct {
        const char *sqlstate;
        int code;
    } cases[] = {
        {"22001", CV_E_RANGE},       {"22003", CV_E_RANGE},
        {"22012", CV_E_INVALID},     {"23503", CV_E_FOREIGN_KEY},
        {"23P01", CV_E_UNIQUE},      {"23514", CV_E_CHECK},
        {"25006", CV_E_READ_ONLY},   {"28P01", CV_E_AUTH},
        {"3D000", CV_E_NOT_FOUND},   {"40001", CV_E_SERIALIZATION},
        {"40P01", CV_E_DEADLOCK},    {"42501", CV_E_PERMISSION},
        {"42601", CV_E_SQL},         {"53100", CV_E_DISK_FULL},
        {"53200", CV_E_NOMEM},       {"53300", CV_E_TOO_MANY_CONNECTIONS},
        {"54001", CV_E_LIMIT},       {"55P03", CV_E_LOCKED},
        {"57014", CV_E_TIMEOUT},     {"XX001", CV_E_CORRUPT},
        {"XX000", CV_E_DB},          {"P0001", CV_E_DB},
        {"0A000", CV_E_UNSUPPORTED}, {"58030", CV_E_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *sql =
            cv_sprintf(f->cx, "DO $$BEGIN RAISE EXCEPTION 'odd' USING ERRCODE = '%s'; END$$", cases[i].sqlstate);
        assert_fails(f->cx, cv_sql_run(f->cx, sql, NULL, 0, NULL, NULL), cases[i].code, "odd");
    }
}

static void a_deferred_constraint_fails_the_statement_that_commits(void **state)
{
    fixture *f = fixture_of(state);
    test_session_run(f->watch, "CREATE TABLE pages (id int PRIMARY KEY, book bigint REFERENCES books"
                               " DEFERRABLE INITIALLY DEFERRED)");
    cv_value id;
    assert_int_equal(cv_exec(f->cx, NULL, "INSERT INTO pages VALUES (1, 99)"), CV_E_FOREIGN_KEY);
    assert_string_equal(cv_error_last(f->cx)->constraint, "pages_book_fkey");
    cv_error_clear(f->cx);
    assert_int_equal(cv_scalar(f->cx, &id, "INSERT INTO pages VALUES (2, 99) RETURNING id"), CV_E_FOREIGN_KEY);
    cv_error_clear(f->cx);
    assert_string_equal(test_session_run(f->watch, "SELECT count(*) FROM pages"), "0");
}

/* --- transactions, as a second session sees them --- */

static int insert_and_look(fixture *f)
{
    CV_ATOMIC(f->cx)
    {
        CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO books VALUES (1, 'a')"));
        assert_string_equal(test_session_run(f->watch, "SELECT count(*) FROM books"), "0");
        assert_string_equal(test_session_run(f->watch, "SELECT count(*) FROM pg_stat_activity WHERE state ="
                                                       " 'idle in transaction' AND datname = current_database()"),
                            "1");
    }
    return 0;
}

static void a_commit_is_seen_by_others_and_not_before(void **state)
{
    fixture *f = fixture_of(state);
    assert_ok(f->cx, insert_and_look(f));
    assert_string_equal(test_session_run(f->watch, "SELECT count(*) FROM books"), "1");
}

static int nest(fixture *f)
{
    CV_ATOMIC(f->cx)
    {
        CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO books VALUES (1, 'kept')"));
        CV_ATOMIC(f->cx)
        {
            CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO books VALUES (2, 'undone')"));
            CV_TRY(cv_rollback(f->cx));
        }
        CV_ATOMIC(f->cx)
        {
            CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO books VALUES (3, 'kept')"));
        }
    }
    return 0;
}

static void savepoints_undo_their_part(void **state)
{
    fixture *f = fixture_of(state);
    assert_ok(f->cx, nest(f));
    assert_string_equal(test_session_run(f->watch, "SELECT string_agg(id::text, ',' ORDER BY id) FROM books"), "1,3");
}

static int swallow_an_error(fixture *f)
{
    CV_ATOMIC(f->cx)
    {
        CV_TRY(cv_exec(f->cx, NULL, "INSERT INTO books VALUES (1, 'a')"));
        assert_int_equal(cv_exec(f->cx, NULL, "INSERT INTO books VALUES (1, 'b')"), CV_E_UNIQUE);
        cv_error_clear(f->cx);
        assert_int_equal(cv_exec(f->cx, NULL, "INSERT INTO books VALUES (2, 'c')"), CV_E_TX_ABORTED);
        cv_error_clear(f->cx);
    }
    return 0;
}

static void a_commit_after_an_error_says_that_it_did_not(void **state)
{
    fixture *f = fixture_of(state);
    assert_fails(f->cx, swallow_an_error(f), CV_E_TX_ABORTED, "aborted");
    assert_string_equal(test_session_run(f->watch, "SELECT count(*) FROM books"), "0");
    assert_int_equal(scalar(f->cx, "SELECT 7").as.i64, 7);
}

static int begin_with(fixture *f, const cv_tx_options *options, const char *show, const char *expected)
{
    CV_ATOMIC_WITH(f->cx, options)
    {
        assert_texts_equal(scalar(f->cx, show), expected);
    }
    return 0;
}

static void options_of_transactions_reach_the_server(void **state)
{
    fixture *f = fixture_of(state);
    cv_tx_options options = {.isolation = CV_SERIALIZABLE, .read_only = true, .deferrable = true};
    assert_ok(f->cx, begin_with(f, NULL, "SHOW transaction_isolation", "read committed"));
    assert_ok(f->cx, begin_with(f, &options, "SHOW transaction_isolation", "serializable"));
    assert_ok(f->cx, begin_with(f, &options, "SHOW transaction_read_only", "on"));
    assert_ok(f->cx, begin_with(f, &options, "SHOW transaction_deferrable", "on"));
    options = (cv_tx_options){.isolation = CV_REPEATABLE_READ};
    assert_ok(f->cx, begin_with(f, &options, "SHOW transaction_isolation", "repeatable read"));
    options = (cv_tx_options){.isolation = CV_READ_COMMITTED};
    assert_ok(f->cx, begin_with(f, &options, "SHOW transaction_isolation", "read committed"));
}

static int write_read_only(fixture *f)
{
    CV_ATOMIC_WITH(f->cx, &(cv_tx_options){.read_only = true})
    {
        CV_TRY(cv_exec(f->cx, NULL, "DELETE FROM books"));
    }
    return 0;
}

static void a_read_only_transaction_refuses_writes(void **state)
{
    fixture *f = fixture_of(state);
    assert_fails(f->cx, write_read_only(f), CV_E_READ_ONLY, "read-only");
}

typedef struct bump {
    fixture *f;
    int runs;
} bump;

static int read_then_write(cv_ctx *cx, void *arg)
{
    bump *b = arg;
    cv_value value;
    CV_TRY(cv_scalar(cx, &value, "SELECT title FROM books WHERE id = 1"));
    if (b->runs++ == 0)
        test_session_run(b->f->watch, "UPDATE books SET title = title || 'w' WHERE id = 1");
    return cv_exec(cx, NULL, "UPDATE books SET title = title || 'm' WHERE id = 1");
}

static void a_serialization_failure_is_tried_again(void **state)
{
    fixture *f = fixture_of(state);
    test_session_run(f->watch, "INSERT INTO books VALUES (1, '')");
    bump b = {.f = f};
    assert_ok(f->cx, cv_atomic_retry(f->cx, &(cv_tx_options){.isolation = CV_REPEATABLE_READ}, read_then_write, &b));
    assert_int_equal(b.runs, 2);
    assert_string_equal(test_session_run(f->watch, "SELECT title FROM books"), "wm");
}

typedef struct locker {
    int first, second, runs;
    cv_wait_group *both_hold;
} locker;

static int lock_both(cv_ctx *cx, void *arg)
{
    locker *l = arg;
    CV_TRY(cv_exec(cx, NULL, "UPDATE books SET title = title || '.' WHERE id = ?", l->first));
    if (l->runs++ == 0) {
        cv_wait_group_finish(l->both_hold);
        CV_TRY(cv_wait_group_wait(cx, l->both_hold));
    }
    return cv_exec(cx, NULL, "UPDATE books SET title = title || '.' WHERE id = ?", l->second);
}

static int lock_both_with_retry(cv_ctx *cx, void *arg)
{
    return cv_atomic_retry(cx, NULL, lock_both, arg);
}

static void a_deadlock_is_detected_and_tried_again(void **state)
{
    fixture *f = fixture_of(state);
    test_session_run(f->watch, "INSERT INTO books VALUES (1, ''), (2, '')");
    cv_wait_group both_hold;
    cv_wait_group_init(&both_hold);
    cv_wait_group_add(&both_hold, 2);
    locker a = {1, 2, 0, &both_hold}, b = {2, 1, 0, &both_hold};
    cv_fiber *fa, *fb;
    assert_ok(f->cx, cv_spawn(f->cx, "a", lock_both_with_retry, &a, &fa));
    assert_ok(f->cx, cv_spawn(f->cx, "b", lock_both_with_retry, &b, &fb));
    assert_ok(f->cx, cv_join(f->cx, fa, NULL));
    assert_ok(f->cx, cv_join(f->cx, fb, NULL));
    assert_true(a.runs + b.runs >= 3); /* who comes back fast may collide again */
    assert_string_equal(test_session_run(f->watch, "SELECT string_agg(title, ',') FROM books"), "..,..");
    cv_wait_group_done(&both_hold);
}

/* --- sessions --- */

static void the_next_borrower_finds_the_session_as_it_was(void **state)
{
    fixture *f = fixture_of(state);
    cv_db *one;
    assert_ok(f->cx, cv_db_open(f->cx, f->url, &(cv_db_options){.max_connections = 1}, &one));
    cv_use_db(f->cx, one);
    int64_t pid = scalar(f->cx, "SELECT pg_backend_pid()").as.i64;
    assert_ok(f->cx, cv_exec(f->cx, NULL, "SET TimeZone = 'Asia/Tokyo'"));
    assert_texts_equal(scalar(f->cx, "SHOW TimeZone"), "UTC");
    (void)scalar(f->cx, "SELECT set_config('work_mem', '9MB', false)");
    assert_texts_equal(scalar(f->cx, "SHOW work_mem"), "4MB");
    assert_ok(f->cx, cv_exec(f->cx, NULL, "CREATE TEMPORARY TABLE scratch (id int)"));
    assert_int_equal(scalar(f->cx, "SELECT count(*) FROM pg_class WHERE relname = 'scratch'").as.i64, 0);
    (void)scalar(f->cx, "SELECT pg_advisory_lock(5)");
    assert_string_equal(test_session_run(f->watch, "SELECT pg_try_advisory_lock(5)"), "t");
    assert_texts_equal(scalar(f->cx, "SHOW client_connection_check_interval"), "1s");
    assert_int_equal(scalar(f->cx, "SELECT pg_backend_pid()").as.i64, pid);
    cv_use_db(f->cx, f->db);
    cv_db_close(f->cx, one);
}

static void a_connection_that_carried_a_huge_row_is_not_kept(void **state)
{
    fixture *f = fixture_of(state);
    assert_int_equal(scalar(f->cx, "SELECT octet_length(repeat('x', 6000000))").as.i64, 6000000);
    uint64_t closed = cv_db_pool_stats(f->db, 0).closed_total;
    assert_int_equal(scalar(f->cx, "SELECT repeat('x', 6000000)").as.text.len, 6000000);
    assert_int_equal(cv_db_pool_stats(f->db, 0).closed_total, closed + 1);
}

static int count_a_little(cv_ctx *cx, void *arg)
{
    int *sum = arg;
    for (int i = 0; i < 5; i++) {
        cv_value value;
        CV_TRY(cv_scalar(cx, &value, "SELECT CAST(? AS bigint) + 1", i));
        *sum += (int)value.as.i64;
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO books VALUES (nextval('numbers'), 'x')"));
    }
    return 0;
}

static void two_hundred_fibers_share_a_few_connections(void **state)
{
    fixture *f = fixture_of(state);
    test_session_run(f->watch, "CREATE SEQUENCE numbers");
    cv_fiber *fibers[200];
    int sum = 0;
    for (int i = 0; i < 200; i++)
        assert_ok(f->cx, cv_spawn(f->cx, "counter", count_a_little, &sum, &fibers[i]));
    for (int i = 0; i < 200; i++)
        assert_ok(f->cx, cv_join(f->cx, fibers[i], NULL));
    assert_int_equal(sum, 200 * 15);
    assert_string_equal(test_session_run(f->watch, "SELECT count(*) FROM books"), "1000");
    cv_pool_stats stats = cv_db_pool_stats(f->db, 0);
    assert_int_equal(stats.max, 8); /* and 2 for quick reads */
    assert_in_range(stats.open, 1, 8);
    assert_int_equal(stats.borrowed, 0);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(unknown_options_are_refused_by_name),
        case_of(bad_values_of_options_are_refused),
        case_of(options_reach_the_session),
        case_of(a_socket_folder_serves_as_host),
        case_of(a_host_name_is_resolved),
        case_of(an_unknown_database_is_not_found),
        case_of(a_changed_table_is_prepared_again),
        case_of(a_column_of_another_type_takes_its_texts_anew),
        case_of(an_index_of_a_conflict_may_be_replaced),
        case_of(a_changed_table_inside_a_transaction_is_worth_a_retry),
        case_of(deallocated_statements_are_prepared_again),
        case_of(statements_that_leave_the_cache_leave_the_server),
        case_of(copy_is_refused),
        case_of(too_many_parameters_are_refused),
        case_of(errors_carry_what_the_server_says),
        case_of(states_of_the_server_have_codes),
        case_of(a_deferred_constraint_fails_the_statement_that_commits),
        case_of(a_commit_is_seen_by_others_and_not_before),
        case_of(savepoints_undo_their_part),
        case_of(a_commit_after_an_error_says_that_it_did_not),
        case_of(options_of_transactions_reach_the_server),
        case_of(a_read_only_transaction_refuses_writes),
        case_of(a_serialization_failure_is_tried_again),
        case_of(a_deadlock_is_detected_and_tried_again),
        case_of(the_next_borrower_finds_the_session_as_it_was),
        case_of(a_connection_that_carried_a_huge_row_is_not_kept),
        case_of(two_hundred_fibers_share_a_few_connections),
    };
    return cmocka_run_group_tests_name("postgres", tests, set_up_group, tear_down_group);
}
