/* Waiting for a file descriptor.
 *
 * The handle stays started after a wait: a fiber that asks, waits for the answer and asks again makes no system call
 * for the registration. When something arrives that nobody waits for, the callback stops the handle. */
#include "rt/wait.h"

#include <stdlib.h>

struct cv__poll {
    uv_poll_t handle;
    int events; /* what the handle is started for; 0: stopped */
    int seen;   /* what woke the waiter: events, or a negative error of libuv */
    cv__waiter *waiter;
    void (*fn)(void *arg, int events);
    void *arg;
};

/* libuv tells a socket in error, such as a reset one, as a bad descriptor: its own next call says what it is. */
static int seen_events(const cv__poll *poll, int status, int events)
{
    if (status == UV_EBADF)
        return poll->events;
    return status < 0 ? status : events;
}

static void on_events(uv_poll_t *handle, int status, int events)
{
    cv__poll *poll = handle->data;
    int seen = seen_events(poll, status, events);
    if (!poll->waiter || status < 0) {
        uv_poll_stop(handle);
        poll->events = 0;
    }
    if (!poll->waiter)
        return;
    cv__waiter *waiter = poll->waiter;
    poll->waiter = NULL;
    poll->seen = seen;
    cv__wake(waiter, 0);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int cv__poll_new(cv_ctx *cx, int fd, cv__poll **ret_poll)
{
    uv_loop_t *loop = cv__loop(cx);
    if (!loop)
        return cv_fail(cx, CV_E_CONTEXT, "cannot wait for descriptor %d: the context has no runtime", fd);
    cv__poll *poll = calloc(1, sizeof *poll);
    if (!poll)
        return cv_fail(cx, CV_E_NOMEM, "could not wait for descriptor %d: out of memory", fd);
    int rc = uv_poll_init(loop, &poll->handle, fd);
    if (rc < 0) {
        free(poll);
        return cv__fail_uv(cx, rc, "wait for descriptor %d", fd);
    }
    poll->handle.data = poll;
    *ret_poll = poll;
    return 0;
}

static void on_call(uv_poll_t *handle, int status, int events)
{
    cv__poll *poll = handle->data;
    int seen = seen_events(poll, status, events);
    if (seen < 0) {
        uv_poll_stop(handle);
        poll->events = 0;
    }
    poll->fn(poll->arg, seen);
}

int cv__poll_call(cv__poll *poll, int events, void (*fn)(void *arg, int events), void *arg)
{
    poll->fn = fn;
    poll->arg = arg;
    int rc = uv_poll_start(&poll->handle, events, on_call);
    poll->events = rc < 0 ? 0 : events;
    return rc;
}

void cv__poll_free(cv__poll *poll)
{
    if (poll)
        uv_close((uv_handle_t *)&poll->handle, on_closed);
}

static int start(cv_ctx *cx, cv__poll *poll, int events)
{
    if (poll->events == events && !poll->fn)
        return 0;
    poll->fn = NULL;
    int rc = uv_poll_start(&poll->handle, events, on_events);
    if (rc < 0)
        return cv__fail_uv(cx, rc, "wait for a descriptor");
    poll->events = events;
    return 0;
}

int cv__poll_wait(cv_ctx *cx, cv__poll *poll, int events, int *ret_events)
{
    CV_TRY(cv__wait_check(cx, "wait for a descriptor"));
    if (poll->waiter)
        return cv_fail(cx, CV_E_STATE, "cannot wait for a descriptor: another fiber waits for it");
    CV_TRY(start(cx, poll, events));
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "wait for a descriptor";
    poll->waiter = &waiter;
    cv__io_begin(cx);
    int rc = cv__wait(cx, &waiter);
    cv__io_end(cx);
    poll->waiter = NULL;
    CV_TRY(rc);
    if (poll->seen < 0)
        return cv__fail_uv(cx, poll->seen, "wait for a descriptor");
    if (ret_events)
        *ret_events = poll->seen;
    return 0;
}

int cv__wait_fd(cv_ctx *cx, int fd, int events, int *ret_events)
{
    cv__poll *poll = NULL;
    int rc = cv__poll_new(cx, fd, &poll);
    if (!poll)
        return rc;
    rc = cv__poll_wait(cx, poll, events, ret_events);
    cv__poll_free(poll);
    return rc;
}
