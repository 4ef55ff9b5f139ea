/* Giving up a statement in the middle: it is cancelled on the server, and its connection stays.
 *
 * libpq's PQcancel blocks, so cancelling is a statement on the control connection of the database
 * (db/server/control.h). All of it happens within the budget for clean-up; what does not succeed by then costs the
 * connection, as closing its socket needs nobody's answer.
 *
 * Numbers of server processes mean nothing on another server, and behind one address there may be several: what is
 * cancelled must also run what we run. */
#include "db/postgres/copy/copy.h"
#include "db/postgres/rows.h"
#include "db/postgres/wire.h"
#include "db/server/control.h"

static int ask_to_cancel(cv_ctx *cx, cv__pg_conn *control, const cv__pg_conn *conn)
{
    const cv_value params[] = {cv_value_i64(PQbackendPID(conn->pg)), cv_value_text(conn->running)};
    const cv__statement statement = {
        .sql = CV_STR("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'"
                      " AND usename = current_user AND starts_with(query, $2)"),
        .params = params,
        .param_count = 2};
    cv_result result;
    cv__cursor *cursor = NULL;
    cv_value cell = CV_NULL;
    if (control->host != conn->host)
        return cv_fail(cx, CV_E_UNSUPPORTED, "the control connection leads to another host");
    control->giving_up = true; /* it is not cancelled itself */
    CV_TRY(cv__pg_execute(cx, &control->base, &statement, &result, &cursor));
    int rc = cv__pg_fetch(cx, cursor, &cell, NULL);
    cv__pg_finish(cx, cursor);
    return rc < 0 ? rc : 0;
}

static int cancel(cv_ctx *cx, const cv__pg_conn *conn)
{
    cv__conn *control;
    CV_TRY(cv__control_take(cx, conn->shared->control, &control));
    int rc = ask_to_cancel(cx, cv__pg_conn_of(control), conn);
    cv__control_leave(cx, conn->shared->control);
    return rc;
}

/* Read what the server still sends of it; the rows of a cursor are gone. */
static int drain(cv_ctx *cx, cv__pg_conn *conn)
{
    if (conn->live)
        return cv__pg_drop_rows(cx, conn);
    if (conn->copy)
        return conn->copy->drain(cx, conn->copy);
    PGresult *failure;
    CV_TRY(cv__pg_read_to_end(cx, conn, &failure));
    bool copy = PQresultStatus(failure) == PGRES_COPY_IN || PQresultStatus(failure) == PGRES_COPY_OUT;
    PQclear(failure);
    return copy ? CV_E_UNSUPPORTED : 0;
}

bool cv__pg_give_up(cv_ctx *cx, cv__pg_conn *conn)
{
    bool gone = false;
    if (conn->giving_up || conn->commanding || conn->pooled || !conn->running[0])
        return false;
    conn->giving_up = true;
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        gone = cancel(cx, conn) == 0 && drain(cx, conn) == 0 && !conn->base.broken;
    }
    if (!gone && !first)
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
    conn->giving_up = false;
    return gone;
}
