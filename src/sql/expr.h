/* The expression tree that queries are built as, and the statements around it. Nodes live in an arena; they are made
 * once and not changed afterwards, except for lists, which grow. Parameters are numbers from 1: their values travel
 * beside the tree, so that one rendered text serves every value. Nothing here suspends.
 *
 * Constructors return NULL when memory is exhausted or a child is NULL, so that a tree is built first and checked once.
 */
#ifndef COVET_SRC_SQL_EXPR_H
#define COVET_SRC_SQL_EXPR_H

#include "sql/dialect.h"

typedef struct cv__expr cv__expr;
typedef struct cv__select cv__select;

typedef enum cv__expr_kind {
    CV__EXPR_COLUMN,    /* table, name */
    CV__EXPR_PARAM,     /* param */
    CV__EXPR_AND,       /* children; none: true */
    CV__EXPR_OR,        /* children; none: false */
    CV__EXPR_NOT,       /* left */
    CV__EXPR_COMPARE,   /* left LOOKUP right: exact, gt, gte, lt, lte */
    CV__EXPR_IN,        /* left in param ... param + count - 1; count 0: false */
    CV__EXPR_RANGE,     /* left between param and param + 1 */
    CV__EXPR_NULL,      /* left is NULL */
    CV__EXPR_NOT_NULL,  /* left is not NULL */
    CV__EXPR_TEXT,      /* a text look-up of left with param */
    CV__EXPR_EXISTS,    /* select */
    CV__EXPR_IN_SELECT, /* left in select */
    CV__EXPR_COUNT,     /* COUNT(*) */
    CV__EXPR_ONE,       /* the number 1, where a select needs any column */
} cv__expr_kind;

struct cv__expr {
    cv__expr_kind kind;
    cv__lookup lookup;
    uint32_t table; /* position in the statement's tables */
    const char *name;
    size_t param, count;
    const cv__expr *left, *right;
    cv__expr *first, *last, *next; /* children of a list; `next` links the child itself */
    const cv__select *select;
};

typedef enum cv__join_kind { CV__JOIN_INNER, CV__JOIN_LEFT } cv__join_kind;

/** A table of a statement. The first has no join; later ones join `column` to `parent_column` of an earlier table. */
typedef struct cv__table {
    const char *name;
    const char *alias; /* NULL: the name */
    cv__join_kind join;
    uint32_t parent;
    const char *parent_column;
    const char *column;
    bool skipped; /* keeps its number but is not rendered: nothing refers to it */
} cv__table;

typedef struct cv__order {
    const cv__expr *expr;
    bool descending;
    bool nullable; /* NULLs are ordered after all values on every engine, and before them when descending */
} cv__order;

struct cv__select {
    const cv__expr *const *columns;
    size_t column_count;
    const cv__table *tables;
    size_t table_count;
    const cv__select *from; /* instead of tables: a subquery */
    const cv__expr *where;  /* NULL: all */
    const cv__order *orders;
    size_t order_count;
    size_t limit_param, offset_param; /* 0: none; an offset needs a limit */
};

/** INSERT of `row_count` rows; the parameters of row r are r * column_count + 1 and following. With `row_source` the
 * rows are those of that table, any number (see cv__dialect). */
typedef struct cv__insert {
    const char *table;
    const char *const *columns; /* none: one row of defaults */
    size_t column_count;
    size_t row_count;
    const char *row_source; /* NULL: rows of parameters */
    const char *returning;  /* a column, or NULL */
} cv__insert_statement;

/** UPDATE: columns[i] gets parameter first_param + i. */
typedef struct cv__update_statement {
    const cv__table *table; /* without alias; or the first of several, which the conditions cross, with theirs */
    size_t table_count;     /* 0: one */
    const char *const *columns;
    size_t column_count;
    size_t first_param;
    const cv__expr *where;
} cv__update_statement;

const cv__expr *cv__expr_column(cv_arena *arena, uint32_t table, const char *name);
const cv__expr *cv__expr_param(cv_arena *arena, size_t param);
cv__expr *cv__expr_list(cv_arena *arena, cv__expr_kind kind);
cv__expr *cv__expr_not(cv_arena *arena, const cv__expr *left);
cv__expr *cv__expr_compare(cv_arena *arena, cv__lookup lookup, const cv__expr *left, const cv__expr *right);
cv__expr *cv__expr_in(cv_arena *arena, const cv__expr *left, size_t param, size_t count);
cv__expr *cv__expr_range(cv_arena *arena, const cv__expr *left, size_t param);
cv__expr *cv__expr_null(cv_arena *arena, const cv__expr *left, bool null);
cv__expr *cv__expr_text(cv_arena *arena, cv__lookup lookup, const cv__expr *left, size_t param);
cv__expr *cv__expr_exists(cv_arena *arena, const cv__select *select);
cv__expr *cv__expr_in_select(cv_arena *arena, const cv__expr *left, const cv__select *select);
const cv__expr *cv__expr_count(cv_arena *arena);
const cv__expr *cv__expr_one(cv_arena *arena);

/** Add a child to a list; it belongs to one list only. */
void cv__expr_add(cv__expr *list, cv__expr *child);

/** The tables that an expression refers to, as bits; and those whose columns cannot be NULL where it holds: a LEFT JOIN
 *  to such a table gives the same rows as an INNER JOIN. Tables beyond 63 are not counted. NULL: none. */
uint64_t cv__expr_tables(const cv__expr *expr);
uint64_t cv__expr_rejects_null(const cv__expr *expr);

/** Append the SQL of a statement: identifiers quoted, values as placeholders only. Failures are the buffer's error.
 *  Nesting must be bounded by the caller: 64 levels are safe on every stack and engine. */
void cv__render_select(cv_buf *out, const cv__dialect *dialect, const cv__select *select);
void cv__render_insert(cv_buf *out, const cv__dialect *dialect, const cv__insert_statement *insert);
void cv__render_update(cv_buf *out, const cv__dialect *dialect, const cv__update_statement *update);
void cv__render_delete(cv_buf *out, const cv__dialect *dialect, const cv__table *table, const cv__expr *where);
/** DELETE from the first of several tables, which the conditions cross (see joined_changes). */
void cv__render_delete_joined(cv_buf *out, const cv__dialect *dialect, const cv__table *tables, size_t table_count,
                              const cv__expr *where);

#endif
