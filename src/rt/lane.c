/* Lanes: bounded groups of threads.
 *
 * A job is queued, then running, then done; the mutex guards these edges. It belongs to its lane's queue while queued,
 * to its thread while running, to the list of finished jobs when done; the runtime's thread frees it (with dispose),
 * when it takes it from that list or drops it from the queue. The struct cv__lanes has a reference for the runtime and
 * one for each thread, so that a thread that outlives the runtime has something to stand on; it finds `closed` set,
 * tells nobody and frees what remains. */
#include <covet/lane.h>

#include "rt/rt.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LANES = CV__LANES,
    QUEUE_LIMIT = 1024,
    NAME_THREADS = 2,
    FILE_THREADS = 4,
    DATABASE_THREADS = 16,
    MOST_THREADS = 64
};

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE };

struct job {
    cv_link link;
    int (*fn)(void *arg);
    void *arg;
    void (*dispose)(void *arg);
    void (*stop)(void *arg);
    int result;
    enum job_state state;
    cv__waiter *waiter; /* NULL: nobody waits any more. Of the runtime's thread */
};

struct lane {
    cv_link queue;
    size_t queued;
    size_t threads, most_threads, idle; /* threads: made so far; they end with the runtime */
    pthread_t handles[MOST_THREADS];
    pthread_cond_t work;
};

struct cv__lanes {
    pthread_mutex_t mutex; /* guards everything below but `rt` and `under_way` */
    pthread_cond_t ended;  /* a thread has ended */
    struct lane lanes[LANES];
    cv_link done;
    size_t references;
    bool closing; /* threads end when their queue is empty */
    bool closed;  /* the runtime is gone */
    struct cv_runtime *rt;
    uv_async_t *async; /* freed by the loop */
    size_t under_way;  /* jobs not yet freed */
};

static void finish_jobs(uv_async_t *async);

static void *run_thread(void *arg);

/* Under the mutex; gives it up. */
static void unref_and_unlock(struct cv__lanes *lanes)
{
    bool is_last = --lanes->references == 0;
    pthread_cond_broadcast(&lanes->ended);
    pthread_mutex_unlock(&lanes->mutex);
    if (!is_last)
        return;
    for (int i = 0; i < LANES; i++)
        pthread_cond_destroy(&lanes->lanes[i].work);
    pthread_cond_destroy(&lanes->ended);
    pthread_mutex_destroy(&lanes->mutex);
    free(lanes);
}

static void init_ended_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

static size_t cpu_threads(void)
{
    size_t cores = uv_available_parallelism();
    return cores < MOST_THREADS ? cores : MOST_THREADS;
}

static struct cv__lanes *make_lanes(struct cv_runtime *rt)
{
    struct cv__lanes *lanes = calloc(1, sizeof *lanes);
    uv_async_t *async = malloc(sizeof *async);
    if (!lanes || !async || uv_async_init(&rt->loop, async, finish_jobs) < 0) {
        free(lanes);
        free(async);
        return NULL;
    }
    uv_unref((uv_handle_t *)async);
    async->data = lanes;
    lanes->async = async;
    lanes->rt = rt;
    lanes->references = 1;
    pthread_mutex_init(&lanes->mutex, NULL);
    init_ended_cond(&lanes->ended);
    cv_list_init(&lanes->done);
    for (int i = 0; i < LANES; i++) {
        cv_list_init(&lanes->lanes[i].queue);
        pthread_cond_init(&lanes->lanes[i].work, NULL);
    }
    lanes->lanes[CV_LANE_NAMES].most_threads = NAME_THREADS;
    lanes->lanes[CV_LANE_FILES].most_threads = FILE_THREADS;
    lanes->lanes[CV_LANE_CPU].most_threads = cpu_threads();
    lanes->lanes[CV_LANE_DATABASE].most_threads = DATABASE_THREADS;
    return lanes;
}

/* What a thread needs to know; it frees it. */
struct thread_start {
    struct cv__lanes *lanes;
    struct lane *lane;
};

/* Under the mutex. Signals are for the runtime's thread: the new one blocks them all. */
static bool start_thread(struct cv__lanes *lanes, struct lane *lane)
{
    struct thread_start *start = malloc(sizeof *start);
    if (!start)
        return false;
    *start = (struct thread_start){lanes, lane};
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int rc = pthread_create(&lane->handles[lane->threads], NULL, run_thread, start);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (rc != 0) {
        free(start);
        return false;
    }
    lanes->references++;
    lane->threads++;
    return true;
}

static struct job *wait_for_job(struct cv__lanes *lanes, struct lane *lane)
{
    while (cv_list_is_empty(&lane->queue)) {
        if (lanes->closing)
            return NULL;
        lane->idle++;
        pthread_cond_wait(&lane->work, &lanes->mutex);
        lane->idle--;
    }
    lane->queued--;
    return cv_list_entry(cv_list_pop_front(&lane->queue), struct job, link);
}

static void *run_thread(void *arg)
{
    struct thread_start start = *(struct thread_start *)arg;
    free(arg);
    struct cv__lanes *lanes = start.lanes;
    pthread_mutex_lock(&lanes->mutex);
    struct job *job;
    while ((job = wait_for_job(lanes, start.lane))) {
        job->state = JOB_RUNNING;
        pthread_mutex_unlock(&lanes->mutex);
        int result = job->fn(job->arg);
        pthread_mutex_lock(&lanes->mutex);
        job->result = result;
        job->state = JOB_DONE;
        if (lanes->closed) {
            free(job); /* there is no runtime's thread any more to call dispose on */
            continue;
        }
        cv_list_push_back(&lanes->done, &job->link);
        uv_async_send(lanes->async);
    }
    unref_and_unlock(lanes);
    return NULL;
}

/* The job has left all lists and threads. On the runtime's thread. */
static void free_job(struct cv__lanes *lanes, struct job *job)
{
    if (job->dispose)
        job->dispose(job->arg);
    free(job);
    cv__io_end(&lanes->rt->main.cx);
    if (--lanes->under_way == 0)
        uv_unref((uv_handle_t *)lanes->async);
}

static void take_done(struct cv__lanes *lanes, cv_link *ret_done)
{
    cv_list_init(ret_done);
    pthread_mutex_lock(&lanes->mutex);
    cv_link *first;
    while ((first = cv_list_pop_front(&lanes->done)))
        cv_list_push_back(ret_done, first);
    pthread_mutex_unlock(&lanes->mutex);
}

static void finish_jobs(uv_async_t *async)
{
    struct cv__lanes *lanes = async->data;
    cv_link done;
    take_done(lanes, &done);
    cv_link *first;
    while ((first = cv_list_pop_front(&done))) {
        struct job *job = cv_list_entry(first, struct job, link);
        if (job->waiter)
            cv__wake(job->waiter, job->result);
        free_job(lanes, job);
    }
}

static int enqueue(struct cv__lanes *lanes, struct lane *lane, struct job *job)
{
    int rc = 0;
    pthread_mutex_lock(&lanes->mutex);
    if (lane->queued == QUEUE_LIMIT)
        rc = CV_E_BUSY;
    else if (lane->idle <= lane->queued && lane->threads < lane->most_threads && !start_thread(lanes, lane) &&
             lane->threads == 0)
        rc = CV_E_SYSTEM;
    if (rc == 0) {
        cv_list_push_back(&lane->queue, &job->link);
        lane->queued++;
        pthread_cond_signal(&lane->work);
    }
    pthread_mutex_unlock(&lanes->mutex);
    return rc;
}

/* Take the job out of the queue when no thread has it yet. */
static bool withdraw(struct cv__lanes *lanes, struct lane *lane, struct job *job)
{
    pthread_mutex_lock(&lanes->mutex);
    bool is_queued = job->state == JOB_QUEUED;
    if (is_queued) {
        cv_list_remove(&job->link);
        lane->queued--;
    }
    pthread_mutex_unlock(&lanes->mutex);
    return is_queued;
}

/* The wait ended early. */
static void abandon(cv_ctx *cx, struct cv__lanes *lanes, struct lane *lane, struct job *job)
{
    job->waiter = NULL;
    if (withdraw(lanes, lane, job)) {
        free_job(lanes, job);
    } else if (!job->dispose) {
        if (job->stop)
            job->stop(job->arg);
        cv__waiter waiter;
        cv__waiter_init(cx, &waiter);
        waiter.what = "wait for work under way";
        job->waiter = &waiter;
        (void)cv__wait_uninterruptible(cx, &waiter);
    }
}

static int start_job(cv_ctx *cx, struct cv__lanes *lanes, struct lane *lane, struct job *job)
{
    static const char *const names[LANES] = {"names", "files", "cpu", "database"};
    int rc = enqueue(lanes, lane, job);
    if (rc < 0) {
        const char *why = rc == CV_E_BUSY ? "its queue is full" : "no thread could be made";
        return cv_fail(cx, rc, "could not hand work to the lane \"%s\": %s", names[lane - lanes->lanes], why);
    }
    cv__io_begin(cx);
    if (lanes->under_way++ == 0)
        uv_ref((uv_handle_t *)lanes->async);
    return 0;
}

/* Make a job like `blank` and queue it; `waiter` will be woken at its end. */
static int begin(cv_ctx *cx, cv_lane lane_number, const struct job *blank, cv__waiter *waiter, struct job **ret_job)
{
    struct cv_runtime *rt = cx->runtime;
    if (!rt->lanes)
        rt->lanes = make_lanes(rt);
    struct job *job = malloc(sizeof *job);
    if (!rt->lanes || !job) {
        free(job);
        return cv_fail(cx, CV_E_NOMEM, "could not hand work to a lane: out of memory");
    }
    *job = *blank;
    cv_list_init(&job->link);
    cv__waiter_init(cx, waiter);
    waiter->what = "wait for a lane";
    job->waiter = waiter;
    int rc = start_job(cx, rt->lanes, &rt->lanes->lanes[lane_number], job);
    if (rc < 0)
        free(job);
    else
        *ret_job = job;
    return rc;
}

static int offload(cv_ctx *cx, cv_lane lane_number, const struct job *blank, bool to_its_end, bool *ret_started)
{
    struct job *job;
    cv__waiter waiter;
    CV_TRY(begin(cx, lane_number, blank, &waiter, &job));
    *ret_started = true;
    int rc = to_its_end ? cv__wait_uninterruptible(cx, &waiter) : cv__wait(cx, &waiter);
    if (!waiter.woken)
        abandon(cx, cx->runtime->lanes, &cx->runtime->lanes->lanes[lane_number], job);
    return rc;
}

int cv_offload(cv_ctx *cx, cv_lane lane, int (*fn)(void *arg), void *arg, void (*dispose)(void *arg))
{
    struct job job = {.fn = fn, .arg = arg, .dispose = dispose};
    bool started = false;
    int rc = cv__wait_check(cx, "hand work to a lane");
    if (rc == 0)
        rc = offload(cx, lane, &job, false, &started);
    if (!started && dispose)
        dispose(arg);
    return rc;
}

int cv_offload_stoppable(cv_ctx *cx, cv_lane lane, int (*fn)(void *arg), void *arg, void (*stop)(void *arg))
{
    struct job job = {.fn = fn, .arg = arg, .stop = stop};
    bool started = false;
    CV_TRY(cv__wait_check(cx, "hand work to a lane"));
    return offload(cx, lane, &job, false, &started);
}

int cv__offload_to_end(cv_ctx *cx, cv_lane lane, int (*fn)(void *arg), void *arg)
{
    struct job job = {.fn = fn, .arg = arg};
    bool started = false;
    if (!cv__may_wait(cx, "hand work to a lane"))
        return CV_E_CONTEXT;
    return offload(cx, lane, &job, true, &started);
}

int cv__errand_begin(cv_ctx *cx, cv__errand *errand, cv_lane lane, int (*fn)(void *arg), void *arg,
                     void (*dispose)(void *arg))
{
    struct job job = {.fn = fn, .arg = arg, .dispose = dispose};
    int rc =
        cv__may_wait(cx, "hand work to a lane") ? begin(cx, lane, &job, &errand->waiter, &errand->job) : CV_E_CONTEXT;
    errand->lane = lane;
    errand->is_under_way = rc == 0;
    if (rc < 0 && dispose)
        dispose(arg);
    return rc;
}

int cv__errand_end(cv_ctx *cx, cv__errand *errand)
{
    errand->waiter.cx = cx;
    int rc = cv__wait(cx, &errand->waiter);
    errand->is_under_way = !errand->waiter.woken;
    return rc;
}

void cv__errand_drop(const cv_ctx *cx, cv__errand *errand)
{
    if (!errand->is_under_way)
        return;
    errand->is_under_way = false;
    if (errand->waiter.woken)
        return;
    struct cv__lanes *lanes = cx->runtime->lanes;
    errand->job->waiter = NULL;
    if (withdraw(lanes, &lanes->lanes[errand->lane], errand->job))
        free_job(lanes, errand->job);
}

void cv__lanes_stats(const struct cv_runtime *rt, cv__lane_stats ret_stats[CV__LANES])
{
    struct cv__lanes *lanes = rt->lanes;
    memset(ret_stats, 0, CV__LANES * sizeof ret_stats[0]);
    if (!lanes)
        return;
    pthread_mutex_lock(&lanes->mutex);
    for (int i = 0; i < LANES; i++) {
        const struct lane *lane = &lanes->lanes[i];
        ret_stats[i] = (cv__lane_stats){lane->queued, lane->threads, lane->threads - lane->idle};
    }
    pthread_mutex_unlock(&lanes->mutex);
}

static void on_async_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Under the mutex, until all threads have ended or the time is over. True when they have. */
static bool wait_for_threads(struct cv__lanes *lanes, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000), .tv_nsec = (long)(until_ns % 1000000000)};
    while (lanes->references > 1 && pthread_cond_timedwait(&lanes->ended, &lanes->mutex, &until) == 0)
        continue;
    return lanes->references == 1;
}

static void leave_threads(struct cv__lanes *lanes, bool ended)
{
    for (int i = 0; i < LANES; i++) {
        struct lane *lane = &lanes->lanes[i];
        for (size_t j = 0; j < lane->threads; j++) {
            if (ended)
                pthread_join(lane->handles[j], NULL);
            else
                pthread_detach(lane->handles[j]);
        }
    }
}

void cv__lanes_close(struct cv_runtime *rt, uint64_t until_ns)
{
    struct cv__lanes *lanes = rt->lanes;
    if (!lanes)
        return;
    pthread_mutex_lock(&lanes->mutex);
    lanes->closing = true;
    for (int i = 0; i < LANES; i++)
        pthread_cond_broadcast(&lanes->lanes[i].work);
    bool ended = wait_for_threads(lanes, until_ns);
    lanes->closed = true;
    pthread_mutex_unlock(&lanes->mutex);
    if (!ended)
        CV_LOG_WARN(rt->main.cx.log, "lane work outlives the runtime", CV_F("jobs", (int64_t)lanes->under_way));
    finish_jobs(lanes->async);
    leave_threads(lanes, ended);
    uv_close((uv_handle_t *)lanes->async, on_async_closed);
    rt->lanes = NULL;
    pthread_mutex_lock(&lanes->mutex);
    unref_and_unlock(lanes);
}
