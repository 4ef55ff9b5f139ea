/* Bulk: many rows into a table, or out of a table or query, by the fastest way that the engine has.
 *
 *     static int next(cv_ctx *cx, void *arg, const cv_value **ret_values) { ... }     the next row: 1; 0 at the end
 *
 *     static const char *const columns[] = {"id", "name"};
 *     cv_copy_source source = {.columns = columns, .column_count = 2, .next = next, .arg = &state};
 *     cv_copy_result done;
 *     CV_TRY(cv_copy_in(cx, "authors", &source, NULL, &done));
 *
 * PostgreSQL: COPY, in its binary format where all columns have one that is known here, in text otherwise.
 * MariaDB: array binding, a thousand rows at a time (MySQL, untested: an INSERT of as many rows). SQLite: an INSERT ...
 * SELECT that takes thousands of rows from memory. What is under way is bounded: rows are taken from the source as fast
 * as the engine takes them, and given to the sink as fast as it takes them, with no more than a few mebibytes in
 * between; a single larger value is in memory as a whole.
 *
 * Models, their validation and what fills fields in are not involved; the engine's constraints and triggers are. Values
 * are converted to what the column stores, without loss; what cannot be is refused, with the place and the value.
 * Keys that the database makes go on behind those that were copied. docs/bulk.md is the guide. */
#ifndef COVET_COPY_H
#define COVET_COPY_H

#include <covet/db.h>

CV_BEGIN_DECLS

/* A column of the table that is copied into or out of, or of the rows of a query. */
typedef struct cv_copy_column {
    const char *name;
    cv_type type;      /* of its values; CV_TYPE_NULL: of any (the rows of a query; unknown types in SQLite).
                          PostgreSQL's types without a C type, such as enumerations, are CV_TYPE_TEXT */
    cv_type element;   /* arrays and ranges: of what; the following narrow it */
    unsigned bits;     /* integers: 16, 32, 64 */
    unsigned digits;   /* decimals: digits in all; 0: as many as a cv_decimal has */
    unsigned places;   /* decimals: digits after the point */
    size_t max_length; /* texts: VARCHAR(n), in characters; 0: unbounded */
} cv_copy_column;

/* Where rows come from. The functions run in the fiber of the caller and may suspend. They run within the transaction
 * of the copy, whose connection is taken: statements on the database of the copy are refused (CV_E_STATE), rows that
 * were opened before can be read. What they take from the context's arena is given back before the next call of
 * `next`; `start` may keep what it takes until the copy is over. */
typedef struct cv_copy_source {
    const char *const *columns; /* the names of its columns, which are those of the table; all need not be there */
    size_t column_count;
    /** Optional. Called once before the first row, with the table's columns in the order of the source's: so that it
     * can make values of these types, which then are not converted. They are valid until the copy is over. An error
     * ends the copy with this code. */
    int (*start)(cv_ctx *cx, void *arg, const cv_copy_column *columns, size_t count);
    /** The next row: 1 with `column_count` values, valid until the next call; 0 at the end; or an error, with its
     * story, which ends the copy with this code and story. */
    int (*next)(cv_ctx *cx, void *arg, const cv_value **ret_values);
    /** Optional. Where the present row comes from, for messages: "books.csv, row 3, line 5, column \"price\""; without
     *  the column when it is SIZE_MAX. NULL: "books.csv, row 3, column \"price\"". Valid until the next call of
     *  anything. Not asked after the end. */
    const char *(*place)(cv_ctx *cx, void *arg, size_t column);
    void *arg;
    const char *name; /* of what the rows come from, for messages: a file; NULL: none. Must outlive the copy */
} cv_copy_source;

/* Where rows go to. As above; the statements that a sink runs are refused in a transaction only, outside they have a
 * connection of their own. */
typedef struct cv_copy_sink {
    /** Optional. Called once before the first row, also when there is none. Columns are valid until the copy is over.
     */
    int (*start)(cv_ctx *cx, void *arg, const cv_copy_column *columns, size_t count);
    /** A row, with as many values as there are columns, valid until it returns. An error ends the copy with this code
     *  and story. */
    int (*row)(cv_ctx *cx, void *arg, const cv_value *values);
    void *arg;
} cv_copy_sink;

/* What was done. */
typedef struct cv_copy_result {
    int64_t rows;  /* in: those that are stored (inside a transaction: that will be, with its commit); out: those that
                      the sink has taken */
    int64_t bytes; /* of their values: texts and bytes as long as they are, other values as the engine has them */
} cv_copy_result;

/** Told now and then how far it has come: rows that were handed over, stored or not. An error ends the copy. */
typedef int cv_copy_progress_fn(cv_ctx *cx, void *arg, const cv_copy_result *so_far);

/* 0 or NULL takes the default. */
typedef struct cv_copy_options {
    /* Out of a table: which columns, in which order; all. Into a table: the table's names for the source's columns, in
     * their order; the source's own. */
    const char *const *columns;
    size_t column_count;
    int64_t batch_rows; /* in: commit after so many rows; 0: all or nothing. Not inside a transaction */
    int64_t max_rows;   /* more are refused (CV_E_LIMIT); any number */
    int64_t max_bytes;  /* likewise */
    cv_copy_progress_fn *progress;
    void *progress_arg;
    int64_t progress_rows; /* how often: 10,000; and once at the end */
} cv_copy_options;

/** Copy rows into a table, "books" or "shop.books" (with its schema). In a transaction of its own, or, inside an atomic
 *  block, as an inner block of it: when it fails, nothing of it is there; with `batch_rows`, nothing but the batches
 *  before. `ret_result` (may be NULL) is set in every case: after a failure it tells how many rows are stored.
 *
 *  A row that is in conflict with one that is there is an error, as in every engine's own way of bulk; to be lenient,
 *  copy into a table of its own and INSERT ... SELECT ... ON CONFLICT from it.
 *
 *  Errors of a value or row tell its place (what `place` says, else the source's name and the row's number from 1; an
 *  engine that takes many rows at once refuses one that is not the present one any more), its column and the value,
 *  shortened; the error has column and constraint where they are known. PostgreSQL checks foreign keys when all rows
 *  are there, and names none. CV_E_SQL: no such table; CV_E_FIELD: no such column, with the nearest; CV_E_INVALID: no
 *  columns, or one twice; CV_E_TYPE, CV_E_RANGE, CV_E_SYNTAX, CV_E_INVALID: a value that the column cannot have; those
 *  of constraints; CV_E_LIMIT; CV_E_IN_TRANSACTION: `batch_rows` inside a transaction; CV_E_PERMISSION: the user may
 * not write to the table, or on PostgreSQL set the sequence of a copied key; the source's own; CV_E_TIMEOUT,
 * CV_E_CANCELLED, within 50 ms, the connection stays where the server lets go in time; CV_E_CONNECTION_LOST;
 * CV_E_COMMIT_UNKNOWN. Suspends. */
CV_API CV_CHECKED int cv_copy_in(cv_ctx *cx, const char *table, const cv_copy_source *source,
                                 const cv_copy_options *options, cv_copy_result *ret_result);

/** Copy the rows of a table, in no certain order, to a sink. On the connection of the context's transaction when there
 *  is one. `ret_result` (may be NULL) is set in every case. Errors as above, and the sink's own. Suspends. */
CV_API CV_CHECKED int cv_copy_out(cv_ctx *cx, const char *table, const cv_copy_sink *sink,
                                  const cv_copy_options *options, cv_copy_result *ret_result);

/** The same with the rows of a query. As in cv_sql_run, `sql` comes from the program, and values are bound to its `?`.
 *  `options->columns` must be empty. In PostgreSQL a query without values is the faster one. */
CV_API CV_CHECKED int cv_copy_out_query(cv_ctx *cx, const char *sql, const cv_value *values, size_t count,
                                        const cv_copy_sink *sink, const cv_copy_options *options,
                                        cv_copy_result *ret_result);

/** The columns of a table, in its order, in the context's arena. CV_E_SQL: no such table; and errors as any statement.
 *  Suspends. */
CV_API CV_CHECKED int cv_copy_columns(cv_ctx *cx, const char *table, const cv_copy_column **ret_columns,
                                      size_t *ret_count);

CV_END_DECLS

#endif
