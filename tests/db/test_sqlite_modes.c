/* Ways to open a SQLite database, and the PRAGMAs that are options. */
#include "db_test.h"

#include <covet/sqlite.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static int set_up(void **state)
{
    static db_test t;
    db_test_init_bare(&t);
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

static int open_with(db_test *t, const char *query)
{
    char url[512];
    snprintf(url, sizeof url, "%s%s%s", t->url, query ? "?" : "", query ? query : "");
    int rc = cv_db_open(t->cx, url, NULL, &t->db);
    if (rc == 0)
        cv_use_db(t->cx, t->db);
    return rc;
}

static void close_db(db_test *t)
{
    cv_db_close(t->cx, t->db);
    t->db = NULL;
}

/* A file with one table and one row, all of it in the main file. */
static void make_file(db_test *t)
{
    assert_ok(t->cx, open_with(t, NULL));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (x BIGINT)"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n VALUES (1)"));
    close_db(t);
}

/* ---- read-only ---- */

static void a_read_only_database_refuses_writes(void **state)
{
    db_test *t = *state;
    make_file(t);
    assert_ok(t->cx, open_with(t, "mode=ro"));
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 1);
    assert_fails(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n VALUES (2)"), CV_E_READ_ONLY, "readonly");
    assert_fails(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE m (x INT)"), CV_E_READ_ONLY, "readonly");
}

static void a_read_only_database_must_exist(void **state)
{
    db_test *t = *state;
    assert_fails(t->cx, open_with(t, "mode=ro"), CV_E_NOT_FOUND, "no such file");
}

static void a_read_only_database_sees_what_others_write(void **state)
{
    db_test *t = *state;
    make_file(t);
    sqlite3 *other;
    assert_int_equal(sqlite3_open(t->path, &other), SQLITE_OK);
    assert_ok(t->cx, open_with(t, "mode=ro"));
    assert_int_equal(sqlite3_exec(other, "INSERT INTO n VALUES (2)", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 2);
    sqlite3_close(other);
}

/* ---- immutable ---- */

static void an_immutable_database_is_read_without_locks(void **state)
{
    db_test *t = *state;
    char shm[128];
    struct stat info;
    make_file(t);
    assert_ok(t->cx, open_with(t, "immutable=1"));
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 1);
    snprintf(shm, sizeof shm, "%s-shm", t->path);
    assert_true(stat(shm, &info) < 0);
    assert_fails(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n VALUES (2)"), CV_E_READ_ONLY, "readonly");
}

static void a_name_that_is_no_plain_text_can_be_immutable(void **state)
{
    db_test *t = *state;
    char path[160];
    make_file(t);
    snprintf(path, sizeof path, "%s/a b?c#d%%41.db", t->folder);
    assert_int_equal(rename(t->path, path), 0);
    snprintf(t->url, sizeof t->url, "sqlite:///%s/a%%20b%%3Fc%%23d%%2541.db", t->folder);
    assert_ok(t->cx, open_with(t, "immutable=on"));
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 1);
}

static void a_database_with_changes_in_its_log_is_not_immutable(void **state)
{
    db_test *t = *state;
    make_file(t);
    sqlite3 *writer;
    assert_int_equal(sqlite3_open(t->path, &writer), SQLITE_OK);
    assert_int_equal(sqlite3_exec(writer, "INSERT INTO n VALUES (2)", NULL, NULL, NULL), SQLITE_OK);
    assert_fails(t->cx, open_with(t, "immutable=1"), CV_E_STATE, "write-ahead log");
    sqlite3_close(writer);
    assert_ok(t->cx, open_with(t, "immutable=1"));
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 2);
}

static void a_path_that_looks_like_a_uri_is_a_path(void **state)
{
    db_test *t = *state;
    char former[512];
    assert_non_null(getcwd(former, sizeof former));
    assert_int_equal(chdir(t->folder), 0);
    strcpy(t->url, "sqlite:///file%3Ax.db%3Fmode=memory");
    int rc = open_with(t, NULL);
    assert_int_equal(access("file:x.db?mode=memory", F_OK), 0);
    assert_int_equal(chdir(former), 0);
    assert_ok(t->cx, rc);
    close_db(t);
}

/* ---- in memory, with a name ---- */

static void use_memory(db_test *t, const char *name, const char *query)
{
    snprintf(t->url, sizeof t->url, "sqlite:///%s?mode=memory%s", name, query);
    assert_ok(t->cx, open_with(t, NULL));
}

static void a_named_database_in_memory_has_readers_and_a_writer(void **state)
{
    db_test *t = *state;
    use_memory(t, "one", "");
    cv_ctx *cx = t->cx;
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE n (x BIGINT)"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (1), (2)"));
    cv_rows *one, *other;
    assert_ok(cx, cv_select(cx, &one, "SELECT x FROM n"));
    assert_ok(cx, cv_select(cx, &other, "SELECT x FROM n"));
    assert_int_equal(cv_rows_next(cx, one), 1);
    assert_int_equal(cv_rows_next(cx, other), 1);
    assert_int_equal(cv_db_pool_stats(t->db, 0).borrowed, 2);
    cv_rows_close(cx, one);
    cv_rows_close(cx, other);
    assert_int_equal(cv_db_pool_stats(t->db, 1).max, 1);
}

static int read_and_write(cv_ctx *cx, void *arg)
{
    int64_t id = (int64_t)(intptr_t)arg;
    for (int i = 0; i < 5; i++)
        CV_SCOPE(cx)
        {
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (?)", id));
            int64_t count = count_of(cx, "SELECT count(*) FROM n WHERE x = ?", id);
            assert_int_equal(count, i + 1);
            CV_ATOMIC(cx)
            {
                CV_TRY(cv_exec(cx, NULL, "UPDATE n SET x = x WHERE x = ?", id));
                CV_TRY(cv_yield(cx));
                CV_TRY(cv_exec(cx, NULL, "UPDATE n SET x = x WHERE x = ?", id));
            }
        }
    return 0;
}

static void many_fibers_share_a_named_database_in_memory(void **state)
{
    db_test *t = *state;
    enum { FIBERS = 20 };
    cv_fiber *fibers[FIBERS];
    use_memory(t, "many", "");
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (x BIGINT)"));
    for (intptr_t i = 0; i < FIBERS; i++)
        assert_ok(t->cx, cv_spawn(t->cx, "user", read_and_write, (void *)i, &fibers[i]));
    for (int i = 0; i < FIBERS; i++)
        assert_ok(t->cx, cv_join(t->cx, fibers[i], NULL));
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), FIBERS * 5);
}

static void a_named_database_in_memory_is_shared_by_name_and_ends_with_its_last_user(void **state)
{
    db_test *t = *state;
    use_memory(t, "shared", "");
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (x BIGINT)"));
    cv_db *first = t->db;
    use_memory(t, "shared", "");
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n VALUES (7)"));
    cv_use_db(t->cx, first);
    assert_int_equal(count_of(t->cx, "SELECT x FROM n"), 7);
    cv_db_close(t->cx, first);
    cv_use_db(t->cx, t->db);
    assert_int_equal(count_of(t->cx, "SELECT x FROM n"), 7);
    close_db(t);
    use_memory(t, "shared", "");
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM sqlite_schema"), 0);
}

static void a_writer_in_memory_waits_for_readers_and_says_so(void **state)
{
    db_test *t = *state;
    use_memory(t, "busy", "&busy_timeout=30ms");
    cv_ctx *cx = t->cx;
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE n (x BIGINT)"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (1), (2)"));
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT x FROM n"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    assert_fails(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (3)"), CV_E_LOCKED, "30 ms");
    cv_rows_close(cx, rows);
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO n VALUES (3)"));
}

static void a_named_database_in_memory_can_be_backed_up(void **state)
{
    db_test *t = *state;
    char copy[160], url[256];
    use_memory(t, "backup", "");
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (x BIGINT)"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n VALUES (7)"));
    snprintf(copy, sizeof copy, "%s/copy.db", t->folder);
    assert_ok(t->cx, cv_sqlite_backup(t->cx, t->db, copy, NULL));
    close_db(t);
    snprintf(url, sizeof url, "sqlite:///%s?mode=ro", copy);
    assert_ok(t->cx, cv_db_open(t->cx, url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
    assert_int_equal(count_of(t->cx, "SELECT x FROM n"), 7);
}

static void a_name_of_memory_is_no_path(void **state)
{
    db_test *t = *state;
    strcpy(t->url, "sqlite:////tmp/x?mode=memory");
    assert_fails(t->cx, open_with(t, NULL), CV_E_CONFIG, "slash");
    strcpy(t->url, "sqlite::memory:?mode=memory");
    assert_fails(t->cx, open_with(t, NULL), CV_E_CONFIG, "neither");
}

/* ---- a file that is replaced or deleted ---- */

/* Longer than a connection believes that its file is there. */
static void let_time_pass(cv_ctx *cx)
{
    assert_ok(cx, cv_sleep_ms(cx, 600));
}

static void a_deleted_file_is_noticed_and_not_made_again(void **state)
{
    db_test *t = *state;
    make_file(t);
    assert_ok(t->cx, open_with(t, NULL));
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), 1);
    assert_int_equal(unlink(t->path), 0);
    let_time_pass(t->cx);
    cv_value value;
    assert_fails(t->cx, cv_scalar(t->cx, &value, "SELECT count(*) FROM n"), CV_E_NOT_FOUND, "no such file");
    assert_fails(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n VALUES (2)"), CV_E_NOT_FOUND, "no such file");
    assert_true(access(t->path, F_OK) < 0);
}

static void a_file_put_in_its_place_is_used(void **state)
{
    db_test *t = *state;
    char other[160], wal[160];
    make_file(t);
    snprintf(other, sizeof other, "%s/other.db", t->folder);
    assert_ok(t->cx, open_with(t, NULL));
    assert_ok(t->cx, cv_sqlite_backup(t->cx, t->db, other, NULL));
    sqlite3 *db;
    assert_int_equal(sqlite3_open(other, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE n SET x = 77", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(count_of(t->cx, "SELECT x FROM n"), 1);
    assert_int_equal(rename(other, t->path), 0);
    snprintf(wal, sizeof wal, "%s-wal", t->path);
    unlink(wal);
    snprintf(wal, sizeof wal, "%s-shm", t->path);
    unlink(wal);
    let_time_pass(t->cx);
    assert_int_equal(count_of(t->cx, "SELECT x FROM n"), 77);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "UPDATE n SET x = 78"));
    assert_int_equal(count_of(t->cx, "SELECT x FROM n"), 78);
}

static void the_log_of_a_file_put_in_its_place_is_left_alone(void **state)
{
    db_test *t = *state;
    char wal[160];
    struct stat info;
    make_file(t);
    assert_ok(t->cx, open_with(t, NULL));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n VALUES (2)"));
    snprintf(wal, sizeof wal, "%s-wal", t->path);
    assert_int_equal(unlink(t->path), 0);
    unlink(wal);
    sqlite3 *successor;
    assert_int_equal(sqlite3_open(t->path, &successor), SQLITE_OK);
    assert_int_equal(sqlite3_exec(successor, "PRAGMA journal_mode = wal; CREATE TABLE fresh (x)", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(stat(wal, &info), 0);
    close_db(t);
    assert_int_equal(stat(wal, &info), 0);
    assert_int_equal(sqlite3_exec(successor, "INSERT INTO fresh VALUES (1)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(successor);
    assert_ok(t->cx, open_with(t, NULL));
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM fresh"), 1);
}

/* ---- many processes on a new file ---- */

static void start_on_new_file(const char *url, int go_fd)
{
    char byte;
    cv_ctx *cx;
    cv_db *db;
    if (read(go_fd, &byte, 1) != 0 || cv_runtime_new(NULL, &cx) < 0)
        _exit(1);
    if (cv_db_open(cx, url, NULL, &db) < 0) {
        fprintf(stderr, "# %s\n", cv_error_last(cx)->message);
        _exit(2);
    }
    cv_use_db(cx, db);
    if (cv_exec(cx, NULL, "CREATE TABLE IF NOT EXISTS n (x BIGINT)") < 0 ||
        cv_exec(cx, NULL, "INSERT INTO n VALUES (?)", (int64_t)getpid()) < 0) {
        fprintf(stderr, "# %s\n", cv_error_last(cx)->message);
        _exit(3);
    }
    cv_db_close(cx, db);
    _exit(0);
}

static void processes_that_start_on_a_new_file_at_once_all_succeed(void **state)
{
    db_test *t = *state;
    enum { PROCESSES = 8, ROUNDS = 5 };
    if (TEST_UNDER_TSAN)
        skip();
    for (int round = 0; round < ROUNDS; round++) {
        int go[2], status;
        pid_t pids[PROCESSES];
        assert_int_equal(pipe(go), 0);
        for (int i = 0; i < PROCESSES; i++) {
            pids[i] = fork();
            assert_true(pids[i] >= 0);
            if (pids[i] == 0) {
                close(go[1]);
                start_on_new_file(t->url, go[0]);
            }
        }
        close(go[0]);
        close(go[1]);
        for (int i = 0; i < PROCESSES; i++) {
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        assert_ok(t->cx, open_with(t, NULL));
        assert_int_equal(count_of(t->cx, "SELECT count(*) FROM n"), PROCESSES);
        close_db(t);
        assert_int_equal(unlink(t->path), 0);
    }
}

/* ---- PRAGMAs ---- */

static const char *text_of(cv_ctx *cx, const char *sql)
{
    cv_value value;
    cv_rows *rows;
    assert_ok(cx, cv_sql_run(cx, sql, NULL, 0, NULL, &rows));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    value = cv_rows_get(rows, 0);
    static char text[64];
    if (value.type == CV_TYPE_I64)
        snprintf(text, sizeof text, "%lld", (long long)value.as.i64);
    else
        snprintf(text, sizeof text, "%.*s", CV_STR_ARG(value.as.text));
    cv_rows_close(cx, rows);
    return text;
}

static void pragmas_are_set_on_every_connection(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx,
              open_with(t, "temp_store=memory&recursive_triggers=on&secure_delete=fast&journal_size_limit=1000000&"
                           "cell_size_check=on&automatic_index=off&analysis_limit=400&max_page_count=5000"));
    assert_string_equal(text_of(t->cx, "PRAGMA temp_store"), "2");
    assert_string_equal(text_of(t->cx, "PRAGMA recursive_triggers"), "1");
    assert_string_equal(text_of(t->cx, "PRAGMA secure_delete"), "2");
    assert_string_equal(text_of(t->cx, "PRAGMA journal_size_limit"), "1000000");
    assert_string_equal(text_of(t->cx, "PRAGMA cell_size_check"), "1");
    assert_string_equal(text_of(t->cx, "PRAGMA automatic_index"), "0");
    assert_string_equal(text_of(t->cx, "PRAGMA analysis_limit"), "400");
    assert_string_equal(text_of(t->cx, "PRAGMA mmap_size"), "0");
}

static void what_a_statement_sets_is_put_back(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, open_with(t, NULL));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "PRAGMA recursive_triggers = on"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "PRAGMA temp_store = memory"));
    cv_value value = CV_NULL;
    assert_ok(t->cx, cv_scalar(t->cx, &value, "PRAGMA recursive_triggers"));
    assert_int_equal(value.as.i64, 0);
    assert_string_equal(text_of(t->cx, "PRAGMA temp_store"), "0");
}

static void a_new_file_has_the_page_size_and_the_vacuum_mode_asked_for(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, open_with(t, "page_size=8192&auto_vacuum=incremental"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (x BIGINT)"));
    assert_string_equal(text_of(t->cx, "PRAGMA page_size"), "8192");
    assert_string_equal(text_of(t->cx, "PRAGMA auto_vacuum"), "2");
    assert_string_equal(text_of(t->cx, "PRAGMA journal_mode"), "wal");
    close_db(t);
    assert_ok(t->cx, open_with(t, "page_size=4096"));
    assert_string_equal(text_of(t->cx, "PRAGMA page_size"), "8192"); /* it was made so */
}

static void a_size_limit_of_the_file_is_kept(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, open_with(t, "max_page_count=10"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE n (x BLOB)"));
    assert_fails(t->cx, cv_exec(t->cx, NULL, "INSERT INTO n VALUES (zeroblob(100000))"), CV_E_DISK_FULL, "full");
}

static void what_makes_no_sense_is_refused_with_its_reason(void **state)
{
    db_test *t = *state;
    static const struct {
        const char *query, *message, *hint;
    } cases[] = {
        {"mmap_size=1000", "\"mmap_size\" cannot be set", "stop the whole loop"},
        {"cache=shared", "\"cache\" cannot be set", "lock each other out"},
        {"locking_mode=exclusive", "\"locking_mode\" cannot be set", "side by side"},
        {"encoding=utf16", "\"encoding\" cannot be set", "UTF-8"},
        {"temp_store=disk", "\"temp_store\" cannot be \"disk\"", "\"memory\""},
        {"page_size=1000", "\"page_size\" cannot be \"1000\"", "\"4096\""},
        {"journal_size_limit=-5", "not between", NULL},
        {"max_page_count=many", "not a whole number", NULL},
        {"secure_delet=on", "unknown option", "secure_delete"},
        {"immutabel=on", "unknown option", "immutable"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(open_with(t, cases[i].query), CV_E_CONFIG);
        const cv_error *error = cv_error_last(t->cx);
        assert_non_null(strstr(error->message, cases[i].message));
        if (cases[i].hint)
            assert_non_null(strstr(error->hint, cases[i].hint));
        cv_error_clear(t->cx);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_read_only_database_refuses_writes),
        CASE(a_read_only_database_must_exist),
        CASE(a_read_only_database_sees_what_others_write),
        CASE(an_immutable_database_is_read_without_locks),
        CASE(a_name_that_is_no_plain_text_can_be_immutable),
        CASE(a_database_with_changes_in_its_log_is_not_immutable),
        CASE(a_path_that_looks_like_a_uri_is_a_path),
        CASE(a_named_database_in_memory_has_readers_and_a_writer),
        CASE(many_fibers_share_a_named_database_in_memory),
        CASE(a_named_database_in_memory_is_shared_by_name_and_ends_with_its_last_user),
        CASE(a_writer_in_memory_waits_for_readers_and_says_so),
        CASE(a_named_database_in_memory_can_be_backed_up),
        CASE(a_name_of_memory_is_no_path),
        CASE(a_deleted_file_is_noticed_and_not_made_again),
        CASE(a_file_put_in_its_place_is_used),
        CASE(the_log_of_a_file_put_in_its_place_is_left_alone),
        CASE(processes_that_start_on_a_new_file_at_once_all_succeed),
        CASE(pragmas_are_set_on_every_connection),
        CASE(what_a_statement_sets_is_put_back),
        CASE(a_new_file_has_the_page_size_and_the_vacuum_mode_asked_for),
        CASE(a_size_limit_of_the_file_is_kept),
        CASE(what_makes_no_sense_is_refused_with_its_reason),
    };
    return cmocka_run_group_tests_name("db sqlite modes", tests, NULL, NULL);
}
