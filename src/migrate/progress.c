#include "migrate/progress.h"

#include "db/database.h"
#include "migrate/bookkeeping.h"
#include <stdio.h>

int cv__progress_create(cv_ctx *cx)
{
    static const cv__bookkeeping_column columns[] = {
        {"label", {.type = CV_TYPE_TEXT, .max_length = 100}},
        {"name", {.type = CV_TYPE_TEXT, .max_length = 100}},
        {"forward", {.type = CV_TYPE_BOOL}},
        {"begun", {.type = CV_TYPE_I64, .bits = 64}},
        {"done", {.type = CV_TYPE_I64, .bits = 64}},
        {"prefix", {.type = CV_TYPE_TEXT, .max_length = 64}},
    };
    return cv__bookkeeping_create(cx, CV__MIGRATE_PROGRESS, columns, sizeof columns / sizeof *columns);
}

static int add_row(cv_ctx *cx, const cv_rows *rows, cv__progress *p)
{
    cv_value label = cv_rows_get(rows, 0), name = cv_rows_get(rows, 1), forward = cv_rows_get(rows, 2);
    *p = (cv__progress){.label = cv_strndup(cx, label.as.text.ptr, label.as.text.len),
                        .name = cv_strndup(cx, name.as.text.ptr, name.as.text.len),
                        .forward = forward.type == CV_TYPE_BOOL ? forward.as.boolean : forward.as.i64 != 0,
                        .begun = cv_rows_get(rows, 3).as.i64,
                        .done = cv_rows_get(rows, 4).as.i64};
    snprintf(p->prefix, CV__CHECKSUM_BYTES, "%.*s", CV_STR_ARG(cv_rows_get(rows, 5).as.text));
    return p->label && p->name ? 0 : CV_E_NOMEM;
}

int cv__progress_read(cv_ctx *cx, cv__progress_list *ret_list)
{
    cv_rows *rows;
    bool present;
    *ret_list = (cv__progress_list){0};
    if (cv__db_dialect(cv_ctx_db(cx))->transactional_ddl)
        return 0;
    CV_TRY(cv__bookkeeping_exists(cx, CV__MIGRATE_PROGRESS, &present));
    if (!present)
        return 0;
    CV_TRY(cv_select(cx, &rows,
                     "SELECT label, name, forward, begun, done, prefix FROM " CV__MIGRATE_PROGRESS
                     " ORDER BY label, name"));
    int rc;
    while ((rc = cv_rows_next(cx, rows)) > 0 && ret_list->count < CV__PROGRESS_ROWS)
        CV_TRY(add_row(cx, rows, &ret_list->rows[ret_list->count++]));
    cv_rows_close(cx, rows);
    return rc < 0 ? rc : 0;
}

const cv__progress *cv__progress_find(const cv__progress_list *list, const char *label, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->rows[i].label, label) == 0 && strcmp(list->rows[i].name, name) == 0)
            return &list->rows[i];
    return NULL;
}

static bool is_planned(const cv__plan *plan, const cv__progress *p)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].forward == p->forward && strcmp(plan->steps[i].migration->label, p->label) == 0 &&
            strcmp(plan->steps[i].migration->name, p->name) == 0)
            return true;
    return false;
}

int cv__progress_verify(cv_ctx *cx, const cv__progress_list *list, const cv__plan *plan)
{
    for (size_t i = 0; i < list->count; i++) {
        const cv__progress *p = &list->rows[i];
        if (is_planned(plan, p))
            continue;
        cv_fail(cx, CV_E_MIGRATION, "the migration \"%s/%s\" is half %s: %lld of its statements are done", p->label,
                p->name, p->forward ? "applied" : "undone", (long long)p->done);
        cv_error_hint(cx,
                      "finish that first; or set what it did right by hand, and then: DELETE FROM " CV__MIGRATE_PROGRESS
                      " WHERE label = '%s' AND name = '%s'",
                      p->label, p->name);
        return CV_E_MIGRATION;
    }
    return 0;
}

/* The checksum of the first statements of a step. */
static int prefix_of(cv_ctx *cx, const cv__step *step, size_t count, char ret_checksum[CV__CHECKSUM_BYTES])
{
    cv_buf text;
    cv_buf_init_arena(&text, cv_ctx_arena(cx), 0);
    for (size_t i = 0; i < count; i++) {
        cv_buf_add_text(&text, step->statements.list[i]);
        cv_buf_add_char(&text, '\0');
    }
    if (text.error)
        return cv_fail(cx, text.error, "could not note how far a migration came: out of memory");
    return cv__checksum(cx, cv_buf_str(&text), ret_checksum);
}

/* ---- going on ---- */

static const char *verb(const cv__step *step)
{
    return step->forward ? "apply" : "undo";
}

static int fail_unknown(cv_ctx *cx, const cv__step *step, const cv__progress *p)
{
    const cv__migration *m = step->migration;
    cv_fail(cx, CV_E_MIGRATION, "whether statement %lld of %zu of the migration \"%s/%s\" was done is not known",
            (long long)p->begun, step->statements.count, m->label, m->name);
    if (p->begun >= 1 && (size_t)p->begun <= step->statements.count)
        cv_error_detail(cx, "a runner ended in the middle of: %.1000s", step->statements.list[p->begun - 1]);
    cv_error_hint(cx,
                  "look at the database; if it was done: UPDATE " CV__MIGRATE_PROGRESS
                  " SET done = begun, prefix = '' WHERE label = '%s' AND name = '%s'; if not: SET begun = done; then "
                  "migrate again",
                  m->label, m->name);
    return CV_E_MIGRATION;
}

static int fail_other(cv_ctx *cx, const cv__step *step, const cv__progress *p)
{
    const cv__migration *m = step->migration;
    cv_fail(
        cx, CV_E_MIGRATION,
        "cannot go on with the migration \"%s/%s\": %lld of its statements are done, and they are not those that it "
        "begins with now",
        m->label, m->name, (long long)p->done);
    cv_error_hint(
        cx,
        "put back what the file said of them, or undo them by hand and then: DELETE FROM " CV__MIGRATE_PROGRESS
        " WHERE label = '%s' AND name = '%s'",
        m->label, m->name);
    return CV_E_MIGRATION;
}

int cv__progress_resume(cv_ctx *cx, const cv__step *step, const cv__progress *progress, size_t *ret_done)
{
    char prefix[CV__CHECKSUM_BYTES];
    if (!progress) {
        *ret_done = 0;
        return 0;
    }
    if (progress->begun > progress->done)
        return fail_unknown(cx, step, progress);
    if (progress->done < 0 || (size_t)progress->done > step->statements.count)
        return fail_other(cx, step, progress);
    CV_TRY(prefix_of(cx, step, (size_t)progress->done, prefix));
    if (progress->prefix[0] && strcmp(prefix, progress->prefix) != 0)
        return fail_other(cx, step, progress);
    *ret_done = (size_t)progress->done;
    return 0;
}

/* ---- noting ---- */

int cv__progress_note(cv_ctx *cx, const cv__step *step, size_t begun, size_t done)
{
    char prefix[CV__CHECKSUM_BYTES];
    CV_TRY(prefix_of(cx, step, done, prefix));
    return cv_exec(cx, NULL,
                   "REPLACE INTO " CV__MIGRATE_PROGRESS " (label, name, forward, begun, done, prefix) "
                   "VALUES (?, ?, ?, ?, ?, ?)",
                   step->migration->label, step->migration->name, step->forward, (int64_t)begun, (int64_t)done,
                   (const char *)prefix);
}

int cv__progress_forget(cv_ctx *cx, const cv__step *step)
{
    return cv_exec(cx, NULL, "DELETE FROM " CV__MIGRATE_PROGRESS " WHERE label = ? AND name = ?",
                   step->migration->label, step->migration->name);
}

/* ---- failing ---- */

/* The operations of the statements from `first` up to `end`, each once, as "create table a, create index b". */
static void add_operations(cv_ctx *cx, cv_buf *out, const cv__step *step, size_t first, size_t end)
{
    const cv__operation *former = NULL;
    for (size_t i = first; i < end; i++) {
        const cv__operation *operation = step->statements.operations[i];
        if (operation == former)
            continue;
        const char *summary = cv__operation_summary(cx, operation);
        cv_buf_printf(out, "%s%s", former ? ", " : "", summary ? summary : "?");
        former = operation;
    }
}

int cv__progress_fail(cv_ctx *cx, const cv__step *step, size_t done, int rc)
{
    const cv__migration *m = step->migration;
    const cv__statements *all = &step->statements;
    cv_buf detail;
    cv_fail(cx, rc, "could not %s the migration \"%s/%s\": its statement %zu of %zu failed; %s", verb(step), m->label,
            m->name, done + 1, all->count, done ? "those before it are done and kept" : "nothing of it was kept");
    cv_buf_init_arena(&detail, cv_ctx_arena(cx), 0);
    if (done) {
        cv_buf_add_text(&detail, "done: ");
        add_operations(cx, &detail, step, 0, done);
        cv_buf_add_text(&detail, all->operations[done] == all->operations[done - 1] ? " (the last one in part); to do: "
                                                                                    : "; to do: ");
        add_operations(cx, &detail, step, done, all->count);
        cv_buf_add_text(&detail, "; ");
    }
    cv_buf_printf(&detail, "the statement was: %.1000s", all->list[done]);
    if (!detail.error)
        cv_error_detail(cx, "%s", detail.data);
    if (done)
        cv_error_hint(cx,
                      "%s does not roll back such statements: set right what kept this one from running, or correct "
                      "the rest of the file, and migrate again; it goes on from here",
                      cv_db_engine(cv_ctx_db(cx)));
    return rc;
}
