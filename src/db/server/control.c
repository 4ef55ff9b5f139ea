#include "db/server/control.h"

#include "db/server/aside.h"
#include "rt/wait.h"
#include <stdlib.h>

/* After a failure, for so long no connection is made. */
#define RETRY_NS INT64_C(1000000000)

struct cv__control {
    const cv__driver *driver;
    void *shared;
    void (*gone)(void *shared);
    cv__conn *conn; /* NULL: none */
    bool connecting, busy, closed;
    int64_t retry_ns;
    cv_link waiters;
};

cv__control *cv__control_new(const cv__driver *driver, void *shared, void (*gone)(void *shared))
{
    cv__control *control = calloc(1, sizeof *control);
    if (!control)
        return NULL;
    control->driver = driver;
    control->shared = shared;
    control->gone = gone;
    cv_list_init(&control->waiters);
    return control;
}

static void wake_all(cv__control *control)
{
    cv_link *link;
    while ((link = control->waiters.next) != &control->waiters)
        cv__wake(cv_list_entry(link, cv__waiter, link), 0);
}

static void hang_up(cv__control *control)
{
    if (control->conn)
        control->driver->disconnect(control->conn);
    control->conn = NULL;
}

static void free_now(cv__control *control)
{
    hang_up(control);
    control->gone(control->shared);
    free(control);
}

/* --- making the connection --- */

static void connected(cv_ctx *cx, void *arg, cv__conn *conn)
{
    cv__control *control = arg;
    control->connecting = false;
    control->conn = conn;
    control->retry_ns = conn ? 0 : cv__loop_now_ns(cx) + RETRY_NS;
    if (control->closed)
        free_now(control);
    else
        wake_all(control);
}

static int make_aside(cv_ctx *cx, cv__control *control)
{
    if (cv__loop_now_ns(cx) < control->retry_ns)
        return cv_fail(cx, CV_E_CONNECTION_LOST, "could not reach the server a moment ago");
    control->connecting = cv__connect_aside(cx, control->driver, control->shared, connected, control);
    return control->connecting ? 0 : cv_fail(cx, CV_E_NOMEM, "could not cancel a statement: out of memory");
}

/* --- using it --- */

static int wait_for_change(cv_ctx *cx, cv__control *control)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "cancel a statement";
    cv_list_push_back(&control->waiters, &waiter.link);
    return cv__wait(cx, &waiter);
}

int cv__control_take(cv_ctx *cx, cv__control *control, cv__conn **ret_conn)
{
    while (!control->conn || control->busy) {
        if (control->closed)
            return cv_fail(cx, CV_E_CLOSED, "the database was closed");
        if (!control->conn && !control->connecting)
            CV_TRY(make_aside(cx, control));
        CV_TRY(wait_for_change(cx, control));
    }
    control->busy = true;
    *ret_conn = control->conn;
    return 0;
}

void cv__control_leave(cv_ctx *cx, cv__control *control)
{
    control->busy = false;
    if (control->conn->broken) {
        hang_up(control);
        control->retry_ns = cv__loop_now_ns(cx) + RETRY_NS;
    }
    wake_all(control);
}

void cv__control_close(cv__control *control)
{
    control->closed = true;
    if (!control->connecting)
        free_now(control);
}
