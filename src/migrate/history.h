/* What was applied to a database: the table covet_migrations. Everything here runs on the context's database, inside
 * its transaction when there is one, and suspends. */
#ifndef COVET_SRC_MIGRATE_HISTORY_H
#define COVET_SRC_MIGRATE_HISTORY_H

#include "migrate/migrations.h"

typedef struct cv__applied {
    const char *label, *name, *checksum;
    cv_time applied_at;
    const cv__migration *migration; /* NULL: there is no such file */
} cv__applied;

typedef struct cv__history {
    cv__applied *rows;
    size_t count;
    cv__applied **by_position; /* of the set's migrations; NULL where one is not applied */
} cv__history;

/** Make the table unless it exists. */
CV_CHECKED int cv__history_create(cv_ctx *cx);

/** Read all rows, in the order applied, and match them with the set; a database without the table has none. In the
 *  context's arena. */
CV_CHECKED int cv__history_read(cv_ctx *cx, const cv_migrations *migrations, cv__history *ret_history);

/** Whether one is applied now, with which checksum (copied). */
CV_CHECKED int cv__history_find(cv_ctx *cx, const cv__migration *migration, bool *ret_applied,
                                char ret_checksum[CV__CHECKSUM_BYTES]);

CV_CHECKED int cv__history_add(cv_ctx *cx, const cv__migration *migration, int64_t duration_us);
CV_CHECKED int cv__history_remove(cv_ctx *cx, const cv__migration *migration);

/** Refuse what must not go on: CV_E_CHECKSUM for a changed file, CV_E_MIGRATION for a missing one and for one that is
 * applied without what it needs. Does not suspend. */
CV_CHECKED int cv__history_verify(cv_ctx *cx, const cv_migrations *migrations, const cv__history *history);

/** Report a changed migration: CV_E_CHECKSUM. */
int cv__history_fail_changed(cv_ctx *cx, const cv__migration *migration);

#endif
