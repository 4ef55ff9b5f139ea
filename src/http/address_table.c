#include "http/address_table.h"

#include <covet/map.h>
#include <covet/str.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_PLACES = 64 };

void cv__address_table_init(cv__address_table *table)
{
    *table = (cv__address_table){0};
    pthread_mutex_init(&table->mutex, NULL);
}

void cv__address_table_done(cv__address_table *table)
{
    pthread_mutex_destroy(&table->mutex);
    free(table->places);
}

static void make_key(const cv__address *address, uint8_t key[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_v4 = memcmp(address->bytes, mapped, sizeof mapped) == 0;
    memcpy(key, address->bytes, 16);
    if (!is_v4)
        memset(key + 8, 0, 8);
}

/* Keyed: clients choose their addresses. */
static size_t home_of(const cv__address_table *table, const uint8_t key[16])
{
    return (size_t)cv_hash(key, 16) & table->mask;
}

/* Where the key is, or would be put. */
static size_t find(const cv__address_table *table, const uint8_t key[16])
{
    size_t at = home_of(table, key);
    while (table->places[at].count && memcmp(table->places[at].key, key, 16) != 0)
        at = (at + 1) & table->mask;
    return at;
}

static bool grow(cv__address_table *table)
{
    size_t before = table->places ? table->mask + 1 : 0;
    if (2 * (table->used + 1) <= before)
        return true;
    size_t after = before ? 2 * before : LEAST_PLACES;
    cv__address_count *former = table->places, *places = calloc(after, sizeof *places);
    if (!places)
        return false;
    table->places = places;
    table->mask = after - 1;
    for (size_t i = 0; i < before; i++)
        if (former[i].count)
            places[find(table, former[i].key)] = former[i];
    free(former);
    return true;
}

static bool add(cv__address_table *table, const uint8_t key[16], size_t most)
{
    if (!grow(table))
        return false;
    cv__address_count *place = &table->places[find(table, key)];
    if (place->count >= most)
        return false;
    if (place->count++ == 0) {
        memcpy(place->key, key, 16);
        table->used++;
    }
    return true;
}

bool cv__address_table_add(cv__address_table *table, const cv__address *address, size_t most)
{
    uint8_t key[16];
    make_key(address, key);
    pthread_mutex_lock(&table->mutex);
    bool added = add(table, key, most);
    pthread_mutex_unlock(&table->mutex);
    return added;
}

/* Close the gap: what comes behind it moves up, unless it is between its home and the gap already. */
static void free_place(cv__address_table *table, size_t gap)
{
    for (size_t at = (gap + 1) & table->mask; table->places[at].count; at = (at + 1) & table->mask) {
        size_t home = home_of(table, table->places[at].key);
        if (((at - home) & table->mask) < ((at - gap) & table->mask))
            continue;
        table->places[gap] = table->places[at];
        gap = at;
    }
    table->places[gap].count = 0;
    table->used--;
}

void cv__address_table_remove(cv__address_table *table, const cv__address *address)
{
    uint8_t key[16];
    make_key(address, key);
    pthread_mutex_lock(&table->mutex);
    size_t at = find(table, key);
    if (table->places[at].count > 1)
        table->places[at].count--;
    else if (table->places[at].count == 1)
        free_place(table, at);
    pthread_mutex_unlock(&table->mutex);
}

size_t cv__address_table_used(cv__address_table *table)
{
    pthread_mutex_lock(&table->mutex);
    size_t used = table->used;
    pthread_mutex_unlock(&table->mutex);
    return used;
}
