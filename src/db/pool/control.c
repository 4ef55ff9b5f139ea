/* What operators do with pools. */
#include "db/db.h"

#include <covet/pool.h>
#include <covet/runtime.h>

enum { MAX_CONNECTIONS = 10000 };

static void suspend(cv__pool *pool)
{
    pool->suspended = true;
}

static void resume(cv__pool *pool)
{
    if (!pool->suspended || pool->closed)
        return;
    pool->suspended = false;
    cv__pool_serve_all(pool);
}

void cv_db_suspend(cv_db *db)
{
    suspend(&db->readers);
    suspend(&db->writers);
}

void cv_db_resume(cv_db *db)
{
    resume(&db->readers);
    resume(&db->writers);
}

int cv_db_resize(cv_ctx *cx, cv_db *db, int writer, size_t min, size_t max)
{
    cv__pool *pool = cv__db_pool(db, writer ? CV__WRITER : CV__READER);
    if (max == 0 || max > MAX_CONNECTIONS)
        return cv_fail(cx, CV_E_INVALID, "a pool cannot have %zu connections: between 1 and %d are allowed", max,
                       MAX_CONNECTIONS);
    pool->max = db->driver->limit ? db->driver->limit(db->shared, pool->role, max) : max;
    pool->min = min < pool->max ? min : pool->max;
    cv__pool_drop_idle(pool, false);
    if (!pool->closed)
        cv__pool_warm(pool);
    return 0;
}

/* ---- replacing all connections ---- */

/* Whether a connection of an earlier epoch is left: lent, idle ones are closed at once. */
static bool has_former(const cv__pool *pool)
{
    cv_list_each (at, &pool->lent) {
        if (cv_list_entry(at, cv__conn, link)->epoch != pool->epoch)
            return true;
    }
    return pool->revoked_count > 0;
}

static void begin_epoch(cv__pool *pool)
{
    pool->epoch++;
    cv__pool_drop_idle(pool, false);
}

/* A fiber that holds one itself would wait for itself: it is told by the deadline. */
int cv_db_drain(cv_ctx *cx, cv_db *db)
{
    CV_TRY(cv__wait_check(cx, "replace the connections"));
    begin_epoch(&db->readers);
    begin_epoch(&db->writers);
    while (has_former(&db->readers) || has_former(&db->writers)) {
        cv__waiter waiter;
        cv__waiter_init(cx, &waiter);
        waiter.what = "replace the connections";
        cv_list_push_back(has_former(&db->readers) ? &db->readers.drainers : &db->writers.drainers, &waiter.link);
        CV_TRY(cv__wait(cx, &waiter));
    }
    return 0;
}
