/* Databases: opening, raw statements, rows.
 *
 * Most programs use models (model.h, query.h); this is what lies below and what raw SQL uses. A `cv_db` is a pool of
 * connections to one database, shared by the fibers of a runtime. A statement runs on the transaction of its context
 * when there is one, otherwise on a connection borrowed for its time. Waiting for a connection is first in, first out,
 * and bounded by the context's deadline and the pool's own limit. */
#ifndef COVET_DB_H
#define COVET_DB_H

#include <covet/ctx.h>
#include <covet/value.h>

CV_BEGIN_DECLS

typedef struct cv_db cv_db;
typedef struct cv_rows cv_rows;
typedef struct cv_db_share cv_db_share;

/* 0 or NULL takes the default. Options of the URL's query win over these. */
typedef struct cv_db_options {
    size_t max_connections;     /* connections to a server (10); readers of a SQLite file (4), beside its writer */
    int64_t acquire_timeout_ms; /* wait for a connection: 5,000 */
    int64_t connect_timeout_ms; /* 5,000 */
    /* The pool (docs/pools.md). Where it is said, a negative number turns the thing off. */
    cv_db_share *share;        /* with the databases of other workers (pool.h); or NULL */
    const char *pool_name;     /* for messages and metrics; made from the URL when NULL */
    int min_connections;       /* kept open: 1; negative: none */
    int64_t idle_timeout_ms;   /* close connections beyond min_connections that were idle for so long: 600,000;
                                  negative, and SQLite: never */
    int64_t max_lifetime_ms;   /* close a connection so long after it was made, up to 10 % earlier at random:
                                  1,800,000; negative, and SQLite: never */
    int64_t validate_after_ms; /* ask a connection that was idle for so long before it is lent: 500; negative: never */
    int64_t validate_timeout_ms; /* how long the answer may take: 500 */
    int64_t shed_target_ms;      /* the first in line should not wait longer: half of acquire_timeout; negative: turn
                                    nobody away */
    int64_t shed_interval_ms;    /* when it has for so long, newcomers fail with CV_E_OVERLOADED: 1,000 */
    int64_t leak_threshold_ms;   /* log loans that last longer, with the stack of the borrower: off */
    int64_t forced_return_ms;    /* take connections back that are lent for longer: off */
    int breaker_window;          /* circuit breaker: of so many last connects and losses (100; at most 1,024; negative:
                                    no breaker) */
    int breaker_percent;         /* so many per cent have to fail (50), */
    int64_t breaker_open_ms;     /* for connects to fail at once for so long (60,000), */
    int breaker_probes;          /* and then so many tries to decide how it goes on (10) */
    int64_t long_transaction_ms; /* log transactions that are open for longer: 10,000; negative: never */
    int64_t idle_transaction_ms; /* and those that run no statement for longer: 5,000; negative: never */
    size_t statement_cache;      /* prepared statements kept per connection: 1,000 */
    int64_t statement_lifetime_ms; /* PostgreSQL prepares a statement anew after that time: 3,600,000; -1: never */
    int statement_statistics;      /* 1: measure each statement (cv_db_statements, db_stats.h) */
    int shared_connections;  /* PostgreSQL: of max_connections, those that quick reads share; -1: none. Default: 2,
                                with max_connections from 8 on */
    int64_t listen_check_ms; /* PostgreSQL: the connection of notifications (notify.h) asks a server that was silent
                                for so long, and takes it for lost when it stays so as long again: 5,000 */
    /* SQLite: PRAGMAs, checked against a list of those that matter */
    const char *sqlite_journal_mode; /* "wal" */
    const char *sqlite_synchronous;  /* "full": what was acknowledged survives a power cut; "normal", "off", "extra" */
    int64_t sqlite_busy_timeout_ms;  /* wait for another process's lock: 5,000 */
    int64_t sqlite_cache_kib;        /* page cache of a reader: 16,384; the writer has four times as much */
    int sqlite_no_foreign_keys;      /* 1: do not enforce foreign keys */
    int read_only;                   /* 1: refuse writes */
} cv_db_options;

/** Open a database by its URL:
 *      sqlite:///relative.db  sqlite:////absolute/path.db  sqlite::memory:
 *      postgres://user:password@host:port/name?option=value     also postgresql://
 *      mysql://user:password@host:port/name?option=value        also mariadb://
 *
 *  Marks in user, password, host and name are written as %40; a host that begins with %2F is a socket (of PostgreSQL:
 *  its folder), one in brackets an IPv6 address. Options: those of the pool (docs/pools.md) on every engine, and those
 *  of docs/sqlite.md, docs/postgresql.md and docs/mariadb.md; unknown ones are refused. URL and options are copied. One
 *  connection is made and checked now. The database lives until cv_db_close, for the runtime of the context. Suspends.
 *
 *  CV_E_CONFIG, CV_E_NOT_FOUND (the folder of a file, the database on a server), CV_E_PERMISSION, CV_E_NOT_A_DATABASE,
 *  CV_E_RESOLVE, CV_E_REFUSED, CV_E_UNREACHABLE, CV_E_NO_SERVER, CV_E_TLS, CV_E_AUTH, CV_E_TOO_MANY_CONNECTIONS,
 *  CV_E_TIMEOUT, CV_E_CANCELLED, CV_E_NOMEM. The password never appears in a message. */
CV_API CV_CHECKED int cv_db_open(cv_ctx *cx, const char *url, const cv_db_options *options, cv_db **ret_db);

/** Close all connections; those still borrowed are closed when they are given back (bounded wait: 5 s). NULL is
 * allowed. Suspends. */
CV_API void cv_db_close(cv_ctx *cx, cv_db *db);

/** Make it the default database of this context and of those spawned from it later; NULL: none. It stays the caller's.
 *  Returns the former one. Does not suspend. */
CV_API cv_db *cv_use_db(cv_ctx *cx, cv_db *db);
/** The default database; NULL without one. Does not suspend. */
CV_API cv_db *cv_ctx_db(const cv_ctx *cx);

/** "sqlite", "postgres", "mariadb" (also for MySQL). Static storage. Does not suspend. */
CV_API const char *cv_db_engine(const cv_db *db);

/** What a statement did. */
typedef struct cv_result {
    int64_t affected;       /* rows inserted, updated or deleted; 0 for others */
    int64_t last_insert_id; /* of an INSERT. SQLite: the last rowid; MariaDB: the first key that AUTO_INCREMENT gave, 0
                               without one; PostgreSQL: 0 (use RETURNING, which all have) */
} cv_result;

#ifndef __cplusplus
/** Run a statement that returns no rows. `sql` must be a string literal; values are bound to its `?` placeholders, in
 * order at most eight (`??` is a literal question mark); cv_sql_run takes any number. CV_TRY(cv_exec(cx, NULL, "UPDATE
 * books SET price = ? WHERE id = ?", price, id)); `ret_result` may be NULL. Suspends. Every database error, with table,
 * column and constraint where the engine tells. */
#define cv_exec(cx, ret_result, ...) cv__sql_exec((cx), (ret_result), CV__SQL(__VA_ARGS__))

/** Run a statement that returns rows, to be read one at a time:
 *      cv_rows *rows;
 *      CV_TRY(cv_select(cx, &rows, "SELECT id, title FROM books WHERE pages < ?", 300));
 *      while ((rc = cv_rows_next(cx, rows)) > 0)
 *          use(cv_rows_get(rows, 0).as.i64, cv_rows_get(rows, 1).as.text);
 *      cv_rows_close(cx, rows);
 *  The connection is borrowed until the rows are closed, which happens by itself when the end is reached or the
 * context's arena is freed or rewound. Suspends. */
#define cv_select(cx, ret_rows, ...) cv__sql_select((cx), (ret_rows), CV__SQL(__VA_ARGS__))

/** The same for a read that ends soon and has few rows, such as one by a unique key: where the engine can (PostgreSQL),
 *  the reads of many fibers share a connection, on which nothing can be written (CV_E_READ_ONLY), and all rows are in
 *  memory when this returns. Inside a transaction, and in other engines, it is cv_select. */
#define cv_select_quick(cx, ret_rows, ...) cv__sql_select_quick((cx), (ret_rows), CV__SQL(__VA_ARGS__))

/** The first row's first column, copied into the context's arena; CV_E_NOT_FOUND without a row. Suspends. */
#define cv_scalar(cx, ret_value, ...) cv__sql_scalar((cx), (ret_value), CV__SQL(__VA_ARGS__))
#endif

/** The same for statements with any number of values in an array. `sql` comes from the program, never from outside:
 *  only the values are bound. `ret_rows` NULL when no rows are wanted; `ret_result` may be NULL. Suspends. */
CV_API CV_CHECKED int cv_sql_run(cv_ctx *cx, const char *sql, const cv_value *values, size_t count,
                                 cv_result *ret_result, cv_rows **ret_rows);

/** Go to the next row: 1 when there is one, 0 at the end, an error of the statement otherwise. Suspends. */
CV_API CV_CHECKED int cv_rows_next(cv_ctx *cx, cv_rows *rows);
/** How many columns each row has. Does not suspend, as the next two. */
CV_API size_t cv_rows_columns(const cv_rows *rows);
/** The name of a column; valid as long as the rows. NULL for an index out of range. */
CV_API const char *cv_rows_name(const cv_rows *rows, size_t column);
/** A value of the present row; its text is valid until the next row. NULL value for an index out of range. */
CV_API cv_value cv_rows_get(const cv_rows *rows, size_t column);
/** Give the connection back. NULL and a second call are allowed. May suspend, briefly. */
CV_API void cv_rows_close(cv_ctx *cx, cv_rows *rows);

/** The pool: how many connections there are now, and what happened since it was made. */
typedef struct cv_pool_stats {
    size_t max;                      /* the limit */
    size_t open;                     /* connected: idle and borrowed ones */
    size_t idle, borrowed;           /* ready to be lent; lent */
    size_t connecting;               /* being made */
    size_t waiting;                  /* fibers in the line for one */
    uint64_t acquired_total;         /* loans */
    uint64_t timeouts_total;         /* fibers that waited in vain */
    uint64_t opened_total;           /* connections made */
    uint64_t closed_total;           /* and closed, for whatever reason */
    uint64_t shed_total;             /* turned away by overload */
    uint64_t leaks_total;            /* loans that lasted longer than leak_threshold */
    uint64_t revoked_total;          /* taken back by forced_return */
    uint64_t connect_failures_total; /* connects that failed */
} cv_pool_stats;
/** `writer` 1: SQLite's writer lane; 0: the readers, or the only pool of other engines. Does not suspend. */
CV_API cv_pool_stats cv_db_pool_stats(const cv_db *db, int writer);

/* What the macros above expand to; not for direct use. A literal is required by the concatenation with "". */
CV_API CV_CHECKED int cv__sql_exec(cv_ctx *cx, cv_result *ret_result, const char *sql, const cv_value *values,
                                   size_t count);
CV_API CV_CHECKED int cv__sql_select(cv_ctx *cx, cv_rows **ret_rows, const char *sql, const cv_value *values,
                                     size_t count);
CV_API CV_CHECKED int cv__sql_select_quick(cv_ctx *cx, cv_rows **ret_rows, const char *sql, const cv_value *values,
                                           size_t count);
CV_API CV_CHECKED int cv__sql_scalar(cv_ctx *cx, cv_value *ret_value, const char *sql, const cv_value *values,
                                     size_t count);

#ifndef __cplusplus
#define CV__SQL(...)                                        CV__SQL_PICK(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0, )(__VA_ARGS__)
#define CV__SQL_PICK(s, a, b, c, d, e, f, g, h, count, ...) CV__SQL_##count
#define CV__SQL_0(s)                                        "" s "", NULL, 0
#define CV__V(...)                                                                                                     \
    (const cv_value[])                                                                                                 \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define CV__SQL_1(s, a)             "" s "", CV__V(CV_VALUE(a)), 1
#define CV__SQL_2(s, a, b)          "" s "", CV__V(CV_VALUE(a), CV_VALUE(b)), 2
#define CV__SQL_3(s, a, b, c)       "" s "", CV__V(CV_VALUE(a), CV_VALUE(b), CV_VALUE(c)), 3
#define CV__SQL_4(s, a, b, c, d)    "" s "", CV__V(CV_VALUE(a), CV_VALUE(b), CV_VALUE(c), CV_VALUE(d)), 4
#define CV__SQL_5(s, a, b, c, d, e) "" s "", CV__V(CV_VALUE(a), CV_VALUE(b), CV_VALUE(c), CV_VALUE(d), CV_VALUE(e)), 5
#define CV__SQL_6(s, a, b, c, d, e, f)                                                                                 \
    "" s "", CV__V(CV_VALUE(a), CV_VALUE(b), CV_VALUE(c), CV_VALUE(d), CV_VALUE(e), CV_VALUE(f)), 6
#define CV__SQL_7(s, a, b, c, d, e, f, g)                                                                              \
    "" s "", CV__V(CV_VALUE(a), CV_VALUE(b), CV_VALUE(c), CV_VALUE(d), CV_VALUE(e), CV_VALUE(f), CV_VALUE(g)), 7
#define CV__SQL_8(s, a, b, c, d, e, f, g, h)                                                                           \
    "" s "",                                                                                                           \
        CV__V(CV_VALUE(a), CV_VALUE(b), CV_VALUE(c), CV_VALUE(d), CV_VALUE(e), CV_VALUE(f), CV_VALUE(g), CV_VALUE(h)), \
        8
#endif

CV_END_DECLS

#endif
