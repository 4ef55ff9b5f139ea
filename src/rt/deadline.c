#include "rt/rt.h"

static struct cv__within enter(cv_ctx *cx)
{
    struct cv__within within = {.cx = cx, .former_deadline_ns = cx->deadline_ns, .open = 1};
    if (cx->runtime)
        within.former_shield_ns = cv__self(cx)->shield_until_ns;
    return within;
}

struct cv__within cv__within_enter(cv_ctx *cx, int64_t ms)
{
    struct cv__within within = enter(cx);
    int64_t until_ns = cv__after_ms(cv_now_ns(cx), ms);
    if (until_ns < cx->deadline_ns)
        cx->deadline_ns = until_ns;
    return within;
}

/* A shield replaces the deadline, within a shield at most until the end of the outer one: clean-up that cleans up is
 * bounded, too. */
struct cv__within cv__shield_enter(cv_ctx *cx, int64_t budget_ms)
{
    struct cv__within within = enter(cx);
    int64_t until_ns = cv__after_ms(cv_now_ns(cx), budget_ms);
    if (within.former_shield_ns != 0 && within.former_shield_ns < until_ns)
        until_ns = within.former_shield_ns;
    cx->deadline_ns = until_ns;
    if (cx->runtime)
        cv__self(cx)->shield_until_ns = until_ns;
    return within;
}

void cv__within_leave(struct cv__within *within)
{
    within->cx->deadline_ns = within->former_deadline_ns;
    if (within->cx->runtime)
        cv__self(within->cx)->shield_until_ns = within->former_shield_ns;
}
