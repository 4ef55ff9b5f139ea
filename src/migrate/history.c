#include "migrate/history.h"

#include "db/database.h"
#include "migrate/bookkeeping.h"
#include <stdio.h>

#define MAX_ROWS 100000

int cv__history_create(cv_ctx *cx)
{
    static const cv__bookkeeping_column columns[] = {
        {"label", {.type = CV_TYPE_TEXT, .max_length = 100}},   {"name", {.type = CV_TYPE_TEXT, .max_length = 100}},
        {"checksum", {.type = CV_TYPE_TEXT, .max_length = 64}}, {"applied_at", {.type = CV_TYPE_TIME}},
        {"duration_us", {.type = CV_TYPE_I64, .bits = 64}},
    };
    return cv__bookkeeping_create(cx, CV__MIGRATE_HISTORY, columns, sizeof columns / sizeof *columns);
}

/* ---- reading ---- */

static char *copy_text(cv_ctx *cx, cv_value value)
{
    return value.type == CV_TYPE_TEXT ? cv_strndup(cx, value.as.text.ptr, value.as.text.len) : cv_strdup(cx, "");
}

static int add_row(cv_ctx *cx, const cv_rows *rows, cv__history *history, size_t *capacity)
{
    if (history->count == MAX_ROWS)
        return cv_fail(cx, CV_E_LIMIT, "the history of migrations has more than %d rows", MAX_ROWS);
    if (history->count == *capacity) {
        size_t wanted = *capacity ? 2 * *capacity : 64;
        cv__applied *grown = cv_zalloc(cx, wanted, sizeof *grown);
        if (!grown)
            return CV_E_NOMEM;
        if (history->count)
            memcpy(grown, history->rows, history->count * sizeof *grown);
        history->rows = grown;
        *capacity = wanted;
    }
    cv_value at = cv_rows_get(rows, 3);
    cv__applied *row = &history->rows[history->count++];
    *row = (cv__applied){.label = copy_text(cx, cv_rows_get(rows, 0)),
                         .name = copy_text(cx, cv_rows_get(rows, 1)),
                         .checksum = copy_text(cx, cv_rows_get(rows, 2))};
    if (at.type == CV_TYPE_TIME)
        row->applied_at = at.as.time;
    return row->label && row->name && row->checksum ? 0 : CV_E_NOMEM;
}

static int read_rows(cv_ctx *cx, cv__history *history)
{
    cv_rows *rows;
    size_t capacity = 0;
    int rc;
    CV_TRY(cv_select(cx, &rows,
                     "SELECT label, name, checksum, applied_at FROM covet_migrations "
                     "ORDER BY applied_at, label, name"));
    while ((rc = cv_rows_next(cx, rows)) > 0 && (rc = add_row(cx, rows, history, &capacity)) == 0)
        ;
    cv_rows_close(cx, rows);
    return rc;
}

static void match(const cv_migrations *migrations, cv__history *history)
{
    for (size_t i = 0; i < history->count; i++)
        for (size_t j = 0; j < migrations->count && !history->rows[i].migration; j++) {
            const cv__migration *migration = migrations->list[j];
            if (strcmp(migration->label, history->rows[i].label) != 0 ||
                strcmp(migration->name, history->rows[i].name) != 0)
                continue;
            history->rows[i].migration = migration;
            history->by_position[j] = &history->rows[i];
        }
}

int cv__history_read(cv_ctx *cx, const cv_migrations *migrations, cv__history *ret_history)
{
    cv__history history = {0};
    bool present;
    history.by_position = cv_zalloc(cx, migrations->count + 1, sizeof *history.by_position);
    if (!history.by_position)
        return CV_E_NOMEM;
    CV_TRY(cv__bookkeeping_exists(cx, CV__MIGRATE_HISTORY, &present));
    if (present)
        CV_TRY(read_rows(cx, &history));
    match(migrations, &history);
    *ret_history = history;
    return 0;
}

int cv__history_find(cv_ctx *cx, const cv__migration *migration, bool *ret_applied,
                     char ret_checksum[CV__CHECKSUM_BYTES])
{
    cv_rows *rows;
    CV_TRY(cv_select(cx, &rows, "SELECT checksum FROM covet_migrations WHERE label = ? AND name = ?", migration->label,
                     migration->name));
    int rc = cv_rows_next(cx, rows);
    *ret_applied = rc > 0;
    if (rc > 0)
        snprintf(ret_checksum, CV__CHECKSUM_BYTES, "%.*s", CV_STR_ARG(cv_rows_get(rows, 0).as.text));
    cv_rows_close(cx, rows);
    return rc < 0 ? rc : 0;
}

/* ---- writing ---- */

int cv__history_add(cv_ctx *cx, const cv__migration *migration, int64_t duration_us)
{
    return cv_exec(cx, NULL,
                   "INSERT INTO covet_migrations (label, name, checksum, applied_at, duration_us) "
                   "VALUES (?, ?, ?, ?, ?)",
                   migration->label, migration->name, (const char *)migration->checksum, cv_time_now(), duration_us);
}

int cv__history_remove(cv_ctx *cx, const cv__migration *migration)
{
    return cv_exec(cx, NULL, "DELETE FROM covet_migrations WHERE label = ? AND name = ?", migration->label,
                   migration->name);
}

/* ---- verifying ---- */

int cv__history_fail_changed(cv_ctx *cx, const cv__migration *migration)
{
    cv_fail(cx, CV_E_CHECKSUM, "the migration \"%s\" was changed after it had been applied", migration->path);
    cv_error_hint(cx, "put the former text back, and make the change in a new migration");
    return CV_E_CHECKSUM;
}

static int fail_missing(cv_ctx *cx, const cv__applied *row)
{
    cv_fail(cx, CV_E_MIGRATION, "the migration \"%s/%s\" is applied, but there is no such file", row->label, row->name);
    cv_error_hint(cx, "put the file back, or run the program of the version that has it");
    return CV_E_MIGRATION;
}

static int verify_order(cv_ctx *cx, const cv__history *history, const cv__migration *migration,
                        const cv__migration *needed)
{
    if (history->by_position[needed->position])
        return 0;
    cv_fail(cx, CV_E_MIGRATION, "the migration \"%s/%s\" is applied, but \"%s/%s\", which comes before it, is not",
            migration->label, migration->name, needed->label, needed->name);
    cv_error_hint(cx, "give the one that is not applied a number after the newest");
    return CV_E_MIGRATION;
}

int cv__history_verify(cv_ctx *cx, const cv_migrations *migrations, const cv__history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        const cv__applied *row = &history->rows[i];
        if (!row->migration)
            return fail_missing(cx, row);
        if (strcmp(row->checksum, row->migration->checksum) != 0)
            return cv__history_fail_changed(cx, row->migration);
    }
    for (size_t i = 0; i < migrations->count; i++) {
        const cv__migration *migration = migrations->list[i];
        if (!history->by_position[i])
            continue;
        if (migration->former)
            CV_TRY(verify_order(cx, history, migration, migration->former));
        for (size_t j = 0; j < migration->file.depend_count; j++)
            CV_TRY(verify_order(cx, history, migration, migration->dependencies[j]));
    }
    return 0;
}
