/* One transaction that everything on a database shares, for tests: what the code under test begins and commits are
 * savepoints in it. The public face is in src/testing.
 *
 * While a database has a sandbox, no statement takes another connection: not the pools, the write lane or shared reads.
 * Whoever uses the sandbox's connection holds its lock: a transaction from its first statement to its end, a statement
 * outside transactions for its own time, open rows for the time of each row. */
#ifndef COVET_SRC_DB_TRANSACTION_SANDBOX_H
#define COVET_SRC_DB_TRANSACTION_SANDBOX_H

#include "db/db_driver.h"
#include <covet/sync.h>

typedef struct cv_sandbox cv_sandbox;

/** The savepoint of whoever holds the lock: it is the outermost in the shared transaction. */
#define CV__SANDBOX_LEVEL 1

struct cv_sandbox {
    cv_db *db;
    cv__conn *conn;
    cv_mutex lock;
    const cv_ctx *owner; /* who has the lock, or NULL */
    unsigned depth;      /* how many times */
    bool collect;
    cv_link hooks; /* collected */
};

/** Begin the shared transaction on a connection of the database. Suspends. */
CV_CHECKED int cv__sandbox_begin(cv_ctx *cx, cv_db *db, cv_sandbox *sandbox);

/** Roll it back and give the connection back. Suspends. */
void cv__sandbox_end(cv_ctx *cx, cv_sandbox *sandbox);

/** Wait for the connection, at most as long as for one of the pool; whoever has it has it once more. CV_E_POOL_TIMEOUT,
 *  CV_E_TX_ABORTED when the shared transaction is gone. Suspends. */
CV_CHECKED int cv__sandbox_lock(cv_ctx *cx, cv_sandbox *sandbox);
void cv__sandbox_unlock(cv_ctx *cx, cv_sandbox *sandbox);

/** The connection for one statement outside transactions, with a savepoint; and its end: kept when `rc` is not an
 * error, undone otherwise. Returns `rc` or the error of keeping it. Suspends. */
CV_CHECKED int cv__sandbox_borrow(cv_ctx *cx, cv_sandbox *sandbox, cv__conn **ret_conn);
CV_CHECKED int cv__sandbox_settle(cv_ctx *cx, cv_sandbox *sandbox, int rc);

/** Free the cursor of rows that were kept open. Suspends, within the budget for clean-up. */
void cv__sandbox_finish(cv_ctx *cx, cv_sandbox *sandbox, cv__cursor *cursor);

#endif
