/* Comparing models with migrations. Nothing here suspends or touches files; everything lies in the context's arena. */
#ifndef COVET_SRC_MIGRATE_DETECT_H
#define COVET_SRC_MIGRATE_DETECT_H

#include "migrate/migrations.h"
#include "orm/registry.h"

/** The table that a compiled model describes (model_table.c). CV_E_NOMEM. */
CV_CHECKED int cv__model_table(cv_ctx *cx, const cv__model_info *model, const cv__schema_table **ret_table);

/** What the migrations of one label lack. */
typedef struct cv__changes {
    cv__operation *operations;
    size_t count, capacity;
    const char **notes; /* what a person should look at, for the summary */
    size_t note_count, note_capacity;
} cv__changes;

/** Compare a label's models with a state (autodetect.c). CV_E_UNSUPPORTED for a change that no operation expresses,
 * with old and new and what to do; CV_E_LIMIT for more than one migration holds. */
CV_CHECKED int cv__detect(cv_ctx *cx, const cv_registry *registry, const char *label, const cv__state *state,
                          cv__changes *ret_changes);

#endif
