/* The session: how it starts, and how it gets back to that state for the next borrower.
 *
 * Setting everything back costs a round trip, so it is done only after statements whose text hints at a change of the
 * session: the statement SET, functions such as set_config, advisory locks, temporary objects. What a function on the
 * server changes without such a word in the statement is not seen. */
#include "db/postgres/session.h"
#include "db/postgres/connect.h"
#include "db/postgres/wire.h"
#include "db/words.h"

/* In a simple query all of it is one transaction; DISCARD ALL could not be part of one, and would throw the prepared
 * statements away. */
#define SET_BACK                                                                                                       \
    "CLOSE ALL;SET SESSION AUTHORIZATION DEFAULT;RESET ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();"                \
    "DISCARD TEMP;DISCARD SEQUENCES;"

/* The server looks once a second whether we have hung up while it works, so that a statement whose caller has given up
 * ends soon, and takes its locks with it. */
#define CHECK_CLIENT "SET client_connection_check_interval = 1000"

int cv__pg_query(cv_ctx *cx, cv__pg_conn *conn, const char *sql, PGresult **ret_rows)
{
    PGresult *rows;
    CV_TRY(cv__wait_check(cx, "ask PostgreSQL"));
    if (!PQsendQuery(conn->pg, sql))
        return cv__pg_lost(cx, conn);
    CV_TRY(cv__pg_next_result(cx, conn, &rows));
    if (PQresultStatus(rows) != PGRES_TUPLES_OK)
        return cv__pg_fail_statement(cx, conn, rows);
    int rc = cv__pg_finish_statement(cx, conn);
    if (rc < 0)
        PQclear(rows);
    else
        *ret_rows = rows;
    return rc;
}

int cv__pg_ask(cv_ctx *cx, cv__pg_conn *conn, const char *sql, size_t count, char ret_cells[][CV__PG_CELL_BYTES])
{
    PGresult *rows = NULL;
    CV_TRY(cv__pg_query(cx, conn, sql, &rows));
    for (size_t i = 0; i < count; i++)
        snprintf(ret_cells[i], CV__PG_CELL_BYTES, "%s", PQntuples(rows) ? PQgetvalue(rows, 0, (int)i) : "");
    PQclear(rows);
    return 0;
}

/* Whether the session that answers is the one that the start-up message was about: a pooler has made up the number that
 * it gave there. On the way, the server is told to look for our hang-up; only if it is ours. Servers before 14 do not
 * have the setting, and those on some systems refuse it: then they notice later. */
static int find_pooler(cv_ctx *cx, cv__pg_conn *conn, bool with_check, bool *ret_pooled)
{
    char sql[256], cell[1][CV__PG_CELL_BYTES];
    const char *check =
        with_check ? "pg_catalog.set_config('client_connection_check_interval', '1000', false) IS NOT NULL" : "true";
    snprintf(sql, sizeof sql, "SELECT CASE WHEN pg_catalog.pg_backend_pid() = %d THEN %s ELSE false END",
             PQbackendPID(conn->pg), check);
    CV_TRY(cv__pg_ask(cx, conn, sql, 1, cell));
    *ret_pooled = strcmp(cell[0], "t") != 0;
    conn->checks_client = with_check && !*ret_pooled;
    return 0;
}

static int start_own_session(cv_ctx *cx, cv__pg_conn *conn)
{
    if (PQserverVersion(conn->pg) < 140000)
        return 0;
    int rc = cv__pg_command(cx, conn, CHECK_CLIENT, NULL);
    conn->checks_client = rc == 0;
    if (rc < 0 && !conn->base.broken) {
        cv_error_clear(cx);
        return 0;
    }
    return rc;
}

/* The time zone is one of the few settings that PgBouncer carries from session to session for its client. */
static int start_pooled_session(cv_ctx *cx, cv__pg_conn *conn)
{
    static const char *const utc[] = {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Universal", "Zulu"};
    if (conn->shared->needs_session) {
        int rc = cv_fail(cx, CV_E_CONFIG,
                         "the pooler at \"%s\" shares sessions: \"read_only\" and \"options\" of the "
                         "database need one of their own",
                         cv__pg_place(conn));
        cv_error_hint(cx,
                      "set them for the account instead (ALTER ROLE ... SET default_transaction_read_only = on), or "
                      "connect to the server itself");
        return rc;
    }
    const char *zone = PQparameterStatus(conn->pg, "TimeZone");
    for (size_t i = 0; zone && i < sizeof utc / sizeof utc[0]; i++)
        if (strcmp(zone, utc[i]) == 0)
            return 0;
    return cv__pg_command(cx, conn, "SET TimeZone TO 'UTC'", NULL);
}

static int detect(cv_ctx *cx, cv__pg_conn *conn)
{
    bool pooled = true;
    bool without_settings = conn->pooled;
    int rc = find_pooler(cx, conn, PQserverVersion(conn->pg) >= 140000 && !without_settings, &pooled);
    if (rc < 0 && !conn->base.broken) { /* the setting was refused */
        cv_error_clear(cx);
        rc = find_pooler(cx, conn, false, &pooled);
    }
    CV_TRY(rc);
    conn->pooled = pooled || without_settings;
    conn->shared->behind_pooler[conn->host] &= pooled;
    return 0;
}

int cv__pg_session_start(cv_ctx *cx, cv__pg_conn *conn)
{
    conn->checks_client = false;
    if (conn->shared->pooler == CV__PG_POOLER_NO)
        return start_own_session(cx, conn);
    if (conn->shared->pooler == CV__PG_POOLER_AUTO)
        CV_TRY(detect(cx, conn));
    return conn->pooled ? start_pooled_session(cx, conn) : 0;
}

static int set_back(cv_ctx *cx, cv__pg_conn *conn)
{
    CV_TRY(cv__pg_command(cx, conn, conn->checks_client ? SET_BACK CHECK_CLIENT : SET_BACK, NULL));
    conn->touched = false;
    return 0;
}

/* The rows of all cursors go; those whose rows are in memory stay readable until they are finished. */
int cv__pg_reset(cv_ctx *cx, cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    int rc = 0;
    if (conn->live || base->in_transaction)
        rc = cv__pg_rollback(cx, base);
    if (rc == 0 && conn->touched && !conn->pooled)
        rc = set_back(cx, conn);
    if (rc < 0 || conn->swollen)
        base->broken = true;
    return rc;
}

bool cv__pg_is_clean(const cv__conn *base)
{
    const cv__pg_conn *conn = (const cv__pg_conn *)(const void *)base;
    return !conn->live && !base->in_transaction && (!conn->touched || conn->pooled) && !conn->swollen;
}

bool cv__pg_touches_session(cv_str sql)
{
    static const char *const commands[] = {"SET",  "RESET",       "LISTEN", "DECLARE", "PREPARE", "EXECUTE", "DISCARD",
                                           "LOAD", "CREATE TEMP", "CALL",   "DO",      "/*",      "--"};
    static const char *const words[] = {"set_config", "advisory_lock", "temporary", " temp ", "pg_temp", NULL};
    cv_str text = cv_str_trim(sql);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (cv__begins_with(text, commands[i]))
            return true;
    return cv__contains_any(text, words);
}

/* --- what a pooler would lose --- */

static cv_str skip_comments(cv_str text)
{
    for (;;) {
        text = cv_str_trim(text);
        const char *end = cv_str_starts_with(text, CV_STR("--"))   ? "\n"
                          : cv_str_starts_with(text, CV_STR("/*")) ? "*/"
                                                                   : NULL;
        if (!end)
            return text;
        ptrdiff_t at = cv_str_find(text, cv_str_of(end));
        text = at < 0 ? cv_str_sub(text, text.len, text.len) : cv_str_sub(text, (size_t)at + strlen(end), text.len);
    }
}

static cv_str take_word(cv_str *text)
{
    size_t len = 0;
    *text = skip_comments(*text);
    while (len < text->len && (text->ptr[len] == '_' || (text->ptr[len] | 0x20) - 'a' + 0u < 26u))
        len++;
    cv_str word = cv_str_sub(*text, 0, len);
    *text = cv_str_sub(*text, len, text->len);
    return word;
}

/* By its first words: SET but not SET LOCAL, PREPARE but not PREPARE TRANSACTION, and so on. */
static bool is_session_command(cv_str sql)
{
    static const char *const always[] = {"RESET",   "LISTEN",     "UNLISTEN", "LOAD",
                                         "DISCARD", "DEALLOCATE", "EXECUTE",  NULL};
    static const char *const of_transaction[] = {"LOCAL", "TRANSACTION", "CONSTRAINTS", NULL};
    static const char *const temporary[] = {"TEMP", "TEMPORARY", NULL}, *const scope[] = {"LOCAL", "GLOBAL", NULL};
    cv_str rest = sql, first = take_word(&rest), second = take_word(&rest);
    if (cv_str_equal_nocase(first, CV_STR("CREATE")) && cv__is_one_of(second, scope))
        second = take_word(&rest);
    if (cv_str_equal_nocase(first, CV_STR("SET")))
        return !cv__is_one_of(second, of_transaction);
    if (cv_str_equal_nocase(first, CV_STR("PREPARE")))
        return !cv_str_equal_nocase(second, CV_STR("TRANSACTION"));
    if (cv_str_equal_nocase(first, CV_STR("DECLARE")))
        return cv__contains(rest, "with hold");
    if (cv_str_equal_nocase(first, CV_STR("CREATE")))
        return cv__is_one_of(second, temporary) && !cv__contains(rest, "on commit drop");
    return cv__is_one_of(first, always);
}

static bool calls_session_function(cv_str sql)
{
    return cv__contains(sql, "advisory_lock") || cv__contains(sql, "advisory_unlock") ||
           (cv__contains(sql, "set_config") && !cv__contains(sql, "true"));
}

int cv__pg_check_session(cv_ctx *cx, const cv__pg_conn *conn, cv_str sql)
{
    if (!conn->pooled || !(is_session_command(sql) || calls_session_function(sql)))
        return 0;
    int rc =
        cv_fail(cx, CV_E_UNSUPPORTED, "the statement needs a session of its own, and the pooler at \"%s\" shares them",
                cv__pg_place(conn));
    cv_error_hint(cx, "inside a transaction SET LOCAL, pg_advisory_xact_lock and ON COMMIT DROP do without; otherwise "
                      "connect to the server itself, or set pooler=no where the pooler gives each client a session");
    return rc;
}

/* The server reads an empty query and says so: a round trip without any work. */
int cv__pg_ping(cv_ctx *cx, cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    CV_TRY(cv__wait_check(cx, "ask PostgreSQL for a sign of life"));
    if (!PQsendQuery(conn->pg, ""))
        return cv__pg_lost(cx, conn);
    for (;;) {
        PGresult *result = NULL;
        CV_TRY(cv__pg_next_result(cx, conn, &result));
        if (!result)
            return 0;
        bool ok = PQresultStatus(result) == PGRES_EMPTY_QUERY;
        if (!ok)
            return cv__pg_fail_statement(cx, conn, result);
        PQclear(result);
    }
}
