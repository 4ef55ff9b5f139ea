/* Ways to open a database: a file, a file that nobody writes to, a database in memory with a name; and whether the file
 * under the path is still the one that was opened.
 *
 * A database in memory with a name lies in SQLite's memdb: as many connections as wanted see the same pages. It has no
 * WAL: a commit waits until no reader is in the middle of a statement, and readers wait while somebody writes. One
 * connection more, the anchor, keeps it until the database is closed. */
#include "db/sqlite/sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { LOOK_MS = 500 };

static int fail_nomem(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_NOMEM, "could not open the database: out of memory");
}

/* ---- in memory ---- */

static int name_memory(cv_ctx *cx, cv__sqlite_shared *shared)
{
    if (strchr(shared->path, '/'))
        return cv_fail(cx, CV_E_CONFIG, "the name \"%s\" of a database in memory has a slash", shared->path);
    char *name;
    if (asprintf(&name, "/%s", shared->path) < 0)
        return fail_nomem(cx);
    free(shared->path);
    shared->path = name;
    shared->memory = true;
    shared->create = true;
    if (!sqlite3_vfs_find("memdb"))
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot share a database in memory: this SQLite has no memdb");
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (sqlite3_open_v2(name, &shared->anchor, flags, "memdb") != SQLITE_OK)
        return fail_nomem(cx);
    return 0;
}

/* ---- immutable ---- */

/* What a writer has left in the WAL would not be seen. */
static int check_wal_is_empty(cv_ctx *cx, const cv__sqlite_shared *shared)
{
    char path[4096];
    struct stat info;
    int len = snprintf(path, sizeof path, "%s-wal", shared->path);
    if (len >= (int)sizeof path || stat(path, &info) < 0 || info.st_size == 0)
        return 0;
    cv_fail(cx, CV_E_STATE, "cannot open \"%s\" as immutable: its write-ahead log holds changes", shared->path);
    cv_error_hint(cx, "open it for writing once, which writes them back, or leave immutable away");
    return CV_E_STATE;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("/-_.~", c));
}

/* https://www.sqlite.org/uri.html */
static char *immutable_uri(const char *path)
{
    static const char digits[] = "0123456789abcdef", end[] = "?immutable=1";
    char *uri = malloc(strlen(path) * 3 + sizeof "file:" + sizeof end);
    if (!uri)
        return NULL;
    char *at = stpcpy(uri, "file:");
    for (; *path; path++) {
        if (is_plain(*path)) {
            *at++ = *path;
        } else {
            *at++ = '%';
            *at++ = digits[(unsigned char)*path >> 4];
            *at++ = digits[(unsigned char)*path & 15];
        }
    }
    memcpy(at, end, strlen(end) + 1);
    return uri;
}

/* A path that looks like a URI would be read as one: some builds of SQLite do so without being asked. */
static char *plain_name(const char *path)
{
    bool looks_like_uri = strncmp(path, "file:", 5) == 0;
    char *name;
    return asprintf(&name, "%s%s", looks_like_uri ? "./" : "", path) < 0 ? NULL : name;
}

int cv__sqlite_mode_prepare(cv_ctx *cx, cv__sqlite_shared *shared)
{
    if (shared->named && (shared->memory || shared->immutable || shared->read_only)) {
        cv_fail(cx, CV_E_CONFIG, "a database in memory with a name is neither \":memory:\" nor read-only");
        cv_error_hint(cx, "write sqlite:///NAME?mode=memory");
        return CV_E_CONFIG;
    }
    if (shared->named)
        CV_TRY(name_memory(cx, shared));
    if (shared->immutable) {
        shared->read_only = true;
        CV_TRY(check_wal_is_empty(cx, shared));
    }
    shared->open_name = shared->immutable ? immutable_uri(shared->path) : plain_name(shared->path);
    return shared->open_name ? 0 : fail_nomem(cx);
}

void cv__sqlite_mode_done(cv__sqlite_shared *shared)
{
    sqlite3_close(shared->anchor);
    free(shared->open_name);
}

/* ---- a file that is gone ---- */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool has_moved(const cv__sqlite_conn *conn)
{
    int moved = 0;
    return !conn->shared->memory &&
           sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

/* Whoever deletes the file, or puts another one in its place, leaves the connections with one that nobody will find
 * again. A look at the name costs a system call, so it is not taken each time. */
bool cv__sqlite_is_alive(cv__conn *head)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    int64_t at_ns = now_ns();
    if (at_ns - conn->looked_at_ns < (int64_t)LOOK_MS * 1000000)
        return true;
    conn->looked_at_ns = at_ns;
    return !has_moved(conn);
}
