/* Operations as SQL. How engines differ in their data definition stands in one small table each. Nothing here suspends;
 * everything lies in the context's arena. */
#ifndef COVET_SRC_MIGRATE_RENDER_H
#define COVET_SRC_MIGRATE_RENDER_H

#include "migrate/migrations.h"

typedef struct cv__ddl {
    const cv__dialect *dialect;
    cv__engine engine;
    /* A table may refer to one that does not exist yet; otherwise the constraint is added when that one is created, and
     * taken away before it is dropped. */
    bool forward_references;
    /* Run before a table is dropped that others refer to (they go later in the same transaction); NULL: none. */
    const char *before_drop;
    /* Constraints stand at the table, behind all columns, and are dropped with their column by name; an index belongs
     * to its table, and one that a foreign key needs is replaced when it is dropped. */
    bool constraints_apart;
    /* What the longest key may have: the bytes of a column of a key, or of an index of several columns; and the bytes
     * of a row but for its large values. 0: no bound that anybody reaches. */
    size_t max_key_bytes, max_row_bytes;
    /* The session's lock of a run: statements with one value, true when it was taken or given back. NULL: none. */
    const char *lock, *unlock;
    /* Stands before the statements that are shown, for whoever runs them elsewhere; "" where nothing is needed. */
    const char *preamble;
} cv__ddl;

/** How an engine does it, by its name; CV_E_INVALID with the nearest. */
CV_CHECKED int cv__ddl_find(cv_ctx *cx, const char *engine, const cv__ddl **ret_ddl);

/** Whether an engine can have a table with its columns, a column by itself, an index over a table's columns: MariaDB
 *  bounds its keys and rows. CV_E_MIGRATION with the place, CV_E_NOMEM. */
CV_CHECKED int cv__ddl_check_table(cv_ctx *cx, const cv__ddl *ddl, const cv__schema_table *table);
CV_CHECKED int cv__ddl_check_column(cv_ctx *cx, const cv__ddl *ddl, const cv__column *column, const cv__check *checks,
                                    size_t check_count);
CV_CHECKED int cv__ddl_check_index(cv_ctx *cx, const cv__ddl *ddl, const cv__schema_table *table,
                                   const cv__index *index, cv__place place);

/** Statements in the order to run, without a semicolon. */
typedef struct cv__statements {
    const char **list;
    const cv__operation **operations; /* which each belongs to */
    size_t count, capacity;
} cv__statements;

/** Append the statements of one operation, given the state before it. CV_E_MIGRATION (a run_sql has nothing for the
 *  engine), CV_E_NOMEM. */
CV_CHECKED int cv__render(cv_ctx *cx, const cv__ddl *ddl, const cv__state *before, const cv__operation *operation,
                          cv__statements *out);

/** The statements of a whole migration of the set, forward or backward. CV_E_MIGRATION when it cannot be undone. */
CV_CHECKED int cv__render_migration(cv_ctx *cx, const cv__ddl *ddl, const cv_migrations *migrations,
                                    const cv__migration *migration, bool forward, cv__statements *ret_statements);

#endif
