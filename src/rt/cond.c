#include "rt/sync.h"

void cv_cond_init(cv_cond *cond)
{
    cv_list_init(&cond->waiters);
}

void cv_cond_done(cv_cond *cond)
{
    cv__queue_done(&cond->waiters, "condition");
}

int cv_cond_wait(cv_ctx *cx, cv_cond *cond, cv_mutex *mutex)
{
    CV_TRY(cv__wait_check(cx, "wait for the condition"));
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    if (mutex)
        cv_mutex_unlock(cx, mutex);
    int rc = cv__queue_wait(cx, &cond->waiters, "wait for the condition", &waiter);
    if (!mutex)
        return rc;
    int locked = cv__mutex_relock(cx, mutex);
    return rc < 0 ? rc : locked;
}

void cv_cond_signal(cv_cond *cond)
{
    (void)cv__queue_wake_first(&cond->waiters);
}

void cv_cond_broadcast(cv_cond *cond)
{
    cv__queue_wake_all(&cond->waiters, 0);
}
