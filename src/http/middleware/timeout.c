/* A shorter deadline for some requests. */
#include "http/middleware/middleware.h"

#include "base/ctx.h"

static int shorten(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    const int64_t *timeout_ns = arg;
    (void)res;
    cv_ctx_set_deadline_ns(cx, req->started_ns + *timeout_ns);
    return 0;
}

int cv_use_timeout(cv_ctx *cx, cv_route_group *group, int64_t timeout_ms)
{
    if (timeout_ms <= 0 || timeout_ms > INT64_C(86400000))
        return cv_fail(cx, CV_E_INVALID, "cannot limit requests to %lld ms: it is between 1 ms and a day",
                       (long long)timeout_ms);
    int64_t *timeout_ns = cv__group_alloc(cx, group, sizeof *timeout_ns);
    if (!timeout_ns)
        return cx->error_code;
    *timeout_ns = timeout_ms * 1000000;
    const cv_middleware middleware = {
        .name = "timeout", .phase = CV_PHASE_OBSERVE, .before = shorten, .arg = timeout_ns};
    return cv_use(cx, group, &middleware);
}
