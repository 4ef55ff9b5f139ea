/* Transactions: atomic blocks that nest, the retrying form, and hooks at their end. docs/transactions.md is the guide.
 *
 *     CV_ATOMIC(cx) {
 *         CV_TRY(cv_save(cx, author, &a));
 *         CV_TRY(cv_save(cx, book, &b));
 *     }
 *
 * The outermost block is a transaction, inner ones are savepoints. Nothing happens before the first statement inside:
 * it borrows the connection and begins; when that fails, the statement says so, and the block ends with the same code.
 * An empty block touches nothing. The block commits at its end; a failed COMMIT returns its code from the enclosing
 * function (which must return int). Leaving early (return, break, goto, a
 * failing CV_TRY) rolls back, and marks the context: a request handler that then returns 0 is answered with 500,
 * because what it says did not happen. cv_error_clear, for an error that was handled, takes the mark away; `continue`
 * ends the block like its closing brace. To roll back without an error, call cv_rollback and go on to the end of the
 * block.
 *
 * When the connection is lost after COMMIT was sent, the block ends with CV_E_COMMIT_UNKNOWN: the changes may or may
 * not be stored. It is never taken for a failure that may simply be repeated.
 *
 * A transaction belongs to one fiber; fibers spawned inside do not share it. */
#ifndef COVET_TRANSACTION_H
#define COVET_TRANSACTION_H

#include <covet/ctx.h>
#include <covet/db.h>

CV_BEGIN_DECLS

typedef enum cv_isolation {
    CV_ISOLATION_DEFAULT, /* the engine's: serializable on SQLite, read committed on PostgreSQL */
    CV_READ_COMMITTED,
    CV_REPEATABLE_READ,
    CV_SERIALIZABLE,
} cv_isolation;

/* What became of a transaction. */
typedef enum cv_tx_outcome {
    CV_TX_OPEN,        /* not over: the block is open, or the server has not finished it */
    CV_TX_COMMITTED,   /* its changes are stored */
    CV_TX_ROLLED_BACK, /* nothing of it is stored */
    CV_TX_UNKNOWN,     /* the answer to COMMIT was lost */
} cv_tx_outcome;

/* Remembers a transaction beyond its block, for cv_commit_outcome. Written by the library only. */
typedef struct cv_commit_token {
    cv_tx_outcome outcome; /* as far as the block knew */
    char id[24];           /* how the server names it; "" when that is not needed, or nothing was begun */
} cv_commit_token;

typedef struct cv_tx_options {
    cv_isolation isolation;
    bool read_only;     /* writes fail with CV_E_READ_ONLY; on SQLite such a transaction does not wait for the writer */
    bool deferrable;    /* PostgreSQL, serializable and read-only */
    int64_t timeout_ms; /* deadline for the whole block, from its beginning; 0: the context's */
    int max_attempts;   /* cv_atomic_retry only; 0: 5 */
    bool verify_commit; /* when the answer to COMMIT is lost, find out what became of it: see cv_commit_outcome */
    cv_commit_token *commit_token; /* filled for cv_commit_outcome; must live until the block is over; NULL: none */
} cv_tx_options;

/** An atomic block; see above. Options matter for the outermost block only; in an inner one, asking for another
 * isolation or for writes inside read-only is CV_E_STATE. The end suspends. */
#define CV_ATOMIC(cx) CV_ATOMIC_WITH(cx, NULL)
#define CV_ATOMIC_WITH(cx, options)                                                                                    \
    for (struct cv__atomic CV__UNIQUE(cv__atomic_)                                                                     \
             __attribute__((cleanup(cv__atomic_leave))) = cv__atomic_make((cx), (options));                            \
         __extension__({                                                                                               \
             int cv__atomic_rc = cv__atomic_step(&CV__UNIQUE(cv__atomic_));                                            \
             if (cv__atomic_rc < 0)                                                                                    \
                 return cv__atomic_rc;                                                                                 \
             cv__atomic_rc;                                                                                            \
         });)

/** Run `fn` in a transaction of its own and run it again, from the start, on serialization failures, deadlocks, locks,
 *  and connections lost before COMMIT was sent (CV_E_SERIALIZATION, CV_E_DEADLOCK, CV_E_LOCKED, CV_E_CONNECTION_LOST),
 *  with exponential backoff and full jitter from 5 ms up to 500 ms, up to max_attempts, within timeout_ms for all
 *  attempts together, and within the retry budget of the database (retry.h): beyond it, CV_E_RETRY_BUDGET with the last
 *  failure as its cause. Not allowed inside a transaction (CV_E_IN_TRANSACTION): the whole block must be repeatable.
 *  Memory that `fn` takes from the context's arena is released before it runs again. Suspends. */
CV_API CV_CHECKED int cv_atomic_retry(cv_ctx *cx, const cv_tx_options *options, int (*fn)(cv_ctx *cx, void *arg),
                                      void *arg);

/** The innermost atomic block will roll back at its end, without an error. CV_E_NO_TRANSACTION. Does not suspend. */
CV_API CV_CHECKED int cv_rollback(cv_ctx *cx);

/** Whether the context is inside an atomic block. */
CV_API bool cv_in_transaction(const cv_ctx *cx);

/** What became of a transaction whose block ended with CV_E_COMMIT_UNKNOWN; the context's database must be the block's.
 *  PostgreSQL is asked for the status of the transaction's number over another connection; while it is still at work,
 * the answer is waited for, until the deadline, at most 5 s: then CV_TX_OPEN. CV_TX_UNKNOWN when there is no number:
 * the block had neither a token nor verify_commit, or it is too old for the server to remember. SQLite never loses the
 *  answer: a COMMIT that fails has not happened.
 *
 *  With verify_commit, the block asks by itself: it ends well (and its hooks run) when the transaction turns out to be
 *  committed, and with CV_E_CONNECTION_LOST, which cv_atomic_retry repeats, when it was rolled back. Token and
 *  verify_commit cost a round trip at the first statement, and a transaction number even when nothing is written.
 *  Suspends. Errors of getting a connection and of the statement. */
CV_API CV_CHECKED int cv_commit_outcome(cv_ctx *cx, const cv_commit_token *token, cv_tx_outcome *ret_outcome);

/* ---- hooks ----
 *
 * A hook is registered inside an atomic block and called at the end of the outermost one. Hooks of an inner block that
 * is rolled back are dropped with it. `arg` must live until the hook was called or dropped. At most 10,000 a
 * transaction (CV_E_LIMIT); CV_E_NO_TRANSACTION outside a block where nothing else is said; CV_E_NOMEM. Registering
 * does not suspend; hooks may. */
typedef int cv_tx_hook_fn(cv_ctx *cx, void *arg);

/** Call `fn` before the commit, in the order of registration, inside the transaction: it may run statements and
 * register further hooks. A failure refuses the commit: the block rolls back and ends with this code. */
CV_API CV_CHECKED int cv_before_commit(cv_ctx *cx, cv_tx_hook_fn *fn, void *arg);

/** Call `fn` after the commit, in the order of registration, when the connection has been given back: statements run
 *  outside the transaction and see what it has stored. Outside a block, `fn` is called at once. A failure ends the
 *  remaining hooks, and the block ends with this code, though its changes are stored (the message says so). Not called
 *  when the outcome is unknown. */
CV_API CV_CHECKED int cv_after_commit(cv_ctx *cx, cv_tx_hook_fn *fn, void *arg);

/** The same, but its failure is logged, and everything else goes on. */
CV_API CV_CHECKED int cv_after_commit_robust(cv_ctx *cx, cv_tx_hook_fn *fn, void *arg);

/** Call `fn` right after the block in which it was registered, or one around it, was rolled back: the newest first.
 *  What it runs is in the transaction around that block, or in none. Its failure is logged and does not replace the
 *  error that led to the rollback; after a deadline or cancellation its waits fail, unless CV_SHIELD allows them. */
CV_API CV_CHECKED int cv_after_rollback(cv_ctx *cx, cv_tx_hook_fn *fn, void *arg);

/* ---- open transactions ----
 *
 * A transaction that is open for longer than the option long_transaction of its database, or runs no statement for
 * longer than idle_transaction, is logged once, with its fiber and its last statement, and counted. One whose fiber has
 * not come back 50 ms after the deadline (it waits for something that no deadline ends, such as work on a lane) is
 * taken from it: rolled back, its connection free; what the fiber asks of it afterwards is CV_E_TX_ABORTED. */
typedef struct cv_open_transaction {
    const char *fiber;    /* its name */
    int64_t open_ms;      /* since its first statement */
    int64_t idle_ms;      /* since its last one ended; 0 while one runs */
    unsigned statements;  /* so far */
    const char *last_sql; /* its beginning */
} cv_open_transaction;

/** The transactions that are open on the context's database, in this worker, the oldest first; in the context's arena.
 *  CV_E_NO_DATABASE, CV_E_NOMEM. Does not suspend. */
CV_API CV_CHECKED int cv_transactions_open(cv_ctx *cx, const cv_open_transaction **ret_list, size_t *ret_count);

/* What the macros above expand to; not for direct use. */
struct cv__atomic {
    cv_ctx *cx;
    const cv_tx_options *options;
    void *tx;
    int state;
};
CV_API struct cv__atomic cv__atomic_make(cv_ctx *cx, const cv_tx_options *options);
CV_API int cv__atomic_step(struct cv__atomic *atomic);
CV_API void cv__atomic_leave(struct cv__atomic *atomic);

CV_END_DECLS

#endif
