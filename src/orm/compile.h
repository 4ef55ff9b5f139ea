/* From declared models to compiled ones, in passes over all models: each pass may rely on those before it for every
 * model, which is what lets foreign keys form cycles. Mistakes are findings; only exhausted memory is a failure. */
#ifndef COVET_SRC_ORM_COMPILE_H
#define COVET_SRC_ORM_COMPILE_H

#include "orm/findings.h"
#include "orm/registry.h"

typedef struct cv__compile {
    cv_ctx *cx;
    const cv_registry *registry;
    cv_arena *arena; /* what is compiled lives here */
    cv__findings *findings;
} cv__compile;

/** Pass 1: names, columns, own types and the primary key. CV_E_NOMEM. */
CV_CHECKED int cv__compile_fields(cv__compile *compile, cv__model_info *info);

/** Pass 2: foreign keys take target and type. */
void cv__compile_keys(cv__compile *compile, cv__model_info *info);

/** Pass 3: bounds and defaults. */
void cv__compile_values(cv__compile *compile, cv__model_info *info);

/** Pass 4: indexes, checks, ordering. CV_E_NOMEM. */
CV_CHECKED int cv__compile_meta(cv__compile *compile, cv__model_info *info);

#endif
