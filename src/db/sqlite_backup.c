/* Backup of a SQLite database in use.
 *
 * The source is read inside one transaction, so that the copy is of one moment and what others commit does not make it
 * begin again. The copy is made under another name; its last steps are the check, the sync, and the name. */
#include "db/sqlite_work.h"

#include <covet/fiber.h>
#include <covet/lane.h>
#include <covet/sqlite.h>
#include <covet/uuid.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char back_up[] = "back up the database";

enum { PAGES_PER_STEP = 1024, LOCK_PAUSE_MS = 5 };

typedef struct backup {
    cv__sqlite_work source;
    cv__sqlite_shared target_shared; /* for errors: names the draft */
    cv__sqlite_conn target;          /* likewise: only its handle is used */
    sqlite3_backup *copy;
    const char *path;
    char *draft;
    bool overwrite, has_draft;
    mode_t mode;
    int pages, sqlite_code;
    int system_error;
} backup;

static int note_errno(backup *b)
{
    b->system_error = errno;
    return errno == EEXIST                       ? CV_E_EXISTS
           : errno == EACCES || errno == EPERM   ? CV_E_PERMISSION
           : errno == ENOENT || errno == ENOTDIR ? CV_E_NOT_FOUND
           : errno == ENOSPC || errno == EDQUOT  ? CV_E_DISK_FULL
                                                 : CV_E_IO;
}

/* --- on the lane --- */

/* Made here rather than by SQLite: nobody else's file, and with the right permissions from the beginning. */
static int make_draft(backup *b)
{
    struct stat info;
    if (!b->overwrite && lstat(b->path, &info) == 0) {
        errno = EEXIST;
        return note_errno(b);
    }
    int fd = open(b->draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return note_errno(b);
    b->has_draft = true;
    int rc = fchmod(fd, b->mode) < 0 ? note_errno(b) : 0;
    close(fd);
    return rc;
}

static int open_on_lane(void *arg)
{
    backup *b = arg;
    CV_TRY(make_draft(b));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    b->sqlite_code = sqlite3_open_v2(b->draft, &b->target.db, flags, NULL);
    if (b->sqlite_code == SQLITE_OK)
        b->sqlite_code =
            sqlite3_exec(b->target.db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", NULL, NULL, NULL);
    return 0;
}

static int step_on_lane(void *arg)
{
    backup *b = arg;
    b->sqlite_code = sqlite3_backup_step(b->copy, b->pages);
    return 0;
}

/* The copy is complete: leave a single file behind, without a write-ahead log. */
static int close_on_lane(void *arg)
{
    backup *b = arg;
    b->sqlite_code = sqlite3_exec(b->target.db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    return 0;
}

static int sync_path(backup *b, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return note_errno(b);
    int rc = fsync(fd) < 0 ? note_errno(b) : 0;
    close(fd);
    return rc;
}

static int publish_on_lane(void *arg)
{
    backup *b = arg;
    char copy[PATH_MAX];
    CV_TRY(sync_path(b, b->draft, O_RDWR));
    if ((b->overwrite ? rename(b->draft, b->path) : link(b->draft, b->path)) < 0)
        return note_errno(b);
    b->has_draft = !b->overwrite;
    snprintf(copy, sizeof copy, "%s", b->path);
    return sync_path(b, dirname(copy), O_RDONLY | O_DIRECTORY);
}

static int clean_up_on_lane(void *arg)
{
    backup *b = arg;
    sqlite3_close(b->target.db);
    if (b->has_draft)
        unlink(b->draft);
    return 0;
}

/* --- on the fiber --- */

static int fail_target(cv_ctx *cx, backup *b)
{
    return cv__sqlite_fail(cx, &b->target, b->sqlite_code, "write the backup");
}

/* A step of the lane that touches files: its failure is of the system, or of SQLite. */
static int run_step(cv_ctx *cx, backup *b, int (*step)(void *arg))
{
    b->sqlite_code = SQLITE_OK;
    b->system_error = 0;
    int rc = cv_offload(cx, CV_LANE_DATABASE, step, b, NULL);
    if (rc < 0 && b->system_error) {
        cv_fail(cx, rc, "could not write the backup \"%s\": %s", b->path, strerror(b->system_error));
        if (rc == CV_E_EXISTS)
            cv_error_hint(cx, "choose another name, or allow to overwrite it");
        return rc;
    }
    CV_TRY(rc);
    return b->sqlite_code == SQLITE_OK ? 0 : fail_target(cx, b);
}

static int start_copy(cv_ctx *cx, backup *b)
{
    CV_TRY(run_step(cx, b, open_on_lane));
    CV_TRY(cv__sqlite_work_run(cx, b->source.conn, "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1", back_up, NULL, NULL));
    b->copy = sqlite3_backup_init(b->target.db, "main", b->source.conn->db, "main");
    if (b->copy)
        return 0;
    b->sqlite_code = sqlite3_errcode(b->target.db);
    return fail_target(cx, b);
}

/* One step: 1 when there are more, 0 at the end. A lock is waited for as long as the options allow. */
static int copy_step(cv_ctx *cx, backup *b)
{
    int64_t locked_ms = 0;
    for (;;) {
        CV_TRY(cv_offload(cx, CV_LANE_DATABASE, step_on_lane, b, NULL));
        if (b->sqlite_code == SQLITE_OK || b->sqlite_code == SQLITE_DONE)
            return b->sqlite_code == SQLITE_OK;
        bool locked = (b->sqlite_code & 0xff) == SQLITE_BUSY || (b->sqlite_code & 0xff) == SQLITE_LOCKED;
        if (!locked || locked_ms >= b->source.conn->shared->busy_timeout_ms)
            return fail_target(cx, b);
        CV_TRY(cv_sleep_ms(cx, LOCK_PAUSE_MS));
        locked_ms += LOCK_PAUSE_MS;
    }
}

static int copy_all(cv_ctx *cx, backup *b, const cv_sqlite_backup_options *options)
{
    int more = 1;
    while (more > 0) {
        CV_TRY(more = copy_step(cx, b));
        if (options->progress) {
            int total = sqlite3_backup_pagecount(b->copy);
            options->progress(cx, options->progress_arg, (size_t)(total - sqlite3_backup_remaining(b->copy)),
                              (size_t)total);
        }
        if (more && options->pause_ms > 0)
            CV_TRY(cv_sleep_ms(cx, options->pause_ms));
    }
    b->sqlite_code = sqlite3_backup_finish(b->copy);
    b->copy = NULL;
    return b->sqlite_code == SQLITE_OK ? 0 : fail_target(cx, b);
}

static int note_damage(void *arg, sqlite3_stmt *handle)
{
    bool *damaged = arg;
    const char *line = (const char *)sqlite3_column_text(handle, 0);
    *damaged |= !line || strcmp(line, "ok") != 0;
    return 0;
}

static int check_copy(cv_ctx *cx, backup *b)
{
    bool damaged = false;
    CV_TRY(cv__sqlite_work_run(cx, &b->target, "PRAGMA quick_check(1)", "check the backup", note_damage, &damaged));
    if (!damaged)
        return 0;
    cv_fail(cx, CV_E_CORRUPT, "the backup of \"%s\" did not pass its check", b->source.conn->shared->path);
    cv_error_hint(cx, "the database itself may be damaged: see cv_sqlite_integrity_check");
    return CV_E_CORRUPT;
}

static int make_copy(cv_ctx *cx, backup *b, const cv_sqlite_backup_options *options)
{
    CV_TRY(start_copy(cx, b));
    CV_TRY(copy_all(cx, b, options));
    CV_TRY(run_step(cx, b, close_on_lane));
    if (!options->unchecked)
        CV_TRY(check_copy(cx, b));
    return run_step(cx, b, publish_on_lane);
}

/* Never cut short: a draft left behind would stay for ever. Neither of it waits for anybody. */
static void clean_up(cv_ctx *cx, backup *b)
{
    cv_error *first = cv_error_take(cx);
    if (b->copy)
        sqlite3_backup_finish(b->copy);
    CV_SHIELD(cx, 1000)
    {
        if (cv_offload(cx, CV_LANE_DATABASE, clean_up_on_lane, b, NULL) < 0 && b->target.db)
            (void)clean_up_on_lane(b);
    }
    sqlite3_exec(b->source.conn->db, "ROLLBACK", NULL, NULL, NULL);
    cv_error_put_back(cx, first);
}

static int choose_names(cv_ctx *cx, backup *b, const char *path)
{
    uint32_t random;
    cv_random_bytes(&random, sizeof random);
    if (!path || !*path || strlen(path) >= PATH_MAX - 32)
        return cv_fail(cx, CV_E_INVALID, "cannot back up the database: the path is empty or too long");
    b->path = path;
    b->draft = cv_sprintf(cx, "%s.%08x.partial", path, random);
    b->target_shared.path = b->draft;
    b->target.shared = &b->target_shared;
    return b->draft ? 0 : CV_E_NOMEM;
}

/* Over itself would be the end of it. */
static int look_at_source(cv_ctx *cx, backup *b)
{
    const cv__sqlite_shared *shared = b->source.conn->shared;
    struct stat source, target;
    b->mode = 0600;
    b->target_shared.busy_timeout_ms = shared->busy_timeout_ms;
    if (shared->memory || stat(shared->path, &source) < 0)
        return 0;
    b->mode = source.st_mode & 0777;
    if (stat(b->path, &target) == 0 && target.st_ino == source.st_ino && target.st_dev == source.st_dev)
        return cv_fail(cx, CV_E_INVALID, "cannot back up the database \"%s\" onto itself", shared->path);
    return 0;
}

int cv_sqlite_backup(cv_ctx *cx, cv_db *db, const char *path, const cv_sqlite_backup_options *options)
{
    const cv_sqlite_backup_options none = {0};
    options = options ? options : &none;
    backup b = {.overwrite = options->overwrite};
    b.pages = options->pages_per_step > 0 && options->pages_per_step < INT_MAX ? (int)options->pages_per_step
                                                                               : PAGES_PER_STEP;
    CV_TRY(choose_names(cx, &b, path));
    CV_TRY(cv__sqlite_work_begin(cx, db, CV__READER, back_up, &b.source));
    int rc = look_at_source(cx, &b);
    if (rc == 0) {
        rc = make_copy(cx, &b, options);
        clean_up(cx, &b);
    }
    cv__sqlite_work_end(cx, &b.source);
    return rc;
}
