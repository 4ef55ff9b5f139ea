/* Lanes: bounded groups of threads for work that blocks, and name resolution on one of them.
 *
 * Each runtime has four lanes of its own, so that a flood in one cannot stop another: CV_LANE_NAMES (getaddrinfo),
 * CV_LANE_FILES (files), CV_LANE_CPU (password hashing and the like), CV_LANE_DATABASE (the files and the long
 * statements of embedded databases: a commit must not wait behind downloads). Threads are made when first needed. A
 * full queue refuses with CV_E_BUSY rather than growing. */
#ifndef COVET_LANE_H
#define COVET_LANE_H

#include <covet/ctx.h>

struct sockaddr;

CV_BEGIN_DECLS

typedef enum cv_lane { CV_LANE_NAMES, CV_LANE_FILES, CV_LANE_CPU, CV_LANE_DATABASE } cv_lane;

/** Run `fn(arg)` on a thread of the lane and wait for its result, which must be 0 or an error code and is returned. The
 *  function must not touch the context or any fiber object. Suspends.
 *
 *  When the wait ends early (CV_E_TIMEOUT, CV_E_CANCELLED), work not yet started is dropped; work under way cannot be
 * stopped: it goes on and `arg` must stay valid until then, so `dispose(arg)` is called exactly once in every case,
 * after the work ended or was dropped, on the runtime's thread: free `arg` there, never before. `dispose` NULL: the
 * call then waits for work under way beyond deadline and cancellation, and `arg` may lie on the stack; the code is
 * still that of the early end. `dispose` runs before the call returns when the work ended in time: results are best
 * kept in an object that the caller holds a reference to.
 *
 *  CV_E_BUSY when the lane's queue (1,024) is full, CV_E_SYSTEM when no thread could be made. */
CV_API CV_CHECKED int cv_offload(cv_ctx *cx, cv_lane lane, int (*fn)(void *arg), void *arg, void (*dispose)(void *arg));

/** As cv_offload without `dispose`, for work that can be stopped from outside: when the wait ends early and the work is
 *  under way, `stop(arg)` is called once, on the runtime's thread, to make it end soon; the call returns when it has.
 * By then it may have ended already: `stop` must bear that. */
CV_API CV_CHECKED int cv_offload_stoppable(cv_ctx *cx, cv_lane lane, int (*fn)(void *arg), void *arg,
                                           void (*stop)(void *arg));

/** One resolved address. `address` points behind the struct, in the context's arena. */
typedef struct cv_address {
    const struct sockaddr *address;
    unsigned length;
} cv_address;

/** Resolve a host name or literal address and a port for stream sockets, off the loop. Addresses are in the order of
 *  preference of getaddrinfo(3), in the context's arena; at most 16. Suspends (not for literal addresses). CV_E_RESOLVE
 *  with the reason. */
CV_API CV_CHECKED int cv_resolve(cv_ctx *cx, const char *host, int port, cv_address **ret_addresses, size_t *ret_count);

/** Read a whole file through CV_LANE_FILES, up to `max_bytes`, into the context's arena, NUL-terminated. Suspends.
 *  CV_E_NOT_FOUND, CV_E_PERMISSION, CV_E_TOO_LARGE, CV_E_IO (also for what is not a regular file). */
CV_API CV_CHECKED int cv_file_read(cv_ctx *cx, const char *path, size_t max_bytes, char **ret_data, size_t *ret_len);

CV_END_DECLS

#endif
