/* Requests that were sent to a name that is not ours: a forged Host header would find its way into links and caches. */
#include "http/middleware/middleware.h"

#include "base/ctx.h"

typedef struct settings {
    size_t count;
    cv_str hosts[]; /* lower case; "*.example.org" as ".example.org" */
} settings;

/* Without port and the dot of an absolute name: "example.org:80" is example.org, "[::1]:80" is [::1]. */
static cv_str bare_host(cv_str host)
{
    size_t end = 0;
    if (host.len && host.ptr[0] == '[') {
        ptrdiff_t bracket = cv_str_find_char(host, ']');
        return bracket < 0 ? host : cv_str_sub(host, 0, (size_t)bracket + 1);
    }
    while (end < host.len && host.ptr[end] != ':')
        end++;
    if (end && host.ptr[end - 1] == '.')
        end--;
    return cv_str_make(host.ptr, end);
}

static bool is_allowed(const settings *s, cv_str host)
{
    for (size_t i = 0; i < s->count; i++) {
        cv_str allowed = s->hosts[i];
        if (allowed.ptr[0] != '.') {
            if (cv_str_equal_nocase(host, allowed))
                return true;
        } else if (host.len > allowed.len &&
                   cv_str_equal_nocase(cv_str_sub(host, host.len - allowed.len, allowed.len), allowed)) {
            return true;
        }
    }
    return false;
}

static int check(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    if (is_allowed(arg, bare_host(cv_request_host(req))))
        return 0;
    return cv_reply_problem(cx, res, 421, NULL, "the host that was asked for is not served here");
}

static int take_host(cv_ctx *cx, const cv_route_group *group, settings *s, const char *host)
{
    cv_str text = cv_str_of(host);
    if (cv_str_starts_with(text, CV_STR("*.")))
        text = cv_str_sub(text, 1, text.len);
    cv_str bare = bare_host(text);
    if (bare.len < 1 || bare.len != text.len || strpbrk(host, " /,\t") || cv_str_find_char(text, '*') >= 0)
        return cv_fail(cx, CV_E_INVALID,
                       "cannot allow the host \"%s\": it is a name or an address without a port, or "
                       "\"*.\" and a name",
                       host);
    const char *copy = cv__group_strdup(cx, group, text.ptr);
    if (!copy)
        return cx->error_code;
    s->hosts[s->count++] = cv_str_of(copy);
    return 0;
}

int cv_use_allowed_hosts(cv_ctx *cx, cv_route_group *group, const char *const *hosts, size_t count)
{
    settings *s = cv__group_alloc(cx, group, sizeof *s + count * sizeof s->hosts[0]);
    if (!s)
        return cx->error_code;
    for (size_t i = 0; i < count; i++)
        CV_TRY(take_host(cx, group, s, hosts[i]));
    const cv_middleware middleware = {.name = "allowed hosts", .phase = CV_PHASE_PROTECT, .before = check, .arg = s};
    return cv_use(cx, group, &middleware);
}
