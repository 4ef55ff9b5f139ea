#include "rt/sync.h"

#include "rt/rt.h"

int cv__queue_wait(cv_ctx *cx, cv_link *queue, const char *what, cv__waiter *waiter)
{
    waiter->what = what;
    cv_list_push_back(queue, &waiter->link);
    return cv__wait(cx, waiter);
}

bool cv__queue_wake_first(cv_link *queue)
{
    if (cv_list_is_empty(queue))
        return false;
    cv__wake(cv_list_entry(queue->next, cv__waiter, link), 0);
    return true;
}

void cv__queue_wake_all(cv_link *queue, int result)
{
    while (!cv_list_is_empty(queue))
        cv__wake(cv_list_entry(queue->next, cv__waiter, link), result);
}

void cv__queue_done(cv_link *queue, const char *object)
{
    if (!cv_list_is_empty(queue))
        cv__die("a %s cannot be destroyed while somebody waits for it", object);
}
