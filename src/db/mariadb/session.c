/* The session: how it starts, and how it gets back to that state for the next borrower.
 *
 * Setting everything back makes the server forget its prepared statements, too, so it is done only after statements
 * whose text hints at a change of the session: SET, USE, locks with names, temporary tables, variables. What a
 * procedure on the server changes without such a word in the statement is seen by CALL. */
#include "db/mariadb/session.h"
#include "db/mariadb/rows.h"
#include "db/mariadb/wire.h"
#include "db/words.h"

#include <stdlib.h>

#define SQL_MODE                                                                                                       \
    "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION,ANSI_QUOTES,"  \
    "PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,ONLY_FULL_GROUP_BY,NO_AUTO_VALUE_ON_ZERO"

/* The texts of errors are read: they have to be English. A reader who takes his time does not end his statement. */
#define COMMON "SET sql_mode='" SQL_MODE "', lc_messages='en_US', net_write_timeout=600, "

#define MARIADB_SESSION                                                                                                \
    COMMON                                                                                                             \
    "collation_connection='utf8mb4_nopad_bin', tx_isolation='READ-COMMITTED', max_recursive_iterations=4294967295"     \
    "/*M!101108 , innodb_snapshot_isolation=ON */"
#define MYSQL_SESSION COMMON "collation_connection='utf8mb4_0900_bin', transaction_isolation='READ-COMMITTED'"

/* What is larger would cost the connection. */
static int ask_packet(cv_ctx *cx, cv__my_conn *conn)
{
    MYSQL_RES *rows;
    CV_TRY(cv__my_query(cx, conn, CV_STR("SELECT @@max_allowed_packet"), &rows));
    MYSQL_ROW row = mysql_fetch_row(rows);
    conn->max_packet_bytes = row && row[0] ? strtoull(row[0], NULL, 10) : 0;
    mysql_free_result(rows);
    return 0;
}

int cv__my_session_start(cv_ctx *cx, cv__my_conn *conn)
{
    char sql[640];
    const char *read_only = !conn->shared->read_only ? ""
                            : conn->is_mysql         ? ", transaction_read_only=ON"
                                                     : ", tx_read_only=ON";
    snprintf(sql, sizeof sql, "%s, time_zone='%s'%s", conn->is_mysql ? MYSQL_SESSION : MARIADB_SESSION,
             conn->shared->time_zone, read_only);
    conn->touched = false;
    CV_TRY(cv__my_command(cx, conn, sql));
    return conn->max_packet_bytes ? 0 : ask_packet(cx, conn);
}

static int reset_cont(cv__my_conn *conn, int events)
{
    return mysql_reset_connection_cont(&conn->call.number, conn->my, events);
}

/* The server forgets what it had prepared, and so do we. */
static int set_back(cv_ctx *cx, cv__my_conn *conn)
{
    CV_TRY(cv__wait_check(cx, "set a session back"));
    conn->commanding = true;
    int rc = cv__my_drive(cx, conn, mysql_reset_connection_start(&conn->call.number, conn->my), reset_cont);
    conn->commanding = false;
    CV_TRY(rc);
    if (conn->call.number != 0)
        return cv__my_lost(cx, conn);
    cv__statement_cache_clear(&conn->statements);
    CV_TRY(cv__my_close_stale(cx, conn));
    return cv__my_session_start(cx, conn);
}

/* Its buffer has had a large row or statement, and stays as large. */
static bool is_swollen(const cv__my_conn *conn)
{
    return conn->swollen || conn->my->net.max_packet > CV__MY_SWOLLEN_BYTES;
}

/* The rows of all cursors go; those whose rows are in memory stay readable until they are finished. */
int cv__my_reset(cv_ctx *cx, cv__conn *base)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    int rc = 0;
    if (conn->live || base->in_transaction)
        rc = cv__my_rollback(cx, base);
    if (rc == 0 && conn->touched)
        rc = set_back(cx, conn);
    if (rc < 0 || is_swollen(conn))
        base->broken = true;
    return rc;
}

bool cv__my_is_clean(const cv__conn *base)
{
    const cv__my_conn *conn = (const cv__my_conn *)(const void *)base;
    return !base->broken && !base->in_transaction && !conn->live && !conn->touched && !is_swollen(conn);
}

/* --- what touches the session --- */

/* What looks like a comment to other engines. */
static bool is_executed(cv_str text)
{
    return cv_str_starts_with(text, CV_STR("/*!")) || cv_str_starts_with(text, CV_STR("/*M!"));
}

/* What ends the comment that a text begins with; NULL: it does not. */
static const char *comment_end(cv_str text)
{
    if (cv_str_starts_with(text, CV_STR("--")) || cv_str_starts_with(text, CV_STR("#")))
        return "\n";
    return cv_str_starts_with(text, CV_STR("/*")) && !is_executed(text) ? "*/" : NULL;
}

/* Comments, and parentheses around a statement. */
static cv_str skip_comments(cv_str text)
{
    for (;;) {
        text = cv_str_trim(text);
        const char *end = comment_end(text);
        if (!end && !cv_str_starts_with(text, CV_STR("(")))
            return text;
        ptrdiff_t at = end ? cv_str_find(text, cv_str_of(end)) : 0;
        text =
            at < 0 ? cv_str_sub(text, text.len, 0) : cv_str_sub(text, (size_t)at + (end ? strlen(end) : 1), text.len);
    }
}

static bool is_letter(char c)
{
    return (c | 0x20) - 'a' + 0u < 26u || c == '_';
}

static bool begins_with_word(cv_str text, const char *word)
{
    size_t len = strlen(word);
    return cv__begins_with(text, word) && (text.len == len || !is_letter(text.ptr[len]));
}

static bool begins_with_any(cv_str text, const char *const *words)
{
    for (; *words; words++)
        if (begins_with_word(text, *words))
            return true;
    return false;
}

bool cv__my_is_empty(cv_str sql)
{
    return skip_comments(sql).len == 0;
}

bool cv__my_commits(cv_str sql)
{
    static const char *const commands[] = {"CREATE", "ALTER",   "DROP",     "RENAME", "TRUNCATE", "GRANT",
                                           "REVOKE", "ANALYZE", "OPTIMIZE", "LOCK",   "UNLOCK",   NULL};
    cv_str text = skip_comments(sql);
    if (cv__contains(text, "temporary"))
        return false;
    return begins_with_any(text, commands);
}

bool cv__my_begins_with(cv_str sql, const char *word)
{
    return begins_with_word(skip_comments(sql), word);
}

bool cv__my_touches_session(cv_str sql)
{
    static const char *const commands[] = {"SET",   "USE",  "LOCK",    "UNLOCK",  "PREPARE", "EXECUTE",
                                           "CALL",  "DO",   "HANDLER", "DECLARE", "BEGIN",   "START",
                                           "FLUSH", "LOAD", "INSTALL", "XA",      NULL};
    static const char *const words[] = {"get_lock", "temporary",       ":=", "@@", "into @",
                                        "setval",   "last_insert_id(", NULL};
    cv_str text = skip_comments(sql);
    return is_executed(text) || begins_with_any(text, commands) || cv__contains_any(text, words);
}
