/* Reading where it may be done: on the loop what the kernel has in memory, on the lane of files what it must fetch. */
#include "http/files/file.h"

#include "base/ctx.h"
#include <covet/lane.h>
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* one number on all architectures; Linux 6.5 */
#endif

/* What cachestat(2) takes and gives. */
struct cache_range {
    uint64_t offset, len;
};
struct cache_counts {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

/* 1: all in memory, 0: not, -1: the kernel does not tell. */
static int ask_cachestat(int fd, uint64_t offset, size_t len)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct cache_range range = {offset, len};
    struct cache_counts counts = {0};
    if (syscall(SYS_cachestat, fd, &range, &counts, 0) < 0)
        return -1;
    return counts.cached >= (offset + len - 1) / page - offset / page + 1;
}

/* 1: it can be read without waiting, 0: it cannot, -1: the file system does not tell. */
static int ask_byte(int fd, uint64_t offset)
{
    char byte;
    struct iovec piece = {&byte, 1};
    ssize_t got = preadv2(fd, &piece, 1, (off_t)offset, RWF_NOWAIT);
    return got < 0 && errno == EOPNOTSUPP ? -1 : got == 1;
}

/* Pages that are being read count as cached for cachestat; the last byte tells whether they have come. Older kernels
 * are asked for both ends: what lies between was read with them, as a rule. */
bool cv__file_is_cached(const cv__file *file, uint64_t offset, size_t len)
{
    if (!len)
        return true;
    int all = ask_cachestat(file->fd, offset, len);
    if (!all)
        return false;
    int last = ask_byte(file->fd, offset + len - 1);
    return all > 0 ? last != 0 : last > 0 && ask_byte(file->fd, offset) > 0;
}

bool cv__file_has_changed(const cv__file *file)
{
    struct stat now;
    return fstat(file->fd, &now) < 0 || now.st_size != file->info.st_size ||
           now.st_mtim.tv_sec != file->info.st_mtim.tv_sec || now.st_mtim.tv_nsec != file->info.st_mtim.tv_nsec;
}

typedef struct job {
    int fd, error; /* an errno; 0: the file ended early */
    uint64_t offset;
    char *out;
    size_t wanted, got;
} job;

static int read_on_lane(void *arg)
{
    job *j = arg;
    while (j->got < j->wanted) {
        ssize_t got = pread(j->fd, j->out + j->got, j->wanted - j->got, (off_t)(j->offset + j->got));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            j->error = got < 0 ? errno : 0;
            return 0;
        }
        j->got += (size_t)got;
    }
    return 0;
}

/* What is in memory, from the start on. File systems that cannot read without waiting are asked whether they need to.
 */
static size_t read_cached(const cv__file *file, uint64_t offset, char *out, size_t len)
{
    struct iovec piece = {out, len};
    ssize_t got = preadv2(file->fd, &piece, 1, (off_t)offset, RWF_NOWAIT);
    if (got < 0 && errno == EOPNOTSUPP && cv__file_is_cached(file, offset, len))
        got = pread(file->fd, out, len, (off_t)offset);
    return got > 0 ? (size_t)got : 0;
}

int cv__file_load(cv_ctx *cx, const cv__file *file, uint64_t offset, char *out, size_t len)
{
    job j = {.fd = file->fd, .offset = offset, .out = out, .wanted = len};
    j.got = len ? read_cached(file, offset, out, len) : 0;
    if (j.got == len)
        return 0;
    CV_TRY(cv_offload(cx, CV_LANE_FILES, read_on_lane, &j, NULL));
    if (j.got == len)
        return 0;
    return cv_fail(cx, CV_E_IO, "could not read the file \"%s\": %s", file->path,
                   j.error ? strerror(j.error) : "it became shorter while it was read");
}
