/* Statements: prepared once per text and connection, run with binary results, one row at a time.
 *
 * A statement is prepared with the types of its first values; a NULL has none and leaves its place to the server. When
 * later values are of other types, it is prepared again with the types of both: those that NULLs left open get filled,
 * so that a statement settles after a few runs. */
#include "db/postgres/rows.h"
#include "db/postgres/session.h"
#include "db/postgres/wire.h"
#include <inttypes.h>
#include <stdlib.h>

void cv__pg_prepared_free(void *arg, cv__cached_statement *entry)
{
    cv__pg_conn *conn = arg;
    cv__pg_prepared *p = (cv__pg_prepared *)(void *)entry;
    cv_buf_printf(&conn->stale, "DEALLOCATE %s;", p->name);
    conn->stale_count++;
    cv__pg_layout_drop(p->layout);
    free(p);
}

/* The struct, its types and its text in one piece. */
static cv__pg_prepared *prepared_new(cv__pg_conn *conn, cv_str sql, uint64_t hash, int param_count)
{
    size_t types_size = (size_t)param_count * sizeof(Oid);
    cv__pg_prepared *p = calloc(1, sizeof *p + types_size + sql.len + 1);
    if (!p)
        return NULL;
    p->types = (Oid *)(void *)(p + 1);
    p->sql = (char *)p->types + types_size;
    p->param_count = param_count;
    memcpy(p->sql, sql.ptr, sql.len);
    snprintf(p->name, sizeof p->name, "cv_%" PRIu64, ++conn->names);
    p->touches_session = cv__pg_touches_session(sql);
    p->cached.sql = cv_str_make(p->sql, sql.len);
    p->cached.hash = hash;
    return p;
}

static bool types_fit(const cv__pg_prepared *p, const cv__pg_params *params)
{
    if (p->param_count != params->count)
        return false;
    for (int i = 0; i < params->count; i++)
        if (params->values[i] && params->types[i] != p->types[i])
            return false;
    return true;
}

/* The types of the values, and where there is NULL, those of the earlier form. */
static void merge_types(cv__pg_prepared *p, const cv__pg_params *params, const cv__pg_prepared *former)
{
    for (int i = 0; i < params->count; i++)
        p->types[i] = params->values[i] || !former || i >= former->param_count ? params->types[i] : former->types[i];
}

void cv__pg_prepared_forget(cv__pg_conn *conn, cv__pg_prepared *p)
{
    cv__statement_cache_remove(&conn->statements, &p->cached);
    if (p->cached.in_use == 0)
        cv__pg_prepared_free(conn, &p->cached);
}

int cv__pg_prepared_need(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement, const cv__pg_params *params,
                         cv__pg_prepared **ret_prepared, bool *ret_fresh)
{
    uint64_t hash = statement->hash ? statement->hash : cv_hash(statement->sql.ptr, statement->sql.len);
    conn->statements.now_ns = cv__loop_now_ns(cx);
    cv__pg_prepared *former =
        (cv__pg_prepared *)(void *)cv__statement_cache_get(&conn->statements, statement->sql, hash);
    *ret_fresh = !former || !types_fit(former, params);
    *ret_prepared = former;
    if (!*ret_fresh)
        return 0;
    cv__pg_prepared *p = prepared_new(conn, statement->sql, hash, params->count);
    if (!p)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a prepared statement");
    merge_types(p, params, former);
    if (former)
        cv__pg_prepared_forget(conn, former);
    *ret_prepared = p;
    return 0;
}

static int send_uncached(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement, const cv__pg_params *params)
{
    char *sql = cv_strndup(cx, statement->sql.ptr, statement->sql.len);
    if (!sql)
        return CV_E_NOMEM;
    conn->touched |= cv__pg_touches_session(statement->sql);
    if (!PQsendQueryParams(conn->pg, sql, params->count, params->types, params->values, params->lengths,
                           params->formats, 1))
        return cv__pg_lost(cx, conn);
    return 0;
}

static int send_prepared(cv_ctx *cx, cv__pg_conn *conn, const cv__pg_prepared *p, const cv__pg_params *params)
{
    conn->touched |= p->touches_session;
    if (!PQsendQueryPrepared(conn->pg, p->name, params->count, params->values, params->lengths, params->formats, 1))
        return cv__pg_lost(cx, conn);
    return 0;
}

static int send_statement(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement, const cv__pg_prepared *p,
                          const cv__pg_params *params)
{
    return p ? send_prepared(cx, conn, p, params) : send_uncached(cx, conn, statement, params);
}

/* What must come before the statement travels with it. */
static int send_pipeline(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement, const cv__pg_prepared *p,
                         bool fresh, const cv__pg_params *params)
{
    CV_TRY(cv__pg_pipeline_begin(cx, conn));
    CV_TRY(cv__pg_pending_put(cx, conn));
    if (fresh && !PQsendPrepare(conn->pg, p->name, p->sql, p->param_count, p->types))
        return cv__pg_lost(cx, conn);
    CV_TRY(send_statement(cx, conn, statement, p, params));
    CV_TRY(cv__pg_pipeline_end(cx, conn));
    cv__pg_pending_sent(conn);
    return 0;
}

/* The statement was sent behind `pending` commands and, when it is fresh, PREPARE: put it into the cache when the
 * server has prepared it. */
static int read_pipeline(cv_ctx *cx, cv__pg_conn *conn, int pending, cv__pg_prepared *p, bool fresh,
                         PGresult **ret_failure)
{
    PGresult *failure;
    int rc = cv__pg_read_leading(cx, conn, pending + fresh, &failure);
    if (fresh && rc == 0 && !failure)
        cv__statement_cache_put(&conn->statements, &p->cached);
    else if (fresh)
        free(p);
    *ret_failure = rc == 0 ? failure : NULL;
    return rc;
}

/* Send, and be where the first result of the statement is to be waited for, or have the failure that came before. */
static int send_all(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement, cv__pg_prepared *p, bool fresh,
                    const cv__pg_params *params, PGresult **ret_failure)
{
    int rc, pending = cv__pg_pending_count(conn);
    *ret_failure = NULL;
    if (!fresh && pending == 0) {
        CV_TRY(send_statement(cx, conn, statement, p, params));
    } else {
        rc = send_pipeline(cx, conn, statement, p, fresh, params);
        if (rc < 0 && fresh)
            free(p);
        CV_TRY(rc);
        CV_TRY(read_pipeline(cx, conn, pending, p, fresh, ret_failure));
    }
    if (!*ret_failure && !statement->quick && !PQsetSingleRowMode(conn->pg))
        return cv__pg_lost(cx, conn);
    return 0;
}

/* Send, and wait for the first result. A prepared statement that is outdated is forgotten; outside of a transaction it
 * is worth another try, `*ret_again`. */
static int start(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement, PGresult **ret_first, bool *ret_again)
{
    cv__pg_params params;
    cv__pg_prepared *p = NULL;
    bool in_transaction = conn->base.in_transaction, fresh = false;
    *ret_again = false;
    CV_TRY(cv__pg_params_make(cx, statement->params, statement->param_count, &params));
    conn->swollen |= params.bytes + statement->sql.len > CV__PG_SWOLLEN_BYTES;
    if (!statement->uncached && !conn->pooled)
        CV_TRY(cv__pg_prepared_need(cx, conn, statement, &params, &p, &fresh));
    CV_TRY(send_all(cx, conn, statement, p, fresh, &params, ret_first));
    if (*ret_first)
        return 0;
    CV_TRY(cv__pg_next_result(cx, conn, ret_first));
    if (p && !fresh && cv__pg_is_outdated(*ret_first)) {
        cv__pg_prepared_forget(conn, p);
        *ret_again = !in_transaction;
    }
    return 0;
}

static int fail_empty(cv_ctx *cx, cv__pg_conn *conn, PGresult *result)
{
    PQclear(result);
    CV_TRY(cv__pg_finish_statement(cx, conn));
    return cv_fail(cx, CV_E_SQL, "the statement is empty");
}

cv_result cv__pg_result_of(PGresult *result)
{
    cv_result done = {0};
    const char *tag = PQcmdStatus(result);
    bool counts = strncmp(tag, "INSERT", 6) == 0 || strncmp(tag, "UPDATE", 6) == 0 || strncmp(tag, "DELETE", 6) == 0 ||
                  strncmp(tag, "MERGE", 5) == 0;
    if (counts)
        done.affected = strtoll(PQcmdTuples(result), NULL, 10);
    return done;
}

/* A statement without rows has done what it did only when its end has come: constraints that were deferred are checked
 * there. */
static int end_command(cv_ctx *cx, cv__pg_conn *conn, PGresult *result, cv_result *ret_result)
{
    *ret_result = cv__pg_result_of(result);
    bool forgot = strcmp(PQcmdStatus(result), "DISCARD ALL") == 0 || strcmp(PQcmdStatus(result), "DEALLOCATE ALL") == 0;
    PQclear(result);
    CV_TRY(cv__pg_finish_statement(cx, conn));
    if (forgot) {
        cv__statement_cache_clear(&conn->statements);
        cv_buf_clear(&conn->stale);
        conn->stale_count = 0;
    }
    return 0;
}

/* The first result of the statement, prepared anew once when it was outdated. */
static int run(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement, PGresult **ret_first)
{
    bool again;
    CV_TRY(start(cx, conn, statement, ret_first, &again));
    if (!again)
        return 0;
    PQclear(*ret_first);
    CV_TRY(cv__pg_finish_statement(cx, conn));
    return start(cx, conn, statement, ret_first, &again);
}

void cv__pg_note_running(cv__pg_conn *conn, cv_str sql)
{
    size_t len = 0;
    while (len < sql.len && len < sizeof conn->running - 1 && (signed char)sql.ptr[len] > 0)
        len++;
    memcpy(conn->running, sql.ptr, len);
    conn->running[len] = '\0';
}

static int open_bulk(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement, cv__cursor **ret_cursor)
{
    int rc = 0;
    CV_SCOPE(cx)
    {
        rc = cv__pg_copy_out_open(cx, conn, statement, ret_cursor);
    }
    return rc;
}

int cv__pg_execute(cv_ctx *cx, cv__conn *base, const cv__statement *statement, cv_result *ret_result,
                   cv__cursor **ret_cursor)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    PGresult *first = NULL;
    int rc = 0;
    CV_TRY(cv__pg_check_session(cx, conn, statement->sql));
    CV_TRY(cv__pg_make_ready(cx, conn));
    if (statement->bulk) {
        rc = open_bulk(cx, conn, statement, ret_cursor);
        if (rc <= 0)
            return rc;
    }
    cv__pg_note_running(conn, statement->sql);
    CV_SCOPE(cx)
    {
        rc = run(cx, conn, statement, &first);
    }
    CV_TRY(rc);
    *ret_cursor = NULL;
    switch (PQresultStatus(first)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
        return cv__pg_cursor_open(cx, conn, first, statement, ret_cursor);
    case PGRES_COMMAND_OK:
        return end_command(cx, conn, first, ret_result);
    case PGRES_EMPTY_QUERY:
        return fail_empty(cx, conn, first);
    default:
        return cv__pg_fail_statement(cx, conn, first);
    }
}
