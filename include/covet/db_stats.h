/* What a database tells of itself: how its server is, its prepared statements, and which statements take the time.
 *
 * All of it is of one `cv_db`, so of one worker. Lists lie in the context's arena. */
#ifndef COVET_DB_STATS_H
#define COVET_DB_STATS_H

#include <covet/ctx.h>

CV_BEGIN_DECLS

typedef struct cv_db cv_db;

/** The connection that answered, and the server behind it. Texts in the context's arena, NULL for what does not exist
 * or is not told. */
typedef struct cv_db_report {
    const char *engine;      /* "sqlite", "postgres" */
    const char *version;     /* of the server, or of the library: "15.20", "3.40.1" */
    const char *place;       /* "db1.example.com:5432", or the path of the file */
    const char *tls_version; /* "TLSv1.3" */
    const char *tls_cipher;  /* "TLS_AES_256_GCM_SHA384" */
    int64_t pid;             /* of the server's process for this connection; 0: none, or hidden by a pooler */
    bool pooled;             /* a transaction pooler is in between */
    bool replica;
    bool read_only;     /* a transaction could not write now */
    int64_t latency_ns; /* of one question to the server, and its answer */
} cv_db_report;

/** Ask the database how it is, over a connection of the pool: for health checks, with a deadline around it. Inside a
 *  transaction it is the transaction's connection. Suspends. Errors as any statement. */
CV_API CV_CHECKED int cv_db_health(cv_ctx *cx, cv_db *db, cv_db_report *ret_report);

/** What happened to prepared statements since the database was opened, over all of its connections. */
typedef struct cv_statement_cache_stats {
    uint64_t hits, misses;
    uint64_t evictions;   /* left for others: more than statement_cache per connection */
    uint64_t expirations; /* older than statement_lifetime */
    size_t prepared;      /* now */
} cv_statement_cache_stats;

/** Does not suspend. */
CV_API cv_statement_cache_stats cv_db_statement_cache(const cv_db *db);

/** A statement that the server has prepared for a connection. */
typedef struct cv_statement_plan {
    const char *name;
    const char *sql;
    int64_t generic_plans; /* how often it ran with a plan for any values, and with one for the values given; -1: */
    int64_t custom_plans;  /* the server does not tell (before 14) */
} cv_statement_plan;

/** The plan cache of the connection that is free, most of all: what PostgreSQL has prepared for it, in order of the
 * names. CV_E_UNSUPPORTED where the engine does not tell, or a pooler is in between. Suspends. */
CV_API CV_CHECKED int cv_db_plans(cv_ctx *cx, cv_db *db, cv_statement_plan **ret_list, size_t *ret_count);

/** What was measured of one statement. */
typedef struct cv_statement_stats {
    const char *sql; /* with placeholders, never with values; cut after 1,000 bytes */
    uint64_t calls, errors;
    uint64_t rows; /* read, or changed */
    int64_t total_ns, mean_ns,
        max_ns; /* from the call, waiting for a connection included, until the rows were closed */
} cv_statement_stats;

/** The statements that took the most time in all, at most `max` of them, the first one the most. They are measured with
 *  the option statement_statistics alone (CV_E_STATE without it); of those, the 1,000 that ran last are kept. Does not
 *  suspend. CV_E_NOMEM. */
CV_API CV_CHECKED int cv_db_statements(cv_ctx *cx, cv_db *db, size_t max, cv_statement_stats **ret_list,
                                       size_t *ret_count);

/** Forget what was measured. Does not suspend. */
CV_API void cv_db_statements_reset(cv_db *db);

CV_END_DECLS

#endif
