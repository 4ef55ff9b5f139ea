#include "db/changes.h"
#include "db/db.h"

#include "base/ctx.h"
#include "db/options.h"
#include <covet/fiber.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLOSE_WAIT_MS = 5000, RAW_CACHE = 4096, STATEMENT_STATS = 1000 };

/* "sqlite::memory:" is no URL by the book: it has no "//". */
static int parse_url(cv_ctx *cx, const char *text, cv_url *ret_url)
{
    static const char memory[] = "sqlite::memory:";
    size_t len = sizeof memory - 1;
    if (strncmp(text, memory, len) == 0 && (text[len] == '\0' || text[len] == '?')) {
        *ret_url = (cv_url){.scheme = "sqlite", .path = ":memory:", .query = text[len] ? text + len + 1 : NULL};
        return 0;
    }
    return cv_url_parse(cx, cv_str_of(text), ret_url);
}

static void free_database(cv_db *db)
{
    cv__statement_cache_done(&db->raw_cache);
    cv__tx_watch_done(&db->watch);
    cv__statement_stats_free(db->statement_stats);
    if (db->shared)
        db->driver->close(db->shared);
    free(db);
}

static void free_raw_entry(void *arg, cv__cached_statement *entry)
{
    (void)arg;
    free(entry);
}

static size_t limit_of(const cv_db *db, cv__conn_role role, size_t wanted)
{
    return db->driver->limit ? db->driver->limit(db->shared, role, wanted) : wanted;
}

/* "127.0.0.1:5432/app", "shop.db": nothing that is secret. */
static void describe_url(const cv_url *url, char name[CV__POOL_NAME_BYTES])
{
    const char *path = url->path ? url->path : "", *last = strrchr(path, '/');
    last = last ? last + 1 : path;
    if (url->host && *url->host && url->port > 0)
        snprintf(name, CV__POOL_NAME_BYTES, "%s:%d/%s", url->host, url->port, last);
    else if (url->host && *url->host)
        snprintf(name, CV__POOL_NAME_BYTES, "%s/%s", url->host, last);
    else
        snprintf(name, CV__POOL_NAME_BYTES, "%s", *last ? last : url->scheme);
}

static void name_pools(cv_db *db, const char *from_url)
{
    const char *name = db->options.pool_name ? db->options.pool_name : from_url;
    bool two = db->writers.max > 0;
    snprintf(db->readers.name, sizeof db->readers.name, "%.100s%s", name, two ? " readers" : "");
    snprintf(db->writers.name, sizeof db->writers.name, "%.100s writer", name);
}

static int share_pool(cv_ctx *cx, cv_db *db, cv__pool *pool, size_t max)
{
    return cv__share_join(cx, pool, db->options.share, max, max > pool->max ? max - pool->max : 0);
}

/* Every worker reads files with connections of its own, unless their number is said. */
static int share_pools(cv_ctx *cx, cv_db *db, bool readers_too)
{
    if (!db->options.share || !db->driver->detach)
        return 0;
    if (readers_too)
        CV_TRY(share_pool(cx, db, &db->readers, db->options.max_connections));
    if (db->writers.max == 0)
        return 0;
    int rc = share_pool(cx, db, &db->writers, db->writers.max);
    if (rc < 0 && readers_too)
        cv__share_leave(&db->readers);
    return rc;
}

/* The database without any connection. */
static int make_database(cv_ctx *cx, const cv__driver *driver, cv_url *url, const cv_db_options *options,
                         cv_db **ret_db)
{
    cv_db *db = calloc(1, sizeof *db);
    if (!db)
        return cv_fail(cx, CV_E_NOMEM, "could not open the database: out of memory");
    db->driver = driver;
    cv_list_init(&db->changes);
    bool in_memory = url->path && strstr(url->path, ":memory:");
    char name[CV__POOL_NAME_BYTES];
    describe_url(url, name);
    bool shares_readers = driver->default_writers == 0 || (options && options->max_connections) ||
                          (url->query && strstr(url->query, "max_connections="));
    int rc = cv__db_options_merge(cx, driver, options, url, &db->options);
    if (rc == 0)
        rc = driver->open(cx, url, &db->options, &db->shared);
    if (rc == 0 && cv__statement_cache_init(&db->raw_cache, RAW_CACHE, free_raw_entry, NULL) < 0)
        rc = cv_fail(cx, CV_E_NOMEM, "could not open the database: out of memory");
    if (rc == 0 && db->options.statement_statistics &&
        !(db->statement_stats = cv__statement_stats_new(STATEMENT_STATS)))
        rc = cv_fail(cx, CV_E_NOMEM, "could not open the database: out of memory");
    if (rc < 0) {
        free_database(db);
        return rc;
    }
    cv__pool_init(cx, &db->readers, driver, db->shared, CV__READER,
                  limit_of(db, CV__READER, db->options.max_connections), &db->options);
    cv__pool_init(cx, &db->writers, driver, db->shared, CV__WRITER, limit_of(db, CV__WRITER, driver->default_writers),
                  &db->options);
    name_pools(db, name);
    rc = in_memory ? 0 : share_pools(cx, db, shares_readers);
    if (rc < 0) {
        free_database(db);
        return rc;
    }
    cv__pool_stats_start(&db->readers);
    if (db->writers.max > 0)
        cv__pool_stats_start(&db->writers);
    cv__statement_metrics_start(db, cv__main_ctx(cx));
    db->options.pool_name = NULL;
    db->options.share = NULL;
    cv__write_lane_init(&db->lane);
    cv__tx_watch_init(cx, &db->watch, &db->options);
    db->refs = 2;
    *ret_db = db;
    return 0;
}

int cv_db_open(cv_ctx *cx, const char *url_text, const cv_db_options *options, cv_db **ret_db)
{
    CV_TRY(cv__wait_check(cx, "open the database"));
    if (!url_text || !*url_text)
        return cv_fail(cx, CV_E_CONFIG, "the database URL is empty");
    cv_url url;
    const cv__driver *driver;
    CV_TRY(parse_url(cx, url_text, &url));
    CV_TRY(cv__driver_find(cx, url.scheme, &driver));
    cv_db *db = NULL;
    CV_TRY(make_database(cx, driver, &url, options, &db));
    cv__conn *conn;
    int rc = cv__pool_acquire(cx, cv__db_pool(db, CV__WRITER), &conn);
    if (rc < 0) {
        cv_db_close(cx, db);
        return rc;
    }
    cv__pool_release(cx, conn);
    *ret_db = db;
    return 0;
}

void cv__db_ref(cv_db *db)
{
    db->refs++;
}

void cv__db_unref(cv_db *db)
{
    if (--db->refs > 0)
        return;
    if (db->abandoned)
        free_database(db);
    else if (db->closer)
        cv__wake(db->closer, 0);
}

static void on_drained(void *arg)
{
    cv__db_unref(arg);
}

void cv_db_close(cv_ctx *cx, cv_db *db)
{
    if (!db)
        return;
    if (cx->db == db)
        cx->db = NULL;
    cv__statement_metrics_stop(db);
    cv__waiter closer;
    cv__waiter_init(cx, &closer);
    db->closer = &closer;
    cv__changes_end_all(db);
    if (db->driver->close_shared)
        db->driver->close_shared(db->shared);
    cv__pool_close(&db->readers, on_drained, db);
    cv__pool_close(&db->writers, on_drained, db);
    if (db->refs > 0) {
        cv_error *first = cv_error_take(cx);
        CV_SHIELD(cx, CLOSE_WAIT_MS)
        {
            int rc = cv__wait(cx, &closer);
            if (rc < 0 && !first)
                cv_error_clear(cx);
        }
        cv_error_put_back(cx, first);
    }
    db->closer = NULL;
    if (db->refs == 0)
        free_database(db);
    else
        db->abandoned = true;
}

cv_db *cv_use_db(cv_ctx *cx, cv_db *db)
{
    cv_db *former = cx->db;
    cx->db = db;
    return former;
}

cv_db *cv_ctx_db(const cv_ctx *cx)
{
    return cx->db;
}

cv_db *cv__db_need(cv_ctx *cx)
{
    if (cx->db)
        return cx->db;
    cv_fail(cx, CV_E_NO_DATABASE, "the context has no database");
    cv_error_hint(cx, "open one with cv_db_open and name it with cv_use_db");
    return NULL;
}

const char *cv_db_engine(const cv_db *db)
{
    return db->driver->name;
}

const cv__dialect *cv__db_dialect(const cv_db *db)
{
    return db->driver->dialect;
}

cv__pool *cv__db_pool(cv_db *db, cv__conn_role role)
{
    return role == CV__WRITER && db->writers.max > 0 ? &db->writers : &db->readers;
}

cv_pool_stats cv_db_pool_stats(const cv_db *db, int writer)
{
    return cv__pool_get_stats(writer && db->writers.max > 0 ? &db->writers : &db->readers);
}
