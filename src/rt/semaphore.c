/* Invariant: while there is a permit, nobody waits. */
#include "rt/sync.h"

void cv_semaphore_init(cv_semaphore *semaphore, size_t permits)
{
    semaphore->permits = permits;
    cv_list_init(&semaphore->waiters);
}

void cv_semaphore_done(cv_semaphore *semaphore)
{
    cv__queue_done(&semaphore->waiters, "semaphore");
}

bool cv_semaphore_try_acquire(cv_semaphore *semaphore)
{
    if (semaphore->permits == 0)
        return false;
    semaphore->permits--;
    return true;
}

int cv_semaphore_acquire(cv_ctx *cx, cv_semaphore *semaphore)
{
    CV_TRY(cv__wait_check(cx, "acquire the semaphore"));
    if (cv_semaphore_try_acquire(semaphore))
        return 0;
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    return cv__queue_wait(cx, &semaphore->waiters, "acquire the semaphore", &waiter);
}

void cv_semaphore_release(cv_semaphore *semaphore)
{
    if (!cv__queue_wake_first(&semaphore->waiters))
        semaphore->permits++;
}
