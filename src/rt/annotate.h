/* What the sanitizers and valgrind must be told about stacks and switches; nothing in an ordinary build.
 *
 * A switch is annotated on both sides: cv__annotate_leave right before it, cv__annotate_arrive right after it, on the
 * stack arrived at. Both are always inlined: a call of their own would return on another stack than it was made on. */
#ifndef COVET_SRC_RT_ANNOTATE_H
#define COVET_SRC_RT_ANNOTATE_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define CV__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CV__ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CV__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CV__TSAN 1
#endif
#endif

#ifdef CV__ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CV__TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef CV_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#endif

#define CV__ALWAYS_INLINE static inline __attribute__((always_inline))

/* One a stack. `low` and `bytes` of the thread's own stack are learnt at the first switch away from it. */
typedef struct cv__annotation {
    const void *low;
    size_t bytes;
    void *fake_stack;     /* ASan's shadow of the stack, while it is left */
    void *thread_state;   /* TSan's, as long as the stack lives */
    unsigned valgrind_id; /* valgrind's, as long as the stack lives */
} cv__annotation;

/** Announce a stack that was mapped, or the thread's own (low NULL). */
CV__ALWAYS_INLINE void cv__annotate_begin(cv__annotation *stack, void *low, size_t bytes)
{
    *stack = (cv__annotation){.low = low, .bytes = bytes};
#ifdef CV__TSAN
    stack->thread_state = low ? __tsan_create_fiber(0) : __tsan_get_current_fiber();
#endif
#ifdef CV_HAVE_VALGRIND
    if (low)
        stack->valgrind_id = (unsigned)VALGRIND_STACK_REGISTER(low, (char *)low + bytes);
#endif
}

/** Announce that a mapped stack goes away. */
CV__ALWAYS_INLINE void cv__annotate_end(cv__annotation *stack)
{
#ifdef CV__TSAN
    __tsan_destroy_fiber(stack->thread_state);
#endif
#ifdef CV_HAVE_VALGRIND
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
#endif
    (void)stack;
}

/** Right before a switch; `last` when nobody will ever switch back to what runs on `from` now. */
CV__ALWAYS_INLINE void cv__annotate_leave(cv__annotation *from, cv__annotation *to, bool last)
{
#ifdef CV__ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->low, to->bytes);
#endif
#ifdef CV__TSAN
    __tsan_switch_to_fiber(to->thread_state, 0);
#endif
    (void)from;
    (void)to;
    (void)last;
}

/** Right after a switch. `first` on a stack that starts a new life; `previous` is where the switch came from. */
CV__ALWAYS_INLINE void cv__annotate_arrive(cv__annotation *here, cv__annotation *previous, bool first)
{
#ifdef CV__ASAN
    __sanitizer_finish_switch_fiber(first ? NULL : here->fake_stack, &previous->low, &previous->bytes);
#endif
    (void)here;
    (void)previous;
    (void)first;
}

#endif
