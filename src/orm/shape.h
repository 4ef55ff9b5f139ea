/* Rendered statements, kept by shape: for each dialect a bounded cache of those that queries have had lately, and
 * beside it the fixed statements of each model. All belong to the registry. Nothing here suspends. */
#ifndef COVET_SRC_ORM_SHAPE_H
#define COVET_SRC_ORM_SHAPE_H

#include "orm/decode.h"
#include "sql/dialect.h"
#include <covet/list.h>

/** Shapes kept for one dialect; the one used longest ago goes first. */
#define CV__SHAPES_MAX 4096

/** A statement, rendered: one block of memory, immutable. `refs` keeps it while it runs, even when the cache has
 *  dropped it. */
typedef struct cv__shape {
    cv_link link; /* in the cache: most recently used first */
    size_t refs;
    bool uncached; /* too long to be prepared for reuse */
    cv_str key;
    cv_str sql;
    uint64_t hash;
    const cv__column_type *columns; /* as the plan's */
    cv__plan plan;
} cv__shape;

/** What is known before a shape is packed. */
typedef struct cv__shape_draft {
    cv_str key, sql;
    const cv__column_type *columns;
    cv__plan plan;
} cv__shape_draft;

/** The fixed statements of a model. Inserts of 2^n rows follow CV__INSERT_OWN_KEY (the program gives the key) and
 *  CV__INSERT_NEW_KEY (the database makes it); the last of each is of any number of rows, from the dialect's row
 * source. */
enum { CV__INSERT_SIZES = 8, CV__INSERT_ANY = CV__INSERT_SIZES - 1 };
typedef enum cv__fixed {
    CV__GET,
    CV__UPDATE,
    CV__DELETE,
    CV__INSERT_OWN_KEY,
    CV__INSERT_NEW_KEY = CV__INSERT_OWN_KEY + CV__INSERT_SIZES,
    CV__FIXED_COUNT = CV__INSERT_NEW_KEY + CV__INSERT_SIZES,
} cv__fixed;

typedef struct cv__shape_stats {
    size_t count;
    uint64_t hits, misses, evicted;
} cv__shape_stats;

typedef struct cv__shapes {
    const cv__dialect *dialect;
    struct cv__shapes *next;
    cv_map *by_key;
    cv_link recent;
    cv__shape_stats stats;
    size_t max;                           /* CV__SHAPES_MAX; tests lower it */
    cv__shape *(*fixed)[CV__FIXED_COUNT]; /* by the model's number; NULL until first used */
} cv__shapes;

/** The shapes of a registry for a dialect, made at first use. NULL with CV_E_NOMEM reported. */
cv__shapes *cv__shapes_of(cv_ctx *cx, cv_registry *registry, const cv__dialect *dialect);

/** Pack a draft into a shape with one reference. NULL with CV_E_NOMEM reported. */
cv__shape *cv__shape_pack(cv_ctx *cx, const cv__shape_draft *draft);

/** Take the shape with this key out of the cache's care for a while: a reference, or NULL. Counts hit or miss. */
cv__shape *cv__shapes_find(cv__shapes *shapes, cv_str key);

/** Put a new shape into the cache, dropping the oldest. Without memory it is just not kept. */
void cv__shapes_keep(cv__shapes *shapes, cv__shape *shape);

/** Give a reference back. NULL allowed. */
void cv__shape_unref(cv__shape *shape);

#endif
