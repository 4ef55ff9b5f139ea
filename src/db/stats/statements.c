#include "db/stats/statements.h"

#include <stdlib.h>

/* Of the text: what tells statements apart is the hash of all of it. */
enum { TEXT_BYTES = 1000 };

struct cv__statement_stat {
    cv__cached_statement cached; /* first: the cache hands these out */
    uint64_t calls, errors, rows;
    int64_t total_ns, max_ns;
    char text[];
};

struct cv__statement_stats {
    cv__statement_cache cache; /* of texts instead of prepared statements */
};

static void free_stat(void *arg, cv__cached_statement *entry)
{
    (void)arg;
    free(entry);
}

cv__statement_stats *cv__statement_stats_new(size_t capacity)
{
    cv__statement_stats *stats = calloc(1, sizeof *stats);
    if (stats && cv__statement_cache_init(&stats->cache, capacity, free_stat, NULL) < 0) {
        free(stats);
        return NULL;
    }
    return stats;
}

void cv__statement_stats_free(cv__statement_stats *stats)
{
    if (!stats)
        return;
    cv__statement_cache_done(&stats->cache);
    free(stats);
}

/* Cut between characters. */
static cv_str cut(cv_str sql)
{
    size_t len = sql.len;
    if (len <= TEXT_BYTES)
        return sql;
    for (len = TEXT_BYTES; len > 0 && ((unsigned char)sql.ptr[len] & 0xC0) == 0x80;)
        len--;
    return cv_str_sub(sql, 0, len);
}

static cv__statement_stat *make(cv__statement_stats *stats, cv_str text, uint64_t hash)
{
    cv__statement_stat *stat = calloc(1, sizeof *stat + text.len + 1);
    if (!stat)
        return NULL;
    memcpy(stat->text, text.ptr, text.len);
    stat->cached.hash = hash;
    stat->cached.sql = cv_str_make(stat->text, text.len);
    cv__statement_cache_put(&stats->cache, &stat->cached);
    return stat;
}

cv__statement_stat *cv__statement_stats_begin(cv__statement_stats *stats, const cv__statement *statement)
{
    if (!stats)
        return NULL;
    cv_str text = cut(statement->sql);
    uint64_t hash = statement->hash ? statement->hash : cv_hash(statement->sql.ptr, statement->sql.len);
    cv__cached_statement *found = cv__statement_cache_get(&stats->cache, text, hash);
    cv__statement_stat *stat = found ? (cv__statement_stat *)(void *)found : make(stats, text, hash);
    if (stat)
        stat->cached.in_use++;
    return stat;
}

void cv__statement_stats_end(cv__statement_stat *stat, int64_t ns, uint64_t rows, bool failed)
{
    if (!stat)
        return;
    stat->calls++;
    stat->errors += failed;
    stat->rows += rows;
    stat->total_ns += ns;
    stat->max_ns = ns > stat->max_ns ? ns : stat->max_ns;
    stat->cached.in_use--;
}

static int by_total_time(const void *a, const void *b)
{
    const cv__statement_stat *first = *(const cv__statement_stat *const *)a,
                             *second = *(const cv__statement_stat *const *)b;
    return (first->total_ns < second->total_ns) - (first->total_ns > second->total_ns);
}

static int copy_stat(cv_ctx *cx, const cv__statement_stat *stat, cv_statement_stats *ret_copy)
{
    *ret_copy = (cv_statement_stats){.sql = cv_strndup(cx, stat->cached.sql.ptr, stat->cached.sql.len),
                                     .calls = stat->calls,
                                     .errors = stat->errors,
                                     .rows = stat->rows,
                                     .total_ns = stat->total_ns,
                                     .mean_ns = stat->total_ns / (int64_t)stat->calls,
                                     .max_ns = stat->max_ns};
    return ret_copy->sql ? 0 : CV_E_NOMEM;
}

int cv__statement_stats_top(cv_ctx *cx, const cv__statement_stats *stats, size_t max, cv_statement_stats **ret_list,
                            size_t *ret_count)
{
    size_t count = 0;
    const cv__statement_stat **all = cv_zalloc(cx, stats->cache.count, sizeof *all);
    if (!all)
        return CV_E_NOMEM;
    for (cv_link *at = stats->cache.lru.next; at != &stats->cache.lru; at = at->next) {
        const cv__cached_statement *entry = cv_list_entry(at, cv__cached_statement, lru);
        all[count] = (const cv__statement_stat *)(const void *)entry;
        count += all[count]->calls > 0;
    }
    qsort(all, count, sizeof *all, by_total_time);
    count = count < max ? count : max;
    cv_statement_stats *list = cv_zalloc(cx, count, sizeof *list);
    if (!list)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        CV_TRY(copy_stat(cx, all[i], &list[i]));
    *ret_list = list;
    *ret_count = count;
    return 0;
}

void cv__statement_stats_clear(cv__statement_stats *stats)
{
    if (stats)
        cv__statement_cache_clear(&stats->cache);
}
