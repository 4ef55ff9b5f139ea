/* One step of a migration: a tagged union, read from a file or made by comparing models with migrations. */
#ifndef COVET_SRC_MIGRATE_OPERATION_H
#define COVET_SRC_MIGRATE_OPERATION_H

#include "migrate/schema.h"

typedef enum cv__operation_kind {
    CV__CREATE_TABLE,
    CV__DROP_TABLE,
    CV__ADD_COLUMN,
    CV__DROP_COLUMN,
    CV__CREATE_INDEX,
    CV__DROP_INDEX,
    CV__RUN_SQL,
} cv__operation_kind;
#define CV__OPERATION_COUNT 7

/** "create_table", ..., in the order of the kinds. */
extern const char *const cv__operation_names[CV__OPERATION_COUNT];

/** Raw statements for one engine; `given` false: the file says nothing about it. */
typedef struct cv__sql_list {
    bool given;
    const char *const *statements;
    size_t count;
} cv__sql_list;

typedef enum cv__engine { CV__SQLITE, CV__POSTGRES, CV__MARIADB } cv__engine;
#define CV__ENGINE_COUNT 3

/** "sqlite", "postgres", "mariadb", in the order of the engines; NULL-terminated. */
extern const char *const cv__engine_names[CV__ENGINE_COUNT + 1];

typedef struct cv__operation {
    cv__operation_kind kind;
    cv__place place;
    union {
        const cv__schema_table *create_table;
        const char *drop_table;
        struct {
            const char *table;
            cv__column column;
            const cv__check *checks; /* of this column */
            size_t check_count;
        } add_column;
        struct {
            const char *table, *column;
        } drop_column;
        cv__index create_index;
        const char *drop_index;
        struct {
            cv__sql_list forward[CV__ENGINE_COUNT];
            cv__sql_list backward[CV__ENGINE_COUNT];
            bool reversible; /* `reverse` was given */
        } run_sql;
    } as;
} cv__operation;

struct cv__state;

/** The operation that undoes this one, given the state before it. Shares memory with both. CV_E_MIGRATION when it
 *  cannot be undone, CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__operation_reverse(cv_ctx *cx, const cv__operation *operation, const struct cv__state *before,
                                     cv__operation *ret_reverse);

/** "create table books", for people; in the context's arena, NULL without memory. */
const char *cv__operation_summary(cv_ctx *cx, const cv__operation *operation);

#endif
