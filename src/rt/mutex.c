#include "rt/rt.h"
#include "rt/sync.h"

void cv_mutex_init(cv_mutex *mutex)
{
    mutex->owner = NULL;
    cv_list_init(&mutex->waiters);
}

void cv_mutex_done(cv_mutex *mutex)
{
    cv__queue_done(&mutex->waiters, "mutex");
}

/* Who holds a mutex: a fiber, or the main context in its stead. */
static void *holder_of(cv_ctx *cx)
{
    return cx->runtime ? (void *)cv__self(cx) : (void *)cx;
}

bool cv_mutex_try_lock(cv_ctx *cx, cv_mutex *mutex)
{
    if (mutex->owner)
        return false;
    mutex->owner = holder_of(cx);
    return true;
}

int cv_mutex_lock(cv_ctx *cx, cv_mutex *mutex)
{
    CV_TRY(cv__wait_check(cx, "lock the mutex"));
    if (cv_mutex_try_lock(cx, mutex))
        return 0;
    if (mutex->owner == holder_of(cx))
        return cv_fail(cx, CV_E_DEADLOCK_SELF, "cannot lock the mutex: \"%s\" holds it already", cv_fiber_name(cx));
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    return cv__queue_wait(cx, &mutex->waiters, "lock the mutex", &waiter);
}

int cv__mutex_relock(cv_ctx *cx, cv_mutex *mutex)
{
    if (cv_mutex_try_lock(cx, mutex))
        return 0;
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "lock the mutex again";
    cv_list_push_back(&mutex->waiters, &waiter.link);
    return cv__wait_uninterruptible(cx, &waiter);
}

void cv_mutex_unlock(cv_ctx *cx, cv_mutex *mutex)
{
    if (mutex->owner != holder_of(cx))
        cv__die("\"%s\" unlocked a mutex that it does not hold", cv_fiber_name(cx));
    mutex->owner = NULL;
    if (cv_list_is_empty(&mutex->waiters))
        return;
    cv__waiter *first = cv_list_entry(mutex->waiters.next, cv__waiter, link);
    mutex->owner = holder_of(first->cx);
    cv__wake(first, 0);
}
