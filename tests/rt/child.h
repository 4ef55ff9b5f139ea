/* Run something that is to kill its process, in a child, and look at what it said on standard error. */
#ifndef COVET_TESTS_RT_CHILD_H
#define COVET_TESTS_RT_CHILD_H

#include "test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's standard error goes to `said`; returns its wait status. */
static inline int run_child(void (*fn)(void *arg), void *arg, char *said, size_t capacity)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        signal(SIGABRT, SIG_DFL); /* cmocka's handlers would go on with the next test */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        fn(arg);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while (length + 1 < capacity && (got = read(ends[0], said + length, capacity - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static inline void assert_child_aborts(void (*fn)(void *arg), void *arg, const char *part)
{
    char said[4096];
    int status = run_child(fn, arg, said, sizeof said);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    if (!strstr(said, part))
        fail_msg("\"%s\" does not contain \"%s\"", said, part);
}

#endif
