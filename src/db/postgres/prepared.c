/* PREPARE TRANSACTION and what follows it (https://www.postgresql.org/docs/current/two-phase.html). */
#include "db/postgres/rows.h"
#include "db/server/tx_sql.h"

/* Run "VERB 'gid'"; the name cannot be bound. What it may do to the session's settings is known: nothing. */
static int run_on_gid(cv_ctx *cx, cv__conn *base, const char *verb, const char *gid)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    char *quoted = PQescapeLiteral(conn->pg, gid, strlen(gid));
    if (!quoted)
        return cv_fail(cx, CV_E_NOMEM, "could not quote the name of a prepared transaction");
    const char *sql = cv_sprintf(cx, "%s %s", verb, quoted);
    PQfreemem(quoted);
    if (!sql)
        return CV_E_NOMEM;
    bool touched = conn->touched;
    cv_result result;
    cv__cursor *cursor;
    int rc = cv__pg_execute(cx, base, &(cv__statement){.sql = cv_str_of(sql), .uncached = true}, &result, &cursor);
    conn->touched = touched;
    return rc;
}

static bool failed_with(const cv_ctx *cx, const char *sqlstate)
{
    const cv_error *error = cv_error_last(cx);
    return error && error->sqlstate && strcmp(error->sqlstate, sqlstate) == 0;
}

/* In a transaction that has failed, the command rolls back, without an error. */
int cv__pg_prepare_transaction(cv_ctx *cx, cv__conn *base, const char *gid)
{
    if (PQtransactionStatus(cv__pg_conn_of(base)->pg) == PQTRANS_INERROR)
        return cv_fail(cx, CV_E_TX_ABORTED, "could not prepare the transaction: an error inside had aborted it");
    int rc = run_on_gid(cx, base, "PREPARE TRANSACTION", gid);
    if (rc < 0 && base->broken)
        return cv__fail_commit_unknown(cx);
    if (rc < 0 && failed_with(cx, "42710"))
        return cv_fail(cx, CV_E_EXISTS, "a transaction is prepared already under the name \"%s\"", gid);
    return rc;
}

int cv__pg_finish_prepared(cv_ctx *cx, cv__conn *base, const char *gid, bool commit)
{
    int rc = run_on_gid(cx, base, commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED", gid);
    if (rc < 0 && failed_with(cx, "42704"))
        return cv_fail(cx, CV_E_NOT_FOUND, "no transaction is prepared under the name \"%s\"", gid);
    return rc;
}

static int copy_row(cv_ctx *cx, const cv_value *cells, cv_prepared *ret_prepared)
{
    const char *texts[3];
    for (int i = 0; i < 3; i++) {
        texts[i] = cv_strndup(cx, cells[i].as.text.ptr, cells[i].as.text.len);
        if (!texts[i])
            return CV_E_NOMEM;
    }
    *ret_prepared = (cv_prepared){texts[0], cells[3].as.time, texts[1], texts[2]};
    return 0;
}

typedef struct prepared_rows {
    cv_prepared *list;
    size_t count, capacity;
} prepared_rows;

static int make_room(cv_ctx *cx, prepared_rows *rows)
{
    if (rows->count < rows->capacity)
        return 0;
    size_t capacity = rows->capacity ? rows->capacity * 2 : 16;
    cv_prepared *list = cv_zalloc(cx, capacity, sizeof *list);
    if (!list)
        return CV_E_NOMEM;
    if (rows->count > 0)
        memcpy(list, rows->list, rows->count * sizeof *list);
    rows->list = list;
    rows->capacity = capacity;
    return 0;
}

static int read_rows(cv_ctx *cx, cv__cursor *cursor, prepared_rows *rows)
{
    for (;;) {
        cv_value cells[4];
        CV_TRY(make_room(cx, rows));
        int rc = cv__pg_fetch(cx, cursor, cells, NULL);
        if (rc <= 0)
            return rc;
        CV_TRY(copy_row(cx, cells, &rows->list[rows->count]));
        rows->count++;
    }
}

int cv__pg_list_prepared(cv_ctx *cx, cv__conn *base, cv_prepared **ret_list, size_t *ret_count)
{
    static const char sql[] = "SELECT gid, owner::text, database::text, prepared "
                              "FROM pg_catalog.pg_prepared_xacts ORDER BY prepared, gid";
    cv_result result;
    cv__cursor *cursor;
    prepared_rows rows = {0};
    CV_TRY(cv__pg_execute(cx, base, &(cv__statement){.sql = cv_str_of(sql)}, &result, &cursor));
    int rc = read_rows(cx, cursor, &rows);
    cv__pg_finish(cx, cursor);
    if (rc < 0)
        return rc;
    *ret_list = rows.list;
    *ret_count = rows.count;
    return 0;
}
