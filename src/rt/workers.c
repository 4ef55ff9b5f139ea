/* Workers.
 *
 *     starter                                 worker's thread
 *     make it, its mailbox, its thread  --->  runtime, open the mailbox, start()
 *     started, or the first error       <---  message `started`
 *     ...                                     waits, its loop runs
 *     message `stop`                    --->  stop(), close the mailbox, free the runtime
 *     join                              <---  message `ended`
 *
 * The memory is held by the starter and by each thread, so that a worker that was left behind because it never came
 * back has something to stand on. */
#include "rt/workers.h"
#include "rt/watch.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* START_GRACE_MS: waits of `start` end with the deadline and are reported by the worker itself. */
enum { MAX_WORKERS = 256, START_GRACE_MS = 1000 };

static size_t usable_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (size_t)count;
}

static int64_t wait_until_ns(const cv_ctx *cx, int64_t most_ms)
{
    int64_t most_ns = cv__after_ms(cv_now_ns(cx), most_ms);
    int64_t deadline_ns = cv_ctx_deadline_ns(cx);
    return deadline_ns < most_ns ? deadline_ns : most_ns;
}

/* ---- memory ---- */

void cv__workers_unref(struct cv_workers *workers)
{
    if (atomic_fetch_sub(&workers->references, 1) > 1)
        return;
    for (size_t i = 0; i < workers->count; i++) {
        struct cv__worker *worker = &workers->items[i];
        cv_metrics_free(worker->metrics);
        cv__mailbox_unref(worker->mailbox);
        cv_ctx_free(worker->report);
    }
    cv__mailbox_unref(workers->mailbox);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}

static void on_started(cv_ctx *main, cv__message *message);
static void on_ended(cv_ctx *main, cv__message *message);
static void on_stop(cv_ctx *main, cv__message *message);

static bool init_worker(struct cv_workers *workers, size_t index)
{
    struct cv__worker *worker = &workers->items[index];
    worker->workers = workers;
    worker->index = index;
    worker->metrics = cv_metrics_new();
    worker->mailbox = cv__mailbox_new();
    worker->report = cv_ctx_new(0);
    worker->started = (cv__message){.arrive = on_started};
    worker->ended = (cv__message){.arrive = on_ended};
    worker->stop = (cv__message){.arrive = on_stop};
    cv_list_init(&worker->started.link);
    cv_list_init(&worker->ended.link);
    cv_list_init(&worker->stop.link);
    cv_cond_init(&worker->stopped);
    return worker->metrics && worker->mailbox && worker->report;
}

static struct cv_workers *make_workers(cv_ctx *cx, const cv_workers_options *options, size_t count)
{
    struct cv_workers *workers = calloc(1, sizeof *workers + count * sizeof workers->items[0]);
    if (!workers)
        return NULL;
    atomic_init(&workers->references, 1);
    pthread_mutex_init(&workers->mutex, NULL);
    workers->options = *options;
    workers->starter = cx->runtime;
    workers->starter_simulated = cx->runtime->simulated;
    workers->count = count;
    workers->mailbox = cv__mailbox_new();
    bool complete = workers->mailbox != NULL;
    for (size_t i = 0; i < count; i++)
        complete = init_worker(workers, i) && complete;
    if (complete)
        return workers;
    cv__workers_unref(workers);
    return NULL;
}

/* ---- the worker's thread ---- */

static void on_stop(cv_ctx *main, cv__message *message)
{
    (void)main;
    struct cv__worker *worker = cv_list_entry(message, struct cv__worker, stop);
    worker->stopping = true;
    cv_cond_broadcast(&worker->stopped);
}

static void report_start(struct cv__worker *worker, cv_ctx *main, int rc)
{
    worker->result = rc;
    if (rc < 0 && main && cv_error_copy(worker->report, main) == 0)
        (void)cv_fail(worker->report, rc, "worker %zu did not start: %s", worker->index, cv_error_text(rc));
    if (main)
        cv_error_clear(main);
    cv__post(worker->workers->mailbox, &worker->started);
}

static int start_worker(struct cv__worker *worker, cv_ctx *main)
{
    const cv_workers_options *options = &worker->workers->options;
    bool same_clock = !main->runtime->simulated && !worker->workers->starter_simulated;
    int64_t former_ns = cv_ctx_set_deadline_ns(main, same_clock ? worker->workers->start_until_ns : INT64_MAX);
    int rc = cv__mailbox_open(main, worker->mailbox);
    if (rc == 0)
        rc = options->start(main, worker->index, options->arg);
    cv_ctx_restore_deadline_ns(main, former_ns);
    return rc;
}

/* Only the stop message ends this wait: the main context has no deadline, and an open mailbox keeps the loop alive. */
static void wait_for_stop(struct cv__worker *worker, cv_ctx *main)
{
    while (!worker->stopping)
        if (cv_cond_wait(main, &worker->stopped, NULL) < 0)
            cv__die("worker %zu cannot wait", worker->index);
}

static void publish_runtime(struct cv__worker *worker, struct cv_runtime *rt)
{
    pthread_mutex_lock(&worker->workers->mutex);
    worker->runtime = rt;
    pthread_mutex_unlock(&worker->workers->mutex);
}

static void live(struct cv__worker *worker, cv_ctx *main)
{
    const cv_workers_options *options = &worker->workers->options;
    int rc = start_worker(worker, main);
    report_start(worker, main, rc);
    if (rc == 0)
        wait_for_stop(worker, main);
    if (options->stop)
        options->stop(main, worker->index, options->arg);
    cv__mailbox_close(worker->mailbox);
    publish_runtime(worker, NULL);
    cv_runtime_free(main);
}

static void *run_thread(void *arg)
{
    struct cv__worker *worker = arg;
    struct cv_workers *workers = worker->workers;
    cv_runtime_options options = workers->options.runtime;
    options.metrics = worker->metrics;
    char name[16];
    snprintf(name, sizeof name, "worker-%zu", worker->index);
    pthread_setname_np(pthread_self(), name);

    cv_ctx *main = NULL;
    int rc = cv_runtime_new(&options, &main);
    if (rc < 0) {
        rc = cv_fail(worker->report, rc, "could not start worker %zu: %s", worker->index, cv_error_text(rc));
        report_start(worker, NULL, rc);
    } else {
        publish_runtime(worker, main->runtime);
        (void)cv__capture_allow();
        live(worker, main);
    }
    cv__post(workers->mailbox, &worker->ended);
    cv__workers_unref(workers);
    return NULL;
}

/* Signals are the starter's; faults stay with the thread that makes them. */
static void block_signals(sigset_t *ret_former)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, ret_former);
}

static int start_thread(cv_ctx *cx, struct cv__worker *worker)
{
    sigset_t former;
    atomic_fetch_add(&worker->workers->references, 1);
    block_signals(&former);
    int error = pthread_create(&worker->thread, NULL, run_thread, worker);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    worker->has_thread = error == 0;
    if (error == 0)
        return 0;
    cv__workers_unref(worker->workers);
    return cv_fail(cx, CV_E_SYSTEM, "could not start the thread of worker %zu: %s", worker->index, strerror(error));
}

/* ---- the starter's thread ---- */

static void wake(struct cv_workers *workers)
{
    if (workers->waiter)
        cv__wake(workers->waiter, 0);
}

static void on_started(cv_ctx *main, cv__message *message)
{
    (void)main;
    struct cv__worker *worker = cv_list_entry(message, struct cv__worker, started);
    worker->has_started = true;
    wake(worker->workers);
}

static void on_ended(cv_ctx *main, cv__message *message)
{
    (void)main;
    struct cv__worker *worker = cv_list_entry(message, struct cv__worker, ended);
    worker->has_ended = true;
    wake(worker->workers);
}

/* One that waits for a message: others may come first. */
static int wait_for_message(cv_ctx *cx, struct cv_workers *workers, bool interruptible, const char *what)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = what;
    workers->waiter = &waiter;
    cv__io_begin(cx);
    int rc = interruptible ? cv__wait(cx, &waiter) : cv__wait_uninterruptible(cx, &waiter);
    cv__io_end(cx);
    workers->waiter = NULL;
    return rc;
}

static struct cv__worker *find_unstarted(struct cv_workers *workers)
{
    for (size_t i = 0; i < workers->count; i++) {
        struct cv__worker *worker = &workers->items[i];
        if (worker->has_thread && !worker->has_started && !worker->left_behind)
            return worker;
    }
    return NULL;
}

/* Their threads cannot be ended from outside. */
static int leave_behind(cv_ctx *cx, struct cv_workers *workers)
{
    struct cv__worker *late;
    while ((late = find_unstarted(workers))) {
        late->left_behind = true;
        (void)cv_fail(cx, CV_E_TIMEOUT, "worker %zu did not start in time", late->index);
    }
    return CV_E_TIMEOUT;
}

static int wait_for_starts(cv_ctx *cx, struct cv_workers *workers)
{
    int rc = 0;
    int64_t until_ns = cv__after_ms(workers->start_until_ns, START_GRACE_MS);
    int64_t former_ns = cv_ctx_set_deadline_ns(cx, until_ns);
    while (rc == 0 && find_unstarted(workers))
        rc = wait_for_message(cx, workers, true, "start the workers");
    cv_ctx_restore_deadline_ns(cx, former_ns);
    return rc == CV_E_TIMEOUT ? leave_behind(cx, workers) : rc;
}

static int first_failure(cv_ctx *cx, struct cv_workers *workers)
{
    for (size_t i = 0; i < workers->count; i++) {
        struct cv__worker *worker = &workers->items[i];
        if (worker->has_started && worker->result < 0)
            return cv_error_copy(cx, worker->report);
    }
    return 0;
}

static bool is_any_awaited(const struct cv_workers *workers)
{
    for (size_t i = 0; i < workers->count; i++)
        if (workers->items[i].has_thread && !workers->items[i].has_ended && !workers->items[i].left_behind)
            return true;
    return false;
}

static void let_go(struct cv__worker *worker)
{
    if (worker->left_behind)
        pthread_detach(worker->thread);
    else if (worker->has_thread)
        pthread_join(worker->thread, NULL);
}

void cv_workers_stop(cv_ctx *cx, cv_workers *workers)
{
    if (!workers)
        return;
    cv__mailbox_expect(workers->mailbox, true);
    for (size_t i = 0; i < workers->count; i++)
        cv__post(workers->items[i].mailbox, &workers->items[i].stop);
    while (is_any_awaited(workers))
        (void)wait_for_message(cx, workers, false, "stop the workers");
    for (size_t i = 0; i < workers->count; i++)
        let_go(&workers->items[i]);
    cv__watchdog_free(workers->watchdog);
    if (workers->starter->workers == workers)
        workers->starter->workers = NULL;
    cv__mailbox_close(workers->mailbox);
    cv__workers_unref(workers);
}

/* Without memory nobody watches. */
static void start_watchdog(cv_ctx *cx, struct cv_workers *workers)
{
    cv__watched *watched = calloc(workers->count, sizeof *watched);
    if (!watched)
        return;
    for (size_t i = 0; i < workers->count; i++)
        watched[i] = (cv__watched){&workers->items[i].runtime, &workers->items[i].capture};
    workers->watchdog = cv__watchdog_new(cx, &workers->mutex, watched, workers->count);
    free(watched);
}

int64_t cv__workers_held_ms(const cv_workers *workers, size_t *ret_index, const char **ret_holder)
{
    return cv__watchdog_held_ms(workers->watchdog, ret_index, ret_holder);
}

static int start_all(cv_ctx *cx, struct cv_workers *workers)
{
    int rc = 0;
    for (size_t i = 0; i < workers->count && rc == 0; i++)
        rc = start_thread(cx, &workers->items[i]);
    if (rc == 0)
        rc = wait_for_starts(cx, workers);
    return rc < 0 ? rc : first_failure(cx, workers);
}

int cv_workers_start(cv_ctx *cx, const cv_workers_options *options, cv_workers **ret_workers)
{
    CV_TRY(cv__wait_check(cx, "start workers"));
    size_t count = options->count ? options->count : usable_cores();
    if (count > MAX_WORKERS && options->count)
        return cv_fail(cx, CV_E_LIMIT, "cannot start %zu workers: there are at most %d", count, MAX_WORKERS);
    count = count < MAX_WORKERS ? count : MAX_WORKERS;
    struct cv_workers *workers = make_workers(cx, options, count);
    if (!workers)
        return cv_fail(cx, CV_E_NOMEM, "could not start the workers: out of memory");
    workers->start_until_ns = wait_until_ns(cx, CV__WORKERS_WAIT_MS);
    int rc = cv__mailbox_open(cx, workers->mailbox);
    if (rc < 0) {
        cv__workers_unref(workers);
        return rc;
    }
    rc = start_all(cx, workers);
    if (rc < 0) {
        cv_error *first = cv_error_take(cx);
        cv_workers_stop(cx, workers);
        cv_error_put_back(cx, first);
        return rc;
    }
    cv__mailbox_expect(workers->mailbox, false);
    start_watchdog(cx, workers);
    cx->runtime->workers = workers;
    *ret_workers = workers;
    return 0;
}

size_t cv_workers_count(const cv_workers *workers)
{
    return workers->count;
}

cv_metrics *cv_workers_metrics(const cv_workers *workers, size_t index)
{
    return workers->items[index].metrics;
}
