/* Prepared statements: finding, making, and what is known about their columns. */
#include "db/sqlite/sqlite.h"

#include <stdlib.h>

/* Text after the first statement may be space, comments and semicolons, which SQLite prepares to nothing. */
static int check_tail(cv_ctx *cx, cv__sqlite_conn *conn, cv_str tail)
{
    while (tail.len > 0) {
        sqlite3_stmt *more = NULL;
        const char *rest = NULL;
        int rc = sqlite3_prepare_v3(conn->db, tail.ptr, (int)tail.len, 0, &more, &rest);
        sqlite3_finalize(more);
        if (rc != SQLITE_OK || more)
            return cv_fail(cx, CV_E_SQL, "the text has more than one statement");
        tail = cv_str_make(rest, tail.len - (size_t)(rest - tail.ptr));
    }
    return 0;
}

static int prepare(cv_ctx *cx, cv__sqlite_conn *conn, cv_str sql, bool uncached, sqlite3_stmt **ret_handle)
{
    sqlite3_stmt *handle = NULL;
    const char *rest = NULL;
    if (sql.len > INT32_MAX)
        return cv_fail(cx, CV_E_LIMIT, "the statement is too long");
    cv__sqlite_turn_leave(conn); /* the schema may have changed since */
    cv__sqlite_enter(cx, conn);
    int rc =
        sqlite3_prepare_v3(conn->db, sql.ptr, (int)sql.len, uncached ? 0 : SQLITE_PREPARE_PERSISTENT, &handle, &rest);
    cv__sqlite_leave(conn);
    if (rc != SQLITE_OK) {
        rc = cv__sqlite_fail(cx, conn, rc, "prepare the statement");
    } else if (!handle) {
        rc = cv_fail(cx, CV_E_SQL, "the statement is empty");
    } else {
        rc = check_tail(cx, conn, cv_str_make(rest, sql.len - (size_t)(rest - sql.ptr)));
    }
    if (rc < 0) {
        const cv_error *error = cv_error_last(cx);
        cv_error_detail(cx, "%s: %.*s", error ? error->message : "", (int)(sql.len < 500 ? sql.len : 500), sql.ptr);
        sqlite3_finalize(handle);
        return rc;
    }
    *ret_handle = handle;
    return 0;
}

/* Pointers and texts in one block. */
static int read_names(cv_ctx *cx, cv__sqlite_statement *statement)
{
    int count = sqlite3_column_count(statement->handle);
    size_t size = (size_t)count * sizeof(char *) + 1;
    for (int i = 0; i < count; i++) {
        const char *name = sqlite3_column_name(statement->handle, i);
        size += name ? strlen(name) + 1 : 1;
    }
    char **names = malloc(size);
    if (!names)
        return cv_fail(cx, CV_E_NOMEM, "could not prepare the statement: out of memory");
    char *text = (char *)(names + count);
    for (int i = 0; i < count; i++) {
        const char *name = sqlite3_column_name(statement->handle, i);
        names[i] = text;
        text = stpcpy(text, name ? name : "") + 1;
    }
    free(statement->names);
    statement->names = names;
    statement->cursor.column_count = (size_t)count;
    statement->cursor.column_names = (const char *const *)names;
    return 0;
}

int cv__sqlite_statement_refresh(cv_ctx *cx, cv__sqlite_statement *statement)
{
    int reprepared = sqlite3_stmt_status(statement->handle, SQLITE_STMTSTATUS_REPREPARE, 0);
    if (reprepared == statement->reprepared)
        return 0;
    statement->reprepared = reprepared;
    free(statement->declared);
    statement->declared = NULL;
    return read_names(cx, statement);
}

int cv__sqlite_statement_types(cv_ctx *cx, cv__sqlite_statement *statement)
{
    if (statement->declared)
        return 0;
    size_t count = statement->cursor.column_count;
    statement->declared = calloc(count ? count : 1, sizeof *statement->declared);
    if (!statement->declared)
        return cv_fail(cx, CV_E_NOMEM, "could not prepare the statement: out of memory");
    for (size_t i = 0; i < count; i++) {
        const char *declared = sqlite3_column_decltype(statement->handle, (int)i);
        if (declared)
            (void)cv__dialect_sqlite.parse_column_type(cv_str_of(declared), &statement->declared[i]);
    }
    return 0;
}

void cv__sqlite_statement_free(void *arg, cv__cached_statement *cached)
{
    (void)arg;
    cv__sqlite_statement *statement = (cv__sqlite_statement *)(void *)cached;
    sqlite3_finalize(statement->handle);
    free(statement->names);
    free(statement->declared);
    cv_arena_free(statement->kept);
    cv_arena_free(statement->packed.arena);
    free(statement);
}

static bool begins_with_pragma(cv_str sql)
{
    return cv_str_equal_nocase(cv_str_sub(cv_str_trim(sql), 0, 6), CV_STR("pragma"));
}

static int make(cv_ctx *cx, cv__sqlite_conn *conn, cv_str sql, uint64_t hash, bool uncached,
                cv__sqlite_statement **ret_statement)
{
    cv__sqlite_statement *statement = calloc(1, sizeof *statement + sql.len + 1);
    if (!statement)
        return cv_fail(cx, CV_E_NOMEM, "could not prepare the statement: out of memory");
    char *text = (char *)(statement + 1);
    statement->cached.sql = cv_str_make(memcpy(text, sql.ptr, sql.len), sql.len);
    statement->cached.hash = hash;
    statement->cursor.driver = conn->head.driver;
    statement->cursor.conn = &conn->head;
    cv_list_init(&statement->open_link);
    int rc = prepare(cx, conn, statement->cached.sql, uncached, &statement->handle);
    if (rc == 0)
        rc = read_names(cx, statement);
    if (rc < 0) {
        cv__sqlite_statement_free(NULL, &statement->cached);
        return rc;
    }
    statement->read_only = sqlite3_stmt_readonly(statement->handle);
    statement->is_pragma = begins_with_pragma(sql);
    conn->settings_changed |= statement->is_pragma; /* many are carried out when they are prepared */
    statement->empties = cv__sqlite_empties(sql);
    statement->is_long = cv__sqlite_is_long(sql);
    statement->shares_turn = statement->read_only && !statement->is_pragma && statement->cursor.column_count > 0;
    *ret_statement = statement;
    return 0;
}

int cv__sqlite_statement_get(cv_ctx *cx, cv__sqlite_conn *conn, cv_str sql, uint64_t hash, bool uncached,
                             cv__sqlite_statement **ret_statement)
{
    if (hash == 0)
        hash = cv_hash(sql.ptr, sql.len);
    cv__cached_statement *found = uncached ? NULL : cv__statement_cache_get(&conn->cache, sql, hash);
    cv__sqlite_statement *statement = (cv__sqlite_statement *)(void *)found;
    if (!found || found->in_use > 0) {
        CV_TRY(make(cx, conn, sql, hash, uncached, &statement));
        if (!found && !uncached)
            cv__statement_cache_put(&conn->cache, &statement->cached);
    }
    statement->cached.in_use = 1;
    *ret_statement = statement;
    return 0;
}

void cv__sqlite_statement_put(cv__sqlite_conn *conn, cv__sqlite_statement *statement)
{
    (void)conn;
    sqlite3_reset(statement->handle);
    statement->running = false;
    statement->row_ready = false;
    if (statement->is_kept) {
        cv_arena_free(statement->kept);
        statement->kept = NULL;
        statement->is_kept = false;
    }
    cv_list_remove(&statement->open_link);
    statement->cached.in_use = 0;
    if (!statement->cached.cached)
        cv__sqlite_statement_free(NULL, &statement->cached);
}
