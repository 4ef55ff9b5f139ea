/* What became of a transaction when the answer to its COMMIT was lost. */
#include "db/db.h"

#include "base/ctx.h"
#include <covet/fiber.h>
#include <covet/runtime.h>

enum { PATIENCE_MS = 5000, FIRST_PAUSE_MS = 5, LONGEST_PAUSE_MS = 200 };

static bool is_wanted(const struct cv_tx *root)
{
    const cv_tx_options *options = &root->options;
    return (options->verify_commit || options->commit_token) && !options->read_only;
}

int cv__outcome_prepare(cv_ctx *cx, struct cv_tx *root)
{
    const cv__driver *driver = root->conn->driver;
    if (!is_wanted(root) || !driver->transaction_id)
        return 0;
    CV_TRY(driver->transaction_id(cx, root->conn, root->own.id, sizeof root->own.id));
    cv__outcome_tell(root, CV_TX_OPEN);
    return 0;
}

void cv__outcome_tell(const struct cv_tx *root, cv_tx_outcome outcome)
{
    cv_commit_token *token = root->options.commit_token;
    if (!token)
        return;
    *token = root->own;
    token->outcome = outcome;
}

static int ask_once(cv_ctx *cx, cv_db *db, const char *id, cv_tx_outcome *ret_outcome)
{
    cv__conn *conn;
    CV_TRY(cv__pool_acquire(cx, cv__db_pool(db, CV__WRITER), &conn));
    int rc = db->driver->transaction_status(cx, conn, id, ret_outcome);
    cv__pool_release(cx, conn);
    return rc;
}

/* The server may not have noticed yet that we are gone, or be at work. */
static int ask(cv_ctx *cx, cv_db *db, const char *id, cv_tx_outcome *ret_outcome)
{
    int64_t until_ns = cv_now_ns(cx) + PATIENCE_MS * INT64_C(1000000);
    int64_t pause_ms = FIRST_PAUSE_MS;
    CV_TRY(ask_once(cx, db, id, ret_outcome));
    while (*ret_outcome == CV_TX_OPEN && cv_now_ns(cx) < until_ns) {
        CV_TRY(cv_sleep_ms(cx, pause_ms));
        pause_ms = pause_ms < LONGEST_PAUSE_MS ? pause_ms * 2 : pause_ms;
        CV_TRY(ask_once(cx, db, id, ret_outcome));
    }
    return 0;
}

int cv_commit_outcome(cv_ctx *cx, const cv_commit_token *token, cv_tx_outcome *ret_outcome)
{
    cv_db *db = cv__db_need(cx);
    if (!db)
        return CV_E_NO_DATABASE;
    if (cv__tx_root(cx, db))
        return cv_fail(cx, CV_E_IN_TRANSACTION, "cannot look for the outcome of a commit inside a transaction");
    *ret_outcome = token->outcome;
    if (token->outcome != CV_TX_UNKNOWN || !token->id[0] || !db->driver->transaction_status)
        return 0;
    return ask(cx, db, token->id, ret_outcome);
}

int cv__outcome_find(cv_ctx *cx, struct cv_tx *root)
{
    cv_tx_outcome outcome = CV_TX_UNKNOWN;
    cv__tx_give_back(cx, root);
    if (!root->options.verify_commit || !root->own.id[0])
        return CV_E_COMMIT_UNKNOWN;
    cv_error *first = cv_error_take(cx);
    int rc = ask(cx, root->db, root->own.id, &outcome);
    cv_error_clear(cx);
    cv_error_put_back(cx, first);
    if (rc < 0 || outcome == CV_TX_UNKNOWN || outcome == CV_TX_OPEN)
        return CV_E_COMMIT_UNKNOWN;
    CV_LOG_WARN(cx->log, "the answer to COMMIT was lost and found",
                CV_F("outcome", outcome == CV_TX_COMMITTED ? "committed" : "rolled back"));
    if (outcome == CV_TX_ROLLED_BACK)
        return cv_fail(cx, CV_E_CONNECTION_LOST, "the connection was lost before the transaction was committed");
    cv_error_clear(cx);
    return 0;
}
