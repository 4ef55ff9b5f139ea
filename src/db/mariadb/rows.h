/* Statements and their rows. */
#ifndef COVET_SRC_DB_MARIADB_ROWS_H
#define COVET_SRC_DB_MARIADB_ROWS_H

#include "db/mariadb/mariadb.h"
#include "db/mariadb/values.h"
#include "db/row_memory.h"

/* --- columns.c --- */

typedef struct cv__my_column {
    cv__my_cell cell;
    cv__my_decode_fn *decode;
    enum enum_field_types type;
    cv__column_type wanted; /* CV_TYPE_NULL: as it comes */
} cv__my_column;

/** The columns of a result. */
typedef struct cv__my_columns {
    size_t count;
    cv__my_column *at;
    const char *const *names;
    bool converts;         /* some are wanted in a type of their own */
    cv__row_memory memory; /* of values that are not as the server sent them */
} cv__my_columns;

/** Set decoders and wanted types. CV_E_TYPE for a column without a decoder, CV_E_NOMEM. */
CV_CHECKED int cv__my_columns_set(cv_ctx *cx, cv__my_columns *columns, const MYSQL_FIELD *fields,
                                  const cv__statement *statement);
/** The cells of a row to values: 1. CV_E_RANGE, CV_E_TYPE, CV_E_NOMEM. */
CV_CHECKED int cv__my_columns_decode(cv_ctx *cx, cv__my_columns *columns, cv_value *values);
void cv__my_columns_done(cv__my_columns *columns);

/* --- statement.c --- */

/** A statement that the server has prepared. */
typedef struct cv__my_prepared {
    cv__cached_statement cached; /* first: the cache hands these out */
    cv_link link;                /* in conn->stale */
    MYSQL_STMT *handle;
    cv__my_cursor *taker; /* whoever takes the cells of its rows */
    bool touches_session;
    bool writes;
    char sql[]; /* NUL-terminated */
} cv__my_prepared;

/** It leaves the cache for good; closed as soon as nobody uses it. */
void cv__my_prepared_forget(cv__my_conn *conn, cv__my_prepared *p);
/** One user less. */
void cv__my_prepared_leave(cv__my_conn *conn, cv__my_prepared *p);
/** The cache's function: it is closed when the connection is made ready the next time. */
void cv__my_prepared_free(void *arg, cv__cached_statement *entry);
/** Close those that are to be closed. Suspends. */
CV_CHECKED int cv__my_close_stale(cv_ctx *cx, cv__my_conn *conn);
/** Free all without telling the server, after the connection was closed. */
void cv__my_drop_statements(cv__my_conn *conn);

CV_CHECKED int cv__my_execute(cv_ctx *cx, cv__conn *conn, const cv__statement *statement, cv_result *ret_result,
                              cv__cursor **ret_cursor);

/* --- cursor.c --- */

/** A cursor for the rows of a statement that has just been executed; it uses the statement. The first rows are read.
 *  Suspends. */
CV_CHECKED int cv__my_cursor_open(cv_ctx *cx, cv__my_conn *conn, cv__my_prepared *p, const cv__statement *statement,
                                  cv__cursor **ret_cursor);
CV_CHECKED int cv__my_fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result);
void cv__my_finish(cv_ctx *cx, cv__cursor *cursor);

/** Take a cell of the row that is being fetched, for a cursor; NULL: drop it. Does not suspend. */
void cv__my_cursor_take(cv__my_cursor *cursor, const MYSQL_STMT *statement, unsigned column, unsigned char **row);

/** Read the rest of the live cursor's rows into memory. */
CV_CHECKED int cv__my_keep_rows(cv_ctx *cx, cv__my_conn *conn);
/** Read and drop them: the cursor has no more rows, and says so. */
CV_CHECKED int cv__my_drop_rows(cv_ctx *cx, cv__my_conn *conn);
/** The rows on the wire have been cancelled or lost. */
void cv__my_rows_gone(cv__my_conn *conn);
void cv__my_cursors_free(cv__my_conn *conn);

/** Run what is left of a statement's results, dropping their rows; `*ret_result` is that of the last one. Suspends. */
CV_CHECKED int cv__my_finish_results(cv_ctx *cx, cv__my_conn *conn, cv__my_prepared *p, cv_result *ret_result);

#endif
