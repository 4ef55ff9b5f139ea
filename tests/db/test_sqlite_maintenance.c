/* Backup, checks, VACUUM and statistics of a SQLite database in use. */
#include "db_test.h"

#include <covet/sqlite.h>
#include <stdlib.h>
#include <sys/stat.h>

static int set_up(void **state)
{
    static db_test t;
    db_test_init(&t, "busy_timeout=100ms");
    assert_ok(t.cx, cv_exec(t.cx, NULL, "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER, note TEXT)"));
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    db_test_done(*state);
    return 0;
}

static int fill(cv_ctx *cx, int rows)
{
    return cv_exec(cx, NULL,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                   "INSERT INTO accounts SELECT i, 100, hex(randomblob(200)) FROM n",
                   rows);
}

static const char *beside(const db_test *t, const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", t->folder, name);
    return path;
}

/* Files of the folder whose names have this in them. */
static int count_files(const db_test *t, const char *part)
{
    int count = 0;
    DIR *dir = opendir(t->folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strstr(entry->d_name, part) != NULL;
    closedir(dir);
    return count;
}

static int64_t ask_copy(db_test *t, const char *path, const char *sql)
{
    char url[320];
    cv_db *copy;
    snprintf(url, sizeof url, "sqlite:///%s?mode=ro", path);
    assert_ok(t->cx, cv_db_open(t->cx, url, NULL, &copy));
    cv_db *former = cv_use_db(t->cx, copy);
    cv_rows *rows;
    assert_ok(t->cx, cv_sql_run(t->cx, sql, NULL, 0, NULL, &rows));
    assert_int_equal(cv_rows_next(t->cx, rows), 1);
    int64_t value = cv_rows_get(rows, 0).as.i64;
    cv_rows_close(t->cx, rows);
    cv_db_close(t->cx, copy);
    cv_use_db(t->cx, former);
    return value;
}

struct transfers {
    bool over;
    int done;
};

/* Moves money about: every committed state has the same sum. */
static int transfer(cv_ctx *cx, void *arg)
{
    struct transfers *transfers = arg;
    while (!transfers->over) {
        CV_ATOMIC(cx)
        {
            CV_TRY(cv_exec(cx, NULL, "UPDATE accounts SET balance = balance - 1 WHERE id % 2 = 0"));
            CV_TRY(cv_exec(cx, NULL, "UPDATE accounts SET balance = balance + 1 WHERE id % 2 = 1"));
        }
        transfers->done++;
        CV_TRY(cv_yield(cx));
    }
    return 0;
}

static void yield_to_writers(cv_ctx *cx, void *arg, size_t done, size_t total)
{
    size_t *seen = arg;
    assert_true(done >= *seen && done <= total);
    *seen = done;
    assert_int_equal(cv_yield(cx), 0);
}

static void a_backup_is_of_one_moment_while_others_write(void **state)
{
    db_test *t = *state;
    struct transfers transfers = {0};
    size_t seen = 0;
    assert_ok(t->cx, fill(t->cx, 2000));
    cv_fiber *writer;
    assert_ok(t->cx, cv_spawn(t->cx, "transfer", transfer, &transfers, &writer));
    const char *path = beside(t, "copy.db");
    cv_sqlite_backup_options options = {.pages_per_step = 10, .progress = yield_to_writers, .progress_arg = &seen};
    assert_ok(t->cx, cv_sqlite_backup(t->cx, t->db, path, &options));
    transfers.over = true;
    assert_ok(t->cx, cv_join(t->cx, writer, NULL));
    assert_true(transfers.done > 0);
    assert_true(seen > 10);
    assert_int_equal(ask_copy(t, path, "SELECT count(*) FROM accounts"), 2000);
    assert_int_equal(ask_copy(t, path, "SELECT sum(balance) FROM accounts"), 200000);
    assert_int_equal(count_files(t, "partial"), 0);
    assert_int_equal(count_files(t, "copy.db-"), 0); /* one file, without a log */
}

static void a_backup_has_the_permissions_of_its_source(void **state)
{
    db_test *t = *state;
    struct stat info;
    assert_int_equal(chmod(t->path, 0640), 0);
    const char *path = beside(t, "copy.db");
    assert_ok(t->cx, cv_sqlite_backup(t->cx, t->db, path, NULL));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
}

static void a_file_that_is_there_is_replaced_only_when_asked(void **state)
{
    db_test *t = *state;
    const char *path = beside(t, "copy.db");
    assert_ok(t->cx, cv_sqlite_backup(t->cx, t->db, path, NULL));
    assert_ok(t->cx, fill(t->cx, 5));
    assert_fails(t->cx, cv_sqlite_backup(t->cx, t->db, path, NULL), CV_E_EXISTS, "could not write the backup");
    assert_int_equal(ask_copy(t, path, "SELECT count(*) FROM accounts"), 0);
    assert_ok(t->cx, cv_sqlite_backup(t->cx, t->db, path, &(cv_sqlite_backup_options){.overwrite = true}));
    assert_int_equal(ask_copy(t, path, "SELECT count(*) FROM accounts"), 5);
    assert_int_equal(count_files(t, "partial"), 0);
}

static void a_backup_cannot_replace_its_source(void **state)
{
    db_test *t = *state;
    assert_fails(t->cx, cv_sqlite_backup(t->cx, t->db, t->path, &(cv_sqlite_backup_options){.overwrite = true}),
                 CV_E_INVALID, "onto itself");
    assert_fails(t->cx, cv_sqlite_backup(t->cx, t->db, "", NULL), CV_E_INVALID, "path");
    assert_fails(t->cx, cv_sqlite_backup(t->cx, t->db, beside(t, "no/such/copy.db"), NULL), CV_E_NOT_FOUND,
                 "could not write the backup");
}

static void stop_at_once(cv_ctx *cx, void *arg, size_t done, size_t total)
{
    (void)arg, (void)done, (void)total;
    cv_ctx_set_deadline_ns(cx, cv_now_ns(cx));
}

static void a_backup_that_is_stopped_leaves_nothing_behind(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, fill(t->cx, 2000));
    cv_sqlite_backup_options options = {.pages_per_step = 1, .progress = stop_at_once};
    int64_t former_ns = cv_ctx_deadline_ns(t->cx);
    int rc = cv_sqlite_backup(t->cx, t->db, beside(t, "copy.db"), &options);
    cv_ctx_restore_deadline_ns(t->cx, former_ns);
    assert_fails(t->cx, rc, CV_E_TIMEOUT, "lane");
    assert_int_equal(count_files(t, "copy.db"), 0);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM accounts"), 2000);
}

static void a_database_in_memory_is_backed_up_as_well(void **state)
{
    db_test *t = *state;
    cv_db *memory;
    assert_ok(t->cx, cv_db_open(t->cx, "sqlite::memory:", NULL, &memory));
    cv_use_db(t->cx, memory);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE TABLE t (a INTEGER)"));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO t VALUES (7)"));
    const char *path = beside(t, "copy.db");
    assert_ok(t->cx, cv_sqlite_backup(t->cx, memory, path, NULL));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO t VALUES (8)")); /* it is as usable as before */
    cv_db_close(t->cx, memory);
    cv_use_db(t->cx, t->db);
    assert_int_equal(ask_copy(t, path, "SELECT sum(a) FROM t"), 7);
}

static void a_sound_database_has_no_findings(void **state)
{
    db_test *t = *state;
    const char *const *findings;
    size_t count = 1;
    assert_ok(t->cx, fill(t->cx, 100));
    assert_ok(t->cx, cv_sqlite_integrity_check(t->cx, t->db, CV_SQLITE_CHECK_FULL, &findings, &count));
    assert_int_equal(count, 0);
}

static void foreign_keys_that_lead_nowhere_are_found(void **state)
{
    db_test *t = *state;
    const char *const *findings;
    size_t count;
    assert_ok(t->cx,
              cv_exec(t->cx, NULL, "CREATE TABLE cards (id INTEGER PRIMARY KEY, account INTEGER REFERENCES accounts)"));
    cv_db_close(t->cx, t->db);
    char url[320];
    snprintf(url, sizeof url, "%s?foreign_keys=off", t->url);
    assert_ok(t->cx, cv_db_open(t->cx, url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO cards VALUES (3, 99)"));
    assert_ok(t->cx, cv_sqlite_integrity_check(t->cx, t->db, CV_SQLITE_CHECK_QUICK, &findings, &count));
    assert_int_equal(count, 1);
    assert_string_equal(findings[0], "row 3 of table cards refers to a row of table accounts that is not there");
}

/* Garbage in the middle of the file. */
static void damage(const char *path)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    for (long page = 20; page < 40; page++) {
        assert_int_equal(fseek(file, page * 4096 + 8, SEEK_SET), 0);
        for (int i = 0; i < 64; i++)
            fputc(0xa5, file);
    }
    assert_int_equal(fclose(file), 0);
}

static void damage_is_found(void **state)
{
    db_test *t = *state;
    const char *const *findings;
    size_t count = 0;
    assert_ok(t->cx, fill(t->cx, 2000));
    cv_db_close(t->cx, t->db);
    damage(t->path);
    assert_ok(t->cx, cv_db_open(t->cx, t->url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
    int rc = cv_sqlite_integrity_check(t->cx, t->db, CV_SQLITE_CHECK_QUICK, &findings, &count);
    assert_ok(t->cx, rc);
    assert_true(count > 0);
    assert_fails(t->cx, cv_sqlite_backup(t->cx, t->db, beside(t, "copy.db"), NULL), CV_E_CORRUPT,
                 "did not pass its check");
    assert_int_equal(count_files(t, "copy.db"), 0);
}

static void vacuum_gives_free_pages_back(void **state)
{
    db_test *t = *state;
    cv_sqlite_file before, after;
    assert_ok(t->cx, fill(t->cx, 2000));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "DELETE FROM accounts WHERE id > 10"));
    assert_ok(t->cx, cv_sqlite_file_stats(t->cx, t->db, &before));
    assert_true(before.free_pages > 50);
    assert_true(before.wal_bytes > 0);
    assert_ok(t->cx, cv_sqlite_vacuum(t->cx, t->db));
    assert_ok(t->cx, cv_sqlite_file_stats(t->cx, t->db, &after));
    assert_int_equal(after.free_pages, 0);
    assert_true(after.pages < before.pages / 2);
    assert_int_equal(after.page_bytes, before.page_bytes);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM accounts"), 10);
}

static void maintenance_does_not_belong_into_a_transaction(void **state)
{
    db_test *t = *state;
    struct cv__atomic atomic = cv__atomic_make(t->cx, NULL);
    assert_int_equal(cv__atomic_step(&atomic), 1);
    assert_ok(t->cx, cv_exec(t->cx, NULL, "INSERT INTO accounts VALUES (1, 1, 'x')"));
    assert_fails(t->cx, cv_sqlite_vacuum(t->cx, t->db), CV_E_IN_TRANSACTION,
                 "cannot vacuum the database inside a transaction");
    assert_int_equal(cv__atomic_step(&atomic), 0);
}

static void statistics_are_made_of_every_table_when_asked(void **state)
{
    db_test *t = *state;
    assert_ok(t->cx, fill(t->cx, 500));
    assert_ok(t->cx, cv_exec(t->cx, NULL, "CREATE INDEX by_balance ON accounts (balance)"));
    assert_ok(t->cx, cv_sqlite_analyze(t->cx, t->db, false));
    assert_ok(t->cx, cv_sqlite_analyze(t->cx, t->db, true));
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'accounts'"), 1);
}

static void a_check_ends_at_its_deadline(void **state)
{
    db_test *t = *state;
    const char *const *findings;
    size_t count;
    int rc = 0;
    assert_ok(t->cx, fill(t->cx, 100000));
    CV_WITHIN(t->cx, 1)
    {
        rc = cv_sqlite_integrity_check(t->cx, t->db, CV_SQLITE_CHECK_FULL, &findings, &count);
    }
    assert_int_equal(rc, CV_E_TIMEOUT);
    assert_int_equal(count_of(t->cx, "SELECT count(*) FROM accounts"), 100000);
}

static void another_engine_has_its_own_ways(void **state)
{
    db_test *t = *state;
    const char *url = getenv("COVET_TEST_POSTGRES");
    if (!url)
        skip();
    cv_db *db;
    assert_ok(t->cx, cv_db_open(t->cx, url, NULL, &db));
    assert_fails(t->cx, cv_sqlite_vacuum(t->cx, db), CV_E_UNSUPPORTED, "the database is postgres");
    cv_db_close(t->cx, db);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(a_backup_is_of_one_moment_while_others_write),
        case_of(a_backup_has_the_permissions_of_its_source),
        case_of(a_file_that_is_there_is_replaced_only_when_asked),
        case_of(a_backup_cannot_replace_its_source),
        case_of(a_backup_that_is_stopped_leaves_nothing_behind),
        case_of(a_database_in_memory_is_backed_up_as_well),
        case_of(a_sound_database_has_no_findings),
        case_of(foreign_keys_that_lead_nowhere_are_found),
        case_of(damage_is_found),
        case_of(vacuum_gives_free_pages_back),
        case_of(maintenance_does_not_belong_into_a_transaction),
        case_of(statistics_are_made_of_every_table_when_asked),
        case_of(a_check_ends_at_its_deadline),
        case_of(another_engine_has_its_own_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
