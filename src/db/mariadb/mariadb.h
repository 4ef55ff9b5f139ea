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

/* --- connect.c: the driver's connect, disconnect and what belongs to them --- */

CV_CHECKED int cv__my_connect(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn);

/** A handle of Connector/C with the options of the database, to be connected. NULL without memory. */
MYSQL *cv__my_handle(const cv__my_shared *shared);

void cv__my_disconnect(cv__conn *base);
bool cv__my_is_alive(cv__conn *conn);
void cv__my_sever(cv_ctx *cx, cv__conn *base);
void cv__my_detach(cv__conn *base);
CV_CHECKED int cv__my_attach(cv_ctx *cx, void *shared, cv__conn *base);

/* --- greeting.c --- */

typedef enum cv__my_greeting {
    CV__MY_GREETING_NONE,  /* an error, another protocol, or the end */
    CV__MY_GREETING_LATE,  /* none has come in time */
    CV__MY_GREETING_PART,  /* not all of it has come */
    CV__MY_GREETING_PLAIN, /* without TLS */
    CV__MY_GREETING_TLS
} cv__my_greeting;

/** Wait for the server's greeting on a socket that connects, and look at it; it is left to be read, as is an error of
 *  the socket. Never CV__MY_GREETING_PART. Blocks, for so long at most, or until the socket is shut down: for a thread.
 */
cv__my_greeting cv__my_await_greeting(int fd, int64_t limit_ms);

/* --- refusal.c --- */

/** The code of ours for the failure of an attempt to connect. */
int cv__my_connect_code(MYSQL *my);

/** Report the failure of an attempt to connect, with what to do about it. `*ret_final` tells whether it holds at every
 *  other address and host: the password, the name of the database. */
int cv__my_fail_connect(cv_ctx *cx, const cv__my_conn *conn, bool *ret_final);

/* --- wire.c: driving Connector/C --- */

/** Drive a call that was started to its end. `events` is what its _start function returned, `cont` continues it and
 *  leaves its result in `conn->call`. 0 when it has ended, with success or not. CV_E_TIMEOUT, CV_E_CANCELLED: the
 *  statement was given up; the connection is broken, or idle again. Suspends. */
CV_CHECKED int cv__my_drive(cv_ctx *cx, cv__my_conn *conn, int events, cv__my_cont_fn *cont);

/** Go on with the call that is suspended, to its end. Errors of the wait: it is still suspended then. Suspends. */
CV_CHECKED int cv__my_resume(cv_ctx *cx, cv__my_conn *conn);

/** Leave no call suspended, whatever becomes of the connection. Never waits. */
void cv__my_abandon(cv__my_conn *conn);

/** The calls, driven to their end: 0, or an error of the wait, or the story of Connector/C's error. Suspend. */
CV_CHECKED int cv__my_prepare(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement, cv_str sql);
CV_CHECKED int cv__my_execute_statement(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);
/** 1 with a row, handed to the statement's callback, or 0 at the end. */
CV_CHECKED int cv__my_fetch_row(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);
/** 1 when there is another result, of which `statement->field_count` tells whether it has rows; 0 when there is none.
 */
CV_CHECKED int cv__my_next_result(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);
/** Drop what is left of the rows. */
CV_CHECKED int cv__my_free_result(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);
CV_CHECKED int cv__my_close_statement(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement);

/** Run a command of the driver's own, without rows. The wire must be ready. Suspends. */
CV_CHECKED int cv__my_command(cv_ctx *cx, cv__my_conn *conn, const char *sql);

/** Run a query of the driver's own, as a text, and have all of its rows in memory: `*ret_rows` is to be freed with
 *  mysql_free_result; NULL for one without rows. The wire must be ready. Suspends. */
CV_CHECKED int cv__my_query(cv_ctx *cx, cv__my_conn *conn, cv_str sql, MYSQL_RES **ret_rows);

/** Make the wire ready for a statement: the rest of a live cursor is read into memory, statements that left the cache
 *  are closed, the transaction is begun. CV_E_LIMIT when the rows are too many. Suspends. */
CV_CHECKED int cv__my_make_ready(cv_ctx *cx, cv__my_conn *conn);

/** Mark the connection broken and report what Connector/C says about it as CV_E_CONNECTION_LOST. */
int cv__my_lost(cv_ctx *cx, cv__my_conn *conn);

/** Take over what Connector/C knows when a statement is over: inside a transaction or not. */
void cv__my_note_state(cv__my_conn *conn);

CV_CHECKED int cv__my_ping(cv_ctx *cx, cv__conn *base);

/* --- errors.c --- */

/** The code of ours for an error of the server or of Connector/C; CV_E_DB for those without one. */
int cv__my_error_code(unsigned number);

/** Report an error as the story of the context, with table, column and constraint where the text tells, and return its
 *  code. `sql` is the statement that failed, or empty. */
int cv__my_fail_with(cv_ctx *cx, unsigned number, const char *sqlstate, const char *message, cv_str sql);

/** The SQLSTATE of an error: the server has one for all constraints, and none for a lack of space or connections; the
 *  standard has more, and programs compare them. */
const char *cv__my_state(int code, const char *sqlstate);

/** Whether an error means that the connection is gone. */
bool cv__my_is_lost(unsigned number);

/** Whether an error means that the prepared statement is of no use any more; prepared anew it may run. */
bool cv__my_is_outdated(unsigned number);

/* --- params.c --- */

enum { CV__MY_FEW_PARAMS = 4 };

/** Where a value lies that is not bound from where it is. */
typedef union cv__my_scratch {
    MYSQL_TIME time;
    char decimal[CV_DECIMAL_TEXT_BYTES];
    char uuid[CV_UUID_TEXT_BYTES];
    signed char boolean;
} cv__my_scratch;

/** Parameters as Connector/C takes them. They must not move: few of them lie in `few`. */
typedef struct cv__my_params {
    size_t count, bytes;
    MYSQL_BIND *binds;
    struct {
        MYSQL_BIND binds[CV__MY_FEW_PARAMS];
        cv__my_scratch rooms[CV__MY_FEW_PARAMS];
    } few;
} cv__my_params;

/** Make them of values; memory from the context's arena. CV_E_LIMIT for too many, CV_E_INVALID for a text that is not
 *  UTF-8, CV_E_RANGE for a number that the server cannot hold. Does not suspend. */
CV_CHECKED int cv__my_params_make(cv_ctx *cx, const cv_value *values, size_t count, cv__my_params *ret_params);

/* --- decode.c --- */

/** A cell of a row in binary form; `data` is NULL for NULL. */
typedef struct cv__my_cell {
    const unsigned char *data;
    size_t len;
} cv__my_cell;

/** Decode a cell that is not NULL; views into the cell. CV_E_RANGE, CV_E_TYPE (malformed), without a story. */
typedef int cv__my_decode_fn(cv__my_cell cell, cv_value *ret_value);

/** The decoder of a column of a result, or NULL when there is none. */
cv__my_decode_fn *cv__my_decoder(const MYSQL_FIELD *field);

/** Whether an attribute of a field, of those that MariaDB adds to its type, has this value. */
bool cv__my_is_called(const MYSQL_FIELD *field, enum mariadb_field_attr_t attribute, const char *name);

/** Take one cell off a row in binary form: its bytes, without their length; the row moves on. `row` NULL is NULL. */
cv__my_cell cv__my_take_cell(enum enum_field_types type, unsigned char **row);

/* --- columns.c --- */

typedef struct cv__my_column {
    cv__my_cell cell;
    cv__my_decode_fn *decode;
    enum enum_field_types type;
    cv__column_type wanted; /* CV_TYPE_NULL: as it comes */
} cv__my_column;

/** The columns of a result. */
typedef struct cv__my_columns {
    size_t count;
    cv__my_column *at;
    const char *const *names;
    bool converts;         /* some are wanted in a type of their own */
    cv__row_memory memory; /* of values that are not as the server sent them */
} cv__my_columns;

/** Set decoders and wanted types. CV_E_TYPE for a column without a decoder, CV_E_NOMEM. */
CV_CHECKED int cv__my_columns_set(cv_ctx *cx, cv__my_columns *columns, const MYSQL_FIELD *fields,
                                  const cv__statement *statement);
/** The cells of a row to values: 1. CV_E_RANGE, CV_E_TYPE, CV_E_NOMEM. */
CV_CHECKED int cv__my_columns_decode(cv_ctx *cx, cv__my_columns *columns, cv_value *values);
void cv__my_columns_done(cv__my_columns *columns);

/* --- statement.c --- */

/** A statement that the server has prepared. */
typedef struct cv__my_prepared {
    cv__cached_statement cached; /* first: the cache hands these out */
    cv_link link;                /* in conn->stale */
    MYSQL_STMT *handle;
    cv__my_cursor *taker; /* whoever takes the cells of its rows */
    bool touches_session;
    bool writes;
    char sql[]; /* NUL-terminated */
} cv__my_prepared;

/** It leaves the cache for good; closed as soon as nobody uses it. */
void cv__my_prepared_forget(cv__my_conn *conn, cv__my_prepared *p);
/** One user less. */
void cv__my_prepared_leave(cv__my_conn *conn, cv__my_prepared *p);
/** The cache's function: it is closed when the connection is made ready the next time. */
void cv__my_prepared_free(void *arg, cv__cached_statement *entry);
/** Close those that are to be closed. Suspends. */
CV_CHECKED int cv__my_close_stale(cv_ctx *cx, cv__my_conn *conn);
/** Free all without telling the server, after the connection was closed. */
void cv__my_drop_statements(cv__my_conn *conn);

CV_CHECKED int cv__my_execute(cv_ctx *cx, cv__conn *conn, const cv__statement *statement, cv_result *ret_result,
                              cv__cursor **ret_cursor);

/* --- cursor.c --- */

/** A cursor for the rows of a statement that has just been executed; it uses the statement. The first rows are read.
 *  Suspends. */
CV_CHECKED int cv__my_cursor_open(cv_ctx *cx, cv__my_conn *conn, cv__my_prepared *p, const cv__statement *statement,
                                  cv__cursor **ret_cursor);
CV_CHECKED int cv__my_fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result);
void cv__my_finish(cv_ctx *cx, cv__cursor *cursor);

/** Take a cell of the row that is being fetched, for a cursor; NULL: drop it. Does not suspend. */
void cv__my_cursor_take(cv__my_cursor *cursor, const MYSQL_STMT *statement, unsigned column, unsigned char **row);

/** Read the rest of the live cursor's rows into memory. */
CV_CHECKED int cv__my_keep_rows(cv_ctx *cx, cv__my_conn *conn);
/** Read and drop them: the cursor has no more rows, and says so. */
CV_CHECKED int cv__my_drop_rows(cv_ctx *cx, cv__my_conn *conn);
/** The rows on the wire have been cancelled or lost. */
void cv__my_rows_gone(cv__my_conn *conn);
void cv__my_cursors_free(cv__my_conn *conn);

/** Run what is left of a statement's results, dropping their rows; `*ret_result` is that of the last one. Suspends. */
CV_CHECKED int cv__my_finish_results(cv_ctx *cx, cv__my_conn *conn, cv__my_prepared *p, cv_result *ret_result);

/* --- cancel.c --- */

/** Kill the statement whose call is suspended on the server, and read its answer to the end, within the clean-up
 *  budget: whether the wire is idle again. A live cursor has lost its rows then. Keeps the context's error. Suspends.
 */
bool cv__my_give_up(cv_ctx *cx, cv__my_conn *conn);

/* --- transaction.c: the driver's functions of these names --- */

CV_CHECKED int cv__my_begin(cv_ctx *cx, cv__conn *conn, const cv_tx_options *options);
CV_CHECKED int cv__my_commit(cv_ctx *cx, cv__conn *conn);
CV_CHECKED int cv__my_rollback(cv_ctx *cx, cv__conn *conn);
CV_CHECKED int cv__my_savepoint(cv_ctx *cx, cv__conn *conn, int level);
CV_CHECKED int cv__my_release(cv_ctx *cx, cv__conn *conn, int level);
CV_CHECKED int cv__my_rollback_to(cv_ctx *cx, cv__conn *conn, int level);

/** Send what was only noted: START TRANSACTION and savepoints. The wire must be ready. Suspends. */
CV_CHECKED int cv__my_send_pending(cv_ctx *cx, cv__my_conn *conn);

/** After an error inside a transaction that may have ended it: ask whether it still exists. Keeps the context's error.
 *  Suspends. */
void cv__my_check_transaction(cv_ctx *cx, cv__my_conn *conn, int code);

/* --- xa.c --- */

CV_CHECKED int cv__my_begin_prepared(cv_ctx *cx, cv__conn *conn, const cv_tx_options *options, const char *gid);
CV_CHECKED int cv__my_prepare_transaction(cv_ctx *cx, cv__conn *conn, const char *gid);
CV_CHECKED int cv__my_finish_prepared(cv_ctx *cx, cv__conn *conn, const char *gid, bool commit);
CV_CHECKED int cv__my_list_prepared(cv_ctx *cx, cv__conn *conn, cv_prepared **ret_list, size_t *ret_count);

/** Begin, commit or roll back the transaction `conn->gid` itself. Suspend. */
CV_CHECKED int cv__my_xa_start(cv_ctx *cx, cv__my_conn *conn);
CV_CHECKED int cv__my_xa_commit(cv_ctx *cx, cv__my_conn *conn);
CV_CHECKED int cv__my_xa_rollback(cv_ctx *cx, cv__my_conn *conn);
/** It is over, or was never begun. */
void cv__my_xa_forget(cv__my_conn *conn);

/* --- session.c: what a connection is set to, and set back to --- */

/** Settings of the session, after connect and after a reset. Suspends. */
CV_CHECKED int cv__my_session_start(cv_ctx *cx, cv__my_conn *conn);
CV_CHECKED int cv__my_reset(cv_ctx *cx, cv__conn *conn);
bool cv__my_is_clean(const cv__conn *conn);

/** Whether a statement may change settings, locks or temporary objects of the session. Errs on the side of yes. */
bool cv__my_touches_session(cv_str sql);

/** Nothing but comments. */
bool cv__my_is_empty(cv_str sql);

/** The statement would commit the open transaction, as those do that change the schema. */
bool cv__my_commits(cv_str sql);

/** The first word of a statement behind comments and parentheses is `word`, in any case. */
bool cv__my_begins_with(cv_str sql, const char *word);

/* --- health.c --- */

CV_CHECKED int cv__my_health(cv_ctx *cx, cv__conn *base, cv_db_report *ret_report);

#endif
