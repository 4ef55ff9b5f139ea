/* A cache of prepared statements, one per connection, used by both drivers: least recently used out first.
 *
 * It is intrusive: a driver embeds cv__cached_statement in its own statement struct. An entry in use (in_use > 0) is
 * never evicted; when every entry is, the cache holds more than its capacity until they are released. Nothing here
 * suspends. */
#ifndef COVET_SRC_DB_STATEMENT_CACHE_H
#define COVET_SRC_DB_STATEMENT_CACHE_H

#include <covet/list.h>
#include <covet/str.h>

/** What happened to the statements of one cache, or of several that count together. */
typedef struct cv__statement_counters {
    uint64_t hits, misses, evictions, expirations;
    size_t prepared; /* in the caches now */
} cv__statement_counters;

typedef struct cv__cached_statement {
    cv_link lru;                       /* most recent first */
    struct cv__cached_statement *next; /* of the same bucket */
    uint64_t hash;
    int64_t expires_ns; /* kept by the cache; 0: never */
    cv_str sql;         /* owned by the driver's statement; must live as long as the entry */
    unsigned in_use;    /* the driver counts its users; entries with users are not evicted */
    bool cached;        /* it is in a cache */
} cv__cached_statement;

typedef struct cv__statement_cache {
    cv__cached_statement **buckets;
    size_t bucket_mask;
    size_t capacity, count;
    cv_link lru;
    void (*free_statement)(void *arg, cv__cached_statement *entry);
    void *arg;
    /* Set by the driver. With a lifetime, `now_ns` must be right at each get and put. */
    int64_t lifetime_ns; /* 0: for ever */
    int64_t now_ns;
    cv__statement_counters own, *counters;
} cv__statement_cache;

/** Set up a cache of at most `capacity` entries (at least 1). `free_statement(arg, entry)` frees an entry that leaves
 * the cache by eviction, clear or done; it must not use the cache. CV_E_NOMEM, without a story. */
CV_CHECKED int cv__statement_cache_init(cv__statement_cache *cache, size_t capacity,
                                        void (*free_statement)(void *arg, cv__cached_statement *entry), void *arg);

/** Free all entries and the cache's memory. An all-zero cache is allowed. */
void cv__statement_cache_done(cv__statement_cache *cache);

/** Free all entries that are not in use. */
void cv__statement_cache_clear(cv__statement_cache *cache);

/** Count together with other caches from now on; NULL: alone. The counters must live as long as the cache, or be taken
 * back. */
void cv__statement_cache_report(cv__statement_cache *cache, cv__statement_counters *counters);

/** The entry for a text, now the most recent one, or NULL. One that has outlived its time is freed, unless it is in
 * use. `hash` is cv_hash of the text. */
cv__cached_statement *cv__statement_cache_get(cv__statement_cache *cache, cv_str sql, uint64_t hash);

/** Put in an entry whose `hash`, `sql` and `in_use` are set; evicts others as needed. There must be no entry with the
 * same text. Cannot fail. */
void cv__statement_cache_put(cv__statement_cache *cache, cv__cached_statement *entry);

/** Take an entry out without freeing it; no effect when it is in no cache. */
void cv__statement_cache_remove(cv__statement_cache *cache, cv__cached_statement *entry);

#endif
