#include "db/pool/breaker.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void cv__breaker_init(cv__breaker *breaker, size_t window, size_t percent, int64_t open_ns, size_t probes)
{
    *breaker = (cv__breaker){
        .window = window < CV__BREAKER_MAX_WINDOW ? window : CV__BREAKER_MAX_WINDOW,
        .percent = percent,
        .probes = probes,
        .open_ns = open_ns,
    };
}

static void enter(cv__breaker *breaker, cv__breaker_state state)
{
    memset(breaker->failed, 0, sizeof breaker->failed);
    breaker->next = breaker->count = breaker->failures = breaker->admitted = 0;
    breaker->state = state;
}

static void open_until(cv__breaker *breaker, int64_t until_ns)
{
    enter(breaker, CV__BREAKER_OPEN);
    breaker->until_ns = until_ns;
    breaker->opened_total++;
}

cv__breaker_state cv__breaker_state_at(cv__breaker *breaker, int64_t now_ns)
{
    if (breaker->state == CV__BREAKER_OPEN && now_ns >= breaker->until_ns)
        enter(breaker, CV__BREAKER_HALF_OPEN);
    return breaker->state;
}

bool cv__breaker_allows(cv__breaker *breaker, int64_t now_ns)
{
    switch (cv__breaker_state_at(breaker, now_ns)) {
    case CV__BREAKER_CLOSED:
        return true;
    case CV__BREAKER_HALF_OPEN:
        if (breaker->admitted == breaker->probes)
            return false;
        breaker->admitted++;
        return true;
    default:
        return false;
    }
}

/* Put a result in the place of the oldest one. */
static void remember(cv__breaker *breaker, size_t places, bool ok)
{
    assert(places > 0);
    uint64_t *word = &breaker->failed[breaker->next / 64], bit = UINT64_C(1) << breaker->next % 64;
    if (breaker->count < places)
        breaker->count++;
    else
        breaker->failures -= (*word & bit) != 0;
    *word = ok ? *word & ~bit : *word | bit;
    breaker->failures += !ok;
    breaker->next = (breaker->next + 1) % places;
}

static bool too_many(const cv__breaker *breaker, size_t places)
{
    return breaker->failures * 100 >= breaker->percent * places;
}

bool cv__breaker_note(cv__breaker *breaker, int64_t now_ns, bool ok, const char *reason)
{
    if (!ok && reason)
        snprintf(breaker->reason, sizeof breaker->reason, "%s", reason);
    cv__breaker_state state = cv__breaker_state_at(breaker, now_ns);
    if (breaker->window == 0 || state == CV__BREAKER_OPEN)
        return false;
    if (state == CV__BREAKER_CLOSED && now_ns - breaker->last_failure_ns > breaker->open_ns)
        enter(breaker, CV__BREAKER_CLOSED);
    if (!ok)
        breaker->last_failure_ns = now_ns;
    size_t places = state == CV__BREAKER_HALF_OPEN ? breaker->probes : breaker->window;
    remember(breaker, places, ok);
    if (!ok && too_many(breaker, places)) {
        open_until(breaker, now_ns + breaker->open_ns);
        return true;
    }
    size_t successes = breaker->count - breaker->failures;
    if (state == CV__BREAKER_HALF_OPEN && successes * 100 > (100 - breaker->percent) * places)
        enter(breaker, CV__BREAKER_CLOSED);
    return false;
}

void cv__breaker_take_back(cv__breaker *breaker)
{
    if (breaker->state == CV__BREAKER_HALF_OPEN && breaker->admitted > breaker->count)
        breaker->admitted--;
}
