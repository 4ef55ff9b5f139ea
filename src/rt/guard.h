/* What happens when a fiber runs over its stack: the process dies with a message that names the fiber.
 *
 * The handler of SIGSEGV gets nothing but the fault's address. To find the runtime of the thread that it runs on it
 * needs something process-wide: a small table of runtimes, written when one is made or freed, and read, in the
 * handler, only for entries of the handler's own thread. That table and the former disposition of the signal are the
 * only mutable state of the process in this floor. Faults elsewhere go to whoever handled them before. Under ASan
 * nothing is installed: its own report says more. */
#ifndef COVET_SRC_RT_GUARD_H
#define COVET_SRC_RT_GUARD_H

struct cv_runtime;

/** Watch the calling thread's runtime: an entry in the table, an alternate signal stack if the thread has none, and the
 *  handler, once a process. When one of these fails, an overflow still ends the process, but without the message. */
void cv__guard_begin(struct cv_runtime *rt);

/** From the same thread. */
void cv__guard_end(struct cv_runtime *rt);

#endif
