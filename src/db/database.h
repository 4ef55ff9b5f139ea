/* The database as the upper floors inside the library use it: statements with rendered SQL, routing, transactions'
 * connection. */
#ifndef COVET_SRC_DB_DATABASE_H
#define COVET_SRC_DB_DATABASE_H

#include "db/db_driver.h"

/** The dialect of a database. */
const cv__dialect *cv__db_dialect(const cv_db *db);

/** The default database of the context, or NULL with CV_E_NO_DATABASE reported. */
CV_CHECKED cv_db *cv__db_need(cv_ctx *cx);

/** Run a statement without rows: on the context's transaction when it is on this database, else on a borrowed
 * connection of the role. Suspends. */
CV_CHECKED int cv__db_run(cv_ctx *cx, cv_db *db, cv__conn_role role, const cv__statement *statement,
                          cv_result *ret_result);

/** Open rows. In place (no allocation): for the ORM's hot path. Close in every case after a successful open; closing
 * twice is allowed. While open, the struct must not move. */
typedef struct cv__row_stream {
    struct cv__statement_stat *stat; /* NULL: not measured */
    int64_t started_ns;
    uint64_t rows;
    cv__conn *conn;
    cv__cursor *cursor; /* NULL: no rows (ended, the statement had none, or its transaction is over) */
    cv_result result;
    bool borrowed;              /* the connection goes back at close */
    cv_link link;               /* among the open streams of the transaction */
    int level;                  /* of the atomic block in which it was opened */
    struct cv_tx *root;         /* the transaction in which it was opened, while it is there; else NULL */
    struct cv_sandbox *sandbox; /* whose connection it is, opened outside atomic blocks; else NULL */
} cv__row_stream;

CV_CHECKED int cv__db_open_rows(cv_ctx *cx, cv_db *db, cv__conn_role role, const cv__statement *statement,
                                cv__row_stream *ret_stream);
/** 1, 0 at the end (the connection is given back at once), or an error (likewise). Suspends. */
CV_CHECKED int cv__db_next_row(cv_ctx *cx, cv__row_stream *stream, cv_value *cells);
void cv__db_close_rows(cv_ctx *cx, cv__row_stream *stream);

/** Hold one connection of the role over several statements: for session settings around a transaction, such as SQLite's
 *  `PRAGMA foreign_keys`, which are undone when it is given back. Where the role has one connection only (SQLite's
 *  writer), the same context's statements and transactions use the held one. Not inside a transaction. Suspends. */
CV_CHECKED int cv__db_hold(cv_ctx *cx, cv_db *db, cv__conn_role role, cv__conn **ret_conn);
void cv__db_let_go(cv_ctx *cx, cv__conn *conn);

#endif
