/* Streams of bytes: what is read from a file, a pipe, memory or a function of the program, and what is written to one.
 *
 * Files and pipes are read ahead and written behind on CV_LANE_FILES, a block at a time: the loop goes on, and reading
 * overlaps with the use of what was read. A stream belongs to one fiber at a time. It lives until it is closed, or
 * until the arena of the context that opened it is freed or rewound. */
#ifndef COVET_STREAM_H
#define COVET_STREAM_H

#include <covet/ctx.h>
#include <covet/str.h>

CV_BEGIN_DECLS

/** Where bytes come from, and where they go to. */
typedef struct cv_input cv_input;
typedef struct cv_output cv_output;

/** Open a file, or a named pipe. Suspends. CV_E_NOT_FOUND, CV_E_PERMISSION, CV_E_INVALID for a folder, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_input_file(cv_ctx *cx, const char *path, cv_input **ret_input);

/** Read from a descriptor, a file's, a pipe's or a terminal's, which stays the caller's and must be open until the
 *  input is closed; its flags are left alone. `name` is for messages; copied. CV_E_SYSTEM, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_input_fd(cv_ctx *cx, int fd, const char *name, cv_input **ret_input);

/** Read bytes in memory, which must stay until the input is closed. CV_E_NOMEM. */
CV_API CV_CHECKED int cv_input_memory(cv_ctx *cx, cv_str bytes, const char *name, cv_input **ret_input);

/** Read what a function gives: 1 with a piece, valid until its next call, 0 at the end, or an error with its story. It
 *  may suspend. `arg` stays the caller's. CV_E_NOMEM. */
CV_API CV_CHECKED int cv_input_function(cv_ctx *cx, int (*read)(cv_ctx *cx, void *arg, cv_str *ret_piece), void *arg,
                                        const char *name, cv_input **ret_input);

/** The next piece: 1; it is valid until the next call. 0 at the end, again and again. CV_E_IO and what the system
 *  reports, CV_E_TIMEOUT, CV_E_CANCELLED. Suspends. */
CV_API CV_CHECKED int cv_input_read(cv_ctx *cx, cv_input *input, cv_str *ret_piece);

/** The bytes given out so far; all bytes, or -1 where that is not known; the name for messages, valid as long as the
 *  input. */
CV_API int64_t cv_input_position(const cv_input *input);
CV_API int64_t cv_input_size(const cv_input *input);
CV_API const char *cv_input_name(const cv_input *input);

/** Reading under way is given up. NULL is allowed. Does not suspend. */
CV_API void cv_input_close(cv_input *input);

/** Write a file: nobody sees it under its name before cv_output_finish, and what was there stays until then. What is no
 *  regular file, such as a named pipe, is written as it is. Suspends. CV_E_NOT_FOUND for a folder that is missing,
 *  CV_E_PERMISSION, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_output_file(cv_ctx *cx, const char *path, cv_output **ret_output);

/** Write to a descriptor, with the rules of cv_input_fd. */
CV_API CV_CHECKED int cv_output_fd(cv_ctx *cx, int fd, const char *name, cv_output **ret_output);

/** Append to a buffer, which stays the caller's, up to its maximum. CV_E_NOMEM. */
CV_API CV_CHECKED int cv_output_memory(cv_ctx *cx, cv_buf *buf, const char *name, cv_output **ret_output);

/** Hand pieces to a function, valid until it returns: 0, or an error with its story. It may suspend. */
CV_API CV_CHECKED int cv_output_function(cv_ctx *cx, int (*write)(cv_ctx *cx, void *arg, cv_str piece), void *arg,
                                         const char *name, cv_output **ret_output);

/** Write: copied. An error of a write tells itself with a later one. CV_E_DISK_FULL, CV_E_CONNECTION_LOST (nobody reads
 *  the pipe), CV_E_IO and what the system reports, CV_E_LIMIT (the buffer is full), CV_E_TIMEOUT, CV_E_CANCELLED.
 * Suspends when a block is full and the one before is not written yet. */
CV_API CV_CHECKED int cv_output_write(cv_ctx *cx, cv_output *output, cv_str bytes);

/** Everything is handed to the system, and a file has its name. Errors as cv_output_write. Suspends. */
CV_API CV_CHECKED int cv_output_finish(cv_ctx *cx, cv_output *output);

/** The bytes taken so far, and the name for messages. */
CV_API int64_t cv_output_position(const cv_output *output);
CV_API const char *cv_output_name(const cv_output *output);

/** Without cv_output_finish before, the file is as it was; what was written is gone once a write under way has ended.
 *  NULL is allowed. Does not suspend. */
CV_API void cv_output_close(cv_output *output);

CV_END_DECLS

#endif
