/* Quick reads that share connections. */
#ifndef COVET_SRC_DB_POSTGRES_SHARED_H
#define COVET_SRC_DB_POSTGRES_SHARED_H

#include "db/postgres/postgres.h"

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

#endif
