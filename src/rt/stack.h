/* The stack of a fiber: a private mapping, reserved and not committed, with a guard below it. */
#ifndef COVET_SRC_RT_STACK_H
#define COVET_SRC_RT_STACK_H

#include "rt/annotate.h"

typedef struct cv__stack {
    char *mapping; /* the guard comes first */
    size_t mapped_bytes, guard_bytes;
    char *low; /* the usable part is [low, top) */
    char *top; /* 16-byte aligned; coloured, so that the tops of many stacks do not share a few cache sets. Above it
                  lies the head: what is touched whenever the stack is lies in the same pages */
    cv__annotation annotation;
} cv__stack;

/** Map a stack of at least `bytes` (rounded up to pages, doubled under a sanitizer, whose frames are larger) and a head
 *  of `head_bytes`, zeroed, above it. `number` chooses the colour. CV_E_NOMEM without a story. */
int cv__stack_map(cv__stack *stack, size_t bytes, size_t head_bytes, size_t number);

void cv__stack_unmap(cv__stack *stack);

#endif
