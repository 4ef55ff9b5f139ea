/* Invariants: a receiver waits only while the channel is empty and no sender waits; a sender waits only while the
 * channel is full. A waiting sender's item is in its waiter's data; a waiting receiver gets its item there. */
#include "rt/sync.h"

#include <stdlib.h>

struct cv_channel {
    size_t capacity, first, count;
    bool closed;
    cv_link senders, receivers;
    void *items[];
};

cv_channel *cv_channel_new(size_t capacity)
{
    if (capacity > (SIZE_MAX - sizeof(cv_channel)) / sizeof(void *))
        return NULL;
    cv_channel *channel = calloc(1, sizeof *channel + capacity * sizeof(void *));
    if (!channel)
        return NULL;
    channel->capacity = capacity;
    cv_list_init(&channel->senders);
    cv_list_init(&channel->receivers);
    return channel;
}

void cv_channel_free(cv_channel *channel)
{
    if (!channel)
        return;
    cv__queue_done(&channel->senders, "channel");
    cv__queue_done(&channel->receivers, "channel");
    free(channel);
}

static void push(cv_channel *channel, void *item)
{
    size_t at = channel->first + channel->count++;
    channel->items[at < channel->capacity ? at : at - channel->capacity] = item;
}

static void *pop(cv_channel *channel)
{
    void *item = channel->items[channel->first];
    channel->first = channel->first + 1 == channel->capacity ? 0 : channel->first + 1;
    channel->count--;
    return item;
}

static cv__waiter *first_of(cv_link *queue)
{
    return cv_list_is_empty(queue) ? NULL : cv_list_entry(queue->next, cv__waiter, link);
}

int cv_channel_try_send(cv_channel *channel, void *item)
{
    if (channel->closed)
        return CV_E_CLOSED;
    cv__waiter *receiver = first_of(&channel->receivers);
    if (receiver) {
        receiver->data = item;
        cv__wake(receiver, 0);
        return 0;
    }
    if (channel->count == channel->capacity)
        return CV_E_BUSY;
    push(channel, item);
    return 0;
}

/* Take the first waiting sender's item and let the sender go on. */
static void *relieve(cv__waiter *sender)
{
    void *item = sender->data;
    cv__wake(sender, 0);
    return item;
}

int cv_channel_try_receive(cv_channel *channel, void **ret_item)
{
    cv__waiter *sender = first_of(&channel->senders);
    if (channel->count > 0) {
        *ret_item = pop(channel);
        if (sender)
            push(channel, relieve(sender));
        return 0;
    }
    if (sender) {
        *ret_item = relieve(sender);
        return 0;
    }
    return channel->closed ? CV_E_CLOSED : CV_E_BUSY;
}

static int fail_closed(cv_ctx *cx, const char *what)
{
    return cv_fail(cx, CV_E_CLOSED, "cannot %s: the channel is closed", what);
}

int cv_channel_send(cv_ctx *cx, cv_channel *channel, void *item)
{
    static const char what[] = "send to the channel";
    CV_TRY(cv__wait_check(cx, what));
    int rc = cv_channel_try_send(channel, item);
    if (rc == CV_E_BUSY) {
        cv__waiter waiter;
        cv__waiter_init(cx, &waiter);
        waiter.data = item;
        rc = cv__queue_wait(cx, &channel->senders, what, &waiter);
    }
    return rc == CV_E_CLOSED ? fail_closed(cx, what) : rc;
}

int cv_channel_receive(cv_ctx *cx, cv_channel *channel, void **ret_item)
{
    static const char what[] = "receive from the channel";
    CV_TRY(cv__wait_check(cx, what));
    int rc = cv_channel_try_receive(channel, ret_item);
    if (rc == CV_E_BUSY) {
        cv__waiter waiter;
        cv__waiter_init(cx, &waiter);
        rc = cv__queue_wait(cx, &channel->receivers, what, &waiter);
        if (rc == 0)
            *ret_item = waiter.data;
    }
    return rc == CV_E_CLOSED ? fail_closed(cx, what) : rc;
}

void cv_channel_close(cv_channel *channel)
{
    channel->closed = true;
    cv__queue_wake_all(&channel->senders, CV_E_CLOSED);
    cv__queue_wake_all(&channel->receivers, CV_E_CLOSED);
}

size_t cv_channel_length(const cv_channel *channel)
{
    return channel->count;
}
