#include "db/db.h"

#include "base/ctx.h"
#include <covet/fiber.h>
#include <covet/retry.h>
#include <covet/runtime.h>
#include <covet/uuid.h>

enum { DEFAULT_ATTEMPTS = 5, FIRST_PAUSE_MS = 5, LONGEST_PAUSE_MS = 500 };

/* ---- the budget ---- */

enum { PRICE = 1000, EARNED = PRICE / 5, MOST = 100 * PRICE, MINIMUM = 10 * PRICE, NS_PER_MILLITOKEN = 100000 };

static void refill(cv__retry_budget *budget, int64_t now_ns)
{
    if (!budget->begun)
        *budget = (cv__retry_budget){.millitokens = MINIMUM, .filled_ns = now_ns, .begun = true};
    int64_t due = (now_ns - budget->filled_ns) / NS_PER_MILLITOKEN;
    budget->filled_ns += due * NS_PER_MILLITOKEN;
    if (budget->millitokens < MINIMUM)
        budget->millitokens = due < MINIMUM - budget->millitokens ? budget->millitokens + due : MINIMUM;
}

void cv__retry_budget_earn(cv__retry_budget *budget, int64_t now_ns)
{
    refill(budget, now_ns);
    budget->millitokens = budget->millitokens < MOST - EARNED ? budget->millitokens + EARNED : MOST;
}

bool cv__retry_budget_spend(cv__retry_budget *budget, int64_t now_ns)
{
    refill(budget, now_ns);
    if (budget->millitokens < PRICE)
        return false;
    budget->millitokens -= PRICE;
    return true;
}

/* ---- the loop ---- */

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

/* Full jitter (Brooker, "Exponential Backoff And Jitter"). */
static int64_t pause_before(const cv_retry_options *options, int attempt)
{
    int64_t bound_ms = or_default(options->first_pause_ms, FIRST_PAUSE_MS);
    int64_t longest_ms = or_default(options->longest_pause_ms, LONGEST_PAUSE_MS);
    for (int i = 1; i < attempt && bound_ms < longest_ms; i++)
        bound_ms *= 2;
    bound_ms = bound_ms < longest_ms ? bound_ms : longest_ms;
    uint64_t random;
    cv_random_bytes(&random, sizeof random);
    return (int64_t)(random % (uint64_t)(bound_ms + 1));
}

static int fail_budget(cv_ctx *cx)
{
    cv_fail(cx, CV_E_RETRY_BUDGET, "could not try again: too many calls on this database fail already");
    cv_error_hint(cx, "look for what makes them fail; a fifth of all calls may be tried again, and ten a second");
    return CV_E_RETRY_BUDGET;
}

cv_counter *cv__retries_counter(cv_metrics *metrics, int code)
{
    char labels[64];
    if (!metrics)
        return NULL;
    snprintf(labels, sizeof labels, "reason=\"%s\"", cv_error_name(code));
    return cv_counter_get(metrics, "covet_db_retries_total", "Further attempts, by what made them necessary.", labels);
}

static int wait_and_forget(cv_ctx *cx, const cv_retry_options *options, int attempt, int code)
{
    struct cv_db *db = cx->db;
    if (db && !cv__retry_budget_spend(&db->retry_budget, cv_now_ns(cx))) {
        cv_counter_add(db->watch.retries_refused, 1);
        return fail_budget(cx);
    }
    cv_counter_add(cv__retries_counter(cx->metrics, code), 1);
    int64_t pause_ms = pause_before(options, attempt);
    CV_LOG_DEBUG(cx->log, "trying again", CV_F("attempt", attempt + 1), CV_F("reason", cv_error_name(code)),
                 CV_F("pause_ms", pause_ms));
    CV_TRY(cv_sleep_ms(cx, pause_ms));
    CV_TRY(cv__wait_check(cx, "try again")); /* the pause may end with the deadline: the failure stays its cause */
    cv_error_clear(cx);
    return 0;
}

static int attempt_all(cv_ctx *cx, const cv_retry_options *options, int (*fn)(cv_ctx *cx, void *arg), void *arg)
{
    int attempts = options->max_attempts > 0 ? options->max_attempts : DEFAULT_ATTEMPTS;
    bool (*is_retriable)(int) = options->is_retriable ? options->is_retriable : cv_error_is_transient;
    cv_arena_mark mark = cv_arena_save(cv_ctx_arena(cx));
    if (cx->db)
        cv__retry_budget_earn(&cx->db->retry_budget, cv_now_ns(cx));
    for (int attempt = 1;; attempt++) {
        int rc = fn(cx, arg);
        if (rc >= 0 || attempt >= attempts || !is_retriable(rc))
            return rc;
        CV_TRY(wait_and_forget(cx, options, attempt, rc));
        cv_arena_rewind(cv_ctx_arena(cx), mark);
    }
}

static int attempt_within(cv_ctx *cx, const cv_retry_options *options, int (*fn)(cv_ctx *cx, void *arg), void *arg)
{
    if (options->timeout_ms <= 0)
        return attempt_all(cx, options, fn, arg);
    int64_t former_ns = cv_ctx_set_deadline_ns(cx, cv_now_ns(cx) + options->timeout_ms * 1000000);
    int rc = attempt_all(cx, options, fn, arg);
    cv_ctx_restore_deadline_ns(cx, former_ns);
    return rc;
}

static int refuse_inside(cv_ctx *cx)
{
    if (!cv_in_transaction(cx))
        return 0;
    cv_fail(cx, CV_E_IN_TRANSACTION, "cannot retry a part of a transaction");
    cv_error_hint(cx, "the outermost atomic block is what can be repeated");
    return CV_E_IN_TRANSACTION;
}

int cv_retry(cv_ctx *cx, const cv_retry_options *options, int (*fn)(cv_ctx *cx, void *arg), void *arg)
{
    static const cv_retry_options defaults;
    CV_TRY(refuse_inside(cx));
    return attempt_within(cx, options ? options : &defaults, fn, arg);
}

/* ---- transactions ---- */

typedef struct block {
    const cv_tx_options *options;
    int (*fn)(cv_ctx *cx, void *arg);
    void *arg;
} block;

static int run_block(cv_ctx *cx, void *arg)
{
    const block *b = arg;
    CV_ATOMIC_WITH(cx, b->options)
    {
        CV_TRY(b->fn(cx, b->arg));
    }
    return 0;
}

/* What another attempt of the whole transaction may mend, and nothing else: who could not get a connection in time must
 * not ask for one again at once. */
static bool is_worth_another_transaction(int code)
{
    return code == CV_E_SERIALIZATION || code == CV_E_DEADLOCK || code == CV_E_LOCKED || code == CV_E_CONNECTION_LOST;
}

int cv_atomic_retry(cv_ctx *cx, const cv_tx_options *options, int (*fn)(cv_ctx *cx, void *arg), void *arg)
{
    CV_TRY(refuse_inside(cx));
    const cv_retry_options retry = {
        .max_attempts = options ? options->max_attempts : 0,
        .timeout_ms = options ? options->timeout_ms : 0,
        .is_retriable = is_worth_another_transaction,
    };
    return attempt_within(cx, &retry, run_block, &(block){options, fn, arg});
}
