#include "db/statement_cache.h"

#include <stdlib.h>

int cv__statement_cache_init(cv__statement_cache *cache, size_t capacity,
                             void (*free_statement)(void *arg, cv__cached_statement *entry), void *arg)
{
    size_t buckets = 16;
    while (buckets < capacity && buckets < ((size_t)1 << 20))
        buckets *= 2;
    *cache = (cv__statement_cache){
        .bucket_mask = buckets - 1, .capacity = capacity ? capacity : 1, .free_statement = free_statement, .arg = arg};
    cache->counters = &cache->own;
    cv_list_init(&cache->lru);
    cache->buckets = calloc(buckets, sizeof *cache->buckets);
    return cache->buckets ? 0 : CV_E_NOMEM;
}

static cv__cached_statement **bucket_of(cv__statement_cache *cache, uint64_t hash)
{
    return &cache->buckets[hash & cache->bucket_mask];
}

void cv__statement_cache_report(cv__statement_cache *cache, cv__statement_counters *counters)
{
    cache->counters->prepared -= cache->count;
    cache->counters = counters ? counters : &cache->own;
    cache->counters->prepared += cache->count;
}

static void drop(cv__statement_cache *cache, cv__cached_statement *entry)
{
    cv__statement_cache_remove(cache, entry);
    cache->free_statement(cache->arg, entry);
}

static bool is_expired(const cv__statement_cache *cache, const cv__cached_statement *entry)
{
    return entry->expires_ns && cache->now_ns >= entry->expires_ns && entry->in_use == 0;
}

cv__cached_statement *cv__statement_cache_get(cv__statement_cache *cache, cv_str sql, uint64_t hash)
{
    cv__cached_statement *entry = *bucket_of(cache, hash);
    while (entry && !(entry->hash == hash && cv_str_equal(entry->sql, sql)))
        entry = entry->next;
    if (entry && is_expired(cache, entry)) {
        cache->counters->expirations++;
        drop(cache, entry);
        entry = NULL;
    }
    if (!entry) {
        cache->counters->misses++;
        return NULL;
    }
    cache->counters->hits++;
    if (cache->lru.next != &entry->lru) {
        cv_list_remove(&entry->lru);
        cv_list_push_front(&cache->lru, &entry->lru);
    }
    return entry;
}

void cv__statement_cache_remove(cv__statement_cache *cache, cv__cached_statement *entry)
{
    if (!entry->cached)
        return;
    cv__cached_statement **at = bucket_of(cache, entry->hash);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    cv_list_remove(&entry->lru);
    entry->cached = false;
    cache->count--;
    cache->counters->prepared--;
}

/* Oldest first; entries in use stay. */
static void evict_down_to(cv__statement_cache *cache, size_t count)
{
    cv_link *at = cache->lru.prev;
    while (cache->count > count && at != &cache->lru) {
        cv__cached_statement *entry = cv_list_entry(at, cv__cached_statement, lru);
        at = at->prev;
        if (entry->in_use > 0)
            continue;
        cache->counters->evictions++;
        drop(cache, entry);
    }
}

/* Up to an eighth sooner or later, by the text, so that what was prepared together does not expire together. */
static int64_t expiry(const cv__statement_cache *cache, uint64_t hash)
{
    int64_t sixty_fourth = cache->lifetime_ns / 64;
    return cache->lifetime_ns ? cache->now_ns + cache->lifetime_ns + sixty_fourth * ((int64_t)(hash >> 60) - 8) : 0;
}

void cv__statement_cache_put(cv__statement_cache *cache, cv__cached_statement *entry)
{
    evict_down_to(cache, cache->capacity - 1);
    cv__cached_statement **bucket = bucket_of(cache, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    cv_list_push_front(&cache->lru, &entry->lru);
    entry->cached = true;
    entry->expires_ns = expiry(cache, entry->hash);
    cache->count++;
    cache->counters->prepared++;
}

void cv__statement_cache_clear(cv__statement_cache *cache)
{
    cv_list_each (at, &cache->lru) {
        cv__cached_statement *entry = cv_list_entry(at, cv__cached_statement, lru);
        if (entry->in_use == 0)
            drop(cache, entry);
    }
}

void cv__statement_cache_done(cv__statement_cache *cache)
{
    if (!cache->buckets)
        return;
    cv_list_each (at, &cache->lru) {
        drop(cache, cv_list_entry(at, cv__cached_statement, lru));
    }
    free(cache->buckets);
    *cache = (cv__statement_cache){0};
}
