/* Transactions. PostgreSQL nests them by savepoints; after an error inside, everything but a rollback fails. */
#include "db/postgres/postgres.h"

static const char *isolation_clause(cv_isolation isolation)
{
    switch (isolation) {
    case CV_READ_COMMITTED:
        return " ISOLATION LEVEL READ COMMITTED";
    case CV_REPEATABLE_READ:
        return " ISOLATION LEVEL REPEATABLE READ";
    case CV_SERIALIZABLE:
        return " ISOLATION LEVEL SERIALIZABLE";
    case CV_ISOLATION_DEFAULT:
        break;
    }
    return "";
}

int cv__pg_begin(cv_ctx *cx, cv__conn *base, const cv_tx_options *options)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    const cv_tx_options none = {0};
    if (!options)
        options = &none;
    char sql[128];
    snprintf(sql, sizeof sql, "BEGIN%s%s%s", isolation_clause(options->isolation),
             options->read_only ? " READ ONLY" : "", options->deferrable ? " DEFERRABLE" : "");
    CV_TRY(cv__pg_make_ready(cx, conn));
    return cv__pg_command(cx, conn, sql, NULL);
}

/* Once COMMIT is sent and its answer does not come, nobody knows. */
static int fail_unknown_outcome(cv_ctx *cx)
{
    cv_fail(cx, CV_E_COMMIT_UNKNOWN, "could not learn whether the transaction was committed");
    cv_error_place(cx, "08007", NULL, NULL, NULL); /* transaction_resolution_unknown */
    cv_error_hint(cx, "the changes may or may not be stored: look before trying again");
    return CV_E_COMMIT_UNKNOWN;
}

int cv__pg_commit(cv_ctx *cx, cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    char tag[CV__PG_TAG_BYTES] = "";
    CV_TRY(cv__pg_make_ready(cx, conn));
    CV_TRY(cv__wait_check(cx, "commit"));
    int rc = cv__pg_command(cx, conn, "COMMIT", tag);
    if (rc < 0)
        return base->broken ? fail_unknown_outcome(cx) : rc;
    if (strcmp(tag, "ROLLBACK") != 0)
        return 0;
    rc = cv_fail(cx, CV_E_TX_ABORTED, "could not commit: an error inside had aborted the transaction");
    cv_error_place(cx, "25P02", NULL, NULL, NULL);
    return rc;
}

int cv__pg_rollback(cv_ctx *cx, cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    if (conn->live && !base->broken)
        CV_TRY(cv__pg_drop_rows(cx, conn));
    CV_TRY(cv__pg_make_ready(cx, conn));
    return base->in_transaction ? cv__pg_command(cx, conn, "ROLLBACK", NULL) : 0;
}

static int savepoint_command(cv_ctx *cx, cv__conn *base, const char *command, int level)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    char sql[64];
    snprintf(sql, sizeof sql, "%s cv_%d", command, level);
    CV_TRY(cv__pg_make_ready(cx, conn));
    return cv__pg_command(cx, conn, sql, NULL);
}

int cv__pg_savepoint(cv_ctx *cx, cv__conn *base, int level)
{
    return savepoint_command(cx, base, "SAVEPOINT", level);
}

int cv__pg_release(cv_ctx *cx, cv__conn *base, int level)
{
    return savepoint_command(cx, base, "RELEASE SAVEPOINT", level);
}

/* A cursor that is live now was opened after the savepoint, which needed the wire, too. */
int cv__pg_rollback_to(cv_ctx *cx, cv__conn *base, int level)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    if (conn->live && !base->broken)
        CV_TRY(cv__pg_drop_rows(cx, conn));
    return savepoint_command(cx, base, "ROLLBACK TO SAVEPOINT", level);
}
