/* What inputs and outputs share: descriptors that are read and written on a lane. */
#ifndef COVET_SRC_RT_STREAM_H
#define COVET_SRC_RT_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* A block is what one errand reads or writes. */
enum { CV__STREAM_BLOCK_BYTES = 256 * 1024 };

/** A descriptor with a way to end a wait for it. `is_regular`: reading and writing do not wait for anybody. */
typedef struct cv__descriptor {
    int fd;
    int stop_fd; /* an eventfd; -1 when is_regular */
    bool is_regular;
} cv__descriptor;

/** Take over an open descriptor, in any case; or a copy of one, so that a thread that is still at it when the owner
 *  closes it has something to stand on. 0 or errno, EISDIR for a folder. */
int cv__descriptor_init(cv__descriptor *descriptor, int fd);
int cv__descriptor_init_copy(cv__descriptor *descriptor, int fd);
void cv__descriptor_done(cv__descriptor *descriptor);

/** End its waits, now and ever after; from any thread. */
void cv__descriptor_stop(const cv__descriptor *descriptor);

/** Read at most `room` bytes, waiting for the first of them; `*ret_len` 0 at the end. Write all. 0 or errno; ECANCELED
 *  after a stop. They block: for the threads of a lane. */
int cv__descriptor_read(const cv__descriptor *descriptor, char *to, size_t room, size_t *ret_len);
int cv__descriptor_write(const cv__descriptor *descriptor, const char *from, size_t len);

#endif
