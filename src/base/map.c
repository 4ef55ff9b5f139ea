/* The hash map. Entries lie in an array in the order in which they came; an open-addressed table of indices finds them.
 *
 * Invariants: the table has a power of two of slots and at least half of them are free, so a search ends; a slot
 * holds 0 (free) or the index of an entry plus one; a removed entry keeps its slot with `key` NULL until the next
 * rebuild, which drops all of them. */
#include <covet/map.h>
#include <stdlib.h>

#define MOST_ENTRIES   ((size_t)1 << 24)
#define FIRST_CAPACITY ((size_t)8)

typedef struct entry {
    uint64_t hash;
    char *key; /* NULL: removed */
    size_t key_len;
    void *value;
} entry;

struct cv_map {
    entry *entries;
    uint32_t *slots;
    size_t capacity; /* of `entries`; there are twice as many slots */
    size_t used;     /* entries taken, removed ones included */
    size_t count;    /* without the removed ones */
    size_t max_entries;
};

cv_map *cv_map_new(size_t max_entries)
{
    cv_map *map = calloc(1, sizeof *map);
    if (map)
        map->max_entries = max_entries && max_entries < MOST_ENTRIES ? max_entries : MOST_ENTRIES;
    return map;
}

void cv_map_free(cv_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->used; i++)
        free(map->entries[i].key);
    free(map->entries);
    free(map->slots);
    free(map);
}

size_t cv_map_count(const cv_map *map)
{
    return map->count;
}

static uint64_t hash_key(cv_str key)
{
    return cv_hash(key.ptr ? key.ptr : "", key.len);
}

static bool is_key(const entry *at, uint64_t hash, cv_str key)
{
    return at->hash == hash && at->key && at->key_len == key.len &&
           (key.len == 0 || memcmp(at->key, key.ptr, key.len) == 0);
}

static entry *find(const cv_map *map, uint64_t hash, cv_str key)
{
    if (!map->count)
        return NULL;
    size_t mask = 2 * map->capacity - 1;
    for (size_t i = hash & mask; map->slots[i]; i = (i + 1) & mask) {
        entry *at = &map->entries[map->slots[i] - 1];
        if (is_key(at, hash, key))
            return at;
    }
    return NULL;
}

void *cv_map_get(const cv_map *map, cv_str key)
{
    const entry *found = map->count ? find(map, hash_key(key), key) : NULL;
    return found ? found->value : NULL;
}

bool cv_map_has(const cv_map *map, cv_str key)
{
    return map->count && find(map, hash_key(key), key);
}

static void put_slot(uint32_t *slots, size_t mask, uint64_t hash, size_t index)
{
    size_t i = hash & mask;
    while (slots[i])
        i = (i + 1) & mask;
    slots[i] = (uint32_t)(index + 1);
}

/* Move the entries that are left into new arrays. */
static int rebuild(cv_map *map, size_t capacity)
{
    entry *entries = malloc(capacity * sizeof *entries);
    uint32_t *slots = calloc(2 * capacity, sizeof *slots);
    if (!entries || !slots) {
        free(entries);
        free(slots);
        return CV_E_NOMEM;
    }
    size_t used = 0;
    for (size_t i = 0; i < map->used; i++) {
        if (!map->entries[i].key)
            continue;
        put_slot(slots, 2 * capacity - 1, map->entries[i].hash, used);
        entries[used++] = map->entries[i];
    }
    free(map->entries);
    free(map->slots);
    map->entries = entries;
    map->slots = slots;
    map->capacity = capacity;
    map->used = used;
    return 0;
}

/* Room for one more entry. A map with many removed ones is tidied in place of growing. */
static int make_room(cv_map *map)
{
    if (map->used < map->capacity)
        return 0;
    if (!map->capacity)
        return rebuild(map, FIRST_CAPACITY);
    return rebuild(map, map->count > map->capacity / 2 ? 2 * map->capacity : map->capacity);
}

static int add(cv_map *map, uint64_t hash, cv_str key, void *value)
{
    if (map->count >= map->max_entries)
        return CV_E_LIMIT;
    CV_TRY(make_room(map));
    char *copy = malloc(key.len + 1);
    if (!copy)
        return CV_E_NOMEM;
    if (key.len)
        memcpy(copy, key.ptr, key.len);
    copy[key.len] = '\0';
    put_slot(map->slots, 2 * map->capacity - 1, hash, map->used);
    map->entries[map->used++] = (entry){hash, copy, key.len, value};
    map->count++;
    return 0;
}

int cv_map_set(cv_map *map, cv_str key, void *value, void **ret_old)
{
    uint64_t hash = hash_key(key);
    entry *found = find(map, hash, key);
    void *old = found ? found->value : NULL;
    if (found)
        found->value = value;
    else
        CV_TRY(add(map, hash, key, value));
    if (ret_old)
        *ret_old = old;
    return 0;
}

void *cv_map_remove(cv_map *map, cv_str key)
{
    entry *found = find(map, hash_key(key), key);
    if (!found)
        return NULL;
    free(found->key);
    found->key = NULL;
    map->count--;
    return found->value;
}

bool cv_map_next(const cv_map *map, size_t *position, cv_str *ret_key, void **ret_value)
{
    while (*position < map->used) {
        const entry *at = &map->entries[(*position)++];
        if (!at->key)
            continue;
        *ret_key = cv_str_make(at->key, at->key_len);
        *ret_value = at->value;
        return true;
    }
    return false;
}
