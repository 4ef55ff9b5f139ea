/* Synchronisation between fibers of one runtime: mutex, condition, semaphore, channel, wait group.
 *
 * All waiting is first in, first out, bounded by the context's deadline, and a cancellation point; a waiter that leaves
 * early loses nothing for the others. All objects live in place (in a struct or on the stack), belong to one runtime
 * and must not be destroyed while somebody waits (the _done functions abort then, naming the object). Calls that wait
 * fail with CV_E_TIMEOUT, CV_E_CANCELLED or CV_E_CONTEXT, in the main context also with CV_E_DEADLOCK_SELF when nothing
 * is left that could end the wait; those that do not wait cannot fail. */
#ifndef COVET_SYNC_H
#define COVET_SYNC_H

#include <covet/ctx.h>
#include <covet/list.h>

CV_BEGIN_DECLS

/** A mutex. Not recursive: locking what the same fiber holds is CV_E_DEADLOCK_SELF. Unlocking hands over to the first
 *  waiter. */
typedef struct cv_mutex {
    void *owner;
    cv_link waiters;
} cv_mutex;

CV_API void cv_mutex_init(cv_mutex *mutex);
CV_API void cv_mutex_done(cv_mutex *mutex);
/** Suspends while another fiber holds it. */
CV_API CV_CHECKED int cv_mutex_lock(cv_ctx *cx, cv_mutex *mutex);
CV_API CV_CHECKED bool cv_mutex_try_lock(cv_ctx *cx, cv_mutex *mutex);
/** Only the holder may unlock (aborts otherwise). */
CV_API void cv_mutex_unlock(cv_ctx *cx, cv_mutex *mutex);

/** A condition. A waiter wakes by signal, broadcast, deadline or cancellation; it never wakes without a reason, but
 * what it waits for may be gone again: wait in a loop. */
typedef struct cv_cond {
    cv_link waiters;
} cv_cond;

CV_API void cv_cond_init(cv_cond *cond);
CV_API void cv_cond_done(cv_cond *cond);
/** Unlock `mutex` (may be NULL: fibers do not run at the same time), wait, lock it again. The mutex is held again after
 * an error, too. Suspends. */
CV_API CV_CHECKED int cv_cond_wait(cv_ctx *cx, cv_cond *cond, cv_mutex *mutex);
CV_API void cv_cond_signal(cv_cond *cond);
CV_API void cv_cond_broadcast(cv_cond *cond);

/** A counting semaphore. A released permit goes to the first waiter; nobody overtakes. */
typedef struct cv_semaphore {
    size_t permits;
    cv_link waiters;
} cv_semaphore;

CV_API void cv_semaphore_init(cv_semaphore *semaphore, size_t permits);
CV_API void cv_semaphore_done(cv_semaphore *semaphore);
/** Suspends while there is no permit. */
CV_API CV_CHECKED int cv_semaphore_acquire(cv_ctx *cx, cv_semaphore *semaphore);
CV_API CV_CHECKED bool cv_semaphore_try_acquire(cv_semaphore *semaphore);
CV_API void cv_semaphore_release(cv_semaphore *semaphore);

/** A bounded queue of pointers. Capacity 0: a sender waits until a receiver takes the item. */
typedef struct cv_channel cv_channel;

/** NULL without memory. Free with cv_channel_free when nobody waits (NULL allowed); items left in it are not touched.
 */
CV_API cv_channel *cv_channel_new(size_t capacity);
CV_API void cv_channel_free(cv_channel *channel);
/** Suspends while the channel is full. CV_E_CLOSED after cv_channel_close. */
CV_API CV_CHECKED int cv_channel_send(cv_ctx *cx, cv_channel *channel, void *item);
/** Suspends while it is empty. CV_E_CLOSED when it is closed and everything sent was received. */
CV_API CV_CHECKED int cv_channel_receive(cv_ctx *cx, cv_channel *channel, void **ret_item);
/** Without waiting: CV_E_BUSY when full or empty. No story. */
CV_API CV_CHECKED int cv_channel_try_send(cv_channel *channel, void *item);
CV_API CV_CHECKED int cv_channel_try_receive(cv_channel *channel, void **ret_item);
/** No further sends; waiting senders fail, receivers get what is left. Idempotent. */
CV_API void cv_channel_close(cv_channel *channel);
CV_API size_t cv_channel_length(const cv_channel *channel);

/** Wait until a number of things are done. */
typedef struct cv_wait_group {
    size_t pending;
    cv_link waiters;
} cv_wait_group;

CV_API void cv_wait_group_init(cv_wait_group *group);
CV_API void cv_wait_group_done(cv_wait_group *group);
CV_API void cv_wait_group_add(cv_wait_group *group, size_t count);
/** One thing is finished (aborts when none is pending). */
CV_API void cv_wait_group_finish(cv_wait_group *group);
/** Suspends until nothing is pending. */
CV_API CV_CHECKED int cv_wait_group_wait(cv_ctx *cx, cv_wait_group *group);

CV_END_DECLS

#endif
