/* The inside of a database and of a transaction, for this folder only. */
#ifndef COVET_SRC_DB_DB_H
#define COVET_SRC_DB_DB_H

#include "db/database.h"
#include "db/pool/pool.h"
#include "db/retry.h"
#include "db/statement_cache.h"
#include "db/stats/statements.h"
#include "db/transaction/sandbox.h"
#include "db/transaction/transaction.h"
#include "db/write_lane.h"
#include "rt/wait.h"

typedef struct cv__statement_metrics cv__statement_metrics;

struct cv_db {
    const cv__driver *driver;
    void *shared;
    cv_db_options options;
    cv__pool readers;
    cv__pool writers;                         /* max 0: writers share the readers */
    cv__write_lane lane;                      /* of autocommit writes, where the engine groups them */
    cv__statement_metrics *statement_metrics; /* NULL: there is no registry */
    cv__statement_stats *statement_stats;     /* NULL: not wanted */
    cv__statement_cache raw_cache;            /* translated raw statements (raw.c) */
    cv_sandbox *sandbox;                      /* everything runs in it, while there is one */
    cv__tx_watch watch;
    cv__retry_budget retry_budget;
    cv_link changes;    /* its change streams */
    cv__waiter *closer; /* cv_db_close waits for the last reference to go */
    size_t refs;        /* one for each pool that is not drained, one for each raw statement under way */
    bool abandoned;     /* nobody waits any more: the last reference frees the database */
};

/** Keep a database's memory beyond its closing. `cv__db_unref` may free it. */
void cv__db_ref(cv_db *db);
void cv__db_unref(cv_db *db);

/** Show what is counted of prepared statements, from now on; stopped by closing. A second stop has no effect. */
void cv__statement_metrics_start(cv_db *db, const cv_ctx *cx);
void cv__statement_metrics_stop(cv_db *db);

/** The connection for a statement: that of the context's transaction (`*ret_root`), of the sandbox, or a borrowed one;
 *  the transaction is at work until it is settled. Suspends. */
CV_CHECKED int cv__db_take(cv_ctx *cx, cv_db *db, cv__conn_role role, cv_str sql, cv__conn **ret_conn,
                           struct cv_tx **ret_root);

/** What ran on it has ended with `rc`: note it, and give the connection back when it was borrowed. Returns `rc`, or
 * what a sandbox makes of it. */
CV_CHECKED int cv__db_settle(cv_ctx *cx, cv_db *db, cv__conn *conn, struct cv_tx *root, int rc);

/** The pool that serves a role. */
cv__pool *cv__db_pool(cv_db *db, cv__conn_role role);

#endif
