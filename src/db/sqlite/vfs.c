/* The file system below a connection: what would block suspends the fiber instead, and a thread of the lane for
 * databases does it.
 *
 * Each connection has a sqlite3_vfs of its own, which wraps the default one; so every call of it knows the connection,
 * and through it the fiber whose statement is under way (conn->cx), without anything that belongs to a thread. Three
 * cases:
 * - a fiber: sync, delete and truncate go to the lane; a read that the page cache answers is done at once, any other
 *   goes to the lane; sleeping is the fiber's sleep; reads and writes give way when the slice is over, so that one
 *   opcode that walks over a table, or a large COMMIT, does not hold the loop;
 * - no fiber (the main context, a connection that is being closed, a thread of a lane): the plain way;
 * - the file system cannot tell what is cached (EOPNOTSUPP): reads go the plain way.
 * The C frames of SQLite cannot be left, so these waits go on beyond deadline and cancellation; the progress handler
 * looks at both as soon as they are over. What is refused by the lane (its queue is full) is done here and now.
 *
 * Opening, locking, looking for a file, growing the WAL index, and writing, which fills the page cache, stay on the
 * loop: they touch metadata and memory. There is no mapping of files into memory (no xFetch): a page fault cannot be
 * handed to anybody.
 *
 * How a read is tried without waiting: the wrapped file is asked to read as ever, and its pread(2), which SQLite lets
 * us replace for the process, becomes preadv2(2) with RWF_NOWAIT. Which of both it is to be is noted for the thread
 * right before that call and taken back right after it; no fiber is switched in between. */
#include "db/sqlite/sqlite.h"

#include "base/ctx.h"
#include "rt/wait.h"
#include <covet/fiber.h>
#include <covet/lane.h>
#include <covet/runtime.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

enum { CALLS_PER_LOOK = 16, SLICE_NS = 200000, LONG_WAIT_MS = 60000 };

struct cv__sqlite_vfs {
    sqlite3_vfs head;
    sqlite3_vfs *lower;
    cv__sqlite_conn *conn;
    const sqlite3_file *indexed;     /* the file with the WAL index; NULL: none yet */
    const volatile void *wal_header; /* of that index; NULL: not mapped, or there are several */
    unsigned calls;                  /* reads and writes, for looking at the clock now and then */
    char name[32];
};

typedef struct vfs_file {
    sqlite3_file head;
    struct cv__sqlite_vfs *vfs;
    bool asks_cache;     /* the file system can read without waiting */
    sqlite3_file *lower; /* right behind this struct */
} vfs_file;

static struct cv__sqlite_vfs *own_vfs(sqlite3_vfs *head)
{
    return (struct cv__sqlite_vfs *)(void *)head;
}

static vfs_file *own_file(sqlite3_file *head)
{
    return (vfs_file *)(void *)head;
}

static sqlite3_file *lower_file(sqlite3_file *head)
{
    return own_file(head)->lower;
}

/* ---- the fiber whose statement is under way ---- */

/* Its context; NULL: the plain way. */
static cv_ctx *fiber_context(const struct cv__sqlite_vfs *vfs)
{
    cv_ctx *cx = vfs->conn->cx;
    return cx && cx->fiber ? cx : NULL;
}

/* On the lane when a fiber is under way, else, and when the lane refuses, here. `fn` returns 0. */
static void do_off_loop(const struct cv__sqlite_vfs *vfs, int (*fn)(void *arg), void *arg)
{
    cv_ctx *cx = fiber_context(vfs);
    if (!cx) {
        (void)fn(arg);
        return;
    }
    cv_error *first = cv_error_take(cx);
    int rc = cv__offload_to_end(cx, CV_LANE_DATABASE, fn, arg);
    if (rc < 0) {
        if (!first)
            cv_error_clear(cx);
        (void)fn(arg);
    }
    cv_error_put_back(cx, first);
    vfs->conn->slice_began_ns = 0;
}

/* Wait by `wait`, beyond deadline and cancellation, which are somebody else's to tell. */
static void wait_shielded(cv_ctx *cx, int (*wait)(cv_ctx *cx, int64_t ms), int64_t ms)
{
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, LONG_WAIT_MS)
    {
        if (wait(cx, ms) < 0 && !first)
            cv_error_clear(cx);
    }
    cv_error_put_back(cx, first);
}

static int give_way(cv_ctx *cx, int64_t ms)
{
    (void)ms;
    return cv_yield_background(cx);
}

/* A statement that reads or writes many pages without coming by the progress handler has slices all the same. */
static void pace(struct cv__sqlite_vfs *vfs, cv_ctx *cx)
{
    if (++vfs->calls % CALLS_PER_LOOK != 0)
        return;
    cv__sqlite_conn *conn = vfs->conn;
    int64_t now_ns = cv_now_ns(cx);
    if (conn->slice_began_ns == 0)
        conn->slice_began_ns = now_ns;
    if (now_ns - conn->slice_began_ns < SLICE_NS)
        return;
    wait_shielded(cx, give_way, 0);
    conn->slice_began_ns = 0;
}

/* ---- reading without waiting ---- */

enum read_mode { READ_ANYHOW, READ_CACHED, READ_MISSED, READ_UNTOLD };

/* Set around one call of a wrapped read only; see above. */
static _Thread_local enum read_mode read_mode;

typedef ssize_t pread_fn(int fd, void *buf, size_t size, off_t offset);

/* What SQLite called before; set once, before the first connection. */
static pread_fn *former_pread, *former_pread64;

static ssize_t read_cached(pread_fn *anyhow, int fd, void *buf, size_t size, off_t offset)
{
    struct iovec piece = {buf, size};
    ssize_t got = preadv2(fd, &piece, 1, offset, RWF_NOWAIT);
    if (got == (ssize_t)size)
        return got;
    if (got < 0 && errno != EAGAIN) {
        read_mode = READ_UNTOLD;
        return anyhow(fd, buf, size, offset);
    }
    read_mode = READ_MISSED;
    errno = EAGAIN;
    return -1;
}

static ssize_t hooked_pread(int fd, void *buf, size_t size, off_t offset)
{
    return read_mode == READ_CACHED ? read_cached(former_pread, fd, buf, size, offset)
                                    : former_pread(fd, buf, size, offset);
}

static ssize_t hooked_pread64(int fd, void *buf, size_t size, off_t offset)
{
    return read_mode == READ_CACHED ? read_cached(former_pread64, fd, buf, size, offset)
                                    : former_pread64(fd, buf, size, offset);
}

static void hook(sqlite3_vfs *system, const char *name, pread_fn *ours, pread_fn **ret_former)
{
    *ret_former = (pread_fn *)system->xGetSystemCall(system, name);
    if (*ret_former)
        system->xSetSystemCall(system, name, (sqlite3_syscall_ptr)ours);
}

void cv__sqlite_vfs_configure(void)
{
    sqlite3_vfs *system = sqlite3_vfs_find("unix");
    if (!system || system->iVersion < 3)
        return;
    hook(system, "pread", hooked_pread, &former_pread);
    hook(system, "pread64", hooked_pread64, &former_pread64);
}

/* ---- files ---- */

static int close_file(sqlite3_file *head)
{
    return lower_file(head)->pMethods->xClose(lower_file(head));
}

typedef struct read_job {
    sqlite3_file *file;
    void *buf;
    int amount, code;
    sqlite3_int64 offset;
} read_job;

static int read_lower(void *arg)
{
    read_job *job = arg;
    job->code = job->file->pMethods->xRead(job->file, job->buf, job->amount, job->offset);
    return 0;
}

static int read_file(sqlite3_file *head, void *buf, int amount, sqlite3_int64 offset)
{
    vfs_file *file = own_file(head);
    read_job job = {.file = file->lower, .buf = buf, .amount = amount, .offset = offset};
    cv_ctx *cx = fiber_context(file->vfs);
    if (cx)
        pace(file->vfs, cx);
    if (!cx || !file->asks_cache) {
        read_lower(&job);
        return job.code;
    }
    read_mode = READ_CACHED;
    read_lower(&job);
    enum read_mode outcome = read_mode;
    read_mode = READ_ANYHOW;
    file->asks_cache = outcome != READ_UNTOLD;
    if (outcome == READ_MISSED)
        do_off_loop(file->vfs, read_lower, &job);
    return job.code;
}

static int write_file(sqlite3_file *head, const void *buf, int amount, sqlite3_int64 offset)
{
    cv_ctx *cx = fiber_context(own_file(head)->vfs);
    if (cx)
        pace(own_file(head)->vfs, cx);
    return lower_file(head)->pMethods->xWrite(lower_file(head), buf, amount, offset);
}

typedef struct truncate_job {
    sqlite3_file *file;
    sqlite3_int64 size;
    int code;
} truncate_job;

static int truncate_lower(void *arg)
{
    truncate_job *job = arg;
    job->code = job->file->pMethods->xTruncate(job->file, job->size);
    return 0;
}

static int truncate_file(sqlite3_file *head, sqlite3_int64 size)
{
    truncate_job job = {.file = lower_file(head), .size = size};
    do_off_loop(own_file(head)->vfs, truncate_lower, &job);
    return job.code;
}

typedef struct sync_job {
    sqlite3_file *file;
    int flags, code;
} sync_job;

static int sync_lower(void *arg)
{
    sync_job *job = arg;
    job->code = job->file->pMethods->xSync(job->file, job->flags);
    return 0;
}

static int sync_file(sqlite3_file *head, int flags)
{
    sync_job job = {.file = lower_file(head), .flags = flags};
    do_off_loop(own_file(head)->vfs, sync_lower, &job);
    return job.code;
}

static int file_size(sqlite3_file *head, sqlite3_int64 *ret_size)
{
    return lower_file(head)->pMethods->xFileSize(lower_file(head), ret_size);
}

static int lock_file(sqlite3_file *head, int level)
{
    return lower_file(head)->pMethods->xLock(lower_file(head), level);
}

static int unlock_file(sqlite3_file *head, int level)
{
    return lower_file(head)->pMethods->xUnlock(lower_file(head), level);
}

static int check_reserved_lock(sqlite3_file *head, int *ret_is_reserved)
{
    return lower_file(head)->pMethods->xCheckReservedLock(lower_file(head), ret_is_reserved);
}

static int control_file(sqlite3_file *head, int what, void *arg)
{
    return lower_file(head)->pMethods->xFileControl(lower_file(head), what, arg);
}

static int sector_size(sqlite3_file *head)
{
    return lower_file(head)->pMethods->xSectorSize(lower_file(head));
}

static int device_characteristics(sqlite3_file *head)
{
    return lower_file(head)->pMethods->xDeviceCharacteristics(lower_file(head));
}

static int map_shm(sqlite3_file *head, int region, int size, int extend, void volatile **ret_map)
{
    int rc = lower_file(head)->pMethods->xShmMap(lower_file(head), region, size, extend, ret_map);
    struct cv__sqlite_vfs *vfs = own_file(head)->vfs;
    if (rc == SQLITE_OK && region == 0 && *ret_map) {
        bool is_only = !vfs->indexed || vfs->indexed == head;
        vfs->wal_header = is_only ? *ret_map : NULL;
        vfs->indexed = is_only ? head : vfs->indexed;
    }
    return rc;
}

static int lock_shm(sqlite3_file *head, int first, int count, int flags)
{
    return lower_file(head)->pMethods->xShmLock(lower_file(head), first, count, flags);
}

static void barrier_shm(sqlite3_file *head)
{
    lower_file(head)->pMethods->xShmBarrier(lower_file(head));
}

static int unmap_shm(sqlite3_file *head, int unlink_it)
{
    own_file(head)->vfs->wal_header = NULL;
    return lower_file(head)->pMethods->xShmUnmap(lower_file(head), unlink_it);
}

/* Version 2: with the WAL index, without mapping. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_reserved_lock,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = map_shm,
    .xShmLock = lock_shm,
    .xShmBarrier = barrier_shm,
    .xShmUnmap = unmap_shm,
};

/* ---- the file system ---- */

static int open_file(sqlite3_vfs *head, const char *path, sqlite3_file *out, int flags, int *ret_flags)
{
    struct cv__sqlite_vfs *vfs = own_vfs(head);
    vfs_file *file = own_file(out);
    *file = (vfs_file){.vfs = vfs, .asks_cache = true, .lower = (sqlite3_file *)(void *)(file + 1)};
    int rc = vfs->lower->xOpen(vfs->lower, path, file->lower, flags, ret_flags);
    if (file->lower->pMethods)
        file->head.pMethods = &methods;
    return rc;
}

typedef struct delete_job {
    sqlite3_vfs *vfs;
    const char *path;
    int sync_folder, code;
} delete_job;

static int delete_lower(void *arg)
{
    delete_job *job = arg;
    job->code = job->vfs->xDelete(job->vfs, job->path, job->sync_folder);
    return 0;
}

static int delete_file(sqlite3_vfs *head, const char *path, int sync_folder)
{
    delete_job job = {.vfs = own_vfs(head)->lower, .path = path, .sync_folder = sync_folder};
    do_off_loop(own_vfs(head), delete_lower, &job);
    return job.code;
}

static int access_file(sqlite3_vfs *head, const char *path, int flags, int *ret_answer)
{
    sqlite3_vfs *lower = own_vfs(head)->lower;
    return lower->xAccess(lower, path, flags, ret_answer);
}

static int full_pathname(sqlite3_vfs *head, const char *path, int size, char *ret_path)
{
    sqlite3_vfs *lower = own_vfs(head)->lower;
    return lower->xFullPathname(lower, path, size, ret_path);
}

/* Extensions are switched off; should somebody switch them on for a connection of ours, they cannot be loaded. */
static void *open_library(sqlite3_vfs *head, const char *path)
{
    (void)head;
    (void)path;
    return NULL;
}

static void tell_library_error(sqlite3_vfs *head, int size, char *ret_message)
{
    (void)head;
    sqlite3_snprintf(size, ret_message, "extensions cannot be loaded");
}

static int randomness(sqlite3_vfs *head, int size, char *ret_bytes)
{
    sqlite3_vfs *lower = own_vfs(head)->lower;
    return lower->xRandomness(lower, size, ret_bytes);
}

/* SQLite sleeps while another connection rebuilds the WAL index; that may be one of this loop. */
static int sleep_us(sqlite3_vfs *head, int us)
{
    struct cv__sqlite_vfs *vfs = own_vfs(head);
    cv_ctx *cx = fiber_context(vfs);
    if (!cx)
        return vfs->lower->xSleep(vfs->lower, us);
    wait_shielded(cx, cv_sleep_ms, (us + 999) / 1000);
    return us;
}

static int current_time(sqlite3_vfs *head, double *ret_day)
{
    sqlite3_vfs *lower = own_vfs(head)->lower;
    return lower->xCurrentTime(lower, ret_day);
}

static int last_error(sqlite3_vfs *head, int size, char *ret_message)
{
    sqlite3_vfs *lower = own_vfs(head)->lower;
    return lower->xGetLastError(lower, size, ret_message);
}

static int current_time_ms(sqlite3_vfs *head, sqlite3_int64 *ret_ms)
{
    sqlite3_vfs *lower = own_vfs(head)->lower;
    return lower->xCurrentTimeInt64(lower, ret_ms);
}

int cv__sqlite_vfs_make(cv__sqlite_conn *conn)
{
    sqlite3_vfs *lower = sqlite3_vfs_find(NULL);
    struct cv__sqlite_vfs *vfs = lower && lower->iVersion >= 2 ? calloc(1, sizeof *vfs) : NULL;
    if (!vfs)
        return lower && lower->iVersion >= 2 ? SQLITE_NOMEM : SQLITE_ERROR;
    vfs->lower = lower;
    vfs->conn = conn;
    snprintf(vfs->name, sizeof vfs->name, "covet-%p", (void *)vfs);
    vfs->head = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(vfs_file) + lower->szOsFile,
        .mxPathname = lower->mxPathname,
        .zName = vfs->name,
        .xOpen = open_file,
        .xDelete = delete_file,
        .xAccess = access_file,
        .xFullPathname = full_pathname,
        .xDlOpen = open_library,
        .xDlError = tell_library_error,
        .xRandomness = randomness,
        .xSleep = sleep_us,
        .xCurrentTime = current_time,
        .xGetLastError = last_error,
        .xCurrentTimeInt64 = current_time_ms,
    };
    int rc = sqlite3_vfs_register(&vfs->head, 0);
    if (rc != SQLITE_OK)
        free(vfs);
    else
        conn->vfs = vfs;
    return rc;
}

const char *cv__sqlite_vfs_name(const cv__sqlite_conn *conn)
{
    return conn->vfs->name;
}

const volatile void *cv__sqlite_wal_header(const cv__sqlite_conn *conn)
{
    return conn->vfs ? conn->vfs->wal_header : NULL;
}

void cv__sqlite_vfs_free(cv__sqlite_conn *conn)
{
    if (!conn->vfs)
        return;
    sqlite3_vfs_unregister(&conn->vfs->head);
    free(conn->vfs);
    conn->vfs = NULL;
}
