/* Inputs. Of the two blocks of a file one was given to the caller, the other is being filled. */
#include "rt/stream.h"

#include <covet/stream.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct cv_input {
    cv__stream stream;
    int64_t size;
    int (*read)(cv_ctx *cx, cv_input *input, cv_str *ret_piece);
    cv_str memory; /* what is left of it */
    int (*fn)(cv_ctx *cx, void *arg, cv_str *ret_piece);
    void *arg;
    bool has_ended;
    size_t filling; /* the block of the errand */
    size_t filled_bytes;
};

static cv_input *make_input(cv_ctx *cx, const char *name)
{
    cv_input *input = (cv_input *)(void *)cv__stream_new(cx, sizeof *input, name ? name : "input", "read");
    if (input)
        input->size = -1;
    return input;
}

/* ---- memory and functions ---- */

static int read_memory(cv_ctx *cx, cv_input *input, cv_str *ret_piece)
{
    (void)cx;
    *ret_piece = cv_str_sub(input->memory, 0, CV__STREAM_BLOCK_BYTES);
    input->memory = cv_str_sub(input->memory, ret_piece->len, SIZE_MAX);
    return ret_piece->len > 0;
}

int cv_input_memory(cv_ctx *cx, cv_str bytes, const char *name, cv_input **ret_input)
{
    cv_input *input = make_input(cx, name);
    if (!input)
        return CV_E_NOMEM;
    input->read = read_memory;
    input->memory = bytes;
    input->size = (int64_t)bytes.len;
    *ret_input = input;
    return 0;
}

static int read_function(cv_ctx *cx, cv_input *input, cv_str *ret_piece)
{
    return input->fn(cx, input->arg, ret_piece);
}

int cv_input_function(cv_ctx *cx, int (*read)(cv_ctx *cx, void *arg, cv_str *ret_piece), void *arg, const char *name,
                      cv_input **ret_input)
{
    cv_input *input = make_input(cx, name);
    if (!input)
        return CV_E_NOMEM;
    input->read = read_function;
    input->fn = read;
    input->arg = arg;
    *ret_input = input;
    return 0;
}

/* ---- files ---- */

static int fill_block(void *arg)
{
    cv_input *input = arg;
    cv__stream *stream = arg;
    stream->system_error = cv__descriptor_read(&stream->descriptor, stream->blocks[input->filling],
                                               CV__STREAM_BLOCK_BYTES, &input->filled_bytes);
    return 0;
}

static int read_file(cv_ctx *cx, cv_input *input, cv_str *ret_piece)
{
    cv__stream *stream = &input->stream;
    if (!stream->errand.is_under_way)
        CV_TRY(cv__stream_begin(cx, stream, fill_block));
    CV_TRY(cv__errand_end(cx, &stream->errand));
    if (stream->system_error != 0)
        return cv__stream_fail(cx, stream, "read");
    *ret_piece = cv_str_make(stream->blocks[input->filling], input->filled_bytes);
    if (input->filled_bytes == 0)
        return 0;
    input->filling = (input->filling + 1) % CV__STREAM_BLOCKS;
    CV_TRY(cv__stream_begin(cx, stream, fill_block));
    return 1;
}

static int64_t bytes_left(const cv__descriptor *descriptor)
{
    struct stat status;
    if (!descriptor->is_regular || fstat(descriptor->fd, &status) != 0 || !S_ISREG(status.st_mode))
        return -1;
    off_t at = lseek(descriptor->fd, 0, SEEK_CUR);
    return (int64_t)status.st_size - (at > 0 ? (int64_t)at : 0);
}

/* The descriptor is there, or why it is not. */
static int prepare_file(cv_ctx *cx, cv_input *input, int rc, cv_input **ret_input)
{
    if (rc == 0)
        rc = cv__stream_need_blocks(cx, &input->stream);
    if (rc < 0) {
        cv_input_close(input);
        return rc;
    }
    input->size = bytes_left(&input->stream.descriptor);
    input->read = read_file;
    *ret_input = input;
    return 0;
}

int cv_input_fd(cv_ctx *cx, int fd, const char *name, cv_input **ret_input)
{
    cv_input *input = make_input(cx, name);
    if (!input)
        return CV_E_NOMEM;
    return prepare_file(cx, input, cv__stream_use(cx, &input->stream, fd, "open"), ret_input);
}

/* Without waiting for somebody who writes a named pipe: reading it waits. */
static int open_file(void *arg)
{
    cv__stream *stream = arg;
    int fd = open(stream->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    stream->system_error = fd < 0 ? errno : cv__descriptor_init(&stream->descriptor, fd);
    return 0;
}

int cv_input_file(cv_ctx *cx, const char *path, cv_input **ret_input)
{
    cv_input *input = make_input(cx, path);
    if (!input)
        return CV_E_NOMEM;
    return prepare_file(cx, input, cv__stream_run(cx, &input->stream, open_file, "open"), ret_input);
}

/* ---- all ---- */

int cv_input_read(cv_ctx *cx, cv_input *input, cv_str *ret_piece)
{
    cv_str piece = {"", 0};
    if (input->stream.is_closed)
        return cv_fail(cx, CV_E_STATE, "cannot read \"%s\": it was closed", input->stream.name);
    int rc = input->has_ended ? 0 : input->read(cx, input, &piece);
    if (rc == 0)
        input->has_ended = true;
    if (rc <= 0)
        return rc;
    input->stream.position += (int64_t)piece.len;
    *ret_piece = piece;
    return 1;
}

int64_t cv_input_position(const cv_input *input)
{
    return input->stream.position;
}

int64_t cv_input_size(const cv_input *input)
{
    return input->size;
}

const char *cv_input_name(const cv_input *input)
{
    return input->stream.name;
}

void cv_input_close(cv_input *input)
{
    if (input)
        cv__stream_close(&input->stream);
}
