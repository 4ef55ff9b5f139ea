/* The log of PostgreSQL as events, with the real server. */
#include "changes_load.h"
#include "changes_test.h"
#include "postgres_server.h"

static char url[TEST_URL_BYTES];
static bool have_server;
static char name[64], other_name[64];

typedef struct changes_fixture {
    cv_ctx *cx;
    cv_db *db;
    PGconn *watch;
} changes_fixture;

static changes_fixture t;

static int set_up_group(void **state)
{
    (void)state;
    have_server = test_database_create("changes", url);
    snprintf(name, sizeof name, "reader_%d", (int)getpid());
    snprintf(other_name, sizeof other_name, "other_%d", (int)getpid());
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (have_server)
        test_database_drop(url);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    t = (changes_fixture){0};
    if (!have_server)
        return 0;
    const cv_db_options options = {.max_connections = 4};
    assert_int_equal(cv_runtime_new(NULL, &t.cx), 0);
    assert_ok(t.cx, cv_db_open(t.cx, url, &options, &t.db));
    cv_use_db(t.cx, t.db);
    t.watch = test_session_open(url);
    test_session_run(t.watch, "SET client_min_messages = error; DROP TABLE IF EXISTS books, authors, notes");
    test_session_run(t.watch, "CREATE TABLE books (id bigint PRIMARY KEY, title text, price numeric(8,2))");
    return 0;
}

static const char *run(const char *sql)
{
    return test_session_run(t.watch, sql);
}

static void clean_server(void)
{
    for (int i = 0; i < 1000 && strcmp(run("SELECT count(*) FROM pg_replication_slots WHERE database = "
                                           "current_database() AND active"),
                                       "0") != 0;
         i++)
        run("SELECT pg_terminate_backend(active_pid, 1000) FROM pg_replication_slots WHERE database = "
            "current_database()");
    run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()");
    run("DO $$ DECLARE p record; BEGIN FOR p IN SELECT pubname FROM pg_publication LOOP EXECUTE format('DROP "
        "PUBLICATION %I', p.pubname); END LOOP; END $$");
}

static int tear_down(void **state)
{
    (void)state;
    if (!t.cx)
        return 0;
    cv_db_close(t.cx, t.db);
    cv_runtime_free(t.cx);
    clean_server();
    PQfinish(t.watch);
    return 0;
}

static cv_ctx *context(void)
{
    if (!t.cx)
        skip();
    return t.cx;
}

static cv_changes *open_at(const char *reader, const char *position)
{
    static const char *const tables[] = {"books"};
    const cv_changes_options options = {.name = reader, .position = position, .tables = tables, .table_count = 1};
    cv_changes *changes = NULL;
    assert_ok(t.cx, cv_changes_open(t.cx, t.db, &options, &changes));
    return changes;
}

static cv_changes *open_named(void)
{
    return open_at(name, NULL);
}

static const char *until(cv_changes *changes, int commits)
{
    return changes_until(t.cx, changes, commits);
}

static cv_change next(cv_changes *changes)
{
    cv_change change = {0};
    CV_WITHIN(t.cx, 60000)
    {
        assert_ok(t.cx, cv_changes_next(t.cx, changes, &change));
    }
    return change;
}

/* --- what is told --- */

static void rows_are_told_in_the_order_of_the_commits(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    run("INSERT INTO books VALUES (1, 'a', 9.5), (2, 'b', NULL)");
    run("BEGIN; UPDATE books SET title = 'c' WHERE id = 1; DELETE FROM books WHERE id = 2; COMMIT");
    run("BEGIN; INSERT INTO books VALUES (3, 'undone', 1); ROLLBACK");
    run("TRUNCATE books");
    assert_string_equal(until(changes, 3),
                        "+books(id=1 title=a price=9.50)+books(id=2 title=b price=NULL)|"
                        "~books(id=1 title=NULL>c price=NULL>9.50)-books(id=2 title=NULL price=NULL)|"
                        "*books|");
    cv_changes_close(cx, changes);
}

static void an_event_says_what_it_knows(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    run("INSERT INTO books VALUES (1, 'a', 9.5)");
    cv_change c = next(changes);
    assert_int_equal(c.kind, CV_CHANGE_INSERT);
    assert_string_equal(c.schema, "public");
    assert_string_equal(c.table, "books");
    assert_int_equal(c.column_count, 3);
    assert_string_equal(c.columns[0].name, "id");
    assert_string_equal(c.columns[0].sql_type, "bigint");
    assert_true(c.columns[0].key && !c.columns[1].key);
    assert_string_equal(c.columns[2].sql_type, "numeric(8,2)");
    assert_int_equal(c.columns[2].type, CV_TYPE_DECIMAL);
    assert_true(c.complete);
    assert_null(c.old_values);
    assert_int_equal(cv_change_new(&c, "id").as.i64, 1);
    assert_true(cv_time_now().us - c.committed_at.us < INT64_C(600000000));
    assert_true(strtol(c.transaction_id, NULL, 10) > 0);
    char before[32];
    snprintf(before, sizeof before, "%s", c.position);
    c = next(changes);
    assert_int_equal(c.kind, CV_CHANGE_COMMIT);
    int order = 0;
    assert_ok(cx, cv_changes_compare(cx, t.db, before, c.position, &order));
    assert_true(order < 0);
    assert_string_equal(cv_changes_position(changes), c.position);
    cv_changes_close(cx, changes);
}

static void the_row_before_is_told_as_far_as_the_table_says(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    run("INSERT INTO books VALUES (1, 'a', 1)");
    run("UPDATE books SET id = 2");
    run("ALTER TABLE books REPLICA IDENTITY FULL");
    run("UPDATE books SET title = 'b'");
    run("DELETE FROM books");
    (void)until(changes, 1);
    cv_change c = next(changes);
    assert_int_equal(c.kind, CV_CHANGE_UPDATE);
    assert_int_equal(cv_change_old(&c, "id").as.i64, 1);
    assert_int_equal(cv_change_new(&c, "id").as.i64, 2);
    assert_false(c.complete);
    assert_false(c.old_given[1]);
    assert_int_equal(next(changes).kind, CV_CHANGE_COMMIT);
    assert_int_equal(next(changes).kind, CV_CHANGE_SCHEMA);
    c = next(changes);
    assert_true(c.complete);
    assert_memory_equal(cv_change_old(&c, "title").as.text.ptr, "a", 1);
    assert_true(cv_change_has_changed(&c, 1) && !cv_change_has_changed(&c, 0));
    assert_int_equal(next(changes).kind, CV_CHANGE_COMMIT);
    c = next(changes);
    assert_int_equal(c.kind, CV_CHANGE_DELETE);
    assert_true(c.complete);
    assert_int_equal(cv_change_old(&c, "id").as.i64, 2);
    cv_changes_close(cx, changes);
}

static void a_large_value_that_did_not_change_is_not_told(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    run("ALTER TABLE books ALTER title SET STORAGE EXTERNAL");
    run("INSERT INTO books VALUES (1, repeat('x', 100000), 1)");
    run("UPDATE books SET price = 2");
    run("ALTER TABLE books REPLICA IDENTITY FULL");
    run("UPDATE books SET price = 3");
    (void)until(changes, 1);
    cv_change c = next(changes);
    assert_false(c.new_given[1]);
    assert_int_equal(cv_change_new(&c, "title").type, CV_TYPE_NULL);
    assert_false(cv_change_has_changed(&c, 1));
    assert_false(c.complete);
    (void)until(changes, 1);
    assert_int_equal(next(changes).kind, CV_CHANGE_SCHEMA);
    c = next(changes);
    assert_int_equal(c.kind, CV_CHANGE_UPDATE);
    assert_true(c.complete);
    assert_int_equal(cv_change_new(&c, "title").as.text.len, 100000);
    cv_changes_close(cx, changes);
}

static void a_schema_change_is_told_before_the_first_row_after_it(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    run("INSERT INTO books VALUES (1, 'a', 1)");
    run("ALTER TABLE books ADD COLUMN pages int DEFAULT 5");
    run("ALTER TABLE books DROP COLUMN price");
    run("INSERT INTO books VALUES (2, 'b', 7)");
    assert_string_equal(until(changes, 2), "+books(id=1 title=a price=1.00)|%books+books(id=2 title=b pages=7)|");
    cv_changes_close(cx, changes);
}

static void other_tables_are_not_told_and_the_position_goes_on(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    run("CREATE TABLE authors (id int PRIMARY KEY, name text)");
    cv_changes *changes = open_named();
    char before[32];
    snprintf(before, sizeof before, "%s", cv_changes_position(changes));
    run("INSERT INTO authors VALUES (1, 'x')");
    run("SELECT pg_logical_emit_message(true, 'test', 'a message')");
    run("INSERT INTO books VALUES (1, 'a', NULL)");
    assert_string_equal(until(changes, 1), "+books(id=1 title=a price=NULL)|");
    int order = 0;
    assert_ok(cx, cv_changes_compare(cx, t.db, before, cv_changes_position(changes), &order));
    assert_true(order < 0);
    cv_changes_close(cx, changes);
}

static void without_tables_all_are_told(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes;
    assert_ok(cx, cv_changes_open(cx, t.db, &(cv_changes_options){.name = name}, &changes));
    run("CREATE TABLE authors (id int PRIMARY KEY, name text)"); /* made later: told as well */
    run("BEGIN; INSERT INTO books VALUES (1, 'a', NULL); INSERT INTO authors VALUES (1, 'x'); COMMIT");
    run("TRUNCATE books, authors");
    assert_string_equal(until(changes, 2), "+books(id=1 title=a price=NULL)+authors(id=1 name=x)|*books*authors|");
    cv_changes_close(cx, changes);
}

static void partitions_are_told_as_their_table(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    run("CREATE TABLE notes (id int PRIMARY KEY, text text) PARTITION BY RANGE (id)");
    run("CREATE TABLE notes_1 PARTITION OF notes FOR VALUES FROM (0) TO (10)");
    static const char *const tables[] = {"public.notes"};
    cv_changes *changes;
    assert_ok(cx, cv_changes_open(cx, t.db, &(cv_changes_options){.name = name, .tables = tables, .table_count = 1},
                                  &changes));
    run("INSERT INTO notes VALUES (1, 'x')");
    assert_string_equal(until(changes, 1), "+notes(id=1 text=x)|");
    cv_changes_close(cx, changes);
}

/* --- types --- */

static const char *value_text(cv_change *c, const char *column)
{
    cv_buf text;
    cv_buf_init_arena(&text, cv_ctx_arena(t.cx), 0);
    changes_add_value(&text, cv_change_new(c, column));
    return text.data ? text.data : "";
}

static void make_typed_table(void)
{
    run("CREATE TABLE notes (id int PRIMARY KEY, b bool, s smallint, f double precision, r real, t timestamptz, ts "
        "timestamp, d date, u uuid, j jsonb, y bytea, v varchar(10), a int[], i interval, n numeric, rg int4range)");
}

static void insert_typed_row(void)
{
    run("INSERT INTO notes VALUES (1, true, -5, 1.5, 0.25, '2026-11-21 10:00:00.5+01', '2026-11-21 10:00:00', "
        "'2026-11-21', '00112233-4455-6677-8899-aabbccddeeff', '{\"a\": 1}', '\\x00ff10', 'short', '{1,NULL,3}', "
        "'1 day 02:00:00', 12345678901234567890.5, '[1,5)')");
}

static void assert_typed_row(cv_change *c)
{
    assert_string_equal(value_text(c, "b"), "true");
    assert_int_equal(cv_change_new(c, "s").as.i64, -5);
    assert_true(cv_change_new(c, "f").as.f64 == 1.5);
    assert_true(cv_change_new(c, "r").as.f64 == 0.25);
    assert_string_equal(value_text(c, "t"), "2026-11-21T09:00:00.500Z");
    assert_string_equal(value_text(c, "ts"), "2026-11-21T10:00:00Z");
    assert_int_equal(cv_change_new(c, "d").type, CV_TYPE_DATE);
    assert_int_equal(cv_change_new(c, "u").type, CV_TYPE_UUID);
    assert_int_equal(cv_change_new(c, "u").as.uuid.bytes[1], 0x11);
    assert_int_equal(cv_change_new(c, "j").type, CV_TYPE_JSON);
    cv_value bytes = cv_change_new(c, "y");
    assert_int_equal(bytes.type, CV_TYPE_BYTES);
    assert_int_equal(bytes.as.bytes.len, 3);
    assert_memory_equal(bytes.as.bytes.ptr, "\x00\xff\x10", 3);
    assert_string_equal(value_text(c, "v"), "short");
    assert_string_equal(value_text(c, "i"), "1 day 02:00:00");
    assert_string_equal(value_text(c, "n"), "12345678901234567890.5");
    assert_string_equal(c->columns[11].sql_type, "character varying(10)");
}

static cv_changes *open_notes(void)
{
    static const char *const tables[] = {"notes"};
    cv_changes *changes = NULL;
    assert_ok(t.cx, cv_changes_open(t.cx, t.db, &(cv_changes_options){.name = name, .tables = tables, .table_count = 1},
                                    &changes));
    return changes;
}

static void values_have_their_types(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    make_typed_table();
    cv_changes *changes = open_notes();
    insert_typed_row();
    cv_change c = next(changes);
    assert_typed_row(&c);
    assert_int_equal(cv_change_new(&c, "a").type, CV_TYPE_ARRAY);
    assert_int_equal(cv_change_new(&c, "rg").type, CV_TYPE_RANGE);
    cv_changes_close(cx, changes);
}

/* One value that ours cannot hold: from there on everything comes as text, and nothing is missed. */
static void a_value_that_cannot_be_is_told_as_text(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    make_typed_table();
    cv_changes *changes = open_notes();
    run("BEGIN; INSERT INTO notes (id) VALUES (7); INSERT INTO notes (id, t, n, f) VALUES (8, 'infinity', 'NaN', "
        "'-Infinity'); COMMIT");
    insert_typed_row();
    int sevens = 0;
    cv_change c;
    do {
        c = next(changes);
        sevens += c.new_values && cv_change_new(&c, "id").as.i64 == 7;
    } while (!c.new_values || cv_change_new(&c, "id").as.i64 != 8);
    assert_true(sevens >= 1);
    assert_string_equal(value_text(&c, "t"), "infinity");
    assert_string_equal(value_text(&c, "n"), "NaN");
    assert_true(cv_change_new(&c, "f").as.f64 < 0);
    assert_int_equal(next(changes).kind, CV_CHANGE_COMMIT);
    c = next(changes);
    assert_typed_row(&c);
    assert_string_equal(value_text(&c, "a"), "{1,NULL,3}");
    assert_string_equal(value_text(&c, "rg"), "[1,5)");
    cv_changes_close(cx, changes);
}

static void types_of_the_database_s_own_are_told_also_new_ones(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    run("DROP TYPE IF EXISTS mood, colour CASCADE; DROP DOMAIN IF EXISTS small");
    run("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN small AS int CHECK (value < 100)");
    run("CREATE TABLE notes (id small PRIMARY KEY, m mood)");
    cv_changes *changes;
    assert_ok(cx, cv_changes_open(cx, t.db, NULL, &changes));
    run("INSERT INTO notes VALUES (7, 'happy')");
    cv_change c = next(changes);
    assert_int_equal(cv_change_new(&c, "id").as.i64, 7);
    assert_string_equal(value_text(&c, "m"), "happy");
    assert_string_equal(c.columns[1].sql_type, "mood");
    run("CREATE TYPE colour AS ENUM ('red'); ALTER TABLE notes ADD c colour");
    run("INSERT INTO notes VALUES (8, 'sad', 'red')");
    do
        c = next(changes);
    while (c.kind != CV_CHANGE_INSERT);
    assert_int_equal(cv_change_new(&c, "id").as.i64, 8);
    assert_string_equal(value_text(&c, "c"), "red");
    run("DELETE FROM notes; ALTER TABLE notes ADD p point, ADD a int[]"); /* no type of ours, nor of its own */
    run("INSERT INTO notes VALUES (9, 'sad', 'red', '(1,2)', '{1}')");
    do
        c = next(changes);
    while (c.kind != CV_CHANGE_INSERT);
    assert_int_equal(cv_change_new(&c, "id").as.i64, 9);
    assert_string_equal(value_text(&c, "p"), "(1,2)");
    assert_string_equal(value_text(&c, "a"), "{1}");
    cv_changes_close(cx, changes);
    run("DROP TABLE notes; DROP TYPE mood, colour; DROP DOMAIN small");
}

/* --- places --- */

static void a_name_goes_on_where_it_was_acknowledged(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    run("INSERT INTO books VALUES (1, 'a', 1)");
    (void)until(changes, 1);
    assert_ok(cx, cv_changes_acknowledge(cx, changes, cv_changes_position(changes)));
    run("INSERT INTO books VALUES (2, 'b', 1)");
    (void)until(changes, 1); /* but not acknowledged */
    cv_changes_close(cx, changes);
    run("INSERT INTO books VALUES (3, 'c', 1)");
    changes = open_named();
    assert_string_equal(until(changes, 2), "+books(id=2 title=b price=1.00)|+books(id=3 title=c price=1.00)|");
    cv_changes_close(cx, changes);
}

static void a_stored_position_is_gone_on_from(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    run("INSERT INTO books VALUES (1, 'a', 1)");
    run("INSERT INTO books VALUES (2, 'b', 1)");
    (void)until(changes, 1);
    char position[32], last[32];
    snprintf(position, sizeof position, "%s", cv_changes_position(changes));
    (void)until(changes, 1);
    snprintf(last, sizeof last, "%s", cv_changes_position(changes));
    cv_changes_close(cx, changes);
    changes = open_at(name, position);
    assert_string_equal(cv_changes_position(changes), position);
    assert_string_equal(until(changes, 1), "+books(id=2 title=b price=1.00)|");
    assert_ok(cx, cv_changes_acknowledge(cx, changes, last));
    cv_changes_close(cx, changes);
    cv_changes_options options = {.name = name, .position = position};
    assert_fails(cx, cv_changes_open(cx, t.db, &options, &changes), CV_E_GAP, "before the one that was acknowledged");
}

static void a_reader_without_a_name_begins_now_and_leaves_nothing(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    run("INSERT INTO books VALUES (1, 'a', 1)");
    cv_changes *changes = open_at(NULL, NULL);
    run("INSERT INTO books VALUES (2, 'b', 1)");
    assert_string_equal(until(changes, 1), "+books(id=2 title=b price=1.00)|");
    cv_changes_close(cx, changes);
    for (int i = 0; i < 1000 && strcmp(run("SELECT count(*) FROM pg_replication_slots WHERE database = "
                                           "current_database()"),
                                       "0") != 0;
         i++)
        assert_ok(cx, cv_sleep_ms(cx, 5));
    assert_string_equal(run("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"), "0");
    cv_changes_options options = {.position = "0/1000"};
    assert_fails(cx, cv_changes_open(cx, t.db, &options, &changes), CV_E_GAP, "keeps no place");
}

static void a_dropped_name_is_forgotten(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    char position[32];
    snprintf(position, sizeof position, "%s", cv_changes_position(changes));
    cv_changes_close(cx, changes);
    assert_ok(cx, cv_changes_drop(cx, t.db, name));
    assert_string_equal(run("SELECT count(*) FROM pg_publication"), "0");
    assert_fails(cx, cv_changes_drop(cx, t.db, name), CV_E_NOT_FOUND, "no reader of changes");
    cv_changes_options options = {.name = name, .position = position};
    assert_fails(cx, cv_changes_open(cx, t.db, &options, &changes), CV_E_GAP, "keeps no place");
}

static void a_name_has_one_reader(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named(), *second;
    cv_changes_options options = {.name = name};
    assert_int_equal(cv_changes_open(cx, t.db, &options, &second), CV_E_LOCKED);
    const char *pid = run("SELECT active_pid FROM pg_replication_slots WHERE active");
    assert_true(strtol(pid, NULL, 10) > 0);
    assert_non_null(strstr(cv_error_last(cx)->message, pid));
    assert_non_null(strstr(cv_error_last(cx)->hint, "pg_terminate_backend"));
    cv_error_clear(cx);
    assert_fails(cx, cv_changes_drop(cx, t.db, name), CV_E_LOCKED, "another reader has the name");
    cv_changes_close(cx, changes);
    changes = open_named();
    cv_changes_close(cx, changes);
}

static void a_slot_for_something_else_is_left_alone(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    char sql[128];
    cv_changes *changes;
    snprintf(sql, sizeof sql, "SELECT pg_create_logical_replication_slot('%s', 'test_decoding')", other_name);
    PGresult *made = PQexec(t.watch, sql); /* the plugin may be missing */
    bool there = PQresultStatus(made) == PGRES_TUPLES_OK;
    PQclear(made);
    if (!there)
        skip();
    cv_changes_options options = {.name = other_name};
    assert_fails(cx, cv_changes_open(cx, t.db, &options, &changes), CV_E_CONFIG, "for another purpose");
    assert_fails(cx, cv_changes_drop(cx, t.db, other_name), CV_E_NOT_FOUND, "of another kind");
}

static void a_publication_that_is_there_is_used_as_it_is(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    char sql[160];
    snprintf(sql, sizeof sql, "CREATE PUBLICATION %s FOR TABLE books (id, title) WHERE (id > 1)", name);
    run(sql);
    cv_changes *changes = open_named();
    run("INSERT INTO books VALUES (1, 'a', 1)");
    run("INSERT INTO books VALUES (2, 'b', 1)");
    assert_string_equal(until(changes, 1), "+books(id=2 title=b)|");
    cv_changes_close(cx, changes);
    assert_ok(cx, cv_changes_drop(cx, t.db, name));
    assert_string_equal(run("SELECT count(*) FROM pg_publication"), "1");
}

static void a_table_can_be_added_to_a_name(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    cv_changes_close(cx, changes);
    run("CREATE TABLE authors (id int PRIMARY KEY, name text)");
    static const char *const tables[] = {"books", "authors"};
    assert_ok(cx, cv_changes_open(cx, t.db, &(cv_changes_options){.name = name, .tables = tables, .table_count = 2},
                                  &changes));
    run("INSERT INTO authors VALUES (1, 'x')");
    assert_string_equal(until(changes, 1), "+authors(id=1 name=x)|");
    cv_changes_close(cx, changes);
}

/* --- what is refused --- */

static void a_table_without_a_key_is_refused_before_it_does_harm(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    run("CREATE TABLE notes (text text)");
    cv_changes *changes;
    cv_changes_options all = {.name = name};
    assert_int_equal(cv_changes_open(cx, t.db, &all, &changes), CV_E_CONFIG);
    assert_non_null(strstr(cv_error_last(cx)->message, "public.notes"));
    assert_non_null(strstr(cv_error_last(cx)->hint, "REPLICA IDENTITY FULL"));
    cv_error_clear(cx);
    assert_string_equal(run("SELECT count(*) FROM pg_publication"), "0");
    run("ALTER TABLE notes REPLICA IDENTITY FULL");
    assert_ok(cx, cv_changes_open(cx, t.db, &all, &changes));
    cv_changes_close(cx, changes);
}

static void an_unknown_table_and_a_wrong_position_are_refused(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static const char *const tables[] = {"no'such"};
    cv_changes *changes;
    assert_fails(
        cx,
        cv_changes_open(cx, t.db, &(cv_changes_options){.name = name, .tables = tables, .table_count = 1}, &changes),
        CV_E_NOT_FOUND, "no table \"no'such\"");
    static const char *const wrong[] = {"", "x", "0", "0/", "/0", "0/1 ", "123456789/0", "0/-1", "gtid-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cv_changes_options options = {.name = name, .position = wrong[i]};
        assert_fails(cx, cv_changes_open(cx, t.db, &options, &changes), CV_E_INVALID, "is no position");
    }
    changes = open_named();
    assert_fails(cx, cv_changes_acknowledge(cx, changes, "FFFFFFFF/0"), CV_E_INVALID, "has only come to");
    cv_changes_close(cx, changes);
}

static void behind_a_pooler_nothing_is_read(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    const char *pooler = getenv("COVET_TEST_PGBOUNCER");
    if (!pooler)
        skip();
    char pooled[TEST_URL_BYTES];
    snprintf(pooled, sizeof pooled, "%.*s%s", (int)(strrchr(pooler, '/') - pooler), pooler, strrchr(url, '/'));
    cv_db *db;
    cv_changes *changes;
    assert_ok(cx, cv_db_open(cx, pooled, NULL, &db));
    assert_fails(cx, cv_changes_open(cx, db, NULL, &changes), CV_E_UNSUPPORTED, "a pooler is in between");
    cv_db_close(cx, db);
}

/* --- lives --- */

static void kill_readers(void)
{
    run("SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE database = current_database()");
}

static void a_lost_connection_is_made_again(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    run("INSERT INTO books VALUES (1, 'a', 1)");
    (void)until(changes, 1);
    kill_readers();
    run("INSERT INTO books VALUES (2, 'b', 1)");
    assert_string_equal(until(changes, 1), "+books(id=2 title=b price=1.00)|");
    assert_ok(cx, cv_changes_acknowledge(cx, changes, cv_changes_position(changes)));
    cv_changes_close(cx, changes);
}

static void a_lost_connection_of_a_reader_without_a_name_is_a_gap(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_at(NULL, NULL);
    cv_change c;
    kill_readers();
    CV_WITHIN(cx, 60000)
    {
        assert_fails(cx, cv_changes_next(cx, changes, &c), CV_E_GAP, "without a name");
    }
    assert_fails(cx, cv_changes_next(cx, changes, &c), CV_E_GAP, "without a name");
    cv_changes_close(cx, changes);
}

static void short_deadlines_do_not_keep_a_connection_from_being_made(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    cv_change c;
    kill_readers();
    run("INSERT INTO books VALUES (1, 'a', 1)");
    int rc = CV_E_TIMEOUT;
    for (int i = 0; i < 60000 && rc == CV_E_TIMEOUT; i++) {
        cv_error_clear(cx);
        CV_WITHIN(cx, 1)
        {
            rc = cv_changes_next(cx, changes, &c);
        }
    }
    assert_ok(cx, rc);
    assert_int_equal(c.kind, CV_CHANGE_INSERT);
    cv_changes_close(cx, changes);
}

/* Nobody reads, so nobody connects in between. */
static void a_slot_that_is_dropped_under_the_reader_is_a_gap(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    cv_change c;
    kill_readers();
    run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()");
    for (int i = 0; i < 2; i++) { /* it comes again, with what to do */
        CV_WITHIN(cx, 60000)
        {
            assert_int_equal(cv_changes_next(cx, changes, &c), CV_E_GAP);
        }
        assert_non_null(strstr(cv_error_last(cx)->message, "removed from the server"));
        assert_non_null(strstr(cv_error_last(cx)->hint, "read the tables anew"));
        cv_error_clear(cx);
    }
    cv_changes_close(cx, changes);
    changes = open_named(); /* as a new one */
    run("INSERT INTO books VALUES (1, 'a', 1)");
    assert_string_equal(until(changes, 1), "+books(id=1 title=a price=1.00)|");
    cv_changes_close(cx, changes);
}

static void drop_publication(void)
{
    char sql[128];
    snprintf(sql, sizeof sql, "DROP PUBLICATION %s", name);
    run(sql);
}

static void assert_unpublished(cv_changes *changes)
{
    cv_change c;
    CV_WITHIN(t.cx, 60000)
    {
        assert_int_equal(cv_changes_next(t.cx, changes, &c), CV_E_GAP);
    }
    assert_non_null(strstr(cv_error_last(t.cx)->message, "publication of the reader was removed"));
    assert_non_null(strstr(cv_error_last(t.cx)->hint, "cv_changes_drop"));
    cv_error_clear(t.cx);
}

/* What was changed without it stays unreadable, also when it is made again. */
static void a_publication_that_is_missing_is_a_gap(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    drop_publication();
    run("INSERT INTO books VALUES (1, 'a', 1)");
    assert_unpublished(changes);
    cv_changes_close(cx, changes);
    changes = open_named();
    assert_unpublished(changes);
    cv_changes_close(cx, changes);
    assert_ok(cx, cv_changes_drop(cx, t.db, name));
    changes = open_named();
    run("INSERT INTO books VALUES (2, 'b', 1)");
    assert_string_equal(until(changes, 1), "+books(id=2 title=b price=1.00)|");
    cv_changes_close(cx, changes);
}

static int wait_in_fiber(cv_ctx *cx, void *arg)
{
    cv_change c;
    return cv_changes_next(cx, arg, &c);
}

static void closing_the_database_ends_the_wait(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "reader", wait_in_fiber, changes, &fiber));
    assert_ok(cx, cv_sleep_ms(cx, 1));
    cv_db_close(cx, t.db);
    t.db = NULL;
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_CLOSED, "the database was closed");
    cv_changes_close(cx, changes);
}

static void closing_the_database_ends_a_reader_that_connects(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_changes *changes = open_named();
    cv_fiber *fiber;
    char sql[128];
    kill_readers();
    assert_ok(cx, cv_spawn(cx, "reader", wait_in_fiber, changes, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_db_close(cx, t.db);
    t.db = NULL;
    assert_true(cv_join(cx, fiber, NULL) < 0);
    cv_error_clear(cx);
    cv_changes_close(cx, changes);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '%s'", name);
    assert_string_equal(run(sql), "1");
}

static void a_slow_reader_costs_little_memory_and_misses_nothing(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    enum { ROWS = 100000 };
    cv_changes *changes = open_named();
    run("INSERT INTO books SELECT i, repeat('x', 500), 1 FROM generate_series(1, 100000) i");
    assert_ok(cx, cv_sleep_ms(cx, 50));
    cv_change c;
    for (int i = 1; i <= ROWS; i++) {
        c = next(changes);
        assert_int_equal(cv_change_new(&c, "id").as.i64, i);
    }
    assert_int_equal(next(changes).kind, CV_CHANGE_COMMIT);
    cv_changes_close(cx, changes);
}

static void a_reader_that_is_killed_twice_under_load_misses_nothing(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    run("DROP TABLE IF EXISTS load_rows; CREATE TABLE load_rows (id bigint PRIMARY KEY, x bigint)");
    load_test(cx, url, "load_rows");
    run("DROP TABLE load_rows");
}

int main(int argc, char **argv)
{
    int code = load_main(argc, argv);
    if (code >= 0)
        return code;
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(rows_are_told_in_the_order_of_the_commits),
        CASE(an_event_says_what_it_knows),
        CASE(the_row_before_is_told_as_far_as_the_table_says),
        CASE(a_large_value_that_did_not_change_is_not_told),
        CASE(a_schema_change_is_told_before_the_first_row_after_it),
        CASE(other_tables_are_not_told_and_the_position_goes_on),
        CASE(without_tables_all_are_told),
        CASE(partitions_are_told_as_their_table),
        CASE(values_have_their_types),
        CASE(a_value_that_cannot_be_is_told_as_text),
        CASE(types_of_the_database_s_own_are_told_also_new_ones),
        CASE(a_name_goes_on_where_it_was_acknowledged),
        CASE(a_stored_position_is_gone_on_from),
        CASE(a_reader_without_a_name_begins_now_and_leaves_nothing),
        CASE(a_dropped_name_is_forgotten),
        CASE(a_name_has_one_reader),
        CASE(a_slot_for_something_else_is_left_alone),
        CASE(a_publication_that_is_there_is_used_as_it_is),
        CASE(a_table_can_be_added_to_a_name),
        CASE(a_table_without_a_key_is_refused_before_it_does_harm),
        CASE(an_unknown_table_and_a_wrong_position_are_refused),
        CASE(behind_a_pooler_nothing_is_read),
        CASE(a_lost_connection_is_made_again),
        CASE(a_lost_connection_of_a_reader_without_a_name_is_a_gap),
        CASE(short_deadlines_do_not_keep_a_connection_from_being_made),
        CASE(a_slot_that_is_dropped_under_the_reader_is_a_gap),
        CASE(a_publication_that_is_missing_is_a_gap),
        CASE(closing_the_database_ends_the_wait),
        CASE(closing_the_database_ends_a_reader_that_connects),
        CASE(a_slow_reader_costs_little_memory_and_misses_nothing),
        CASE(a_reader_that_is_killed_twice_under_load_misses_nothing),
    };
#undef CASE
    return cmocka_run_group_tests_name("postgres-changes", tests, set_up_group, tear_down_group);
}
