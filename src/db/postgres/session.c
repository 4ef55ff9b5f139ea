/* The session: how it starts, and how it gets back to that state for the next borrower.
 *
 * Setting everything back costs a round trip, so it is done only after statements whose text hints at a change of the
 * session: the statement SET, functions such as set_config, advisory locks, temporary objects. What a function on the
 * server changes without such a word in the statement is not seen. */
#include "db/postgres/postgres.h"
#include <strings.h>

/* In a simple query all of it is one transaction; DISCARD ALL could not be part of one, and would throw the prepared
 * statements away. */
#define SET_BACK                                                                                                       \
    "CLOSE ALL;SET SESSION AUTHORIZATION DEFAULT;RESET ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();"                \
    "DISCARD TEMP;DISCARD SEQUENCES;"

/* The server looks once a second whether we have hung up while it works, so that a statement whose caller has given up
 * ends soon, and takes its locks with it. */
#define CHECK_CLIENT "SET client_connection_check_interval = 1000"

/* The result of a query of the driver's own, copied. */
static int take_cells(cv_ctx *cx, cv__pg_conn *conn, PGresult *result, size_t count,
                      char ret_cells[][CV__PG_CELL_BYTES])
{
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return cv__pg_fail_statement(cx, conn, result);
    for (size_t i = 0; i < count; i++)
        snprintf(ret_cells[i], CV__PG_CELL_BYTES, "%s", PQntuples(result) ? PQgetvalue(result, 0, (int)i) : "");
    PQclear(result);
    return cv__pg_finish_statement(cx, conn);
}

int cv__pg_ask(cv_ctx *cx, cv__pg_conn *conn, const char *sql, size_t count, char ret_cells[][CV__PG_CELL_BYTES])
{
    PGresult *result;
    CV_TRY(cv__wait_check(cx, "ask PostgreSQL"));
    if (!PQsendQuery(conn->pg, sql))
        return cv__pg_lost(cx, conn);
    CV_TRY(cv__pg_next_result(cx, conn, &result));
    return take_cells(cx, conn, result, count, ret_cells);
}

/* Servers before 14 do not have the setting, and those on some systems refuse it: then they notice later. */
int cv__pg_session_start(cv_ctx *cx, cv__pg_conn *conn)
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
    if (rc == 0 && conn->touched)
        rc = set_back(cx, conn);
    if (rc < 0 || conn->swollen)
        base->broken = true;
    return rc;
}

bool cv__pg_is_clean(const cv__conn *base)
{
    const cv__pg_conn *conn = (const cv__pg_conn *)(const void *)base;
    return !conn->live && !base->in_transaction && !conn->touched && !conn->swollen;
}

static bool starts_with_word(cv_str text, const char *word)
{
    size_t len = strlen(word);
    return text.len >= len && strncasecmp(text.ptr, word, len) == 0;
}

static bool contains(cv_str text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (strncasecmp(text.ptr + i, word, len) == 0)
            return true;
    return false;
}

bool cv__pg_touches_session(cv_str sql)
{
    static const char *const commands[] = {"SET",  "RESET",       "LISTEN", "DECLARE", "PREPARE", "EXECUTE", "DISCARD",
                                           "LOAD", "CREATE TEMP", "CALL",   "DO",      "/*",      "--"};
    static const char *const words[] = {"set_config", "advisory_lock", "temporary", " temp ", "pg_temp"};
    cv_str text = cv_str_trim(sql);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (starts_with_word(text, commands[i]))
            return true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (contains(text, words[i]))
            return true;
    return false;
}
