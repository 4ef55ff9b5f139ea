#include "db/pool/stats.h"

#include "base/ctx.h"
#include "base/metric.h"
#include "db/db.h"
#include "db/pool/pool.h"
#include <covet/log.h>
#include <covet/runtime.h>
#include <stdlib.h>

enum { BUCKET_BITS = 3 };
static const int64_t minute_ns = INT64_C(60) * 1000000000;

/* ---- waits ---- */

/* Eight buckets to each doubling; the first sixteen are exact. */
static size_t bucket_of(int64_t us)
{
    if (us < 16)
        return us > 0 ? (size_t)us : 0;
    size_t log = 63 - (size_t)__builtin_clzll((uint64_t)us);
    size_t bucket = ((log - BUCKET_BITS) << BUCKET_BITS) + ((size_t)us >> (log - BUCKET_BITS));
    return bucket < CV__WAIT_BUCKETS ? bucket : CV__WAIT_BUCKETS - 1;
}

static int64_t lower_bound_us(size_t bucket)
{
    if (bucket < 16)
        return (int64_t)bucket;
    size_t shift = (bucket >> BUCKET_BITS) - 1;
    return (int64_t)((8 + (bucket & 7)) << shift);
}

int64_t cv__pool_slot_wait_us(const cv__pool_slot *slot, double q)
{
    uint64_t wanted = (uint64_t)(q * (double)slot->loans), seen = 0;
    for (size_t i = 0; i < CV__WAIT_BUCKETS; i++) {
        seen += slot->waits[i];
        if (seen > wanted || (seen && seen == slot->loans))
            return lower_bound_us(i);
    }
    return 0;
}

/* ---- minutes ---- */

static void count_used(cv__pool_history *h, int64_t until_ns)
{
    if (until_ns > h->used_since_ns)
        h->slots[h->at].used_ns += h->used * (uint64_t)(until_ns - h->used_since_ns);
    h->used_since_ns = until_ns;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

enum { UNUSUAL_AFTER = 10, UNUSUAL_TIMES = 5, UNUSUAL_LEAST_US = 10000 };

/* A minute in which waits were many times as long as they usually are, and long at all. */
static void compare_with_others(cv__pool *pool, cv__pool_history *h)
{
    int64_t usual_us[CV_POOL_MINUTES], last_us = cv__pool_slot_wait_us(&h->slots[h->at], 0.99);
    size_t count = 0;
    for (size_t i = 0; i < CV_POOL_MINUTES; i++)
        if (i != h->at && h->slots[i].loans)
            usual_us[count++] = cv__pool_slot_wait_us(&h->slots[i], 0.99);
    qsort(usual_us, count, sizeof usual_us[0], compare);
    h->unusual = count >= UNUSUAL_AFTER && last_us >= UNUSUAL_LEAST_US && last_us > UNUSUAL_TIMES * usual_us[count / 2];
    if (h->unusual)
        CV_LOG_WARN(pool->main->log, "waits for a connection are unusual", CV_F("pool", (const char *)pool->name),
                    CV_F("p99_us", last_us), CV_F("usual_p99_us", usual_us[count / 2]));
}

static void next_minute(cv__pool *pool, cv__pool_history *h, int64_t now_ns)
{
    uint64_t minute = (uint64_t)(now_ns / minute_ns);
    compare_with_others(pool, h);
    count_used(h, h->ends_ns);
    size_t used = h->used;
    while (h->slots[h->at].minute < minute) { /* the quiet ones, too: loans may have gone on */
        uint64_t next = h->slots[h->at].minute + 1;
        if (minute - next > CV_POOL_MINUTES)
            next = minute - CV_POOL_MINUTES;
        h->at = (h->at + 1) % CV_POOL_MINUTES;
        h->slots[h->at] = (cv__pool_slot){.minute = next, .used_max = used};
        h->ends_ns = (int64_t)(next + 1) * minute_ns;
        h->used_since_ns = (int64_t)next * minute_ns;
        count_used(h, now_ns < h->ends_ns ? now_ns : h->ends_ns);
    }
}

cv__pool_slot *cv__pool_slot_now(cv__pool *pool, int64_t now_ns)
{
    cv__pool_history *h = pool->history;
    if (!h)
        return NULL;
    if (now_ns >= h->ends_ns)
        next_minute(pool, h, now_ns);
    return &h->slots[h->at];
}

/* ---- metrics ---- */

struct cv__pool_metrics {
    cv__tick tick;
    cv__pool *pool;
    cv_histogram *create, *wait, *use;
    cv_gauge *idle, *used, *idle_max, *idle_min, *max, *pending, *alert;
    cv_counter *timeouts, *turned_away, *leaks, *revoked;
    cv_pool_stats shown; /* pools of one name add up: each adds what has changed */
    size_t shown_min, shown_max;
    int shown_alert;
};

static void change(cv_gauge *gauge, size_t *shown, size_t now)
{
    cv__gauge_add_alone(gauge, (int64_t)now - (int64_t)*shown);
    *shown = now;
}

static void count(cv_counter *counter, uint64_t *shown, uint64_t now)
{
    cv__counter_add_alone(counter, now - *shown);
    *shown = now;
}

static void show(cv__pool_metrics *m, const cv_pool_stats *now, size_t min, int alert)
{
    size_t max = now->max;
    change(m->idle, &m->shown.idle, now->idle);
    change(m->used, &m->shown.borrowed, now->borrowed);
    change(m->pending, &m->shown.waiting, now->waiting);
    change(m->max, &m->shown.max, max);
    change(m->idle_max, &m->shown_max, max);
    change(m->idle_min, &m->shown_min, min);
    count(m->timeouts, &m->shown.timeouts_total, now->timeouts_total);
    count(m->turned_away, &m->shown.shed_total, now->shed_total);
    count(m->leaks, &m->shown.leaks_total, now->leaks_total);
    count(m->revoked, &m->shown.revoked_total, now->revoked_total);
    cv__gauge_add_alone(m->alert, alert - m->shown_alert);
    m->shown_alert = alert;
}

static void on_tick(cv__tick *tick)
{
    cv__pool_metrics *m = cv_list_entry(tick, cv__pool_metrics, tick);
    cv_pool_stats now = cv__pool_get_stats(m->pool);
    show(m, &now, m->pool->min, cv__pool_alert(m->pool));
}

/* The names of OpenTelemetry's semantic conventions for database clients, as Prometheus spells them. */
static void register_metrics(cv__pool_metrics *m, cv_metrics *registry, const char *pool_name)
{
    char label[CV__POOL_NAME_BYTES + 48], idle[CV__POOL_NAME_BYTES + 96], used[CV__POOL_NAME_BYTES + 96];
    snprintf(label, sizeof label, "db_client_connection_pool_name=\"%s\"", pool_name);
    snprintf(idle, sizeof idle, "%s,db_client_connection_state=\"idle\"", label);
    snprintf(used, sizeof used, "%s,db_client_connection_state=\"used\"", label);
    static const char state_help[] = "Connections that are open, by their state.";
    m->idle = cv_gauge_get(registry, "db_client_connection_count", state_help, idle);
    m->used = cv_gauge_get(registry, "db_client_connection_count", state_help, used);
    m->idle_max = cv_gauge_get(registry, "db_client_connection_idle_max", "Most idle connections allowed.", label);
    m->idle_min = cv_gauge_get(registry, "db_client_connection_idle_min", "Connections kept open.", label);
    m->max = cv_gauge_get(registry, "db_client_connection_max", "Most connections allowed.", label);
    m->pending = cv_gauge_get(registry, "db_client_connection_pending_requests", "Waits for a connection.", label);
    m->alert = cv_gauge_get(registry, "covet_db_pool_alert", "0 well, 1 warning, 2 failing.", label);
    m->timeouts = cv_counter_get(registry, "db_client_connection_timeouts_total",
                                 "Waits for a connection that ended without one.", label);
    m->turned_away = cv_counter_get(registry, "covet_db_pool_turned_away_total", "Turned away by overload.", label);
    m->leaks = cv_counter_get(registry, "covet_db_pool_leaks_total", "Loans longer than leak_threshold.", label);
    m->revoked = cv_counter_get(registry, "covet_db_pool_revoked_total", "Connections taken back.", label);
    m->create = cv_histogram_get(registry, "db_client_connection_create_time_seconds", "Making a connection.", label,
                                 cv_latency_bounds, cv_latency_bound_count);
    m->wait = cv_histogram_get(registry, "db_client_connection_wait_time_seconds", "Waiting for a connection.", label,
                               cv_latency_bounds, cv_latency_bound_count);
    m->use = cv_histogram_get(registry, "db_client_connection_use_time_seconds", "Between borrowing and giving back.",
                              label, cv_latency_bounds, cv_latency_bound_count);
}

/* ---- life ---- */

static cv__pool_history *make_history(int64_t now_ns)
{
    cv__pool_history *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    uint64_t minute = (uint64_t)(now_ns / minute_ns);
    h->slots[0].minute = minute;
    h->began_ns = h->used_since_ns = now_ns;
    h->ends_ns = (int64_t)(minute + 1) * minute_ns;
    return h;
}

void cv__pool_stats_start(cv__pool *pool)
{
    pool->history = make_history(cv_now_ns(pool->main));
    if (!pool->main->metrics)
        return;
    cv__pool_metrics *m = calloc(1, sizeof *m);
    if (!m)
        return;
    m->pool = pool;
    m->tick.fn = on_tick;
    cv_list_init(&m->tick.link);
    register_metrics(m, pool->main->metrics, pool->name);
    cv__tick_add(pool->main, &m->tick);
    pool->metrics = m;
}

void cv__pool_stats_stop(cv__pool *pool)
{
    free(pool->history);
    pool->history = NULL;
    cv__pool_metrics *m = pool->metrics;
    if (!m)
        return;
    cv_pool_stats none = cv__pool_get_stats(pool);
    none.max = none.idle = none.borrowed = none.waiting = 0;
    show(m, &none, 0, 0);
    cv__tick_remove(&m->tick);
    free(m);
    pool->metrics = NULL;
}

/* ---- notes ---- */

void cv__pool_note_loan(cv__pool *pool, int64_t now_ns, int64_t wait_ns)
{
    cv__pool_slot *slot = cv__pool_slot_now(pool, now_ns);
    if (slot) {
        cv__pool_history *h = pool->history;
        count_used(h, now_ns);
        h->used++;
        slot->used_max = h->used > slot->used_max ? h->used : slot->used_max;
        slot->loans++;
        slot->waits[bucket_of(wait_ns / 1000)]++;
    }
    if (pool->metrics)
        cv__histogram_observe_alone(pool->metrics->wait, (double)wait_ns / 1e9);
}

void cv__pool_note_return(cv__pool *pool, int64_t now_ns, int64_t held_ns)
{
    if (cv__pool_slot_now(pool, now_ns)) {
        count_used(pool->history, now_ns);
        pool->history->used--;
    }
    if (pool->metrics)
        cv__histogram_observe_alone(pool->metrics->use, (double)held_ns / 1e9);
}

void cv__pool_note_made(cv__pool *pool, int64_t took_ns)
{
    cv__pool_slot *slot = cv__pool_slot_now(pool, cv_now_ns(pool->main));
    if (slot)
        slot->made++;
    if (pool->metrics)
        cv__histogram_observe_alone(pool->metrics->create, (double)took_ns / 1e9);
}

/* ---- alerts ---- */

/* So long a wait, in parts of acquire_timeout, is a failure to come. */
enum { LONG_WAIT_PART = 10, ALERT_AGAIN_S = 60 };

static const char *failing(cv__pool *pool, int64_t now_ns)
{
    int64_t first_ns = cv__pool_first_since_ns(pool);
    if (first_ns != INT64_MAX && now_ns - first_ns > pool->options.acquire_timeout_ms * 1000000 / LONG_WAIT_PART)
        return "exhausted";
    return pool->failed_in_a_row ? "connects fail" : NULL;
}

static const char *warning(const cv__pool *pool)
{
    size_t used = pool->open - pool->idle_count - pool->connecting;
    if (pool->max >= 4 && used * 4 >= pool->max * 3)
        return "three quarters are lent";
    if (pool->history && pool->history->unusual)
        return "waits are unusual";
    cv_list_each (at, &pool->lent) {
        if (cv_list_entry(at, cv__conn, link)->leak_told)
            return "a loan lasts too long";
    }
    return NULL;
}

static void log_alert(cv__pool *pool, int level, const char *why)
{
    CV_LOG(pool->main->log, level == 2 ? CV_LOG_ERROR : CV_LOG_WARN, level == 2 ? "pool failing" : "pool warning",
           CV_F("pool", (const char *)pool->name), CV_F("why", why), CV_F("max", (int64_t)pool->max),
           CV_F("open", (int64_t)pool->open), CV_F("idle", (int64_t)pool->idle_count),
           CV_F("waiting", (int64_t)pool->waiting), CV_F("last_error", (const char *)pool->last_error));
}

int cv__pool_alert(cv__pool *pool)
{
    int64_t now_ns = cv_now_ns(pool->main);
    const char *why = failing(pool, now_ns);
    int level = why ? 2 : (why = warning(pool)) ? 1 : 0;
    if (level > 0 && (level > pool->alert_told || now_ns - pool->alert_told_ns > ALERT_AGAIN_S * INT64_C(1000000000))) {
        log_alert(pool, level, why);
        pool->alert_told = level;
        pool->alert_told_ns = now_ns;
    }
    return level;
}

/* ---- public ---- */

static cv_pool_minute tell(const cv__pool_slot *slot, int64_t length_ns)
{
    return (cv_pool_minute){
        .minute = slot->minute,
        .loans = slot->loans,
        .used_average = length_ns > 0 ? (double)slot->used_ns / (double)length_ns : 0,
        .used_max = slot->used_max,
        .wait_p50_us = cv__pool_slot_wait_us(slot, 0.5),
        .wait_p99_us = cv__pool_slot_wait_us(slot, 0.99),
        .timeouts = slot->timeouts,
        .turned_away = slot->turned_away,
        .made = slot->made,
        .closed = slot->closed,
        .failures = slot->failures,
    };
}

static bool is_quiet(const cv__pool_slot *slot)
{
    return !(slot->loans || slot->used_max || slot->timeouts || slot->turned_away || slot->made || slot->closed ||
             slot->failures);
}

/* What of a minute the pool has lived through. */
static int64_t length_ns(const cv__pool_history *h, const cv__pool_slot *slot, int64_t now_ns)
{
    int64_t from_ns = (int64_t)slot->minute * minute_ns, to_ns = from_ns + minute_ns;
    from_ns = h->began_ns > from_ns ? h->began_ns : from_ns;
    return (now_ns < to_ns ? now_ns : to_ns) - from_ns;
}

size_t cv_db_pool_history(cv_db *db, int writer, cv_pool_minute *ret_minutes, size_t count_wanted)
{
    cv__pool *pool = cv__db_pool(db, writer ? CV__WRITER : CV__READER);
    int64_t now_ns = cv_now_ns(pool->main);
    cv__pool_history *h = pool->history;
    if (!cv__pool_slot_now(pool, now_ns))
        return 0;
    count_used(h, now_ns);
    size_t found = 0;
    for (size_t back = 0; back < CV_POOL_MINUTES && found < count_wanted; back++) {
        const cv__pool_slot *slot = &h->slots[(h->at + CV_POOL_MINUTES - back) % CV_POOL_MINUTES];
        if (!is_quiet(slot) && slot->minute + CV_POOL_MINUTES > h->slots[h->at].minute)
            ret_minutes[found++] = tell(slot, length_ns(h, slot, now_ns));
    }
    for (size_t i = 0; i < found / 2; i++) {
        cv_pool_minute other = ret_minutes[i];
        ret_minutes[i] = ret_minutes[found - 1 - i];
        ret_minutes[found - 1 - i] = other;
    }
    return found;
}

int cv_db_pool_alert(cv_db *db, int writer)
{
    return cv__pool_alert(cv__db_pool(db, writer ? CV__WRITER : CV__READER));
}
