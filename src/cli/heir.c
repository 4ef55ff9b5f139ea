/* The next life of the program: the same command line, which may be another program by now, with the listening sockets
 * as descriptors from 3 on (sd_listen_fds(3)) and behind them a pipe on which it says that it answers.
 *
 *     old                                   new
 *     fork, exec                      --->  takes the sockets, starts its workers
 *     waits, serves on                <---  "r" on the pipe
 *     leaves the sockets, finishes
 *
 * Between fork and exec only what signal handlers may do is done: other threads may have held locks. */
#include "cli/serve.h"

#include "base/ctx.h"
#include "rt/wait.h"
#include <covet/fiber.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST = 3, READY_MS = 60 * 1000, END_MS = 2000 };

#define READY_VARIABLE "COVET_READY_FD"

/* Everything that the child needs, made before the fork. */
struct launch {
    const char *path;
    char *const *argv;
    char **envp;
    char *pid_digits; /* in the environment, to be written by the child */
    const cv__handed *sockets;
    int count;
    int ready_fd; /* the end that is written to */
};

/* ---- the environment ---- */

static bool is_replaced(const char *variable)
{
    static const char *const replaced[] = {"LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=", READY_VARIABLE "="};
    for (size_t i = 0; i < sizeof replaced / sizeof replaced[0]; i++)
        if (strncmp(variable, replaced[i], strlen(replaced[i])) == 0)
            return true;
    return false;
}

static char *name_sockets(cv_ctx *cx, const cv__handed *sockets, int count)
{
    cv_buf names;
    cv_buf_init_arena(&names, cv_ctx_arena(cx), 0);
    cv_buf_add_text(&names, "LISTEN_FDNAMES=");
    for (int i = 0; i < count; i++)
        cv_buf_printf(&names, "%s%s", i ? ":" : "", sockets[i].foreign ? "system" : CV__HANDED_OVER);
    return names.error ? NULL : names.data;
}

static int make_environment(cv_ctx *cx, struct launch *launch)
{
    size_t count = 0;
    while (environ[count])
        count++;
    launch->envp = cv_zalloc(cx, count + 5, sizeof *launch->envp);
    char *pid = cv_sprintf(cx, "LISTEN_PID=%020d", 0), *fds = cv_sprintf(cx, "LISTEN_FDS=%d", launch->count);
    char *ready = cv_sprintf(cx, READY_VARIABLE "=%d", FIRST + launch->count);
    char *names = name_sockets(cx, launch->sockets, launch->count);
    if (!launch->envp || !pid || !fds || !ready || !names)
        return cv_fail(cx, CV_E_NOMEM, "could not start the program again: out of memory");
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_replaced(environ[i]))
            launch->envp[at++] = environ[i];
    launch->envp[at++] = pid;
    launch->envp[at++] = fds;
    launch->envp[at++] = names;
    launch->envp[at] = ready;
    launch->pid_digits = strchr(pid, '=') + 1;
    return 0;
}

/* ---- the child, between fork and exec ---- */

static void write_pid(char digits[20])
{
    long pid = (long)getpid();
    for (int i = 19; i >= 0; i--, pid /= 10)
        digits[i] = (char)('0' + pid % 10);
}

/* Out of the way first: a descriptor may stand where another is to be. */
static bool place_descriptors(const struct launch *launch)
{
    int beyond = FIRST + launch->count + 1;
    int moved[CV__MAX_HANDED + 1];
    for (int i = 0; i <= launch->count; i++) {
        int fd = i < launch->count ? launch->sockets[i].fd : launch->ready_fd;
        if ((moved[i] = fcntl(fd, F_DUPFD, beyond)) < 0)
            return false;
    }
    for (int i = 0; i <= launch->count; i++) {
        if (dup2(moved[i], FIRST + i) < 0)
            return false;
        close(moved[i]);
    }
    return true;
}

static _Noreturn void run_child(const struct launch *launch)
{
    sigset_t none;
    sigemptyset(&none);
    write_pid(launch->pid_digits);
    int report_fd = launch->ready_fd;
    if (place_descriptors(launch)) {
        report_fd = FIRST + launch->count;
        sigprocmask(SIG_SETMASK, &none, NULL);
        execvpe(launch->path, launch->argv, launch->envp);
    }
    char message[32] = "e";
    int error = errno;
    memcpy(message + 1, &error, sizeof error);
    (void)!write(report_fd, message, 1 + sizeof error);
    _exit(127);
}

/* ---- the parent ---- */

/* Handlers of the parent must not run in the child. */
static pid_t fork_child(const struct launch *launch)
{
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    pid_t pid = fork();
    if (pid == 0)
        run_child(launch);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    errno = error;
    return pid;
}

static int tell_end(cv_ctx *cx, pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
        return cv_fail(cx, CV_E_SYSTEM, "the new program was ended by signal %d before it was ready", WTERMSIG(status));
    return cv_fail(cx, CV_E_SYSTEM, "the new program ended with status %d before it was ready", WEXITSTATUS(status));
}

static int read_report(cv_ctx *cx, int fd, pid_t pid)
{
    char message[32];
    int error = 0;
    CV_TRY(cv__wait_fd(cx, fd, UV_READABLE, NULL));
    ssize_t len = read(fd, message, sizeof message);
    if (len > 0 && message[0] == 'r')
        return 0;
    if (len < 1 + (ssize_t)sizeof error)
        return tell_end(cx, pid);
    memcpy(&error, message + 1, sizeof error);
    (void)waitpid(pid, NULL, 0);
    return cv_fail(cx, CV_E_SYSTEM, "could not start the new program: %s", strerror(error));
}

/* Ask it to end, and do not ask twice. */
static void end_child(cv_ctx *cx, pid_t pid)
{
    kill(pid, SIGTERM);
    CV_SHIELD(cx, END_MS)
    {
        for (int waited = 0; waited < END_MS && waitpid(pid, NULL, WNOHANG) == 0; waited += 10)
            if (cv_sleep_ms(cx, 10) < 0)
                break;
    }
    kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static int await_report(cv_ctx *cx, int fd, pid_t pid)
{
    int rc = 0;
    CV_WITHIN(cx, READY_MS)
    {
        rc = read_report(cx, fd, pid);
    }
    if (rc != CV_E_TIMEOUT && rc != CV_E_CANCELLED)
        return rc;
    cv_error *first = cv_error_take(cx);
    end_child(cx, pid);
    cv_error_put_back(cx, first);
    return rc == CV_E_TIMEOUT ? cv_fail(cx, rc, "the new program was not ready within %d s", READY_MS / 1000) : rc;
}

int cv__heir_start(cv_ctx *cx, const cv_app *app, const cv__handed *sockets, size_t count, pid_t *ret_pid)
{
    struct launch launch = {
        .path = app->program_path, .argv = app->program_argv, .sockets = sockets, .count = (int)count};
    int ends[2];
    CV_TRY(make_environment(cx, &launch));
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return cv__fail_uv(cx, -errno, "start the program again");
    launch.ready_fd = ends[1];
    pid_t pid = fork_child(&launch);
    int error = errno;
    close(ends[1]);
    int rc = pid < 0 ? cv__fail_uv(cx, -error, "start the program again") : await_report(cx, ends[0], pid);
    close(ends[0]);
    if (rc == 0)
        *ret_pid = pid;
    return rc;
}

/* ---- in the next life ---- */

void cv__heir_is_ready(void)
{
    const char *text = getenv(READY_VARIABLE);
    int64_t fd;
    if (!text || cv_str_to_i64(cv_str_of(text), &fd) < 0 || fd < FIRST || fd > INT_MAX)
        return;
    (void)!write((int)fd, "r", 1);
    close((int)fd);
    unsetenv(READY_VARIABLE);
}

bool cv__heir_has_sockets(void)
{
    int position = 0;
    return cv__inherited_next(&position) >= 0;
}
