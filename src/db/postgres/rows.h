/* Statements and their rows. */
#ifndef COVET_SRC_DB_POSTGRES_ROWS_H
#define COVET_SRC_DB_POSTGRES_ROWS_H

#include "db/postgres/postgres.h"
#include "db/postgres/values.h"
#include "db/row_memory.h"

/* --- statement.c --- */

/** A statement that the server has prepared, or is about to. */
typedef struct cv__pg_prepared {
    cv__cached_statement cached; /* first: the cache hands these out */
    char name[24];
    bool touches_session;
    bool is_large; /* its answer is too large for a shared connection */
    int param_count;
    Oid *types;
    char *sql;                    /* NUL-terminated */
    struct cv__pg_layout *layout; /* of its rows, once they were seen on a shared connection; else NULL */
} cv__pg_prepared;

/** The prepared statement for a text and the types of its values: from the cache, or a new one, which is in no cache:
 *  `*ret_fresh`; the caller prepares it, then puts it into the cache, or frees it. One of other types leaves the cache.
 * CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__pg_prepared_need(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement,
                                    const cv__pg_params *params, cv__pg_prepared **ret_prepared, bool *ret_fresh);

/** Take a statement out of the cache and, by and by, off the server. One in use is freed by its last user. */
void cv__pg_prepared_forget(cv__pg_conn *conn, cv__pg_prepared *prepared);

/** Note how the statement that is sent begins, to be found when it is to be cancelled. */
void cv__pg_note_running(cv__pg_conn *conn, cv_str sql);

CV_CHECKED int cv__pg_execute(cv_ctx *cx, cv__conn *conn, const cv__statement *statement, cv_result *ret_result,
                              cv__cursor **ret_cursor);

/** The free function of the statement cache: the statement will be deallocated on the server by and by. `arg` is the
 * cv__pg_conn. */
void cv__pg_prepared_free(void *arg, cv__cached_statement *entry);

/** What a successful result tells of a command. */
cv_result cv__pg_result_of(PGresult *result);

/* --- columns.c --- */

/** A column of a result: how its cells are read, and as what. */
typedef struct cv__pg_column {
    cv__pg_decode_fn *decode;
    Oid type;
    cv_type wanted; /* CV_TYPE_NULL: whatever comes */
} cv__pg_column;

/** The columns of a result. The arrays are the owner's. */
typedef struct cv__pg_columns {
    cv__pg_column *at;
    size_t count;
    const char *const *names;
    bool needs_arena;      /* some have values that need memory */
    bool converts;         /* some are wanted as a certain type */
    size_t failed;         /* after an error: the column that it was about */
    cv__row_memory memory; /* of values that are not as the server sent them */
} cv__pg_columns;

/** The value of a cell (decode.c), in the server's type; only the type and the member that belongs to it are written.
 * `arena` is for the types that need it. Errors as cv__pg_decode_fn. */
CV_CHECKED int cv__pg_decode_cell(cv_arena *arena, const cv__pg_column *column, cv__pg_cell cell, cv_value *ret_value);

/** The values of a row of a result, by the same rules: 0, or the error of the first that is none; `columns->failed` is
 *  its number then. */
CV_CHECKED int cv__pg_decode_row(cv__pg_columns *columns, const PGresult *result, int row, cv_value *ret_values);

/** Find out how to read the columns that `described` has, as the statement wants them. CV_E_TYPE for a column of a type
 * without a decoder. Does not suspend. */
CV_CHECKED int cv__pg_columns_set(cv_ctx *cx, cv__pg_columns *columns, const PGresult *described,
                                  const cv__statement *statement);

/** What the rows of a prepared statement look like: found out once, for all its answers. */
typedef struct cv__pg_layout {
    int users;
    PGresult *described;    /* without rows: holds the names */
    cv__pg_columns columns; /* wanted as nothing */
    cv__pg_column column[]; /* the names follow */
} cv__pg_layout;

/** The layout of a result, with one user; NULL without memory. */
cv__pg_layout *cv__pg_layout_new(const PGresult *result);

/** One user less: the last one frees it. NULL is allowed. */
void cv__pg_layout_drop(cv__pg_layout *layout);

/** As cv__pg_columns_set, by a layout that lives as long as the columns; `room` has a place for each of them. */
CV_CHECKED int cv__pg_columns_copy(cv_ctx *cx, cv__pg_columns *columns, const cv__pg_layout *layout,
                                   cv__pg_column *room, const cv__statement *statement);

/** A row as it is kept in memory takes so many bytes: for each column its length as an int, -1 for NULL, then its
 * bytes. */
size_t cv__pg_row_bytes(const PGresult *result, int row);

/** Write a row like that. */
void cv__pg_row_keep(const PGresult *result, int row, char *room);

/** Where a row ends that is kept at `row`. */
const char *cv__pg_kept_end(const cv__pg_columns *columns, const char *row);

/** The values of a row of a result, in the types that are wanted; valid until the next call, and no longer than the
 * result: 1, or the error of the first that is none, with a story. Does not suspend. */
CV_CHECKED int cv__pg_columns_read(cv_ctx *cx, cv__pg_columns *columns, const PGresult *result, int row,
                                   cv_value *ret_values);

/** The same of a row that is kept at `row`. */
CV_CHECKED int cv__pg_columns_read_kept(cv_ctx *cx, cv__pg_columns *columns, const char *row, cv_value *ret_values);

/** Tell why a cell of the column could not be decoded. Returns the code. */
int cv__pg_fail_cell(cv_ctx *cx, const char *name, int code);

void cv__pg_columns_done(cv__pg_columns *columns);

/* --- cursor.c --- */

/** Make a cursor of the statement under way. `first` is its first result (a row, or the end of no rows) and becomes the
 * cursor's in every case. Reads one result more, so that a statement with one row is over, and its transaction
 * committed, before the row is handed out. CV_E_TYPE for a column of a type without a decoder. Suspends. */
CV_CHECKED int cv__pg_cursor_open(cv_ctx *cx, cv__pg_conn *conn, PGresult *first, const cv__statement *statement,
                                  cv__cursor **ret_cursor);
CV_CHECKED int cv__pg_fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result);
void cv__pg_finish(cv_ctx *cx, cv__cursor *cursor);

/** Read the rest of the live cursor into memory. CV_E_LIMIT leaves it live, with no row lost. Suspends. */
CV_CHECKED int cv__pg_keep_rows(cv_ctx *cx, cv__pg_conn *conn);

/** Drop the rows of the live cursor: fetching from it is CV_E_STATE afterwards. Suspends. */
CV_CHECKED int cv__pg_drop_rows(cv_ctx *cx, cv__pg_conn *conn);

/** Free a cursor's memory and take it out of its connection. Does not suspend. */
void cv__pg_cursor_free(cv__pg_cursor *cursor);

/** Free all cursors of a connection that is going away. */
void cv__pg_cursors_free(cv__pg_conn *conn);

/* --- copy/out.c --- */

/** Run a query as COPY, for many rows. 1, and nothing has happened, when it is none that can be copied. The wire must
 * be ready. Suspends. */
CV_CHECKED int cv__pg_copy_out_open(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement,
                                    cv__cursor **ret_cursor);

#endif
