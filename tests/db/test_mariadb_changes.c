/* Change streams of MariaDB: rows out of the binary log. */
#include "changes_load.h"
#include "changes_test.h"
#include "mariadb_test.h"

static fixture shared;
static cv_changes *changes;
static char database[64];

static int set_up_group(void **state)
{
    (void)state;
    if (test_mariadb_create("changes", shared.url))
        snprintf(database, sizeof database, "%s", strrchr(shared.url, '/') + 1);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (shared.url[0])
        test_mariadb_drop(shared.url);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    if (!shared.url[0])
        return 0;
    fixture_open(&shared, &(cv_db_options){.max_connections = 4});
    run(shared.cx, "DROP TABLE IF EXISTS n");
    run(shared.cx, "CREATE TABLE n (id BIGINT AUTO_INCREMENT PRIMARY KEY, x INT, t VARCHAR(20))");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (!shared.cx)
        return 0;
    cv_changes_close(shared.cx, changes);
    changes = NULL;
    fixture_close(&shared);
    return 0;
}

static cv_ctx *context(void)
{
    if (!shared.cx)
        skip();
    return shared.cx;
}

/* Of the table, from now. */
static void open_stream(const cv_changes_options *options)
{
    char name[96];
    const char *table = name;
    snprintf(name, sizeof name, "%s.n", database);
    cv_changes_options complete = options ? *options : (cv_changes_options){0};
    if (!complete.tables) {
        complete.tables = &table;
        complete.table_count = 1;
    }
    cv_changes_close(shared.cx, changes);
    changes = NULL;
    assert_ok(shared.cx, cv_changes_open(shared.cx, NULL, &complete, &changes));
}

static void rows_are_told_with_their_values_before_and_after(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    open_stream(NULL);
    run(cx, "INSERT INTO n (x, t) VALUES (10, 'a'), (20, NULL)");
    run(cx, "UPDATE n SET t = 'b' WHERE id = 1");
    run(cx, "DELETE FROM n WHERE id = 2");
    assert_string_equal(changes_until(cx, changes, 3),
                        "+n(id=1 x=10 t=a)+n(id=2 x=20 t=NULL)|~n(id=1 t=a>b)|-n(id=2 x=20 t=NULL)|");
    changes_are_over(cx, changes, 20);
}

static void an_event_says_where_when_and_what(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_change change;
    cv_time before = cv_time_now();
    open_stream(NULL);
    const char *start = cv_strdup(cx, cv_changes_position(changes));
    run(cx, "INSERT INTO n (x, t) VALUES (10, 'a')");
    assert_ok(cx, cv_changes_next(cx, changes, &change));
    assert_string_equal(change.schema, database);
    assert_string_equal(change.table, "n");
    assert_string_equal(change.columns[0].sql_type, "bigint(20)");
    assert_true(change.columns[0].key && !change.columns[1].key);
    assert_int_equal(change.columns[2].type, CV_TYPE_TEXT);
    assert_true(change.complete && !change.old_values && !change.new_given);
    assert_true(change.committed_at.us > before.us - 2000000 && change.committed_at.us < before.us + 20000000);
    const char *reached = cv_strdup(cx, change.position); /* further than the start when others write, too */
    const char *transaction = cv_strdup(cx, change.transaction_id);
    assert_ok(cx, cv_changes_next(cx, changes, &change));
    assert_int_equal(change.kind, CV_CHANGE_COMMIT);
    assert_string_equal(change.transaction_id, transaction);
    assert_non_null(strstr(change.position, transaction));
    int order;
    assert_ok(cx, cv_changes_compare(cx, NULL, reached, start, &order));
    assert_true(order >= 0);
    assert_ok(cx, cv_changes_compare(cx, NULL, change.position, reached, &order));
    assert_true(order > 0);
}

/* Whatever the driver reads in a row is what the log says of it. */
static void compare_with_rows(cv_ctx *cx, const char *columns)
{
    cv_change change;
    cv_rows *rows;
    char sql[2048];
    snprintf(sql, sizeof sql, "SELECT %s FROM v ORDER BY id", columns);
    assert_ok(cx, cv_sql_run(cx, sql, NULL, 0, NULL, &rows));
    while (cv_rows_next(cx, rows) > 0) {
        assert_ok(cx, cv_changes_next(cx, changes, &change));
        assert_int_equal(change.kind, CV_CHANGE_INSERT);
        assert_true(change.complete);
        for (size_t i = 0; i < cv_rows_columns(rows); i++) {
            cv_value row = cv_rows_get(rows, i), told = cv_change_new(&change, cv_rows_name(rows, i));
            cv_buf text;
            cv_buf_init(&text, 0);
            cv_value_describe(&text, row);
            cv_buf_printf(&text, " / ");
            cv_value_describe(&text, told);
            if (!cv_value_equal(row, told))
                fail_msg("%s: %.*s", cv_rows_name(rows, i), (int)text.len, text.data);
            int column = cv_change_find(&change, cv_rows_name(rows, i));
            if (row.type != CV_TYPE_NULL &&
                !(row.type == CV_TYPE_DECIMAL && change.columns[column].type == CV_TYPE_I64))
                assert_int_equal(change.columns[column].type, row.type);
            cv_buf_done(&text);
        }
    }
    cv_rows_close(cx, rows);
}

static const char all_types[] =
    "CREATE OR REPLACE TABLE v (id INT PRIMARY KEY, ti TINYINT, tu TINYINT UNSIGNED, b BOOLEAN, si SMALLINT, su "
    "SMALLINT "
    "UNSIGNED, mi MEDIUMINT, mu MEDIUMINT UNSIGNED, i INT, iu INT UNSIGNED, bi BIGINT, bu BIGINT UNSIGNED, f FLOAT, d "
    "DOUBLE, n DECIMAL(20,5), m DECIMAL(38,0), o DECIMAL(9,9), bt BIT(13), y YEAR, da DATE, dt DATETIME(6), du "
    "DATETIME(3), dv DATETIME, ts TIMESTAMP(4) NULL, tt TIMESTAMP NULL, c CHAR(5), cl CHAR(120), vc VARCHAR(20), vl "
    "VARCHAR(400), tx TEXT, lt LONGTEXT, bn BINARY(6), vb VARBINARY(9), bl BLOB, lb LONGBLOB, u UUID, j JSON, e "
    "ENUM('x','it''s','ü'), s SET('a','b','c'))";
static const char all_rows[] =
    "INSERT INTO v VALUES (1, -128, 255, TRUE, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295, "
    "-9223372036854775808, 18446744073709551615, -1.5, 1e300, -123456789012345.12345, "
    "99999999999999999999999999999999999999, -0.123456789, 8191, 2026, '9999-12-31', '2026-11-21 12:34:56.654321', "
    "'1000-01-01 00:00:00.001', '9999-12-31 23:59:59', '2026-11-21 12:34:56.6543', '1970-01-02 00:00:01', 'äö', "
    "REPEAT('é', 120), 'text', REPEAT('ä', 400), 'x', REPEAT('z', 100000), X'010000000000', X'0100', X'', "
    "REPEAT('y', 70000), '00112233-4455-4677-8899-aabbccddeeff', '{\"a\": 1}', 'it''s', 'a,c'), "
    "(2, 127, 0, FALSE, 0, 0, -1, 0, 0, 0, 0, 0, 0, -0.0, 0, 0, 0.5, 0, 1901, '1000-01-01', '1000-01-01', "
    "'2026-11-21 00:00:00', '2026-11-21', '2038-01-19 03:14:07', '2038-01-19 03:14:07', '', '', '', '', '', '', '', "
    "'', "
    "X'00', '', '00112233-4455-6677-8899-aabbccddeeff', '[]', 'ü', ''), "
    "(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
    "NULL, "
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
    "NULL), "
    "(4, 5, 5, 1, 5, 5, 5, 5, 5, 5, 5, 5, 0.25, 0.25, 1234567890.5, -10000000000, 0.000000001, 256, 2155, "
    "'2026-02-28', "
    "'2026-02-28 23:59:59.999999', '2026-02-28 23:59:59.999', '2026-02-28', '2026-02-28 00:00:00.0001', '2026-02-28', "
    "'a', "
    "'b', 'c', 'd', 'e', 'f', X'FFFFFFFFFFFF', X'FF', X'FF', X'FF', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '\"t\"', "
    "'x', "
    "'a,b,c')";

static void every_type_is_what_a_statement_reads(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    open_stream(&(cv_changes_options){.tables = (const char *const[]){"v"}, .table_count = 1});
    run(cx, all_types);
    cv_change change;
    assert_ok(cx, cv_changes_next(cx, changes, &change));
    assert_int_equal(change.kind, CV_CHANGE_SCHEMA);
    assert_int_equal(change.column_count, 39);
    assert_ok(cx, cv_changes_next(cx, changes, &change));
    run(cx, all_rows);
    compare_with_rows(cx, "*");
}

static void types_that_a_statement_reads_otherwise_are_texts(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    open_stream(&(cv_changes_options){.tables = (const char *const[]){"v"}, .table_count = 1});
    run(cx,
        "CREATE OR REPLACE TABLE v (id INT PRIMARY KEY, t TIME, tf TIME(3), i4 INET4, i6 INET6, l VARCHAR(5) CHARACTER "
        "SET latin1, g POINT)");
    run(cx,
        "INSERT INTO v (id, t, tf, i4, i6, l) VALUES (1, '-838:59:59', '-00:00:01.5', '127.0.0.1', '::1', 'é'), (2, "
        "'12:34:56', '100:00:00.001', NULL, NULL, NULL)");
    cv_change change;
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_changes_next(cx, changes, &change));
    assert_texts_equal(cv_change_new(&change, "t"), "-838:59:59");
    assert_texts_equal(cv_change_new(&change, "tf"), "-00:00:01.500");
    assert_texts_equal(cv_change_new(&change, "i4"), "127.0.0.1");
    assert_texts_equal(cv_change_new(&change, "i6"), "::1");
    assert_int_equal(cv_change_new(&change, "l").type, CV_TYPE_BYTES);
    assert_ok(cx, cv_changes_next(cx, changes, &change));
    assert_texts_equal(cv_change_new(&change, "t"), "12:34:56");
    assert_texts_equal(cv_change_new(&change, "tf"), "100:00:00.001");
}

static int take_a_part_back(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (id, x) VALUES (2, 2)"));
        return CV_E_STATE;
    }
    return 0;
}

static int write_in_parts(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n (id, x) VALUES (1, 1)"));
        if (take_a_part_back(cx) != CV_E_STATE)
            return CV_E_INTERNAL;
        CV_TRY(cv_exec(cx, NULL, "UPDATE n SET x = 9"));
    }
    return 0;
}

static int write_and_fail(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "DELETE FROM n"));
        return CV_E_STATE;
    }
    return 0;
}

static void a_transaction_is_told_whole_without_what_was_taken_back(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    open_stream(NULL);
    assert_ok(cx, write_in_parts(cx));
    assert_int_equal(write_and_fail(cx), CV_E_STATE);
    run(cx, "DELETE FROM n");
    run(cx, "TRUNCATE TABLE n");
    assert_string_equal(changes_until(cx, changes, 3), "+n(id=1 x=1 t=NULL)~n(id=1 x=1>9)|-n(id=1 x=9 t=NULL)|*n|");
}

static void another_schema_is_told_and_used_at_once(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    open_stream(NULL);
    run(cx, "INSERT INTO n (x) VALUES (1)");
    run(cx, "ALTER TABLE n ADD COLUMN more TEXT DEFAULT 'm'");
    run(cx, "INSERT INTO n (x) VALUES (2)");
    assert_string_equal(changes_until(cx, changes, 3), "+n(id=1 x=1 t=NULL)|%n|+n(id=2 x=2 t=NULL more=m)|");
    run(cx, "ALTER TABLE n CHANGE COLUMN t text VARCHAR(30) FIRST");
    run(cx, "UPDATE n SET text = 'z' WHERE id = 2");
    run(cx, "CREATE INDEX i ON n (x)");
    assert_string_equal(changes_until(cx, changes, 3), "%n|~n(text=NULL>z id=2)|%n|");
    run(cx, "DROP TABLE n");
    assert_string_equal(changes_until(cx, changes, 1), "%n|");
}

/* The names that the log lacks are not guessed from a table that is another now. */
static void rows_of_a_former_schema_have_the_names_that_the_log_has(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    open_stream(NULL);
    const char *start = cv_strdup(cx, cv_changes_position(changes));
    MYSQL *admin = test_mariadb_admin();
    run(cx, "INSERT INTO n (x) VALUES (1)");
    test_mariadb_run(admin, "SET GLOBAL binlog_row_metadata = FULL");
    test_mariadb_run(admin, cv_sprintf(cx, "FLUSH TABLES %s.n", database));
    run(cx, "INSERT INTO n (x) VALUES (2)");
    test_mariadb_run(admin, "SET GLOBAL binlog_row_metadata = NO_LOG");
    test_mariadb_close(admin);
    run(cx, "ALTER TABLE n DROP COLUMN x");
    open_stream(&(cv_changes_options){.position = start});
    assert_string_equal(changes_until(cx, changes, 3), "+n(@1=1 @2=1 @3=NULL)|+n(id=2 x=2 t=NULL)|%n|");
}

static void a_row_that_is_not_logged_whole_says_so(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_change change;
    MYSQL *session = test_mariadb_admin();
    open_stream(NULL);
    test_mariadb_run(session, cv_sprintf(cx, "USE %s", database));
    test_mariadb_run(session, "SET binlog_row_image = MINIMAL");
    test_mariadb_run(session, "INSERT INTO n (id, x, t) VALUES (1, 2, 'a')");
    test_mariadb_run(session, "UPDATE n SET t = 'b'");
    test_mariadb_close(session);
    changes_until(cx, changes, 1);
    assert_ok(cx, cv_changes_next(cx, changes, &change));
    assert_int_equal(change.kind, CV_CHANGE_UPDATE);
    assert_false(change.complete);
    assert_true(change.old_given[0] && !change.old_given[1] && !change.old_given[2]);
    assert_true(!change.new_given[0] && !change.new_given[1] && change.new_given[2]);
    assert_int_equal(cv_change_old(&change, "id").as.i64, 1);
    assert_texts_equal(cv_change_new(&change, "t"), "b");
    assert_true(cv_change_has_changed(&change, 2) && !cv_change_has_changed(&change, 1));
}

static void a_stored_position_is_gone_on_from(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    open_stream(&(cv_changes_options){.name = "stored"});
    for (int i = 0; i < 3; i++)
        run(cx, "INSERT INTO n (x) VALUES (7)");
    changes_until(cx, changes, 1);
    const char *stored = cv_strdup(cx, cv_changes_position(changes));
    assert_ok(cx, cv_changes_acknowledge(cx, changes, stored));
    changes_until(cx, changes, 1);
    open_stream(&(cv_changes_options){.name = "stored", .position = stored});
    assert_string_equal(changes_until(cx, changes, 2), "+n(id=2 x=7 t=NULL)|+n(id=3 x=7 t=NULL)|");
    assert_fails(cx, cv_changes_acknowledge(cx, changes, "0/1234"), CV_E_INVALID, "no position");
}

static void a_name_has_one_reader(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *other;
    open_stream(&(cv_changes_options){.name = "one"});
    assert_fails(cx, cv_changes_open(cx, NULL, &(cv_changes_options){.name = "one", .heartbeat_ms = 100}, &other),
                 CV_E_LOCKED, "\"one\"");
    assert_fails(cx, cv_changes_drop(cx, NULL, "one"), CV_E_NOT_FOUND, "\"one\"");
    assert_fails(cx, cv_changes_open(cx, NULL, &(cv_changes_options){.position = "x"}, &other), CV_E_INVALID,
                 "position");
}

static void a_change_logged_as_a_statement_ends_the_stream(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_change change;
    open_stream(NULL);
    MYSQL *admin = test_mariadb_admin();
    test_mariadb_run(admin, "SET binlog_format = STATEMENT");
    test_mariadb_run(admin, cv_sprintf(cx, "INSERT INTO %s.n (x) VALUES (1)", database));
    test_mariadb_close(admin);
    assert_fails(cx, cv_changes_next(cx, changes, &change), CV_E_CONFIG, "as a statement");
}

static void whoever_may_not_read_the_log_is_told_so(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *other;
    cv_db *db;
    MYSQL *admin = test_mariadb_admin();
    test_mariadb_run(admin, "CREATE OR REPLACE USER limited@'%' IDENTIFIED BY 'limited'");
    test_mariadb_run(admin, cv_sprintf(cx, "GRANT ALL ON %s.* TO limited@'%%'", database));
    const char *at = strchr(shared.url, '@');
    assert_ok(cx, cv_db_open(cx, cv_sprintf(cx, "mysql://limited:limited%s", at), NULL, &db));
    assert_fails(cx, cv_changes_open(cx, db, NULL, &other), CV_E_PERMISSION, "");
    cv_db_close(cx, db);
    test_mariadb_run(admin, "DROP USER limited");
    test_mariadb_close(admin);
}

/* Connector/C would take its default socket. */
static void a_host_that_is_called_localhost_is_reached_over_the_network(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *other;
    cv_db *db;
    const char *at = strstr(shared.url, "127.0.0.1") + strlen("127.0.0.1");
    const char *url = cv_sprintf(cx, "mysql://app:app@localhost%s", at);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db));
    assert_ok(cx, cv_changes_open(cx, db, NULL, &other));
    run(cx, "INSERT INTO n (x) VALUES (1)");
    assert_string_equal(changes_until(cx, other, 1), "+n(id=1 x=1 t=NULL)|");
    cv_changes_close(cx, other);
    cv_db_close(cx, db);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * 4;
}

static void a_slow_reader_makes_the_server_wait(void **state)
{
    (void)state;
    enum { ROWS = 400, ROW_BYTES = 100000 };
    cv_ctx *cx = context();
    cv_change change;
    int64_t bytes = 0;
    run(cx, "ALTER TABLE n MODIFY t LONGTEXT");
    open_stream(&(cv_changes_options){.queue_bytes = 1 << 20});
    long before = resident_kib();
    for (int i = 0; i < ROWS; i++)
        run(cx, "INSERT INTO n (t) VALUES (REPEAT('a', 100000))");
    CV_WITHIN(cx, 30000)
    {
        for (int i = 0; i < 2 * ROWS; i++) {
            assert_ok(cx, cv_changes_next(cx, changes, &change));
            if (change.kind == CV_CHANGE_INSERT)
                bytes += (int64_t)cv_change_new(&change, "t").as.text.len;
            if (i == 10)
                assert_in_range(resident_kib() - before < 0 ? 0 : resident_kib() - before, 0, 24 * 1024);
        }
    }
    assert_int_equal(bytes, (int64_t)ROWS * ROW_BYTES);
}

static void waiting_ends_with_the_deadline_and_closing_is_quick(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    open_stream(NULL);
    changes_are_over(cx, changes, 30);
    run(cx, "INSERT INTO n (x) VALUES (1)");
    assert_string_equal(changes_until(cx, changes, 1), "+n(id=1 x=1 t=NULL)|");
    int64_t start = cv_now_ns(cx);
    cv_changes_close(cx, changes);
    changes = NULL;
    assert_in_range(ms_since(cx, start), 0, 1000);
}

static int read_one(cv_ctx *cx, void *arg)
{
    cv_change change;
    return cv_changes_next(cx, arg, &change);
}

static void a_database_that_is_closed_ends_its_readers(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_fiber *fiber;
    cv_change change;
    open_stream(NULL);
    assert_ok(cx, cv_spawn(cx, "reader", read_one, changes, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_db_close(cx, shared.db);
    shared.db = NULL;
    assert_int_equal(cv_join(cx, fiber, NULL), CV_E_CLOSED);
    cv_error_clear(cx);
    assert_fails(cx, cv_changes_next(cx, changes, &change), CV_E_CLOSED, "");
}

/* In the middle of a transaction, too: what was told of it already is not told again. */
static void a_lost_connection_is_made_again_where_it_was(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_change change;
    MYSQL *admin = test_mariadb_admin();
    open_stream(&(cv_changes_options){.queue_bytes = 1});
    run(cx, "INSERT INTO n (x) SELECT seq FROM seq_1_to_20000");
    for (int i = 0; i < 20000; i++) {
        if (i % 4000 == 100) {
            const char *sql =
                "SELECT GROUP_CONCAT(CONCAT('KILL ', id) SEPARATOR '; ') FROM information_schema.processlist "
                "WHERE command = 'Binlog Dump' AND user = 'app'";
            char kill[1024];
            snprintf(kill, sizeof kill, "%s", test_mariadb_run(admin, sql));
            if (*kill)
                test_mariadb_run(admin, kill);
        }
        assert_ok(cx, cv_changes_next(cx, changes, &change));
        assert_int_equal(cv_change_new(&change, "x").as.i64, i + 1);
    }
    test_mariadb_close(admin);
    assert_string_equal(changes_until(cx, changes, 1), "|");
}

static void a_prepared_transaction_is_told_when_it_is_committed(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    MYSQL *session = test_mariadb_open(shared.url);
    open_stream(NULL);
    const char *start = cv_strdup(cx, cv_changes_position(changes));
    test_mariadb_run(session, "XA START 'a'");
    test_mariadb_run(session, "INSERT INTO n (id, x) VALUES (1, 1)");
    test_mariadb_run(session, "XA END 'a'");
    test_mariadb_run(session, "XA PREPARE 'a'");
    run(cx, "INSERT INTO n (id, x) VALUES (5, 5)");
    assert_string_equal(changes_until(cx, changes, 1), "+n(id=5 x=5 t=NULL)|");
    assert_string_equal(cv_changes_position(changes), start);
    test_mariadb_run(session, "XA COMMIT 'a'");
    assert_string_equal(changes_until(cx, changes, 1), "+n(id=1 x=1 t=NULL)|");
    assert_string_not_equal(cv_changes_position(changes), start);
    test_mariadb_run(session, "XA START 'b'");
    test_mariadb_run(session, "INSERT INTO n (id, x) VALUES (2, 2)");
    test_mariadb_run(session, "XA END 'b'");
    test_mariadb_run(session, "XA PREPARE 'b'");
    test_mariadb_run(session, "XA ROLLBACK 'b'");
    test_mariadb_run(session, "XA START 'c'");
    test_mariadb_run(session, "INSERT INTO n (id, x) VALUES (3, 3)");
    test_mariadb_run(session, "XA END 'c'");
    test_mariadb_run(session, "XA COMMIT 'c' ONE PHASE");
    assert_string_equal(changes_until(cx, changes, 1), "+n(id=3 x=3 t=NULL)|");
    const char *here = cv_strdup(cx, cv_changes_position(changes));
    open_stream(&(cv_changes_options){.position = here});
    test_mariadb_run(session, "XA START 'd'");
    test_mariadb_run(session, "INSERT INTO n (id, x) VALUES (4, 4)");
    test_mariadb_run(session, "XA END 'd'");
    test_mariadb_run(session, "XA PREPARE 'd'");
    open_stream(NULL);
    test_mariadb_run(session, "XA COMMIT 'd'");
    test_mariadb_close(session);
    cv_change change;
    assert_fails(cx, cv_changes_next(cx, changes, &change), CV_E_GAP, "prepared before");
}

static void a_hundred_thousand_changes_are_all_found_by_readers_that_are_killed(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    char table[96];
    snprintf(table, sizeof table, "%s.load_rows", database);
    run(cx, "CREATE OR REPLACE TABLE load_rows (id BIGINT PRIMARY KEY, x BIGINT)");
    load_test(cx, shared.url, table);
}

/* ---- servers of its own ---- */

static void open_on(const test_mariadb *server, fixture *f)
{
    test_mariadb_server_url(server, "admin", f->url);
    assert_int_equal(cv_runtime_new(NULL, &f->cx), 0);
    assert_ok(f->cx, cv_db_open(f->cx, f->url, NULL, &f->db));
    cv_use_db(f->cx, f->db);
}

static void a_server_without_a_log_of_rows_is_told_of(void **state)
{
    (void)state;
    test_mariadb server = {0};
    fixture f = {0};
    cv_changes *other;
    if (!test_mariadb_server_create(&server))
        skip();
    test_mariadb_server_stop(&server);
    test_mariadb_server_write(&server, "extra.cnf", "[mariadbd]\nskip-log-bin\n");
    test_mariadb_server_start(&server);
    open_on(&server, &f);
    assert_fails(f.cx, cv_changes_open(f.cx, NULL, NULL, &other), CV_E_CONFIG, "writes no binary log");
    cv_db_close(f.cx, f.db);
    test_mariadb_server_stop(&server);
    test_mariadb_server_write(&server, "extra.cnf", "[mariadbd]\nbinlog-format=MIXED\n");
    test_mariadb_server_start(&server);
    assert_ok(f.cx, cv_db_open(f.cx, f.url, NULL, &f.db));
    assert_fails(f.cx, cv_changes_open(f.cx, f.db, NULL, &other), CV_E_CONFIG, "format MIXED");
    cv_db_close(f.cx, f.db);
    cv_runtime_free(f.cx);
    test_mariadb_server_destroy(&server);
}

static void a_server_that_freezes_or_is_killed_is_come_back_to(void **state)
{
    (void)state;
    test_mariadb server = {0};
    fixture f = {0};
    if (!test_mariadb_server_create(&server))
        skip();
    open_on(&server, &f);
    run(f.cx, "CREATE TABLE n (id BIGINT PRIMARY KEY)");
    assert_ok(f.cx, cv_changes_open(f.cx, NULL, &(cv_changes_options){.heartbeat_ms = 300}, &changes));
    run(f.cx, "INSERT INTO n VALUES (1)");
    assert_string_equal(changes_until(f.cx, changes, 1), "+n(id=1)|");
    test_mariadb_server_freeze(&server);
    changes_are_over(f.cx, changes, 2500);
    test_mariadb_server_thaw(&server);
    run(f.cx, "INSERT INTO n VALUES (2)");
    assert_string_equal(changes_until(f.cx, changes, 1), "+n(id=2)|");
    test_mariadb_server_kill(&server);
    test_mariadb_server_start(&server);
    cv_db_close(f.cx, f.db);
    f.db = NULL;
    cv_changes_close(f.cx, changes);
    changes = NULL;
    cv_runtime_free(f.cx);
    test_mariadb_server_destroy(&server);
}

static void a_position_that_the_log_has_no_more_is_a_gap(void **state)
{
    (void)state;
    test_mariadb server = {0};
    fixture f = {0};
    cv_changes *other;
    if (!test_mariadb_server_create(&server))
        skip();
    open_on(&server, &f);
    MYSQL *admin = test_mariadb_open(f.url);
    test_mariadb_run(admin, "CREATE TABLE n (id BIGINT PRIMARY KEY)");
    const char *stored = cv_strdup(f.cx, test_mariadb_run(admin, "SELECT @@gtid_binlog_pos"));
    test_mariadb_run(admin, "INSERT INTO n VALUES (1)");
    test_mariadb_run(admin, "FLUSH BINARY LOGS");
    const char *last = cv_strdup(f.cx, test_mariadb_run(admin, "SHOW MASTER STATUS"));
    CV_WITHIN(f.cx, 20000)
    {
        /* it goes when all transactions in it are sure to be on the disk */
        while (strcmp(test_mariadb_run(admin, "SHOW BINARY LOGS"), last) != 0) {
            test_mariadb_run(admin, cv_sprintf(f.cx, "PURGE BINARY LOGS TO '%s'", last));
            assert_ok(f.cx, cv_sleep_ms(f.cx, 5));
        }
    }
    test_mariadb_close(admin);
    assert_fails(f.cx, cv_changes_open(f.cx, NULL, &(cv_changes_options){.position = stored}, &other), CV_E_GAP,
                 "not in the binary log any more");
    assert_fails(f.cx, cv_changes_open(f.cx, NULL, &(cv_changes_options){.position = "0-1-99999999"}, &other), CV_E_GAP,
                 "not in the binary log");
    cv_db_close(f.cx, f.db);
    cv_runtime_free(f.cx);
    test_mariadb_server_destroy(&server);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    int code = load_main(argc, argv);
    if (code >= 0)
        return code;
    const struct CMUnitTest tests[] = {
        CASE(rows_are_told_with_their_values_before_and_after),
        CASE(an_event_says_where_when_and_what),
        CASE(every_type_is_what_a_statement_reads),
        CASE(types_that_a_statement_reads_otherwise_are_texts),
        CASE(a_transaction_is_told_whole_without_what_was_taken_back),
        CASE(another_schema_is_told_and_used_at_once),
        CASE(rows_of_a_former_schema_have_the_names_that_the_log_has),
        CASE(a_row_that_is_not_logged_whole_says_so),
        CASE(a_stored_position_is_gone_on_from),
        CASE(a_name_has_one_reader),
        CASE(a_change_logged_as_a_statement_ends_the_stream),
        CASE(whoever_may_not_read_the_log_is_told_so),
        CASE(a_host_that_is_called_localhost_is_reached_over_the_network),
        CASE(a_slow_reader_makes_the_server_wait),
        CASE(waiting_ends_with_the_deadline_and_closing_is_quick),
        CASE(a_database_that_is_closed_ends_its_readers),
        CASE(a_lost_connection_is_made_again_where_it_was),
        CASE(a_prepared_transaction_is_told_when_it_is_committed),
        CASE(a_hundred_thousand_changes_are_all_found_by_readers_that_are_killed),
        cmocka_unit_test(a_position_that_the_log_has_no_more_is_a_gap),
        cmocka_unit_test(a_server_without_a_log_of_rows_is_told_of),
        cmocka_unit_test(a_server_that_freezes_or_is_killed_is_come_back_to),
    };
    return cmocka_run_group_tests_name("db mariadb changes", tests, set_up_group, tear_down_group);
}
