/* New files appear completely or not at all: each is written and synced under a temporary name in its own folder, then
 * linked to its name, which fails when that exists. When one cannot be linked, those linked before are taken back. */
#include "migrate/migrations.h"
#include <covet/lane.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct publishing {
    const char *folder;
    const cv_new_migration *files;
    size_t count;
    const char **drafts;    /* names of temporary files */
    size_t drafted, linked; /* how many files have their draft, their name */
    int system_error;
    const char *failed; /* path */
};

static int fail_errno(struct publishing *p, const char *path)
{
    p->system_error = errno;
    p->failed = path;
    return errno == EEXIST                      ? CV_E_EXISTS
           : errno == EACCES || errno == EPERM  ? CV_E_PERMISSION
           : errno == ENOSPC || errno == EDQUOT ? CV_E_DISK_FULL
                                                : CV_E_IO;
}

/* The folder of a path, synced, so that the names in it last. */
static int sync_directory(struct publishing *p, const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(p, path);
    int rc = fsync(fd) < 0 ? fail_errno(p, path) : 0;
    close(fd);
    return rc;
}

static int make_directory(struct publishing *p, const char *path)
{
    char copy[PATH_MAX];
    if (mkdir(p->folder, 0777) < 0 && errno != EEXIST)
        return fail_errno(p, p->folder);
    snprintf(copy, sizeof copy, "%s", path);
    if (mkdir(dirname(copy), 0777) < 0 && errno != EEXIST)
        return fail_errno(p, path);
    return 0;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(fd, text, len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        text += wrote;
        len -= (size_t)wrote;
    }
    return fsync(fd);
}

static int write_draft(struct publishing *p, const cv_new_migration *file, const char *draft)
{
    CV_TRY(make_directory(p, file->path));
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_errno(p, draft);
    p->drafted++;
    int rc = write_all(fd, file->text, strlen(file->text)) < 0 ? fail_errno(p, file->path) : 0;
    if (close(fd) < 0 && rc == 0)
        rc = fail_errno(p, file->path);
    return rc;
}

static int publish_all(struct publishing *p)
{
    for (size_t i = 0; i < p->count; i++)
        CV_TRY(write_draft(p, &p->files[i], p->drafts[i]));
    for (; p->linked < p->count; p->linked++)
        if (link(p->drafts[p->linked], p->files[p->linked].path) < 0)
            return fail_errno(p, p->files[p->linked].path);
    for (size_t i = 0; i < p->count; i++)
        CV_TRY(sync_directory(p, p->files[i].path));
    return 0;
}

static int run(void *arg)
{
    struct publishing *p = arg;
    int rc = publish_all(p);
    for (size_t i = 0; i < p->drafted; i++)
        unlink(p->drafts[i]);
    for (size_t i = 0; rc < 0 && i < p->linked; i++)
        unlink(p->files[i].path);
    return rc;
}

int cv__publish(cv_ctx *cx, const char *folder, const cv_new_migration *files, size_t count)
{
    struct publishing p = {.folder = folder, .files = files, .count = count};
    p.drafts = cv_zalloc(cx, count + 1, sizeof *p.drafts);
    if (!p.drafts)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        if (strlen(files[i].path) >= PATH_MAX - 32)
            return cv_fail(cx, CV_E_LIMIT, "the path \"%s\" is too long", files[i].path);
        p.drafts[i] = cv_sprintf(cx, "%s.%ld.new", files[i].path, (long)getpid());
        if (!p.drafts[i])
            return CV_E_NOMEM;
    }
    int rc = cv_offload(cx, CV_LANE_FILES, run, &p, NULL);
    if (rc == 0 || !p.failed)
        return rc;
    return cv_fail(cx, rc, "could not write \"%s\": %s", p.failed, strerror(p.system_error));
}
