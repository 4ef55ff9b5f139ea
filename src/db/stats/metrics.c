/* The counters of prepared statements, shown ten times a second. */
#include "db/db.h"

#include "base/ctx.h"
#include "base/metric.h"
#include "rt/watch.h"
#include <stdlib.h>

struct cv__statement_metrics {
    cv__tick tick;
    const cv__statement_counters *counters;
    cv_counter *hits, *misses, *evictions, *expirations;
    cv_gauge *prepared;
    cv__statement_counters shown;
};

static void show(cv__statement_metrics *m, const cv__statement_counters *now)
{
    cv__counter_add_alone(m->hits, now->hits - m->shown.hits);
    cv__counter_add_alone(m->misses, now->misses - m->shown.misses);
    cv__counter_add_alone(m->evictions, now->evictions - m->shown.evictions);
    cv__counter_add_alone(m->expirations, now->expirations - m->shown.expirations);
    cv__gauge_add_alone(m->prepared, (int64_t)now->prepared - (int64_t)m->shown.prepared);
    m->shown = *now;
}

static void on_tick(cv__tick *tick)
{
    cv__statement_metrics *m = cv_list_entry(tick, cv__statement_metrics, tick);
    show(m, m->counters);
}

static void register_metrics(cv__statement_metrics *m, cv_metrics *registry, const char *pool_name)
{
    char label[CV__POOL_NAME_BYTES + 48];
    snprintf(label, sizeof label, "db_client_connection_pool_name=\"%s\"", pool_name);
    m->hits = cv_counter_get(registry, "covet_db_statement_cache_hits_total", "Statements that were prepared.", label);
    m->misses = cv_counter_get(registry, "covet_db_statement_cache_misses_total", "Statements to be prepared.", label);
    m->evictions = cv_counter_get(registry, "covet_db_statement_cache_evictions_total",
                                  "Prepared statements that left for others.", label);
    m->expirations = cv_counter_get(registry, "covet_db_statement_cache_expirations_total",
                                    "Prepared statements older than statement_lifetime.", label);
    m->prepared = cv_gauge_get(registry, "covet_db_statements_prepared", "Statements prepared now.", label);
}

void cv__statement_metrics_start(cv_db *db, const cv_ctx *cx)
{
    cv__statement_metrics *m = cx->metrics ? calloc(1, sizeof *m) : NULL;
    if (!m)
        return;
    m->counters = db->driver->statement_counters(db->shared);
    m->tick.fn = on_tick;
    cv_list_init(&m->tick.link);
    register_metrics(m, cx->metrics, db->readers.name);
    cv__tick_add(cx, &m->tick);
    db->statement_metrics = m;
}

void cv__statement_metrics_stop(cv_db *db)
{
    cv__statement_metrics *m = db->statement_metrics;
    if (!m)
        return;
    cv__statement_counters last = *m->counters;
    last.prepared = 0;
    show(m, &last);
    cv__tick_remove(&m->tick);
    free(m);
    db->statement_metrics = NULL;
}
