/* Two-phase commit: transactions that are prepared under a name and finished later, by whichever session.
 *
 *     CV_ATOMIC(cx) {
 *         CV_TRY(cv_exec(cx, NULL, "UPDATE accounts SET balance = balance - 10 WHERE id = ?", 1));
 *         CV_TRY(cv_prepare_transaction(cx, "transfer-17"));
 *     }
 *     CV_TRY(cv_commit_prepared(cx, "transfer-17"));
 *
 * What is prepared survives lost connections and crashes of the server, and keeps its locks until it is finished: who
 * prepares must have written down what is to become of it. These are the primitives for a coordinator. PostgreSQL (its
 * max_prepared_transactions must not be 0) and MariaDB, which has to be told before the first statement: there
 * cv_prepare_transaction comes first in the block (CV_E_STATE later). SQLite has no such thing: CV_E_UNSUPPORTED. */
#ifndef COVET_PREPARED_H
#define COVET_PREPARED_H

#include <covet/ctx.h>
#include <covet/time.h>

CV_BEGIN_DECLS

/** The outermost atomic block will be prepared under this name at its end instead of being committed; nothing is sent
 *  now. A failure at the end is that of the block: CV_E_EXISTS for a name in use, CV_E_COMMIT_UNKNOWN when the answer
 * was lost (look into cv_prepared_list). Hooks before the commit run before the preparation; hooks after it have no
 * place, because the transaction may be finished by somebody else: with any, the block ends with CV_E_STATE. `gid` is
 * copied: 1 to 199 printable ASCII characters. CV_E_INVALID, CV_E_NO_TRANSACTION, CV_E_UNSUPPORTED, CV_E_STATE in an
 * inner block. Does not suspend. */
CV_API CV_CHECKED int cv_prepare_transaction(cv_ctx *cx, const char *gid);

/** Finish a prepared transaction of the context's database. CV_E_NOT_FOUND: there is none of this name, perhaps because
 *  it was finished already; CV_E_INVALID; CV_E_PERMISSION; CV_E_IN_TRANSACTION; CV_E_UNSUPPORTED. After
 *  CV_E_CONNECTION_LOST or CV_E_TIMEOUT it may be done again. Suspends. */
CV_API CV_CHECKED int cv_commit_prepared(cv_ctx *cx, const char *gid);
CV_API CV_CHECKED int cv_rollback_prepared(cv_ctx *cx, const char *gid);

/* A transaction that is prepared and not finished. */
typedef struct cv_prepared {
    const char *gid;
    cv_time prepared_at;  /* MariaDB does not tell: 0 */
    const char *owner;    /* the database user who prepared it; MariaDB does not tell: "" */
    const char *database; /* it can be finished in this one only; MariaDB: in any of the server, "" */
} cv_prepared;

/** All prepared transactions of the server of the context's database, the oldest first (MariaDB: in its own order), in
 *  the context's arena. CV_E_UNSUPPORTED, and errors as any statement. Suspends. */
CV_API CV_CHECKED int cv_prepared_list(cv_ctx *cx, const cv_prepared **ret_list, size_t *ret_count);

CV_END_DECLS

#endif
