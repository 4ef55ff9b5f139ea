/* Statements: from a query or a model to a shape with its SQL and its plan, and the values to bind. Nothing here
 * suspends. */
#ifndef COVET_SRC_ORM_STATEMENT_H
#define COVET_SRC_ORM_STATEMENT_H

#include "db/database.h"
#include "orm/query.h"
#include "orm/shape.h"

/** What a query is run as. */
typedef enum cv__purpose {
    CV__LOAD = 'L',
    CV__COUNT = 'C',
    CV__EXISTS = 'E',
    CV__DELETE_ALL = 'D',
    CV__UPDATE_ALL = 'U',
} cv__purpose;

typedef struct cv__run {
    cv_ctx *cx;
    cv_db *db;
    const cv__dialect *dialect;
    cv__shape *shape; /* a reference */
    cv_value *params; /* stored form, in the context's arena */
    size_t param_count;
    bool quick; /* a read that is likely to end soon, with few rows */
} cv__run;

/** Options of one run, beside what the query says. */
typedef struct cv__run_options {
    cv__purpose purpose;
    int64_t limit;                 /* a lower one than the query's; -1: none */
    bool by_key;                   /* order by primary key when there is no order */
    cv__field_info *const *fields; /* CV__UPDATE_ALL */
    const cv_value *values;        /* of the fields' logical types */
    size_t field_count;
} cv__run_options;

/** The fields that `info->ordering` or the query order by; how many. Part of making a run ready:
 *
 *  Check the query, find or render its shape for the context's database, and put the values together. On success the
 *  shape must be given back with cv__run_done. The query's mistake, CV_E_NO_DATABASE, CV_E_LIMIT, CV_E_RANGE,
 *  CV_E_NOMEM. */
CV_CHECKED int cv__run_prepare(cv_ctx *cx, cv_query *q, const cv__run_options *options, cv__run *ret_run);
void cv__run_done(cv__run *run);

/** The statement to hand to the database. */
cv__statement cv__run_statement(const cv__run *run);

/** A fixed statement of a model; borrowed, valid as long as the registry. `size` for the inserts: the logarithm of
 *  the number of rows, or CV__INSERT_ANY. NULL with the
 *  error reported. */
cv__shape *cv__fixed_need(cv_ctx *cx, cv__shapes *shapes, cv__model_info *model, cv__fixed which, size_t size);

/** UPDATE of some fields of one row: parameters are their values in the model's order, then the key. A reference. NULL
 *  with the error reported. */
cv__shape *cv__update_need(cv_ctx *cx, cv__shapes *shapes, cv__model_info *model, const cv_fields *set);

/** A value of the field's logical type (or NULL) in stored form. CV_E_RANGE, CV_E_NOMEM with a story. */
CV_CHECKED int cv__store(cv_ctx *cx, const cv__dialect *dialect, const cv__field_info *field, cv_value value,
                         cv_value *ret_stored);

#endif
