#include "rt/guard.h"

#include "rt/rt.h"

#ifdef CV__ASAN

void cv__guard_begin(struct cv_runtime *rt)
{
    (void)rt;
}

void cv__guard_end(struct cv_runtime *rt)
{
    (void)rt;
}

#else

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_RUNTIMES = 512, SIGNAL_STACK_BYTES = 64 * 1024 };

/* `thread` is set after `runtime` and cleared before it: a handler that finds its own thread may follow `runtime`. */
struct entry {
    _Atomic(struct cv_runtime *) runtime;
    _Atomic(uintptr_t) thread;
};

static struct entry entries[MAX_RUNTIMES];
static struct sigaction former_action;
static pthread_once_t handler_once = PTHREAD_ONCE_INIT;

static uintptr_t this_thread(void)
{
    return (uintptr_t)pthread_self();
}

static bool is_in_guard(const struct cv_fiber *fiber, uintptr_t address)
{
    uintptr_t guard = (uintptr_t)fiber->stack.mapping;
    return address >= guard && address < guard + fiber->stack.guard_bytes;
}

static const struct cv_fiber *find_overflow(uintptr_t address)
{
    for (int i = 0; i < MAX_RUNTIMES; i++) {
        if (atomic_load(&entries[i].thread) != this_thread())
            continue;
        const struct cv_runtime *rt = atomic_load(&entries[i].runtime);
        if (rt && rt->current && is_in_guard(rt->current, address))
            return rt->current;
    }
    return NULL;
}

static void write_text(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return; /* there is nobody left to tell */
}

static void die_by_default(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(number, &action, NULL); /* on return the instruction faults again */
}

static void on_fault(int number, siginfo_t *info, void *machine_context)
{
    const struct cv_fiber *fiber = find_overflow((uintptr_t)info->si_addr);
    if (fiber) {
        write_text("covet: fiber \"");
        write_text(fiber->name);
        write_text("\" ran over its stack\n");
        die_by_default(number);
    } else if (former_action.sa_flags & SA_SIGINFO) {
        former_action.sa_sigaction(number, info, machine_context);
    } else if (former_action.sa_handler != SIG_DFL && former_action.sa_handler != SIG_IGN) {
        former_action.sa_handler(number);
    } else {
        die_by_default(number);
    }
}

static void install_handler(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &former_action);
}

static void *install_signal_stack(void)
{
    stack_t present;
    if (sigaltstack(NULL, &present) != 0 || !(present.ss_flags & SS_DISABLE))
        return NULL;
    void *memory = malloc(SIGNAL_STACK_BYTES);
    stack_t ours = {.ss_sp = memory, .ss_size = SIGNAL_STACK_BYTES};
    if (memory && sigaltstack(&ours, NULL) != 0) {
        free(memory);
        return NULL;
    }
    return memory;
}

static void remove_signal_stack(void *memory)
{
    stack_t present;
    if (sigaltstack(NULL, &present) == 0 && present.ss_sp == memory) {
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
    }
    free(memory);
}

void cv__guard_begin(struct cv_runtime *rt)
{
    pthread_once(&handler_once, install_handler);
    rt->guard = install_signal_stack();
    for (int i = 0; i < MAX_RUNTIMES; i++) {
        struct cv_runtime *none = NULL;
        if (atomic_compare_exchange_strong(&entries[i].runtime, &none, rt)) {
            atomic_store(&entries[i].thread, this_thread());
            return;
        }
    }
}

void cv__guard_end(struct cv_runtime *rt)
{
    for (int i = 0; i < MAX_RUNTIMES; i++) {
        if (atomic_load(&entries[i].runtime) == rt) {
            atomic_store(&entries[i].thread, 0);
            atomic_store(&entries[i].runtime, NULL);
        }
    }
    if (rt->guard)
        remove_signal_stack(rt->guard);
}

#endif
