/* What MariaDB databases need besides statements: how the server and its replication are, OPTIMIZE and ANALYZE.
 *
 * Every call suspends, obeys the context's deadline and cancellation, uses a connection of the pool, and fails with
 * CV_E_UNSUPPORTED on another engine, with CV_E_IN_TRANSACTION inside an atomic block. */
#ifndef COVET_MARIADB_H
#define COVET_MARIADB_H

#include <covet/db.h>

CV_BEGIN_DECLS

/** How full the server is, from its own counters. */
typedef struct cv_mariadb_status {
    const char *version; /* "10.11.19-MariaDB-log" */
    bool is_mysql;       /* MySQL, not MariaDB */
    bool read_only;      /* the server refuses writes of accounts without a special right */
    int64_t uptime_s;
    int64_t connections, max_connections; /* of all clients, now and at most */
    int64_t running;                      /* statements under way */
    int64_t prepared_statements;          /* of all connections, now */
    const char *gtid;                     /* the last transaction of its binary log, "0-1-50"; "" without one */
} cv_mariadb_status;

/** Ask the server; texts in the context's arena. Errors as any statement. */
CV_API CV_CHECKED int cv_mariadb_get_status(cv_ctx *cx, cv_db *db, cv_mariadb_status *ret_status);

/** One stream of changes that the server takes from a primary. */
typedef struct cv_mariadb_replication {
    const char *name;       /* of the connection, "" for the only one */
    const char *primary;    /* "db1.example.com:3306" */
    bool receives, applies; /* its two threads run */
    int64_t behind_s;       /* how old the change is that is applied now; -1: not known */
    const char *gtid;       /* the last transaction received */
    const char *error;      /* why it stopped; "" when it did not */
} cv_mariadb_replication;

/** What the server replicates from others: none on a primary. In the context's arena. CV_E_PERMISSION without the right
 *  to see it (REPLICA MONITOR), and errors as any statement. */
CV_API CV_CHECKED int cv_mariadb_get_replication(cv_ctx *cx, cv_db *db, const cv_mariadb_replication **ret_list,
                                                 size_t *ret_count);

/** Write a table anew, without the space that deleted rows left, and bring its statistics up to date. Readers and
 * writers go on meanwhile, but for two moments. NULL: every table of the database, one after another. CV_E_NOT_FOUND;
 *  CV_E_IN_TRANSACTION inside an atomic block. https://mariadb.com/kb/en/optimize-table/ */
CV_API CV_CHECKED int cv_mariadb_optimize(cv_ctx *cx, cv_db *db, const char *table);

/** Only the statistics. The same otherwise. https://mariadb.com/kb/en/analyze-table/ */
CV_API CV_CHECKED int cv_mariadb_analyze(cv_ctx *cx, cv_db *db, const char *table);

CV_END_DECLS

#endif
