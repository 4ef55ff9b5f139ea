#include "db/server/control.h"

#include "db/server/aside.h"
#include "rt/wait.h"
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <stdlib.h>
#include <string.h>

/* What may wait to be done later, how long it is tried, and how often. */
enum { MOST_ERRANDS = 1024, ERRAND_MS = 10000, ERRAND_PAUSE_MS = 500 };

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
    cv_link errands; /* to be done later, by the fiber `sender` */
    size_t errand_count;
    bool sending;
};

typedef struct errand {
    cv_link link;
    cv__control_fn *fn;
    int64_t until_ns;
    _Alignas(max_align_t) char arg[];
} errand;

cv__control *cv__control_new(const cv__driver *driver, void *shared, void (*gone)(void *shared))
{
    cv__control *control = calloc(1, sizeof *control);
    if (!control)
        return NULL;
    control->driver = driver;
    control->shared = shared;
    control->gone = gone;
    cv_list_init(&control->waiters);
    cv_list_init(&control->errands);
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

/* When it is closed, and no fiber is at work for it. */
static void free_at_end(cv__control *control)
{
    if (!control->closed || control->connecting || control->sending)
        return;
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
    wake_all(control);
    free_at_end(control);
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

/* --- later --- */

static int do_once(cv_ctx *cx, cv__control *control, const errand *e)
{
    cv__conn *conn;
    CV_TRY(cv__control_take(cx, control, &conn));
    int rc = e->fn(cx, conn, e->arg);
    cv__control_leave(cx, control);
    return rc;
}

/* Until it is done, its time is over, the database is closed or the fiber cancelled. */
static void try_often(cv_ctx *cx, cv__control *control, const errand *e)
{
    int64_t former_ns = cv_ctx_set_deadline_ns(cx, e->until_ns);
    int rc = 0;
    while (rc == 0 && !control->closed && do_once(cx, control, e) < 0) {
        cv_error_clear(cx);
        rc = cv_sleep_ms(cx, ERRAND_PAUSE_MS);
    }
    cv_ctx_restore_deadline_ns(cx, former_ns);
}

static int send_all(cv_ctx *cx, void *arg)
{
    cv__control *control = arg;
    cv_link *first;
    cv_ctx_restore_deadline_ns(cx, INT64_MAX);
    while ((first = cv_list_pop_front(&control->errands))) {
        errand *e = cv_list_entry(first, errand, link);
        control->errand_count--;
        try_often(cx, control, e);
        cv_error_clear(cx);
        free(e);
    }
    control->sending = false;
    free_at_end(control);
    return 0;
}

static void start_sender(cv_ctx *cx, cv__control *control)
{
    cv_error *pending = cv_error_take(cx);
    control->sending = cv_spawn(cv__main_ctx(cx), "cancel statements", send_all, control, NULL) == 0;
    if (!control->sending)
        cv_error_clear(cv__main_ctx(cx));
    cv_error_put_back(cx, pending);
}

void cv__control_later(cv_ctx *cx, cv__control *control, cv__control_fn *fn, const void *arg, size_t arg_bytes)
{
    errand *e = control->errand_count < MOST_ERRANDS ? malloc(sizeof *e + arg_bytes) : NULL;
    if (!e)
        return;
    *e = (errand){.fn = fn, .until_ns = cv_now_ns(cx) + ERRAND_MS * INT64_C(1000000)};
    memcpy(e->arg, arg, arg_bytes);
    cv_list_push_back(&control->errands, &e->link);
    control->errand_count++;
    if (!control->sending)
        start_sender(cx, control);
}

void cv__control_close(cv__control *control)
{
    control->closed = true;
    wake_all(control);
    free_at_end(control);
}
