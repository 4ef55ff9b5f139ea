/* The stacks of fibers that do not run.
 *
 * A suspended fiber is switched to with rt->inspection set. It arrives behind the switch in cv__suspend, sees that it
 * was not woken but asked, walks its own stack there, and switches back to whoever asked. To the fiber nothing has
 * happened. The main context is asked in the same way when a fiber asks: it arrives in cv__run_fiber. */
#include "rt/inspect.h"

void cv__inspection_answer(const cv__inspection *inspection)
{
    const char *here = __builtin_frame_address(0);
    inspection->trace->count = 0;
    inspection->trace->cut = false;
    if (!inspection->stack_low || here - inspection->stack_low > CV__WALK_BYTES)
        cv__stack_walk(inspection->trace, 2); /* this, and the one of sched.c */
}

static void ask(struct cv_runtime *rt, struct cv_fiber *self, struct cv_fiber *fiber, cv__stack_trace *trace)
{
    cv__inspection inspection = {self, trace, fiber->stack.low};
    rt->inspection = &inspection;
    cv__annotate_leave(&self->stack.annotation, &fiber->stack.annotation, false);
    cv__switch(&self->frame, &fiber->frame);
    cv__annotate_arrive(&self->stack.annotation, &fiber->stack.annotation, false);
    rt->inspection = NULL;
}

void cv__inspect_stack(struct cv_runtime *rt, struct cv_fiber *fiber, cv__stack_trace *ret_trace)
{
    struct cv_fiber *self = rt->current ? rt->current : &rt->main;
    ret_trace->count = 0;
    ret_trace->cut = false;
    if (fiber == self)
        cv__stack_walk(ret_trace, 1);
    else if (fiber == &rt->main || (fiber->begun && fiber->state != CV__FIBER_ENDED))
        ask(rt, self, fiber, ret_trace);
}
