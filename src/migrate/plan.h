/* Which migrations to apply or undo, in which order. Nothing here suspends. */
#ifndef COVET_SRC_MIGRATE_PLAN_H
#define COVET_SRC_MIGRATE_PLAN_H

#include "migrate/history.h"
#include "migrate/render.h"

typedef struct cv__step {
    const cv__migration *migration;
    bool forward;
    cv__statements statements;
} cv__step;

typedef struct cv__plan {
    cv__step *steps;
    size_t count;
} cv__plan;

/** The way from a history to what the options ask for, with all statements rendered, so that what cannot be done is
 *  known before anything is. In the context's arena. CV_E_NOT_FOUND for an unknown label or name, CV_E_MIGRATION for
 * one that cannot be undone, CV_E_INVALID. */
CV_CHECKED int cv__plan_make(cv_ctx *cx, const cv__ddl *ddl, const cv_migrations *migrations,
                             const cv__history *history, const cv_migrate_options *options, cv__plan *ret_plan);

#endif
