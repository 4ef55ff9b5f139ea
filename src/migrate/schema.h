/* The schema as migrations describe it: tables, columns, indexes and checks, the same for every engine. Plain data in
 * the arena of a context; nothing here suspends. */
#ifndef COVET_SRC_MIGRATE_SCHEMA_H
#define COVET_SRC_MIGRATE_SCHEMA_H

#include "sql/dialect.h"
#include <covet/model.h>

#define CV__MAX_INDEX_COLUMNS 8
#define CV__MAX_COLUMNS       500

/** Where something was written, for messages; file NULL: made by the program. */
typedef struct cv__place {
    const char *file;
    int line, column;
} cv__place;

typedef struct cv__column {
    const char *name;
    cv__column_type type;
    bool null;
    bool primary_key; /* also set for an identity */
    bool identity;    /* numbered by the database */
    bool has_default;
    cv_value default_value;       /* of the column's type */
    const char *references_table; /* NULL: no foreign key */
    const char *references_column;
    cv_on_delete on_delete;
    cv__place place;
} cv__column;

/** An index; a unique one is how uniqueness is kept on every engine, so that it can be dropped on every engine. */
typedef struct cv__index {
    const char *name;
    const char *table;
    bool unique;
    size_t column_count;
    const char *columns[CV__MAX_INDEX_COLUMNS];
    bool descending[CV__MAX_INDEX_COLUMNS];
} cv__index;

/** column LOOKUP values, or column LOOKUP other column. The lookup is one of exact, gt, gte, lt, lte, in, startswith.
 */
typedef struct cv__check {
    const char *name;
    const char *column;
    cv__lookup lookup;
    const char *other;      /* NULL: compare with the values */
    const cv_value *values; /* of the column's type */
    size_t value_count;
} cv__check;

/** A table. Immutable once it is in a state: a change makes a new one. */
typedef struct cv__schema_table {
    const char *name;
    const char *label; /* whose migrations made it; set by the state */
    const cv__column *columns;
    size_t column_count;
    const cv__check *checks;
    size_t check_count;
    const cv__index *indexes;
    size_t index_count;
} cv__schema_table;

/** Report CV_E_MIGRATION with the place in front: "shop/0001_initial.yaml:4:7: ...". Returns the code. */
int cv__fail_at(cv_ctx *cx, cv__place place, const char *format, ...) CV_PRINTF(3, 4);

/** Add `did you mean "..."?` to the last error when one of the names is near. */
void cv__hint_nearest(cv_ctx *cx, const char *wanted, const char *const *names, size_t count);

/** A column of a table by its exact name, or NULL. */
const cv__column *cv__table_column(const cv__schema_table *table, const char *name);

/** Whether a table can exist on every engine: names, one primary key at most, indexes, checks and defaults that fit its
 *  columns. CV_E_MIGRATION with the place. */
CV_CHECKED int cv__table_check(cv_ctx *cx, const cv__schema_table *table, cv__place place);

/** The same for a single column. */
CV_CHECKED int cv__column_check(cv_ctx *cx, const cv__column *column);

/** Whether a value of the column's type may be stored in it, on every engine; the arena is for stored forms. */
bool cv__value_fits(cv_arena *arena, cv_value value, const cv__column_type *type);

bool cv__type_equal(const cv__column_type *a, const cv__column_type *b);
/** Everything but the place. */
bool cv__column_equal(const cv__column *a, const cv__column *b);
bool cv__index_equal(const cv__index *a, const cv__index *b);
bool cv__check_equal(const cv__check *a, const cv__check *b);

#endif
