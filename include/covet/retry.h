/* Trying again: for work that may be repeated as a whole, such as a call that has no effect when it fails.
 * cv_atomic_retry (transaction.h) does it for transactions.
 *
 * Pauses have full jitter: anything from 0 up to a bound that doubles, so that those who collided do not meet again.
 *
 * The retry budget of a database keeps further attempts to a fifth of the first ones, counted over the last 500, plus
 * ten a second: an overloaded server is not stormed. Each worker has its own. */
#ifndef COVET_RETRY_H
#define COVET_RETRY_H

#include <covet/ctx.h>

CV_BEGIN_DECLS

/* 0 or NULL takes the default. */
typedef struct cv_retry_options {
    int max_attempts;               /* 5, the first one included */
    int64_t first_pause_ms;         /* bound of the first pause: 5 */
    int64_t longest_pause_ms;       /* where the bound stops doubling: 500 */
    int64_t timeout_ms;             /* for all attempts and pauses together; the context's deadline */
    bool (*is_retriable)(int code); /* what is worth a further attempt: cv_error_is_transient */
} cv_retry_options;

/** Call `fn` until it succeeds, fails for good, or has been tried often enough; its last failure is returned. Within
 * the retry budget of the context's database, when it has one: beyond it, CV_E_RETRY_BUDGET with the last failure as
 * its cause. Memory that `fn` takes from the context's arena is released before it runs again. Not inside a transaction
 *  (CV_E_IN_TRANSACTION). Suspends. CV_E_TIMEOUT, CV_E_CANCELLED when a pause ends early. */
CV_API CV_CHECKED int cv_retry(cv_ctx *cx, const cv_retry_options *options, int (*fn)(cv_ctx *cx, void *arg),
                               void *arg);

CV_END_DECLS

#endif
