#include "http/buffers.h"

#include <stdlib.h>

/* How many pieces are kept for later. AddressSanitizer sees all of them freed, so that it finds late use. */
#if defined(__SANITIZE_ADDRESS__)
enum { KEPT = 0 };
#else
enum { KEPT = 256 };
#endif

/* What lies in a piece that is not in use. */
typedef struct cv__piece {
    struct cv__piece *next;
} cv__piece;

void cv__buffers_init(cv__buffers *buffers, size_t table_bytes)
{
    *buffers = (cv__buffers){
        .data.bytes = CV__BUFFER_BYTES,
        .tables.bytes = table_bytes < sizeof(cv__piece) ? sizeof(cv__piece) : table_bytes,
    };
}

static void free_all(cv__pieces *pieces)
{
    for (cv__piece *piece = pieces->first, *next; piece; piece = next) {
        next = piece->next;
        free(piece);
    }
    pieces->first = NULL;
    pieces->count = 0;
}

void cv__buffers_done(cv__buffers *buffers)
{
    free_all(&buffers->data);
    free_all(&buffers->tables);
}

void *cv__piece_take(cv__pieces *pieces)
{
    cv__piece *piece = pieces->first;
    if (!piece)
        return malloc(pieces->bytes);
    pieces->first = piece->next;
    pieces->count--;
    return piece;
}

void cv__piece_give(cv__pieces *pieces, void *memory)
{
    cv__piece *piece = memory;
    if (!piece || pieces->count == KEPT) {
        free(piece);
        return;
    }
    piece->next = pieces->first;
    pieces->first = piece;
    pieces->count++;
}
