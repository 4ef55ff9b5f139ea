/* The number of a transaction, and what became of it
 * (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT). */
#include "db/postgres/rows.h"

/* The only cell of a statement, as a text; "" for NULL. */
static int read_text(cv_ctx *cx, cv__conn *conn, const cv__statement *statement, char *ret_text, size_t size)
{
    cv_result result;
    cv__cursor *cursor;
    cv_value cell = CV_NULL;
    CV_TRY(cv__pg_execute(cx, conn, statement, &result, &cursor));
    int rc = cv__pg_fetch(cx, cursor, &cell, NULL);
    ret_text[0] = '\0';
    if (rc > 0 && cell.type == CV_TYPE_TEXT)
        snprintf(ret_text, size, "%.*s", CV_STR_ARG(cell.as.text));
    cv__pg_finish(cx, cursor);
    return rc < 0 ? rc : 0;
}

/* Asked right after BEGIN, which travels along, so that it is known before anything can be lost. */
int cv__pg_transaction_id(cv_ctx *cx, cv__conn *conn, char *ret_id, size_t size)
{
    return read_text(cx, conn, &(cv__statement){.sql = CV_STR("SELECT pg_catalog.pg_current_xact_id()::text")}, ret_id,
                     size);
}

int cv__pg_transaction_status(cv_ctx *cx, cv__conn *conn, const char *id, cv_tx_outcome *ret_outcome)
{
    char status[16];
    const cv_value value = cv_value_text(id);
    CV_TRY(read_text(cx, conn,
                     &(cv__statement){.sql = CV_STR("SELECT pg_catalog.pg_xact_status($1::text::xid8)"),
                                      .params = &value,
                                      .param_count = 1},
                     status, sizeof status));
    *ret_outcome = strcmp(status, "committed") == 0     ? CV_TX_COMMITTED
                   : strcmp(status, "aborted") == 0     ? CV_TX_ROLLED_BACK
                   : strcmp(status, "in progress") == 0 ? CV_TX_OPEN
                                                        : CV_TX_UNKNOWN;
    return 0;
}
