/* A query while it is built: one tree of conditions, the relations it crosses, the values, and the key of its shape.
 *
 * The shape key says everything that the rendered text depends on, and nothing that it does not: field numbers,
 * look-ups, negations, groups, the length of lists, but no values. Two queries with equal keys have equal SQL. */
#ifndef COVET_SRC_ORM_QUERY_H
#define COVET_SRC_ORM_QUERY_H

#include "orm/path.h"
#include "sql/expr.h"
#include <covet/query.h>

/** Tables of one statement (SQLite joins at most 64), levels of groups, names in an order or select_related. */
#define CV__QUERY_TABLES 60
#define CV__QUERY_DEPTH  64
#define CV__QUERY_ORDERS 32

/** A statement with more values than this is rendered each time and prepared for one use: its text is long and hardly
 *  ever comes again. Below it, lists are filled up to a power of two so that few shapes arise. */
#define CV__QUERY_CACHED_PARAMS 1024

/** Values in one list: no engine binds more. */
#define CV__IN_MAX 65535

/** A relation that the query crosses: table number i + 1 of the statement is joins[i]. */
typedef struct cv__query_join {
    uint32_t parent; /* table number; 0: the model itself */
    cv__field_info *key;
    bool nullable; /* a key on the way here may be NULL */
} cv__query_join;

/** A value with what it takes to store it. `lookup` is a text look-up or CV__EXACT. */
typedef struct cv__query_param {
    cv_value value;
    const cv__column_type *type;
    cv__lookup lookup;
} cv__query_param;

typedef struct cv__query_order {
    uint32_t table;
    cv__field_info *field;
    bool descending;
} cv__query_order;

struct cv_query {
    cv_ctx *cx;
    cv__model_info *model;
    int error; /* the first mistake; nothing is added after it */
    const char *message, *hint;

    cv__query_join joins[CV__QUERY_TABLES];
    size_t join_count;

    cv__expr *groups[CV__QUERY_DEPTH]; /* open lists; groups[0] is the condition of the whole query */
    bool negated[CV__QUERY_DEPTH];     /* the group is to be left out */
    size_t depth;                      /* of the innermost open group */
    size_t negations;                  /* open negated groups */

    cv__query_param *params;
    size_t param_count, param_capacity;
    cv_buf key; /* of conditions and joins, in the order in which they were made */

    cv__query_order orders[CV__QUERY_ORDERS];
    size_t order_count;
    uint8_t related[CV__QUERY_TABLES]; /* tables to load with the objects, parents first */
    size_t related_count;
    int64_t limit, offset; /* -1: none */
};

/** The number of the table that `key` leads to from table `parent`: found, or added. 0 with the query's error set. */
uint32_t cv__query_join_to(cv_query *q, uint32_t parent, cv__field_info *key);

/** Follow a path's relations. False with the query's error set. */
bool cv__query_follow(cv_query *q, const cv__path *path, uint32_t *ret_table);

/** Keep the context's last error as the query's mistake. */
void cv__query_fail(cv_query *q, int code);

/** The query's mistake, reported in `cx`, or 0. */
CV_CHECKED int cv__query_check(cv_ctx *cx, const cv_query *q);

/** Add a condition to the innermost group; a mistake becomes the query's. With `is_forced` the path names no look-up.
 */
void cv__query_add_condition(cv_query *q, cv_str path, cv__lookup forced, bool is_forced, const cv_value *values,
                             size_t count, bool exclude);

#endif
