/* One direction of a simulated connection: pieces of bytes under way, each with the instant of its arrival.
 *
 * Invariants: instants never decrease along the pieces, and the end comes after all of them. Who reads sees a piece
 * from its instant on. Nothing here knows a loop or a clock: `now_ns` is told. */
#ifndef COVET_SRC_TESTING_PIPE_H
#define COVET_SRC_TESTING_PIPE_H

#include <covet/list.h>
#include <covet/str.h>

typedef enum cv__pipe_end { CV__PIPE_OPEN, CV__PIPE_ENDED, CV__PIPE_RESET } cv__pipe_end;

typedef struct cv__pipe {
    cv_link pieces;
    size_t bytes; /* of all pieces, arrived or not */
    cv__pipe_end end;
    int64_t end_ns;  /* when the end arrives */
    int64_t last_ns; /* the arrival of what was put last */
} cv__pipe;

void cv__pipe_init(cv__pipe *pipe);
void cv__pipe_done(cv__pipe *pipe);

/** Send bytes, which are copied. CV_E_NOMEM, without a story. */
CV_CHECKED int cv__pipe_put(cv__pipe *pipe, const void *data, size_t len, int64_t arrives_ns);

/** End the pipe behind what was put; a reset may follow an end, but not the other way. */
void cv__pipe_close(cv__pipe *pipe, cv__pipe_end end, int64_t arrives_ns);

/** Forget what was put and not taken. */
void cv__pipe_erase(cv__pipe *pipe);

/** Take what has arrived, over the borders of pieces unless `single`; returns how much. */
size_t cv__pipe_take(cv__pipe *pipe, void *buffer, size_t size, bool single, int64_t now_ns);

/** Whether bytes have arrived, and whether, behind all bytes, the end has (CV__PIPE_OPEN: not). */
bool cv__pipe_has_bytes(const cv__pipe *pipe, int64_t now_ns);
cv__pipe_end cv__pipe_is_over(const cv__pipe *pipe, int64_t now_ns);

/** When the next piece, or the end, arrives; INT64_MAX: nothing is under way. */
int64_t cv__pipe_next_ns(const cv__pipe *pipe);

#endif
