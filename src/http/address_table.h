/* How many connections each client address has: touched at the accept and at the close of a connection only, by all
 * workers. IPv6 addresses count by their /64, which one client has for itself. */
#ifndef COVET_SRC_HTTP_ADDRESS_TABLE_H
#define COVET_SRC_HTTP_ADDRESS_TABLE_H

#include "http/networks.h"
#include <pthread.h>

typedef struct cv__address_count {
    uint8_t key[16];
    uint32_t count; /* 0: the place is free */
} cv__address_count;

/* Open addressing; at most half full. */
typedef struct cv__address_table {
    pthread_mutex_t mutex;
    cv__address_count *places;
    size_t mask, used;
} cv__address_table;

void cv__address_table_init(cv__address_table *table);
void cv__address_table_done(cv__address_table *table);

/** Count one more, unless the address has `most` already or there is no memory: false. */
CV_CHECKED bool cv__address_table_add(cv__address_table *table, const cv__address *address, size_t most);

/** Count one less, of what was counted with cv__address_table_add. */
void cv__address_table_remove(cv__address_table *table, const cv__address *address);

/** How many addresses are counted. */
size_t cv__address_table_used(cv__address_table *table);

#endif
