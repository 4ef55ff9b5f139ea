/* The inside of a database and of a transaction, for this folder only. */
#ifndef COVET_SRC_DB_DB_H
#define COVET_SRC_DB_DB_H

#include "db/database.h"
#include "db/pool.h"
#include "db/statement_cache.h"
#include "rt/wait.h"

struct cv_db {
    const cv__driver *driver;
    void *shared;
    cv_db_options options;
    cv__pool readers;
    cv__pool writers;              /* max 0: writers share the readers */
    cv__statement_cache raw_cache; /* translated raw statements (raw.c) */
    cv__waiter *closer;            /* cv_db_close waits for the last reference to go */
    size_t refs;                   /* one for each pool that is not drained, one for each raw statement under way */
    bool abandoned;                /* nobody waits any more: the last reference frees the database */
};

/* An open atomic block. The outermost one, the root, has the connection. */
struct cv_tx {
    struct cv_tx *outer; /* NULL for the root */
    struct cv_tx *root;
    int level; /* 0 for the root; the number of the savepoint otherwise */
    bool rollback_only;
    int64_t former_deadline_ns;
    /* of the root: */
    cv_db *db;
    cv__conn *conn;
    cv_isolation isolation;
    bool read_only;
    bool lost;       /* the engine has ended the transaction, or the connection is gone: only leaving is possible */
    cv_link streams; /* open row streams, newest first */
};

/** Keep a database's memory beyond its closing. `cv__db_unref` may free it. */
void cv__db_ref(cv_db *db);
void cv__db_unref(cv_db *db);

/** The pool that serves a role. */
cv__pool *cv__db_pool(cv_db *db, cv__conn_role role);

/** The open transaction of the context when it is on this database, its root; else NULL. */
struct cv_tx *cv__tx_root(const cv_ctx *cx, const cv_db *db);

/** 0, or CV_E_TX_ABORTED when the transaction cannot go on. */
CV_CHECKED int cv__tx_check(cv_ctx *cx, const struct cv_tx *root);

/** Look at the connection after a failure inside a transaction: whether the engine has ended it. */
void cv__tx_note_failure(struct cv_tx *root);

/** Close the streams opened at this level and deeper. */
void cv__tx_close_streams(cv_ctx *cx, struct cv_tx *root, int level);

#endif
