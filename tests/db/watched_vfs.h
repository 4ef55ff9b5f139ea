/* A VFS below the connections of a database, which sees every call: where it runs, and, for the torture, a point to
 * suspend the fiber. Registered as the default before the database is opened. */
#ifndef COVET_TESTS_DB_WATCHED_VFS_H
#define COVET_TESTS_DB_WATCHED_VFS_H

#include "test.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

typedef enum watched_call {
    WATCHED_OPEN,
    WATCHED_CLOSE,
    WATCHED_READ,
    WATCHED_WRITE,
    WATCHED_TRUNCATE,
    WATCHED_SYNC,
    WATCHED_DELETE,
    WATCHED_LOCK,
    WATCHED_OTHER,
    WATCHED_CALLS
} watched_call;

typedef struct watched_vfs {
    sqlite3_vfs head, *system;
    pthread_t loop;
    atomic_int on_loop[WATCHED_CALLS], off_loop[WATCHED_CALLS];
    int (*_Atomic before)(struct watched_vfs *vfs,
                          watched_call call); /* a code of SQLite: 0 goes on; on the loop or off it */
    void *arg;
} watched_vfs;

typedef struct watched_file {
    sqlite3_file head;
    watched_vfs *vfs;
    sqlite3_file *real;
} watched_file;

/* Nothing is called before the calls any more. */
static inline void watched_quiet(watched_vfs *vfs)
{
    int (*nothing)(watched_vfs *, watched_call) = NULL;
    vfs->before = nothing;
}

static inline int watched_note(watched_vfs *vfs, watched_call call)
{
    atomic_fetch_add(pthread_equal(vfs->loop, pthread_self()) ? &vfs->on_loop[call] : &vfs->off_loop[call], 1);
    int (*before)(watched_vfs *, watched_call) = vfs->before;
    return before ? before(vfs, call) : SQLITE_OK;
}

static inline sqlite3_file *watched_real(sqlite3_file *file)
{
    return ((watched_file *)(void *)file)->real;
}

#define WATCHED_FILE_CALL(name, call, parameters, method, ...)                                                         \
    static inline int watched_##name parameters                                                                        \
    {                                                                                                                  \
        int rc = watched_note(((watched_file *)(void *)f)->vfs, call);                                                 \
        return rc ? rc : watched_real(f)->pMethods->method(watched_real(f) __VA_ARGS__);                               \
    }

WATCHED_FILE_CALL(close, WATCHED_CLOSE, (sqlite3_file * f), xClose, )
WATCHED_FILE_CALL(read, WATCHED_READ, (sqlite3_file * f, void *b, int n, sqlite3_int64 o), xRead, , b, n, o)
WATCHED_FILE_CALL(write, WATCHED_WRITE, (sqlite3_file * f, const void *b, int n, sqlite3_int64 o), xWrite, , b, n, o)
WATCHED_FILE_CALL(truncate, WATCHED_TRUNCATE, (sqlite3_file * f, sqlite3_int64 n), xTruncate, , n)
WATCHED_FILE_CALL(sync, WATCHED_SYNC, (sqlite3_file * f, int flags), xSync, , flags)
WATCHED_FILE_CALL(size, WATCHED_OTHER, (sqlite3_file * f, sqlite3_int64 *n), xFileSize, , n)
WATCHED_FILE_CALL(lock, WATCHED_LOCK, (sqlite3_file * f, int level), xLock, , level)
WATCHED_FILE_CALL(unlock, WATCHED_LOCK, (sqlite3_file * f, int level), xUnlock, , level)
WATCHED_FILE_CALL(reserved, WATCHED_LOCK, (sqlite3_file * f, int *yes), xCheckReservedLock, , yes)
WATCHED_FILE_CALL(control, WATCHED_OTHER, (sqlite3_file * f, int what, void *arg), xFileControl, , what, arg)
WATCHED_FILE_CALL(shm_map, WATCHED_OTHER, (sqlite3_file * f, int i, int n, int e, void volatile **m), xShmMap, , i, n,
                  e, m)
WATCHED_FILE_CALL(shm_lock, WATCHED_LOCK, (sqlite3_file * f, int i, int n, int flags), xShmLock, , i, n, flags)
WATCHED_FILE_CALL(shm_unmap, WATCHED_OTHER, (sqlite3_file * f, int unlink_it), xShmUnmap, , unlink_it)

static inline int watched_sector(sqlite3_file *f)
{
    return watched_real(f)->pMethods->xSectorSize(watched_real(f));
}

static inline int watched_device(sqlite3_file *f)
{
    return watched_real(f)->pMethods->xDeviceCharacteristics(watched_real(f));
}

static inline void watched_barrier(sqlite3_file *f)
{
    watched_real(f)->pMethods->xShmBarrier(watched_real(f));
}

static const sqlite3_io_methods watched_methods = {
    2,
    watched_close,
    watched_read,
    watched_write,
    watched_truncate,
    watched_sync,
    watched_size,
    watched_lock,
    watched_unlock,
    watched_reserved,
    watched_control,
    watched_sector,
    watched_device,
    watched_shm_map,
    watched_shm_lock,
    watched_barrier,
    watched_shm_unmap,
    NULL,
    NULL,
};

static inline int watched_open(sqlite3_vfs *head, const char *path, sqlite3_file *out, int flags, int *ret_flags)
{
    watched_vfs *vfs = (watched_vfs *)(void *)head;
    watched_file *file = (watched_file *)(void *)out;
    *file = (watched_file){.vfs = vfs, .real = (sqlite3_file *)(void *)(file + 1)};
    int rc = watched_note(vfs, WATCHED_OPEN);
    if (rc == SQLITE_OK)
        rc = vfs->system->xOpen(vfs->system, path, file->real, flags, ret_flags);
    file->head.pMethods = rc == SQLITE_OK && file->real->pMethods ? &watched_methods : NULL;
    return rc;
}

static inline int watched_delete(sqlite3_vfs *head, const char *path, int sync_folder)
{
    watched_vfs *vfs = (watched_vfs *)(void *)head;
    int rc = watched_note(vfs, WATCHED_DELETE);
    return rc ? rc : vfs->system->xDelete(vfs->system, path, sync_folder);
}

/* The calling thread is the loop's. `vfs` lives until watched_vfs_done. */
static inline void watched_vfs_init(watched_vfs *vfs)
{
    memset(vfs, 0, sizeof *vfs);
    vfs->system = sqlite3_vfs_find("unix");
    vfs->loop = pthread_self();
    vfs->head = *vfs->system; /* its other functions do not look at what they are given */
    vfs->head.pNext = NULL;
    vfs->head.iVersion = 2;
    vfs->head.zName = "watched";
    vfs->head.szOsFile = (int)sizeof(watched_file) + vfs->system->szOsFile;
    vfs->head.xOpen = watched_open;
    vfs->head.xDelete = watched_delete;
    assert_int_equal(sqlite3_vfs_register(&vfs->head, 1), SQLITE_OK);
}

static inline void watched_vfs_done(watched_vfs *vfs)
{
    sqlite3_vfs_unregister(&vfs->head);
    sqlite3_vfs_register(vfs->system, 1);
}

static inline void watched_vfs_forget(watched_vfs *vfs)
{
    for (int i = 0; i < WATCHED_CALLS; i++) {
        atomic_store(&vfs->on_loop[i], 0);
        atomic_store(&vfs->off_loop[i], 0);
    }
}

#endif
