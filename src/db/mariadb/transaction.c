/* Transactions. InnoDB nests them by savepoints; a statement that fails inside has done nothing, and the transaction
 * goes on, unless the server chose it as the victim of a deadlock or found its snapshot outdated: then it is over.
 *
 * START TRANSACTION and SAVEPOINT are only noted, and sent before the first statement behind them: a block without
 * statements costs nothing. */
#include "db/mariadb/connect.h"
#include "db/mariadb/rows.h"
#include "db/mariadb/session.h"
#include "db/mariadb/wire.h"

#include <covet/fiber.h>

int cv__my_begin(cv_ctx *cx, cv__conn *base, const cv_tx_options *options)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    const cv_tx_options none = {0};
    if (!options)
        options = &none;
    if (base->in_transaction)
        return cv_fail(cx, CV_E_IN_TRANSACTION, "cannot begin a transaction inside another");
    conn->begins = true;
    conn->isolation = cv__isolation_sql(options->isolation);
    conn->begins_read_only = options->read_only;
    conn->savepoints = (cv__savepoints){0};
    base->in_transaction = true;
    return 0;
}

static int send_begin(cv_ctx *cx, cv__my_conn *conn)
{
    char sql[80];
    if (conn->isolation) {
        snprintf(sql, sizeof sql, "SET TRANSACTION ISOLATION LEVEL %s", conn->isolation);
        CV_TRY(cv__my_command(cx, conn, sql));
        conn->isolation = NULL;
    }
    if (conn->gid)
        CV_TRY(cv__my_xa_start(cx, conn));
    else
        CV_TRY(cv__my_command(cx, conn, conn->begins_read_only ? "START TRANSACTION READ ONLY" : "START TRANSACTION"));
    conn->begins = false;
    cv__my_note_state(conn);
    return 0;
}

int cv__my_send_pending(cv_ctx *cx, cv__my_conn *conn)
{
    if (conn->begins)
        CV_TRY(send_begin(cx, conn));
    while (conn->savepoints.sent < conn->savepoints.levels) {
        char sql[CV__SAVEPOINT_SQL_BYTES];
        cv__savepoint_sql("SAVEPOINT", conn->savepoints.sent + 1, sql);
        CV_TRY(cv__my_command(cx, conn, sql));
        conn->savepoints.sent++;
    }
    return 0;
}

/* What the server has never heard of ends without it. */
static bool forget_unsent(cv__my_conn *conn)
{
    bool unsent = conn->begins;
    if (unsent)
        conn->base.in_transaction = false;
    conn->begins = false;
    conn->isolation = NULL;
    conn->savepoints = (cv__savepoints){0};
    if (unsent)
        cv__my_xa_forget(conn);
    return unsent;
}

/* An error tells nothing of the transaction: an answer to a ping does. */
void cv__my_check_transaction(cv_ctx *cx, cv__my_conn *conn, int code)
{
    bool harmless = code == CV_E_UNIQUE || code == CV_E_FOREIGN_KEY || code == CV_E_NOT_NULL || code == CV_E_CHECK ||
                    code == CV_E_RANGE || code == CV_E_SQL || code == CV_E_INVALID || code == CV_E_READ_ONLY;
    if (!conn->base.in_transaction || conn->begins || harmless || conn->base.broken || conn->giving_up)
        return;
    cv_error *first = cv_error_take(cx);
    CV__ROLLING_BACK(cx)
    {
        if (cv__my_ping(cx, &conn->base) < 0)
            conn->base.broken = true;
    }
    cv_error_put_back(cx, first);
}

int cv__my_commit(cv_ctx *cx, cv__conn *base)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    if (forget_unsent(conn))
        return 0;
    CV_TRY(cv__my_make_ready(cx, conn));
    CV_TRY(cv__wait_check(cx, "commit"));
    if (!cv__my_is_alive(base)) /* lost before: then it has certainly not been committed */
        return cv__my_lost(cx, conn);
    if (conn->gid)
        return cv__my_xa_commit(cx, conn);
    int rc = cv__my_command(cx, conn, "COMMIT");
    return rc < 0 && base->broken ? cv__fail_commit_unknown(cx) : rc;
}

int cv__my_rollback(cv_ctx *cx, cv__conn *base)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    if (forget_unsent(conn))
        return 0;
    if (conn->live && !base->broken)
        CV_TRY(cv__my_drop_rows(cx, conn));
    CV_TRY(cv__my_make_ready(cx, conn));
    if (conn->gid)
        return cv__my_xa_rollback(cx, conn);
    return base->in_transaction ? cv__my_command(cx, conn, "ROLLBACK") : 0;
}

int cv__my_savepoint(cv_ctx *cx, cv__conn *base, int level)
{
    (void)cx;
    cv__my_conn_of(base)->savepoints.levels = level;
    return 0;
}

static int savepoint_command(cv_ctx *cx, cv__my_conn *conn, const char *command, int level)
{
    char sql[CV__SAVEPOINT_SQL_BYTES];
    cv__savepoint_sql(command, level, sql);
    CV_TRY(cv__my_make_ready(cx, conn));
    return cv__my_command(cx, conn, sql);
}

int cv__my_release(cv_ctx *cx, cv__conn *base, int level)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    return cv__savepoints_release(&conn->savepoints, level) ? savepoint_command(cx, conn, "RELEASE SAVEPOINT", level)
                                                            : 0;
}

/* A cursor that is live now was opened after a savepoint that the server has: sending it needed the wire, too. */
int cv__my_rollback_to(cv_ctx *cx, cv__conn *base, int level)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    if (!cv__savepoints_rollback_to(&conn->savepoints, level))
        return 0;
    if (conn->live && !base->broken)
        CV_TRY(cv__my_drop_rows(cx, conn));
    return savepoint_command(cx, conn, "ROLLBACK TO SAVEPOINT", level);
}
