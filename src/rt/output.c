/* Outputs. The caller fills one block of a file while the other is being written. */
#include "rt/stream.h"

#include <covet/stream.h>
#include <covet/uuid.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct cv_output {
    cv__stream stream;
    int (*write)(cv_ctx *cx, cv_output *output, cv_str bytes);
    int (*finish)(cv_ctx *cx, cv_output *output);
    cv_buf *memory;
    int (*fn)(cv_ctx *cx, void *arg, cv_str piece);
    void *arg;
    bool is_finished;
    size_t filling, filled_bytes; /* the caller's block */
    size_t writing_bytes;         /* of the other one */
    char *path, *partial_path;    /* where it shall be, and where it is until then; NULL when it is written in place */
};

static void release(cv__stream *stream)
{
    cv_output *output = (cv_output *)(void *)stream;
    if (output->partial_path && !output->is_finished)
        (void)unlink(output->partial_path);
    free(output->path);
    free(output->partial_path);
    output->path = output->partial_path = NULL;
}

static cv_output *make_output(cv_ctx *cx, const char *name)
{
    cv_output *output = (cv_output *)(void *)cv__stream_new(cx, sizeof *output, name ? name : "output", "write");
    if (output)
        output->stream.release = release;
    return output;
}

/* ---- memory and functions ---- */

static int write_memory(cv_ctx *cx, cv_output *output, cv_str bytes)
{
    cv_buf_add_str(output->memory, bytes);
    if (output->memory->error)
        return cv_fail(cx, output->memory->error, "could not write \"%s\": %s", output->stream.name,
                       cv_error_text(output->memory->error));
    return 0;
}

static int nothing_to_finish(cv_ctx *cx, cv_output *output)
{
    (void)cx;
    (void)output;
    return 0;
}

int cv_output_memory(cv_ctx *cx, cv_buf *buf, const char *name, cv_output **ret_output)
{
    cv_output *output = make_output(cx, name);
    if (!output)
        return CV_E_NOMEM;
    output->write = write_memory;
    output->finish = nothing_to_finish;
    output->memory = buf;
    *ret_output = output;
    return 0;
}

static int write_function(cv_ctx *cx, cv_output *output, cv_str bytes)
{
    return output->fn(cx, output->arg, bytes);
}

int cv_output_function(cv_ctx *cx, int (*write)(cv_ctx *cx, void *arg, cv_str piece), void *arg, const char *name,
                       cv_output **ret_output)
{
    cv_output *output = make_output(cx, name);
    if (!output)
        return CV_E_NOMEM;
    output->write = write_function;
    output->finish = nothing_to_finish;
    output->fn = write;
    output->arg = arg;
    *ret_output = output;
    return 0;
}

/* ---- files ---- */

static int write_block(void *arg)
{
    cv_output *output = arg;
    cv__stream *stream = arg;
    const char *block = stream->blocks[(output->filling + 1) % CV__STREAM_BLOCKS];
    stream->system_error = cv__descriptor_write(&stream->descriptor, block, output->writing_bytes);
    return 0;
}

/* The block under way is written. */
static int await_block(cv_ctx *cx, cv__stream *stream)
{
    if (stream->errand.is_under_way)
        CV_TRY(cv__errand_end(cx, &stream->errand));
    return stream->system_error ? cv__stream_fail(cx, stream, "write") : 0;
}

static int begin_block(cv_ctx *cx, cv_output *output)
{
    CV_TRY(await_block(cx, &output->stream));
    if (output->filled_bytes == 0)
        return 0;
    output->writing_bytes = output->filled_bytes;
    output->filled_bytes = 0;
    output->filling = (output->filling + 1) % CV__STREAM_BLOCKS;
    return cv__stream_begin(cx, &output->stream, write_block);
}

static int write_file(cv_ctx *cx, cv_output *output, cv_str bytes)
{
    while (bytes.len > 0) {
        size_t room = CV__STREAM_BLOCK_BYTES - output->filled_bytes, part = bytes.len < room ? bytes.len : room;
        memcpy(output->stream.blocks[output->filling] + output->filled_bytes, bytes.ptr, part);
        output->filled_bytes += part;
        bytes = cv_str_sub(bytes, part, SIZE_MAX);
        if (output->filled_bytes == CV__STREAM_BLOCK_BYTES)
            CV_TRY(begin_block(cx, output));
    }
    return 0;
}

static int give_name(void *arg)
{
    cv_output *output = arg;
    int fd = output->stream.descriptor.fd;
    output->stream.descriptor.fd = -1;
    if (close(fd) != 0 || rename(output->partial_path, output->path) != 0)
        output->stream.system_error = errno;
    else
        output->is_finished = true;
    return 0;
}

static int finish_file(cv_ctx *cx, cv_output *output)
{
    CV_TRY(begin_block(cx, output));
    CV_TRY(await_block(cx, &output->stream));
    return output->partial_path ? cv__stream_run(cx, &output->stream, give_name, "write") : 0;
}

/* The descriptor is there, or why it is not. */
static int prepare_file(cv_ctx *cx, cv_output *output, int rc, cv_output **ret_output)
{
    if (rc == 0)
        rc = cv__stream_need_blocks(cx, &output->stream);
    if (rc < 0) {
        cv_output_close(output);
        return rc;
    }
    output->write = write_file;
    output->finish = finish_file;
    *ret_output = output;
    return 0;
}

int cv_output_fd(cv_ctx *cx, int fd, const char *name, cv_output **ret_output)
{
    cv_output *output = make_output(cx, name);
    if (!output)
        return CV_E_NOMEM;
    return prepare_file(cx, output, cv__stream_use(cx, &output->stream, fd, "write"), ret_output);
}

/* Beside the file it will become; the links of a path are followed first. */
static char *partial_path_of(const char *path)
{
    char random[CV_UUID_TEXT_BYTES], *partial = NULL;
    cv_uuid_format(cv_uuid_v4(), random);
    return asprintf(&partial, "%s.%.8s.part", path, random) < 0 ? NULL : partial;
}

static int open_beside(cv_output *output, const char *path, const struct stat *former)
{
    output->path = former ? realpath(path, NULL) : strdup(path);
    char *partial = output->path ? partial_path_of(output->path) : NULL;
    if (!partial)
        return -1;
    int fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 && former)
        (void)fchmod(fd, former->st_mode & 07777); /* another mode than before is no reason to fail */
    if (fd >= 0)
        output->partial_path = partial;
    else
        free(partial);
    return fd;
}

static int open_file(void *arg)
{
    cv_output *output = arg;
    cv__stream *stream = arg;
    struct stat status;
    bool exists = stat(stream->name, &status) == 0;
    int fd = exists && !S_ISREG(status.st_mode) ? open(stream->name, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
                                                : open_beside(output, stream->name, exists ? &status : NULL);
    stream->system_error = fd < 0 ? errno : cv__descriptor_init(&stream->descriptor, fd);
    return 0;
}

int cv_output_file(cv_ctx *cx, const char *path, cv_output **ret_output)
{
    cv_output *output = make_output(cx, path);
    if (!output)
        return CV_E_NOMEM;
    return prepare_file(cx, output, cv__stream_run(cx, &output->stream, open_file, "write"), ret_output);
}

/* ---- all ---- */

static int check_open(cv_ctx *cx, const cv_output *output)
{
    if (!output->stream.is_closed && !output->is_finished)
        return 0;
    return cv_fail(cx, CV_E_STATE, "cannot write \"%s\": it was %s", output->stream.name,
                   output->stream.is_closed ? "closed" : "finished");
}

int cv_output_write(cv_ctx *cx, cv_output *output, cv_str bytes)
{
    CV_TRY(check_open(cx, output));
    CV_TRY(output->write(cx, output, bytes));
    output->stream.position += (int64_t)bytes.len;
    return 0;
}

int cv_output_finish(cv_ctx *cx, cv_output *output)
{
    CV_TRY(check_open(cx, output));
    CV_TRY(output->finish(cx, output));
    output->is_finished = true;
    return 0;
}

int64_t cv_output_position(const cv_output *output)
{
    return output->stream.position;
}

const char *cv_output_name(const cv_output *output)
{
    return output->stream.name;
}

void cv_output_close(cv_output *output)
{
    if (output)
        cv__stream_close(&output->stream);
}
