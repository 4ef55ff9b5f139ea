/* The driver interface: what an engine implements, and what it may rely on.
 *
 * A driver is a constant table of functions. It knows connections, statements and rows; it does not know pools,
 * transactions' nesting or models. Life of a connection, with the functions that may be called in each state:
 *
 *     connect -> IDLE -> execute -> (rows pending) ROWS -> fetch ... finish -> IDLE
 *                IDLE -> begin -> IN TRANSACTION -> execute..., savepoint..., commit | rollback -> IDLE
 *                any  -> (lost, timed out in the middle) BROKEN -> disconnect
 *
 * Rules for every function with a context: it suspends the fiber while it waits and never blocks the loop; it obeys the
 * context's deadline and cancellation (CV_E_TIMEOUT, CV_E_CANCELLED); on failure it reports the story in the context,
 * with the engine's own words as detail and SQLSTATE, table, column and constraint where they are known, and returns
 * the code. When the connection cannot be used any more it sets conn->broken. Only one fiber uses a connection at a
 * time. */
#ifndef COVET_SRC_DB_DB_DRIVER_H
#define COVET_SRC_DB_DB_DRIVER_H

#include "db/statement_cache.h"
#include "sql/dialect.h"
#include <covet/db.h>
#include <covet/db_stats.h>
#include <covet/engine.h>
#include <covet/fiber.h>
#include <covet/list.h>
#include <covet/notify.h>
#include <covet/prepared.h>
#include <covet/runtime.h>
#include <covet/transaction.h>
#include <covet/url.h>

/** What cleaning up may take beyond deadline and cancellation, in all: rolling back, cancelling, draining, handing
 * back. The promise to the caller is 50 ms; the rest is for it to be run again, beside all others whose time is over.
 */
enum { CV__CLEAN_UP_MS = 30 };

/** What rolling back may take of the time that the context still has: a server that is far away or busy needs more than
 *  the above, and a transaction should not be lost to that. */
enum { CV__ROLL_BACK_MS = 5000 };

static inline struct cv__within cv__roll_back_enter(cv_ctx *cx)
{
    bool has_time = !cv_is_cancelled(cx) && cv_ctx_deadline_ns(cx) - cv_now_ns(cx) > CV__CLEAN_UP_MS * INT64_C(1000000);
    return has_time ? cv__within_enter(cx, CV__ROLL_BACK_MS) : cv__shield_enter(cx, CV__CLEAN_UP_MS);
}

/** Roll back in the block: within CV__ROLL_BACK_MS, the deadline and until a cancellation, or within CV__CLEAN_UP_MS
 * when the context has less left than that. */
#define CV__ROLLING_BACK(cx)                                                                                           \
    for (struct cv__within CV__UNIQUE(cv__within_)                                                                     \
             __attribute__((cleanup(cv__within_leave))) = cv__roll_back_enter(cx);                                     \
         CV__UNIQUE(cv__within_).open; CV__UNIQUE(cv__within_).open = 0)

typedef struct cv__driver cv__driver;
typedef struct cv__conn cv__conn;
typedef struct cv__cursor cv__cursor;

/** What a connection is borrowed for. Engines with one kind of connection ignore it. */
typedef enum cv__conn_role { CV__READER, CV__WRITER } cv__conn_role;

/** Rows that a statement reads as the table `dialect->row_source`, each made when it is its turn. */
typedef struct cv__row_source {
    /** The values of the row `index`, in stored form, valid until the next call. Does not suspend. An error, with its
     *  story in the context, ends the statement with this code. */
    int (*row)(cv_ctx *cx, void *arg, size_t index, const cv_value **ret_values);
    void *arg;
    size_t row_count, column_count;
} cv__row_source;

/** What a bulk statement reads, when that is columns of one table, as they are. */
typedef struct cv__bulk_table {
    cv_str name;    /* quoted */
    cv_str columns; /* quoted, with commas */
} cv__bulk_table;

/** A statement, as the upper floors hand it down. All views must stay valid until the call returns (params: until
 * finish). */
typedef struct cv__statement {
    cv_str sql;             /* the engine's own placeholders */
    uint64_t hash;          /* cv_hash of sql when the caller has it, else 0 */
    const cv_value *params; /* stored form (dialect->store) */
    size_t param_count;
    const cv__column_type *columns; /* wanted types of the result's columns; NULL: as the engine declares them */
    size_t column_count;            /* 0 with columns NULL: whatever comes */
    const cv__row_source *rows;     /* NULL: none; only where the dialect has a row source */
    bool quick;                     /* a read that ends soon and has few rows: it may share a connection with others */
    bool uncached;                  /* do not keep the prepared statement (DDL, one-off bulk statements) */
    bool bulk;                      /* many rows are wanted, each once: any faster way to read them will do */
    const cv__bulk_table *bulk_table; /* with it: whose rows these are; NULL: those of a query */
    bool groupable;                   /* one INSERT, UPDATE or DELETE: it may share its commit with others */
} cv__statement;

/* How much of a statement's text is kept for telling what a borrower runs. */
enum { CV__NOTED_SQL_BYTES = 120 };

/** The head of every connection; drivers embed it as their first member. */
struct cv__conn {
    const cv__driver *driver;
    cv_link link; /* owned by the pool */
    void *pool;   /* owned by the pool */
    cv__conn_role role;
    bool broken;         /* set by the driver; the pool then disconnects it */
    bool lost;           /* set by the driver, too, when it was the peer that went away */
    bool in_transaction; /* kept by the driver as the engine reports it */
    /* owned by the pool: */
    int64_t idle_since_ns, lent_since_ns;
    int64_t expires_ns; /* end of its life */
    cv_ctx *borrower;
    unsigned borrows;           /* a fiber may borrow the only connection of a pool more than once */
    unsigned epoch, generation; /* see cv__pool */
    bool in_idle;
    bool revoked;          /* taken back from its borrower, who may still call on it */
    bool severing, let_go; /* the pool is cutting it off; its borrower has returned it meanwhile */
    bool leak_told;
    struct cv__stack_trace *stack; /* where it was borrowed, with leak detection; or NULL */
    char sql[CV__NOTED_SQL_BYTES]; /* the beginning of its present or last statement */
};

/** The head of every cursor; drivers embed it as their first member. */
struct cv__cursor {
    const cv__driver *driver;
    cv__conn *conn; /* NULL: the rows are the cursor's own (execute_shared) */
    size_t column_count;
    const char *const *column_names; /* valid until finish */
};

/** Notifications, of an engine that has them. */
typedef struct cv__notify_driver {
    /** The statement that sends one; its values are the channel and the payload. */
    const char *send_sql;
    /** Have what comes on the subscription's channel pushed to it (db/notify.h), from when the call returns, until
     *  unlisten, which follows even when this fails. Suspends. */
    int (*listen)(cv_ctx *cx, void *shared, cv_subscription *subscription);
    /** Does not suspend. Not called any more after cv__subscription_close. */
    void (*unlisten)(void *shared, cv_subscription *subscription);
} cv__notify_driver;

#define CV__CAN(name) (UINT64_C(1) << CV_CAN_##name)

struct cv__driver {
    const char *name;
    const cv__dialect *dialect;
    /** What the engine can do: a bit for each cv_capability (covet/engine.h), CV__CAN(NAME). */
    uint64_t capabilities;
    /** How many connections of each role a database has by default; 0 writers: writers share the readers' pool. */
    size_t default_readers, default_writers;

    /** Check URL and options, make the state shared by all connections of one database. `*ret_shared` is handed to
     * connect. Options are complete: defaults and the URL options of every engine are merged by the caller; what
     * url->query still has is the engine's own, and unknown ones are refused (cv__db_unknown_option). Does not suspend.
     * CV_E_CONFIG. */
    int (*open)(cv_ctx *cx, const cv_url *url, const cv_db_options *options, void **ret_shared);
    void (*close)(void *shared);

    /** Optional. How many connections of a role this database can have, when `wanted` are; 0 writers: writers share the
     * readers' pool. */
    size_t (*limit)(const void *shared, cv__conn_role role, size_t wanted);

    /** Make a connection, ready for use, within options->connect_timeout_ms. Suspends. */
    int (*connect)(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn);
    /** Free it, whatever its state; open cursors of it are invalid afterwards. Never waits. */
    void (*disconnect)(cv__conn *conn);

    /** Make the connection fit for the next borrower: no transaction, no open cursor, session settings as after
     * connect. Within the small clean-up budget that the caller has set. Failing sets conn->broken. Suspends. */
    int (*reset)(cv_ctx *cx, cv__conn *conn);

    /** Optional. Whether reset would have nothing to do; it is then not called. Does not wait. */
    bool (*is_clean)(const cv__conn *conn);

    /** Optional. Whether an idle connection is still usable, without waiting. Called for one that was idle for more
     * than a moment. */
    bool (*is_alive)(cv__conn *conn);

    /** Optional; engines without a server leave it out, and their connections do not grow old. Ask the server for a
     * sign of life by an empty query, on an idle connection, within the context's deadline. Suspends. */
    int (*ping)(cv_ctx *cx, cv__conn *conn);

    /** Optional. Cut a lent connection off under its borrower, who may be suspended in a call on it, or outside of any:
     * what runs ends soon with an error, locks are freed. `conn->broken` is set already; the object stays until
     * disconnect. From a fiber of the pool. Suspends, at most for the clean-up budget that the caller has set. */
    void (*sever)(cv_ctx *cx, cv__conn *conn);

    /** Optional, both or none. Take an idle connection off its runtime, so that another thread may have it; and onto
     * the present one, for the database whose state is `shared`. After a failed attach it can only be disconnected, as
     * can one between the two. Neither suspends. */
    void (*detach)(cv__conn *conn);
    int (*attach)(cv_ctx *cx, void *shared, cv__conn *conn);

    /** Run a statement. For one with rows, `*ret_cursor` gets a cursor before the first row, owned by the caller until
     * finish; for one without, it gets NULL and `ret_result` (never NULL) is filled. Several cursors may be open on one
     * connection, and statements may run while cursors are open: the driver sees to it. */
    int (*execute)(cv_ctx *cx, cv__conn *conn, const cv__statement *statement, cv_result *ret_result,
                   cv__cursor **ret_cursor);

    /** Optional. Run a quick statement beside those of other fibers, outside any transaction, as a read of its own. 0
     * with a cursor that has all its rows and needs no connection, or NULL for a statement without rows; 1 when there
     * is no place for it now, and nothing has happened: it takes a connection of its own then. Suspends. */
    int (*execute_shared)(cv_ctx *cx, void *shared, const cv__statement *statement, cv__cursor **ret_cursor);

    /** With execute_shared: the database is being closed. What is under way fails with CV_E_CLOSED, and nothing comes
     * after. Does not suspend. */
    void (*close_shared)(void *shared);

    /** The next row into `cells` (column_count of them): 1, 0 at the end, or an error. Values have the wanted types;
     * views are valid until the next fetch or finish. At the end `ret_result` (may be NULL) is filled. */
    int (*fetch)(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result);

    /** Free the cursor; rows not yet read are dropped within the clean-up budget or the connection is marked broken.
     * NULL allowed. */
    void (*finish)(cv_ctx *cx, cv__cursor *cursor);

    /** Optional: the engine's autocommit writes share commits (write_lane.h). Run one statement inside a transaction of
     * `begin` that it shares with others, so that it stands or falls alone: when it fails, all that it did is undone
     * and what the others did stays. Rows that it returns are dropped. 1: it has not run and wants to be alone. When
     * the engine has ended the whole transaction, conn->in_transaction is false afterwards. A failing commit tells what
     * became of the group: CV_E_COMMIT_UNKNOWN when that is not known, any other code when nothing was written. */
    int (*run_grouped)(cv_ctx *cx, cv__conn *conn, const cv__statement *statement, cv_result *ret_result);

    /** Begin, end and nest. `level` numbers savepoints from 1: the driver makes the name ("cv_1"), never from outside.
     */
    int (*begin)(cv_ctx *cx, cv__conn *conn, const cv_tx_options *options);
    int (*commit)(cv_ctx *cx, cv__conn *conn);
    int (*rollback)(cv_ctx *cx, cv__conn *conn);
    int (*savepoint)(cv_ctx *cx, cv__conn *conn, int level);
    int (*release)(cv_ctx *cx, cv__conn *conn, int level);
    int (*rollback_to)(cv_ctx *cx, cv__conn *conn, int level);

    /** Optional: for engines where a transaction has to be declared before its first statement if it is to be prepared.
     *  Called instead of begin, with the checked name; a rollback ends it as any other. CV_E_EXISTS now or later. */
    int (*begin_prepared)(cv_ctx *cx, cv__conn *conn, const cv_tx_options *options, const char *gid);

    /** Optional: two phases. Prepare the transaction under a checked name instead of committing it: the connection is
     * then outside any transaction, or, where another session can finish it only after this one is gone, it is marked
     * broken. The same errors as commit. */
    int (*prepare_transaction)(cv_ctx *cx, cv__conn *conn, const char *gid);
    /** Finish it, on a connection without a transaction. CV_E_NOT_FOUND. */
    int (*finish_prepared)(cv_ctx *cx, cv__conn *conn, const char *gid, bool commit);
    /** All that are prepared, the oldest first, in the context's arena. */
    int (*list_prepared)(cv_ctx *cx, cv__conn *conn, cv_prepared **ret_list, size_t *ret_count);

    /** Optional: for engines that may lose the answer to COMMIT. The number of the open transaction, as a text that any
     * later connection understands. */
    int (*transaction_id)(cv_ctx *cx, cv__conn *conn, char *ret_id, size_t size);
    /** What became of the transaction of this number; asked on another connection. */
    int (*transaction_status)(cv_ctx *cx, cv__conn *conn, const char *id, cv_tx_outcome *ret_outcome);

    /** Whether a statement writes, for routing raw SQL to a writer; only for engines with writers of their own, else
     * NULL. A statement that cannot be told counts as writing. Uses an idle connection of the driver's choice; does not
     * suspend. */
    bool (*writes)(cv_ctx *cx, cv__conn *reader, cv_str sql);

    /** What all connections of a database count of their prepared statements. */
    const cv__statement_counters *(*statement_counters)(const void *shared);

    /** Ask the server, over an idle connection, how it is: everything of the report but `engine`, texts in the
     * context's arena. Suspends. */
    int (*health)(cv_ctx *cx, cv__conn *conn, cv_db_report *ret_report);

    /** Optional. The statements that the server has prepared for this connection, in the context's arena. Suspends. */
    int (*plans)(cv_ctx *cx, cv__conn *conn, cv_statement_plan **ret_list, size_t *ret_count);

    /** Optional. Bulk (db/copy/copy.h). */
    const struct cv__copy_driver *copy;

    /** Optional. Change streams (db/changes.h). */
    const struct cv__changes_driver *changes;

    /** Optional, with CV_CAN_NOTIFICATIONS; close_shared closes all subscriptions (cv__subscription_close). */
    const cv__notify_driver *notify;
};

extern const cv__driver cv__driver_sqlite;
extern const cv__driver cv__driver_postgres;
extern const cv__driver cv__driver_mariadb;

/** The driver of a URL scheme. CV_E_CONFIG for one that there is none of, with the nearest that there is. */
CV_CHECKED int cv__driver_find(cv_ctx *cx, const char *scheme, const cv__driver **ret_driver);

/** Report an unknown option of a database URL, with the nearest of the engine's own names and those of every engine.
 *  Returns CV_E_CONFIG. */
int cv__db_unknown_option(cv_ctx *cx, cv_str name, const char *const *own_names, size_t own_count);

#endif
