/* Transactions. PostgreSQL nests them by savepoints; after an error inside, everything but a rollback fails.
 *
 * BEGIN and SAVEPOINT are only noted: they travel in one flush with the first statement behind them, so that they cost
 * no round trip, and a block without statements costs nothing. */
#include "db/postgres/connect.h"
#include "db/postgres/rows.h"
#include "db/postgres/session.h"
#include "db/postgres/wire.h"

int cv__pg_begin(cv_ctx *cx, cv__conn *base, const cv_tx_options *options)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    const cv_tx_options none = {0};
    if (!options)
        options = &none;
    if (base->in_transaction)
        return cv_fail(cx, CV_E_IN_TRANSACTION, "cannot begin a transaction inside another");
    const char *isolation = cv__isolation_sql(options->isolation);
    snprintf(conn->begin, sizeof conn->begin, "BEGIN%s%s%s%s", isolation ? " ISOLATION LEVEL " : "",
             isolation ? isolation : "", options->read_only ? " READ ONLY" : "",
             options->deferrable ? " DEFERRABLE" : "");
    conn->savepoints = (cv__savepoints){0};
    base->in_transaction = true;
    return 0;
}

int cv__pg_pending_count(const cv__pg_conn *conn)
{
    return (conn->begin[0] != '\0') + conn->savepoints.levels - conn->savepoints.sent;
}

static int put(cv_ctx *cx, cv__pg_conn *conn, const char *sql)
{
    return PQsendQueryParams(conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0) ? 0 : cv__pg_lost(cx, conn);
}

int cv__pg_pending_put(cv_ctx *cx, cv__pg_conn *conn)
{
    if (conn->begin[0])
        CV_TRY(put(cx, conn, conn->begin));
    for (int level = conn->savepoints.sent + 1; level <= conn->savepoints.levels; level++) {
        char sql[CV__SAVEPOINT_SQL_BYTES];
        cv__savepoint_sql("SAVEPOINT", level, sql);
        CV_TRY(put(cx, conn, sql));
    }
    return 0;
}

void cv__pg_pending_sent(cv__pg_conn *conn)
{
    conn->begin[0] = '\0';
    conn->savepoints.sent = conn->savepoints.levels;
}

int cv__pg_send_pending(cv_ctx *cx, cv__pg_conn *conn)
{
    int count = cv__pg_pending_count(conn);
    if (count == 0)
        return 0;
    PGresult *failure;
    CV_TRY(cv__wait_check(cx, "begin a transaction"));
    CV_TRY(cv__pg_pipeline_begin(cx, conn));
    CV_TRY(cv__pg_pending_put(cx, conn));
    CV_TRY(cv__pg_pipeline_end(cx, conn));
    cv__pg_pending_sent(conn);
    CV_TRY(cv__pg_read_leading(cx, conn, count, &failure));
    return failure ? cv__pg_fail_statement(cx, conn, failure) : cv__pg_finish_statement(cx, conn);
}

/* What the server has never heard of ends without it. */
static bool forget_unsent(cv__pg_conn *conn)
{
    bool unsent = conn->begin[0];
    if (unsent)
        conn->base.in_transaction = false;
    conn->begin[0] = '\0';
    conn->savepoints = (cv__savepoints){0};
    return unsent;
}

int cv__pg_commit(cv_ctx *cx, cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    char tag[CV__PG_TAG_BYTES] = "";
    if (forget_unsent(conn))
        return 0;
    CV_TRY(cv__pg_make_ready(cx, conn));
    CV_TRY(cv__wait_check(cx, "commit"));
    if (!cv__pg_is_alive(base)) /* lost before: then it has certainly not been committed */
        return cv__pg_lost(cx, conn);
    int rc = cv__pg_command(cx, conn, "COMMIT", tag);
    if (rc < 0)
        return base->broken ? cv__fail_commit_unknown(cx) : rc;
    if (strcmp(tag, "ROLLBACK") != 0)
        return 0;
    rc = cv_fail(cx, CV_E_TX_ABORTED, "could not commit: an error inside had aborted the transaction");
    cv_error_place(cx, "25P02", NULL, NULL, NULL);
    return rc;
}

int cv__pg_rollback(cv_ctx *cx, cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    if (forget_unsent(conn))
        return 0;
    if (conn->live && !base->broken)
        CV_TRY(cv__pg_drop_rows(cx, conn));
    CV_TRY(cv__pg_make_ready(cx, conn));
    return base->in_transaction ? cv__pg_command(cx, conn, "ROLLBACK", NULL) : 0;
}

int cv__pg_savepoint(cv_ctx *cx, cv__conn *base, int level)
{
    (void)cx;
    cv__pg_conn_of(base)->savepoints.levels = level;
    return 0;
}

static int savepoint_command(cv_ctx *cx, cv__pg_conn *conn, const char *command, int level)
{
    char sql[CV__SAVEPOINT_SQL_BYTES];
    cv__savepoint_sql(command, level, sql);
    CV_TRY(cv__pg_make_ready(cx, conn));
    return cv__pg_command(cx, conn, sql, NULL);
}

int cv__pg_release(cv_ctx *cx, cv__conn *base, int level)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    return cv__savepoints_release(&conn->savepoints, level) ? savepoint_command(cx, conn, "RELEASE SAVEPOINT", level)
                                                            : 0;
}

/* A cursor that is live now was opened after a savepoint that the server has: sending it needed the wire, too. */
int cv__pg_rollback_to(cv_ctx *cx, cv__conn *base, int level)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    if (!cv__savepoints_rollback_to(&conn->savepoints, level))
        return 0;
    if (conn->live && !base->broken)
        CV_TRY(cv__pg_drop_rows(cx, conn));
    return savepoint_command(cx, conn, "ROLLBACK TO SAVEPOINT", level);
}
