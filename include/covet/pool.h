/* Pools of connections: what operators do with them, and what they tell.
 *
 * A database (cv_db) has one pool of connections, or two: SQLite has readers and a writer. `writer` 1 names the
 * writer's pool, 0 the other one, or the only one. docs/pools.md has the options, what the numbers mean and what to do
 * about each error. Everything here belongs to the thread of the database's runtime. */
#ifndef COVET_POOL_H
#define COVET_POOL_H

#include <covet/db.h>

CV_BEGIN_DECLS

/** Lend nothing any more: who asks waits in line, as long as acquire_timeout and its deadline allow; loans go on. For
 *  a switch-over behind the application's back. Idempotent. Does not suspend. */
CV_API void cv_db_suspend(cv_db *db);

/** Lend again; who waits is served, first come first. Idempotent. Does not suspend. */
CV_API void cv_db_resume(cv_db *db);

/** Replace every connection: idle ones are closed now, lent ones when they come back, new ones are made on demand.
 * Waits until none of the former ones is left. Suspends. CV_E_TIMEOUT, CV_E_CANCELLED: those that are still lent are
 * closed all the same when they come back. A database in memory is empty afterwards. */
CV_API CV_CHECKED int cv_db_drain(cv_ctx *cx, cv_db *db);

/** Change the bounds of a pool. Above a smaller maximum, idle connections are closed now and lent ones when they come
 * back; what is missing to a larger minimum is made. A `min` above `max` is taken as `max`. What SQLite has one of
 * stays one. CV_E_INVALID for a maximum of 0 or above 10,000. Does not suspend. */
CV_API CV_CHECKED int cv_db_resize(cv_ctx *cx, cv_db *db, int writer, size_t min, size_t max);

/** One minute of a pool. */
typedef struct cv_pool_minute {
    uint64_t minute;       /* number of the minute of the runtime's clock */
    uint64_t loans;        /* connections lent */
    double used_average;   /* of connections lent at the same time */
    size_t used_max;       /* most of them */
    int64_t wait_p50_us;   /* wait for a connection, of all loans; exact to an eighth */
    int64_t wait_p99_us;   /*  */
    uint64_t timeouts;     /* waits that ended with CV_E_POOL_TIMEOUT */
    uint64_t turned_away;  /* CV_E_OVERLOADED */
    uint64_t made, closed; /* connections */
    uint64_t failures;     /* connects that failed */
} cv_pool_minute;

enum { CV_POOL_MINUTES = 60 };

/** The last hour, minute by minute, the present one last; minutes in which nothing was lent and nothing happened are
 *  left out. Returns how many were written, at most `count`: the latest ones. Does not suspend. */
CV_API size_t cv_db_pool_history(cv_db *db, int writer, cv_pool_minute *ret_minutes, size_t count);

/** How a pool is: 0 well; 1 warning (three quarters are lent, a loan lasts too long, or a wait is unlike those of the
 * last hour); 2 failing (everything is lent and somebody waits, or connects fail). Each change is logged. Does not
 * suspend. */
CV_API int cv_db_pool_alert(cv_db *db, int writer);

/** What the databases of several workers share when each is opened with it (cv_db_options.share) and the same URL:
 * max_connections is the limit of the process then, not of a worker, and idle connections are handed over to a worker
 * that waits, first come first served over all of them. SQLite has one writer for all workers then; its readers are
 * shared only where max_connections is given, and databases in memory not at all. Made by whoever starts the workers,
 * freed when all databases are closed or before: the last one that uses it frees it. `cv_db_share_new`: CV_E_NOMEM.
 * NULL may be freed. Neither suspends. */
CV_API CV_CHECKED int cv_db_share_new(cv_ctx *cx, cv_db_share **ret_share);
CV_API void cv_db_share_free(cv_db_share *share);

/** Connections of a role that are open, or being made, in the whole process. From any thread. */
CV_API size_t cv_db_share_used(cv_db_share *share, int writer);

CV_END_DECLS

#endif
