#include "rt/rt.h"

#include <stdlib.h>

struct cv__signal {
    uv_signal_t handle;
    struct cv__signal *next;
    struct cv_runtime *rt;
    int (*fn)(cv_ctx *cx, void *arg);
    void *arg;
};

static void on_signal(uv_signal_t *handle, int number)
{
    struct cv__signal *signal = handle->data;
    cv_ctx *cx = &signal->rt->main.cx;
    (void)number;
    cv_error *first = cv_error_take(cx);
    if (cv_spawn(cx, "signal", signal->fn, signal->arg, NULL) < 0)
        cv_log_error(cx->log, CV_LOG_ERROR, "signal lost", cv_error_last(cx));
    cv_error_clear(cx);
    cv_error_put_back(cx, first);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int cv_on_signal(cv_ctx *cx, int signal_number, int (*fn)(cv_ctx *cx, void *arg), void *arg)
{
    struct cv_runtime *rt = cx->runtime;
    if (!rt)
        return cv_fail(cx, CV_E_CONTEXT, "cannot handle signal %d: the context has no runtime", signal_number);
    struct cv__signal *signal = malloc(sizeof *signal);
    if (!signal)
        return cv_fail(cx, CV_E_NOMEM, "could not handle signal %d: out of memory", signal_number);
    *signal = (struct cv__signal){.rt = rt, .fn = fn, .arg = arg};
    int rc = uv_signal_init(&rt->loop, &signal->handle);
    if (rc < 0) {
        free(signal);
        return cv__fail_uv(cx, rc, "handle signal %d", signal_number);
    }
    signal->handle.data = signal;
    rc = uv_signal_start(&signal->handle, on_signal, signal_number);
    if (rc < 0) {
        uv_close((uv_handle_t *)&signal->handle, on_closed);
        return cv__fail_uv(cx, rc, "handle signal %d", signal_number);
    }
    signal->next = rt->signals;
    rt->signals = signal;
    return 0;
}

void cv__signals_close(struct cv_runtime *rt)
{
    while (rt->signals) {
        struct cv__signal *signal = rt->signals;
        rt->signals = signal->next;
        uv_close((uv_handle_t *)&signal->handle, on_closed);
    }
}
