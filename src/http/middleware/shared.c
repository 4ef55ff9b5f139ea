#include "http/middleware/middleware.h"

#include "base/ctx.h"

void *cv__group_alloc(cv_ctx *cx, const cv_route_group *group, size_t size)
{
    if (cv__router_check_open(cx, group->router) < 0)
        return NULL;
    void *memory = cv_arena_zalloc(cv__router_arena(group->router), 1, size);
    if (!memory)
        cv_fail(cx, CV_E_NOMEM, "could not add middleware: out of memory");
    return memory;
}

const char *cv__group_strdup(cv_ctx *cx, const cv_route_group *group, const char *text)
{
    const char *copy = text ? cv_arena_strdup(cv__router_arena(group->router), text) : NULL;
    if (text && !copy)
        cv_fail(cx, CV_E_NOMEM, "could not add middleware: out of memory");
    return copy;
}

int cv__response_default(cv_response *res, cv_str name, cv_str value)
{
    return cv_response_get_header(res, name.ptr).ptr ? 0 : cv__response_field(res, name, value);
}

static bool names(cv_str list, cv_str wanted)
{
    cv_str part;
    while (cv_str_split(&list, ',', &part)) {
        part = cv_str_trim(part);
        if (cv_str_equal_nocase(part, wanted) || cv_str_equal(part, CV_STR("*")))
            return true;
    }
    return false;
}

int cv__response_vary(cv_response *res, const char *name)
{
    cv_str present = cv_response_get_header(res, "Vary");
    if (!present.len)
        return cv__response_field(res, CV_STR("Vary"), cv_str_of(name));
    if (names(present, cv_str_of(name)))
        return 0;
    char *both = cv_sprintf(res->cx, "%.*s, %s", CV_STR_ARG(present), name);
    return both ? cv_response_header(res, "Vary", both) : res->cx->error_code;
}
