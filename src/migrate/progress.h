/* How far a migration came on an engine whose data definition is no part of transactions (MariaDB): each statement
 * takes effect by itself, so that what failed in the middle is kept. One row of `covet_migrations_begun` a migration
 * that is under way:
 *
 *     statement i is about to run:   begun = i + 1, done = i
 *     it was done:                   begun = i + 1, done = i + 1
 *     it failed:                     begun = i,     done = i         (it had no effect: one statement is atomic)
 *     all are done:                  no row, in the transaction that writes the history
 *
 * Who finds begun > done finds a runner that was killed or lost its connection meanwhile: only people can tell whether
 * that statement took effect. */
#ifndef COVET_SRC_MIGRATE_PROGRESS_H
#define COVET_SRC_MIGRATE_PROGRESS_H

#include "migrate/plan.h"

#define CV__MIGRATE_PROGRESS "covet_migrations_begun"

#define CV__PROGRESS_ROWS 16

typedef struct cv__progress {
    const char *label, *name;
    bool forward;
    int64_t begun, done;             /* statements */
    char prefix[CV__CHECKSUM_BYTES]; /* checksum of those that are done; "": somebody changed the row */
} cv__progress;

/** Migrations that were begun and not finished: seldom more than one. */
typedef struct cv__progress_list {
    cv__progress rows[CV__PROGRESS_ROWS];
    size_t count;
} cv__progress_list;

/** Make the table where it is missing. Suspends. */
CV_CHECKED int cv__progress_create(cv_ctx *cx);

/** What was begun and not finished in the context's database; nothing on an engine that needs no such notes. Texts lie
 *  in the context's arena. Suspends. */
CV_CHECKED int cv__progress_read(cv_ctx *cx, cv__progress_list *ret_list);

/** The row of a migration, or NULL. */
const cv__progress *cv__progress_find(const cv__progress_list *list, const char *label, const char *name);

/** What was begun must be finished first: CV_E_MIGRATION when the plan does not. Does not suspend. */
CV_CHECKED int cv__progress_verify(cv_ctx *cx, const cv__progress_list *list, const cv__plan *plan);

/** Where to go on, by the step's row (NULL: at the beginning): the number of statements that are done. CV_E_MIGRATION
 *  with what to do when that is not known, or when what was done is not what the migration now begins with. Does not
 *  suspend. */
CV_CHECKED int cv__progress_resume(cv_ctx *cx, const cv__step *step, const cv__progress *progress, size_t *ret_done);

/** Note how many statements are begun and done. Suspends. */
CV_CHECKED int cv__progress_note(cv_ctx *cx, const cv__step *step, size_t begun, size_t done);

/** Forget it. Suspends. */
CV_CHECKED int cv__progress_forget(cv_ctx *cx, const cv__step *step);

/** The failure of the statement `done` of a step told in whole: what is done and kept, what is not, and how to go on.
 *  Returns `rc`. Does not suspend. */
int cv__progress_fail(cv_ctx *cx, const cv__step *step, size_t done, int rc);

#endif
