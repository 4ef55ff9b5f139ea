/* What a database tells of itself (db_stats.h). */
#include "db/db.h"

/* The connection of the context's transaction, or a borrowed one: `*ret_borrowed`. */
static int take(cv_ctx *cx, cv_db *db, cv__conn **ret_conn, bool *ret_borrowed)
{
    struct cv_tx *root = cv__tx_root(cx, db);
    *ret_borrowed = !root || !root->conn;
    if (*ret_borrowed)
        return cv__pool_acquire(cx, cv__db_pool(db, CV__READER), ret_conn);
    CV_TRY(cv__tx_check(cx, root));
    *ret_conn = root->conn;
    return 0;
}

int cv_db_health(cv_ctx *cx, cv_db *db, cv_db_report *ret_report)
{
    cv__conn *conn;
    bool borrowed;
    cv_db_report report = {.engine = db->driver->name};
    CV_TRY(take(cx, db, &conn, &borrowed));
    int rc = db->driver->health(cx, conn, &report);
    if (borrowed)
        cv__pool_release(cx, conn);
    if (rc == 0)
        *ret_report = report;
    return rc;
}

int cv_db_plans(cv_ctx *cx, cv_db *db, cv_statement_plan **ret_list, size_t *ret_count)
{
    cv__conn *conn;
    bool borrowed;
    if (!db->driver->plans)
        return cv_fail(cx, CV_E_UNSUPPORTED, "%s keeps no list of prepared statements and their plans",
                       db->driver->name);
    CV_TRY(take(cx, db, &conn, &borrowed));
    int rc = db->driver->plans(cx, conn, ret_list, ret_count);
    if (borrowed)
        cv__pool_release(cx, conn);
    return rc;
}

cv_statement_cache_stats cv_db_statement_cache(const cv_db *db)
{
    const cv__statement_counters *counters = db->driver->statement_counters(db->shared);
    return (cv_statement_cache_stats){.hits = counters->hits,
                                      .misses = counters->misses,
                                      .evictions = counters->evictions,
                                      .expirations = counters->expirations,
                                      .prepared = counters->prepared};
}

int cv_db_statements(cv_ctx *cx, cv_db *db, size_t max, cv_statement_stats **ret_list, size_t *ret_count)
{
    if (db->statement_stats)
        return cv__statement_stats_top(cx, db->statement_stats, max, ret_list, ret_count);
    int rc = cv_fail(cx, CV_E_STATE, "the statements of the database are not measured");
    cv_error_hint(cx, "set statement_statistics=true in the database URL, or .statement_statistics in cv_db_options");
    return rc;
}

void cv_db_statements_reset(cv_db *db)
{
    cv__statement_stats_clear(db->statement_stats);
}
