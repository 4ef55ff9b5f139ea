/* The bytes of a file on their way to a client: what is in memory is sent by the kernel, the rest is read on the lane
 * of files. A length was announced, so that whatever goes wrong here ends in a cut connection; and before the last
 * bytes the file is looked at again, so that two versions of it never make one well-formed reply. */
#include "http/files/file.h"

#include "base/ctx.h"
#include "http/response.h"

static int check_same(cv_ctx *cx, const cv__file *file)
{
    if (!file->waited || !cv__file_has_changed(file))
        return 0;
    return cv_fail(cx, CV_E_IO, "could not send the file \"%s\": it was changed at the same time", file->path);
}

static int ensure_block(cv_ctx *cx, cv__file *file, size_t len)
{
    if (file->block_bytes >= len)
        return 0;
    file->block = cv_alloc(cx, len);
    file->block_bytes = file->block ? len : 0;
    return file->block ? 0 : cx->error_code;
}

/* Through our own memory. `len` is what is left of the piece that was asked for. */
static int copy_some(cv_ctx *cx, cv_response *res, cv__file *file, uint64_t offset, uint64_t len, size_t *ret_sent)
{
    size_t part = len < CV__FILE_BLOCK_BYTES ? (size_t)len : CV__FILE_BLOCK_BYTES;
    CV_TRY(ensure_block(cx, file, part));
    file->waited = true;
    CV_TRY(cv__file_load(cx, file, offset, file->block, part));
    if (part == len)
        CV_TRY(check_same(cx, file));
    CV_TRY(cv_stream_write(cx, res, file->block, part));
    *ret_sent = part;
    return 0;
}

static int send_some(cv_ctx *cx, cv_response *res, cv__file *file, uint64_t offset, uint64_t len, size_t *ret_sent)
{
    size_t part = len < CV__FILE_WINDOW_BYTES ? (size_t)len : CV__FILE_WINDOW_BYTES;
    if (!cv__stream_takes_files(res) || !cv__file_is_cached(file, offset, part))
        return copy_some(cx, res, file, offset, len, ret_sent);
    if (part == len)
        CV_TRY(check_same(cx, file));
    file->waited = true;
    return cv__stream_send_file(cx, res, file->fd, offset, part, ret_sent);
}

int cv__file_send(cv_ctx *cx, cv_response *res, cv__file *file, uint64_t first, uint64_t len)
{
    size_t sent;
    for (; len; first += sent, len -= sent)
        CV_TRY(send_some(cx, res, file, first, len, &sent));
    return 0;
}
