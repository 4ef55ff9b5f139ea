/* Asking all workers at the same time.
 *
 * A call is held by its caller and by each question from the posting until its answer has arrived, or is lost because
 * nobody receives any more. So a caller may give up: what answers later finds nobody waiting, and the last one frees.
 */
#include "rt/workers.h"

#include <stdlib.h>

struct call;

struct question {
    struct call *call;
    size_t index;
    cv__message ask, answer;
    int result;
    cv_ctx *report; /* the story of a failure; made when there is one */
    bool is_answered;
};

struct call {
    atomic_size_t references;
    int (*fn)(cv_ctx *cx, size_t index, void *arg);
    void *arg;
    void (*dispose)(void *arg);
    int64_t until_ns;     /* of the system's clock; INT64_MAX when the caller's is simulated */
    cv__mailbox *mailbox; /* of the caller's runtime */
    cv__waiter *waiter;   /* NULL: nobody waits any more */
    size_t unanswered;
    size_t count;
    struct question items[];
};

static void unref(struct call *call)
{
    if (atomic_fetch_sub(&call->references, 1) > 1)
        return;
    if (call->dispose)
        call->dispose(call->arg);
    for (size_t i = 0; i < call->count; i++)
        cv_ctx_free(call->items[i].report);
    cv__mailbox_unref(call->mailbox);
    free(call);
}

/* ---- on the worker's thread ---- */

static void answer(struct question *question, int rc, const cv_ctx *cx)
{
    question->result = rc;
    if (rc < 0)
        question->report = cv_ctx_new(0);
    if (question->report && (!cx || cv_error_copy(question->report, cx) == 0))
        (void)cv_fail(question->report, rc, "worker %zu could not be asked: %s", question->index, cv_error_text(rc));
    cv__post(question->call->mailbox, &question->answer);
}

static int on_ask(cv_ctx *cx, cv__message *message)
{
    struct question *question = cv_list_entry(message, struct question, ask);
    struct call *call = question->call;
    if (!cx->runtime->simulated)
        (void)cv_ctx_set_deadline_ns(cx, call->until_ns);
    int rc = call->fn(cx, question->index, call->arg);
    answer(question, rc, cx);
    return 0;
}

static void on_ask_lost(cv__message *message, int code)
{
    answer(cv_list_entry(message, struct question, ask), code, NULL);
}

/* ---- on the caller's thread ---- */

static void on_answer(cv_ctx *main, cv__message *message)
{
    (void)main;
    struct question *question = cv_list_entry(message, struct question, answer);
    struct call *call = question->call;
    question->is_answered = true;
    if (--call->unanswered == 0 && call->waiter)
        cv__wake(call->waiter, 0);
    unref(call);
}

static void on_answer_lost(cv__message *message, int code)
{
    (void)code;
    unref(cv_list_entry(message, struct question, answer)->call);
}

static void init_question(struct call *call, size_t index)
{
    struct question *question = &call->items[index];
    question->call = call;
    question->index = index;
    question->ask = (cv__message){.fiber = "ask workers", .run = on_ask, .lost = on_ask_lost};
    question->answer = (cv__message){.arrive = on_answer, .lost = on_answer_lost};
    cv_list_init(&question->ask.link);
    cv_list_init(&question->answer.link);
}

static struct call *make_call(cv__mailbox *mailbox, size_t count)
{
    struct call *call = calloc(1, sizeof *call + count * sizeof call->items[0]);
    if (!call)
        return NULL;
    atomic_init(&call->references, 1 + count);
    call->mailbox = cv__mailbox_ref(mailbox);
    call->unanswered = call->count = count;
    for (size_t i = 0; i < count; i++)
        init_question(call, i);
    return call;
}

/* The mailbox of the runtime that asks; NULL when it has nothing to do with these workers. */
static cv__mailbox *find_mailbox(const cv_ctx *cx, struct cv_workers *workers)
{
    if (cx->runtime == workers->starter)
        return workers->mailbox;
    cv__mailbox *found = NULL;
    pthread_mutex_lock(&workers->mutex);
    for (size_t i = 0; i < workers->count && !found; i++)
        if (workers->items[i].runtime == cx->runtime)
            found = workers->items[i].mailbox;
    pthread_mutex_unlock(&workers->mutex);
    return found;
}

/* Name each worker that has not answered, and what keeps its loop, if anything does. */
static int tell_silent(cv_ctx *cx, struct cv_workers *workers, const struct call *call)
{
    pthread_mutex_lock(&workers->mutex);
    for (size_t i = 0; i < call->count; i++) {
        if (call->items[i].is_answered)
            continue;
        struct cv_runtime *rt = workers->items[i].runtime;
        const char *holder = rt ? atomic_load_explicit(&rt->holder, memory_order_relaxed) : NULL;
        if (holder)
            (void)cv_fail(cx, CV_E_TIMEOUT, "worker %zu did not answer in time: the fiber \"%s\" holds its loop", i,
                          holder);
        else
            (void)cv_fail(cx, CV_E_TIMEOUT, "worker %zu did not answer in time", i);
    }
    pthread_mutex_unlock(&workers->mutex);
    return CV_E_TIMEOUT;
}

static int first_failure(cv_ctx *cx, const struct call *call)
{
    for (size_t i = 0; i < call->count; i++) {
        const struct question *question = &call->items[i];
        if (question->result >= 0)
            continue;
        return question->report
                   ? cv_error_copy(cx, question->report)
                   : cv_fail(cx, question->result, "worker %zu failed: %s", i, cv_error_text(question->result));
    }
    return 0;
}

static int wait_for_answers(cv_ctx *cx, struct call *call)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "ask the workers";
    call->waiter = &waiter;
    cv__mailbox_expect(call->mailbox, true);
    cv__io_begin(cx);
    int rc = cv__wait(cx, &waiter);
    cv__io_end(cx);
    cv__mailbox_expect(call->mailbox, false);
    call->waiter = NULL;
    return rc;
}

static int ask_all(cv_ctx *cx, struct cv_workers *workers, struct call *call)
{
    int64_t former_ns = cv_ctx_set_deadline_ns(cx, cv__after_ms(cv_now_ns(cx), CV__WORKERS_WAIT_MS));
    call->until_ns = cx->runtime->simulated ? INT64_MAX : cv_ctx_deadline_ns(cx);
    for (size_t i = 0; i < call->count; i++)
        cv__post(workers->items[i].mailbox, &call->items[i].ask);
    int rc = wait_for_answers(cx, call);
    cv_ctx_restore_deadline_ns(cx, former_ns);
    if (rc == CV_E_TIMEOUT)
        return tell_silent(cx, workers, call);
    return rc < 0 ? rc : first_failure(cx, call);
}

static int begin(cv_ctx *cx, struct cv_workers *workers, struct call **ret_call)
{
    CV_TRY(cv__wait_check(cx, "ask the workers"));
    cv__mailbox *mailbox = find_mailbox(cx, workers);
    if (!mailbox)
        return cv_fail(cx, CV_E_CONTEXT, "cannot ask the workers: the context belongs to another runtime");
    *ret_call = make_call(mailbox, workers->count);
    return *ret_call ? 0 : cv_fail(cx, CV_E_NOMEM, "could not ask the workers: out of memory");
}

int cv_workers_each(cv_ctx *cx, cv_workers *workers, int (*fn)(cv_ctx *cx, size_t index, void *arg), void *arg,
                    void (*dispose)(void *arg))
{
    struct call *call = NULL;
    int rc = begin(cx, workers, &call);
    if (rc < 0) {
        if (dispose)
            dispose(arg);
        return rc;
    }
    call->fn = fn;
    call->arg = arg;
    call->dispose = dispose;
    atomic_fetch_add(&workers->references, 1); /* they may be stopped meanwhile */
    rc = ask_all(cx, workers, call);
    cv__workers_unref(workers);
    unref(call);
    return rc;
}
