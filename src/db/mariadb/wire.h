/* Driving Connector/C without blocking, errors, giving up. */
#ifndef COVET_SRC_DB_MARIADB_WIRE_H
#define COVET_SRC_DB_MARIADB_WIRE_H

#include "db/mariadb/mariadb.h"

/* --- wire.c: driving Connector/C --- */

/** Drive a call that was started to its end. `events` is what its _start function returned, `cont` continues it and
 *  leaves its result in `conn->call`. 0 when it has ended, with success or not. CV_E_TIMEOUT, CV_E_CANCELLED: the
 *  statement was given up; the connection is broken, or idle again. Suspends. */
CV_CHECKED int cv__my_drive(cv_ctx *cx, cv__my_conn *conn, int events, cv__my_cont_fn *cont);

/** Go on with the call that is suspended, to its end. Errors of the wait: it is still suspended then. Suspends. */
CV_CHECKED int cv__my_resume(cv_ctx *cx, cv__my_conn *conn);

/** Leave no call suspended, whatever becomes of the connection. Never waits. */
void cv__my_abandon(cv__my_conn *conn);

/** The calls, driven to their end: 0, or an error of the wait, or the story of Connector/C's error. Suspend. */
CV_CHECKED int cv__my_prepare(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement, cv_str sql);
CV_CHECKED int cv__my_execute_statement(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);
/** The same in two steps: when the statement is sent, its values are not needed any more, and nothing else may be done
 *  with the connection until its answer is read. */
CV_CHECKED int cv__my_send_statement(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);
CV_CHECKED int cv__my_read_answer(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);
/** 1 with a row, handed to the statement's callback, or 0 at the end. */
CV_CHECKED int cv__my_fetch_row(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);
/** 1 when there is another result, of which `statement->field_count` tells whether it has rows; 0 when there is none.
 */
CV_CHECKED int cv__my_next_result(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);
/** Drop what is left of the rows. */
CV_CHECKED int cv__my_free_result(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);
CV_CHECKED int cv__my_close_statement(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);

/** Run a command of the driver's own, without rows. The wire must be ready. Suspends. */
CV_CHECKED int cv__my_command(cv_ctx *cx, cv__my_conn *conn, const char *sql);

/** Run a query of the driver's own, as a text, and have all of its rows in memory: `*ret_rows` is to be freed with
 *  mysql_free_result; NULL for one without rows. The wire must be ready. Suspends. */
CV_CHECKED int cv__my_query(cv_ctx *cx, cv__my_conn *conn, cv_str sql, MYSQL_RES **ret_rows);

/** Make the wire ready for a statement: the rest of a live cursor is read into memory, statements that left the cache
 *  are closed, the transaction is begun. CV_E_LIMIT when the rows are too many. Suspends. */
CV_CHECKED int cv__my_make_ready(cv_ctx *cx, cv__my_conn *conn);

/** Mark the connection broken and report what Connector/C says about it as CV_E_CONNECTION_LOST. */
int cv__my_lost(cv_ctx *cx, cv__my_conn *conn);

/** Take over what Connector/C knows when a statement is over: inside a transaction or not. */
void cv__my_note_state(cv__my_conn *conn);

CV_CHECKED int cv__my_ping(cv_ctx *cx, cv__conn *base);

/* --- errors.c --- */

/** The code of ours for an error of the server or of Connector/C; CV_E_DB for those without one. */
int cv__my_error_code(unsigned number);

/** Report an error as the story of the context, with table, column and constraint where the text tells, and return its
 *  code. `sql` is the statement that failed, or empty. */
int cv__my_fail_with(cv_ctx *cx, unsigned number, const char *sqlstate, const char *message, cv_str sql);

/** The SQLSTATE of an error: the server has one for all constraints, and none for a lack of space or connections; the
 *  standard has more, and programs compare them. */
const char *cv__my_state(int code, const char *sqlstate);

/** Whether an error means that the connection is gone. */
bool cv__my_is_lost(unsigned number);

/** Whether an error means that the prepared statement is of no use any more; prepared anew it may run. */
bool cv__my_is_outdated(unsigned number);

/* --- cancel.c --- */

/** Kill the statement whose call is suspended on the server, and read its answer to the end, within the clean-up
 *  budget: whether the wire is idle again. A live cursor has lost its rows then. Keeps the context's error. Suspends.
 */
bool cv__my_give_up(cv_ctx *cx, cv__my_conn *conn);

#endif
