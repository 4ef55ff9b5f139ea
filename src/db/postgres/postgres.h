/* The PostgreSQL driver from the inside: one connection, its prepared statements, its cursors.
 *
 * A connection carries the answer of at most one statement at a time: `live` is the cursor whose rows are still on the
 * wire. Everything that sends something reads the rest of it into memory first (cv__pg_make_ready), so that the wire is
 * idle between calls, except below a live cursor. Whoever cannot read an answer to its end (deadline, cancellation,
 * lost server) marks the connection broken: nothing may be sent on it any more. */
#ifndef COVET_SRC_DB_POSTGRES_POSTGRES_H
#define COVET_SRC_DB_POSTGRES_POSTGRES_H

#include "db/db_driver.h"
#include "db/row_memory.h"
#include "db/server/hosts.h"
#include "db/server/tx_sql.h"
#include "db/statement_cache.h"
#include "rt/wait.h"
#include <libpq-fe.h>

/** Rows of open cursors that one connection keeps in memory for the sake of other statements. */
#define CV__PG_KEEP_MAX_BYTES ((size_t)16 << 20)
/** libpq never gives memory back to the system before the connection is closed: one that had a larger row or statement
 * is not used again. */
#define CV__PG_SWOLLEN_BYTES ((size_t)4 << 20)

/** What a server must be (target_session_attrs). */
typedef enum cv__pg_target {
    CV__PG_ANY,
    CV__PG_READ_WRITE,
    CV__PG_READ_ONLY,
    CV__PG_PRIMARY,
    CV__PG_STANDBY,
    CV__PG_PREFER_STANDBY
} cv__pg_target;

/** Whether connections go through a transaction pooler, which gives each transaction the server's session that is free:
 *  as it is found out at connect, or as the URL says. */
typedef enum cv__pg_pooler { CV__PG_POOLER_AUTO, CV__PG_POOLER_YES, CV__PG_POOLER_NO } cv__pg_pooler;

/** The keywords that each attempt sets for itself; the others follow. */
enum { CV__PG_KEY_HOSTADDR, CV__PG_KEY_HOST, CV__PG_KEY_PORT, CV__PG_KEY_OPTIONS, CV__PG_KEY_REPLICATION };

/** What all connections of one database share: made by open; constant afterwards, but for what was learned of the
 * hosts and what is counted. */
typedef struct cv__pg_shared {
    cv_arena *arena; /* holds everything here */
    cv__db_host *hosts;
    size_t host_count;
    cv__pg_target target;
    cv__pg_pooler pooler;
    bool needs_session;                   /* settings of the session were asked for that a pooler would lose */
    bool behind_pooler[CV_URL_MAX_HOSTS]; /* by host: a pooler that takes no session settings answered there */
    bool any_order;                       /* the hosts are tried in a random order */
    const char *place;                    /* for messages: all hosts */
    const char **keywords;                /* for PQconnectStartParams, ended by NULL */
    const char **values;
    size_t statement_cache;        /* prepared statements kept per connection */
    int64_t statement_lifetime_ns; /* 0: for ever */
    cv__statement_counters statements;
    int64_t connect_timeout_ms;
    struct cv__pg_sharing *sharing;   /* see shared.c */
    struct cv__control *control;      /* where statements are cancelled */
    struct cv__pg_listener *listener; /* see listen.c; NULL until first needed */
    int64_t listen_check_ms;
    int shared_connections; /* of the URL: how many; -1: none; 0: nothing was said */
    size_t errands;         /* fibers and readers of the log that use it, besides connections */
    bool closed;            /* nothing else does: the last errand frees it */
} cv__pg_shared;

typedef struct cv__pg_cursor cv__pg_cursor;
typedef struct cv__pg_copy cv__pg_copy;
typedef struct cv__pg_sharing cv__pg_sharing;
typedef struct cv__pg_listener cv__pg_listener;

typedef struct cv__pg_conn {
    cv__conn base;
    cv__pg_shared *shared;
    size_t host; /* which one of the shared hosts */
    PGconn *pg;
    cv__poll *poll; /* of the socket, once connected */
    cv__statement_cache statements;
    uint64_t names; /* numbers the prepared statements */
    cv_buf stale;   /* DEALLOCATE commands of statements that left the cache */
    size_t stale_count;
    /* A transaction is begun, and nested, on the server with its first statement; until then: */
    char begin[96]; /* the command, or "" */
    cv__savepoints savepoints;
    bool pipelined;      /* the statement under way travels with others before it: its end is that of the pipeline */
    cv_link cursors;     /* all that are open */
    cv__pg_cursor *live; /* the one whose rows are still on the wire, or NULL */
    size_t kept_bytes;   /* rows of cursors in memory */
    cv__pg_copy *copy;   /* rows are being copied: nothing else can be sent; see copy.h */
    bool replication;    /* made for reading the log: it takes the commands of replication as well */
    bool pooled;         /* a transaction pooler is in between: the next transaction may be in another session */
    bool touched;        /* session settings may differ from those after connect */
    bool checks_client;  /* the server looks for our hang-up while it works */
    bool swollen;
    int direct_reads; /* of rows, since the socket was last waited for */
    bool commanding;  /* what is under way is a command of the driver's own, which is not cancelled */
    bool giving_up;   /* a statement is being cancelled and its answer drained */
    char running[48]; /* how the present or last statement begins, up to the first letter that is not ASCII */
} cv__pg_conn;

static inline cv__pg_conn *cv__pg_conn_of(cv__conn *conn)
{
    return (cv__pg_conn *)(void *)conn;
}

/** Where a connection leads, for messages. */
static inline const char *cv__pg_place(const cv__pg_conn *conn)
{
    return conn->shared->hosts[conn->host].place;
}

/* --- options.c --- */

/** The shared state of a URL and options; free with cv__pg_shared_free (NULL allowed), which overwrites the password.
 * CV_E_CONFIG, CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__pg_shared_new(cv_ctx *cx, const cv_url *url, const cv_db_options *options,
                                 cv__pg_shared **ret_shared);
void cv__pg_shared_free(cv__pg_shared *shared);

/** The value that a keyword is given, or NULL. */
const char *cv__pg_keyword(const cv__pg_shared *shared, const char *keyword);

/* --- prepared.c: two-phase commit; outcome.c: what became of a transaction --- */

CV_CHECKED int cv__pg_prepare_transaction(cv_ctx *cx, cv__conn *conn, const char *gid);
CV_CHECKED int cv__pg_finish_prepared(cv_ctx *cx, cv__conn *conn, const char *gid, bool commit);
CV_CHECKED int cv__pg_list_prepared(cv_ctx *cx, cv__conn *conn, cv_prepared **ret_list, size_t *ret_count);
CV_CHECKED int cv__pg_transaction_id(cv_ctx *cx, cv__conn *conn, char *ret_id, size_t size);
CV_CHECKED int cv__pg_transaction_status(cv_ctx *cx, cv__conn *conn, const char *id, cv_tx_outcome *ret_outcome);

/* --- health.c --- */

CV_CHECKED int cv__pg_health(cv_ctx *cx, cv__conn *conn, cv_db_report *ret_report);
CV_CHECKED int cv__pg_list_plans(cv_ctx *cx, cv__conn *conn, cv_statement_plan **ret_list, size_t *ret_count);

/* --- driver.c --- */

/** Free the shared state, now or when the last errand has ended. */
void cv__pg_shared_close(cv__pg_shared *shared);

/** One of `shared->errands` has ended: nothing of it touches the shared state any more. */
void cv__pg_errand_ended(cv__pg_shared *shared);

/* --- changes/: change streams --- */

extern const struct cv__changes_driver cv__changes_postgres;

/* --- listen.c: notifications --- */

extern const cv__notify_driver cv__pg_notify;

/** The database is being closed: all subscriptions end, and the fiber with its connection as soon as it runs. */
void cv__pg_listener_close(cv__pg_shared *shared);
/** NULL is allowed. */
void cv__pg_listener_free(cv__pg_listener *listener);

#endif
