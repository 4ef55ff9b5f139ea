/* The bytes of a file on their way to a client. A length was announced, so that whatever goes wrong here ends in a cut
 * connection; and the last block is held back until the file was looked at again, so that two versions of it never make
 * one well-formed reply. */
#include "http/files/file.h"

#include "base/ctx.h"

static int ensure_block(cv_ctx *cx, cv__file *file, uint64_t len)
{
    if (!file->block)
        file->block = cv_alloc(cx, len < CV__FILE_BLOCK_BYTES ? (size_t)len : CV__FILE_BLOCK_BYTES);
    return file->block ? 0 : cx->error_code;
}

static int check_same(cv_ctx *cx, const cv__file *file)
{
    if (!cv__file_has_changed(file))
        return 0;
    return cv_fail(cx, CV_E_IO, "could not send the file \"%s\": it was changed at the same time", file->path);
}

int cv__file_send(cv_ctx *cx, cv_response *res, cv__file *file, uint64_t first, uint64_t len)
{
    for (uint64_t left = len; left;) {
        size_t part = left < CV__FILE_BLOCK_BYTES ? (size_t)left : CV__FILE_BLOCK_BYTES;
        CV_TRY(ensure_block(cx, file, len));
        CV_TRY(cv__file_load(cx, file, first + (len - left), file->block, part));
        if (part == left)
            CV_TRY(check_same(cx, file));
        CV_TRY(cv_stream_write(cx, res, file->block, part));
        left -= part;
    }
    return 0;
}
