/* Transactions: atomic blocks that nest, and the retrying form.
 *
 *     CV_ATOMIC(cx) {
 *         CV_TRY(cv_save(cx, author, &a));
 *         CV_TRY(cv_save(cx, book, &b));
 *     }
 *
 * The outermost block is a transaction, inner ones are savepoints. The block commits at its end; a failed BEGIN or
 * COMMIT returns its code from the enclosing function (which must return int). Leaving early (return, break, goto, a
 * failing CV_TRY) rolls back, and marks the context: a request handler that then returns 0 is answered with 500,
 * because what it says did not happen. cv_error_clear, for an error that was handled, takes the mark away; `continue`
 * ends the block like its closing brace. To roll back without an error, call cv_rollback and go on to the end of the
 * block.
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

typedef struct cv_tx_options {
    cv_isolation isolation;
    bool read_only;     /* writes fail with CV_E_READ_ONLY; on SQLite such a transaction does not wait for the writer */
    bool deferrable;    /* PostgreSQL, serializable and read-only */
    int64_t timeout_ms; /* deadline for the whole block; 0: the context's */
    int max_attempts;   /* cv_atomic_retry only; 0: 5 */
} cv_tx_options;

/** An atomic block; see above. Options matter for the outermost block only; in an inner one, asking for another
 * isolation or for writes inside read-only is CV_E_STATE. BEGIN and COMMIT suspend. */
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

/** Run `fn` in a transaction of its own and run it again, from the start, on serialization failures, deadlocks and
 * locks (cv_error_is_transient), with exponential backoff and full jitter from 5 ms up to 500 ms, up to max_attempts
 * and within the deadline. Not allowed inside a transaction (CV_E_IN_TRANSACTION): the whole block must be repeatable.
 * Memory that `fn` takes from the context's arena is released before it runs again. Suspends. */
CV_API CV_CHECKED int cv_atomic_retry(cv_ctx *cx, const cv_tx_options *options, int (*fn)(cv_ctx *cx, void *arg),
                                      void *arg);

/** The innermost atomic block will roll back at its end, without an error. CV_E_NO_TRANSACTION. Does not suspend. */
CV_API CV_CHECKED int cv_rollback(cv_ctx *cx);

/** Whether the context is inside an atomic block. */
CV_API bool cv_in_transaction(const cv_ctx *cx);

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
