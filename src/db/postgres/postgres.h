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

/* --- connect.c: the driver's connect, disconnect, is_alive --- */

CV_CHECKED int cv__pg_connect(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn);
/** The same, for reading the log of the database: it takes simple statements and the commands of replication. */
CV_CHECKED int cv__pg_connect_replication(cv_ctx *cx, cv__pg_shared *shared, cv__pg_conn **ret_conn);
void cv__pg_disconnect(cv__conn *base);
bool cv__pg_is_alive(cv__conn *conn);
void cv__pg_sever(cv_ctx *cx, cv__conn *base);
void cv__pg_detach(cv__conn *base);
CV_CHECKED int cv__pg_attach(cv_ctx *cx, void *shared, cv__conn *base);
CV_CHECKED int cv__pg_ping(cv_ctx *cx, cv__conn *base); /* session.c */

/** One attempt to connect to the connection's host, at an address (NULL: a socket folder). After a failure,
 * `*ret_final` says that no other address or host would help. Suspends. */
CV_CHECKED int cv__pg_attempt(cv_ctx *cx, cv__pg_conn *conn, const char *hostaddr, bool *ret_final);

/** Close the socket and forget libpq's side of the connection, whatever its state. */
void cv__pg_hang_up(cv__pg_conn *conn);

/* --- hosts.c --- */

/** Connect to the first host that answers and is what the database's target asks for; each has its share of the
 *  context's time. CV_E_NO_SERVER when there is none, and every error of an attempt. Suspends. */
CV_CHECKED int cv__pg_connect_to_any(cv_ctx *cx, cv__pg_conn *conn);

/* --- wire.c: what goes over the socket --- */

/** The next result of the statement under way, after waiting for it; NULL when the statement is over. In a pipeline,
 * the statement is over when all of the pipeline is. The caller clears it. CV_E_CONNECTION_LOST, CV_E_TIMEOUT,
 * CV_E_CANCELLED: the connection is broken then. Suspends. */
CV_CHECKED int cv__pg_next_result(cv_ctx *cx, cv__pg_conn *conn, PGresult **ret_result);

/** Read the statement under way to its end and drop its rows. `*ret_failure` is the first failure among the results, to
 * be cleared, or NULL. Errors as above. Suspends. */
CV_CHECKED int cv__pg_read_to_end(cv_ctx *cx, cv__pg_conn *conn, PGresult **ret_failure);

/** Read the statement under way to its end, when nothing but its success matters any more: the story of the first error
 *  among the results, 0 otherwise. Suspends. */
CV_CHECKED int cv__pg_finish_statement(cv_ctx *cx, cv__pg_conn *conn);

/** Fail with a result that is no success, after the statement was read to its end. Takes the result. Suspends. */
int cv__pg_fail_statement(cv_ctx *cx, cv__pg_conn *conn, PGresult *result);

/** Mark the connection broken and report what libpq says about it as CV_E_CONNECTION_LOST. */
int cv__pg_lost(cv_ctx *cx, cv__pg_conn *conn);

/** Run commands of the driver's own, without parameters and rows. `ret_tag` (may be NULL, at least 64 bytes) gets the
 *  command tag of the last one. The wire must be ready. Suspends. */
CV_CHECKED int cv__pg_command(cv_ctx *cx, cv__pg_conn *conn, const char *sql, char *ret_tag);
#define CV__PG_TAG_BYTES 64

/** Wait until the server has sent something, and take it in; a statement whose time is over is cancelled. Errors as
 * above. Suspends. */
CV_CHECKED int cv__pg_wait_input(cv_ctx *cx, cv__pg_conn *conn);

/** Make the wire ready for a statement: the rest of a live cursor is read into memory, statements that left the cache
 *  are deallocated. CV_E_LIMIT when the rows are too many. Suspends. */
CV_CHECKED int cv__pg_make_ready(cv_ctx *cx, cv__pg_conn *conn);

/** Begin a pipeline on the idle wire: what is sent from here on travels together, up to cv__pg_pipeline_end.
 * CV_E_CONNECTION_LOST. Does not suspend. */
CV_CHECKED int cv__pg_pipeline_begin(cv_ctx *cx, cv__pg_conn *conn);

/** Send the pipeline. Results follow: those of each command in turn, then the end. As above. */
CV_CHECKED int cv__pg_pipeline_end(cv_ctx *cx, cv__pg_conn *conn);

/** Read the results of the first `count` commands of a pipeline, which have no rows. `*ret_failure` is the first
 *  failure, to be cleared, or NULL; what was sent behind it did not run. Afterwards the mode of the next command's rows
 * can be set. Errors as cv__pg_next_result. Suspends. */
CV_CHECKED int cv__pg_read_leading(cv_ctx *cx, cv__pg_conn *conn, int count, PGresult **ret_failure);

/** Take over what libpq knows when a statement is over: inside a transaction or not, connection usable or not. */
void cv__pg_note_state(cv__pg_conn *conn);

/* --- errors.c --- */

/** The code of ours for an SQLSTATE; CV_E_DB for those without one. */
int cv__pg_error_code(const char *sqlstate);

/** Whether the server refused, perhaps, because of what the connection had prepared: the table was changed since, or
 * somebody deallocated the statement. Prepared anew, the same statement may succeed. NULL and other results: false. */
bool cv__pg_is_outdated(const PGresult *result);

/** Report an error result as the story of the context, and return its code. */
int cv__pg_fail_result(cv_ctx *cx, cv__pg_conn *conn, const PGresult *result);

/** The same for a result that says nothing about its connection. */
int cv__pg_fail_with(cv_ctx *cx, const PGresult *result);

/* --- refusal.c --- */

/** Why the certificate of the server was not accepted, as far as it is known. */
typedef struct cv__pg_handshake {
    bool failed;        /* the attempt ended while TLS was being set up */
    const char *reason; /* "certificate has expired"; NULL: unknown. Static storage */
} cv__pg_handshake;

/** Report the failure of an attempt to connect, with what to do about it. `*ret_final` tells whether a server gave the
 *  refusal for a reason that holds at every other address and host: the password, the name of the database. */
int cv__pg_fail_connect(cv_ctx *cx, const cv__pg_conn *conn, cv__pg_handshake handshake, bool *ret_final);

/** Whether an attempt failed because a pooler takes no settings of the session at the start. */
bool cv__pg_is_refused_setting(const PGconn *pg);

/* --- params.c --- */

/** Where an encoded value lies that is not in the statement's own memory. */
typedef union cv__pg_scratch {
    uint8_t bytes[16];
    char decimal[CV_DECIMAL_TEXT_BYTES];
} cv__pg_scratch;

enum { CV__PG_FEW_PARAMS = 4 };

/** Parameters as libpq takes them. Type 0 lets the server infer. They must not move: few of them lie in `few`. */
typedef struct cv__pg_params {
    int count;
    Oid *types;
    const char **values;
    int *lengths;
    int *formats;
    size_t bytes;
    struct {
        Oid types[CV__PG_FEW_PARAMS];
        const char *values[CV__PG_FEW_PARAMS];
        int lengths[CV__PG_FEW_PARAMS];
        int formats[CV__PG_FEW_PARAMS];
        cv__pg_scratch rooms[CV__PG_FEW_PARAMS];
    } few;
} cv__pg_params;

/** Encode values; memory from the context's arena. CV_E_LIMIT for too many, CV_E_INVALID for a text with a NUL byte.
 *  Does not suspend. */
CV_CHECKED int cv__pg_params_make(cv_ctx *cx, const cv_value *values, size_t count, cv__pg_params *ret_params);

/* --- decode.c --- */

/** A cell of a row in binary form; `len` is -1 for NULL. */
typedef struct cv__pg_cell {
    const char *data;
    int len;
} cv__pg_cell;

/** Decode a cell that is not NULL; views into the cell, or into the arena where the value has another form there:
 * cv__pg_needs_arena. CV_E_RANGE, CV_E_INVALID, CV_E_TYPE (malformed), CV_E_NOMEM, without a story. */
typedef int cv__pg_decode_fn(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value);

/** The decoder of a type, or NULL when there is none. */
cv__pg_decode_fn *cv__pg_decoder(Oid type);

/** Whether the decoder of the type takes an arena; others may be given NULL. */
bool cv__pg_needs_arena(Oid type);

/* --- textual.c --- */

/** The decoder of a type that comes as the text that the server would write, or NULL. */
cv__pg_decode_fn *cv__pg_textual_decoder(Oid type);

/* --- packed.c: arrays and ranges --- */

/** Arrays, by the type of the elements that they name; one dimension, else CV_E_UNSUPPORTED. */
int cv__pg_decode_array(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value);

/** The decoder of a range type, or NULL. */
cv__pg_decode_fn *cv__pg_range_decoder(Oid type);

/** The type of an array or range as a parameter. */
Oid cv__pg_packed_type(cv_value value);

/** The binary form of an array or range, appended. CV_E_LIMIT, CV_E_NOMEM; CV_E_INVALID for a text with a NUL byte;
 *  without a story. */
CV_CHECKED int cv__pg_encode_packed(cv_buf *out, cv_value value);

/* --- numeric.c --- */

/** The binary form of NUMERIC, exactly. CV_E_RANGE beyond 38 digits and for NaN and infinities. */
int cv__pg_decode_numeric(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value);

/** The binary form; returns its length. */
#define CV__PG_NUMERIC_BYTES 48
size_t cv__pg_encode_numeric(cv_decimal value, char out[CV__PG_NUMERIC_BYTES]);

/* --- statement.c --- */

/** A statement that the server has prepared, or is about to. */
typedef struct cv__pg_prepared {
    cv__cached_statement cached; /* first: the cache hands these out */
    char name[24];
    bool touches_session;
    bool is_large; /* its answer is too large for a shared connection */
    int param_count;
    Oid *types;
    char *sql;                    /* NUL-terminated */
    struct cv__pg_layout *layout; /* of its rows, once they were seen on a shared connection; else NULL */
} cv__pg_prepared;

/** The prepared statement for a text and the types of its values: from the cache, or a new one, which is in no cache:
 *  `*ret_fresh`; the caller prepares it, then puts it into the cache, or frees it. One of other types leaves the cache.
 * CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__pg_prepared_need(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement,
                                    const cv__pg_params *params, cv__pg_prepared **ret_prepared, bool *ret_fresh);

/** Take a statement out of the cache and, by and by, off the server. One in use is freed by its last user. */
void cv__pg_prepared_forget(cv__pg_conn *conn, cv__pg_prepared *prepared);

/** Note how the statement that is sent begins, to be found when it is to be cancelled. */
void cv__pg_note_running(cv__pg_conn *conn, cv_str sql);

CV_CHECKED int cv__pg_execute(cv_ctx *cx, cv__conn *conn, const cv__statement *statement, cv_result *ret_result,
                              cv__cursor **ret_cursor);

/** The free function of the statement cache: the statement will be deallocated on the server by and by. `arg` is the
 * cv__pg_conn. */
void cv__pg_prepared_free(void *arg, cv__cached_statement *entry);

/** What a successful result tells of a command. */
cv_result cv__pg_result_of(PGresult *result);

/* --- columns.c --- */

/** A column of a result: how its cells are read, and as what. */
typedef struct cv__pg_column {
    cv__pg_decode_fn *decode;
    Oid type;
    cv_type wanted; /* CV_TYPE_NULL: whatever comes */
} cv__pg_column;

/** The columns of a result. The arrays are the owner's. */
typedef struct cv__pg_columns {
    cv__pg_column *at;
    size_t count;
    const char *const *names;
    bool needs_arena;      /* some have values that need memory */
    bool converts;         /* some are wanted as a certain type */
    size_t failed;         /* after an error: the column that it was about */
    cv__row_memory memory; /* of values that are not as the server sent them */
} cv__pg_columns;

/** The value of a cell (decode.c), in the server's type; only the type and the member that belongs to it are written.
 * `arena` is for the types that need it. Errors as cv__pg_decode_fn. */
CV_CHECKED int cv__pg_decode_cell(cv_arena *arena, const cv__pg_column *column, cv__pg_cell cell, cv_value *ret_value);

/** The values of a row of a result, by the same rules: 0, or the error of the first that is none; `columns->failed` is
 *  its number then. */
CV_CHECKED int cv__pg_decode_row(cv__pg_columns *columns, const PGresult *result, int row, cv_value *ret_values);

/** Find out how to read the columns that `described` has, as the statement wants them. CV_E_TYPE for a column of a type
 * without a decoder. Does not suspend. */
CV_CHECKED int cv__pg_columns_set(cv_ctx *cx, cv__pg_columns *columns, const PGresult *described,
                                  const cv__statement *statement);

/** What the rows of a prepared statement look like: found out once, for all its answers. */
typedef struct cv__pg_layout {
    int users;
    PGresult *described;    /* without rows: holds the names */
    cv__pg_columns columns; /* wanted as nothing */
    cv__pg_column column[]; /* the names follow */
} cv__pg_layout;

/** The layout of a result, with one user; NULL without memory. */
cv__pg_layout *cv__pg_layout_new(const PGresult *result);

/** One user less: the last one frees it. NULL is allowed. */
void cv__pg_layout_drop(cv__pg_layout *layout);

/** As cv__pg_columns_set, by a layout that lives as long as the columns; `room` has a place for each of them. */
CV_CHECKED int cv__pg_columns_copy(cv_ctx *cx, cv__pg_columns *columns, const cv__pg_layout *layout,
                                   cv__pg_column *room, const cv__statement *statement);

/** A row as it is kept in memory takes so many bytes: for each column its length as an int, -1 for NULL, then its
 * bytes. */
size_t cv__pg_row_bytes(const PGresult *result, int row);

/** Write a row like that. */
void cv__pg_row_keep(const PGresult *result, int row, char *room);

/** Where a row ends that is kept at `row`. */
const char *cv__pg_kept_end(const cv__pg_columns *columns, const char *row);

/** The values of a row of a result, in the types that are wanted; valid until the next call, and no longer than the
 * result: 1, or the error of the first that is none, with a story. Does not suspend. */
CV_CHECKED int cv__pg_columns_read(cv_ctx *cx, cv__pg_columns *columns, const PGresult *result, int row,
                                   cv_value *ret_values);

/** The same of a row that is kept at `row`. */
CV_CHECKED int cv__pg_columns_read_kept(cv_ctx *cx, cv__pg_columns *columns, const char *row, cv_value *ret_values);

/** Tell why a cell of the column could not be decoded. Returns the code. */
int cv__pg_fail_cell(cv_ctx *cx, const char *name, int code);

void cv__pg_columns_done(cv__pg_columns *columns);

/* --- cursor.c --- */

/** Make a cursor of the statement under way. `first` is its first result (a row, or the end of no rows) and becomes the
 * cursor's in every case. Reads one result more, so that a statement with one row is over, and its transaction
 * committed, before the row is handed out. CV_E_TYPE for a column of a type without a decoder. Suspends. */
CV_CHECKED int cv__pg_cursor_open(cv_ctx *cx, cv__pg_conn *conn, PGresult *first, const cv__statement *statement,
                                  cv__cursor **ret_cursor);
CV_CHECKED int cv__pg_fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result);
void cv__pg_finish(cv_ctx *cx, cv__cursor *cursor);

/** Read the rest of the live cursor into memory. CV_E_LIMIT leaves it live, with no row lost. Suspends. */
CV_CHECKED int cv__pg_keep_rows(cv_ctx *cx, cv__pg_conn *conn);

/** Drop the rows of the live cursor: fetching from it is CV_E_STATE afterwards. Suspends. */
CV_CHECKED int cv__pg_drop_rows(cv_ctx *cx, cv__pg_conn *conn);

/** Free a cursor's memory and take it out of its connection. Does not suspend. */
void cv__pg_cursor_free(cv__pg_cursor *cursor);

/** Free all cursors of a connection that is going away. */
void cv__pg_cursors_free(cv__pg_conn *conn);

/* --- copy/out.c --- */

/** Run a query as COPY, for many rows. 1, and nothing has happened, when it is none that can be copied. The wire must
 * be ready. Suspends. */
CV_CHECKED int cv__pg_copy_out_open(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement,
                                    cv__cursor **ret_cursor);

/* --- transaction.c --- */

/** How many commands of BEGIN and SAVEPOINT are to be sent before the next statement. */
int cv__pg_pending_count(const cv__pg_conn *conn);

/** Put them into the pipeline under way. CV_E_CONNECTION_LOST. Does not suspend. */
CV_CHECKED int cv__pg_pending_put(cv_ctx *cx, cv__pg_conn *conn);

/** They were sent. */
void cv__pg_pending_sent(cv__pg_conn *conn);

/** Send them by themselves. The wire must be ready. Suspends. */
CV_CHECKED int cv__pg_send_pending(cv_ctx *cx, cv__pg_conn *conn);

/** Begin and nest; nothing is sent before the first statement. Does not suspend. */
CV_CHECKED int cv__pg_begin(cv_ctx *cx, cv__conn *conn, const cv_tx_options *options);
CV_CHECKED int cv__pg_savepoint(cv_ctx *cx, cv__conn *conn, int level);

/** End; nothing is sent for what never began. Suspends. */
CV_CHECKED int cv__pg_commit(cv_ctx *cx, cv__conn *conn);
CV_CHECKED int cv__pg_rollback(cv_ctx *cx, cv__conn *conn);
CV_CHECKED int cv__pg_release(cv_ctx *cx, cv__conn *conn, int level);
CV_CHECKED int cv__pg_rollback_to(cv_ctx *cx, cv__conn *conn, int level);

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

/* --- shared.c: reads that share connections --- */

/** The URL's option of this name. CV_E_CONFIG. */
CV_CHECKED int cv__pg_take_sharing(cv_ctx *cx, cv__pg_shared *shared, cv_str value);

/** As many shared connections as the options say, made when first needed; `shared->sharing` is set. CV_E_CONFIG,
 * CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__pg_sharing_new(cv_ctx *cx, cv__pg_shared *shared, const cv_db_options *options);
/** NULL is allowed. */
void cv__pg_sharing_free(cv__pg_sharing *sharing);

/** How many shared connections are open now, and how often reads were sent again because of a neighbour's error. Each
 * may be NULL. */
void cv__pg_sharing_stats(const cv__pg_sharing *sharing, size_t *ret_open, uint64_t *ret_resent);

/** The driver's limit: the pool has the connections that are not shared. */
size_t cv__pg_limit(const void *shared, cv__conn_role role, size_t wanted);

/** The driver's execute_shared and close_shared, and what fetch and finish do with a cursor without a connection. */
CV_CHECKED int cv__pg_execute_shared(cv_ctx *cx, void *shared, const cv__statement *statement, cv__cursor **ret_cursor);
void cv__pg_close_shared(void *shared);
CV_CHECKED int cv__pg_shared_fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result);
void cv__pg_shared_finish(cv__cursor *cursor);

/* --- cancel.c --- */

/** Cancel the statement under way on the server, and read its answer to the end, within the clean-up budget: whether
 *  the wire is idle again. A live cursor has lost its rows then. Keeps the context's error. Suspends. */
bool cv__pg_give_up(cv_ctx *cx, cv__pg_conn *conn);

/* --- changes/: change streams --- */

extern const struct cv__changes_driver cv__changes_postgres;

/* --- listen.c: notifications --- */

extern const cv__notify_driver cv__pg_notify;

/** The database is being closed: all subscriptions end, and the fiber with its connection as soon as it runs. */
void cv__pg_listener_close(cv__pg_shared *shared);
/** NULL is allowed. */
void cv__pg_listener_free(cv__pg_listener *listener);

/* --- session.c: what a connection is set to, and set back to --- */

/** Run a query of the driver's own: all of its rows, as texts, for the caller to clear. The wire must be ready.
 * Suspends. */
CV_CHECKED int cv__pg_query(cv_ctx *cx, cv__pg_conn *conn, const char *sql, PGresult **ret_rows);

#define CV__PG_CELL_BYTES 64
/** Run a query of the driver's own: the first cells of its first row as texts, at most `count`, into `ret_cells`; empty
 * where there is none. The wire must be ready. Suspends. */
CV_CHECKED int cv__pg_ask(cv_ctx *cx, cv__pg_conn *conn, const char *sql, size_t count,
                          char ret_cells[][CV__PG_CELL_BYTES]);

/** Settings that the start-up message cannot carry, after connect. Suspends. */
CV_CHECKED int cv__pg_session_start(cv_ctx *cx, cv__pg_conn *conn);

/** CV_E_UNSUPPORTED when a pooler is in between and the statement needs a session of its own, 0 otherwise. */
CV_CHECKED int cv__pg_check_session(cv_ctx *cx, const cv__pg_conn *conn, cv_str sql);
CV_CHECKED int cv__pg_reset(cv_ctx *cx, cv__conn *conn);
bool cv__pg_is_clean(const cv__conn *conn);

/** Whether a statement may change settings, locks or temporary objects of the session. Errs on the side of yes. */
bool cv__pg_touches_session(cv_str sql);

#endif
