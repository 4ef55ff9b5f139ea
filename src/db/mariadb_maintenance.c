/* What programs ask of a MariaDB server beyond statements: <covet/mariadb.h>. */
#include "db/database.h"
#include "db/mariadb/wire.h"

#include <covet/mariadb.h>
#include <stdlib.h>

static int hold(cv_ctx *cx, cv_db *db, const char *what, cv__conn **ret_conn)
{
    if (strcmp(cv_db_engine(db), cv__driver_mariadb.name) != 0)
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot %s: the database is %s", what, cv_db_engine(db));
    return cv__db_hold(cx, db, CV__WRITER, ret_conn);
}

/* Run a query on a held connection, all of its rows in memory. */
static int ask(cv_ctx *cx, cv__conn *base, cv_str sql, MYSQL_RES **ret_rows)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    CV_TRY(cv__my_make_ready(cx, conn));
    return cv__my_query(cx, conn, sql, ret_rows);
}

/* The cell of a column by its name, copied; "" for NULL and where there is no such column. */
static const char *cell(cv_ctx *cx, MYSQL_RES *rows, MYSQL_ROW row, const char *name)
{
    for (unsigned i = 0; i < mysql_num_fields(rows); i++)
        if (strcasecmp(mysql_fetch_field_direct(rows, i)->name, name) == 0 && row[i])
            return cv_strndup(cx, row[i], strlen(row[i]));
    return "";
}

/* --- status --- */

#define COUNTER(name) "(SELECT variable_value FROM information_schema.global_status WHERE variable_name = '" name "')"

/* MySQL keeps its counters in another schema. */
#define MYSQL_COUNTER(name)                                                                                            \
    "(SELECT variable_value FROM performance_schema.global_status WHERE variable_name = '" name "')"

#define STATUS(counter, gtid)                                                                                          \
    "SELECT @@global.read_only, " counter("Uptime") ", " counter(                                                      \
        "Threads_connected") ", @@global.max_connections, " counter("Threads_running") ", " counter("Prepared_stmt_"   \
                                                                                                    "count") ", " gtid

static int take_status(cv_ctx *cx, MYSQL_RES *rows, cv_mariadb_status *ret_status)
{
    MYSQL_ROW row = mysql_fetch_row(rows);
    int64_t numbers[6] = {0};
    for (int i = 0; row && i < 6; i++)
        numbers[i] = row[i] ? strtoll(row[i], NULL, 10) : 0;
    ret_status->read_only = numbers[0] != 0;
    ret_status->uptime_s = numbers[1];
    ret_status->connections = numbers[2];
    ret_status->max_connections = numbers[3];
    ret_status->running = numbers[4];
    ret_status->prepared_statements = numbers[5];
    ret_status->gtid = row && row[6] ? cv_strndup(cx, row[6], strlen(row[6])) : "";
    return ret_status->gtid ? 0 : CV_E_NOMEM;
}

static int get_status(cv_ctx *cx, cv__conn *base, cv_mariadb_status *ret_status)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    MYSQL_RES *rows;
    CV_TRY(ask(cx, base,
               conn->is_mysql ? CV_STR(STATUS(MYSQL_COUNTER, "@@global.gtid_executed"))
                              : CV_STR(STATUS(COUNTER, "@@global.gtid_binlog_pos")),
               &rows));
    int rc = take_status(cx, rows, ret_status);
    mysql_free_result(rows);
    const char *version = mysql_get_server_info(conn->my);
    ret_status->is_mysql = conn->is_mysql;
    ret_status->version = cv_strndup(cx, version, strlen(version));
    return rc < 0 || ret_status->version ? rc : CV_E_NOMEM;
}

int cv_mariadb_get_status(cv_ctx *cx, cv_db *db, cv_mariadb_status *ret_status)
{
    cv__conn *conn;
    CV_TRY(hold(cx, db, "ask for the status of a server", &conn));
    int rc = get_status(cx, conn, ret_status);
    cv__db_let_go(cx, conn);
    return rc;
}

/* --- replication --- */

static bool says_yes(const char *text)
{
    return text && strcmp(text, "Yes") == 0;
}

static int take_replication(cv_ctx *cx, MYSQL_RES *rows, MYSQL_ROW row, cv_mariadb_replication *ret_one)
{
    const char *behind = cell(cx, rows, row, "Seconds_Behind_Master");
    const char *receiving = cell(cx, rows, row, "Last_IO_Error"), *applying = cell(cx, rows, row, "Last_SQL_Error");
    ret_one->name = cell(cx, rows, row, "Connection_name");
    ret_one->primary = cv_sprintf(cx, "%s:%s", cell(cx, rows, row, "Master_Host"), cell(cx, rows, row, "Master_Port"));
    ret_one->receives = says_yes(cell(cx, rows, row, "Slave_IO_Running"));
    ret_one->applies = says_yes(cell(cx, rows, row, "Slave_SQL_Running"));
    ret_one->behind_s = behind && *behind ? strtoll(behind, NULL, 10) : -1;
    ret_one->gtid = cell(cx, rows, row, "Gtid_IO_Pos");
    ret_one->error = receiving && *receiving ? receiving : applying;
    return ret_one->name && ret_one->primary && ret_one->gtid && ret_one->error ? 0 : CV_E_NOMEM;
}

static int take_all_replication(cv_ctx *cx, MYSQL_RES *rows, const cv_mariadb_replication **ret_list, size_t *ret_count)
{
    size_t count = (size_t)mysql_num_rows(rows);
    cv_mariadb_replication *list = cv_zalloc(cx, count + 1, sizeof *list);
    if (!list)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        CV_TRY(take_replication(cx, rows, mysql_fetch_row(rows), &list[i]));
    *ret_list = list;
    *ret_count = count;
    return 0;
}

static int get_replication(cv_ctx *cx, cv__conn *conn, const cv_mariadb_replication **ret_list, size_t *ret_count)
{
    MYSQL_RES *rows;
    CV_TRY(ask(cx, conn,
               cv__my_conn_of(conn)->is_mysql ? CV_STR("SHOW SLAVE STATUS") : CV_STR("SHOW ALL REPLICAS STATUS"),
               &rows));
    int rc = take_all_replication(cx, rows, ret_list, ret_count);
    mysql_free_result(rows);
    return rc;
}

int cv_mariadb_get_replication(cv_ctx *cx, cv_db *db, const cv_mariadb_replication **ret_list, size_t *ret_count)
{
    cv__conn *conn;
    CV_TRY(hold(cx, db, "ask for the replication of a server", &conn));
    int rc = get_replication(cx, conn, ret_list, ret_count);
    cv__db_let_go(cx, conn);
    return rc;
}

/* --- tables --- */

/* The server answers with rows: what it did, notes, and errors. */
static int judge(cv_ctx *cx, MYSQL_RES *rows, const char *table)
{
    for (MYSQL_ROW row; rows && (row = mysql_fetch_row(rows));) {
        if (!row[2] || !row[3] || strcasecmp(row[2], "error") != 0)
            continue;
        bool missing = strstr(row[3], "doesn't exist") != NULL;
        return cv_fail(cx, missing ? CV_E_NOT_FOUND : CV_E_DB, "could not maintain table \"%s\": %s", table, row[3]);
    }
    return 0;
}

static int maintain(cv_ctx *cx, cv__conn *conn, const char *verb, const char *table)
{
    MYSQL_RES *rows;
    cv_buf sql;
    cv_buf_init_arena(&sql, cv_ctx_arena(cx), 0);
    cv_buf_printf(&sql, "%s TABLE ", verb);
    cv__add_identifier(&sql, cv_str_of(table));
    if (sql.error)
        return cv_fail(cx, sql.error, "no memory for the name of a table");
    CV_TRY(ask(cx, conn, cv_buf_str(&sql), &rows));
    int rc = judge(cx, rows, table);
    mysql_free_result(rows);
    return rc;
}

static int maintain_all(cv_ctx *cx, cv__conn *conn, const char *verb)
{
    MYSQL_RES *tables;
    int rc = 0;
    CV_TRY(ask(cx, conn, CV_STR("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'"), &tables));
    for (MYSQL_ROW row; rc == 0 && (row = mysql_fetch_row(tables));)
        rc = maintain(cx, conn, verb, row[0]);
    mysql_free_result(tables);
    return rc;
}

static int run(cv_ctx *cx, cv_db *db, const char *verb, const char *what, const char *table)
{
    cv__conn *conn;
    CV_TRY(hold(cx, db, what, &conn));
    int rc = conn->in_transaction ? cv_fail(cx, CV_E_IN_TRANSACTION, "cannot %s inside a transaction", what)
             : table              ? maintain(cx, conn, verb, table)
                                  : maintain_all(cx, conn, verb);
    cv__db_let_go(cx, conn);
    return rc;
}

int cv_mariadb_optimize(cv_ctx *cx, cv_db *db, const char *table)
{
    return run(cx, db, "OPTIMIZE", "optimize a table", table);
}

int cv_mariadb_analyze(cv_ctx *cx, cv_db *db, const char *table)
{
    return run(cx, db, "ANALYZE", "analyze a table", table);
}
