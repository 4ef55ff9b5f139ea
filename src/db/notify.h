/* Subscriptions to notifications, between the public calls (notify.c) and the driver that fills them. */
#ifndef COVET_SRC_DB_NOTIFY_H
#define COVET_SRC_DB_NOTIFY_H

#include "rt/wait.h"
#include <covet/list.h>
#include <covet/notify.h>

struct cv__notify_driver;

/** A notification that several queues hold. */
typedef struct cv__notice {
    unsigned refs;
    int sender;
    size_t len;
    char payload[];
} cv__notice;

/** A message with one reference, the caller's, or NULL without memory. The payload is copied. */
cv__notice *cv__notice_new(int sender, cv_str payload);

/** One holder less; the last one frees it. NULL is allowed. */
void cv__notice_release(cv__notice *message);

/* What was missed before a message, or at the end of the queue. */
typedef struct cv__gap {
    bool reconnected;
    uint64_t dropped;
} cv__gap;

typedef struct cv__queued {
    cv__notice *message;
    cv__gap before;
} cv__queued;

struct cv_subscription {
    /* for the driver, who has it from listen to unlisten or cv__subscription_close: */
    cv_link link;
    void *channel;
    cv__waiter *starter; /* the fiber that waits in listen, or NULL */
    bool started;        /* the server has said that it listens */
    char name[CV_NOTIFY_CHANNEL_MAX_BYTES + 1];
    /* for notify.c: */
    const struct cv__notify_driver *driver;
    void *shared;        /* the database's, until it is closed */
    bool closed;         /* by the database: nothing comes any more */
    bool ended;          /* by cv_listen_end, while somebody waits, who frees it */
    bool waiting;        /* a fiber is in cv_notification_next */
    cv__waiter *reader;  /* it, until it is woken */
    cv__notice *current; /* handed out last */
    cv__queued *queue;   /* a ring */
    size_t capacity, first, count, max;
    cv__gap gap; /* behind the last of the queue */
};

/** Add a message to the queue, or count it as dropped when it is full. */
void cv__subscription_push(cv_subscription *subscription, cv__notice *message);

/** Count a message that there was no memory for. */
void cv__subscription_dropped(cv_subscription *subscription);

/** The connection was lost since the last message: what comes next begins anew. */
void cv__subscription_reconnected(cv_subscription *subscription);

/** The database is being closed, and the driver knows the subscription no more: tell whoever waits. */
void cv__subscription_close(cv_subscription *subscription);

#endif
