/* What an atomic block does on its connection. */
#include "db/db.h"

#include "base/ctx.h"
#include <covet/fiber.h>

static int fail_copying(cv_ctx *cx)
{
    cv_fail(cx, CV_E_STATE, "the connection of the transaction is taken: rows are being copied on it");
    cv_error_hint(cx, "what a source needs to know is read before; rows that were opened before can be read");
    return CV_E_STATE;
}

int cv__tx_check(cv_ctx *cx, const struct cv_tx *root)
{
    if (root->conn)
        CV_TRY(cv__conn_check(cx, root->conn));
    if (root->is_copying)
        return fail_copying(cx);
    if (!root->lost)
        return 0;
    cv_fail(cx, CV_E_TX_ABORTED,
            root->start_code < 0    ? "the transaction could not begin"
            : root->watched.expired ? "the transaction was rolled back: its deadline had passed"
                                    : "the transaction was rolled back by an earlier error");
    cv_error_hint(cx, "leave the outermost atomic block; it can be tried again from its beginning");
    return CV_E_TX_ABORTED;
}

void cv__tx_note_failure(struct cv_tx *root)
{
    if (!root->conn || root->conn->broken || !root->conn->in_transaction)
        root->lost = true;
}

void cv__tx_give_back(cv_ctx *cx, struct cv_tx *root)
{
    if (root->conn && root->base > 0)
        cv__sandbox_unlock(cx, root->db->sandbox);
    else if (root->conn)
        cv__pool_release(cx, root->conn);
    root->conn = NULL;
}

/* The savepoint of a block; in a sandbox the root has one, too. */
static int on_server(const struct cv_tx *root, int level)
{
    return root->base + level;
}

static int start_in_sandbox(cv_ctx *cx, struct cv_tx *root)
{
    CV_TRY(cv__sandbox_borrow(cx, root->db->sandbox, &root->conn));
    root->base = CV__SANDBOX_LEVEL;
    return 0;
}

static int begin(cv_ctx *cx, struct cv_tx *root)
{
    const cv__driver *driver = root->conn->driver;
    return root->gid && driver->begin_prepared ? driver->begin_prepared(cx, root->conn, &root->options, root->gid)
                                               : driver->begin(cx, root->conn, &root->options);
}

static int start(cv_ctx *cx, struct cv_tx *root)
{
    if (root->db->sandbox)
        return start_in_sandbox(cx, root);
    cv__pool *pool = cv__db_pool(root->db, root->options.read_only ? CV__READER : CV__WRITER);
    CV_TRY(cv__pool_acquire(cx, pool, &root->conn));
    int rc = begin(cx, root);
    if (rc == 0)
        rc = cv__outcome_prepare(cx, root);
    if (rc < 0)
        cv__tx_give_back(cx, root);
    return rc;
}

static int set_savepoint(cv_ctx *cx, struct cv_tx *root, int level)
{
    cv_counter_add(root->db->watch.savepoints, 1);
    int rc = root->conn->driver->savepoint(cx, root->conn, on_server(root, level));
    if (rc < 0)
        cv__tx_note_failure(root);
    return rc;
}

static int enter(cv_ctx *cx, struct cv_tx *root)
{
    if (root->begun == 0) {
        root->start_code = start(cx, root);
        root->lost = root->start_code < 0;
        CV_TRY(root->start_code);
        root->begun = 1;
        cv__tx_watch_add(cx, root);
    }
    for (; root->begun <= cx->tx->level; root->begun++)
        CV_TRY(set_savepoint(cx, root, root->begun));
    return 0;
}

int cv__tx_enter(cv_ctx *cx, struct cv_tx *root)
{
    CV_TRY(cv__tx_check(cx, root));
    CV_TRY(cv__wait_check(cx, "run the statement"));
    cv__tx_work_begin(root);
    int rc = enter(cx, root);
    if (rc < 0)
        cv__tx_work_end(cx, root);
    return rc;
}

static int release(cv_ctx *cx, struct cv_tx *tx)
{
    struct cv_tx *root = tx->root;
    if (root->begun <= tx->level)
        return 0;
    CV_TRY(root->conn->driver->release(cx, root->conn, on_server(root, tx->level)));
    root->begun = tx->level;
    return 0;
}

int cv__tx_commit(cv_ctx *cx, struct cv_tx *tx)
{
    struct cv_tx *root = tx->root;
    if (root->start_code < 0)
        return cv_fail(cx, root->start_code, "could not commit: the transaction could not begin");
    CV_TRY(cv__tx_check(cx, root));
    CV_TRY(cv__wait_check(cx, "commit"));
    if (tx->outer)
        return release(cx, tx);
    if (!root->conn)
        return 0;
    cv__tx_close_streams(cx, root, 0);
    if (root->base > 0)
        return release(cx, tx);
    return root->conn->driver->commit(cx, root->conn);
}

int cv__tx_prepare(cv_ctx *cx, struct cv_tx *root)
{
    if (root->db->sandbox)
        return cv_fail(cx, CV_E_STATE, "cannot prepare a transaction in a sandbox");
    if (cv__hooks_wait_for_commit(root))
        return cv_fail(cx, CV_E_STATE, "cannot prepare a transaction that has hooks for after its commit");
    CV_TRY(cv__tx_enter(cx, root));
    cv__tx_work_end(cx, root);
    cv__tx_close_streams(cx, root, 0);
    return root->conn->driver->prepare_transaction(cx, root->conn, root->gid);
}

static int undo_savepoint(cv_ctx *cx, struct cv_tx *tx)
{
    cv__conn *conn = tx->root->conn;
    int level = on_server(tx->root, tx->level);
    CV_TRY(conn->driver->rollback_to(cx, conn, level));
    CV_TRY(conn->driver->release(cx, conn, level));
    tx->root->begun = tx->level;
    return 0;
}

void cv__tx_undo(cv_ctx *cx, struct cv_tx *tx)
{
    struct cv_tx *root = tx->root;
    cv__conn *conn = root->conn;
    if (root->begun <= tx->level || !conn || conn->revoked)
        return;
    cv_error *first = cv_error_take(cx);
    bool failed = false;
    CV__ROLLING_BACK(cx)
    {
        cv__tx_close_streams(cx, root, tx->level);
        if (!root->lost && (tx->outer || root->base > 0)) {
            failed = undo_savepoint(cx, tx) < 0;
            root->lost = failed;
        } else if (!tx->outer && root->base == 0 && conn->in_transaction && !conn->broken) {
            failed = conn->driver->rollback(cx, conn) < 0;
            conn->broken |= failed;
        }
    }
    if (failed && !first)
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
}
