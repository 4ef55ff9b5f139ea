/* Transactions, and what a session is set to. */
#ifndef COVET_SRC_DB_POSTGRES_SESSION_H
#define COVET_SRC_DB_POSTGRES_SESSION_H

#include "db/postgres/postgres.h"

/* --- transaction.c --- */

/** How many commands of BEGIN and SAVEPOINT are to be sent before the next statement. */
int cv__pg_pending_count(const cv__pg_conn *conn);

/** Put them into the pipeline under way. CV_E_CONNECTION_LOST. Does not suspend. */
CV_CHECKED int cv__pg_pending_put(cv_ctx *cx, cv__pg_conn *conn);

/** They were sent. */
void cv__pg_pending_sent(cv__pg_conn *conn);

/** Send them by themselves. The wire must be ready. Suspends. */
CV_CHECKED int cv__pg_send_pending(cv_ctx *cx, cv__pg_conn *conn);

/** Begin and nest; nothing is sent before the first statement. Does not suspend. */
CV_CHECKED int cv__pg_begin(cv_ctx *cx, cv__conn *conn, const cv_tx_options *options);
CV_CHECKED int cv__pg_savepoint(cv_ctx *cx, cv__conn *conn, int level);

/** End; nothing is sent for what never began. Suspends. */
CV_CHECKED int cv__pg_commit(cv_ctx *cx, cv__conn *conn);
CV_CHECKED int cv__pg_rollback(cv_ctx *cx, cv__conn *conn);
CV_CHECKED int cv__pg_release(cv_ctx *cx, cv__conn *conn, int level);
CV_CHECKED int cv__pg_rollback_to(cv_ctx *cx, cv__conn *conn, int level);

/* --- session.c: what a connection is set to, and set back to --- */

/** Run a query of the driver's own: all of its rows, as texts, for the caller to clear. The wire must be ready.
 * Suspends. */
CV_CHECKED int cv__pg_query(cv_ctx *cx, cv__pg_conn *conn, const char *sql, PGresult **ret_rows);

#define CV__PG_CELL_BYTES 64
/** Run a query of the driver's own: the first cells of its first row as texts, at most `count`, into `ret_cells`; empty
 * where there is none. The wire must be ready. Suspends. */
CV_CHECKED int cv__pg_ask(cv_ctx *cx, cv__pg_conn *conn, const char *sql, size_t count,
                          char ret_cells[][CV__PG_CELL_BYTES]);

/** Settings that the start-up message cannot carry, after connect. Suspends. */
CV_CHECKED int cv__pg_session_start(cv_ctx *cx, cv__pg_conn *conn);

/** CV_E_UNSUPPORTED when a pooler is in between and the statement needs a session of its own, 0 otherwise. */
CV_CHECKED int cv__pg_check_session(cv_ctx *cx, const cv__pg_conn *conn, cv_str sql);
CV_CHECKED int cv__pg_reset(cv_ctx *cx, cv__conn *conn);
bool cv__pg_is_clean(const cv__conn *conn);

/** Whether a statement may change settings, locks or temporary objects of the session. Errs on the side of yes. */
bool cv__pg_touches_session(cv_str sql);

#endif
