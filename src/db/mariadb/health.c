/* How the server is. */
#include "db/mariadb/wire.h"

#include <covet/runtime.h>

static int copy(cv_ctx *cx, const char *text, const char **ret_copy)
{
    *ret_copy = text ? cv_strndup(cx, text, strlen(text)) : NULL;
    return text && !*ret_copy ? CV_E_NOMEM : 0;
}

static bool is_on(const char *cell)
{
    return cell && (strcmp(cell, "1") == 0 || strcmp(cell, "ON") == 0);
}

static int tell_tls(cv_ctx *cx, MYSQL *my, cv_db_report *report)
{
    const char *version = NULL;
    if (!mysql_get_ssl_cipher(my))
        return 0;
    (void)mariadb_get_infov(my, MARIADB_CONNECTION_TLS_VERSION, &version);
    CV_TRY(copy(cx, version, &report->tls_version));
    return copy(cx, mysql_get_ssl_cipher(my), &report->tls_cipher);
}

/* MySQL has replicas, too, but not this view of them. */
static int ask_replica(cv_ctx *cx, cv__my_conn *conn, bool *ret_replica)
{
    MYSQL_RES *rows;
    *ret_replica = false;
    int rc = cv__my_query(cx, conn, conn->is_mysql ? CV_STR("SHOW REPLICA STATUS") : CV_STR("SHOW ALL REPLICAS STATUS"),
                          &rows);
    if (rc == CV_E_PERMISSION || rc == CV_E_AUTH) { /* it needs a privilege: then nobody knows */
        cv_error_clear(cx);
        return 0;
    }
    CV_TRY(rc);
    *ret_replica = rows && mysql_num_rows(rows) > 0;
    mysql_free_result(rows);
    return 0;
}

int cv__my_health(cv_ctx *cx, cv__conn *base, cv_db_report *ret_report)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    MYSQL_RES *rows;
    CV_TRY(cv__my_make_ready(cx, conn));
    int64_t start_ns = cv_now_ns(cx);
    CV_TRY(cv__my_query(cx, conn,
                        conn->is_mysql ? CV_STR("SELECT @@global.read_only, @@session.transaction_read_only")
                                       : CV_STR("SELECT @@global.read_only, @@session.tx_read_only"),
                        &rows));
    ret_report->latency_ns = cv_now_ns(cx) - start_ns;
    MYSQL_ROW row = mysql_fetch_row(rows);
    ret_report->read_only = row && (is_on(row[0]) || is_on(row[1]));
    mysql_free_result(rows);
    CV_TRY(ask_replica(cx, conn, &ret_report->replica));
    ret_report->pid = (int64_t)mysql_thread_id(conn->my);
    CV_TRY(copy(cx, cv__my_place(conn), &ret_report->place));
    CV_TRY(copy(cx, mysql_get_server_info(conn->my), &ret_report->version));
    return tell_tls(cx, conn->my, ret_report);
}
