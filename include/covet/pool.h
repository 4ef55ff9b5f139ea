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
