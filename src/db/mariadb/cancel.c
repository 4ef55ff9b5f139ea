/* Giving up a statement in the middle: it is killed on the server, and its connection stays.
 *
 * KILL QUERY goes over the control connection of the database (db/server/control.h); then what the server still sends
 * of the statement is read. All of it happens within the budget for clean-up; what does not succeed by then costs the
 * connection, as closing its socket needs nobody's answer. The server would not notice, and run the statement to its
 * end, with all locks of its transaction: so it is told to end that connection as soon as the control connection can be
 * had. A KILL that comes when the statement has just ended has no effect on the next one.
 *
 * Numbers of connections mean nothing on another server: the control connection must lead to the same one. */
#include "db/mariadb/rows.h"
#include "db/mariadb/wire.h"

#include "db/server/control.h"
#include <covet/fiber.h>
#include <inttypes.h>

static int ask_to_kill(cv_ctx *cx, cv__my_conn *control, const cv__my_conn *conn)
{
    char sql[64];
    if (control->host != conn->host)
        return cv_fail(cx, CV_E_UNSUPPORTED, "the control connection leads to another host");
    snprintf(sql, sizeof sql, "KILL QUERY %lu", mysql_thread_id(conn->my));
    return cv__my_command(cx, control, sql);
}

static int kill_statement(cv_ctx *cx, cv__my_conn *conn)
{
    cv__conn *control;
    CV_TRY(cv__control_take(cx, conn->shared->control, &control));
    int rc = ask_to_kill(cx, cv__my_conn_of(control), conn);
    cv__control_leave(cx, conn->shared->control);
    return rc;
}

/* Read what the server still sends of it; the rows of a cursor are gone. */
static int drain(cv_ctx *cx, cv__my_conn *conn)
{
    CV_TRY(cv__my_resume(cx, conn));
    if (conn->my->status != MYSQL_STATUS_READY && conn->call.statement)
        CV_TRY(cv__my_free_result(cx, conn, conn->call.statement));
    cv__my_rows_gone(conn);
    bool over = conn->my->status == MYSQL_STATUS_READY && !(conn->my->server_status & SERVER_MORE_RESULTS_EXIST) &&
                mysql_get_socket(conn->my) >= 0;
    return over ? 0 : CV_E_UNSUPPORTED;
}

typedef struct victim {
    size_t host; /* of the shared hosts */
    unsigned long id;
} victim;

/* One that has ended by itself is no failure, and on another host nothing can be done. */
static int end_connection(cv_ctx *cx, cv__conn *base, const void *arg)
{
    const victim *v = arg;
    cv__my_conn *control = cv__my_conn_of(base);
    char sql[64];
    if (control->host != v->host)
        return 0;
    snprintf(sql, sizeof sql, "KILL %lu", v->id);
    int rc = cv__my_command(cx, control, sql);
    return base->broken ? rc : 0;
}

static void end_later(cv_ctx *cx, const cv__my_conn *conn)
{
    const victim v = {conn->host, mysql_thread_id(conn->my)};
    cv__control_later(cx, conn->shared->control, end_connection, &v, sizeof v);
}

bool cv__my_give_up(cv_ctx *cx, cv__my_conn *conn)
{
    bool gone = false;
    if (conn->giving_up || conn->commanding || !conn->poll)
        return false;
    conn->giving_up = true;
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        gone = kill_statement(cx, conn) == 0 && drain(cx, conn) == 0;
    }
    if (!gone)
        end_later(cx, conn);
    if (!gone && !first)
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
    conn->giving_up = false;
    return gone;
}
