/* Chains: the middleware that stands around a route, in the order of the way in.
 *
 * When the router is frozen, each group gets one array: sorted by phase, within a phase the outer groups first, within
 * a group in the order added. A request counts how far it came (`reached`); the ways out go back from there, so that
 * what was not entered is not left either. */
#include "base/ctx.h"
#include "http/response.h"
#include "http/router.h"

int cv_use(cv_ctx *cx, cv_route_group *group, const cv_middleware *middleware)
{
    const char *name = middleware->name ? middleware->name : "?";
    CV_TRY(cv__router_check_open(cx, group->router));
    if ((unsigned)middleware->phase >= CV_PHASE_COUNT)
        return cv_fail(cx, CV_E_INVALID, "cannot use the middleware \"%s\": its phase is unknown", name);
    if (!middleware->before && !middleware->reply && !middleware->after)
        return cv_fail(cx, CV_E_INVALID, "cannot use the middleware \"%s\": it has no hook", name);
    cv__use *use = cv_arena_alloc(group->router->arena, sizeof *use);
    if (!use)
        return cv_fail(cx, CV_E_NOMEM, "could not use the middleware \"%s\": out of memory", name);
    *use = (cv__use){.middleware = *middleware};
    *group->last_use = use;
    group->last_use = &use->next;
    return 0;
}

/* ---- compiling ---- */

static size_t count_uses(const cv_route_group *group)
{
    size_t count = 0;
    for (; group; group = group->outer)
        for (const cv__use *use = group->uses; use; use = use->next)
            count++;
    return count;
}

static void add_phase(cv__chain *chain, const cv_route_group *group, cv_phase phase)
{
    if (group->outer)
        add_phase(chain, group->outer, phase);
    for (const cv__use *use = group->uses; use; use = use->next) {
        if (use->middleware.phase != phase)
            continue;
        chain->links[chain->count++] = use->middleware;
        chain->has_after |= use->middleware.after != NULL;
    }
}

static int compile(cv_ctx *cx, cv_route_group *group)
{
    size_t count = count_uses(group);
    if (!count)
        return 0;
    cv__chain *chain = cv_arena_alloc(group->router->arena, sizeof *chain + count * sizeof chain->links[0]);
    if (!chain)
        return cv_fail(cx, CV_E_NOMEM, "could not put the middleware in order: out of memory");
    chain->count = 0;
    chain->has_after = false;
    for (int phase = 0; phase < CV_PHASE_COUNT; phase++)
        add_phase(chain, group, (cv_phase)phase);
    group->chain = chain;
    return 0;
}

int cv__router_compile_chains(cv_ctx *cx, cv_router *router)
{
    for (cv_route_group *group = &router->root; group; group = group->next)
        CV_TRY(compile(cx, group));
    return 0;
}

/* ---- the way of a request ---- */

int cv__chain_before(cv_ctx *cx, cv_request *req, cv_response *res)
{
    const cv__chain *chain = req->route->chain;
    for (size_t i = 0; i < chain->count; i++) {
        const cv_middleware *link = &chain->links[i];
        req->reached = req->unreplied = i + 1;
        if (!link->before)
            continue;
        CV_TRY(link->before(cx, req, res, link->arg));
        if (cv_response_is_made(res))
            break;
    }
    return 0;
}

int cv__chain_reply(cv_ctx *cx, cv_request *req, cv_response *res)
{
    while (req->unreplied) {
        const cv_middleware *link = &req->route->chain->links[--req->unreplied];
        if (link->reply)
            CV_TRY(link->reply(cx, req, res, link->arg));
    }
    return 0;
}

void cv__chain_after(cv_ctx *cx, const cv_request *req, const cv_response *res)
{
    if (!req->reached || !req->route->chain->has_after)
        return;
    for (size_t i = req->reached; i--;) {
        const cv_middleware *link = &req->route->chain->links[i];
        if (link->after)
            link->after(cx, req, res, link->arg);
    }
}
