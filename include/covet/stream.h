/* Streams of bytes: what is read from a file, a pipe, memory or a function of the program, and what is written to one.
 *
 * Files and pipes are read ahead and written behind on CV_LANE_FILES, a block at a time: the loop goes on, and reading
 * overlaps with the use of what was read. A stream belongs to one fiber at a time. It works until it is closed, and
 * lives until the arena of the context that opened it is freed or rewound, which closes it as well: its name and
 * position can be asked for until then.
 *
 *     cv_input *in;
 *     cv_str piece;
 *     int rc;
 *     CV_TRY(cv_input_file(cx, "authors.csv", &in));
 *     while ((rc = cv_input_read(cx, in, &piece)) > 0)
 *         ...piece.ptr, piece.len
 *     cv_input_close(in);
 */
#ifndef COVET_STREAM_H
#define COVET_STREAM_H

#include <covet/ctx.h>
#include <covet/str.h>

CV_BEGIN_DECLS

/** Where bytes come from, and where they go to. */
typedef struct cv_input cv_input;
typedef struct cv_output cv_output;

/** Open a file, or a named pipe. Suspends. CV_E_NOT_FOUND, CV_E_PERMISSION, CV_E_INVALID for a folder, CV_E_IO and what
 *  the system reports, CV_E_BUSY (the lane is full), CV_E_CONTEXT, CV_E_TIMEOUT, CV_E_CANCELLED, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_input_file(cv_ctx *cx, const char *path, cv_input **ret_input);

/** Read from a descriptor, a file's, a pipe's, a socket's or a terminal's, from where it stands. It stays the caller's,
 *  who may close it at once: a copy is read, which shares its position and flags. `name` is for messages (NULL:
 *  "input"); copied. Does not suspend. CV_E_INVALID for a folder, CV_E_SYSTEM for what is no descriptor, CV_E_CONTEXT,
 *  CV_E_NOMEM. */
CV_API CV_CHECKED int cv_input_fd(cv_ctx *cx, int fd, const char *name, cv_input **ret_input);

/** Read bytes in memory, which stay the caller's and must be there until the input is closed. `name` as above. Does not
 *  suspend. CV_E_NOMEM. */
CV_API CV_CHECKED int cv_input_memory(cv_ctx *cx, cv_str bytes, const char *name, cv_input **ret_input);

/** Read what a function gives: 1 with a piece that is not empty and valid until its next call, 0 at the end, or an
 *  error with its story. It is called by cv_input_read, and may suspend; `arg` stays the caller's and must be there
 *  until the input is closed. `name` as above. Does not suspend itself. CV_E_NOMEM. */
CV_API CV_CHECKED int cv_input_function(cv_ctx *cx, int (*read)(cv_ctx *cx, void *arg, cv_str *ret_piece), void *arg,
                                        const char *name, cv_input **ret_input);

/** The next piece, of 256 KiB at most unless it is a function's: 1; it is valid until the next call. 0 at the end,
 * again and again. Suspends until there is something to read. CV_E_IO and what the system reports, CV_E_BUSY (the lane
 * is full), CV_E_STATE after the close, the function's own, CV_E_TIMEOUT, CV_E_CANCELLED. */
CV_API CV_CHECKED int cv_input_read(cv_ctx *cx, cv_input *input, cv_str *ret_piece);

/** The bytes given out so far. Does not suspend, as the next two. */
CV_API int64_t cv_input_position(const cv_input *input);
/** All bytes that there were to be read when it was opened; -1 where that is not known (pipes, functions). */
CV_API int64_t cv_input_size(const cv_input *input);
/** The name for messages, valid as long as the input. */
CV_API const char *cv_input_name(const cv_input *input);

/** Read no more; reading under way is given up, and the last piece is not valid any more. NULL and a second call are
 *  allowed. Does not suspend. */
CV_API void cv_input_close(cv_input *input);

/** Write a file: nobody sees it under its name before cv_output_finish, and what was there stays until then. What is no
 *  regular file, such as a named pipe, is written as it is. Suspends. CV_E_NOT_FOUND for a folder that is missing,
 *  CV_E_INVALID for a path that is a folder, CV_E_PERMISSION, CV_E_DISK_FULL, CV_E_IO and what the system reports,
 *  CV_E_BUSY (the lane is full), CV_E_CONTEXT, CV_E_TIMEOUT, CV_E_CANCELLED, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_output_file(cv_ctx *cx, const char *path, cv_output **ret_output);

/** Write to a descriptor, with the rules of cv_input_fd (`name` NULL: "output"). Does not suspend. CV_E_SYSTEM for what
 *  is no descriptor, CV_E_CONTEXT, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_output_fd(cv_ctx *cx, int fd, const char *name, cv_output **ret_output);

/** Append to a buffer, up to its maximum; it stays the caller's and must be there until the output is closed. Does not
 *  suspend. CV_E_NOMEM. */
CV_API CV_CHECKED int cv_output_memory(cv_ctx *cx, cv_buf *buf, const char *name, cv_output **ret_output);

/** Hand pieces to a function, valid until it returns: 0, or an error with its story. It is called by cv_output_write,
 *  and may suspend; `arg` stays the caller's and must be there until the output is closed. Does not suspend itself.
 *  CV_E_NOMEM. */
CV_API CV_CHECKED int cv_output_function(cv_ctx *cx, int (*write)(cv_ctx *cx, void *arg, cv_str piece), void *arg,
                                         const char *name, cv_output **ret_output);

/** Write: copied. An error of a write tells itself with a later one, at last with cv_output_finish. CV_E_DISK_FULL,
 *  CV_E_CONNECTION_LOST (nobody reads the pipe), CV_E_IO and what the system reports, CV_E_LIMIT (the buffer is full),
 *  CV_E_BUSY (the lane is full), CV_E_STATE after the end, the function's own, CV_E_TIMEOUT, CV_E_CANCELLED.
 *  Suspends when a block of 256 KiB is full and the one before is not written yet. */
CV_API CV_CHECKED int cv_output_write(cv_ctx *cx, cv_output *output, cv_str bytes);

/** Hand everything to the system (it is not synced to the disk), and give a file its name. Nothing can be written
 *  afterwards. Errors as cv_output_write. Suspends. */
CV_API CV_CHECKED int cv_output_finish(cv_ctx *cx, cv_output *output);

/** The bytes taken so far, written or not. Does not suspend. */
CV_API int64_t cv_output_position(const cv_output *output);
/** The name for messages, valid as long as the output. Does not suspend. */
CV_API const char *cv_output_name(const cv_output *output);

/** Write no more. Without cv_output_finish before, the file is as it was; what was written is gone once a write under
 *  way has ended. NULL and a second call are allowed. Does not suspend. */
CV_API void cv_output_close(cv_output *output);

CV_END_DECLS

#endif
