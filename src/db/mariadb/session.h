/* Transactions, and what a session is set to. */
#ifndef COVET_SRC_DB_MARIADB_SESSION_H
#define COVET_SRC_DB_MARIADB_SESSION_H

#include "db/mariadb/mariadb.h"

/* --- transaction.c: the driver's functions of these names --- */

CV_CHECKED int cv__my_begin(cv_ctx *cx, cv__conn *conn, const cv_tx_options *options);
CV_CHECKED int cv__my_commit(cv_ctx *cx, cv__conn *conn);
CV_CHECKED int cv__my_rollback(cv_ctx *cx, cv__conn *conn);
CV_CHECKED int cv__my_savepoint(cv_ctx *cx, cv__conn *conn, int level);
CV_CHECKED int cv__my_release(cv_ctx *cx, cv__conn *conn, int level);
CV_CHECKED int cv__my_rollback_to(cv_ctx *cx, cv__conn *conn, int level);

/** Send what was only noted: START TRANSACTION and savepoints. The wire must be ready. Suspends. */
CV_CHECKED int cv__my_send_pending(cv_ctx *cx, cv__my_conn *conn);

/** After an error inside a transaction that may have ended it: ask whether it still exists. Keeps the context's error.
 *  Suspends. */
void cv__my_check_transaction(cv_ctx *cx, cv__my_conn *conn, int code);

/* --- xa.c --- */

CV_CHECKED int cv__my_begin_prepared(cv_ctx *cx, cv__conn *conn, const cv_tx_options *options, const char *gid);
CV_CHECKED int cv__my_prepare_transaction(cv_ctx *cx, cv__conn *conn, const char *gid);
CV_CHECKED int cv__my_finish_prepared(cv_ctx *cx, cv__conn *conn, const char *gid, bool commit);
CV_CHECKED int cv__my_list_prepared(cv_ctx *cx, cv__conn *conn, cv_prepared **ret_list, size_t *ret_count);

/** Begin, commit or roll back the transaction `conn->gid` itself. Suspend. */
CV_CHECKED int cv__my_xa_start(cv_ctx *cx, cv__my_conn *conn);
CV_CHECKED int cv__my_xa_commit(cv_ctx *cx, cv__my_conn *conn);
CV_CHECKED int cv__my_xa_rollback(cv_ctx *cx, cv__my_conn *conn);
/** It is over, or was never begun. */
void cv__my_xa_forget(cv__my_conn *conn);

/* --- session.c: what a connection is set to, and set back to --- */

/** Settings of the session, after connect and after a reset. Suspends. */
CV_CHECKED int cv__my_session_start(cv_ctx *cx, cv__my_conn *conn);
CV_CHECKED int cv__my_reset(cv_ctx *cx, cv__conn *conn);
bool cv__my_is_clean(const cv__conn *conn);

/** Whether a statement may change settings, locks or temporary objects of the session. Errs on the side of yes. */
bool cv__my_touches_session(cv_str sql);

/** Nothing but comments. */
bool cv__my_is_empty(cv_str sql);

/** The statement would commit the open transaction, as those do that change the schema. */
bool cv__my_commits(cv_str sql);

/** The first word of a statement behind comments and parentheses is `word`, in any case. */
bool cv__my_begins_with(cv_str sql, const char *word);

#endif
