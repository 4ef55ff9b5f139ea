/* The SQLite driver's own types, shared by its files.
 *
 * SQLite runs on the loop. A connection is NOMUTEX and used by one fiber at a time; while one of its calls is under
 * way, `cx` is set, and the handlers (handlers.c) may suspend the fiber inside that call: between two opcodes to give
 * way, and while another process holds the lock. Nothing else may touch the connection meanwhile, which the exclusive
 * borrowing guarantees. */
#ifndef COVET_SRC_DB_SQLITE_SQLITE_H
#define COVET_SRC_DB_SQLITE_SQLITE_H

#include "db/db_driver.h"
#include "db/row_memory.h"
#include "db/sqlite/changes/changes.h"
#include "db/sqlite/checkpoint.h"
#include "db/sqlite/hooks.h"
#include "db/sqlite/settings.h"
#include "db/statement_cache.h"
#include "rt/wait.h"
#include <sqlite3.h>
#include <stdatomic.h>

/** What all connections of one database share: the checked options. */
typedef struct cv__sqlite_shared {
    char *path;      /* ":memory:" for a database in memory, or its name, "/NAME" */
    char *open_name; /* what SQLite is given: the path, or a URI */
    bool memory, read_only, create, foreign_keys;
    bool named;      /* in memory, and shared by its name between the connections of the process (modes.c) */
    bool immutable;  /* nobody writes to the file: no locks */
    bool opened;     /* there was a connection: a file that is missing now is not made again */
    sqlite3 *anchor; /* keeps a named database in memory alive */
    cv__sqlite_settings settings;
    const char *journal_mode, *synchronous; /* static storage */
    int64_t busy_timeout_ms, cache_kib, connect_timeout_ms;
    size_t max_connections, statement_cache;
    cv__sqlite_watches *watches;
    cv__sqlite_log *log; /* of committed changes, for change streams */
    int64_t checkpoint_pages, wal_limit_bytes;
    cv__sqlite_checkpointer *checkpointer;
    cv__statement_counters statements;
} cv__sqlite_shared;

enum { CV__SQLITE_WAL_HEADER_WORDS = 6 }; /* 48 bytes */

/** The read transaction that the reads of one turn of the loop share (turn.c). */
struct cv__sqlite_turn {
    cv__turn_end end;
    int state;
    unsigned reads;
    uint64_t header[CV__SQLITE_WAL_HEADER_WORDS]; /* of the WAL index, right before it began */
    sqlite3_stmt *begin, *commit;                 /* prepared when first wanted */
};

struct cv__sqlite_conn {
    cv__conn head;
    sqlite3 *db;
    struct cv__sqlite_vfs *vfs; /* its file system (vfs.c) */
    const cv__sqlite_shared *shared;
    cv__statement_cache cache;
    struct cv__sqlite_turn turn;
    cv_link open_statements; /* those with a cursor */
    bool settings_changed;   /* a PRAGMA ran: reset puts the settings back */
    int64_t looked_at_ns;    /* when the file was last seen under its name */
    bool query_only;         /* a read-only transaction on a connection that may write */
    /* of the call under way: */
    cv_ctx *cx;
    const cv__row_source *rows;
    int rows_failed;        /* the code with which the source of the rows failed */
    int stop_code;          /* why a handler stopped it */
    int64_t slice_began_ns; /* 0: not yet known */
    int64_t lock_wait_began_ns;
    /* of the call under way on a lane, where `cx` is NULL: */
    bool on_lane;
    atomic_bool stop_on_lane;   /* deadline or cancellation: end soon */
    cv__sqlite_record record;   /* of changes, for those who watch */
    cv__sqlite_capture capture; /* of rows, for change streams */
};

/** A prepared statement with its cursor: a statement in use is prepared a second time rather than shared. */
typedef struct cv__sqlite_statement {
    cv__cached_statement cached;
    cv__cursor cursor;
    cv_link open_link;
    sqlite3_stmt *handle;
    bool read_only, is_pragma;
    bool empties;     /* deletes all rows of a table */
    bool is_long;     /* has long steps that give no chance to yield: runs on a lane */
    bool shares_turn; /* reads, and nothing else: outside a transaction it joins the one of the turn */
    bool is_deferred_known, is_deferred; /* whether it checks deferred foreign keys (group.c) */
    int deferred_reprepared;             /* how often SQLite had prepared it again when that was learnt */
    int reprepared;                      /* how often SQLite has prepared it again when names and types were read */
    char **names;                        /* one block with the texts */
    cv__column_type *declared;           /* as the columns are declared; made when first wanted */
    const cv__column_type *wanted;
    bool row_ready; /* the statement stands on a row that was not fetched yet */
    bool running;   /* not reset since its last step */
    /* A writing statement with rows is run to its end, and so committed, before the first is handed out. */
    cv_arena *kept; /* NULL when nothing was ever kept */
    cv_value **kept_rows;
    size_t kept_count, kept_capacity, kept_at;
    bool is_kept;
    cv__row_memory packed; /* arrays and ranges of the present row */
    cv_result result;
} cv__sqlite_statement;

static inline cv__sqlite_conn *cv__sqlite_conn_of(cv__conn *conn)
{
    return (cv__sqlite_conn *)(void *)conn;
}

/** After something that may have committed: is it time for a checkpoint? */
static inline void cv__sqlite_look_at_log(cv_ctx *cx, cv__sqlite_conn *conn)
{
    if (conn->shared->checkpointer && !conn->head.in_transaction)
        cv__sqlite_checkpointer_look(cx, conn->shared->checkpointer, conn->db);
}

/** Begin and end a call that may suspend in a handler. */
void cv__sqlite_enter(cv_ctx *cx, cv__sqlite_conn *conn);
void cv__sqlite_leave(cv__sqlite_conn *conn);

/** Make the file system of a connection, before it is opened with its name, and free it, after it was closed. A code of
 *  SQLite. */
int cv__sqlite_vfs_make(cv__sqlite_conn *conn);
const char *cv__sqlite_vfs_name(const cv__sqlite_conn *conn);
void cv__sqlite_vfs_free(cv__sqlite_conn *conn);

/** The header of the WAL index of the main file, in memory that all processes share; NULL when there is none, or when
 *  more than one file is attached. */
const volatile void *cv__sqlite_wal_header(const cv__sqlite_conn *conn);

/** The read transaction of a turn. `join` before a statement that only reads, and returns rows, outside a transaction:
 *  begins one, or finds it open, where that is possible. `leave` before anything else on the connection. `call_ended`
 *  after each call that may have suspended. None of them suspends or fails. `init` and `done` frame the connection's
 *  life; `done` before it is closed. */
void cv__sqlite_turn_init(cv__sqlite_conn *conn);
void cv__sqlite_turn_join(cv_ctx *cx, cv__sqlite_conn *conn);
void cv__sqlite_turn_leave(cv__sqlite_conn *conn);
void cv__sqlite_turn_call_ended(cv__sqlite_conn *conn);
void cv__sqlite_turn_done(cv__sqlite_conn *conn);

/** Once a process, before the first connection: let reads be tried without waiting. */
void cv__sqlite_vfs_configure(void);

/** The driver's sever: what runs is interrupted; outside of any call the transaction is rolled back. */
void cv__sqlite_sever(cv_ctx *cx, cv__conn *head);

/** The driver's detach and attach: nothing of a connection belongs to a thread but the read transaction of the turn. */
void cv__sqlite_detach(cv__conn *head);
CV_CHECKED int cv__sqlite_attach(cv_ctx *cx, void *shared, cv__conn *head);

/** Install the busy and the progress handler. */
void cv__sqlite_install_handlers(cv__sqlite_conn *conn);

/** Run calls of SQLite on a thread of the lane for databases, for what takes long and gives no chance to yield: `fn(db,
 *  arg)` may use the connection as it likes, and nothing of the context; what it returns, a code of SQLite, becomes
 *  `*ret_sqlite_code`. The connection is borrowed by the caller, so nobody else touches it meanwhile. Deadline and
 *  cancellation interrupt the statement under way there, and cv__sqlite_fail then tells of them. 0 when `fn` has ended,
 *  whatever it returned; an error, with a story, when it was not begun. Suspends until `fn` has ended. */
CV_CHECKED int cv__sqlite_on_lane(cv_ctx *cx, cv__sqlite_conn *conn, int (*fn)(sqlite3 *db, void *arg), void *arg,
                                  int *ret_sqlite_code);

/** Whether a statement may have steps that are long without calling the progress handler: schema changes, VACUUM,
 *  deleting all rows, checks of the file. By its words; no statement is judged wrongly so that it could not run. */
bool cv__sqlite_is_long(cv_str sql);

/** Whether it is a DELETE without WHERE. */
bool cv__sqlite_empties(cv_str sql);

/** Register the SQL functions of Covet. Returns a code of SQLite. */
int cv__sqlite_register_functions(sqlite3 *db);

/** Register the table of the rows that come with a statement. Returns a code of SQLite. */
int cv__sqlite_register_row_source(cv__sqlite_conn *conn);

/** Its name, with so many columns at least. Static storage. */
const char *cv__sqlite_row_source_for(size_t columns);

/** Report what the last call of SQLite on this connection said. `code` is its result; `what` completes "could not
 *  <what>". A handler that stopped the call gives the code instead. Returns the code of ours. */
int cv__sqlite_fail(cv_ctx *cx, cv__sqlite_conn *conn, int code, const char *what);

/** Check the URL and the options. See cv__driver.open. */
int cv__sqlite_open(cv_ctx *cx, const cv_url *url, const cv_db_options *options, void **ret_shared);
void cv__sqlite_close(void *arg);
size_t cv__sqlite_limit(const void *arg, cv__conn_role role, size_t wanted);

/** After path and options are known: what SQLite is to open, and what must not be opened so. CV_E_CONFIG, CV_E_STATE,
 *  CV_E_NOMEM. Does not suspend. */
int cv__sqlite_mode_prepare(cv_ctx *cx, cv__sqlite_shared *shared);
void cv__sqlite_mode_done(cv__sqlite_shared *shared);

/** See cv__driver: whether the file of the connection is still the one under its name. */
bool cv__sqlite_is_alive(cv__conn *head);

/** See cv__driver. */
int cv__sqlite_connect(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn);
void cv__sqlite_disconnect(cv__conn *head);
int cv__sqlite_reset(cv_ctx *cx, cv__conn *head);
bool cv__sqlite_is_clean(const cv__conn *head);

/** Apply the settings of a session: after connecting, and when a PRAGMA may have changed them. */
int cv__sqlite_apply_settings(cv_ctx *cx, cv__sqlite_conn *conn);

/** Run text of our own that returns nothing of interest, unprepared. */
int cv__sqlite_run_text(cv_ctx *cx, cv__sqlite_conn *conn, const char *sql, const char *what);

/** Find or prepare a statement and take it in use; give it up with cv__sqlite_statement_put. */
int cv__sqlite_statement_get(cv_ctx *cx, cv__sqlite_conn *conn, cv_str sql, uint64_t hash, bool uncached,
                             cv__sqlite_statement **ret_statement);
void cv__sqlite_statement_put(cv__sqlite_conn *conn, cv__sqlite_statement *statement);
/** For the cache. */
void cv__sqlite_statement_free(void *arg, cv__cached_statement *cached);
/** Read column names again when SQLite prepared the statement anew by itself. CV_E_NOMEM. */
int cv__sqlite_statement_refresh(cv_ctx *cx, cv__sqlite_statement *statement);
/** The declared types of the columns; CV_E_NOMEM. */
int cv__sqlite_statement_types(cv_ctx *cx, cv__sqlite_statement *statement);

/** Bind all parameters; a code of ours, with a story. */
int cv__sqlite_bind(cv_ctx *cx, cv__sqlite_conn *conn, sqlite3_stmt *handle, const cv_value *params, size_t count);

/** Bind a value in stored form: a code of SQLite. Decimals, NaN, arrays and ranges are refused before. Texts and bytes
 *  are not copied. */
int cv__sqlite_bind_value(sqlite3_stmt *handle, int at, const cv_value *value);

/** Give a value in stored form as the result of a function or column of ours; texts are not copied. */
void cv__sqlite_result(sqlite3_context *out, const cv_value *value);

/** Decode the row on which the statement stands. CV_E_TYPE, naming the column. */
int cv__sqlite_decode_row(cv_ctx *cx, cv__sqlite_statement *statement, cv_value *cells);

/** A value as it is stored, as one of the column's type; what is not of that type, or cannot be read, stays as it is.
 *  Views into the value; arrays and ranges are made in the arena. CV_E_NOMEM, without a story. */
CV_CHECKED int cv__sqlite_value_as(cv_arena *arena, cv_value stored, const cv__column_type *type, cv_value *ret_value);

/** See cv__driver. */
/* --- health.c --- */

CV_CHECKED int cv__sqlite_health(cv_ctx *cx, cv__conn *head, cv_db_report *ret_report);
const cv__statement_counters *cv__sqlite_statement_counters(const void *shared);

int cv__sqlite_execute(cv_ctx *cx, cv__conn *head, const cv__statement *wanted, cv_result *ret_result,
                       cv__cursor **ret_cursor);
int cv__sqlite_fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result);
void cv__sqlite_finish(cv_ctx *cx, cv__cursor *cursor);
bool cv__sqlite_writes(cv_ctx *cx, cv__conn *reader, cv_str sql);
int cv__sqlite_run_grouped(cv_ctx *cx, cv__conn *head, const cv__statement *wanted, cv_result *ret_result);

int cv__sqlite_begin(cv_ctx *cx, cv__conn *head, const cv_tx_options *options);
int cv__sqlite_commit(cv_ctx *cx, cv__conn *head);
int cv__sqlite_rollback(cv_ctx *cx, cv__conn *head);
int cv__sqlite_savepoint(cv_ctx *cx, cv__conn *head, int level);
int cv__sqlite_release(cv_ctx *cx, cv__conn *head, int level);
int cv__sqlite_rollback_to(cv_ctx *cx, cv__conn *head, int level);

#endif
