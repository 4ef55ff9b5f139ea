/* The context switch: from one stack to another on the same thread.
 *
 * x86-64 and aarch64 (ELF) have a few lines of assembly that save the callee-saved registers and nothing else: the
 * control words of the floating-point units are per thread here, as a fiber that changes them must change them back
 * before it suspends. The switch ends in a jump rather than a return: a return that goes elsewhere than the call it
 * belongs to misses the processor's return predictor on every switch. Hardware shadow stacks would refuse that; the
 * assembly does not carry the mark that allows them, so the linker leaves them off. Every other platform uses
 * ucontext(3); -DCV_SWITCH_UCONTEXT asks for it anywhere. */
#ifndef COVET_SRC_RT_SWITCH_H
#define COVET_SRC_RT_SWITCH_H

#include <stddef.h>

#if !defined(CV_SWITCH_UCONTEXT) &&                                                                                    \
    (!defined(__ELF__) || defined(__ILP32__) || !(defined(__x86_64__) || defined(__aarch64__)))
#define CV_SWITCH_UCONTEXT 1
#endif

#ifdef CV_SWITCH_UCONTEXT
#include <ucontext.h>
typedef struct cv__frame {
    ucontext_t context;
    void (*entry)(void *arg);
    void *arg;
} cv__frame;
#else
typedef struct cv__frame {
    void *sp; /* the saved registers lie above it */
} cv__frame;
#endif

/** Prepare a frame so that the first switch to it calls `entry(arg)` on the stack [low, top). `top` is aligned to 16
 *  bytes. `entry` must not return. The frame may be prepared again once its entry has switched away for good. */
void cv__frame_init(cv__frame *frame, void *low, void *top, void (*entry)(void *arg), void *arg);

/** Ask for the part of a saved stack that is used first, so that it is in the cache when somebody switches there. */
static inline void cv__frame_fetch(const cv__frame *frame)
{
#ifdef CV_SWITCH_UCONTEXT
    (void)frame;
#else
    enum { BYTES = 1024, LINE = 64 };
    for (size_t at = 0; at < BYTES; at += LINE)
        __builtin_prefetch((const char *)frame->sp + at, 1);
#endif
}

/** Save the present state in `from` and go on where `to` was saved. Returns when somebody switches to `from`. */
void cv__switch(cv__frame *from, cv__frame *to);

#endif
