/* The inside of bulk: what an engine implements for cv_copy_in, and what it is told.
 *
 * copy.c takes rows from the source, converts their values to the types of the columns, and hands them over one by one;
 * the driver collects as many as it likes and sends them. Copying out is a statement with `bulk` set (db_driver.h),
 * which a driver may run in a faster way than others. */
#ifndef COVET_SRC_DB_COPY_COPY_H
#define COVET_SRC_DB_COPY_COPY_H

#include "sql/dialect.h"
#include <covet/copy.h>

typedef struct cv__conn cv__conn;
typedef struct cv__copy_in cv__copy_in;

/** A column of a table. */
typedef struct cv__copy_column {
    const char *name;
    cv__column_type type; /* CV_TYPE_NULL: it takes values of any type */
    unsigned engine_type; /* the engine's number of it */
    bool read_as_text;    /* its values are read as texts, by a cast */
} cv__copy_column;

/** Where rows are to go. Valid until `done`. */
typedef struct cv__copy_target {
    cv_str table; /* quoted */
    const cv__copy_column *columns;
    size_t count;
} cv__copy_target;

enum { CV__COPY_NO_COLUMN = -1 };

/** What the conversions of one row may take: as much as the engines have in one value. */
#define CV__COPY_ROW_BYTES ((size_t)1 << 30)

/** The head of every copy under way; drivers embed it as their first member. */
struct cv__copy_in {
    const cv__copy_target *target;
    int64_t bytes; /* of the values so far */
    /* of a failure: */
    int column;  /* in which column, or CV__COPY_NO_COLUMN; when there is one, `row` has made no story */
    int64_t row; /* which row since `begin`, from 1; 0: not known, or the one that was handed over last */
};

typedef struct cv__copy_driver {
    /** The columns of a table (its quoted name), in its order, in the context's arena. CV_E_SQL when there is none.
     *  Suspends. */
    int (*describe)(cv_ctx *cx, cv__conn *conn, cv_str table, cv__copy_column **ret_columns, size_t *ret_count);

    /** Begin, in the transaction of the connection. Nothing else runs on it until `done`. Suspends. */
    int (*begin)(cv_ctx *cx, cv__conn *conn, const cv__copy_target *target, cv__copy_in **ret_copy);

    /** Hand a row over: values of the columns' types in stored form where that is another one (dialect->store:
     * decimals, arrays and ranges), or NULL, valid until it returns. A value that cannot be stored: the code, no story,
     * and `copy->column`. What the engine has against a row may show later, with `copy->row`. Suspends. */
    int (*row)(cv_ctx *cx, cv__copy_in *copy, const cv_value *values);

    /** All rows were handed over: they are stored when this succeeds, as far as the transaction is. Suspends. */
    int (*end)(cv_ctx *cx, cv__copy_in *copy);

    /** Free it; without a successful `end` it is given up, within the clean-up budget: the connection can be used
     * again, to roll back, or is marked broken. Keeps the context's error. May suspend, briefly. */
    void (*done)(cv_ctx *cx, cv__copy_in *copy);
} cv__copy_driver;

extern const cv__copy_driver cv__copy_sqlite;
extern const cv__copy_driver cv__copy_postgres;
extern const cv__copy_driver cv__copy_mariadb;

/** Append the table with its columns, as INSERT and COPY have them: `"shop"."books" ("id", "title")`. */
void cv__copy_add_target(cv_buf *out, const cv__copy_target *target);

/** What a value counts in `bytes`. */
static inline size_t cv__copy_value_bytes(const cv_value *value)
{
    switch (value->type) {
    case CV_TYPE_NULL:
        return 0;
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
    case CV_TYPE_BYTES:
        return value->as.text.len;
    case CV_TYPE_BOOL:
        return 1;
    case CV_TYPE_DECIMAL:
    case CV_TYPE_UUID:
        return 16;
    default:
        return 8;
    }
}

/** Whether a row may be to blame for an engine's failure. */
static inline bool cv__copy_is_about_a_row(int code)
{
    switch (code) {
    case CV_E_UNIQUE:
    case CV_E_FOREIGN_KEY:
    case CV_E_NOT_NULL:
    case CV_E_CHECK:
    case CV_E_RANGE:
    case CV_E_INVALID:
    case CV_E_TYPE:
    case CV_E_SYNTAX:
    case CV_E_LIMIT:
    case CV_E_SQL:
    case CV_E_DB:
        return true;
    default:
        return false;
    }
}

/* --- for in.c and out.c --- */

/** The name of a table, quoted part by part, in the context's arena. CV_E_INVALID for an empty one. */
CV_CHECKED int cv__copy_quote(cv_ctx *cx, const char *table, cv_str *ret_quoted);

/** Find the columns that are named; they are put into `ret_chosen` (`count` of them). CV_E_FIELD with the nearest name,
 *  CV_E_INVALID for one that comes twice. */
CV_CHECKED int cv__copy_choose(cv_ctx *cx, const char *table, const cv__copy_column *columns, size_t column_count,
                               const char *const *names, size_t count, cv__copy_column *ret_chosen);

/** The columns as sources and sinks are told of them, in the context's arena; NULL with CV_E_NOMEM reported. */
CV_CHECKED cv_copy_column *cv__copy_tell(cv_ctx *cx, const cv__copy_column *columns, size_t count);

/** How far it has come: limits and progress. */
typedef struct cv__copy_meter {
    const cv_copy_options *options;
    cv_copy_result so_far;
    int64_t next_told; /* the row that is told next */
    bool has_ended;    /* the end was told */
} cv__copy_meter;

void cv__copy_meter_init(cv__copy_meter *meter, const cv_copy_options *options);

/** Look at the limits and tell the progress, after a row that made it so far. CV_E_LIMIT, or what the function says. */
CV_CHECKED int cv__copy_meter_slow(cv_ctx *cx, cv__copy_meter *meter);
CV_CHECKED static inline int cv__copy_meter_row(cv_ctx *cx, cv__copy_meter *meter)
{
    return meter->so_far.rows < meter->next_told && meter->options->max_bytes == 0 ? 0 : cv__copy_meter_slow(cx, meter);
}

/** Tell the end, once. */
CV_CHECKED int cv__copy_meter_end(cv_ctx *cx, cv__copy_meter *meter);

#endif
