/* Two-phase commit, for engines that have it. */
#include "db/db.h"

#include "base/ctx.h"
#include <stdlib.h>

enum { MAX_GID = 199 }; /* PostgreSQL's GIDSIZE with its NUL is 200 */

static int fail_unsupported(cv_ctx *cx, const cv_db *db)
{
    cv_fail(cx, CV_E_UNSUPPORTED, "%s cannot prepare transactions for two-phase commit", db->driver->name);
    cv_error_hint(cx, "one transaction on one such database can still take part: commit it last");
    return CV_E_UNSUPPORTED;
}

static int check_gid(cv_ctx *cx, const char *gid)
{
    size_t len = strlen(gid);
    if (len == 0 || len > MAX_GID)
        return cv_fail(cx, CV_E_INVALID, "the name of a prepared transaction has %zu bytes, not between 1 and %d", len,
                       MAX_GID);
    for (size_t i = 0; i < len; i++)
        if (gid[i] < ' ' || gid[i] > '~')
            return cv_fail(
                cx, CV_E_INVALID,
                "the name of a prepared transaction has a character that is not printable ASCII, at byte %zu", i);
    return 0;
}

int cv_prepare_transaction(cv_ctx *cx, const char *gid)
{
    struct cv_tx *tx = cx->tx;
    if (!tx)
        return cv_fail(cx, CV_E_NO_TRANSACTION, "cannot prepare a transaction: no atomic block is open");
    if (tx->outer)
        return cv_fail(cx, CV_E_STATE, "cannot prepare an inner atomic block: only the whole transaction");
    if (!tx->db->driver->prepare_transaction)
        return fail_unsupported(cx, tx->db);
    CV_TRY(check_gid(cx, gid));
    if (tx->begun > 0 && tx->db->driver->begin_prepared)
        return cv_fail(cx, CV_E_STATE,
                       "cannot prepare a transaction that has begun: %s has to know before its first "
                       "statement",
                       tx->db->driver->name);
    char *copy = strdup(gid);
    if (!copy)
        return cv_fail(cx, CV_E_NOMEM, "could not prepare a transaction: out of memory");
    free(tx->gid);
    tx->gid = copy;
    return 0;
}

/* A connection of the context's database, outside any transaction. */
static int borrow(cv_ctx *cx, cv_db **ret_db, cv__conn **ret_conn)
{
    cv_db *db = cv__db_need(cx);
    if (!db)
        return CV_E_NO_DATABASE;
    if (!db->driver->finish_prepared)
        return fail_unsupported(cx, db);
    *ret_db = db;
    return cv__db_hold(cx, db, CV__WRITER, ret_conn);
}

static int finish(cv_ctx *cx, const char *gid, bool commit)
{
    cv_db *db;
    cv__conn *conn;
    CV_TRY(check_gid(cx, gid));
    CV_TRY(borrow(cx, &db, &conn));
    int rc = db->driver->finish_prepared(cx, conn, gid, commit);
    cv__db_let_go(cx, conn);
    return rc;
}

int cv_commit_prepared(cv_ctx *cx, const char *gid)
{
    return finish(cx, gid, true);
}

int cv_rollback_prepared(cv_ctx *cx, const char *gid)
{
    return finish(cx, gid, false);
}

int cv_prepared_list(cv_ctx *cx, const cv_prepared **ret_list, size_t *ret_count)
{
    cv_db *db;
    cv__conn *conn;
    cv_prepared *list;
    CV_TRY(borrow(cx, &db, &conn));
    int rc = db->driver->list_prepared(cx, conn, &list, ret_count);
    if (rc == 0)
        *ret_list = list;
    cv__db_let_go(cx, conn);
    return rc;
}
