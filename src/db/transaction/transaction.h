/* The inside of transactions, for this folder only.
 *
 * An atomic block is a struct cv_tx on the heap, linked from the context; the outermost one, the root, has the
 * connection. Nothing is borrowed or sent before the first statement: `begun` counts the blocks that exist on the
 * server, the root first, each inner one as a savepoint. The invariant: the blocks on the server are the outermost
 * `begun` ones.
 *
 *     transaction.c   the life of a block: entering, ending, leaving early
 *     connection.c    what it does on its connection: begin, commit, undo
 *     outcome.c       what became of it, when the answer to COMMIT was lost
 *     watch.c         which are open, for how long; and those that outlast their deadline
 *     prepared.c      two-phase commit
 *     hooks.c         functions to be called before and after its end */
#ifndef COVET_SRC_DB_TRANSACTION_TRANSACTION_H
#define COVET_SRC_DB_TRANSACTION_TRANSACTION_H

#include "db/db_driver.h"
#include "db/transaction/watch.h"

struct cv_tx {
    struct cv_tx *outer; /* NULL for the root */
    struct cv_tx *root;
    int level; /* 0 for the root; the number of the savepoint otherwise */
    bool rollback_only;
    int64_t former_deadline_ns;
    /* hooks that were registered in this block, or in inner ones that ended well; oldest first */
    cv_link before; /* the commit */
    cv_link hooks;  /* after commit or rollback */
    /* of the root: */
    cv_db *db;
    cv__conn *conn; /* NULL until the first statement */
    cv_tx_options options;
    int64_t deadline_ns; /* of the block */
    cv__watched watched;
    int base;        /* savepoints of others below: 1 in a sandbox, where the root is a savepoint, too; else 0 */
    int begun;       /* how many blocks exist on the server */
    int start_code;  /* why it could not begin */
    bool is_copying; /* rows are being copied on its connection, which is taken */
    bool lost;       /* the engine has ended the transaction, or the connection is gone: only leaving is possible */
    size_t hook_count;
    char *gid;           /* to be prepared under this name instead of being committed, or NULL */
    cv_commit_token own; /* filled as the caller's, for verify_commit */
    cv_link streams;     /* open row streams, newest first */
};

/* --- connection.c --- */

/** Make the context's transaction ready for a statement: borrow the connection, begin, set the savepoints that are
 *  missing. CV_E_TX_ABORTED when it cannot go on; errors of acquiring and beginning. After success the connection is at
 *  work, until cv__tx_work_end. Suspends. */
CV_CHECKED int cv__tx_enter(cv_ctx *cx, struct cv_tx *root);

/** Make final what the block did: COMMIT for the root, RELEASE for an inner one, nothing where nothing was begun.
 *  Suspends. */
CV_CHECKED int cv__tx_commit(cv_ctx *cx, struct cv_tx *tx);

/** Prepare the transaction under its gid instead. Suspends. */
CV_CHECKED int cv__tx_prepare(cv_ctx *cx, struct cv_tx *root);

/** Give the connection of the root back; no effect without one. May suspend, briefly. */
void cv__tx_give_back(cv_ctx *cx, struct cv_tx *root);

/** Undo what the block did, in a time of its own, keeping the first error. A savepoint that cannot be undone takes the
 *  whole transaction with it. Suspends. */
void cv__tx_undo(cv_ctx *cx, struct cv_tx *tx);

/** 0, or CV_E_TX_ABORTED when the transaction cannot go on. */
CV_CHECKED int cv__tx_check(cv_ctx *cx, const struct cv_tx *root);

/** Look at the connection after a failure inside a transaction: whether the engine has ended it. */
void cv__tx_note_failure(struct cv_tx *root);

/* --- outcome.c --- */

/** Note the number of the transaction that has just begun, when it will be wanted. Suspends. */
CV_CHECKED int cv__outcome_prepare(cv_ctx *cx, struct cv_tx *root);

/** After CV_E_COMMIT_UNKNOWN: 0 when the transaction turns out to be committed, CV_E_CONNECTION_LOST when it was rolled
 *  back, the same code when that cannot be found out. The connection was given back. Suspends. */
CV_CHECKED int cv__outcome_find(cv_ctx *cx, struct cv_tx *root);

/** Tell the caller's token. */
void cv__outcome_tell(const struct cv_tx *root, cv_tx_outcome outcome);

/* --- statements.c --- */

/** The open transaction of the context when it is on this database, its root; else NULL. */
struct cv_tx *cv__tx_root(const cv_ctx *cx, const cv_db *db);

/** Take the cursors from all open streams, at most `max`; the number of all. The streams fail from then on. */
size_t cv__tx_cut_streams(struct cv_tx *root, cv__cursor **ret_cursors, size_t max);

/** Close the streams opened at this level and deeper. */
void cv__tx_close_streams(cv_ctx *cx, struct cv_tx *root, int level);

/* --- hooks.c --- */

/** Run the hooks that come before the commit, those that they register, too; the first failure ends it. Suspends. */
CV_CHECKED int cv__hooks_before_commit(cv_ctx *cx, struct cv_tx *root);

/** Give an inner block's hooks to the outer one. */
void cv__hooks_hand_up(struct cv_tx *inner);

/** Run those that follow a commit, or a rollback, and free all; `hooks` was moved out of the block, which is over.
 *  The first failure of a hook that is not robust. Suspends. */
CV_CHECKED int cv__hooks_after_commit(cv_ctx *cx, cv_link *hooks);
void cv__hooks_after_rollback(cv_ctx *cx, cv_link *hooks);

/** Move those for after the commit to the end of a list of others. */
void cv__hooks_collect(cv_link *hooks, cv_link *ret_collected);

/** Whether there are hooks for after the commit. */
bool cv__hooks_wait_for_commit(const struct cv_tx *root);

/** Free them all: nobody knows how the transaction ended. */
void cv__hooks_drop(cv_link *hooks);

/** Move all links of a list to the end of another. */
static inline void cv__list_move_all(cv_link *from, cv_link *to)
{
    cv_link *link;
    while ((link = cv_list_pop_front(from)) != NULL)
        cv_list_push_back(to, link);
}

#endif
