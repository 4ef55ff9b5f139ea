/* What inputs and outputs share: descriptors that are read and written on a lane, and the life of both. */
#ifndef COVET_SRC_RT_STREAM_H
#define COVET_SRC_RT_STREAM_H

#include "rt/wait.h"

/* A block is what one errand reads or writes. A file has two: the caller has one, and an errand is at work with the
 * other. */
enum { CV__STREAM_BLOCK_BYTES = 256 * 1024, CV__STREAM_BLOCKS = 2 };

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

/** The first member of an input and of an output. It has an owner, the arena of its context; work on the lane holds a
 *  reference as well, so that what goes on after the close has something to stand on. */
typedef struct cv__stream cv__stream;
struct cv__stream {
    char *name;
    const char *verb; /* "read", "write" */
    int64_t position;
    bool is_closed;
    int references;
    void (*release)(cv__stream *stream); /* when it is closed and no thread is at work with it; NULL: nothing to do */
    /* files */
    const cv_ctx *main;
    cv__descriptor descriptor;
    cv__errand errand;
    bool is_on_lane; /* a thread may be at work, with what is below */
    char *blocks[CV__STREAM_BLOCKS];
    int system_error; /* errno of that work */
};

/** Make an input or output of `size` bytes, all zero behind the stream, which the context's arena closes. NULL without
 *  memory, with a story. Does not suspend. */
cv__stream *cv__stream_new(cv_ctx *cx, size_t size, const char *name, const char *verb);

/** Give back what is large or dear, at once or when the thread is done; the rest stays until the arena is gone. */
void cv__stream_close(cv__stream *stream);

/** Make it the file of a copy of a descriptor. CV_E_CONTEXT without a runtime, else as cv__stream_fail. Does not
 * suspend.
 */
CV_CHECKED int cv__stream_use(cv_ctx *cx, cv__stream *stream, int fd, const char *doing);

/** Make the blocks of a file. CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__stream_need_blocks(cv_ctx *cx, cv__stream *stream);

/** Have `fn(stream)` run on the lane, which may set `system_error`: to its end, with cv__stream_fail for that, which
 *  suspends; or as the stream's errand, without waiting for it. Errors of cv_offload and of cv__errand_begin. */
CV_CHECKED int cv__stream_run(cv_ctx *cx, cv__stream *stream, int (*fn)(void *arg), const char *doing);
CV_CHECKED int cv__stream_begin(cv_ctx *cx, cv__stream *stream, int (*fn)(void *arg));

/** Fail with the stream's `system_error`, as not able to do `doing` ("open"): CV_E_INVALID for a folder, else what the
 *  system says. */
int cv__stream_fail(cv_ctx *cx, const cv__stream *stream, const char *doing);

#endif
