/* Migrating real databases: SQLite always, PostgreSQL and MariaDB where a test server is at hand. Each case runs on
 * each engine, in a file, schema or database of its own. */
#include "mariadb_server.h"
#include "migrate_test.h"
#include "models.h"

#include <sqlite3.h>
#include <sys/wait.h>

typedef struct world {
    cv_ctx *cx;
    cv_db *db;
    folder folder;
    char url[512];
    bool postgres, mariadb;
} world;

static void run(world *w, const char *sql)
{
    assert_ok(w->cx, cv_sql_run(w->cx, sql, NULL, 0, NULL, NULL));
}

static int set_up(void **state)
{
    const char *server = *state;
    world *w = calloc(1, sizeof *w);
    w->cx = new_runtime();
    w->folder = make_folder();
    w->mariadb = strcmp(server, "mariadb") == 0;
    w->postgres = !w->mariadb && strcmp(server, "sqlite") != 0;
    if (w->mariadb)
        assert_true(test_mariadb_create("migrate", w->url));
    else if (w->postgres)
        snprintf(w->url, sizeof w->url, "%s", server);
    else
        snprintf(w->url, sizeof w->url, "sqlite:///%s/test.db", w->folder.path);
    assert_ok(w->cx, cv_db_open(w->cx, w->url, NULL, &w->db));
    cv_use_db(w->cx, w->db);
    if (w->postgres) { /* an empty schema of the name that the search path has first */
        run(w, "DROP SCHEMA IF EXISTS public CASCADE");
        run(w, "CREATE SCHEMA public");
    }
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    cv_db_close(w->cx, w->db);
    if (w->mariadb)
        test_mariadb_drop(w->url);
    remove_folder(&w->folder);
    cv_runtime_free(w->cx);
    free(w);
    return 0;
}

static cv_migrations *folder_set(world *w)
{
    return load_set(w->cx, (cv_migrations_source){.folder = w->folder.path});
}

static size_t migrate(world *w, const cv_migrations *set, const char *label, const char *name)
{
    size_t done = 999;
    assert_ok(w->cx, cv_migrate(w->cx, set, &(cv_migrate_options){.label = label, .name = name}, &done));
    return done;
}

static int64_t number(world *w, const char *sql)
{
    cv_rows *rows;
    assert_ok(w->cx, cv_sql_run(w->cx, sql, NULL, 0, NULL, &rows));
    assert_int_equal(cv_rows_next(w->cx, rows), 1);
    cv_value value = cv_rows_get(rows, 0);
    int64_t result = value.type == CV_TYPE_I64 ? value.as.i64 : -1;
    cv_rows_close(w->cx, rows);
    return result;
}

/* Everything in the database but the history, as one text. */
static const char *schema_of(world *w)
{
    static const char sqlite[] =
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND tbl_name "
        "<> 'covet_migrations' ORDER BY name";
    static const char postgres[] =
        "SELECT 'c' || a.attrelid::regclass::text AS at, a.attname::text, format_type(a.atttypid, a.atttypmod) || "
        "coalesce(pg_get_expr(d.adbin, d.adrelid), '') || a.attnotnull::text || a.attidentity::text FROM pg_attribute "
        "a "
        "JOIN pg_class t ON t.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum "
        "WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND "
        "t.relname <> 'covet_migrations' "
        "UNION ALL SELECT 'k' || conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'covet_migrations' "
        "UNION ALL SELECT 'i', indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> "
        "'covet_migrations' ORDER BY 1, 2, 3";
    static const char mariadb[] =
        "SELECT 'c' || table_name, column_name, CONCAT(column_type, COALESCE(column_default, ''), is_nullable, extra, "
        "COALESCE(collation_name, '')) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name "
        "NOT LIKE 'covet%' UNION ALL SELECT 'i' || table_name, index_name, CONCAT(column_name, seq_in_index, "
        "non_unique, "
        "collation) FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name NOT LIKE "
        "'covet%' "
        "UNION ALL SELECT 'k' || table_name, constraint_name, constraint_type FROM "
        "information_schema.table_constraints "
        "WHERE table_schema = DATABASE() AND table_name NOT LIKE 'covet%' UNION ALL SELECT 'r' || table_name, "
        "constraint_name, referenced_table_name || delete_rule FROM information_schema.referential_constraints WHERE "
        "constraint_schema = DATABASE() UNION ALL SELECT 'd' || table_name, constraint_name, check_clause FROM "
        "information_schema.check_constraints WHERE constraint_schema = DATABASE() AND table_name NOT LIKE 'covet%' "
        "ORDER BY 1, 2, 3";
    cv_rows *rows;
    cv_buf text;
    cv_buf_init_arena(&text, cv_ctx_arena(w->cx), 0);
    cv_buf_add_text(&text, "");
    const char *sql = w->mariadb ? mariadb : w->postgres ? postgres : sqlite;
    assert_ok(w->cx, cv_sql_run(w->cx, sql, NULL, 0, NULL, &rows));
    while (cv_rows_next(w->cx, rows) == 1) {
        for (size_t i = 0; i < 3; i++)
            cv_buf_printf(&text, "%.*s|", CV_STR_ARG(cv_rows_get(rows, i).as.text));
        cv_buf_add_char(&text, '\n');
    }
    cv_rows_close(w->cx, rows);
    return text.data ? text.data : "";
}

#define ADD_PAGES                                                                                                      \
    OPERATIONS("  - add_column: {table: books, column: {name: pages, type: integer, null: true}, checks: [{name: "     \
               "books_pages_min, column: pages, lookup: gte, value: 1}]}\n"                                            \
               "  - create_index: {name: books_title_idx, table: books, columns: [\"-title\"]}\n")
#define DROP_PAGES                                                                                                     \
    OPERATIONS("  - drop_column: {table: books, column: pages}\n  - drop_index: {name: books_title_idx}\n")

/* ---- the way up and down ---- */

/* Rows that refer to each other; both engines let them in when the check is deferred or the key added later. */
static int insert_a_circle(world *w)
{
    bool later = w->postgres || w->mariadb;
    if (w->postgres)
        run(w, "ALTER TABLE writers ALTER COLUMN best_id DROP NOT NULL");
    if (w->mariadb)
        run(w, "ALTER TABLE writers MODIFY best_id BIGINT NULL");
    CV_ATOMIC(w->cx)
    {
        run(w, later ? "INSERT INTO shelves (code) VALUES ('b')" : "PRAGMA defer_foreign_keys = ON");
        run(w, later ? "INSERT INTO writers (id, name) VALUES (1, 'a')"
                     : "INSERT INTO writers (id, name, best_id) VALUES (1, 'a', 1)");
        run(w, "INSERT INTO works (id, small, medium, writer_id, shelf_id) VALUES (1, -3, 1, 1, 'a')");
        run(w, "UPDATE writers SET best_id = 1");
    }
    return 0;
}

static void models_become_tables_and_nothing_is_left_to_do(void **state)
{
    world *w = *state;
    cv_registry *registry = cv_registry_new(w->cx);
    cv_new_migration *made;
    size_t count;
    cv_makemigrations_options options = {.folder = w->folder.path};
    assert_ok(w->cx, cv_registry_add(w->cx, registry, "shop", writer_model()));
    assert_ok(w->cx, cv_registry_add(w->cx, registry, "shop", work_model()));
    assert_ok(w->cx, cv_registry_add(w->cx, registry, "shop", shelf_model()));
    assert_ok(w->cx, cv_registry_check(w->cx, registry));
    assert_ok(w->cx, cv_makemigrations(w->cx, registry, folder_set(w), &options, &made, &count));
    cv_migrations *set = folder_set(w);
    assert_int_equal(migrate(w, set, NULL, NULL), 1);
    assert_ok(w->cx, cv_makemigrations(w->cx, registry, set, &options, &made, &count));
    assert_int_equal(count, 0);
    assert_int_equal(migrate(w, set, NULL, NULL), 0);

    const char *before = schema_of(w);
    assert_non_null(strstr(before, "works_writer_id_fk"));
    run(w, "INSERT INTO shelves (code) VALUES ('a')"); /* the circle is dropped although rows refer to each other */
    assert_ok(w->cx, insert_a_circle(w));
    assert_int_equal(migrate(w, set, "shop", "zero"), 1);
    assert_string_equal(schema_of(w), "");
    assert_int_equal(migrate(w, set, "shop", NULL), 1);
    assert_string_equal(schema_of(w), before);
    cv_registry_free(registry);
}

static void forward_and_backward_meet(void **state)
{
    world *w = *state;
    cv_migrations *set = load_set(
        w->cx, SET(ONE("0001_books", OPERATIONS(BOOKS)), ONE("0002_pages", ADD_PAGES), ONE("0003_less", DROP_PAGES)));
    assert_int_equal(migrate(w, set, "shop", "0001"), 1);
    const char *first = schema_of(w);
    assert_int_equal(migrate(w, set, "shop", "0002_pages"), 1);
    const char *second = schema_of(w);
    assert_string_not_equal(first, second);
    assert_int_equal(migrate(w, set, NULL, NULL), 1);
    assert_string_equal(schema_of(w), first);
    assert_int_equal(migrate(w, set, "shop", "0002"), 1);
    assert_string_equal(schema_of(w), second);
    assert_int_equal(migrate(w, set, "shop", "0001"), 1);
    assert_string_equal(schema_of(w), first);
    assert_int_equal(migrate(w, set, "shop", "zero"), 1);
    assert_string_equal(schema_of(w), "");
    assert_int_equal(number(w, "SELECT count(*) FROM covet_migrations"), 0);
}

static void what_depends_on_it_goes_first(void **state)
{
    world *w = *state;
    cv_migrations *set = load_set(
        w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS)), ONE("0002_x", "covet: 1\noperations: []\n"),
                   AT("zoo", "0001_x",
                      "covet: 1\ndepends_on: [shop/0001_x]\noperations:\n"
                      "  - create_table: {name: animals, columns: [{name: id, type: integer, identity: true}, {name: "
                      "book_id, type: integer, references: {table: books, column: id}}]}\n"),
                   AT("art", "0001_x", "covet: 1\noperations: []\n")));
    assert_int_equal(migrate(w, set, "zoo", NULL), 2); /* with what it needs, and no more */
    assert_int_equal(migrate(w, set, NULL, NULL), 2);
    assert_int_equal(migrate(w, set, "shop", "zero"), 3);
    assert_int_equal(number(w, "SELECT count(*) FROM covet_migrations"), 1);
}

struct seen {
    char text[512];
};

static void note_step(void *arg, const char *label, const char *name, bool forward, bool finished, size_t done,
                      size_t total)
{
    struct seen *seen = arg;
    snprintf(seen->text + strlen(seen->text), sizeof seen->text - strlen(seen->text), "%s/%s %s%s %zu/%zu\n", label,
             name, forward ? "+" : "-", finished ? "." : "", done, total);
}

static void steps_are_told_and_a_dry_run_does_nothing(void **state)
{
    world *w = *state;
    struct seen seen = {""};
    size_t done;
    cv_migrations *set = load_set(w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS)), ONE("0002_x", ADD_PAGES)));
    cv_migrate_options options = {.dry_run = true, .progress = note_step, .progress_arg = &seen};
    assert_ok(w->cx, cv_migrate(w->cx, set, &options, &done));
    assert_int_equal(done, 2);
    assert_string_equal(seen.text, "shop/0001_x + 0/2\nshop/0001_x +. 1/2\nshop/0002_x + 1/2\nshop/0002_x +. 2/2\n");
    assert_string_equal(schema_of(w), "");
    cv_migration_status *status;
    assert_ok(w->cx, cv_migrations_status(w->cx, set, &status, &done));
    assert_int_equal(done, 2);
    assert_false(status[0].applied);
}

static void raw_sql_moves_data_and_back(void **state)
{
    world *w = *state;
    static const char change[] =
        OPERATIONS("  - run_sql:\n"
                   "      sqlite: [\"INSERT INTO books (title) VALUES ('is ? a mark')\", \"SELECT id FROM books\"]\n"
                   "      postgres: [\"INSERT INTO books (title) VALUES ('is ? a mark')\", \"SELECT id FROM books\"]\n"
                   "      mariadb: [\"INSERT INTO books (title) VALUES ('is ? a mark')\", \"SELECT id FROM books\"]\n"
                   "      reverse: {sqlite: [\"DELETE FROM books\"], postgres: [\"DELETE FROM books\"], mariadb: "
                   "[\"DELETE FROM books\"]}\n");
    cv_migrations *set = load_set(w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS)), ONE("0002_x", change)));
    migrate(w, set, NULL, NULL);
    assert_int_equal(number(w, "SELECT count(*) FROM books WHERE title = 'is ? a mark'"), 1);
    migrate(w, set, "shop", "0001_x");
    assert_int_equal(number(w, "SELECT count(*) FROM books"), 0);
}

static void rows_are_kept_through_changes(void **state)
{
    world *w = *state;
    cv_migrations *set = load_set(
        w->cx,
        SET(ONE("0001_x", OPERATIONS(BOOKS)),
            ONE("0002_x", OPERATIONS("  - add_column: {table: books, column: {name: price, type: decimal, digits: "
                                     "6, places: 2, default: \"2.50\"}}\n"
                                     "  - add_column: {table: books, column: {name: seen, type: boolean, "
                                     "default: true}}\n"))));
    migrate(w, set, "shop", "0001");
    run(w, "INSERT INTO books (title) VALUES ('a')");
    migrate(w, set, NULL, NULL);
    assert_int_equal(number(w, !w->postgres && !w->mariadb ? "SELECT count(*) FROM books WHERE price = 250 AND seen = 1"
                                                           : "SELECT count(*) FROM books WHERE price = 2.5 AND seen"),
                     1);
    migrate(w, set, "shop", "0001");
    assert_int_equal(number(w, "SELECT count(*) FROM books"), 1);
}

static void the_database_refuses_what_the_columns_forbid(void **state)
{
    world *w = *state;
    cv_migrations *set = load_set(w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS)), ONE("0002_x", ADD_PAGES)));
    migrate(w, set, NULL, NULL);
    assert_int_equal(cv_exec(w->cx, NULL, "INSERT INTO books (title, pages) VALUES ('a', 0)"), CV_E_CHECK);
    assert_string_equal(cv_error_last(w->cx)->constraint, "books_pages_min");
    cv_error_clear(w->cx);
}

/* ---- what is refused ---- */

static void a_failure_keeps_nothing(void **state)
{
    world *w = *state;
    size_t done;
    cv_migrations *set = load_set(
        w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS)),
                   ONE("0002_x", OPERATIONS("  - create_table: {name: t, columns: [{name: a, type: text}]}\n"
                                            "  - run_sql: {sqlite: [\"INSERT INTO none VALUES (1)\"], postgres: "
                                            "[\"INSERT INTO none VALUES (1)\"]}\n")),
                   ONE("0003_x", OPERATIONS("  - create_table: {name: u, columns: [{name: a, type: text}]}\n"))));
    migrate(w, set, "shop", "0001");
    const char *before = schema_of(w);
    int rc = cv_migrate(w->cx, set, NULL, &done);
    assert_true(rc < 0);
    const cv_error *error = cv_error_last(w->cx);
    assert_non_null(strstr(error->message, "could not apply the migration \"shop/0002_x\"; nothing of it was kept"));
    assert_non_null(strstr(error->detail, "INSERT INTO none"));
    assert_non_null(error->cause);
    cv_error_clear(w->cx);
    assert_string_equal(schema_of(w), before);
    assert_int_equal(number(w, "SELECT count(*) FROM covet_migrations"), 1);
}

static void a_changed_file_is_refused(void **state)
{
    world *w = *state;
    size_t done, count;
    cv_migration_status *status;
    put_file(&w->folder, "shop", "0001_x.yaml", OPERATIONS(BOOKS));
    migrate(w, folder_set(w), NULL, NULL);
    put_file(&w->folder, "shop", "0001_x.yaml", OPERATIONS(BOOKS) "# a thought\n");
    put_file(&w->folder, "shop", "0002_x.yaml", ADD_PAGES);
    cv_migrations *set = folder_set(w);
    assert_ok(w->cx, cv_migrations_status(w->cx, set, &status, &count));
    assert_int_equal(count, 2);
    assert_true(status[0].applied && status[0].changed && !status[0].missing);
    assert_true(status[0].applied_at.us > 0);
    assert_false(status[1].applied);
    assert_int_equal(cv_migrate(w->cx, set, NULL, &done), CV_E_CHECKSUM);
    assert_non_null(strstr(cv_error_last(w->cx)->message, "shop/0001_x.yaml\" was changed"));
    assert_non_null(strstr(cv_error_last(w->cx)->hint, "put the former text back"));
    cv_error_clear(w->cx);
    assert_int_equal(number(w, "SELECT count(*) FROM covet_migrations"), 1);
}

static void a_missing_file_is_refused(void **state)
{
    world *w = *state;
    size_t done, count;
    cv_migration_status *status;
    migrate(w, load_set(w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS)), ONE("0002_x", ADD_PAGES))), NULL, NULL);
    cv_migrations *set = load_set(w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS))));
    assert_ok(w->cx, cv_migrations_status(w->cx, set, &status, &count));
    assert_int_equal(count, 2);
    assert_true(status[1].missing && status[1].applied);
    assert_string_equal(status[1].name, "0002_x");
    assert_fails(w->cx, cv_migrate(w->cx, set, NULL, &done), CV_E_MIGRATION,
                 "\"shop/0002_x\" is applied, but there is no such file");
}

static void one_that_came_too_late_is_refused(void **state)
{
    world *w = *state;
    size_t done;
    migrate(w, load_set(w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS)), ONE("0003_x", ADD_PAGES))), NULL, NULL);
    cv_migrations *set = load_set(w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS)),
                                             ONE("0002_late", "covet: 1\noperations: []\n"), ONE("0003_x", ADD_PAGES)));
    assert_fails(w->cx, cv_migrate(w->cx, set, NULL, &done), CV_E_MIGRATION,
                 "\"shop/0003_x\" is applied, but \"shop/0002_late\", which comes before it, is not");
}

static void what_cannot_be_undone_is_known_before(void **state)
{
    world *w = *state;
    size_t done;
    cv_migrations *set = load_set(
        w->cx,
        SET(ONE("0001_x",
                OPERATIONS(
                    "  - run_sql: {sqlite: [\"SELECT 1\"], postgres: [\"SELECT 1\"], mariadb: [\"SELECT 1\"]}\n")),
            ONE("0002_x", OPERATIONS(BOOKS))));
    migrate(w, set, NULL, NULL);
    const char *before = schema_of(w);
    assert_fails(w->cx, cv_migrate(w->cx, set, &(cv_migrate_options){.label = "shop", .name = "zero"}, &done),
                 CV_E_MIGRATION, "cannot be undone");
    assert_string_equal(schema_of(w), before);
}

static int migrate_inside(cv_ctx *cx, const cv_migrations *set)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_migrate(cx, set, NULL, NULL));
    }
    return 0;
}

static void calls_that_make_no_sense_are_refused(void **state)
{
    world *w = *state;
    size_t done, count;
    cv_migration_status *status;
    cv_migrations *set = load_set(w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS))));
    assert_fails(w->cx, cv_migrate(w->cx, set, &(cv_migrate_options){.name = "0001"}, &done), CV_E_INVALID,
                 "needs its label");
    assert_fails(w->cx, cv_migrate(w->cx, set, &(cv_migrate_options){.label = "shpo"}, &done), CV_E_NOT_FOUND,
                 "\"shpo\"");
    assert_fails(w->cx, migrate_inside(w->cx, set), CV_E_IN_TRANSACTION, "inside a transaction");
    cv_use_db(w->cx, NULL);
    assert_fails(w->cx, cv_migrate(w->cx, set, NULL, &done), CV_E_NO_DATABASE, "no database");
    assert_fails(w->cx, cv_migrations_status(w->cx, set, &status, &count), CV_E_NO_DATABASE, "no database");
    cv_use_db(w->cx, w->db);
}

/* ---- several runners ---- */

/* What a runner in a process of its own reports: the number of migrations that it applied, or 100 for a failure. */
static int runner(const char *url, int start)
{
    cv_ctx *cx;
    cv_db *db;
    char go;
    size_t done = 100;
    cv_migrations *set;
    cv_migrations_source source =
        SET(ONE("0001_x", OPERATIONS(BOOKS)), ONE("0002_x", ADD_PAGES), ONE("0003_x", DROP_PAGES),
            ONE("0004_x",
                OPERATIONS("  - run_sql: {sqlite: [\"INSERT INTO books (title) VALUES ('once')\"], postgres: "
                           "[\"INSERT INTO books (title) VALUES ('once')\"], mariadb: [\"INSERT INTO books (title) "
                           "VALUES ('once')\"]}\n")));
    if (cv_runtime_new(NULL, &cx) < 0 || cv_db_open(cx, url, NULL, &db) < 0 ||
        cv_migrations_load(cx, &source, &set) < 0 || read(start, &go, 1) < 0)
        return 100;
    cv_use_db(cx, db);
    if (cv_migrate(cx, set, NULL, &done) < 0) {
        const cv_error *error = cv_error_last(cx);
        fprintf(stderr, "# %s\n", error ? error->message : "no story");
        done = 100;
    }
    cv_db_close(cx, db);
    cv_runtime_free(cx);
    return (int)done;
}

static void of_several_runners_each_migration_has_one(void **state)
{
    world *w = *state;
    enum { RUNNERS = 4 };
    int start[2], results[2], total = 0, done;
    pid_t children[RUNNERS];
    assert_int_equal(pipe(start), 0);
    assert_int_equal(pipe(results), 0);
    cv_db_close(w->cx, w->db); /* no connection may be carried into another process */
    for (int i = 0; i < RUNNERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(start[1]);
            done = runner(w->url, start[0]);
            _exit(write(results[1], &done, sizeof done) < 0);
        }
    }
    close(start[0]);
    close(start[1]); /* all of them begin now */
    close(results[1]);
    for (int i = 0; i < RUNNERS; i++)
        assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
    for (int i = 0; i < RUNNERS; i++) {
        assert_int_equal(read(results[0], &done, sizeof done), sizeof done);
        assert_true(done < 100);
        total += done;
    }
    close(results[0]);
    assert_ok(w->cx, cv_db_open(w->cx, w->url, NULL, &w->db));
    cv_use_db(w->cx, w->db);
    assert_int_equal(total, 4);
    assert_int_equal(number(w, "SELECT count(*) FROM books"), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM covet_migrations"), 4);
}

static void waiting_for_another_runner_ends(void **state)
{
    world *w = *state;
    size_t done;
    cv_db *second;
    cv_migrations *set = load_set(w->cx, SET(ONE("0001_x", OPERATIONS(BOOKS))));
    sqlite3 *writer = NULL;
    cv_rows *rows = NULL;
    if (w->mariadb) {
        assert_ok(w->cx, cv_select(w->cx, &rows, "SELECT GET_LOCK(CONCAT('covet_migrate_', MD5(DATABASE())), 0)"));
        assert_int_equal(cv_rows_next(w->cx, rows), 1);
    } else if (w->postgres) {
        /* the connection with the lock is held as long as its rows are open */
        assert_ok(w->cx, cv_select(w->cx, &rows, "SELECT pg_advisory_lock(7161937020348624229)"));
        assert_int_equal(cv_rows_next(w->cx, rows), 1);
    } else {
        assert_int_equal(sqlite3_open(w->url + strlen("sqlite:///"), &writer), SQLITE_OK);
        assert_int_equal(sqlite3_exec(writer, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    }
    assert_ok(w->cx, cv_db_open(w->cx, w->url, &(cv_db_options){.sqlite_busy_timeout_ms = 20}, &second));
    cv_use_db(w->cx, second);
    assert_fails(w->cx, cv_migrate(w->cx, set, &(cv_migrate_options){.lock_timeout_ms = 60}, &done), CV_E_LOCKED,
                 "another runner");
    sqlite3_close(writer);
    cv_rows_close(w->cx, rows);
    cv_db_close(w->cx, second);
    cv_use_db(w->cx, w->db);
}

/* ---- MariaDB: what was done is kept ---- */

/* A table, an index that fails, and a column. */
#define HALF(table)                                                                                                    \
    OPERATIONS("  - create_table: {name: t, columns: [{name: a, type: integer}]}\n"                                    \
               "  - create_index: {name: t_a, table: t, columns: [a]}\n"                                               \
               "  - run_sql: {mariadb: [\"INSERT INTO " table " (title) VALUES ('x')\"], reverse: {mariadb: []}}\n"    \
               "  - add_column: {table: books, column: {name: n, type: integer, null: true}}\n")

static cv_migrations *half_set(world *w, const char *second, size_t len)
{
    const cv_embedded_migration both[] = {ONE("0001_x", OPERATIONS(BOOKS)),
                                          {.label = "shop", .name = "0002_x", .text = second, .len = len}};
    return load_set(w->cx, (cv_migrations_source){.embedded = both, .embedded_count = 2});
}
#define HALF_SET(w, text) half_set(w, text, sizeof(text) - 1)

static void what_was_done_is_told_and_gone_on_with(void **state)
{
    world *w = *state;
    size_t done = 0, count;
    cv_migration_status *status;
    cv_migrations *bad = HALF_SET(w, HALF("none")), *good = HALF_SET(w, HALF("books"));
    assert_int_equal(cv_migrate(w->cx, bad, NULL, &done), CV_E_SQL);
    const cv_error *error = cv_error_last(w->cx);
    assert_string_equal(error->message, "could not apply the migration \"shop/0002_x\": its statement 3 of 4 failed; "
                                        "those before it are done and kept");
    assert_non_null(strstr(error->detail, "done: create table t, create index t_a; to do: run sql, add column books.n; "
                                          "the statement was: INSERT INTO none"));
    assert_non_null(strstr(error->hint, "it goes on from here"));
    assert_non_null(error->cause);
    cv_error_clear(w->cx);
    assert_int_equal(number(w, "SELECT count(*) FROM covet_migrations"), 1);
    assert_ok(w->cx, cv_migrations_status(w->cx, bad, &status, &count));
    assert_true(!status[0].begun && status[1].begun && !status[1].applied && status[1].statements_done == 2);
    assert_int_equal(migrate(w, good, NULL, NULL), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM books WHERE n IS NULL"), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM covet_migrations_begun"), 0);
    assert_ok(w->cx, cv_migrations_status(w->cx, good, &status, &count));
    assert_true(status[1].applied && !status[1].begun);
    assert_int_equal(migrate(w, good, "shop", "zero"), 2);
    assert_string_equal(schema_of(w), "");
}

static void what_failed_at_once_leaves_nothing(void **state)
{
    world *w = *state;
    size_t done;
    cv_migrations *set = HALF_SET(w, OPERATIONS("  - run_sql: {mariadb: [\"INSERT INTO none VALUES (1)\"]}\n"));
    assert_fails(w->cx, cv_migrate(w->cx, set, NULL, &done), CV_E_SQL,
                 "statement 1 of 1 failed; nothing of it was kept");
    assert_int_equal(number(w, "SELECT count(*) FROM covet_migrations_begun"), 0);
}

static void what_was_begun_must_be_finished_first(void **state)
{
    world *w = *state;
    size_t done;
    cv_migrations *bad = HALF_SET(w, HALF("none"));
    assert_int_equal(cv_migrate(w->cx, bad, NULL, &done), CV_E_SQL);
    cv_error_clear(w->cx);
    assert_fails(w->cx, cv_migrate(w->cx, bad, &(cv_migrate_options){.label = "shop", .name = "zero"}, &done),
                 CV_E_MIGRATION, "\"shop/0002_x\" is half applied: 2 of its statements are done");
    cv_migrations *other = HALF_SET(w, OPERATIONS("  - create_table: {name: v, columns: [{name: a, type: integer}]}\n"
                                                  "  - create_index: {name: v_a, table: v, columns: [a]}\n"));
    assert_fails(
        w->cx, cv_migrate(w->cx, other, NULL, &done), CV_E_MIGRATION,
        "cannot go on with the migration \"shop/0002_x\": 2 of its statements are done, and they are not those");
    run(w, "DROP TABLE t");
    run(w, "DELETE FROM covet_migrations_begun");
    assert_int_equal(migrate(w, other, NULL, NULL), 1);
}

static void what_a_killed_runner_did_is_not_guessed(void **state)
{
    world *w = *state;
    size_t done;
    cv_migrations *bad = HALF_SET(w, HALF("none")), *good = HALF_SET(w, HALF("books"));
    assert_int_equal(cv_migrate(w->cx, bad, NULL, &done), CV_E_SQL);
    cv_error_clear(w->cx);
    run(w, "UPDATE covet_migrations_begun SET begun = 3"); /* as a runner leaves it that ends in its third statement */
    assert_int_equal(cv_migrate(w->cx, good, NULL, &done), CV_E_MIGRATION);
    const cv_error *error = cv_error_last(w->cx);
    assert_non_null(strstr(error->message, "whether statement 3 of 4 of the migration \"shop/0002_x\" was done"));
    assert_non_null(strstr(error->detail, "INSERT INTO books"));
    assert_non_null(strstr(error->hint, "SET done = begun, prefix = ''"));
    cv_error_clear(w->cx);
    run(w, "UPDATE covet_migrations_begun SET done = begun, prefix = '' WHERE label = 'shop' AND name = '0002_x'");
    assert_int_equal(migrate(w, good, NULL, NULL), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM books"), 0);
}

/* An index over a foreign key goes and comes; long values are kept unique by their hashes. */
static void keys_keep_their_index(void **state)
{
    world *w = *state;
    static const char change[] = OPERATIONS(
        "  - add_column: {table: books, column: {name: next_id, type: integer, null: true, references: {table: books, "
        "column: id, on_delete: set_null}}}\n"
        "  - create_index: {name: books_next, table: books, columns: [next_id]}\n"
        "  - add_column: {table: books, column: {name: long_text, type: text, null: true}}\n"
        "  - create_index: {name: books_long, table: books, columns: [long_text], unique: true}\n"
        "  - create_index: {name: books_begin, table: books, columns: [long_text]}\n");
    cv_migrations *set = HALF_SET(w, change);
    migrate(w, set, "shop", "0001");
    const char *before = schema_of(w);
    migrate(w, set, NULL, NULL);
    run(w, "INSERT INTO books (title, long_text) VALUES ('a', REPEAT('x', 10000)), ('b', REPEAT('x', 9999))");
    assert_int_equal(cv_exec(w->cx, NULL, "INSERT INTO books (title, long_text) VALUES ('c', REPEAT('x', 10000))"),
                     CV_E_UNIQUE);
    cv_error_clear(w->cx);
    migrate(w, set, "shop", "0001");
    assert_string_equal(schema_of(w), before);
}

int main(void)
{
    char *postgres = getenv("COVET_TEST_POSTGRES");
    static char sqlite[] = "sqlite";
#define T(name)                                                                                                        \
    {                                                                                                                  \
#name, name, set_up, tear_down, sqlite                                                                         \
    }
#define CASES                                                                                                          \
    T(models_become_tables_and_nothing_is_left_to_do), T(forward_and_backward_meet), T(what_depends_on_it_goes_first), \
        T(steps_are_told_and_a_dry_run_does_nothing), T(raw_sql_moves_data_and_back),                                  \
        T(rows_are_kept_through_changes), T(the_database_refuses_what_the_columns_forbid),                             \
        T(a_changed_file_is_refused), T(a_missing_file_is_refused), T(one_that_came_too_late_is_refused),              \
        T(what_cannot_be_undone_is_known_before), T(calls_that_make_no_sense_are_refused),                             \
        T(of_several_runners_each_migration_has_one), T(waiting_for_another_runner_ends)
#define WHOLE T(a_failure_keeps_nothing)
#define PARTS                                                                                                          \
    T(what_was_done_is_told_and_gone_on_with), T(what_failed_at_once_leaves_nothing),                                  \
        T(what_was_begun_must_be_finished_first), T(what_a_killed_runner_did_is_not_guessed), T(keys_keep_their_index)
    static char mariadb[] = "mariadb";
    const struct CMUnitTest on_sqlite[] = {CASES, WHOLE};
    struct CMUnitTest on_postgres[] = {CASES, WHOLE}, on_mariadb[] = {CASES, PARTS};
    for (size_t i = 0; i < sizeof on_mariadb / sizeof *on_mariadb; i++)
        on_mariadb[i].initial_state = mariadb;
    for (size_t i = 0; i < sizeof on_postgres / sizeof *on_postgres; i++)
        on_postgres[i].initial_state = postgres;
    int failed = cmocka_run_group_tests_name("sqlite", on_sqlite, NULL, NULL);
    if (postgres)
        failed += cmocka_run_group_tests_name("postgres", on_postgres, NULL, NULL);
    if (getenv("COVET_TEST_MARIADB"))
        failed += cmocka_run_group_tests_name("mariadb", on_mariadb, NULL, NULL);
    return failed;
}
