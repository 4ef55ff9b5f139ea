/* The MariaDB driver from the inside: one connection, its prepared statements, its cursors.
 *
 * A connection carries the answer of at most one statement at a time: `live` is the cursor whose rows are still on the
 * wire. Everything that sends something reads the rest of it into memory first (cv__my_make_ready), so that the wire is
 * idle between calls, except below a live cursor. Whoever cannot read an answer to its end (deadline, cancellation,
 * lost server) marks the connection broken: nothing may be sent on it any more.
 *
 * Connector/C suspends its calls on a stack of its own (its _start and _cont functions). We suspend only between two of
 * them, on our own stack: all of that is in wire.c. */
#ifndef COVET_SRC_DB_MARIADB_MARIADB_H
#define COVET_SRC_DB_MARIADB_MARIADB_H

#include "db/db_driver.h"
#include "db/row_memory.h"
#include "db/server/hosts.h"
#include "db/server/tx_sql.h"
#include "rt/wait.h"
#include <mysql.h>
#include <stdatomic.h>

/** Rows of open cursors that one connection keeps in memory for the sake of other statements. */
#define CV__MY_KEEP_MAX_BYTES ((size_t)16 << 20)
/** Connector/C never gives memory back before the connection is closed: one that had a larger row or statement is not
 *  used again. */
#define CV__MY_SWOLLEN_BYTES ((size_t)4 << 20)

/** How much TLS is asked for (ssl_mode). */
typedef enum cv__my_tls {
    CV__MY_TLS_PREFERRED,
    CV__MY_TLS_DISABLED,
    CV__MY_TLS_REQUIRED,
    CV__MY_TLS_VERIFY_CA,
    CV__MY_TLS_VERIFY_IDENTITY
} cv__my_tls;

/** What all connections of one database share: made by open; constant afterwards, but for what was learned of the
 *  hosts and what is counted. Texts that were not given are NULL. */
typedef struct cv__my_shared {
    cv_arena *arena; /* holds everything here */
    atomic_int references;
    cv__db_host *hosts;
    size_t host_count;
    bool any_order;    /* the hosts are tried in a random order */
    bool read_only;    /* every transaction is */
    const char *place; /* for messages: all hosts */
    const char *user, *password, *database, *program_name, *time_zone;
    cv__my_tls tls;
    const char *ssl_ca, *ssl_capath, *ssl_cert, *ssl_key, *ssl_key_password, *ssl_cipher, *ssl_crl, *tls_version;
    bool compress;
    size_t statement_cache;        /* prepared statements kept per connection */
    int64_t statement_lifetime_ns; /* 0: for ever */
    int64_t connect_timeout_ms;
    cv__statement_counters statements;
    struct cv__control *control; /* where statements are cancelled */
} cv__my_shared;

typedef struct cv__my_cursor cv__my_cursor;
typedef struct cv__my_conn cv__my_conn;

/** Continue a suspended call of Connector/C: what it waits for now, 0 when it has ended and its result is in
 *  `conn->call`. */
typedef int cv__my_cont_fn(cv__my_conn *conn, int events);

struct cv__my_conn {
    cv__conn base;
    cv__my_shared *shared;
    size_t host; /* which one of the shared hosts */
    MYSQL *my;   /* NULL: none */
    cv__poll *poll;
    struct {
        cv__my_cont_fn *cont; /* of the call that is suspended; NULL: none */
        MYSQL_STMT *statement;
        MYSQL_RES *rows;
        int number;
        my_bool flag;
        MYSQL *connected;
        MYSQL_ROW row;
    } call;
    int waits_for; /* the events that it waits for */
    cv__statement_cache statements;
    cv_link stale;   /* statements that left the cache, to be closed */
    size_t prepared; /* statements that exist on the server */
    /* A transaction is begun, and nested, on the server with its first statement; until then: */
    bool begins;
    const char *isolation; /* of the transaction that is to begin: "SERIALIZABLE"; NULL: the session's */
    bool begins_read_only;
    char *gid; /* of a transaction of XA, from its beginning to its end; or NULL */
    cv__savepoints savepoints;
    cv_link cursors;           /* all that are open */
    cv__my_cursor *live;       /* the one whose rows are still on the wire, or NULL */
    size_t kept_bytes;         /* rows of cursors in memory */
    uint64_t max_packet_bytes; /* what the server takes in one packet */
    bool touched;              /* the session may differ from what it was after connect */
    bool swollen;
    bool is_mysql;         /* the server is MySQL, not MariaDB */
    unsigned rows_at_once; /* fetched since the fiber last waited */
    bool commanding;       /* what is under way is a command of the driver's own, which is not cancelled */
    bool giving_up;        /* a statement is being cancelled and its answer drained */
};

static inline cv__my_conn *cv__my_conn_of(cv__conn *conn)
{
    return (cv__my_conn *)(void *)conn;
}

/** Where a connection leads, for messages. */
static inline const char *cv__my_place(const cv__my_conn *conn)
{
    return conn->shared->hosts[conn->host].place;
}

/* --- options.c --- */

/** The shared state of a URL and options; free with cv__my_shared_free (NULL allowed), which overwrites the password.
 *  CV_E_CONFIG, CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__my_shared_new(cv_ctx *cx, const cv_url *url, const cv_db_options *options,
                                 cv__my_shared **ret_shared);
void cv__my_shared_free(cv__my_shared *shared);
/** Another owner, on whatever thread; each frees it. */
cv__my_shared *cv__my_shared_ref(cv__my_shared *shared);

/* --- health.c --- */

CV_CHECKED int cv__my_health(cv_ctx *cx, cv__conn *base, cv_db_report *ret_report);

#endif
