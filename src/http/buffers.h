/* Memory that a request needs as long as it is there: a buffer for its bytes and a table for its headers. What was
 * given back last is handed out first, so that one warm piece serves all requests that do not wait, and idle
 * connections hold none. All of it belongs to one thread. */
#ifndef COVET_SRC_HTTP_BUFFERS_H
#define COVET_SRC_HTTP_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>

/* Larger requests have memory of their own. */
#define CV__BUFFER_BYTES ((size_t)8 * 1024)

/* Pieces of one size. */
typedef struct cv__pieces {
    struct cv__piece *first; /* given back last */
    size_t bytes, count;
} cv__pieces;

typedef struct cv__buffers {
    cv__pieces data;   /* of CV__BUFFER_BYTES */
    cv__pieces tables; /* for as many headers as are allowed */
} cv__buffers;

void cv__buffers_init(cv__buffers *buffers, size_t table_bytes);

/** Free what was given back; nothing may be out. */
void cv__buffers_done(cv__buffers *buffers);

/** A piece with any contents; NULL without memory. */
void *cv__piece_take(cv__pieces *pieces);

/** Give a piece back; NULL is allowed. */
void cv__piece_give(cv__pieces *pieces, void *memory);

#endif
