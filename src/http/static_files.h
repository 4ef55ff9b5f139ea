/* Static files: opening them below a folder, their types, and the work on the lane of files. */
#ifndef COVET_SRC_HTTP_STATIC_FILES_H
#define COVET_SRC_HTTP_STATIC_FILES_H

#include <covet/str.h>
#include <sys/stat.h>

#define CV__STATIC_BLOCK_BYTES ((size_t)64 * 1024)

/** Open a regular file or a folder below the folder `root_fd` for reading, never leaving it: neither by dot segments
 * nor by links that lead outside. `path` is relative. Blocks. Returns the descriptor, which the caller closes, or a
 *  negative errno. */
int cv__static_open(int root_fd, const char *path);

/** The same without openat2(2), for kernels that lack it: follows no links at all. */
int cv__static_open_walk(int root_fd, const char *path);

/** The media type for the ending of the file name, "application/octet-stream" for unknown ones. Static storage. */
const char *cv__mime_type(cv_str path);

/** The strong entity tag of a file: size and time of the last change. */
void cv__static_etag(const struct stat *info, char out[64]);

/** Whether one of the tags in an If-None-Match (or If-Match) value is `etag`, by weak comparison; "*" matches all. */
bool cv__etag_matches(cv_str value, const char *etag);

/* What a Range header asks for. */
typedef enum cv__range { CV__RANGE_WHOLE, CV__RANGE_PART, CV__RANGE_UNSATISFIABLE } cv__range;

/** Read "bytes=a-b", "bytes=a-", "bytes=-n" for a file of `size` bytes. Other units, several ranges and what is
 * malformed count as no range (RFC 9110 14.2). `*ret_first` and `*ret_last` (inclusive) are set for a part. */
cv__range cv__range_parse(cv_str value, uint64_t size, uint64_t *ret_first, uint64_t *ret_last);

#endif
