/* The mutex guards the queue and the state; the sender wakes the loop inside it, so that the handle is never used after
 * it was closed. */
#include "rt/mailbox.h"

#include "rt/rt.h"
#include <stdatomic.h>
#include <stdlib.h>

enum mailbox_state { UNOPENED, OPEN, CLOSED };

struct cv__mailbox {
    pthread_mutex_t mutex;
    cv_link queue;
    enum mailbox_state state;
    uv_async_t async;
    cv_ctx *main;  /* of the receiver */
    int expecting; /* of the receiver's thread */
    atomic_int references;
};

cv__mailbox *cv__mailbox_new(void)
{
    cv__mailbox *mailbox = calloc(1, sizeof *mailbox);
    if (!mailbox)
        return NULL;
    if (pthread_mutex_init(&mailbox->mutex, NULL) != 0) {
        free(mailbox);
        return NULL;
    }
    cv_list_init(&mailbox->queue);
    atomic_init(&mailbox->references, 1);
    return mailbox;
}

cv__mailbox *cv__mailbox_ref(cv__mailbox *mailbox)
{
    atomic_fetch_add(&mailbox->references, 1);
    return mailbox;
}

void cv__mailbox_unref(cv__mailbox *mailbox)
{
    if (!mailbox || atomic_fetch_sub(&mailbox->references, 1) > 1)
        return;
    pthread_mutex_destroy(&mailbox->mutex);
    free(mailbox);
}

/* ---- receiving ---- */

static void lose(cv__message *message, int code)
{
    if (message->lost)
        message->lost(message, code);
}

static int run_message(cv_ctx *cx, void *arg)
{
    cv__message *message = arg;
    return message->run(cx, message);
}

/* The main context may wait in a call of its own: its pending error is not ours. */
static void start_fiber(cv_ctx *main, cv__message *message)
{
    cv_error *pending = cv_error_take(main);
    int rc = cv_spawn(main, message->fiber, run_message, message, NULL);
    if (rc < 0)
        cv_error_clear(main);
    cv_error_put_back(main, pending);
    if (rc < 0)
        lose(message, rc);
}

/* All that is there at once: what arrives because of it waits for the next turn. */
static void take_all(cv__mailbox *mailbox, cv_link *ret_messages)
{
    cv_list_init(ret_messages);
    pthread_mutex_lock(&mailbox->mutex);
    cv_link *first;
    while ((first = cv_list_pop_front(&mailbox->queue)))
        cv_list_push_back(ret_messages, first);
    pthread_mutex_unlock(&mailbox->mutex);
}

static void deliver(cv__mailbox *mailbox)
{
    cv_link messages, *first;
    take_all(mailbox, &messages);
    cv_ctx *main = mailbox->main;
    while ((first = cv_list_pop_front(&messages))) {
        cv__message *message = cv_list_entry(first, cv__message, link);
        if (message->fiber)
            start_fiber(main, message);
        else
            message->arrive(main, message);
    }
}

static void on_async(uv_async_t *async)
{
    deliver(async->data);
}

int cv__mailbox_open(cv_ctx *cx, cv__mailbox *mailbox)
{
    mailbox->main = cv__main_ctx(cx);
    int rc = uv_async_init(cv__loop(cx), &mailbox->async, on_async);
    if (rc < 0)
        return cv__fail_uv(cx, rc, "open a mailbox");
    mailbox->async.data = cv__mailbox_ref(mailbox);
    mailbox->expecting = 1;
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->state = OPEN;
    uv_async_send(&mailbox->async); /* for what was posted before */
    pthread_mutex_unlock(&mailbox->mutex);
    return 0;
}

void cv__mailbox_expect(cv__mailbox *mailbox, bool expected)
{
    mailbox->expecting += expected ? 1 : -1;
    if (mailbox->expecting > 0)
        uv_ref((uv_handle_t *)&mailbox->async);
    else
        uv_unref((uv_handle_t *)&mailbox->async);
}

static void on_closed(uv_handle_t *handle)
{
    cv__mailbox_unref(handle->data);
}

void cv__mailbox_close(cv__mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    bool was_open = mailbox->state == OPEN;
    mailbox->state = CLOSED;
    pthread_mutex_unlock(&mailbox->mutex);
    cv_link messages, *first;
    take_all(mailbox, &messages);
    while ((first = cv_list_pop_front(&messages)))
        lose(cv_list_entry(first, cv__message, link), CV_E_CLOSED);
    if (was_open)
        uv_close((uv_handle_t *)&mailbox->async, on_closed);
}

/* ---- sending ---- */

void cv__post(cv__mailbox *mailbox, cv__message *message)
{
    pthread_mutex_lock(&mailbox->mutex);
    bool closed = mailbox->state == CLOSED;
    if (!closed)
        cv_list_push_back(&mailbox->queue, &message->link);
    if (mailbox->state == OPEN)
        uv_async_send(&mailbox->async);
    pthread_mutex_unlock(&mailbox->mutex);
    if (closed)
        lose(message, CV_E_CLOSED);
}
