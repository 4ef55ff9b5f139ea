/* The tables in which migrations keep what was done: made where they are not, and looked for. */
#ifndef COVET_SRC_MIGRATE_BOOKKEEPING_H
#define COVET_SRC_MIGRATE_BOOKKEEPING_H

#include "sql/dialect.h"

/** A column; none may be NULL. */
typedef struct cv__bookkeeping_column {
    const char *name;
    cv__column_type type;
} cv__bookkeeping_column;

/** Make a table in the context's database, unless it is there; its key is (label, name). Suspends. */
CV_CHECKED int cv__bookkeeping_create(cv_ctx *cx, const char *table, const cv__bookkeeping_column *columns,
                                      size_t count);

/** Whether it is there. Suspends. */
CV_CHECKED int cv__bookkeeping_exists(cv_ctx *cx, const char *table, bool *ret_exists);

#endif
