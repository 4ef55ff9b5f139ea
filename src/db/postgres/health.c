/* How the server is, and what it has prepared. */
#include "db/postgres/session.h"
#include "db/postgres/wire.h"
#include <covet/runtime.h>
#include <stdlib.h>

/* A text of libpq's, which lives as long as the connection, copied; NULL stays NULL. */
static int copy(cv_ctx *cx, const char *text, const char **ret_copy)
{
    *ret_copy = text ? cv_strndup(cx, text, strlen(text)) : NULL;
    return text && !*ret_copy ? CV_E_NOMEM : 0;
}

static int tell_tls(cv_ctx *cx, PGconn *pg, cv_db_report *report)
{
    if (!PQsslInUse(pg))
        return 0;
    CV_TRY(copy(cx, PQsslAttribute(pg, "protocol"), &report->tls_version));
    return copy(cx, PQsslAttribute(pg, "cipher"), &report->tls_cipher);
}

int cv__pg_health(cv_ctx *cx, cv__conn *base, cv_db_report *ret_report)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    char cells[2][CV__PG_CELL_BYTES];
    CV_TRY(cv__pg_make_ready(cx, conn));
    int64_t start_ns = cv_now_ns(cx);
    CV_TRY(cv__pg_ask(cx, conn,
                      "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')", 2,
                      cells));
    ret_report->latency_ns = cv_now_ns(cx) - start_ns;
    ret_report->replica = strcmp(cells[0], "t") == 0;
    ret_report->read_only = strcmp(cells[1], "on") == 0;
    ret_report->pooled = conn->pooled;
    ret_report->pid = conn->pooled ? 0 : PQbackendPID(conn->pg);
    CV_TRY(copy(cx, cv__pg_place(conn), &ret_report->place));
    CV_TRY(copy(cx, PQparameterStatus(conn->pg, "server_version"), &ret_report->version));
    return tell_tls(cx, conn->pg, ret_report);
}

static int take_prepared(cv_ctx *cx, const PGresult *result, int row, cv_statement_plan *ret_one)
{
    CV_TRY(copy(cx, PQgetvalue(result, row, 0), &ret_one->name));
    CV_TRY(copy(cx, PQgetvalue(result, row, 1), &ret_one->sql));
    ret_one->generic_plans = strtoll(PQgetvalue(result, row, 2), NULL, 10);
    ret_one->custom_plans = strtoll(PQgetvalue(result, row, 3), NULL, 10);
    return 0;
}

static int take_list(cv_ctx *cx, const PGresult *result, cv_statement_plan **ret_list, size_t *ret_count)
{
    size_t count = (size_t)PQntuples(result);
    cv_statement_plan *list = cv_zalloc(cx, count, sizeof *list);
    if (!list)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        CV_TRY(take_prepared(cx, result, (int)i, &list[i]));
    *ret_list = list;
    *ret_count = count;
    return 0;
}

int cv__pg_list_plans(cv_ctx *cx, cv__conn *base, cv_statement_plan **ret_list, size_t *ret_count)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    PGresult *result;
    if (conn->pooled)
        return cv_fail(cx, CV_E_UNSUPPORTED, "behind the pooler at \"%s\" nothing stays prepared", cv__pg_place(conn));
    const char *plans = PQserverVersion(conn->pg) >= 140000 ? "generic_plans, custom_plans" : "-1, -1";
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT name, statement, %s FROM pg_catalog.pg_prepared_statements ORDER BY 1", plans);
    CV_TRY(cv__pg_make_ready(cx, conn));
    CV_TRY(cv__pg_query(cx, conn, sql, &result));
    int rc = take_list(cx, result, ret_list, ret_count);
    PQclear(result);
    return rc;
}
