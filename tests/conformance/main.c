/* One suite for every engine: the cases of cases.h, unchanged, on the engine that is named.
 *
 *     test_conformance ENGINE      sqlite, sqlite-memory, postgresql, pgbouncer, mariadb; TAP on stdout
 *
 * A case that the engine cannot do by its table (covet/engine.h) is skipped, and only that. */
#include "conformance.h"
#include "folder.h"
#include "mariadb_server.h"
#include "postgres_server.h"

#define NOTHING -1

static const struct {
    const char *name;
    void (*run)(suite *s);
    int needs;
} cases[] = {
#define CASE(name, needs) {#name, case_##name, needs},
#include "cases.h"
#undef CASE
};
#define CASE_COUNT (sizeof cases / sizeof cases[0])

static char folder[64], postgres_url[TEST_URL_BYTES], mariadb_url[TEST_MARIADB_URL_BYTES];
static suite s;

static void drop_tables(void)
{
    static const char *const tables[] = {"pages", "books"};
    for (size_t i = 0; i < 2; i++)
        run(&s, cv_sprintf(s.cx, "DROP TABLE IF EXISTS %s", tables[i]));
}

static void make_tables(void)
{
    drop_tables();
    const cv__dialect *dialect = cv__db_dialect(s.db);
    cv_buf ddl;
    cv_buf_init_arena(&ddl, cv_ctx_arena(s.cx), 0);
    cv_buf_add_text(&ddl, "CREATE TABLE books (id ");
    dialect->add_identity(&ddl);
    cv_buf_add_text(&ddl, ", title VARCHAR(100) NOT NULL, isbn VARCHAR(20) UNIQUE, stock BIGINT,"
                          " CONSTRAINT stock_not_negative CHECK (stock >= 0))");
    run(&s, ddl.data);
    run(&s, "CREATE TABLE pages (id BIGINT PRIMARY KEY, book_id BIGINT NOT NULL REFERENCES books (id))");
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.arena_limit_bytes = (size_t)1 << 30}, &s.cx), 0);
    assert_ok(s.cx, cv_db_open(s.cx, s.url, &(cv_db_options){.max_connections = 4}, &s.db));
    cv_use_db(s.cx, s.db);
    make_tables();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cv_db_close(s.cx, s.db);
    cv_runtime_free(s.cx);
    return 0;
}

static void run_case(void **state)
{
    size_t which = (size_t)(uintptr_t)*state;
    if (cases[which].needs != NOTHING && !can(&s, (cv_capability)cases[which].needs))
        skip();
    cases[which].run(&s);
}

/* ---- what cases share ---- */

int in_other_session(suite *t, int (*fn)(cv_ctx *cx, void *arg), void *arg)
{
    cv_fiber *fiber;
    assert_ok(t->cx, cv_spawn(t->cx, "other", fn, arg, &fiber));
    int rc = cv_join(t->cx, fiber, NULL);
    if (rc < 0)
        cv_error_clear(t->cx);
    return rc;
}

cv_value scalar(cv_ctx *cx, const char *sql)
{
    cv_value value = CV_NULL;
    assert_ok(cx, cv__sql_scalar(cx, &value, sql, NULL, 0));
    return value;
}

int64_t count(suite *t, const char *table)
{
    return scalar(t->cx, cv_sprintf(t->cx, "SELECT COUNT(*) FROM %s", table)).as.i64;
}

int add(cv_ctx *cx, int id)
{
    return cv_exec(cx, NULL, "INSERT INTO books (id, title) VALUES (?, ?)", id, "t");
}

void assert_usable(suite *t)
{
    assert_int_equal(cv_db_pool_stats(t->db, 0).borrowed, 0);
    assert_int_equal(cv_db_pool_stats(t->db, 1).borrowed, 0);
    assert_int_equal(scalar(t->cx, "SELECT 41 + 1").as.i64, 42);
}

/* ---- engines ---- */

/* A database of its own on the server, by way of the pooler. */
static bool find_pooled(void)
{
    const char *bouncer = getenv("COVET_TEST_PGBOUNCER");
    if (!bouncer || !test_database_create("pooled", postgres_url))
        return false;
    snprintf(s.url, sizeof s.url, "%.*s%s", (int)(strrchr(bouncer, '/') - bouncer), bouncer,
             strrchr(postgres_url, '/'));
    return true;
}

/* The URL of the engine; false: its server is not there. */
static bool find_engine(const char *engine)
{
    s.engine = engine;
    if (strcmp(engine, "sqlite") == 0)
        snprintf(s.url, sizeof s.url, "sqlite:///%s/conformance.db", folder);
    else if (strcmp(engine, "sqlite-memory") == 0)
        snprintf(s.url, sizeof s.url, "sqlite::memory:");
    else if (strcmp(engine, "pgbouncer") == 0)
        return find_pooled();
    else if (strcmp(engine, "postgresql") == 0 && test_database_create("conformance", postgres_url))
        snprintf(s.url, sizeof s.url, "%s", postgres_url);
    else if (strcmp(engine, "mariadb") == 0 && test_mariadb_create("conformance", mariadb_url))
        snprintf(s.url, sizeof s.url, "%s", mariadb_url);
    return s.url[0] != '\0';
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[CASE_COUNT];
    test_folder_make(folder);
    if (argc != 2 || !find_engine(argv[1])) {
        printf("1..0 # SKIP there is no server for %s\n", argc == 2 ? argv[1] : "no engine");
        test_folder_remove(folder);
        return argc == 2 ? 0 : 2;
    }
    for (size_t i = 0; i < CASE_COUNT; i++)
        tests[i] = (struct CMUnitTest){cases[i].name, run_case, set_up, tear_down, (void *)(uintptr_t)i};
    int failed = cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
    if (postgres_url[0])
        test_database_drop(postgres_url);
    if (mariadb_url[0])
        test_mariadb_drop(mariadb_url);
    test_folder_remove(folder);
    return failed;
}
