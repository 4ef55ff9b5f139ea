#include "db/transaction/sandbox.h"

#include "base/ctx.h"
#include "db/db.h"
#include <covet/fiber.h>
#include <covet/runtime.h>

int cv__sandbox_begin(cv_ctx *cx, cv_db *db, cv_sandbox *sandbox)
{
    static const cv_tx_options no_options;
    if (db->sandbox)
        return cv_fail(cx, CV_E_STATE, "cannot open a sandbox: the database has one");
    cv_mutex_init(&sandbox->lock);
    cv_list_init(&sandbox->hooks);
    sandbox->db = db;
    CV_TRY(cv__db_hold(cx, db, CV__WRITER, &sandbox->conn));
    int rc = db->driver->begin(cx, sandbox->conn, &no_options);
    if (rc < 0)
        cv__db_let_go(cx, sandbox->conn);
    else
        db->sandbox = sandbox;
    return rc;
}

static void roll_back(cv_ctx *cx, cv__conn *conn)
{
    cv_error *first = cv_error_take(cx);
    CV__ROLLING_BACK(cx)
    {
        if (conn->in_transaction && !conn->broken && conn->driver->rollback(cx, conn) < 0)
            conn->broken = true;
    }
    if (!first && cv_error_last(cx))
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
}

void cv__sandbox_end(cv_ctx *cx, cv_sandbox *sandbox)
{
    sandbox->db->sandbox = NULL;
    roll_back(cx, sandbox->conn);
    cv__db_let_go(cx, sandbox->conn);
    cv__hooks_drop(&sandbox->hooks);
    cv_mutex_done(&sandbox->lock);
}

static int fail_waiting(cv_ctx *cx, const cv_sandbox *sandbox)
{
    cv_fail(cx, CV_E_POOL_TIMEOUT, "could not get the connection of the sandbox: fiber \"%s\" keeps it",
            sandbox->owner ? cv_fiber_name(sandbox->owner) : "?");
    cv_error_hint(cx, "in a sandbox all share one connection: an open transaction cannot wait for another fiber's");
    return CV_E_POOL_TIMEOUT;
}

static int wait_for_lock(cv_ctx *cx, cv_sandbox *sandbox)
{
    int64_t limit_ns = cv_now_ns(cx) + sandbox->db->options.acquire_timeout_ms * 1000000;
    int64_t former_ns = cv_ctx_set_deadline_ns(cx, limit_ns);
    int rc = cv_mutex_lock(cx, &sandbox->lock);
    cv_ctx_restore_deadline_ns(cx, former_ns);
    return rc == CV_E_TIMEOUT && limit_ns < former_ns ? fail_waiting(cx, sandbox) : rc;
}

static int take(cv_ctx *cx, cv_sandbox *sandbox)
{
    if (sandbox->owner != cx)
        CV_TRY(wait_for_lock(cx, sandbox));
    sandbox->owner = cx;
    sandbox->depth++;
    return 0;
}

void cv__sandbox_unlock(cv_ctx *cx, cv_sandbox *sandbox)
{
    if (--sandbox->depth > 0)
        return;
    sandbox->owner = NULL;
    cv_mutex_unlock(cx, &sandbox->lock);
}

int cv__sandbox_lock(cv_ctx *cx, cv_sandbox *sandbox)
{
    CV_TRY(take(cx, sandbox));
    if (sandbox->conn->in_transaction && !sandbox->conn->broken)
        return 0;
    cv__sandbox_unlock(cx, sandbox);
    return cv_fail(cx, CV_E_TX_ABORTED, "the transaction of the sandbox is over: the engine has ended it");
}

/* Whoever works on the connection must not be disturbed: if it stays taken, it is given up, and the cursor with it. */
void cv__sandbox_finish(cv_ctx *cx, cv_sandbox *sandbox, cv__cursor *cursor)
{
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        if (take(cx, sandbox) == 0) {
            sandbox->conn->driver->finish(cx, cursor);
            cv__sandbox_unlock(cx, sandbox);
        } else {
            sandbox->conn->broken = true;
        }
    }
    if (!first && cv_error_last(cx))
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
}

int cv__sandbox_borrow(cv_ctx *cx, cv_sandbox *sandbox, cv__conn **ret_conn)
{
    cv__conn *conn = sandbox->conn;
    CV_TRY(cv__sandbox_lock(cx, sandbox));
    int rc = conn->driver->savepoint(cx, conn, CV__SANDBOX_LEVEL);
    if (rc < 0)
        cv__sandbox_unlock(cx, sandbox);
    else
        *ret_conn = conn;
    return rc;
}

static void undo(cv_ctx *cx, cv__conn *conn)
{
    cv_error *first = cv_error_take(cx);
    CV__ROLLING_BACK(cx)
    {
        if (conn->driver->rollback_to(cx, conn, CV__SANDBOX_LEVEL) < 0 ||
            conn->driver->release(cx, conn, CV__SANDBOX_LEVEL) < 0)
            conn->broken = true;
    }
    cv_error_put_back(cx, first);
}

int cv__sandbox_settle(cv_ctx *cx, cv_sandbox *sandbox, int rc)
{
    cv__conn *conn = sandbox->conn;
    if (rc >= 0)
        rc = conn->driver->release(cx, conn, CV__SANDBOX_LEVEL);
    if (rc < 0 && conn->in_transaction && !conn->broken)
        undo(cx, conn);
    cv__sandbox_unlock(cx, sandbox);
    return rc;
}
