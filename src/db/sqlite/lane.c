/* Calls of SQLite on a thread of a lane. What takes one opcode never comes by the progress handler, and takes hundreds
 * of milliseconds on a file of 100 MB: making an index, dropping or emptying a table, VACUUM, checks of the file. The
 * connection has no mutexes, and the fiber that borrowed it waits: handing it to a thread is an orderly hand-over. */
#include "db/sqlite/sqlite.h"

#include <covet/lane.h>

typedef struct lane_call {
    cv__sqlite_conn *conn;
    int (*fn)(sqlite3 *db, void *arg);
    void *arg;
    int sqlite_code;
    bool ran;
} lane_call;

static int run(void *arg)
{
    lane_call *call = arg;
    call->sqlite_code = call->fn(call->conn->db, call->arg);
    call->ran = true;
    return 0;
}

/* The interrupt reaches what runs now; the flag, through the progress handler, also what `fn` begins next. */
static void stop(void *arg)
{
    cv__sqlite_conn *conn = ((lane_call *)arg)->conn;
    atomic_store(&conn->stop_on_lane, true);
    sqlite3_interrupt(conn->db);
}

int cv__sqlite_on_lane(cv_ctx *cx, cv__sqlite_conn *conn, int (*fn)(sqlite3 *db, void *arg), void *arg,
                       int *ret_sqlite_code)
{
    lane_call call = {.conn = conn, .fn = fn, .arg = arg};
    cv__sqlite_turn_leave(conn);
    atomic_store(&conn->stop_on_lane, false);
    cv__sqlite_enter(NULL, conn);
    conn->on_lane = true;
    cv_error *first = cv_error_take(cx);
    int rc = cv_offload_stoppable(cx, CV_LANE_DATABASE, run, &call, stop);
    conn->on_lane = false;
    conn->slice_began_ns = 0;
    if (!call.ran)
        return rc;
    if (rc < 0 && !first)
        cv_error_clear(cx); /* what was done is done; what was stopped is told by its code */
    cv_error_put_back(cx, first);
    conn->stop_code = rc;
    *ret_sqlite_code = call.sqlite_code;
    return 0;
}

/* The next word, in ASCII letters, digits and underscores; what stands before it is skipped, comments and quoted names
 * as well. Empty at the end. */
static cv_str next_word(cv_str *rest)
{
    static const char word_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    while (rest->len > 0) {
        const char *at = rest->ptr;
        size_t len = 0;
        while (len < rest->len && at[len] && strchr(word_bytes, at[len]))
            len++;
        if (len > 0) {
            cv_str word = cv_str_make(at, len);
            *rest = cv_str_make(at + len, rest->len - len);
            return word;
        }
        size_t skip = 1;
        if (cv_str_starts_with(*rest, CV_STR("--"))) {
            ptrdiff_t end = cv_str_find_char(*rest, '\n');
            skip = end < 0 ? rest->len : (size_t)end + 1;
        } else if (cv_str_starts_with(*rest, CV_STR("/*"))) {
            ptrdiff_t end = cv_str_find(*rest, CV_STR("*/"));
            skip = end < 0 ? rest->len : (size_t)end + 2;
        } else if (*at == '"' || *at == '\'' || *at == '`') {
            ptrdiff_t end = cv_str_find_char(cv_str_sub(*rest, 1, SIZE_MAX), *at);
            skip = end < 0 ? rest->len : (size_t)end + 2;
        }
        *rest = cv_str_make(at + skip, rest->len - skip);
    }
    return (cv_str){"", 0};
}

static bool is_any_of(cv_str word, const char *const *words)
{
    for (; *words; words++)
        if (cv_str_equal_nocase(word, cv_str_of(*words)))
            return true;
    return false;
}

static bool has_word(cv_str rest, const char *word)
{
    for (cv_str found; (found = next_word(&rest)).len > 0;)
        if (cv_str_equal_nocase(found, cv_str_of(word)))
            return true;
    return false;
}

bool cv__sqlite_empties(cv_str sql)
{
    cv_str rest = sql;
    return cv_str_equal_nocase(next_word(&rest), CV_STR("delete")) && !has_word(rest, "where");
}

bool cv__sqlite_is_long(cv_str sql)
{
    static const char *const always[] = {"drop", "alter", "reindex", "vacuum", "analyze", NULL};
    static const char *const indexes[] = {"index", "unique", NULL};
    static const char *const pragmas[] = {
        "integrity_check", "quick_check", "foreign_key_check", "incremental_vacuum", "wal_checkpoint",
        "optimize",        NULL};
    cv_str rest = sql;
    cv_str first = next_word(&rest);
    if (is_any_of(first, always))
        return true;
    if (cv_str_equal_nocase(first, CV_STR("create")))
        return is_any_of(next_word(&rest), indexes);
    if (cv_str_equal_nocase(first, CV_STR("pragma"))) {
        cv_str schema_or_name = next_word(&rest), name = next_word(&rest);
        return is_any_of(schema_or_name, pragmas) || is_any_of(name, pragmas);
    }
    return cv__sqlite_empties(sql);
}
