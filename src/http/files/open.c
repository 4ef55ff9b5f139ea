#include "http/files/file.h"

#include "base/ctx.h"
#include <covet/lane.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_NONBLOCK: neither a pipe without a writer nor a lease makes us wait. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, OPEN_ATTEMPTS = 8 };

/* ---- below a folder ---- */

/* One name below `at`, not through a link; closes `at` unless it is `folder`. */
static int open_part(int folder, int at, cv_str part, int flags)
{
    char name[256];
    int fd = -ENAMETOOLONG;
    if (part.len < sizeof name) {
        memcpy(name, part.ptr, part.len);
        name[part.len] = '\0';
        fd = openat(at, name, flags | O_NOFOLLOW);
        if (fd < 0)
            fd = -errno;
    }
    if (at != folder)
        close(at);
    return fd;
}

int cv__open_beneath_walk(int folder, const char *path)
{
    cv_str rest = cv_str_of(path), part;
    int fd = folder;
    while (fd >= 0 && cv_str_split(&rest, '/', &part)) {
        if (!part.len)
            continue;
        if (cv_str_equal(part, CV_STR(".."))) {
            if (fd != folder)
                close(fd);
            return -EXDEV;
        }
        fd = open_part(folder, fd, part, rest.ptr ? OPEN_FLAGS | O_DIRECTORY : OPEN_FLAGS);
    }
    return fd == folder ? openat(folder, ".", OPEN_FLAGS) : fd;
}

static int open_resolved(int folder, const char *path, unsigned long long resolve)
{
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = resolve};
    long fd = syscall(SYS_openat2, folder, *path ? path : ".", &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
}

/* The kernel asks to try again when something was renamed at the same time. */
int cv__open_beneath(int folder, const char *path)
{
    int fd = -EAGAIN;
    for (int i = 0; fd == -EAGAIN && i < OPEN_ATTEMPTS; i++)
        fd = open_resolved(folder, path, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    return fd == -ENOSYS ? cv__open_beneath_walk(folder, path) : fd;
}

/* ---- for a request ---- */

/* Without waiting for a disk; fails with any error where the kernel cannot promise that. */
static int open_cached(int folder, const char *path)
{
    unsigned long long bounds = folder == AT_FDCWD ? 0 : RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    return open_resolved(folder, path, bounds | RESOLVE_CACHED);
}

/* Errors are negative errno values in `fd`. */
static int open_on_lane(void *arg)
{
    cv__file *file = arg;
    if (file->folder != AT_FDCWD)
        file->fd = cv__open_beneath(file->folder, file->path);
    else if ((file->fd = open(file->path, OPEN_FLAGS)) < 0)
        file->fd = -errno;
    if (file->fd >= 0 && fstat(file->fd, &file->info) < 0)
        return CV_E_IO;
    return 0;
}

static void close_file(void *arg)
{
    cv__file *file = arg;
    if (file->fd >= 0)
        close(file->fd);
}

static int code_of(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:
    case ENXIO:
    case ENAMETOOLONG:
        return CV_E_NOT_FOUND;
    case EACCES:
    case EPERM:
        return CV_E_PERMISSION;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return CV_E_SYSTEM;
    default:
        return CV_E_IO;
    }
}

/* What a lookup in memory alone can say for certain; the rest is asked again on the lane. */
static bool is_certain(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EXDEV || error == ELOOP || error == EACCES;
}

int cv__file_open(cv_ctx *cx, int folder, const char *path, cv__file **ret_file)
{
    cv__file *file = cv_zalloc(cx, 1, sizeof *file);
    if (!file)
        return cx->error_code;
    *file = (cv__file){.folder = folder, .fd = -1, .path = path};
    CV_TRY(cv_cleanup(cx, close_file, file));
    file->fd = open_cached(folder, path);
    if (file->fd >= 0 ? fstat(file->fd, &file->info) < 0 : !is_certain(-file->fd)) {
        close_file(file);
        file->fd = -1;
        CV_TRY(cv_offload(cx, CV_LANE_FILES, open_on_lane, file, NULL));
        file->waited = true;
    }
    if (file->fd < 0)
        return cv_fail(cx, code_of(-file->fd), "could not open the file \"%s\": %s", path, strerror(-file->fd));
    *ret_file = file;
    return 0;
}
