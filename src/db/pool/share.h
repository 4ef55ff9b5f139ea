/* What the pools of several workers share: the places of a process, and connections that one hands over to another.
 *
 * The pools of one role in all databases that were opened with the same cv_db_share form a group. A place belongs to
 * the pool that took it, as long as its connection is open or under way there; so a pool that lends and takes back its
 * own connections touches nothing that is shared but one counter, without a lock.
 *
 *     CONTENT --no place is free--> HUNGRY (in the group's line) --somebody grants--> GRANTED --it arrives--> CONTENT
 *                                      |                                                                        ^
 *                                      +--nobody waits in this pool any more------------------------------------+
 *
 * A hungry pool asks all others once. A grant is a place, with the connection in it when there was one, as a message
 * (rt/mailbox.h) to the pool that has waited longest; it is made by whoever closes a connection, is asked and has an
 * idle one, or gets one back. Each pool has one message of each kind, so that nothing is allocated. Invariants:
 *   1. used = sum of held <= limit (unless the limit became smaller); used < limit only while nobody is hungry
 *   2. messages are posted under the mutex, to members only: none comes after a pool has left
 *   3. who is GRANTED is not in line, and asks for nothing until the grant has arrived
 * Lock order: the share's mutex, then a mailbox's. */
#ifndef COVET_SRC_DB_POOL_SHARE_H
#define COVET_SRC_DB_POOL_SHARE_H

#include "db/db_driver.h"
#include "rt/mailbox.h"
#include <stdatomic.h>

struct cv__pool;

typedef struct cv__share_group {
    struct cv_db_share *share;
    /* under the mutex of the share: */
    size_t max, reserved; /* the limit is what is left of max */
    size_t used;
    cv_link members;
    cv_link hungry;             /* of the members in line */
    atomic_size_t hungry_count; /* written under the mutex, read without */
} cv__share_group;

/* A pool in its group; part of the pool. */
typedef struct cv__share_member {
    cv__share_group *group; /* NULL: the pool is on its own */
    cv__mailbox *mailbox;
    bool wants; /* HUNGRY or GRANTED; of the pool's thread */
    /* under the mutex: */
    cv_link link, hungry_link;
    int64_t since_ns; /* since when its first waiter waits */
    size_t held, reserved;
    bool asked;
    cv__message ask, grant;
    cv__conn *granted; /* NULL: a place alone */
} cv__share_member;

/** Make the pool a member of its role's group. `max` is the limit of the process, of which `reserved` places are used
 *  by the pool's database beside the pool. CV_E_NOMEM, CV_E_SYSTEM. Does not suspend. */
CV_CHECKED int cv__share_join(cv_ctx *cx, struct cv__pool *pool, struct cv_db_share *share, size_t max,
                              size_t reserved);
/** Leave it; the pool holds no place any more. */
void cv__share_leave(struct cv__pool *pool);

/** Take a place. False when none is free: with `urgent` the pool is hungry then, and will be granted one. */
bool cv__share_take(struct cv__pool *pool, bool urgent);
/** Give a place back: to the group, or to the first that is hungry. */
void cv__share_give(struct cv__pool *pool);

/** Whether somebody else may be hungry: to be asked before a connection becomes idle here or goes to a waiter. */
static inline bool cv__share_is_wanted(const cv__share_member *member)
{
    return member->group && atomic_load_explicit(&member->group->hungry_count, memory_order_relaxed) > 0;
}
/** Hand a connection, in no list, over to a pool that has waited for longer than the own waiters. False: it stays. */
bool cv__share_hand_over(struct cv__pool *pool, cv__conn *conn);
/** Nobody waits here any more. */
void cv__share_content(struct cv__pool *pool);

#endif
