#include "db/pool/share.h"

#include "db/pool/pool.h"
#include <covet/pool.h>
#include <pthread.h>
#include <stdlib.h>

struct cv_db_share {
    pthread_mutex_t mutex;
    atomic_int references;
    cv__share_group groups[2]; /* by role */
};

/* ---- life ---- */

int cv_db_share_new(cv_ctx *cx, cv_db_share **ret_share)
{
    cv_db_share *share = calloc(1, sizeof *share);
    if (!share || pthread_mutex_init(&share->mutex, NULL) != 0) {
        free(share);
        return cv_fail(cx, CV_E_NOMEM, "could not share connections: out of memory");
    }
    atomic_init(&share->references, 1);
    for (size_t i = 0; i < 2; i++) {
        share->groups[i].share = share;
        cv_list_init(&share->groups[i].members);
        cv_list_init(&share->groups[i].hungry);
        atomic_init(&share->groups[i].hungry_count, 0);
    }
    *ret_share = share;
    return 0;
}

void cv_db_share_free(cv_db_share *share)
{
    if (!share || atomic_fetch_sub(&share->references, 1) > 1)
        return;
    pthread_mutex_destroy(&share->mutex);
    free(share);
}

size_t cv_db_share_used(cv_db_share *share, int writer)
{
    cv__share_group *group = &share->groups[writer ? CV__WRITER : CV__READER];
    pthread_mutex_lock(&share->mutex);
    size_t used = group->used;
    pthread_mutex_unlock(&share->mutex);
    return used;
}

/* ---- the line; all under the mutex ---- */

static size_t limit_of(const cv__share_group *group)
{
    return group->max > group->reserved + 1 ? group->max - group->reserved : 1;
}

static bool is_hungry(const cv__share_member *member)
{
    return cv_list_is_linked(&member->hungry_link);
}

static void count_hungry(cv__share_group *group, size_t change)
{
    size_t count = atomic_load_explicit(&group->hungry_count, memory_order_relaxed);
    atomic_store_explicit(&group->hungry_count, count + change, memory_order_relaxed);
}

static void join_line(cv__share_member *member, int64_t since_ns)
{
    member->since_ns = since_ns;
    if (is_hungry(member))
        return;
    cv_list_push_back(&member->group->hungry, &member->hungry_link);
    count_hungry(member->group, 1);
}

static void leave_line(cv__share_member *member)
{
    if (!is_hungry(member))
        return;
    cv_list_remove(&member->hungry_link);
    count_hungry(member->group, (size_t)-1);
}

/* Who has waited longest, but `except`; NULL when nobody has. */
static cv__share_member *longest_in_line(const cv__share_group *group, const cv__share_member *except)
{
    cv__share_member *longest = NULL;
    cv_list_each (at, &group->hungry) {
        cv__share_member *member = cv_list_entry(at, cv__share_member, hungry_link);
        if (member != except && (!longest || member->since_ns < longest->since_ns))
            longest = member;
    }
    return longest;
}

/* The place goes from one to the other, who is not in line any more. */
static void grant(cv__share_member *from, cv__share_member *to, cv__conn *conn)
{
    leave_line(to);
    from->held--;
    to->held++;
    to->granted = conn;
    cv__post(to->mailbox, &to->grant);
}

static void ask_others(cv__share_member *self)
{
    cv_list_each (at, &self->group->members) {
        cv__share_member *member = cv_list_entry(at, cv__share_member, link);
        if (member == self || member->held == 0 || member->asked)
            continue;
        member->asked = true;
        cv__post(member->mailbox, &member->ask);
    }
}

/* ---- places ---- */

bool cv__share_take(cv__pool *pool, bool urgent)
{
    cv__share_member *self = &pool->member;
    cv__share_group *group = self->group;
    if (self->wants)
        return false;
    pthread_mutex_lock(&group->share->mutex);
    bool taken = group->used < limit_of(group);
    if (taken) {
        group->used++;
        self->held++;
    } else if (urgent) {
        self->wants = true;
        join_line(self, cv__pool_first_since_ns(pool));
        ask_others(self);
    }
    pthread_mutex_unlock(&group->share->mutex);
    return taken;
}

void cv__share_give(cv__pool *pool)
{
    cv__share_member *self = &pool->member;
    cv__share_group *group = self->group;
    pthread_mutex_lock(&group->share->mutex);
    cv__share_member *next = group->used <= limit_of(group) ? longest_in_line(group, NULL) : NULL;
    if (next) {
        grant(self, next, NULL);
    } else {
        self->held--;
        group->used--;
    }
    pthread_mutex_unlock(&group->share->mutex);
}

void cv__share_content(cv__pool *pool)
{
    cv__share_member *self = &pool->member;
    pthread_mutex_lock(&self->group->share->mutex);
    if (is_hungry(self))
        self->wants = false; /* otherwise the grant is under way */
    leave_line(self);
    pthread_mutex_unlock(&self->group->share->mutex);
}

/* ---- handing over ---- */

/* The connection leaves this pool while nobody else can see it. */
static void detach(cv__pool *pool, cv__conn *conn)
{
    pool->driver->detach(conn);
    cv__pool_forget(pool, conn);
}

bool cv__share_hand_over(cv__pool *pool, cv__conn *conn)
{
    cv__share_member *self = &pool->member;
    pthread_mutex_t *mutex = &self->group->share->mutex;
    pthread_mutex_lock(mutex);
    cv__share_member *next = longest_in_line(self->group, self);
    if (next && pool->waiting > 0 && cv__pool_first_since_ns(pool) <= next->since_ns)
        next = NULL;
    if (next) {
        detach(pool, conn);
        grant(self, next, conn);
    }
    pthread_mutex_unlock(mutex);
    return next != NULL;
}

/* Somebody is hungry: what is idle here goes there, the least recently used first. */
static void on_ask(cv_ctx *main, cv__message *message)
{
    (void)main;
    cv__share_member *self = cv_list_entry(message, cv__share_member, ask);
    cv__pool *pool = cv_list_entry(self, cv__pool, member);
    pthread_mutex_lock(&self->group->share->mutex);
    self->asked = false;
    pthread_mutex_unlock(&self->group->share->mutex);
    cv__conn *conn;
    while ((conn = cv__pool_last_idle(pool)) != NULL && cv__share_hand_over(pool, conn)) {
    }
}

static void on_ask_lost(cv__message *message, int code)
{
    (void)message;
    (void)code;
}

/* The main context may wait in a call of its own: its pending error is not ours. */
static int attach(cv__pool *pool, cv__conn *conn)
{
    cv_error *pending = cv_error_take(pool->main);
    int rc = pool->driver->attach(pool->main, pool->shared, conn);
    if (rc < 0)
        cv_error_clear(pool->main);
    cv_error_put_back(pool->main, pending);
    return rc;
}

static void on_grant(cv_ctx *main, cv__message *message)
{
    (void)main;
    cv__share_member *self = cv_list_entry(message, cv__share_member, grant);
    cv__pool *pool = cv_list_entry(self, cv__pool, member);
    cv__conn *conn = self->granted;
    self->granted = NULL;
    self->wants = false;
    if (conn && attach(pool, conn) < 0) {
        cv__pool_disconnect(pool, conn);
        conn = NULL;
    }
    cv__pool_receive(pool, conn);
}

/* The pool has left: nobody else will free what was on its way. */
static void on_grant_lost(cv__message *message, int code)
{
    (void)code;
    cv__share_member *self = cv_list_entry(message, cv__share_member, grant);
    cv__pool *pool = cv_list_entry(self, cv__pool, member);
    if (self->granted)
        cv__pool_disconnect(pool, self->granted);
    self->granted = NULL;
    cv__share_give(pool);
}

/* ---- joining and leaving ---- */

int cv__share_join(cv_ctx *cx, cv__pool *pool, cv_db_share *share, size_t max, size_t reserved)
{
    cv__share_member *self = &pool->member;
    cv__mailbox *mailbox = cv__mailbox_new();
    if (!mailbox)
        return cv_fail(cx, CV_E_NOMEM, "could not share connections: out of memory");
    int rc = cv__mailbox_open(cx, mailbox);
    if (rc < 0) {
        cv__mailbox_unref(mailbox);
        return rc;
    }
    cv__mailbox_expect(mailbox, false);
    *self = (cv__share_member){.group = &share->groups[pool->role], .mailbox = mailbox, .reserved = reserved};
    self->ask = (cv__message){.arrive = on_ask, .lost = on_ask_lost};
    self->grant = (cv__message){.arrive = on_grant, .lost = on_grant_lost};
    cv_list_init(&self->hungry_link);
    atomic_fetch_add(&share->references, 1);
    pthread_mutex_lock(&share->mutex);
    if (cv_list_is_empty(&self->group->members))
        self->group->max = max;
    self->group->reserved += reserved;
    cv_list_push_back(&self->group->members, &self->link);
    pthread_mutex_unlock(&share->mutex);
    return 0;
}

void cv__share_leave(cv__pool *pool)
{
    cv__share_member *self = &pool->member;
    cv_db_share *share = self->group->share;
    pthread_mutex_lock(&share->mutex);
    leave_line(self);
    cv_list_remove(&self->link);
    self->group->reserved -= self->reserved;
    pthread_mutex_unlock(&share->mutex);
    cv__mailbox_close(self->mailbox);
    cv__mailbox_unref(self->mailbox);
    self->group = NULL;
    cv_db_share_free(share);
}
