/* What the errors of SQLite become. */
#include "db_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int set_up(void **state)
{
    static db_test t;
    db_test_init(&t, NULL);
    assert_ok(t.cx, cv_exec(t.cx, NULL,
                            "CREATE TABLE books (id INTEGER PRIMARY KEY, isbn TEXT UNIQUE, title TEXT NOT NULL, "
                            "author BIGINT REFERENCES authors (id), price BIGINT, "
                            "CONSTRAINT price_positive CHECK (price >= 0), UNIQUE (title, author))"));
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE authors (id INTEGER PRIMARY KEY)"));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

#define assert_place(cx, the_table, the_column, the_constraint)                                                        \
    do {                                                                                                               \
        const cv_error *place_ = cv_error_last(cx);                                                                    \
        assert_string_equal(place_->table ? place_->table : "", the_table);                                            \
        assert_string_equal(place_->column ? place_->column : "", the_column);                                         \
        assert_string_equal(place_->constraint ? place_->constraint : "", the_constraint);                             \
        assert_non_null(place_->sqlstate);                                                                             \
        assert_non_null(place_->detail);                                                                               \
        cv_error_clear(cx);                                                                                            \
    } while (0)

static void violations_name_table_column_and_constraint(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO authors VALUES (1)"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO books VALUES (1, 'i', 't', 1, 0)"));
    assert_int_equal(cv_exec(cx, NULL, "INSERT INTO books VALUES (2, 'i', 'u', 1, 0)"), CV_E_UNIQUE);
    assert_place(cx, "books", "isbn", "");
    assert_int_equal(cv_exec(cx, NULL, "INSERT INTO books VALUES (1, 'j', 'u', 1, 0)"), CV_E_UNIQUE);
    assert_place(cx, "books", "id", "");
    assert_int_equal(cv_exec(cx, NULL, "INSERT INTO books VALUES (2, 'j', 't', 1, 0)"), CV_E_UNIQUE);
    assert_place(cx, "books", "title, author", "");
    assert_int_equal(cv_exec(cx, NULL, "INSERT INTO books (id) VALUES (2)"), CV_E_NOT_NULL);
    assert_place(cx, "books", "title", "");
    assert_int_equal(cv_exec(cx, NULL, "UPDATE books SET price = -1"), CV_E_CHECK);
    assert_place(cx, "", "", "price_positive");
    assert_int_equal(cv_exec(cx, NULL, "UPDATE books SET author = 9"), CV_E_FOREIGN_KEY);
    assert_place(cx, "", "", "");
}

static void an_index_on_an_expression_is_named(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_ok(cx, cv_exec(cx, NULL, "CREATE UNIQUE INDEX books_title_ci ON books (cv_fold(title))"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO books (title) VALUES ('Ä')"));
    assert_int_equal(cv_exec(cx, NULL, "INSERT INTO books (title) VALUES ('ä')"), CV_E_UNIQUE);
    assert_place(cx, "", "", "books_title_ci");
}

static void a_trigger_may_refuse(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_ok(cx,
              cv_exec(cx, NULL,
                      "CREATE TRIGGER no_authors BEFORE INSERT ON authors BEGIN SELECT RAISE(ABORT, 'closed shop'); "
                      "END"));
    assert_fails(cx, cv_exec(cx, NULL, "INSERT INTO authors VALUES (1)"), CV_E_CHECK, "closed shop");
}

static void strict_tables_refuse_wrong_types(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE s (x INTEGER) STRICT"));
    assert_fails(cx, cv_exec(cx, NULL, "INSERT INTO s VALUES ('a')"), CV_E_TYPE, "s.x");
    assert_fails(cx, cv_exec(cx, NULL, "INSERT INTO authors VALUES ('a')"), CV_E_TYPE, "mismatch");
}

static void deep_expressions_are_refused_before_they_overflow_a_stack(void **state)
{
    cv_ctx *cx = ((db_test *)*state)->cx;
    cv_buf sql;
    cv_buf_init(&sql, 0);
    cv_buf_add_text(&sql, "SELECT 1");
    for (int i = 0; i < 1000; i++)
        cv_buf_add_text(&sql, " + 1");
    cv_rows *rows;
    assert_fails(cx, cv_sql_run(cx, sql.data, NULL, 0, NULL, &rows), CV_E_SQL, "depth");
    cv_buf_clear(&sql);
    cv_buf_add_text(&sql, "SELECT 1");
    for (int i = 0; i < 200; i++)
        cv_buf_add_text(&sql, " UNION ALL SELECT 1");
    assert_fails(cx, cv_sql_run(cx, sql.data, NULL, 0, NULL, &rows), CV_E_SQL, "compound");
    cv_buf_done(&sql);
}

static int fill(cv_ctx *cx, int *committed)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO authors VALUES (1)"));
    }
    *committed = 1;
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO authors VALUES (2)"));
        CV_TRY(
            cv_exec(cx, NULL,
                    "INSERT INTO books (title) WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE "
                    "x < 100000) SELECT hex(randomblob(500)) FROM c"));
    }
    return 0;
}

/* In a child, where no file may grow beyond 1 MB: what writing says, and what is there afterwards. */
static void a_full_disk_keeps_what_was_committed(void **state)
{
    db_test *t = *state;
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        cv_ctx *cx;
        cv_db *db;
        int committed = 0;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, 1 << 20});
        if (cv_runtime_new(NULL, &cx) < 0 || cv_db_open(cx, t->url, NULL, &db) < 0)
            _exit(1);
        cv_use_db(cx, db);
        int rc = fill(cx, &committed);
        if (rc != CV_E_DISK_FULL && rc != CV_E_IO)
            _exit(2);
        cv_error_clear(cx);
        cv_value count;
        if (cv_scalar(cx, &count, "SELECT count(*) FROM authors") < 0 || count.as.i64 != 1)
            _exit(3);
        cv_db_close(cx, db);
        cv_runtime_free(cx);
        _exit(committed ? 0 : 4);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM authors"), 1);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM books"), 0);
}

static void damaged_pages_are_corruption(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx,
              cv_exec(t->cx, NULL,
                      "INSERT INTO books (title) WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c "
                      "WHERE x < 1000) SELECT hex(randomblob(50)) FROM c"));
    cv_db_close(t->cx, t->db);
    t->db = NULL;
    int fd = open(t->path, O_WRONLY);
    char junk[4096];
    memset(junk, 0xa5, sizeof junk);
    for (int page = 1; page < 20; page++)
        assert_int_equal(pwrite(fd, junk, sizeof junk, page * 4096), (ssize_t)sizeof junk);
    close(fd);
    assert_ok(t->cx, cv_db_open(t->cx, t->url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
    cv_value value;
    assert_fails(t->cx, cv_scalar(t->cx, &value, "SELECT sum(length(title)) FROM books"), CV_E_CORRUPT, "malformed");
}

static void a_table_that_is_being_read_cannot_be_dropped(void **state)
{
    db_test *t = *state;
    cv_db *memory;
    cv_rows *rows;
    assert_ok(t->cx, cv_db_open(t->cx, "sqlite::memory:", NULL, &memory));
    cv_use_db(t->cx, memory);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE a (x)"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO a VALUES (1), (2)"));
    assert_ok(t->cx, cv_select(t->cx, &rows, "SELECT x FROM a"));
    assert_fails(t->cx, cv_exec(t->cx, NULL, "DROP TABLE a"), CV_E_LOCKED, "locked");
    cv_rows_close(t->cx, rows);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "DROP TABLE a"));
    cv_db_close(t->cx, memory);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(violations_name_table_column_and_constraint),
        CASE(an_index_on_an_expression_is_named),
        CASE(a_trigger_may_refuse),
        CASE(strict_tables_refuse_wrong_types),
        CASE(deep_expressions_are_refused_before_they_overflow_a_stack),
        CASE(a_full_disk_keeps_what_was_committed),
        CASE(damaged_pages_are_corruption),
        CASE(a_table_that_is_being_read_cannot_be_dropped),
    };
    return cmocka_run_group_tests_name("db sqlite errors", tests, NULL, NULL);
}
