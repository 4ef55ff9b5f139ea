#include "rt/switch.h"

#include <stdint.h>
#include <string.h>

#ifdef CV_SWITCH_UCONTEXT

/* makecontext passes integers only: the pointer travels in two halves. */
static void start(unsigned high, unsigned low)
{
    cv__frame *frame = (cv__frame *)(((uintptr_t)high << 16 << 16) | low);
    frame->entry(frame->arg);
}

void cv__frame_init(cv__frame *frame, void *low, void *top, void (*entry)(void *arg), void *arg)
{
    uintptr_t self = (uintptr_t)frame;
    getcontext(&frame->context);
    frame->entry = entry;
    frame->arg = arg;
    frame->context.uc_stack.ss_sp = low;
    frame->context.uc_stack.ss_size = (size_t)((char *)top - (char *)low);
    frame->context.uc_link = NULL;
    makecontext(&frame->context, (void (*)(void))start, 2, (unsigned)(self >> 16 >> 16), (unsigned)self);
}

void cv__switch(cv__frame *from, cv__frame *to)
{
    swapcontext(&from->context, &to->context);
}

#else

void cv__switch_entry(void);

#if defined(__x86_64__)
/* As cv__switch pops them: r15, r14, r13, r12, rbx, rbp, then the address it jumps to. */
enum { SAVED_WORDS = 7, SAVED_ENTRY = 3, SAVED_ARG = 2, SAVED_ADDRESS = 6 };
#else
/* x19 to x28, x29, x30, d8 to d15. */
enum { SAVED_WORDS = 20, SAVED_ENTRY = 0, SAVED_ARG = 1, SAVED_ADDRESS = 11 };
#endif

void cv__frame_init(cv__frame *frame, void *low, void *top, void (*entry)(void *arg), void *arg)
{
    (void)low;
    uintptr_t *saved = (uintptr_t *)top - SAVED_WORDS;
    memset(saved, 0, SAVED_WORDS * sizeof *saved);
    saved[SAVED_ENTRY] = (uintptr_t)entry;
    saved[SAVED_ARG] = (uintptr_t)arg;
    saved[SAVED_ADDRESS] = (uintptr_t)cv__switch_entry;
    frame->sp = saved;
}

#endif
