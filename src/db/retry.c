#include "db/db.h"

#include "base/ctx.h"
#include <covet/fiber.h>
#include <covet/uuid.h>

enum { DEFAULT_ATTEMPTS = 5, FIRST_PAUSE_MS = 5, LONGEST_PAUSE_MS = 500 };

/* Full jitter: anything from 0 up to a bound that doubles, so that those who collided do not meet again. */
static int64_t pause_before(int attempt)
{
    int64_t bound_ms = FIRST_PAUSE_MS;
    for (int i = 1; i < attempt && bound_ms < LONGEST_PAUSE_MS; i++)
        bound_ms *= 2;
    bound_ms = bound_ms < LONGEST_PAUSE_MS ? bound_ms : LONGEST_PAUSE_MS;
    uint64_t random;
    cv_random_bytes(&random, sizeof random);
    return (int64_t)(random % (uint64_t)(bound_ms + 1));
}

static int run_once(cv_ctx *cx, const cv_tx_options *options, int (*fn)(cv_ctx *cx, void *arg), void *arg)
{
    CV_ATOMIC_WITH(cx, options)
    {
        CV_TRY(fn(cx, arg));
    }
    return 0;
}

int cv_atomic_retry(cv_ctx *cx, const cv_tx_options *options, int (*fn)(cv_ctx *cx, void *arg), void *arg)
{
    if (cv_in_transaction(cx)) {
        cv_fail(cx, CV_E_IN_TRANSACTION, "cannot retry a part of a transaction");
        cv_error_hint(cx, "the outermost atomic block is what can be repeated");
        return CV_E_IN_TRANSACTION;
    }
    int attempts = options && options->max_attempts > 0 ? options->max_attempts : DEFAULT_ATTEMPTS;
    cv_arena_mark mark = cv_arena_save(cv_ctx_arena(cx));
    for (int attempt = 1;; attempt++) {
        int rc = run_once(cx, options, fn, arg);
        if (rc >= 0 || attempt >= attempts || !cv_error_is_transient(rc))
            return rc;
        CV_TRY(cv_sleep_ms(cx, pause_before(attempt)));
        cv_error_clear(cx);
        cx->tx_marked = false;
        cv_arena_rewind(cv_ctx_arena(cx), mark);
    }
}
