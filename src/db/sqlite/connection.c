#include "db/sqlite/sqlite.h"

#include <covet/fiber.h>
#include <covet/runtime.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITER_CACHE_FACTOR = 4, BUSY_PAUSE_MS = 2 };

/* Stacks of fibers have 256 KiB: expressions and compound selects recurse in SQLite, at up to 500 bytes a level,
 * and so does LIKE at each %, which may take two bytes of its pattern. */
enum { MAX_EXPRESSION_DEPTH = 250, MAX_COMPOUND_SELECTS = 100, MAX_PATTERN_BYTES = 3000 };

/* The folder of the file, "." for a bare name. */
static char *folder_of(cv_ctx *cx, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return cv_strdup(cx, ".");
    return cv_strndup(cx, path, slash == path ? 1 : (size_t)(slash - path));
}

static int explain_folder(cv_ctx *cx, const cv__sqlite_shared *shared)
{
    char *folder = folder_of(cx, shared->path);
    struct stat info;
    if (!folder)
        return CV_E_NOMEM;
    if (stat(folder, &info) < 0) {
        int reason = errno;
        cv_fail(cx, reason == EACCES ? CV_E_PERMISSION : CV_E_NOT_FOUND,
                "could not open the database \"%s\": its folder \"%s\": %s", shared->path, folder, strerror(reason));
        cv_error_hint(cx, "make the folder first; the path is relative to the working folder with three slashes, "
                          "absolute with four");
        return reason == EACCES ? CV_E_PERMISSION : CV_E_NOT_FOUND;
    }
    if (!S_ISDIR(info.st_mode))
        return cv_fail(cx, CV_E_NOT_FOUND, "could not open the database \"%s\": \"%s\" is not a folder", shared->path,
                       folder);
    if (access(folder, shared->read_only ? X_OK : W_OK | X_OK) < 0) {
        cv_fail(cx, CV_E_PERMISSION, "could not open the database \"%s\": its folder \"%s\" is not writable",
                shared->path, folder);
        cv_error_hint(cx, "SQLite writes its journal beside the file, so the folder must be writable, too");
        return CV_E_PERMISSION;
    }
    return 0;
}

/* SQLite says no more than "unable to open database file": find out why. 0 when nothing was found. */
static int explain_open(cv_ctx *cx, const cv__sqlite_shared *shared)
{
    struct stat info;
    if (stat(shared->path, &info) == 0 && S_ISDIR(info.st_mode))
        return cv_fail(cx, CV_E_NOT_A_DATABASE, "cannot open the database \"%s\": it is a folder", shared->path);
    if (stat(shared->path, &info) == 0 && access(shared->path, shared->read_only ? R_OK : R_OK | W_OK) < 0)
        return cv_fail(cx, CV_E_PERMISSION, "could not open the database \"%s\": permission denied", shared->path);
    CV_TRY(explain_folder(cx, shared));
    if (access(shared->path, F_OK) < 0 && (shared->read_only || !shared->create || shared->opened))
        return cv_fail(cx, CV_E_NOT_FOUND, "could not open the database \"%s\": there is no such file", shared->path);
    return 0;
}

static int open_flags(const cv__sqlite_conn *conn)
{
    const cv__sqlite_shared *shared = conn->shared;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    if (shared->immutable)
        flags |= SQLITE_OPEN_URI;
    if (shared->read_only && !shared->memory)
        return flags | SQLITE_OPEN_READONLY;
    flags |= SQLITE_OPEN_READWRITE;
    return shared->create && !shared->opened ? flags | SQLITE_OPEN_CREATE : flags;
}

static int open_file(cv_ctx *cx, cv__sqlite_conn *conn)
{
    const char *vfs = "memdb"; /* nothing there waits */
    int rc = conn->shared->named ? SQLITE_OK : cv__sqlite_vfs_make(conn);
    if (conn->vfs)
        vfs = cv__sqlite_vfs_name(conn);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(conn->shared->open_name, &conn->db, open_flags(conn), vfs);
    if (rc == SQLITE_OK)
        return 0;
    if (!conn->db)
        return cv_fail(cx, CV_E_NOMEM, "could not open the database: out of memory");
    if ((rc & 0xff) == SQLITE_CANTOPEN && !conn->shared->memory)
        CV_TRY(explain_open(cx, conn->shared));
    return cv__sqlite_fail(cx, conn, rc, "open the database");
}

static void set_switches(cv__sqlite_conn *conn)
{
    static const struct {
        int name, on;
    } switches[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
    };
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++)
        sqlite3_db_config(conn->db, switches[i].name, switches[i].on, (int *)NULL);
    sqlite3_limit(conn->db, SQLITE_LIMIT_EXPR_DEPTH, MAX_EXPRESSION_DEPTH);
    sqlite3_limit(conn->db, SQLITE_LIMIT_COMPOUND_SELECT, MAX_COMPOUND_SELECTS);
    sqlite3_limit(conn->db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN_BYTES);
}

int cv__sqlite_run_text(cv_ctx *cx, cv__sqlite_conn *conn, const char *sql, const char *what)
{
    cv__sqlite_turn_leave(conn);
    cv__sqlite_enter(cx, conn);
    int rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
    cv__sqlite_leave(conn);
    return rc == SQLITE_OK ? 0 : cv__sqlite_fail(cx, conn, rc, what);
}

/* The one writer has more: what a transaction changes beyond its cache goes to the WAL early, and again at each change.
 */
static int64_t cache_kib(const cv__sqlite_conn *conn)
{
    return conn->head.role == CV__WRITER ? conn->shared->cache_kib * WRITER_CACHE_FACTOR : conn->shared->cache_kib;
}

int cv__sqlite_apply_settings(cv_ctx *cx, cv__sqlite_conn *conn)
{
    const cv__sqlite_shared *shared = conn->shared;
    bool private_memory = shared->memory && !shared->named;
    bool query_only = !private_memory && conn->head.role == CV__READER;
    cv_buf sql;
    cv_buf_init(&sql, 0);
    cv__sqlite_settings_add(&sql, &shared->settings);
    cv_buf_printf(&sql,
                  "PRAGMA mmap_size = 0; PRAGMA cache_size = -%lld; PRAGMA synchronous = %s; PRAGMA foreign_keys = %d; "
                  "PRAGMA query_only = %d; PRAGMA ignore_check_constraints = 0; PRAGMA writable_schema = 0",
                  (long long)cache_kib(conn), shared->synchronous, shared->foreign_keys,
                  query_only || shared->read_only);
    conn->settings_changed = false;
    int rc = sql.error ? cv_fail(cx, CV_E_NOMEM, "could not set up the connection: out of memory")
                       : cv__sqlite_run_text(cx, conn, sql.data, "set up the connection");
    cv_buf_done(&sql);
    return rc;
}

/* The journal mode is a property of the file: SQLite answers with the one that holds from now on. */
static int ask_journal_mode(cv_ctx *cx, cv__sqlite_conn *conn, const char *sql, bool *ret_as_wanted)
{
    sqlite3_stmt *handle = NULL;
    *ret_as_wanted = false;
    cv__sqlite_enter(cx, conn);
    int rc = sqlite3_prepare_v2(conn->db, sql, -1, &handle, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(handle)) == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(handle, 0);
        *ret_as_wanted = mode && strcmp(mode, conn->shared->journal_mode) == 0;
        rc = SQLITE_OK;
    }
    cv__sqlite_leave(conn);
    sqlite3_finalize(handle);
    return rc;
}

/* Changing the mode takes the file for itself and does not ask the busy handler: processes that start on a new file at
 * once have to try again. */
static int set_journal_mode(cv_ctx *cx, cv__sqlite_conn *conn)
{
    const cv__sqlite_shared *shared = conn->shared;
    if (shared->memory || shared->read_only || conn->head.role != CV__WRITER)
        return 0;
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA journal_mode = %s", shared->journal_mode);
    int64_t until_ns = cv_now_ns(cx) + shared->busy_timeout_ms * 1000000;
    bool as_wanted;
    int rc;
    while (((rc = ask_journal_mode(cx, conn, sql, &as_wanted)) & 0xff) == SQLITE_BUSY && cv_now_ns(cx) < until_ns)
        CV_TRY(cv_sleep_ms(cx, BUSY_PAUSE_MS));
    if (rc != SQLITE_OK)
        return cv__sqlite_fail(cx, conn, rc, "open the database");
    if (!as_wanted)
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot use the journal mode \"%s\" for \"%s\" here", shared->journal_mode,
                       shared->path);
    return 0;
}

/* What only a file without pages can be given. */
static int set_up_new_file(cv_ctx *cx, cv__sqlite_conn *conn)
{
    if (conn->shared->read_only || conn->head.role != CV__WRITER)
        return 0;
    cv_buf sql;
    cv_buf_init(&sql, 0);
    cv__sqlite_settings_add_new(&sql, &conn->shared->settings);
    int rc = sql.error ? cv_fail(cx, CV_E_NOMEM, "could not set up the database: out of memory") : 0;
    if (rc == 0 && sql.len > 0)
        rc = cv__sqlite_run_text(cx, conn, sql.data, "set up the database");
    cv_buf_done(&sql);
    return rc;
}

/* SQLite opens lazily: only reading finds out whether the file is a database. */
static int check_file(cv_ctx *cx, cv__sqlite_conn *conn)
{
    int rc = cv__sqlite_run_text(cx, conn, "SELECT 1 FROM sqlite_schema LIMIT 1", "open the database");
    if (rc == CV_E_IO && conn->shared->read_only && sqlite3_errcode(conn->db) == SQLITE_CANTOPEN)
        cv_error_hint(cx,
                      "a file in WAL mode needs a -shm file beside it even for reading; immutable=1 does without, for "
                      "a file that nobody writes to");
    return rc;
}

static int set_up(cv_ctx *cx, cv__sqlite_conn *conn)
{
    CV_TRY(open_file(cx, conn));
    set_switches(conn);
    cv__sqlite_install_handlers(conn);
    if (conn->shared->checkpointer)
        cv__sqlite_checkpointer_watch(conn->shared->checkpointer, conn->db);
    int rc = cv__sqlite_register_functions(conn->db);
    if (rc == SQLITE_OK)
        rc = cv__sqlite_register_row_source(conn);
    if (rc != SQLITE_OK)
        return cv__sqlite_fail(cx, conn, rc, "set up the connection");
    CV_TRY(set_up_new_file(cx, conn));
    CV_TRY(set_journal_mode(cx, conn));
    CV_TRY(check_file(cx, conn));
    return cv__sqlite_apply_settings(cx, conn);
}

int cv__sqlite_connect(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn)
{
    cv__sqlite_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return cv_fail(cx, CV_E_NOMEM, "could not open the database: out of memory");
    conn->head.driver = &cv__driver_sqlite;
    conn->head.role = role;
    conn->shared = shared;
    cv_list_init(&conn->open_statements);
    cv__sqlite_turn_init(conn);
    int rc = cv__statement_cache_init(&conn->cache, conn->shared->statement_cache, cv__sqlite_statement_free, NULL);
    if (rc < 0)
        cv_fail(cx, rc, "could not open the database: out of memory");
    else
        cv__statement_cache_report(&conn->cache, &((cv__sqlite_shared *)shared)->statements);
    CV_WITHIN(cx, conn->shared->connect_timeout_ms)
    {
        if (rc == 0)
            rc = set_up(cx, conn);
    }
    if (rc < 0) {
        cv__sqlite_disconnect(&conn->head);
        return rc;
    }
    ((cv__sqlite_shared *)shared)->opened = true;
    *ret_conn = &conn->head;
    return 0;
}

static void drop_open_statements(cv__sqlite_conn *conn)
{
    cv_list_each (at, &conn->open_statements) {
        cv__sqlite_statement *statement = cv_list_entry(at, cv__sqlite_statement, open_link);
        cv__sqlite_statement_put(conn, statement);
    }
}

void cv__sqlite_disconnect(cv__conn *head)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    conn->cx = NULL;
    drop_open_statements(conn);
    cv__statement_cache_done(&conn->cache);
    cv__sqlite_turn_done(conn);
    sqlite3_close(conn->db);
    cv__sqlite_record_done(&conn->record);
    cv__sqlite_capture_done(&conn->capture);
    cv__sqlite_vfs_free(conn);
    free(conn);
}

bool cv__sqlite_is_clean(const cv__conn *head)
{
    const cv__sqlite_conn *conn = (const cv__sqlite_conn *)(const void *)head;
    return !head->in_transaction && !conn->settings_changed && !conn->query_only &&
           cv_list_is_empty(&conn->open_statements);
}

int cv__sqlite_reset(cv_ctx *cx, cv__conn *head)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    drop_open_statements(conn);
    if (head->in_transaction)
        CV_TRY(cv__sqlite_rollback(cx, head));
    if (conn->settings_changed || conn->query_only) {
        conn->query_only = false;
        CV_TRY(cv__sqlite_apply_settings(cx, conn));
    }
    return 0;
}

/* Inside a call, which may be suspended, only an interrupt is safe; its borrower then lets go. */
/* Rows that were prepared and not handed out. A row that was handed out stays until its borrower asks for the next: its
 * texts are in the statement's memory, and somebody may be reading them. */
static void drop_unread_rows(cv__sqlite_conn *conn)
{
    cv_list_each (at, &conn->open_statements) {
        cv__sqlite_statement *statement = cv_list_entry(at, cv__sqlite_statement, open_link);
        if (!statement->row_ready)
            continue;
        sqlite3_reset(statement->handle);
        statement->row_ready = statement->running = false;
    }
}

void cv__sqlite_sever(cv_ctx *cx, cv__conn *head)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    if (conn->cx || conn->on_lane) {
        atomic_store(&conn->stop_on_lane, true);
        sqlite3_interrupt(conn->db);
        return;
    }
    drop_unread_rows(conn);
    if (head->in_transaction)
        (void)cv__sqlite_rollback(cx, head);
}

void cv__sqlite_detach(cv__conn *head)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    cv__sqlite_turn_leave(conn);
    cv__statement_cache_report(&conn->cache, NULL);
    if (conn->shared->checkpointer)
        cv__sqlite_checkpointer_watch(NULL, conn->db);
}

int cv__sqlite_attach(cv_ctx *cx, void *shared, cv__conn *head)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    (void)cx;
    conn->shared = shared;
    cv__statement_cache_report(&conn->cache, &((cv__sqlite_shared *)shared)->statements);
    if (conn->shared->checkpointer)
        cv__sqlite_checkpointer_watch(conn->shared->checkpointer, conn->db);
    return 0;
}
