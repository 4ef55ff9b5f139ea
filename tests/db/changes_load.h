/* A hundred thousand changes under load, and a reader that is killed: for engines with a server.
 *
 * The reader is a process of its own, this program with other arguments. It writes what it has seen of a transaction to
 * a file, then the position to another, as a program would that feeds something else. The test kills it (SIGKILL)
 * twice, starts it again at its stored position, and finds every change in what it has written. */
#ifndef COVET_TESTS_DB_CHANGES_LOAD_H
#define COVET_TESTS_DB_CHANGES_LOAD_H

#include "folder.h"
#include "test.h"

#include <covet/change.h>
#include <covet/db.h>
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/transaction.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOAD_CHANGES = 100000, LOAD_BATCH = 100, LOAD_WRITERS = 4, LOAD_ROWS = LOAD_CHANGES / 2 };

/* ---- the reader ---- */

typedef struct load_line {
    int32_t id;
    int32_t kind;
} load_line;

static inline char *load_path(char path[160], const char *folder, const char *name)
{
    snprintf(path, 160, "%s/%s", folder, name);
    return path;
}

/* The position, or NULL at the first start. */
static inline const char *load_position(const char *folder, char position[512])
{
    char path[160];
    FILE *file = fopen(load_path(path, folder, "position"), "r");
    if (!file)
        return NULL;
    size_t len = fread(position, 1, 511, file);
    position[len] = '\0';
    fclose(file);
    return position;
}

static inline int load_store_position(const char *folder, const char *position)
{
    char path[160], fresh[160];
    FILE *file = fopen(load_path(fresh, folder, "position.new"), "w");
    if (!file || fputs(position, file) < 0 || fclose(file) != 0)
        return CV_E_IO;
    return rename(fresh, load_path(path, folder, "position")) == 0 ? 0 : CV_E_IO;
}

/* The server may not know yet that the one before was killed. */
static inline int load_open(cv_ctx *cx, const cv_changes_options *options, cv_changes **ret_changes)
{
    int rc = CV_E_LOCKED;
    for (int i = 0; i < 500 && rc == CV_E_LOCKED; i++) {
        cv_error_clear(cx);
        rc = cv_changes_open(cx, NULL, options, ret_changes);
        if (rc == CV_E_LOCKED)
            CV_TRY(cv_sleep_ms(cx, 20));
    }
    return rc;
}

static inline int load_note(load_line *lines, int *count, const cv_change *change)
{
    cv_value id = change->kind == CV_CHANGE_DELETE ? cv_change_old(change, "id") : cv_change_new(change, "id");
    if (*count == LOAD_BATCH * 2)
        return CV_E_LIMIT;
    lines[(*count)++] = (load_line){(int32_t)id.as.i64, (int32_t)change->kind};
    return 0;
}

static inline int load_read_all(cv_ctx *cx, cv_changes *changes, const char *folder, int file)
{
    load_line lines[LOAD_BATCH * 2];
    int count = 0;
    bool over = false;
    cv_change change;
    while (!over) {
        CV_TRY(cv_changes_next(cx, changes, &change));
        if (change.kind <= CV_CHANGE_DELETE) {
            CV_TRY(load_note(lines, &count, &change));
            continue;
        }
        if (change.kind != CV_CHANGE_COMMIT)
            continue;
        size_t size = (size_t)count * sizeof lines[0];
        if (write(file, lines, size) != (ssize_t)size)
            return CV_E_IO;
        over = count > 0 && lines[count - 1].id < 0;
        count = 0;
        CV_TRY(load_store_position(folder, change.position));
        CV_TRY(cv_changes_acknowledge(cx, changes, change.position));
    }
    return 0;
}

static inline int load_read(cv_ctx *cx, const char *url, const char *table, const char *folder)
{
    char position[512], path[160];
    cv_db *db;
    cv_changes *changes;
    CV_TRY(cv_db_open(cx, url, &(cv_db_options){.max_connections = 1}, &db));
    cv_use_db(cx, db);
    cv_changes_options options = {
        .name = "load", .position = load_position(folder, position), .tables = &table, .table_count = 1};
    CV_TRY(load_open(cx, &options, &changes));
    int file = open(load_path(path, folder, "seen"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0)
        return CV_E_IO;
    int rc = load_read_all(cx, changes, folder, file);
    cv_changes_close(cx, changes);
    cv_db_close(cx, db);
    close(file);
    return rc;
}

/** To be called first in main: with other arguments this is the reader, whose exit code it gives; -1: it is the test.
 */
static inline int load_main(int argc, char **argv)
{
    cv_ctx *cx;
    if (argc != 5 || strcmp(argv[1], "read") != 0)
        return -1;
    if (cv_runtime_new(NULL, &cx) < 0)
        return 1;
    int rc = load_read(cx, argv[2], argv[3], argv[4]);
    const cv_error *error = cv_error_last(cx);
    if (rc < 0)
        fprintf(stderr, "the reader: %s: %s\n", cv_error_name(rc), error ? error->message : "");
    cv_runtime_free(cx);
    return rc < 0 ? 1 : 0;
}

/* ---- the writers ---- */

static inline int load_insert(cv_ctx *cx, int from)
{
    cv_buf sql;
    cv_buf_init(&sql, 0);
    cv_buf_printf(&sql, "INSERT INTO load_rows (id, x) VALUES ");
    for (int i = 0; i < LOAD_BATCH; i++)
        cv_buf_printf(&sql, "%s(%d, %d)", i ? ", " : "", from + i, i);
    int rc = cv_sql_run(cx, sql.data, NULL, 0, NULL, NULL);
    cv_buf_done(&sql);
    return rc;
}

static inline int load_take_back(cv_ctx *cx, int from)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(load_insert(cx, from + LOAD_ROWS));
        return CV_E_STATE; /* on purpose */
    }
    return 0;
}

static inline int load_batch(cv_ctx *cx, int from)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(load_insert(cx, from));
        CV_TRY(cv_exec(cx, NULL, "UPDATE load_rows SET x = x + 1000 WHERE id >= ? AND id < ?", from,
                       from + LOAD_BATCH / 2));
    }
    if (from % (LOAD_BATCH * 20) == 0 && load_take_back(cx, from) != CV_E_STATE)
        return CV_E_INTERNAL;
    return cv_exec(cx, NULL, "DELETE FROM load_rows WHERE id >= ? AND id < ?", from + LOAD_BATCH / 2,
                   from + LOAD_BATCH);
}

static inline int load_write(cv_ctx *cx, void *arg)
{
    int writer = *(int *)arg;
    for (int from = writer * LOAD_BATCH; from < LOAD_ROWS; from += LOAD_WRITERS * LOAD_BATCH)
        CV_TRY(load_batch(cx, from));
    return 0;
}

/* ---- the test ---- */

/* By its path: under valgrind, what lies at /proc/self/exe is valgrind. */
static inline pid_t load_start_reader(const char *url, const char *table, const char *folder)
{
    char program[4096] = "";
    assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(program, "reader", "read", url, table, folder, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* How many changes the reader has written; -1 before it is open. */
static inline int load_seen(const char *folder)
{
    char path[160];
    struct stat info;
    return stat(load_path(path, folder, "seen"), &info) == 0 ? (int)((size_t)info.st_size / sizeof(load_line)) : -1;
}

static inline void load_await(cv_ctx *cx, pid_t reader, const char *folder, int count)
{
    CV_WITHIN(cx, 60000)
    {
        while (load_seen(folder) < count) {
            int status;
            if (waitpid(reader, &status, WNOHANG) == reader)
                fail_msg("the reader has ended with the status %d", status);
            assert_ok(cx, cv_sleep_ms(cx, 2));
        }
    }
}

static inline void load_check(const char *folder)
{
    char path[160];
    load_line line;
    uint8_t *seen = calloc(LOAD_ROWS, 1);
    FILE *file = fopen(load_path(path, folder, "seen"), "r");
    assert_non_null(file);
    while (fread(&line, sizeof line, 1, file) == 1) {
        if (line.id < 0)
            continue;
        assert_in_range(line.id, 0, LOAD_ROWS - 1);
        seen[line.id] |= (uint8_t)(1 << line.kind);
    }
    fclose(file);
    for (int i = 0; i < LOAD_ROWS; i++) {
        int expected = i % LOAD_BATCH < LOAD_BATCH / 2 ? 1 << CV_CHANGE_INSERT | 1 << CV_CHANGE_UPDATE
                                                       : 1 << CV_CHANGE_INSERT | 1 << CV_CHANGE_DELETE;
        if (seen[i] != expected)
            fail_msg("of the row %d were seen %d instead of %d", i, seen[i], expected);
    }
    free(seen);
}

/** The whole: `db` is open and the default of the context, and has the table load_rows (id bigint primary key, x
 *  bigint), which is `table` in the filter. */
static inline void load_test(cv_ctx *cx, const char *url, const char *table)
{
    char folder[64];
    cv_fiber *writers[LOAD_WRITERS];
    int numbers[LOAD_WRITERS], status;
    test_folder_make(folder);
    pid_t reader = load_start_reader(url, table, folder);
    load_await(cx, reader, folder, 0);
    for (int i = 0; i < LOAD_WRITERS; i++) {
        numbers[i] = i;
        assert_ok(cx, cv_spawn(cx, "writer", load_write, &numbers[i], &writers[i]));
    }
    for (int kills = 0; kills < 2; kills++) {
        load_await(cx, reader, folder, (kills + 1) * LOAD_CHANGES / 4);
        assert_int_equal(kill(reader, SIGKILL), 0);
        assert_int_equal(waitpid(reader, &status, 0), reader);
        reader = load_start_reader(url, table, folder);
    }
    for (int i = 0; i < LOAD_WRITERS; i++)
        assert_ok(cx, cv_join(cx, writers[i], NULL));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO load_rows (id, x) VALUES (-1, 0)"));
    load_await(cx, reader, folder, LOAD_CHANGES);
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(status, 0);
    load_check(folder);
    test_folder_remove(folder);
}

#endif
