/* Return addresses of stacks, and what they are called. */
#ifndef COVET_SRC_RT_STACKS_H
#define COVET_SRC_RT_STACKS_H

#include <covet/str.h>
#include <stddef.h>
#include <stdint.h>

/* Deeper frames are left out. */
enum { CV__MAX_FRAMES = 48 };

/* Addresses inside the calls, the innermost first. */
typedef struct cv__stack_trace {
    uintptr_t frames[CV__MAX_FRAMES];
    size_t count;
    bool cut; /* there are more */
} cv__stack_trace;

/** Walk the present stack by its unwinding tables, leaving out the innermost `skip` frames of the caller and below.
 * Safe in a signal handler once it was called before. Needs less than CV__WALK_BYTES of the stack. */
__attribute__((noinline)) void cv__stack_walk(cv__stack_trace *ret_trace, size_t skip);

enum { CV__WALK_BYTES = 8 * 1024 };

/** Names of addresses of this process, from its symbol tables and debug information. Opening reads the lists of loaded
 *  objects, finding reads their files: both belong on a lane. */
typedef struct cv__symbols cv__symbols;

/** NULL without memory. */
cv__symbols *cv__symbols_open(void);
void cv__symbols_close(cv__symbols *symbols);

/** Append "function file:line", as much of it as is known; without a symbol "object+0xOFFSET". `symbols` may be NULL.
 */
void cv__symbols_write(cv__symbols *symbols, uintptr_t address, cv_buf *out);

#endif
