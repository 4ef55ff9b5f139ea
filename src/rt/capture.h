/* The stack of another thread, while that thread runs. A real-time signal makes it walk its own stack. */
#ifndef COVET_SRC_RT_CAPTURE_H
#define COVET_SRC_RT_CAPTURE_H

#include "rt/stacks.h"

#include <pthread.h>
#include <stdatomic.h>

enum cv__capture_state { CV__CAPTURE_NONE, CV__CAPTURE_ASKED, CV__CAPTURE_DONE };

/** Where a stack is put. All zero at first. */
typedef struct cv__capture {
    _Atomic int state;
    cv__stack_trace trace; /* of the asked thread while ASKED, of the asking one when DONE */
} cv__capture;

/** Let this thread answer: threads of workers block all signals. Installs the handler of the process at the first call.
 *  False when no real-time signal is free. */
bool cv__capture_allow(void);

/** Ask a thread; no effect while a former question is not answered. The answer comes when the state is
 * CV__CAPTURE_DONE, or never, when the thread does not get to run. `capture` must stay until then, or until the thread
 * has ended. */
void cv__capture_ask(pthread_t thread, cv__capture *capture);

#endif
