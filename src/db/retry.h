/* The budget for trying again: when many calls fail at once, more of them would only add to what makes them fail.
 *
 * A bucket of tokens, after the retry budget of Finagle: each first attempt pays in a fifth of a token, each further
 * one costs a token. Below ten tokens, ten a second come by themselves, so that rare calls may be tried again, too. */
#ifndef COVET_SRC_DB_RETRY_H
#define COVET_SRC_DB_RETRY_H

#include <covet/metric.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cv__retry_budget {
    int64_t millitokens;
    int64_t filled_ns; /* when the clock was last looked at */
    bool begun;        /* false: as full as the minimum */
} cv__retry_budget;

/** The counter of further attempts by what made them necessary, a code; NULL without a registry. */
cv_counter *cv__retries_counter(cv_metrics *metrics, int code);

/** A first attempt is made. */
void cv__retry_budget_earn(cv__retry_budget *budget, int64_t now_ns);

/** Whether there is a token for a further attempt, which is taken. */
bool cv__retry_budget_spend(cv__retry_budget *budget, int64_t now_ns);

#endif
