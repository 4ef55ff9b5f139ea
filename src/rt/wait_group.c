#include "rt/rt.h"
#include "rt/sync.h"

void cv_wait_group_init(cv_wait_group *group)
{
    group->pending = 0;
    cv_list_init(&group->waiters);
}

void cv_wait_group_done(cv_wait_group *group)
{
    cv__queue_done(&group->waiters, "wait group");
}

void cv_wait_group_add(cv_wait_group *group, size_t count)
{
    group->pending += count;
}

void cv_wait_group_finish(cv_wait_group *group)
{
    if (group->pending == 0)
        cv__die("a wait group was told that more is finished than was added");
    if (--group->pending == 0)
        cv__queue_wake_all(&group->waiters, 0);
}

int cv_wait_group_wait(cv_ctx *cx, cv_wait_group *group)
{
    CV_TRY(cv__wait_check(cx, "wait for the group"));
    if (group->pending == 0)
        return 0;
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    return cv__queue_wait(cx, &group->waiters, "wait for the group", &waiter);
}
