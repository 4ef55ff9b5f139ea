/* Sending and receiving without blocking: libpq's non-blocking calls, and a poll handle for what has to be waited for.
 */
#include "db/postgres/wire.h"
#include "db/postgres/rows.h"

/* libpq has closed its socket by itself: the number may be another's any moment now. */
static void forget_socket(cv__pg_conn *conn)
{
    if (PQsocket(conn->pg) >= 0)
        return;
    cv__poll_free(conn->poll);
    conn->poll = NULL;
}

int cv__pg_lost(cv_ctx *cx, cv__pg_conn *conn)
{
    forget_socket(conn);
    conn->base.broken = conn->base.lost = true;
    char reason[256];
    const char *said = PQerrorMessage(conn->pg);
    size_t len = strcspn(said, "\n");
    snprintf(reason, sizeof reason, "%.*s", (int)(len < 200 ? len : 200), said);
    int rc = cv_fail(cx, CV_E_CONNECTION_LOST, "the connection to PostgreSQL at \"%s\" was lost: %s",
                     cv__pg_place(conn), len > 0 ? reason : "the server closed it");
    cv_error_place(cx, "08006", NULL, NULL, NULL);
    return rc;
}

/* Wait until the socket can be read, or written while libpq has something left to send. */
static int wait_socket(cv_ctx *cx, cv__pg_conn *conn, bool unsent)
{
    int events;
    int rc = cv__poll_wait(cx, conn->poll, UV_READABLE | (unsent ? UV_WRITABLE : 0), &events);
    if (rc == CV_E_TIMEOUT || rc == CV_E_CANCELLED || rc == CV_E_CONTEXT) {
        conn->base.broken |= !cv__pg_give_up(cx, conn);
        return cv_fail(cx, rc, "could not wait for the answer of PostgreSQL: %s", cv_error_text(rc));
    }
    if (rc < 0) {
        cv_error_clear(cx); /* libpq will say what is wrong with the socket */
        events = UV_READABLE;
    }
    if ((events & ~UV_WRITABLE) && !PQconsumeInput(conn->pg))
        return cv__pg_lost(cx, conn);
    if (rc < 0 && PQisBusy(conn->pg))
        return cv__pg_lost(cx, conn);
    return 0;
}

int cv__pg_wait_input(cv_ctx *cx, cv__pg_conn *conn)
{
    return wait_socket(cx, conn, false);
}

/* How often in a row more rows are taken from the socket without waiting for it, which lets other fibers run. */
enum { DIRECT_READS = 8 };

/* Rows that come fast are there before they are asked for: whether something to hand out has come. */
static int read_directly(cv_ctx *cx, cv__pg_conn *conn)
{
    if (!conn->live || conn->direct_reads >= DIRECT_READS) {
        conn->direct_reads = 0;
        return 0;
    }
    conn->direct_reads++;
    if (!PQconsumeInput(conn->pg))
        return cv__pg_lost(cx, conn);
    return !PQisBusy(conn->pg);
}

/* Out of the way of the rows that have come already, which are most. */
__attribute__((noinline)) static int wait_until_read(cv_ctx *cx, cv__pg_conn *conn)
{
    do {
        int unsent = PQflush(conn->pg);
        if (unsent < 0)
            return cv__pg_lost(cx, conn);
        int rc = unsent > 0 ? 0 : read_directly(cx, conn);
        if (rc != 0)
            return rc < 0 ? rc : 0;
        CV_TRY(wait_socket(cx, conn, unsent > 0));
    } while (PQisBusy(conn->pg));
    return 0;
}

/* In a pipeline the end of a command is not the end: that is where the server has synchronised. */
static bool is_over(cv__pg_conn *conn, PGresult **result)
{
    if (conn->pipelined && PQresultStatus(*result) != PGRES_PIPELINE_SYNC)
        return *result == NULL && PQstatus(conn->pg) != CONNECTION_OK;
    if (!conn->pipelined)
        return *result == NULL;
    PQclear(*result);
    *result = NULL;
    conn->pipelined = false;
    conn->base.broken |= !PQexitPipelineMode(conn->pg);
    return true;
}

int cv__pg_next_result(cv_ctx *cx, cv__pg_conn *conn, PGresult **ret_result)
{
    if (conn->base.broken)
        return cv_fail(cx, CV_E_CONNECTION_LOST, "the connection to PostgreSQL is not usable any more");
    PGresult *result;
    do {
        if (PQisBusy(conn->pg))
            CV_TRY(wait_until_read(cx, conn));
        result = PQgetResult(conn->pg);
        if (is_over(conn, &result)) {
            cv__pg_note_state(conn);
            break;
        }
    } while (!result);
    *ret_result = result;
    return 0;
}

int cv__pg_pipeline_begin(cv_ctx *cx, cv__pg_conn *conn)
{
    if (!PQenterPipelineMode(conn->pg))
        return cv__pg_lost(cx, conn);
    conn->pipelined = true;
    return 0;
}

int cv__pg_pipeline_end(cv_ctx *cx, cv__pg_conn *conn)
{
    return PQpipelineSync(conn->pg) ? 0 : cv__pg_lost(cx, conn);
}

void cv__pg_note_state(cv__pg_conn *conn)
{
    PGTransactionStatusType status = PQtransactionStatus(conn->pg);
    conn->base.in_transaction = status == PQTRANS_INTRANS || status == PQTRANS_INERROR || conn->begin[0];
    if (status == PQTRANS_UNKNOWN || PQstatus(conn->pg) != CONNECTION_OK)
        conn->base.broken = true;
    forget_socket(conn);
}

static bool is_copy(ExecStatusType status)
{
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

static bool is_failure(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_SINGLE_TUPLE;
}

/* What a result means for a statement of which only the success matters. */
static int judge(cv_ctx *cx, cv__pg_conn *conn, const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (is_copy(status)) {
        conn->base.broken = true;
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot run COPY as a statement: its data has a protocol of its own");
    }
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE ? cv__pg_fail_result(cx, conn, result) : 0;
}

int cv__pg_fail_statement(cv_ctx *cx, cv__pg_conn *conn, PGresult *result)
{
    int rc = judge(cx, conn, result);
    PQclear(result);
    if (rc == 0) {
        conn->base.broken = true;
        return cv_fail(cx, CV_E_INTERNAL, "PostgreSQL sent an answer that does not belong here");
    }
    if (conn->base.broken)
        return rc;
    PGresult *later;
    cv_error *first = cv_error_take(cx);
    if (cv__pg_read_to_end(cx, conn, &later) == 0)
        PQclear(later);
    cv_error_put_back(cx, first);
    return rc;
}

int cv__pg_read_to_end(cv_ctx *cx, cv__pg_conn *conn, PGresult **ret_failure)
{
    *ret_failure = NULL;
    for (;;) {
        PGresult *result;
        int rc = cv__pg_next_result(cx, conn, &result);
        if (rc < 0) {
            PQclear(*ret_failure);
            *ret_failure = NULL;
            return rc;
        }
        if (!result)
            return 0;
        if (!*ret_failure && is_failure(result))
            *ret_failure = result;
        else
            PQclear(result);
        if (*ret_failure && is_copy(PQresultStatus(*ret_failure)))
            return 0; /* this has no end */
    }
}

int cv__pg_read_leading(cv_ctx *cx, cv__pg_conn *conn, int count, PGresult **ret_failure)
{
    *ret_failure = NULL;
    for (int i = 0; i < count; i++) {
        PGresult *result = NULL;
        int rc = cv__pg_next_result(cx, conn, &result);
        if (rc == 0 && !result)
            rc = cv__pg_lost(cx, conn);
        if (rc < 0) {
            PQclear(*ret_failure);
            return rc;
        }
        if (!*ret_failure && is_failure(result))
            *ret_failure = result;
        else
            PQclear(result);
        (void)PQgetResult(conn->pg); /* NULL, at once: the end of this command */
    }
    return 0;
}

int cv__pg_finish_statement(cv_ctx *cx, cv__pg_conn *conn)
{
    PGresult *failure;
    CV_TRY(cv__pg_read_to_end(cx, conn, &failure));
    return failure ? cv__pg_fail_statement(cx, conn, failure) : 0;
}

static int run_command(cv_ctx *cx, cv__pg_conn *conn, const char *sql, char *ret_tag)
{
    if (!PQsendQuery(conn->pg, sql))
        return cv__pg_lost(cx, conn);
    for (;;) {
        PGresult *result = NULL;
        CV_TRY(cv__pg_next_result(cx, conn, &result));
        if (!result)
            return 0;
        if (is_failure(result))
            return cv__pg_fail_statement(cx, conn, result);
        if (ret_tag)
            snprintf(ret_tag, CV__PG_TAG_BYTES, "%s", PQcmdStatus(result));
        PQclear(result);
    }
}

int cv__pg_command(cv_ctx *cx, cv__pg_conn *conn, const char *sql, char *ret_tag)
{
    CV_TRY(cv__wait_check(cx, "send a command to PostgreSQL"));
    conn->commanding = true;
    int rc = run_command(cx, conn, sql, ret_tag);
    conn->commanding = false;
    return rc;
}

/* Many at a time, so that the cost of a round trip is shared. */
#define STALE_BATCH 16

static int deallocate_stale(cv_ctx *cx, cv__pg_conn *conn)
{
    if (conn->stale_count < STALE_BATCH || PQtransactionStatus(conn->pg) == PQTRANS_INERROR)
        return 0;
    int rc = cv__pg_command(cx, conn, conn->stale.data, NULL);
    cv_buf_clear(&conn->stale);
    conn->stale_count = 0;
    return rc;
}

int cv__pg_make_ready(cv_ctx *cx, cv__pg_conn *conn)
{
    if (conn->base.broken)
        return cv_fail(cx, CV_E_CONNECTION_LOST, "the connection to PostgreSQL is not usable any more");
    CV_TRY(cv__wait_check(cx, "run a statement"));
    if (conn->copy) {
        cv_fail(cx, CV_E_STATE, "the connection is taken: rows are being copied on it");
        cv_error_hint(cx, "a sink that runs statements copies outside of the transaction");
        return CV_E_STATE;
    }
    if (conn->live)
        CV_TRY(cv__pg_keep_rows(cx, conn));
    return deallocate_stale(cx, conn);
}
