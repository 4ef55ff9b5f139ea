/* SQLite's result codes (https://www.sqlite.org/rescode.html) as ours, with what the message tells about the place. */
#include "db/sqlite/sqlite.h"

typedef struct mapping {
    int sqlite_code; /* extended, or primary when no extended one is listed */
    int code;
    const char *sqlstate;
    const char *hint;
} mapping;

static const mapping mappings[] = {
    {SQLITE_CONSTRAINT_UNIQUE, CV_E_UNIQUE, "23505", NULL},
    {SQLITE_CONSTRAINT_PRIMARYKEY, CV_E_UNIQUE, "23505", NULL},
    {SQLITE_CONSTRAINT_ROWID, CV_E_UNIQUE, "23505", NULL},
    {SQLITE_CONSTRAINT_FOREIGNKEY, CV_E_FOREIGN_KEY, "23503", NULL},
    {SQLITE_CONSTRAINT_TRIGGER, CV_E_CHECK, "23514", NULL},
    {SQLITE_CONSTRAINT_NOTNULL, CV_E_NOT_NULL, "23502", NULL},
    {SQLITE_CONSTRAINT_CHECK, CV_E_CHECK, "23514", NULL},
    {SQLITE_CONSTRAINT_DATATYPE, CV_E_TYPE, "22000", NULL},
    {SQLITE_CONSTRAINT, CV_E_CHECK, "23000", NULL},
    {SQLITE_BUSY_SNAPSHOT, CV_E_SERIALIZATION, "40001", "run the transaction again; CV_ATOMIC takes the lock first"},
    {SQLITE_BUSY, CV_E_LOCKED, "55P03",
     "look for a long transaction in another process, or raise busy_timeout in the database URL"},
    {SQLITE_LOCKED, CV_E_LOCKED, "55P03", "close open rows of this table first"},
    {SQLITE_FULL, CV_E_DISK_FULL, "53100", "free some space; what was committed before is safe"},
    {SQLITE_READONLY, CV_E_READ_ONLY, "25006", "look at the permissions of the file and of its folder"},
    {SQLITE_CANTOPEN, CV_E_IO, "58030", "look at the permissions of the file and of its folder"},
    {SQLITE_NOTADB, CV_E_NOT_A_DATABASE, "58030", "the URL may name the wrong file"},
    {SQLITE_CORRUPT, CV_E_CORRUPT, "XX001", "restore a backup; `PRAGMA integrity_check` says what is damaged"},
    {SQLITE_IOERR_NOMEM, CV_E_NOMEM, "53200", NULL},
    {SQLITE_IOERR, CV_E_IO, "58030", "look at the system's log: the disk or the file system failed"},
    {SQLITE_INTERRUPT, CV_E_CANCELLED, "57014", NULL},
    {SQLITE_NOMEM, CV_E_NOMEM, "53200", NULL},
    {SQLITE_TOOBIG, CV_E_LIMIT, "54000", NULL},
    {SQLITE_MISMATCH, CV_E_TYPE, "42804", NULL},
    {SQLITE_RANGE, CV_E_SQL, "42P02", NULL},
    {SQLITE_AUTH, CV_E_PERMISSION, "42501", NULL},
    {SQLITE_PERM, CV_E_PERMISSION, "42501", NULL},
    {SQLITE_ABORT_ROLLBACK, CV_E_TX_ABORTED, "25P02", NULL},
    {SQLITE_MISUSE, CV_E_INTERNAL, NULL, NULL},
    {SQLITE_ERROR, CV_E_SQL, "42601", NULL},
};

static mapping find_mapping(int code)
{
    for (size_t i = 0; i < sizeof mappings / sizeof mappings[0]; i++)
        if (mappings[i].sqlite_code == code)
            return mappings[i];
    for (size_t i = 0; i < sizeof mappings / sizeof mappings[0]; i++)
        if (mappings[i].sqlite_code == (code & 0xff))
            return mappings[i];
    return (mapping){code, CV_E_DB, NULL, NULL};
}

/* What follows "... constraint failed: " or another mark; NULL view when the mark is not there. */
static cv_str after(cv_str text, cv_str mark)
{
    ptrdiff_t at = cv_str_find(text, mark);
    return at < 0 ? (cv_str){NULL, 0} : cv_str_sub(text, (size_t)at + mark.len, SIZE_MAX);
}

static const char *copy(cv_ctx *cx, cv_str text)
{
    return text.ptr ? cv_arena_strndup(cv_ctx_arena(cx), text.ptr, text.len) : NULL;
}

/* "books.isbn" or "books.author, books.title" (columns), or "index 'name'". */
static void place_key(cv_ctx *cx, const char *sqlstate, cv_str where)
{
    if (cv_str_starts_with(where, CV_STR("index '"))) {
        cv_str name = cv_str_sub(where, 7, where.len - 8);
        cv_error_place(cx, sqlstate, NULL, NULL, copy(cx, name));
        return;
    }
    cv_str rest = where, part, table = {NULL, 0};
    cv_buf columns;
    cv_buf_init_arena(&columns, cv_ctx_arena(cx), 4096);
    while (cv_str_split(&rest, ',', &part)) {
        cv_str name = cv_str_trim(part);
        ptrdiff_t dot = cv_str_find_char(name, '.');
        table = dot > 0 ? cv_str_sub(name, 0, (size_t)dot) : table;
        cv_buf_add_text(&columns, columns.len ? ", " : "");
        cv_buf_add_str(&columns, cv_str_sub(name, (size_t)(dot + 1), SIZE_MAX));
    }
    cv_error_place(cx, sqlstate, copy(cx, table), columns.data, NULL);
}

static void place_constraint(cv_ctx *cx, int code, const char *sqlstate, cv_str message)
{
    cv_str where = after(message, CV_STR("constraint failed: "));
    if (where.ptr && (code == CV_E_UNIQUE || code == CV_E_NOT_NULL))
        place_key(cx, sqlstate, where);
    else
        cv_error_place(cx, sqlstate, NULL, NULL, where.ptr ? copy(cx, where) : NULL);
}

static void place_missing(cv_ctx *cx, cv_str message)
{
    cv_str table = after(message, CV_STR("no such table: "));
    cv_str column = after(message, CV_STR("no such column: "));
    if (table.ptr) {
        cv_error_place(cx, "42P01", copy(cx, table), NULL, NULL);
        cv_error_hint(cx, "are all migrations applied?");
    } else if (column.ptr) {
        cv_error_place(cx, "42703", NULL, copy(cx, column), NULL);
    }
}

static int fail_locked(cv_ctx *cx, const cv__sqlite_conn *conn, const char *what, const char *reason)
{
    if (conn->lock_wait_began_ns == 0)
        return cv_fail(cx, CV_E_LOCKED, "could not %s: \"%s\": %s", what, conn->shared->path, reason);
    return cv_fail(cx, CV_E_LOCKED, "could not %s: \"%s\" was locked for %lld ms", what, conn->shared->path,
                   (long long)conn->shared->busy_timeout_ms);
}

static int fail_stopped(cv_ctx *cx, const cv__sqlite_conn *conn, const char *what)
{
    const char *reason = conn->stop_code == CV_E_TIMEOUT     ? "the deadline has passed"
                         : conn->stop_code == CV_E_CANCELLED ? "the fiber was cancelled"
                                                             : cv_error_text(conn->stop_code);
    return cv_fail(cx, conn->stop_code, "could not %s: %s", what, reason);
}

int cv__sqlite_fail(cv_ctx *cx, cv__sqlite_conn *conn, int sqlite_code, const char *what)
{
    if (conn->stop_code < 0)
        return fail_stopped(cx, conn, what);
    int extended = sqlite3_extended_errcode(conn->db);
    int code = (extended & 0xff) == (sqlite_code & 0xff) ? extended : sqlite_code;
    cv_str message = cv_str_of(sqlite3_errmsg(conn->db));
    mapping m = find_mapping(code);
    cv_arena_mark mark = cv_arena_save(cv_ctx_arena(cx));
    if (m.code == CV_E_LOCKED) {
        fail_locked(cx, conn, what, message.ptr);
        cv_error_place(cx, m.sqlstate, NULL, NULL, NULL);
    } else if (m.code == CV_E_SQL) {
        cv_fail(cx, m.code, "could not %s: %s", what, message.ptr);
        cv_error_place(cx, m.sqlstate, NULL, NULL, NULL);
        place_missing(cx, message);
    } else if ((code & 0xff) == SQLITE_CONSTRAINT) {
        cv_fail(cx, m.code, "could not %s: %s", what, message.ptr);
        place_constraint(cx, m.code, m.sqlstate, message);
    } else {
        cv_fail(cx, m.code, "could not %s on \"%s\": %s", what, conn->shared->path, message.ptr);
        cv_error_place(cx, m.sqlstate, NULL, NULL, NULL);
    }
    cv_error_detail(cx, "SQLite %d (%s): %s", code, sqlite3_errstr(code), message.ptr);
    if (m.hint)
        cv_error_hint(cx, "%s", m.hint);
    cv_arena_rewind(cv_ctx_arena(cx), mark);
    return m.code;
}
