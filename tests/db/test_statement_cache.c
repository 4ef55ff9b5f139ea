#include "test.h"

#include "db/statement_cache.h"

typedef struct entry {
    cv__cached_statement cached;
    bool freed;
} entry;

static entry entries[6];
static const char *const texts[6] = {"a", "b", "c", "d", "e", "f"};

static void on_free(void *arg, cv__cached_statement *cached)
{
    entry *e = (entry *)(void *)cached;
    e->freed = true;
    ++*(int *)arg;
}

static uint64_t hash_of(int i)
{
    return i == 5 ? 0 : (uint64_t)i; /* "f" shares its hash with "a" */
}

static void put(cv__statement_cache *cache, int i)
{
    entries[i] = (entry){.cached = {.sql = cv_str_of(texts[i]), .hash = hash_of(i)}};
    cv__statement_cache_put(cache, &entries[i].cached);
}

static bool has(cv__statement_cache *cache, int i)
{
    return cv__statement_cache_get(cache, cv_str_of(texts[i]), hash_of(i)) == &entries[i].cached;
}

static void what_was_put_in_is_found(void **state)
{
    (void)state;
    cv__statement_cache cache;
    int freed = 0;
    assert_int_equal(cv__statement_cache_init(&cache, 4, on_free, &freed), 0);
    assert_false(has(&cache, 0));
    put(&cache, 0);
    put(&cache, 5);
    assert_true(has(&cache, 0));
    assert_true(has(&cache, 5));
    assert_int_equal(cache.counters->hits, 2);
    assert_int_equal(cache.counters->misses, 1);
    cv__statement_cache_done(&cache);
    assert_int_equal(freed, 2);
    cv__statement_cache_done(&cache);
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    cv__statement_cache cache;
    int freed = 0;
    assert_int_equal(cv__statement_cache_init(&cache, 3, on_free, &freed), 0);
    for (int i = 0; i < 3; i++)
        put(&cache, i);
    assert_true(has(&cache, 0));
    put(&cache, 3);
    assert_true(entries[1].freed);
    assert_true(has(&cache, 0) && has(&cache, 2) && has(&cache, 3));
    assert_int_equal(cache.counters->evictions, 1);
    assert_int_equal(cache.count, 3);
    cv__statement_cache_done(&cache);
}

static void a_statement_in_use_stays(void **state)
{
    (void)state;
    cv__statement_cache cache;
    int freed = 0;
    assert_int_equal(cv__statement_cache_init(&cache, 2, on_free, &freed), 0);
    put(&cache, 0);
    put(&cache, 1);
    entries[0].cached.in_use = entries[1].cached.in_use = 1;
    put(&cache, 2);
    assert_int_equal(cache.count, 3);
    assert_int_equal(freed, 0);
    entries[0].cached.in_use = 0;
    cv__statement_cache_clear(&cache);
    assert_true(entries[0].freed && entries[2].freed && !entries[1].freed);
    entries[1].cached.in_use = 0;
    put(&cache, 3);
    put(&cache, 4);
    assert_int_equal(cache.count, 2);
    cv__statement_cache_done(&cache);
}

static void a_statement_can_be_taken_out(void **state)
{
    (void)state;
    cv__statement_cache cache;
    int freed = 0;
    assert_int_equal(cv__statement_cache_init(&cache, 2, on_free, &freed), 0);
    put(&cache, 0);
    put(&cache, 5);
    cv__statement_cache_remove(&cache, &entries[0].cached);
    cv__statement_cache_remove(&cache, &entries[0].cached);
    assert_false(has(&cache, 0));
    assert_true(has(&cache, 5));
    assert_int_equal(freed, 0);
    cv__statement_cache_done(&cache);
}

static void a_statement_leaves_when_its_time_is_over(void **state)
{
    (void)state;
    cv__statement_cache cache;
    int freed = 0;
    assert_int_equal(cv__statement_cache_init(&cache, 3, on_free, &freed), 0);
    cache.lifetime_ns = 1000;
    cache.now_ns = 5000;
    put(&cache, 0);
    put(&cache, 1);
    cache.now_ns = 5800;
    assert_true(has(&cache, 0));
    entries[1].cached.in_use = 1;
    cache.now_ns = 6200;
    assert_false(has(&cache, 0));
    assert_true(entries[0].freed);
    assert_true(has(&cache, 1)); /* in use */
    entries[1].cached.in_use = 0;
    assert_false(has(&cache, 1));
    assert_int_equal(cache.counters->expirations, 2);
    assert_int_equal(cache.counters->misses, 2);
    assert_int_equal(cache.count, 0);
    cv__statement_cache_done(&cache);
}

static void caches_may_count_together(void **state)
{
    (void)state;
    cv__statement_cache one, two;
    cv__statement_counters counters = {0};
    int freed = 0;
    assert_int_equal(cv__statement_cache_init(&one, 3, on_free, &freed), 0);
    assert_int_equal(cv__statement_cache_init(&two, 3, on_free, &freed), 0);
    put(&one, 0);
    cv__statement_cache_report(&one, &counters);
    cv__statement_cache_report(&two, &counters);
    put(&two, 1);
    assert_int_equal(counters.prepared, 2);
    assert_true(has(&one, 0) && has(&two, 1));
    assert_int_equal(counters.hits, 2);
    cv__statement_cache_report(&one, NULL);
    assert_int_equal(counters.prepared, 1);
    cv__statement_cache_done(&two);
    assert_int_equal(counters.prepared, 0);
    cv__statement_cache_done(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_in_is_found),
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(a_statement_in_use_stays),
        cmocka_unit_test(a_statement_can_be_taken_out),
        cmocka_unit_test(a_statement_leaves_when_its_time_is_over),
        cmocka_unit_test(caches_may_count_together),
    };
    return cmocka_run_group_tests_name("db statement cache", tests, NULL, NULL);
}
