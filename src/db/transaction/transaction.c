/* Atomic blocks. States of struct cv__atomic: BEFORE the block, OPEN while its body runs, OVER. */
#include "db/db.h"

#include "base/ctx.h"
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <stdlib.h>

enum { BEFORE, OPEN, OVER };

static const cv_tx_options no_options;

bool cv_in_transaction(const cv_ctx *cx)
{
    return cx->tx != NULL;
}

int cv_rollback(cv_ctx *cx)
{
    if (!cx->tx)
        return cv_fail(cx, CV_E_NO_TRANSACTION, "cannot roll back: no atomic block is open");
    cx->tx->rollback_only = true;
    return 0;
}

static int open_root(cv_ctx *cx, struct cv_tx *tx, const cv_tx_options *options)
{
    tx->db = cv__db_need(cx);
    if (!tx->db)
        return CV_E_NO_DATABASE;
    cv_list_init(&tx->streams);
    tx->root = tx;
    tx->options = *options;
    cv__outcome_tell(tx, CV_TX_OPEN);
    return 0;
}

static int open_inner(cv_ctx *cx, struct cv_tx *tx, const cv_tx_options *options)
{
    struct cv_tx *root = cx->tx->root;
    tx->outer = cx->tx;
    tx->root = root;
    tx->level = cx->tx->level + 1;
    if (cx->db != root->db)
        return cv_fail(cx, CV_E_STATE, "a transaction on another database is open");
    if (options->isolation != CV_ISOLATION_DEFAULT && options->isolation != root->options.isolation)
        return cv_fail(cx, CV_E_STATE, "an inner atomic block cannot change the isolation level");
    if (options != &no_options && !options->read_only && root->options.read_only)
        return cv_fail(cx, CV_E_STATE, "an inner atomic block cannot write inside a read-only one");
    return cv__tx_check(cx, root);
}

static int open_block(cv_ctx *cx, const cv_tx_options *options, struct cv_tx **ret_tx)
{
    CV_TRY(cv__wait_check(cx, "begin an atomic block"));
    struct cv_tx *tx = calloc(1, sizeof *tx);
    if (!tx)
        return cv_fail(cx, CV_E_NOMEM, "could not begin an atomic block: out of memory");
    cv_list_init(&tx->before);
    cv_list_init(&tx->hooks);
    int rc = cx->tx ? open_inner(cx, tx, options) : open_root(cx, tx, options);
    if (rc < 0) {
        free(tx);
        return rc;
    }
    tx->former_deadline_ns = cv_ctx_deadline_ns(cx);
    if (options->timeout_ms > 0)
        cv_ctx_set_deadline_ns(cx, cv_now_ns(cx) + options->timeout_ms * 1000000);
    tx->deadline_ns = cv_ctx_deadline_ns(cx);
    cx->tx = tx;
    *ret_tx = tx;
    return 0;
}

/* The block is over: the context is as before it. */
static void leave(cv_ctx *cx, struct cv_tx *tx, cv_tx_outcome outcome, cv_link *ret_hooks)
{
    cv__hooks_drop(&tx->before);
    cv_list_init(ret_hooks);
    cv__list_move_all(&tx->hooks, ret_hooks);
    cx->tx = tx->outer;
    cv_ctx_restore_deadline_ns(cx, tx->former_deadline_ns);
    if (!tx->outer) {
        cv__tx_watch_remove(tx, outcome);
        cv__tx_give_back(cx, tx);
        cv__outcome_tell(tx, outcome);
    }
    free(tx->gid);
    free(tx);
}

static void roll_back(cv_ctx *cx, struct cv_tx *tx)
{
    cv_link hooks;
    cv__tx_work_begin(tx->root);
    cv__tx_undo(cx, tx);
    cv__tx_work_end(cx, tx->root);
    leave(cx, tx, CV_TX_ROLLED_BACK, &hooks);
    cv__hooks_after_rollback(cx, &hooks);
}

static void leave_in_the_dark(cv_ctx *cx, struct cv_tx *tx)
{
    cv_link hooks;
    leave(cx, tx, CV_TX_UNKNOWN, &hooks);
    cv__hooks_drop(&hooks);
}

static int succeed(cv_ctx *cx, struct cv_tx *tx)
{
    cv_link hooks;
    cv_sandbox *sandbox = tx->outer ? NULL : tx->db->sandbox;
    if (tx->outer)
        cv__hooks_hand_up(tx);
    else if (sandbox && sandbox->collect)
        cv__hooks_collect(&tx->hooks, &sandbox->hooks);
    leave(cx, tx, CV_TX_COMMITTED, &hooks);
    return cv__hooks_after_commit(cx, &hooks);
}

static int commit(cv_ctx *cx, struct cv_tx *tx)
{
    if (tx->gid)
        return cv__tx_prepare(cx, tx);
    int rc = cv__tx_commit(cx, tx);
    return rc == CV_E_COMMIT_UNKNOWN ? cv__outcome_find(cx, tx) : rc;
}

/* Make it final. */
static int finish(cv_ctx *cx, struct cv_tx *tx)
{
    int rc = tx->outer ? 0 : cv__hooks_before_commit(cx, tx);
    if (rc < 0 || tx->rollback_only)
        return rc;
    cv__tx_work_begin(tx->root);
    rc = commit(cx, tx);
    cv__tx_work_end(cx, tx->root);
    return rc;
}

/* The closing brace was reached. */
static int end(cv_ctx *cx, struct cv_tx *tx)
{
    int rc = tx->rollback_only ? 0 : finish(cx, tx);
    if (rc == 0 && !tx->rollback_only)
        return succeed(cx, tx);
    if (rc == CV_E_COMMIT_UNKNOWN)
        leave_in_the_dark(cx, tx);
    else
        roll_back(cx, tx);
    if (rc < 0)
        cx->tx_marked = true;
    return rc;
}

struct cv__atomic cv__atomic_make(cv_ctx *cx, const cv_tx_options *options)
{
    return (struct cv__atomic){.cx = cx, .options = options ? options : &no_options, .state = BEFORE};
}

int cv__atomic_step(struct cv__atomic *atomic)
{
    if (atomic->state == OPEN) {
        atomic->state = OVER;
        return end(atomic->cx, atomic->tx);
    }
    struct cv_tx *tx = NULL;
    CV_TRY(open_block(atomic->cx, atomic->options, &tx));
    atomic->tx = tx;
    atomic->state = OPEN;
    return 1;
}

void cv__atomic_leave(struct cv__atomic *atomic)
{
    if (atomic->state != OPEN)
        return;
    atomic->state = OVER;
    roll_back(atomic->cx, atomic->tx);
    atomic->cx->tx_marked = true;
}
