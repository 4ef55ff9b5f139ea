#include "rt/stacks.h"

#include <unwind.h>

struct walk {
    cv__stack_trace *trace;
    size_t skip;
};

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    cv__stack_trace *trace = walk->trace;
    int is_exact =
        0; /* the address of the instruction itself, as a signal found it, rather than of the one behind a call */
    uintptr_t address = (uintptr_t)_Unwind_GetIPInfo(context, &is_exact);
    if (!address)
        return _URC_END_OF_STACK;
    if (walk->skip) {
        walk->skip--;
        return _URC_NO_REASON;
    }
    if (trace->count == CV__MAX_FRAMES) {
        trace->cut = true;
        return _URC_END_OF_STACK;
    }
    trace->frames[trace->count++] = address - !is_exact;
    return _URC_NO_REASON;
}

void cv__stack_walk(cv__stack_trace *ret_trace, size_t skip)
{
    ret_trace->count = 0;
    ret_trace->cut = false;
    struct walk walk = {ret_trace, skip + 1};
    _Unwind_Backtrace(visit, &walk);
}
