/* Inputs. A file has two blocks: one was given to the caller, the other is being filled by an errand. The errand
 * holds a reference, so that a read that goes on after the close has something to stand on. */
#include "base/ctx.h"
#include "rt/stream.h"
#include "rt/wait.h"

#include <covet/stream.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCKS = 2 };

struct cv_input {
    char *name;
    int64_t position, size;
    int (*read)(cv_ctx *cx, cv_input *input, cv_str *ret_piece);
    cv_str memory; /* what is left of it */
    int (*fn)(cv_ctx *cx, void *arg, cv_str *ret_piece);
    void *arg;
    bool has_ended, is_closed;
    int references;
    /* files */
    const cv_ctx *main;
    cv__descriptor descriptor;
    cv__errand errand;
    bool is_on_lane; /* a thread may be at work, with what is below */
    char *blocks[BLOCKS];
    size_t filling; /* the block of the errand */
    size_t filled_bytes;
    int system_error;
};

/* What is large or dear. The rest stays until the arena is gone. */
static void release(cv_input *input)
{
    cv__descriptor_done(&input->descriptor);
    for (size_t i = 0; i < BLOCKS; i++) {
        free(input->blocks[i]);
        input->blocks[i] = NULL;
    }
}

static void unref_input(cv_input *input)
{
    if (--input->references > 0)
        return;
    free(input->name);
    free(input);
}

static void leave_lane(void *arg)
{
    cv_input *input = arg;
    input->is_on_lane = false;
    if (input->is_closed)
        release(input);
    unref_input(input);
}

static int out_of_memory(cv_ctx *cx, const char *name)
{
    return cv_fail(cx, CV_E_NOMEM, "could not read \"%s\": out of memory", name);
}

static void close_by_arena(void *arg)
{
    cv_input_close(arg);
    unref_input(arg);
}

/* Its one reference is the arena's. */
static cv_input *make_input(cv_ctx *cx, const char *name)
{
    cv_input *input = calloc(1, sizeof *input);
    char *copy = strdup(name ? name : "input");
    if (!input || !copy) {
        free(input);
        free(copy);
        (void)out_of_memory(cx, name ? name : "input");
        return NULL;
    }
    *input = (cv_input){.name = copy, .size = -1, .references = 1, .descriptor = {.fd = -1, .stop_fd = -1}};
    if (cv_cleanup(cx, close_by_arena, input) == 0)
        return input;
    unref_input(input);
    return NULL;
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
    input->system_error = cv__descriptor_read(&input->descriptor, input->blocks[input->filling], CV__STREAM_BLOCK_BYTES,
                                              &input->filled_bytes);
    return 0;
}

static int begin_filling(cv_ctx *cx, cv_input *input)
{
    input->references++;
    input->is_on_lane = true;
    return cv__errand_begin(cx, &input->errand, CV_LANE_FILES, fill_block, input, leave_lane);
}

static int read_file(cv_ctx *cx, cv_input *input, cv_str *ret_piece)
{
    if (!input->errand.is_under_way)
        CV_TRY(begin_filling(cx, input));
    CV_TRY(cv__errand_end(cx, &input->errand));
    if (input->system_error != 0)
        return cv__fail_uv(cx, uv_translate_sys_error(input->system_error), "read \"%s\"", input->name);
    *ret_piece = cv_str_make(input->blocks[input->filling], input->filled_bytes);
    if (input->filled_bytes == 0)
        return 0;
    input->filling = (input->filling + 1) % BLOCKS;
    CV_TRY(begin_filling(cx, input));
    return 1;
}

/* Get ready to read the descriptor. */
static int prepare_file(cv_ctx *cx, cv_input *input)
{
    struct stat status;
    for (size_t i = 0; i < BLOCKS; i++)
        if (!(input->blocks[i] = malloc(CV__STREAM_BLOCK_BYTES)))
            return out_of_memory(cx, input->name);
    if (input->descriptor.is_regular && fstat(input->descriptor.fd, &status) == 0 && S_ISREG(status.st_mode)) {
        off_t at = lseek(input->descriptor.fd, 0, SEEK_CUR);
        input->size = (int64_t)status.st_size - (at > 0 ? (int64_t)at : 0);
    }
    input->main = cv__main_ctx(cx);
    input->read = read_file;
    return 0;
}

static int cannot_open(cv_ctx *cx, const cv_input *input, int error)
{
    if (error == EISDIR)
        return cv_fail(cx, CV_E_INVALID, "cannot read \"%s\": it is a folder", input->name);
    return cv__fail_uv(cx, uv_translate_sys_error(error), "open \"%s\"", input->name);
}

int cv_input_fd(cv_ctx *cx, int fd, const char *name, cv_input **ret_input)
{
    if (!cx->runtime)
        return cv_fail(cx, CV_E_CONTEXT, "cannot read \"%s\": the context has no runtime", name);
    cv_input *input = make_input(cx, name);
    if (!input)
        return CV_E_NOMEM;
    int error = cv__descriptor_init_copy(&input->descriptor, fd);
    int rc = error ? cannot_open(cx, input, error) : prepare_file(cx, input);
    if (rc < 0)
        cv_input_close(input);
    else
        *ret_input = input;
    return rc;
}

/* Without waiting for somebody who writes a named pipe: reading it waits. */
static int open_file(void *arg)
{
    cv_input *input = arg;
    int fd = open(input->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    input->system_error = fd < 0 ? errno : cv__descriptor_init(&input->descriptor, fd);
    return 0;
}

int cv_input_file(cv_ctx *cx, const char *path, cv_input **ret_input)
{
    cv_input *input = make_input(cx, path);
    if (!input)
        return CV_E_NOMEM;
    input->references++;
    input->is_on_lane = true;
    int rc = cv_offload(cx, CV_LANE_FILES, open_file, input, leave_lane);
    if (rc == 0 && input->system_error != 0)
        rc = cannot_open(cx, input, input->system_error);
    if (rc == 0)
        rc = prepare_file(cx, input);
    if (rc < 0)
        cv_input_close(input);
    else
        *ret_input = input;
    return rc;
}

/* ---- all ---- */

int cv_input_read(cv_ctx *cx, cv_input *input, cv_str *ret_piece)
{
    cv_str piece = {"", 0};
    if (input->is_closed)
        return cv_fail(cx, CV_E_STATE, "cannot read \"%s\": it was closed", input->name);
    int rc = input->has_ended ? 0 : input->read(cx, input, &piece);
    if (rc == 0)
        input->has_ended = true;
    if (rc <= 0)
        return rc;
    input->position += (int64_t)piece.len;
    *ret_piece = piece;
    return 1;
}

int64_t cv_input_position(const cv_input *input)
{
    return input->position;
}

int64_t cv_input_size(const cv_input *input)
{
    return input->size;
}

const char *cv_input_name(const cv_input *input)
{
    return input->name;
}

void cv_input_close(cv_input *input)
{
    if (!input || input->is_closed)
        return;
    input->is_closed = true;
    cv__descriptor_stop(&input->descriptor);
    if (input->main)
        cv__errand_drop(input->main, &input->errand);
    if (!input->is_on_lane)
        release(input);
}
