/* Checks, VACUUM, statistics, checkpoints of a SQLite file. */
#include "db/sqlite_work.h"

#include <covet/sqlite.h>
#include <stdio.h>
#include <sys/stat.h>

enum { MAX_FINDINGS = 100, MAX_FINDING_BYTES = 512 };

struct findings {
    cv_buf lines; /* on the heap, each ended by a newline */
    size_t count;
};

static int add_finding(struct findings *findings, const char *line)
{
    if (findings->count == MAX_FINDINGS)
        return 0;
    findings->count++;
    cv_buf_add(&findings->lines, line, strcspn(line, "\n"));
    cv_buf_add_char(&findings->lines, '\n');
    return findings->lines.error;
}

static const char *text_of(sqlite3_stmt *handle, int column)
{
    const char *text = (const char *)sqlite3_column_text(handle, column);
    return text ? text : "?";
}

static int take_damage(void *arg, sqlite3_stmt *handle)
{
    const char *line = text_of(handle, 0);
    return strcmp(line, "ok") == 0 ? 0 : add_finding(arg, line);
}

/* Table, rowid (NULL without one), the table referred to, and which key of the table it is. */
static int take_dangling(void *arg, sqlite3_stmt *handle)
{
    char line[MAX_FINDING_BYTES];
    snprintf(line, sizeof line, "row %s of table %s refers to a row of table %s that is not there", text_of(handle, 1),
             text_of(handle, 0), text_of(handle, 2));
    return add_finding(arg, line);
}

static int hand_out(cv_ctx *cx, const struct findings *findings, const char *const **ret_findings, size_t *ret_count)
{
    const char **list = cv_zalloc(cx, findings->count + 1, sizeof *list);
    if (!list)
        return CV_E_NOMEM;
    cv_str rest = cv_buf_str(&findings->lines), line;
    for (size_t i = 0; i < findings->count && cv_str_split(&rest, '\n', &line); i++)
        if (!(list[i] = cv_strndup(cx, line.ptr, line.len)))
            return CV_E_NOMEM;
    *ret_findings = list;
    *ret_count = findings->count;
    return 0;
}

int cv_sqlite_integrity_check(cv_ctx *cx, cv_db *db, cv_sqlite_check check, const char *const **ret_findings,
                              size_t *ret_count)
{
    static const char what[] = "check the database";
    cv__sqlite_work work;
    CV_TRY(cv__sqlite_work_begin(cx, db, CV__READER, what, &work));
    struct findings findings = {.count = 0};
    cv_buf_init(&findings.lines, 0);
    const char *damage = check == CV_SQLITE_CHECK_FULL ? "PRAGMA integrity_check" : "PRAGMA quick_check";
    int rc = cv__sqlite_work_run(cx, work.conn, damage, what, take_damage, &findings);
    if (rc == 0)
        rc = cv__sqlite_work_run(cx, work.conn, "PRAGMA foreign_key_check", what, take_dangling, &findings);
    cv__sqlite_work_end(cx, &work);
    if (rc == 0)
        rc = hand_out(cx, &findings, ret_findings, ret_count);
    cv_buf_done(&findings.lines);
    return rc;
}

static int run_on_writer(cv_ctx *cx, cv_db *db, const char *sql, const char *what)
{
    cv__sqlite_work work;
    CV_TRY(cv__sqlite_work_begin(cx, db, CV__WRITER, what, &work));
    int rc = cv__sqlite_work_run(cx, work.conn, sql, what, NULL, NULL);
    cv__sqlite_work_end(cx, &work);
    return rc;
}

int cv_sqlite_vacuum(cv_ctx *cx, cv_db *db)
{
    return run_on_writer(cx, db, "VACUUM", "vacuum the database");
}

int cv_sqlite_analyze(cv_ctx *cx, cv_db *db, bool all)
{
    return run_on_writer(cx, db, all ? "PRAGMA analysis_limit = 1000; ANALYZE" : "PRAGMA optimize",
                         "analyze the database");
}

struct figures {
    int64_t values[3];
    size_t count;
};

static int take_figure(void *arg, sqlite3_stmt *handle)
{
    struct figures *figures = arg;
    figures->values[figures->count++] = sqlite3_column_int64(handle, 0);
    return 0;
}

static int64_t wal_bytes(const cv__sqlite_shared *shared)
{
    char path[4096];
    struct stat info;
    int len = snprintf(path, sizeof path, "%s-wal", shared->path);
    return !shared->memory && len < (int)sizeof path && stat(path, &info) == 0 ? info.st_size : 0;
}

int cv_sqlite_file_stats(cv_ctx *cx, cv_db *db, cv_sqlite_file *ret_file)
{
    static const char what[] = "look at the database's file";
    static const char sql[] = "PRAGMA page_size; PRAGMA page_count; PRAGMA freelist_count";
    cv__sqlite_work work;
    CV_TRY(cv__sqlite_work_begin(cx, db, CV__READER, what, &work));
    struct figures figures = {.count = 0};
    int rc = cv__sqlite_work_run(cx, work.conn, sql, what, take_figure, &figures);
    cv__sqlite_work_end(cx, &work);
    CV_TRY(rc);
    *ret_file = (cv_sqlite_file){.page_bytes = figures.values[0],
                                 .pages = figures.values[1],
                                 .free_pages = figures.values[2],
                                 .wal_bytes = wal_bytes(db->shared)};
    return 0;
}

int cv_sqlite_checkpoint(cv_ctx *cx, cv_db *db, cv_sqlite_checkpoint_mode mode, cv_sqlite_checkpoint_result *ret_result)
{
    if (db->driver != &cv__driver_sqlite)
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot make a checkpoint: this is for SQLite, and the database is %s",
                       cv_db_engine(db));
    if (cv__tx_root(cx, db))
        return cv_fail(cx, CV_E_IN_TRANSACTION, "cannot make a checkpoint inside a transaction");
    if (mode < CV_SQLITE_CHECKPOINT_PASSIVE || mode > CV_SQLITE_CHECKPOINT_TRUNCATE)
        return cv_fail(cx, CV_E_INVALID, "there is no such mode of a checkpoint");
    const cv__sqlite_shared *shared = db->shared;
    if (!shared->memory)
        return cv__sqlite_checkpointer_run(cx, shared->checkpointer, mode, shared->busy_timeout_ms, ret_result);
    if (ret_result)
        *ret_result = (cv_sqlite_checkpoint_result){0};
    return 0;
}
