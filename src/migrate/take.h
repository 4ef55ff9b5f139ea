/* Taking typed values out of the YAML of a migration, strictly: each function reports what it does not accept with
 * CV_E_MIGRATION, file, line and column. Nothing here suspends. */
#ifndef COVET_SRC_MIGRATE_TAKE_H
#define COVET_SRC_MIGRATE_TAKE_H

#include "base/yaml.h"
#include "migrate/schema.h"

typedef struct cv__taking {
    cv_ctx *cx;
    const char *file; /* for messages */
} cv__taking;

/** Where a node, or the key of a mapping's child, was written. */
cv__place cv__take_place(const cv__taking *t, const cv__yaml_node *node);
cv__place cv__take_key_place(const cv__taking *t, const cv__yaml_node *node);

/** The node must be of the kind. `what` names it in messages ("a column"). */
CV_CHECKED int cv__take_kind(const cv__taking *t, const cv__yaml_node *node, cv__yaml_kind kind, const char *what);

/** The node must be a mapping with keys of the NULL-terminated list only; the nearest is suggested. */
CV_CHECKED int cv__take_keys(const cv__taking *t, const cv__yaml_node *node, const char *what,
                             const char *const *known);

/** The child of this key; CV_E_MIGRATION when it is missing. */
CV_CHECKED int cv__take_child(const cv__taking *t, const cv__yaml_node *node, const char *what, const char *key,
                              const cv__yaml_node **ret_child);

/** The scalar of this key as a name that the engines accept for tables, columns, indexes and constraints. */
CV_CHECKED int cv__take_name(const cv__taking *t, const cv__yaml_node *node, const char *what, const char *key,
                             const char **ret_name);
/** The same for a scalar that stands by itself. */
CV_CHECKED int cv__take_name_node(const cv__taking *t, const cv__yaml_node *node, const char **ret_name);

/** The optional scalar of this key; `*ret_...` keeps its value when it is missing. */
CV_CHECKED int cv__take_bool(const cv__taking *t, const cv__yaml_node *node, const char *key, bool *ret_value);
CV_CHECKED int cv__take_number(const cv__taking *t, const cv__yaml_node *node, const char *key, int64_t min,
                               int64_t max, int64_t *ret_value);

/** One of the words, as its position; the nearest is suggested. `what` names the kind of word ("operation"). */
CV_CHECKED int cv__take_word(const cv__taking *t, cv__place place, const char *what, cv_str word,
                             const char *const *words, size_t count, size_t *ret_position);

/** A scalar as a value of a column's type that may be stored in it; `what` names it ("the default"). */
CV_CHECKED int cv__take_value(const cv__taking *t, const cv__yaml_node *node, const char *what,
                              const cv__column_type *type, cv_value *ret_value);

#endif
