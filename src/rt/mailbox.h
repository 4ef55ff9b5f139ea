/* Mailboxes: how one thread hands something to the runtime of another.
 *
 *     static void on_hello(cv_ctx *main, cv__message *message);    -- in a callback of the receiver's loop
 *     static int do_hello(cv_ctx *cx, cv__message *message);       -- or in a fiber of the receiver
 *
 *     cv__post(mailbox, message);                                  -- from any thread
 *
 * Messages are part of a larger object of the sender's and are not allocated. A message belongs to the mailbox from
 * cv__post until one of its functions is called, exactly once: on the receiver's thread when it arrives; `lost`, on
 * whatever thread finds out, when it never will. They arrive in the order posted; fibers begin in that order. */
#ifndef COVET_SRC_RT_MAILBOX_H
#define COVET_SRC_RT_MAILBOX_H

#include <covet/ctx.h>
#include <covet/list.h>

typedef struct cv__mailbox cv__mailbox;
typedef struct cv__message cv__message;

struct cv__message {
    cv_link link;
    /** With `fiber` (a static name) `run` is called in a new fiber of that name, otherwise `arrive` in the callback. */
    const char *fiber;
    int (*run)(cv_ctx *cx, cv__message *message);
    void (*arrive)(cv_ctx *main, cv__message *message);
    /** The mailbox was closed, or no fiber could be had. Must not suspend. May be NULL. */
    void (*lost)(cv__message *message, int code);
};

/** Make a mailbox, on any thread; what is posted before it is opened is kept. NULL without memory. */
cv__mailbox *cv__mailbox_new(void);

/** Begin to receive: on the receiver's thread, once. While open it keeps the loop alive (see cv__mailbox_expect).
 *  CV_E_SYSTEM, CV_E_NOMEM. */
CV_CHECKED int cv__mailbox_open(cv_ctx *cx, cv__mailbox *mailbox);

/** Whether an open mailbox keeps the loop of its runtime alive: it does from the start; off while nothing is expected,
 * so that a wait that nothing can end is noticed. Pairs nest. On the receiver's thread. */
void cv__mailbox_expect(cv__mailbox *mailbox, bool expected);

/** Receive no more, on the receiver's thread: what is under way and what comes later is lost. Only once; also for a
 *  mailbox that was not opened. */
void cv__mailbox_close(cv__mailbox *mailbox);

/** Senders on other threads hold a reference each. The last one frees. NULL is allowed. */
cv__mailbox *cv__mailbox_ref(cv__mailbox *mailbox);
void cv__mailbox_unref(cv__mailbox *mailbox);

/** Hand over a message, from any thread. Does not suspend. */
void cv__post(cv__mailbox *mailbox, cv__message *message);

#endif
