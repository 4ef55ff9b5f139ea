/* Functions to be called at the end of a transaction. Records are on the heap: a scope inside the block may release
 * memory of the context, and a hook outlives it. */
#include "db/db.h"

#include "base/ctx.h"
#include <stdlib.h>

enum { MAX_HOOKS = 10000 };

typedef enum hook_kind { BEFORE_COMMIT, AFTER_COMMIT, AFTER_COMMIT_ROBUST, AFTER_ROLLBACK } hook_kind;

typedef struct hook {
    cv_link link;
    hook_kind kind;
    cv_tx_hook_fn *fn;
    void *arg;
} hook;

static hook *of_link(cv_link *link)
{
    return cv_list_entry(link, hook, link);
}

static int add(cv_ctx *cx, hook_kind kind, cv_tx_hook_fn *fn, void *arg)
{
    if (!cx->tx)
        return cv_fail(cx, CV_E_NO_TRANSACTION, "cannot add a hook: no atomic block is open");
    struct cv_tx *root = cx->tx->root;
    if (root->hook_count >= MAX_HOOKS)
        return cv_fail(cx, CV_E_LIMIT, "cannot add a hook: the transaction has %zu of them", root->hook_count);
    hook *made = malloc(sizeof *made);
    if (!made)
        return cv_fail(cx, CV_E_NOMEM, "could not add a hook: out of memory");
    *made = (hook){.kind = kind, .fn = fn, .arg = arg};
    cv_list_push_back(kind == BEFORE_COMMIT ? &cx->tx->before : &cx->tx->hooks, &made->link);
    root->hook_count++;
    return 0;
}

int cv_before_commit(cv_ctx *cx, cv_tx_hook_fn *fn, void *arg)
{
    return add(cx, BEFORE_COMMIT, fn, arg);
}

int cv_after_rollback(cv_ctx *cx, cv_tx_hook_fn *fn, void *arg)
{
    return add(cx, AFTER_ROLLBACK, fn, arg);
}

/* The error of a hook that must not disturb. */
static void log_failure(cv_ctx *cx, const char *event)
{
    cv_log_error(cx->log, CV_LOG_ERROR, event, cv_error_last(cx));
    cv_error_clear(cx);
}

/* Call it beside an error that may be pending, and a mark that the block has left. */
static void call_robustly(cv_ctx *cx, cv_tx_hook_fn *fn, void *arg, const char *event)
{
    bool marked = cx->tx_marked;
    cv_error *first = cv_error_take(cx);
    if (fn(cx, arg) < 0)
        log_failure(cx, event);
    cv_error_put_back(cx, first);
    cx->tx_marked = marked;
}

int cv_after_commit(cv_ctx *cx, cv_tx_hook_fn *fn, void *arg)
{
    return cx->tx ? add(cx, AFTER_COMMIT, fn, arg) : fn(cx, arg);
}

int cv_after_commit_robust(cv_ctx *cx, cv_tx_hook_fn *fn, void *arg)
{
    if (cx->tx)
        return add(cx, AFTER_COMMIT_ROBUST, fn, arg);
    call_robustly(cx, fn, arg, "hook after commit failed");
    return 0;
}

int cv__hooks_before_commit(cv_ctx *cx, struct cv_tx *root)
{
    cv_link *link;
    while ((link = cv_list_pop_front(&root->before)) != NULL) {
        hook now = *of_link(link);
        free(of_link(link));
        CV_TRY(now.fn(cx, now.arg));
    }
    return 0;
}

void cv__hooks_hand_up(struct cv_tx *inner)
{
    cv__list_move_all(&inner->before, &inner->outer->before);
    cv__list_move_all(&inner->hooks, &inner->outer->hooks);
}

void cv__hooks_collect(cv_link *hooks, cv_link *ret_collected)
{
    cv_list_each (at, hooks) {
        if (of_link(at)->kind == AFTER_ROLLBACK)
            continue;
        cv_list_remove(at);
        cv_list_push_back(ret_collected, at);
    }
}

bool cv__hooks_wait_for_commit(const struct cv_tx *root)
{
    cv_list_each (at, &root->hooks) {
        if (of_link(at)->kind != AFTER_ROLLBACK)
            return true;
    }
    return false;
}

void cv__hooks_drop(cv_link *hooks)
{
    cv_link *link;
    while ((link = cv_list_pop_front(hooks)) != NULL)
        free(of_link(link));
}

/* The failure of a hook after the commit: whoever gets it must know that the data are stored. */
static int fail_after_commit(cv_ctx *cx, int code)
{
    return cv_fail(cx, code, "the transaction is committed, but a hook after it failed");
}

int cv__hooks_after_commit(cv_ctx *cx, cv_link *hooks)
{
    cv_link *link;
    int rc = 0;
    while (rc == 0 && (link = cv_list_pop_front(hooks)) != NULL) {
        hook now = *of_link(link);
        free(of_link(link));
        if (now.kind == AFTER_COMMIT)
            rc = now.fn(cx, now.arg);
        else if (now.kind == AFTER_COMMIT_ROBUST)
            call_robustly(cx, now.fn, now.arg, "hook after commit failed");
    }
    cv__hooks_drop(hooks);
    return rc < 0 ? fail_after_commit(cx, rc) : 0;
}

void cv__hooks_after_rollback(cv_ctx *cx, cv_link *hooks)
{
    while (!cv_list_is_empty(hooks)) {
        hook *newest = of_link(hooks->prev);
        hook now = *newest;
        cv_list_remove(&newest->link);
        free(newest);
        if (now.kind == AFTER_ROLLBACK)
            call_robustly(cx, now.fn, now.arg, "hook after rollback failed");
    }
}
