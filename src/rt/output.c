/* Outputs. A file has two blocks: the caller fills one while an errand writes the other. The errand holds a reference,
 * so that a write that goes on after the close has something to stand on. */
#include "base/ctx.h"
#include "rt/stream.h"
#include "rt/wait.h"

#include <covet/stream.h>
#include <covet/uuid.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCKS = 2 };

struct cv_output {
    char *name;
    int64_t position;
    int (*write)(cv_ctx *cx, cv_output *output, cv_str bytes);
    int (*finish)(cv_ctx *cx, cv_output *output);
    cv_buf *memory;
    int (*fn)(cv_ctx *cx, void *arg, cv_str piece);
    void *arg;
    bool is_finished, is_closed;
    int references;
    /* files */
    const cv_ctx *main;
    cv__descriptor descriptor;
    cv__errand errand;
    bool is_on_lane; /* a thread may be at work, with what is below */
    char *blocks[BLOCKS];
    size_t filling, filled_bytes; /* the caller's block */
    size_t writing_bytes;         /* of the other one */
    char *path, *partial_path;    /* where it shall be, and where it is until then; NULL when it is written in place */
    int system_error;
};

static void release(cv_output *output)
{
    cv__descriptor_done(&output->descriptor);
    if (output->partial_path && !output->is_finished)
        (void)unlink(output->partial_path);
    for (size_t i = 0; i < BLOCKS; i++) {
        free(output->blocks[i]);
        output->blocks[i] = NULL;
    }
}

static void unref_output(cv_output *output)
{
    if (--output->references > 0)
        return;
    free(output->name);
    free(output->path);
    free(output->partial_path);
    free(output);
}

static void leave_lane(void *arg)
{
    cv_output *output = arg;
    output->is_on_lane = false;
    if (output->is_closed)
        release(output);
    unref_output(output);
}

static int out_of_memory(cv_ctx *cx, const char *name)
{
    return cv_fail(cx, CV_E_NOMEM, "could not write \"%s\": out of memory", name);
}

static void close_by_arena(void *arg)
{
    cv_output_close(arg);
    unref_output(arg);
}

/* Its one reference is the arena's. */
static cv_output *make_output(cv_ctx *cx, const char *name)
{
    cv_output *output = calloc(1, sizeof *output);
    char *copy = strdup(name ? name : "output");
    if (!output || !copy) {
        free(output);
        free(copy);
        (void)out_of_memory(cx, name ? name : "output");
        return NULL;
    }
    *output = (cv_output){.name = copy, .references = 1, .descriptor = {.fd = -1, .stop_fd = -1}};
    if (cv_cleanup(cx, close_by_arena, output) == 0)
        return output;
    unref_output(output);
    return NULL;
}

/* ---- memory and functions ---- */

static int write_memory(cv_ctx *cx, cv_output *output, cv_str bytes)
{
    cv_buf_add_str(output->memory, bytes);
    if (output->memory->error)
        return cv_fail(cx, output->memory->error, "could not write \"%s\": %s", output->name,
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

static int could_not_write(cv_ctx *cx, const cv_output *output)
{
    if (output->system_error == EISDIR)
        return cv_fail(cx, CV_E_INVALID, "cannot write \"%s\": it is a folder", output->name);
    return cv__fail_uv(cx, uv_translate_sys_error(output->system_error), "write \"%s\"", output->name);
}

static int write_block(void *arg)
{
    cv_output *output = arg;
    const char *block = output->blocks[(output->filling + 1) % BLOCKS];
    output->system_error = cv__descriptor_write(&output->descriptor, block, output->writing_bytes);
    return 0;
}

/* The block under way is written. */
static int await_block(cv_ctx *cx, cv_output *output)
{
    if (output->errand.is_under_way)
        CV_TRY(cv__errand_end(cx, &output->errand));
    return output->system_error ? could_not_write(cx, output) : 0;
}

static int begin_block(cv_ctx *cx, cv_output *output)
{
    CV_TRY(await_block(cx, output));
    if (output->filled_bytes == 0)
        return 0;
    output->writing_bytes = output->filled_bytes;
    output->filled_bytes = 0;
    output->filling = (output->filling + 1) % BLOCKS;
    output->references++;
    output->is_on_lane = true;
    return cv__errand_begin(cx, &output->errand, CV_LANE_FILES, write_block, output, leave_lane);
}

static int write_file(cv_ctx *cx, cv_output *output, cv_str bytes)
{
    while (bytes.len > 0) {
        size_t room = CV__STREAM_BLOCK_BYTES - output->filled_bytes, part = bytes.len < room ? bytes.len : room;
        memcpy(output->blocks[output->filling] + output->filled_bytes, bytes.ptr, part);
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
    int fd = output->descriptor.fd;
    output->descriptor.fd = -1;
    if (close(fd) != 0 || rename(output->partial_path, output->path) != 0)
        output->system_error = errno;
    else
        output->is_finished = true;
    return 0;
}

static int finish_file(cv_ctx *cx, cv_output *output)
{
    CV_TRY(begin_block(cx, output));
    CV_TRY(await_block(cx, output));
    if (!output->partial_path)
        return 0;
    output->references++;
    output->is_on_lane = true;
    CV_TRY(cv_offload(cx, CV_LANE_FILES, give_name, output, leave_lane));
    return output->system_error ? could_not_write(cx, output) : 0;
}

static int prepare_file(cv_ctx *cx, cv_output *output)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (!(output->blocks[i] = malloc(CV__STREAM_BLOCK_BYTES)))
            return out_of_memory(cx, output->name);
    output->main = cv__main_ctx(cx);
    output->write = write_file;
    output->finish = finish_file;
    return 0;
}

int cv_output_fd(cv_ctx *cx, int fd, const char *name, cv_output **ret_output)
{
    if (!cx->runtime)
        return cv_fail(cx, CV_E_CONTEXT, "cannot write \"%s\": the context has no runtime", name);
    cv_output *output = make_output(cx, name);
    if (!output)
        return CV_E_NOMEM;
    output->system_error = cv__descriptor_init_copy(&output->descriptor, fd);
    int rc = output->system_error ? could_not_write(cx, output) : prepare_file(cx, output);
    if (rc < 0)
        cv_output_close(output);
    else
        *ret_output = output;
    return rc;
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
    struct stat status;
    bool exists = stat(output->name, &status) == 0;
    int fd = exists && !S_ISREG(status.st_mode) ? open(output->name, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
                                                : open_beside(output, output->name, exists ? &status : NULL);
    output->system_error = fd < 0 ? errno : cv__descriptor_init(&output->descriptor, fd);
    return 0;
}

int cv_output_file(cv_ctx *cx, const char *path, cv_output **ret_output)
{
    cv_output *output = make_output(cx, path);
    if (!output)
        return CV_E_NOMEM;
    output->references++;
    output->is_on_lane = true;
    int rc = cv_offload(cx, CV_LANE_FILES, open_file, output, leave_lane);
    if (rc == 0 && output->system_error != 0)
        rc = could_not_write(cx, output);
    if (rc == 0)
        rc = prepare_file(cx, output);
    if (rc < 0)
        cv_output_close(output);
    else
        *ret_output = output;
    return rc;
}

/* ---- all ---- */

static int check_open(cv_ctx *cx, const cv_output *output)
{
    if (!output->is_closed && !output->is_finished)
        return 0;
    return cv_fail(cx, CV_E_STATE, "cannot write \"%s\": it was %s", output->name,
                   output->is_closed ? "closed" : "finished");
}

int cv_output_write(cv_ctx *cx, cv_output *output, cv_str bytes)
{
    CV_TRY(check_open(cx, output));
    CV_TRY(output->write(cx, output, bytes));
    output->position += (int64_t)bytes.len;
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
    return output->position;
}

const char *cv_output_name(const cv_output *output)
{
    return output->name;
}

void cv_output_close(cv_output *output)
{
    if (!output || output->is_closed)
        return;
    output->is_closed = true;
    cv__descriptor_stop(&output->descriptor);
    if (output->main)
        cv__errand_drop(output->main, &output->errand);
    if (!output->is_on_lane)
        release(output);
}
