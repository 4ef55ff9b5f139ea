#include "http/static_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

/* One name below `folder_fd`, not through a link; closes `folder_fd` unless it is `root_fd`. */
static int open_part(int root_fd, int folder_fd, cv_str part, int flags)
{
    char name[256];
    int fd = -ENAMETOOLONG;
    if (part.len < sizeof name) {
        memcpy(name, part.ptr, part.len);
        name[part.len] = '\0';
        fd = openat(folder_fd, name, flags | O_NOFOLLOW);
        if (fd < 0)
            fd = -errno;
    }
    if (folder_fd != root_fd)
        close(folder_fd);
    return fd;
}

static bool leads_up(cv_str part)
{
    return cv_str_equal(part, CV_STR(".."));
}

int cv__static_open_walk(int root_fd, const char *path)
{
    cv_str rest = cv_str_of(path), part;
    int fd = root_fd;
    while (fd >= 0 && cv_str_split(&rest, '/', &part)) {
        if (!part.len)
            continue;
        if (leads_up(part)) {
            if (fd != root_fd)
                close(fd);
            return -EXDEV;
        }
        fd = open_part(root_fd, fd, part, rest.ptr ? OPEN_FLAGS | O_DIRECTORY : OPEN_FLAGS);
    }
    return fd == root_fd ? openat(root_fd, ".", OPEN_FLAGS) : fd;
}

int cv__static_open(int root_fd, const char *path)
{
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof how);
    if (fd >= 0)
        return (int)fd;
    return errno == ENOSYS ? cv__static_open_walk(root_fd, path) : -errno;
}
