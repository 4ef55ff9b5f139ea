/* Giving up a statement in the middle: it is cancelled on the server, and its connection stays.
 *
 * libpq's PQcancel blocks, so cancelling is a statement on a connection of its own, the control connection: one for
 * each database, made aside when it is first needed, used by one fiber at a time, closed at the first trouble. All of
 * it happens within the budget for clean-up; what does not succeed by then costs the connection, as closing its socket
 * needs nobody's answer.
 *
 * Numbers of server processes mean nothing on another server, and behind one address there may be several: what is
 * cancelled must also run what we run. */
#include "db/postgres/copy/copy.h"
#include <stdlib.h>

/* After a failure, for so long no control connection is made. */
#define RETRY_NS INT64_C(1000000000)

struct cv__pg_control {
    cv__pg_conn *conn; /* NULL: none */
    bool connecting, busy, closed;
    int64_t retry_ns;
    cv_link waiters;
};

static void wake_all(cv__pg_control *control)
{
    cv_link *link;
    while ((link = control->waiters.next) != &control->waiters)
        cv__wake(cv_list_entry(link, cv__waiter, link), 0);
}

static void connected(cv_ctx *cx, void *arg, cv__pg_conn *conn)
{
    cv__pg_control *control = arg;
    control->connecting = false;
    control->conn = conn;
    if (conn)
        conn->giving_up = true; /* it is not cancelled itself */
    control->retry_ns = conn ? 0 : cv__loop_now_ns(cx) + RETRY_NS;
    if (conn && control->closed) {
        cv__pg_disconnect(&conn->base);
        control->conn = NULL;
    }
    wake_all(control);
}

static cv__pg_control *control_of(cv__pg_shared *shared)
{
    if (!shared->control && (shared->control = calloc(1, sizeof *shared->control)))
        cv_list_init(&shared->control->waiters);
    return shared->control;
}

static int wait_for_change(cv_ctx *cx, cv__pg_control *control)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "cancel a statement";
    cv_list_push_back(&control->waiters, &waiter.link);
    return cv__wait(cx, &waiter);
}

/* Have the control connection to oneself. */
static int take_control(cv_ctx *cx, cv__pg_shared *shared, cv__pg_control *control)
{
    for (;;) {
        if (control->closed)
            return cv_fail(cx, CV_E_CLOSED, "the database was closed");
        if (control->conn && !control->busy)
            break;
        if (!control->conn && !control->connecting) {
            if (cv__loop_now_ns(cx) < control->retry_ns)
                return cv_fail(cx, CV_E_CONNECTION_LOST, "could not reach PostgreSQL a moment ago");
            control->connecting = cv__pg_connect_aside(cx, shared, NULL, connected, control);
            if (!control->connecting)
                return cv_fail(cx, CV_E_NOMEM, "could not cancel a statement: out of memory");
        }
        CV_TRY(wait_for_change(cx, control));
    }
    control->busy = true;
    return 0;
}

static void leave_control(cv_ctx *cx, cv__pg_control *control)
{
    control->busy = false;
    if (control->conn->base.broken || control->closed) {
        cv__pg_disconnect(&control->conn->base);
        control->conn = NULL;
        control->retry_ns = cv__loop_now_ns(cx) + RETRY_NS;
    }
    wake_all(control);
}

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
    CV_TRY(cv__pg_execute(cx, &control->base, &statement, &result, &cursor));
    int rc = cv__pg_fetch(cx, cursor, &cell, NULL);
    cv__pg_finish(cx, cursor);
    return rc < 0 ? rc : 0;
}

static int cancel(cv_ctx *cx, const cv__pg_conn *conn)
{
    cv__pg_shared *shared = (cv__pg_shared *)(uintptr_t)conn->shared;
    cv__pg_control *control = control_of(shared);
    if (!control)
        return cv_fail(cx, CV_E_NOMEM, "could not cancel a statement: out of memory");
    CV_TRY(take_control(cx, shared, control));
    int rc = control->conn->host == conn->host
                 ? ask_to_cancel(cx, control->conn, conn)
                 : cv_fail(cx, CV_E_UNSUPPORTED, "the control connection leads to another host");
    leave_control(cx, control);
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

void cv__pg_control_close(cv__pg_shared *shared)
{
    cv__pg_control *control = shared->control;
    if (!control)
        return;
    control->closed = true;
    if (control->conn && !control->busy) {
        cv__pg_disconnect(&control->conn->base);
        control->conn = NULL;
    }
    wake_all(control);
}

void cv__pg_control_free(cv__pg_control *control)
{
    if (control && control->conn)
        cv__pg_disconnect(&control->conn->base);
    free(control);
}
