/* Headers that tell browsers to be careful. They are put together once; each reply only points at them. */
#include "http/middleware/middleware.h"

#include "base/ctx.h"

#define DEFAULT_POLICY                                                                                                 \
    "default-src 'self'; base-uri 'self'; frame-ancestors 'none'; object-src 'none'; form-action 'self'"

enum { MAX_FIELDS = 6 };

typedef struct settings {
    cv__field fields[MAX_FIELDS];
    size_t count;
    cv_str transport; /* Strict-Transport-Security; the NULL view: not sent */
} settings;

static int add(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    const settings *s = arg;
    (void)cx;
    for (size_t i = 0; i < s->count; i++)
        CV_TRY(cv__response_default(res, s->fields[i].name, s->fields[i].value));
    if (s->transport.ptr && strcmp(cv_request_scheme(req), "https") == 0)
        return cv__response_default(res, CV_STR("Strict-Transport-Security"), s->transport);
    return 0;
}

static bool is_value(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

/* `given` NULL takes the default, "" leaves the header out. */
static int put(cv_ctx *cx, const cv_route_group *group, settings *s, const char *name, const char *given,
               const char *otherwise)
{
    const char *value = given ? given : otherwise;
    if (!value || !*value)
        return 0;
    if (!is_value(value))
        return cv_fail(cx, CV_E_INVALID, "cannot send the header \"%s\": its value has a control character", name);
    if (!(value = cv__group_strdup(cx, group, value)))
        return cx->error_code;
    s->fields[s->count++] = (cv__field){cv_str_of(name), cv_str_of(value)};
    return 0;
}

static int put_transport(cv_ctx *cx, const cv_route_group *group, settings *s, const cv_security_headers_options *o)
{
    if (o->hsts_max_age_s < 0)
        return cv_fail(cx, CV_E_INVALID, "cannot send Strict-Transport-Security: its age is negative");
    if (!o->hsts_max_age_s)
        return 0;
    const char *text = cv_arena_printf(cv__router_arena(group->router), "max-age=%lld%s", (long long)o->hsts_max_age_s,
                                       o->hsts_subdomains ? "; includeSubDomains" : "");
    s->transport = cv_str_of(text);
    return text ? 0 : cv_fail(cx, CV_E_NOMEM, "could not add middleware: out of memory");
}

int cv_use_security_headers(cv_ctx *cx, cv_route_group *group, const cv_security_headers_options *options)
{
    const cv_security_headers_options o = options ? *options : (cv_security_headers_options){0};
    settings *s = cv__group_alloc(cx, group, sizeof *s);
    if (!s)
        return cx->error_code;
    CV_TRY(put(cx, group, s, "X-Content-Type-Options", NULL, "nosniff"));
    CV_TRY(put(cx, group, s, "X-Frame-Options", o.frame_options, "DENY"));
    CV_TRY(put(cx, group, s, "Referrer-Policy", o.referrer_policy, "strict-origin-when-cross-origin"));
    CV_TRY(put(cx, group, s, "Cross-Origin-Opener-Policy", NULL, "same-origin"));
    CV_TRY(put(cx, group, s, "Content-Security-Policy", o.content_security_policy, DEFAULT_POLICY));
    CV_TRY(put(cx, group, s, "Permissions-Policy", o.permissions_policy, NULL));
    CV_TRY(put_transport(cx, group, s, &o));
    const cv_middleware middleware = {.name = "security headers", .phase = CV_PHASE_PROTECT, .reply = add, .arg = s};
    return cv_use(cx, group, &middleware);
}
