/* The state of the schema: what the operations so far have made. Found by replaying them, never by looking into a
 * database. Lives in the context's arena; nothing here suspends. */
#ifndef COVET_SRC_MIGRATE_STATE_H
#define COVET_SRC_MIGRATE_STATE_H

#include "migrate/operation.h"

/** Tables in the order made. */
typedef struct cv__state {
    const cv__schema_table **tables;
    size_t count, capacity;
} cv__state;

/** A table by its exact name, or NULL; an index by its name, or NULL. */
const cv__schema_table *cv__state_table(const cv__state *state, const char *name);
const cv__index *cv__state_index(const cv__state *state, const char *name);

/** Apply an operation of a label's migration. CV_E_MIGRATION with the place: what it names does not exist, exists
 *  already or belongs to another label. References to tables that do not exist yet are accepted here. */
CV_CHECKED int cv__state_apply(cv_ctx *cx, cv__state *state, const char *label, const cv__operation *operation);

/** Whether every reference leads to a key of the same type; asked after each migration as a whole. CV_E_MIGRATION. */
CV_CHECKED int cv__state_check(cv_ctx *cx, const cv__state *state);

#endif
