/* A sandbox for tests with a database: everything that the code under test does is undone at the end.
 *
 *     cv_sandbox *sandbox;
 *     CV_TRY(cv_sandbox_open(cx, NULL, NULL, &sandbox));
 *     ... call the code under test, send requests through a test client ...
 *     cv_sandbox_close(cx, sandbox);
 *
 * Until then the database has one connection with one open transaction, which all fibers of the runtime share, one
 * after another. Transactions of the code under test are savepoints in it, at whatever depth, and so is each statement
 * outside of them, so that one that fails harms no other; cv_atomic_retry repeats from its savepoint. Nobody else sees
 * anything of it, and nothing is ever committed.
 *
 * What is different in a sandbox: constraints that are checked at COMMIT are not; the blocks' isolation and read_only
 * mean nothing; rows read outside transactions are kept in memory (PostgreSQL: at most 16 MiB); statements that cannot
 * run in a transaction fail (VACUUM), as do cv_prepare_transaction and migrations; a transaction that waits for another
 * fiber's statement waits in vain (CV_E_POOL_TIMEOUT names it). */
#ifndef COVET_SANDBOX_H
#define COVET_SANDBOX_H

#include <covet/db.h>

CV_BEGIN_DECLS

typedef struct cv_sandbox cv_sandbox;

typedef struct cv_sandbox_options {
    bool collect_hooks; /* keep hooks after the commit for cv_sandbox_run_hooks; false: they run as in production, when
                           the outermost block of the code under test ends */
} cv_sandbox_options;

/** Open a sandbox on a database, NULL: the context's. A database has one at a time; no transaction of the context may
 * be open, and everybody else must be done with the database. Options NULL: the defaults. Close it before the database.
 *  CV_E_NO_DATABASE, CV_E_STATE, CV_E_IN_TRANSACTION, CV_E_NOMEM, errors of getting a connection. Suspends. */
CV_API CV_CHECKED int cv_sandbox_open(cv_ctx *cx, cv_db *db, const cv_sandbox_options *options,
                                      cv_sandbox **ret_sandbox);

/** Roll everything back; hooks that were collected are dropped. No transaction and no rows may be open. NULL is
 * allowed. Suspends, within the budget for clean-up. */
CV_API void cv_sandbox_close(cv_ctx *cx, cv_sandbox *sandbox);

/** How many hooks are collected. Does not suspend. */
CV_API size_t cv_sandbox_hooks(const cv_sandbox *sandbox);

/** Run the collected hooks, in their order, as if the transactions had just been committed: errors are those of
 *  cv_after_commit. Suspends. */
CV_API CV_CHECKED int cv_sandbox_run_hooks(cv_ctx *cx, cv_sandbox *sandbox);

CV_END_DECLS

#endif
