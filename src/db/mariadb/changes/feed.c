#include "db/mariadb/changes/feed.h"

#include "db/mariadb/changes/teller.h"

#include <covet/uuid.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_PAUSE_MS = 100, LONGEST_PAUSE_MS = 5000 };

typedef struct feed {
    cv__binlog_queue *queue;
    bool from_now;
    cv__binlog_failure failure;
    cv__replica replica;
    cv__teller teller;
} feed;

/* ---- reading ---- */

/* Until something fails. The first event is the answer: from here on the server tells. */
static int read_log(feed *f)
{
    cv__binlog_event event;
    bool is_first = !f->replica.has_begun;
    cv__teller_restart(&f->teller);
    CV_TRY(cv__replica_open(&f->replica, f->from_now && is_first, &f->teller.position));
    for (;; is_first = false) {
        CV_TRY(cv__replica_next(&f->replica, &event));
        if (is_first)
            CV_TRY(cv__teller_start(&f->teller));
        CV_TRY(cv__teller_take(&f->teller, &event));
    }
}

static void tell_failure(const feed *f)
{
    const cv__binlog_failure *told = &f->failure;
    cv__binlog_block *block =
        cv__binlog_block_new(CV__BLOCK_FAILED, told->detail, told->hint, cv_str_of(told->message));
    if (block)
        block->code = told->code;
    (void)cv__binlog_queue_put(f->queue, block);
}

/* Longer and longer, and at random, so that not all readers come back at once. Whether the queue was stopped. */
static bool pause_reading(const feed *f, int64_t *pause_ms)
{
    uint32_t random;
    *pause_ms = f->teller.has_advanced || *pause_ms == 0 ? FIRST_PAUSE_MS : *pause_ms * 2;
    if (*pause_ms > LONGEST_PAUSE_MS)
        *pause_ms = LONGEST_PAUSE_MS;
    cv_random_bytes(&random, sizeof random);
    return cv__binlog_queue_wait_stop(f->queue, *pause_ms / 2 + random % (*pause_ms / 2));
}

/* ---- the thread ---- */

static void free_feed(feed *f)
{
    cv__teller_done(&f->teller);
    cv__replica_done(&f->replica);
    cv__binlog_queue_unref(f->queue);
    free(f);
}

static void *run_thread(void *arg)
{
    feed *f = arg;
    int64_t pause_ms = 0;
    (void)mysql_thread_init();
    while (!cv__binlog_queue_is_stopped(f->queue)) {
        (void)read_log(f);
        cv__replica_close(&f->replica);
        if (!f->replica.has_begun || !f->failure.is_transient) {
            tell_failure(f);
            break;
        }
        if (pause_reading(f, &pause_ms))
            break;
    }
    free_feed(f);
    mysql_thread_end();
    return NULL;
}

/* Signals are for the runtime's thread. */
static int start_thread(cv_ctx *cx, feed *f)
{
    pthread_t thread;
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int error = pthread_create(&thread, NULL, run_thread, f);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (error)
        return cv_fail(cx, CV_E_SYSTEM, "could not start the thread that reads the binary log: %s", strerror(error));
    pthread_detach(thread);
    return 0;
}

static int init_feed(feed *f, cv__my_shared *shared, const cv__binlog_start *start, cv__binlog_queue *queue)
{
    f->queue = cv__binlog_queue_ref(queue);
    f->from_now = !start->position;
    CV_TRY(cv__teller_init(&f->teller));
    CV_TRY(cv__replica_init(&f->replica, shared, start->name));
    f->replica.cutoffs = queue->cutoffs;
    f->replica.heartbeat_ms = start->heartbeat_ms;
    f->replica.failure = &f->failure;
    f->teller.queue = queue;
    f->teller.replica = &f->replica;
    f->teller.failure = &f->failure;
    return 0;
}

int cv__binlog_feed_start(cv_ctx *cx, cv__my_shared *shared, const cv__binlog_start *start, cv__binlog_queue *queue)
{
    feed *f = calloc(1, sizeof *f);
    int rc = CV_E_NOMEM;
    if (!f || init_feed(f, shared, start, queue) < 0)
        cv_fail(cx, rc, "could not read changes: out of memory");
    else if (start->position && !cv__binlog_position_parse(start->position, &f->teller.position))
        rc = cv_fail(cx, CV_E_INVALID, "\"%.100s\" is no position of MariaDB", start->position);
    else
        rc = start_thread(cx, f);
    if (rc < 0 && f)
        free_feed(f);
    return rc;
}
