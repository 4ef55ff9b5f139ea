/* Migrating a database. One runner works at a time:
 *
 * - PostgreSQL, MariaDB: a lock of the session, held for the run on a connection of its own and asked for again and
 *   again until the time is over. The history is read under it.
 * - SQLite: each migration's transaction begins with BEGIN IMMEDIATE, which excludes every other writer.
 *
 * On SQLite and PostgreSQL, a migration's transaction first looks whether another runner has done its work meanwhile,
 * and holds the statements and the change of the history: either all of it happens, or nothing. On MariaDB each
 * statement takes effect by itself: they run one by one on the connection that holds the lock, and how far they came is
 * noted (progress.h). */
#include "migrate/progress.h"

#include "db/database.h"
#include <covet/fiber.h>
#include <covet/runtime.h>

#define DEFAULT_LOCK_TIMEOUT_MS 30000
#define POLL_MS                 50
#define CLEAN_UP_MS             1000

struct run {
    cv_ctx *cx;
    cv_db *db;
    const cv_migrations *migrations;
    const cv_migrate_options *options;
    const cv__ddl *ddl;
    int64_t give_up_ns; /* waiting for another runner */
    cv__conn *lock;     /* the connection that holds the session's lock; NULL: the engine needs none */
    cv__plan plan;
    size_t done;
};

/* ---- the lock ---- */

/* Run a statement on the lock's own connection; `*ret_last` is the first column of its last row. */
static int run_on_lock(struct run *r, const char *sql, cv_value *ret_last)
{
    const cv__statement statement = {.sql = cv_str_of(sql), .uncached = true};
    const cv__driver *driver = r->lock->driver;
    cv_result result;
    cv__cursor *cursor = NULL;
    CV_TRY(driver->execute(r->cx, r->lock, &statement, &result, &cursor));
    if (!cursor)
        return 0;
    cv_value *cells = cv_zalloc(r->cx, cursor->column_count + 1, sizeof *cells);
    int rc = cells ? 1 : CV_E_NOMEM;
    while (rc > 0 && (rc = driver->fetch(r->cx, cursor, cells, NULL)) > 0)
        *ret_last = cells[0];
    driver->finish(r->cx, cursor);
    return rc;
}

static int ask(struct run *r, const char *sql, bool *ret_answer)
{
    cv_value cell = CV_NULL;
    CV_TRY(run_on_lock(r, sql, &cell));
    *ret_answer = (cell.type == CV_TYPE_BOOL && cell.as.boolean) || (cell.type == CV_TYPE_I64 && cell.as.i64 == 1);
    return 0;
}

static int fail_busy(struct run *r)
{
    cv_fail(r->cx, CV_E_LOCKED, "could not start migrating: another runner has been at work for too long");
    cv_error_hint(r->cx, "wait for it to end, or look for a program that hangs in a migration");
    return CV_E_LOCKED;
}

static int wait_for_lock(struct run *r)
{
    for (;;) {
        bool locked;
        CV_TRY(ask(r, r->ddl->lock, &locked));
        if (locked)
            return 0;
        if (cv_now_ns(r->cx) >= r->give_up_ns)
            return fail_busy(r);
        CV_TRY(cv_sleep_ms(r->cx, POLL_MS));
    }
}

static int lock(struct run *r)
{
    if (!r->ddl->lock || r->options->dry_run)
        return 0;
    CV_TRY(cv__db_hold(r->cx, r->db, CV__WRITER, &r->lock));
    int rc = wait_for_lock(r);
    if (rc < 0) {
        cv__db_let_go(r->cx, r->lock);
        r->lock = NULL;
    }
    return rc;
}

/* A lock that cannot be given back goes with its connection. */
static void unlock(struct run *r)
{
    if (!r->lock)
        return;
    cv_error *first = cv_error_take(r->cx);
    CV_SHIELD(r->cx, CLEAN_UP_MS)
    {
        bool unlocked = false;
        if (ask(r, r->ddl->unlock, &unlocked) < 0 || !unlocked)
            r->lock->broken = true;
        cv__db_let_go(r->cx, r->lock);
    }
    if (!first)
        cv_error_clear(r->cx);
    cv_error_put_back(r->cx, first);
}

/* ---- one migration, as one transaction ---- */

/* Rows that a statement of a run_sql returns are read and dropped. */
static int run_statement(struct run *r, const char *sql)
{
    const cv__statement statement = {.sql = cv_str_of(sql), .uncached = true};
    cv__row_stream stream;
    CV_TRY(cv__db_open_rows(r->cx, r->db, CV__WRITER, &statement, &stream));
    int rc = 0;
    if (stream.cursor) {
        cv_value *cells = cv_zalloc(r->cx, stream.cursor->column_count + 1, sizeof *cells);
        rc = cells ? 1 : CV_E_NOMEM;
        while (rc > 0)
            rc = cv__db_next_row(r->cx, &stream, cells);
    }
    cv__db_close_rows(r->cx, &stream);
    return rc;
}

static int fail_statement(struct run *r, const cv__step *step, int rc, const char *sql)
{
    if (rc == CV_E_TIMEOUT || rc == CV_E_CANCELLED || rc == CV_E_LOCKED)
        return rc;
    cv_str text = cv_str_of(sql);
    cv_fail(r->cx, rc, "could not %s the migration \"%s/%s\"; nothing of it was kept", step->forward ? "apply" : "undo",
            step->migration->label, step->migration->name);
    cv_error_detail(r->cx, "the statement was: %.*s", (int)(text.len < 1000 ? text.len : 1000), text.ptr);
    return rc;
}

/* Whether there is anything left to do for the step. */
static int is_due(struct run *r, const cv__step *step, bool *ret_due)
{
    char checksum[CV__CHECKSUM_BYTES] = "";
    bool applied;
    CV_TRY(cv__history_find(r->cx, step->migration, &applied, checksum));
    if (applied && strcmp(checksum, step->migration->checksum) != 0)
        return cv__history_fail_changed(r->cx, step->migration);
    *ret_due = applied != step->forward;
    return 0;
}

static int apply_in_transaction(struct run *r, const cv__step *step, bool *ret_due)
{
    CV_ATOMIC(r->cx)
    {
        CV_TRY(is_due(r, step, ret_due));
        int64_t begun_ns = cv_now_ns(r->cx);
        for (size_t i = 0; *ret_due && i < step->statements.count; i++) {
            int rc = run_statement(r, step->statements.list[i]);
            if (rc < 0)
                return fail_statement(r, step, rc, step->statements.list[i]);
        }
        if (*ret_due && step->forward)
            CV_TRY(cv__history_add(r->cx, step->migration, (cv_now_ns(r->cx) - begun_ns) / 1000));
        else if (*ret_due)
            CV_TRY(cv__history_remove(r->cx, step->migration));
    }
    return 0;
}

/* Another runner's transaction may hold the file longer than SQLite's own patience. */
static int again_while_locked(struct run *r, int rc, bool *ret_again)
{
    *ret_again = false;
    if (rc != CV_E_LOCKED)
        return rc;
    if (cv_now_ns(r->cx) >= r->give_up_ns)
        return fail_busy(r);
    cv_error_clear(r->cx);
    *ret_again = true;
    return cv_sleep_ms(r->cx, POLL_MS);
}

/* ---- one migration, statement by statement ---- */

/* Whether a statement that failed so may have taken effect all the same. */
static bool is_unknown(int rc)
{
    return rc == CV_E_TIMEOUT || rc == CV_E_CANCELLED || rc == CV_E_CLOSED || rc == CV_E_CONNECTION_LOST;
}

/* Note that the statement had no effect. What cannot be noted is found as not known. */
static void take_back(struct run *r, const cv__step *step, size_t done)
{
    cv_error *first = cv_error_take(r->cx);
    CV_SHIELD(r->cx, CLEAN_UP_MS)
    {
        int rc = done ? cv__progress_note(r->cx, step, done, done) : cv__progress_forget(r->cx, step);
        if (rc < 0)
            cv_error_clear(r->cx);
    }
    cv_error_put_back(r->cx, first);
}

static int run_one(struct run *r, const cv__step *step, size_t index)
{
    cv_value ignored;
    CV_TRY(cv__progress_note(r->cx, step, index + 1, index));
    int rc = run_on_lock(r, step->statements.list[index], &ignored);
    if (rc == 0)
        return cv__progress_note(r->cx, step, index + 1, index + 1);
    if (is_unknown(rc))
        return rc;
    take_back(r, step, index);
    return cv__progress_fail(r->cx, step, index, rc);
}

static int finish(struct run *r, const cv__step *step, int64_t begun_ns)
{
    CV_ATOMIC(r->cx)
    {
        CV_TRY(cv__progress_forget(r->cx, step));
        if (step->forward)
            CV_TRY(cv__history_add(r->cx, step->migration, (cv_now_ns(r->cx) - begun_ns) / 1000));
        else
            CV_TRY(cv__history_remove(r->cx, step->migration));
    }
    return 0;
}

static int apply_one_by_one(struct run *r, const cv__step *step)
{
    cv__progress_list begun;
    size_t done;
    bool due = false;
    int64_t begun_ns = cv_now_ns(r->cx);
    CV_TRY(is_due(r, step, &due));
    if (!due)
        return 0;
    CV_TRY(cv__progress_read(r->cx, &begun));
    const cv__progress *found = cv__progress_find(&begun, step->migration->label, step->migration->name);
    CV_TRY(cv__progress_resume(r->cx, step, found, &done));
    for (size_t i = done; i < step->statements.count; i++)
        CV_TRY(run_one(r, step, i));
    CV_TRY(finish(r, step, begun_ns));
    r->done++;
    return 0;
}

static int apply(struct run *r, const cv__step *step)
{
    bool due = false, again = true;
    if (!r->ddl->dialect->transactional_ddl)
        return apply_one_by_one(r, step);
    while (again) {
        int rc = apply_in_transaction(r, step, &due);
        CV_TRY(again_while_locked(r, rc, &again));
    }
    r->done += due;
    return 0;
}

static int create_history(struct run *r)
{
    bool again = true;
    if (!r->ddl->dialect->transactional_ddl)
        CV_TRY(cv__progress_create(r->cx));
    while (again) {
        int rc = cv__history_create(r->cx);
        CV_TRY(again_while_locked(r, rc, &again));
    }
    return 0;
}

/* ---- the run ---- */

static void report(const struct run *r, const cv__step *step, bool finished, size_t number)
{
    if (r->options->progress)
        r->options->progress(r->options->progress_arg, step->migration->label, step->migration->name, step->forward,
                             finished, number, r->plan.count);
}

static int run_steps(struct run *r)
{
    for (size_t i = 0; i < r->plan.count; i++) {
        const cv__step *step = &r->plan.steps[i];
        report(r, step, false, i);
        if (r->options->dry_run)
            r->done++;
        else
            CV_TRY(apply(r, step));
        report(r, step, true, i + 1);
    }
    return 0;
}

static int run_locked(struct run *r)
{
    cv__history history;
    cv__progress_list begun;
    CV_TRY(cv__history_read(r->cx, r->migrations, &history));
    CV_TRY(cv__history_verify(r->cx, r->migrations, &history));
    CV_TRY(cv__plan_make(r->cx, r->ddl, r->migrations, &history, r->options, &r->plan));
    CV_TRY(cv__progress_read(r->cx, &begun));
    CV_TRY(cv__progress_verify(r->cx, &begun, &r->plan));
    if (r->plan.count && !r->options->dry_run)
        CV_TRY(create_history(r));
    return run_steps(r);
}

int cv_migrate(cv_ctx *cx, const cv_migrations *migrations, const cv_migrate_options *options, size_t *ret_done)
{
    static const cv_migrate_options none = {0};
    struct run r = {.cx = cx, .migrations = migrations, .options = options ? options : &none};
    int64_t patience_ms = r.options->lock_timeout_ms > 0 ? r.options->lock_timeout_ms : DEFAULT_LOCK_TIMEOUT_MS;
    r.db = cv__db_need(cx);
    if (!r.db)
        return CV_E_NO_DATABASE;
    if (cv_in_transaction(cx))
        return cv_fail(cx, CV_E_IN_TRANSACTION, "cannot migrate inside a transaction");
    r.give_up_ns = cv_now_ns(cx) + patience_ms * 1000000;
    CV_TRY(cv__ddl_find(cx, cv_db_engine(r.db), &r.ddl));
    CV_TRY(lock(&r));
    int rc = run_locked(&r);
    unlock(&r);
    if (rc == 0 && ret_done)
        *ret_done = r.done;
    return rc;
}
