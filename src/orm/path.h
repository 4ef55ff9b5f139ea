/* Paths: "author__country__name__icontains", cut into steps and resolved against models. */
#ifndef COVET_SRC_ORM_PATH_H
#define COVET_SRC_ORM_PATH_H

#include "orm/registry.h"

/** Relations that one path may cross. */
#define CV__PATH_DEPTH 8

/** What a path means: foreign keys to follow from the model, the field at the end, the look-up. */
typedef struct cv__path {
    size_t depth;
    cv__field_info *relations[CV__PATH_DEPTH];
    cv__field_info *field;
    cv__lookup lookup; /* exact when none is named */
} cv__path;

/** Cut the next step off; false at the end. Steps are separated by two underscores. */
bool cv__path_next(cv_str *rest, cv_str *ret_step);

/** Resolve a path. The key of a relation ("author__pk", "author__id") is the foreign key's own column: no relation is
 *  followed for it. With `lookups` false the path ends with its field. CV_E_FIELD, naming the nearest; CV_E_LIMIT for
 *  more than CV__PATH_DEPTH relations. */
CV_CHECKED int cv__path_resolve(cv_ctx *cx, cv__model_info *model, cv_str path, bool lookups, cv__path *ret_path);

/** Resolve a path of relations only ("author__country"): `field` is the last one. */
CV_CHECKED int cv__path_relations(cv_ctx *cx, cv__model_info *model, cv_str path, cv__path *ret_path);

#endif
