/* The number of the signal is the process's, as its handlers are; it is chosen once and constant from then on. Nothing
 * in the handler takes memory or a lock: the unwinder was used once before, which is when it sets itself up. */
#include "rt/capture.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int signal_number; /* 0: none */

static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)number;
    (void)context;
    if (info->si_code == SI_QUEUE && info->si_pid == getpid() && info->si_value.sival_ptr) {
        cv__capture *capture = info->si_value.sival_ptr;
        cv__stack_walk(&capture->trace, 2); /* this handler, and what returns from it */
        atomic_store_explicit(&capture->state, CV__CAPTURE_DONE, memory_order_release);
    }
    errno = saved;
}

/* The last one that nobody has a handler for. System calls go on; the signal has a stack of its own where the thread
 * has one, since that of a fiber may be nearly full. */
static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK}, present;
    cv__stack_trace first;
    cv__stack_walk(&first, 0);
    sigemptyset(&action.sa_mask);
    for (int number = SIGRTMAX; number > SIGRTMIN && !signal_number; number--)
        if (sigaction(number, NULL, &present) == 0 && !(present.sa_flags & SA_SIGINFO) &&
            present.sa_handler == SIG_DFL && sigaction(number, &action, NULL) == 0)
            signal_number = number;
}

bool cv__capture_allow(void)
{
    sigset_t set;
    pthread_once(&once, install);
    if (!signal_number)
        return false;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    return pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0;
}

void cv__capture_ask(pthread_t thread, cv__capture *capture)
{
    if (!signal_number || atomic_load(&capture->state) == CV__CAPTURE_ASKED)
        return;
    atomic_store(&capture->state, CV__CAPTURE_ASKED);
    if (pthread_sigqueue(thread, signal_number, (union sigval){.sival_ptr = capture}) != 0)
        atomic_store(&capture->state, CV__CAPTURE_NONE);
}
