/* What goes over the socket: sending and receiving without blocking, errors, giving up. */
#ifndef COVET_SRC_DB_POSTGRES_WIRE_H
#define COVET_SRC_DB_POSTGRES_WIRE_H

#include "db/postgres/postgres.h"

/* --- wire.c: what goes over the socket --- */

/** The next result of the statement under way, after waiting for it; NULL when the statement is over. In a pipeline,
 * the statement is over when all of the pipeline is. The caller clears it. CV_E_CONNECTION_LOST, CV_E_TIMEOUT,
 * CV_E_CANCELLED: the connection is broken then. Suspends. */
CV_CHECKED int cv__pg_next_result(cv_ctx *cx, cv__pg_conn *conn, PGresult **ret_result);

/** Read the statement under way to its end and drop its rows. `*ret_failure` is the first failure among the results, to
 * be cleared, or NULL. Errors as above. Suspends. */
CV_CHECKED int cv__pg_read_to_end(cv_ctx *cx, cv__pg_conn *conn, PGresult **ret_failure);

/** Read the statement under way to its end, when nothing but its success matters any more: the story of the first error
 *  among the results, 0 otherwise. Suspends. */
CV_CHECKED int cv__pg_finish_statement(cv_ctx *cx, cv__pg_conn *conn);

/** Fail with a result that is no success, after the statement was read to its end. Takes the result. Suspends. */
int cv__pg_fail_statement(cv_ctx *cx, cv__pg_conn *conn, PGresult *result);

/** Mark the connection broken and report what libpq says about it as CV_E_CONNECTION_LOST. */
int cv__pg_lost(cv_ctx *cx, cv__pg_conn *conn);

/** Run commands of the driver's own, without parameters and rows. `ret_tag` (may be NULL, at least 64 bytes) gets the
 *  command tag of the last one. The wire must be ready. Suspends. */
CV_CHECKED int cv__pg_command(cv_ctx *cx, cv__pg_conn *conn, const char *sql, char *ret_tag);
#define CV__PG_TAG_BYTES 64

/** Wait until the server has sent something, and take it in; a statement whose time is over is cancelled. Errors as
 * above. Suspends. */
CV_CHECKED int cv__pg_wait_input(cv_ctx *cx, cv__pg_conn *conn);

/** Make the wire ready for a statement: the rest of a live cursor is read into memory, statements that left the cache
 *  are deallocated. CV_E_LIMIT when the rows are too many. Suspends. */
CV_CHECKED int cv__pg_make_ready(cv_ctx *cx, cv__pg_conn *conn);

/** Begin a pipeline on the idle wire: what is sent from here on travels together, up to cv__pg_pipeline_end.
 * CV_E_CONNECTION_LOST. Does not suspend. */
CV_CHECKED int cv__pg_pipeline_begin(cv_ctx *cx, cv__pg_conn *conn);

/** Send the pipeline. Results follow: those of each command in turn, then the end. As above. */
CV_CHECKED int cv__pg_pipeline_end(cv_ctx *cx, cv__pg_conn *conn);

/** Read the results of the first `count` commands of a pipeline, which have no rows. `*ret_failure` is the first
 *  failure, to be cleared, or NULL; what was sent behind it did not run. Afterwards the mode of the next command's rows
 * can be set. Errors as cv__pg_next_result. Suspends. */
CV_CHECKED int cv__pg_read_leading(cv_ctx *cx, cv__pg_conn *conn, int count, PGresult **ret_failure);

/** Take over what libpq knows when a statement is over: inside a transaction or not, connection usable or not. */
void cv__pg_note_state(cv__pg_conn *conn);

/* --- errors.c --- */

/** The code of ours for an SQLSTATE; CV_E_DB for those without one. */
int cv__pg_error_code(const char *sqlstate);

/** Whether the server refused, perhaps, because of what the connection had prepared: the table was changed since, or
 * somebody deallocated the statement. Prepared anew, the same statement may succeed. NULL and other results: false. */
bool cv__pg_is_outdated(const PGresult *result);

/** Report an error result as the story of the context, and return its code. */
int cv__pg_fail_result(cv_ctx *cx, cv__pg_conn *conn, const PGresult *result);

/** The same for a result that says nothing about its connection. */
int cv__pg_fail_with(cv_ctx *cx, const PGresult *result);

/* --- cancel.c --- */

/** Cancel the statement under way on the server, and read its answer to the end, within the clean-up budget: whether
 *  the wire is idle again. A live cursor has lost its rows then. Keeps the context's error. Suspends. */
bool cv__pg_give_up(cv_ctx *cx, cv__pg_conn *conn);

#endif
