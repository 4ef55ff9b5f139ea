/* Atomic blocks. A block is a cv_tx on the heap, linked from the context; the outermost one, the root, has the
 * connection. States of struct cv__atomic: BEFORE the block, OPEN while its body runs, OVER. */
#include "db/db.h"

#include "base/ctx.h"
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <stdlib.h>

enum { BEFORE, OPEN, OVER };
enum { CLEAN_UP_MS = 50 };

static const cv_tx_options no_options;

bool cv_in_transaction(const cv_ctx *cx)
{
    return cx->tx != NULL;
}

int cv_rollback(cv_ctx *cx)
{
    if (!cx->tx)
        return cv_fail(cx, CV_E_NO_TRANSACTION, "cannot roll back: no atomic block is open");
    cx->tx->rollback_only = true;
    return 0;
}

static int begin_transaction(cv_ctx *cx, struct cv_tx *tx, const cv_tx_options *options)
{
    tx->db = cv__db_need(cx);
    if (!tx->db)
        return CV_E_NO_DATABASE;
    cv_list_init(&tx->streams);
    tx->root = tx;
    tx->isolation = options->isolation;
    tx->read_only = options->read_only;
    cv__pool *pool = cv__db_pool(tx->db, options->read_only ? CV__READER : CV__WRITER);
    CV_TRY(cv__pool_acquire(cx, pool, &tx->conn));
    int rc = tx->conn->driver->begin(cx, tx->conn, options);
    if (rc < 0)
        cv__pool_release(cx, tx->conn);
    return rc;
}

static int begin_savepoint(cv_ctx *cx, struct cv_tx *tx, const cv_tx_options *options)
{
    struct cv_tx *root = cx->tx->root;
    tx->outer = cx->tx;
    tx->root = root;
    tx->level = cx->tx->level + 1;
    if (cx->db != root->db)
        return cv_fail(cx, CV_E_STATE, "a transaction on another database is open");
    if (options->isolation != CV_ISOLATION_DEFAULT && options->isolation != root->isolation)
        return cv_fail(cx, CV_E_STATE, "an inner atomic block cannot change the isolation level");
    if (options != &no_options && !options->read_only && root->read_only)
        return cv_fail(cx, CV_E_STATE, "an inner atomic block cannot write inside a read-only one");
    CV_TRY(cv__tx_check(cx, root));
    CV_TRY(cv__wait_check(cx, "begin an atomic block"));
    int rc = root->conn->driver->savepoint(cx, root->conn, tx->level);
    if (rc < 0)
        cv__tx_note_failure(root);
    return rc;
}

static int begin(cv_ctx *cx, const cv_tx_options *options, struct cv_tx **ret_tx)
{
    struct cv_tx *tx = calloc(1, sizeof *tx);
    if (!tx)
        return cv_fail(cx, CV_E_NOMEM, "could not begin an atomic block: out of memory");
    tx->former_deadline_ns = cv_ctx_deadline_ns(cx);
    if (options->timeout_ms > 0)
        cv_ctx_set_deadline_ns(cx, cv_now_ns(cx) + options->timeout_ms * 1000000);
    int rc = cx->tx ? begin_savepoint(cx, tx, options) : begin_transaction(cx, tx, options);
    if (rc < 0) {
        cv_ctx_restore_deadline_ns(cx, tx->former_deadline_ns);
        free(tx);
        return rc;
    }
    cx->tx = tx;
    *ret_tx = tx;
    return 0;
}

/* Undo what the block did, in a time of its own, and keep the first error. A savepoint that cannot be undone takes the
 * whole transaction with it. */
static void undo(cv_ctx *cx, struct cv_tx *tx)
{
    struct cv_tx *root = tx->root;
    const cv__driver *driver = root->conn->driver;
    cv_error *first = cv_error_take(cx);
    bool failed = false;
    CV_SHIELD(cx, CLEAN_UP_MS)
    {
        cv__tx_close_streams(cx, root, tx->level);
        if (!root->lost && tx->outer) {
            failed =
                driver->rollback_to(cx, root->conn, tx->level) < 0 || driver->release(cx, root->conn, tx->level) < 0;
            root->lost = failed;
        } else if (!tx->outer && root->conn->in_transaction && !root->conn->broken) {
            failed = driver->rollback(cx, root->conn) < 0;
            root->conn->broken |= failed;
        }
    }
    if (failed && !first)
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
}

static int commit(cv_ctx *cx, struct cv_tx *tx)
{
    struct cv_tx *root = tx->root;
    CV_TRY(cv__tx_check(cx, root));
    CV_TRY(cv__wait_check(cx, "commit"));
    if (tx->outer)
        return root->conn->driver->release(cx, root->conn, tx->level);
    cv__tx_close_streams(cx, root, 0);
    return root->conn->driver->commit(cx, root->conn);
}

/* The block is over: the context is as before it. */
static void leave(cv_ctx *cx, struct cv_tx *tx)
{
    cx->tx = tx->outer;
    cv_ctx_restore_deadline_ns(cx, tx->former_deadline_ns);
    if (!tx->outer)
        cv__pool_release(cx, tx->conn);
    free(tx);
}

/* The closing brace was reached. */
static int end(cv_ctx *cx, struct cv_tx *tx)
{
    int rc = tx->rollback_only ? 0 : commit(cx, tx);
    if (rc < 0 || tx->rollback_only)
        undo(cx, tx);
    leave(cx, tx);
    if (rc < 0)
        cx->tx_marked = true;
    return rc;
}

struct cv__atomic cv__atomic_make(cv_ctx *cx, const cv_tx_options *options)
{
    return (struct cv__atomic){.cx = cx, .options = options ? options : &no_options, .state = BEFORE};
}

int cv__atomic_step(struct cv__atomic *atomic)
{
    if (atomic->state == OPEN) {
        atomic->state = OVER;
        return end(atomic->cx, atomic->tx);
    }
    struct cv_tx *tx = NULL;
    CV_TRY(begin(atomic->cx, atomic->options, &tx));
    atomic->tx = tx;
    atomic->state = OPEN;
    return 1;
}

void cv__atomic_leave(struct cv__atomic *atomic)
{
    if (atomic->state != OPEN)
        return;
    atomic->state = OVER;
    undo(atomic->cx, atomic->tx);
    leave(atomic->cx, atomic->tx);
    atomic->cx->tx_marked = true;
}
