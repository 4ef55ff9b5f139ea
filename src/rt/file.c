#include <covet/lane.h>

#include "base/ctx.h"
#include "rt/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_BYTES = 4096 };

/* Shared by the caller and the lane's thread, freed by the later of them; both references belong to the runtime's
 * thread. */
struct reading {
    char *path;
    size_t max_bytes;
    char *data;
    size_t length;
    int system_error; /* errno, or 0 */
    bool is_irregular, is_too_large;
    int references;
};

static void unref_reading(void *arg)
{
    struct reading *reading = arg;
    if (--reading->references > 0)
        return;
    free(reading->path);
    free(reading->data);
    free(reading);
}

static bool grow(struct reading *reading, size_t *capacity, size_t wanted)
{
    char *data = realloc(reading->data, wanted);
    if (!data) {
        reading->system_error = ENOMEM;
        return false;
    }
    reading->data = data;
    *capacity = wanted;
    return true;
}

/* Read to the end, one byte more than the limit at most. */
static void read_all(struct reading *reading, int fd, size_t expected)
{
    size_t capacity = 0;
    if (expected > reading->max_bytes)
        expected = reading->max_bytes;
    if (!grow(reading, &capacity, expected < FIRST_BYTES ? FIRST_BYTES : expected + 1))
        return;
    for (;;) {
        if (reading->length == capacity && !grow(reading, &capacity, capacity * 2))
            return;
        ssize_t got = read(fd, reading->data + reading->length, capacity - reading->length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            reading->system_error = errno;
        if (got <= 0)
            return;
        reading->length += (size_t)got;
        reading->is_too_large = reading->length > reading->max_bytes;
        if (reading->is_too_large)
            return;
    }
}

static int read_file(void *arg)
{
    struct reading *reading = arg;
    int fd = open(reading->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not block */
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        reading->system_error = errno;
    } else if (!S_ISREG(status.st_mode)) {
        reading->is_irregular = true;
    } else {
        reading->is_too_large = status.st_size > 0 && (uint64_t)status.st_size > reading->max_bytes;
        if (!reading->is_too_large)
            read_all(reading, fd, (size_t)status.st_size);
    }
    if (fd >= 0)
        close(fd);
    return 0;
}

static int take_reading(cv_ctx *cx, const struct reading *reading, char **ret_data, size_t *ret_len)
{
    if (reading->system_error != 0)
        return cv__fail_uv(cx, uv_translate_sys_error(reading->system_error), "read \"%s\"", reading->path);
    if (reading->is_irregular)
        return cv_fail(cx, CV_E_IO, "cannot read \"%s\": it is not a regular file", reading->path);
    if (reading->is_too_large)
        return cv_fail(cx, CV_E_TOO_LARGE, "cannot read \"%s\": it has more than %zu bytes", reading->path,
                       reading->max_bytes);
    char *data = cv_alloc(cx, reading->length + 1);
    if (!data)
        return cx->error_code;
    if (reading->length > 0)
        memcpy(data, reading->data, reading->length);
    data[reading->length] = '\0';
    *ret_data = data;
    *ret_len = reading->length;
    return 0;
}

int cv_file_read(cv_ctx *cx, const char *path, size_t max_bytes, char **ret_data, size_t *ret_len)
{
    struct reading *reading = calloc(1, sizeof *reading);
    char *path_copy = strdup(path);
    if (!reading || !path_copy) {
        free(reading);
        free(path_copy);
        return cv_fail(cx, CV_E_NOMEM, "could not read \"%s\": out of memory", path);
    }
    reading->path = path_copy;
    reading->max_bytes = max_bytes < SIZE_MAX / 4 ? max_bytes : SIZE_MAX / 4;
    reading->references = 2;
    int rc = cv_offload(cx, CV_LANE_FILES, read_file, reading, unref_reading);
    if (rc == 0)
        rc = take_reading(cx, reading, ret_data, ret_len);
    else
        rc = cv_fail(cx, rc, "could not read \"%s\"", path);
    unref_reading(reading);
    return rc;
}
