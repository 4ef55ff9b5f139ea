/* An open file that is sent: opening, reading and sending it without ever waiting for a disk on the loop. */
#ifndef COVET_SRC_HTTP_FILES_FILE_H
#define COVET_SRC_HTTP_FILES_FILE_H

#include <covet/files.h>
#include <sys/stat.h>

enum {
    CV__FILE_SMALL_BYTES = 16 * 1024,   /* up to here a file goes out in one piece with its head */
    CV__FILE_BLOCK_BYTES = 256 * 1024,  /* what is read at once where the kernel cannot copy by itself */
    CV__FILE_WINDOW_BYTES = 512 * 1024, /* what the kernel is asked to send at once, when it is in memory */
};

typedef struct cv__file {
    int folder, fd;   /* where it was looked for, and the descriptor; closed with the request's arena */
    const char *path; /* as it was asked for */
    struct stat info; /* when it was opened: what the reply has told about it */
    bool waited;      /* since it was opened others have run: it may be another */
    char *block;      /* made when first needed */
    size_t block_bytes;
} cv__file;

/** Open for reading, below the descriptor `folder` and never outside of it, or anywhere for AT_FDCWD; `info` tells what
 *  it is. On the loop when names and inodes are in memory, else on CV_LANE_FILES: suspends. The file and `path` live as
 *  long as the context's arena. CV_E_NOT_FOUND, CV_E_PERMISSION, CV_E_SYSTEM, CV_E_IO. */
CV_CHECKED int cv__file_open(cv_ctx *cx, int folder, const char *path, cv__file **ret_file);

/** Open below a folder, never leaving it: neither by dot segments nor by links that lead outside. Blocks. Returns the
 *  descriptor, which the caller closes, or a negative errno. The second form is for kernels without openat2(2), and
 *  follows no links at all. */
int cv__open_beneath(int folder, const char *path);
int cv__open_beneath_walk(int folder, const char *path);

/** Whether all of these bytes are in memory, so that reading them does not wait for a disk. */
bool cv__file_is_cached(const cv__file *file, uint64_t offset, size_t len);

/** Whether the file is another than when it was opened. */
bool cv__file_has_changed(const cv__file *file);

/** Read exactly `len` bytes; on the loop when they are in memory, else on CV_LANE_FILES: suspends. CV_E_IO when the
 * file has become shorter. */
CV_CHECKED int cv__file_load(cv_ctx *cx, const cv__file *file, uint64_t offset, char *out, size_t len);

/** Write bytes of the file to the stream of a reply. Suspends. A file that changes meanwhile is CV_E_IO: the caller
 * returns it, and the stream is cut. */
CV_CHECKED int cv__file_send(cv_ctx *cx, cv_response *res, cv__file *file, uint64_t first, uint64_t len);

/** Reply with an open regular file, as cv_reply_file does. `options` may be NULL. */
CV_CHECKED int cv__file_reply(cv_ctx *cx, cv_request *req, cv_response *res, cv__file *file,
                              const cv_file_options *options);

/** Make a problem document the reply to a request for something else: what was said about that is taken back. */
CV_CHECKED int cv__reply_instead(cv_ctx *cx, cv_response *res, int status, const char *detail);

#endif
