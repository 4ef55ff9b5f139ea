#include "migrate/progress.h"

int cv_migrations_status(cv_ctx *cx, const cv_migrations *migrations, cv_migration_status **ret_status,
                         size_t *ret_count)
{
    cv__history history;
    cv__progress_list begun;
    if (!cv_ctx_db(cx))
        return cv_fail(cx, CV_E_NO_DATABASE, "the context has no database");
    CV_TRY(cv__history_read(cx, migrations, &history));
    CV_TRY(cv__progress_read(cx, &begun));
    cv_migration_status *status = cv_zalloc(cx, migrations->count + history.count + 1, sizeof *status);
    if (!status)
        return CV_E_NOMEM;
    size_t count = 0;
    for (size_t i = 0; i < migrations->count; i++) {
        const cv__migration *migration = migrations->list[i];
        const cv__applied *row = history.by_position[i];
        const cv__progress *part = cv__progress_find(&begun, migration->label, migration->name);
        status[count++] = (cv_migration_status){.label = migration->label,
                                                .name = migration->name,
                                                .applied = row != NULL,
                                                .applied_at = row ? row->applied_at : (cv_time){0},
                                                .begun = part != NULL,
                                                .statements_done = part ? (size_t)part->done : 0,
                                                .changed = row && strcmp(row->checksum, migration->checksum) != 0};
    }
    for (size_t i = 0; i < history.count; i++)
        if (!history.rows[i].migration)
            status[count++] = (cv_migration_status){.label = history.rows[i].label,
                                                    .name = history.rows[i].name,
                                                    .applied = true,
                                                    .applied_at = history.rows[i].applied_at,
                                                    .missing = true};
    *ret_status = status;
    *ret_count = count;
    return 0;
}
